"""Writing what is made from an assignment's source, and keeping what a teacher changed by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from layerlab.grading import notebooks
from layerlab.grading.assignments import OWN, files_of
from layerlab.grading.files import put
from layerlab.grading.source import Source
from layerlab.grading.submissions import is_id

CONFIG = """\
# nbgrader's settings of this course: https://nbgrader.readthedocs.io
from pathlib import Path

c = get_config()
c.CourseDirectory.root = str(Path(__file__).resolve().parent)
c.CourseDirectory.course_id = {course!r}
c.Execute.timeout = {seconds}  # seconds that one cell may take in nbgrader's own autograde
"""


@dataclass
class Made:
    """written: what is new. kept: what was changed by hand since it was made, and was left as it is."""

    written: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)


def build(source: Source, out: Path, students: Iterable[str] = (), *, force: bool = False) -> Made:
    """Write NAME.ipynb for students and NAME-key.ipynb into `out`, and out/STUDENT/NAME.ipynb for each of `students`.

    A student's notebook has STUDENT filled in. What was changed by hand is kept, unless `force`. Raises ValueError for
    an id that the grader would not take.
    """
    made, students = Made(), list(students)
    for student in students:
        if not is_id(student):
            raise ValueError(f"{student!r} cannot be a student's id: letters, digits, . @ + - _ are allowed")
    _notebook(made, out / f"{source.name}.ipynb", notebooks.student(source), force)
    _notebook(made, out / f"{source.name}-key.ipynb", notebooks.key(source), force)
    _own_checks(made, source, out, force)
    for student in students:
        folder = out / student
        _notebook(made, folder / f"{source.name}.ipynb", notebooks.student(source, student), force)
        _own_checks(made, source, folder, force)
    return made


def build_course(source: Source, course: Path, *, force: bool = False) -> Made:
    """Write source/NAME/NAME.ipynb into an nbgrader course folder, and nbgrader_config.py where there is none."""
    made = Made()
    config = course / "nbgrader_config.py"
    if not config.exists():
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", course.resolve().name) or "course"
        seconds = max(60, round(120 * source.budget.cpu_minutes))
        put(config, CONFIG.format(course=name, seconds=seconds))
        made.written.append(config)
    folder = course / "source" / source.name
    _notebook(made, folder / f"{source.name}.ipynb", notebooks.nbgrader_source(source), force)
    _own_checks(made, source, folder, force)
    return made


def _notebook(made: Made, path: Path, notebook: Any, force: bool) -> None:
    import nbformat

    text = nbformat.writes(notebook) + "\n"
    if path.exists() and not force and not _ours(path) and path.read_text("utf-8", "replace") != text:
        made.kept.append(path)
        return
    _write(made, path, text)


def _own_checks(made: Made, source: Source, folder: Path, force: bool) -> None:
    """Where an assignment is a course's own, its variants and visible checks lie beside the notebook."""
    for path in files_of(source.name, source.path.parent):
        if path.name != OWN:
            continue
        text, there = path.read_text(encoding="utf-8"), folder / path.name
        if there.exists() and not force and there.read_text("utf-8", "replace") != text:
            made.kept.append(there)
        else:
            _write(made, there, text)


def _ours(path: Path) -> bool:
    """Whether a notebook is still as it was made: its cells, whatever was run in it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return found["metadata"]["layerlab"]["made"] == notebooks.fingerprint(found)
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def _write(made: Made, path: Path, text: str) -> None:
    if path.is_file() and path.read_text("utf-8", "replace") == text:
        return
    put(path, text)
    made.written.append(path)

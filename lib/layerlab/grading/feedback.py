"""Feedback: one page for each student, complete in itself, that shows no hidden test."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from layerlab.grading.files import put
from layerlab.grading.results import GRADED, Mark
from layerlab.grading.standing import Standing, file_name, legible, number


def page(standing: Standing, title: str) -> str:
    """The page as HTML: points, what the visible checks said, why points were lost, comments by hand, notes.

    It makes no request and runs no script, whatever the strings hold that come from the student. What is for the
    teacher only (`Mark.private`) never gets to the template.
    """
    result = standing.result
    questions = [
        {
            "name": question.name,
            "points": question.points,
            "score": question.score,
            "waiting": question.waiting,
            "comments": question.comments,
            "marks": [_mark(mark, mark.grade_id in question.by_hand) for mark in question.marks],
        }
        for question in standing.questions
    ]
    return _template().render(
        title=title,
        student=result.student,
        graded=standing.graded,
        reason=result.reason if result.status != GRADED else "",
        notes=result.notes,
        questions=questions,
        points=standing.points,
        score=standing.score,
        waiting=sum(question.waiting for question in standing.questions),
        penalty=standing.penalty,
        digest=result.digest[:12],
    )


def write(standings: Iterable[Standing], title: str, folder: Path) -> list[Path]:
    """Write one page for each student into the folder, named by the student's id; the paths."""
    paths = []
    for standing in standings:
        paths.append(folder / f"{file_name(standing.result.student)}.html")
        put(paths[-1], page(standing, title))
    return paths


def write_course(standings: Iterable[Standing], title: str, course: Path) -> list[Path]:
    """Write the pages into a course folder of nbgrader: feedback/ASSIGNMENT/STUDENT.html; the paths.

    Where a submission came through nbgrader's exchange, its page goes to feedback/STUDENT/ASSIGNMENT/NOTEBOOK.html
    instead, beside the submission's time and secret: from there `nbgrader release_feedback` gives it to nobody but the
    one who handed in. (That command stops at a page without a secret, so others must not lie there.)
    """
    paths = []
    for standing in standings:
        result = standing.result
        place = Path(file_name(result.student)) / result.assignment
        kept = [course / "submitted" / place / name for name in ("timestamp.txt", "submission_secret.txt")]
        if all(path.is_file() and not path.is_symlink() for path in kept):
            notebook = Path(result.file).stem if result.file.endswith(".ipynb") else result.assignment
            paths.append(course / "feedback" / place / f"{file_name(notebook)}.html")
            put(paths[-1], page(standing, title))
            for path in kept:
                shutil.copyfile(path, paths[-1].with_name(path.name))
        else:
            paths += write([standing], title, course / "feedback" / result.assignment)
    return paths


def _mark(mark: Mark, by_hand: bool) -> dict[str, Any]:
    """What the template may know of a mark: the student's part of it."""
    return {
        "id": mark.grade_id,
        "points": mark.points,
        "score": mark.score,
        "by_hand": by_hand,
        "visible": mark.visible.strip(),
        "says": mark.says.strip(),
    }


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    # `finalize` sees every value on its way into the page: no place of the template can forget to make it legible
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: legible(value) if isinstance(value, str) else value,
    )
    environment.filters["number"] = number
    source = files("layerlab.grading").joinpath("templates", "feedback.html").read_text(encoding="utf-8")
    return environment.from_string(source)

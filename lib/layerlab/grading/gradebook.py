"""Marks into nbgrader's gradebook, by its own API, and the notebooks that its formgrader shows.

What a person gave stays: grading again changes automatic scores, never a manual score, a comment or extra credit.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from layerlab.grading import autograded, handout
from layerlab.grading.files import put
from layerlab.grading.results import GRADED, Mark, Result
from layerlab.grading.source import Source
from layerlab.grading.submissions import Submission, Unreadable, is_id

LACKING = "nbgrader is not installed: pip install 'layerlab[nbgrader]'"
BESIDE = ("timestamp.txt", "submission_secret.txt")  # what nbgrader goes on from when it gives feedback back
MOST = 1000  # bytes of such a file


def record(results: Iterable[Result], course: Path, source: Source, submissions: Sequence[Submission]) -> list[Path]:
    """Write results into the gradebook of an nbgrader course folder; returns the notebooks written for the formgrader.

    What the gradebook holds already is left alone. For each other student: the submission, an automatic score for every
    tests cell, and cells that wait for a person. What a person gave before is kept; it is flagged for a second look
    where the answer or the automatic score has changed since. A submission that could not be graded waits in all its
    cells. An answer that was left as it was handed out gets 0, as nbgrader does it. The course folder is made ready
    where it is not yet: source/NAME, nbgrader_config.py, and nbgrader's generate_assignment. Ids that are no file names
    (`submissions.is_id`) are left out.

    Raises RuntimeError without nbgrader, ValueError where the gradebook knows other cells than the source.
    """
    _nbgrader()
    if not (course / "source" / source.name / f"{source.name}.ipynb").is_file():
        handout.build_course(source, course)
    with opened(course) as gradebook:
        _prepared(gradebook, course, source)
        handed_in = {submission.student: submission for submission in submissions}
        return [_record(gradebook, course, source, result, handed_in) for result in results if is_id(result.student)]


def _content(handed_in: dict[str, Submission], result: Result) -> bytes:
    """The notebook that a result is of; nothing where it cannot be read."""
    try:
        return handed_in[result.student].read()
    except (KeyError, Unreadable):
        return b""


@contextmanager
def opened(course: Path) -> Iterator[Any]:
    """nbgrader's `Gradebook` of a course folder, made if there is none; closed in the end.

    Raises RuntimeError without nbgrader, or where the database is an older nbgrader's.
    """
    api = _nbgrader()
    from sqlalchemy.exc import OperationalError

    folder = _folder(course)
    try:
        with _scripts_on_path():  # to make a database nbgrader runs `alembic`, which lies beside this Python
            gradebook = api.Gradebook(folder.db_url, folder.course_id)
        with gradebook:
            yield gradebook
    except OperationalError as error:
        raise RuntimeError(
            f"the gradebook {folder.db_url} cannot be used ({error.orig}); if an older nbgrader made it, keep a copy "
            f"and run `nbgrader db upgrade` in {course}"
        ) from None


def _nbgrader() -> ModuleType:
    """nbgrader's module `api`, where it is installed."""
    try:
        return importlib.import_module("nbgrader.api")
    except ImportError:
        raise RuntimeError(LACKING) from None


@contextmanager
def _scripts_on_path() -> Iterator[None]:
    before = os.environ.get("PATH", os.defpath)
    os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), before])
    try:
        yield
    finally:
        os.environ["PATH"] = before


def configuration(course: Path) -> Any:
    """nbgrader's settings of a course folder, as nbgrader_config.py has them, with the folder itself as the root."""
    from traitlets.config import Config, PyFileConfigLoader

    name = "nbgrader_config.py"
    config = PyFileConfigLoader(name, path=str(course)).load_config() if (course / name).is_file() else Config()
    config.CourseDirectory.root = str(course.resolve())
    return config


def _folder(course: Path) -> Any:
    from nbgrader.coursedir import CourseDirectory

    return CourseDirectory(config=configuration(course))


def _prepared(gradebook: Any, course: Path, source: Source) -> None:
    """See to it that the gradebook knows the assignment, with the cells and points of the source."""
    from nbgrader.api import MissingEntry

    try:
        known = gradebook.find_notebook(source.name, source.name)
    except MissingEntry:
        _generate(course, source)
        gradebook.db.expire_all()
        known = gradebook.find_notebook(source.name, source.name)
    there = {cell.name: cell.max_score for cell in known.grade_cells}
    wanted = {cell.id: cell.points for cell in source.cells if cell.grade}
    if there != wanted:
        differing = sorted(name for name in {*there, *wanted} if there.get(name) != wanted.get(name))
        raise ValueError(
            f"the gradebook of {course} has other cells or points than {source.name} (see {differing[0]}): run "
            f"`layerlab assignment build {source.name} --course {course}` and nbgrader generate_assignment --force"
        )


def _generate(course: Path, source: Source) -> None:
    """Do what `nbgrader generate_assignment NAME` does."""
    from nbgrader.converters import GenerateAssignment
    from nbgrader.converters.base import NbGraderException

    if (course / "release" / source.name).exists():
        raise ValueError(
            f"{course / 'release' / source.name} is there, but the gradebook does not know the assignment: run "
            f"`nbgrader generate_assignment {source.name} --force` in {course}"
        )
    folder = _folder(course)
    folder.assignment_id = source.name
    try:
        GenerateAssignment(coursedir=folder, config=configuration(course)).start()
    except NbGraderException as error:
        raise ValueError(f"nbgrader could not generate the assignment {source.name} in {course}: {error}") from None


def _record(gradebook: Any, course: Path, source: Source, result: Result, handed_in: dict[str, Submission]) -> Path:
    name, student = source.name, result.student
    path = course / "autograded" / student / name / f"{name}.ipynb"
    if result.digest and autograded.of(path) == result.digest and _holds(gradebook, course, result):
        return path
    found = autograded.handed_in(source, _content(handed_in, result))
    gradebook.update_or_create_student(student)
    with gradebook.db.no_autoflush:  # else SQLAlchemy warns of the order in which nbgrader makes a submission's rows
        gradebook.update_or_create_submission(name, student, timestamp=_timestamp(course, name, student))
    notebook = autograded.notebook(source, result, found)
    before = autograded.texts(path)
    now = autograded.texts_of(notebook)
    marks = {mark.grade_id: mark for mark in result.marks}
    cells = {cell.id: cell for cell in source.cells if cell.grade}
    graded = result.status == GRADED and found.readable
    for grade in gradebook.find_submission_notebook(name, name, student).grades:
        cell, mark = cells[grade.name], marks.get(grade.name)
        blank = cell.manual and graded and not autograded.answered(source, found, cell)
        _grade(grade, mark, blank=blank, same=before.get(cell.id) == now.get(cell.id) or not cell.manual)
        if cell.manual:
            gradebook.find_comment(cell.id, name, name, student).auto_comment = "No response." if blank else None
    gradebook.find_submission_notebook(name, name, student).late_submission_penalty = None
    gradebook.db.commit()
    if gradebook.find_submission(name, student).total_seconds_late > 0:
        _penalise(course, name, student, notebook)
    put(path, autograded.written(notebook))
    for beside in BESIDE:
        _copy(course / "submitted" / student / name / beside, path.parent / beside)
    return path


def _holds(gradebook: Any, course: Path, result: Result) -> bool:
    """Whether the gradebook has these scores, handed in when they were; what is late is looked at anew each time."""
    from nbgrader.api import MissingEntry

    try:
        submission = gradebook.find_submission(result.assignment, result.student)
    except MissingEntry:
        return False
    scores = {grade.name: grade.auto_score for notebook in submission.notebooks for grade in notebook.grades}
    given = {mark.grade_id: mark.score for mark in result.marks if mark.score is not None}
    late = submission.total_seconds_late > 0 or submission.late_submission_penalty
    same = submission.timestamp == _timestamp(course, result.assignment, result.student)
    return result.status == GRADED and same and not late and given.items() <= scores.items()


def _grade(grade: Any, mark: Mark | None, *, blank: bool, same: bool) -> None:
    """Set an automatic score; `same`: what a person looked at, if one did, is still what is there."""
    score = 0.0 if blank else mark.score if mark else None
    changed = grade.auto_score != score or not same
    grade.auto_score = score
    if grade.manual_score is None:
        grade.needs_manual_grade = score is None
    elif changed:
        grade.needs_manual_grade = True


def _timestamp(course: Path, name: str, student: str) -> Any:
    """When it was handed in, as nbgrader's exchange wrote it down; None if that is not known."""
    from nbgrader.utils import parse_utc

    path = course / "submitted" / student / name / BESIDE[0]
    if path.is_symlink() or not path.is_file() or path.stat().st_size > MOST:
        return None
    try:
        return parse_utc(path.read_text(encoding="utf-8", errors="replace").strip())
    except (ValueError, OverflowError):
        return None


def _penalise(course: Path, name: str, student: str, notebook: Any) -> None:
    """Whatever the course's settings say of late submissions, by nbgrader, which opens the gradebook once more."""
    from nbgrader.preprocessors import AssignLatePenalties

    place = {"notebook": name, "assignment": name, "student": student, "db_url": _folder(course).db_url}
    AssignLatePenalties(config=configuration(course)).preprocess(notebook, {"nbgrader": place})


def _copy(there: Path, here: Path) -> None:
    if there.is_file() and not there.is_symlink() and there.stat().st_size <= MOST:
        here.unlink(missing_ok=True)
        shutil.copyfile(there, here)

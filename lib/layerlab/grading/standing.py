"""How a student stands in an assignment: what the grader found, and what a person added in nbgrader's gradebook."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from layerlab.grading.results import GRADED, Mark, Result, kept
from layerlab.grading.submissions import is_id


@dataclass(frozen=True)
class Question:
    """One question of one student. by_hand: its cells that a person graded. comments: what that person wrote."""

    name: str
    marks: tuple[Mark, ...]
    comments: tuple[str, ...]
    by_hand: frozenset[str]

    @property
    def points(self) -> float:
        """The most that the question can give."""
        return sum(mark.points for mark in self.marks)

    @property
    def score(self) -> float:
        """The points given so far."""
        return sum(mark.score for mark in self.marks if mark.score is not None)

    @property
    def waiting(self) -> float:
        """The points that a person has still to give."""
        return sum(mark.points for mark in self.marks if mark.score is None)


@dataclass(frozen=True)
class Standing:
    """A result with what a person added: marks in place of the grader's, comments by question, a late penalty."""

    result: Result
    marks: tuple[Mark, ...]
    comments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    by_hand: frozenset[str] = frozenset()
    penalty: float = 0.0

    @property
    def graded(self) -> bool:
        """Whether there are marks: the grader's, or, where it could not grade, a person's."""
        return self.result.status == GRADED or bool(self.by_hand)

    @property
    def questions(self) -> tuple[Question, ...]:
        """The questions, in the order of the assignment."""
        names = dict.fromkeys(mark.question for mark in self.marks)
        return tuple(
            Question(
                name, tuple(m for m in self.marks if m.question == name), self.comments.get(name, ()), self.by_hand
            )
            for name in names
        )

    @property
    def points(self) -> float:
        """The points that there are."""
        return sum(mark.points for mark in self.marks)

    @property
    def score(self) -> float:
        """The points given so far, less the late penalty; never below 0."""
        return max(0.0, sum(mark.score for mark in self.marks if mark.score is not None) - self.penalty)

    @property
    def waiting(self) -> tuple[str, ...]:
        """The questions that a person has still to grade."""
        return tuple(question.name for question in self.questions if question.waiting)


def read_results(folder: Path) -> list[Result]:
    """The results that `layerlab grade` left in a folder, by student.

    Raises ValueError if there is none, or if a file is no result of a grading.
    """
    if not (found := kept(folder)):
        raise ValueError(f"{folder} holds no results: run `layerlab grade` first, or name its folder with --results")
    return sorted(found, key=lambda result: result.student)


def standings(results: Iterable[Result], gradebook: Any = None) -> tuple[Standing, ...]:
    """Each result as it stands; with nbgrader's open `Gradebook`, with the marks and comments that it holds.

    A score by hand takes the place of the grader's, extra credit is added to it, and a cell that the gradebook holds
    for a person to grade, or to grade again, waits. What could not be graded has the marks of a person alone.
    """
    if gradebook is None:
        return tuple(Standing(result, result.marks) for result in results)
    return tuple(_with_hand(result, gradebook) for result in results)


def _with_hand(result: Result, gradebook: Any) -> Standing:
    from nbgrader.api import MissingEntry

    try:
        submission = gradebook.find_submission(result.assignment, result.student)
    except MissingEntry:
        return Standing(result, result.marks)
    grades = {grade.name: grade for notebook in submission.notebooks for grade in notebook.grades}
    comments: dict[str, tuple[str, ...]] = {}
    for notebook in submission.notebooks:
        for comment in notebook.comments:
            question = comment.name.partition("-")[0]
            if (comment.comment or "").strip():
                comments[question] = (*comments.get(question, ()), comment.comment.strip())
    found = result.marks or tuple(
        Mark(name, name.partition("-")[0], grade.max_score, None) for name, grade in sorted(grades.items())
    )
    marks = tuple(_by_hand(mark, grades.get(mark.grade_id)) for mark in found)
    hands = {name for name, grade in grades.items() if grade.manual_score is not None}
    by_hand = frozenset(mark.grade_id for mark in marks if mark.score is not None and mark.grade_id in hands)
    penalty = float(submission.late_submission_penalty or 0.0)
    return Standing(result, marks, comments, by_hand, penalty)


def _by_hand(mark: Mark, grade: Any) -> Mark:
    if grade is None:
        return mark
    score = mark.score
    if grade.needs_manual_grade:
        score = None
    elif grade.manual_score is not None:
        score = grade.manual_score
    elif score is None:
        score = grade.auto_score  # nbgrader gives 0 for an answer that was left as it came
    return dataclasses.replace(mark, score=None if score is None else score + (grade.extra_credit or 0.0))


def number(value: float) -> str:
    """Points as a person writes them: at most two decimals, none that are not needed."""
    return f"{round(value, 2) + 0.0:.12g}"


def file_name(student: str) -> str:
    """A file name for a student's id: the id itself where it is fit for one, and never the same for two ids.

    In other ids all but ASCII's letters and digits, `_` and `-` is replaced, and a digest of the id is added. No name
    begins with a dot, none is reserved on Windows.
    """
    reserved = re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", student)
    if is_id(student) and not reserved and not student.endswith("."):
        return student
    digest = hashlib.sha256(student.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '_', student)[:60]}-{digest}".lstrip("-")


def legible(text: str, keep: Iterable[str] = "\n\t", most: int = 20_000) -> str:
    """Text in which nothing is hidden: a control or format character stands there as its number, ⟨U+202E⟩.

    Such characters can turn the order of a line round or hide a part of it. Colours of a terminal are taken out, and
    what is longer than `most` characters is cut, and says so.
    """
    text = re.sub(r"\x1b\[[0-9;]*m", "", text.replace("\r\n", "\n"))
    shown = "".join(_shown(text[:most], frozenset(keep)))
    return shown if len(text) <= most else f"{shown} … ({len(text) - most} more characters are left out)"


def _shown(text: str, keep: frozenset[str]) -> Iterator[str]:
    for letter in text:
        hidden = unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") and letter not in keep
        yield f"⟨U+{ord(letter):04X}⟩" if hidden else letter

"""What grading a submission gave, as plain data that is kept as JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GRADED, NOT_GRADED = "graded", "not graded"


@dataclass(frozen=True)
class Mark:
    """The outcome of one cell that carries points.

    score: the points given, or None where a person has to grade. visible: what the visible checks said. says: why
    points were lost, in words that a student may read. private: what failed in the hidden tests, for the teacher only.
    """

    grade_id: str
    question: str
    points: float
    score: float | None
    visible: str = ""
    says: str = ""
    private: str = ""


@dataclass(frozen=True)
class Result:
    """The outcome of one submission: graded, or not graded for a stated reason.

    notes: what a student should know about the file that was handed in. isolation: how the code was kept apart.
    digest: of all that the marks depend on; grading again with the same digest gives the same marks. seconds: wall
    time; cpu_seconds: of the student's code. file: the notebook's path, as it was handed in.
    """

    assignment: str
    student: str
    status: str
    reason: str = ""
    marks: tuple[Mark, ...] = ()
    notes: tuple[str, ...] = ()
    isolation: str = ""
    digest: str = ""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    file: str = ""

    @property
    def score(self) -> float:
        """The points given so far."""
        return sum(mark.score for mark in self.marks if mark.score is not None)

    @property
    def points(self) -> float:
        """The points that there are."""
        return sum(mark.points for mark in self.marks)

    @property
    def waiting(self) -> tuple[str, ...]:
        """The cells that a person has still to grade."""
        return tuple(mark.grade_id for mark in self.marks if mark.score is None)

    def to_json(self) -> str:
        """The result as JSON, one file's content."""
        return json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Result:
        """Read what `to_json` wrote. Raises ValueError if it is anything else."""
        try:
            found: dict[str, Any] = json.loads(text)
            marks = tuple(Mark(**mark) for mark in found.pop("marks"))
            return cls(**found | {"marks": marks, "notes": tuple(found["notes"])})
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"this is not the result of a grading: {error}") from None


def kept(folder: Path) -> list[Result]:
    """All results that are kept in a folder, by file; a damaged one raises ValueError."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(Result.from_json(path.read_text(encoding="utf-8")))
        except ValueError as error:
            raise ValueError(f"{path}: {error}; delete it and grade again") from None
    return found

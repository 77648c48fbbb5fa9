"""An assignment as a student's notebook sees it: the data of this student, and checks of the answers."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
import unicodedata
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from layerlab.grading.checking import tried
from layerlab.grading.exercise import Exercise
from layerlab.grading.report import Report

HERE = Path(__file__).parent
OWN = "checks.py"  # the module of an assignment that is not the library's, in its folder

judging: ContextVar[Assignment | None] = ContextVar("judging", default=None)


class Assignment:
    """One student's copy of an assignment.

    name, student: whose. variant: the student's own data and parameters, as attributes; they depend on the name of the
    assignment and on the student alone.
    """

    def __init__(self, name: str, student: str = "", secret: bytes = b"", folder: Path | None = None) -> None:
        self.name, self.student, self._secret = name, _plain(student), secret
        self._module = module_of(name, folder)
        made = self._module.variant(_generator(b"", name, self.student, "variant"))
        self.variant = SimpleNamespace(**made)
        self._exercises: tuple[Exercise, ...] = ()

    @property
    def exercises(self) -> tuple[Exercise, ...]:
        """The questions that have visible checks."""
        self._exercises = self._exercises or self._module.exercises(self.variant)
        return self._exercises

    def check(self, question: str) -> Report:
        """Try the answer to a question, looked up in the notebook by its name; show which visible checks passed.

        Passing them does not mean that the answer is right: they are a few, and everyone can see them. Raises
        ValueError where the question has no visible checks.
        """
        report = self.report(question, sys._getframe(1).f_globals)
        self._took(report)
        return report

    def _took(self, report: Report) -> None:
        """What to do with the report of a check."""
        report.show()

    def report(self, question: str, namespace: dict[str, Any]) -> Report:
        """What the visible checks of a question say of the answer in a namespace; nothing is shown."""
        for exercise in self.exercises:
            if exercise.name == question:
                break
        else:
            having = ", ".join(exercise.name for exercise in self.exercises)
            raise ValueError(f"question {question!r} has no visible checks; those that have: {having}")
        if exercise.answer not in namespace:
            problem = f"there is no `{exercise.answer}` yet: run the cell that defines it."
            return Report(question, problem=problem)
        return tried(exercise, namespace[exercise.answer])

    def rng(self, label: str) -> np.random.Generator:
        """Random numbers for the tests of a question; in grading nobody without the secret foresees them."""
        return _generator(self._secret, self.name, self.student, label)


def open_assignment(name: str, student: str = "") -> Assignment:
    """The assignment `name` for the student with that id, as the course spells it.

    Raises ValueError where there is no such assignment.
    """
    at_hand = judging.get()
    return at_hand if at_hand is not None else Assignment(name, student)


def names() -> list[str]:
    """The assignments that come with layerlab."""
    return sorted(path.stem.replace("_", "-") for path in HERE.glob("[a-z]*.py"))


def files_of(name: str, folder: Path | None = None) -> list[Path]:
    """The modules with the variants and visible checks of an assignment; the first is the one to load.

    They are the library's own (NAME.py here, and the private modules that start with its name), or, for a course's own
    assignments, `checks.py` in `folder`: else in LAYERLAB_EXERCISES/NAME, else beside the notebook. Empty if there are
    none.
    """
    if name in names():
        stem = name.replace("-", "_")
        return [HERE / f"{stem}.py", *sorted(HERE.glob(f"_{stem}*.py"))]
    named = os.environ.get("LAYERLAB_EXERCISES")
    places = [folder] if folder else [*([Path(named).expanduser() / name] if named else []), Path()]
    return [path for place in places if (path := place / OWN).is_file()][:1]


def module_of(name: str, folder: Path | None = None) -> ModuleType:
    """The module with the variants and visible checks of an assignment. Raises ValueError where there is none."""
    if name in names():
        return importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    for path in files_of(name, folder):
        spec = importlib.util.spec_from_file_location(f"_layerlab_checks_{name.replace('-', '_')}", path)
        if spec and spec.loader:
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    raise ValueError(f"there is no assignment {name!r}; layerlab comes with {', '.join(names())}")


def _plain(student: str) -> str:
    """An id as it is meant: without the spaces, capitals and look-alike encodings that typing adds."""
    return unicodedata.normalize("NFKC", str(student)).strip().casefold()


def _generator(secret: bytes, *words: str) -> np.random.Generator:
    text = "\0".join(words).encode("utf-8", "surrogatepass")
    return np.random.default_rng(int.from_bytes(hashlib.blake2b(text, key=secret[:64]).digest()))

"""The grader: every submission ends with a result or a reason, and grading again goes on where it was."""

import json
import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from filelock import FileLock

from layerlab.cli import main
from layerlab.grading import grader, source
from layerlab.grading.isolation import Limits, NoIsolation
from layerlab.grading.isolation.backends import Backend
from layerlab.grading.results import Mark, Result, kept
from layerlab.grading.submissions import collect

TOY = Path(__file__).parent / "toy"
ANSWERS = """\
def distances(x):
    i, j = np.triu_indices(len(x), 1)
    return ((x[i] - x[j]) ** 2).sum(axis=1)
"""


@pytest.fixture(scope="module")
def made():
    return source.read(TOY / "assignment.md")


@pytest.fixture
def grading(made, backend):
    return grader.Grading(made, backend, Limits(cpu_seconds=10, wall_seconds=60), b"s" * 32)


def hand_in(folder, student, answer=ANSWERS):
    cells = [{"cell_type": "code", "source": answer, "metadata": {"nbgrader": {"grade_id": "1a"}}}]
    path = folder / student / "toy" / "toy.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}))
    return path


def scores(results):
    return {result.student: result.score for result in results}


def test_results_are_kept_and_taken_from_there_while_nothing_changes(grading, tmp_path):
    for student in ("ada", "bob"):
        hand_in(tmp_path / "in", student)
    hand_in(tmp_path / "in", "cai", "distances = 3")
    (tmp_path / "in" / "dee").mkdir()
    (tmp_path / "in" / "dee" / "toy.ipynb").write_text("{")
    out = tmp_path / "out"

    def graded(settings=grading):
        told = {}
        found = collect("toy", [tmp_path / "in"])
        results = grader.grade(settings, found, out, jobs=2, done=lambda r, before: told.update({r.student: before}))
        return results, told

    first, told = graded()
    assert scores(first) == {"ada": 3, "bob": 3, "cai": 0, "dee": 0}
    assert set(told.values()) == {False}
    assert first[3].status == "not graded"
    assert first[3].reason == "the file is damaged: it is not JSON, as notebooks are"
    again, told = graded()
    assert again == first
    assert set(told.values()) == {True}
    assert kept(out) == first

    hand_in(tmp_path / "in", "bob", "distances = 3")
    (out / "ada.json").write_text("damaged")
    changed, told = graded()
    assert scores(changed) == {"ada": 3, "bob": 0, "cai": 0, "dee": 0}
    assert told == {"ada": False, "bob": False, "cai": True, "dee": True}
    _, told = graded(replace(grading, secret=b"t" * 32))
    assert set(told.values()) == {False}


def test_limits_follow_the_budget(made):
    limits = grader.limits_of(replace(made, budget=replace(made.budget, cpu_minutes=2.0, memory_mb=1000)))
    assert (limits.cpu_seconds, limits.cell_seconds, limits.memory_mb) == (360, 120, 1500)
    least = grader.limits_of(made)  # its key takes next to nothing
    assert (least.cpu_seconds, least.cell_seconds) == (30, 10)
    assert grader.limits_of(made, 6.0).cpu_seconds == 6


def test_a_folder_of_results_has_one_grading_at_a_time(grading, tmp_path):
    hand_in(tmp_path / "in", "ada")
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / ".lock"), pytest.raises(ValueError, match="another grading is writing"):
        grader.grade(grading, collect("toy", [tmp_path / "in"]), tmp_path / "out")


@dataclass(frozen=True)
class DiesOnce:
    """Isolation whose first use takes the grader's worker along."""

    backend: Backend
    marker: Path

    @property
    def name(self):
        return self.backend.name

    def start(self, limits, withheld, modules):
        try:
            self.marker.touch(exist_ok=False)
        except FileExistsError:
            return self.backend.start(limits, withheld, modules)
        os._exit(1)


def test_a_worker_that_dies_costs_no_submission_its_marks(grading, tmp_path):
    for student in ("ada", "bob", "cai"):
        hand_in(tmp_path / "in", student)
    dies = replace(grading, backend=DiesOnce(grading.backend, tmp_path / "died"))
    results = grader.grade(dies, collect("toy", [tmp_path / "in"]), tmp_path / "out", jobs=2)
    assert (tmp_path / "died").exists()
    assert scores(results) == {"ada": 3, "bob": 3, "cai": 3}


@dataclass(frozen=True)
class Broken:
    """Isolation that fails."""

    error: Exception
    name: str = "broken"

    def start(self, limits, withheld, modules):
        raise self.error


@pytest.mark.parametrize(
    ("error", "says"),
    [(RuntimeError("no such luck"), "RuntimeError"), (NoIsolation("the engine has stopped"), "the engine has stopped")],
)
def test_whatever_fails_for_a_submission_it_has_a_reason_and_is_tried_again(grading, tmp_path, error, says):
    hand_in(tmp_path / "in", "ada")
    broken = replace(grading, backend=Broken(error))
    (result,) = grader.grade(broken, collect("toy", [tmp_path / "in"]), tmp_path / "out")
    assert (result.status, result.marks) == ("not graded", ())
    assert says in result.reason
    (result,) = grader.grade(grading, collect("toy", [tmp_path / "in"]), tmp_path / "out")
    assert (result.status, result.score) == ("graded", 3)


def test_the_secret_is_made_once_and_is_nobody_elses(tmp_path):
    made = grader.secret(tmp_path / "new")
    assert len(made) == 32
    assert grader.secret(tmp_path / "new") == made
    path = tmp_path / "new" / grader.KEY
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_bytes(b"short")
    with pytest.raises(ValueError, match="is damaged"):
        grader.secret(tmp_path / "new")


def test_a_result_is_the_same_after_it_was_kept():
    marks = (Mark("1a-tests", "1a", 2.0, 0.0, "seen", "said", "private"), Mark("3a", "3a", 2.0, None))
    result = Result("toy", "zoë\ud800", "graded", "", marks, ("a note",), "bubblewrap", "digest", 1.5, 0.5, "a.ipynb")
    assert Result.from_json(result.to_json()) == result
    assert (result.score, result.points, result.waiting) == (0.0, 4.0, ("3a",))
    for wrong in ("", "[]", "{}", '{"marks": [{"grade_id": 1}]}', '{"marks": 5}'):
        with pytest.raises(ValueError, match="not the result of a grading"):
            Result.from_json(wrong)


def test_the_command_grades_and_says_what_it_did(tmp_path, capsys, monkeypatch, backend):
    monkeypatch.chdir(tmp_path)
    hand_in(tmp_path / "in", "ada")
    unsafe = ["--unsafe"] if backend.name != "bubblewrap" else []
    assert main(["grade", str(TOY), "in", "--jobs", "1", *unsafe]) == 0
    said = capsys.readouterr().out
    assert "'ada': 3 of 8 points, 2 to be given by hand" in said
    assert "1 graded, 0 not graded." in said
    result = Result.from_json((tmp_path / "graded" / "toy" / "ada.json").read_text())
    assert result.score == 3
    assert main(["grade", str(TOY), "in", "--jobs", "1", *unsafe]) == 0
    assert "graded before" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["grade", "no-such", "in"], "there is no assignment 'no-such'"),
        (["grade", str(TOY), "nowhere"], "nowhere does not exist"),
        (["grade", str(TOY), ".", "--jobs", "0"], "--jobs was 0"),
        (["grade", str(TOY), str(TOY.parent), "--unsafe", "--cpu-seconds", "-1"], "--cpu-seconds was -1"),
        (["grade", str(TOY), str(TOY.parent), "--unsafe", "--cpu-seconds", "nan"], "--cpu-seconds was nan"),
    ],
)
def test_the_command_refuses_in_one_sentence(arguments, says, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert says in capsys.readouterr().err

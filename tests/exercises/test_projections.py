"""The chapter's exercises: each solution passes its check, each mistake fails with the hint aimed at it."""

import importlib.util
import sys

import pytest

from layerlab import grading
from layerlab.grading.projections import EXERCISES

FOLDER = "exercises/projections"


@pytest.fixture(scope="module")
def folder(request):
    """The modules solutions and mistakes, loaded from where they live."""
    loaded = {}
    for name in ("solutions", "mistakes"):
        path = request.config.rootpath / FOLDER / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"_exercises_{name}", path)
        loaded[name] = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = loaded[name]
        spec.loader.exec_module(loaded[name])
    yield loaded
    for module in loaded.values():
        del sys.modules[module.__name__]


@pytest.mark.parametrize("name", grading.names())
def test_solution_passes_every_check(folder, name):
    report = grading.check(name, folder["solutions"].SOLUTIONS[name])
    assert report.passed, str(report)
    assert not report.hints


@pytest.mark.parametrize("name", grading.names())
def test_each_mistake_meets_its_hint_and_no_other(folder, name):
    mistakes = folder["mistakes"].MISTAKES[name]
    met = {}
    for mistake in mistakes:
        report = grading.check(name, mistake)
        assert not report.passed, mistake.__name__
        met[mistake] = [hint.key for hint in report.hints]
    assert met == {mistake: [key] for mistake, key in mistakes.items()}


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_every_hint_has_a_mistake(folder, exercise):
    mistakes = folder["mistakes"].MISTAKES[exercise.name]
    assert len(mistakes) >= 5
    assert set(mistakes.values()) == {hint.key for hint in exercise.hints}


def test_every_exercise_has_a_solution_and_mistakes_and_no_more_are_here(folder):
    assert sorted(folder["solutions"].SOLUTIONS) == grading.names()
    assert sorted(folder["mistakes"].MISTAKES) == grading.names()

"""Every assignment: the key earns all points inside its budget, and each wrong idea loses just the points it should."""

import ast
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml

from layerlab.grading import assignments, source
from layerlab.grading.assignments import Assignment
from layerlab.grading.grader import limits_of
from layerlab.grading.isolation import Limits, Sandbox
from layerlab.grading.judge import judge
from layerlab.grading.source import bound, used, without_markers, without_solutions

TOP = Path(__file__).parents[2] / "exercises"
SOURCES = {path.parent.name: source.read(path) for path in sorted(TOP.glob(f"*/{source.FILE}"))}
STUDENTS = ("", "ada", "emmy.noether@example.org")


@dataclass(frozen=True)
class Mutant:
    question: str
    idea: str
    code: str
    loses: tuple[str, ...]
    hint: str = ""


def mutants_of(name):
    kept = yaml.safe_load((TOP / name / "mutants.yml").read_text(encoding="utf-8"))
    return [Mutant(**mutant | {"loses": tuple(mutant["loses"])}) for mutant in kept]


MUTANTS = [(name, mutant) for name in SOURCES for mutant in mutants_of(name)]


def answered(made, replaced=None):
    """The code cells of the key, some of them replaced."""
    cells = [cell for cell in made.cells if cell.kind == "code" and not cell.tests]
    named = {f"cell {number}": cell for number, cell in enumerate(cells)}
    return [
        (cell.id or label, (replaced or {}).get(cell.id, without_markers(cell.source))) for label, cell in named.items()
    ]


def marked(made, cells, student, backend, limits=None):
    limits = limits or limits_of(made)
    found = judge(
        made, cells, student, lambda: Sandbox(backend, limits, made.withheld, made.imports), secret=b"of the tests"
    )
    return found, {mark.grade_id: mark for mark in found.marks if mark.score is not None}


def touched(made, mutant):
    """The assignment and the key with only what a wrong answer can make a difference to.

    What a changed cell binds, and what is made from that, changes; of the tests those stay that ask for it, and of the
    cells those that these need. The rest does as it does for the key.
    """
    cells = dict(answered(made, {mutant.question: mutant.code}))
    changed = bound(made.cell(mutant.question).source) | bound(mutant.code)
    for code in cells.values():
        if used(code) & changed:
            changed |= bound(code)
    asked = {cell.id: wanted(made, cell) for cell in made.cells if cell.tests}
    tests = {grade_id for grade_id, names in asked.items() if names & changed}
    needed = set().union(*(asked[grade_id] for grade_id in tests))
    kept = {}
    for label, code in reversed(cells.items()):
        if bound(code) & needed:
            needed |= used(code)
            kept[label] = code
    smaller = tuple(cell for cell in made.cells if not cell.tests or cell.id in tests)
    return replace(made, cells=smaller), list(reversed(kept.items()))


def wanted(made, cell):
    """The names that a tests cell asks for, itself or by a visible check."""
    strings = {node.value for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Constant)}
    return used(cell.source) | {answer for name, answer in asked_for(made.name).items() if name in strings}


@cache
def asked_for(name):
    """What each question's visible checks look for, by its name in the notebook."""
    return {exercise.name: exercise.answer for exercise in Assignment(name).exercises}


@pytest.mark.parametrize("student", STUDENTS)
@pytest.mark.parametrize("name", SOURCES)
def test_the_key_earns_all_points_and_stays_inside_its_budget(name, student, backend):
    made = SOURCES[name]
    budget = Limits(cpu_seconds=60 * made.budget.cpu_minutes, memory_mb=made.budget.memory_mb, wall_seconds=600)
    found, marks = marked(made, answered(made), student, backend, budget)
    assert {i: (m.visible, m.private) for i, m in marks.items() if m.score != m.points} == {}
    assert set(marks) == {cell.id for cell in made.cells if cell.tests}
    assert found.notes == ()


@pytest.mark.parametrize("name", SOURCES)
def test_what_is_handed_out_earns_nothing(name, backend):
    made = SOURCES[name]
    blank = {cell.id: without_solutions(cell.source) for cell in made.cells if cell.kind == "code" and cell.solution}
    _, marks = marked(made, answered(made, blank), "ada", backend)
    assert {grade_id for grade_id, mark in marks.items() if mark.score} == set()


@pytest.mark.parametrize(("name", "mutant"), MUTANTS, ids=[f"{name}-{m.question}-{m.idea}" for name, m in MUTANTS])
def test_a_wrong_idea_loses_its_points_and_no_others(name, mutant, backend):
    made, cells = touched(SOURCES[name], mutant)
    _, marks = marked(made, cells, "ada", backend, limits_of(SOURCES[name]))
    assert {grade_id for grade_id, mark in marks.items() if mark.score == 0} == set(mutant.loses)
    assert mutant.loses, "a wrong answer that loses nothing is no wrong answer"
    shown = "\n".join(marks[grade_id].visible for grade_id in mutant.loses)
    if mutant.hint:
        (hint,) = [
            hint
            for exercise in Assignment(name, "ada").exercises
            for hint in exercise.hints
            if (exercise.name, hint.key) == (mutant.question, mutant.hint)
        ]
        assert hint.text in shown
    else:
        assert all(marks[grade_id].says for grade_id in mutant.loses), "hidden tests alone find it"


@pytest.mark.parametrize("name", SOURCES)
def test_every_question_with_code_has_five_wrong_ideas_and_every_hint_one(name):
    made = SOURCES[name]
    asked = {cell.question for cell in made.cells if cell.tests}
    count = {question: sum(mutant.question == question for mutant in mutants_of(name)) for question in asked}
    assert {question: n for question, n in count.items() if n < 5} == {}
    known = {(mutant.question, mutant.hint) for mutant in mutants_of(name) if mutant.hint}
    hints = {(e.name, hint.key) for e in Assignment(name).exercises for hint in e.hints}
    assert hints - known == set()


@pytest.mark.parametrize("name", SOURCES)
def test_tests_ask_for_what_is_there(name):
    made = SOURCES[name]
    questions = {cell.question for cell in made.cells if cell.tests}
    assert {exercise.name for exercise in Assignment(name).exercises} <= questions
    assert {exercise.answer for exercise in Assignment(name).exercises} <= made.answers
    assert all(used(cell.source) & made.answers or "check(" in cell.source for cell in made.cells if cell.tests)


@pytest.mark.parametrize("name", SOURCES)
def test_a_variant_depends_on_the_student_alone(name):
    one, again, other = (vars(Assignment(name, student).variant) for student in ("ada", " Ada ", "grace"))
    assert set(one) == set(again) == set(other)
    assert all(np.array_equal(one[key], again[key]) for key in one)
    assert not all(np.array_equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("name", SOURCES)
def test_an_assignment_has_manual_and_automatic_points_and_says_what_it_takes(name):
    made = SOURCES[name]
    assert {cell.manual for cell in made.cells if cell.grade} == {True, False}
    assert 2 <= made.hours <= 3
    assert made.budget.cpu_minutes <= 2
    for cell in made.cells:
        if cell.manual:
            assert "ubric" in cell.source, f"{cell.id} has no rubric"


def test_the_library_has_a_module_for_each():
    assert assignments.names() == sorted(SOURCES)

"""The judge: who gets which points, what a student may read of it, and what becomes of processes that end."""

import subprocess
import sys

import pytest

from layerlab.grading import source
from layerlab.grading.isolation import CellRun, Stopped, StudentError, Usage
from layerlab.grading.judge import STARTS, judge

CHECKS = """
from layerlab.grading.exercise import Exercise, Visible

def variant(rng):
    return {"n": int(rng.integers(3, 9))}

def exercises(variant):
    visible = (Visible("of 3", lambda: (3,)), Visible("of 4", lambda: (4,)))
    return (Exercise("1a", ("x",), lambda x: x * x, visible, answer="square"),
            Exercise("1b", None, float(variant.n), (Visible("the number", tuple),), answer="number"))
"""
SOURCE = """\
---
title: A square and a number
layerlab:
  hours: 1
  budget: {cpu_minutes: 1, memory_mb: 500}
---
```{code-cell}
:nbgrader: {grade_id: setup, locked: true}
from layerlab.grading import agree, open_assignment

assignment = open_assignment("two", STUDENT)
check = assignment.check
shared = []
```

```{code-cell}
:nbgrader: {grade_id: 1a, solution: true}
def square(x):
    ### BEGIN SOLUTION
    return x * x
    ### END SOLUTION
```

```{code-cell}
:nbgrader: {grade_id: 1a-tests, grade: true, points: 2, locked: true}
assert check("1a").passed
kept = "of the visible part"
### BEGIN HIDDEN TESTS
assert kept
for x in assignment.rng("1a").uniform(10, 20, 3):
    agree(square(x), x * x)
### END HIDDEN TESTS
```

```{code-cell}
:nbgrader: {grade_id: 1b, solution: true}
### BEGIN SOLUTION
number = float(assignment.variant.n)
### END SOLUTION
```

```{code-cell}
:nbgrader: {grade_id: 1b-tests, grade: true, points: 3, locked: true}
assert check("1b").passed
assert number > 0
```

```{code-cell}
:nbgrader: {grade_id: shown, locked: true}
twice = 2 * number
```

```{code-cell}
:nbgrader: {grade_id: 1b-twice, grade: true, points: 1, locked: true}
agree(twice, 2 * number)
```

+++ {"nbgrader": {"grade_id": "1c", "grade": true, "solution": true, "points": 4}}

### BEGIN SOLUTION
Because.
### END SOLUTION
"""
RIGHT = {"square": lambda x: x * x, "number": ...}  # ...: the right number, once the variant is there


@pytest.fixture
def made(tmp_path):
    folder = tmp_path / "two"
    folder.mkdir()
    (folder / "assignment.md").write_text(SOURCE)
    (folder / "checks.py").write_text(CHECKS)
    return source.read(folder / "assignment.md")


class Process:
    """A sandbox in this process: the names are what the answers are to be; cells ending in ' ends' end it."""

    started = 0

    def __init__(self, names):
        Process.started += 1
        self.names, self.variant, self.ran, self.closed = dict(names), {}, [], False
        self.usage = Usage(0.5, 1.0, 40.0 + Process.started)

    def run(self, cells, variant, name):
        ((label, code),) = cells
        self.ran.append(label)
        if code.endswith(" ends"):
            raise Stopped("it ran longer than 2 s", label)
        if self.names.get("number") is ...:
            self.names |= {"number": float(variant["n"]), "twice": 2.0 * variant["n"]}
        return (CellRun(label, "ValueError: no" if code.endswith(" raises") else "", ""),)

    def kinds(self, names):
        kinds = {}
        for name in names:
            found = self.names.get(name)
            kinds[name] = "missing" if name not in self.names else "function" if callable(found) else "value"
        return kinds

    def call(self, name, *arguments, **named):
        try:
            return self.names[name](*arguments, **named)
        except Stopped:
            raise
        except Exception as error:
            raise StudentError(type(error).__name__, str(error)) from None

    def value(self, name):
        if isinstance(self.names[name], Exception):
            raise self.names[name]
        return self.names[name]

    def close(self):
        self.closed = True


def judged(made, names, cells=(("1a", ""),), **settings):
    Process.started = 0
    found = judge(made, cells, "ada", lambda: Process(names), secret=b"a secret", **settings)
    return found, {mark.grade_id: mark for mark in found.marks}


def test_right_answers_get_all_points_and_what_a_person_grades_stays_open(made):
    found, marks = judged(made, RIGHT)
    assert {grade_id: mark.score for grade_id, mark in marks.items()} == {
        "1a-tests": 2,
        "1b-tests": 3,
        "1b-twice": 1,
        "1c": None,
    }
    assert "All 2 visible checks passed." in marks["1a-tests"].visible
    assert found.notes == ()
    assert (found.cpu_seconds, found.memory_mb, Process.started) == (0.5, 41.0, 1)


def test_a_visible_check_that_fails_says_so_and_its_hidden_tests_are_not_run(made):
    seen = []
    _, marks = judged(made, RIGHT | {"square": lambda x: seen.append(x) or x})
    assert marks["1a-tests"].score == 0
    assert "it gave 3 where 9 is expected" in marks["1a-tests"].visible.lower()
    assert set(seen) == {3, 4}
    assert marks["1b-tests"].score == 3


def test_a_hidden_test_that_fails_is_told_to_the_teacher_only(made):
    _, marks = judged(made, RIGHT | {"square": lambda x: 9 if x == 3 else 16})
    mark = marks["1a-tests"]
    assert mark.score == 0
    assert mark.says == "the visible checks passed; a hidden test did not."
    assert "line 6 of 1a-tests: AssertionError: it gave 16 where" in mark.private
    assert "expected" not in mark.visible


def test_what_a_student_raises_in_hidden_tests_carries_nothing_out(made):
    class Secret(Exception):
        pass

    def raises(x):
        if x in (3, 4):
            return x * x
        raise Secret(f"the hidden input is {x}") if x > 15 else ValueError(f"the hidden input is {x}")

    _, marks = judged(made, RIGHT | {"square": raises})
    says = marks["1a-tests"].says
    assert says in {
        "the visible checks passed; on other inputs it stopped with ValueError.",
        "the visible checks passed; on other inputs it stopped with an error.",
    }
    assert "hidden input" not in marks["1a-tests"].visible


def test_visible_checks_all_run_before_any_hidden_input_is_there(made):
    order = []
    judged(made, {"square": lambda x: order.append(x) or x * x, "number": ...})
    assert order[:2] == [3, 4]
    assert len(order) == 5
    assert all(10 <= x <= 20 for x in order[2:])


def test_an_error_that_would_end_a_loop_quietly_ends_the_test_instead(made):
    def stops(x):
        if x in (3, 4):
            return x * x
        raise StopIteration

    _, marks = judged(made, RIGHT | {"square": stops})
    assert marks["1a-tests"].score == 0


@pytest.mark.parametrize(
    "number",
    [
        float("nan"),
        "5",
        [5.0],
        None,
        True,
        StudentError("NotPlain", "a value of type Evil cannot be sent: plain data only (numbers, text, arrays)"),
    ],
)
def test_a_value_of_another_kind_earns_nothing(made, number):
    _, marks = judged(made, RIGHT | {"number": number})
    assert (marks["1b-tests"].score, marks["1a-tests"].score) == (0, 2)
    if isinstance(number, StudentError):
        assert "`number` is an object of type Evil; real numbers are expected." in marks["1b-tests"].visible


def test_what_is_not_defined_is_named(made):
    _, marks = judged(made, {"square": RIGHT["square"]})
    assert "there is no `number` yet" in marks["1b-tests"].visible
    assert marks["1b-twice"].says == "`twice` is not defined."
    assert marks["1a-tests"].score == 2


def test_a_call_that_ends_the_process_costs_its_own_points_only(made):
    def ends(x):
        raise Stopped("it ran longer than 10 s")

    _, marks = judged(made, RIGHT | {"square": ends})
    assert marks["1a-tests"].score == 0
    assert "it was stopped: it ran longer than 10 s" in marks["1a-tests"].visible.lower()
    assert marks["1b-tests"].score == 3
    assert Process.started == 2


def test_a_cell_that_ends_the_process_is_left_out_and_the_rest_is_graded(made):
    cells = [("setup", ""), ("cell 7", "this ends"), ("1b", "this raises")]
    found, marks = judged(made, RIGHT, cells)
    assert found.notes == ("cell 7 was left out: it ran longer than 2 s",)
    assert marks["1a-tests"].score == 2
    assert Process.started == 2


def test_a_cell_that_raises_is_told_and_the_rest_goes_on(made):
    found, marks = judged(made, RIGHT, [("1b", "this raises")])
    assert found.notes == ("1b stopped with ValueError: no",)
    assert marks["1b-tests"].score == 3


def test_there_is_an_end_to_starting_again(made):
    cells = [(f"cell {i}", "this ends") for i in range(20)]
    _, marks = judged(made, RIGHT, cells)
    assert Process.started == STARTS
    assert {mark.score for mark in marks.values()} == {0, None}
    assert "used up its time" in marks["1a-tests"].says


def test_no_time_is_no_answer(made):
    _, marks = judged(made, RIGHT, seconds=-1)
    assert Process.started == 0
    assert marks["1a-tests"].score == 0


def test_hidden_inputs_depend_on_the_secret(made):
    seen = []
    for secret in (b"one", b"two", b"one"):
        inputs = []
        names = RIGHT | {"square": lambda x, kept=inputs: kept.append(x) or x * x}
        judge(made, [], "ada", lambda names=names: Process(names), secret=secret)
        seen.append(inputs)
    assert seen[0] == seen[2] != seen[1]


def test_asserts_count_where_python_leaves_them_out(made):
    program = f"""
from pathlib import Path
from layerlab.grading import source
from layerlab.grading.judge import judge
from layerlab.grading.isolation import choose, Sandbox
made = source.read(Path({str(made.path)!r}))
found = judge(made, [("1a", "number = -1.0"), ("1b", "twice = 0")], "ada", lambda: Sandbox(choose(unsafe=True)))
print({{mark.score for mark in found.marks}})
"""
    done = subprocess.run([sys.executable, "-O", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{0.0, None}"

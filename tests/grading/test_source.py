"""An assignment's source: what is read from it, and what is refused, with the reason."""

import pytest

from layerlab.grading import source
from layerlab.grading.source import BadSource, bound, hidden_tests, used

HEAD = """\
---
title: A question
layerlab:
  hours: 1
  budget: {cpu_minutes: 0.5, memory_mb: 500, gpu: true}
  withheld: [sklearn]
---
"""
ANSWER = """\
```{code-cell}
:nbgrader: {grade_id: 1a, solution: true}
def one(x):
    ### BEGIN SOLUTION
    return np.sum(x)
    ### END SOLUTION
```
"""
TESTS = """\
```{code-cell}
:nbgrader: {grade_id: 1a-tests, grade: true, points: 2, locked: true}
assert one([1]) == 1
### BEGIN HIDDEN TESTS
assert one([2]) == 2
### END HIDDEN TESTS
```
"""


def read(folder, *parts, name="question"):
    path = folder / name / source.FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(parts), encoding="utf-8")
    return source.read(path)


def test_a_source_is_read_as_it_is_marked_up(tmp_path):
    made = read(tmp_path, HEAD, "Text.\n", ANSWER, TESTS)
    assert (made.name, made.title, made.hours, made.withheld) == ("question", "A question", 1.0, ("sklearn",))
    assert (made.budget.cpu_minutes, made.budget.memory_mb, made.budget.gpu) == (0.5, 500, True)
    assert [cell.id for cell in made.cells] == ["", "1a", "1a-tests"]
    assert [cell.question for cell in made.cells] == ["", "1a", "1a"]
    assert (made.points, made.answers) == (2.0, {"one"})
    assert made.cell("1a-tests").tests
    assert not made.cell("1a-tests").manual
    with pytest.raises(KeyError):
        made.cell("1b")


def test_the_digest_changes_with_the_text_and_with_the_checks(tmp_path):
    first = read(tmp_path, HEAD, ANSWER, TESTS)
    assert read(tmp_path, HEAD, ANSWER, TESTS).digest == first.digest
    assert read(tmp_path, HEAD, "More.\n", ANSWER, TESTS).digest != first.digest
    (tmp_path / "question" / "checks.py").write_text("")
    assert read(tmp_path, HEAD, ANSWER, TESTS).digest == first.digest
    (tmp_path / "question" / "checks.py").write_text("changed = True")
    assert read(tmp_path, HEAD, ANSWER, TESTS).digest != first.digest


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        (("# No head\n",), "needs title, layerlab.hours and layerlab.budget"),
        ((HEAD.replace("cpu_minutes", "minutes"),), "needs title, layerlab.hours and layerlab.budget"),
        ((HEAD, ANSWER, ANSWER), "the grade_id '1a' is there twice"),
        ((HEAD, ANSWER.replace("1a", "1 a")), "grade_id must be letters, digits, hyphens"),
        ((HEAD, ANSWER.replace("solution: true", "solutoin: true")), "has no 'solutoin' here"),
        ((HEAD, ANSWER.replace("### BEGIN SOLUTION", "")), "a solution stands between"),
        ((HEAD, ANSWER.replace("### END SOLUTION", "")), "BEGIN SOLUTION and END SOLUTION do not match"),
        ((HEAD, TESTS.replace("points: 2, ", "")), "a cell that is graded has points"),
        ((HEAD, TESTS.replace(", locked: true", "")), "tests are a code cell that is locked"),
        ((HEAD, ANSWER.replace("SOLUTION", "HIDDEN TESTS")), "a solution stands between"),
        ((HEAD, ANSWER.replace("return np.sum(x)", "return np.sum(x")), "cell 1a: line "),
        ((HEAD, TESTS.replace("assert one([2])", "    assert one([2])")), "cell 1a-tests: line "),
        ((HEAD, '+++ {"nbgrader": \n'), "could not be read"),
    ],
)
def test_what_nbgrader_or_the_grader_could_not_use_is_refused(tmp_path, parts, says):
    with pytest.raises(BadSource, match=says.replace("(", r"\(")):
        read(tmp_path, *parts)


def test_a_name_of_the_librarys_own_takes_no_other_checks(tmp_path):
    assert read(tmp_path, HEAD, ANSWER, TESTS, name="random-projections").title == "A question"
    (tmp_path / "random-projections" / "checks.py").write_text("")
    with pytest.raises(BadSource, match="give yours another name"):
        read(tmp_path, HEAD, ANSWER, TESTS, name="random-projections")


def test_an_assignment_is_found_by_name_by_folder_and_by_a_folder_of_ones_own(tmp_path, monkeypatch):
    read(tmp_path, HEAD, ANSWER, TESTS)
    assert source.find(str(tmp_path / "question")).name == "question"
    with pytest.raises(BadSource, match="there is no assignment 'question'"):
        source.find("question")
    monkeypatch.setenv("LAYERLAB_EXERCISES", str(tmp_path))
    assert source.find("question").title == "A question"
    assert "question" in source.names()
    with pytest.raises(BadSource, match="there is no assignment ''"):
        source.find("")


def test_hidden_tests_stay_on_their_lines(tmp_path):
    cell = read(tmp_path, HEAD, ANSWER, TESTS).cell("1a-tests")
    assert hidden_tests(cell.source).split("\n") == ["", "", "assert one([2]) == 2", ""]
    assert source.without_hidden_tests(cell.source) == "assert one([1]) == 1"
    assert source.without_solutions(ANSWER).count("raise NotImplementedError()") == 1
    assert "SOLUTION" not in source.without_markers(ANSWER)


def test_names_are_those_of_the_notebook_not_of_functions_inside():
    code = "import numpy as np\nfrom math import pi as circle\n"
    code += "def f(x, k=K):\n    y = [g(i) for i in x]\n    return np.sum(y) + h\n"
    code += "a, b = 1, q\nfor i in range(3):\n    c = i\nz = [k for k in b]\nclass D:\n    m = 1\n"
    assert bound(code) == {"np", "circle", "f", "a", "b", "i", "c", "z", "D"}
    assert bound(code, imports=False) == {"f", "a", "b", "i", "c", "z", "D"}
    assert used(code) == {"K", "g", "np", "h", "q", "range", "i", "b"}
    assert bound("not (python") == set()

"""The in-page check: what it says and shows, and that nothing a reader's function does can break it."""

import itertools
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from layerlab import grading
from layerlab.grading import checking, exercise
from layerlab.projection import distortion, minimum_dimension, relu_angle

NAME = "projection/distortion"


def run(answer, name=NAME):
    return grading.check(name, answer)


def test_a_right_function_passes_all_visible_checks_and_is_never_called_correct(capsys):
    report = run(distortion)
    assert report.passed and not report.hints
    shown = capsys.readouterr().out
    assert shown.startswith("All 5 visible checks passed.")
    assert "correct" not in shown.lower() + report._repr_html_().lower()


@pytest.mark.parametrize("name", ["projection/distorsion", "distortion", "", 7, None])
def test_an_unknown_name_is_refused_with_the_nearest(name):
    with pytest.raises(ValueError, match="projection/distortion"):
        grading.check(name, distortion)


def test_none_is_said_once():
    report = run(lambda x, fx: None)
    assert not report.passed
    assert str(report) == "Not yet: your function returned None. Does it end with a return statement?"


def test_none_in_one_of_several_calls_is_none_too():
    def forgets_the_array(theta):
        return relu_angle(theta) if theta == np.pi / 2 else None

    report = run(forgets_the_array, "projection/arc-cosine")
    assert [a.kind for a in report.answers] == ["none", "none", "good", "raised", "none"]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (3, "check needs your function itself"),
        (np.ones(3), "without brackets after its name"),
        (lambda x: x, r"is called with (x, fx), but it takes (x)"),
        (lambda: 1, "but it takes (nothing)"),
        (lambda x, fx, power: x, "it takes (x, fx, power)"),
    ],
)
def test_what_cannot_be_called_is_explained(answer, says):
    report = run(answer)
    assert not report.passed and says in str(report)


class Nasty(Exception):
    def __str__(self):
        raise RuntimeError("not even this")


class NoArray:
    def __array__(self, *args, **kwargs):
        raise RuntimeError("no")

    def __repr__(self):
        raise RuntimeError("no")


def raising(error):
    def raises(x, fx):
        raise error

    return raises


def endless_recursion(x, fx):
    return endless_recursion(x, fx)


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (raising(ValueError("<b>bad</b>")), "raised", "line 2 of it with ValueError: <b>bad</b>"),
        (raising(Nasty()), "raised", "with Nasty."),
        (raising(SystemExit(1)), "raised", "SystemExit"),
        (raising(GeneratorExit()), "raised", "GeneratorExit"),
        (raising(KeyboardInterrupt()), "interrupted", "you interrupted it"),
        (endless_recursion, "raised", "calls itself without end"),
        (lambda x, fx: "many", "type", "an object of type str"),
        (lambda x, fx: {"ratio": 1}, "type", "an object of type dict"),
        (lambda x, fx: [[1], [2, 3]], "type", "an object of type list"),
        (lambda x, fx: (r for r in [1.0]), "type", "an object of type generator"),
        (lambda x, fx: distortion, "type", "Is a call missing its brackets?"),
        (lambda x, fx: NoArray(), "type", "an object of type NoArray"),
        (lambda x, fx: distortion(x, fx) + 0j, "type", "numbers of type complex128"),
        (lambda x, fx: distortion(x, fx) > 1, "type", "numbers of type bool"),
        (lambda x, fx: np.zeros((3, 2)), "shape", "an array of shape (3, 2)"),
        (lambda x, fx: [], "shape", "0 numbers in a row"),
        (lambda x, fx: distortion(x, fx) * np.nan, "nan", "NaN"),
        (lambda x, fx: distortion(x, fx) * np.inf, "nan", "infinite"),
        (lambda x, fx: distortion(x, fx) * (1 + 1e-4), "values", "is expected, at position 0"),
    ],
)
def test_whatever_a_function_does_is_said_and_does_not_raise(answer, kind, says):
    report = run(answer)
    assert not report.passed
    assert {a.kind for a in report.answers} == {kind}
    assert says in " ".join([str(report), *(a.says for a in report.answers)])


@pytest.mark.parametrize(
    "answer",
    [
        lambda x, fx: list(distortion(x, fx)),
        lambda x, fx: torch.tensor(distortion(x, fx)),
        lambda x, fx: torch.tensor(distortion(x, fx), requires_grad=True),
        lambda x, fx: torch.tensor(distortion(x, fx), dtype=torch.float32),
        lambda *both: distortion(*both),
        lambda x, fx, square=True: distortion(x, fx),
    ],
)
def test_lists_and_tensors_are_read_as_numbers(answer):
    assert run(answer).passed


def test_a_tensor_of_brain_floats_is_read_though_numpy_has_none():
    report = run(lambda x, fx: torch.tensor(distortion(x, fx), dtype=torch.bfloat16))
    assert "values" in {a.kind for a in report.answers} <= {"values", "good"}


def test_a_whole_number_may_come_as_any_kind_of_number():
    for kind in (int, float, np.float64, np.int32, torch.tensor):
        assert run(lambda n, eps, kind=kind: kind(minimum_dimension(n, eps)), "projection/minimum-dimension").passed


def test_a_function_may_spoil_its_arguments():
    def spoils(x, fx):
        ratio = distortion(x, fx)
        x[:], fx[:] = np.nan, 0
        return ratio

    assert run(spoils).passed
    assert run(distortion).passed


@pytest.mark.skipif(not hasattr(checking.signal, "setitimer"), reason="needs signal.setitimer: run on Linux or macOS")
def test_a_function_that_never_ends_is_stopped_and_the_rest_is_left_alone(monkeypatch):
    monkeypatch.setattr(checking, "SECONDS", 0.05)
    calls = itertools.count()

    def endless(x, fx):
        next(calls)
        while True:
            try:
                sum(range(1000))
            except Exception:
                return

    before = checking.signal.getsignal(checking.signal.SIGALRM)
    report = run(endless)
    assert [a.kind for a in report.answers] == ["endless"]
    assert "ran for 0.05 s" in str(report)
    assert next(calls) == 1
    assert checking.signal.getsignal(checking.signal.SIGALRM) is before


def test_it_works_in_another_thread():
    import threading

    found = []
    thread = threading.Thread(target=lambda: found.append(run(distortion)))
    thread.start()
    thread.join()
    assert found[0].passed


def test_html_is_escaped():
    html = run(raising(ValueError("<script>alert('x')</script>")))._repr_html_()
    assert "<script>" not in html and "&lt;script&gt;" in html
    assert html.startswith('<div class="layerlab-check layerlab-check--open" role="status">')


def test_html_says_each_state_in_words():
    html = run(lambda x, fx: np.where(len(x) > 5, 2, 1) * distortion(x, fx))._repr_html_()
    assert html.count("<li ") == 5
    assert html.count(">passed<") == 2 and html.count(">not yet<") == 3


class Shell:
    execution_count = 1


def test_a_notebook_shows_a_report_once_per_cell(monkeypatch):
    import IPython.display

    shown = []
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: Shell)
    monkeypatch.setattr(IPython.display, "display", lambda data, raw: shown.append(data))
    report = run(distortion)
    report._ipython_display_()  # the cell ends with the report
    assert len(shown) == 1 and set(shown[0]) == {"text/html", "text/plain"}
    monkeypatch.setattr(Shell, "execution_count", 2)
    report._ipython_display_()
    assert len(shown) == 2


def test_a_hint_that_breaks_is_no_hint(monkeypatch):
    broken = exercise.Hint("broken", "never seen", lambda answer: 1 / 0)
    mine = exercise.Exercise(
        "projection/mine", ("n",), lambda n: n, (exercise.Visible("three", lambda: (3,)),), (broken,)
    )
    monkeypatch.setattr(checking, "EXERCISES", (mine,))
    assert not grading.check("projection/mine", lambda n: 4).hints
    assert grading.check("projection/mine", lambda n: 3).passed


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.complex_numbers() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(VALUES, st.sampled_from(grading.names()))
def test_no_returned_value_raises_or_passes(value, name):
    report = grading.check(name, lambda *arguments: value)
    assert not report.passed
    assert "visible checks passed" in report.verdict or report.verdict.startswith("Not yet: ")
    assert report._repr_html_().endswith("</div>")


def test_an_answer_that_is_not_written_yet_is_no_error():
    def blank(n, eps):
        raise NotImplementedError

    assert grading.check("projection/minimum-dimension", blank).verdict == (
        "Not yet: it is not written yet (it raises NotImplementedError)."
    )

"""Run the visible checks of an exercise on a reader's function, whatever that function does."""

from __future__ import annotations

import difflib
import inspect
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from layerlab.grading.exercise import Answer, Exercise, Hint, Visible
from layerlab.grading.projections import EXERCISES
from layerlab.grading.report import Report

SECONDS = 10.0  # that one visible check may take


class _Endless(BaseException):
    """The reader's function took too long. Not an Exception, so that an `except Exception` in it does not stop it."""


class Halted(Exception):
    """The process in which the answer runs was ended; what it says is why."""


def names() -> list[str]:
    """The names of the exercises that have a check."""
    return sorted(exercise.name for exercise in EXERCISES)


def check(name: str, answer: Callable[..., Any]) -> Report:
    """Try `answer`, the reader's function for the exercise `name`; show what passed, and return it as a `Report`.

    Whatever the function does (returns None, raises, recurses or runs without end), this shows it and does not raise.
    Raises ValueError, with the nearest names, where there is no exercise of that name.

    >>> check("projection/minimum-dimension", lambda n, eps: None).passed
    Not yet: your function returned None. Does it end with a return statement?
    False
    """
    report = tried(_named(name), answer)
    report.show()
    return report


def tried(exercise: Exercise, answer: Any) -> Report:
    """The report on an answer to an exercise, not shown yet."""
    problem = _unusable(exercise, answer)
    if problem:
        return Report(exercise.name, problem=problem)
    answers = _all(exercise, answer)
    return Report(exercise.name, tuple(answers), tuple(_hints(exercise, answers)))


def agree(got: Any, expected: Any, rtol: float = 1e-6, atol: float = 1e-9) -> None:
    """Raise AssertionError unless `got` has the shape of `expected` and |got - expected| <= atol + rtol |expected|.

    Stricter than numpy's assert_allclose: nothing is broadcast, NaN and infinite numbers agree with nothing, and what
    is not real numbers (strings, objects, True) is refused, not converted. Raises ValueError
    where `expected` is not finite.
    """
    try:
        values = _numbers(got, "this is")
    except _NotNumbers as error:
        raise AssertionError(str(error)) from None
    wanted = np.asarray(expected, dtype=np.float64)
    if not np.isfinite(wanted).all():
        raise ValueError("the expected values are not finite: nothing can be compared with them")
    kind, says = _compared(values, wanted, Visible("", tuple, rtol=rtol, atol=atol))
    if kind != "good":
        raise AssertionError(says)


def _named(name: str) -> Exercise:
    for exercise in EXERCISES:
        if exercise.name == name:
            return exercise
    near = difflib.get_close_matches(str(name), names(), 3, 0.4) or names()
    raise ValueError(f"there is no exercise {name!r} with a check; did you mean {' or '.join(near)}?")


def _unusable(exercise: Exercise, answer: Any) -> str:
    """Why `answer` cannot be tried at all; empty if it can."""
    if exercise.parameters is None:
        return f"`{exercise.answer}` should be a value, but is {_a(answer)}." if callable(answer) else ""
    if not callable(answer):
        return (
            f"check needs your function itself, but was given {_a(answer)}. "
            f'Write check("{exercise.name}", your_function), without brackets after its name.'
        )
    try:
        signature = inspect.signature(answer)
    except Exception:  # some callables have no signature: then the call itself tells
        return ""
    try:
        signature.bind(*exercise.parameters)
    except TypeError:
        wanted = ", ".join(exercise.parameters)
        takes = ", ".join(signature.parameters) or "nothing"
        return f"your function is called with ({wanted}), but it takes ({takes})."
    return ""


def _all(exercise: Exercise, answer: Any) -> list[Answer]:
    answers: list[Answer] = []
    for visible in exercise.visible:
        answers.append(_one(exercise, visible, answer))
        if answers[-1].kind in ("endless", "interrupted"):
            break
    return answers


def _one(exercise: Exercise, visible: Visible, answer: Any) -> Answer:
    """Try the answer once, and put what it gives beside what is expected."""
    expected = np.empty(0) if visible.judged else exercise.expected(visible)
    tried = answer if exercise.parameters is None else _noticing_none(answer)
    try:
        with warnings.catch_warnings(), _limit():
            warnings.simplefilter("ignore")
            said = f"`{exercise.answer}` is" if exercise.parameters is None else "your function returned"
            values = _numbers(exercise.given(visible, tried), said)
    except Halted as error:
        return Answer(visible, expected, "endless", str(error))
    except _Endless:
        return Answer(visible, expected, "endless", f"it ran for {SECONDS:g} s and was stopped.")
    except _ReturnedNone:
        says = "your function returned None. Does it end with a return statement?"
        return Answer(visible, expected, "none", says)
    except _NotNumbers as error:
        return Answer(visible, expected, "type", str(error))
    except KeyboardInterrupt:
        return Answer(visible, expected, "interrupted", "you interrupted it.")
    except RecursionError as error:
        says = "your function calls itself without end (RecursionError)."
        return Answer(visible, expected, "raised", says, error=error)
    except BaseException as error:  # SystemExit and its like, too: the page goes on
        return Answer(visible, expected, "raised", _raised(error, answer), error=error)
    kind, says = _judged(values, visible) if visible.judged else _compared(values, expected, visible)
    return Answer(visible, expected, kind, says, values)


class _ReturnedNone(Exception):
    """The reader's function returned None."""


class _NotNumbers(Exception):
    """What the reader's function returned cannot be read as real numbers."""


def _noticing_none(function: Callable[..., Any]) -> Callable[..., Any]:
    def noticed(*arguments: Any) -> Any:
        returned = function(*arguments)
        if returned is None:
            raise _ReturnedNone
        return returned

    return noticed


def _numbers(returned: Any, said: str) -> np.ndarray:
    """What was returned as float64: a number, a list, an array, a tensor (of any device, with or without gradient)."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(returned, torch.Tensor):
        returned = returned.detach().cpu().resolve_conj().resolve_neg()
        returned = returned.double().numpy() if returned.is_floating_point() else returned.numpy()
    if callable(returned):
        raise _NotNumbers(f"{said} {_a(returned)}, not numbers. Is a call missing its brackets?")
    try:
        array = np.asarray(returned)
    except Exception:
        array = np.asarray(None)
    if array.dtype.kind not in "fiu":
        what = f"numbers of type {array.dtype}" if array.dtype.kind in "bc" else f"{_a(returned)}"
        raise _NotNumbers(f"{said} {what}; real numbers are expected.")
    return array.astype(np.float64)


def _judged(values: np.ndarray, visible: Visible) -> tuple[str, str]:
    """What an experiment's numbers fail to show, if anything."""
    if not np.isfinite(values).all():
        return "nan", "it gave NaN or an infinite number."
    try:
        says = visible.judged(values) if visible.judged else ""
    except (ValueError, IndexError, TypeError):  # numbers of another shape than can be judged
        return "shape", f"it gave {_shape(values)}, which is not what is asked for."
    return ("values", says) if says else ("good", "")


def _compared(values: np.ndarray, expected: np.ndarray, visible: Visible) -> tuple[str, str]:
    if values.shape != expected.shape:
        return "shape", f"it returned {_shape(values)}; {_shape(expected)} is expected."
    if not np.isfinite(values).all():
        where = np.argwhere(~np.isfinite(values))
        which = f" in {len(where)} of {values.size} places, first at {_place(where[0])}" if values.ndim else ""
        return "nan", f"it returned NaN or an infinite number{which}."
    off = np.abs(values - expected) > visible.atol + visible.rtol * np.abs(expected)
    if not off.any():
        return "good", ""
    first = tuple(np.argwhere(off)[0])
    says = f"it gave {values[first]:.8g} where {expected[first]:.8g} is expected"
    return "values", says + (f", at {_place(first)} ({off.sum()} of {values.size} are off)." if values.ndim else ".")


def _hints(exercise: Exercise, answers: list[Answer]) -> Iterator[Hint]:
    """The fewest hints for what went wrong, the one that recognises most of it first.

    Of two that recognise as much, the one comes first that also agrees with the checks that passed.
    """
    seen = [(hint, [answer for answer in answers if _recognises(hint, answer)]) for hint in exercise.hints]
    left = {id(answer) for answer in answers if not answer.good}
    while left and seen:
        hint, found = max(seen, key=lambda pair: (sum(id(a) in left for a in pair[1]), len(pair[1])))
        if not any(id(answer) in left for answer in found):
            return
        yield hint
        left -= {id(answer) for answer in found}


def _recognises(hint: Hint, answer: Answer) -> bool:
    with suppress(Exception):  # a wrong idea may not be computable from these arguments
        return bool(hint.when(answer))
    return False


def _raised(error: BaseException, function: Any) -> str:
    """The error in words, with the line of the reader's code (never ours) where it arose."""
    if isinstance(error, NotImplementedError):  # what stands where a reader has still to write the answer
        return "it is not written yet (it raises NotImplementedError)."
    message = ""
    with suppress(Exception):
        message = str(error).strip()
    line, trace = None, error.__traceback__
    code = getattr(function, "__code__", None)
    while trace is not None:
        if code is not None and trace.tb_frame.f_code.co_filename == code.co_filename:
            line = trace.tb_lineno - code.co_firstlineno + 1
        trace = trace.tb_next
    at = f" in line {line} of it" if line is not None and line > 0 else ""
    return f"your function stopped{at} with {type(error).__name__}{f': {message[:300]}' if message else ''}."


def _a(thing: Any) -> str:
    """The type of a thing, for a sentence."""
    kind = type(thing).__name__
    return f"an object of type {kind}"


def _shape(values: np.ndarray) -> str:
    if values.ndim == 0:
        return "a single number"
    return f"{len(values)} numbers in a row" if values.ndim == 1 else f"an array of shape {values.shape}"


def _place(index: Any) -> str:
    return "position " + ", ".join(str(int(i)) for i in index)


@contextmanager
def _limit() -> Iterator[None]:
    """Stop what runs inside after SECONDS, where the system can (POSIX, main thread); other timers stay."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: Any) -> None:
        raise _Endless

    before = signal.signal(signal.SIGALRM, stop)
    remaining, interval = signal.setitimer(signal.ITIMER_REAL, SECONDS, 0.5)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, remaining, interval)
        signal.signal(signal.SIGALRM, before)

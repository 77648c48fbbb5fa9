"""A programming exercise as a check knows it: visible checks, and hints aimed at known wrong ideas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Function = Callable[..., Any]


def directly(function: Function, *arguments: Any) -> Any:
    """The plain way to use a reader's function: call it once."""
    return function(*arguments)


@dataclass(frozen=True)
class Visible:
    """One visible check.

    title: what is tried, as a reader sees it. arguments: makes the arguments (afresh each time, as a reader's function
    may alter them). expected: the values from those arguments, or None for the exercise's reference. use: how the
    function is used, where one call is not enough; the first argument is the answer itself, so that `use` can also turn
    what it returns into one array. rtol, atol: |got - expected| <= atol + rtol |expected|. judged: instead of comparing
    with expected values, says what is wrong with the numbers (empty if nothing): for what an experiment should show,
    whatever its seed.
    """

    title: str
    arguments: Callable[[], tuple[Any, ...]]
    expected: Function | None = None
    use: Callable[..., Any] = directly
    rtol: float = 1e-6
    atol: float = 1e-9
    judged: Callable[[np.ndarray], str] | None = None


@dataclass(frozen=True)
class Answer:
    """What a reader's function gave in one visible check.

    kind: "good", or what is wrong: "none", "raised", "endless", "interrupted", "type", "shape", "nan", "values".
    says: that in words. values: what it returned, as an array of floats, where it can be read so.
    """

    visible: Visible
    expected: np.ndarray
    kind: str = "good"
    says: str = ""
    values: np.ndarray | None = None
    error: BaseException | None = None

    @property
    def good(self) -> bool:
        """Whether this visible check passed."""
        return self.kind == "good"


@dataclass(frozen=True)
class Hint:
    """Help against one wrong idea: `when` recognises it in an answer that is not good."""

    key: str
    text: str
    when: Callable[[Answer], bool]


@dataclass(frozen=True)
class Exercise:
    """name: as in `check(name, ...)`. parameters: the names of the function's arguments. reference: what is right.

    parameters None: the answer is no function but a value, and so is the reference; `Visible.use` is given it.
    answer: the name that the answer has in an assignment's notebook.
    """

    name: str
    parameters: tuple[str, ...] | None
    reference: Any
    visible: tuple[Visible, ...]
    hints: tuple[Hint, ...] = field(default=())
    answer: str = ""

    def given(self, visible: Visible, answer: Any) -> Any:
        """What the reader's answer, function or value, gives in a visible check."""
        if self.parameters is None and visible.use is directly:
            return answer
        return visible.use(answer, *visible.arguments())

    def expected(self, visible: Visible) -> np.ndarray:
        """The values that a visible check expects (of one that is judged: what the reference gives)."""
        values = np.asarray(self.given(visible, visible.expected or self.reference), dtype=np.float64)
        if not np.isfinite(values).all():
            raise ValueError(f"exercise {self.name}, {visible.title}: what is expected is not finite")
        return values


def like(wrong: Function) -> Callable[[Answer], bool]:
    """Recognises an answer that equals what `wrong` makes of the same arguments (NaN where it has NaN)."""

    def when(answer: Answer) -> bool:
        if answer.values is None:
            return False
        with np.errstate(all="ignore"):
            other = np.asarray(answer.visible.use(wrong, *answer.visible.arguments()), dtype=np.float64)
        return other.shape == answer.values.shape and np.allclose(
            answer.values, other, rtol=answer.visible.rtol, atol=answer.visible.atol, equal_nan=True
        )

    return when


def shaped(shape: Callable[..., tuple[int, ...]]) -> Callable[[Answer], bool]:
    """Recognises an answer by its shape, computed from the arguments."""

    def when(answer: Answer) -> bool:
        return answer.values is not None and answer.values.shape == shape(*answer.visible.arguments())

    return when

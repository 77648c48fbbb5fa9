"""The toy assignment's variant and its visible checks."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np

from layerlab.grading.exercise import Exercise, Hint, Visible, like


def variant(rng: np.random.Generator) -> dict[str, Any]:
    """Eight numbers for question 2a."""
    return {"numbers": [round(number, 3) for number in rng.uniform(1, 9, 8).tolist()]}


def _distances(x: np.ndarray) -> np.ndarray:
    i, j = np.triu_indices(len(x), 1)
    return np.sum((x[i] - x[j]) ** 2, axis=1)


def _dimension(n: int, eps: float) -> int:
    return math.ceil(4 * math.log(n) / (eps**2 / 2 - eps**3 / 3))


def _errors(sizes: list[int], seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.array([np.abs(rng.choice([-1.0, 1.0], (400, n)).mean(axis=1)).mean() for n in sizes])


def _falling(values: np.ndarray) -> str:
    return "" if values[-1] < values[0] else "the error does not fall as n grows."


def exercises(variant: SimpleNamespace) -> tuple[Exercise, ...]:
    """What check("1a") ... check("2b") try."""
    triangle = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    return (
        Exercise(
            name="1a",
            answer="distances",
            parameters=("x",),
            reference=_distances,
            visible=(Visible("a triangle: 9, 16, 25", lambda: (triangle,)),),
            hints=(Hint("not-squared", "Those are the distances, not squared.", like(lambda x: _distances(x) ** 0.5)),),
        ),
        Exercise(
            name="1b",
            answer="dimension",
            parameters=("n", "eps"),
            reference=_dimension,
            visible=(Visible("n = 1000, eps = 0.5", lambda: (1000, 0.5), rtol=0, atol=0),),
        ),
        Exercise(
            name="2a",
            answer="mean_square",
            parameters=None,
            reference=float(np.mean(np.square(variant.numbers))),
            visible=(Visible("between the least and the largest square", tuple, judged=_within(variant.numbers)),),
        ),
        Exercise(
            name="2b",
            answer="errors",
            parameters=("sizes", "seed"),
            reference=_errors,
            visible=(Visible("n from 10 to 1000", lambda: ([10, 100, 1000], 5), judged=_falling),),
        ),
    )


def _within(numbers: list[float]) -> Any:
    def judged(values: np.ndarray) -> str:
        inside = min(numbers) ** 2 <= float(values) <= max(numbers) ** 2
        return "" if inside else "a mean of squares lies between the least and the largest square."

    return judged

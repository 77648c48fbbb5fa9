"""Question 4c: sparse rows (word counts with weights), and the pair that a very sparse map is worst at."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from layerlab.grading.exercise import Answer, Exercise, Hint, Visible

WORDS, TEXTS, PER_TEXT = 800, 24, 40


def texts(rng: np.random.Generator) -> dict[str, Any]:
    """texts: 24 rows of 800 word weights, about 40 of them not 0; density and k of a very sparse map.

    Planted, each as a changed copy of another text: the pair that the map is worst at (one heavy and one light word
    more), the closest pair (three light words exchanged), a pair with two equally heavy words more, and one with four.
    The map's density and k are such that it merges the worst pair with probability 0.2 to 0.4.
    """
    light, heavy = rng.uniform(0.5, 0.7, 60), rng.uniform(2.6, 3.0, 40)
    weights = np.concatenate([light, heavy, rng.uniform(0.8, 2.5, WORDS - 100)])
    rows = np.zeros((TEXTS, WORDS))
    for row in rows[:-4]:
        words = 100 + rng.permutation(WORDS - 100)[:PER_TEXT]
        words[:6] = [*rng.permutation(60)[:4], *(60 + rng.permutation(40)[:2])]
        row[words] = weights[words]
    models = rng.permutation(TEXTS - 4)[:4]
    rows[-4:] = rows[models]
    _add(rows[-4], weights, [_absent(rows[-4], 0, 60, rng), _absent(rows[-4], 60, 100, rng)])
    _exchange(rows[-3], weights, rng)
    first = _absent(rows[-2], 60, 100, rng)
    weights_equal = weights.copy()
    second = _absent(rows[-2], 100, WORDS, rng)
    weights_equal[second] = weights[first]
    _add(rows[-2], weights_equal, [first, second])
    for _ in range(4):
        _add(rows[-1], weights, [_absent(rows[-1], 100, WORDS, rng)])
    density = 1 / int(rng.integers(40, 81))
    k = round(math.log(rng.uniform(0.22, 0.38)) / (2 * math.log1p(-density)))
    order = rng.permutation(TEXTS)
    return {"texts": np.round(rows[order][:, rng.permutation(WORDS)], 3), "density": density, "k": k}


def _absent(row: np.ndarray, start: int, stop: int, rng: np.random.Generator) -> int:
    """A word of that range that the text does not have."""
    return int(rng.choice(start + np.flatnonzero(row[start:stop] == 0)))


def _add(row: np.ndarray, weights: np.ndarray, words: list[int]) -> None:
    row[words] = weights[words]


def _exchange(row: np.ndarray, weights: np.ndarray, rng: np.random.Generator) -> None:
    """Take three light words out and put three others in."""
    for old in np.flatnonzero(row[:60])[:3]:
        new = _absent(row, 0, 60, rng)
        row[old], row[new] = 0.0, weights[new]


def peakedness(x: np.ndarray) -> np.ndarray:
    """kappa = sum z^4 / (sum z^2)^2 of all differences z of two rows, condensed."""
    i, j = np.triu_indices(len(x), 1)
    squares = (x[i] - x[j]) ** 2
    return np.sum(squares**2, axis=1) / np.sum(squares, axis=1) ** 2


def worst(x: np.ndarray, density: float, k: int) -> tuple[int, int, float, float, float]:
    """The pair whose ratio varies most under the sparse map: (i, j, kappa, standard deviation, P[both become one])."""
    kappa = peakedness(x)
    at = int(np.argmax(kappa))
    i, j = (int(index[at]) for index in np.triu_indices(len(x), 1))
    differing = int((x[i] != x[j]).sum())
    deviation = math.sqrt((2 + (1 / density - 3) * kappa[at]) / k)
    return i, j, float(kappa[at]), deviation, (1 - density) ** (differing * k)


def worst_exercise(name: str, x: np.ndarray, density: float, k: int) -> Exercise:
    """`worst`: the numbers (i, j, kappa, sd, merged), each judged by itself."""
    i, j, kappa, deviation, merged = worst(x, density, k)

    def judged(part: Callable[[np.ndarray], str]) -> Callable[[np.ndarray], str]:
        def says(values: np.ndarray) -> str:
            return part(values) if values.shape == (5,) else "five numbers are wanted: (i, j, kappa, sd, merged)."

        return says

    def pair(values: np.ndarray) -> str:
        first, second = values[:2]
        if not (0 <= first < len(x) and 0 <= second < len(x) and first % 1 == second % 1 == 0):
            return f"i and j are row numbers from 0 to {len(x) - 1}."
        if first >= second:
            return "name the pair with i < j."
        here = _kappa(x, int(first), int(second))
        return "" if here > kappa - 1e-9 else "there is a pair whose ratio varies more under this map."

    def concentration(values: np.ndarray) -> str:
        return "" if 1 / x.shape[1] <= values[2] <= 1 else f"kappa lies between 1/d = {1 / x.shape[1]:g} and 1."

    def fitting(values: np.ndarray) -> str:
        expected = math.sqrt(max(0.0, (2 + (1 / density - 3) * values[2]) / k))
        return "" if abs(values[3] - expected) < 1e-6 * expected else "sd is not what 4a makes of your kappa."

    def chance(values: np.ndarray) -> str:
        return "" if 0 < values[4] < 1 else "merged is a probability, and neither 0 nor 1."

    def hint(key: str, text: str, recognises: Callable[[np.ndarray], Any]) -> Hint:
        def when(answer: Answer) -> bool:
            return answer.values is not None and answer.values.shape == (5,) and bool(recognises(answer.values))

        return Hint(key, text, when)

    return Exercise(
        name=name,
        answer="worst",
        parameters=None,
        reference=(i, j, kappa, deviation, merged),
        visible=(
            Visible("i and j: the pair", tuple, judged=judged(pair)),
            Visible("kappa: within its limits", tuple, judged=judged(concentration)),
            Visible("sd: fits your kappa", tuple, judged=judged(fitting)),
            Visible("merged: a probability", tuple, judged=judged(chance)),
        ),
        hints=_worst_hints(hint, x, density, k),
    )


def _kappa(x: np.ndarray, i: int, j: int) -> float:
    return float(peakedness(x[[i, j]])[0])


def _worst_hints(hint: Callable[..., Hint], x: np.ndarray, density: float, k: int) -> tuple[Hint, ...]:
    first, second = np.triu_indices(len(x), 1)
    squares = np.sum((x[first] - x[second]) ** 2, axis=1)
    differing = np.sum(x[first] != x[second], axis=1)
    kappa = peakedness(x)

    def pairs(where: np.ndarray) -> set[tuple[float, float]]:
        return {(float(first[at]), float(second[at])) for at in np.flatnonzero(where)}

    closest, farthest = pairs(squares == squares.min()), pairs(squares == squares.max())
    flattest = pairs(kappa == kappa.min())
    fewest = pairs((differing == differing.min()) & (kappa < kappa.max()))
    return (
        hint(
            "closest",
            "That is the closest pair. What counts is not how long the difference is, but how few "
            "coordinates carry it.",
            lambda v: tuple(v[:2]) in closest,
        ),
        hint(
            "farthest",
            "That is the pair farthest apart, and its difference is spread over many coordinates. Look "
            "at what the variance in 4a depends on.",
            lambda v: tuple(v[:2]) in farthest,
        ),
        hint(
            "flattest",
            "That is the pair of least variance: take the largest kappa.",
            lambda v: tuple(v[:2]) in flattest,
        ),
        hint(
            "fewest-words",
            "Few words differ there, but another pair differs in as few, and one of those words carries nearly all.",
            lambda v: tuple(v[:2]) in fewest,
        ),
        hint("order", "The right pair, the wrong way round: i < j.", lambda v: v[0] > v[1]),
        hint(
            "variance",
            "Your sd is the variance: take the root.",
            lambda v: abs(v[3] * k - (2 + (1 / density - 3) * v[2])) < 1e-6,
        ),
        hint(
            "gaussian",
            "Your sd is that of a Gaussian map, sqrt(2/k): the entries' fourth moment is missing.",
            lambda v: abs(v[3] - math.sqrt(2 / k)) < 1e-6,
        ),
        hint(
            "density-for-its-inverse",
            "In the variance stands 1/density - 3, not density - 3.",
            lambda v: abs(v[3] - math.sqrt(abs(2 + (density - 3) * v[2]) / k)) < 1e-6,
        ),
        hint(
            "kappa-upside-down",
            "Your kappa is above 1: it is the sum of fourth powers over the square of the sum of squares.",
            lambda v: v[2] > 1,
        ),
    )

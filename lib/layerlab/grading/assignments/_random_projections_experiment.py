"""Question 3a, the student's own experiment, judged by what it must show whatever the map and the seeds are."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from layerlab.grading.exercise import Answer, Exercise, Function, Hint, Visible

KS = (4, 8, 16, 32, 64)
EPS = 0.5
SEEDS = tuple(range(24))
_FIRST = "your points, k = 4 to 64, 24 maps for each k"
_AGAIN = "the same seeds give the same numbers, others others"


def _parts(returned: Any, size: int) -> list[np.ndarray]:
    """spread, failures and slope as arrays, if that is what was returned."""
    parts = [np.asarray(part, dtype=np.float64) for part in returned]
    if [part.shape for part in parts] != [(size,), (size,), ()]:
        raise ValueError("shapes")
    return parts


def _flat(function: Function, *arguments: Any) -> np.ndarray:
    """spread, failures and slope in one row; empty if something else was returned."""
    returned = function(*arguments)
    try:
        return np.concatenate([np.atleast_1d(part) for part in _parts(returned, len(arguments[2]))])
    except (TypeError, ValueError):
        return np.empty(0)


def _twice(function: Function, x: np.ndarray, eps: float, ks: Any, seeds: Any) -> np.ndarray:
    """How far two runs with the same seeds, and two with others, lie apart in their spreads."""
    others = [seed + 100 for seed in seeds]
    runs = [_flat(function, x, eps, ks, chosen)[: len(ks)] for chosen in (seeds, seeds, others)]
    return np.array([np.abs(runs[0] - runs[1]).max(), np.abs(runs[0] - runs[2]).max()])


def _repeated(values: np.ndarray) -> str:
    if values[0] > 1e-9:
        return "two runs with the same seeds gave different numbers."
    return "" if values[1] > 0 else "other seeds gave the same numbers."


def _line(x: Any, y: Any) -> np.ndarray:
    return np.polyfit(x, y, 1)


def _shown(values: np.ndarray) -> str:
    """What the numbers of the first visible check fail to show."""
    size = len(KS)
    if values.shape != (2 * size + 1,):
        return f"it should return spread ({size} numbers here), failures ({size} numbers) and slope (one number)."
    spread, failures, slope = values[:size], values[size : 2 * size], float(values[-1])
    if not (spread > 0).all():
        return "a standard deviation of different ratios is positive; one of yours is not."
    counts = failures * len(SEEDS)
    if not (np.allclose(counts, np.round(counts), atol=1e-6) and failures.min() >= 0 and failures.max() <= 1):
        return f"a share of {len(SEEDS)} maps is a multiple of 1/{len(SEEDS)} from 0 to 1; {failures[0]:.4g} is not."
    in_theory = spread * np.sqrt(np.array(KS) / 2)
    if not (in_theory.min() > 0.7 and in_theory.max() < 1.3):
        off = int(np.argmax(np.abs(np.log(in_theory))))
        return (
            f"at k = {KS[off]} the spread is {spread[off]:.3g}; question 1a lets one expect about {_theory(off):.3g}."
        )
    if failures[0] < 0.9 or (np.diff(failures) > 0.3).any() or failures[-1] > failures[0]:
        return "with 4 dimensions nearly every map should lose a pair, and with more dimensions fewer should."
    fitted = float(_line(np.log(KS), np.log(spread))[0])
    if abs(slope - fitted) > 1e-6:
        return f"the line through your own points (ln k, ln spread) has slope {fitted:.4f}, not {slope:.4f}."
    return ""


def _theory(index: int) -> float:
    return math.sqrt(2 / KS[index])


def _first(condition: Callable[[np.ndarray, np.ndarray, float], Any]) -> Callable[[Answer], bool]:
    """A condition on (spread sqrt(k/2), failures, slope) of the first visible check."""

    def when(answer: Answer) -> bool:
        values, size = answer.values, len(KS)
        if answer.visible.title != _FIRST or values is None or values.shape != (2 * size + 1,):
            return False
        return bool(condition(values[:size] * np.sqrt(np.array(KS) / 2), values[size:-1], float(values[-1])))

    return when


def _fitted(values: Callable[[np.ndarray], float]) -> Callable[[Answer], bool]:
    """Recognises a slope by how it was computed from the spreads."""
    return _first(lambda scaled, failures, slope: abs(slope - values(scaled * np.sqrt(2 / np.array(KS)))) < 1e-6)


def _hints() -> tuple[Hint, ...]:
    k = np.array(KS, dtype=float)
    return (
        Hint(
            "variance",
            "Your spread falls as 1/k: that is the variance. Take the standard deviation.",
            _first(lambda scaled, failures, slope: np.abs(scaled / np.sqrt(2 / k) - 0.95).max() < 0.25),
        ),
        Hint(
            "not-squared",
            "Half the spread that is expected: the ratios are of squared distances.",
            _first(lambda scaled, failures, slope: scaled.min() > 0.38 and scaled.max() < 0.62),
        ),
        Hint(
            "over-maps",
            "You take the spread of the maps' mean ratios. Wanted is the spread over the pairs under one map, and then "
            "the mean over the maps.",
            _first(lambda scaled, failures, slope: scaled.min() > 0 and scaled.max() < 0.38),
        ),
        Hint(
            "not-scaled",
            "Your ratios grow with k: the map lacks its scale, see question 1c (or use orthonormal_map).",
            _first(lambda scaled, failures, slope: np.abs(scaled / k - 0.95).max() < 0.3),
        ),
        Hint(
            "share-of-pairs",
            "Your failures are shares of pairs. A map fails as soon as one of its pairs is lost; wanted is the share "
            "of maps that fail.",
            _first(lambda scaled, failures, slope: 0.1 < failures[0] < 0.8 and failures[-1] < 0.1),
        ),
        Hint(
            "kept-for-lost",
            "Your failures rise with k: you count the maps that keep all pairs.",
            _first(lambda scaled, failures, slope: failures[0] < 0.1 and failures[-1] > failures[0]),
        ),
        Hint(
            "intercept",
            "np.polyfit(..., 1) gives the slope first, then the intercept; you return the second.",
            _fitted(lambda spread: _line(np.log(k), np.log(spread))[1]),
        ),
        Hint("no-logs", "That is the slope of the spread itself: take logarithms of both.", _fitted(_plain_slope)),
        Hint(
            "half-logs",
            "Only one of the two axes is logarithmic in your fit: take the logarithm of k and of the spread.",
            lambda answer: any(_fitted(half)(answer) for half in (_half_slope, _other_half_slope)),
        ),
        Hint(
            "unseeded",
            "Draw each map from its own seed and nothing else: a run with the same seeds then repeats itself.",
            lambda answer: (
                answer.visible.title == _AGAIN and answer.values is not None and bool(answer.values[0] > 1e-9)
            ),
        ),
        Hint(
            "seed-ignored",
            "The seeds do not reach the maps: draw one map for each seed.",
            lambda answer: answer.visible.title == _AGAIN and answer.values is not None and not answer.values.any(),
        ),
    )


def _plain_slope(spread: np.ndarray) -> float:
    return float(_line(KS, spread)[0])


def _half_slope(spread: np.ndarray) -> float:
    return float(_line(KS, np.log(spread))[0])


def _other_half_slope(spread: np.ndarray) -> float:
    return float(_line(np.log(KS), spread)[0])


def _theirs(x: np.ndarray, eps: float, ks: Any, seeds: Any) -> tuple[list[float], list[float], float]:
    """The experiment with Gaussian maps."""
    from scipy.spatial.distance import pdist

    before = pdist(x, "sqeuclidean")
    spread, failures = [], []
    for k in ks:
        maps = [np.random.default_rng([seed, k]).standard_normal((x.shape[1], k)) / math.sqrt(k) for seed in seeds]
        ratios = np.array([pdist(x @ drawn, "sqeuclidean") / before for drawn in maps])
        spread.append(float(ratios.std(axis=1).mean()))
        failures.append(float((np.abs(ratios - 1) > eps).any(axis=1).mean()))
    return spread, failures, float(_line(np.log(ks), np.log(spread))[0])


def experiment_exercise(name: str, points: np.ndarray) -> Exercise:
    """`experiment(x, eps, ks, seeds)`: how the ratios' spread, and the share of maps that lose a pair, fall with k."""
    return Exercise(
        name=name,
        answer="experiment",
        parameters=("x", "eps", "ks", "seeds"),
        reference=_theirs,
        visible=(
            Visible(_FIRST, lambda: (points, EPS, list(KS), list(SEEDS)), use=_flat, judged=_shown),
            Visible(_AGAIN, lambda: (points[:5], EPS, [2, 6], list(range(5))), use=_twice, judged=_repeated),
        ),
        hints=_hints(),
    )

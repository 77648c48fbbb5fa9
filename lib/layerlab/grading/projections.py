"""The programming exercises of the chapter on projections that a reader can check in the page."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from layerlab import projection
from layerlab.grading.exercise import Answer, Exercise, Function, Hint, Visible, like, shaped

# ---- ratios of squared distances of all pairs


def _corners() -> tuple[np.ndarray, np.ndarray]:
    """Four points before and after, with six ratios that all differ."""
    return np.array([[0.0], [1.0], [3.0], [7.0]]), np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 4.0], [1.0, 9.0]])


def _cloud(n: int, d: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def _projected(n: int, d: int, k: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    x = _cloud(n, d, seed)
    return x, x @ _cloud(d, k, seed + 1) / math.sqrt(k)


def _doubled() -> tuple[np.ndarray, np.ndarray]:
    x = _cloud(9, 3, 11)
    return x, 2 * x + 5


def _by_power(power: float) -> Function:
    return lambda x, fx: projection.distortion(x, fx) ** power


def _by_columns(x: np.ndarray, fx: np.ndarray) -> np.ndarray:
    """The ratios when each squared distance is a mean over coordinates instead of a sum."""
    return projection.distortion(x, fx) * x.shape[1] / fx.shape[1]


def _difference(x: np.ndarray, fx: np.ndarray) -> np.ndarray:
    return projection.squared_distances(fx) - projection.squared_distances(x)


def _lengths(x: np.ndarray, fx: np.ndarray) -> np.ndarray:
    return np.sum(fx**2, axis=1) / np.sum(x**2, axis=1)


def _other_order(answer: Answer) -> bool:
    """The same ratios, differently sorted."""
    values, expected = answer.values, answer.expected
    if values is None or values.shape != expected.shape or answer.kind != "values":
        return False
    return np.allclose(np.sort(values), np.sort(expected), rtol=answer.visible.rtol)


DISTORTION = Exercise(
    name="projection/distortion",
    parameters=("x", "fx"),
    reference=projection.distortion,
    visible=(
        Visible("four points whose six ratios you can work out by hand", _corners),
        Visible("a copy that is doubled and shifted: every ratio is 4", _doubled, lambda x, fx: np.full(36, 4.0)),
        Visible("40 random points of 60 dimensions, projected to 8", lambda: _projected(40, 60, 8, 21)),
        Visible("the same points, mapped up to 200 dimensions", lambda: _projected(40, 60, 200, 31)),
        Visible("two points: a single pair", lambda: _projected(2, 5, 3, 41)),
    ),
    hints=(
        Hint(
            "not-squared",
            "Your values are the square roots of those expected: the ratio is of squared distances.",
            like(_by_power(0.5)),
        ),
        Hint("inverted", "Your ratio is upside down: after is divided by before.", like(_by_power(-1))),
        Hint(
            "inverted-not-squared",
            "Two things at once: the ratio is upside down, and it is of squared distances.",
            like(_by_power(-0.5)),
        ),
        Hint(
            "mean-over-coordinates",
            "Your values are off by the factor d/k: a squared distance sums over the coordinates, it takes no mean.",
            like(_by_columns),
        ),
        Hint(
            "difference",
            "You subtract the squared distances; how much a pair is stretched is their ratio.",
            like(_difference),
        ),
        Hint(
            "lengths",
            "You compare the lengths of the points; the ratio is about distances between two of them.",
            like(_lengths),
        ),
        Hint(
            "order",
            "The right ratios in another order: scipy's pdist goes (0,1), (0,2), ..., (0,n-1), (1,2), ...",
            _other_order,
        ),
        Hint(
            "square-matrix",
            "You return the whole n x n matrix: each pair i < j is wanted once, as np.triu_indices(n, 1) lists them.",
            shaped(lambda x, fx: (len(x), len(x))),
        ),
        Hint(
            "diagonal",
            "Off by n: you have the pairs i = j in it. Each point's distance from itself is 0 and has no ratio.",
            shaped(lambda x, fx: (len(x) * (len(x) + 1) // 2,)),
        ),
        Hint(
            "neighbours-only",
            "n - 1 values: you compare each row with the next one only. There are n(n-1)/2 pairs.",
            shaped(lambda x, fx: (len(x) - 1,)),
        ),
        Hint(
            "both-directions",
            "Twice as many values as pairs: (i, j) and (j, i) are the same pair.",
            shaped(lambda x, fx: (len(x) * (len(x) - 1),)),
        ),
        Hint(
            "one-number",
            "One number for all pairs: return the ratio of each pair, not their mean or largest.",
            lambda answer: answer.values is not None and answer.values.ndim == 0,
        ),
    ),
)

# ---- the angle after a wide random ReLU layer


def _cosine(theta: np.ndarray) -> np.ndarray:
    return np.sin(theta) + (math.pi - theta) * np.cos(theta)


def _mapped(theta: Any) -> np.ndarray:
    """The right formula, for angles that may lie outside [0, pi]."""
    return _arccos_of(_cosine(theta) / math.pi)


def _arccos_of(values: Any) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.arccos(values)


def _deep(function: Function, theta: float) -> np.ndarray:
    """The angle after each of ten layers."""
    found = []
    for _ in range(10):
        theta = function(theta)
        found.append(theta)
    return np.array([np.asarray(value, dtype=np.float64) for value in found])


def _needs_numpy(answer: Answer) -> bool:
    """A function of the module math (or an `if`) met an array."""
    told = str(answer.error)
    return isinstance(answer.error, (TypeError, ValueError)) and ("scalar" in told or "truth value" in told)


ARC_COSINE = Exercise(
    name="projection/arc-cosine",
    parameters=("theta",),
    reference=projection.relu_angle,
    visible=(
        Visible("the same direction twice: 0 stays 0", lambda: (0.0,), lambda theta: 0.0, atol=1e-6),
        Visible("opposite directions: pi becomes pi/2", lambda: (math.pi,), lambda theta: math.pi / 2),
        Visible("a right angle becomes arccos(1/pi)", lambda: (math.pi / 2,), lambda theta: math.acos(1 / math.pi)),
        Visible(
            "200 random angles at once, as an array",
            lambda: (np.random.default_rng(51).uniform(0.01, math.pi, 200),),
            atol=1e-7,
        ),
        Visible("ten layers, one after the other, from a right angle", lambda: (math.pi / 2,), use=_deep, atol=1e-7),
    ),
    hints=(
        Hint(
            "cosine",
            "That is the cosine of the new angle: take np.arccos of it.",
            like(lambda theta: _cosine(theta) / math.pi),
        ),
        Hint(
            "not-divided",
            "Before the arccos, divide by pi: as it is, the cosine reaches pi, and arccos has no value above 1.",
            like(lambda theta: _arccos_of(_cosine(theta))),
        ),
        Hint(
            "half-divided",
            "Both terms are divided by pi, sin theta too: mind the brackets.",
            like(lambda theta: _arccos_of(np.sin(theta) + (1 - theta / math.pi) * np.cos(theta))),
        ),
        Hint(
            "not-complement",
            "The cosine is weighted with pi - theta, not with theta.",
            like(lambda theta: _arccos_of((np.sin(theta) + theta * np.cos(theta)) / math.pi)),
        ),
        Hint(
            "step",
            "That is the kernel of step units (order 0), cos theta' = 1 - theta/pi. For ReLU units take order 1.",
            like(lambda theta: _arccos_of(1 - theta / math.pi)),
        ),
        Hint(
            "swapped",
            "Sine and cosine are swapped: it is sin theta + (pi - theta) cos theta.",
            like(lambda theta: _arccos_of((np.cos(theta) + (math.pi - theta) * np.sin(theta)) / math.pi)),
        ),
        Hint(
            "degrees-out",
            "Your angles are in degrees: leave them in radians, as np.arccos gives them.",
            like(lambda theta: np.degrees(_mapped(theta))),
        ),
        Hint(
            "degrees-in",
            "theta comes in radians already: no conversion from degrees is needed.",
            like(lambda theta: _mapped(np.radians(theta))),
        ),
        Hint(
            "degrees-through",
            "You take theta for degrees and answer in degrees: it comes in radians, and radians are expected.",
            like(lambda theta: np.degrees(_mapped(np.radians(theta)))),
        ),
        Hint("unchanged", "You return theta itself: that is what a linear layer does.", like(lambda theta: theta)),
        Hint(
            "scalars-only",
            "Your function takes one angle, not an array: use np.sin, np.cos and np.arccos, not those of math.",
            _needs_numpy,
        ),
        Hint(
            "outside",
            "NaN comes from arccos of something outside [-1, 1]: look at that argument first, and only then clip "
            "what rounding leaves beyond (np.clip).",
            lambda answer: answer.kind == "nan",
        ),
    ),
)

# ---- the dimension that the lemma asks for


def _quotient(n: int, eps: float) -> float:
    return 4 * math.log(n) / (eps**2 / 2 - eps**3 / 3)


def _wanted(n: int, eps: float) -> Visible:
    return Visible(f"n = {n:,} points, eps = {eps:g}", lambda: (n, eps), rtol=0, atol=0)


def _rounded_up(formula: Function) -> Function:
    return lambda n, eps: math.ceil(formula(n, eps))


def _formula_like(formula: Function) -> Any:
    """Recognises another formula, rounded up or not."""
    up, plain = like(_rounded_up(formula)), like(formula)
    return lambda answer: up(answer) or plain(answer)


MINIMUM_DIMENSION = Exercise(
    name="projection/minimum-dimension",
    parameters=("n", "eps"),
    reference=projection.minimum_dimension,
    visible=(_wanted(1000, 0.1), _wanted(60_000, 0.2), _wanted(300, 0.15), _wanted(1797, 0.25), _wanted(2, 0.5)),
    hints=(
        Hint(
            "truncated",
            "One too small: k has to be at least the bound, so round it up (math.ceil), not down.",
            like(lambda n, eps: math.floor(_quotient(n, eps))),
        ),
        Hint(
            "not-rounded",
            "The right number, but a dimension is whole: round it up (math.ceil).",
            like(_quotient),
        ),
        Hint(
            "rounded",
            "Right where the fraction is above a half, one too small elsewhere: round up always (math.ceil).",
            like(lambda n, eps: round(_quotient(n, eps))),
        ),
        Hint(
            "one-more", "One too large: math.ceil alone will do.", like(lambda n, eps: math.ceil(_quotient(n, eps)) + 1)
        ),
        Hint(
            "log10",
            "That is the logarithm to base 10: the bound has the natural one (math.log).",
            _formula_like(lambda n, eps: _quotient(n, eps) / math.log(10)),
        ),
        Hint(
            "log2",
            "That is the logarithm to base 2: the bound has the natural one (math.log).",
            _formula_like(lambda n, eps: _quotient(n, eps) / math.log(2)),
        ),
        Hint(
            "sign",
            "The denominator is a difference: eps^2/2 - eps^3/3.",
            _formula_like(lambda n, eps: 4 * math.log(n) / (eps**2 / 2 + eps**3 / 3)),
        ),
        Hint(
            "no-cube",
            "eps^3/3 is missing from the denominator, or left outside the brackets.",
            _formula_like(lambda n, eps: 4 * math.log(n) / (eps**2 / 2)),
        ),
        Hint(
            "no-four", "The factor 4 in front of ln n is missing.", _formula_like(lambda n, eps: _quotient(n, eps) / 4)
        ),
    ),
)

EXERCISES = (DISTORTION, ARC_COSINE, MINIMUM_DIMENSION)

"""Random projections: one student's data, and what the visible checks of the assignment try."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from layerlab.grading.assignments._random_projections_experiment import experiment_exercise
from layerlab.grading.assignments._random_projections_maps import gaussian_exercise, sparse_exercise
from layerlab.grading.assignments._random_projections_texts import texts, worst_exercise
from layerlab.grading.exercise import Answer, Exercise, Function, Hint, Visible, like
from layerlab.grading.projections import DISTORTION


def variant(rng: np.random.Generator) -> dict[str, Any]:
    """One student's data and parameters.

    n, eps, delta: the task of questions 2b and 2c. points: n_points x d, a Gaussian cloud away from the origin, for 3a.
    texts, density, k: those of 4c, see `texts`.
    """
    d = 20 * int(rng.integers(20, 31))
    centre = rng.uniform(2, 5, d)
    points = centre + rng.uniform(0.5, 3) * rng.standard_normal((int(rng.integers(24, 33)), d))
    return {
        "n": 100 * int(rng.integers(5, 51)),
        "eps": int(rng.integers(5, 9)) / 20,
        "delta": [0.01, 0.02, 0.05][int(rng.integers(3))],
        "points": np.round(points, 4),
        **texts(rng),
    }


def exercises(variant: SimpleNamespace) -> tuple[Exercise, ...]:
    """The questions of the assignment that have visible checks."""
    return (
        replace(DISTORTION, name="1b", answer="distortion"),
        gaussian_exercise("1c"),
        _lemma(variant),
        _exact(variant),
        experiment_exercise("3a", variant.points),
        sparse_exercise("4b"),
        worst_exercise("4c", variant.texts, variant.density, variant.k),
    )


# ---- 2b: the dimension that the proof asks for


def _exponent(eps: float) -> float:
    return eps**2 / 2 - eps**3 / 3


def _quotient(n: int, eps: float, delta: float) -> float:
    return 2 * math.log(n * (n - 1) / delta) / _exponent(eps)


def lemma_dimension(n: int, eps: float, delta: float) -> int:
    """Smallest k with n(n-1) exp(-k/2 (eps^2/2 - eps^3/3)) <= delta."""
    return math.ceil(_quotient(n, eps, delta))


def _or_rounded_up(formula: Function) -> Callable[[Answer], bool]:
    """Recognises a formula, whether rounded up or not."""
    up, plain = like(lambda *given: math.ceil(formula(*given))), like(formula)
    return lambda answer: up(answer) or plain(answer)


def _lemma(variant: SimpleNamespace) -> Exercise:
    def wanted(n: int, eps: float, delta: float) -> Visible:
        title = f"n = {n:,} points, eps = {eps:g}, delta = {delta:g}"
        return Visible(title, lambda: (n, eps, delta), rtol=0, atol=0)

    return Exercise(
        name="2b",
        answer="lemma_dimension",
        parameters=("n", "eps", "delta"),
        reference=lemma_dimension,
        visible=(
            wanted(variant.n, variant.eps, variant.delta),
            wanted(1797, 0.25, 0.5),
            wanted(60_000, 0.2, 1e-6),
            wanted(3, 0.5, 0.1),
        ),
        hints=_lemma_hints(),
    )


def _lemma_hints() -> tuple[Hint, ...]:
    return (
        Hint(
            "no-delta",
            "That is the bound of the book's page, which only asks for a chance of success of 1/n. Here a map may "
            "fail with probability delta at most, so delta has to come in.",
            _or_rounded_up(lambda n, eps, delta: 4 * math.log(n) / _exponent(eps)),
        ),
        Hint(
            "one-tail",
            "A pair is lost on either side: count both tails. You have half the pairs' chances.",
            _or_rounded_up(lambda n, eps, delta: 2 * math.log(n * (n - 1) / 2 / delta) / _exponent(eps)),
        ),
        Hint(
            "all-ordered-pairs",
            "There are n(n-1)/2 pairs, not n^2/2: for three points it makes a difference.",
            _or_rounded_up(lambda n, eps, delta: 2 * math.log(n**2 / delta) / _exponent(eps)),
        ),
        Hint(
            "pairs-twice",
            "You count each pair twice: n(n-1)/2 pairs with two tails each make n(n-1) events.",
            _or_rounded_up(lambda n, eps, delta: 2 * math.log(2 * n * (n - 1) / delta) / _exponent(eps)),
        ),
        Hint(
            "delta-upside-down",
            "The smaller delta, the larger k must be: yours falls. Look at the sign of ln(delta).",
            _or_rounded_up(lambda n, eps, delta: 2 * math.log(n * (n - 1) * delta) / _exponent(eps)),
        ),
        Hint(
            "factor-two",
            "Half of what is needed: the exponent of the tail is k/2 times the bracket, not k times.",
            _or_rounded_up(lambda n, eps, delta: _quotient(n, eps, delta) / 2),
        ),
        Hint(
            "sign",
            "The bracket is a difference: eps^2/2 - eps^3/3.",
            _or_rounded_up(lambda n, eps, delta: 2 * math.log(n * (n - 1) / delta) / (eps**2 / 2 + eps**3 / 3)),
        ),
        Hint(
            "log10",
            "That is the logarithm to base 10: the bound has the natural one (math.log).",
            _or_rounded_up(lambda n, eps, delta: _quotient(n, eps, delta) / math.log(10)),
        ),
        Hint(
            "not-rounded",
            "The right number, but a dimension is whole: round it up (math.ceil).",
            like(_quotient),
        ),
        Hint(
            "truncated",
            "One too small: k has to be at least the bound, so round up (math.ceil), not down or to the nearest.",
            lambda answer: any(like(lambda *given, to=to: to(_quotient(*given)))(answer) for to in (math.floor, round)),
        ),
    )


# ---- 2c: the union bound over the exact law


def _tails(k: int, eps: float) -> float:
    from scipy import stats

    return float(stats.chi2.cdf((1 - eps) * k, k) + stats.chi2.sf((1 + eps) * k, k))


def _pairs(n: int) -> float:
    return n * (n - 1) / 2


def exact_failure(n: int, k: int, eps: float) -> float:
    """Union bound over n(n-1)/2 pairs of P[|C/k - 1| >= eps], C chi-square with k degrees of freedom; at most 1."""
    return min(1.0, _pairs(n) * _tails(k, eps))


def _exact(variant: SimpleNamespace) -> Exercise:
    def wanted(n: int, k: int, eps: float, title: str = "") -> Visible:
        return Visible(f"n = {n:,}, k = {k}, eps = {eps:g}{title}", lambda: (n, k, eps), atol=1e-12)

    k = next(k for k in range(8, 10_000, 8) if exact_failure(variant.n, k, variant.eps) <= variant.delta)
    return Exercise(
        name="2c",
        answer="exact_failure",
        parameters=("n", "k", "eps"),
        reference=exact_failure,
        visible=(
            wanted(2, 1, 0.5, ": one pair, P[C <= 0.5] + P[C >= 1.5] for C = X^2"),
            wanted(variant.n, k, variant.eps),
            wanted(50, 30, 0.9),
            wanted(1000, 5, 0.5, ": no more than 1"),
        ),
        hints=_exact_hints(),
    )


def _exact_hints() -> tuple[Hint, ...]:
    from scipy import stats

    return (
        Hint(
            "above-one",
            "A probability is at most 1: where the sum of the chances is more, the bound is 1.",
            lambda answer: answer.values is not None and answer.values.ndim == 0 and float(answer.values) > 1 + 1e-9,
        ),
        Hint(
            "upper-only",
            "You count the pairs that come out too long; those that come out too short are lost, too.",
            like(lambda n, k, eps: min(1, _pairs(n) * stats.chi2.sf((1 + eps) * k, k))),
        ),
        Hint(
            "lower-only",
            "You count the pairs that come out too short; those that come out too long are lost, too.",
            like(lambda n, k, eps: min(1, _pairs(n) * stats.chi2.cdf((1 - eps) * k, k))),
        ),
        Hint(
            "one-pair",
            "That is the chance of losing one given pair: the union bound adds it up over all pairs.",
            like(lambda n, k, eps: _tails(k, eps)),
        ),
        Hint(
            "ordered-pairs",
            "You count too many pairs: n points have n(n-1)/2 of them.",
            lambda answer: any(
                like(lambda n, k, eps, count=count: min(1, count(n) * _tails(k, eps)))(answer)
                for count in (lambda n: n * (n - 1), lambda n: n * n, lambda n: n * n / 2)
            ),
        ),
        Hint(
            "not-times-k",
            "The ratio is C/k with C chi-square: it is C that has to be compared with (1 - eps) k and (1 + eps) k.",
            like(lambda n, k, eps: min(1, _pairs(n) * (stats.chi2.cdf(1 - eps, k) + stats.chi2.sf(1 + eps, k)))),
        ),
        Hint(
            "normal",
            "That is the normal approximation: it has the right variance 2/k, but tails that are too light above.",
            like(lambda n, k, eps: min(1, _pairs(n) * 2 * stats.norm.sf(eps, scale=math.sqrt(2 / k)))),
        ),
        Hint(
            "degrees",
            "k - 1 degrees of freedom belong to a sample's variance, where a mean was estimated. Here it is k.",
            like(
                lambda n, k, eps: min(
                    1,
                    _pairs(n) * (stats.chi2.cdf((1 - eps) * k, k - 1) + stats.chi2.sf((1 + eps) * k, k - 1)),
                )
            ),
        ),
    )

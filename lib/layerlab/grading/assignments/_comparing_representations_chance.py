"""Question 2b of "Comparing representations": what chance gives, judged as an experiment."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from layerlab.grading.exercise import Answer, Exercise, Function, Hint, Visible
from layerlab.similarity import cca


def correlations(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The canonical correlations, as many as the smaller rank."""
    found = cca(x, y)
    return found.coefficients[: int(found.count)]


def spread(p: int, q: int, n: int) -> float:
    """The standard deviation of the mean squared correlation of unrelated Gaussian layers.

    sum_i rho_i^2 = tr P_x P_y for projectors of ranks p and q in N = n - 1 dimensions, one of them turned at random;
    its variance is 2 p q (N-p)(N-q) / (N^2 (N-1)(N+2)). For p + q > N some rho are 1 for certain; the formula holds.
    """
    big = n - 1
    variance = 2 * p * q * (big - p) * (big - q) / (big**2 * (big - 1) * (big + 2))
    return math.sqrt(variance) / min(p, q)


def chance(p: int, q: int, n: int, draws: int, seed: int) -> tuple[float, float]:
    """The mean squared correlation of unrelated Gaussian layers over draws, and the standard error of that mean."""
    return _mean_and_error(_drawn(p, q, n, draws, seed, lambda rho: float(np.mean(rho**2))))


def _drawn(p: int, q: int, n: int, draws: int, seed: int, summary: Callable[[np.ndarray], float]) -> np.ndarray:
    rng = np.random.default_rng(seed)
    found = cca(rng.standard_normal((draws, n, p)), rng.standard_normal((draws, n, q)))
    return np.array([summary(rho[:count]) for rho, count in zip(found.coefficients, found.count, strict=True)])


def _mean_and_error(values: np.ndarray) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))


def chance_problem(values: np.ndarray, p: int, q: int, n: int, draws: int) -> str:
    """What is wrong with a mean and its standard error as an experiment on chance; empty if nothing."""
    if values.shape != (2,):
        return "it should return two numbers, the mean and its standard error."
    mean, error = values
    theory, exact = max(p, q) / (n - 1), spread(p, q, n) / math.sqrt(draws)
    if not abs(mean - theory) <= 5 * exact:
        return f"the mean over {draws} draws is {mean:.4g}, more than five standard errors from {theory:.4g}."
    if not 0.6 * exact <= error <= 1.6 * exact:
        return f"the mean is as theory has it, but its standard error is {error:.2g}; about {exact:.2g} was expected."
    return ""


def _seeds(function: Function, p: int, q: int, n: int, draws: int, seed: int) -> np.ndarray:
    return np.array([function(p, q, n, draws, s)[0] for s in (seed, seed, seed + 1)])


def _same_seed_same(values: np.ndarray) -> str:
    if values.shape != (3,):
        return "it should return two numbers, the mean and its standard error."
    if values[0] != values[1]:
        return "two runs with the same seed gave different means."
    return "two different seeds gave the same mean." if values[0] == values[2] else ""


def _mean_is(number: Callable[[int, int, int, np.ndarray], float]) -> Callable[[Answer], bool]:
    """Recognises the mean of another summary of the correlations, by drawing it here."""

    def when(answer: Answer) -> bool:
        if answer.values is None or answer.values.shape != (2,):
            return False
        p, q, n, draws, _ = answer.visible.arguments()
        mean, error = _mean_and_error(_drawn(p, q, n, 100, 0, lambda rho: number(p, q, n, rho)))
        return bool(abs(answer.values[0] - mean) <= 4 * error * (1 + math.sqrt(100 / draws)))

    return when


def _error_is_deviation(answer: Answer) -> bool:
    p, q, n, *_ = answer.visible.arguments()
    values = answer.values
    return values is not None and values.shape == (2,) and 0.6 <= values[1] / spread(p, q, n) <= 1.6


def _no_spread(answer: Answer) -> bool:
    values = answer.values
    if values is None or not values.size:
        return False
    return bool(abs(values[1]) < 1e-9) if values.shape == (2,) else bool((values == values[0]).all())


def _all_one(answer: Answer) -> bool:
    values = answer.values
    return values is not None and values.shape == (2,) and bool(values[0] > 0.999)


def _seed_ignored(answer: Answer) -> bool:
    return answer.kind == "values" and answer.values is not None and answer.values.shape == (3,)


def exercise(variant: SimpleNamespace) -> Exercise:
    """Question 2b on one student's data."""
    p, q, seed = variant.p, variant.q, variant.seed % 10_000

    def tried(title: str, p: int, q: int, n: int, draws: int = 120) -> Visible:
        return Visible(
            title.format(p=p, q=q, n=n, draws=draws),
            lambda: (p, q, n, draws, seed),
            judged=lambda values: chance_problem(values, p, q, n, draws),
        )

    seeds = Visible(
        "the same seed twice, then another", lambda: (p, q, 30, 20, seed), use=_seeds, judged=_same_seed_same
    )
    return Exercise(
        name="2b",
        answer="chance",
        parameters=("p", "q", "n", "draws", "seed"),
        reference=chance,
        visible=(
            tried("{p} and {q} units, {n} samples, {draws} draws", p, q, 40),
            tried("{p} and {q} units, {n} samples", q, q, 60),
            tried("{p} and {q} units, {n} samples: some correlations are 1 for certain", p + 4, q + 5, p + q + 4),
            seeds,
        ),
        hints=(
            Hint(
                "not-squared",
                "That is the mean correlation. Theory speaks of the mean of its square: square each, then average.",
                _mean_is(lambda p, q, n, rho: float(rho.mean())),
            ),
            Hint(
                "square-of-mean",
                "You average first and square then; the mean of the squares is larger than the square of the mean.",
                _mean_is(lambda p, q, n, rho: float(rho.mean() ** 2)),
            ),
            Hint(
                "sum",
                "That is the sum over the pairs of directions; their mean is wanted.",
                _mean_is(lambda p, q, n, rho: float((rho**2).sum())),
            ),
            Hint(
                "wider",
                "You divide the sum by the units of the wider layer; there are min(p, q) correlations to average.",
                _mean_is(lambda p, q, n, rho: float((rho**2).sum() / max(p, q))),
            ),
            Hint(
                "deviation",
                "The second number is the standard deviation of single draws; that of their mean is smaller by "
                "sqrt(draws).",
                _error_is_deviation,
            ),
            Hint(
                "same-numbers",
                "All correlations are 1: do both layers get the same random numbers? One generator, made once, must "
                "draw both.",
                lambda answer: _all_one(answer) and answer.visible.arguments()[0] == answer.visible.arguments()[1],
            ),
            Hint(
                "seed",
                "The seed has to decide the outcome: np.random.default_rng(seed), and no other random numbers.",
                _seed_ignored,
            ),
            Hint(
                "one-draw",
                "No spread at all: every draw gave the same. Make the generator once, before the loop; and measure, "
                "don't return the formula.",
                _no_spread,
            ),
            Hint(
                "swapped",
                "Rows are samples: a layer has the shape (n, p), not (p, n).",
                lambda answer: _all_one(answer) or isinstance(answer.error, ValueError),
            ),
        ),
    )

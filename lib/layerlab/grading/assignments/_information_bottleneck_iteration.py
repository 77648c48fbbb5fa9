"""Visible checks and hints for the iteration: one step of it, and the solver that repeats it."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerlab.grading.assignments import _information_bottleneck_theory as theory
from layerlab.grading.assignments._information_bottleneck_functions import BITS, flipped, joint, naive, rows
from layerlab.grading.exercise import Answer, Exercise, Function, Hint, Visible, like

# ---- 2c: one step of the iteration


def _stepped(
    p_xy: np.ndarray,
    encoder: np.ndarray,
    beta: float,
    divergence: Function = theory.divergences,
    weigh: Function = lambda p_t, d, beta: p_t * np.exp(-beta * d),
    axis: int = 1,
    decoder: Function = lambda p_xy, encoder: theory.clusters(p_xy, encoder)[1],
) -> np.ndarray:
    """One step, with a place for each wrong idea."""
    p_t = p_xy.sum(1) @ encoder
    weights = weigh(p_t, divergence(p_xy / p_xy.sum(1, keepdims=True), decoder(p_xy, encoder)), beta)
    return np.asarray(weights / weights.sum(axis, keepdims=True))


def _stepped_with(**wrong: Any) -> Any:
    return like(lambda p_xy, encoder, beta: _stepped(p_xy, encoder, beta, **wrong))


def _unweighted_decoder(p_xy: np.ndarray, encoder: np.ndarray) -> np.ndarray:
    sums = encoder.T @ (p_xy / p_xy.sum(1, keepdims=True))
    return np.asarray(sums / sums.sum(1, keepdims=True))


def _not_normalised(p_xy: np.ndarray, encoder: np.ndarray, beta: float) -> np.ndarray:
    p_t, decoder = theory.clusters(p_xy, encoder)
    return np.asarray(p_t * np.exp(-beta * theory.divergences(p_xy / p_xy.sum(1, keepdims=True), decoder)))


STEP = Exercise(
    name="2c",
    answer="step",
    parameters=("p_xy", "encoder", "beta"),
    reference=theory.step,
    visible=(
        Visible("beta = 0: every x gets the same row, p(t)", lambda: (joint(5, 3, 21), rows(5, 4, 22), 0.0)),
        Visible("a coin and its flipped copy, beta = 2", lambda: (flipped(0.1), rows(2, 2, 23), 2.0)),
        Visible("6 values of x, 4 of y, 3 of t, beta = 3", lambda: (joint(6, 4, 24), rows(6, 3, 25), 3.0)),
        Visible("the same, beta = 12", lambda: (joint(6, 4, 24), rows(6, 3, 25), 12.0)),
    ),
    hints=(
        Hint(
            "bits",
            "Your KL is in bits: in the exponent it has to be in nats, because e stands there.",
            _stepped_with(divergence=lambda p, q: theory.divergences(p, q) / BITS),
        ),
        Hint(
            "no-prior",
            "The factor p(t) before the exponential is missing.",
            _stepped_with(weigh=lambda p_t, d, beta: np.exp(-beta * d)),
        ),
        Hint(
            "swapped",
            "The KL has its arguments exchanged: KL[p(y|x) || p(y|t)], the data first.",
            _stepped_with(divergence=lambda p, q: naive(q, p).T),
        ),
        Hint(
            "axis",
            "Your columns sum to 1; each row has to: Z(x) is a sum over t.",
            _stepped_with(axis=0),
        ),
        Hint("not-normalised", "Your rows do not sum to 1: divide by Z(x).", like(_not_normalised)),
        Hint(
            "beta-on-prior",
            "beta belongs to the divergence alone, not to p(t).",
            _stepped_with(weigh=lambda p_t, d, beta: (p_t * np.exp(-d)) ** beta),
        ),
        Hint(
            "sign",
            "The sign in the exponent: a cluster far from x gets little of it.",
            _stepped_with(weigh=lambda p_t, d, beta: p_t * np.exp(beta * d)),
        ),
        Hint(
            "unweighted",
            "p(y|t) is a mean of p(y|x) with the weights p(x|t) = p(t|x) p(x) / p(t); yours lacks p(x).",
            _stepped_with(decoder=_unweighted_decoder),
        ),
        Hint(
            "joint-for-conditional",
            "You use p(t,y) where p(y|t) is needed: divide by p(t).",
            _stepped_with(decoder=lambda p_xy, encoder: encoder.T @ p_xy),
        ),
    ),
)

# ---- 2d: the solver


def _pair(function: Function, *arguments: Any) -> Any:
    """The encoder's entries and the number of steps in one row, if the function gives such a pair."""
    got = function(*arguments)
    if isinstance(got, (tuple, list)) and len(got) == 2:
        return np.append(np.ravel(got[0]), got[1])
    return got


def _solved(title: str, joint: np.ndarray, start: np.ndarray, beta: float, tolerance: float, most: int) -> Visible:
    return Visible(title, lambda: (joint.copy(), start.copy(), beta, tolerance, most), use=_pair, rtol=0, atol=1e-7)


def _stopping(change: Function, earlier: bool = False, least: int = 1) -> Function:
    """The solver with another measure of change, or the encoder before the last step, or steps that always happen."""

    def solve(p_xy: np.ndarray, start: np.ndarray, beta: float, tolerance: float, most: int) -> Any:
        encoder = start
        for count in range(1, most + 1):
            after = theory.step(p_xy, encoder, beta)
            if count >= least and change(after - encoder) <= tolerance:
                return (encoder if earlier else after), count
            encoder = after
        return encoder, most

    return solve


def _unlimited(p_xy: np.ndarray, start: np.ndarray, beta: float, tolerance: float, most: int) -> Any:
    return theory.iterate(p_xy, start, beta, tolerance)


def _largest(difference: np.ndarray) -> float:
    return float(np.abs(difference).max())


def _count_off(answer: Answer) -> bool:
    values, expected = answer.values, answer.expected
    return (
        values is not None
        and values.shape == expected.shape
        and np.allclose(values[:-1], expected[:-1], rtol=0, atol=1e-7)
        and abs(values[-1] - expected[-1]) == 1
    )


SOLVE = Exercise(
    name="2d",
    answer="solve",
    parameters=("p_xy", "start", "beta", "tolerance", "most"),
    reference=theory.iterate,
    visible=(
        _solved("beta = 0: the second step changes nothing", joint(4, 3, 31), rows(4, 2, 32), 0.0, 1e-6, 50),
        _solved("a coin and its flipped copy, beta = 3", flipped(0.1), rows(2, 2, 33), 3.0, 1e-4, 500),
        _solved("6 values of x, beta = 5", joint(6, 4, 50), rows(6, 3, 51), 5.0, 1e-4, 500),
        _solved("the same, but 3 steps at most", joint(6, 4, 50), rows(6, 3, 51), 5.0, 1e-4, 3),
    ),
    hints=(
        Hint("count", "The right encoder, but your number of steps is off by one.", _count_off),
        Hint(
            "earlier",
            "You return the encoder from before the last step.",
            like(_stopping(_largest, earlier=True)),
        ),
        Hint("tolerance", "You always take all steps: stop when none changes an entry by more than `tolerance`.",
             like(_stopping(_largest, least=10**9))),
        Hint("most", "You take more than `most` steps.", like(_unlimited)),
        Hint("sum", "You compare the sum of all changes with the tolerance; the largest one counts.",
             like(_stopping(lambda d: np.abs(d).sum()))),
        Hint("mean", "You compare the mean change with the tolerance; the largest one counts.",
             like(_stopping(lambda d: np.abs(d).mean()))),
        Hint("signed", "Changes can be negative: take absolute values before you compare.",
             like(_stopping(lambda d: d.max()))),
    ),
)  # fmt: skip

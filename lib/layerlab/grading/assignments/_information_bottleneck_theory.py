"""Reference values for the assignment on the information bottleneck, in plain numpy.

The library's own solver extrapolates and needs torch. Here steps are counted, so that the iteration has to be the plain
one, and a check has to be there at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import rel_entr

from layerlab.information import critical_betas, entropy, mutual_information

LADDER = 1.15  # annealing takes no longer step between two betas than this factor
TOP = 4.0  # it starts so much above the largest beta asked for

Step = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


def divergences(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """KL[p_i || q_j] in nats of all rows of p (n, m) and q (k, m): (n, k)."""
    found: np.ndarray = rel_entr(p[:, None, :], q[None, :, :]).sum(-1)
    return found


def clusters(p_xy: np.ndarray, encoder: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """p(t), (T,), and p(y|t), (T, |Y|), of an encoder p(t|x), (|X|, T); uniform for a cluster without mass."""
    p_ty = encoder.T @ p_xy
    p_t = p_ty.sum(1, keepdims=True)
    decoder = np.where(p_t > 0, p_ty / np.where(p_t > 0, p_t, 1), 1 / p_xy.shape[1])
    return p_t[:, 0], decoder


def step(p_xy: np.ndarray, encoder: np.ndarray, beta: float) -> np.ndarray:
    """The next encoder, proportional to p(t) exp(-beta KL[p(y|x) || p(y|t)]); all x have mass, beta in nats."""
    p_t, decoder = clusters(p_xy, encoder)
    with np.errstate(divide="ignore"):
        logits = np.log(p_t) - beta * divergences(p_xy / p_xy.sum(1, keepdims=True), decoder)
    weights = np.exp(logits - logits.max(1, keepdims=True))
    found: np.ndarray = weights / weights.sum(1, keepdims=True)
    return found


def iterate(
    p_xy: np.ndarray, start: np.ndarray, beta: float, tolerance: float = 1e-7, most: int = 5000, by: Step = step
) -> tuple[np.ndarray, int]:
    """Steps until none changes an entry of the encoder by more than `tolerance`: the encoder, and how many there were.

    by: the step to take, the right one or a student's own. Raises ValueError where it gives no numbers of this shape.
    """
    encoder = np.asarray(start, dtype=np.float64)
    for count in range(1, most + 1):
        after = np.asarray(by(p_xy, encoder, beta), dtype=np.float64)
        if after.shape != encoder.shape or not np.isfinite(after).all():
            raise ValueError(f"step {count} gave no encoder of shape {encoder.shape}")
        if np.abs(after - encoder).max() <= tolerance:
            return after, count
        encoder = after
    return encoder, most


def plane(p_xy: np.ndarray, encoder: np.ndarray) -> tuple[float, float]:
    """I(X;T) and I(T;Y) in bits."""
    return float(mutual_information(p_xy.sum(1)[:, None] * encoder)), float(mutual_information(encoder.T @ p_xy))


def own_cluster_each(p_xy: np.ndarray) -> np.ndarray:
    """An encoder that puts nine tenths of each x into a cluster of its own, and spreads the rest."""
    count = len(p_xy)
    return 0.9 * np.eye(count) + 0.1 / count


def annealed(p_xy: np.ndarray, betas: np.ndarray) -> np.ndarray:
    """(B, |X|, |X|) encoders at `betas`, ascending, by annealing from TOP times the largest downward."""
    last = TOP * float(betas[-1])
    encoder = own_cluster_each(p_xy)
    found = []
    for beta in np.asarray(betas, dtype=np.float64)[::-1]:
        while last / LADDER > beta:
            last /= LADDER
            encoder = iterate(p_xy, encoder, last)[0]
        encoder = iterate(p_xy, encoder, float(beta))[0]
        last = float(beta)
        found.append(encoder)
    return np.array(found[::-1])


def curve(p_xy: np.ndarray, betas: np.ndarray) -> np.ndarray:
    """(B, 2) I(X;T) and I(T;Y) in bits of `annealed`."""
    return np.array([plane(p_xy, encoder) for encoder in annealed(p_xy, betas)])


def lopsided_channel(flip: float, share: float) -> np.ndarray:
    """p(x,y) of a bit that is 1 in `share` of all cases and flipped with probability `flip`."""
    return np.array([[1 - share], [share]]) * np.array([[1 - flip, flip], [flip, 1 - flip]])


def lopsided_onsets(p_xy: np.ndarray) -> tuple[float, float]:
    """The betas of such a channel at which the optimum leaves the trivial solution, and at which that grows unstable.

    Source: the book's section on bifurcations, exercise 2.
    """
    share, (r, flip) = float(p_xy[1].sum()), (float(p_xy[:, 1].sum()), float(p_xy[0, 1] / p_xy[0].sum()))
    gap = 1 - 2 * flip
    optimum = math.log((1 - share) / share) / (gap * math.log((1 - r) / r))
    return optimum, r * (1 - r) / (gap**2 * share * (1 - share))


def critical_beta(p_xy: np.ndarray) -> float:
    """1/lambda_2, from which on the trivial solution is unstable."""
    return float(critical_betas(p_xy)[0])


def best_of_groups(p_xy: np.ndarray, beta: float) -> float:
    """I(X;T) - beta I(T;Y) in bits where each x begins in the cluster of its likeliest y, one cluster for each y."""
    start = 0.9 * np.eye(p_xy.shape[1])[p_xy.argmax(1)] + 0.1 / p_xy.shape[1]
    i_xt, i_ty = plane(p_xy, iterate(p_xy, start, beta)[0])
    return i_xt - beta * i_ty


def uncertainty(p_xy: np.ndarray) -> np.ndarray:
    """H(Y) and H(Y|X) in bits."""
    h_y = float(entropy(p_xy.sum(0)))
    return np.array([h_y, h_y - float(mutual_information(p_xy))])


def is_solution(
    answer: Any, p_xy: np.ndarray, start: np.ndarray, beta: float, tolerance: float, most: int, by: Step
) -> None:
    """Assert that what a student's solver gave, (encoder, steps), is what `iterate` gives from the same arguments.

    by: the student's own step. Whoever got the step wrong has not got the loop wrong, too: the answer may also be what
    comes of iterating that, if it takes more than three steps to arrive (or all there are).
    """
    assert isinstance(answer, (tuple, list)) and len(answer) == 2, "solve must return (encoder, steps)"
    encoder, steps = answer
    assert isinstance(encoder, np.ndarray) and encoder.dtype.kind == "f", "the encoder must be an array of floats"
    assert isinstance(steps, (int, np.integer)) and not isinstance(steps, bool), "steps must be a whole number"
    if _same(encoder, int(steps), *iterate(p_xy, start, beta, tolerance, most)):
        return
    expected, count = iterate(p_xy, start, beta, tolerance, most, by)
    assert count > min(3, most - 1), "the step does not move: there is nothing to iterate"
    assert _same(encoder, int(steps), expected, count), "another encoder or number of steps than the iteration gives"


def _same(encoder: np.ndarray, steps: int, expected: np.ndarray, count: int) -> bool:
    close = encoder.shape == expected.shape and (np.abs(encoder - expected) <= 1e-6).all()  # NaN compares false
    return bool(close) and steps == count

"""Typicality: -log p(x_1, ..., x_n) settles near n times the entropy rate; how many sequences share the probability.

Source: T. M. Cover, J. A. Thomas, Elements of Information Theory, 2nd edition 2006, chapters 3, 4 and 16.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special, stats

from layerlab.arrays import fraction, whole
from layerlab.information.measures import check_distribution, entropy


def varentropy(p: Any) -> Any:
    """The variance of -log2 p(X) over the last axis, in bits²: E[log2² p] - H². Zero for a uniform distribution.

    p: (..., K) probabilities. Outcomes of probability 0 add nothing.
    """
    p = np.asarray(check_distribution(p, "p"), float)
    log = special.xlogy(p > 0, p) / math.log(2)
    return (p * log**2).sum(-1) - (p * log).sum(-1) ** 2


def stationary_distribution(transition: Any) -> np.ndarray:
    """The distribution π = π P that a Markov chain keeps: (K,) for a (K, K) transition matrix whose rows sum to 1.

    Raises ValueError for a matrix that is not square, or a chain with more than one stationary distribution.
    """
    p = _transition(transition)
    size = len(p)
    system = np.vstack([p.T - np.eye(size), np.ones(size)])
    solution, _, rank, _ = np.linalg.lstsq(system, np.r_[np.zeros(size), 1.0], rcond=None)
    if rank < size:
        raise ValueError("transition has more than one stationary distribution: the chain falls into separate parts")
    solution = solution.clip(min=0)
    return solution / solution.sum()


def entropy_rate(transition: Any) -> float:
    """Σ_i π_i H(row i), the entropy per symbol of a stationary Markov chain, in bits."""
    p = _transition(transition)
    return float(stationary_distribution(p) @ np.atleast_1d(entropy(p)))


def draw_chain(transition: Any, n: int, repeats: int, rng: np.random.Generator, initial: Any = None) -> np.ndarray:
    """`repeats` sequences of n states of a Markov chain, (repeats, n) integers from 0 to K - 1.

    initial: (K,) the law of the first state; None means the stationary one.
    """
    p = _transition(transition)
    start = stationary_distribution(p) if initial is None else check_distribution(initial, "initial")
    n, repeats = whole(n, "n", 1), whole(repeats, "repeats", 1)
    steps, first = np.cumsum(p, 1), np.cumsum(start)
    uniform = rng.random((n, repeats))
    states = np.empty((n, repeats), np.int64)
    states[0] = (uniform[0][:, None] > first[:-1]).sum(1)
    for i in range(1, n):
        states[i] = (uniform[i][:, None] > steps[states[i - 1], :-1]).sum(1)
    return states.T


def chain_surprisal(states: np.ndarray, transition: Any, initial: Any = None) -> np.ndarray:
    """-log2 p(x_1, ..., x_i) for i = 1 ... n of each sequence, in bits: (repeats, n), from (repeats, n) states.

    A product source is the chain whose rows are all alike. Infinite where a sequence is impossible.
    """
    p = _transition(transition)
    start = stationary_distribution(p) if initial is None else check_distribution(initial, "initial")
    with np.errstate(divide="ignore"):
        step, first = -np.log2(p), -np.log2(start)
    return np.cumsum(np.concatenate([first[states[:, :1]], step[states[:, :-1], states[:, 1:]]], 1), 1)


@dataclass(frozen=True)
class TypicalSet:
    """The sequences with |-(1/n) log2 p(x) - H| <= eps: their probability, and log2 of their number, in bits."""

    probability: float
    log2_size: float


def binary_typical_set(p: float, n: int, eps: float) -> TypicalSet:
    """The typical set of n independent bits, each 1 with probability p, exactly: by the number of ones, not by listing.

    All sequences with k ones have one probability, and there are binomial(n, k) of them. eps: bits per symbol, > 0.
    log2_size is -inf if no sequence is typical. Raises ValueError unless 0 < p < 1, n >= 1, eps > 0.
    """
    p, n = fraction(p, "p"), whole(n, "n", 1)
    if not eps > 0:
        raise ValueError(f"eps must be above 0; it was {eps!r}")
    ones = np.arange(n + 1)
    rate = -(ones * math.log2(p) + (n - ones) * math.log2(1 - p)) / n
    inside = abs(rate - entropy([p, 1 - p])) <= eps + 1e-12
    if not inside.any():
        return TypicalSet(0.0, -math.inf)
    log_counts = special.gammaln(n + 1) - special.gammaln(ones + 1) - special.gammaln(n - ones + 1)
    probability = float(stats.binom.pmf(ones[inside], n, p).sum())
    return TypicalSet(min(probability, 1.0), float(special.logsumexp(log_counts[inside]) / math.log(2)))


def _transition(transition: Any) -> np.ndarray:
    p = np.asarray(check_distribution(transition, "transition"), float)
    if p.ndim != 2 or p.shape[0] != p.shape[1]:
        raise ValueError(f"transition must be a square matrix; its shape was {p.shape}")
    return p

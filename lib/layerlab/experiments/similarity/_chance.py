"""What canonical correlation finds by chance: the coefficients of two layers that have nothing to do with each other.

Everywhere p and q are the ranks of the two layers and n the samples; centring leaves N = n - 1 dimensions. For
independent Gaussian layers the squared coefficients are the eigenvalues of a Jacobi matrix. Sources: K. Wachter, The
limiting empirical measure of multiple discriminant ratios, Annals of Statistics 8, 1980; I. Johnstone, Multivariate
analysis and Jacobi ensembles, Annals of Statistics 36, 2008.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.integrate import cumulative_trapezoid
from scipy.special import expit

TRACY_WIDOM = (-1.2065335745820, 1.2680340380)  # mean and standard deviation of the law of order 1


def mean_square(p: int, q: int, n: int) -> float:
    """E mean ρ² = max(p, q) / (n - 1): exact, for Gaussian layers and for any two layers with samples shuffled."""
    return max(p, q) / (n - 1)


def mean_square_variance(p: int, q: int, n: int) -> float:
    """The variance of mean ρ² for independent Gaussian layers, 2 p q (N-p) (N-q) / (N² (N-1) (N+2) min(p, q)²)."""
    dims = n - 1
    if min(p, q) == 0 or dims < 2:
        return 0.0
    return 2 * p * q * (dims - p) * (dims - q) / (dims**2 * (dims - 1) * (dims + 2) * min(p, q) ** 2)


def forced(p: int, q: int, n: int) -> int:
    """How many coefficients are 1 because the two spans must meet: p + q - (n - 1), or none."""
    return max(p + q - (n - 1), 0)


def edges(p: int, q: int, n: int) -> tuple[float, float]:
    """The ends of Wachter's law of ρ for large p, q and n: |sin(a - b)| and sin(a + b), sin²a = p/N, sin²b = q/N.

    The upper end is 1 where coefficients are forced.
    """
    a, b = (math.asin(math.sqrt(min(k / (n - 1), 1))) for k in (p, q))
    return abs(math.sin(a - b)), math.sin(a + b) if forced(p, q, n) == 0 else 1.0


def wachter(p: int, q: int, n: int) -> np.ndarray:
    """The min(p, q) coefficients that Wachter's law expects, descending: its quantiles at (i - 1/2)/min(p, q)."""
    few, dims = min(p, q), n - 1
    certain = forced(p, q, n)
    a, b = (math.asin(math.sqrt(min(k / dims, 1))) for k in (p, q))
    low, high = math.sin(a - b) ** 2, math.sin(a + b) ** 2
    # ρ² = middle - half cos t: the density in t has no singular ends
    t = np.linspace(0, math.pi, 4001)[1:-1]
    square = (low + high) / 2 - (high - low) / 2 * np.cos(t)
    density = ((high - low) / 2 * np.sin(t)) ** 2 / (square * (1 - square))
    below = cumulative_trapezoid(density, t, initial=0)
    wanted = (np.arange(few - certain)[::-1] + 0.5) / max(few - certain, 1)
    return np.r_[np.ones(certain), np.sqrt(np.interp(wanted * below[-1], below, square))]


def largest(p: int, q: int, n: int) -> tuple[float, float]:
    """Mean and standard deviation of the largest coefficient of independent Gaussian layers; NaN where it is forced.

    Johnstone's approximation: the logit of ρ₁² follows the Tracy-Widom law of order 1, moved and scaled.
    """
    if forced(p, q, n):
        return math.nan, math.nan
    dims = n - 1
    gamma, phi = (2 * math.asin(math.sqrt((k - 0.5) / (dims - 1))) for k in (min(p, q), max(p, q)))
    place = 2 * math.log(math.tan((phi + gamma) / 2))
    cube = 16 / ((dims - 1) ** 2 * math.sin(phi + gamma) ** 2 * math.sin(phi) * math.sin(gamma))
    scale = cube ** (1 / 3)
    square = float(expit(place + TRACY_WIDOM[0] * scale))
    slope = math.sqrt(square) * (1 - square) / 2  # dρ / d logit ρ²
    return math.sqrt(square), TRACY_WIDOM[1] * scale * slope


def expected(p: int, q: int, shared: int, sizes: Sequence[int]) -> dict[str, tuple[Any, ...]]:
    """For each number of samples: mean ρ² of independent layers, Wachter's edge, and mean ρ² where signals are shared.

    A shared signal is in both spans: its ρ is 1. What is left of them are random spans of the other n - 1 - shared
    dimensions.
    """
    exact, edge, both = [], [], []
    for n in sizes:
        a, b = min(p, n - 1), min(q, n - 1)
        exact.append(mean_square(a, b, n))
        edge.append(edges(a, b, n)[1])
        rest = min(a, b) - shared
        both.append((shared + rest * mean_square(a - shared, b - shared, n - shared)) / (shared + rest))
    return {
        "mean_square_exact": ("n", exact, {"long_name": "mean squared coefficient, theory"}),
        "edge": ("n", edge, {"long_name": "edge of Wachter's law"}),
        "shared_exact": ("n", both, {"long_name": "mean squared coefficient, shared signals, theory"}),
    }


def after_cuts(
    p: int, q: int, shared: int, noise: float, keep: float, cuts: Sequence[str]
) -> dict[str, tuple[Any, ...]]:
    """With endless samples: how many coefficients each cut leaves and their mean, NaN where it cuts into the signals.

    The singular values are in proportion to the standard deviations: 1 for signals, `noise` for all other directions.
    """
    counted = []
    for cut in cuts:
        kept = []
        for units in (p, q):
            values = np.sort(np.r_[np.ones(shared), np.full(units - shared, noise)])[::-1]
            values = np.cumsum(values**2 if cut == "variance" else values)
            reached = values >= keep * values[-1] * (1 - 1e-12)
            kept.append(units if cut == "none" else int(np.argmax(reached)) + 1)
        counted.append(min(kept))
    return {
        "limit": (
            "cut",
            [shared / k if k >= shared and noise <= 1 else math.nan for k in counted],
            {"long_name": "mean coefficient, endless samples"},
        ),
        "kept_limit": ("cut", np.array(counted, float), {"long_name": "coefficients counted, endless samples"}),
    }

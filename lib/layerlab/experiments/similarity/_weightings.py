"""Three ways to weigh canonical coefficients that go by one name, and a case in which each is known by formula.

The paper's is in the library. The others are what two widely used public programs compute, read from their source and
written here by formula: `unwhitened` is that of google/svcca (pwcca.py, commit 1f9f7ea), `over_samples` that of
moskomule/anatome (similarity.py, commit 075ecd8). X is (samples, units), its canonical variates are H = (X - mean) D,
and C is the covariance of X up to a factor.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import hadamard

from layerlab.similarity import Basis, Canonical

FORMULAS = ("paper", "unwhitened", "over samples")
CASES = ("units at 45°", "units along")


def paper(found: Canonical) -> np.ndarray:
    """α_i = sum_j |<h_i, x_j>|, what `pwcca` gave; the weights sum to 1."""
    return np.asarray(found.weights[: found.count])


def unwhitened(x: np.ndarray, bx: Basis, found: Canonical, signs: np.ndarray | None = None) -> np.ndarray:
    """α_i = sum_j |<g_i, x_j>| with x_j not centred; g_i are an orthonormal basis of X u_i, in order.

    u_i is the canonical direction in the coordinates of X C^{-1/2}, put on X itself instead: the whitening is left out.
    To (X - mean) u_i the mean of unit i is added, the i-th by number, and so the outcome depends on the sign of u_i,
    which no definition fixes. `signs` (±1) chooses; without them the largest entry of each u_i is positive.
    """
    count = int(found.count)
    turn = bx.directions @ (bx.vectors.T @ found.variates_x[:, :count])
    if signs is None:
        signs = np.sign(turn[abs(turn).argmax(0), np.arange(count)])
    # in the coordinates of bx.vectors and of the constant vector, which hold all of X: a small matrix for many samples
    spread = bx.values[:, None] * bx.directions.T
    constant = np.sqrt(len(x)) * x.mean(0)
    directions = np.vstack([spread @ (turn * signs), constant[:count]])
    return _shares(abs(np.linalg.qr(directions)[0].T @ np.vstack([spread, constant])).sum(-1))


def over_samples(x: np.ndarray, found: Canonical) -> np.ndarray:
    """α_i = sum over the samples of |(X D)_i|, X not centred; centred, all variates have the same length."""
    return _shares(abs(x @ found.directions_x[:, : found.count]).sum(0))


def tail_dropped(rho: np.ndarray, share: float = 0.98) -> float:
    """The mean of the leading coefficients that reach this share of their sum: what some programs call the mean."""
    reached = np.cumsum(rho) >= share * rho.sum()
    return float(rho[: int(np.argmax(reached)) + 1].mean())


def _shares(weights: np.ndarray) -> np.ndarray:
    return weights / weights.sum()


def constructed(case: str, ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """Layers of two units on eight samples, with coefficients 1 and 0; x's two deviations are as 1 to `ratio`.

    h_1, h_2 and g are orthogonal, have mean 0 and entries ±1; y = (h_1, g). "units along": x = (h_1, ratio h_2). "units
    at 45°": x = (h_1 + h_2, ratio (h_1 - h_2)).
    """
    h1, h2, g = hadamard(8)[1:4].astype(float)
    if case == "units along":
        return np.c_[h1, ratio * h2], np.c_[h1, g]
    return np.c_[h1 + h2, ratio * (h1 - h2)], np.c_[h1, g]


def closed(case: str, formula: str, ratio: float) -> float:
    """The similarity in that case by each formula, derived in the book."""
    if case == "units along":
        return 0.5 if formula == "over samples" else 1 / (1 + ratio)
    return (1 + ratio**2) / (1 + ratio) ** 2 if formula == "unwhitened" else 0.5

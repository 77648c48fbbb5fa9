"""Question 1b of "Comparing representations", whitening, and layers to try answers on."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from layerlab.grading.exercise import Answer, Exercise, Function, Hint, Visible, like
from layerlab.similarity import basis


def layer(seed: int, n: int, p: int, rank: int | None = None) -> np.ndarray:
    """Activations (n, p) of that rank (all of p if None), with correlated units and means that are far from 0."""
    rng = np.random.default_rng(seed)
    rank = p if rank is None else rank
    mix = np.linalg.qr(rng.standard_normal((p, p)))[0][:rank] * rng.uniform(0.5, 3, (rank, 1))
    return rng.standard_normal((n, rank)) @ mix + rng.uniform(2, 4, p)


def related(seed: int, n: int, p: int, q: int, rank: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Two layers on the same n samples; the second holds three noisy sums of the first's units."""
    rng = np.random.default_rng([seed, 1])
    x, y = layer(seed, n, p, rank), layer(seed + 1, n, q)
    return x, y + 0.7 * (x - x.mean(0)) @ rng.standard_normal((p, 3)) @ rng.standard_normal((3, q))


def centred(x: np.ndarray) -> np.ndarray:
    """x less the mean of each unit."""
    return x - x.mean(0)


# ---- 1b: whitening


def whiten(x: np.ndarray) -> np.ndarray:
    """Weights w (units, rank): the columns of (x - mean) w are orthonormal."""
    b = basis(x)
    rank = int(b.rank)
    return b.directions[:, :rank] / b.values[:rank]


def whitened(function: Function, x: np.ndarray) -> np.ndarray:
    """The singular values of (x - mean) w: all 1 just where its columns are orthonormal. What is no such w, as it is.

    They are the same for every right w, as these differ by a rotation only.
    """
    w = np.asarray(function(x), dtype=float)
    if w.ndim != 2 or len(w) != x.shape[1]:
        return np.atleast_2d(w)
    if not np.isfinite(w).all():
        return np.full(w.shape[1], math.nan)
    return np.linalg.svd(centred(x) @ w, compute_uv=False)


def powers(x: np.ndarray, power: float) -> np.ndarray:
    """V S^power of a matrix's singular value decomposition, cut at its rank."""
    _, s, vt = np.linalg.svd(x, full_matrices=False)
    kept = s > 1e-10 * s[0]
    return vt[kept].T * s[kept] ** power


def _unit_per_column(x: np.ndarray) -> np.ndarray:
    return np.diag(1 / np.linalg.norm(centred(x), axis=0))


def _scaled(function: Function, by: Callable[[int], float]) -> Function:
    return lambda x: function(x) * by(len(x))


def either(*recognised: Callable[[Answer], bool]) -> Callable[[Answer], bool]:
    """Recognises what one of them recognises."""
    return lambda answer: any(one(answer) for one in recognised)


def _wrong_rows(answer: Answer) -> bool:
    return answer.kind == "shape" and answer.values is not None and answer.values.ndim == 2


def _too_many(answer: Answer) -> bool:
    values = answer.values
    return values is not None and values.ndim == 1 and values.size > answer.expected.size


def exercise(variant: SimpleNamespace) -> Exercise:
    """Question 1b on one student's data."""
    n, p, seed = variant.n, variant.p, variant.seed
    return Exercise(
        name="1b",
        answer="whiten",
        parameters=("x",),
        reference=whiten,
        visible=(
            Visible(
                f"{n} samples, {p} units: singular values of (x - mean) w, all 1 if its columns are orthonormal",
                lambda: (layer(seed, n, p),),
                use=whitened,
            ),
            Visible(
                f"the same with {3 * n} samples and {p + 2} units",
                lambda: (layer(seed + 1, 3 * n, p + 2),),
                use=whitened,
            ),
            Visible(
                f"{p} units that are sums of {p - 2} signals: {p - 2} directions, not {p}",
                lambda: (layer(seed + 2, n, p, p - 2),),
                use=whitened,
            ),
        ),
        hints=(
            Hint(
                "not-centred",
                "Take the mean of each unit (x.mean(0)) off before anything else: your w comes from uncentred x.",
                like(lambda x: powers(x, -1)),
            ),
            Hint(
                "rows-centred",
                "You took the mean of each sample off. Centring is per unit: one mean per column, x.mean(0).",
                like(lambda x: powers(x - x.mean(1, keepdims=True), -1)),
            ),
            Hint(
                "length",
                "Your columns have variance 1. Orthonormal columns have length 1: a factor of sqrt(n) or sqrt(n - 1).",
                either(
                    like(_scaled(whiten, math.sqrt)),
                    like(_scaled(whiten, lambda n: math.sqrt(n - 1))),
                ),
            ),
            Hint(
                "multiplied",
                "You multiply by the singular values; what is long has to be made shorter: divide by them.",
                like(lambda x: powers(centred(x), 1)),
            ),
            Hint(
                "eigenvalues",
                "You divide by the eigenvalues of the covariance: those are squares of singular values; take roots.",
                either(
                    like(lambda x: powers(centred(x), -2)),
                    like(lambda x: powers(centred(x), -2) * len(x)),
                    like(lambda x: powers(centred(x), -2) * (len(x) - 1)),
                ),
            ),
            Hint(
                "standardised",
                "You scale each unit to length 1, but units are correlated: that does not make them orthogonal.",
                like(_unit_per_column),
            ),
            Hint(
                "rotated-only",
                "Your w is a rotation: the columns are uncorrelated now, but not of length 1.",
                like(lambda x: powers(centred(x), 0)),
            ),
            Hint(
                "rank",
                "More columns than there are directions: where units are sums of others some singular values are 0 up "
                "to rounding. Leave out those below, say, 1e-10 of the largest.",
                _too_many,
            ),
            Hint(
                "one-row-per-unit",
                "w are weights on the units: one row per unit, so that (x - mean) @ w works. Are samples and units "
                "exchanged (np.cov takes rows for units), or did you return (x - mean) @ w itself?",
                _wrong_rows,
            ),
        ),
    )

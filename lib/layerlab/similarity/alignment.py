"""Similarities that heed more than the space: linear CKA and the Procrustes distance. Both see variance, not only span.

Sources: S. Kornblith et al., Similarity of neural network representations revisited, ICML 2019; P. Schönemann, A
generalized solution of the orthogonal Procrustes problem, Psychometrika 31, 1966.
"""

from __future__ import annotations

import math
from typing import Any

from layerlab.arrays import namespace

from ._inputs import pair, scaled, transposed
from .basis import number


def linear_cka(x: Any, y: Any) -> Any:
    """Linear centred kernel alignment, |Y^T X|^2 / (|X^T X| |Y^T Y|) with Frobenius norms of centred activations.

    x, y: (..., samples, units) on the same samples; leading axes broadcast. Returns the leading shape (a float where
    there is none), in [0, 1]; NaN where a layer has no variance. Invariant under rotations and scale of either layer's
    units, not under all invertible maps. Biased upward where units outnumber samples. Symmetric.
    Raises ValueError or TypeError for shapes that do not fit, NaN, infinite or complex values.
    """
    x, y = (_unit(each) for each in pair(x, y))
    across = _squares(transposed(y) @ x)
    within = (_own(x) * _own(y)) ** 0.5
    xp = namespace(x)
    return _result((across / xp.where(within > 0, within, xp.ones_like(within))).clip(0, 1), x, y)


def procrustes_distance(x: Any, y: Any) -> Any:
    """min over rotations R of |X R - Y|^2 = 2 - 2 |X^T Y|_*, X and Y centred and of Frobenius norm 1.

    |.|_* is the nuclear norm, the sum of the singular values. x, y: (..., samples, units) on the same samples, units in
    any two numbers (the smaller layer is filled up with zeros). Returns the leading shape, in [0, 2]: 0 for layers that
    a rotation and one scale turn into each other; NaN where a layer has no variance. Its root is a metric. Symmetric.
    Raises as `linear_cka`.
    """
    x, y = (_unit(each) for each in pair(x, y))
    nuclear = namespace(x).linalg.svd(transposed(x) @ y, full_matrices=False)[1].sum(-1)
    return _result((2 - 2 * nuclear).clip(0, 2), x, y)


def _unit(x: Any) -> Any:
    """x centred, its Frobenius norm 1, or 0 where nothing varies."""
    xp = namespace(x)
    x = scaled(x)
    norm = _squares(x) ** 0.5
    return x / xp.where(norm > 0, norm, xp.ones_like(norm))[..., None, None]


def _result(value: Any, x: Any, y: Any) -> Any:
    """The value, NaN where a layer does not vary."""
    xp = namespace(x)
    return number(xp.where(_squares(x) * _squares(y) > 0.5, value, xp.full_like(value, math.nan)))


def _own(x: Any) -> Any:
    """|X^T X|^2, from whichever side is smaller."""
    return _squares(transposed(x) @ x if x.shape[-1] <= x.shape[-2] else x @ transposed(x))


def _squares(x: Any) -> Any:
    return (x**2).sum((-2, -1))

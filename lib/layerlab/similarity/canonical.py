"""Canonical correlation between two layers, and the two similarities built on it: SVCCA and PWCCA.

For centred activations X = U_x S_x V_x^T and Y alike, the canonical correlations are the singular values of U_x^T U_y:
the cosines of the principal angles between the spaces that the two layers' units span over the samples (Björck & Golub
1973). They do not change under any invertible affine map of either layer's units.

Sources: H. Hotelling, Relations between two sets of variates, Biometrika 28, 1936; Å. Björck, G. Golub, Numerical
methods for computing angles between linear subspaces, Math. Comp. 27, 1973; M. Raghu et al., SVCCA, NeurIPS 2017;
A. Morcos, M. Raghu, S. Bengio, Insights on representational similarity, NeurIPS 2018.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from layerlab.arrays import is_tensor, namespace

from ._inputs import transposed
from .basis import Basis, basis, number


@dataclass(frozen=True, eq=False)
class Canonical:
    """Canonical correlations of two layers.

    similarity: (...) the mean of the coefficients, weighted for PWCCA; NaN where a layer has no variance.
    coefficients: (..., c) in [0, 1], descending, c the smaller number of directions; beyond `count` they are zero.
    count: (...) how many coefficients there are: the smaller of the two ranks.
    forced: (...) how many of them are 1 whatever the layers, because rank_x + rank_y exceeds samples - 1. Where that is
        not 0, more samples are needed: the similarity is biased upward.
    weights: (..., c) what each coefficient counts in the similarity; they sum to 1.
    Directions and variates are computed when they are asked for: of many pairs they would be large.
    """

    similarity: Any
    coefficients: Any
    count: Any
    forced: Any
    weights: Any
    _x: Basis
    _y: Basis
    _u: Any
    _v: Any

    @cached_property
    def directions_x(self) -> Any:
        """(..., units of x, c) canonical directions: (X - mean) directions_x = variates_x."""
        return self._x.directions @ (_inverse(self._x.values)[..., :, None] * self._u)

    @cached_property
    def directions_y(self) -> Any:
        """(..., units of y, c) canonical directions: (Y - mean) directions_y = variates_y."""
        return self._y.directions @ (_inverse(self._y.values)[..., :, None] * self._v)

    @cached_property
    def variates_x(self) -> Any:
        """(..., samples, c) canonical variates of x, orthonormal over the samples, zero beyond `count`."""
        return self._x.vectors @ self._u

    @cached_property
    def variates_y(self) -> Any:
        """(..., samples, c) canonical variates of y, alike."""
        return self._y.vectors @ self._v


def cca(x: Any, y: Any) -> Canonical:
    """Canonical correlation analysis: similarity = mean of ρ_i over the i up to the smaller rank.

    ρ_i = max corr((X - mean) a, (Y - mean) b), each pair uncorrelated with those before it.

    x, y: activations (..., samples, units) on the same samples, or a `Basis` of them; leading axes are a batch and
        broadcast. numpy in, numpy out in float64; tensors stay on their device.

    With rank_x + rank_y > samples - 1 some coefficients are 1 by counting dimensions alone (`forced`).
    Invariant under invertible affine maps of either argument; symmetric.
    Raises ValueError or TypeError for shapes that do not fit, NaN, infinite or complex values.
    """
    bx, by, u, rho, vt, count = _angles(x, y)
    xp = namespace(rho)
    counted = xp.ones_like(rho) * _first(rho, count)
    return _canonical(bx, by, u, rho, vt, count, counted)


def svcca(x: Any, y: Any, keep: float = 0.99, of: str = "variance") -> Canonical:
    """SVCCA: `cca` between the leading directions of each layer that hold `keep` of the whole; see `Basis.keep`.

    of: whether the share is of the "variance" or of the sum of "singular_values". Invariant under rotations and
    one common scale of either layer's units, no longer under all affine maps. Symmetric.
    """
    return cca(basis(x).keep(keep, of), basis(y).keep(keep, of))


def pwcca(x: Any, y: Any) -> Canonical:
    """Projection-weighted CCA, weighted from the side of x: similarity = sum_i α_i ρ_i / sum_i α_i.

    α_i = sum_j |<h_i, x_j>|, h_i the i-th canonical variate of x and x_j the centred activations of x's unit j: how
    much of what x's units say goes along h_i. Not symmetric: pwcca(y, x) weighs by y's units.
    Invariant under rotations and scale of y's units, indeed any invertible affine map of them, but not of x's.

    Source: Morcos, Raghu & Bengio 2018, section 2.2 (the definition in the text, not that of published codes).
    """
    bx, by, u, rho, vt, count = _angles(x, y)
    xp = namespace(rho)
    # h = U_x u and X = U_x S V^T: <h_i, x_j> = (u^T S V^T)_ij
    weights = abs(transposed(u) @ (bx.values[..., :, None] * transposed(bx.directions))).sum(-1)
    return _canonical(bx, by, u, rho, vt, count, xp.where(_first(rho, count), weights, xp.zeros_like(weights)))


def _angles(x: Any, y: Any) -> tuple[Basis, Basis, Any, Any, Any, Any]:
    bx, by = basis(x), basis(y)
    if bx.samples != by.samples:
        raise ValueError(f"x has {bx.samples} samples and y has {by.samples}; they must be the same samples")
    product = transposed(bx.vectors) @ by.vectors
    xp = namespace(product)
    ranks_x, ranks_y = (xp.broadcast_to(each.rank, product.shape[:-2]) for each in (bx, by))
    ranks = {(int(a), int(b)) for a, b in zip(ranks_x.reshape(-1), ranks_y.reshape(-1), strict=True)}
    if len(ranks) == 1:
        u, rho, vt = _live(product, *ranks.pop())
    else:  # each pair has directions in another number
        flat = product.reshape(-1, *product.shape[-2:])
        each = zip(flat, ranks_x.reshape(-1), ranks_y.reshape(-1), strict=True)
        parts = zip(*(_live(one, int(a), int(b)) for one, a, b in each), strict=True)
        u, rho, vt = (xp.stack(list(part)).reshape(*product.shape[:-2], *part[0].shape) for part in parts)
    return bx, by, u, rho.clip(0, 1), vt, xp.minimum(ranks_x, ranks_y)


def _live(product: Any, rank_x: int, rank_y: int) -> tuple[Any, Any, Any]:
    """The singular value decomposition of the directions that there are, with zeros in the place of the others.

    Left in, directions beyond the rank would mix with those whose correlation is 0.
    """
    xp = namespace(product)
    found = xp.linalg.svd(product[..., :rank_x, :rank_y], full_matrices=False)
    c = min(product.shape[-2:])
    shapes = ((product.shape[-2], c), (c,), (c, product.shape[-1]))
    whole = []
    for part, shape in zip(found, shapes, strict=True):
        out = xp.zeros((*product.shape[:-2], *shape), dtype=product.dtype, **_place(product))
        out[(..., *(slice(size) for size in part.shape[-len(shape) :]))] = part
        whole.append(out)
    return whole[0], whole[1], whole[2]


def _place(value: Any) -> dict[str, Any]:
    return {"device": value.device} if is_tensor(value) else {}


def _first(rho: Any, count: Any) -> Any:
    """(..., c) true for the first `count` places."""
    xp = namespace(rho)
    places = xp.cumsum(xp.ones_like(rho), -1)
    return places <= count[..., None]


def _canonical(bx: Basis, by: Basis, u: Any, rho: Any, vt: Any, count: Any, weights: Any) -> Canonical:
    xp = namespace(rho)
    total = weights.sum(-1)[..., None]
    some = total > 0
    weights = xp.where(some, weights / xp.where(some, total, xp.ones_like(total)), xp.zeros_like(weights))
    similarity = xp.where(some[..., 0], (weights * rho).sum(-1), xp.full_like(total[..., 0], math.nan))
    return Canonical(
        similarity=number(similarity),
        coefficients=rho,
        count=number(count),
        forced=number((bx.rank + by.rank - (bx.samples - 1)).clip(0)),
        weights=weights,
        _x=bx,
        _y=by,
        _u=u,
        _v=transposed(vt),
    )


def _inverse(values: Any) -> Any:
    """1 / s, and 0 where s is 0."""
    xp = namespace(values)
    one = xp.ones_like(values)
    return xp.where(values > 0, one / xp.where(values > 0, values, one), xp.zeros_like(values))

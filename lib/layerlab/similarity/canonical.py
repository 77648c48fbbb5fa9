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

from layerlab.arrays import is_tensor, namespace, to_numpy

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
    _product: Any

    @cached_property
    def _axes(self) -> tuple[Any, Any]:
        """The orthonormal coordinates of the variates in the two bases: left and right singular vectors."""
        u, _, vt = _singular(self._product, self._x, self._y)
        return u, transposed(vt)

    @cached_property
    def directions_x(self) -> Any:
        """(..., units of x, c) canonical directions: (X - mean) directions_x = variates_x."""
        return self._x.directions @ (_inverse(self._x.values)[..., :, None] * self._axes[0])

    @cached_property
    def directions_y(self) -> Any:
        """(..., units of y, c) canonical directions: (Y - mean) directions_y = variates_y."""
        return self._y.directions @ (_inverse(self._y.values)[..., :, None] * self._axes[1])

    @cached_property
    def variates_x(self) -> Any:
        """(..., samples, c) canonical variates of x, orthonormal over the samples, zero beyond `count`."""
        return self._x.vectors @ self._axes[0]

    @cached_property
    def variates_y(self) -> Any:
        """(..., samples, c) canonical variates of y, alike."""
        return self._y.vectors @ self._axes[1]


def cca(x: Any, y: Any) -> Canonical:
    """Canonical correlation analysis: similarity = mean of ρ_i over the i up to the smaller rank.

    ρ_i = max corr((X - mean) a, (Y - mean) b), each pair uncorrelated with those before it.

    x, y: activations (..., samples, units) on the same samples, or a `Basis` of them; leading axes are a batch and
        broadcast. numpy in, numpy out in float64; tensors stay on their device.

    With rank_x + rank_y > samples - 1 some coefficients are 1 by counting dimensions alone (`forced`).
    Invariant under invertible affine maps of either argument; symmetric.
    Raises ValueError or TypeError for shapes that do not fit, NaN, infinite or complex values.
    """
    bx, by, product = _product(x, y)
    count = namespace(product).minimum(bx.rank, by.rank)  # broadcasts
    rho = namespace(product).linalg.svdvals(product)  # directions beyond a rank are zeros, and add zeros only
    counted = namespace(rho).ones_like(rho) * _first(rho, count)
    return _canonical(bx, by, product, rho.clip(0, 1) * counted, count, counted)


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
    bx, by, product = _product(x, y)
    xp = namespace(product)
    count = xp.minimum(bx.rank, by.rank)
    u, rho, _ = _singular(product, bx, by)
    # h = U_x u and X = U_x S V^T: <h_i, x_j> = (u^T S V^T)_ij
    weights = abs(transposed(u) @ (bx.values[..., :, None] * transposed(bx.directions))).sum(-1)
    weights = xp.where(_first(rho, count), weights, xp.zeros_like(weights))
    return _canonical(bx, by, product, rho.clip(0, 1), count, weights)


def _product(x: Any, y: Any) -> tuple[Basis, Basis, Any]:
    """The bases, and U_x^T U_y (..., k_x, k_y)."""
    bx, by = basis(x), basis(y)
    if bx.samples != by.samples:
        raise ValueError(f"x has {bx.samples} samples and y has {by.samples}; they must be the same samples")
    left, right = bx.vectors, by.vectors
    m = max(left.ndim, right.ndim) - 2
    a, b = ((1,) * (m + 2 - each.ndim) + tuple(each.shape[:-2]) for each in (left, right))
    if not all(1 in sizes for sizes in zip(a, b, strict=True)):
        return bx, by, transposed(left) @ right
    # each with each: one product of two large matrices, many times quicker than as many small ones
    xp = namespace(left)
    whole = transposed(_beside(left)) @ _beside(right)
    whole = whole.reshape(*a, left.shape[-1], *b, right.shape[-1])
    order = [axis for axes in zip(range(m), range(m + 1, 2 * m + 1), strict=True) for axis in axes]
    whole = xp.moveaxis(whole, [*order, m, 2 * m + 1], list(range(2 * m + 2)))
    sizes = [max(sizes) for sizes in zip(a, b, strict=True)]
    return bx, by, whole.reshape(*sizes, left.shape[-1], right.shape[-1])


def _beside(vectors: Any) -> Any:
    """(..., samples, k) as (samples, all columns of all layers)."""
    return namespace(vectors).moveaxis(vectors, -2, 0).reshape(vectors.shape[-2], -1)


def _singular(product: Any, bx: Basis, by: Basis) -> tuple[Any, Any, Any]:
    """Its singular value decomposition, each pair among the directions that it has."""
    xp = namespace(product)
    ranks_x, ranks_y = (xp.broadcast_to(each.rank, product.shape[:-2]) for each in (bx, by))
    each_rank = list(zip(to_numpy(ranks_x).reshape(-1), to_numpy(ranks_y).reshape(-1), strict=True))
    if len(set(each_rank)) == 1:
        return _live(product, *each_rank[0])
    flat = product.reshape(-1, *product.shape[-2:])
    parts = zip(*(_live(one, a, b) for one, (a, b) in zip(flat, each_rank, strict=True)), strict=True)
    u, rho, vt = (xp.stack(list(part)).reshape(*product.shape[:-2], *part[0].shape) for part in parts)
    return u, rho, vt


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


def _canonical(bx: Basis, by: Basis, product: Any, rho: Any, count: Any, weights: Any) -> Canonical:
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
        _product=product,
    )


def _inverse(values: Any) -> Any:
    """1 / s, and 0 where s is 0."""
    xp = namespace(values)
    one = xp.ones_like(values)
    return xp.where(values > 0, one / xp.where(values > 0, values, one), xp.zeros_like(values))

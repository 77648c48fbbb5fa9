"""The space that a layer's units span over the samples: what canonical correlations are computed from.

A layer compared with many others needs its basis only once: `Basis` goes wherever activations go.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from layerlab.arrays import is_tensor, namespace, to_numpy

from ._inputs import activations, centred, largest, transposed

OF = ("variance", "singular_values")


@dataclass(frozen=True, eq=False)
class Basis:
    """The thin singular value decomposition X - mean = U diag(s) V^T of a layer's activations, cut at their rank.

    vectors: U (..., samples, k), orthonormal over the samples; columns beyond the rank are zero.
    values: s (..., k), descending, zero beyond the rank. directions: V (..., units, k).
    rank: (...) the number of singular values above max(samples, units) * epsilon * s_1, or of those kept.
    """

    vectors: Any
    values: Any
    directions: Any
    rank: Any

    @property
    def samples(self) -> int:
        """Rows of the activations."""
        return self.vectors.shape[-2]

    def _relative(self) -> Any:
        """The singular values in parts of the largest."""
        xp = namespace(self.values)
        first = self.values[..., :1]
        return self.values / xp.where(first > 0, first, xp.ones_like(first))

    def keep(self, share: float = 0.99, of: str = "variance") -> Basis:
        """The fewest leading directions that reach `share` of the whole, as SVCCA begins (Raghu et al. 2017).

        of: "variance", the sum of s_i^2 (what is usually meant by explained variance); or "singular_values", the sum of
            s_i, which keeps many more. Published codes use either under one name.

        Raises ValueError for a share outside (0, 1] or another `of`.
        """
        if not 0 < share <= 1:
            raise ValueError(f"share must lie in (0, 1], not {share}")
        if of not in OF:
            raise ValueError(f"of must be one of {', '.join(OF)}, not {of!r}")
        xp = namespace(self.values)
        relative = self._relative()
        weights = relative**2 if of == "variance" else relative
        total = weights.sum(-1)[..., None]
        before = xp.cumsum(weights, -1) - weights  # what the directions before each one reach
        kept = (before < share * total * (1 - 1e-12)) & (self.values > 0)
        rank = kept.sum(-1)
        size = max(int(largest(rank.reshape(-1), 0)), 1)
        kept = kept[..., :size]
        return Basis(
            self.vectors[..., :size] * kept[..., None, :],
            self.values[..., :size] * kept,
            self.directions[..., :size] * kept[..., None, :],
            rank,
        )


def basis(x: Any) -> Basis:
    """The `Basis` of activations (..., samples, units); a `Basis` is returned as it is.

    Double precision, by singular values of the activations themselves, never of their covariance, so that directions
    down to 1e-13 of the largest are seen. numpy in, numpy out; tensor in, tensor out on its device (single precision on
    mps). Units without variance and more units than samples are no obstacle: they lower the rank.
    Raises ValueError or TypeError for what are no activations.
    """
    if isinstance(x, Basis):
        return x
    x = activations(x, "x")
    xp = namespace(x)
    u, s, vt = xp.linalg.svd(centred(x), full_matrices=False)
    kept = s > xp.finfo(x.dtype).eps * max(x.shape[-2:]) * s[..., :1]
    return Basis(u * kept[..., None, :], s * kept, transposed(vt) * kept[..., None, :], kept.sum(-1))


def participation_ratio(x: Any) -> Any:
    """(sum λ)^2 / sum λ^2 over the eigenvalues λ of the covariance: between 1 and the rank; NaN without variance.

    x: activations (..., samples, units) or their `Basis`. Returns the leading shape.
    """
    energy = basis(x)._relative() ** 2
    total, squares = energy.sum(-1), (energy**2).sum(-1)
    xp = namespace(energy)
    ratio = total**2 / xp.where(squares > 0, squares, xp.ones_like(squares))
    return xp.where(squares > 0, ratio, xp.full_like(squares, math.nan))


def number(value: Any) -> Any:
    """A plain float or int where there is no batch, else the array or tensor itself."""
    if value.ndim:
        return value
    return value.item() if is_tensor(value) else to_numpy(value)[()]

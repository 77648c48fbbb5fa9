"""Entropy, Kullback-Leibler divergence and mutual information of finite distributions.

Every function takes probabilities as an array (numpy in, numpy out, in float64) or as a tensor (tensor out, on its
device and in its precision), refuses what is not a distribution, and treats zeros exactly: 0 log 0 = 0. Leading axes
are a batch.

Source: T. M. Cover, J. A. Thomas, Elements of Information Theory, 2nd edition 2006, chapter 2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import special

from layerlab.arrays import is_tensor

ROUNDING = 1e-9  # a total may miss 1 by so much for each cell that it sums: well above float64's rounding


def check_distribution(p: Any, name: str = "p", axes: int | Sequence[int] = -1) -> Any:
    """`p` as floating-point probabilities that sum to 1 over `axes`: a float64 array, or a tensor as it came.

    p: array-like or tensor; integers are converted (a tensor of them to float64). name: what a message calls it.
    axes: the axis or axes over which each distribution runs; all others are a batch. A total may differ from 1 by
    1e-9 for each cell of the distribution (by float32's own 1.2e-7 for each cell in a tensor of that precision).

    Raises ValueError for too few axes, no cells, NaN or infinite, negative or unnormalised input, TypeError for
    anything but real numbers. It never normalises: what does not sum to 1 is usually a mistake to be found.
    """
    p, over = _real(p, name), (axes,) if isinstance(axes, int) else tuple(axes)
    need = max(a + 1 if a >= 0 else -a for a in over)
    if p.ndim < need:
        raise ValueError(f"{name} must have at least {need} axes; its shape was {tuple(p.shape)}")
    size = math.prod(p.shape[a] for a in over)
    if 0 in p.shape:
        raise ValueError(f"{name} must not be empty; its shape was {tuple(p.shape)}")
    low, high = float(p.min()), float(p.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"{name} must be finite; it holds NaN or infinite values")
    if low < 0:
        raise ValueError(f"{name} must not be negative; its smallest value was {low:g}")
    totals = p.sum(over).reshape(-1)
    worst = float(totals[int(abs(totals - 1).argmax())])
    if abs(worst - 1) > max(ROUNDING, _epsilon(p)) * size:
        where = f"axis {over[0]}" if len(over) == 1 else f"axes {over}"
        raise ValueError(f"{name} must sum to 1 over {where}; it summed to {worst:.10g}")
    return p


def entropy(p: Any, *, axis: int | Sequence[int] = -1, base: float = 2) -> Any:
    """H(X) = - sum_x p(x) log p(x), in bits, or in units of log `base`.

    p: probabilities that sum to 1 over `axis`; several axes, as (-2, -1), give the entropy of a joint distribution.
    Returns the shape of p without those axes (a float for a single distribution; a tensor of no axes for a tensor).
    Raises as `check_distribution`, and ValueError unless base > 1.
    """
    scale = _log(base)
    over = (axis,) if isinstance(axis, int) else tuple(axis)
    p = check_distribution(p, "p", over)
    return _plain(-_xlogy(p, p).sum(over), scale)


def kl_divergence(p: Any, q: Any, *, base: float = 2) -> Any:
    """D(p || q) = sum_x p(x) log(p(x) / q(x)) over the last axis, in bits, or in units of log `base`.

    Infinite where q(x) = 0 < p(x) for some x. p, q: distributions over the same last axis; leading axes broadcast. A
    tensor on either side makes both tensors, on that one's device. Returns the broadcast shape without the last axis.
    Raises as `check_distribution`, ValueError for shapes that do not fit, and unless base > 1.
    """
    scale = _log(base)
    if is_tensor(q) and not is_tensor(p):
        p = _like(p, q, "p")
    elif is_tensor(p) and not is_tensor(q):
        q = _like(q, p, "q")
    p, q = check_distribution(p, "p"), check_distribution(q, "q")
    if p.shape[-1] != q.shape[-1]:
        raise ValueError(
            f"p and q must be over as many values; their shapes were {tuple(p.shape)} and {tuple(q.shape)}"
        )
    return _plain((_xlogy(p, p) - _xlogy(p, q)).sum(-1), scale)


def mutual_information(p_xy: Any, *, base: float = 2) -> Any:
    """I(X;Y) = sum_xy p(x,y) log(p(x,y) / (p(x) p(y))), in bits, or in units of log `base`.

    p_xy: (..., |X|, |Y|) joint probabilities, summing to 1 over the last two axes. Returns the leading shape. Rounding
    never makes it negative. Raises as `check_distribution`, and ValueError unless base > 1.
    """
    scale = _log(base)
    p = check_distribution(p_xy, "p_xy", (-2, -1))
    p_x, p_y = p.sum(-1)[..., None], p.sum(-2)[..., None, :]
    return _plain((_xlogy(p, p) - _xlogy(p, p_x) - _xlogy(p, p_y)).sum((-2, -1)), scale)


def conditional_entropy(p_xy: Any, *, base: float = 2) -> Any:
    """H(Y|X) = - sum_xy p(x,y) log p(y|x): what is left to ask about Y, the last axis, once X is known. In bits.

    p_xy: (..., |X|, |Y|) joint probabilities, summing to 1 over the last two axes; for H(X|Y) exchange the axes.
    Returns the leading shape. Raises as `check_distribution`, and ValueError unless base > 1.
    """
    scale = _log(base)
    p = check_distribution(p_xy, "p_xy", (-2, -1))
    return _plain((_xlogy(p, p.sum(-1)[..., None]) - _xlogy(p, p)).sum((-2, -1)), scale)


def conditional_mutual_information(p_xyz: Any, *, base: float = 2) -> Any:
    """I(X;Y|Z) = sum_xyz p(x,y,z) log(p(x,y|z) / (p(x|z) p(y|z))), in bits, or in units of log `base`.

    p_xyz: (..., |X|, |Y|, |Z|) joint probabilities, summing to 1 over the last three axes. Zero, up to rounding,
    where X and Y are independent given Z. Returns the leading shape. Raises as `check_distribution`, and ValueError
    unless base > 1.
    """
    scale = _log(base)
    p = check_distribution(p_xyz, "p_xyz", (-3, -2, -1))
    p_z = p.sum((-3, -2))[..., None, None, :]
    p_xz, p_yz = p.sum(-2)[..., None, :], p.sum(-3)[..., None, :, :]
    terms = _xlogy(p, p) + _xlogy(p, p_z) - _xlogy(p, p_xz) - _xlogy(p, p_yz)
    return _plain(terms.sum((-3, -2, -1)), scale)


def _real(x: Any, name: str) -> Any:
    if is_tensor(x):
        if x.is_complex():
            raise TypeError(f"{name} must be real numbers; it was a tensor of {x.dtype}")
        return x if x.is_floating_point() else x.double()
    try:
        array = np.asarray(x)
    except ValueError as error:  # rows of unequal length
        raise TypeError(f"{name} must be an array of real numbers; {error}") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be an array of real numbers; it was of type {array.dtype}")
    return array.astype(np.float64, copy=False)


def _like(x: Any, other: Any, name: str) -> Any:
    import torch

    return torch.as_tensor(_real(x, name), dtype=other.dtype if other.is_floating_point() else None).to(other.device)


def _epsilon(p: Any) -> float:
    if not is_tensor(p):
        return 0.0
    import torch

    return torch.finfo(p.dtype).eps


def _xlogy(x: Any, y: Any) -> Any:
    if not is_tensor(x):
        return special.xlogy(x, y)
    import torch

    return torch.xlogy(x, y)


def _log(base: float) -> float:
    if isinstance(base, bool) or not isinstance(base, int | float | np.number) or not 1 < base < math.inf:
        raise ValueError(f"base must be a number above 1, as 2 for bits; it was {base!r}")
    return math.log(base)


def _plain(nats: Any, scale: float) -> Any:
    """Nats to units of log base; what is never negative is not left at -1e-17 by rounding. A lone number is a float."""
    values = nats / scale
    if is_tensor(values):
        return values.clamp(min=0)
    values = np.maximum(values, 0.0) + 0.0  # + 0.0: no negative zero
    return float(values) if values.ndim == 0 else values

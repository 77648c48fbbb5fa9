"""What this room accepts: activations (..., samples, units), in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerlab.arrays import is_tensor, namespace


def activations(value: Any, name: str) -> Any:
    """`value` as finite float64 (..., samples, units), at least two samples and one unit; a tensor on mps as float32.

    Raises TypeError for anything but real numbers, ValueError for another shape, NaN or infinite values.
    """
    if is_tensor(value):
        if value.is_complex():
            raise TypeError(f"{name} must be real, not {value.dtype}")
        value = value.detach()
        value = value.float() if value.device.type == "mps" else value.double()
    else:
        value = np.asarray(value)
        if value.dtype.kind not in "fiub":
            raise TypeError(f"{name} must hold real numbers, not {value.dtype}")
        value = value.astype(np.float64)
    if value.ndim < 2 or value.shape[-2] < 2 or value.shape[-1] < 1 or 0 in value.shape:
        raise ValueError(f"{name} must be (..., samples, units), two samples or more, not {tuple(value.shape)}")
    if not bool(namespace(value).isfinite(value).all()):
        raise ValueError(f"{name} holds NaN or infinite values; activations must be finite")
    return value


def pair(x: Any, y: Any) -> tuple[Any, Any]:
    """Two sets of activations on the same samples, both tensors if one is. ValueError where samples differ."""
    if is_tensor(x) != is_tensor(y):
        raise TypeError("x and y must both be arrays or both be tensors")
    x, y = activations(x, "x"), activations(y, "y")
    if x.shape[-2] != y.shape[-2]:
        raise ValueError(f"x has {x.shape[-2]} samples and y has {y.shape[-2]}; they must be the same samples")
    return x, y


def centred(x: Any) -> Any:
    """x less the mean of each unit over the samples: exactly 0 for a unit that does not vary."""
    x = x - x[..., :1, :]
    return x - x.mean(-2, keepdims=True)


def scaled(x: Any) -> Any:
    """x centred, its largest entry 1 (0 where nothing varies), so that its squares neither overflow nor vanish."""
    xp = namespace(x)
    x = centred(x)
    size = abs(x).reshape(*x.shape[:-2], -1)
    size = largest(size, -1)[..., None, None]
    return x / xp.where(size > 0, size, xp.ones_like(size))


def transposed(x: Any) -> Any:
    """The last two axes exchanged."""
    return x.mT if is_tensor(x) else np.swapaxes(x, -1, -2)


def largest(x: Any, axis: int, keepdims: bool = False) -> Any:
    """The maximum over an axis, which numpy and torch call by different names."""
    return x.amax(axis, keepdim=keepdims) if is_tensor(x) else x.max(axis, keepdims=keepdims)

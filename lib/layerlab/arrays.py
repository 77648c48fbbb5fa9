"""What the functions of the theory accept: numbers, numpy arrays and torch tensors, checked in one place.

torch is never imported here: an argument can only be a tensor if its maker has imported torch already.
"""

from __future__ import annotations

import math
import numbers
import sys
from types import ModuleType
from typing import Any

import numpy as np


def is_tensor(value: Any) -> bool:
    """Whether `value` is a torch tensor."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def namespace(*values: Any) -> ModuleType:
    """torch if any of `values` is a tensor, else numpy: their elementwise functions share their names."""
    return sys.modules["torch"] if any(is_tensor(value) for value in values) else np


def whole(value: Any, name: str, low: int, high: int | None = None) -> int:
    """`value` as an int within [low, high]; a bool, a float or an array is refused with a TypeError."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer, not {_named(value)}")
    number = int(value)
    if number < low or (high is not None and number > high):
        bounds = f"at least {low}" if high is None else f"between {low} and {high}"
        raise ValueError(f"{name} must be {bounds}, not {value}")
    return number


def fraction(value: Any, name: str) -> float:
    """`value` as a float strictly between 0 and 1; a bool or an array is refused with a TypeError."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, not {_named(value)}")
    number = float(value)
    if not 0 < number < 1:
        raise ValueError(f"{name} must lie strictly between 0 and 1, not {value}")
    return number


def real_values(value: Any, name: str, low: float = -math.inf, high: float = math.inf) -> Any:
    """`value` (a number, an array-like or a tensor) as float array or tensor, all within [low, high]."""
    if is_tensor(value):
        if value.is_complex():
            raise TypeError(f"{name} must be real, not {value.dtype}")
        values = value if value.is_floating_point() else value.to(sys.modules["torch"].get_default_dtype())
    else:
        values = _as_floats(value, name)
    if not bool(((values >= low) & (values <= high)).all()):  # NaN compares false, so it is refused here too
        raise ValueError(f"{name} must lie between {low:g} and {high:g} throughout (and not be NaN)")
    return values


def matrix(value: Any, name: str, rows: int = 1) -> Any:
    """`value` as a finite real matrix (numpy array or detached tensor) of at least `rows` rows and 1 column.

    Integers and booleans become float64 (numpy) or the default float (tensor); floats keep their type.
    """
    if is_tensor(value):
        if value.is_complex():
            raise TypeError(f"{name} must be real, not {value.dtype}")
        value = value.detach()
        if not value.is_floating_point():
            value = value.to(sys.modules["torch"].get_default_dtype())
    else:
        value = _as_floats(value, name)
    if value.ndim != 2:
        raise ValueError(f"{name} must be a matrix (samples x units), not of shape {tuple(value.shape)}")
    if value.shape[0] < rows or value.shape[1] < 1:
        raise ValueError(f"{name} must have at least {rows} rows and 1 column, not {tuple(value.shape)}")
    if not bool(namespace(value).isfinite(value).all()):
        raise ValueError(f"{name} holds NaN or infinite values; only finite ones have distances")
    return value


def to_numpy(value: Any) -> np.ndarray:
    """`value` as a numpy array in the computer's memory (a tensor is detached and copied off its device)."""
    return value.detach().cpu().numpy() if is_tensor(value) else np.asarray(value)


def _as_floats(value: Any, name: str) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers, not {array.dtype}")
    double = array.dtype.kind != "f" or array.dtype.itemsize > 8  # nothing here gains from long doubles
    return array.astype(np.float64) if double else array


def _named(value: Any) -> str:
    """`value` and its type in a few characters, for an error message."""
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 40 else text[:37] + '...'}"

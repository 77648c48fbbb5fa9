"""What the bottleneck accepts, checked: joints, betas, encoders, settings. And which x of a joint are one to it."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np

from layerlab.arrays import is_tensor, to_numpy
from layerlab.information.measures import check_distribution

MERGED = 2.0**-40  # p(y|x) that agree to so much, about 1e-12, count as equal


def merge_classes(p_xy: Any) -> tuple[np.ndarray, np.ndarray]:
    """The joint of classes of x with equal p(y|x), (C, |Y|), and the class of each x, (|X|,), -1 where p(x) = 0.

    p_xy: (|X|, |Y|). The class is a minimal sufficient statistic of X for Y. Conditionals count as equal if they agree
    to about 1e-12; classes come in the order in which their first x does. Returns numpy arrays.
    Raises ValueError or TypeError for what is no joint distribution.
    """
    p_xy = joint_of(p_xy)
    p_x = p_xy.sum(1)
    some = p_x > 0
    cond = p_xy[some] / p_x[some, None]
    # the offset keeps simple fractions away from the edges, where rounding could part equals
    keys = np.floor(cond / MERGED + 1 / math.pi).astype(np.int64)
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    classes = np.full(len(p_xy), -1)
    classes[some] = rank[inverse.reshape(-1)]
    merged = np.zeros((len(first), p_xy.shape[1]))
    np.add.at(merged, classes[some], p_xy[some])
    return merged, classes


def joint_of(p_xy: Any) -> np.ndarray:
    """`p_xy` as a float64 array (|X|, |Y|) that sums to 1."""
    checked = to_numpy(check_distribution(p_xy, "p_xy", (-2, -1))).astype(np.float64)
    if checked.ndim != 2:
        raise ValueError(f"p_xy must be of shape (|X|, |Y|); it was {checked.shape}")
    return checked / checked.sum()


def betas_of(betas: Any) -> np.ndarray:
    """`betas` as (B,) float64."""
    values = to_numpy(betas)
    if values.dtype.kind not in "iuf":
        raise TypeError(f"betas must be real numbers; they were of type {values.dtype}")
    values = np.atleast_1d(values).astype(np.float64)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"betas must be a number or a list of at least one; its shape was {values.shape}")
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise ValueError(f"betas must be finite and at least 0; the first that is not was {_first_bad(values)}")
    return values


def _first_bad(values: np.ndarray) -> float:
    return float(values[~(np.isfinite(values) & (values >= 0))][0])


def encoder_of(encoder: Any, joint: np.ndarray, count: int) -> np.ndarray:
    """An encoder as (1 or count, |X|, T), checked."""
    given = to_numpy(check_distribution(encoder, "the encoder", -1)).astype(np.float64)
    given = given[None] if given.ndim == 2 else given
    if given.ndim != 3 or given.shape[1] != len(joint) or given.shape[0] not in (1, count):
        raise ValueError(f"the encoder must be of shape (|X|, T) with |X| = {len(joint)}; it was {np.shape(encoder)}")
    return given / given.sum(-1, keepdims=True)


def check_settings(tolerance: Any, deterministic: Any) -> None:
    """Refuse a tolerance or a choice of kind that is none."""
    if isinstance(tolerance, bool) or not isinstance(tolerance, numbers.Real):
        raise TypeError(f"tolerance must be a number; it was {tolerance!r}")
    if not 0 < float(tolerance) < 1:
        raise ValueError(f"tolerance must lie between 0 and 1; it was {tolerance!r}")
    if not isinstance(deterministic, bool):
        raise TypeError(f"deterministic must be True or False; it was {deterministic!r}")


def device_of(device: Any, p_xy: Any) -> Any:
    """The torch device to compute on: `device`, or that of a tensor p_xy, or the CPU."""
    import torch

    try:
        on = torch.device(device if device is not None else p_xy.device if is_tensor(p_xy) else "cpu")
        torch.zeros(1, dtype=torch.float64, device=on)
    except (RuntimeError, TypeError, AssertionError) as error:
        raise ValueError(
            f"device must be one of this machine with double precision; {device!r} is not: {error}"
        ) from None
    return on

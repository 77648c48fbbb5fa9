"""Times until something happens, where for some it does not happen: counted as censored, never left out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr


def first_reached(values: xr.DataArray, level: float, axis: str = "epoch") -> xr.DataArray:
    """The first coordinate along `axis` at which values >= level; infinite where that is never (censored)."""
    there = values >= level
    first = values[axis].values[there.argmax(axis).values].astype(float)
    template = there.any(axis)
    return template.copy(data=np.where(template.values, first, np.inf))


def share_reached(times: xr.DataArray, at: np.ndarray) -> xr.DataArray:
    """The share over `seed` of times <= at, for each of `at`: (..., epoch).

    All are censored at the same end, so this is the Kaplan-Meier estimate, too.
    """
    grid = xr.DataArray(np.asarray(at, dtype=float), dims="epoch", coords={"epoch": at})
    return (times <= grid).mean("seed")


def probability_sooner(a: Any, b: Any) -> float:
    """The chance that a time drawn from `a` is shorter than one from `b`; ties (two censored, too) count half."""
    a, b = np.asarray(a, dtype=float)[:, None], np.asarray(b, dtype=float)[None, :]
    return float((a < b).mean() + (a == b).mean() / 2)


def decay_time(values: np.ndarray, at: np.ndarray, share: float = 1 / math.e) -> tuple[float, float]:
    """(how far a course falls from its highest point to its end, how long until only `share` of that fall is left).

    values: (T,) at the moments at: (T,), ascending. Between two moments the course is taken as linear. NaN for the time
    where nothing falls.
    """
    top = int(np.argmax(values))
    fall = float(values[top] - values[-1])
    if fall <= 0:
        return 0.0, float("nan")
    left = (values[top:] - values[-1]) / fall
    late = int((left <= share).argmax())
    low, high = left[late], left[late - 1]
    part = (high - share) / (high - low)
    return fall, float(at[top + late - 1] + part * (at[top + late] - at[top + late - 1]) - at[top])

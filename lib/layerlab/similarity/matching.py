"""Units and their partners: correlations between the units of two layers, and who is matched with whom.

Source: Y. Li, J. Yosinski, J. Clune, H. Lipson, J. Hopcroft, Convergent learning: do different neural networks learn
the same representations?, ICLR 2016.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from layerlab.arrays import namespace, to_numpy

from ._inputs import centred, largest, pair, transposed

METHODS = ("assignment", "semi")


def standardised(x: Any) -> Any:
    """x with each unit at mean 0 and mean square 1; a unit that does not vary is 0 throughout."""
    xp = namespace(x)
    x = centred(x)
    size = largest(abs(x), -2, keepdims=True)
    x = x / xp.where(size > 0, size, xp.ones_like(size))
    scale = (x**2).mean(-2, keepdims=True) ** 0.5
    return x / xp.where(scale > 0, scale, xp.ones_like(scale))


def correlation(x: Any, y: Any) -> Any:
    """Pearson's correlation of every unit of x with every unit of y, (..., units of x, units of y).

    x, y: activations (..., samples, units) on the same samples; leading axes broadcast. A unit that does not vary (a
    dead ReLU) has no correlation: it is given 0 with all. numpy in, numpy out in float64; tensors stay on their device.
    Raises ValueError or TypeError for shapes that do not fit, NaN, infinite or complex values.
    """
    x, y = pair(x, y)
    return (transposed(standardised(x)) @ standardised(y) / x.shape[-2]).clip(-1, 1)


@dataclass(frozen=True, eq=False)
class Matching:
    """Who is matched with whom, for each unit of x.

    partners: (..., units of x) int64, the unit of y; -1 where an assignment had none left.
    correlation: (..., units of x) with the partner; NaN where there is none.
    total: (...) the sum of the correlations.
    """

    partners: np.ndarray
    correlation: np.ndarray
    total: Any

    def order(self) -> np.ndarray:
        """(..., units of x) units of x by falling correlation with their partners, those without one last."""
        return np.argsort(np.nan_to_num(-self.correlation, nan=math.inf), axis=-1, kind="stable")


def match_units(x: Any, y: Any, method: str = "assignment") -> Matching:
    """Matches each unit of x with a unit of y on the same samples, by correlation.

    method: "assignment" for a one-to-one matching of the largest total correlation (Hungarian algorithm; if x has more
        units than y, some stay without a partner), or "semi" for each unit's best partner, who may be shared.

    x, y: as in `correlation`. No assignment has a larger total than the semi-matching. Raises as `correlation`, and
    ValueError for another method.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
    values = to_numpy(correlation(x, y))
    if method == "semi":
        partners = values.argmax(-1)
        found = np.take_along_axis(values, partners[..., None], -1)[..., 0]
        return Matching(partners, found, found.sum(-1)[()])
    partners = np.full(values.shape[:-1], -1, dtype=np.int64)
    found = np.full(values.shape[:-1], math.nan)
    for place in np.ndindex(values.shape[:-2]):
        rows, columns = linear_sum_assignment(values[place], maximize=True)
        partners[place][rows] = columns
        found[place][rows] = values[place][rows, columns]
    return Matching(partners, found, np.nansum(found, -1)[()])

"""The dispute's estimators, and compression as one number: what each says of a layer over a training.

All read the same activations on all 4096 inputs. Three cut every unit into cells: of width 0.07 (Saxe et al. 2018),
thirty over the range that the layer has at that moment, and those of the published program (29 from -1 to 1, with all
that is larger in the topmost). The fourth adds Gaussian noise of variance 0.001 and takes the upper pairwise bound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from layerlab.information import binned_information, kde_information, original_binned_information

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

ESTIMATORS = ("width 0.07", "30 bins over the range", "published program", "noise 0.001")
ACTIVATIONS = ("tanh", "relu", "linear", "hard_tanh", "softsign")
ROWS = 128  # inputs over which the outer mean of the noisy estimate is taken, the same ones at every moment
WIDTH, BINS, VARIANCE = 0.07, 30, 1e-3


def informations(t: Tensor, y: np.ndarray) -> np.ndarray:
    """I(X;T) and I(T;Y) in bits of a layer (N, samples, units) under each of ESTIMATORS: (2, estimators, N)."""
    read: tuple[Callable, ...] = (
        lambda: binned_information(t, y, width=WIDTH),
        lambda: binned_information(t, y, bins=BINS),
        lambda: original_binned_information(t, y),
    )
    found = [[np.asarray(v) for v in one()] for one in read]
    noisy = kde_information(t, y, variance=VARIANCE, rows=ROWS)
    found.append([np.asarray(noisy.i_xt_upper), np.asarray(noisy.i_ty_plotted)])
    return np.array(found).swapaxes(0, 1)


def thinned(count: int, kept: int = 30) -> list[int]:
    """Every so many of `count` moments, counted from the last, that at most `kept` + 1 remain; and the first."""
    step = -(-count // kept)
    return sorted({0, *range(count - 1, -1, -step)})


def compression(i_xt: np.ndarray, axis: int) -> np.ndarray:
    """The largest I(X;T) of the training less the last, in bits; never negative."""
    return i_xt.max(axis) - np.take(i_xt, -1, axis)

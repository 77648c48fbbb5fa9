"""How the sections on canonical correlations read the layers of a group of networks: as samples by units."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerlab.arrays import to_numpy
from layerlab.similarity import Basis, positions_as_samples

CUTS = ("none", "variance", "singular values")


def samples_by_units(activations: Any) -> np.ndarray:
    """Activations (N, images, units), or maps (N, images, channels, height, width) with each position a sample."""
    maps = activations.ndim == 5
    return to_numpy(positions_as_samples(activations) if maps else activations).astype(np.float64)


def cut(layer: Basis, name: str, keep: float) -> Basis:
    """The leading directions of a layer that hold `keep` of its variance or of its singular values, or all."""
    return layer if name == "none" else layer.keep(keep, name.replace(" ", "_"))


def padded(values: Any, count: int, size: int) -> np.ndarray:
    """The first `count` values, then NaN up to `size`."""
    return np.r_[np.asarray(values, dtype=float)[:count], np.full(size - count, np.nan)]

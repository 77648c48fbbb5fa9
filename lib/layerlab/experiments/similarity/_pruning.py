"""Magnitude pruning: which weights are kept, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def magnitude_masks(
    weights: Sequence[np.ndarray], keep: float, before: Sequence[np.ndarray] | None = None
) -> list[np.ndarray]:
    """For each layer a mask (N, in, out), true for the weights of largest magnitude of each network: `keep` of all.

    weights: (N, in, out) of each layer; biases are not asked. keep: in (0, 1], of the weights of the layer before any
    pruning; round(keep * in * out) are kept, exactly, and one at least. before: masks of an earlier round; what these
    have dropped stays dropped. Raises ValueError for another `keep`, or one that is larger than what is left.
    """
    if not 0 < keep <= 1:
        raise ValueError(f"keep must lie in (0, 1]; it was {keep}")
    masks = []
    for layer, each in enumerate(weights):
        size = np.abs(each).reshape(len(each), -1)
        if before is not None:
            size = np.where(before[layer].reshape(size.shape), size, -1)
        count = max(round(keep * size.shape[1]), 1)
        if (size >= 0).sum(1).min() < count:
            raise ValueError(f"keep = {keep:g} asks for {count} weights of layer {layer}; fewer are left")
        mask = np.zeros(size.shape, dtype=bool)
        np.put_along_axis(mask, np.argsort(-size, axis=1, kind="stable")[:, :count], True, axis=1)
        masks.append(mask.reshape(each.shape))
    return masks


def small_width(dimension: int, classes: int, width: int, keep: float) -> int:
    """The width of the dense network of four hidden layers whose weights come nearest to `keep` of one of `width`."""
    each = np.arange(1, width + 1)
    weights = dimension * each + 3 * each**2 + each * classes
    return int(each[np.abs(weights - keep * weights[-1]).argmin()])

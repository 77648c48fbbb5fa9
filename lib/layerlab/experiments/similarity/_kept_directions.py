"""What a layer's canonical directions are worth to the layers above: only some of them are let through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from layerlab.arrays import to_numpy
from layerlab.similarity import basis, cca

ORDERS = ("settled first", "moving first", "largest first")


def kept_accuracy(
    earlier: np.ndarray, final: np.ndarray, test: np.ndarray, above: Any, labels: np.ndarray, counts: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Accuracy (orders, counts) of a network whose layer lets through some directions only, and their variance.

    earlier, final: (samples, units) one layer at two moments of training, which give the canonical directions of the
        final one, ordered by how much they had settled at the earlier moment. "largest first" are, for contrast, the
        directions of largest variance. test: the final layer on test images. above: the layers above it, one network.
    counts: how many directions are let through; the rest of the layer is replaced by its mean.

    Accuracies are NaN where there are not so many directions. The variance is the share of the final layer's that each
    choice of directions holds, alike in shape.
    """
    import torch

    bx = basis(final)
    found = cca(bx, earlier)
    settled = found.variates_x[:, : found.count]
    mean = final.mean(0)
    ordered = (settled, settled[:, ::-1], bx.vectors[:, : int(bx.rank)])
    accuracy, variance = np.full((2, len(ordered), len(counts)), np.nan)
    back = bx.directions / np.where(bx.values > 0, bx.values, np.inf)  # from variates to weights of the units
    for at, variates in enumerate(ordered):
        for place, count in enumerate(counts):
            if count > variates.shape[1]:
                continue
            some = bx.vectors.T @ variates[:, :count]
            weights = back @ some @ (some.T * bx.values) @ bx.directions.T
            passed = (test - mean) @ weights + mean
            logits = above.forward(torch.as_tensor(passed, dtype=above.dtype, device=above.device)[None])[0]
            accuracy[at, place] = (to_numpy(logits.argmax(-1)) == labels).mean()
            variance[at, place] = ((some.T * bx.values) ** 2).sum() / (bx.values**2).sum()
    return accuracy, variance

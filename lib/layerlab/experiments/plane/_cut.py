"""Networks whose layers are cut into cells inside, so that the cells are a Markov chain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from layerlab.nets import MLP


def cut_inside(networks: MLP, x: np.ndarray, width: float) -> tuple[list[Tensor], Tensor]:
    """Layers (N, samples, units) each at the centres of its cells, computed from the one before as it is then.

    The last is the class probabilities. Also the classes chosen, (N, samples), from the last hidden layer's cells.
    """
    import torch

    exact = networks.to(dtype=torch.float64)  # cells must not differ by the order of a sum
    a = exact.as_input(x)
    layers = []
    for layer, weights in enumerate(exact.weights):
        z = a @ weights + exact.biases[layer]
        a = exact.functions[layer].apply(z)
        if layer == len(exact.weights) - 1:
            a = a.softmax(-1)
        a = (torch.floor(a / width) + 0.5) * width
        layers.append(a)
    return layers, z.argmax(-1)

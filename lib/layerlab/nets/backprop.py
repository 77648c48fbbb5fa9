"""Forward and backward pass of N networks on one batch, written out over buffers that are made once.

Rows are the last axis: activations are (N, units, B). With as few units as the book's networks have, products over
that axis run several times faster than over the order (N, B, units), and elementwise work stays contiguous.
`tests/nets/test_backprop.py` holds it against autograd.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from layerlab.nets.mlp import MLP


class Backprop:
    """Buffers and the two passes for batches of `rows` rows; `gradient`, laid out like the storage, is filled."""

    def __init__(self, networks: MLP, rows: int, gradient: Tensor) -> None:
        self.networks = networks
        self.rows = rows
        self.weights = [each.transpose(1, 2) for each in networks.weights]
        self.biases = [each.transpose(1, 2) for each in networks.biases]
        weight_gradients, bias_gradients = networks.views(gradient)
        self.weight_gradients = [each.transpose(1, 2) for each in weight_gradients]
        self.bias_gradients = [each.squeeze(1) for each in bias_gradients]
        shapes = [(networks.count, width, rows) for width in networks.widths[1:]]
        self.after = [gradient.new_empty(shape) for shape in shapes]
        self.before = [
            gradient.new_empty(shape) if function.keeps_input else after
            for shape, function, after in zip(shapes, networks.functions, self.after, strict=True)
        ]
        self.errors = [gradient.new_empty(shape) for shape in shapes]

    def forward(self, x: Tensor) -> Tensor:
        """The outputs f (N, outputs, B) on x, (B, d) shared or (N, B, d); a buffer that the next call overwrites."""
        a = x.transpose(-1, -2)
        for layer, function in enumerate(self.networks.functions):
            z = self.before[layer]
            self._affine(layer, a, z)
            a = self.after[layer]
            if function.keeps_input:
                a.copy_(z)
            function.apply_(a)
        return a

    def _affine(self, layer: int, a: Tensor, z: Tensor) -> None:
        weights, scale = self.weights[layer], self.networks.scales[layer]
        if a.ndim == 2:  # one input for all networks: one product of two matrices
            weights, z = weights.reshape(-1, a.shape[0]), z.view(-1, self.rows)
            if self.biases:
                torch.addmm(self.biases[layer].reshape(-1, 1), weights, a, alpha=scale, out=z)
            else:
                z.addmm_(weights, a, beta=0, alpha=scale)
        elif self.biases:
            torch.baddbmm(self.biases[layer], weights, a, alpha=scale, out=z)
        else:
            z.baddbmm_(weights, a, beta=0, alpha=scale)

    def backward(self, x: Tensor) -> None:
        """Fills the gradient from `errors[-1]`, the derivative of the loss by the outputs of the last `forward(x)`."""
        functions, scales = self.networks.functions, self.networks.scales
        for layer in reversed(range(self.networks.depth)):
            error = self.errors[layer]
            functions[layer].backward_(error, self.before[layer])
            target = self.weight_gradients[layer]
            if layer > 0:
                below = self.after[layer - 1].transpose(1, 2)
                target.baddbmm_(error, below, beta=0, alpha=scales[layer])
                self.errors[layer - 1].baddbmm_(self.weights[layer].transpose(1, 2), error, beta=0, alpha=scales[layer])
            elif x.ndim == 2:
                flat = target.view(-1, x.shape[1])
                flat.addmm_(error.view(-1, self.rows), x, beta=0, alpha=scales[layer])
            else:
                target.baddbmm_(error, x, beta=0, alpha=scales[layer])
            if self.biases:
                torch.sum(error, 2, out=self.bias_gradients[layer])

"""Forward and backward pass of N convolutional networks on one batch, written out over buffers that are made once.

Rows are the last axis, as in `backprop`: an image is (N, channels, height, width, B). A convolution copies the window
under each output pixel to a column; then it is one product of matrices for each network, with pixels and rows
together as its columns. With 5 networks on one CPU thread, forward and backward together took 0.3 to 1.0 times as
long as one grouped convolution, and 0.2 to 1.0 times as long as a convolution for each network.
`tests/nets/test_conv.py` holds it against autograd.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from layerlab.nets.activations import Activation
from layerlab.nets.backprop import Backprop
from layerlab.nets.images import Conv, Pool

if TYPE_CHECKING:
    from layerlab.nets.conv import ConvNet

Shape = tuple[int, ...]


class ConvBackprop(Backprop):
    """Buffers and the two passes for batches of `rows` rows; `gradient`, laid out like the storage, is filled."""

    def __init__(self, networks: ConvNet, rows: int, gradient: Tensor) -> None:
        self.networks = networks
        self.rows = rows
        self.errors = [gradient.new_empty(networks.count, width, rows) for width in networks.widths[1:]]
        self.steps: list[_Product | _Pooling] = []
        parameters = zip(*_matrices(networks, networks.storage), *_matrices(networks, gradient), strict=True)
        functions = iter(networks.functions)
        for layer, shape, error in zip(networks.layers, networks.shapes, self.errors, strict=False):
            if isinstance(layer, Pool):
                self.steps.append(_Pooling(layer, shape, error))
            elif isinstance(layer, Conv):
                self.steps.append(_Convolution(layer, shape, next(functions), next(parameters), error))
            else:
                self.steps.append(_Product(next(functions), next(parameters), error))

    def forward(self, x: Tensor) -> Tensor:
        """The outputs f (N, outputs, B) on x, (B, d) shared or (N, B, d); a buffer that the next call overwrites."""
        a = x.transpose(-1, -2)
        for step in self.steps:
            a = step.forward(a)
        return a

    def backward(self, x: Tensor) -> None:
        """Fills the gradient from `errors[-1]`, the derivative of the loss by the outputs of the last `forward(x)`."""
        for number in reversed(range(len(self.steps))):
            self.steps[number].backward(self.errors[number - 1] if number else None)


def _matrices(networks: ConvNet, storage: Tensor) -> tuple[list[Tensor], list[Tensor | None]]:
    """Weights (N, out, in) and biases (N, out, 1), or None, of each layer that has weights."""
    weights, biases = networks.views(storage)
    each: list[Tensor | None] = [b.transpose(1, 2) for b in biases] or [None] * len(weights)
    return [w.transpose(1, 2) for w in weights], each


class _Product:
    """A dense layer: φ(W a + b) of a, (N, in, B) or (in, B); columns may be more than the rows, see _Convolution."""

    def __init__(
        self,
        function: Activation,
        parameters: tuple[Tensor, Tensor | None, Tensor, Tensor | None],
        error: Tensor,
    ) -> None:
        self.function = function
        self.weights, self.biases, self.weight_gradient, self.bias_gradient = parameters
        self.error = error.view(*self.weights.shape[:2], -1)
        self.flat = error.shape
        self.after = torch.empty_like(self.error)
        self.before = torch.empty_like(self.error) if function.keeps_input else self.after
        self.columns: Tensor

    def forward(self, a: Tensor) -> Tensor:
        self.columns = self.laid_out(a)
        if self.columns.ndim == 2:  # one input for all networks: one product of two matrices
            weights, z = self.weights.reshape(-1, len(self.columns)), self.before.view(-1, self.columns.shape[1])
            if self.biases is None:
                torch.mm(weights, self.columns, out=z)
            else:
                torch.addmm(self.biases.reshape(-1, 1), weights, self.columns, out=z)
        elif self.biases is None:
            torch.bmm(self.weights, self.columns, out=self.before)
        else:
            torch.baddbmm(self.biases, self.weights, self.columns, out=self.before)
        if self.function.keeps_input:
            self.after.copy_(self.before)
        self.function.apply_(self.after)
        return self.after.view(self.flat)

    def backward(self, below: Tensor | None) -> None:
        self.function.backward_(self.error, self.before)
        if self.columns.ndim == 2:
            target = self.weight_gradient.view(-1, len(self.columns))
            target.addmm_(self.error.view(len(target), -1), self.columns.T, beta=0)
        else:
            self.weight_gradient.baddbmm_(self.error, self.columns.transpose(1, 2), beta=0)
        if self.bias_gradient is not None:
            torch.sum(self.error, 2, keepdim=True, out=self.bias_gradient)
        if below is not None:
            self.hand_down(below)

    def laid_out(self, a: Tensor) -> Tensor:
        """The columns that the weights are multiplied with."""
        return a

    def hand_down(self, below: Tensor) -> None:
        """Writes the error of the layer below."""
        torch.bmm(self.weights.transpose(1, 2), self.error, out=below)


class _Convolution(_Product):
    """φ(w * a + b): a `_Product` whose columns are the windows (channels kernel², pixels B) of the images."""

    def __init__(
        self,
        layer: Conv,
        shape: Shape,
        function: Activation,
        parameters: tuple[Tensor, Tensor | None, Tensor, Tensor | None],
        error: Tensor,
    ) -> None:
        super().__init__(function, parameters, error)
        self.layer, self.shape, self.rows = layer, shape, error.shape[2]
        self.pixels = layer.folded(shape)[1:]
        self.framed: Tensor | None = None
        self.windows: Tensor
        self.spread: Tensor | None = None

    def laid_out(self, a: Tensor) -> Tensor:
        channels, k = self.shape[0], self.layer.kernel
        frames = a.shape[0] if a.ndim == 3 else 1
        if self.framed is None or len(self.framed) != frames:
            self.framed = self._frame(a, frames)
            self.windows = a.new_empty(frames, channels, k, k, *self.pixels, self.rows)
        self._inside(self.framed).copy_(a.unflatten(-2, self.shape))
        for i, j, pixels in _shifts(self.framed, k, self.layer.stride, self.pixels):
            self.windows[:, :, i, j].copy_(pixels)
        columns = self.windows.view(frames, channels * k * k, -1)
        return columns if a.ndim == 3 else columns[0]

    def hand_down(self, below: Tensor) -> None:
        if self.spread is None:
            self.spread = self._frame(below, len(below))
            self.patches = below.new_empty(len(below), self.weights.shape[2], self.error.shape[2])
        torch.bmm(self.weights.transpose(1, 2), self.error, out=self.patches)
        k = self.layer.kernel
        patches = self.patches.view(len(below), self.shape[0], k, k, *self.pixels, self.rows)
        self.spread.zero_()
        for i, j, pixels in _shifts(self.spread, k, self.layer.stride, self.pixels):
            pixels.add_(patches[:, :, i, j])
        below.unflatten(1, self.shape).copy_(self._inside(self.spread))

    def _frame(self, like: Tensor, count: int) -> Tensor:
        sides = (side + 2 * self.layer.padding for side in self.shape[1:])
        return like.new_zeros(count, self.shape[0], *sides, self.rows)

    def _inside(self, framed: Tensor) -> Tensor:
        p = self.layer.padding
        return framed[:, :, p : p + self.shape[1], p : p + self.shape[2]]


class _Pooling:
    """The maximum or average over squares that do not overlap. Of equal maxima the first takes the gradient."""

    def __init__(self, layer: Pool, shape: Shape, error: Tensor) -> None:
        self.layer, self.shape = layer, shape
        self.folded = layer.folded(shape)
        self.error = error.unflatten(1, self.folded)
        self.after = torch.empty_like(self.error)
        self.free = torch.empty_like(self.error, dtype=torch.bool)
        self.images: Tensor

    def forward(self, a: Tensor) -> Tensor:
        self.images = a.unflatten(1, self.shape)
        for i, j, pixels in self._squares(self.images):
            if i == j == 0:
                self.after.copy_(pixels)
            elif self.layer.kind == "max":
                torch.maximum(self.after, pixels, out=self.after)
            else:
                self.after.add_(pixels)
        if self.layer.kind == "average":
            self.after.div_(self.layer.size**2)
        return self.after.flatten(1, 3)

    def backward(self, below: Tensor | None) -> None:
        assert below is not None  # a network never begins with a pool
        target = below.unflatten(1, self.shape)
        target.zero_()
        self.free.fill_(True)
        for (_, _, part), (_, _, pixels) in zip(self._squares(target), self._squares(self.images), strict=True):
            if self.layer.kind == "average":
                torch.div(self.error, self.layer.size**2, out=part)
            else:
                chosen = (pixels == self.after).logical_and_(self.free)
                self.free.logical_xor_(chosen)
                torch.mul(self.error, chosen, out=part)

    def _squares(self, images: Tensor) -> Iterator[tuple[int, int, Tensor]]:
        return _shifts(images, self.layer.size, self.layer.size, self.folded[1:])


def _shifts(images: Tensor, kernel: int, stride: int, pixels: Shape) -> Iterator[tuple[int, int, Tensor]]:
    """For each place (i, j) in the kernel, what lies there under each output pixel: (N, channels, *pixels, B)."""
    down, right = ((count - 1) * stride + 1 for count in pixels)
    for i in range(kernel):
        for j in range(kernel):
            yield i, j, images[:, :, i : i + down : stride, j : j + right : stride]

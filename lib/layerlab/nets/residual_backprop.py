"""Forward and backward pass of N residual networks on one batch, composed of the steps of `conv_backprop`.

`tests/nets/test_residual.py` holds it against autograd.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from layerlab.nets.activations import Activation
from layerlab.nets.conv_backprop import ConvBackprop, Shape, _Convolution, _matrices, _Pooling, _Product
from layerlab.nets.images import Conv

if TYPE_CHECKING:
    from layerlab.nets.residual import ResidualNet

Parameters = tuple[Tensor, Tensor | None, Tensor, Tensor | None]


class ResidualBackprop(ConvBackprop):
    """Buffers and the two passes for batches of `rows` rows; `gradient`, laid out like the storage, is filled."""

    def __init__(self, networks: ResidualNet, rows: int, gradient: Tensor) -> None:
        self.networks = networks
        self.rows = rows
        self.errors = [gradient.new_empty(networks.count, width, rows) for width in networks.widths[1:]]
        parameters = zip(*_matrices(networks, networks.storage), *_matrices(networks, gradient), strict=True)
        functions = iter(networks.functions)
        first, *_ = networks.layers
        assert isinstance(first, Conv)
        φ = networks.functions[0]
        self.steps = [_Convolution(first, networks.shapes[0], next(functions), next(parameters), self.errors[0])]
        for block, shape, error in zip(networks.blocks, networks.shapes[1:], self.errors[1:], strict=False):
            self.steps.append(_Block(block.convolutions(shape), shape, φ, functions, parameters, error))
        self.steps.append(_Average(networks.shapes[-3], self.errors[-2]))
        self.steps.append(_Product(next(functions), next(parameters), self.errors[-1]))


class _Block(_Convolution):
    """φ(skip(a) + w2 * φ(w1 * a)): its second convolution, to which what the skip brings is added before φ.

    The sum's derivative is that of each of its terms, so that one error serves the second convolution and the skip.
    """

    def __init__(
        self,
        convolutions: tuple[Conv, ...],
        shape: Shape,
        φ: Activation,
        functions: Iterator[Activation],
        parameters: Iterator[Parameters],
        error: Tensor,
    ) -> None:
        inside = convolutions[0].folded(shape)
        self.inner = torch.empty_like(error)  # the first convolution puts out as many units as the second
        self.first = _Convolution(convolutions[0], shape, next(functions), next(parameters), self.inner)
        super().__init__(convolutions[1], inside, next(functions), next(parameters), error)
        self.skip: _Convolution | None = None
        if len(convolutions) == 3:
            self.skip = _Convolution(convolutions[2], shape, next(functions), next(parameters), error)
        self.φ = φ
        self.sum = torch.empty_like(error) if φ.keeps_input else self.after.view(self.flat)
        self.below: Tensor | None = None

    def forward(self, a: Tensor) -> Tensor:
        out = super().forward(self.first.forward(a))
        out.add_(a if self.skip is None else self.skip.forward(a))
        if self.φ.keeps_input:
            self.sum.copy_(out)
        return self.φ.apply_(out)

    def backward(self, below: Tensor | None) -> None:
        assert below is not None  # a network begins with a convolution
        error = self.error.view(self.flat)
        self.φ.backward_(error, self.sum)
        super().backward(self.inner)
        self.first.backward(below)
        if self.skip is None:
            below.add_(error)
            return
        if self.below is None:
            self.below = torch.empty_like(below)
        self.skip.backward(self.below)
        below.add_(self.below)


class _Average(_Pooling):
    """The mean of each channel over all pixels."""

    def __init__(self, shape: Shape, error: Tensor) -> None:
        self.shape, self.error = shape, error

    def forward(self, a: Tensor) -> Tensor:
        return a.unflatten(1, (self.shape[0], -1)).mean(2)

    def backward(self, below: Tensor | None) -> None:
        assert below is not None  # a network begins with a convolution
        pixels = below.unflatten(1, (self.shape[0], -1))
        pixels.copy_((self.error / pixels.shape[2]).unsqueeze(2).expand_as(pixels))

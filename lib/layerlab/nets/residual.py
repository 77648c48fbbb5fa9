"""N residual networks of one shape, held and computed together along a leading network axis."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, prod, sqrt

import numpy as np
import torch
from torch import Tensor

from layerlab.arrays import whole
from layerlab.nets.activations import Activation
from layerlab.nets.activations import activation as activation_named
from layerlab.nets.conv import ConvNet, _drawn, _shapes
from layerlab.nets.images import Conv, Pool
from layerlab.nets.mlp import Seed, _check_dtype
from layerlab.nets.residual_backprop import ResidualBackprop


@dataclass(frozen=True)
class Block:
    """A residual block: a = φ(skip(x) + conv2(φ(conv1(x)))), both convolutions of `channels` filters of 3 x 3 pixels.

    The first takes every `stride`-th pixel. The skip is x itself, or, where that has another shape, a convolution of
    1 x 1 pixels and that stride. Raises TypeError or ValueError for anything but whole numbers of at least 1.
    """

    channels: int
    stride: int = 1

    def __post_init__(self) -> None:
        whole(self.channels, "channels", 1)
        whole(self.stride, "stride", 1)

    def convolutions(self, shape: tuple[int, ...]) -> tuple[Conv, ...]:
        """Its first and second convolution, and that of the skip where it needs one, on images of that shape."""
        both = Conv(self.channels, 3, self.stride, 1), Conv(self.channels, 3, 1, 1)
        if (self.channels, self.stride) == (shape[0], 1):
            return both
        return *both, Conv(self.channels, 1, self.stride)


class ResidualNet(ConvNet):
    """N residual networks of one shape: a convolution, blocks, the average over all pixels, and a dense output.

    It is used and trained like `ConvNet`. `activations` gives the first convolution, each block, the averages (one for
    each channel) and the output; `maps` those of them that are images.

    Parameters
    ----------
    shape: (channels, height, width) of an input, or (height, width) for one channel; flat, it is a row of x.
    first: the first convolution.
    blocks: at least one.
    outputs: how many.
    activation: φ, a name of `ACTIVATIONS` or an `Activation`, the same everywhere. The output is linear.
    branch: factor on the initial weights of each block's second convolution, from 0 on; None means 1/√blocks.
        With ReLU, He weights and m the mean square of a block's input, that of its output lies between m and
        (1 + 2 branch²) m (the mean over weights; less at the frame of zeros): after B blocks m has not grown by more
        than (1 + 2/B)^B < e², where a factor of 1 would allow 3^B. 0 makes identities of the blocks (De & Smith 2020).
    bias, bias_std, seeds, dtype, device: as of `MLP`. Weights begin as Gaussians of variance 2/fan-in (He et al. 2015).

    Attributes
    ----------
    layers: all that has weights; of a block its two convolutions, then that of the skip if there is one. `weights` and
        `biases` follow it.
    shapes, widths: of the input and of what `activations` gives.
    blocks, storage, count: as above, and as of `ConvNet`.

    Raises ValueError or TypeError for any argument outside of these, IndexError and ValueError as `MLP` does.
    """

    def __init__(
        self,
        shape: Sequence[int],
        first: Conv,
        blocks: Sequence[Block],
        outputs: int,
        activation: str | Activation = "relu",
        *,
        branch: float | None = None,
        bias: bool = True,
        bias_std: float = 0.0,
        seeds: Seed | Sequence[Seed] = 0,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
    ) -> None:
        if not isinstance(first, Conv):
            raise TypeError(f"first must be a Conv, not {type(first).__name__}")
        self.blocks = tuple(blocks)
        if not self.blocks:
            raise ValueError("blocks is empty; a residual network needs at least one")
        if not all(isinstance(block, Block) for block in self.blocks):
            raise TypeError(f"blocks must hold Blocks only, not {self.blocks}")
        branch = 1 / sqrt(len(self.blocks)) if branch is None else float(branch)
        if not (branch >= 0 and isfinite(branch)):
            raise ValueError(f"branch is {branch}; it must be finite and at least 0")
        _check_dtype(dtype, device)
        given, image, _ = _shapes(shape, (first, outputs))
        shapes, layers = [given, image], [first]
        self.fans, gains = ((given[0] * first.kernel**2, first.channels),), [1.0]
        for block in self.blocks:
            steps = block.convolutions(shapes[-1])
            into = (shapes[-1][0], block.channels, shapes[-1][0])
            self.fans += tuple((n * conv.kernel**2, conv.channels) for n, conv in zip(into, steps, strict=False))
            gains += [1.0, branch, 1.0][: len(steps)]
            layers += steps
            shapes.append(steps[0].folded(shapes[-1]))
        self.fans += ((shapes[-1][0], outputs),)
        self.layers = (*layers, outputs)
        self.shapes = (*shapes, (shapes[-1][0],), (outputs,))
        self.widths = tuple(prod(each) for each in self.shapes)
        self.scales = (1.0,) * len(self.fans)
        self.functions = self._functions(activation)
        self.has_biases = bool(bias)
        each = [seeds] if isinstance(seeds, int | np.integer | np.random.SeedSequence) else list(seeds)
        if not each:
            raise ValueError("seeds is empty; it must hold one seed per network")
        drawn = [_drawn(self.fans, "he_normal", seed, 1.0, bias_std) for seed in each]
        parts = []
        for gain, layer in zip([*gains, 1.0], zip(*drawn, strict=True), strict=True):
            parts.append(torch.stack([gain * weights.T for weights, _ in layer]).flatten())
            if self.has_biases:
                parts.append(torch.stack([biases for _, biases in layer]).flatten())
        self._adopt(len(each), torch.cat(parts).to(dtype).to(device))

    def _functions(self, activation: str | Activation) -> tuple[Activation, ...]:
        """φ of each layer with weights: linear where a sum is formed before φ, and at the output."""
        φ, linear = activation_named(activation), activation_named("linear")
        functions = [φ]
        for block, shape in zip(self.blocks, self.shapes[1:], strict=False):
            functions += [φ, linear, linear][: len(block.convolutions(shape))]
        return (*functions, linear)

    def __repr__(self) -> str:
        shape = " > ".join("x".join(map(str, each)) for each in self.shapes)
        return f"ResidualNet({shape}, {self.functions[0].name}, networks={self.count}, {self.dtype}, {self.device})"

    def activations(self, x: Tensor | np.ndarray, *, pre: bool = False, include_input: bool = False) -> list[Tensor]:
        """Activations on x of the first convolution, of each block, the averages and the output.

        Arguments, result and errors as of `ConvNet.activations`; the pre-activation of a block is the sum that φ is
        applied to.
        """
        x = self.as_input(x)
        recorded = [x.expand(self.count, *x.shape[-2:])] if include_input else []
        φ, numbers = self.functions[0], iter(range(self.depth))

        def affine(shape: tuple[int, ...], a: Tensor, own: bool = True) -> Tensor:
            layer = self.layers[number := next(numbers)]
            assert not isinstance(layer, Pool)
            return self._affine(number, layer, shape, a, own)

        z = affine(self.shapes[0], x, x.ndim == 3)
        a = φ.apply(z)
        recorded.append(z if pre else a)
        for block, below, shape in zip(self.blocks, self.shapes[1:], self.shapes[2:], strict=False):
            z = affine(shape, φ.apply(affine(below, a)))
            z = z + (a if len(block.convolutions(below)) == 2 else affine(below, a))
            a = φ.apply(z)
            recorded.append(z if pre else a)
        recorded.append(a.unflatten(-1, (self.widths[-2], -1)).mean(-1))
        recorded.append(affine(self.shapes[-2], recorded[-1]))
        return recorded

    def passes(self, rows: int, gradient: Tensor) -> ResidualBackprop:
        """The two passes on batches of `rows` rows; the backward one fills `gradient`, laid out like `storage`."""
        return ResidualBackprop(self, rows, gradient)

    def copy(self) -> ResidualNet:
        """The same networks with parameters of their own."""
        return self._with(self.count, self.storage.detach().clone())

    def _with(self, count: int, storage: Tensor) -> ResidualNet:
        other = copy.copy(self)
        other._adopt(count, storage)
        return other

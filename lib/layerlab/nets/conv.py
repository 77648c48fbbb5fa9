"""N convolutional networks of one shape, held and computed together along a leading network axis."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import prod

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, max_pool2d

from layerlab.arrays import whole
from layerlab.nets.activations import Activation
from layerlab.nets.conv_backprop import ConvBackprop
from layerlab.nets.images import Conv, Pool
from layerlab.nets.initialisation import INITIALISATIONS, as_seed, draw
from layerlab.nets.mlp import MLP, Seed, _check_dtype, _per_layer


class ConvNet(MLP):
    """N convolutional networks of one shape: convolutions and pools on images, then fully connected layers.

    It is used and trained like `MLP`: rows are flat, in the order channel, row, column, and so are the units of
    a layer of images. `maps` gives these as images.

    Parameters
    ----------
    shape: (channels, height, width) of an input, or (height, width) for one channel; flat, it is a row of x.
    layers: `Conv` and `Pool`, then the width of each dense layer, the outputs last; e.g.
        [Conv(8, 5, stride=2, padding=2), Conv(16, 3), Pool(2), 32, 10]. The first is not a Pool.
    activation: φ of the hidden layers with weights: a name of `ACTIVATIONS`, an `Activation`, or one for each of them.
    output_activation: φ of the last layer.
    initialisation, gain, bias, bias_std, seeds, dtype, device: as of `MLP`. The fan-in of a convolution is
        channels kernel², its fan-out the number of its filters.

    Attributes
    ----------
    shapes: of the input and of each layer, (channels, height, width) or (units,); widths: the number of units of each.
    weights: (N, in, out) for each layer that has weights; of a convolution in = channels kernel², in the order channel,
        row, column, so that weights[l][i].T.view(out, channels, kernel, kernel) is what torch.nn.Conv2d holds.
    biases: (N, 1, out) for each of the same layers; one for each filter.
    storage, count, functions: as of `MLP`.

    Raises ValueError or TypeError for any argument outside of these, IndexError and ValueError as `MLP` does.
    """

    def __init__(
        self,
        shape: Sequence[int],
        layers: Sequence[Conv | Pool | int],
        activation: str | Activation | Sequence[str | Activation] = "relu",
        *,
        output_activation: str | Activation = "linear",
        initialisation: str = "he_normal",
        gain: float = 1.0,
        bias: bool = True,
        bias_std: float = 0.0,
        seeds: Seed | Sequence[Seed] = 0,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
    ) -> None:
        self.layers = tuple(layers)
        self.shapes = _shapes(shape, self.layers)
        self.widths = tuple(prod(each) for each in self.shapes)
        self.fans = _fans(self.shapes, self.layers)
        self.functions = _per_layer(activation, output_activation, len(self.fans))
        self.scales = (1.0,) * len(self.fans)
        self.has_biases = bool(bias)
        if initialisation not in INITIALISATIONS:
            raise ValueError(f"initialisation is {initialisation!r}; allowed are {', '.join(INITIALISATIONS)}")
        _check_dtype(dtype, device)
        each = [seeds] if isinstance(seeds, int | np.integer | np.random.SeedSequence) else list(seeds)
        if not each:
            raise ValueError("seeds is empty; it must hold one seed per network")
        drawn = [_drawn(self.fans, initialisation, seed, gain, bias_std) for seed in each]
        parts = []
        for layer in zip(*drawn, strict=True):
            parts.append(torch.stack([weights.T for weights, _ in layer]).flatten())
            if self.has_biases:
                parts.append(torch.stack([biases for _, biases in layer]).flatten())
        self._adopt(len(each), torch.cat(parts).to(dtype).to(device))

    def views(self, storage: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """(weights, biases), as in the attributes, of any vector laid out like `storage` (a gradient, a mask)."""
        weights, biases, start = [], [], 0
        for fan_in, fan_out in self.fans:
            size = self.count * fan_in * fan_out
            weights.append(storage[start : start + size].view(self.count, fan_out, fan_in).transpose(1, 2))
            start += size
            if self.has_biases:
                size = self.count * fan_out
                biases.append(storage[start : start + size].view(self.count, 1, fan_out))
                start += size
        return weights, biases

    def __repr__(self) -> str:
        shape = " > ".join("x".join(map(str, each)) for each in self.shapes)
        return f"ConvNet({shape}, {self.functions[0].name}, networks={self.count}, {self.dtype}, {self.device})"

    @property
    def depth(self) -> int:
        """Number of layers that have weights; `len(layers)` counts the pools as well."""
        return len(self.fans)

    def activations(self, x: Tensor | np.ndarray, *, pre: bool = False, include_input: bool = False) -> list[Tensor]:
        """Every layer's activations on x, pools included, from the first layer to the output.

        Parameters
        ----------
        x: (B, d), shown to all networks, or (N, B, d), one batch for each.
        pre: pre-activations instead; of a pool, which has none, what it puts out.
        include_input: puts x itself first, as (N, B, d).

        Returns a list of tensors (N, B, units). Differentiable by autograd. Raises ValueError for a wrong shape.
        """
        x = self.as_input(x)
        recorded = [x.expand(self.count, *x.shape[-2:])] if include_input else []
        a, own = x, x.ndim == 3  # own: (N, B, units), one for each network; else (B, units), shared
        number = 0
        for layer, shape in zip(self.layers, self.shapes, strict=False):
            if isinstance(layer, Pool):
                z = a = self._pooled(layer, shape, a)
            else:
                z = self._affine(number, layer, shape, a, own)
                a, own = self.functions[number].apply(z), True
                number += 1
            recorded.append(z if pre else a)
        return recorded

    def _affine(self, number: int, layer: Conv | int, shape: tuple[int, ...], a: Tensor, own: bool) -> Tensor:
        """z of the layer with the number-th weights: (N, B, units) from (N, B, d), or from (B, d)."""
        weights = self.weights[number]
        if isinstance(layer, int):
            z = torch.matmul(a, weights)
            return z + self.biases[number] if self.has_biases else z
        rows = a.shape[-2]
        images = a.reshape(-1, rows, *shape).transpose(0, 1).reshape(rows, -1, *shape[1:])  # networks as channels
        filters = weights.transpose(1, 2).reshape(-1, shape[0], layer.kernel, layer.kernel)
        biases = self.biases[number].reshape(-1) if self.has_biases else None
        groups = self.count if own else 1
        z = conv2d(images, filters, biases, stride=layer.stride, padding=layer.padding, groups=groups)
        return z.reshape(rows, self.count, -1).transpose(0, 1)

    def _pooled(self, layer: Pool, shape: tuple[int, ...], a: Tensor) -> Tensor:
        pool = max_pool2d if layer.kind == "max" else avg_pool2d
        images = a.reshape(-1, *shape)
        return pool(images, layer.size).reshape(*a.shape[:-1], -1)

    def maps(self, x: Tensor | np.ndarray, *, pre: bool = False) -> list[Tensor]:
        """The layers of images on x, convolutions and pools, as images: a list of (N, B, channels, height, width).

        Each pixel of each row is a sample of the channels: `each.permute(0, 1, 3, 4, 2).flatten(1, 3)` has the shape
        (N, B height width, channels). Arguments as of `activations`, of which these are views.
        """
        every = zip(self.activations(x, pre=pre), self.shapes[1:], strict=True)
        return [a.reshape(*a.shape[:2], *shape) for a, shape in every if len(shape) == 3]

    def passes(self, rows: int, gradient: Tensor) -> ConvBackprop:
        """The two passes on batches of `rows` rows; the backward one fills `gradient`, laid out like `storage`."""
        return ConvBackprop(self, rows, gradient)

    def signature(self) -> tuple:
        """Plain values that say all about the architecture, and nothing about the parameters."""
        names = [function.name for function in self.functions]
        return self.shapes, self.layers, names, self.has_biases, self.count, self.device.type

    def _with(self, count: int, storage: Tensor) -> ConvNet:
        other = copy.copy(self)
        other._adopt(count, storage)
        return other

    def __getitem__(self, which: int | slice | Sequence[int]) -> ConvNet:
        return self.select(which)

    def __iter__(self) -> Iterator[ConvNet]:
        return (self.select(i) for i in range(self.count))

    def select(self, which: int | slice | Sequence[int] | np.ndarray) -> ConvNet:
        """A copy of the chosen networks, in the order given. Raises IndexError for one that is not there."""
        chosen = super().select(which)
        return self._with(chosen.count, chosen.storage)

    def copy(self) -> ConvNet:
        """The same networks with parameters of their own."""
        return self._with(self.count, self.storage.detach().clone())

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> ConvNet:
        """A copy on that device and in that precision."""
        return self._with(self.count, super().to(device, dtype).storage)

    def load_(self, other: MLP) -> ConvNet:
        """Takes over the parameters of networks of the same shape, in place. Raises ValueError for another shape."""
        if not isinstance(other, ConvNet) or (other.shapes, other.layers) != (self.shapes, self.layers):
            raise ValueError(f"other is {other!r}; it must have the shape of {self!r}")
        super().load_(other)
        return self


def _shapes(shape: Sequence[int], layers: tuple[Conv | Pool | int, ...]) -> tuple[tuple[int, ...], ...]:
    """The shape of the input and of each layer."""
    first = tuple(whole(side, "shape", 1) for side in shape)
    if len(first) not in (2, 3):
        raise ValueError(f"shape is {first}; allowed are (channels, height, width) and (height, width)")
    shapes: list[tuple[int, ...]] = [first if len(first) == 3 else (1, *first)]
    if not layers or isinstance(layers[-1], Conv | Pool):
        raise ValueError("layers must end with a number of outputs")
    for i, layer in enumerate(layers):
        if not isinstance(layer, Conv | Pool):
            shapes.append((whole(layer, f"layers[{i}]", 1),))
            continue
        if len(shapes[-1]) == 1:
            raise ValueError(f"layers[{i}] is {layer}; after a dense layer only dense ones can follow")
        if i == 0 and isinstance(layer, Pool):
            raise ValueError(f"layers[0] is {layer}; the first must be a Conv or a dense layer")
        shapes.append(layer.folded(shapes[-1]))
        if min(shapes[-1]) < 1:
            raise ValueError(f"layers[{i}] is {layer}; nothing of it fits on {shapes[-2][1]} x {shapes[-2][2]} pixels")
    return tuple(shapes)


def _fans(shapes: tuple[tuple[int, ...], ...], layers: tuple[Conv | Pool | int, ...]) -> tuple[tuple[int, int], ...]:
    """(in, out) of the weights of each layer that has weights."""
    fans = []
    for layer, (below, shape) in zip(layers, pairwise(shapes), strict=True):
        if isinstance(layer, Conv):
            fans.append((below[0] * layer.kernel**2, layer.channels))
        elif not isinstance(layer, Pool):
            fans.append((prod(below), shape[0]))
    return tuple(fans)


def _drawn(
    fans: tuple[tuple[int, int], ...], initialisation: str, seed: Seed, gain: float, bias_std: float
) -> list[tuple[Tensor, Tensor]]:
    """The initial (weights, biases) of one network; each layer from a stream of its own."""
    streams = np.random.SeedSequence(as_seed(seed)).spawn(len(fans))
    each = zip(fans, streams, strict=True)
    return [draw(fan, initialisation, stream, gain=gain, bias_std=bias_std)[0] for fan, stream in each]

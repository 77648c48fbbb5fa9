"""N multilayer perceptrons of one shape, held and computed together along a leading network axis."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from layerlab.nets.activations import Activation
from layerlab.nets.activations import activation as activation_named
from layerlab.nets.backprop import Backprop
from layerlab.nets.initialisation import INITIALISATIONS, draw

PARAMETRISATIONS = ("standard", "ntk", "mean_field")
DTYPES = (torch.float32, torch.float64)
Seed = int | np.random.SeedSequence


class MLP:
    """N fully connected networks of one shape: z_l = s_l a_{l-1} W_l + b_l, a_l = φ_l(z_l), a_0 = x.

    Parameters
    ----------
    widths: units per layer, input first and output last, e.g. (12, 10, 7, 5, 4, 3, 2).
    activation: φ of the hidden layers: a name of `ACTIVATIONS`, an `Activation`, or one of these per hidden layer.
    output_activation: φ of the last layer.
    initialisation: a name of `INITIALISATIONS`, or "ntk" for `standard_normal` weights with `parametrisation="ntk"`.
    parametrisation: the fixed factors s_l. "standard": 1. "ntk": 1/√n with n the layer's inputs (Jacot et al. 2018).
        "mean_field": the same in the hidden layers and 1/n in the last (Geiger et al. 2020).
    gain, bias_std: factor on the initial weights, standard deviation of the initial biases.
    bias: whether the layers have biases.
    seeds: one seed per network (integer or SeedSequence); one seed alone makes N = 1. A network depends on its own
        seed only: network i of many is bit for bit the one that its seed makes alone.
    dtype, device: torch.float32 or torch.float64; "cpu", "cuda", "mps".

    Attributes
    ----------
    weights: list over layers of (N, in, out), views of `storage`.
    biases: list over layers of (N, 1, out), views of `storage`; empty without biases.
    storage: all parameters of all networks in one contiguous vector, layer by layer. In it a layer's weights lie as
        (N, out, in): products over the rows of a batch were several times quicker so than in the order (in, out).
    scales: the factors s_l.
    functions: the activation functions φ_l.

    Raises ValueError or TypeError for any argument outside of these.
    """

    weights: list[Tensor]
    biases: list[Tensor]

    def __init__(
        self,
        widths: Sequence[int],
        activation: str | Activation | Sequence[str | Activation] = "tanh",
        *,
        output_activation: str | Activation = "linear",
        initialisation: str = "glorot_uniform",
        parametrisation: str = "standard",
        gain: float = 1.0,
        bias: bool = True,
        bias_std: float = 0.0,
        seeds: Seed | Sequence[Seed] = 0,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
    ) -> None:
        self.widths = _checked_widths(widths)
        self.functions = _per_layer(activation, output_activation, len(self.widths) - 1)
        if initialisation == "ntk":
            initialisation, parametrisation = "standard_normal", "ntk"
        if initialisation not in INITIALISATIONS:
            allowed = ", ".join([*INITIALISATIONS, "ntk"])
            raise ValueError(f"initialisation is {initialisation!r}; allowed are {allowed}")
        self.scales = _scales(parametrisation, self.widths)
        self.has_biases = bool(bias)
        _check_dtype(dtype, device)
        each = [seeds] if isinstance(seeds, int | np.integer | np.random.SeedSequence) else list(seeds)
        if not each:
            raise ValueError("seeds is empty; it must hold one seed per network")
        drawn = [draw(self.widths, initialisation, seed, gain=gain, bias_std=bias_std) for seed in each]
        parts = []
        for layer in zip(*drawn, strict=True):
            parts.append(torch.stack([weights.T for weights, _ in layer]).flatten())
            if self.has_biases:
                parts.append(torch.stack([biases for _, biases in layer]).flatten())
        self._adopt(len(each), torch.cat(parts).to(dtype).to(device))

    def _adopt(self, count: int, storage: Tensor) -> None:
        """Takes a flat vector as the parameters of `count` networks."""
        self.count = count
        self.storage = storage
        self.weights, self.biases = self.views(storage)

    def views(self, storage: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """(weights, biases), as in the attributes, of any vector laid out like `storage` (a gradient, a mask)."""
        weights, biases, start = [], [], 0
        for fan_in, fan_out in pairwise(self.widths):
            size = self.count * fan_in * fan_out
            block = storage[start : start + size].view(self.count, fan_out, fan_in)
            weights.append(block.transpose(1, 2))
            start += size
            if self.has_biases:
                size = self.count * fan_out
                biases.append(storage[start : start + size].view(self.count, 1, fan_out))
                start += size
        return weights, biases

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, which: int | slice | Sequence[int]) -> MLP:
        return self.select(which)

    def __iter__(self) -> Iterator[MLP]:
        return (self.select(i) for i in range(self.count))

    def __repr__(self) -> str:
        shape = "-".join(map(str, self.widths))
        return f"MLP({shape}, {self.functions[0].name}, networks={self.count}, {self.dtype}, {self.device})"

    @property
    def dtype(self) -> torch.dtype:
        return self.storage.dtype

    @property
    def device(self) -> torch.device:
        return self.storage.device

    @property
    def depth(self) -> int:
        """Number of layers of weights."""
        return len(self.widths) - 1

    @property
    def parameter_count(self) -> int:
        """Weights and biases of one network."""
        return self.storage.numel() // self.count

    def activations(self, x: Tensor | np.ndarray, *, pre: bool = False, include_input: bool = False) -> list[Tensor]:
        """Every layer's activations on x, from the first layer to the output.

        Parameters
        ----------
        x: (B, d), shown to all networks, or (N, B, d), one batch for each.
        pre: pre-activations z_l instead of a_l.
        include_input: puts x itself first, as (N, B, d).

        Returns a list of tensors (N, B, units). Differentiable by autograd. Raises ValueError for a wrong shape.
        """
        x = self.as_input(x)
        recorded = [x.expand(self.count, *x.shape[-2:])] if include_input else []
        a = x.transpose(-1, -2)
        for layer, weights in enumerate(self.weights):
            w = weights.transpose(1, 2)
            z = torch.matmul(w, a) if self.scales[layer] == 1 else torch.matmul(w, a) * self.scales[layer]
            if self.has_biases:
                z = z + self.biases[layer].transpose(1, 2)
            a = self.functions[layer].apply(z)
            recorded.append((z if pre else a).transpose(1, 2))
        return recorded

    def forward(self, x: Tensor | np.ndarray) -> Tensor:
        """The networks' outputs (N, B, out) on x, (B, d) or (N, B, d)."""
        return self.activations(x)[-1]

    __call__ = forward

    def as_input(self, x: Tensor | np.ndarray) -> Tensor:
        """x as a tensor of these networks' dtype and device; raises ValueError unless (B, d) or (N, B, d)."""
        x = torch.as_tensor(x, dtype=self.dtype, device=self.device)
        shared = x.ndim == 2 and x.shape[1] == self.widths[0]
        own = x.ndim == 3 and x.shape[0] == self.count and x.shape[2] == self.widths[0]
        if not shared and not own:
            allowed = f"(rows, {self.widths[0]}) or ({self.count}, rows, {self.widths[0]})"
            raise ValueError(f"x has shape {tuple(x.shape)}; allowed are {allowed}")
        return x

    def _blocks(self) -> list[Tensor]:
        """The networks' parameters as (N, ...) tensors, in the order of `storage`."""
        blocks = []
        for layer in range(self.depth):
            blocks.append(self.weights[layer].transpose(1, 2))
            if self.has_biases:
                blocks.append(self.biases[layer])
        return blocks

    def _with(self, count: int, storage: Tensor) -> MLP:
        other = copy.copy(self)
        other._adopt(count, storage)
        return other

    def select(self, which: int | slice | Sequence[int] | np.ndarray) -> MLP:
        """A copy of the chosen networks, in the order given. Raises IndexError for one that is not there."""
        chosen = np.atleast_1d(np.arange(self.count)[which])
        if chosen.size == 0:
            raise IndexError(f"{which!r} selects none of {self.count} networks")
        rows = torch.from_numpy(chosen).to(self.device)
        return self._with(len(chosen), torch.cat([block[rows].flatten() for block in self._blocks()]))

    def passes(self, rows: int, gradient: Tensor) -> Backprop:
        """The two passes on batches of `rows` rows; the backward one fills `gradient`, laid out like `storage`."""
        return Backprop(self, rows, gradient)

    def signature(self) -> tuple:
        """Plain values that say all about the architecture, and nothing about the parameters."""
        functions = [(function.name, scale) for function, scale in zip(self.functions, self.scales, strict=True)]
        return self.widths, functions, self.has_biases, self.count, self.device.type

    def copy(self) -> MLP:
        """The same networks with parameters of their own."""
        return self._with(self.count, self.storage.detach().clone())

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> MLP:
        """A copy on that device and in that precision."""
        _check_dtype(dtype or self.dtype, device or self.device)
        storage = self.storage.detach().clone().to(dtype or self.dtype).to(device or self.device)
        return self._with(self.count, storage)

    def requires_grad_(self, required: bool = True) -> MLP:
        """Lets autograd follow `storage` (its `.grad` is laid out alike, see `views`), or stops it."""
        self.storage.requires_grad_(required)
        self._adopt(self.count, self.storage)
        return self

    def load_(self, other: MLP) -> MLP:
        """Takes over the parameters of networks of the same shape, in place. Raises ValueError for another shape."""
        if (other.widths, other.count, other.has_biases) != (self.widths, self.count, self.has_biases):
            raise ValueError(f"other is {other!r}; it must have the shape of {self!r}")
        with torch.no_grad():
            self.storage.copy_(other.storage)
        return self

    def state(self) -> dict[str, np.ndarray]:
        """The parameters as numpy arrays: "weights_0" (N, in, out), "biases_0" (N, 1, out), "weights_1", ..."""
        state: dict[str, np.ndarray] = {}
        for layer in range(self.depth):
            state[f"weights_{layer}"] = self.weights[layer].detach().cpu().numpy().copy()
            if self.has_biases:
                state[f"biases_{layer}"] = self.biases[layer].detach().cpu().numpy().copy()
        return state

    def load_state_(self, state: dict[str, Any]) -> MLP:
        """Sets the parameters to those of `state()`. Raises ValueError for missing, foreign or misshapen arrays."""
        own = self.state()
        if set(state) != set(own):
            raise ValueError(f"state holds {sorted(state)}; it must hold {sorted(own)}")
        for name, array in own.items():
            if np.shape(state[name]) != array.shape:
                raise ValueError(f"state[{name!r}] has shape {np.shape(state[name])}; allowed is {array.shape}")
        with torch.no_grad():
            for layer in range(self.depth):
                self.weights[layer].copy_(torch.as_tensor(np.asarray(state[f"weights_{layer}"])))
                if self.has_biases:
                    self.biases[layer].copy_(torch.as_tensor(np.asarray(state[f"biases_{layer}"])))
        return self


def stack(networks: Sequence[MLP]) -> MLP:
    """Several MLP objects of one shape joined into one along the network axis; parameters are copied.

    Raises ValueError when there are none, or when widths, activations, biases, parametrisation, precision differ.
    """
    if not networks:
        raise ValueError("networks is empty; stack needs at least one")
    first = networks[0]

    def shape(one: MLP) -> tuple:
        return one.widths, [a.name for a in one.functions], one.scales, one.has_biases, one.dtype

    for other in networks:
        if shape(other) != shape(first):
            raise ValueError(f"networks differ in shape: {first!r} and {other!r}")
    blocks = zip(*(each._blocks() for each in networks), strict=True)
    storage = torch.cat([torch.cat(parts).flatten() for parts in blocks]).detach()
    return first._with(sum(each.count for each in networks), storage)


def _checked_widths(widths: Sequence[int]) -> tuple[int, ...]:
    checked = tuple(int(width) for width in widths)
    if len(checked) < 2 or min(checked) < 1:
        raise ValueError(f"widths is {tuple(widths)}; it must hold at least two positive numbers")
    return checked


def _check_dtype(dtype: torch.dtype, device: str | torch.device) -> None:
    if dtype not in DTYPES:
        raise ValueError(f"dtype is {dtype}; allowed are torch.float32 and torch.float64")
    if dtype == torch.float64 and torch.device(device).type == "mps":
        raise ValueError("dtype is torch.float64; the device mps computes in torch.float32 only")


def _per_layer(
    hidden: str | Activation | Sequence[str | Activation], output: str | Activation, layers: int
) -> tuple[Activation, ...]:
    if isinstance(hidden, str | Activation):
        hidden = [hidden] * (layers - 1)
    if len(hidden) != layers - 1:
        raise ValueError(f"activation names {len(hidden)} functions; there are {layers - 1} hidden layers")
    return tuple(activation_named(each) for each in [*hidden, output])


def _scales(parametrisation: str, widths: tuple[int, ...]) -> tuple[float, ...]:
    if parametrisation not in PARAMETRISATIONS:
        raise ValueError(f"parametrisation is {parametrisation!r}; allowed are {', '.join(PARAMETRISATIONS)}")
    if parametrisation == "standard":
        return (1.0,) * (len(widths) - 1)
    scales = [width**-0.5 for width in widths[:-1]]
    if parametrisation == "mean_field":
        scales[-1] = 1 / widths[-2]
    return tuple(scales)

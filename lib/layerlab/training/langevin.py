"""Noisy relaxation of networks: overdamped Langevin dynamics, whose weights settle to a Gibbs distribution.

The Langevin equation dw = -∇E dt + √(2T) dB keeps the law exp(-E(w)/T) / Z. It is taken in steps of length η,

    w ← w - η ∇E(w) + √(2 η T) ξ,    ξ standard normal (Euler-Maruyama).

The steps bias the law by O(η). Where E is quadratic with curvature h along a direction, w settles there to a Gaussian
around the minimum with the variance T / (h (1 - ηh/2)) instead of T/h, and diverges for ηh > 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from layerlab.arrays import whole
from layerlab.nets import Networks, as_seed
from layerlab.training.batches import Batches, Source
from layerlab.training.checks import Seed, checked_seeds
from layerlab.training.config import TrainingConfig, per_network
from layerlab.training.losses import Loss

NOISE_STREAM = 2  # keeps the noise independent of the initial weights and the data order that the same seed draws
BLOCK = 2**12  # normal numbers drawn at a time for each network; of how many networks, must not matter


@dataclass(frozen=True)
class Relaxation:
    """The course of a relaxation at T moments, N networks.

    at: (T,) steps done. energy: (T, N) E(w), over all rows, with the weight decay. records: what the callback returned.
    """

    at: np.ndarray
    energy: np.ndarray
    records: list[Any]


def relax(
    networks: Networks,
    x: Tensor | np.ndarray,
    y: Tensor | np.ndarray,
    config: TrainingConfig,
    *,
    temperature: float | tuple[float, ...],
    every: int = 1,
    burn: int = 0,
    seeds: Seed | Sequence[Seed] | None = None,
    callback: Callable[[int, Networks], Any] | None = None,
    progress: Callable[[int, int, str], object] | None = None,
) -> Relaxation:
    """Takes N networks through noisy relaxation, in lockstep and in place: each as if alone.

    E(w) = mean loss over the rows + weight_decay/2 |w|², w all weights and biases. Without weight decay exp(-E/T) can
    often not be normalised, and weights wander off for ever.

    x, y: as in `train`. config: optimizer "sgd", its learning_rate is η, batch_size None for the true gradient; with
        batches it is stochastic gradient Langevin dynamics (Welling & Teh 2011), whose batch noise comes on top:
        where its covariance is c along a direction of curvature h, the variance is (T + ηc/2) / (h (1 - ηh/2)).
    temperature: T >= 0, one or one per network; 0 is gradient descent.
    every, burn: a moment is recorded after `burn` steps and every `every` steps from there.
    seeds: of noise and data order, one per network; default range(N). Network i sees the noise of its own seed only.
    callback, progress: as in `train`.

    Returns a Relaxation. Raises ValueError or TypeError for arguments outside of these.
    """
    if config.optimizer != "sgd" or config.alpha is not None or isinstance(config.learning_rate, tuple):
        raise ValueError("config must have optimizer 'sgd', one learning_rate and no alpha; Langevin steps are these")
    every, burn = whole(every, "every", 1), whole(burn, "burn", 0)
    each = per_network("temperature", temperature, networks.count)
    if not all(0 <= value < math.inf for value in each):
        raise ValueError(f"temperature is {temperature!r}; it must be finite and at least 0")
    run = _Relaxation(networks, x, y, config, each, checked_seeds(seeds, networks.count))
    at, energies, records = [], [], []
    for done in range(run.total + 1):
        if done >= burn and (done - burn) % every == 0:
            at.append(done)
            energies.append(run.energy())
            records += [] if callback is None else [callback(done, networks)]
            if progress is not None:
                progress(done, run.total, f"step {done}")
        if done < run.total:
            run.step(done)
    return Relaxation(np.array(at, dtype=np.int64), np.array(energies).reshape(-1, networks.count), records)


class _Relaxation:
    """Buffers, noise and the single step."""

    def __init__(self, networks, x, y, config, temperature, seeds) -> None:
        self.networks, self.config, count = networks, config, networks.count
        inputs = networks.as_input(x)
        rows = inputs.shape[-2]
        if rows == 0:
            raise ValueError("x holds no rows; an energy needs at least one")
        self.loss = Loss(config)
        targets = self.loss.targets(y, count, rows, networks.widths[-1], networks.dtype, networks.device).values
        self.x = Source(inputs, inputs.ndim == 2)
        self.y = Source(targets[0], True) if len(targets) == 1 else Source(targets, False)
        self.total, self.per_epoch = config.total_steps(rows), config.steps_per_epoch(rows)
        epochs = -(-self.total // self.per_epoch)
        self.batches = Batches(seeds, rows, epochs, config.batch_size, None, networks.device)
        self.epoch: list[Tensor | None] = []
        self.gradient = torch.empty_like(networks.storage)
        self.passes: dict[int, Any] = {}
        self.noise = _Noise(networks, temperature, config.learning_rate, seeds) if any(temperature) else None

    @torch.no_grad()
    def step(self, done: int) -> None:
        number, within = divmod(done, self.per_epoch)
        if within == 0:
            self.epoch = self.batches.epoch(number)
        parameters, config = self.networks.storage, self.config
        self._backward(self.epoch[within])
        if config.weight_decay:
            self.gradient.add_(parameters, alpha=config.weight_decay)
        parameters.add_(self.gradient, alpha=-config.learning_rate)
        if self.noise is not None:
            parameters.add_(self.noise.next())

    def _batch(self, index: Tensor | None) -> tuple[Tensor, Tensor]:
        x = self.x.values if index is None else self.x.take(index)
        y = self.y.values if index is None else self.y.take(index)
        labels = self.config.loss == "cross_entropy"
        y = y[None] if y.ndim == (1 if labels else 2) else y
        return x, y if labels else y.transpose(1, 2)

    def _forward(self, x: Tensor) -> tuple[Any, Tensor]:
        rows = x.shape[-2]
        if rows not in self.passes:
            self.passes[rows] = self.networks.passes(rows, self.gradient)
        return self.passes[rows], self.passes[rows].forward(x)

    def _backward(self, index: Tensor | None) -> None:
        x, y = self._batch(index)
        passes, outputs = self._forward(x)
        self.loss.gradient(outputs, y, passes.errors[-1]).div_(x.shape[-2])
        passes.backward(x)

    @torch.no_grad()
    def energy(self) -> np.ndarray:
        """(N,) over all rows."""
        x, y = self._batch(None)
        value = self.loss.value(self._forward(x)[1], y).mean(1)
        if self.config.weight_decay:
            weights, biases = self.networks.views(self.networks.storage)
            norms = torch.stack([v.square().flatten(1).sum(1) for v in [*weights, *biases]]).sum(0)
            value = value + self.config.weight_decay / 2 * norms
        return value.cpu().double().numpy()


class _Noise:
    """√(2ηT) ξ for the parameters of all networks; those of a network come from its own generator alone."""

    def __init__(self, networks: Networks, temperature: list[float], rate: float, seeds: Sequence[Seed]) -> None:
        streams = [np.random.SeedSequence(as_seed(seed), spawn_key=(NOISE_STREAM,)) for seed in seeds]
        self.generators = [torch.Generator().manual_seed(int(s.generate_state(1, np.uint64)[0] >> 1)) for s in streams]
        self.size = networks.storage.numel() // networks.count
        own = torch.arange(networks.storage.numel(), dtype=torch.float64)
        weights, biases = networks.views(own)
        layers = [layer.reshape(networks.count, -1) for layer in [*weights, *biases]]
        self.places = torch.cat(layers, 1).long().flatten().argsort().to(networks.device)
        self.amplitude = torch.tensor([math.sqrt(2 * rate * t) for t in temperature], dtype=networks.dtype)
        self.block = max(1, BLOCK // self.size)
        self.device = networks.device
        self.left: list[Tensor] = []

    def next(self) -> Tensor:
        """A vector laid out like the storage."""
        if not self.left:
            drawn = torch.stack([
                torch.randn(self.block, self.size, generator=g, dtype=self.amplitude.dtype) for g in self.generators
            ], 1).mul_(self.amplitude[:, None])  # fmt: skip
            self.left = list(drawn.to(self.device).flatten(1).index_select(1, self.places).unbind(0))[::-1]
        return self.left.pop()

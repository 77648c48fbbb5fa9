"""Groups of residual networks that differ in their seeds only: trained once, kept in the cache.

What `_groups` is for networks without skips; rows, streams of random numbers, batches and the rate are its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from layerlab import lab
from layerlab.data import Dataset
from layerlab.experiments.similarity._groups import BATCH, RATE, chosen_rows, streams

if TYPE_CHECKING:
    from layerlab.nets import ResidualNet

CHANNELS = (8, 16, 32)  # two blocks of each
LAYERS = ("convolution", *(f"block {i + 1}" for i in range(2 * len(CHANNELS))), "average", "logits")


@dataclass(frozen=True, eq=False)
class Residuals:
    """N residual networks before and after their training, what they were trained on, and their test accuracy (N,)."""

    before: ResidualNet
    after: ResidualNet
    data: Dataset
    accuracy_test: np.ndarray
    accuracy_train: np.ndarray


def residual_group(
    *,
    data: str,
    rows: int,
    epochs: int,
    seed: int,
    seeds: int,
    device: str = "cpu",
    progress: Callable[[float, float, str], object] | None = None,
) -> Residuals:
    """`seeds` residual networks, trained on cross-entropy by stochastic gradient descent of momentum 0.9.

    A convolution of 8 filters (5 x 5 on every second pixel; on the 8 x 8 digits 3 x 3 on every pixel), two blocks each
    of 8, 16 and 32 channels, the last two pairs each beginning with every second pixel, the average, ten outputs.
    Network i depends on (seed, i) only. Raises ValueError for a training that diverged, DataMissing without the data.
    """
    dataset = chosen_rows(data, rows)
    spec: dict[str, Any] = {
        "data": data, "rows": rows, "checksum": dataset.checksum, "epochs": epochs, "seed": seed, "seeds": seeds,
        "device": device,
    }  # fmt: skip
    found = lab.remember(train, spec, progress=progress)
    measured = {name: found.pop(name) for name in ("accuracy_test", "accuracy_train")}
    before = untrained(dataset, seed, seeds, device)
    after = before.copy()
    after.load_state_(found)
    return Residuals(before, after, dataset, **measured)


def train(
    *,
    data: str,
    rows: int,
    checksum: str,
    epochs: int,
    seed: int,
    seeds: int,
    device: str,
    progress: Callable[[float, float, str], object] | None = None,
) -> dict[str, np.ndarray]:
    """The training behind `residual_group`, as arrays."""
    from layerlab.training import TrainingConfig
    from layerlab.training import train as train_networks

    dataset = chosen_rows(data, rows)
    if dataset.checksum != checksum:
        raise ValueError(f"the data set {data} has changed while it was in use; run again")
    nets = untrained(dataset, seed, seeds, device)
    history = train_networks(
        nets,
        dataset.x_train,
        dataset.y_train,
        TrainingConfig(optimizer="momentum", learning_rate=RATE, batch_size=BATCH, epochs=epochs),
        seeds=[orders for _, orders, _ in streams(seed, seeds)],
        evaluate={"train": (dataset.x_train, dataset.y_train), "test": (dataset.x_test, dataset.y_test)},
        record_at=[epochs],
        progress=None if progress is None else lambda done, total, note: progress(done, total, f"training, {note}"),
    )
    if history.diverged.any():
        raise ValueError("the training diverged")
    return {**nets.state(), **{f"accuracy_{on}": history.accuracy[on][-1] for on in ("train", "test")}}


def untrained(dataset: Dataset, seed: int, seeds: int, device: str) -> ResidualNet:
    """The networks before training."""
    from layerlab.nets import Block, Conv, ResidualNet

    small = dataset.shape[-1] < 16
    return ResidualNet(
        dataset.shape,
        Conv(CHANNELS[0], 3, padding=1) if small else Conv(CHANNELS[0], 5, stride=2, padding=2),
        [Block(c, stride) for i, c in enumerate(CHANNELS) for stride in (2 if i else 1, 1)],
        dataset.classes,
        seeds=[weights for weights, *_ in streams(seed, seeds)],
        device=device,
    )

"""Convolutional networks on images, and all they were along the way: trained once, kept in the user's cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from layerlab import lab
from layerlab.data import Dataset, load

if TYPE_CHECKING:
    from torch import Tensor

    from layerlab.nets import ConvNet

DATA = ("digits", "mnist", "fashion-mnist", "cifar-10")
INITIALISATIONS = {"relu": "he_normal", "tanh": "lecun_normal"}
DENSE = (32, 16)  # widths of the two fully connected hidden layers
LAYERS = ("convolution 1", "convolution 2", "dense 32", "dense 16", "output")
BATCH, RATE = 32, 0.01  # of stochastic gradient descent with momentum 0.9
TEST_ROWS = 2_000  # of a large data set: enough for a standard error of the accuracy of 1 %


@dataclass(frozen=True, eq=False)
class Snapshots:
    """N networks at T moments of their training.

    epochs: (T,) the moments, 0 (before training) and the last included. data: the rows that they were trained and
    tested on. accuracy_train, accuracy_test, loss_train, loss_test: (T, N); the loss is the cross-entropy in nats.
    """

    epochs: np.ndarray
    data: Dataset
    accuracy_train: np.ndarray
    accuracy_test: np.ndarray
    loss_train: np.ndarray
    loss_test: np.ndarray
    _state: dict[str, np.ndarray]
    _template: ConvNet

    def networks(self, moment: int) -> ConvNet:
        """The N networks at `epochs[moment]`."""
        networks = self._template.copy()
        networks.load_state_({name: each[moment] for name, each in self._state.items()})
        return networks

    def layers(self, moment: int, x: np.ndarray) -> list[Tensor]:
        """What they make of x at `epochs[moment]`: the hidden layers, then the class probabilities (N, rows, units)."""
        found = self.networks(moment).activations(x)
        return [*found[:-1], found[-1].softmax(-1)]


def image_networks(
    *,
    data: str = "digits",
    activation: str = "relu",
    rows: int = 1_000,
    epochs: int = 200,
    moments: int = 24,
    seed: int = 0,
    seeds: int = 5,
    device: str = "cpu",
    progress: Callable[[float, float, str], object] | None = None,
) -> Snapshots:
    """`seeds` networks of two convolutions and two dense layers, trained on cross-entropy by stochastic gradients.

    8 filters of 5 x 5 pixels, then 16 of 3 x 3, each on every second pixel (on the 8 x 8 digits the first has 3 x 3
    on every pixel), 32 and 16 units, the classes. Momentum 0.9, batches of 32, learning rate 0.01. Weights begin as
    Gaussians of variance 2/fan-in (relu) or 1/fan-in (tanh), biases as 0. Network i depends on (seed, i) only, as
    `lab.Config.streams` does: its weights and its order of the data; all see the same rows.

    rows: of the training set, all if it has no more; tests are made on 2,000 rows at most. moments: at most so many
    epochs are kept, evenly spaced in log(1 + epoch). progress: called with (done, total, note); may raise to stop.

    Raises ValueError for an unknown name or a training that diverged, DataMissing if the data set isn't here.
    """
    if activation not in INITIALISATIONS:
        raise ValueError(f"activation must be one of {', '.join(INITIALISATIONS)}; it was {activation!r}")
    dataset = chosen_rows(data, rows)
    spec: dict[str, Any] = {
        "data": data, "rows": rows, "checksum": dataset.checksum, "activation": activation, "epochs": epochs,
        "moments": moments, "seed": seed, "seeds": seeds, "device": device,
    }  # fmt: skip
    found = lab.remember(train, spec, progress=progress)
    kept = {name: found.pop(name) for name in ("epochs", "accuracy_train", "accuracy_test", "loss_train", "loss_test")}
    return Snapshots(**kept, data=dataset, _state=found, _template=_untrained(dataset, activation, seed, seeds, device))


def chosen_rows(data: str, rows: int) -> Dataset:
    """The data set with so many training rows, or all, and at most 2,000 test rows, always the same ones."""
    dataset = load(data)
    return dataset.take(min(rows, len(dataset.x_train)), min(TEST_ROWS, len(dataset.x_test)))


def train(
    *,
    data: str,
    rows: int,
    checksum: str,
    activation: str,
    epochs: int,
    moments: int,
    seed: int,
    seeds: int,
    device: str,
    progress: Callable[[float, float, str], object] | None = None,
) -> dict[str, np.ndarray]:
    """The training behind `image_networks`, as arrays, moments first."""
    from layerlab.training import TrainingConfig, log_spaced
    from layerlab.training import train as train_networks

    dataset = chosen_rows(data, rows)
    if dataset.checksum != checksum:
        raise ValueError(f"the data set {data} has changed while it was in use; run again")
    nets = _untrained(dataset, activation, seed, seeds, device)
    history = train_networks(
        nets,
        dataset.x_train,
        dataset.y_train,
        TrainingConfig(optimizer="momentum", learning_rate=RATE, batch_size=BATCH, epochs=epochs),
        seeds=[orders for _, orders in _streams(seed, seeds)],
        evaluate={"train": (dataset.x_train, dataset.y_train), "test": (dataset.x_test, dataset.y_test)},
        record_at=log_spaced(epochs, moments),
        callback=lambda *_: nets.state(),
        progress=None if progress is None else lambda done, total, note: progress(done, total, f"training, {note}"),
    )
    if history.diverged.any():
        raise ValueError(f"the training diverged at learning_rate {RATE:g}")
    parameters = {name: np.stack([r[name] for r in history.records]) for name in history.records[0]}
    measured = {f"{what}_{name}": getattr(history, what)[name] for what in ("accuracy", "loss")
                for name in ("train", "test")}  # fmt: skip
    return {"epochs": history.at, **measured, **parameters}


def _streams(seed: int, seeds: int) -> list[list[np.random.SeedSequence]]:
    """For each network the streams of its weights and of its order of the data."""
    return [stream.spawn(2) for stream in np.random.SeedSequence(seed).spawn(seeds)]


def _untrained(dataset: Dataset, activation: str, seed: int, seeds: int, device: str) -> ConvNet:
    from layerlab.nets import Conv, ConvNet

    small = dataset.shape[-1] < 16
    first = Conv(8, 3, padding=1) if small else Conv(8, 5, stride=2, padding=2)
    return ConvNet(
        dataset.shape,
        [first, Conv(16, 3, stride=2, padding=1), *DENSE, dataset.classes],
        activation,
        initialisation=INITIALISATIONS[activation],
        seeds=[weights for weights, _ in _streams(seed, seeds)],
        device=device,
    )

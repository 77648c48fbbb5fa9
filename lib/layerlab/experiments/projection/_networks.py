"""Trained networks that several experiments of this chapter look into: trained once, kept in the user's cache.

`networks(...)` gives one multilayer perceptron per seed on a data set, before and after training. What it returns
depends on its arguments alone, so that two experiments that ask for the same networks get the same ones, and the second
asks the cache only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from layerlab import lab
from layerlab.data import Dataset, load

if TYPE_CHECKING:
    from layerlab.nets import MLP

INITIALISATIONS = {"relu": "he_normal", "tanh": "lecun_normal", "linear": "lecun_normal"}
LABELS = ("true", "shuffled")
TEST_ROWS = 2_000  # of a large data set: enough for a standard error of 1 %


@dataclass(frozen=True)
class Networks:
    """One network per seed, before and after training.

    initial, trained: `layerlab.nets.MLP` of N = seeds networks each, on `device`. Their `activations(x)` are the
        hidden layers, first to last, and the class scores. data: what they were trained and tested on.
    labels: (N, rows) the training labels of each network, which differ from data.y_train where they were shuffled.
    accuracy_train, accuracy_test: (N,) after training, on its own training labels and on the true test labels.
    """

    initial: MLP
    trained: MLP
    data: Dataset
    labels: np.ndarray
    accuracy_train: np.ndarray
    accuracy_test: np.ndarray


def networks(
    *,
    data: str = "digits",
    width: int = 64,
    depth: int = 3,
    activation: str = "relu",
    epochs: int = 30,
    seed: int = 0,
    seeds: int = 5,
    device: str = "cpu",
    progress: Callable[[float, float, str], object] | None = None,
    labels: str = "true",
    rows: int | None = None,
    optimizer: str = "momentum",
    learning_rate: float = 0.02,
    batch_size: int = 32,
    gain: float = 1.0,
) -> Networks:
    """MLPs d - width - ... - width - classes with `depth` hidden layers, one per seed, trained in lockstep.

    Trained on cross-entropy, by default with stochastic gradient descent of momentum 0.9. Weights begin as Gaussians of
    variance gain^2 2/fan-in (relu) or gain^2 1/fan-in (tanh, linear), biases as 0. Network i depends on (seed, i) only,
    through `np.random.SeedSequence(seed)`, as `lab.Config.streams` does: its weights, its order of the data
    and, for labels = "shuffled", its permutation of the training labels.

    data: a name of `layerlab.data`. rows: train on so many of its rows (None: all of them); tests are made on
    2,000 rows at most. device: where the networks train and live. progress: called with (done, total, note) in training
    steps; may raise to stop.

    Raises ValueError for an unknown activation or kind of labels, DataMissing if the data set isn't here.
    """
    if activation not in INITIALISATIONS:
        raise ValueError(f"activation must be one of {', '.join(INITIALISATIONS)}; it was {activation!r}")
    if labels not in LABELS:
        raise ValueError(f"labels must be one of {', '.join(LABELS)}; it was {labels!r}")
    dataset = subset(data, rows)
    spec: dict[str, Any] = {
        "data": data, "rows": rows, "checksum": dataset.checksum, "width": width, "depth": depth,
        "activation": activation, "epochs": epochs, "seed": seed, "seeds": seeds, "device": device, "labels": labels,
        "optimizer": optimizer, "learning_rate": learning_rate, "batch_size": batch_size, "gain": gain,
    }  # fmt: skip
    found = lab.remember(train, spec, progress=progress)
    initial = _untrained(dataset, width, depth, activation, seed, seeds, device, gain)
    trained = initial.copy().load_state_({k: v for k, v in found.items() if k.startswith(("weights", "biases"))})
    return Networks(initial, trained, dataset, found["labels"], found["accuracy_train"], found["accuracy_test"])


def subset(data: str, rows: int | None = None) -> Dataset:
    """The data set, with so many training rows (None: all) and at most 2,000 test rows, always the same ones."""
    dataset = load(data)
    train = None if rows is None or rows >= len(dataset.x_train) else rows
    return dataset.take(train, TEST_ROWS if len(dataset.x_test) > TEST_ROWS else None)


def train(
    *,
    data: str,
    rows: int | None,
    checksum: str,
    width: int,
    depth: int,
    activation: str,
    epochs: int,
    seed: int,
    seeds: int,
    device: str,
    labels: str,
    optimizer: str,
    learning_rate: float,
    batch_size: int,
    gain: float,
    progress: Callable[[float, float, str], object] | None = None,
) -> dict[str, np.ndarray]:
    """The training behind `networks`, as arrays: the trained parameters, the labels and the accuracies."""
    from layerlab.training import TrainingConfig
    from layerlab.training import train as train_networks

    dataset = subset(data, rows)
    if dataset.checksum != checksum:
        raise ValueError(f"the data set {data} has changed while it was in use; run again")
    nets = _untrained(dataset, width, depth, activation, seed, seeds, device, gain)
    streams = np.random.SeedSequence(seed).spawn(seeds)
    _, orders, shuffles = zip(*(stream.spawn(3) for stream in streams), strict=True)
    y = np.stack([dataset.y_train] * seeds)
    if labels == "shuffled":
        y = np.stack([np.random.default_rng(s).permutation(dataset.y_train) for s in shuffles])
    config = TrainingConfig(
        optimizer=optimizer, learning_rate=learning_rate, batch_size=batch_size, epochs=epochs, loss="cross_entropy"
    )
    history = train_networks(
        nets,
        dataset.x_train,
        y,
        config,
        seeds=orders,
        evaluate={"train": (dataset.x_train, y), "test": (dataset.x_test, dataset.y_test)},
        record_at=[epochs],
        progress=None if progress is None else lambda done, total, note: progress(done, total, f"training, {note}"),
    )
    if history.diverged.any():
        raise ValueError(f"the training diverged at learning_rate {learning_rate:g}; a smaller one is needed")
    return {
        **nets.state(),
        "labels": y,
        "accuracy_train": history.accuracy["train"][-1],
        "accuracy_test": history.accuracy["test"][-1],
    }


def _untrained(
    dataset: Dataset, width: int, depth: int, activation: str, seed: int, seeds: int, device: str, gain: float
) -> MLP:
    from layerlab.nets import MLP

    streams = np.random.SeedSequence(seed).spawn(seeds)
    return MLP(
        (dataset.dimension, *[width] * depth, dataset.classes),
        activation,
        initialisation=INITIALISATIONS[activation],
        gain=gain,
        seeds=[stream.spawn(3)[0] for stream in streams],
        device=device,
    )

"""Networks whose layers halve in width, as the lecture's recipe has them: trained once, kept in the user's cache.

The same as `_networks.networks`, which makes all hidden layers equally wide.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from layerlab import lab
from layerlab.experiments.projection._networks import INITIALISATIONS, Networks, subset

if TYPE_CHECKING:
    from layerlab.nets import MLP


def halved(width: int, depth: int, narrowest: int) -> list[int]:
    """width, width/2, width/4, ..., never below `narrowest` (nor above width)."""
    return [max(width // 2**layer, min(narrowest, width)) for layer in range(depth)]


def narrowing(
    *,
    data: str,
    width: int,
    depth: int,
    epochs: int,
    seed: int,
    seeds: int,
    device: str,
    rows: int | None = None,
    progress: Callable[[float, float, str], object] | None = None,
) -> Networks:
    """ReLU networks of hidden widths `halved(width, depth, classes)`, one per seed, before and after training.

    Trained on cross-entropy by stochastic gradient descent with momentum 0.9, learning rate 0.02, 32 rows a step.
    Raises ValueError if the training diverges, DataMissing if the data set isn't here.
    """
    dataset = subset(data, rows)
    spec: dict[str, Any] = {
        "data": data, "rows": rows, "checksum": dataset.checksum, "epochs": epochs, "seed": seed, "seeds": seeds,
        "widths": [dataset.dimension, *halved(width, depth, dataset.classes), dataset.classes], "device": device,
    }  # fmt: skip
    found = lab.remember(train, spec, progress=progress)
    initial = _untrained(spec["widths"], seed, seeds, device)
    trained = initial.copy().load_state_({k: v for k, v in found.items() if k.startswith(("weights", "biases"))})
    labels = np.stack([dataset.y_train] * seeds)
    return Networks(initial, trained, dataset, labels, found["accuracy_train"], found["accuracy_test"])


def train(
    *,
    data: str,
    rows: int | None,
    checksum: str,
    widths: list[int],
    epochs: int,
    seed: int,
    seeds: int,
    device: str,
    progress: Callable[[float, float, str], object] | None = None,
) -> dict[str, np.ndarray]:
    """The training behind `narrowing`, as arrays: the trained parameters and the accuracies."""
    from layerlab.training import TrainingConfig
    from layerlab.training import train as train_networks

    dataset = subset(data, rows)
    if dataset.checksum != checksum:
        raise ValueError(f"the data set {data} has changed while it was in use; run again")
    nets = _untrained(widths, seed, seeds, device)
    history = train_networks(
        nets,
        dataset.x_train,
        dataset.y_train,
        TrainingConfig(optimizer="momentum", learning_rate=0.02, batch_size=32, epochs=epochs, loss="cross_entropy"),
        seeds=[stream.spawn(2)[1] for stream in np.random.SeedSequence(seed).spawn(seeds)],
        evaluate={"train": (dataset.x_train, dataset.y_train), "test": (dataset.x_test, dataset.y_test)},
        record_at=[epochs],
        progress=None if progress is None else lambda done, total, note: progress(done, total, f"training, {note}"),
    )
    if history.diverged.any():
        raise ValueError("the training diverged: a network of these widths cannot be trained so")
    accuracies = {f"accuracy_{name}": history.accuracy[name][-1] for name in ("train", "test")}
    return {**nets.state(), **accuracies}


def _untrained(widths: list[int], seed: int, seeds: int, device: str) -> MLP:
    from layerlab.nets import MLP

    streams = np.random.SeedSequence(seed).spawn(seeds)
    first = [stream.spawn(2)[0] for stream in streams]
    return MLP(widths, "relu", initialisation=INITIALISATIONS["relu"], seeds=first, device=device)

"""Groups of networks that differ in their seeds only, and all they were along the way: trained once, kept in the cache.

Every section of the chapter compares members of such groups. What `group(...)` gives depends on its arguments alone, so
that experiments that ask for the same networks get the same ones, and all but the first ask the cache only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from layerlab import lab
from layerlab.data import Dataset, load

if TYPE_CHECKING:
    from torch import Tensor

    from layerlab.nets import MLP

DATA = ("digits", "mnist", "fashion-mnist", "cifar-10")
ARCHITECTURES = ("conv", "dense")
LAYERS = {
    "conv": ("convolution 1", "convolution 2", "convolution 3", "dense", "output"),
    "dense": ("hidden 1", "hidden 2", "hidden 3", "hidden 4", "output"),
}
SHARES = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 0.9, 1.0)  # of the training, at which the networks are kept
BATCH, RATE = 32, 0.01  # of stochastic gradient descent with momentum 0.9
TEST_ROWS = 2_000  # of a large data set: enough for a standard error of the accuracy of 1 %


@dataclass(frozen=True, eq=False)
class Group:
    """N networks that differ in their seeds only, at T moments of their training.

    epochs: (T,) the moments at which the networks were kept, the last included. layers: names of the layers, the input
    left out. data: the rows that they were trained and tested on. labels: (N, rows) what they were trained on.
    curve: (C,) the epochs at which they were tested; accuracy_train (on `labels`), accuracy_test (true labels),
    loss_train, loss_test: (C, N); the loss is the cross-entropy in nats.
    """

    epochs: np.ndarray
    layers: tuple[str, ...]
    data: Dataset
    labels: np.ndarray
    curve: np.ndarray
    accuracy_train: np.ndarray
    accuracy_test: np.ndarray
    loss_train: np.ndarray
    loss_test: np.ndarray
    _state: dict[str, np.ndarray]
    _template: MLP

    def networks(self, moment: int = -1) -> MLP:
        """The N networks at `epochs[moment]`, a ConvNet or an MLP."""
        networks = self._template.copy()
        return networks.load_state_({name: each[moment] for name, each in self._state.items()})

    def activations(self, x: np.ndarray, moment: int = -1) -> list[Tensor]:
        """What they make of x at `epochs[moment]`: a tensor (N, rows, units) for each of `layers`, the logits last.

        Layers of images are given as maps (N, rows, channels, height, width); `layerlab.similarity` has both ways to
        read them, `positions_as_samples` and `units_per_pixel`.
        """
        from layerlab.nets import ConvNet

        networks = self.networks(moment)
        found = networks.activations(x)
        if isinstance(networks, ConvNet):
            return [a.unflatten(-1, shape) for a, shape in zip(found, networks.shapes[1:], strict=True)]
        return found


def group(
    *,
    data: str = "digits",
    architecture: str = "conv",
    width: int = 64,
    rows: int = 1_500,
    epochs: int = 20,
    shares: Sequence[float] = SHARES,
    points: int = 12,
    corruption: float = 0.0,
    own_labels: bool = True,
    learning_rate: float = RATE,
    seed: int = 0,
    seeds: int = 5,
    device: str = "cpu",
    progress: Callable[[float, float, str], object] | None = None,
) -> Group:
    """`seeds` networks, trained on cross-entropy by stochastic gradient descent of momentum 0.9, batches of 32.

    architecture: "conv" has three convolutions and a dense layer: width/4 filters of 5 x 5 pixels on every second pixel
        (on the 8 x 8 digits: 3 x 3 on every pixel), 3/8 width of 3 x 3 on every second pixel, 3/8 width of 3 x 3, and
        `width` units. "dense" has four layers of `width` units. All are ReLU; no layer is normalised.
    rows: of the training set, all if it has no more; tests are made on 2,000 rows at most.
    shares: parts of the training, in [0, 1], at which the networks are kept; rounded to whole epochs.
    points: at most so many epochs, evenly spaced in log(1 + epoch), at which they are tested besides those of `shares`.
    corruption: this share of the training labels is drawn anew, uniformly over the classes (Zhang et al. 2017), for
        each network on its own, or, without `own_labels`, once for all.
    progress: called with (done, total, note); may raise to stop.

    Weights begin as Gaussians of variance 2/fan-in, biases as 0. Network i depends on (seed, i) only, as
    `lab.Config.streams` does: its weights, its order of the data and its labels; all see the same rows.

    Raises ValueError for an unknown name or a training that diverged, DataMissing if the data set isn't here.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"architecture must be one of {', '.join(ARCHITECTURES)}; it was {architecture!r}")
    dataset = chosen_rows(data, rows)
    spec: dict[str, Any] = {
        "data": data, "rows": rows, "checksum": dataset.checksum, "architecture": architecture, "width": width,
        "epochs": epochs, "kept": sorted({round(share * epochs) for share in shares}), "points": points,
        "corruption": corruption, "own_labels": own_labels, "learning_rate": learning_rate, "seed": seed,
        "seeds": seeds, "device": device,
    }  # fmt: skip
    found = lab.remember(train, spec, progress=progress)
    measured = {f"{what}_{on}": found.pop(f"{what}_{on}") for what in ("accuracy", "loss") for on in ("train", "test")}
    return Group(
        epochs=found.pop("epochs"),
        layers=LAYERS[architecture],
        data=dataset,
        labels=found.pop("labels"),
        curve=found.pop("curve"),
        **measured,
        _state=found,
        _template=untrained(dataset, architecture, width, streams(seed, seeds), device),
    )


def chosen_rows(data: str, rows: int) -> Dataset:
    """The data set with so many training rows, or all, and at most 2,000 test rows, always the same ones."""
    dataset = load(data)
    return dataset.take(min(rows, len(dataset.x_train)), min(TEST_ROWS, len(dataset.x_test)))


def train(
    *,
    data: str,
    rows: int,
    checksum: str,
    architecture: str,
    width: int,
    epochs: int,
    kept: list[int],
    points: int,
    corruption: float,
    own_labels: bool,
    learning_rate: float,
    seed: int,
    seeds: int,
    device: str,
    progress: Callable[[float, float, str], object] | None = None,
) -> dict[str, np.ndarray]:
    """The training behind `group`, as arrays, moments first."""
    from layerlab.training import TrainingConfig, log_spaced
    from layerlab.training import train as train_networks

    dataset = chosen_rows(data, rows)
    if dataset.checksum != checksum:
        raise ValueError(f"the data set {data} has changed while it was in use; run again")
    nets = untrained(dataset, architecture, width, streams(seed, seeds), device)
    labels = corrupted(dataset, corruption, own_labels, seed, seeds)
    history = train_networks(
        nets,
        dataset.x_train,
        labels,
        TrainingConfig(optimizer="momentum", learning_rate=learning_rate, batch_size=BATCH, epochs=epochs),
        seeds=[orders for _, orders, _ in streams(seed, seeds)],
        evaluate={"train": (dataset.x_train, labels), "test": (dataset.x_test, dataset.y_test)},
        record_at=sorted({*kept, *log_spaced(epochs, max(points, 2))}),
        callback=lambda at, _: nets.state() if at in kept else None,
        progress=None if progress is None else lambda done, total, note: progress(done, total, f"training, {note}"),
    )
    if history.diverged.any():
        raise ValueError(f"the training diverged at learning_rate {learning_rate:g}; a smaller one is needed")
    states = [state for state in history.records if state is not None]
    measured = {f"{what}_{on}": getattr(history, what)[on] for what in ("accuracy", "loss") for on in ("train", "test")}
    parameters = {name: np.stack([state[name] for state in states]) for name in states[0]}
    return {"epochs": np.array(kept), "curve": history.at, "labels": labels, **measured, **parameters}


def streams(seed: int, seeds: int) -> list[list[np.random.SeedSequence]]:
    """For each network the streams of its weights, of its order of the data and of its labels."""
    return [stream.spawn(3) for stream in np.random.SeedSequence(seed).spawn(seeds)]


def corrupted(dataset: Dataset, corruption: float, own_labels: bool, seed: int, seeds: int) -> np.ndarray:
    """(N, rows) training labels, that share of them drawn anew; for each network alike without `own_labels`."""
    if not 0 <= corruption <= 1:
        raise ValueError(f"corruption must lie in [0, 1]; it was {corruption}")
    labels = np.stack([dataset.y_train] * seeds)
    for i, (_, _, stream) in enumerate(streams(seed, seeds if own_labels else 1)):
        rng = np.random.default_rng(stream)
        chosen = rng.permutation(labels.shape[1])[: round(corruption * labels.shape[1])]
        labels[i if own_labels else slice(None), chosen] = rng.integers(dataset.classes, size=len(chosen))
    return labels


def untrained(
    dataset: Dataset, architecture: str, width: int, each: list[list[np.random.SeedSequence]], device: str
) -> MLP:
    """The networks before training, one for each list of streams."""
    from layerlab.nets import MLP, Conv, ConvNet

    seeds = [weights for weights, *_ in each]
    if architecture == "dense":
        widths = (dataset.dimension, *[width] * 4, dataset.classes)
        return MLP(widths, "relu", initialisation="he_normal", seeds=seeds, device=device)
    few, many = max(width // 4, 1), max(3 * width // 8, 1)
    first = Conv(few, 3, padding=1) if dataset.shape[-1] < 16 else Conv(few, 5, stride=2, padding=2)
    return ConvNet(
        dataset.shape,
        [first, Conv(many, 3, stride=2, padding=1), Conv(many, 3, padding=1), width, dataset.classes],
        "relu",
        initialisation="he_normal",
        seeds=seeds,
        device=device,
    )

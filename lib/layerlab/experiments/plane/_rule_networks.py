"""Networks on the 12-bit rule, and all they were along the way: trained once, kept in the user's cache.

`rule_networks(...)` trains N networks and gives their parameters at log-spaced epochs. What it returns depends on its
arguments alone, so that experiments that ask for the same networks share them. Trainings are kept in blocks of 25
networks: the first 50 of 100 are the 50 that another experiment asks for. An interrupted one is taken up where it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from layerlab import lab
from layerlab.data import Rule, symmetric_rule
from layerlab.lab import paths

if TYPE_CHECKING:
    from torch import Tensor

    from layerlab.nets import MLP

WIDTHS = (12, 10, 7, 5, 4, 3, 2)
BLOCK = 25  # networks trained together, and kept together
MEASURED = ("accuracy_train", "accuracy_test", "loss_train", "loss_test")


@dataclass(frozen=True, eq=False)
class Snapshots:
    """N networks at T moments of their training.

    epochs: (T,) the moments, 0 (before training) and the last included.
    rule: the rule, whose inputs are `rule.x`; x: the same as float32, what the networks see.
    rows: (N, m) the rows of `rule.x` that each network was trained on; it was tested on all others.
    labels: (N, 4096) what it was taught: the rule's y, or for a stochastic rule labels drawn for each network.
    accuracy_train, accuracy_test, loss_train, loss_test: (T, N); the loss is the cross-entropy in nats.
    """

    epochs: np.ndarray
    rule: Rule
    rows: np.ndarray
    labels: np.ndarray
    accuracy_train: np.ndarray
    accuracy_test: np.ndarray
    loss_train: np.ndarray
    loss_test: np.ndarray
    _state: dict[str, np.ndarray]
    _template: MLP

    @property
    def x(self) -> np.ndarray:
        return self.rule.x.astype(np.float32)

    def networks(self, moment: int) -> MLP:
        """The N networks at `epochs[moment]`."""
        return self._template.copy().load_state_({name: each[moment] for name, each in self._state.items()})

    def layers(self, moment: int) -> list[Tensor]:
        """What they make of all 4096 inputs at `epochs[moment]`: the hidden layers, then the class probabilities.

        Tensors (N, 4096, units) on the networks' device.
        """
        found = self.networks(moment).activations(self.x)
        return [*found[:-1], found[-1].softmax(-1)]


def rule_networks(
    *,
    activation: str = "tanh",
    batch: int | None = 512,
    weight_decay: float = 0.0,
    epochs: int = 300,
    seeds: int = 10,
    seed: int = 0,
    widths: tuple[int, ...] = WIDTHS,
    train_share: float = 0.8,
    learning_rate: float = 4e-4,
    optimizer: str = "adam",
    initialisation: str = "lecun_normal",
    moments: int = 48,
    gamma: float | None = None,
    device: str = "cpu",
    progress: Callable[[float, float, str], object] | None = None,
) -> Snapshots:
    """`seeds` networks on the 12-bit symmetric rule, trained on cross-entropy; the defaults are the published code's.

    Weights begin as Gaussians of variance 1/fan-in (published: the same, cut off at two standard deviations), biases
    as 0. Network i depends on (seed, i) only, through `np.random.SeedSequence(seed)`, as `lab.Config.streams` does: its
    weights, its order of the data, its training rows and, for a stochastic rule, its labels.

    batch: rows per step, None for all. train_share: of the 4096 rows. moments: at most so many epochs are kept, evenly
    spaced in log(1 + epoch). gamma: of `symmetric_rule`. The others are those of `layerlab.nets.MLP` and
    `layerlab.training.TrainingConfig`. progress: called with (done, total, note); may raise to stop, and what was
    trained so far is kept.

    Raises ValueError or TypeError for what these refuse, and for a training that diverged.
    """
    if not 0 < train_share < 1:
        raise ValueError(f"train_share must lie strictly between 0 and 1; it was {train_share!r}")
    shared: dict[str, Any] = {
        "activation": activation, "batch": batch, "weight_decay": weight_decay, "epochs": epochs, "seed": seed,
        "widths": list(widths), "train_share": train_share, "learning_rate": learning_rate, "optimizer": optimizer,
        "initialisation": initialisation, "moments": moments, "gamma": gamma, "device": device,
    }  # fmt: skip
    blocks = []
    for first in range(0, seeds, BLOCK):
        count = min(BLOCK, seeds - first)
        spec = shared | {"first": first, "count": count}

        def report(done: float, total: float, note: str, first: int = first, count: int = count) -> None:
            if progress is not None:
                progress(first + count * done / total, seeds, f"training, {note}")

        blocks.append(lab.remember(train, spec, progress=report, checkpoint=str(_checkpoint(spec))))
    found = {name: np.concatenate([b[name] for b in blocks], axis=0 if name in ("rows", "labels") else 1)
             for name in blocks[0] if name != "epochs"}  # fmt: skip
    kept = {name: found.pop(name) for name in ("rows", "labels", *MEASURED)}
    template = _untrained(widths, activation, initialisation, seed, 0, seeds, device)
    return Snapshots(blocks[0]["epochs"], symmetric_rule(gamma), **kept, _state=found, _template=template)


def train(
    *,
    activation: str,
    batch: int | None,
    weight_decay: float,
    epochs: int,
    first: int,
    count: int,
    seed: int,
    widths: list[int],
    train_share: float,
    learning_rate: float,
    optimizer: str,
    initialisation: str,
    moments: int,
    gamma: float | None,
    device: str,
    checkpoint: str | None = None,
    progress: Callable[[float, float, str], object] | None = None,
) -> dict[str, np.ndarray]:
    """The training behind `rule_networks` of networks first ... first + count - 1, as arrays, moments first."""
    from layerlab.training import TrainingConfig, log_spaced
    from layerlab.training import train as train_networks

    rule = symmetric_rule(gamma)
    x = rule.x.astype(np.float32)
    streams = _streams(seed, first, count)
    _, orders, splits, draws = zip(*streams, strict=True)
    labels = np.stack([rule.draw(draw) for draw in draws])
    shuffled = np.stack([np.random.default_rng(split).permutation(len(x)) for split in splits])
    size = min(max(round(train_share * len(x)), 1), len(x) - 1)
    rows, rest = np.sort(shuffled[:, :size], axis=1), np.sort(shuffled[:, size:], axis=1)
    nets = _untrained(widths, activation, initialisation, seed, first, count, device)
    history = train_networks(
        nets,
        x,
        labels,
        TrainingConfig(
            optimizer=optimizer, learning_rate=learning_rate, batch_size=batch, epochs=epochs, weight_decay=weight_decay
        ),
        seeds=orders,
        subset=rows,
        evaluate={name: (x[part], np.take_along_axis(labels, part, 1)) for name, part in
                  (("train", rows), ("test", rest))},
        record_at=log_spaced(epochs, moments),
        callback=lambda *_: nets.state(),
        progress=progress,
        checkpoint=checkpoint,
    )  # fmt: skip
    if history.diverged.any():
        raise ValueError(f"the training diverged at learning_rate {learning_rate:g}; a smaller one is needed")
    if checkpoint is not None:
        Path(checkpoint).unlink(missing_ok=True)
    parameters = {name: np.stack([r[name] for r in history.records]) for name in history.records[0]}
    measured = {f"{what}_{name}": getattr(history, what)[name] for what in ("accuracy", "loss")
                for name in ("train", "test")}  # fmt: skip
    return {"epochs": history.at, "rows": rows, "labels": labels, **measured, **parameters}


def _streams(seed: int, first: int, count: int) -> list[list[np.random.SeedSequence]]:
    """For each network the streams of its weights, its order of the data, its training rows and its labels."""
    return [stream.spawn(4) for stream in np.random.SeedSequence(seed).spawn(first + count)[first:]]


def _untrained(
    widths: tuple[int, ...] | list[int],
    activation: str,
    initialisation: str,
    seed: int,
    first: int,
    count: int,
    device: str,
) -> MLP:
    from layerlab.nets import MLP

    weights = [stream[0] for stream in _streams(seed, first, count)]
    return MLP(tuple(widths), activation, initialisation=initialisation, seeds=weights, device=device)


def _checkpoint(spec: dict[str, Any]) -> Path:
    """Where the training of this spec, by this code, is kept while it is under way."""
    code = lab.fingerprint(f"{__name__}:train")
    digest = hashlib.sha256(f"{code} {json.dumps(spec, sort_keys=True)}".encode()).hexdigest()[:24]
    return paths.cache() / "trainings" / "_rule_networks" / f"{digest}.part"

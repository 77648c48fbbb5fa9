"""Networks on the 12-bit rule whose gradients were watched along the way: trained once, kept in the user's cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from layerlab import lab
from layerlab.arrays import to_numpy
from layerlab.data import symmetric_rule
from layerlab.information import binned_information

if TYPE_CHECKING:
    from layerlab.nets import MLP

WIDTHS = (12, 10, 7, 5, 4, 3, 2)
ROWS = 3072  # three quarters of the 4096 inputs: every batch size that divides it has whole batches only
INITIALISATIONS = {"tanh": "lecun_normal", "relu": "he_normal"}
RATE = 4e-4
FEWEST = 6  # steps in a window
BINS = 30
PARAMETERS = ("weights", "biases")


@dataclass(frozen=True, eq=False)
class Watched:
    """N networks at T moments, and their gradients in the window before each moment.

    at: (T,) steps done. per_epoch: steps in an epoch. mean, deviation, snr: (T, N, L) as in `GradientCourse`, the first
    two over the norm of the weights. ideal: (T, N, L) |mean| √B / S from the single examples at the moment's weights,
    NaN where it wasn't asked for. accuracy_train, accuracy_test, loss: (T, N), the loss on the training rows in nats.
    """

    at: np.ndarray
    per_epoch: int
    mean: np.ndarray
    deviation: np.ndarray
    snr: np.ndarray
    ideal: np.ndarray
    accuracy_train: np.ndarray
    accuracy_test: np.ndarray
    loss: np.ndarray
    _state: dict[str, np.ndarray]
    _template: MLP

    def networks(self, moment: int) -> MLP:
        """The N networks at `at[moment]`."""
        return self._template.copy().load_state_({name: each[moment] for name, each in self._state.items()})

    def layer_information(self, moment: int) -> np.ndarray:
        """(N, hidden layers) I(X;T) in bits, X uniform over all 4096 inputs, 30 bins; see `layer_information`."""
        return layer_information(self.networks(moment))


def layer_information(networks: MLP) -> np.ndarray:
    """(N, hidden layers) I(X;T) of binned layers in bits.

    30 bins of equal width for each unit: over (-1, 1) for tanh, else over the layer's own range in each network.
    """
    rule = symmetric_rule()
    limits = (-1.0, 1.0) if networks.functions[0].name == "tanh" else None
    layers = networks.activations(rule.x.astype(np.float32))[:-1]
    return np.stack([to_numpy(binned_information(t, rule.y, bins=BINS, limits=limits)[0]) for t in layers], -1)


def watched(
    *,
    activation: str = "tanh",
    batch: int = 512,
    steps: int = 3600,
    moments: int = 36,
    seeds: int = 10,
    seed: int = 0,
    optimizer: str = "adam",
    learning_rate: float = RATE,
    examples: bool = False,
    device: str = "cpu",
    progress: Callable[[float, float, str], object] | None = None,
) -> Watched:
    """`seeds` networks 12-10-7-5-4-3-2, trained on 3072 rows of the rule with the settings of the published code.

    Each moment closes a window of one epoch, or of six steps where an epoch is shorter; moments are spaced evenly in
    the logarithm of the step. Network i depends on (seed, i) only: weights, order of the data, training rows.
    examples: also take `ideal` at each moment. Raises ValueError for a training that diverged.
    """
    spec: dict[str, Any] = {
        "activation": activation, "batch": batch, "steps": steps, "moments": moments, "seeds": seeds, "seed": seed,
        "optimizer": optimizer, "learning_rate": learning_rate, "examples": examples, "device": device,
    }  # fmt: skip
    found = lab.remember(train, spec, progress=progress)
    per_epoch = int(found.pop("per_epoch"))
    state = {name: found.pop(name) for name in list(found) if name.startswith(PARAMETERS)}
    template = _untrained(activation, _streams(seed, seeds)[0], device)
    return Watched(**found, per_epoch=per_epoch, _state=state, _template=template)


def schedule(steps: int, window: int, moments: int) -> tuple[list[int], list[int]]:
    """(ends, all moments) of windows that do not overlap: log-spaced ends from the first window on, and beginnings."""
    from layerlab.training import log_spaced

    ends = [min(window, steps)]
    for step in log_spaced(steps, moments):
        if step >= ends[-1] + window:
            ends.append(step)
    return ends, sorted({max(end - window, 0) for end in ends} | set(ends))


def train(
    *,
    activation: str,
    batch: int,
    steps: int,
    moments: int,
    seeds: int,
    seed: int,
    optimizer: str,
    learning_rate: float,
    examples: bool,
    device: str,
    progress: Callable[[float, float, str], object] | None = None,
) -> dict[str, np.ndarray]:
    """The training behind `watched`, as arrays, moments first."""
    from layerlab.training import GradientObserver, TrainingConfig, example_spread
    from layerlab.training import train as train_networks

    rule = symmetric_rule()
    x, y = rule.x.astype(np.float32), rule.y
    weights, orders, splits = _streams(seed, seeds)
    shuffled = np.stack([np.random.default_rng(split).permutation(len(x)) for split in splits])
    rows, rest = shuffled[:, :ROWS], shuffled[:, ROWS:]
    networks = _untrained(activation, weights, device)
    config = TrainingConfig(optimizer=optimizer, learning_rate=learning_rate, batch_size=batch, steps=steps)
    per_epoch = config.steps_per_epoch(ROWS)
    ends, at = schedule(steps, max(per_epoch, FEWEST), moments)
    observer = GradientObserver()

    def keep(moment: int, live: Any) -> Any:
        if moment not in ends:
            return None
        ideal = np.full((seeds, len(WIDTHS) - 1), np.nan)
        if examples:
            mean, variance = (to_numpy(each) for each in example_spread(live, x[rows], y[rows], config))
            ideal = mean * np.sqrt(batch / variance)
        return live.state() | {"ideal": ideal}

    history = train_networks(
        networks, x, np.stack([y] * seeds), config, seeds=orders, subset=rows, record_at=at, unit="step",
        evaluate={"train": (x[rows], y[rows]), "test": (x[rest], y[rest])}, callback=keep, observer=observer,
        progress=None if progress is None else lambda done, total, note: progress(done, total, f"training, {note}"),
    )  # fmt: skip
    if history.diverged.any():
        raise ValueError(f"the training diverged at learning_rate {learning_rate:g}; a smaller one is needed")
    course, chosen = observer.course(), np.isin(history.at, ends)
    kept = [record for record in history.records if record is not None]
    return {
        "at": history.at[chosen],
        "per_epoch": np.array(per_epoch),
        "mean": course.relative_mean[chosen],
        "deviation": course.relative_deviation[chosen],
        "snr": course.snr[chosen],
        "accuracy_train": history.accuracy["train"][chosen],
        "accuracy_test": history.accuracy["test"][chosen],
        "loss": history.loss["train"][chosen],
        **{name: np.stack([record[name] for record in kept]) for name in kept[0]},
    }


def training_rows(seed: int, seeds: int) -> np.ndarray:
    """(N, 3072) the rows of the rule that each network of `watched` is trained on."""
    return np.stack(
        [np.random.default_rng(split).permutation(2 ** WIDTHS[0])[:ROWS] for split in _streams(seed, seeds)[2]]
    )


def _streams(seed: int, seeds: int) -> Any:
    """For all networks the streams of weights, of the order of the data and of the training rows."""
    return tuple(zip(*(stream.spawn(3) for stream in np.random.SeedSequence(seed).spawn(seeds)), strict=True))


def _untrained(activation: str, weights: Any, device: str) -> MLP:
    from layerlab.nets import MLP

    return MLP(WIDTHS, activation, initialisation=INITIALISATIONS[activation], seeds=list(weights), device=device)

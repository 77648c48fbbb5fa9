"""Who compresses, under which estimator, and who generalises.

Nine kinds of network learn the 12-bit rule: five activation functions with minibatches, two with full batches, two with
weight decay. Compression of the last hidden layer is the largest I(X;T) of the training less the last, for each
network and under each of four estimators; beside it stands the share of unseen inputs that the network gets right.

Sources: A. Saxe et al. 2018; R. Shwartz-Ziv, N. Tishby 2017; lecture on information, "Known issues & reservations".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from scipy.stats import spearmanr
from scipy.stats import t as student

from layerlab import lab
from layerlab.experiments.plane._conditions import ESTIMATORS, compression, informations, thinned
from layerlab.experiments.plane._rule_networks import rule_networks
from layerlab.lab import Claim, Evidence, integer, spread, style

INFORMATION = "Lecture on information, “Known issues & reservations”"
SAXE = "Saxe et al. 2018"
DECAY = 1e-3
CONDITIONS: dict[str, dict[str, Any]] = {
    "tanh": {},
    "hard tanh": {"activation": "hard_tanh"},
    "softsign": {"activation": "softsign"},
    "ReLU": {"activation": "relu"},
    "linear": {"activation": "linear"},
    "tanh, full batch": {"batch": None},
    "ReLU, full batch": {"activation": "relu", "batch": None},
    "tanh, decay": {"weight_decay": DECAY},
    "ReLU, decay": {"activation": "relu", "weight_decay": DECAY},
}
HIDDEN = 5
LONG = 1000  # epochs from which a run can speak of compression
LITTLE = 0.5  # bits: what counts as compression


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """How long, and how many networks of each kind."""

    epochs: int = integer(300, "epochs", low=10, high=8000, log=True)
    seeds: int = integer(4, "networks of each kind", low=1, high=100)


GRID = (
    {"epochs": (20,), "seeds": (2,)},
    {"epochs": (300,)},
    {"epochs": (2000,), "seeds": (10,)},
    {"epochs": (8000,), "seeds": (50,)},
)
TOLERANCE = {
    "compression": (0.1, 0.3),
    "least": (0.05, 0.3),
    "final": (0.05, 0.3),
    "accuracy_train": (0, 0.02),
    "accuracy_test": (0, 0.02),
}


def work(config: Config) -> float:
    """Epochs of networks, and the measuring, of which the noisy estimate takes most."""
    return len(CONDITIONS) * config.seeds * (config.epochs + 300)


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train all kinds, or take them from the cache, and read the last hidden layer with all estimators."""
    rows: dict[str, list] = {name: [] for name in ("compression", "least", "final", "accuracy_train", "accuracy_test")}
    for i, (name, kind) in enumerate(CONDITIONS.items()):

        def report(done: float, total: float, note: str, i: int = i, name: str = name) -> None:
            progress(i + 0.7 * done / total, len(CONDITIONS), f"{name}: {note}")

        found = rule_networks(
            **kind, epochs=config.epochs, seeds=config.seeds, seed=config.seed, moments=60, device=device,
            progress=report,
        )  # fmt: skip
        kept = thinned(len(found.epochs))
        curves = []
        for at, moment in enumerate(kept):
            progress(i + 0.7 + 0.3 * at / len(kept), len(CONDITIONS), f"{name}: measuring")
            curves.append(informations(found.layers(moment)[HIDDEN - 1], found.rule.y)[0])
        i_xt = np.array(curves)  # moment, estimator, network
        rows["compression"].append(compression(i_xt, 0).T)
        rows["least"].append(i_xt.min(0).T)
        rows["final"].append(i_xt[-1].T)
        rows["accuracy_train"].append(found.accuracy_train[-1])
        rows["accuracy_test"].append(found.accuracy_test[-1])
    progress(1, 1)
    return _dataset({name: np.stack(each, 1) for name, each in rows.items()})


def _dataset(rows: dict[str, np.ndarray]) -> xr.Dataset:
    estimate, network = ("seed", "condition", "estimator"), ("seed", "condition")
    return xr.Dataset(
        {
            "compression": (estimate, rows["compression"], {"long_name": "largest I(X;T) less last", "units": "bits"}),
            "least": (estimate, rows["least"], {"long_name": "least I(X;T)", "units": "bits"}),
            "final": (estimate, rows["final"], {"long_name": "last I(X;T)", "units": "bits"}),
            "accuracy_train": (network, rows["accuracy_train"], {"long_name": "training accuracy"}),
            "accuracy_test": (network, rows["accuracy_test"], {"long_name": "test accuracy"}),
        },
        coords={
            "condition": ("condition", list(CONDITIONS), {"long_name": "network"}),
            "estimator": ("estimator", list(ESTIMATORS), {"long_name": "estimator"}),
        },
    )


def plot(result: xr.Dataset) -> Figure:
    """A row for each kind of network: on the left its compression by four estimators, on the right its accuracy."""
    fig, (left, right) = style.figure(1, 2, height=5.2, width_ratios=(2, 1))
    places = np.arange(result.sizes["condition"])
    for k, (name, colour) in enumerate(zip(ESTIMATORS, style.COLOURS.values(), strict=True)):
        values, y = result["compression"].sel(estimator=name), places + 0.18 * (k - 1.5)
        left.scatter(values, np.tile(y, (values.sizes["seed"], 1)), s=7, color=colour, alpha=0.45, linewidths=0)
        left.scatter(values.mean("seed"), y, s=34, color=colour, marker=style.MARKERS[k], label=name)
    narrow = fig.get_figwidth() < 5
    left.set(xlabel="compression [bits]", title="Last hidden layer")
    columns = 1 if narrow else 2
    left.legend(loc="lower center", bbox_to_anchor=(0.4, 1.09), ncols=columns, handletextpad=0.1, columnspacing=0.8)
    for values, colour, name in (
        (result["accuracy_train"], style.MUTED, "training"), (result["accuracy_test"], style.COLOURS["blue"], "test"),
    ):  # fmt: skip
        right.scatter(values, np.tile(places, (values.sizes["seed"], 1)), s=7, color=colour, alpha=0.45, linewidths=0)
        right.scatter(values.mean("seed"), places, s=34, color=colour, label=name, marker="|", linewidths=2)
    right.set(xlabel="accuracy", xlim=(min(0.78, float(result["accuracy_test"].min()) - 0.02), 1.01))
    right.legend(loc="lower center", bbox_to_anchor=(0.5, 1.09), ncols=2, handletextpad=0.1, columnspacing=0.8)
    right.set_title("Generalisation")
    for axes in (left, right):
        axes.set_yticks(places, result["condition"].values if axes is left or narrow else [])
        axes.set_ylim(len(places) - 0.5, -0.5)
    return fig


def _title(result: xr.Dataset) -> str:
    return f"{result.sizes['seed']} networks each, {result.attrs['epochs']} epochs"


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    mean = result["compression"].mean("seed")
    said = "; ".join(
        f"{name} {', '.join(f'{float(v):.1f}' for v in mean.sel(condition=name))}"
        for name in ("tanh", "ReLU", "linear")
    )
    return (
        f"Compression of the last hidden layer in bits ({_title(result)}), mean under {', '.join(ESTIMATORS)}: {said}. "
        f"Test accuracy from {float(result['accuracy_test'].mean('seed').min()):.3f} to "
        f"{float(result['accuracy_test'].mean('seed').max()):.3f} between kinds of network; its rank correlation with "
        f"compression within a kind is {float(_within(result).mean()):+.2f} (mean)."
    )


def _within(result: xr.Dataset) -> xr.DataArray:
    """(condition, estimator) rank correlation over networks of compression and test accuracy; 0 if nothing differs."""
    found = np.zeros((result.sizes["condition"], result.sizes["estimator"]))
    for c in range(len(found)):
        accuracy = result["accuracy_test"].values[:, c]
        for e in range(found.shape[1]):
            values = result["compression"].values[:, c, e]
            if np.ptp(values) > 0 and np.ptp(accuracy) > 0:
                found[c, e] = spearmanr(values, accuracy).statistic
    return xr.DataArray(found, dims=("condition", "estimator"), coords={"condition": result["condition"]})


def chance(count: int) -> float:
    """The rank correlation of so many pairs that chance exceeds once in twenty (one-sided, by Student's law)."""
    t = student.ppf(0.95, count - 2)
    return float(t / np.sqrt(count - 2 + t**2))


def _least(result: xr.Dataset, *conditions: str) -> Evidence | None:
    """The least mean compression, over conditions and all estimators, beside half a bit."""
    if result.attrs["epochs"] < LONG:
        return None
    seen = result["compression"].sel(condition=list(conditions)).stack(both=("condition", "estimator"))
    at = int(np.argmin(seen.mean("seed").values))
    return Evidence(seen.mean("seed")[at], LITTLE, 0, "≥", spread(seen[:, at]), "bits")


def _most(result: xr.Dataset, condition: str) -> Evidence | None:
    """The largest mean compression under fixed width and noise, beside half a bit."""
    if result.attrs["epochs"] < LONG:
        return None
    seen = result["compression"].sel(condition=condition, estimator=[ESTIMATORS[0], ESTIMATORS[3]])
    at = int(np.argmax(seen.mean("seed").values))
    return Evidence(seen.mean("seed")[at], LITTLE, 0, "≤", spread(seen[:, at]), "bits")


def _across(result: xr.Dataset) -> Evidence | None:
    if result.attrs["epochs"] < LONG:
        return None
    compressed, accuracy = result["compression"].mean("seed").values, result["accuracy_test"].mean("seed").values
    found = [spearmanr(one, accuracy).statistic for one in compressed.T]
    return Evidence(np.mean(found), chance(len(accuracy)), 0, "≥")


def _among_tanh(result: xr.Dataset) -> Evidence | None:
    if result.attrs["epochs"] < LONG or result.sizes["seed"] < 10:
        return None
    return Evidence(_within(result).sel(condition="tanh").mean(), chance(result.sizes["seed"]), 0, "≥")


CLAIMS = (
    Claim(
        "tanh and hard tanh networks compress: at least half a bit under every estimator (the least mean).",
        f"Shwartz-Ziv & Tishby 2017; {SAXE}",
        lambda result: _least(result, "tanh", "hard tanh"),
    ),
    Claim(
        "ReLU networks do not: at most half a bit under cells of fixed width and under noise.",
        SAXE,
        lambda result: _most(result, "ReLU"),
    ),
    Claim(
        "Nor do linear networks.",
        SAXE,
        lambda result: _most(result, "linear"),
        disputed="ours lose a little: training stretches the one direction that matters and shrinks the others",
    ),
    Claim(
        "No stochastic gradient is needed: with full batches tanh networks compress, too (the least mean).",
        SAXE,
        lambda result: _least(result, "tanh, full batch"),
    ),
    Claim(
        "Kinds of network that compress more generalise better: the rank correlation over kinds (mean over "
        "estimators) is beyond chance.",
        "Lecture on information, main results",
        _across,
        disputed="not after 2000 epochs; and ReLU networks compress less than linear ones and generalise better",
    ),
    Claim(
        "Among tanh networks, those that compress more generalise better: the rank correlation over networks "
        "(mean over estimators) is beyond chance.",
        "Lecture on information, main results",
        _among_tanh,
    ),
)

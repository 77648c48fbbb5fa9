"""Where layers end in the information plane when they have seen 5, 20, 45 or 80 % of the 12-bit symmetric rule.

All networks take the same number of steps, on as many rows each. X is uniform over all 4096 inputs, seen or not, and
each unit is cut into 30 bins, so that I(X;T) and I(T;Y) are exact sums. Test accuracy is that on the inputs not seen.

Source: Tishby's lecture of 2018, slide on the size of the training data; Shwartz-Ziv & Tishby 2017.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from scipy import stats

from layerlab import lab
from layerlab.arrays import to_numpy
from layerlab.experiments.plane._rule_networks import WIDTHS, rule_networks
from layerlab.information.binning import binned_information
from layerlab.lab import Claim, Evidence, choice, integer, spread, style

LECTURE = "Lecture on information, on the size of the training data"
SHARES = (0.05, 0.2, 0.45, 0.8)
INPUTS, BATCH, BINS = 4096, 512, 30
OPTIMIZERS = {"adam": 2e-3, "sgd": 0.5}


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """How networks 12-10-7-5-4-3-2 are trained on each share of the inputs."""

    optimizer: str = choice("adam", "optimiser", tuple(OPTIMIZERS))
    steps: int = integer(
        2000, "steps", low=100, high=60_000, log=True, help="of 512 rows, or of all where there are less"
    )
    seeds: int = integer(6, "networks for each share", low=2, high=50)


GRID = (
    {"optimizer": tuple(OPTIMIZERS), "steps": (2000,)},
    {"steps": (200,)},
    {"steps": (14_000,), "seeds": (12,)},
)
# trainings in single precision part ways between machines; early on, by little
TOLERANCE = {"default": (0.02, 0.1), "rows": (0, 0)}


def work(config: Config) -> float:
    """Steps, and what each costs."""
    return config.steps * len(SHARES) * (60.0 + 8 * config.seeds)


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train on each share, and read the hidden layers before and after."""
    rows, measured = [], []
    for i, share in enumerate(SHARES):
        count = round(share * INPUTS)
        found = rule_networks(
            train_share=share, epochs=epochs_of(config.steps, count), batch=BATCH, seeds=config.seeds, seed=config.seed,
            optimizer=config.optimizer, learning_rate=OPTIMIZERS[config.optimizer], moments=20, device=device,
            progress=_part(progress, i),
        )  # fmt: skip
        stages = [
            np.array([binned_information(to_numpy(t), found.rule.y, bins=BINS, limits=(-1, 1))
                      for t in found.layers(moment)[:-1]])
            for moment in (0, -1 + len(found.epochs))
        ]  # fmt: skip
        rows.append(count)
        measured.append((np.array(stages), found.accuracy_train[-1], found.accuracy_test[-1]))
    progress(1, 1)
    plane = np.stack([each[0] for each in measured])  # (share, stage, layer, 2, seed)
    where = ("share", "stage", "layer", "seed")
    return xr.Dataset(
        {
            "i_xt": (where, plane[:, :, :, 0], {"long_name": "I(X;T)", "units": "bits"}),
            "i_ty": (where, plane[:, :, :, 1], {"long_name": "I(T;Y)", "units": "bits"}),
            "train": (("share", "seed"), np.array([m[1] for m in measured]), {"long_name": "training accuracy"}),
            "test": (("share", "seed"), np.array([m[2] for m in measured]), {"long_name": "test accuracy"}),
            "rows": ("share", rows, {"long_name": "training rows"}),
        },
        coords={
            "share": ("share", list(SHARES), {"long_name": "share of the inputs trained on"}),
            "stage": ("stage", ["before", "after"], {"long_name": "training"}),
            "layer": ("layer", np.arange(1, len(WIDTHS) - 1), {"long_name": "hidden layer"}),
        },
    )


def epochs_of(steps: int, rows: int) -> int:
    """Epochs that take about so many steps, at least one."""
    return max(1, round(steps / -(-rows // BATCH)))


def _part(progress: lab.Progress, i: int) -> Callable[[float, float, str], object]:
    return lambda done, of, note: progress((i + done / of) / len(SHARES), 1, f"{SHARES[i]:.0%} of the inputs, {note}")


def plot(result: xr.Dataset) -> Figure:
    """Left: where layers end in the plane, by share. Right: accuracy, and I(T;Y) of the last hidden layer."""
    fig, (left, right) = style.figure(1, 2, height=3.8)
    shades = mpl.colormaps["cividis"](np.linspace(0.28, 0.86, len(SHARES)))
    after, last = result.sel(stage="after"), result.sel(stage="after").isel(layer=-1)
    for i, (share, marker) in enumerate(zip(result["share"].values, style.MARKERS, strict=True)):
        here = after.sel(share=share)
        left.plot(here["i_xt"].mean("seed"), here["i_ty"].mean("seed"), marker=marker, color=shades[i],
                  linestyle=style.DASHES[i], linewidth=1.3, label=f"{share:.0%}")  # fmt: skip
        left.plot(here["i_xt"].values.ravel(), here["i_ty"].values.ravel(), linestyle="", marker=marker,
                  color=shades[i], markersize=2.5, alpha=0.5)  # fmt: skip
    before = result.sel(stage="before", share=result["share"][-1])
    left.plot(before["i_xt"].mean("seed"), before["i_ty"].mean("seed"), marker="x", linestyle=":", linewidth=1,
              color=style.MUTED, label="untrained")  # fmt: skip
    left.set(xlabel="I(X;T) [bits]", ylabel="I(T;Y) [bits]", xlim=(0, 12.6), ylim=(-0.03, 1.7), title=_title(result))
    left.set_yticks(np.linspace(0, 1, 6))
    left.legend(title="trained on", loc="upper left", ncols=3, handlelength=1.6)
    at = 100 * result["share"].values
    lines = (("train", "training accuracy", "purple", "s"), ("test", "test accuracy", "blue", "o"),
             ("i_ty", "I(T;Y), last layer [bits]", "green", "^"))  # fmt: skip
    for dash, (name, label, colour, marker) in zip(style.DASHES, lines, strict=False):
        values, shade = (last if name == "i_ty" else result)[name], style.COLOURS[colour]
        right.plot(at, values.mean("seed"), marker=marker, color=shade, linestyle=dash, label=label)
        right.fill_between(at, values.min("seed"), values.max("seed"), color=shade, alpha=0.18)
    right.set(xlabel="share trained on [%]", ylabel="accuracy; bits", ylim=(0.2, 1.45), title="At the end", xticks=at)
    right.set_yticks(np.linspace(0.2, 1, 5))
    right.legend(loc="upper left")
    return fig


def _title(result: xr.Dataset) -> str:
    return f"{result.attrs['optimizer']}, {result.attrs['steps']} steps"


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    last = result.sel(stage="after").isel(layer=-1)
    said = "; ".join(
        f"{share:.0%}: {float(last['i_xt'].sel(share=share).mean()):.2f} and "
        f"{float(last['i_ty'].sel(share=share).mean()):.3f} bits, test accuracy "
        f"{float(result['test'].sel(share=share).mean()):.3f}"
        for share in result["share"].values
    )
    return (
        f"Networks on the 12-bit rule ({_title(result)}). I(X;T) and I(T;Y) of the last hidden layer by share: {said}."
    )


def _gain(name: str, first: float, second: float):
    def check(result: xr.Dataset) -> Evidence:
        last = result[name].sel(stage="after").isel(layer=-1)
        gain = last.sel(share=second) - last.sel(share=first)
        return Evidence(gain.mean(), 0, 0, "≥", spread(gain), "bits")

    return check


def within_shares(result: xr.Dataset, name: str, target: xr.DataArray) -> xr.DataArray:
    """(share,) Spearman's rank correlation over the networks of each share of the last layer's `name` with `target`."""
    last = result[name].sel(stage="after").isel(layer=-1)
    found = [stats.spearmanr(last.sel(share=s), target.sel(share=s)).statistic for s in result["share"].values]
    return xr.DataArray(found, dims="share")


def _determines(result: xr.Dataset) -> Evidence | None:
    if result.attrs["steps"] < 1000:
        return None
    last = result["i_ty"].sel(stage="after").isel(layer=-1)
    rank = stats.spearmanr(last.values.ravel(), result["test"].transpose(*last.dims).values.ravel()).statistic
    return Evidence(rank, 0.7, 0, "≥")


def _input_determines(result: xr.Dataset) -> Evidence | None:
    if result.sizes["seed"] < 5:
        return None
    ranks = within_shares(result, "i_xt", result["train"] - result["test"])
    return Evidence(ranks.mean(), 0.5, 0, "≥", ranks.std(ddof=1))


CLAIMS = (
    Claim("More data let the last hidden layer know more of Y (80 % against 5 %).", LECTURE, _gain("i_ty", 0.05, 0.8)),
    Claim(
        "Fitting more data requires more information on X in the last hidden layer (80 % against 5 %).",
        LECTURE,
        _gain("i_xt", 0.05, 0.8),
    ),
    Claim(
        "I(T;Y) of the last hidden layer goes with test accuracy (rank correlation, all networks; from 1000 steps on).",
        LECTURE,
        _determines,
    ),
    Claim(
        "I(X;T) of the last hidden layer determines the gap of training and test accuracy (rank correlation).",
        LECTURE,
        _input_determines,
        disputed="among networks that saw as many rows, the two are hardly related",
    ),
)

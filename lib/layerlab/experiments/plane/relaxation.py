"""Relaxation times of layers, against what they forget: is dt ~ exp(dS), and does depth give an exponential boost?

Networks of one to six hidden layers learn the 12-bit rule. I(X;T) of each hidden layer, 30 bins for each unit, is
followed along the training, and so is the training loss. What a layer forgets is the fall of its I(X;T) from its
highest point to the end of the run, its relaxation time the epochs from there until 1/e of the fall is left. The same
times are held against the lecture's own dS, the drop of I(X;T) from the layer before, at the end.

Source: Tishby's lecture of 2018, "Relaxation times and the benefit of the hidden layers".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from layerlab import lab
from layerlab.arrays import to_numpy
from layerlab.experiments.plane._rule_networks import Snapshots, rule_networks
from layerlab.experiments.plane._times import decay_time
from layerlab.experiments.plane.depth import MOST, TRAININGS, widths_of
from layerlab.information.binning import binned_information
from layerlab.lab import Claim, Evidence, choice, integer, spread, style

LECTURE = "Lecture on information, “Relaxation times and the benefit of the hidden layers”"
BINS = 30
LEAST = 0.3  # bits: a layer that forgets less does not relax
FEW = 8  # layers that relax, fewer say nothing of a slope
SHORT = 0.15  # of the run
LOOKS = 45  # moments at most at which layers are read
INPUT = 12.0  # bits of X


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """Which networks, how long."""

    training: str = choice("adam", "optimiser", tuple(TRAININGS))
    epochs: int = integer(300, "epochs", low=20, high=10_000, log=True)
    seeds: int = integer(8, "networks of each depth", low=2, high=50)


GRID = (
    {"training": tuple(TRAININGS), "epochs": (300,)},
    {"epochs": (40,), "seeds": (4,)},
    {"epochs": (2000,), "seeds": (20,)},
)
# trainings in single precision part ways between machines; early on, by little. Times jump where a course is flat
TOLERANCE = {"i_xt": (0.02, 0.15), "loss": (0.05, 0.02)}


def work(config: Config) -> float:
    """Training steps of all depths, what each costs, and reading the layers."""
    return config.epochs * 7.0 * MOST * (60 + 10 * config.seeds) + 3e5 * config.seeds


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train networks of each depth and read all their hidden layers at every moment that was kept."""
    courses, losses = [], []
    for hidden in range(1, MOST + 1):

        def report(done: float, of: float, note: str, i: int = hidden - 1) -> None:
            progress((i + 0.9 * done / of) / MOST, 1, f"{i + 1} of {MOST} depths, {note}")

        found = rule_networks(
            widths=widths_of("narrowing", hidden), epochs=config.epochs, seeds=config.seeds, seed=config.seed,
            moments=60, device=device, progress=report, **TRAININGS[config.training],
        )  # fmt: skip
        report(1, 1, "reading the layers")
        looks = np.unique(np.linspace(0, len(found.epochs) - 1, LOOKS).round().astype(int))
        course = np.full((MOST, config.seeds, len(looks)), np.nan)
        course[:hidden] = layers_along(found, looks)
        courses.append(course)
        losses.append(found.loss_train[looks].T)
    progress(1, 1)
    layers = np.arange(1, MOST + 1)
    return xr.Dataset(
        {
            "i_xt": (("depth", "layer", "seed", "epoch"), np.array(courses, dtype=np.float32),
                     {"long_name": f"I(X;T), {BINS} bins", "units": "bits"}),
            "loss": (("depth", "seed", "epoch"), np.array(losses, dtype=np.float32),
                     {"long_name": "training loss", "units": "nats"}),
        },
        coords={
            "depth": ("depth", layers, {"long_name": "hidden layers"}),
            "layer": ("layer", layers, {"long_name": "hidden layer"}),
            "epoch": ("epoch", found.epochs[looks], {"long_name": "epoch"}),
        },
    )  # fmt: skip


def layers_along(found: Snapshots, looks: np.ndarray) -> np.ndarray:
    """(hidden layers, networks, moments) I(X;T) in bits of tanh layers, each unit in BINS cells between -1 and 1."""
    moments = []
    for i in looks:
        layers = found.layers(int(i))[:-1]
        moments.append([to_numpy(binned_information(t, found.rule.y, bins=BINS, limits=(-1, 1))[0]) for t in layers])
    return np.moveaxis(np.array(moments), 0, -1)


def relaxations(result: xr.Dataset) -> xr.Dataset:
    """What each layer forgets, `fall`, and its relaxation `time`; `drop`, what it lacks of the layer before it.

    (depth, layer, seed); NaN for layers that there are not, and times NaN where less than LEAST is forgotten.
    """
    courses, at = result["i_xt"].transpose("depth", "layer", "seed", "epoch"), result["epoch"].values
    falls, times = np.full((2, *courses.shape[:-1]), np.nan)
    for where in np.ndindex(*courses.shape[:-1]):
        course = courses.values[where].astype(float)
        if np.isfinite(course).all():
            falls[where], times[where] = decay_time(course, at)
    end = courses.isel(epoch=-1).astype(float)
    before = end.shift(layer=1, fill_value=INPUT)
    template = end.drop_vars("epoch")
    fall = template.copy(data=falls)
    return xr.Dataset(
        {
            "fall": fall,
            "time": template.copy(data=times).where(fall >= LEAST),
            "drop": (before - end).drop_vars("epoch"),
        }
    )


def loss_times(result: xr.Dataset) -> xr.DataArray:
    """(depth, seed) epochs until 1/e of the fall of the training loss is left."""
    loss = result["loss"].transpose("depth", "seed", "epoch")
    at = result["epoch"].values
    found = [[decay_time(course.astype(float), at)[1] for course in row] for row in loss.values]
    return loss.isel(epoch=-1, drop=True).copy(data=np.array(found))


def slope(forgotten: xr.DataArray, times: xr.DataArray) -> tuple[float, float, int] | None:
    """The slope of ln(time) against nats forgotten, by least squares over all layers that relax, its standard error
    from leaving out one seed at a time, and how many layers there were; None if fewer than FEW.
    """

    def fit(keep: np.ndarray) -> float:
        x = forgotten.isel(seed=keep).values.ravel() * math.log(2)
        y = np.log(times.isel(seed=keep).values.ravel())
        held = np.isfinite(x) & np.isfinite(y)
        return float(np.polyfit(x[held], y[held], 1)[0]) if held.sum() > 2 else math.nan

    times, forgotten = xr.broadcast(times, forgotten)
    there = int((np.isfinite(times) & np.isfinite(forgotten)).sum())
    seeds = np.arange(times.sizes["seed"])
    if there < FEW:
        return None
    left_out = [fit(np.delete(seeds, i)) for i in seeds]
    return fit(seeds), float(np.nanstd(left_out) * math.sqrt(len(seeds) - 1)), there


def boost(result: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """(measured, promised) ln of the boost of the deepest network over a single layer, each (seed,).

    Measured: ln(relaxation time of the loss with one layer) - ln(the same with MOST). Promised by dt ~ exp(dS): the sum
    of all that the deepest network's layers drop at the end, less the largest of these drops, in nats.
    """
    times = xr.apply_ufunc(np.log, loss_times(result))
    drops = relaxations(result)["drop"].sel(depth=MOST) * math.log(2)
    measured = times.sel(depth=1) - times.sel(depth=MOST)
    return measured, drops.sum("layer") - drops.max("layer")


def plot(result: xr.Dataset) -> Figure:
    """Left: what layers know of X along training. Right: relaxation times against what was forgotten."""
    fig, (left, right) = style.figure(1, 2, height=3.8)
    shades = mpl.colormaps["cividis"](np.linspace(0.28, 0.86, MOST))
    deep = result["i_xt"].sel(depth=5)
    for i in range(5):
        values = deep.isel(layer=i)
        left.plot(1 + result["epoch"], values.mean("seed"), color=shades[i], linestyle=style.DASHES[i % 4],
                  label=f"{i + 1}")  # fmt: skip
        left.fill_between(1 + result["epoch"], values.min("seed"), values.max("seed"), color=shades[i], alpha=0.15)
    left.set(xscale="log", xlabel="1 + epoch", ylabel="I(X;T) [bits]", ylim=(0, 16.5), yticks=np.arange(0, 13, 2))
    left.set(title=f"Five hidden layers, {result.attrs['training']}")
    left.legend(title="hidden layer", loc="upper left", ncols=5, handlelength=1.2, columnspacing=0.7)
    found = relaxations(result)
    top = float(result["epoch"][-1])
    for i, marker in zip(range(MOST), "osD^v<", strict=True):
        layer = found.isel(layer=i)
        right.plot(layer["fall"].values.ravel(), layer["time"].values.ravel(), linestyle="", marker=marker,
                   color=shades[i], alpha=0.75, markersize=4, label=f"{i + 1}")  # fmt: skip
    line = np.array([0.0, math.log2(3 * top)])
    right.plot(line, 2.0**line, color=style.COLOURS["vermillion"], linewidth=1.5, linestyle="--", label="exp(ΔS)")
    widest = float(found["fall"].max())
    right.set(yscale="log", xlabel="fall of I(X;T) from its peak [bits]", ylabel="relaxation time [epochs]")
    right.set(title="All depths, layers, seeds", ylim=(0.3, 40 * top), xlim=(0, 1.05 * max(widest, 1)))
    right.legend(title="hidden layer", loc="upper right", ncols=4, handlelength=1.2, columnspacing=0.7)
    return fig


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    found = relaxations(result)
    relaxing, count = int(found["time"].notnull().sum()), int(found["fall"].notnull().sum())
    fitted = slope(found["fall"], found["time"])
    said = f"slope {fitted[0]:.2f} ± {fitted[1]:.2f}" if fitted else "too few for a slope"
    measured, promised = boost(result)
    return (
        f"I(X;T) of hidden layers along {int(result['epoch'][-1])} epochs, and how long layers take to forget. "
        f"Of {count} layers in networks of 1 to {MOST} hidden layers {relaxing} forget {LEAST} bits or more. ln(time) "
        f"against nats forgotten: {said}, where exp(ΔS) says 1. From one layer to {MOST} the loss relaxes faster by "
        f"a factor of {math.exp(float(measured.mean())):.2f}; the formula promises "
        f"{math.exp(float(promised.mean())):.0f}."
    )


def _slope_of(what: str):
    def check(result: xr.Dataset) -> Evidence | None:
        found = relaxations(result)
        fitted = slope(found[what], found["time"])
        return fitted and Evidence(fitted[0], 1, 0.25, spread=fitted[1])

    return check


def _boost(result: xr.Dataset) -> Evidence | None:
    if int(result["epoch"][-1]) < 200:
        return None
    measured, promised = boost(result)
    return Evidence(measured.mean(), promised.mean(), 0.5, "≥", spread(measured), "nats")


def _settled(result: xr.Dataset) -> Evidence | None:
    end = float(result["epoch"][-1])
    if end < 200:
        return None
    early = relaxations(result.sel(epoch=slice(0, SHORT * end)))["time"]
    ratio = float(relaxations(result)["time"].median()) / float(early.median())
    return Evidence(math.log2(ratio), 0, 1, unit="octaves")


def _mostly_late(result: xr.Dataset) -> Evidence:
    found = relaxations(result)["fall"].sel(depth=5)
    share = found.isel(layer=slice(3, 5)).sum("layer") / found.sum("layer")
    return Evidence(share.mean(), 0.5, 0, "≥", spread(share))


def _identity(result: xr.Dataset) -> Evidence:
    drops = relaxations(result)["drop"].sum("layer", skipna=True)
    ends = xr.concat(
        [
            result["i_xt"].sel(depth=k, layer=k).isel(epoch=-1).drop_vars(("layer", "epoch"))
            for k in result["depth"].values
        ],
        "depth",
    )
    return Evidence(np.abs(drops + ends.astype(float) - INPUT).max(), 0, 1e-4, "≤", unit="bits")


CLAIMS = (
    Claim(
        "The drops from layer to layer add up to what the last layer has lost of X (largest error; it telescopes).",
        "definition of ΔS",
        _identity,
    ),
    Claim(
        "A layer's relaxation time grows as exp(ΔS), ΔS the nats that it forgets (slope of ln time against ΔS).",
        LECTURE,
        _slope_of("fall"),
        disputed="short runs show such a slope; seven times longer, the same networks show none",
    ),
    Claim(
        "The same with the lecture's ΔS, what the layer drops of the layer before it, at the end.",
        LECTURE,
        _slope_of("drop"),
        disputed="the slope is far below 1, for short runs and long ones",
    ),
    Claim(
        f"With {MOST} layers the loss relaxes faster than with one by the boost that exp(ΔS) promises (ln of both).",
        LECTURE,
        _boost,
        disputed="the gain is a small factor, or a loss; the formula promises orders of magnitude",
    ),
    Claim(
        f"The times belong to the layers: the first {SHORT:.0%} of the run give the same median, within a factor of 2.",
        "needed for either of the two before",
        _settled,
        disputed="layers go on forgetting, on a logarithmic scale of time; a longer run finds longer times",
    ),
    Claim(
        "In five hidden layers most of what is forgotten is forgotten in the last two.", "this section", _mostly_late
    ),
)

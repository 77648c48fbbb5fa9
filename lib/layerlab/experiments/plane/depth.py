"""Epochs to good generalisation against the number of hidden layers, on the 12-bit symmetric rule.

Networks of one to six hidden layers learn the rule from 80 % of its inputs. For each the first epoch is noted at which
it is right on so many of the other 20 %. A network that never gets there within the run counts as such: its time is
longer than the run, and it takes part in every median and every comparison.

Source: Tishby's lecture of 2018, "The benefit of the hidden layers".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from layerlab import lab
from layerlab.experiments.plane._rule_networks import rule_networks
from layerlab.experiments.plane._times import first_reached, probability_sooner, share_reached
from layerlab.lab import Claim, Evidence, choice, integer, spread, style

LECTURE = "Lecture on information, “The benefit of the hidden layers”"
NARROWING = (10, 7, 5, 4, 3, 2)
SHAPES = ("narrowing", "constant", "matched")
TRAININGS: dict[str, dict[str, Any]] = {
    "adam": {"optimizer": "adam", "learning_rate": 2e-3},
    "sgd": {"optimizer": "sgd", "learning_rate": 0.5},
}
LEVELS = (0.9, 0.95, 0.98)
GOOD = LEVELS[0]
MOST = 6


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The shape of the networks, and how they are trained."""

    shape: str = choice("narrowing", "widths", SHAPES, help="matched: about as many parameters at every depth")
    training: str = choice("adam", "optimiser", tuple(TRAININGS))
    epochs: int = integer(300, "epochs", low=20, high=10_000, log=True)
    seeds: int = integer(8, "networks of each depth", low=2, high=50)


GRID = (
    {"shape": SHAPES, "epochs": (300,)},
    {"training": ("sgd",), "epochs": (300,)},
    {"epochs": (40,), "seeds": (4,)},
    {"epochs": (2000,), "seeds": (20,)},
)
# trainings in single precision part ways between machines; early on, by little
TOLERANCE = {"accuracy": (0, 0.06), "parameters": (0, 0)}


def work(config: Config) -> float:
    """Training steps of all depths, and what each costs."""
    return config.epochs * 7.0 * MOST * (60 + 10 * config.seeds)


def widths_of(shape: str, layers: int) -> tuple[int, ...]:
    """The widths of a network with so many hidden layers, input and output included.

    "narrowing": the first of 10, 7, 5, 4, 3, 2. "constant": 10 each. "matched": one width, such that the number of
    parameters comes nearest to that of the narrowing network of six.
    """
    if shape == "narrowing":
        return (12, *NARROWING[:layers], 2)
    if shape == "constant":
        return (12, *(10,) * layers, 2)
    target = parameters_of((12, *NARROWING, 2))
    return min(((12, *(w,) * layers, 2) for w in range(2, 40)), key=lambda each: abs(parameters_of(each) - target))


def parameters_of(widths: tuple[int, ...]) -> int:
    """Weights and biases."""
    return sum((a + 1) * b for a, b in pairwise(widths))


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train networks of each depth and note their test accuracy along the way."""
    layers = np.arange(1, MOST + 1)
    courses, counts = [], []
    for i, hidden in enumerate(layers):
        widths = widths_of(config.shape, int(hidden))
        found = rule_networks(
            widths=widths, epochs=config.epochs, seeds=config.seeds, seed=config.seed, moments=60, device=device,
            progress=_part(progress, i), **TRAININGS[config.training],
        )  # fmt: skip
        courses.append(found.accuracy_test.T)
        counts.append(parameters_of(widths))
    progress(1, 1)
    return xr.Dataset(
        {
            "accuracy": (("layers", "seed", "epoch"), np.array(courses), {"long_name": "test accuracy"}),
            "parameters": ("layers", counts, {"long_name": "weights and biases"}),
        },
        coords={
            "layers": ("layers", layers, {"long_name": "hidden layers"}),
            "epoch": ("epoch", found.epochs, {"long_name": "epoch"}),
        },
    )


def _part(progress: lab.Progress, i: int) -> Callable[[float, float, str], object]:
    return lambda done, of, note: progress((i + done / of) / MOST, 1, f"{i + 1} of {MOST} depths, {note}")


def plot(result: xr.Dataset) -> Figure:
    """Left: the share of networks that got there, by epoch. Right: the median epoch against the number of layers."""
    fig, (left, right) = style.figure(1, 2, height=3.8)
    epochs, end = result["epoch"].values, float(result["epoch"][-1])
    shades = mpl.colormaps["cividis"](np.linspace(0.28, 0.86, MOST))
    for i, layers in enumerate(result["layers"].values):
        share = share_reached(first_reached(result["accuracy"].sel(layers=layers), GOOD), epochs)
        left.step(epochs[1:], share[1:], where="post", color=shades[i], linestyle=style.DASHES[i % 4],
                  label=f"{layers}")  # fmt: skip
    left.set(xscale="log", xlabel="epoch", ylabel=f"share with test accuracy ≥ {GOOD:g}", ylim=(-0.03, 1.55))
    left.set(title=_title(result), yticks=np.linspace(0, 1, 6))
    left.legend(title="hidden layers", loc="upper left", ncols=3)
    for level, colour, marker in zip(LEVELS, ("blue", "vermillion", "green"), style.MARKERS, strict=False):
        times = first_reached(result["accuracy"], level)
        median = times.median("seed").values
        within = np.isfinite(median)
        right.plot(result["layers"], np.where(within, median, np.nan), marker=marker, color=style.COLOURS[colour],
                   label=f"{level:g}")  # fmt: skip
        missing = result["layers"].values[~within]
        right.plot(missing, np.full(len(missing), 1.25 * end), linestyle="", marker=marker, fillstyle="none",
                   color=style.COLOURS[colour])  # fmt: skip
    right.axhline(end, color=style.MUTED, linestyle=":", linewidth=1)
    right.annotate("not within the run", (0.98, 1.3 * end), (0, 5), textcoords="offset points", ha="right",
                   xycoords=("axes fraction", "data"), fontsize=9)  # fmt: skip
    right.set(yscale="log", xlabel="hidden layers", ylabel="median epochs", title="Until so accurate")
    right.set(ylim=(3, 70 * end), xticks=result["layers"])
    right.legend(title="test accuracy", loc="upper right", ncols=3)
    return fig


def _title(result: xr.Dataset) -> str:
    return f"{result.attrs['shape']} widths, {result.attrs['training']}"


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    times = first_reached(result["accuracy"], GOOD)
    missed, every = int(np.isinf(times).sum()), times.size
    median = times.median("seed").values
    said = ", ".join(f"{m:.0f}" if np.isfinite(m) else "more than the run" for m in median)
    return (
        f"How soon networks on the 12-bit rule are right on {GOOD:.0%} of the inputs that they were not trained on "
        f"({_title(result)}, {int(result['epoch'][-1])} epochs). Median epochs for 1 to {MOST} hidden layers: {said}. "
        f"Of {every} networks {missed} never got there and count as slower than the run."
    )


def _sooner(result: xr.Dataset, more: int, fewer: int) -> tuple[float, float] | None:
    """The chance that `more` layers get there sooner than `fewer`, and its standard error; None if few of either do."""
    times = first_reached(result["accuracy"], GOOD)
    a, b = (times.sel(layers=n).values for n in (more, fewer))
    if max(np.isinf(a).mean(), np.isinf(b).mean()) > 0.5:
        return None
    chance = probability_sooner(a, b)
    jackknifed = [probability_sooner(np.delete(a, i), np.delete(b, i)) for i in range(len(a))]
    return chance, float(np.std(jackknifed) * np.sqrt(len(a) - 1))


def _second(result: xr.Dataset) -> Evidence | None:
    found = _sooner(result, 2, 1)
    return found and Evidence(found[0], 0.5, 0, "≥", found[1])


def _matched(result: xr.Dataset) -> Evidence | None:
    return _second(result) if result.attrs["shape"] == "matched" else None


def _more(result: xr.Dataset) -> Evidence | None:
    found = _sooner(result, MOST, 2)
    return found and Evidence(found[0], 0.75, 0, "≥", found[1])


def _better(result: xr.Dataset) -> Evidence | None:
    if float(result["epoch"][-1]) < 200 or result.attrs["training"] != "adam":
        return None
    last = result["accuracy"].isel(epoch=-1)
    gain = last.sel(layers=2) - last.sel(layers=1)
    return Evidence(gain.mean(), 0, 0, "≥", spread(gain))


CLAIMS = (
    Claim(
        "A second hidden layer brings good generalisation sooner (chance that of two networks the deeper is first).",
        LECTURE,
        _second,
        disputed="under Adam it does; under plain gradient descent, the lecture's own case, one layer is as quick",
    ),
    Claim("Under Adam it does so among networks of as many parameters, too.", "this section", _matched),
    Claim(
        "More layers take much fewer epochs: six are sooner than two, three times out of four.",
        LECTURE,
        _more,
        disputed="under Adam, if each layer adds parameters; not among networks of as many, nor under plain descent",
    ),
    Claim(
        "Trained by Adam, two layers end up generalising better than one (mean gain).",
        LECTURE,
        _better,
        disputed="one layer of as many parameters does as well, and so does one that is trained longer",
    ),
)

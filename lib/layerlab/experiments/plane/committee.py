"""The information plane of networks with six hidden layers that learn a committee machine.

X is one of all 4096 patterns of 12 bits; Y the majority of five random half-spaces, other ones for each network.
Networks 12-10-8-7-5-4-3-2 are trained on four fifths of the patterns. Each unit is cut into cells, and the joint cell
of a layer's units is T: I(X;T) = H(T) and I(T;Y) are exact sums over all 4096 patterns. Two ways to cut are measured:
cells of width 0.07, and 30 cells over the range of the layer.

Source: lecture on information, "Is it the general picture?".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from layerlab import lab
from layerlab.arrays import to_numpy
from layerlab.data import Rule, committee_machine
from layerlab.experiments.plane import _layer_paths as paths
from layerlab.information.binning import binned_information
from layerlab.lab import Claim, Evidence, choice, integer, spread, style

if TYPE_CHECKING:
    from layerlab.nets import MLP

LECTURE = "Lecture on information, “Is it the general picture?”"
MEMBERS, BITS = 5, 12
WIDTHS = (BITS, 10, 8, 7, 5, 4, 3, 2)
TRAIN_ROWS = 3277  # four fifths
BATCH, RATE = 256, 1e-3  # of Adam
MOMENTS = 24
INITIALISATIONS = {"tanh": "lecun_normal", "relu": "he_normal"}
CELLS: dict[str, dict[str, Any]] = {"width 0.07": {"width": 0.07}, "30 over the range": {"bins": 30}}
FITTED, LEARNT = 0.9, 0.95  # shares of the training patterns
ENOUGH = 3  # networks that have learnt, for a mean and a spread
LATE = slice(4, 6)  # hidden layers 5 and 6


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The networks."""

    activation: str = choice("tanh", "activation", tuple(INITIALISATIONS))
    epochs: int = integer(600, "epochs", low=1, high=20_000, log=True)


GRID = (
    {"activation": ("tanh", "relu"), "epochs": (100, 600)},
    {"activation": ("tanh", "relu"), "epochs": (2_000,), "seeds": (10,)},
)
# single precision differs a little between machines; hundreds of epochs amplify it, and cells have edges
TOLERANCE = {
    "i_xt": (0.1, 0.3), "i_ty": (0.1, 0.05), "accuracy_train": (0, 0.02), "accuracy_test": (0, 0.03),
}  # fmt: skip


def work(config: Config) -> float:
    """Training steps of all networks, a constant for each step, and the measurements."""
    return config.epochs * (10 + config.seeds) + 150 * config.seeds


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train the networks, and place their layers at log-spaced epochs."""
    spec = config.as_dict() | {"device": device}
    found = lab.remember(train, spec, progress=lambda done, total, note: progress(0.8 * done / total, 1, note))
    networks, rules, _ = untrained(config.activation, config.seed, config.seeds, device)
    y, epochs = np.stack([rule.y for rule in rules]), found["epochs"]
    places = []
    for moment in range(len(epochs)):
        progress(0.8 + 0.2 * moment / len(epochs), 1, f"epoch {epochs[moment]}")
        state = {name: found[name][moment] for name in networks.state()}
        layers = networks.load_state_(state).activations(inputs(rules))
        layers[-1] = layers[-1].softmax(-1)
        places.append([[measured(layer, y, cut) for layer in layers] for cut in CELLS.values()])
    progress(1, 1)
    return _dataset(found, np.array(places))


def measured(layer: Any, y: np.ndarray, cut: dict[str, Any]) -> np.ndarray:
    """(2, N): I(X;T) and I(T;Y) of one layer of all networks."""
    return np.stack([to_numpy(v) for v in binned_information(layer, y, **cut)])


def inputs(rules: list[Rule]) -> np.ndarray:
    """All patterns as -1 and 1."""
    return (2.0 * rules[0].x - 1).astype(np.float32)


def untrained(
    activation: str, seed: int, seeds: int, device: str
) -> tuple[MLP, list[Rule], list[list[np.random.SeedSequence]]]:
    """The networks before training, the committee of each, and its streams of training patterns and data order."""
    from layerlab.nets import MLP

    streams = [stream.spawn(4) for stream in np.random.SeedSequence(seed).spawn(seeds)]
    rules = [committee_machine(MEMBERS, BITS, seed=int(s[0].generate_state(1)[0] >> 1)) for s in streams]
    networks = MLP(
        WIDTHS, activation, initialisation=INITIALISATIONS[activation], seeds=[s[1] for s in streams], device=device
    )
    return networks, rules, [s[2:] for s in streams]


def train(
    *,
    activation: str,
    epochs: int,
    seed: int,
    seeds: int,
    device: str,
    progress: Callable[[float, float, str], object] | None = None,
) -> dict[str, np.ndarray]:
    """The training behind a run: parameters and accuracies, moments first."""
    from layerlab.training import TrainingConfig, log_spaced
    from layerlab.training import train as train_networks

    networks, rules, streams = untrained(activation, seed, seeds, device)
    x, y = inputs(rules), np.stack([rule.y for rule in rules])
    order = np.stack([np.random.default_rng(split).permutation(len(x)) for split, _ in streams])
    rows, rest = np.sort(order[:, :TRAIN_ROWS], 1), np.sort(order[:, TRAIN_ROWS:], 1)
    history = train_networks(
        networks, x, y, TrainingConfig(learning_rate=RATE, batch_size=BATCH, epochs=epochs),
        seeds=[each for _, each in streams], subset=rows,
        evaluate={name: (x[part], np.take_along_axis(y, part, 1)) for name, part in (("train", rows), ("test", rest))},
        record_at=log_spaced(epochs, MOMENTS), callback=lambda *_: networks.state(),
        progress=None if progress is None else lambda done, total, note: progress(done, total, f"training, {note}"),
    )  # fmt: skip
    if history.diverged.any():
        raise ValueError("the training diverged")
    parameters = {name: np.stack([r[name] for r in history.records]) for name in history.records[0]}
    return {"epochs": history.at, **{f"accuracy_{n}": v for n, v in history.accuracy.items()}, **parameters}


def _dataset(found: dict[str, np.ndarray], places: np.ndarray) -> xr.Dataset:
    i_xt, i_ty = np.moveaxis(places, 3, 0).transpose(0, 4, 1, 2, 3).astype(np.float32)
    whole = ("seed", "epoch", "cells", "layer")
    values: dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, str]]] = {
        "i_xt": (whole, i_xt, {"long_name": "I(X;T) of the layer", "units": "bits"}),
        "i_ty": (whole, i_ty, {"long_name": "I(T;Y) of the layer", "units": "bits"}),
    }
    for name in ("train", "test"):
        said = {"long_name": f"accuracy on {name} patterns"}
        values[f"accuracy_{name}"] = (("seed", "epoch"), found[f"accuracy_{name}"].T.astype(np.float32), said)
    return xr.Dataset(
        values,
        coords={
            "epoch": ("epoch", found["epochs"], {"long_name": "epoch"}),
            "cells": ("cells", list(CELLS), {"long_name": "cells"}),
            "layer": ("layer", np.arange(1, len(WIDTHS)), {"long_name": "layer, the outputs last"}),
        },
    )


def plot(result: xr.Dataset) -> Figure:
    """The plane under cells of fixed width; I(X;T) against the epoch, under both kinds of cells."""
    fig, (left, middle, right) = style.figure(1, 3, height=3.4)
    narrowest = result.isel(cells=0)
    paths.draw_paths(left, narrowest["i_xt"], narrowest["i_ty"])
    left.set(xlim=(-0.3, 12.6), ylim=(-0.03, 1.08), title=f"{result.attrs['activation']}, width 0.07")
    names = [f"layer {i}" for i in range(1, len(WIDTHS) - 1)] + ["output"]
    paths.draw_courses(middle, narrowest["i_xt"], names=names)
    paths.draw_courses(right, result["i_xt"].isel(cells=1))
    middle.set(title="width 0.07", ylim=(-0.3, 12.6))
    right.set(title="30 over the range", ylim=(-0.3, 12.6))
    fig.legend(*middle.get_legend_handles_labels(), loc="outside lower center", ncols=4, handlelength=1.2)
    return fig


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    here = result.isel(cells=0)
    mean = here["i_xt"].mean("seed")
    first, last = (", ".join(f"{float(v):.1f}" for v in mean.isel(epoch=at)) for at in (0, -1))
    return (
        f"Information plane of {result.sizes['seed']} {result.attrs['activation']} networks on committee machines, "
        f"{result.attrs['epochs']} epochs; mean test accuracy {float(result['accuracy_test'][:, -1].mean()):.3f}. "
        f"With cells of width 0.07, I(X;T) of the six hidden layers and the output is {first} bits before training "
        f"and {last} after it; I(T;Y) of the sixth layer goes from {float(here['i_ty'][:, 0, 5].mean()):.2f} "
        f"to {float(here['i_ty'][:, -1, 5].mean()):.2f}."
    )


def _neighbours(result: xr.Dataset) -> Evidence:
    rise = result["i_xt"].diff("layer").isel(cells=0).max(("epoch", "layer"))
    return Evidence(rise.max(), 0, 1e-5, "≤", spread(rise), "bits")


def _rises(result: xr.Dataset) -> Evidence:
    here = result["i_ty"].isel(cells=0, layer=5)
    gain = here.isel(epoch=-1) - here.isel(epoch=0)
    return Evidence(gain.mean(), 0, 0, "≥", spread(gain), "bits")


def late_fall(result: xr.Dataset, cells: int) -> xr.DataArray:
    """By how much I(X;T) of hidden layers 5 and 6 falls, mean of the two, from the first recorded epoch at which a
    network is right on 90 % of its training patterns to the end, (seed,); negative where it rises.

    NaN for a network that ends below 95 %: it has not learnt its committee.
    """
    accuracy = result["accuracy_train"]
    here = result["i_xt"].isel(cells=cells, layer=LATE).mean("layer")
    fitted = (accuracy >= FITTED).argmax("epoch")
    return (here.isel(epoch=fitted) - here.isel(epoch=-1)).where(accuracy.isel(epoch=-1) >= LEARNT)


def _falls(cells: int) -> Callable[[xr.Dataset], Evidence | None]:
    def check(result: xr.Dataset) -> Evidence | None:
        fall = late_fall(result, cells).dropna("seed")
        if fall.sizes["seed"] < ENOUGH:
            return None
        return Evidence(fall.mean(), 0.5, 0, "≥", spread(fall), "bits")

    return check


def _saturated(result: xr.Dataset) -> Evidence:
    least = result["i_xt"].isel(cells=0, layer=0).min("epoch")
    return Evidence(least.mean(), BITS, 0.1, "≈", spread(least), "bits")


CLAIMS = (
    Claim(
        "I(X;T) does not rise from a layer to the next (largest rise of any network, epoch and pair of layers).",
        "the processing inequality, which holds for chains",
        _neighbours,
        disputed="cells are no chain, since a layer is computed from the activations and not from their cells: in ReLU "
        "networks a layer passes the one before it, by hundredths of a bit, in one run by a tenth",
    ),
    Claim("Training raises I(T;Y) of the sixth hidden layer (mean).", LECTURE, _rises),
    Claim(
        "A second phase: once 90 % of the training patterns are fitted, I(X;T) of hidden layers 5 and 6 falls by half "
        "a bit or more (cells of width 0.07; mean of the networks that learn their committee).",
        LECTURE,
        _falls(0),
    ),
    Claim("The same with 30 cells over the range of each layer.", LECTURE, _falls(1)),
    Claim(
        "The first hidden layer has no place of its own: nearly every pattern has a cell to itself, I(X;T) = 12 bits "
        "(cells of width 0.07; lowest of all epochs, mean).",
        "I(X;T) ≤ log₂ 4096 with equality where all cells differ",
        _saturated,
    ),
)

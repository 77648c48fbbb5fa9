"""The information plane of convolutional networks on images, read in three ways.

Networks of two convolutions and two dense hidden layers learn to classify; X is uniform over images of the test set
that they never saw. A layer of real numbers tells any two images apart, so that I(X;T) is log2 of their number, unless
T is made coarser. Three ways to do that:
    cells: each unit is cut into 30 cells over the range of the layer;
    fixed noise: Gaussian noise of one variance on every unit of every layer; bounds from pairwise distances;
    shared noise: Gaussian noise whose variance is a given share of the layer's own scatter, the mean squared distance
        of its activations from their mean; by Monte Carlo. Multiplying a layer by a number does not change it.

Sources: lecture on information, "... and for 'real-world' problems?"; A. Saxe et al. 2018; Z. Goldfeld et al. 2019.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from layerlab import lab
from layerlab.arrays import to_numpy
from layerlab.experiments.plane import _layer_paths as paths
from layerlab.experiments.plane._image_networks import DATA, INITIALISATIONS, LAYERS, image_networks
from layerlab.information.binning import binned_information
from layerlab.information.kde import kde_information
from layerlab.information.noisy import noisy_information
from layerlab.lab import Claim, Evidence, choice, integer, real, spread, style

LECTURE = "Lecture on information, “... and for ‘real-world’ problems?”"
CELLS = 30
HIDDEN = slice(0, 4)
LAST = 3  # the last hidden layer
CLOSE = 0.01  # an accuracy that is within this of the best is fitted


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The networks, and how they are read."""

    data: str = choice("digits", "data", DATA)
    activation: str = choice("relu", "activation", tuple(INITIALISATIONS))
    rows: int = integer(1_000, "training images", low=10, high=60_000, log=True, help="all, if there are fewer")
    epochs: int = integer(200, "epochs", low=1, high=2_000, log=True)
    variance: float = real(0.1, "variance of the fixed noise", low=1e-6, high=1e3, log=True)
    share: float = real(0.05, "shared noise", low=1e-4, high=10, log=True, help="variance, in units of the scatter")
    measured: int = integer(400, "images measured", low=10, high=2_000, log=True, help="of the test set")


GRID = (
    {"data": ("digits",), "activation": ("relu", "tanh"), "epochs": (20, 200)},
    {"data": ("mnist",), "activation": ("relu",), "rows": (10_000,), "epochs": (100,)},
    {"data": ("fashion-mnist", "cifar-10"), "activation": ("relu",), "rows": (1_000, 10_000), "epochs": (40,)},
)
# single precision differs a little between machines, and training amplifies it
_BITS = (0.1, 0.2)
TOLERANCE = {
    "cells_xt": (0.1, 0.4), "cells_ty": _BITS, "fixed_xt_lower": _BITS, "fixed_xt_upper": _BITS, "fixed_ty": _BITS,
    "shared_xt": _BITS, "shared_ty": _BITS, "shared_error": (0.2, 0.02), "scatter": (0.3, 1e-3),
    "accuracy_train": (0, 0.03), "accuracy_test": (0, 0.03),
}  # fmt: skip
SAID = {
    "cells_xt": "I(X;T), 30 cells over the range",
    "cells_ty": "I(T;Y), 30 cells over the range",
    "fixed_xt_lower": "I(X;T) under fixed noise, lower bound",
    "fixed_xt_upper": "I(X;T) under fixed noise, upper bound",
    "fixed_ty": "I(T;Y) under fixed noise, as most planes show it",
    "shared_xt": "I(X;T) under shared noise",
    "shared_ty": "I(T;Y) under shared noise",
    "shared_error": "standard error of I(X;T) under shared noise",
    "scatter": "scatter: mean squared distance from the mean activations",
}


def work(config: Config) -> float:
    """Training steps times the size of an image, and pairs of images in the measurements."""
    pixels = {"digits": 1.0, "mnist": 4.0, "fashion-mnist": 4.0, "cifar-10": 9.0}[config.data]
    pairs = config.seeds * config.measured**2 / 4e3
    return config.seeds * pixels * config.epochs * config.rows / 32 + 20 * pixels**0.5 * pairs


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train the networks, and read their layers at log-spaced epochs."""
    found = image_networks(
        data=config.data, activation=config.activation, rows=config.rows, epochs=config.epochs,
        seed=config.seed, seeds=config.seeds, device=device,
        progress=lambda done, total, note: progress(0.7 * done / total, 1, note),
    )  # fmt: skip
    x, y = found.data.x_test[: config.measured], found.data.y_test[: config.measured]
    moments = []
    for i, epoch in enumerate(found.epochs):
        progress(0.7 + 0.3 * i / len(found.epochs), 1, f"epoch {epoch}")
        moments.append([read(layer, y, config.variance, config.share) for layer in found.layers(i, x)])
    progress(1, 1)
    values: dict[str, tuple[tuple[str, ...], Any, dict[str, str]]] = {}
    for name, said in SAID.items():
        array = np.array([[layer[name] for layer in moment] for moment in moments])  # epoch, layer, seed
        attrs = {"long_name": said} | ({} if name == "scatter" else {"units": "bits"})
        values[name] = (("seed", "epoch", "layer"), array.transpose(2, 0, 1).astype(np.float32), attrs)
    for name, accuracy in (("train", found.accuracy_train), ("test", found.accuracy_test)):
        values[f"accuracy_{name}"] = (
            ("seed", "epoch"), accuracy.T.astype(np.float32), {"long_name": f"accuracy on {name} images"},
        )  # fmt: skip
    return xr.Dataset(
        values,
        coords={
            "epoch": ("epoch", found.epochs, {"long_name": "epoch"}),
            "layer": ("layer", list(LAYERS), {"long_name": "layer"}),
        },
        attrs={
            "data_checksums": {config.data: found.data.checksum},
            "images_trained": len(found.data.x_train),
            "images_measured": len(x),
            "classes": found.data.classes,
            "source": found.data.source,
        },
    )


def read(layer: Any, y: np.ndarray, variance: float, share: float) -> dict[str, np.ndarray]:
    """One layer (N, samples, units) in the three ways, each number as (N,)."""
    t = to_numpy(layer).astype(np.float64)
    scatter = ((t - t.mean(1, keepdims=True)) ** 2).sum(-1).mean(-1)
    cells = binned_information(t, y, bins=CELLS)
    fixed = kde_information(t, y, variance=variance)
    root = np.sqrt(np.where(scatter > 0, scatter, 1))[:, None, None]
    shared = noisy_information(t / root, y, variance=share, draws=t.shape[1])
    return {
        "cells_xt": cells[0], "cells_ty": cells[1], "fixed_xt_lower": fixed.i_xt_lower,
        "fixed_xt_upper": fixed.i_xt_upper, "fixed_ty": fixed.i_ty_plotted, "shared_xt": shared.i_xt,
        "shared_ty": shared.i_ty, "shared_error": shared.i_xt_error, "scatter": scatter,
    }  # fmt: skip


def plot(result: xr.Dataset) -> Figure:
    """The plane under shared noise, and I(X;T) against the epoch in the three ways."""
    fig, axes = style.figure(2, 2, height=5.6)
    (plane, shared), (fixed, cells) = axes
    most = math.log2(result.attrs["images_measured"])
    paths.draw_paths(plane, result["shared_xt"], result["shared_ty"])
    plane.set(title=f"{result.attrs['data']}, {result.attrs['activation']}: shared noise", xlim=(-0.2, 1.05 * most))
    plane.set_ylim(0, 1.05 * math.log2(result.attrs["classes"]))
    paths.draw_courses(shared, result["shared_xt"], names=list(LAYERS))
    paths.draw_courses(fixed, result["fixed_xt_lower"], result["fixed_xt_upper"])
    paths.draw_courses(cells, result["cells_xt"])
    titles = ("shared noise", "fixed noise, between bounds", "30 cells")
    for one, title in zip((shared, fixed, cells), titles, strict=True):
        one.axhline(most, color=style.MUTED, linestyle=":", linewidth=1)
        one.set(ylim=(-0.2, 1.08 * most), title=title)
    fig.legend(*shared.get_legend_handles_labels(), loc="outside lower center", ncols=3, handlelength=1.2)
    return fig


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    first, last = (
        ", ".join(f"{float(v):.1f}" for v in result["shared_xt"].mean("seed").isel(epoch=at)) for at in (0, -1)
    )
    return (
        f"{result.sizes['seed']} {result.attrs['activation']} networks on {result.attrs['data']}, trained on "
        f"{result.attrs['images_trained']} images, measured on {result.attrs['images_measured']} others; mean test "
        f"accuracy {float(result['accuracy_test'][:, -1].mean()):.3f}. Under noise of {result.attrs['share']:g} of "
        f"each layer's scatter, I(X;T) of two convolutions, two dense layers and the output is {first} bits before "
        f"training and {last} after it. In 30 cells it is {float(result['cells_xt'][:, :, 0].mean()):.2f} bits "
        f"in the first layer, of at most {math.log2(result.attrs['images_measured']):.2f}."
    )


def fitted(result: xr.Dataset) -> xr.DataArray:
    """The index of the first recorded epoch at which a network's test accuracy is within 1 % of its best, (seed,)."""
    accuracy = result["accuracy_test"]
    return (accuracy >= accuracy.max("epoch") - CLOSE).argmax("epoch")


def late_fall(result: xr.Dataset, name: str) -> xr.DataArray:
    """By how much a reading falls from that epoch to the end, (seed, layer); negative where it rises."""
    return result[name].isel(epoch=fitted(result)) - result[name].isel(epoch=-1)


def _long(result: xr.Dataset) -> bool:
    """Whether most of the training comes after the fit: else there is no late training to speak of."""
    epochs = result["epoch"]
    return bool(epochs.isel(epoch=fitted(result)).mean() * 3 <= epochs[-1])


def _full(result: xr.Dataset) -> Evidence:
    convolutions = result["cells_xt"].isel(layer=slice(0, 2)).min(("epoch", "layer"))
    return Evidence(
        convolutions.min(), math.log2(result.attrs["images_measured"]), 0.01, "≈", spread(convolutions), "bits"
    )


def _order(result: xr.Dataset) -> Evidence:
    excess = result["fixed_xt_lower"].values[:, :, 1:] - result["fixed_xt_upper"].values[:, :, :-1]
    return Evidence(
        excess.max(), 0, 1e-4, "≤", float(excess.max((1, 2)).std(ddof=1)) if len(excess) > 1 else None, "bits"
    )


def _rises(result: xr.Dataset) -> Evidence:
    here = result["shared_ty"].isel(layer=LAST)
    gain = here.isel(epoch=-1) - here.isel(epoch=0)
    return Evidence(gain.mean(), 0, 0, "≥", spread(gain), "bits")


def _second_phase(result: xr.Dataset) -> Evidence | None:
    if not _long(result):
        return None
    fall = late_fall(result, "shared_xt").isel(layer=LAST)
    return Evidence(fall.mean(), 0.1, 0, "≥", spread(fall), "bits")


def _fixed(result: xr.Dataset) -> Evidence | None:
    if result.attrs["activation"] != "relu" or not _long(result):
        return None
    fall = late_fall(result, "fixed_xt_lower").isel(layer=HIDDEN).max("layer")
    return Evidence(fall.mean(), 0, 0.05, "≤", spread(fall), "bits")


def _classes(result: xr.Dataset) -> Evidence:
    here = result["shared_xt"].isel(layer=-1)
    gone = (here.isel(epoch=0) - here.isel(epoch=-1)) / here.isel(epoch=0)
    return Evidence(gone.mean(), 0.1, 0, "≥", spread(gone))


CLAIMS = (
    Claim(
        "Cells say nothing of the convolutions: every image has one to itself, I(X;T) = log₂ of the number of images "
        "(lowest of any network and epoch).",
        "I(X;T) ≤ log₂ n with equality where all cells differ",
        _full,
    ),
    Claim(
        "Fixed noise contradicts no processing inequality: no layer's lower bound of I(X;T) lies above the upper bound "
        "of the layer before (largest excess).",
        "processing inequality; for noise that the next layer does not see, an observation",
        _order,
    ),
    Claim("Training raises I(T;Y) of the last hidden layer (shared noise, mean).", LECTURE, _rises),
    Claim(
        "A second phase: once the test accuracy is within 1 % of its best, I(X;T) of the last hidden layer falls by a "
        "tenth of a bit or more (shared noise, mean).",
        LECTURE,
        _second_phase,
        disputed="it does in tanh networks and does not in the ReLU networks of which the lecture says it",
    ),
    Claim(
        "Under fixed noise no hidden layer of a ReLU network loses I(X;T) late (the layer that falls most; lower "
        "bound, mean).",
        "A. Saxe et al. 2018",
        _fixed,
    ),
    Claim(
        "The output compresses: training takes a tenth or more of its I(X;T) (shared noise, mean).", LECTURE, _classes
    ),
)

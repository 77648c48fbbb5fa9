"""Compression under four estimators: one kind of network, watched in four ways.

Networks 12-10-7-5-4-3-2 learn the 12-bit rule with an activation function, a batch size and a weight decay of your
choice. The same activations go through four estimators of I(X;T). Where they disagree, what is seen is the estimator.

Sources: A. Saxe et al. 2018; R. Shwartz-Ziv, N. Tishby 2017; lecture on information, "Known issues & reservations".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from layerlab import lab
from layerlab.experiments.plane._conditions import ACTIVATIONS, ESTIMATORS, compression, informations, thinned
from layerlab.experiments.plane._rule_networks import rule_networks
from layerlab.lab import Claim, Evidence, choice, integer, real, spread, style

INFORMATION = "Lecture on information, “Known issues & reservations”"
SAXE = "Saxe et al. 2018"
HIDDEN = 5
LONG = 500  # epochs from which a run can speak of compression
FIXED = [ESTIMATORS[0], ESTIMATORS[3]]  # those with a scale of their own that does not clip
LITTLE = 0.5  # bits: what counts as compression, and as agreement


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The networks and how they are trained."""

    activation: str = choice("tanh", "activation", ACTIVATIONS)
    batch: str = choice("512", "batch", ("512", "all"))
    decay: float = real(0.0, "weight decay", low=0, high=0.1)
    epochs: int = integer(500, "epochs", low=10, high=8000, log=True)
    seeds: int = integer(6, "networks", low=1, high=100)


GRID = (
    {"epochs": (20,), "seeds": (2,)},
    {"activation": ACTIVATIONS},
    {"activation": ("tanh", "relu"), "epochs": (2000,), "seeds": (10,)},
)
TOLERANCE = {
    "i_xt": (0.02, 0.15),
    "i_ty": (0.02, 0.03),
    "accuracy_train": (0, 0.02),
    "accuracy_test": (0, 0.02),
}


def work(config: Config) -> float:
    """Epochs of networks, and the measuring, of which the noisy estimate takes most."""
    return config.seeds * (config.epochs + 1000)


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train, or take from the cache, and read all hidden layers with all estimators."""
    found = rule_networks(
        activation=config.activation, batch=None if config.batch == "all" else int(config.batch),
        weight_decay=config.decay, epochs=config.epochs, seeds=config.seeds, seed=config.seed, moments=60,
        device=device, progress=lambda done, total, note: progress(0.7 * done / total, 1, note),
    )  # fmt: skip
    kept = thinned(len(found.epochs))
    measured = []
    for i, moment in enumerate(kept):
        progress(0.7 + 0.3 * i / len(kept), 1, f"measuring, epoch {found.epochs[moment]}")
        measured.append([informations(t, found.rule.y) for t in found.layers(moment)[:HIDDEN]])
    progress(1, 1)
    # moment, layer, quantity, estimator, network
    i_xt, i_ty = np.transpose(measured, (2, 4, 3, 0, 1)).astype(np.float32)
    plane, curve = ("seed", "estimator", "epoch", "layer"), ("seed", "epoch")
    train, test = (accuracy[kept].T for accuracy in (found.accuracy_train, found.accuracy_test))
    return xr.Dataset(
        {
            "i_xt": (plane, i_xt, {"long_name": "I(X;T)", "units": "bits"}),
            "i_ty": (plane, i_ty, {"long_name": "I(T;Y)", "units": "bits"}),
            "accuracy_train": (curve, train, {"long_name": "training accuracy"}),
            "accuracy_test": (curve, test, {"long_name": "test accuracy"}),
        },
        coords={
            "estimator": ("estimator", list(ESTIMATORS), {"long_name": "estimator"}),
            "epoch": ("epoch", found.epochs[kept], {"long_name": "epoch"}),
            "layer": ("layer", np.arange(1, HIDDEN + 1), {"long_name": "hidden layer"}),
        },
    )


def plot(result: xr.Dataset) -> Figure:
    """I(X;T) of the hidden layers over the training, one panel for each estimator; bands from the least to the most."""
    fig, axes = style.figure(2, 2, height=5.4, sharex=True, sharey=True)
    x = result["epoch"].values + 1
    colours = mpl.colormaps["viridis"](np.linspace(0.15, 0.8, HIDDEN))
    top = float(result["i_xt"].max())
    for panel, name in zip(axes.flat, ESTIMATORS, strict=True):
        for layer, colour in enumerate(colours):
            curves = result["i_xt"].sel(estimator=name).isel(layer=layer)
            panel.plot(x, curves.mean("seed"), color=colour, linestyle="-", linewidth=1.6, label=str(layer + 1))
            panel.fill_between(x, curves.min("seed"), curves.max("seed"), color=colour, alpha=0.13)
        panel.set(title=name, xscale="log", xlabel="epoch + 1", ylabel="I(X;T) [bits]", ylim=(-0.3, 1.35 * top))
        panel.set_yticks(np.arange(0, top + 1, 3))
        panel.label_outer()
    axes.flat[0].legend(loc="upper center", ncols=5, title="hidden layer", handlelength=1, columnspacing=0.8)
    return fig


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    last = compression(result["i_xt"].isel(layer=-1).values, 2).mean(0)
    said = ", ".join(f"{value:.2f} bits under {name}" for name, value in zip(ESTIMATORS, last, strict=True))
    return (
        f"I(X;T) of the hidden layers of {result.sizes['seed']} networks ({_title(result)}) over "
        f"{int(result['epoch'][-1])} epochs, by four estimators. The last hidden layer compresses (largest less last, "
        f"mean) by {said}. Test accuracy ends at {float(result['accuracy_test'][:, -1].mean()):.3f}."
    )


def _title(result: xr.Dataset) -> str:
    return f"{result.attrs['activation']}, batch {result.attrs['batch']}, weight decay {result.attrs['decay']:g}"


def _last(result: xr.Dataset) -> xr.DataArray:
    """Compression of the last hidden layer, (seed, estimator), in bits."""
    last = result["i_xt"].isel(layer=-1)
    return last.max("epoch") - last.isel(epoch=-1)


def _worst(seen: xr.DataArray, relation: Literal["≤", "≥"]) -> Evidence:
    """The least or the largest mean compression of several estimators beside half a bit."""
    mean = seen.mean("seed")
    at = int(np.argmin(mean.values) if relation == "≥" else np.argmax(mean.values))
    return Evidence(mean[at], LITTLE, 0, relation, spread(seen[:, at]), "bits")


def _long(result: xr.Dataset, *activations: str) -> bool:
    return result.attrs["activation"] in activations and int(result["epoch"][-1]) >= LONG


def _saturating_compress(result: xr.Dataset) -> Evidence | None:
    return _worst(_last(result), "≥") if _long(result, "tanh", "hard_tanh") else None


def _relu_does_not(result: xr.Dataset) -> Evidence | None:
    return _worst(_last(result).sel(estimator=FIXED), "≤") if _long(result, "relu") else None


def _linear_does_not(result: xr.Dataset) -> Evidence | None:
    return _worst(_last(result).sel(estimator=FIXED), "≤") if _long(result, "linear") else None


def _clipped_do(result: xr.Dataset) -> Evidence | None:
    return _worst(_last(result).sel(estimator=[ESTIMATORS[2]]), "≥") if _long(result, "relu") else None


def _agree(result: xr.Dataset) -> Evidence:
    seen = _last(result)
    apart = seen.max("estimator") - seen.min("estimator")
    return Evidence(apart.mean(), 0, LITTLE, "≤", spread(apart), "bits")


def _all_layers(result: xr.Dataset) -> Evidence | None:
    if not _long(result, "tanh"):
        return None
    lost = result["i_xt"].sel(estimator=ESTIMATORS[2]).isel(layer=slice(0, 2))
    lost = (lost.max("epoch") - lost.isel(epoch=-1)).max("layer")
    return Evidence(lost.mean(), LITTLE, 0, "≥", spread(lost), "bits")


CLAIMS = (
    Claim(
        "Units that saturate on both sides compress: at least half a bit under every estimator (tanh, hard tanh; "
        "last hidden layer, the least).",
        f"{SAXE}; Shwartz-Ziv & Tishby 2017",
        _saturating_compress,
    ),
    Claim(
        "ReLU networks do not: half a bit at most under cells of fixed width and under noise (the most).",
        SAXE,
        _relu_does_not,
    ),
    Claim(
        "ReLU networks compress as well, at least half a bit, in the cells of the published program.",
        f"{INFORMATION}: “not seen with ReLUs: wrong!”",
        _clipped_do,
    ),
    Claim(
        "The picture is the network's, not the estimator's: estimates of the compression lie within half a bit.",
        INFORMATION,
        _agree,
        disputed="they differ by bits, and over whether a ReLU network compresses at all",
    ),
    Claim(
        "All layers forget: the first two as well lose half a bit (tanh, published program, the most).",
        "Lecture on information, “Inside deep learning”",
        _all_layers,
        disputed="the first two layers keep all twelve bits; on this rule compression is a matter of the last layers",
    ),
    Claim(
        "Nor do linear networks: half a bit at most under cells of fixed width and under noise (the most).",
        SAXE,
        _linear_does_not,
        disputed="ours lose a little: training stretches the one direction that matters and shrinks the others",
    ),
)

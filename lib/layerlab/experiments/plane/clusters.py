"""Information and clusters: how the inputs gather in the last hidden layers while I(X;T) rises and falls.

The networks of the film, measured without bins as well: the mean squared distance between two inputs of the same label
in units of that between two of different labels, and the share of activations near the ends of their range. Beside
it the joint bins that are occupied, and what the last hidden layer of the first network makes of 256 inputs.

Sources: lecture on representations, "Evolution of representation"; Z. Goldfeld et al. 2019.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from layerlab import lab
from layerlab.experiments.plane._rule_networks import rule_networks
from layerlab.experiments.plane._stages import stages
from layerlab.information import binned_information
from layerlab.information.binning import joint_codes
from layerlab.lab import Claim, Evidence, integer, spread, style
from layerlab.lab.tables import tidy

REPRESENTATIONS = "Lecture on representations, “Evolution of representation”"
GOLDFELD = "Goldfeld et al. 2019"
MOMENTS = 60
HIDDEN = 5
SHOWN = 256  # inputs of the picture
NEAR = 0.95  # activations beyond it count as saturated
LONG = 1000  # epochs from which a run can speak of the compression


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """How long, how many networks, and how finely they are read."""

    epochs: int = integer(1000, "epochs", low=10, high=8000, log=True)
    bins: int = integer(30, "bins for each unit", low=2, high=200, log=True, help="equal ones, from -1 to 1")
    seeds: int = integer(20, "networks", low=1, high=100)


GRID = ({"epochs": (100,), "seeds": (10,)}, {"epochs": (1000,)}, {"epochs": (8000,), "seeds": (25,)})
TOLERANCE = {
    "i_xt": (0.02, 0.15),
    "apart": (0.03, 0.02),
    "saturated": (0.05, 0.02),
    "cells": (0.05, 20),
    "cloud": (0.05, 0.05),
}


def work(config: Config) -> float:
    """Epochs of networks, and a constant for the measuring of each."""
    return config.seeds * (config.epochs + 150)


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train, or take from the cache, and measure the hidden layers at all moments."""
    found = rule_networks(
        epochs=config.epochs, seeds=config.seeds, seed=config.seed, moments=MOMENTS, device=device,
        progress=lambda done, total, note: progress(0.9 * done / total, 1, note),
    )  # fmt: skip
    y = found.rule.y
    shown = np.random.default_rng(config.seed).choice(len(y), SHOWN, replace=False)
    count, rows, cloud = len(found.epochs), [], []
    for moment in range(count):
        progress(0.9 + 0.1 * moment / count, 1, f"measuring, epoch {found.epochs[moment]}")
        layers = [np.asarray(t.cpu()) for t in found.layers(moment)[:HIDDEN]]
        rows.append([measures(t, y, config.bins) for t in layers])
        cloud.append(layers[-1][0][shown])
    progress(1, 1)
    # quantity, network, moment, layer
    i_xt, apart, cells, saturated = np.transpose(rows, (2, 3, 0, 1)).astype(np.float32)
    plane = ("seed", "epoch", "layer")
    return xr.Dataset(
        {
            "i_xt": (plane, i_xt, {"long_name": "I(X;T)", "units": "bits"}),
            "apart": (plane, apart, {"long_name": "squared distance within a label, by that between labels"}),
            "cells": (plane, cells, {"long_name": "occupied joint bins"}),
            "saturated": (plane, saturated, {"long_name": f"share of activations beyond ±{NEAR}"}),
            "cloud": (("epoch", "point", "axis"), flat(np.stack(cloud)), {"long_name": "last hidden layer, network 1"}),
            "label": ("point", y[shown], {"long_name": "label"}),
        },
        coords={
            "epoch": ("epoch", found.epochs, {"long_name": "epoch"}),
            "layer": ("layer", np.arange(1, HIDDEN + 1), {"long_name": "hidden layer"}),
        },
    )


def measures(t: np.ndarray, y: np.ndarray, bins: int) -> np.ndarray:
    """Of activations (N, samples, units): I(X;T) in bits, distances within by between, bins, saturation; (4, N).

    The mean squared distance of two points of one group is twice its variance; of two points of two groups the sum of
    the variances and the squared distance of the means.
    """
    groups = [t[:, y == label].astype(np.float64) for label in (0, 1)]
    variance = np.array([g.var(1).sum(-1) for g in groups])
    gap = ((groups[0].mean(1) - groups[1].mean(1)) ** 2).sum(-1)
    apart = variance.sum(0) / np.maximum(variance.sum(0) + gap, 1e-12)  # 2 var, averaged over both groups
    i_xt = binned_information(t, y, bins=bins, limits=(-1, 1))[0]
    codes, _ = joint_codes(np.floor((t + 1) / 2 * bins).clip(0, bins - 1))
    cells = 1 + (np.diff(np.sort(codes, -1), axis=-1) > 0).sum(-1)
    return np.array([i_xt, apart, cells, (abs(t) > NEAR).mean((1, 2))])


def flat(cloud: np.ndarray) -> np.ndarray:
    """(moments, points, units) in the two directions of largest variance over all moments; each one's sign is fixed."""
    centred = cloud - cloud.mean((0, 1))
    _, directions = np.linalg.eigh(np.einsum("mpi,mpj->ij", centred, centred))
    two = directions[:, :-3:-1]
    return (centred @ (two * np.sign(two[abs(two).argmax(0), [0, 1]]))).astype(np.float32)


def plot(result: xr.Dataset) -> Figure:
    """On the left the inputs in the last hidden layer of one network; on the right the numbers, over all networks."""
    fig, (left, right) = style.figure(1, 2, height=3.8)
    epochs = [float(e) for e in result["epoch"]]
    wide, high = 1.1 * abs(result["cloud"]).max(("epoch", "point")).values
    left.set(xlim=(-wide, wide), ylim=(-high, 1.35 * high), xlabel="first direction", ylabel="second direction")
    left.set_title("Last hidden layer, one network")
    for label, colour, marker in ((0, "blue", "o"), (1, "vermillion", "^")):
        cloud = result["cloud"].values[:, result["label"].values == label]
        shade = style.COLOURS[colour]
        artist = left.scatter(*cloud[-1].T, s=14, color=shade, marker=marker, alpha=0.6, linewidths=0)
        artist.set_label(f"y = {label}")
        style.film(artist, cloud, at=epochs, label="epoch")
    left.legend(loc="upper center", ncols=2, handletextpad=0)
    last, x = result.sel(layer=HIDDEN), np.array(epochs) + 1
    curves = (
        (last["i_xt"] / np.log2(4096), "I(X;T) / 12 bits", "blue"),
        (last["apart"], "within / between", "vermillion"),
        (last["saturated"], "saturated", "green"),
    )
    for (values, name, colour), dash in zip(curves, style.DASHES, strict=False):
        shade = style.COLOURS[colour]
        right.plot(x, values.mean("seed"), color=shade, label=name, linestyle=dash)
        right.fill_between(x, values.quantile(0.1, "seed"), values.quantile(0.9, "seed"), color=shade, alpha=0.15)
    means = np.stack([values.mean("seed") for values, _, _ in curves], -1)
    dots = right.scatter(np.full(3, x[-1]), means[-1], s=26, color=style.INK, zorder=3)
    moving = np.stack(np.broadcast_arrays(x[:, None], means), -1)
    right.set(xscale="log", xlabel="epoch + 1", ylabel="share", ylim=(-0.03, 1.45), xlim=(0.9, 1.2 * x[-1]))
    right.set(title=_title(result))
    right.set_yticks(np.linspace(0, 1, 6))
    style.film(dots, moving, at=epochs, label="epoch")
    right.legend(loc="upper left")
    return fig


def _title(result: xr.Dataset) -> str:
    return f"{result.sizes['seed']} networks, {int(result['epoch'][-1])} epochs"


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    first, last = (result.sel(layer=HIDDEN).isel(epoch=at).mean("seed") for at in (0, -1))
    return (
        f"The last hidden layer while it learns ({_title(result)}): a film of 256 inputs in one network, and means "
        f"over networks. From first to last epoch I(X;T) goes from {float(first['i_xt']):.2f} to "
        f"{float(last['i_xt']):.2f} bits, squared distances within a label from {float(first['apart']):.2f} to "
        f"{float(last['apart']):.2f} of those between labels, saturated activations from "
        f"{float(first['saturated']):.2f} to {float(last['saturated']):.2f}, occupied bins from "
        f"{float(first['cells']):.0f} to {float(last['cells']):.0f}."
    )


def table(result: xr.Dataset) -> pd.DataFrame:
    """The numbers of all layers at all moments; the points of the picture are left out."""
    return tidy(result.drop_vars(["cloud", "label"]))


def _together(result: xr.Dataset, name: str, *, after: bool) -> xr.DataArray:
    """For each network the rank correlation of I(X;T) and a measure of its last hidden layer, before or after it turns.

    Networks with fewer than four moments on that side, or with nothing that changes there, are left out.
    """
    last = result.sel(layer=HIDDEN)
    i_xt, other = last["i_xt"].values, last[name].values
    found = []
    for one, values, change in zip(i_xt, other, stages(i_xt).change, strict=True):
        part = slice(change, None) if after else slice(0, change + 1)
        if len(one[part]) >= 4 and np.ptp(one[part]) > 0 and np.ptp(values[part]) > 0:
            found.append(spearmanr(one[part], values[part]).statistic)
    return xr.DataArray(np.array(found), dims="seed")


def _falls_together(result: xr.Dataset) -> Evidence | None:
    if result["epoch"][-1] < LONG:
        return None
    found = _together(result, "apart", after=True)
    return Evidence(found.mean(), 0.5, 0, "≥", spread(found))


def _rises_together(result: xr.Dataset) -> Evidence | None:
    found = _together(result, "apart", after=False)
    return Evidence(found.mean(), 0, 0, "≥", spread(found)) if found.size else None


def _saturates(result: xr.Dataset) -> Evidence | None:
    if result["epoch"][-1] < LONG:
        return None
    found = _together(result, "saturated", after=True)
    return Evidence(found.mean(), -0.5, 0, "≤", spread(found))


def _few_hold_most(result: xr.Dataset) -> Evidence | None:
    if result["epoch"][-1] < LONG:
        return None
    last = result.sel(layer=HIDDEN).isel(epoch=-1)
    share = 2 ** last["i_xt"] / last["cells"]
    return Evidence(share.mean(), 0.5, 0, "≤", spread(share))


CLAIMS = (
    Claim(
        "While I(X;T) falls, inputs of a label draw together: rank correlation of I(X;T) with the distances "
        "within by those between, after the phase change (mean over networks).",
        f"{REPRESENTATIONS}; {GOLDFELD}",
        _falls_together,
    ),
    Claim(
        "While I(X;T) rises, the clusters dissolve: the same correlation before the phase change is positive.",
        REPRESENTATIONS,
        _rises_together,
        disputed="labels part from the first epochs on, also while I(X;T) rises",
    ),
    Claim(
        "Compression is saturation: I(X;T) falls as activations reach the ends of their range (rank correlation "
        "after the phase change).",
        "Saxe et al. 2018",
        _saturates,
    ),
    Claim(
        "Few cells come to hold most inputs: at the end 2^I(X;T), the number of equally full cells with the same "
        "information, is at most half of those occupied.",
        GOLDFELD,
        _few_hold_most,
    ),
)

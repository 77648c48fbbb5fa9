"""The film of the information plane: every layer of every network, at any epoch.

Networks 12-10-7-5-4-3-2 (tanh) learn the 12-bit rule, each with its own initial weights, training rows and order of the
data. At some fifty moments each unit's range from -1 to 1 is cut into equal bins; the joint bin of all units of a layer
is T, and X is uniform over all 4096 inputs, so I(X;T) = H(T) and I(T;Y) are exact sums. Nothing is averaged.

Sources: R. Shwartz-Ziv, N. Tishby 2017; lecture on information, "100 DNN layers in info-plane without averaging".
"""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from layerlab import lab
from layerlab.experiments.plane._rule_networks import rule_networks
from layerlab.experiments.plane._stages import SHARE, stages
from layerlab.information import binned_information
from layerlab.lab import Claim, Evidence, integer, spread, style

INFORMATION = "Lecture on information, “Inside deep learning”"
REPRESENTATIONS = "Lecture on representations, “During training”"
MOMENTS = 60
LAST = 5  # the last hidden layer, which the lecture's theorem is about
LONG = 1000  # epochs from which a run can speak of the compression and its end
MARKERS = ("o", "s", "^", "D", "v", "P")


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """How long, how many networks, and how finely they are read."""

    epochs: int = integer(1000, "epochs", low=10, high=8000, log=True)
    bins: int = integer(30, "bins for each unit", low=2, high=200, log=True, help="equal ones, from -1 to 1")
    seeds: int = integer(20, "networks", low=1, high=100)


GRID = (
    {"epochs": (100,), "seeds": (10,)},
    {"epochs": (1000,), "bins": (10, 30, 100)},
    {"epochs": (8000,), "bins": (10, 30, 100), "seeds": (100,)},
)
# trainings drift apart between machines, slowly at first, and an activation can fall to the other side of an edge
TOLERANCE = {
    "i_xt": (0.02, 0.15),
    "i_ty": (0.02, 0.03),
    "accuracy_train": (0, 0.02),
    "accuracy_test": (0, 0.02),
    "loss_test": (0.03, 0.02),
}


def work(config: Config) -> float:
    """Epochs of networks, and a constant for the measuring of each."""
    return config.seeds * (config.epochs + 150)


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train, or take from the cache, and measure all layers at all moments."""
    found = rule_networks(
        epochs=config.epochs, seeds=config.seeds, seed=config.seed, moments=MOMENTS, device=device,
        progress=lambda done, total, note: progress(0.9 * done / total, 1, note),
    )  # fmt: skip
    count = len(found.epochs)
    planes = []
    for moment in range(count):
        progress(0.9 + 0.1 * moment / count, 1, f"measuring, epoch {found.epochs[moment]}")
        layers = [np.asarray(t.cpu()) for t in found.layers(moment)]
        planes.append([binned_information(t, found.rule.y, bins=config.bins, limits=(-1, 1)) for t in layers])
    progress(1, 1)
    i_xt, i_ty = np.moveaxis(np.array(planes), (3, 0, 1, 2), (1, 2, 3, 0)).astype(np.float32)
    plane, curve = ("seed", "epoch", "layer"), ("seed", "epoch")
    return xr.Dataset(
        {
            "i_xt": (plane, i_xt, {"long_name": "I(X;T)", "units": "bits"}),
            "i_ty": (plane, i_ty, {"long_name": "I(T;Y)", "units": "bits"}),
            "accuracy_train": (curve, found.accuracy_train.T, {"long_name": "training accuracy"}),
            "accuracy_test": (curve, found.accuracy_test.T, {"long_name": "test accuracy"}),
            "loss_test": (curve, found.loss_test.T, {"long_name": "test loss", "units": "nats"}),
        },
        coords={
            "epoch": ("epoch", found.epochs, {"long_name": "epoch"}),
            "layer": ("layer", np.arange(1, i_xt.shape[-1] + 1), {"long_name": "layer"}),
        },
    )


def plot(result: xr.Dataset) -> Figure:
    """On the left the plane, where the layers move; on the right the last hidden layer's I(X;T), network by network."""
    fig, (left, right) = style.figure(1, 2, height=3.6)
    epochs = [float(e) for e in result["epoch"]]
    plane = np.stack([result["i_xt"], result["i_ty"]], -1)  # network, moment, layer, axis
    left.set(
        xlabel="I(X;T) [bits]", ylabel="I(T;Y) [bits]", xlim=(-0.4, 12.6), ylim=(-0.04, 1.55), title=_title(result)
    )
    left.set_yticks(np.linspace(0, 1, 6))
    left.axhline(1, color=style.MUTED, linewidth=1, linestyle=":")
    colours = mpl.colormaps["viridis"](np.linspace(0.15, 0.8, plane.shape[2]))
    for layer, (colour, marker) in enumerate(zip(colours, MARKERS, strict=True)):
        points = plane[:, :, layer]
        artist = left.scatter(*points[:, -1].T, s=16, color=colour, marker=marker, alpha=0.75, linewidths=0)
        artist.set_label("out" if layer == LAST else str(layer + 1))
        style.film(artist, points.transpose(1, 0, 2), at=epochs, label="epoch")
    left.legend(loc="upper center", ncols=3, handletextpad=0, columnspacing=1, title="layer", title_fontsize=10)
    _plot_last(right, result, epochs, colours[LAST - 1])
    return fig


def _plot_last(axes, result: xr.Dataset, epochs: list[float], colour) -> None:
    last = result["i_xt"].sel(layer=LAST).values
    found = stages(last)
    x = np.array(epochs) + 1
    axes.plot(x, last.T, color=colour, linewidth=0.7, alpha=0.5, linestyle="-")
    dots = axes.scatter(np.full(len(last), x[-1]), last[:, -1], s=14, color=style.COLOURS["vermillion"], zorder=3)
    axes.set(xscale="log", xlabel="epoch + 1", ylabel="I(X;T) [bits]", title="Last hidden layer")
    axes.set(ylim=(-0.3, 1.15 * last.max() + 0.3), xlim=(0.9, 1.15 * x[-1]))
    moving = np.stack(np.broadcast_arrays(x[:, None], last.T), -1)
    style.film(dots, moving, at=epochs, label="epoch")
    change, settled = (float(np.median(x[index])) for index in (found.change, found.settled))
    for at in (change, settled):
        axes.axvline(at, color=style.MUTED, linewidth=1, linestyle=":")
    top = axes.get_ylim()[1]
    axes.text(np.sqrt(change), 0.99 * top, "fitting", ha="center", va="top", color=style.MUTED)
    if settled > 3 * change:
        axes.text(np.sqrt(change * settled), 0.99 * top, "compression", ha="center", va="top", color=style.MUTED)


def _title(result: xr.Dataset) -> str:
    return f"{result.sizes['seed']} networks, {int(result['epoch'][-1])} epochs"


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    last, known = (result[name].sel(layer=LAST) for name in ("i_xt", "i_ty"))
    epochs = result["epoch"].values
    change = np.median(epochs[stages(last.values).change])
    return (
        f"A film of the information plane: the {result.sizes['layer']} layers of {result.sizes['seed']} networks over "
        f"{int(epochs[-1])} epochs, {result.attrs['bins']} bins. I(X;T) of the last hidden layer starts at "
        f"{float(last[:, 0].mean()):.2f} bits (mean), is largest at epoch {change:.0f} (median) with "
        f"{float(last.max('epoch').mean()):.2f} bits, and ends at {float(last[:, -1].mean()):.2f}; its I(T;Y) grows "
        f"from {float(known[:, 0].mean()):.2f} to {float(known[:, -1].mean()):.2f} bits. "
        f"Test accuracy ends at {float(result['accuracy_test'][:, -1].mean()):.3f}."
    )


def _of(result: xr.Dataset, what: str) -> xr.DataArray:
    """One of the stages' numbers for each network."""
    return xr.DataArray(getattr(stages(result["i_xt"].sel(layer=LAST).values), what), dims="seed")


def _rises(result: xr.Dataset) -> Evidence:
    return Evidence((_of(result, "rise") >= 0.1).mean(), 0.75, 0, "≥")


def _falls(result: xr.Dataset) -> Evidence | None:
    if result["epoch"][-1] < LONG:
        return None
    fall = _of(result, "fall")
    return Evidence(fall.quantile(0.05), 0.5, 0, "≥", spread(fall), "bits")


def _never_forgets(result: xr.Dataset) -> Evidence:
    known = result["i_ty"].sel(layer=LAST).values
    lost = xr.DataArray((np.maximum.accumulate(known, 1) - known).max(1), dims="seed")
    return Evidence(lost.mean(), 0, 0.1, "≤", spread(lost), "bits")


def _takes_longest(result: xr.Dataset) -> Evidence | None:
    if result["epoch"][-1] < LONG:
        return None
    epochs = result["epoch"].values
    change, settled = (epochs[_of(result, what).values] for what in ("change", "settled"))
    share = xr.DataArray(1 - change / np.maximum(settled, 1), dims="seed")
    return Evidence(share.mean(), 0.5, 0, "≥", spread(share))


def _arrives(result: xr.Dataset) -> Evidence | None:
    epochs, last = result["epoch"].values, result["i_xt"].sel(layer=LAST)
    if epochs[-1] < LONG:
        return None
    half = int(np.abs(epochs - epochs[-1] / 2).argmin())
    lost = last[:, half] - last[:, -1]
    return Evidence(lost.mean(), 0, 0.1, "≈", spread(lost), "bits")


CLAIMS = (
    Claim(
        "Fitting: I(X;T) of the last hidden layer first rises, by a tenth of a bit or more in three of four networks "
        "(share of those; from the least before the phase change).",
        INFORMATION,
        _rises,
    ),
    Claim(
        "Compression: then it falls, by half a bit or more in 95 % of the networks.",
        f"{INFORMATION}; Shwartz-Ziv & Tishby 2017",
        _falls,
    ),
    Claim(
        "I(T;Y) of the last hidden layer grows all the while: it is never a tenth of a bit below what it was "
        "before (largest loss, mean over networks).",
        REPRESENTATIONS,
        _never_forgets,
    ),
    Claim(
        f"Most of the time goes to compression: the share of epochs between the phase change and the moment at which "
        f"{SHARE:.0%} of the fall are done.",
        "Lecture on information, summary",
        _takes_longest,
    ),
    Claim(
        "The last hidden layer arrives at a final state: over the second half of the training I(X;T) stays as it is.",
        INFORMATION,
        _arrives,
        disputed="it goes on falling for as long as we trained, even on a logarithmic scale of time",
    ),
)

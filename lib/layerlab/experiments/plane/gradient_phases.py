"""Drift and diffusion: mean and standard deviation of the gradients of each layer, next to its information.

Networks 12-10-7-5-4-3-2 learn the 12-bit rule with the settings of the published code (Adam, 4e-4, batches of 512).
Over each epoch, every weight's gradient has a mean and a standard deviation from batch to batch; their norms over a
layer, in units of the norm of its weights, are drawn, and their ratio is the signal-to-noise ratio. The transition of
a layer is the first of three moments in a row, after the ratio's highest value, at which it lies below 1.

Sources: lecture on information, "Gradients SNR, Diffusion & Compression - all layers"; Shwartz-Ziv & Tishby 2017.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from layerlab import lab
from layerlab.experiments.plane import _gradients as gradients
from layerlab.lab import Claim, Evidence, choice, integer, spread, style

LECTURE = "Lecture on information, “Gradients SNR, Diffusion & Compression - all layers”"
PAPER = "Shwartz-Ziv & Tishby 2017"
HIDDEN = len(gradients.WIDTHS) - 2
BATCH, PER_EPOCH = 512, 6
LEAST = 0.3  # bits that a layer must lose before we speak of its compression
LONG = 400  # epochs after which a claim about the end of training is put to the test


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The networks."""

    activation: str = choice("tanh", "activation", tuple(gradients.INITIALISATIONS))
    epochs: int = integer(600, "epochs", low=10, high=10_000, log=True)
    seeds: int = integer(10, "networks", low=1, high=100, help="each with its own weights, data order and rows")


GRID = [
    {"activation": ("tanh", "relu"), "epochs": (100, 600)},
    {"activation": ("tanh",), "epochs": (2000,), "seeds": (50,)},
]
# single precision differs between machines, and training amplifies it
TOLERANCE = {"default": (0.1, 0.05), "i_xt": (0.03, 0.1), "accuracy": (0.02, 0.01)}


def work(config: Config) -> float:
    """Steps, weighted by the networks, and the reading of the layers."""
    return config.epochs * (3 + config.seeds) + 30 * config.seeds


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train once, watching the gradients; read the layers at every moment."""
    found = gradients.watched(
        activation=config.activation, batch=BATCH, steps=PER_EPOCH * config.epochs, seeds=config.seeds,
        seed=config.seed, device=device, progress=lambda done, total, note: progress(0.8 * done / total, 1, note),
    )  # fmt: skip
    information = []
    for moment in range(len(found.at)):
        progress(0.8 + 0.2 * moment / len(found.at), 1, "reading the layers")
        information.append(found.layer_information(moment))
    progress(1, 1)

    def course(values: Any, last: str, said: str, units: str = "") -> tuple:
        each = np.moveaxis(np.asarray(values, dtype=np.float32), 1, 0)
        return (("seed", "epoch", last)[: each.ndim], each, {"long_name": said} | ({"units": units} if units else {}))

    return xr.Dataset(
        {
            "mean": course(found.mean, "layer", "norm of the mean gradient / norm of the weights"),
            "deviation": course(found.deviation, "layer", "norm of its standard deviation / norm of the weights"),
            "snr": course(found.snr, "layer", "signal-to-noise ratio of the gradient"),
            "i_xt": course(information, "hidden", "I(X;T) of the layer, 30 bins", "bits"),
            "accuracy": course(found.accuracy_test, "", "accuracy on the other rows"),
        },
        coords={
            "epoch": ("epoch", found.at / found.per_epoch, {"long_name": "epoch"}),
            "layer": ("layer", np.arange(1, HIDDEN + 2), {"long_name": "layer of weights"}),
            "hidden": ("hidden", np.arange(1, HIDDEN + 1), {"long_name": "hidden layer"}),
        },
    )


def transitions(result: xr.Dataset) -> xr.DataArray:
    """(seed, layer) the epoch at which a layer's gradients turn from drift to diffusion; NaN where they did not."""
    from layerlab.training import transition

    at = transition(result["epoch"].values, result["snr"].transpose("epoch", "seed", "layer").values)
    return xr.DataArray(at, dims=("seed", "layer"), coords={"layer": result["layer"]})


def compressions(result: xr.Dataset) -> xr.Dataset:
    """Per network and hidden layer: `peak`, the epoch of the highest I(X;T), and `lost`, bits from there to the end.

    `snr` is the ratio at the peak, `transition` that of the layer, `after` the share of `lost` that is lost after it.
    `peak`, `snr` and `after` are NaN where fewer than 0.3 bits were lost, `after` also where there was no transition.
    """
    i_xt = result["i_xt"].transpose("seed", "hidden", "epoch").values.astype(np.float64)
    ratio = result["snr"].transpose("seed", "layer", "epoch").values[:, : i_xt.shape[1]].astype(np.float64)
    turned = transitions(result).values[:, : i_xt.shape[1]]
    epoch = result["epoch"].values
    top = i_xt.argmax(-1)
    end = i_xt[..., -1]
    lost = i_xt.max(-1) - end
    moved = lost >= LEAST
    place = abs(np.where(np.isnan(turned), np.inf, turned)[..., None] - epoch).argmin(-1)

    def at(values: np.ndarray, where: np.ndarray) -> np.ndarray:
        return np.take_along_axis(values, where[..., None], -1)[..., 0]

    after = (at(i_xt, np.maximum(place, top)) - end) / np.where(moved, lost, 1)
    values = {
        "lost": lost,
        "peak": np.where(moved, epoch[top], np.nan),
        "snr": np.where(moved, at(ratio, top), np.nan),
        "after": np.where(moved & ~np.isnan(turned), after, np.nan),
        "transition": turned,
    }
    return xr.Dataset({n: (("seed", "hidden"), v) for n, v in values.items()}, coords={"hidden": result["hidden"]})


def plot(result: xr.Dataset) -> Figure:
    """Mean and deviation, their ratio, I(X;T), and the transition against the start of compression."""
    fig, axes = style.figure(2, 2, height=6.2)
    (norms, ratio), (plane, when) = axes
    colours = mpl.colormaps["viridis"](np.linspace(0.2, 0.9, result.sizes["layer"]))
    epoch = result["epoch"]
    turned = transitions(result)
    for layer, colour in zip(result["layer"].values, colours, strict=True):
        here = result.sel(layer=layer).median("seed")
        norms.plot(epoch, here["mean"], color=colour, linewidth=1.5, linestyle="-")
        norms.plot(epoch, here["deviation"], color=colour, linewidth=1.2, linestyle=":")
        ratio.plot(epoch, here["snr"], color=colour, linewidth=1.6, linestyle="-", label=str(layer))
        at = float(turned.sel(layer=layer).median("seed"))  # NaN networks are passed over
        ratio.plot([at], [1], "o", color=colour, markersize=7)
        if layer <= HIDDEN:
            bits = result["i_xt"].sel(hidden=layer)
            plane.plot(epoch, bits.median("seed"), color=colour, linewidth=1.8, linestyle="-")
            plane.fill_between(epoch, bits.min("seed"), bits.max("seed"), color=colour, alpha=0.15)
            plane.plot([at], [float(np.interp(at, epoch, bits.median("seed")))], "o", color=colour, markersize=7)
    norms.set(xscale="log", yscale="log", ylabel="norm / norm of weights", title="Mean (—) and deviation (···)")
    ratio.axhline(1, color=style.MUTED, linewidth=1, linestyle="--")
    ratio.set(xscale="log", yscale="log", ylabel="signal-to-noise ratio", title="Their ratio, ● transition")
    ratio.legend(title="layer", ncols=2, fontsize=8, title_fontsize=8, loc="lower left", handlelength=1.2)
    plane.set(xscale="log", ylabel="I(X;T) [bits]", ylim=(0, 12.6), title="Information of the layers")
    for panel in (norms, ratio, plane):
        panel.set_xlabel("epoch")
    _plot_when(when, result, colours)
    return fig


def _plot_when(axes: Any, result: xr.Dataset, colours: np.ndarray) -> None:
    found = compressions(result)
    span = (float(result["epoch"][0]) * 0.8, float(result["epoch"][-1]) * 1.6)
    axes.plot(span, span, color=style.MUTED, linewidth=1, linestyle="--")
    for layer, colour in zip(result["hidden"].values, colours, strict=False):
        here = found.sel(hidden=layer)
        axes.plot(
            here["transition"], here["peak"], linestyle="", marker="o", color=colour, markersize=5, alpha=0.8,
            markeredgecolor="none",
        )  # fmt: skip
    axes.set(xscale="log", yscale="log", xlim=span, ylim=span, xlabel="transition [epoch]")
    axes.set(ylabel="compression begins [epoch]", title="Which comes first?")
    if not bool((found["peak"].notnull() & found["transition"].notnull()).any()):
        axes.text(0.5, 0.35, "no layer has both", transform=axes.transAxes, ha="center", color=style.MUTED)


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    turned, found = transitions(result), compressions(result).isel(hidden=-1)
    first = result["snr"].isel(epoch=0).median("seed")
    text = (
        f"Gradients of {result.sizes['seed']} {result.attrs['activation']} networks, {result.attrs['epochs']} epochs. "
        f"The signal-to-noise ratio begins between {float(first.min()):.1f} and {float(first.max()):.1f}; "
        f"{100 * float(turned.notnull().mean()):.0f} % of the layers fall below 1 for good. "
    )
    if turned.notnull().any():
        text += f"The transitions lie between epochs {float(turned.min()):.0f} and {float(turned.max()):.0f}. "
    text += f"I(X;T) of the last hidden layer falls by {float(found['lost'].median()):.2f} bits from its peak (median)"
    seen = bool(found["peak"].notnull().any())
    return text + (f", which lies at epoch {float(found['peak'].median()):.0f}." if seen else ".")


def table(result: xr.Dataset) -> Any:
    """Per layer and epoch: medians over the networks."""
    names = ["mean", "deviation", "snr"]
    frame = result[names].median("seed").to_dataframe().reset_index()
    return frame[["layer", "epoch", *names]]


def _starts(result: xr.Dataset) -> Evidence:
    first = result["snr"].isel(epoch=slice(0, 3)).mean("epoch")
    lowest = first.isel(layer=int(first.median("seed").values.argmin()))
    return Evidence(lowest.median(), 1, relation="≥", spread=spread(lowest))


def _ends(result: xr.Dataset) -> Evidence | None:
    if result.attrs["epochs"] < LONG:
        return None
    last = result["snr"].isel(layer=slice(0, HIDDEN), epoch=slice(-3, None)).mean("epoch")
    highest = last.isel(layer=int(last.median("seed").values.argmax()))
    return Evidence(highest.median(), 1, relation="≤", spread=spread(highest))


def _compressing(result: xr.Dataset) -> Evidence | None:
    """The last hidden layer's loss after its peak, where it has made its transition in most networks."""
    found = compressions(result).isel(hidden=-1)
    if float(found["transition"].notnull().mean()) < 0.5:
        return None
    return Evidence(found["lost"].median(), 1, relation="≥", spread=spread(found["lost"]), unit="bits")


def _begins(result: xr.Dataset) -> Evidence | None:
    """Only where most networks have both; that of a network without transition is later than all we saw."""
    found = compressions(result).isel(hidden=-1)
    if float((found["peak"].notnull() & found["transition"].notnull()).mean()) < 0.5:
        return None
    octaves = (found["transition"] / found["peak"]).copy()
    octaves.values = np.log2(octaves.values)
    return Evidence(octaves.median(), 0, 1, spread=spread(octaves), unit="octaves")


def _share(result: xr.Dataset) -> Evidence | None:
    after = compressions(result)["after"].isel(hidden=-1)
    if result.attrs["epochs"] < LONG or float(after.notnull().mean()) < 0.5:
        return None
    return Evidence(after.median(), 0.5, relation="≥", spread=spread(after))


CLAIMS = (
    Claim(
        "Training begins with drift: in every layer the mean gradient exceeds the noise (smallest median ratio over "
        "the first moments).",
        PAPER,
        _starts,
    ),
    Claim(
        "It ends with diffusion: in every hidden layer the noise exceeds the mean (largest median ratio over the last "
        "moments).",
        PAPER,
        _ends,
    ),
    Claim(
        "Layers whose gradients turn diffusive compress: the last hidden one ends at least a bit below its peak "
        "(median).",
        LECTURE,
        _compressing,
        disputed="ReLU networks go through the same transition, and their I(X;T) hardly falls",
    ),
    Claim(
        "Compression begins at the transition: between the peak of I(X;T) in the last hidden layer and its transition "
        "lies less than an octave of epochs (median).",
        LECTURE,
        _begins,
        disputed="with tanh, I(X;T) turns at the end of fitting, while the signal-to-noise ratio is near its highest",
    ),
    Claim(
        "Most of the compression happens in the diffusion phase (share of the last hidden layer's loss that comes "
        "after its transition).",
        LECTURE,
        _share,
        disputed="with tanh, most of the fall comes while the mean gradient still exceeds the noise",
    ),
)

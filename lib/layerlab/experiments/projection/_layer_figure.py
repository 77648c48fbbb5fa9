"""The figure of `layer_distances`: distances after against before, the contrast of the classes, the groups."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from layerlab.lab import style

STAGES = ("random", "trained")
PLACES = ("input", *STAGES)
MERITS = ("knn", "purity", "overlap", "share")


def contrast(result: xr.Dataset) -> xr.DataArray:
    """Mean factor on squared distances within classes over that between classes, by stage and seed."""
    return result["factor"].sel(pair="within") / result["factor"].sel(pair="between")


def expected_contrast(result: xr.Dataset) -> xr.DataArray:
    """The same in theory, for a random layer."""
    return result["expected_factor"].sel(pair="within") / result["expected_factor"].sel(pair="between")


def plot(result: xr.Dataset) -> Figure:
    """Distances after against before, in the random and the trained layer; the groups; the contrast."""
    fig, axes = style.figure(2, 2, height=6.2)
    blue, vermillion = style.COLOURS["blue"], style.COLOURS["vermillion"]
    top = float(result["after"].max()) * 1.03
    left, right = 0.9 * float(result["before"].min()), 1.04 * float(result["before"].max())
    for ax, stage in zip(axes[0], STAGES, strict=True):
        ax.plot([left, right], [left, right], color=style.MUTED, linewidth=1, linestyle=":", label="kept")
        for kind, colour, dash in (("between", blue, "-"), ("within", vermillion, (0, (5, 2)))):
            band = result["after"].sel(stage=stage, kind=kind).mean("seed")
            x = result["before"]
            ax.fill_between(x, band.sel(quantile=0.1), band.sel(quantile=0.9), color=colour, alpha=0.25)
            ax.plot(x, band.sel(quantile=0.5), color=colour, linestyle=dash, label=f"{kind} classes")
        ax.set(
            xlabel="distance before / rms",
            ylabel="distance after / rms",
            title=f"{stage.capitalize()} layer",
            xlim=(left, right),
            ylim=(0, top),
        )
        ax.legend(loc="upper left")
    _plot_contrast(axes[1, 0], result)
    _plot_merits(axes[1, 1], result)
    return fig


def _plot_contrast(ax: Axes, result: xr.Dataset) -> None:
    """Mean factor within over mean factor between classes, every seed."""
    measured = contrast(result)
    theory = float(expected_contrast(result))
    ax.axhline(1, color=style.MUTED, linewidth=1, linestyle=":")
    ax.plot([-0.32, 0.32], [theory, theory], color=style.COLOURS["green"], label="theory, random")
    shift = np.linspace(-0.12, 0.12, measured.sizes["seed"])
    for place, stage in enumerate(STAGES):
        ax.plot(place + shift, measured.sel(stage=stage), "o", color=style.COLOURS["blue"], alpha=0.8,
                label="each seed" if place == 0 else None)  # fmt: skip
    ax.set(
        xticks=[0, 1], xticklabels=STAGES, xlim=(-0.6, 1.6), xlabel="the layer",
        ylabel="factor within / between",
        title="Squared distances", ylim=(0, max(1.25, 1.1 * float(measured.max()))),
    )  # fmt: skip
    ax.legend(loc="lower left")


def _plot_merits(ax: Axes, result: xr.Dataset) -> None:
    for i, place in enumerate(PLACES):
        values = result["merit"].sel(place=place)
        mean = values.mean("seed")
        ax.errorbar(
            np.arange(len(MERITS)) + (i - 1) * 0.22, mean,
            np.maximum([mean - values.min("seed"), values.max("seed") - mean], 0),
            fmt=("s", "o", "D")[i], color=list(style.COLOURS.values())[(2, 0, 1)[i]],
            label={"input": "pixels", "random": "random layer", "trained": "trained layer"}[place],
        )  # fmt: skip
    ax.set(xticks=range(len(MERITS)), ylim=(0, 1.05), xlabel="measure", ylabel="share", title="Groups")
    ax.set_xticklabels(["k-NN", "purity", "overlap", "between"])
    ax.legend(loc="lower left")

"""The figure of `similarity/partners`."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from layerlab.lab import style


def draw_matrices(fig: Figure, axes: list[Any], result: xr.Dataset) -> None:
    """Network 1 with itself, with network 2, and with network 2 in aligned order."""
    within, natural, aligned = axes
    order = np.argsort(-_assigned(result), kind="stable")
    columns = result["partner"].values[order]
    for one, title, matrix in (
        (within, "Network 1 with itself", result["within"].values),
        (natural, "With network 2", result["between"].values),
        (aligned, "Partners on the diagonal", result["between"].values[order][:, columns]),
    ):
        image = one.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
        one.set(title=title, xlabel="unit" if one is within else "unit of network 2", ylabel="unit of network 1")
        one.grid(False)
    fig.colorbar(image, ax=natural, label="correlation", shrink=0.9)


def _assigned(result: xr.Dataset) -> np.ndarray:
    """The correlation of each unit of network 1 with the partner that it was assigned."""
    return result["between"].values[np.arange(result.sizes["unit"]), result["partner"].values]


def draw_sorted(axes: Any, result: xr.Dataset) -> None:
    """The correlations of the assigned pairs of every layer, sorted, mean over the pairs of networks."""
    for (colour, dash), layer in zip(_lines(), result["layer"].values, strict=True):
        units = int(result["units"].sel(layer=layer))
        here = result["paired"].sel(layer=layer, matching="assignment").isel(rank=slice(units))
        place = (np.arange(units) + 0.5) / units
        axes.plot(place, here.fillna(0).mean("seed"), color=colour, linestyle=dash, label=str(layer))
    axes.set(xlabel="share of the layer's units", ylabel="correlation of the pair", title="Assigned pairs, sorted")
    axes.set_ylim(min(-0.05, axes.get_ylim()[0]), 1.03)
    axes.legend(loc="upper right", fontsize=9, handlelength=1.6, borderaxespad=0.1)


def _lines() -> list[tuple[str, Any]]:
    return list(zip(style.COLOURS.values(), style.DASHES, strict=True))


def draw_means(axes: Any, result: xr.Dataset) -> None:
    """Their means, beside those where nothing was learnt in common."""
    at = np.arange(result.sizes["layer"])
    shown = (("trained", "o-"), ("untrained", "s--"), ("images shuffled", "^:"), ("all shuffled", "D-."))
    for colour, (kind, form) in zip(style.COLOURS.values(), shown, strict=True):
        here = result["mean"].sel(kind=kind, matching="assignment")
        error = here.std("seed", ddof=1) if here.sizes["seed"] > 1 else None
        axes.errorbar(at, here.mean("seed"), error, fmt=form, color=colour, label=kind)
    axes.set(xlabel="layer", ylabel="mean over assigned pairs", title="Learnt, untrained, chance", ylim=(-0.05, 1.35))
    axes.legend(loc="upper left", ncols=2, fontsize=9, handlelength=1.6, columnspacing=1.0, borderaxespad=0.1)
    _name_layers(axes, result)


def draw_sharing(axes: Any, result: xr.Dataset) -> None:
    """How semi-matching and assignment differ."""
    at = np.arange(result.sizes["layer"])
    for name, colour, form, said in (
        ("shared", "vermillion", "o-", "shares its best partner"),
        ("agree", "blue", "s--", "is assigned its best partner"),
    ):
        here = result[name]
        error = here.std("seed", ddof=1) if here.sizes["seed"] > 1 else None
        axes.errorbar(at, here.mean("seed"), error, fmt=form, color=style.COLOURS[colour], label=said)
    axes.set(xlabel="layer", ylabel="share of units", title="Semi against assignment", ylim=(-0.03, 1.35))
    axes.legend(loc="upper left", fontsize=9, handlelength=1.6, borderaxespad=0.1)
    _name_layers(axes, result)


def _name_layers(axes: Any, result: xr.Dataset) -> None:
    axes.set_xticks(range(result.sizes["layer"]), [str(n).replace("olution", "") for n in result["layer"].values])
    axes.tick_params(axis="x", labelsize=9.5)
    axes.set_yticks(np.linspace(0, 1, 5))

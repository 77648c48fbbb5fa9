"""Layers drawn through the information plane and against the epoch, coloured from the first to the last."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.colors import LinearSegmentedColormap

from layerlab.lab import style


def shades(layers: int) -> list[Any]:
    """A colour for each layer, from green through blue and purple to vermillion: legible on white and on dark."""
    stops = [style.COLOURS[name] for name in ("green", "blue", "purple", "vermillion")]
    way = LinearSegmentedColormap.from_list("layers", stops)
    return [way(v) for v in np.linspace(0, 1, layers)]


def draw_paths(axes: Any, i_xt: xr.DataArray, i_ty: xr.DataArray) -> None:
    """The mean path of each layer through the plane, (seed, epoch, layer); hollow where it begins, full where it ends.

    Small points show where each network ends.
    """
    for i, shade in enumerate(shades(i_xt.sizes["layer"])):
        x, y = (v.isel(layer=i).mean("seed") for v in (i_xt, i_ty))
        axes.plot(x, y, color=shade, linestyle="-", linewidth=1.5)
        axes.plot(i_xt[:, -1, i], i_ty[:, -1, i], ".", color=shade, markersize=4, alpha=0.5, linestyle="")
        axes.plot(x[0], y[0], "o", color=shade, markerfacecolor="none", linestyle="")
        axes.plot(x[-1], y[-1], "o", color=shade, linestyle="")
    axes.set(xlabel="I(X;T) [bits]", ylabel="I(T;Y) [bits]")


def draw_courses(axes: Any, low: xr.DataArray, high: xr.DataArray | None = None, names: Any = None) -> None:
    """Each layer against the epoch, (seed, epoch, layer): mean line, all networks in the band; or between two bounds.

    names: labels for a legend. Epoch 0 has a place of its own, left of 1.
    """
    at = 1 + low["epoch"]
    for i, shade in enumerate(shades(low.sizes["layer"])):
        under, over = low.isel(layer=i), (low if high is None else high).isel(layer=i)
        middle = ((under + over) / 2).mean("seed")
        bottom, top = (under.min("seed"), over.max("seed")) if high is None else (under.mean("seed"), over.mean("seed"))
        axes.fill_between(at, bottom, top, color=shade, alpha=0.2)
        axes.plot(at, middle, color=shade, linestyle="-", linewidth=1.5, label=None if names is None else names[i])
    axes.set(xscale="log", xlabel="1 + epoch", ylabel="I(X;T) [bits]")

"""One look for all figures: legible on white and on dark, for colour-blind readers, and on a phone.

Text and axes are drawn in `INK`, which becomes `currentColor` in the page, so that a figure takes the colour of the
text around it. Nothing paints a background. The data colours are taken from the Okabe-Ito palette: those that
keep a contrast of at least 3 to 1 on white and on the dark page.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

INK = "#222831"
MUTED = "#7d828a"
COLOURS = {"blue": "#0072b2", "vermillion": "#d55e00", "green": "#009e73", "purple": "#b5659a"}
MARKERS = ("o", "s", "^", "D")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (4, 1.5, 1, 1.5)))

_PARAMETERS: Any = {
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.formatter.useoffset": False,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 11,
    "axes.prop_cycle": cycler(color=list(COLOURS.values())) + cycler(linestyle=list(DASHES)),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "normal",
    "figure.dpi": 100,
    "figure.facecolor": "none",
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "grid.alpha": 0.28,
    "grid.color": MUTED,
    "grid.linewidth": 0.6,
    "image.cmap": "cividis",
    "legend.edgecolor": "none",
    "legend.facecolor": "none",
    "legend.fontsize": 10,
    "legend.framealpha": 0.0,
    "legend.labelcolor": INK,
    "lines.linewidth": 2.0,
    "lines.markersize": 5,
    "patch.edgecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "path",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}

# matplotlib's settings are global to the process: one figure at a time, also when runs live in threads
_lock = threading.RLock()
_narrow = ContextVar("narrow", default=False)


@contextmanager
def context(*, narrow: bool = False) -> Iterator[None]:
    """Draw within the book's style; figures made elsewhere keep theirs. `narrow` draws for the width of a phone."""
    token = _narrow.set(narrow)
    try:
        with _lock, mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(_PARAMETERS)
            yield
    finally:
        _narrow.reset(token)


@dataclass(frozen=True)
class Film:
    """What moves in a figure: each artist's points (F, P, 2), in fractions of its axes; the moments `at`, `label`."""

    at: tuple[float, ...]
    label: str
    tracks: tuple[tuple[PathCollection, np.ndarray], ...]


_films: WeakKeyDictionary[Figure, Film] = WeakKeyDictionary()


def film(artist: PathCollection, xy: np.ndarray, *, at: Sequence[float], label: str) -> None:
    """Lets the points of a scatter move: in the page, the figure gets a play button and a slider over its frames.

    artist: what `axes.scatter` gave for P points of one marker and size, as they stand in the last frame; the limits
        and scales of its axes are final. xy: (F, P, 2) where each point stands in each frame, in data coordinates.
    at: (F,) what each frame shows, ascending, e.g. epochs. label: what `at` counts, e.g. "epoch".

    Several scatters of one figure move together: they share `at` and `label`. Raises ValueError for other shapes,
    points that are not finite, or moments that differ from those of the figure's film so far.
    """
    axes, xy = artist.axes, np.asarray(xy, dtype=float)
    points = len(np.asarray(artist.get_offsets()))
    if xy.shape != (len(at), points, 2) or not len(at):
        raise ValueError(f"xy has shape {xy.shape}; it must be ({len(at)}, {points}, 2): frames, points, x and y")
    if not np.isfinite(xy).all():
        raise ValueError("xy holds NaN or infinite values; every point must stand somewhere in every frame")
    if axes is None or not isinstance(axes.figure, Figure):
        raise ValueError("artist stands in no figure")
    before = _films.get(axes.figure, Film(tuple(at), label, ()))
    if (before.at, before.label) != (tuple(at), label):
        raise ValueError(f"at and label differ from those of the figure's film so far ({before.label})")
    fractions = (axes.transData - axes.transAxes).transform(xy.reshape(-1, 2)).reshape(xy.shape)
    artist.set_gid(f"film-{len(before.tracks)}")
    _films[axes.figure] = Film(before.at, label, (*before.tracks, (artist, fractions)))


def film_of(figure: Figure) -> Film | None:
    """The film of a figure, or None if nothing moves in it."""
    return _films.get(figure)


def figure(
    rows: int = 1, cols: int = 1, *, width: float | None = None, height: float | None = None, **subplots: Any
) -> tuple[Figure, Any]:
    """A figure of at most 7.2 inches in width and its axes (one, or an array), as `matplotlib.pyplot.subplots` gives.

    It belongs to no window and to no global list, so nothing leaks. `subplots` goes to `Figure.subplots`. Drawn
    narrow, the panels stand one below the other, each as high as before; the array of axes keeps its shape.
    """
    width = width or (4.8 if cols == 1 else 7.2)
    height = height or 3.2 * rows
    if not _narrow.get():
        fig = Figure(figsize=(width, height), layout="constrained")
        return fig, fig.subplots(rows, cols, **subplots)
    panel = min(height / rows, 3.0)
    fig = Figure(figsize=(3.9, panel * rows * cols), layout="constrained")
    for ratios in ("width_ratios", "height_ratios"):
        subplots.pop(ratios, None)  # they mean nothing to panels in single file
    axes = fig.subplots(rows * cols, 1, **subplots)
    if rows > 1 and cols > 1:
        axes = axes.reshape(rows, cols)
    return fig, axes

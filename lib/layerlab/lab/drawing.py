"""From a result to a figure that a page can hold: SVG, cleaned, described, in the colour of its surroundings."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from layerlab.lab import style

if TYPE_CHECKING:
    from layerlab.lab.experiment import Experiment


def draw(experiment: Experiment, result: xr.Dataset) -> Figure:
    """The figure of a result, in the book's style."""
    with style.context():
        return experiment.plot(result)


def figure_svg(experiment: Experiment, result: xr.Dataset, prefix: str, *, narrow: bool = False) -> str:
    """The figure of a result as an `<svg>` element to be put into a page.

    It scales with its container (a viewBox, no size of its own), its text and axes take the colour of the text around
    it (`currentColor`), its ids begin with `prefix` so that many figures live in one page, and it carries
    the experiment's description as its accessible name. `narrow` draws the panels one below the other, for a phone.
    """
    with style.context(narrow=narrow):
        figure = experiment.plot(result)
        return to_svg(figure, experiment.describe(result), prefix)


def to_svg(figure: Figure, description: str, prefix: str) -> str:
    """Any matplotlib figure as such an `<svg>` element; `description` is its alternative text.

    If something moves in it (`style.film`), the element stands in a `<layerlab-film>` that holds the frames. Without
    its script it shows the last one.
    """
    if not re.fullmatch(r"[A-Za-z][\w-]*", prefix):
        raise ValueError(f"prefix must be a letter followed by letters, digits, - and _; it was {prefix!r}")
    buffer = io.StringIO()
    with style.context(), mpl.rc_context({"svg.hashsalt": prefix}):
        # not figure.savefig: it draws everything twice, the first time only to lay it out
        FigureCanvasSVG(figure).print_svg(buffer, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"\s*\n\s*", "\n", svg)
    film = style.film_of(figure)
    if film is not None:
        svg = _marked(svg, film)
    # ids that nothing refers to say nothing to a reader; the others get the prefix
    used = set(re.findall(r"(?:#)([\w.-]+)", svg))
    svg = re.sub(r'\sid="([^"]+)"', lambda m: f' id="{prefix}-{m[1]}"' if m[1] in used else "", svg)
    svg = re.sub(r'((?:xlink:)?href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    svg = svg.replace(style.INK, "currentColor")
    view = re.search(r'viewBox="([^"]+)"', svg)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" role="img" '
        f'aria-label={quoteattr(description)} viewBox="{view[1] if view else "0 0 1 1"}">'
    )
    body = svg[svg.index(">") + 1 :]
    svg = head + f"<title>{escape(description)}</title>" + body.strip()
    if film is None:
        return svg
    frames = json.dumps(_frames(figure, film), separators=(",", ":")).replace("<", "\\u003c")
    return f'<layerlab-film>{svg}<script type="application/json">{frames}</script></layerlab-film>'


FILM_STEPS = 2000  # positions are told in so many parts of an axis


def _marked(svg: str, film: style.Film) -> str:
    """The groups of points that move, marked as such; ValueError if one does not hold one `<use>` for each point."""
    for number, (_, xy) in enumerate(film.tracks):
        start = svg.index(f'id="film-{number}"')
        drawn = len(re.findall(r"<use\b", svg[start : svg.find("</g>\n</g>", start)]))
        if drawn != xy.shape[1]:
            raise ValueError(f"a film of {xy.shape[1]} points has {drawn} in its figure; use one marker and one size")
        svg = svg.replace(f'id="film-{number}"', f'data-film="{number}"')
    return svg


def _frames(figure: Figure, film: style.Film) -> dict[str, object]:
    """What the script needs: for each group its axes (left, bottom, width, height in points) and its points' steps.

    A frame holds x, y, x, y, ... in parts of the axes, each frame but the first as the change from the one before.
    """
    width, height = figure.get_size_inches() * 72
    tracks = []
    for artist, xy in film.tracks:
        assert artist.axes is not None
        box = artist.axes.get_position()
        whole = np.rint(xy.reshape(len(film.at), -1) * FILM_STEPS).astype(int)
        tracks.append(
            {
                "box": [
                    round(float(v), 2)
                    for v in (box.x0 * width, height * (1 - box.y0), box.width * width, box.height * height)
                ],
                "steps": np.diff(whole, axis=0, prepend=0).tolist(),
            }
        )
    return {"label": film.label, "at": list(film.at), "parts": FILM_STEPS, "tracks": tracks}

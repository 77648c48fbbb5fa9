"""One result as the live widget shows it: figure, claims, provenance, and its numbers as a table on request."""

from __future__ import annotations

import itertools
import re
from html import escape
from typing import Any

import ipywidgets

from layerlab.lab import Run, figure_svg
from layerlab.widgets import parts
from layerlab.widgets.faults import fault_html
from layerlab.widgets.stored import text

ROWS = 500
_count = itertools.count()


def run_html(run: Run, kind: str) -> str:
    """The view of a run: its parameters, figure, claims, provenance."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", run.experiment.name).strip("-")
    prefix = f"live-{slug}-{next(_count)}"
    figures = "".join(
        f'<div class="ll-figure ll-figure--{width}">'
        f"{figure_svg(run.experiment, run.result, f'{prefix}-{width}', narrow=width == 'narrow')}</div>"
        for width in ("wide", "narrow")
    )
    provenance = run.provenance.as_dict()
    parameters = ", ".join(f"{name} = {text(value)}" for name, value in run.config.as_dict().items())
    return (
        f'<p class="ll-run-title"><span class="ll-badge">{escape(kind)}</span> '
        f'<span class="ll-parameters">{escape(parameters)}</span></p>'
        f"{figures}"
        f'<div class="ll-evidences"><p class="ll-heading">What theory says of this run</p>'
        f"{parts.claims_html(run.claims())}</div>"
        f'<div class="ll-foot"><details class="ll-provenance"><summary>Provenance: '
        f'<span class="ll-summary">{escape(parts.summary(provenance, kind))}</span></summary>'
        f"{parts.provenance_html(provenance, kind)}</details></div>"
    )


def note_html(note: str) -> str:
    """A sentence about what is shown; nothing if there is none."""
    return f'<p class="ll-note">{escape(note)}</p>' if note else ""


def numbers_html(run: Run, kind: str) -> str:
    """The numbers behind the figure; of a very long table its first rows, saying so."""
    table = run.experiment.table(run.result)
    caption = f"{kind.capitalize()} run of {run.experiment.name}: the numbers"
    if len(table) > ROWS:
        caption += f" (the first {ROWS} of {len(table)} rows)"
    return parts.table_html(table.head(ROWS), caption)


class Pane:
    """The place of one run, stored or live, in a live widget. Nothing is seen of it before it has something to show."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.run: Run | None = None
        self.view = ipywidgets.HTML()
        self.button = ipywidgets.ToggleButton(
            description="Numbers", tooltip=f"Show the numbers of the {kind} run as a table", value=False
        )
        self.button.add_class("ll-button")
        self.table = ipywidgets.HTML()
        self.widget = ipywidgets.VBox([self.view, self.button, self.table])
        self.widget.add_class("ll-side")
        self.widget.add_class(f"ll-side--{kind}")
        self.button.observe(self._toggled, "value")
        self.clear()

    def show(self, run: Run, html: str, note: str = "") -> None:
        """Put a run there, with its view as `run_html` gives it; `note` says what a reader should know of it."""
        self.run = run
        self.view.value = note_html(note) + html
        self.widget.layout.flex = "1 1 300px"  # two runs stand side by side where each has the width of a phone
        self.button.layout.display = ""
        self._fill_table()
        self.widget.layout.display = ""

    def clear(self, note: str = "") -> None:
        """Take the run away; `note` says why there is none."""
        self.run = None
        self.view.value = note_html(note)
        self.widget.layout.flex = "1 1 100%"
        self.button.layout.display = "none"
        self._fill_table()
        self.widget.layout.display = "" if note else "none"

    def _toggled(self, change: dict[str, Any]) -> None:
        self.button.description = "Hide numbers" if change["new"] else "Numbers"
        self._fill_table()

    def _fill_table(self) -> None:
        run = self.run if self.button.value else None
        self.table.layout.display = "none" if run is None else ""
        try:
            self.table.value = "" if run is None else numbers_html(run, self.kind)
        except Exception as error:  # an experiment's own table may fail
            self.table.value = fault_html(error)

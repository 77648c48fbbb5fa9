"""The part of a live widget that starts, stops and reports a run: device, buttons, estimate, status, progress."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import ipywidgets


class Console:
    """The pieces, in their order in `widgets`; what they mean is up to whoever calls."""

    def __init__(
        self, on_device: Callable[[], None], on_run: Callable[[], None], on_cancel: Callable[[], None]
    ) -> None:
        self.device = ipywidgets.Dropdown(
            options=["auto", "cpu"],
            description="device",
            tooltip="where a live run is computed",
            style={"description_width": "initial"},
        )
        self.device.observe(lambda _: on_device(), "value")
        self.run_button = _button("Run", "Compute these parameters here", on_run)
        self.run_button.add_class("ll-button--primary")
        self.cancel_button = _button("Cancel", "Stop the live run", on_cancel)
        self.cancel_button.disabled = True
        self.expected, self.status, self.bar, self.error = (ipywidgets.HTML() for _ in range(4))
        self.bar.layout.display = "none"
        device = box([self.device], "ll-live-control")
        first = box([device, self.run_button, self.cancel_button, self.expected], "ll-bar")
        self.widgets = [first, self.status, self.bar, self.error]

    def begin(self) -> None:
        """A run starts: only Cancel can be pressed, and an old error is gone."""
        self.error.value = ""
        self.run_button.disabled = True
        self.cancel_button.disabled = False

    def rest(self, can_run: bool) -> None:
        """No run is under way; `can_run` says whether one could start."""
        self.bar.value = ""
        self.bar.layout.display = "none"
        self.run_button.disabled = not can_run
        self.cancel_button.disabled = True

    def say(self, text: str) -> None:
        """One line on what goes on, which a screen reader speaks."""
        self.status.value = f'<div class="ll-status layerlab-status" role="status">{escape(text)}</div>'

    def progress(self, share: float, note: str) -> None:
        """How far the run is: a share from 0 to 1, and what it is at."""
        share = min(max(share, 0.0), 1.0)
        said = " · ".join(filter(None, (f"{share:.0%}", note)))
        self.bar.value = (
            f'<div class="ll-progress" role="progressbar" aria-label="Progress of the live run" aria-valuemin="0" '
            f'aria-valuemax="100" aria-valuenow="{share * 100:.0f}">'
            f'<div class="ll-progress-fill" style="width: {share:.1%}"></div></div>'
            f'<p class="ll-progress-note">{escape(said)}</p>'
        )
        self.bar.layout.display = ""


def box(children: list[Any], classes: str) -> Any:
    """A box with these class names."""
    made = ipywidgets.Box(children)
    for name in classes.split():
        made.add_class(name)
    return made


def _button(text: str, tooltip: str, on_click: Callable[[], None]) -> Any:
    button = ipywidgets.Button(description=text, tooltip=tooltip)
    button.add_class("ll-button")
    button.on_click(lambda _: on_click())
    return button

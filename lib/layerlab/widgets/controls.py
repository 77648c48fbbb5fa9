"""The form of a live widget: one labelled control for each parameter of an experiment."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import ipywidgets

from layerlab.lab import Parameter

SLIDER_STEPS = 200
SNAP = 0.012  # of the slider's length


class Control:
    """One parameter: a number to type and, where there are two bounds, a slider; or a menu of choices.

    `widget` goes into the page, `value` is what it says now, `on_change()` is called after the reader changed it. The
    number box takes any number: whoever reads `value` learns by ValueError what is wrong with it. The slider snaps to
    the values in `stops`, those of the stored runs, when it comes near one of them.
    """

    def __init__(
        self, parameter: Parameter, value: Any, on_change: Callable[[], None], stops: Iterable[Any] = ()
    ) -> None:
        self.parameter = parameter
        self._on_change = on_change
        self._stops = sorted(set(stops)) if parameter.kind != "choice" else []
        self._quiet = False
        self.slider: Any = None
        self.entry = self._menu(value) if parameter.kind == "choice" else self._number(value)
        self.entry.observe(self._typed, "value")
        parts = [self.entry]
        if _has_slider(parameter):
            self.slider = self._slider(value)
            self.slider.observe(self._slid, "value")
            parts.append(self.slider)
        self.widget = ipywidgets.VBox(parts)
        self.widget.add_class("ll-live-control")

    @property
    def value(self) -> Any:
        """The value, checked: ValueError says what is allowed."""
        return self.parameter.check(self.entry.value)

    @value.setter
    def value(self, value: Any) -> None:
        self.entry.value = self.parameter.check(value)

    def _typed(self, change: dict[str, Any]) -> None:
        if self._quiet:
            return
        if self.slider is not None:
            self._quietly(self.slider, self._position(change["new"]))
        self._on_change()

    def _slid(self, change: dict[str, Any]) -> None:
        if self._quiet:
            return
        self._quietly(self.entry, self._value_at(change["new"]))
        self._on_change()

    def _quietly(self, widget: Any, value: Any) -> None:
        self._quiet = True
        try:
            widget.value = value
        finally:
            self._quiet = False

    def _menu(self, value: Any) -> Any:
        p = self.parameter
        return ipywidgets.Dropdown(options=p.options, value=value, description=p.label, tooltip=_help(p), style=_STYLE)

    def _number(self, value: Any) -> Any:
        p = self.parameter
        kind = ipywidgets.IntText if p.kind == "integer" else ipywidgets.FloatText
        label = f"{p.label} [{p.unit}]" if p.unit else p.label
        return kind(value=value, description=label, tooltip=_help(p), style=_STYLE)

    def _slider(self, value: Any) -> Any:
        p = self.parameter
        common = {
            "readout": False,
            "continuous_update": False,
            "tooltip": f"{p.label}: {_help(p)}",
            "style": _STYLE,
        }
        low, high = self._span()
        if p.kind == "integer" and not p.log:
            return ipywidgets.IntSlider(value=value, min=int(low), max=int(high), **common)
        step = (high - low) / SLIDER_STEPS
        return ipywidgets.FloatSlider(value=self._position(value), min=low, max=high, step=step, **common)

    def _span(self) -> tuple[float, float]:
        p = self.parameter
        assert p.low is not None and p.high is not None
        return (math.log10(p.low), math.log10(p.high)) if p.log else (p.low, p.high)

    def _position(self, value: float) -> float:
        """Where on the slider a value lies: the nearest end if it is out of bounds."""
        p = self.parameter
        assert p.low is not None and p.high is not None
        inside = min(max(value, p.low), p.high) if math.isfinite(value) else p.low
        return math.log10(inside) if p.log else inside

    def _value_at(self, position: float) -> Any:
        """The value that a place of the slider stands for: a stored one if it is near, else a round one."""
        p = self.parameter
        if p.kind == "integer" and not p.log:
            return int(position)
        low, high = self._span()
        near = min(self._stops, key=lambda stop: abs(self._position(stop) - position), default=None)
        if near is not None and abs(self._position(near) - position) <= SNAP * (high - low):
            return near
        value = 10**position if p.log else position
        rounded = float(f"{value:.3g}")
        assert p.low is not None and p.high is not None
        rounded = min(max(rounded, p.low), p.high)
        return round(rounded) if p.kind == "integer" else rounded


class Form:
    """The controls of all parameters of an experiment."""

    def __init__(
        self,
        parameters: Sequence[Parameter],
        values: Mapping[str, Any],
        on_change: Callable[[], None],
        stops: Mapping[str, Iterable[Any]],
    ) -> None:
        self._on_change = on_change
        self._held = False
        self.controls = {p.name: Control(p, values[p.name], self._changed, stops.get(p.name, ())) for p in parameters}
        self.widgets = [control.widget for control in self.controls.values()]

    def values(self) -> dict[str, Any]:
        """Field -> value; ValueError for the first one that is not allowed."""
        return {name: control.value for name, control in self.controls.items()}

    def set(self, values: dict[str, Any]) -> None:
        """Set several controls, then tell of one change."""
        self._held = True
        try:
            for name, value in values.items():
                self.controls[name].value = value
        finally:
            self._held = False
        self._on_change()

    def _changed(self) -> None:
        if not self._held:
            self._on_change()


_STYLE = {"description_width": "initial"}


def _has_slider(p: Parameter) -> bool:
    """Whether a slider helps: both ends are known, and a step of it is not a leap over thousands of whole numbers."""
    if p.kind == "choice" or p.low is None or p.high is None or p.low >= p.high:
        return False
    if p.log:
        return p.low > 0
    return p.kind == "real" or p.high - p.low <= 2000


def _help(p: Parameter) -> str:
    if p.kind == "choice":
        return p.help or p.label
    noun = "whole number" if p.kind == "integer" else "number"
    ends = [f"from {p.low:g}" if p.low is not None else "", f"to {p.high:g}" if p.high is not None else ""]
    bounds = " ".join([noun, *filter(None, ends)])
    return f"{p.help}; {bounds}" if p.help else bounds

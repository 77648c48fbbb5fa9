"""What a reader touches: `explore(name)` shows an experiment, replayed in the built page, live with a kernel."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layerlab.widgets.live import Explorer

__all__ = ["Explorer", "Replayed", "explore"]

MIME = "application/vnd.layerlab.replay+json"
BUILD = "LAYERLAB_BUILD"


class Replayed:
    """What `explore` gives while the book is built: one mime bundle, which the page turns into the stored runs."""

    def __init__(self, name: str, **defaults: Any) -> None:
        self.data = {"name": name, **defaults}

    def __repr__(self) -> str:
        return f"Experiment {self.data['name']}: stored runs, shown in the built page."

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {MIME: self.data, "text/plain": repr(self)}


def explore(name: str, **defaults: Any) -> Explorer | Replayed:
    """Show the experiment `name`, starting from the parameter values `defaults`; end a cell with it.

    While the book is built (LAYERLAB_BUILD=1) this is a `Replayed`, made without importing torch or ipywidgets.
    Otherwise it is an `Explorer`, the live widget: running the same cell again cancels what its old widget still runs.

    Raises `UnknownExperiment` with the nearest names, ValueError for a parameter that does not exist or a value that is
    not allowed.

    >>> explore("projection/length", d=1000, k=10)  # doctest: +SKIP
    """
    building = os.environ.get(BUILD) == "1"
    if building and not defaults and _is_experiment(name):
        return Replayed(name)
    lab = importlib.import_module("layerlab.lab")
    experiment = lab.get(name)
    if building:
        experiment.config(**experiment.default().as_dict() | defaults)
        return Replayed(name, **defaults)
    from layerlab.widgets.cells import open_here

    return open_here(experiment, defaults)


def _is_experiment(name: str) -> bool:
    """Whether the module of an experiment is there, found without importing the laboratory."""
    if not isinstance(name, str) or not re.fullmatch(r"[a-z]\w*(/[a-z]\w*)+", name):
        return False
    try:
        found = importlib.util.find_spec(f"layerlab.experiments.{name.replace('/', '.')}")
    except ModuleNotFoundError:
        return False
    return found is not None and found.submodule_search_locations is None


def __getattr__(name: str) -> Any:
    if name == "Explorer":
        from layerlab.widgets.live import Explorer

        return Explorer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

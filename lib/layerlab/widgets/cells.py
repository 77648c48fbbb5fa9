"""The cell that a live widget belongs to: running it again ends what its old widget still runs."""

from __future__ import annotations

import contextlib
import sys
import weakref
from typing import Any

from layerlab.lab import Experiment
from layerlab.widgets.live import Explorer


def open_here(experiment: Experiment, defaults: dict[str, Any]) -> Explorer:
    """An `Explorer` for the cell that is being executed: the one that this cell made before is done with.

    Where the notebook gives its cells an id (JupyterLab, Colab), the old widget is closed. Elsewhere cells are known by
    their code alone, and two may share it: there the old run is cancelled and the old widget stays.
    """
    explorer = Explorer(experiment, defaults)
    cell, certain, execution = _cell()
    if cell:
        before, old = _opened.get(cell, ("", weakref.WeakSet()))
        if before == execution:
            old.add(explorer)
        else:
            for other in list(old):
                other.close() if certain else other.cancel()
            _opened[cell] = (execution, weakref.WeakSet([explorer]))
    return explorer


_opened: dict[str, tuple[str, weakref.WeakSet[Explorer]]] = {}


def _cell() -> tuple[str, bool, str]:
    """The cell that is being executed: a name for it, whether that is its id, and the name of this execution."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return "", False, ""
    parent: dict[str, Any] = {}
    with contextlib.suppress(LookupError):
        parent = kernel.get_parent("shell") or {}
    execution = str(parent.get("header", {}).get("msg_id", ""))
    name = parent.get("metadata", {}).get("cellId")
    if name:
        return f"id {name}", True, execution
    code = parent.get("content", {}).get("code", "")
    return (f"code {code}" if code else ""), False, execution

"""Student code in a process of its own: no tests, no files, no network, and limits on everything.

`choose()` finds the way that works on this machine, `Sandbox(choose(), limits)` starts one. The tests stay outside:
inputs go in, plain data comes back.
"""

from layerlab.grading.isolation.choice import choose
from layerlab.grading.isolation.limits import CellRun, Limits, NoIsolation, Stopped, StudentError, Usage
from layerlab.grading.isolation.sandbox import Sandbox
from layerlab.grading.isolation.wire import NotPlain

__all__ = ["CellRun", "Limits", "NoIsolation", "NotPlain", "Sandbox", "Stopped", "StudentError", "Usage", "choose"]

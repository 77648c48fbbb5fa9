"""An experiment, as the rest of the project sees it: one module, read once, checked once."""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from layerlab.lab import config as configs
from layerlab.lab.claims import Claim
from layerlab.lab.config import Parameter, parameters
from layerlab.lab.fingerprint import fingerprint
from layerlab.lab.tables import tidy

ROOM = "layerlab.experiments"


class UnknownExperiment(LookupError):
    """There is no experiment of that name."""


class Tolerance(NamedTuple):
    """How near a recomputation on another machine must come to the values of a variable.

    Processors round differently, and a training carries that on. `share` is the part of the values that may lie further
    off, or be there on one machine only: where the length is itself measured, such as a rank, or where now and then a
    training goes another way.
    """

    relative: float
    absolute: float
    share: float = 0.0


@dataclass(frozen=True)
class Experiment:
    """A module that knows its parameters, how to run, how to draw, and what theory claims of it.

    The module holds `Config`, `GRID`, `run`, `plot`, `describe`, `CLAIMS` and `work`; optionally `TOLERANCE` (how near
    a recomputation on another machine must come: variable -> the values of a `Tolerance`) and `table`.
    """

    name: str
    module: ModuleType

    @property
    def title(self) -> str:
        """The first line of the module's docstring, without its closing point."""
        return (inspect.getdoc(self.module) or self.name).splitlines()[0].rstrip(".")

    @property
    def Config(self) -> type[configs.Config]:
        """The class of its parameters."""
        return self.module.Config

    @property
    def fields(self) -> list[Parameter]:
        """Its parameters, in order."""
        return parameters(self.Config)

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What theory says of its results."""
        return tuple(self.module.CLAIMS)

    def config(self, **values: Any) -> configs.Config:
        """A config with these values; ValueError names a field that does not exist or a value not allowed."""
        known = [p.name for p in self.fields]
        for name in values:
            if name not in known:
                raise ValueError(f"{self.name} has no field {name!r}; it has {', '.join(known)}")
        return self.Config(**values)

    def grid(self) -> list[configs.Config]:
        """The configs of the stored runs: the product of GRID's values, or of each of several such grids."""
        grids = [self.module.GRID] if isinstance(self.module.GRID, dict) else list(self.module.GRID)
        configs = [
            self.config(**dict(zip(one, values, strict=True)))
            for one in grids
            for values in itertools.product(*one.values())
        ]
        return list(dict.fromkeys(configs))

    def default(self) -> configs.Config:
        """The stored run that a page shows first: the default config if it is in the grid, else the grid's first."""
        grid = self.grid()
        return self.Config() if self.Config() in grid else grid[0]

    def run(self, config: configs.Config, device: str, progress: Any) -> xr.Dataset:
        """The measured result (no provenance: see `layerlab.lab.execute`)."""
        return self.module.run(config, device, progress)

    def plot(self, result: xr.Dataset) -> Figure:
        """The figure of a result."""
        return self.module.plot(result)

    def describe(self, result: xr.Dataset) -> str:
        """The figure in words, with its numbers: its alternative text."""
        return " ".join(self.module.describe(result).split())

    def table(self, result: xr.Dataset) -> pd.DataFrame:
        """The numbers behind the figure; by default one row per point, mean and standard deviation over seeds."""
        return self.module.table(result) if hasattr(self.module, "table") else tidy(result)

    def work(self, config: configs.Config) -> float:
        """The relative cost of a run, proportional to its time."""
        return float(self.module.work(config))

    def tolerance(self, variable: str) -> Tolerance:
        """How near a recomputation of `variable` must come on another machine.

        The experiment's TOLERANCE says so by the variable's name, under "default" for all others, else (1e-4, 1e-6).
        """
        stated = getattr(self.module, "TOLERANCE", {})
        return Tolerance(*stated.get(variable, stated.get("default", (1e-4, 1e-6))))

    def fingerprint(self) -> str:
        """The fingerprint of the code that measures: `run` and `Config` and all that they reach, not the drawing."""
        return fingerprint(f"{self.module.__name__}:run,Config")

    def drawing_fingerprint(self) -> str:
        """The fingerprint of the whole module and the style: of what is drawn, said and claimed of a result."""
        return fingerprint([self.module.__name__, "layerlab.lab.drawing"])


REQUIRED = ("Config", "GRID", "run", "plot", "describe", "CLAIMS", "work")


def from_module(name: str, module: ModuleType) -> Experiment:
    """The experiment that `module` defines; TypeError says what it lacks."""
    missing = [part for part in REQUIRED if not hasattr(module, part)]
    if missing:
        raise TypeError(f"the experiment {name} lacks {', '.join(missing)}")
    experiment = Experiment(name, module)
    if not experiment.grid():
        raise TypeError(f"the experiment {name} has an empty GRID")
    return experiment


@cache
def get(name: str) -> Experiment:
    """The experiment called `name` ("projection/length"); UnknownExperiment suggests the nearest names."""
    known = names()
    if name not in known:
        import difflib

        near = difflib.get_close_matches(name, known, 3, 0.4) or known
        raise UnknownExperiment(f"there is no experiment {name!r}; did you mean {' or '.join(near)}?")
    return from_module(name, importlib.import_module(f"{ROOM}.{name.replace('/', '.')}"))


def names() -> list[str]:
    """The names of all experiments, sorted, found without importing them."""
    return sorted(_files())


def titles() -> dict[str, str]:
    """Name and title of every experiment, read from the docstrings without importing (quick)."""
    found = {}
    for name, path in sorted(_files().items()):
        doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or name
        found[name] = doc.splitlines()[0].rstrip(".")
    return found


def _files() -> dict[str, Path]:
    room = importlib.import_module(ROOM)
    found = {}
    for info in _walk(room.__path__, ""):
        found[info[0]] = info[1]
    return found


def _walk(path: Iterable[str], prefix: str) -> Iterable[tuple[str, Path]]:
    for info in pkgutil.iter_modules(path):
        folder = Path(str(vars(info.module_finder)["path"]))
        if info.name.startswith("_"):
            continue
        if info.ispkg:
            yield from _walk([str(folder / info.name)], f"{prefix}{info.name}/")
        else:
            yield f"{prefix}{info.name}", folder / f"{info.name}.py"

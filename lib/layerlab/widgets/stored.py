"""Which stored run belongs beside the parameters that a reader has chosen."""

from __future__ import annotations

import math
from dataclasses import dataclass

from layerlab.lab import Config, DamagedRun, Experiment, Parameter, Run, Store


@dataclass(frozen=True)
class Found:
    """A stored run and whether it is the one for exactly these parameters; `note` says what a reader should know."""

    run: Run | None
    exact: bool
    note: str = ""


def find(experiment: Experiment, config: Config, store: Store) -> Found:
    """The stored run of `config`, else the nearest one of the grid; a damaged one is told of, never given.

    Nearness is measured in units of each field's range (of its logarithm for logarithmic fields); another choice
    counts as a whole range, another seed hardly.
    """
    if store.root is None or not store.root.is_dir():
        return Found(None, False, "There are no stored runs here. Press Run to compute this one.")
    try:
        run = store.load(experiment, config)
    except DamagedRun as error:
        return Found(None, True, f"{_damage(error, store)} Press Run to compute it again.")
    if run is not None:
        return Found(run, True)
    for candidate in sorted(experiment.grid(), key=lambda c: distance(experiment, config, c)):
        try:
            run = store.load(experiment, candidate)
        except DamagedRun:
            continue
        if run is not None:
            nearest = differing(config, candidate)
            return Found(run, False, f"No stored run for these parameters. The nearest one is shown: {nearest}.")
    return Found(None, False, "This experiment has no stored runs here. Press Run to compute this one.")


def distance(experiment: Experiment, one: Config, other: Config) -> float:
    """How far two configs are apart (see `find`); 0 for equal ones."""
    return sum(_apart(p, getattr(one, p.name), getattr(other, p.name)) ** 2 for p in experiment.fields)


def differing(config: Config, stored: Config) -> str:
    """The fields in which the stored run differs, with its values: `d = 100, k = 5`."""
    mine, theirs = config.as_dict(), stored.as_dict()
    return ", ".join(f"{name} = {text(theirs[name])}" for name in theirs if theirs[name] != mine[name])


def text(value: object) -> str:
    """A parameter value as a reader types it."""
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def _apart(p: Parameter, one: object, other: object) -> float:
    if one == other:
        return 0.0
    if p.name in ("seed", "seeds"):
        return 0.01
    if not isinstance(one, (int, float)) or not isinstance(other, (int, float)):
        return 1.0
    if p.log and one > 0 and other > 0:
        width = math.log(p.high / p.low) if p.low and p.high and p.high > p.low > 0 else 1.0
        return abs(math.log(one / other)) / width
    width = p.high - p.low if p.low is not None and p.high is not None and p.high > p.low else abs(one) + abs(other)
    return abs(one - other) / width


def _damage(error: DamagedRun, store: Store) -> str:
    """What is wrong, with the file named as seen from the folder of stored runs: a page shows no path of a machine."""
    reason = str(error).replace(f"{store.root}/", "")
    return f"The stored run for these parameters is damaged and is not shown ({reason})."

"""How long a run will take, said before it starts."""

from __future__ import annotations

import contextlib
import json
import math
import statistics

from filelock import FileLock, Timeout

from layerlab.lab import paths
from layerlab.lab.config import Config
from layerlab.lab.experiment import Experiment
from layerlab.lab.runs import Provenance
from layerlab.lab.store import DamagedRun, Store

KEPT = 30  # timings of each experiment and device


def estimate(experiment: Experiment, config: Config, device: str, store: Store | None = None) -> float | None:
    """The expected wall time of a run on this machine, in seconds; None where nothing is known yet.

    It is taken from the known run whose work is nearest to work(config), by the factor between the two: from runs on
    this machine and device if there were any, else from the stored runs of the same device (then the machine may be
    another), else from the stored runs on any device. Where several are equally near, the median of their times counts.
    """
    known = _recorded().get(f"{experiment.name}:{device}", [])
    if not known:
        stored = _stored(experiment, store or Store())
        known = [_timing(experiment, p) for p in [p for p in stored if p.device == device] or stored]
    if not known:
        return None
    work = experiment.work(config)
    nearest = min((w for w, _ in known), key=lambda w: abs(math.log(w / work)))
    return statistics.median(seconds for w, seconds in known if w == nearest) * work / nearest


def record(experiment: Experiment, provenance: Provenance) -> None:
    """Remember how long a run took here, for the next estimate. A cache that cannot be written is no error."""
    path = paths.cache() / "timings.json"
    with contextlib.suppress(OSError, Timeout):
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock"), timeout=2):
            known = _recorded()
            timings = known.setdefault(f"{experiment.name}:{provenance.device}", [])
            timings.append(_timing(experiment, provenance))
            del timings[:-KEPT]
            part = path.with_suffix(".part")
            part.write_text(json.dumps(known), encoding="utf-8")
            part.replace(path)


def in_words(seconds: float | None) -> str:
    """A duration as a person would say it."""
    if seconds is None:
        return "unknown"
    if seconds < 1:
        return "under a second"
    if seconds < 90:
        return f"about {seconds:.0f} s"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.1f} h"


def _timing(experiment: Experiment, provenance: Provenance) -> tuple[float, float]:
    """The work of a run and its wall time in seconds."""
    work = experiment.work(experiment.config(**provenance.parameters))
    return max(work, 1e-12), provenance.wall_seconds


def _stored(experiment: Experiment, store: Store) -> list[Provenance]:
    found = []
    for config in experiment.grid():
        with contextlib.suppress(DamagedRun):
            provenance = store.provenance(experiment, config)
            if provenance is not None:
                found.append(provenance)
    return found


def _recorded() -> dict[str, list[tuple[float, float]]]:
    try:
        known = json.loads((paths.cache() / "timings.json").read_text(encoding="utf-8"))
        return {str(name): [(float(w), float(s)) for w, s in runs] for name, runs in known.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}

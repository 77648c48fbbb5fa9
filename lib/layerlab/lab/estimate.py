"""How long a run will take, said before it starts."""

from __future__ import annotations

import contextlib
import json
import statistics

from filelock import FileLock, Timeout

from layerlab.lab import paths
from layerlab.lab.config import Config
from layerlab.lab.experiment import Experiment
from layerlab.lab.runs import Provenance
from layerlab.lab.store import DamagedRun, Store


def estimate(experiment: Experiment, config: Config, device: str, store: Store | None = None) -> float | None:
    """The expected wall time of a run on this machine, in seconds; None where nothing is known yet.

    It is work(config) times the median time per unit of work: of earlier runs on this machine and device if there
    were any, else of the stored runs of the same device (then the machine may be another), else of the stored runs on
    any device.
    """
    rates = _recorded().get(f"{experiment.name}:{device}", [])
    if not rates:
        stored = _stored(experiment, store or Store())
        same = [p for p in stored if p.device == device]
        rates = [_rate(experiment, p) for p in same or stored]
    return statistics.median(rates) * experiment.work(config) if rates else None


def record(experiment: Experiment, provenance: Provenance) -> None:
    """Remember how long a run took here, for the next estimate. A cache that cannot be written is no error."""
    path = paths.cache() / "timings.json"
    with contextlib.suppress(OSError, Timeout):
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock"), timeout=2):
            known = _recorded()
            rates = known.setdefault(f"{experiment.name}:{provenance.device}", [])
            rates.append(_rate(experiment, provenance))
            del rates[:-9]
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


def _rate(experiment: Experiment, provenance: Provenance) -> float:
    return provenance.wall_seconds / max(experiment.work(experiment.config(**provenance.parameters)), 1e-12)


def _stored(experiment: Experiment, store: Store) -> list[Provenance]:
    found = []
    for config in experiment.grid():
        with contextlib.suppress(DamagedRun):
            provenance = store.provenance(experiment, config)
            if provenance is not None:
                found.append(provenance)
    return found


def _recorded() -> dict[str, list[float]]:
    try:
        known = json.loads((paths.cache() / "timings.json").read_text(encoding="utf-8"))
        return {str(k): [float(x) for x in v] for k, v in known.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}

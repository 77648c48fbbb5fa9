"""Running a whole grid: in parallel, resumable, on all cores or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import joblib

from layerlab.lab import devices
from layerlab.lab.config import Config
from layerlab.lab.experiment import Experiment, get
from layerlab.lab.runs import execute
from layerlab.lab.store import Store

Listener = Callable[["Point", int, int], None]


@dataclass(frozen=True)
class Point:
    """What became of one config of a sweep: `error` is empty if its run is stored."""

    experiment: str
    config: Config
    seconds: float = 0.0
    error: str = ""


def sweep(
    experiment: Experiment,
    configs: Iterable[Config] | None = None,
    *,
    store: Store | None = None,
    device: str = devices.AUTO,
    jobs: int = -1,
    refresh: bool = False,
    listener: Listener | None = None,
) -> list[Point]:
    """Run every config that the store does not hold yet, and store each as soon as it is there.

    `configs` is the experiment's grid unless given. Points whose stored run is current are left as they are
    (`refresh=True` runs them again); missing, stale and damaged ones are run. `jobs` processes work at once (-1: all
    cores; one on an accelerator). The joblib backend that the caller has selected is used, so
    `with joblib.parallel_config(backend="dask")` sends the points to a Dask cluster; a point whose worker dies goes to
    another. An error in one point is reported in its `Point` and does not stop the others.
    Interrupting keeps what is finished.
    """
    store = store or Store()
    device = devices.resolve(device)
    wanted = experiment.grid() if configs is None else list(configs)
    if not refresh:
        current = {s.config for s in store.states(experiment) if s.state == "current"}
        wanted = [config for config in wanted if config not in current]
    # the longest first: the last process to finish then finishes early
    wanted.sort(key=experiment.work, reverse=True)
    if device != "cpu":
        jobs = 1
    tasks = (joblib.delayed(_point)(experiment.name, c, device, str(store.root)) for c in wanted)
    done: list[Point] = []
    for point in joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)(tasks):
        done.append(point)
        if listener is not None:
            listener(point, len(done), len(wanted))
    return done


def _point(name: str, config: Config, device: str, root: str) -> Point:
    experiment = get(name)
    try:
        run = execute(experiment, config, device)
        Store(root).save(run)
    except Exception as error:  # reported beside the points that went well
        return Point(name, config, error=f"{type(error).__name__}: {error}")
    return Point(name, config, run.provenance.wall_seconds)

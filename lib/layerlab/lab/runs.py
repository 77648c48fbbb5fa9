"""A run: what was asked, what was measured, and where it came from."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import xarray as xr

from layerlab.lab import devices
from layerlab.lab.claims import Claim, Evidence
from layerlab.lab.config import Config
from layerlab.lab.experiment import Experiment
from layerlab.lab.progress import Progress


@dataclass(frozen=True)
class Provenance:
    """Where a result comes from: everything that is needed to get it again."""

    experiment: str
    parameters: dict[str, Any]
    device: str
    device_name: str
    wall_seconds: float
    fingerprint: str
    date: str
    versions: dict[str, str]
    data: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Run:
    """A result with its config and provenance."""

    experiment: Experiment
    config: Config
    result: xr.Dataset
    provenance: Provenance

    def evidence(self) -> list[tuple[Claim, Evidence | None]]:
        """Each claim of the experiment beside what this run measured; None where it cannot test the claim."""
        return [(claim, claim.check(self.result)) for claim in self.experiment.claims]

    def claims(self) -> list[dict[str, Any]]:
        """The same as plain values."""
        return [claim.as_dict(evidence) for claim, evidence in self.evidence()]


class BadResult(TypeError):
    """An experiment's `run` returned something that breaks the contract."""


def execute(
    experiment: Experiment,
    config: Config | None = None,
    device: str = devices.AUTO,
    progress: Callable[..., None] | None = None,
) -> Run:
    """Run an experiment and note where the result comes from.

    Returns a `Run`. Raises ValueError for a device that is not there, `Cancelled` if `progress` was cancelled, and
    BadResult if the experiment does not return a labelled dataset with its `seed` axis.
    """
    config = experiment.Config() if config is None else config
    device = devices.resolve(device)
    start = time.perf_counter()
    result = experiment.run(config, device, progress or Progress())
    seconds = time.perf_counter() - start
    _check(experiment, config, result)
    data = result.attrs.pop("data_checksums", {})
    result = result.assign_attrs({**config.as_dict(), "experiment": experiment.name})
    provenance = Provenance(
        experiment=experiment.name,
        parameters=config.as_dict(),
        device=device,
        device_name=devices.describe(device),
        wall_seconds=round(seconds, 3),
        fingerprint=experiment.fingerprint(),
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        versions=versions(),
        data=dict(data),
    )
    return Run(experiment, config, result, provenance)


def versions() -> dict[str, str]:
    """The versions that a result may depend on."""
    packages = ("layerlab", "numpy", "scipy", "scikit-learn", "torch")
    return {"python": platform.python_version()} | {p: importlib.metadata.version(p) for p in packages}


def _check(experiment: Experiment, config: Config, result: Any) -> None:
    name = experiment.name
    if not isinstance(result, xr.Dataset):
        raise BadResult(f"run of {name} must return an xarray.Dataset; it returned {type(result).__name__}")
    if not result.data_vars:
        raise BadResult(f"run of {name} returned a dataset without variables")
    if result.sizes.get("seed", config.seeds) != config.seeds:
        raise BadResult(f"run of {name} must have a seed axis of length {config.seeds}; it has {result.sizes['seed']}")

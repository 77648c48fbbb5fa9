"""Stored runs: one netCDF file per run beside a JSON of its provenance.

A run is there when its JSON is there: the JSON is written last and holds the checksum of the netCDF file. Both are
written to a temporary name in the same folder and then renamed, so a full disk or a killed process leaves the old
run or none, never half of one. The file name spells the parameters out.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import xarray as xr

from layerlab.lab import paths
from layerlab.lab.config import Config
from layerlab.lab.experiment import Experiment
from layerlab.lab.runs import Provenance, Run

State = Literal["current", "stale", "missing", "damaged"]


class DamagedRun(Exception):
    """A stored run that is not what was written: truncated, altered or unreadable."""


class NoStore(Exception):
    """There is no folder of stored runs here."""


@dataclass(frozen=True)
class Stored:
    """The state of one point of an experiment's grid in the store."""

    experiment: Experiment
    config: Config
    state: State
    detail: str = ""


class Store:
    """The folder of stored runs; by default LAYERLAB_RESULTS, else the checkout's book/_results."""

    def __init__(self, root: Path | str | None = None) -> None:
        self.root = Path(root) if root is not None else paths.results()

    def path(self, experiment: Experiment, config: Config) -> Path:
        """The netCDF file of a run, whether it is there or not."""
        if self.root is None:
            raise NoStore(
                "there is no folder of stored runs: work in the project's checkout or set LAYERLAB_RESULTS to one"
            )
        return self.root / experiment.name / f"{config.key()}.nc"

    def save(self, run: Run) -> Path:
        """Write a run, whole or not at all. OSError if the folder cannot be written or the disk is full."""
        path = self.path(run.experiment, run.config)
        path.parent.mkdir(parents=True, exist_ok=True)
        compressed = {str(name): {"zlib": True, "complevel": 5} for name in run.result.data_vars}
        encoding: dict[Any, Any] = {
            n: e for n, e in compressed.items() if run.result[n].ndim and run.result[n].dtype.kind in "fiu"
        }
        written = _replace(path, lambda part: run.result.to_netcdf(part, engine="h5netcdf", encoding=encoding))
        record = run.provenance.as_dict() | {"sha256": written}
        text = json.dumps(record, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        _replace(_json(path), lambda part: part.write_text(text, encoding="utf-8"))
        return path

    def load(self, experiment: Experiment, config: Config) -> Run | None:
        """The stored run of a config; None if there is none; DamagedRun if it is not what was written."""
        if self.root is None:
            return None
        path = self.path(experiment, config)
        if not _json(path).exists():
            return None
        provenance = self._verified(path, config)
        try:
            with xr.open_dataset(path, engine="h5netcdf") as file:
                result = file.load()
        except Exception as error:  # whatever the HDF5 library makes of it, the file cannot be used
            raise DamagedRun(f"{path}: cannot be read ({error})") from error
        result.attrs = {name: _plain(value) for name, value in result.attrs.items()}
        return Run(experiment, config, result, provenance)

    def provenance(self, experiment: Experiment, config: Config) -> Provenance | None:
        """The provenance of a stored run without reading its numbers; None if there is none."""
        if self.root is None or not _json(self.path(experiment, config)).exists():
            return None
        return self._record(_json(self.path(experiment, config)))[0]

    def runs(self, experiment: Experiment) -> list[Run]:
        """The stored runs of an experiment's grid, in grid order; damaged and missing ones are left out."""
        found = []
        for config in experiment.grid():
            try:
                run = self.load(experiment, config)
            except DamagedRun:
                continue
            if run is not None:
                found.append(run)
        return found

    def states(self, experiment: Experiment) -> Iterator[Stored]:
        """The state of every point of the grid: current, stale (its code has changed), missing or damaged."""
        now = experiment.fingerprint()
        for config in experiment.grid():
            try:
                path = self.path(experiment, config)
                if not _json(path).exists():
                    yield Stored(experiment, config, "missing")
                    continue
                made = self._verified(path, config).fingerprint
            except DamagedRun as error:
                yield Stored(experiment, config, "damaged", str(error))
                continue
            yield Stored(experiment, config, "current" if made == now else "stale")

    def orphans(self, experiment: Experiment) -> list[Path]:
        """Files in the experiment's folder that belong to no point of its grid."""
        if self.root is None:
            return []
        wanted = {p for config in experiment.grid() for p in _pair(self.path(experiment, config))}
        return sorted(p for p in (self.root / experiment.name).glob("*") if p.is_file() and p not in wanted)

    def _record(self, path: Path) -> tuple[Provenance, str]:
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            checksum = record.pop("sha256")
            return Provenance(**record), checksum
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise DamagedRun(f"{path}: is not a record of a run ({error})") from error

    def _verified(self, path: Path, config: Config) -> Provenance:
        provenance, checksum = self._record(_json(path))
        if not path.exists():
            raise DamagedRun(f"{path}: is missing beside its record")
        if _sha256(path) != checksum:
            raise DamagedRun(f"{path}: is not the file that was written (its checksum differs)")
        if provenance.parameters != config.as_dict():
            raise DamagedRun(f"{_json(path)}: records other parameters than its name")
        return provenance


def _json(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".nc") + ".json")


def _pair(path: Path) -> tuple[Path, Path]:
    return path, _json(path)


def _plain(value: Any) -> Any:
    """A netCDF attribute as the plain Python value that was written."""
    return value.item() if hasattr(value, "item") and getattr(value, "size", 1) == 1 else value


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _replace(path: Path, write: Callable[[Path], Any]) -> str:
    """Write a file under a temporary name, flush it to the disk, rename it; returns its SHA-256."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}-", suffix=".part")
    os.close(handle)
    part = Path(name)
    try:
        write(part)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.chmod(0o644)
        checksum = _sha256(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return checksum

"""Holding the stored runs against the code of today: recomputed numbers, and claims."""

from __future__ import annotations

import numpy as np
import xarray as xr

from layerlab.lab.experiment import Experiment, Tolerance
from layerlab.lab.runs import Run, execute
from layerlab.lab.store import Store


def differences(experiment: Experiment, store: Store, device: str = "cpu") -> list[str]:
    """Compute the cheapest stored run again and say in what it differs beyond the experiment's tolerance."""
    config = min(experiment.grid(), key=experiment.work)
    stored = store.load(experiment, config)
    if stored is None:
        return [f"{experiment.name} {config.key()}: is not stored"]
    fresh = execute(experiment, config, device)
    return [f"{experiment.name} {config.key()}: {text}" for text in compare(experiment, stored.result, fresh.result)]


def compare(experiment: Experiment, stored: xr.Dataset, fresh: xr.Dataset) -> list[str]:
    """The variables in which two results differ by more than the experiment's stated tolerance."""
    if set(stored.variables) != set(fresh.variables):
        odd = sorted(map(str, set(stored.variables) ^ set(fresh.variables)))
        return [f"variables differ: {', '.join(odd)}"]
    names = map(str, stored.variables)
    texts = [(name, _apart(stored[name].values, fresh[name].values, experiment.tolerance(name))) for name in names]
    return [f"{name} {text}" for name, text in texts if text]


def _apart(old: np.ndarray, new: np.ndarray, tolerance: Tolerance) -> str:
    """How two arrays differ by more than the tolerance; empty if they do not."""
    relative, absolute, share = tolerance
    numbers = old.dtype.kind in "fiub" and new.dtype.kind in "fiub"
    if old.shape != new.shape and not (numbers and share and old.ndim == new.ndim):
        return f"has shape {new.shape}, stored {old.shape}"
    if not numbers:
        return "" if np.array_equal(old, new) else "differs"
    shape = tuple(map(max, old.shape, new.shape))
    old, new = _padded(old, shape), _padded(new, shape)
    far = ~np.isclose(new, old, rtol=relative, atol=absolute, equal_nan=True)
    there = np.count_nonzero(~np.isnan(old) | ~np.isnan(new))
    if np.count_nonzero(far) <= share * there:
        return ""
    away = np.abs(new - old)[far]
    worst = "NaN or nothing in one of them" if np.isnan(away).any() else f"up to {away.max():.3g}"
    allowed = f"tolerance {relative:g} relative, {absolute:g} absolute" + (f", {share:.0%} beyond it" if share else "")
    return f"differs by {worst} in {np.count_nonzero(far)} of {there} values ({allowed})"


def _padded(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """As floats, with NaN behind the last value of every axis that is shorter than `shape`."""
    room = np.full(shape, np.nan)
    room[tuple(slice(n) for n in values.shape)] = values
    return room


def unexpected_claims(experiment: Experiment, runs: list[Run]) -> list[str]:
    """Claims that fail though they are not disputed, disputed ones that never fail, and claims that no run tests."""
    found = []
    for claim in experiment.claims:
        evidence = [(run, claim.check(run.result)) for run in runs]
        tested = [(run, e) for run, e in evidence if e is not None]
        failed = [run for run, e in tested if not e.holds]
        where = "; ".join(run.config.key() for run in failed)
        if runs and not tested:
            found.append(f"{experiment.name}: no stored run tests the claim {claim.statement!r}")
        if failed and not claim.disputed:
            found.append(f"{experiment.name}: {claim.statement!r} does not hold for {where}")
        if tested and claim.disputed and not failed:
            found.append(f"{experiment.name}: {claim.statement!r} is disputed, but holds in every stored run")
    return found

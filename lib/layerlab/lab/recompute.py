"""Holding the stored runs against the code of today: recomputed numbers, and claims."""

from __future__ import annotations

import numpy as np
import xarray as xr

from layerlab.lab.experiment import Experiment
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
    found = []
    for name in map(str, stored.variables):
        old, new = stored[name].values, fresh[name].values
        if old.shape != new.shape:
            found.append(f"{name} has shape {new.shape}, stored {old.shape}")
        elif old.dtype.kind not in "fiub":
            if not np.array_equal(old, new):
                found.append(f"{name} differs")
        else:
            relative, absolute = experiment.tolerance(name)
            near = np.isclose(new, old, rtol=relative, atol=absolute, equal_nan=True)
            if not near.all():
                far = np.abs(new.astype(float) - old.astype(float))[~near]
                worst = "NaN in one of them" if np.isnan(far).any() else f"up to {far.max():.3g}"
                found.append(f"{name} differs by {worst} (tolerance {relative:g} relative, {absolute:g} absolute)")
    return found


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

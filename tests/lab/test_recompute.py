"""Stored runs held against the code of today: what counts as a difference, and which claims count as unexpected."""

import dataclasses

import numpy as np
import pytest

from layerlab import lab
from layerlab.lab import Claim, Evidence, recompute


@pytest.fixture
def run(tiny):
    return lab.execute(tiny, tiny.Config(), "cpu")


def stated(tiny, monkeypatch, tolerance):
    monkeypatch.setattr(tiny.module, "TOLERANCE", tolerance, raising=False)


def test_a_run_computed_again_is_the_same_and_an_altered_one_is_not(tiny, store):
    for config in tiny.grid():
        store.save(lab.execute(tiny, config, "cpu"))
    assert recompute.differences(tiny, store) == []
    config = min(tiny.grid(), key=tiny.work)
    run = store.load(tiny, config)
    name = next(iter(run.result.data_vars))
    store.save(dataclasses.replace(run, result=run.result.assign({name: run.result[name] + 1})))
    (found,) = recompute.differences(tiny, store)
    assert f"{name} differs by up to 1 " in found


def test_what_is_not_stored_is_said(tiny, store):
    (found,) = recompute.differences(tiny, store)
    assert found.endswith("is not stored")


def test_the_tolerance_is_the_variables_own_or_the_default(tiny, run, monkeypatch):
    name = next(iter(run.result.data_vars))
    moved = run.result.assign({name: run.result[name] + 0.01})
    assert recompute.compare(tiny, run.result, moved)
    stated(tiny, monkeypatch, {"default": (0, 0.1)})
    assert recompute.compare(tiny, run.result, moved) == []
    stated(tiny, monkeypatch, {"default": (0, 0.1), name: (0, 0.001)})
    assert recompute.compare(tiny, run.result, moved)


def test_missing_variables_other_shapes_and_nan_are_differences(tiny, run):
    name = next(iter(run.result.data_vars))
    assert recompute.compare(tiny, run.result, run.result.drop_vars(name)) == [f"variables differ: {name}"]
    assert "has shape" in recompute.compare(tiny, run.result, run.result.isel(seed=slice(1)))[0]
    assert recompute.compare(tiny, run.result, run.result.assign({name: run.result[name] * float("nan")}))


def test_a_stated_share_may_lie_further_off_or_be_missing_and_no_more(tiny, run, monkeypatch):
    name = next(iter(run.result.data_vars))
    long = run.result.isel(seed=np.arange(100) % run.result.sizes["seed"])
    values = long[name].values
    few, more = values.copy(), values.copy()
    few[:2], few[2:5] = np.nan, 1e9
    more[:6] = np.nan
    cases = [long.assign({name: ("seed", changed)}) for changed in (few, more)]
    cases += [long.isel(seed=slice(95)), long.isel(seed=slice(94))]
    stated(tiny, monkeypatch, {"default": (1e-9, 0, 0.05)})
    for stored, fresh in ((long, case) for case in cases):
        enough = fresh is cases[0] or fresh is cases[2]
        for found in (recompute.compare(tiny, stored, fresh), recompute.compare(tiny, fresh, stored)):
            assert (found == []) is enough, found
    assert "in 6 of 100 values (tolerance 1e-09 relative, 0 absolute, 5% beyond it)" in "".join(
        recompute.compare(tiny, long, cases[1])
    )
    # what is NaN on both sides does not count
    holes = long.assign({name: ("seed", np.where(np.arange(100) < 90, np.nan, values))})
    one = holes.assign({name: ("seed", np.where(np.arange(100) == 95, 1e9, holes[name].values))})
    assert "in 1 of 10 values" in "".join(recompute.compare(tiny, holes, one))
    alone = long.assign(alone=1.0)
    assert recompute.compare(tiny, alone, alone) == []
    assert "alone differs by up to 1 in 1 of 1 values" in recompute.compare(tiny, alone, long.assign(alone=2.0))[0]


@pytest.mark.parametrize(
    ("measured", "disputed", "said"),
    [
        (0, "", None),
        (1, "", "does not hold"),
        (1, "because", None),
        (0, "because", "holds in every stored run"),
        (None, "", "no stored run tests"),
    ],
)
def test_claims_must_hold_and_disputed_ones_must_fail(tiny, run, monkeypatch, measured, disputed, said):
    evidence = None if measured is None else Evidence(measured, 0, 0.5)
    monkeypatch.setattr(tiny.module, "CLAIMS", (Claim("c", "s", lambda result: evidence, disputed),))
    found = recompute.unexpected_claims(tiny, [run])
    assert (found == []) if said is None else (len(found) == 1 and said in found[0])

"""Stored runs held against the code of today: what counts as a difference, and which claims count as unexpected."""

import dataclasses

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

"""plane/relaxation: known courses give known times and slopes, and the claims can fail."""

import math

import numpy as np
import pytest
import xarray as xr

from layerlab import lab
from layerlab.experiments.plane import relaxation as module

EXPERIMENT = lab.get("plane/relaxation")


def courses(time_of) -> xr.Dataset:
    """A result in which layer k of K falls by k bits, exponentially with the time time_of(nats)."""
    at = np.unique(np.geomspace(1, 20_000, 400).astype(int))
    i_xt = np.full((6, 6, 4, len(at)), np.nan)
    for depth in range(6):
        for layer in range(depth + 1):
            for seed in range(4):
                fall = 0.7 * (layer + 1) + 0.1 * seed
                i_xt[depth, layer, seed] = 12 - 1.2 * layer + fall * np.exp(-at / time_of(fall * math.log(2)))
    loss = np.exp(-at / 30.0) + np.zeros((6, 4, 1))
    dims = ("depth", "layer", "seed", "epoch")
    layers = np.arange(1, 7)
    return xr.Dataset(
        {"i_xt": (dims, i_xt), "loss": (("depth", "seed", "epoch"), loss)},
        coords={"depth": layers, "layer": layers, "epoch": at},
    )


def test_layers_that_obey_the_law_are_found_to():
    lawful = courses(lambda nats: 10 * math.exp(nats))
    found = module.relaxations(lawful)
    assert float(found["fall"].sel(depth=3, layer=2, seed=0)) == pytest.approx(1.4, rel=0.05)
    assert int(found["time"].notnull().sum()) == 21 * 4
    value, error, count = module.slope(found["fall"], found["time"])
    assert value == pytest.approx(1, abs=0.08)
    assert error < 0.05
    assert count == 84
    assert EXPERIMENT.claims[1].check(lawful).holds


def test_layers_of_one_time_have_no_slope_and_their_times_are_settled():
    flat = courses(lambda nats: 40)
    found = module.relaxations(flat)
    assert module.slope(found["fall"], found["time"])[0] == pytest.approx(0, abs=0.02)
    assert not EXPERIMENT.claims[1].check(flat).holds
    assert EXPERIMENT.claims[4].check(flat).holds


def test_the_promised_boost_is_the_sum_of_the_drops_less_the_largest():
    lawful = courses(lambda nats: 10 * math.exp(nats))
    measured, promised = module.boost(lawful)
    ends = lawful["i_xt"].sel(depth=6, seed=0).isel(epoch=-1)
    drops = (ends.shift(layer=1, fill_value=12.0) - ends).values
    assert float(promised.isel(seed=0)) == pytest.approx((drops.sum() - drops.max()) * math.log(2))
    assert float(measured.isel(seed=0)) == pytest.approx(0)
    assert not EXPERIMENT.claims[3].check(lawful).holds


def test_too_few_layers_that_relax_say_nothing():
    still = courses(lambda nats: 40)
    still = still.assign(i_xt=12 + 0.01 * still["i_xt"])
    assert EXPERIMENT.claims[1].check(still) is None


def test_a_short_run_reads_every_layer_and_its_drops_add_up():
    run = lab.execute(EXPERIMENT, EXPERIMENT.config(epochs=20, seeds=2), "cpu")
    there = np.isfinite(run.result["i_xt"].isel(seed=0, epoch=0).values)
    assert (there == np.tri(6, dtype=bool)).all()
    assert float(run.result["i_xt"].max()) <= 12 + 1e-5
    assert EXPERIMENT.claims[0].check(run.result).holds
    broken = run.result.copy(deep=True)
    broken["i_xt"].loc[{"depth": 3, "layer": 2}] = np.nan  # a layer that is lost breaks the sum
    assert not EXPERIMENT.claims[0].check(broken).holds


def test_forgetting_in_the_first_layers_would_be_seen():
    lawful = courses(lambda nats: 40)
    assert EXPERIMENT.claims[5].check(lawful).holds
    turned = lawful["i_xt"].copy(data=lawful["i_xt"].values.copy())
    turned.loc[{"depth": 5, "layer": [4, 5]}] = 5.0
    assert not EXPERIMENT.claims[5].check(lawful.assign(i_xt=turned)).holds

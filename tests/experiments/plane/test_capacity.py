"""plane/capacity: layers with known moments are read rightly, and the claims can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.plane import capacity as module
from layerlab.information import class_channel_information, gaussian_capacity

EXPERIMENT = lab.get("plane/capacity")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(epochs=10, seeds=2), "cpu")


def test_two_gaussian_classes_are_read_as_the_channel_that_they_are():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 20_000)
    t = rng.normal(size=(1, 40_000, 1)) + 2.0 * y[None, :, None]
    found = module.measure(t, y, y)
    assert found["snr"] == pytest.approx(1, rel=0.05)
    assert found["all_units"] == pytest.approx(gaussian_capacity(1.0), rel=0.05)
    exact = class_channel_information([0.0, 2.0], [0.5, 0.5])
    assert found["exact"] == pytest.approx(exact, rel=0.05)
    assert found["i_ty"] == pytest.approx(exact, rel=0.05)


def test_the_traces_miss_a_unit_of_noise_that_the_determinant_does_not_mind():
    rng = np.random.default_rng(1)
    y = np.repeat([0, 1], 20_000)
    t = np.stack([rng.normal(size=40_000) + 2.0 * y, 10 * rng.normal(size=40_000)], -1)[None]
    found = module.measure(t, y, y)
    assert found["snr"] < 0.02
    assert found["all_units"] == pytest.approx(0.5, rel=0.05)


def test_a_layer_that_never_changes_has_no_signal():
    found = module.measure(np.ones((1, 10, 3)), np.repeat([0, 1], 5), np.arange(10))
    assert found["snr"] == 0
    assert found["all_units"] == 0
    assert found["i_ty"] == pytest.approx(0, abs=1e-12)


def test_a_run_keeps_the_theorem_and_shows_the_layers_of_the_network(run):
    assert EXPERIMENT.claims[0].check(run.result).holds
    assert run.result.sizes["layer"] == 6
    first = run.result.isel(epoch=0)
    assert np.allclose(first["snr"].isel(layer=0), first["snr"].isel(layer=0, seed=0))  # the input is everyone's
    assert EXPERIMENT.claims[4].check(run.result) is None  # ten epochs are not "after training"


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [("exact", lambda x: x + 1.1, 0), ("i_ty", lambda x: x + 3, 1), ("snr", lambda x: x * x["layer"] ** 9.0, 2),
     ("snr", lambda x: x / (1 + x["epoch"]) ** 3, 3)],
)  # fmt: skip
def test_a_wrong_result_makes_its_claim_fail(run, variable, change, falls):
    wrong = run.result.assign({variable: change(run.result[variable])})
    assert not EXPERIMENT.claims[falls].check(wrong).holds


def test_the_disputed_claims_would_hold_of_layers_that_are_alike(run):
    alike = run.result.assign(snr=0 * run.result["snr"] + 3, i_ty=0 * run.result["i_ty"] + 0.9)
    assert EXPERIMENT.claims[1].check(alike).holds
    assert EXPERIMENT.claims[2].check(alike).holds


def test_a_capacity_that_falls_with_depth_is_seen():
    run = lab.Store().load(EXPERIMENT, EXPERIMENT.config(epochs=300))
    assert EXPERIMENT.claims[4].check(run.result).holds
    falling = run.result.assign(all_units=-run.result["all_units"])
    assert not EXPERIMENT.claims[4].check(falling).holds

"""similarity/width: chance is what theory says it is, and the claims can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.similarity import width
from layerlab.experiments.similarity._distances import distances

EXPERIMENT = lab.get("similarity/width")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(rows=100, epochs=5, seeds=2), "cpu")


def test_chance_grows_with_the_number_of_units_and_stays_below_its_bound(run):
    shuffled = 1 - run.result["cca"].sel(case="shuffled").isel(layer=3).mean("seed")
    assert (shuffled.diff("width") > 0).all()
    assert EXPERIMENT.claims[1].check(run.result).holds
    assert float(shuffled.isel(width=-1)) > 0.6


def test_independent_layers_meet_the_bound_for_the_mean_square():
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(4, 450, 64)) for _ in range(2))
    mean = 1 - distances(x, y)["cca"].mean()
    assert 0.85 * np.sqrt(64 / 449) < mean <= np.sqrt(64 / 449)


def test_eight_units_of_eight_are_all_of_them(run):
    narrow = run.result.isel(width=0, layer=3)
    for name in width.SAID:
        np.testing.assert_allclose(
            narrow[name].sel(case="eight units"), narrow[name].sel(case="trained"), atol=1e-5, err_msg=name
        )


@pytest.mark.parametrize(
    ("case", "change", "falls"),
    [
        ("trained", lambda x: x["width"] / 256 + 0 * x, 0),
        ("trained", lambda x: x["width"] / 256 + 0 * x, 3),
        ("eight units", lambda x: x["width"] / 256 + 0 * x, 4),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, case, change, falls):
    values = run.result["pwcca"]
    wrong = run.result.assign(pwcca=values.where(run.result["case"] != case, change(values)))
    assert not EXPERIMENT.claims[falls].check(wrong).holds


def test_wide_networks_that_cka_finds_apart_fail(run):
    values = run.result["cka"]
    assert EXPERIMENT.claims[2].check(run.result.assign(cka=-values["width"] / 256 + 0 * values)).holds
    assert not EXPERIMENT.claims[2].check(run.result.assign(cka=values["width"] / 256 + 0 * values)).holds


def test_chance_beyond_its_bound_and_accuracy_without_agreement_fail(run):
    assert not EXPERIMENT.claims[1].check(run.result.assign(cca=run.result["cca"] - 0.5)).holds
    known = run.result.assign(accuracy_test=run.result["pwcca"].sel(case="trained").isel(layer=3))
    assert not EXPERIMENT.claims[5].check(known).holds
    assert EXPERIMENT.claims[5].check(known.assign(accuracy_test=-known["accuracy_test"])).holds

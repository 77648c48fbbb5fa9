"""similarity/svcca_steps: the maps are what they are called, and its claims can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.similarity import svcca_steps
from layerlab.similarity import basis

EXPERIMENT = lab.get("similarity/svcca_steps")


@pytest.fixture(scope="module")
def run():
    config = EXPERIMENT.config(architecture="dense", rows=300, epochs=5, seeds=3)
    return lab.execute(EXPERIMENT, config, "cpu")


def test_all_claims_are_tested_and_hold(run):
    assert [evidence.holds for _, evidence in run.evidence()] == [True] * 6


def test_what_is_kept_and_compared_fits_together(run):
    result = run.result
    counted = result["coefficients"].notnull().sum("direction")
    kept = result["kept"]
    np.testing.assert_array_equal(counted, np.minimum(kept, np.roll(kept, -1, axis=0)))
    np.testing.assert_allclose(result["coefficients"].mean("direction"), result["similarity"], atol=1e-12)
    assert (result["values"].isel(direction=0) == 1).all()


@pytest.mark.parametrize("name", svcca_steps.MAPS)
def test_every_map_can_be_undone_and_takes_no_rank(name):
    x = np.random.default_rng(0).standard_normal((50, 6))
    after = svcca_steps.changed(x, name, np.random.default_rng(1))
    assert basis(after).rank == 6
    assert not np.allclose(after, x)
    values = basis(x).values, basis(after).values
    if name in ("permutation", "rotation"):
        np.testing.assert_allclose(values[1], values[0])
    elif name == "one factor":
        np.testing.assert_allclose(values[1] / values[0], values[1][0] / values[0][0])
    else:
        assert np.ptp(values[1] / values[0]) > 0.1


def test_convolutions_are_read_with_each_position_a_sample():
    config = EXPERIMENT.config(rows=60, epochs=1, layer=3, seeds=2)
    result = lab.execute(EXPERIMENT, config, "cpu").result
    assert result.attrs["samples"] == 450 * 4 * 4
    assert result.sizes["direction"] == 24
    assert result.attrs["layer_name"] == "convolution 3"


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [
        ("change", lambda x: x + 1e-3, 0),
        ("change", lambda x: x + 1e-3, 1),
        ("change", lambda x: x * 0, 2),
        ("kept", lambda x: x * x.where(x["cut"] == "variance", 0.1), 3),
        ("similarity", lambda x: x.isel(cut=[0]).mean() - x, 4),
        ("similarity_shuffled", lambda x: x + 1, 5),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, variable, change, falls):
    wrong = run.result.assign({variable: change(run.result[variable])})
    assert not EXPERIMENT.claims[falls].check(wrong).holds


def test_without_a_cut_nothing_is_said_of_it(run):
    whole = run.result.assign_attrs(keep=1.0)
    assert [claim.check(whole) is None for claim in EXPERIMENT.claims] == [False, False, True, True, True, False]

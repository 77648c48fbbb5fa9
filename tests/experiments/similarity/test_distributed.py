"""similarity/distributed: participation, the null models and few neurons, on layers where the answer is known."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.similarity import distributed
from layerlab.experiments.similarity._directions import root
from layerlab.similarity import basis

EXPERIMENT = lab.get("similarity/distributed")


@pytest.fixture(scope="module")
def run():
    config = EXPERIMENT.config(architecture="dense", rows=300, epochs=10, seeds=2)
    return lab.execute(EXPERIMENT, config, "cpu")


def test_participation_counts_equal_weights():
    weights = np.zeros((10, 3))
    weights[2, 0], weights[:4, 1], weights[:, 2] = -3, 2, 0.1
    assert distributed.participation_of(weights) == pytest.approx([1, 4, 10])


@pytest.mark.parametrize("n", [10, 60])
def test_random_weights_have_the_participation_that_theory_says(n):
    weights = np.random.default_rng(0).normal(size=(n, 20_000))
    inverse = 1 / distributed.participation_of(weights)
    assert 1 / inverse.mean() == pytest.approx((n + 2) / 3, rel=0.02)


def test_random_directions_are_uncorrelated_and_of_one_length():
    x = np.random.default_rng(0).normal(size=(500, 5)) * [5, 4, 3, 2, 0]
    a = distributed.random_directions(basis(x), np.random.default_rng(1))
    h = (x - x.mean(0)) @ a
    assert np.linalg.norm(h, axis=0) == pytest.approx(np.ones(distributed.DRAWS))


def test_a_direction_on_three_neurons_needs_three_and_copies_need_one():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 8))
    rows, covariance = root(basis(x)), np.cov(x, rowvar=False)
    a = np.zeros((8, 1))
    a[[1, 4, 6], 0] = 1, -2, 1.5
    kept = distributed.kept_correlation(a, rows, covariance)
    assert (kept[:, 0] < 0.9).all()
    assert kept[:, 2:6] == pytest.approx(1, abs=1e-6)
    assert np.isnan(kept[:, 6:]).all()  # 12 neurons, of 8
    copies = np.repeat(x[:, :1], 8, axis=1) + 1e-3 * x  # eight neurons that say the same: one is as good as all
    kept = distributed.kept_correlation(np.ones((8, 1)), root(basis(copies)), np.cov(copies, rowvar=False))
    assert (kept[:, 0] > 0.999).all()


def test_dead_units_do_not_count():
    x = np.random.default_rng(0).normal(size=(100, 4))
    x[:, 2] = 0.3
    assert (distributed.sizes(root(basis(x))) > 0).tolist() == [True, True, False, True]
    kept = distributed.kept_correlation(np.ones((4, 1)), root(basis(x)), np.cov(x, rowvar=False))
    assert kept[:, 2] == pytest.approx(1)
    assert np.isnan(kept[:, 3:]).all()


def test_claims_are_tested(run):
    assert all(evidence is not None for _, evidence in run.evidence())
    kept = run.result["kept"].where(run.result["neurons"] == 24).max("neurons")
    assert (kept.sel(how="refitted") > 0.9).all()


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [
        ("participation", lambda x: 0 * x + 1, 0),
        ("participation", lambda x: 0 * x + 60, 1),
        ("kept", lambda x: x * (x["neurons"] > 40), 2),
        ("kept", lambda x: x * (x["of"] == "random"), 3),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, variable, change, falls):
    wrong = run.result.assign({variable: change(run.result[variable])})
    assert not EXPERIMENT.claims[falls].check(wrong).holds

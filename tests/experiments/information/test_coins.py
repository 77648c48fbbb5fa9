"""information/coins: the count of heads is what is kept, and the claims can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.information import coins

EXPERIMENT = lab.get("information/coins")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(flips=3, coins=2, seeds=2), "cpu")


def test_all_claims_are_tested_and_hold(run):
    assert [evidence.holds for _, evidence in run.evidence()] == [True] * 5


def test_the_joint_is_that_of_flips():
    p, heads = coins.coin_joint(3, 2, np.random.SeedSequence(0))
    assert p.shape == (8, 2)
    assert heads.tolist() == [0, 1, 1, 2, 1, 2, 2, 3]
    assert p.sum() == pytest.approx(1)
    prior = p.sum(0)
    ratio = p / prior  # p(x|y) = b^h (1-b)^(n-h)
    bias = ratio[7] ** (1 / 3)
    assert ratio[heads == 2] == pytest.approx(np.tile(bias**2 * (1 - bias), (3, 1)))
    assert bias[0] < 0.5 < bias[1]


def test_at_the_largest_beta_each_count_has_its_own_cluster(run):
    assert np.allclose(run.result["encoder"].values, np.eye(4), atol=1e-9)


def test_the_spread_among_equal_counts_is_a_total_variation():
    encoder = np.array([[1.0, 0], [0.75, 0.25], [0.25, 0.75]])
    assert coins.within_counts(encoder, np.array([0, 1, 1])) == 0.5


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [
        ("spread_after", lambda x: x + 0.01, 0),
        ("clusters", lambda x: x - 1, 1),
        ("i_ty", lambda x: x - 0.01, 2),
        ("i_xt", lambda x: x - 0.01, 3),
        ("i_xt", lambda x: x + 0.01, 4),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, variable, change, falls):
    wrong = run.result.assign({variable: change(run.result[variable])})
    assert not EXPERIMENT.claims[falls].check(wrong).holds

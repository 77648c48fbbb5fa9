"""information/iterations: the functional falls with every update, and the claims can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.information import iterations
from layerlab.experiments.information._bottleneck_joints import joint
from layerlab.information import bottleneck_clusters, bottleneck_loss, mutual_information

EXPERIMENT = lab.get("information/iterations")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(iterations=12, beta=6.0, seeds=2), "cpu")


def test_all_claims_are_tested_and_hold(run):
    assert [evidence.holds for _, evidence in run.evidence()] == [True] * 4


def test_before_the_first_iteration_there_is_no_fall_to_test():
    start = lab.execute(EXPERIMENT, EXPERIMENT.config(iterations=0, seeds=2), "cpu")
    assert [e if e is None else e.holds for _, e in start.evidence()] == [None, True, True, True]
    assert (start.result["encoder"] == start.result["start"]).all()


def test_the_functional_is_the_loss_where_its_three_distributions_belong_together():
    p = joint("ring", 12, np.random.SeedSequence(1))
    encoder = np.random.default_rng(0).dirichlet(np.ones(6), 12)
    value = iterations.functional(p, encoder, *bottleneck_clusters(p, encoder), 5.0)
    assert value == pytest.approx(bottleneck_loss(p, encoder, 5.0) + 5 * mutual_information(p))
    other = np.random.default_rng(1).dirichlet(np.ones(6), 12)
    assert iterations.functional(p, encoder, *bottleneck_clusters(p, other), 5.0) > value


def test_the_last_update_of_each_iteration_is_its_loss(run):
    result = run.result
    ends = result["functional"].isel(update=slice(0, None, 3)).values
    assert ends == pytest.approx(result["distortion_loss"].values, abs=1e-9)


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [
        ("functional", lambda x: x + 0.1 * x["update"] ** 2, 0),
        ("distortion_loss", lambda x: x + 1e-6, 1),
        ("i_ty", lambda x: x + 1, 2),
        ("best", lambda x: x + 1, 3),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, variable, change, falls):
    wrong = run.result.assign({variable: change(run.result[variable])})
    assert not EXPERIMENT.claims[falls].check(wrong).holds


@pytest.mark.parametrize("kind", ["ring", "tree", "random"])
def test_a_joint_is_a_distribution_and_another_for_another_seed(kind):
    one, two = (joint(kind, 10, np.random.SeedSequence(s)) for s in (0, 1))
    assert one.shape == (10, 4)
    assert one.sum() == pytest.approx(1)
    assert one.min() > 0
    assert abs(one - two).max() > 1e-3

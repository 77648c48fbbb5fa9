"""information/slowing_down: the iteration slows down as theory says, and the claims can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.information import slowing_down
from layerlab.information import bottleneck_clusters, bottleneck_step, critical_betas

EXPERIMENT = lab.get("information/slowing_down")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(levels=4, seeds=2), "cpu")


def test_all_claims_hold(run):
    assert [evidence.holds for _, evidence in run.evidence()] == [True] * 5


def test_the_batched_iteration_is_the_library_s():
    config = EXPERIMENT.config(levels=5)
    joint = slowing_down.joint_of(config, config.streams()[0])
    encoder = np.random.default_rng(0).dirichlet(np.ones(2), size=5)
    gaps = slowing_down.iterate(joint, np.array([2.0, 5.0]), np.stack([encoder] * 2), 3)
    for column, beta in enumerate((2.0, 5.0)):
        now = encoder
        for step in range(4):
            decoder = bottleneck_clusters(joint, now)[1]
            assert gaps[step, column] == pytest.approx(decoder[0, 1] - decoder[1, 1])
            now = bottleneck_step(joint, now, beta)


def test_times_are_those_of_the_growth_rate_below(run):
    expected = -1 / np.log(1 - slowing_down.DISTANCES)
    assert run.result["time_below"].values == pytest.approx(np.broadcast_to(expected, (2, 9)), rel=2e-3)


@pytest.mark.parametrize("levels", [2, 5, 8])
def test_joints_are_their_own_mirror_image_and_vary_with_the_seed(levels):
    config = EXPERIMENT.config(levels=levels)
    joints = [slowing_down.joint_of(config, stream) for stream in config.streams()]
    for joint in joints:
        assert joint.sum() == pytest.approx(1)
        assert np.sort(joint[:, 0]) == pytest.approx(np.sort(joint[:, 1]))
    assert np.ptp([critical_betas(joint)[0] for joint in joints]) > 0.01


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [
        ("rate", lambda x: x * 1.01, 0),
        ("time_below", lambda x: x**1.1, 1),
        ("time_above", lambda x: x**0.8, 2),
        ("time_above", lambda x: x * 1.5, 3),
        ("iterations_below", lambda x: x**1.1, 4),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, variable, change, falls):
    wrong = run.result.assign({variable: change(run.result[variable])})
    assert not EXPERIMENT.claims[falls].check(wrong).holds


def test_the_exponent_is_a_least_squares_slope(run):
    exact = run.result["time_below"] * 0 + 3 * run.result["distance"] ** -1.25
    assert slowing_down.exponent(exact).values == pytest.approx(-1.25)

"""information/bifurcations: births are found where newcomers grow, splits only where symmetry asks for them."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.information import bifurcations

EXPERIMENT = lab.get("information/bifurcations")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(joint="graded", gamma=2.0, top=6.0, steps=14, seeds=2), "cpu")


def test_all_claims_hold_but_the_disputed_one(run):
    verdicts = [evidence.holds for _, evidence in run.evidence()]
    assert verdicts == [True, True, True, True, False]
    assert bool(EXPERIMENT.claims[4].disputed)


def test_a_symmetric_joint_splits_first_and_bears_a_cluster_in_the_middle_next(run):
    result = run.result
    assert (result["clusters"][:, 0] == 1).all()
    assert (result["clusters"][:, -1] == 3).all()
    assert float(np.abs(result["split"][:, 0] / result["found"][:, 0] - 1).max()) < 2e-3
    assert (result["distance"][:, 0] < 0.03).all()
    assert (result["distance"][:, 1] > 0.2).all()
    last = result["decoder"].values[0, -1]
    assert sorted(last[np.isfinite(last)])[1] == pytest.approx(0.5, abs=1e-6)


def test_the_mirror_image_of_a_graded_joint_is_itself_and_seeds_differ():
    config = EXPERIMENT.config(joint="graded")
    first, second = (bifurcations.joint_of(config, stream) for stream in config.streams()[:2])
    assert first == pytest.approx(first[::-1, ::-1])
    assert np.abs(first - second).max() > 0.01


@pytest.mark.parametrize("name", bifurcations.JOINTS)
def test_every_joint_is_a_distribution_over_classes_and_two_labels(name):
    config = EXPERIMENT.config(joint=name)
    joint = bifurcations.joint_of(config, config.streams()[0])
    assert joint.sum() == pytest.approx(1)
    assert joint.min() >= 0
    assert joint.shape[1] == 2
    assert len(joint) >= 9


def test_information_rises_and_masses_are_whole_at_every_beta(run):
    assert (run.result["i_ty"].diff("beta") > -1e-12).all()
    assert np.nansum(run.result["masses"].values, -1) == pytest.approx(1)
    assert (run.result["i_ty"] <= run.result["i_xt"] + 1e-12).all()


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [
        ("growth", lambda x: x + 1e-6, 0),
        ("critical", lambda x: x * 0.5, 1),
        ("onset", lambda x: x * 1.02, 2),
        ("birth", lambda x: x * 0.98, 3),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, variable, change, falls):
    wrong = run.result.assign({variable: change(run.result[variable])})
    assert not EXPERIMENT.claims[falls].check(wrong).holds


def test_the_disputed_claim_would_hold_if_splits_were_where_bifurcations_are(run):
    right = run.result.assign({"split": run.result["found"]})
    assert EXPERIMENT.claims[4].check(right).holds


def test_where_nothing_happens_nothing_is_claimed():
    quiet = lab.execute(EXPERIMENT, EXPERIMENT.config(joint="graded", gamma=0.3, top=2.0, steps=10, seeds=1), "cpu")
    assert [evidence is None for _, evidence in quiet.evidence()] == [False, False, True, True, True]
    assert "none" in EXPERIMENT.describe(quiet.result)

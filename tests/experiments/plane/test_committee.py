"""plane/committee: sums over all patterns are exact, and its claims can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.plane import committee

EXPERIMENT = lab.get("plane/committee")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(epochs=30, seeds=3), "cpu")


@pytest.fixture
def learnt(run):
    """The same run as if its networks had learnt their committees, by epoch 10."""
    good = np.where(run.result["epoch"] >= 10, 0.97, 0.6) * np.ones((3, 1))
    return run.result.assign(accuracy_train=(("seed", "epoch"), good))


def test_claims_are_tested_where_the_run_can_and_hold(run):
    assert [e and e.holds for _, e in run.evidence()] == [True, True, None, None, True]


def test_every_network_has_a_committee_of_its_own_and_balanced_labels():
    _, rules, _ = committee.untrained("tanh", 0, 3, "cpu")
    labels = np.stack([rule.y for rule in rules])
    assert (labels.mean(1) == 0.5).all()
    assert len(np.unique(labels, axis=0)) == 3


def test_places_are_those_of_sums_over_all_patterns(run):
    networks, rules, _ = committee.untrained("tanh", 0, 3, "cpu")
    layer = networks.activations(committee.inputs(rules))[5][1].numpy()
    _, code = np.unique(np.floor(layer / 0.07), axis=0, return_inverse=True)
    joint = np.zeros((code.max() + 1, 2))
    np.add.at(joint, (code.reshape(-1), rules[1].y), 1 / 4096)
    p_t = joint.sum(1)
    product = p_t[:, None] * joint.sum(0)
    here = run.result.isel(epoch=0, cells=0, layer=5, seed=1)
    assert float(here["i_xt"]) == pytest.approx(-(p_t * np.log2(p_t)).sum(), abs=1e-5)
    seen = joint > 0
    assert float(here["i_ty"]) == pytest.approx((joint[seen] * np.log2(joint[seen] / product[seen])).sum(), abs=1e-5)


def test_no_layer_knows_more_than_there_is(run):
    assert float(run.result["i_xt"].max()) <= 12 + 1e-5
    assert float(run.result["i_ty"].max()) <= 1 + 1e-5


def test_a_late_fall_is_measured_from_the_fit_and_not_from_the_peak(learnt):
    flat = learnt.assign(i_xt=learnt["i_xt"] * 0 + 3)
    assert float(abs(committee.late_fall(flat, 0)).max()) == 0
    early = flat.assign(i_xt=flat["i_xt"] + 5 * (flat["epoch"] < 5))
    assert float(abs(committee.late_fall(early, 0)).max()) == 0
    late = flat.assign(i_xt=flat["i_xt"] - (flat["epoch"] == 30))
    np.testing.assert_allclose(committee.late_fall(late, 1), 1)
    assert EXPERIMENT.claims[2].check(late).holds
    assert not EXPERIMENT.claims[2].check(flat).holds
    assert not EXPERIMENT.claims[3].check(flat).holds


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [
        ("i_xt", lambda x: x + 0.4 * (x.layer == 6) * x.isel(layer=4), 0),
        ("i_ty", lambda x: x.isel(epoch=0) - 0.1 * (x.epoch > 0), 1),
        ("i_xt", lambda x: x - 1, 4),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, variable, change, falls):
    changed = change(run.result[variable]).transpose(*run.result[variable].dims)
    assert not EXPERIMENT.claims[falls].check(run.result.assign({variable: changed})).holds


def test_nothing_is_said_of_networks_that_have_not_learnt(run, learnt):
    assert committee.late_fall(run.result, 0).isnull().all()
    two = learnt.copy(deep=True)
    two["accuracy_train"][0, -1] = 0.5
    assert EXPERIMENT.claims[2].check(two) is None

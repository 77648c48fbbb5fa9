"""information/network_bound: gaps and informations of trained networks, and claims that can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.information import network_bound

EXPERIMENT = lab.get("information/network_bound")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(m=128, seeds=2), "cpu")


def test_memorisers_break_the_bound_that_the_rule_keeps(run):
    verdicts = [evidence.holds for _, evidence in run.evidence()]
    assert verdicts == [True, True, False, False, True, True]


def test_what_is_learned_from_chance_is_chance(run):
    assert (run.result["error"].sel(labels="random") == 0.5).all()
    assert float(run.result["train_error"].max()) < 0.05
    assert float(run.result["error"].sel(labels="rule").mean()) < 0.3


def test_information_never_grows_from_layer_to_layer(run):
    """Cells of a later layer could be finer than those of an earlier one only through the bins."""
    bits = run.result["i_xt"]
    assert float(bits.max()) <= 12
    assert float(bits.sel(layer="decision").max()) <= 1
    assert (bits.sel(layer="last") < bits.sel(layer="first") + 1e-9).all()
    assert (run.result["cells"] >= 2.0**bits - 1e-6).all()


def test_bins_tell_activations_apart_as_far_as_they_should():
    tanh = np.array([[-1.0], [-0.99], [0.0], [1.0]])
    assert network_bound.binned(tanh, "tanh").tolist() == [0, 0, 1, 2]
    relu = np.array([[0.0, 3.0], [0.05, 3.0], [3.0, 0.0]])
    assert network_bound.binned(relu, "relu").tolist() == [0, 0, 1]
    assert len(np.unique(network_bound.binned(np.zeros((5, 2)), "relu"))) == 1


@pytest.mark.parametrize(
    ("change", "falls"),
    [
        (lambda r: {"weights": r["weights"] * 0}, 0),
        (lambda r: {"gap": r["gap"] + 1}, 1),
        (lambda r: {"i_xt": -1 * r["i_xt"].sortby("labels", ascending=False).values * (r["i_xt"] * 0 + 1)}, 4),
        (lambda r: {"fresh_gap": r["fresh_gap"] + 2}, 5),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, change, falls):
    assert not EXPERIMENT.claims[falls].check(run.result.assign(change(run.result))).holds


def test_networks_that_did_not_memorise_would_bear_the_lecture_out(run):
    honest = run.result.assign(gap=run.result["gap"] * 0)
    assert all(EXPERIMENT.claims[i].check(honest).holds for i in (1, 2, 3))

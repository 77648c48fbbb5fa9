"""plane/limit: layers of known place, the finite-sample kin of the curve, and claims that can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.data import symmetric_rule
from layerlab.experiments.plane import limit as module
from layerlab.information import information_bottleneck, mutual_information

EXPERIMENT = lab.get("plane/limit")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(epochs=10, seeds=2), "cpu")


def test_the_curve_itself_is_nowhere_off_the_curve():
    rule = symmetric_rule(10.0)
    found = information_bottleneck(rule.p_class, module.BETAS)
    excess, deficit = module.off_curve(found.i_xt, found.i_ty, found.loss)
    assert np.allclose(excess, 0, atol=1e-6)
    assert np.allclose(deficit, 0, atol=1e-6)
    moved, lower = module.off_curve(found.i_xt + 1, found.i_ty, found.loss)
    assert np.allclose(moved, 1, atol=1e-6)
    assert (lower >= -1e-9).all()


def test_a_sample_of_all_inputs_lets_the_classes_deliver_nearly_everything():
    rule = symmetric_rule(10.0)
    found = module.of_sample(rule, np.arange(4096), rule.draw(0))
    whole = mutual_information(rule.p_xy)
    assert 0.95 * whole < found["sample_delivered"].max() <= whole
    assert (found["sample_y"] <= whole + 1e-9).all()


def test_the_promised_bound_is_the_curve_less_its_error(run):
    x, bound = module.promised(run.result)
    assert bound[0] == pytest.approx(-np.sqrt(2 / 3277))
    assert bound[-1] == pytest.approx(float(run.result["curve_y"][-1]) - np.sqrt(2**12 * 2 / 3277))
    assert 1 < x[bound.argmax()] < 3


def test_a_run_reads_five_layers_under_the_curve(run):
    assert run.result.sizes["layer"] == 5
    assert EXPERIMENT.claims[0].check(run.result).holds
    assert float(run.result["bayes_error"]) == pytest.approx(0.033, abs=0.001)
    assert EXPERIMENT.claims[3].check(run.result) is None  # ten epochs are no end


@pytest.fixture(scope="module")
def stored():
    return lab.Store().load(EXPERIMENT, EXPERIMENT.config(epochs=2000, seeds=12)).result


def test_the_claims_come_out_as_on_the_page(stored):
    verdicts = [evidence and evidence.holds for evidence in (claim.check(stored) for claim in EXPERIMENT.claims)]
    assert verdicts == [True, False, True, False, False, True]


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [("excess_rate", lambda v: v - 20, 0), ("excess_rate", lambda v: v * (1 + v["epoch"]), 2),
     ("delivered", lambda v: v + 1, 5)],
)  # fmt: skip
def test_a_wrong_result_makes_its_claim_fail(stored, variable, change, falls):
    assert not EXPERIMENT.claims[falls].check(stored.assign({variable: change(stored[variable])})).holds


def test_the_disputed_claims_would_hold_of_layers_on_the_curve_that_go_on_learning(stored):
    near = stored.assign(excess_rate=0 * stored["excess_rate"], i_xt=0.2 * stored["i_xt"] + 0.5)
    assert EXPERIMENT.claims[1].check(near).holds
    assert EXPERIMENT.claims[3].check(near).holds
    assert EXPERIMENT.claims[4].check(stored.assign(delivered=-stored["delivered"])).holds


def test_where_the_last_layer_forgets_nothing_forgetting_is_not_judged(stored):
    assert EXPERIMENT.claims[4].check(stored.assign(i_xt=0 * stored["i_xt"])) is None

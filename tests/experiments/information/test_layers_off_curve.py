"""information/layers_off_curve: no layer beats the curve, layers are placed exactly, and the claims can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.data import committee_machine
from layerlab.experiments.information import layers_off_curve as module
from layerlab.information import information_bottleneck, mutual_information

EXPERIMENT = lab.get("information/layers_off_curve")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(epochs=30, seeds=2), "cpu")


def test_all_claims_but_the_disputed_one_hold(run):
    assert [evidence.holds for _, evidence in run.evidence()] == [True, True, True, False]


@pytest.fixture(scope="module")
def rule():
    rule = committee_machine(5, 8, seed=1, gamma=0.6)
    return rule.p_xy, rule.score, information_bottleneck(rule.p_xy, module.BETAS).loss


def test_a_layer_that_is_the_sufficient_statistic_lies_on_the_curve(rule):
    p, score, losses = rule
    placed = module.place(p, score[:, None], 64, losses)
    assert placed["i_ty"] == pytest.approx(mutual_information(p))
    assert placed["excess_rate"] == pytest.approx(0, abs=0.02)  # the largest beta is not infinite
    assert placed["deficit"] == pytest.approx(0, abs=1e-4)
    assert placed["moved"] < 0.01  # and so it does satisfy the equations, at large beta


def test_a_layer_that_is_the_input_keeps_eight_bits(rule):
    p, _, losses = rule
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1
    placed = module.place(p, bits.astype(float), 2, losses)
    assert placed["i_xt"] == pytest.approx(8)
    assert placed["excess_rate"] > 4
    assert placed["moved"] > 0.5


def test_a_constant_layer_keeps_nothing_and_lies_at_the_origin(rule):
    p, _, losses = rule
    placed = module.place(p, np.ones((256, 3)), 8, losses)
    assert placed["i_xt"] == placed["i_ty"] == 0
    assert placed["excess_rate"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [
        ("deficit", lambda x: x - 1, 0),
        ("excess_rate", lambda x: 0.01 * x, 1),
        ("deficit", lambda x: -x, 2),
        ("moved", lambda x: x + 0.02, 3),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, variable, change, falls):
    wrong = run.result.assign({variable: change(run.result[variable])})
    assert not EXPERIMENT.claims[falls].check(wrong).holds


def test_the_disputed_claim_would_hold_of_layers_that_do_not_move(run):
    still = run.result.assign(moved=0 * run.result["moved"])
    assert EXPERIMENT.claims[3].check(still).holds

"""information/sample_curve: samples promise too much, decoders deliver less, and its claims can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.information import sample_curve
from layerlab.information import mutual_information

EXPERIMENT = lab.get("information/sample_curve")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(inputs=16, n=64, seeds=3), "cpu")


def test_the_lecture_fails_where_the_page_says_so_and_the_rest_holds(run):
    verdicts = [evidence.holds for _, evidence in run.evidence()]
    assert verdicts[:4] == [True, True, False, True]


def test_the_joint_has_two_kinds_of_input_or_many():
    two = sample_curve.joint(EXPERIMENT.config(inputs=8))
    assert two[:, 1] * 8 == pytest.approx([0.1, 0.9] * 4)
    many = sample_curve.joint(EXPERIMENT.config(inputs=8, kinds="many"))
    assert len(np.unique(many[:, 1])) == 8
    assert many.sum(1) == pytest.approx(np.full(8, 1 / 8))


def test_what_is_delivered_is_no_more_than_what_the_encoder_knows(run):
    result = run.result
    assert float((result["delivered"] - result["i_ty"]).max()) <= 1e-9
    assert float(result["all_delivered"].max()) <= float(result["all_true"])
    assert float(result["i_ty"].max()) <= float(result["all_true"]) + 1e-9


def test_the_sample_promises_at_most_its_own_information(run):
    assert (run.result["i_ty_sample"].max("beta") <= run.result["all_sample"] + 1e-6).all()
    assert float(run.result["all_true"]) == pytest.approx(mutual_information(sample_curve.joint(run.config)))


def test_with_plenty_of_samples_nothing_is_said_of_the_fall():
    config = EXPERIMENT.config(inputs=4, n=4096, seeds=2)
    evidence = [e for _, e in lab.execute(EXPERIMENT, config, "cpu").evidence()]
    assert evidence[3] is None
    assert evidence[5].holds


@pytest.mark.parametrize(
    ("change", "falls"),
    [
        (lambda r: {"i_ty_sample": r["i_ty_sample"] - 0.5}, 0),
        (lambda r: {"i_ty": r["i_ty"] + 0.3}, 1),
        (lambda r: {"delivered": r["delivered"] * 0}, 3),
        (lambda r: {"all_delivered": r["all_delivered"] + 1}, 4),
        (lambda r: {"i_ty_sample": r["i_ty_sample"] + 9}, 5),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, change, falls):
    assert not EXPERIMENT.claims[falls].check(run.result.assign(change(run.result))).holds


def test_a_truth_that_bent_back_would_bear_the_lecture_out(run):
    bent = run.result["i_ty"].copy()
    bent[{"beta": -1}] = 0
    assert EXPERIMENT.claims[2].check(run.result.assign(i_ty=bent)).holds

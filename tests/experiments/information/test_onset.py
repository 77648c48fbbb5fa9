"""information/onset: both thresholds are where theory has them, and its claims can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.information import onset
from layerlab.information import bottleneck_loss, information_bottleneck

EXPERIMENT = lab.get("information/onset")


def execute(**values):
    return lab.execute(EXPERIMENT, EXPERIMENT.config(steps=20, seeds=2, **values), "cpu")


@pytest.fixture(scope="module")
def lopsided():
    return execute(flip=0.1, one=0.2)


@pytest.fixture(scope="module")
def fair():
    return execute(flip=0.1, one=0.5)


def test_on_a_lopsided_channel_the_optimum_leaves_early(lopsided):
    assert [e and e.holds for _, e in lopsided.evidence()] == [True, None, True, True, True, False]
    between = lopsided.result.sel(beta=slice(1.68, 1.86))
    assert float(between["near"].max()) < 1e-6
    assert float(between["far"].min()) > 0.01


def test_on_a_fair_one_both_leave_together(fair):
    assert [e.holds for _, e in fair.evidence()] == [True] * 6
    assert float(fair.result["split"]) == pytest.approx(1.5625)


def test_a_newcomer_touches_zero_at_a_distance(lopsided):
    growth = lopsided.result["growth"].isel(at=1)
    far = growth.sel(r=slice(0.5, 0.95))
    assert float(far.max()) == pytest.approx(0, abs=1e-3)
    assert float(growth.max()) < 1e-4


@pytest.mark.parametrize(("one", "beta"), [(0.5, 2.0), (0.2, 1.8), (0.2, 3.0), (0.2, 1.5)])
def test_the_exact_optimum_is_one(one, beta):
    joint = onset.channel(0.1, one)
    found = information_bottleneck(joint, [beta], clusters=2, restarts=3)
    assert onset.exact_information(0.1, one, beta) == pytest.approx(float(found.i_ty[0]), abs=1e-6)
    assert bottleneck_loss(joint, found.encoder[0], beta) <= 1e-9


def test_the_closed_form_tends_to_its_symmetric_limit():
    assert onset.closed_form_onset(0.1, 0.5 - 1e-5) == pytest.approx(onset.closed_form_onset(0.1, 0.5), rel=1e-6)


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [
        ("onset_near", lambda x: x * 1.01, 0),
        ("onset_near", lambda x: x * 1.01, 1),
        ("onset_far", lambda x: x * 0.99, 2),
        ("onset", lambda x: x * 1.001, 3),
        ("far", lambda x: x * 0.999, 4),
        ("onset_far", lambda x: x * 0.99, 5),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(fair, variable, change, falls):
    wrong = fair.result.assign({variable: change(fair.result[variable])})
    assert not EXPERIMENT.claims[falls].check(wrong).holds


def test_the_two_starts_are_what_they_say():
    generator = np.random.default_rng(0)
    near = onset._near(onset.channel(0.1, 0.2), generator)
    assert near.sum(1) == pytest.approx(1)
    assert near == pytest.approx(0.5, abs=1e-4)
    assert near[:, 0] @ [0.8, 0.2] == pytest.approx(0.5, abs=1e-12)  # neither half is heavier

"""information/compression: cells learn their labels, samples and bits are exchanged, and its claims can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.information import compression
from layerlab.experiments.information._cells import learn

EXPERIMENT = lab.get("information/compression")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(flip=0.5, seeds=20), "cpu")


def test_all_claims_hold_for_equal_cells_of_pure_noise(run):
    assert [evidence.holds for _, evidence in run.evidence()] == [True] * 4


def test_uneven_cells_break_the_exchange_rate_and_the_bound():
    evidence = [e for _, e in lab.execute(EXPERIMENT, EXPERIMENT.config(cells="uneven", seeds=5), "cpu").evidence()]
    assert [e.holds for e in evidence[:3]] == [False, True, False]


def test_cells_learn_the_commoner_label_and_toss_a_coin_over_ties():
    p_ty = np.array([[0.1, 0.3], [0.2, 0.2], [0.15, 0.05]])
    sample = np.array([[0.0, 0.5], [0.25, 0.25], [0.0, 0.0]])
    true, train = learn(p_ty, sample)
    assert true == pytest.approx(0.1 + 0.2 + 0.1)
    assert train == pytest.approx(0.25)


def test_no_gap_without_a_limit_on_samples():
    p_ty = compression.joint(EXPERIMENT.config(flip=0.2), 4)
    assert learn(p_ty, p_ty) == (pytest.approx(0.2), pytest.approx(0.2))


def test_the_first_bits_of_the_rule_make_equal_cells_of_unequal_kind():
    p_ty = compression.joint(EXPERIMENT.config(cells="rule", flip=0.0), 6)
    assert p_ty.sum(1) == pytest.approx(np.full(64, 1 / 64))
    assert p_ty[:, 1].sum() == pytest.approx(0.51709, abs=1e-5)
    assert 2 < len(np.unique(p_ty[:, 1].round(9))) < 64
    assert compression.joint(EXPERIMENT.config(cells="rule", flip=0.5), 6)[:, 1] * 64 == pytest.approx(0.5)


def test_a_gap_that_depends_on_the_quotient_alone_exchanges_one_to_one(run):
    result = run.result
    law = 0.5 * np.exp(-result["m"] / 2.0 ** result["i_xt"])
    ideal = result.assign(gap=law.expand_dims(seed=20))
    assert compression.exchange_rate(ideal) == pytest.approx(1, abs=0.03)
    half = result.assign(gap=(0.5 * np.exp(-result["m"] / 2.0 ** (result["i_xt"] / 2))).expand_dims(seed=20))
    assert compression.exchange_rate(half) == pytest.approx(0.5, abs=0.03)
    assert not EXPERIMENT.claims[0].check(half).holds


def test_an_exchange_rate_that_cannot_be_told_does_not_bear_the_claim_out(run):
    none = run.result.assign(gap=run.result["gap"] * 0)
    assert np.isnan(compression.exchange_rate(none))
    assert not EXPERIMENT.claims[0].check(none).holds
    assert EXPERIMENT.claims[3].check(none) is None


@pytest.mark.parametrize(("change", "falls"), [(lambda g: g + 1, 1), (lambda g: 3 * g, 2), (lambda g: g**2, 3)])
def test_a_wrong_result_makes_its_claim_fail(run, change, falls):
    wrong = run.result.assign(gap=change(run.result["gap"]))
    assert not EXPERIMENT.claims[falls].check(wrong).holds

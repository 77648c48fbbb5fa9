"""information/curve: slope, bounds and onset hold, the hierarchy does not, and the claims can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.information import curve
from layerlab.information import information_bottleneck

EXPERIMENT = lab.get("information/curve")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(joint="random", size=10, seeds=3), "cpu")


def test_all_claims_but_the_disputed_one_hold(run):
    evidence = [e for _, e in run.evidence()]
    assert [e.holds for e in evidence[:3]] == [True] * 3
    assert EXPERIMENT.claims[3].disputed
    assert evidence[3].measured >= 0


def test_every_beta_converges(run):
    assert float(run.result["unconverged"].sum()) == 0


def test_the_onset_of_a_symmetric_channel():
    p = np.array([[0.45, 0.05], [0.05, 0.45]])
    assert curve.onset(p) == pytest.approx(1 / 0.8**2)


def test_pairs_that_come_together_are_counted():
    found = information_bottleneck(np.array([[0.3, 0.2], [0.2, 0.3]]), [1.0, 1e4])
    assert curve.parted(found).tolist() == [0, 0]  # they part: that is no coming together

    class Fake:
        encoder = np.array([np.eye(3), np.eye(3)[[0, 0, 1]]])

    assert curve.parted(Fake()).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [
        ("i_ty", lambda x: x**2, 0),
        ("i_ty", lambda x: x + 1, 1),
        ("i_xt", lambda x: 0 * x, 2),
        ("parted", lambda x: x + 1, 3),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, variable, change, falls):
    wrong = run.result.assign({variable: change(run.result[variable])})
    assert not EXPERIMENT.claims[falls].check(wrong).holds

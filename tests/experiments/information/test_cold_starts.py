"""information/cold_starts: annealing is best, cold starts stick, and the claims can fail."""

import pytest

from layerlab import lab
from layerlab.information import _equations

EXPERIMENT = lab.get("information/cold_starts")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(joint="random", size=10, restarts=8, seeds=2), "cpu")


def test_all_claims_are_tested_and_hold(run):
    assert [evidence.holds for _, evidence in run.evidence()] == [True] * 4


def test_the_same_seed_measures_the_same(run):
    again = lab.execute(EXPERIMENT, run.config, "cpu")
    assert again.result.identical(run.result)


def test_it_is_not_the_extrapolation_that_gets_stuck(monkeypatch):
    """Plain iteration of the equations, far slower, sticks as often."""
    config = EXPERIMENT.config(joint="random", size=8, restarts=6, seeds=2)
    quick = lab.execute(EXPERIMENT, config, "cpu")
    monkeypatch.setattr(_equations, "EASY", 10**9)
    plain = lab.execute(EXPERIMENT, config, "cpu")
    assert float(quick.result["stuck"].max()) > 0.5
    assert abs(plain.result["stuck"] - quick.result["stuck"]).mean() < 0.05


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [
        ("annealed", lambda x: x + 0.01 * x["beta"], 0),
        ("converged", lambda x: 0.9 * x, 1),
        ("largest", lambda x: x + 0.01, 2),
        ("stuck", lambda x: 0.4 * x, 3),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, variable, change, falls):
    wrong = run.result.assign({variable: change(run.result[variable])})
    assert not EXPERIMENT.claims[falls].check(wrong).holds

"""plane/gibbs: the exact averages are exact, and the claims can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.plane import gibbs

EXPERIMENT = lab.get("plane/gibbs")


@pytest.fixture(scope="module")
def result():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(steps=1500, seeds=6), "cpu").result


def test_the_grid_averages_a_quadratic_energy_exactly():
    x, y = gibbs.examples(0)
    assert x.shape == (1024, 2)
    best = np.linalg.solve(2 * x.T @ x / 1024 + gibbs.DECAY * np.eye(2), 2 * x.T @ y / 1024)
    least = float(gibbs.energy(best, x, y, "linear"))
    assert least == pytest.approx(np.mean((x @ best - y) ** 2) + gibbs.DECAY / 2 * best @ best)
    for temperature in gibbs.TEMPERATURES:  # two weights: T/2 for each
        mean, lowest = gibbs.gibbs_average(x, y, "linear", temperature)
        assert mean - least == pytest.approx(temperature, rel=1e-6)
        assert lowest == pytest.approx(least, abs=0.01 * temperature)


def test_with_tanh_the_grid_agrees_with_a_finer_one():
    x, y = gibbs.examples(1)
    mean, _ = gibbs.gibbs_average(x[:64], y[:64], "tanh", 0.3)
    axis = np.linspace(-25, 25, 801)
    e = gibbs.energy(np.stack(np.meshgrid(axis, axis), -1), x[:64], y[:64], "tanh")
    p = np.exp(-(e - e.min()) / 0.3)
    assert mean == pytest.approx((p * e).sum() / p.sum(), rel=1e-4)


def test_claims_hold_but_for_the_one_that_sgd_breaks(result):
    assert [claim.check(result).holds for claim in EXPERIMENT.claims] == [True, True, True, False, True]


@pytest.mark.parametrize(
    ("variable", "change", "which"),
    [
        ("energy", lambda v: v + 0.5, 0),
        ("energy", lambda v: v + 0.02, 1),
        ("variance", lambda v: v * v["curvature"], 2),
        ("sgd", lambda v: v * 2, 4),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(result, variable, change, which):
    wrong = result.assign({variable: change(result[variable])})
    assert not EXPERIMENT.claims[which].check(wrong).holds


def test_one_temperature_along_both_directions_would_be_a_gibbs_law(result):
    same = result.assign(sgd=result["sgd"].isel(direction=0) * (result["sgd_predicted"] * 0 + 1))
    assert EXPERIMENT.claims[3].check(same.transpose("seed", ...)).holds


def test_for_tanh_only_the_energy_is_tested():
    run = lab.execute(EXPERIMENT, EXPERIMENT.config(model="tanh", steps=500, seeds=2), "cpu").result
    assert [claim.check(run) is None for claim in EXPERIMENT.claims] == [False, True, True, True, True]
    assert run["sgd"].isnull().all()

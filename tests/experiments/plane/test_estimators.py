"""plane/estimators: bounds enclose what they bound, the same again, and claims that can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.plane import estimators

EXPERIMENT = lab.get("plane/estimators")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(epochs=10, seeds=2, steps=10), "cpu")


def test_what_is_a_theorem_holds(run):
    assert [evidence.holds for _, evidence in run.evidence()][:2] == [True, True]


def test_every_estimator_stays_within_what_there_is(run):
    assert set(estimators.CUTS) < set(run.result["estimator"].values)
    binned = run.result["i_xt"].sel(estimator=list(estimators.CUTS))
    assert float(binned.min()) >= 0
    assert float(binned.max()) <= 12 + 1e-9
    assert float(run.result["i_xt"].sel(estimator="learned bound").max()) <= np.log2(estimators.BATCH)


def test_the_fall_is_from_the_peak_to_the_end(run):
    rising = run.result.assign(i_xt=0 * run.result["i_xt"] + run.result["epoch"])
    assert float(abs(estimators.fall(rising)).max()) == 0
    falling = run.result.assign(i_xt=0 * run.result["i_xt"] - run.result["epoch"])
    assert float(estimators.fall(falling).min()) == float(run.result["epoch"][-1])


@pytest.mark.parametrize(
    ("estimator", "change", "falls"),
    [
        ("pairs, upper", lambda x: 0 * x - 5, 0),
        ("learned bound", lambda x: x + 20, 1),
        ("width 0.07", lambda x: 0 * x + 1, 2),
        ("equal mass", lambda x: x + 20, 3),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, estimator, change, falls):
    values = run.result["i_xt"]
    wrong = run.result.assign(i_xt=values.where(values["estimator"] != estimator, change(values)))
    assert not EXPERIMENT.claims[falls].check(wrong).holds

"""similarity/corruption: its closed forms hold for simulated labels, and its claims can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.similarity import corruption

EXPERIMENT = lab.get("similarity/corruption")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(rows=250, epochs=90, seeds=2), "cpu")


def test_claims_are_tested_and_come_out_as_the_book_says(run):
    evidence = [each for _, each in run.evidence()]
    holds = [each.holds for each in evidence]
    assert holds[:1] + holds[2:] == [True, False, True, True, True, True]  # so few images say little of the second
    assert run.provenance.data["digits"].startswith("sha256:")


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [
        ("accuracy", lambda x: x * 0.9, 0),
        ("fit", lambda x: -x, 1),
        ("error", lambda x: -x, 3),
        ("neighbour", lambda x: x**2, 4),
        ("error", lambda x: x + 0.3, 5),
        ("error", lambda x: x.cumsum("epoch") * 0, 6),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, variable, change, falls):
    wrong = run.result.assign({variable: change(run.result[variable])})
    assert not EXPERIMENT.claims[falls].check(wrong).holds


def test_a_fit_that_takes_longer_with_every_share_bears_the_claim_out(run):
    steady = run.result.assign(fit=10 + 0 * run.result["fit"] + run.result["corruption"])
    assert EXPERIMENT.claims[1].check(steady).holds
    assert EXPERIMENT.claims[2].check(steady).holds


def test_a_run_too_short_to_fit_gives_no_verdict_on_the_slowdown():
    short = lab.execute(EXPERIMENT, EXPERIMENT.config(rows=60, epochs=2, seeds=2), "cpu")
    assert [EXPERIMENT.claims[i].check(short.result) for i in (1, 2)] == [None, None]
    assert "not in all" in EXPERIMENT.describe(short.result)


def test_the_moment_of_the_fit_lies_where_log_time_says():
    at = np.array([0, 1, 3, 7])
    course = np.array([[0.1, 0.99, 0.0], [0.5, 1.0, 0.1], [0.9, 1.0, 0.2], [1.0, 1.0, 0.3]])
    found = corruption.fit_epoch(at, course)
    assert found[0] == pytest.approx(2**2.5 - 1)  # halfway between log 4 and log 8
    assert found[1] == 0
    assert np.isnan(found[2])


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_closed_forms_are_those_of_simulated_labels(share):
    rng, n, classes, error = np.random.default_rng(1), 200_000, 4, 0.1
    truth = rng.integers(classes, size=n)
    # the neighbour's class, wrong with probability `error`, and the label that it carries
    neighbour = np.where(rng.random(n) < error, (truth + rng.integers(1, classes, size=n)) % classes, truth)
    given = np.where(rng.random(n) < share, rng.integers(classes, size=n), neighbour)
    assert (given != truth).mean() == pytest.approx(corruption.believing(share, classes, error), abs=0.006)
    label = np.where(rng.random(n) < share, rng.integers(classes, size=n), truth)
    assert (label == truth).mean() == pytest.approx(corruption.ignoring(share, classes), abs=0.006)


def test_no_classifier_that_ignores_the_noise_has_a_lower_loss_than_the_floor():
    rng, n, classes, share = np.random.default_rng(2), 100_000, 5, 0.4
    label = np.where(rng.random(n) < share, rng.integers(classes, size=n), 0)  # the truth is class 0
    best = corruption.floor(share, classes)
    for truth in np.linspace(0.3, 0.95, 14):
        guess = np.r_[truth, np.full(classes - 1, (1 - truth) / (classes - 1))]
        assert -np.log(guess[label]).mean() >= best - 0.01
    right = corruption.ignoring(share, classes)
    guess = np.r_[right, np.full(classes - 1, (1 - right) / (classes - 1))]
    assert -np.log(guess[label]).mean() == pytest.approx(best, abs=0.01)
    assert corruption.floor(0.0, classes) == 0
    assert corruption.floor(1.0, classes) == pytest.approx(np.log(classes))

"""information/uncertainty: spreads and bits are what theory says, and the claims can fail."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from layerlab import lab
from layerlab.experiments.information import uncertainty
from layerlab.information import entropy

EXPERIMENT = lab.get("information/uncertainty")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(), "cpu")


def test_all_claims_hold(run):
    assert [e.holds for _, e in run.evidence()] == [True] * 6


@pytest.mark.parametrize("correlation", [0.0, -0.5, 0.99])
@pytest.mark.parametrize("equal", ["width", "mass"])
def test_no_claim_fails_elsewhere(correlation, equal):
    other = lab.execute(EXPERIMENT, EXPERIMENT.config(correlation=correlation, equal=equal, seeds=2), "cpu")
    assert False not in [e and e.holds for _, e in other.evidence()]


def test_densities_in_slices_are_densities_that_average_to_the_whole(run):
    y = np.linspace(-9, 9, 2001)
    slices = uncertainty.slice_density(0.9, y)
    assert integrate.trapezoid(slices, y) == pytest.approx(np.ones(uncertainty.SLICES), abs=1e-9)
    assert slices.mean(0) == pytest.approx(stats.norm.pdf(y), abs=1e-12)
    mean = integrate.trapezoid(slices * y, y)
    within = integrate.trapezoid(slices * (y - mean[:, None]) ** 2, y).mean()
    assert uncertainty.variance_within(0.9) == pytest.approx(within, abs=1e-9)


def test_huffman_codes():
    assert uncertainty.huffman_length(np.array([0.5, 0.25, 0.125, 0.125])) == 1.75
    assert uncertainty.huffman_length(np.array([0.9, 0.1])) == 1
    assert uncertainty.huffman_length(np.array([1.0, 0])) == 0
    p = np.random.default_rng(0).dirichlet(np.ones(20))
    assert entropy(p) <= uncertainty.huffman_length(p) < entropy(p) + 1


def test_the_same_seed_measures_the_same(run):
    assert lab.execute(EXPERIMENT, run.config, "cpu").result.identical(run.result)


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [
        ("entropy", lambda x: x * 1.001, 0),
        ("information", lambda x: x * 1.001, 1),
        ("information", lambda x: x[::-1].values, 2),
        ("residual", lambda x: x * 1.1, 3),
        ("variance_within", lambda x: x * 1.1, 4),
        ("code", lambda x: x + 1, 5),
        ("code", lambda x: x - 1, 5),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, variable, change, falls):
    changed = change(run.result[variable])
    wrong = run.result.assign({variable: (run.result[variable].dims, np.asarray(changed))})
    assert not EXPERIMENT.claims[falls].check(wrong).holds


def test_coarse_bins_are_held_to_no_formula():
    coarse = lab.execute(EXPERIMENT, EXPERIMENT.config(equal="mass", seeds=2), "cpu")
    assert coarse.evidence()[1][1] is None
    assert math.isclose(float(coarse.result["entropy"][-1]), 7, abs_tol=1e-9)

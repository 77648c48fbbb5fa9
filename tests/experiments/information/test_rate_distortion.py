"""information/rate_distortion: the curve is the curve, and its claims can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.information import rate_distortion
from layerlab.information import binary_rate_distortion, gaussian_rate_distortion

EXPERIMENT = lab.get("information/rate_distortion")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(source="binary", p=0.3, seeds=3), "cpu")


@pytest.fixture(scope="module")
def gaussian():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(source="gaussian", seeds=2), "cpu")


def test_all_claims_hold_where_they_can_be_tested(run, gaussian):
    assert [e and e.holds for _, e in run.evidence()] == [True, True, True, None, True]
    assert [e and e.holds for _, e in gaussian.evidence()] == [True] * 5


def test_pixels_have_no_closed_form_but_a_curve_that_falls():
    pixels = lab.execute(EXPERIMENT, EXPERIMENT.config(source="digits", seeds=1), "cpu")
    assert [e and e.holds for _, e in pixels.evidence()] == [None, True, True, None, None]
    result = pixels.result
    assert (result["rate"].diff("beta") > 0).all()
    assert (result["distortion"].diff("beta") < 0).all()
    assert 0 < float(result["rate"].max()) <= result.attrs["entropy_of_source"]
    assert list(pixels.provenance.data) == ["digits"]


def test_the_certified_bound_lies_under_the_closed_forms_and_near_them(run, gaussian):
    d = np.linspace(0.005, 0.29, 40)
    below = rate_distortion.certified(run.result, d) - binary_rate_distortion(d, 0.3)
    assert (below <= 1e-12).all()
    assert (below >= -0.01).all()
    d = np.linspace(0.04, 0.9, 40)
    below = rate_distortion.certified(gaussian.result, d) - gaussian_rate_distortion(d)
    assert (np.abs(below) <= 0.02).all()


def test_a_single_cell_is_worth_no_bits_and_a_quantiser_of_single_letters_all_of_them():
    p, d = np.array([0.2, 0.5, 0.3]), np.subtract.outer(np.arange(3), np.arange(3)) ** 2.0
    rates, distortions = rate_distortion._quantised(p, d, np.random.default_rng(0))
    assert np.isnan(rates[2:]).all()  # wider than the alphabet
    assert distortions[0] in (pytest.approx(0.2), pytest.approx(0.3))  # cells {0,1},{2} or {0},{1,2}


def test_the_same_seed_measures_the_same(run):
    assert lab.execute(EXPERIMENT, run.config, "cpu").result.identical(run.result)


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [
        ("rate", lambda x: x + 0.01, 0),
        ("distortion", lambda x: x * x, 1),
        ("noisy_rate", lambda x: x * 0.9, 2),
        ("quantiser_rate", lambda x: x + 0.1, 3),
        ("rate", lambda x: x + 0.01 * x["seed"], 4),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(gaussian, variable, change, falls):
    result = gaussian.result.assign_coords(seed=range(2))
    wrong = result.assign({variable: change(result[variable])})
    assert not EXPERIMENT.claims[falls].check(wrong).holds

"""information/concentration: three estimates of one information, and claims that can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.information import concentration
from layerlab.information import empirical_joint, mutual_information

EXPERIMENT = lab.get("information/concentration")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(m=256, seeds=20), "cpu")


def test_only_the_count_of_patterns_contradicts_the_lecture(run):
    assert [evidence.holds for _, evidence in run.evidence()] == [True, True, False, True]


def test_with_one_bit_counting_patterns_is_counting_bits(run):
    first = run.result.isel(n=0)
    assert np.allclose(first["by_bit"], first["by_pattern"])


def test_counting_pairs_is_the_information_of_their_empirical_joint():
    rng = np.random.default_rng(0)
    sample = empirical_joint(rng.dirichlet(np.ones(12)).reshape(3, 4), 200, rng)
    counts = np.rint(sample * 200).astype(int)
    x, t = np.repeat(np.indices((3, 4)).reshape(2, -1), counts.ravel(), axis=1)
    assert concentration._counted(x, t) == pytest.approx(mutual_information(sample))


def test_no_estimate_of_patterns_exceeds_the_number_of_pairs(run):
    assert float((run.result["by_pattern"] * run.result["n"]).max()) <= 8 + 1e-9


def test_saturation_is_tested_only_where_patterns_cannot_repeat():
    many = lab.execute(EXPERIMENT, EXPERIMENT.config(m=2048, seeds=2), "cpu")
    assert [e for _, e in many.evidence()][3] is None


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [
        ("density", lambda x: x + 0.05, 0),
        ("by_bit", lambda x: x + 0.02, 1),
        ("by_pattern", lambda x: x * 0.9, 3),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, variable, change, falls):
    wrong = run.result.assign({variable: change(run.result[variable])})
    assert not EXPERIMENT.claims[falls].check(wrong).holds


def test_an_estimate_that_stayed_true_would_bear_the_lecture_out(run):
    ideal = run.result.assign(by_pattern=run.result["density"] * 0 + run.result["truth"])
    assert EXPERIMENT.claims[2].check(ideal).holds

"""projection/length: what it measures follows the theory, and its claims can fail."""

import numpy as np
import pytest
from scipy import stats

from layerlab import lab
from layerlab.experiments.projection import length
from layerlab.projection import length_distribution

EXPERIMENT = lab.get("projection/length")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(d=10, k=5, samples=4000, seeds=4), "cpu")


def test_all_claims_are_tested_and_hold(run):
    assert [evidence.holds for _, evidence in run.evidence()] == [True] * 5


def test_the_law_is_a_density_over_the_middle_of_the_distribution(run):
    result = run.result
    width = float(result["length"][1] - result["length"][0])
    assert float(result["law"].sum()) * width == pytest.approx(1 - 2e-4, abs=2e-3)
    assert float(result["density"].mean("seed").sum()) * width == pytest.approx(1, abs=2e-3)


def test_in_four_dimensions_half_the_coordinates_keep_a_uniform_share():
    values = np.concatenate(list(length.squared_lengths(4, 2, 20_000, 1, "cpu")))
    assert stats.kstest(values, "uniform").pvalue > 1e-4


def test_vectors_are_drawn_in_blocks_of_bounded_memory_that_do_not_repeat():
    values = np.concatenate(list(length.squared_lengths(10_000, 1, 900, 1, "cpu")))  # 400 to a block
    assert len(np.unique(values)) == 900
    assert values.mean() == pytest.approx(1e-4, abs=4 * length_distribution(10_000, 1).std() / 30)


def test_the_same_seed_measures_the_same(run):
    again = lab.execute(EXPERIMENT, run.config, "cpu")
    assert again.result.identical(run.result)


def test_beyond_the_end_of_the_law_nothing_is_measured_and_nothing_bounded(run):
    beyond = run.result.sel(beta=slice(2.05, None))
    assert float(beyond["tail"].max()) == float(beyond["tail_bound"].max()) == 0
    assert float(beyond["tail_simple"].min()) > 0


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [
        ("mean", lambda x: x * 1.1, 0),
        ("variance", lambda x: x * 1.3, 1),
        ("ks", lambda x: x + 0.05, 2),
        ("tail", lambda x: x * 3 + 0.3, 3),
        ("tail", lambda x: x + 0.01, 4),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, variable, change, falls):
    wrong = run.result.assign({variable: change(run.result[variable])})
    assert not EXPERIMENT.claims[falls].check(wrong).holds


def test_no_bound_can_be_tested_on_too_few_vectors():
    few = lab.execute(EXPERIMENT, EXPERIMENT.config(d=1000, k=900, samples=100, seeds=1), "cpu")
    evidence = dict(zip(("mean", "spread", "law", "bound", "end"), (e for _, e in few.evidence()), strict=True))
    assert evidence["bound"] is None
    assert evidence["mean"].spread is None


def test_keeping_all_coordinates_is_refused():
    with pytest.raises(ValueError, match="k must be smaller than d = 10; it was 10"):
        EXPERIMENT.config(d=10, k=10)

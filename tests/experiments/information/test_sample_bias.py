"""information/sample_bias: what it measures follows the theory, and its claims can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.information import sample_bias
from layerlab.information import entropy, mutual_information

EXPERIMENT = lab.get("information/sample_bias")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(cells=32, seeds=20), "cpu")


def test_all_claims_are_tested_and_hold_for_few_equal_cells(run):
    assert [evidence.holds for _, evidence in run.evidence()] == [True] * 6


def test_the_joint_has_the_masses_and_the_noise_asked_for():
    p = sample_bias.joint(EXPERIMENT.config(cells=5, masses="uneven", noise=0.5))
    assert p.sum(1) == pytest.approx([0.75] + [1 / 16] * 4)
    assert p[1] / p[1].sum() == pytest.approx([0.25, 0.75])
    assert mutual_information(sample_bias.joint(EXPERIMENT.config(cells=4, noise=1.0))) == pytest.approx(0)
    assert entropy(sample_bias.joint(EXPERIMENT.config(cells=64)).sum(1)) == pytest.approx(6)


def test_the_shortfall_is_never_negative_and_has_the_mean_of_the_error(run):
    """It is the divergence of the sample from the truth."""
    assert float(run.result["shortfall"].min()) >= -1e-12
    error = run.result["compression_true"] - run.result["compression"]
    scatter = error - run.result["shortfall"]  # has mean zero
    standard = scatter.std("seed", ddof=1) / np.sqrt(scatter.sizes["seed"])
    assert (abs(scatter.mean("seed")) <= 5 * standard + 1e-12).all()


def test_uneven_cells_break_the_scale_of_the_lecture():
    run = lab.execute(EXPERIMENT, EXPERIMENT.config(cells=4096, masses="uneven", noise=1.0, seeds=2), "cpu")
    verdicts = [None if e is None else e.holds for _, e in run.evidence()]
    assert verdicts[5] is False
    assert verdicts[1] is verdicts[3] is None  # too few draws for each cell


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [
        ("shortfall", lambda x: x + 1, 0),
        ("shortfall", lambda x: 2 * x, 1),
        ("compression", lambda x: x - 3, 2),
        ("excess", lambda x: 2 * x, 3),
        ("relevance", lambda x: x - 1.5, 4),
        ("excess", lambda x: x + 2, 5),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, variable, change, falls):
    wrong = run.result.assign({variable: change(run.result[variable])})
    assert not EXPERIMENT.claims[falls].check(wrong).holds


def test_the_same_seed_measures_the_same(run):
    assert lab.execute(EXPERIMENT, run.config, "cpu").result.identical(run.result)

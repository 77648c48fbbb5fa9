"""information/digits_information: joints counted from images obey the theorems, and the claims can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.information import digits_information
from layerlab.information import joints, mutual_information

EXPERIMENT = lab.get("information/digits_information")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(seeds=3), "cpu")


def test_theorems_hold_and_estimates_do_not_inherit_them(run):
    assert [e.holds for _, e in run.evidence()] == [True, True, True, False, False]
    assert list(run.provenance.data) == ["digits"]


def test_information_stays_under_its_bounds(run):
    result = run.result
    assert (result["decoder"] <= result["encoder"] + 1e-9).all()
    assert (result["decoder"] <= result.attrs["class_entropy"] + 1e-9).all()
    assert float(abs(result["decoder"].sel(levels=1)).max()) < 1e-9


@pytest.mark.parametrize("n", [1, 3, 8])
def test_the_mixing_is_invertible(n):
    rng = np.random.default_rng(n)
    matrix = digits_information.invertible(n, rng)
    assert round(np.linalg.det(matrix.astype(float))) % 2 == 1 or n == 8  # 8: beyond float64's whole numbers
    units = np.unique(rng.integers(16, size=(500, n)), axis=0)
    assert len(np.unique(units @ matrix % 16, axis=0)) == len(units)


def test_levels_are_nested_and_codes_tell_rows_apart():
    units = digits_information.quantised(np.linspace(0, 1, 1000, dtype=np.float32))[:, None]
    assert units.min() == 0
    assert units.max() == 15
    rows = np.random.default_rng(0).integers(16, size=(300, 5))
    for levels in (16, 8, 4, 2, 1):
        merged = np.unique(rows // (16 // levels), axis=0)
        assert len(np.unique(digits_information.coded(rows, levels))) == len(merged)
        assert len(np.unique(digits_information.coded(units, levels))) == levels


def test_what_a_finer_code_adds_is_counted_from_the_joint_of_three():
    rng = np.random.default_rng(0)
    fine, y = rng.integers(12, size=400), rng.integers(3, size=400)
    whole, part = (mutual_information(joints.joint_of_counts(code, y)) for code in (fine, fine // 5))
    assert digits_information.refinement(fine, fine // 5, y) == pytest.approx(whole - part, abs=1e-12)


def test_the_same_seed_measures_the_same(run):
    assert lab.execute(EXPERIMENT, run.config, "cpu").result.identical(run.result)


@pytest.mark.parametrize(
    ("variable", "change", "claim", "holds"),
    [
        ("decoder", lambda x: x - 5 * (x["levels"] == 16), 0, False),
        ("decoder", lambda x: x + 0.1 * (x["map"] == "mixed"), 1, False),
        ("refined", lambda x: x + 0.01, 2, False),
        ("refined", lambda x: x * 0 - 1, 2, False),
        ("decoder", lambda x: x * 0, 3, True),
        ("shuffled", lambda x: x * 0, 4, True),
    ],
)
def test_a_wrong_result_turns_its_claim(run, variable, change, claim, holds):
    wrong = run.result.assign({variable: change(run.result[variable])})
    assert EXPERIMENT.claims[claim].check(wrong).holds is holds

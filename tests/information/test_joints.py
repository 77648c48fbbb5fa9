"""Standard joints: they are distributions, and their informations are the known ones."""

import math

import numpy as np
import pytest
from scipy import stats

from layerlab.information import entropy, joints, mutual_information


@pytest.mark.parametrize("flip", [0.0, 0.11, 0.5, 1.0])
@pytest.mark.parametrize("p", [0.5, 0.2])
def test_the_binary_symmetric_channel(flip, p):
    joint = joints.binary_symmetric(flip, p)
    ones = p * (1 - flip) + (1 - p) * flip
    assert joint.sum(1)[1] == pytest.approx(p)
    expected = entropy([ones, 1 - ones]) - entropy([flip, 1 - flip])
    assert mutual_information(joint) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("letters", "reach"), [(26, 2), (26, 1), (5, 5), (1, 1)])
def test_the_noisy_typewriter(letters, reach):
    assert mutual_information(joints.noisy_typewriter(letters, reach)) == pytest.approx(math.log2(letters / reach))


@pytest.mark.parametrize("correlation", [0.0, 0.5, -0.9, 0.999])
@pytest.mark.parametrize(("bins", "equal"), [(7, "width"), (6, "mass")])
def test_cells_of_a_gaussian_are_those_of_scipy(correlation, bins, equal):
    joint = joints.gaussian_grid(correlation, bins, equal=equal, limit=2.0)
    edges = np.linspace(-2, 2, bins + 1) if equal == "width" else stats.norm.ppf(np.linspace(0, 1, bins + 1))
    law = stats.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]])
    assert joint[:2, :3].sum() == pytest.approx(law.cdf([edges[2], edges[3]]), abs=1e-6)  # scipy's own is no better
    assert np.allclose(joint, joint.T, atol=1e-12)
    assert np.allclose(joint, joint[::-1, ::-1], atol=1e-12)
    if equal == "mass":
        assert np.allclose(joint.sum(1), 1 / bins, atol=1e-12)


def test_two_halves_of_a_gaussian_have_the_arcsine_law():
    for correlation in (0.3, 0.99):
        joint = joints.gaussian_grid(correlation, 2)
        assert joint[0, 0] == pytest.approx(1 / 4 + math.asin(correlation) / (2 * math.pi), abs=1e-12)


def test_finer_cells_approach_the_gaussian_information_from_below():
    exact = -0.5 * math.log2(1 - 0.9**2)
    values = [mutual_information(joints.gaussian_grid(0.9, bins)) for bins in (4, 8, 16, 32, 64, 128)]
    assert all(np.diff(values) > 0)
    assert values[-1] < exact
    rounded = 0.9 / (1 + (8 / 128) ** 2 / 12)  # rounding adds a variance of width^2 / 12 (Sheppard)
    assert values[-1] == pytest.approx(-0.5 * math.log2(1 - rounded**2), abs=1e-4)


def test_a_random_joint_belongs_to_its_seed():
    one, again, other = (joints.random_joint((3, 4), seed) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.allclose(one, other)
    assert one.sum() == pytest.approx(1)
    even, uneven = (joints.random_joint((8, 8), 0, concentration) for concentration in (100, 0.1))
    assert entropy(even, axis=(0, 1)) > entropy(uneven, axis=(0, 1)) + 1


def test_counted_pairs_become_frequencies():
    rows = np.array([[0, 1], [2, 2], [0, 1], [0, 1]])
    joint = joints.joint_of_counts(rows, np.array(["a", "a", "b", "a"]))
    assert np.allclose(joint, [[0.5, 0.25], [0.25, 0]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: joints.binary_symmetric(1.2), r"flip must lie within \[0, 1\]; it was 1.2"),
        (lambda: joints.binary_symmetric(0.1, -1), r"p must lie within \[0, 1\]; it was -1"),
        (lambda: joints.noisy_typewriter(4, 5), "reach must be between 1 and letters = 4; it was 5"),
        (lambda: joints.gaussian_grid(1.0), "correlation must lie strictly between -1 and 1; it was 1.0"),
        (lambda: joints.gaussian_grid(0.5, 0), "bins must be at least 1"),
        (lambda: joints.gaussian_grid(0.5, 4, equal="area"), "equal 'width' or 'mass'"),
        (lambda: joints.random_joint((2, 2), 0, 0.0), "shape and concentration must be positive"),
        (lambda: joints.joint_of_counts(np.zeros(3), np.zeros(2)), "as long as each other"),
    ],
)
def test_impossible_joints_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()

"""Entropies and informations: the laws that they obey, closed forms, other implementations, and refusals."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from layerlab.information import (
    check_distribution,
    conditional_entropy,
    conditional_mutual_information,
    entropy,
    kl_divergence,
    mutual_information,
)

ROUNDING = 1e-12  # bits: a few hundred cells of float64
weights = st.one_of(st.just(0.0), st.floats(1e-6, 1.0))


def distributions(*shape):
    return arrays(float, shape, elements=weights).filter(lambda w: w.sum() > 0).map(lambda w: w / w.sum())


def by_loop(p_xy):
    """Mutual information in bits straight from the definition, cell by cell."""
    total = 0.0
    for row in p_xy:
        for y, p in enumerate(row):
            if p > 0:
                total += p * math.log2(p / (sum(row) * sum(p_xy[i][y] for i in range(len(p_xy)))))
    return total


@given(distributions(4, 5))
def test_the_chain_rule_of_entropy(p):
    assert entropy(p, axis=(0, 1)) == pytest.approx(entropy(p.sum(1)) + conditional_entropy(p), abs=ROUNDING)


@given(distributions(4, 5))
def test_information_is_what_the_other_takes_off_the_entropy_either_way(p):
    information = mutual_information(p)
    assert information == pytest.approx(entropy(p.sum(0)) - conditional_entropy(p), abs=ROUNDING)
    assert information == pytest.approx(entropy(p.sum(1)) - conditional_entropy(p.T), abs=ROUNDING)
    assert 0 <= information <= min(entropy(p.sum(0)), entropy(p.sum(1))) + ROUNDING


@given(distributions(3, 4, 2))
def test_the_chain_rule_of_information(p):
    """I(X;YZ) = I(X;Z) + I(X;Y|Z)."""
    together = mutual_information(p.reshape(3, 8))
    parts = mutual_information(p.sum(1)) + conditional_mutual_information(p)
    assert together == pytest.approx(parts, abs=ROUNDING)
    assert conditional_mutual_information(p) >= 0


@given(distributions(4, 5))
def test_information_is_a_divergence_from_independence(p):
    independent = np.outer(p.sum(1), p.sum(0))
    assert mutual_information(p) == pytest.approx(kl_divergence(p.ravel(), independent.ravel() / independent.sum()),
                                                  abs=ROUNDING)  # fmt: skip
    assert mutual_information(independent / independent.sum()) == pytest.approx(0, abs=ROUNDING)


@given(distributions(4, 5), arrays(float, (5, 3), elements=st.floats(1e-3, 1)))
def test_processing_never_adds_information(p, channel):
    channel = channel / channel.sum(1, keepdims=True)
    processed = p @ channel
    assert mutual_information(processed / processed.sum()) <= mutual_information(p) + ROUNDING


@given(distributions(6), distributions(6))
def test_divergence_is_at_least_half_the_squared_distance(p, q):
    """Pinsker's inequality, which implies that it is positive."""
    bound = np.abs(p - q).sum() ** 2 / (2 * math.log(2))
    assert kl_divergence(p, q) >= bound - ROUNDING
    assert kl_divergence(p, p) == 0


@given(distributions(4, 5), st.permutations(range(4)), st.permutations(range(5)))
def test_renaming_values_changes_nothing(p, rows, columns):
    assert mutual_information(p[rows][:, columns]) == pytest.approx(mutual_information(p), abs=ROUNDING)
    assert entropy(p[rows].sum(1)) == pytest.approx(entropy(p.sum(1)), abs=ROUNDING)


@given(distributions(3, 4))
def test_splitting_a_value_by_an_independent_coin_keeps_the_information(p):
    """x -> (x, coin) is invertible up to noise that knows nothing of y."""
    split = np.concatenate([p * 0.3, p * 0.7])
    assert mutual_information(split) == pytest.approx(mutual_information(p), abs=ROUNDING)


@given(distributions(4, 3), st.floats(1.5, 20))
def test_the_base_is_a_unit(p, base):
    for measure in (mutual_information, conditional_entropy):
        assert measure(p, base=base) == pytest.approx(measure(p) / math.log2(base), abs=ROUNDING)
    assert entropy(p.sum(0), base=math.e) == pytest.approx(entropy(p.sum(0)) * math.log(2), abs=ROUNDING)


@given(distributions(7), distributions(7))
def test_scipy_and_a_loop_agree(p, q):
    assert entropy(p) == pytest.approx(stats.entropy(p, base=2), abs=ROUNDING)
    ours, theirs = kl_divergence(p, q), stats.entropy(p, q, base=2)
    assert ours == pytest.approx(theirs, abs=ROUNDING)


@given(distributions(3, 4))
def test_a_loop_over_the_cells_agrees(p):
    assert mutual_information(p) == pytest.approx(by_loop(p.tolist()), abs=ROUNDING)


def test_known_values_are_exact():
    assert entropy([1, 0, 0]) == 0
    assert math.copysign(1, entropy([1, 0])) == 1
    assert entropy([0.5, 0.25, 0.25, 0]) == 1.5
    assert entropy(np.full(8, 1 / 8)) == 3
    assert mutual_information(np.eye(4) / 4) == 2
    assert conditional_entropy(np.eye(4) / 4) == 0
    assert kl_divergence([1, 0], [0.5, 0.5]) == 1
    assert kl_divergence([0.5, 0.5], [1, 0]) == math.inf
    flip = 0.11
    channel = np.array([[1 - flip, flip], [flip, 1 - flip]]) / 2
    assert mutual_information(channel) == pytest.approx(1 - entropy([flip, 1 - flip]), abs=ROUNDING)


def test_exclusive_or_is_known_only_from_both():
    p = np.zeros((2, 2, 2))
    for x in (0, 1):
        for y in (0, 1):
            p[x, y, x ^ y] = 1 / 4
    assert mutual_information(p.sum(2)) == 0
    assert conditional_mutual_information(p) == pytest.approx(1, abs=ROUNDING)


def test_products_of_tiny_masses_do_not_vanish():
    p = np.array([[1e-200, 0], [0, 1 - 1e-200]])
    assert mutual_information(p) == pytest.approx(1e-200 * 200 * math.log2(10), rel=1e-12)


def test_batches_are_measured_one_by_one():
    p = np.random.default_rng(0).dirichlet(np.ones(24), size=(2, 3)).reshape(2, 3, 2, 3, 4)
    conditional = conditional_mutual_information(p)
    assert conditional.shape == (2, 3)
    assert conditional[1, 2] == conditional_mutual_information(p[1, 2])
    joint = p.sum(-1)
    assert mutual_information(joint)[0, 1] == mutual_information(joint[0, 1])
    assert entropy(joint, axis=(-2, -1)).shape == (2, 3)
    assert entropy(joint.sum(-1), axis=-1)[1, 0] == entropy(joint[1, 0].sum(-1))
    q = np.full(2, 0.5)
    assert kl_divergence(joint.sum(-1), q).shape == (2, 3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tensors_stay_tensors_and_agree(dtype):
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(60)).reshape(3, 4, 5)
    p[0, 0] = 0
    p /= p.sum()
    t = torch.tensor(p, dtype=dtype)
    close = {torch.float32: 1e-5, torch.float64: ROUNDING}[dtype]
    for measure, ours, theirs in (
        (conditional_mutual_information, t, p),
        (mutual_information, t.sum(2), p.sum(2)),
        (conditional_entropy, t.sum(2), p.sum(2)),
        (entropy, t.sum((0, 1)), p.sum((0, 1))),
    ):
        value = measure(ours)
        assert isinstance(value, torch.Tensor)
        assert value.dtype == dtype
        assert value.shape == ()
        assert float(value) == pytest.approx(measure(theirs), abs=close)
    divergence = kl_divergence(t.sum((0, 1)), np.full(5, 0.2))
    assert isinstance(divergence, torch.Tensor)
    assert float(divergence) == pytest.approx(kl_divergence(p.sum((0, 1)), np.full(5, 0.2)), abs=close)
    assert float(kl_divergence(torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0]))) == math.inf
    assert float(kl_divergence(np.array([0.5, 0.5]), torch.tensor([1.0, 0.0]))) == math.inf


def test_whole_numbers_are_converted():
    assert check_distribution(torch.tensor([0, 1])).dtype == torch.float64
    assert check_distribution([True, False]).dtype == np.float64


def test_rounding_of_a_large_table_is_forgiven():
    p = np.full((1000, 1000), 1e-6, dtype=np.float32)
    assert mutual_information(p) == pytest.approx(0, abs=1e-6)
    assert float(mutual_information(torch.tensor(p))) == pytest.approx(0, abs=1e-3)


@settings(max_examples=30)
@given(st.floats(1e-6, 0.5))
def test_a_total_beside_one_is_refused_and_named(excess):
    with pytest.raises(ValueError, match=r"p must sum to 1 over axis -1; it summed to 1\.\d"):
        entropy([0.5, 0.5 + excess])


@pytest.mark.parametrize(
    ("p", "error", "message"),
    [
        ([0.5, -0.5, 1.0], ValueError, "p must not be negative; its smallest value was -0.5"),
        ([0.5, math.nan], ValueError, "p must be finite"),
        ([math.inf, 1], ValueError, "p must be finite"),
        ([], ValueError, r"p must not be empty; its shape was \(0,\)"),
        (1.0, ValueError, r"p must have at least 1 axes; its shape was \(\)"),
        (["a", "b"], TypeError, "p must be an array of real numbers"),
        ([0.5j, 0.5], TypeError, "p must be an array of real numbers"),
        ([[0.5], [0.5, 1]], TypeError, "p must be an array of real numbers"),
        (torch.tensor([0.5j, 0.5]), TypeError, "p must be real numbers"),
        (torch.tensor([0.5, math.nan]), ValueError, "p must be finite"),
        ([[0.5, 0.5], [0.5, 0.4]], ValueError, "it summed to 0.9"),
    ],
)
def test_what_is_no_distribution_is_refused(p, error, message):
    with pytest.raises(error, match=message):
        entropy(p)


def test_joints_of_the_wrong_shape_are_refused():
    with pytest.raises(ValueError, match="p_xy must have at least 2 axes"):
        mutual_information([0.5, 0.5])
    with pytest.raises(ValueError, match="p_xyz must have at least 3 axes"):
        conditional_mutual_information(np.eye(2) / 2)
    with pytest.raises(ValueError, match=r"p_xy must sum to 1 over axes \(-2, -1\); it summed to 2"):
        mutual_information(np.eye(2))
    with pytest.raises(ValueError, match="p and q must be over as many values"):
        kl_divergence([1.0], [0.5, 0.5])
    with pytest.raises(ValueError, match="q must sum to 1"):
        kl_divergence([0.5, 0.5], [0.5, 0.6])


@pytest.mark.parametrize("base", [1, 0, -2, math.nan, math.inf, "e", True, None])
def test_a_base_that_is_no_unit_is_refused(base):
    with pytest.raises(ValueError, match="base must be a number above 1"):
        entropy([0.5, 0.5], base=base)


def test_importing_the_room_does_not_import_torch():
    program = (
        "import sys, layerlab.information as i; i.mutual_information(i.joints.binary_symmetric(0.1)); "
        "i.rate_distortion([0.5, 0.5], [[0, 1], [1, 0]], [1.0]); "
        "print([m for m in ('torch', 'sklearn', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

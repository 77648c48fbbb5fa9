"""Samples: their empirical joints, how far their informations miss, the bounds, and the empirical curve."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from layerlab.information import (
    decoder_error_scale,
    delivered_information,
    empirical_curve,
    empirical_joint,
    encoder_error_scale,
    entropy,
    entropy_deviation,
    entropy_shortfall,
    hypothesis_class_bound,
    information_bias,
    information_bottleneck,
    input_compression_bound,
    mutual_information,
    plane_point,
    smoothed_decoder,
)

NOISY = np.array([[0.45, 0.05], [0.05, 0.45]])


def test_an_empirical_joint_holds_the_frequencies_of_n_draws():
    sample = empirical_joint(NOISY, 50, np.random.default_rng(0), repeats=2000)
    assert sample.shape == (2000, 2, 2)
    assert np.allclose(sample.sum((1, 2)), 1)
    assert np.allclose(sample * 50, np.rint(sample * 50))
    error = np.sqrt(NOISY * (1 - NOISY) / 50 / 2000)
    assert (abs(sample.mean(0) - NOISY) < 4 * error).all()


def test_each_joint_of_a_batch_gets_its_own_sample_and_impossible_cells_none():
    pair = np.stack([NOISY, np.array([[1.0, 0.0], [0.0, 0.0]])])
    sample = empirical_joint(pair, 30, np.random.default_rng(1), repeats=3)
    assert sample.shape == (3, 2, 2, 2)
    assert (sample[:, 1] == pair[1]).all()
    assert not (sample[0, 0] == sample[1, 0]).all()


def test_a_tensor_makes_a_tensor_with_the_same_draws():
    sample = empirical_joint(torch.tensor(NOISY), 40, np.random.default_rng(2))
    assert isinstance(sample, torch.Tensor)
    assert np.allclose(sample.numpy(), empirical_joint(NOISY, 40, np.random.default_rng(2)))


def test_the_bias_of_independent_variables_is_that_of_a_chi_square():
    p, n = np.outer([0.2, 0.3, 0.5], [0.4, 0.6]), 4000
    estimates = mutual_information(empirical_joint(p, n, np.random.default_rng(3), repeats=4000))
    bias = information_bias(3, 2, n)
    assert estimates.mean() == pytest.approx(bias, rel=0.08)
    assert stats.kstest(estimates * 2 * n * math.log(2), stats.chi2(2).cdf).pvalue > 1e-3


@pytest.mark.parametrize("n", [1, 3, 10, 200])
def test_the_shortfall_of_the_entropy_keeps_its_bound_exactly(n):
    """The mean over all samples of a binary variable is a finite sum."""
    for p in (0.5, 0.1, 0.01):
        ones = np.arange(n + 1)
        mean = stats.binom.pmf(ones, n, p) @ entropy(np.stack([ones / n, 1 - ones / n], 1))
        assert -1e-12 <= entropy([p, 1 - p]) - mean <= entropy_shortfall(2, n)


def test_entropies_of_samples_seldom_lie_beyond_the_deviation():
    p = np.full(40, 1 / 40)
    estimates = entropy(empirical_joint(p[:, None], 300, np.random.default_rng(4), repeats=2000).squeeze(-1))
    assert (estimates < estimates.mean() - entropy_deviation(300, 0.1)).mean() <= 0.1
    assert entropy_deviation(300, 0.01) > entropy_deviation(300, 0.1) > entropy_deviation(30_000, 0.1)


def test_one_changed_draw_moves_the_entropy_by_no_more_than_the_proof_says():
    for n in (2, 3, 7, 40):
        for k in range(1, n + 1):
            before = entropy(np.array([k, n - k, 0]) / n)
            after = entropy(np.array([k - 1, n - k, 1]) / n)
            assert abs(before - after) <= 2 * math.log2(n) / n + 1e-12


def test_the_scales_are_the_lectures():
    assert encoder_error_scale(10, 400) == 0.5
    assert decoder_error_scale(3.0, 2, 64) == 0.5
    assert decoder_error_scale(np.array([0.0, 1.0]), 2, 50).tolist() == pytest.approx([0.2, math.sqrt(0.08)])


def test_the_two_bounds_are_one_where_the_cells_are_equal():
    assert hypothesis_class_bound(0, 100, 0.05) == pytest.approx(math.sqrt(math.log(20) / 200))
    assert input_compression_bound(3.0, 100) == hypothesis_class_bound(8.0, 100)
    four = input_compression_bound(np.array([5.0, 6.0]), np.array([1000, 2000]), 0.999999)
    assert four[0] == pytest.approx(four[1], rel=1e-5)  # one bit against a doubling


def test_the_hypothesis_class_bound_covers_the_best_of_random_hypotheses():
    """64 coin tossers: the largest gap stays below the bound in at least 1 - delta of the samples."""
    rng = np.random.default_rng(5)
    gaps = 0.5 - rng.binomial(200, 0.5, (3000, 64)).min(1) / 200
    assert (gaps > hypothesis_class_bound(6, 200, 0.1)).mean() <= 0.1


def test_a_copy_keeps_everything_and_a_constant_nothing():
    i_xt, i_ty = plane_point(NOISY, np.eye(2))
    assert (i_xt, i_ty) == pytest.approx((1.0, mutual_information(NOISY)))
    assert plane_point(NOISY, np.full((2, 3), 1 / 3)) == pytest.approx((0, 0), abs=1e-12)


def test_an_encoder_is_measured_as_the_bottleneck_measures_it():
    rng = np.random.default_rng(6)
    p = rng.dirichlet(np.ones(30)).reshape(10, 3)
    found = information_bottleneck(p, [2.0, 20.0])
    i_xt, i_ty = plane_point(p, found.encoder)
    assert np.allclose(i_xt, found.i_xt, atol=1e-6)
    assert np.allclose(i_ty, found.i_ty, atol=1e-6)


def test_a_decoder_delivers_all_if_it_is_right_and_less_if_not():
    right = NOISY / NOISY.sum(1, keepdims=True)
    assert delivered_information(NOISY, right) == pytest.approx(mutual_information(NOISY))
    assert delivered_information(NOISY, np.full((2, 2), 0.5)) == pytest.approx(0)
    assert delivered_information(NOISY, right[::-1]) < 0
    assert delivered_information(NOISY, np.eye(2)) == -math.inf


def test_tensors_are_measured_as_arrays_are():
    p, encoder = torch.tensor(NOISY), torch.tensor([[0.9, 0.1], [0.2, 0.8]], dtype=torch.float64)
    for tensor, number in zip(plane_point(p, encoder), plane_point(NOISY, encoder.numpy()), strict=True):
        assert isinstance(tensor, torch.Tensor)
        assert float(tensor) == pytest.approx(number)
    decoder = smoothed_decoder(20 * p)
    assert isinstance(decoder, torch.Tensor)
    delivered = delivered_information(p, decoder)
    assert isinstance(delivered, torch.Tensor)
    assert float(delivered) == pytest.approx(delivered_information(NOISY, decoder.numpy()))
    bound = input_compression_bound(torch.tensor([1.0, 3.0]), 100)
    assert bound.tolist() == pytest.approx(input_compression_bound(np.array([1.0, 3.0]), 100).tolist())


def test_a_smoothed_decoder_counts_and_says_nothing_of_what_it_never_saw():
    decoder = smoothed_decoder(np.array([[3.0, 0.0], [0.0, 0.0]]))
    assert decoder.tolist() == [[3.5 / 4, 0.5 / 4], [0.5, 0.5]]


def test_the_curve_of_a_perfect_sample_is_the_true_curve():
    betas = np.array([1.2, 3.0, 10.0])
    curve = empirical_curve(NOISY, NOISY, 10**9, betas)
    truth = information_bottleneck(NOISY, betas)
    assert np.allclose(curve.i_xt, truth.i_xt, atol=1e-6)
    assert np.allclose(curve.i_ty_sample, curve.i_ty, atol=1e-9)
    assert np.allclose(curve.delivered, curve.i_ty, atol=1e-6)
    assert curve.converged.all()


def test_the_curve_of_a_small_sample_promises_too_much():
    p = np.full((32, 2), 1 / 64)  # nothing to be known
    sample = empirical_joint(p, 32, np.random.default_rng(7))
    curve = empirical_curve(p, sample, 32, np.array([50.0]))
    assert curve.i_ty_sample[0] > 0.5
    assert curve.i_ty[0] == pytest.approx(0, abs=1e-9)
    assert curve.delivered[0] < -0.1
    assert 1 < curve.occupied[0] <= 32


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: empirical_joint(NOISY * 2, 5, np.random.default_rng(0)), "p_xy must sum to 1"),
        (lambda: empirical_joint(NOISY, 0, np.random.default_rng(0)), "n must be at least 1"),
        (lambda: empirical_joint(NOISY, 5, np.random.default_rng(0), repeats=0), "repeats must be at least 1"),
        (lambda: information_bias(0, 2, 5), "x_size must be at least 1"),
        (lambda: entropy_deviation(1, 0.1), "n must be at least 2"),
        (lambda: entropy_deviation(10, 1.0), "delta must lie strictly between 0 and 1"),
        (lambda: hypothesis_class_bound(-1, 10), "log2_size must lie between 0"),
        (lambda: input_compression_bound(math.nan, 10), "i_xt must lie between 0"),
        (lambda: encoder_error_scale(0, 10), "size must lie between"),
        (lambda: plane_point(NOISY, np.ones((2, 2))), "encoder must sum to 1"),
        (lambda: smoothed_decoder([[1.0, 2.0]], 0), "pseudocount must be above 0"),
        (lambda: delivered_information(NOISY, np.ones((2, 2))), "decoder must sum to 1"),
        (lambda: empirical_curve(NOISY, np.full((3, 2), 1 / 6), 5, [2.0]), "must be of one shape"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

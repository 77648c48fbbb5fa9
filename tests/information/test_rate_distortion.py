"""Blahut-Arimoto against closed forms, its own certificate, and its limits."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from layerlab.information import entropy, mutual_information, rate_distortion
from layerlab.information.rate_distortion import binary_rate_distortion, gaussian_rate_distortion

HAMMING = 1 - np.eye(2)
BETAS = np.geomspace(0.05, 20, 30)


def gaussian(points=61, reach=4.5):
    """A standard normal source rounded to a grid, its squared errors on the grid, and its variance."""
    x = np.linspace(-reach, reach, points)
    edges = np.r_[-np.inf, (x[1:] + x[:-1]) / 2, np.inf]
    p = np.diff(stats.norm.cdf(edges))
    return p, np.subtract.outer(x, x) ** 2, float(p @ x**2)


@pytest.mark.parametrize("p", [0.5, 0.3, 0.05])
def test_a_binary_source_follows_its_closed_form(p):
    curve = rate_distortion([1 - p, p], HAMMING, BETAS, tolerance=1e-9)
    assert curve.converged.all()
    expected = binary_rate_distortion(curve.distortion, p)
    assert ((curve.rate - expected >= -1e-12) & (curve.rate - expected <= curve.residual + 1e-12)).all()


def test_the_slope_is_beta_and_the_test_channel_that_of_theory():
    """For p = 1/2: D = 1/(1 + e^beta), and the channel from X^ to X flips with probability D."""
    curve = rate_distortion([0.5, 0.5], HAMMING, [0.7, 2.0], tolerance=1e-12)
    assert curve.distortion == pytest.approx(1 / (1 + np.exp([0.7, 2.0])), abs=1e-9)
    assert curve.channel[1, 0, 1] == pytest.approx(curve.distortion[1], abs=1e-9)
    step = 1e-5
    near = rate_distortion([0.5, 0.5], HAMMING, [2 - step, 2 + step], tolerance=1e-12)
    assert np.diff(near.rate) / np.diff(near.distortion) == pytest.approx(-2 / math.log(2), rel=1e-4)


def test_a_gaussian_source_follows_its_closed_form_up_to_the_grid():
    p, squares, variance = gaussian()
    curve = rate_distortion(p, squares, np.geomspace(1, 10, 8), tolerance=1e-3, max_iterations=4000)
    assert curve.converged.all()
    assert curve.rate == pytest.approx(gaussian_rate_distortion(curve.distortion, variance), abs=2e-3)
    assert curve.distortion == pytest.approx(1 / (2 * curve.beta), rel=2e-2)  # dR/dD = -1/(2D) nats


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(2, 5))
def test_no_channel_beats_the_certificate(seed, letters, reproductions):
    """I + beta D of any channel is at least what the iteration found less its residual."""
    rng = np.random.default_rng(seed)
    p, d = rng.dirichlet(np.ones(letters)), rng.random((letters, reproductions))
    curve = rate_distortion(p, d, [0.5, 5.0, 50.0], max_iterations=400)
    joint = p[:, None] * rng.dirichlet(np.full(reproductions, 0.3), size=(50, letters))
    rate, distortion = mutual_information(joint), (joint * d).sum((1, 2))
    for i, beta in enumerate(curve.beta):
        least = curve.rate[i] + beta / math.log(2) * curve.distortion[i] - curve.residual[i]
        assert (rate + beta / math.log(2) * distortion >= least - 1e-9).all()
    found = p[:, None] * curve.channel
    assert curve.rate == pytest.approx(mutual_information(found), abs=1e-9)
    assert curve.distortion == pytest.approx((found * d).sum((1, 2)), abs=1e-12)
    assert curve.channel.sum(-1) == pytest.approx(np.ones((3, letters)))
    assert (np.diff(curve.distortion) <= 1e-3).all()


def test_the_limits_of_beta():
    p = np.array([0.5, 0.3, 0.2])
    squares = np.subtract.outer(np.arange(3), np.arange(3)) ** 2
    curve = rate_distortion(p, squares, [0, 1e-4, 1e4])
    assert curve.rate[0] == 0
    assert curve.distortion[0] == pytest.approx((p @ squares).min())
    assert curve.channel[0, :, 1] == pytest.approx(np.ones(3))
    assert curve.rate[2] == pytest.approx(entropy(p))
    assert curve.distortion[2] == 0
    assert curve.rate[1] <= curve.residual[1] + 1e-12


def test_a_beta_of_zero_finds_the_best_constant_and_a_tiny_one_comes_near_it_with_time():
    curve = rate_distortion([0.9, 0.1], HAMMING, [0, 0.5], tolerance=1e-10)
    assert curve.distortion == pytest.approx([0.1, 0.1], abs=1e-9)


def test_what_has_not_converged_says_so():
    p, squares, _ = gaussian(31)
    curve = rate_distortion(p, squares, [0.001, 3.0], tolerance=1e-12, max_iterations=16)
    assert list(curve.converged) == [False, False]
    assert list(curve.iterations) == [16, 16]
    assert (curve.residual > 1e-12).all()
    longer = rate_distortion(p, squares, [0.001, 3.0], tolerance=1e-12, max_iterations=400)
    assert (longer.residual < curve.residual).all()


def test_where_it_starts_does_not_matter():
    p, d = [0.2, 0.3, 0.5], np.random.default_rng(0).random((3, 4))
    flat = rate_distortion(p, d, BETAS)
    skew = rate_distortion(p, d, BETAS, start=np.random.default_rng(1).dirichlet(np.ones(4), size=len(BETAS)))
    objective = [c.rate + c.beta / math.log(2) * c.distortion for c in (flat, skew)]
    assert (np.abs(objective[0] - objective[1]) <= np.maximum(flat.residual, skew.residual) + 1e-12).all()


def test_each_beta_comes_out_as_it_does_alone():
    p, squares, _ = gaussian(21)
    together = rate_distortion(p, squares, [0.5, 2.0, 8.0], tolerance=1e-4)
    for i, beta in enumerate([0.5, 2.0, 8.0]):
        alone = rate_distortion(p, squares, beta, tolerance=1e-4)
        assert alone.iterations[0] == together.iterations[i]
        assert alone.rate[0] == pytest.approx(together.rate[i], abs=1e-12)


def test_tensors_come_back_as_tensors_and_agree():
    p, squares, _ = gaussian(21)
    plain = rate_distortion(p, squares, [0.0, 2.0], tolerance=1e-4)
    there = rate_distortion(torch.tensor(p), torch.tensor(squares), torch.tensor([0.0, 2.0]), tolerance=1e-4)
    for name in ("rate", "distortion", "channel", "output", "residual", "iterations"):
        value = getattr(there, name)
        assert isinstance(value, torch.Tensor)
        assert value.dtype == torch.float64
        assert value.numpy() == pytest.approx(getattr(plain, name), abs=1e-12)
    assert there.converged.dtype == torch.bool


def test_closed_forms():
    assert binary_rate_distortion(0.0) == 1
    assert binary_rate_distortion([0.3, 0.6], 0.3) == pytest.approx([0, 0], abs=1e-15)
    assert gaussian_rate_distortion([0.25, 1, 4]) == pytest.approx([1, 0, 0])
    assert gaussian_rate_distortion(1.0, 16.0) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.5, 0.6], HAMMING, [1]), "p_x must sum to 1"),
        (([[0.5, 0.5]], HAMMING, [1]), "p_x must be one distribution"),
        (([0.5, 0.5], np.eye(3), [1]), "distortion must have a row for each of the 2 values of X"),
        (([0.5, 0.5], -HAMMING, [1]), "distortion must be finite and at least 0"),
        (([0.5, 0.5], HAMMING, [-1]), "betas must be finite and at least 0"),
        (([0.5, 0.5], HAMMING, [math.inf]), "betas must be finite and at least 0"),
        (([0.5, 0.5], HAMMING, []), "betas must be a list of at least one number"),
    ],
)
def test_impossible_problems_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        rate_distortion(*arguments)


def test_impossible_settings_are_refused():
    with pytest.raises(ValueError, match="start must be positive and of shape"):
        rate_distortion([0.5, 0.5], HAMMING, [1], start=[1, 0])
    with pytest.raises(ValueError, match="start must be positive and of shape"):
        rate_distortion([0.5, 0.5], HAMMING, [1], start=[1, 1, 1])
    with pytest.raises(ValueError, match="tolerance and max_iterations must be positive"):
        rate_distortion([0.5, 0.5], HAMMING, [1], tolerance=0)
    with pytest.raises(ValueError, match=r"distortion must lie within \[0, 1\]"):
        binary_rate_distortion(1.5)
    with pytest.raises(ValueError, match=r"p must lie within \[0, 1\]"):
        binary_rate_distortion(0.5, 2)
    with pytest.raises(ValueError, match="must be above 0"):
        gaussian_rate_distortion(0.0)

"""Gaussian channels: capacities, the two covariances of a layer, and the exact information of classes in noise."""

import math

import numpy as np
import pytest
import torch

from layerlab.information import (
    class_channel_information,
    class_covariances,
    gaussian_capacity,
    gaussian_information,
)


def test_capacity_is_half_a_bit_for_equal_powers_and_none_without_signal():
    assert gaussian_capacity(1.0) == pytest.approx(0.5)
    assert np.allclose(gaussian_capacity(np.array([0.0, 3.0, 15.0])), [0, 1, 2])
    assert torch.allclose(gaussian_capacity(torch.tensor([0.0, 3.0])), torch.tensor([0.0, 1.0]))
    with pytest.raises(ValueError, match="snr"):
        gaussian_capacity(-0.1)


def test_the_two_covariances_add_up_to_the_whole_one():
    rng = np.random.default_rng(0)
    t, labels = rng.normal(size=(3, 500, 4)), rng.integers(0, 5, 500)
    between, within = class_covariances(t, labels)
    assert between.shape == within.shape == (3, 4, 4)
    for i in range(3):
        assert np.allclose(between[i] + within[i], np.cov(t[i].T, bias=True))
    means = np.stack([t[0][labels == c].mean(0) for c in range(5)])
    p = np.bincount(labels) / 500
    assert np.allclose(between[0], np.cov(means.T, aweights=p, bias=True))


def test_covariances_of_a_tensor_are_tensors_with_the_same_values():
    rng = np.random.default_rng(1)
    t, labels = rng.normal(size=(50, 3)), rng.integers(0, 2, 50)
    for ours, theirs in zip(class_covariances(t, labels), class_covariances(torch.tensor(t), labels), strict=True):
        assert isinstance(theirs, torch.Tensor)
        assert np.allclose(ours, theirs.numpy())


def test_covariances_refuse_labels_for_other_samples():
    with pytest.raises(ValueError, match="label for each sample"):
        class_covariances(np.zeros((5, 2)), np.zeros(4, dtype=int))


def test_gaussian_information_is_the_determinant_and_sees_through_invertible_maps():
    rng = np.random.default_rng(2)
    a, b, m = rng.normal(size=(3, 4, 4))
    s, n = a @ a.T, b @ b.T
    expected = 0.5 * math.log2(np.linalg.det(np.eye(4) + np.linalg.solve(n, s)))
    assert gaussian_information(s, n) == pytest.approx(expected)
    assert gaussian_information(m @ s @ m.T, m @ n @ m.T) == pytest.approx(expected)
    assert gaussian_information([[3.0]], [[1.0]]) == pytest.approx(gaussian_capacity(3.0))


def test_a_silent_direction_says_nothing_and_one_without_noise_everything():
    s, n = np.diag([3.0, 0.0]), np.diag([1.0, 0.0])
    assert gaussian_information(s, n) == pytest.approx(1.0)
    assert gaussian_information(np.zeros((2, 2)), np.zeros((2, 2))) == 0
    assert gaussian_information(np.diag([3.0, 1.0]), n) == math.inf


def test_gaussian_information_refuses_what_is_no_covariance():
    with pytest.raises(ValueError, match="alike"):
        gaussian_information(np.eye(2), np.eye(3))
    with pytest.raises(ValueError, match="symmetric"):
        gaussian_information([[1.0, 1.0], [0.0, 1.0]], np.eye(2))


def test_the_exact_information_of_two_classes_agrees_with_random_numbers():
    means, p = np.array([-0.7, 1.1]), np.array([0.3, 0.7])
    rng = np.random.default_rng(3)
    c = (rng.random(400_000) < p[1]).astype(int)
    t = means[c] + rng.normal(size=len(c))
    density = np.exp(-((t[:, None] - means) ** 2) / 2)
    sampled = np.log2(density[np.arange(len(c)), c] / (density @ p))
    error = sampled.std() / math.sqrt(len(c))
    assert class_channel_information(means, p) == pytest.approx(sampled.mean(), abs=4 * error)


def test_the_exact_information_keeps_its_two_bounds_and_reaches_them():
    p = np.array([0.5, 0.5])
    gaps = np.geomspace(0.01, 30, 40)
    exact = class_channel_information(np.c_[-gaps, gaps] / 2, p)
    assert (exact <= gaussian_capacity(gaps**2 / 4) + 1e-12).all()
    assert (exact <= 1 + 1e-12).all()
    assert exact[0] == pytest.approx(gaussian_capacity(gaps[0] ** 2 / 4), rel=1e-3)
    assert exact[-1] == pytest.approx(1)
    assert class_channel_information([0.0, 6.0], p, 4.0) == pytest.approx(class_channel_information([0.0, 3.0], p))


def test_many_equally_spaced_classes_far_apart_are_all_told_apart():
    assert class_channel_information(40.0 * np.arange(8), np.full(8, 1 / 8)) == pytest.approx(3)


def test_the_exact_information_refuses_noise_of_no_variance():
    with pytest.raises(ValueError, match="variance"):
        class_channel_information([0.0, 1.0], [0.5, 0.5], 0.0)

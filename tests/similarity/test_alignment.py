"""Linear CKA and the Procrustes distance: invariances, limits, independent computations."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes

from layerlab.similarity import correlation, linear_cka, participation_ratio, procrustes_distance, svcca


def draw(seed, samples=40, p=5, q=5):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((samples, p)) * np.linspace(1, 3, p) + 4
    return x, x[:, :1] + rng.standard_normal((samples, q)), np.linalg.qr(rng.standard_normal((p, p)))[0]


def hsic_cka(x, y):
    """From n x n kernels, as Kornblith et al. define it."""
    h = np.eye(len(x)) - 1 / len(x)
    k, l_ = h @ x @ x.T @ h, h @ y @ y.T @ h
    return np.sum(k * l_) / math.sqrt(np.sum(k * k) * np.sum(l_ * l_))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), p=st.integers(1, 60), q=st.integers(1, 60))
def test_cka_is_that_of_the_kernels(seed, p, q):
    x, y, _ = draw(seed, 20, p, q)
    assert linear_cka(x, y) == pytest.approx(hsic_cka(x, y), abs=1e-10)
    assert linear_cka(y, x) == pytest.approx(linear_cka(x, y), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_rotation_scale_and_shift_change_neither(seed):
    x, y, rotation = draw(seed)
    moved = 3 * x @ rotation - 11
    assert linear_cka(moved, y) == pytest.approx(linear_cka(x, y), abs=1e-10)
    assert procrustes_distance(moved, y) == pytest.approx(procrustes_distance(x, y), abs=1e-10)
    assert linear_cka(x, moved) == pytest.approx(1)
    assert procrustes_distance(x, moved) == pytest.approx(0, abs=1e-10)


def test_an_invertible_map_that_is_no_rotation_changes_both():
    x, y, _ = draw(0)
    stretched = x * np.array([100, 1, 1, 1, 1])
    assert abs(linear_cka(stretched, y) - linear_cka(x, y)) > 0.01
    assert procrustes_distance(stretched, x) > 0.01


def test_scipys_procrustes_agrees():
    x, y, _ = draw(3)
    x, y = x - x.mean(0), y - y.mean(0)
    x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
    rotation, _ = orthogonal_procrustes(x, y)
    assert procrustes_distance(x, y) == pytest.approx(np.linalg.norm(x @ rotation - y) ** 2)


def test_layers_that_share_nothing():
    u = np.linalg.qr(np.c_[np.ones(12), np.random.default_rng(0).standard_normal((12, 6))])[0][:, 1:]
    assert linear_cka(u[:, :3], u[:, 3:]) == pytest.approx(0, abs=1e-12)
    assert procrustes_distance(u[:, :3], u[:, 3:]) == pytest.approx(2)


def test_the_root_of_the_procrustes_distance_is_a_metric():
    x, y, _ = draw(1)
    z = draw(2)[0]
    sides = [math.sqrt(procrustes_distance(a, b)) for a, b in ((x, y), (y, z), (x, z))]
    assert max(sides) <= sum(sides) - max(sides)


def test_batches_and_tensors():
    x, y, _ = draw(0)
    xs = np.stack([x, y])
    for measure in (linear_cka, procrustes_distance):
        table = measure(xs[:, None], xs[None])
        assert table.shape == (2, 2)
        assert table[0, 1] == pytest.approx(measure(x, y))
        assert measure(torch.tensor(x), torch.tensor(y)) == pytest.approx(measure(x, y))
        assert math.isnan(measure(np.ones((40, 3)) * 1e9 / 7, y))
        with pytest.raises(ValueError, match="the same samples"):
            measure(x, y[:-1])
        with pytest.raises(TypeError, match="both be arrays or both be tensors"):
            measure(x, torch.tensor(y))


@pytest.mark.parametrize("size", [1e-250, 1e-150, 1e150, 1e250])
def test_very_large_and_very_small_activations_are_measured_too(size):
    x, y, _ = draw(0)
    x = x - 4
    for measure in (linear_cka, procrustes_distance, lambda a, b: svcca(a, b).similarity, correlation):
        np.testing.assert_allclose(measure(x * size, y), measure(x, y), atol=1e-9)
    assert participation_ratio(x * size) == pytest.approx(participation_ratio(x))

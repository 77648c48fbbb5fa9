"""Neighbours, class scatter and probes: closed cases, brute force and invariances."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from layerlab.data import load
from layerlab.nets import MLP
from layerlab.projection import (
    class_separation,
    knn_accuracy,
    linear_probe_accuracy,
    neighbour_overlap,
    neighbour_purity,
    random_map,
    wide_separation,
)

relaxed = settings(deadline=None, max_examples=40)


def clusters(n=60, classes=3, gap=100.0, d=4, seed=0):
    generator = np.random.default_rng(seed)
    y = np.arange(n) % classes
    return generator.standard_normal((n, d)) + gap * y[:, None], y


def nearest(x, i, neighbours):
    order = np.argsort(((x - x[i]) ** 2).sum(axis=1), kind="stable")
    return [j for j in order if j != i][:neighbours]


class TestNeighbours:
    @relaxed
    @given(st.integers(0, 10**6), st.integers(1, 19))
    def test_against_brute_force(self, seed, neighbours):
        generator = np.random.default_rng(seed)
        x, fx, y = generator.standard_normal((20, 3)), generator.standard_normal((20, 2)), generator.integers(0, 3, 20)
        lists = [(nearest(x, i, neighbours), nearest(fx, i, neighbours)) for i in range(20)]
        purity = np.mean([y[a] == y[i] for i, (a, _) in enumerate(lists)])
        overlap = np.mean([len(set(a) & set(b)) / neighbours for a, b in lists])
        assert neighbour_purity(x, y, neighbours) == pytest.approx(purity)
        assert neighbour_overlap(x, fx, neighbours) == pytest.approx(overlap)

    @relaxed
    @given(st.integers(0, 10**6))
    def test_one_neighbour_accuracy_against_brute_force(self, seed):
        generator = np.random.default_rng(seed)
        train, test = generator.standard_normal((15, 2)), generator.standard_normal((10, 2))
        y_train, y_test = generator.integers(0, 3, 15), generator.integers(0, 3, 10)
        found = [y_train[np.argmin(((train - row) ** 2).sum(axis=1))] for row in test]
        assert knn_accuracy(train, y_train, test, y_test, 1) == pytest.approx(np.mean(found == y_test))

    def test_groups_far_apart_are_pure(self):
        x, y = clusters()
        assert neighbour_purity(x, y) == 1
        assert knn_accuracy(x[:30], y[:30], x[30:], y[30:]) == 1

    def test_a_row_is_not_its_own_neighbour_even_with_copies(self):
        x = np.array([[0.0], [0.0], [5.0], [5.0]])
        assert neighbour_purity(x, [0, 1, 0, 1], 1) == 0

    def test_isometries_keep_all_neighbours_and_noise_keeps_few(self):
        x = np.random.default_rng(0).standard_normal((400, 10))
        assert neighbour_overlap(x, 3 * random_map("orthonormal", 10, 10, seed=1)(x) + 2) == 1
        noise = np.random.default_rng(1).standard_normal((400, 10))
        assert neighbour_overlap(x, noise, 10) == pytest.approx(10 / 399, abs=0.01)
        assert neighbour_overlap(x[:11], noise[:11], 10) == 1  # all others are neighbours

    def test_tensors_and_string_labels(self):
        x, y = clusters()
        names = np.array(["a", "b", "c"])[y]
        assert neighbour_purity(torch.from_numpy(x), names) == neighbour_purity(x, torch.from_numpy(y)) == 1

    @pytest.mark.parametrize("neighbours", [0, 60])
    def test_impossible_numbers_of_neighbours_are_refused(self, neighbours):
        x, y = clusters()
        with pytest.raises(ValueError, match="neighbours must be between 1 and 59"):
            neighbour_purity(x, y, neighbours)
        with pytest.raises(ValueError, match="neighbours must be between 1 and 59"):
            neighbour_overlap(x, x, neighbours)


class TestClassSeparation:
    @relaxed
    @given(st.integers(0, 10**6), st.integers(2, 4), st.integers(1, 5))
    def test_is_the_ratio_of_traces_of_the_scatter_matrices(self, seed, classes, d):
        generator = np.random.default_rng(seed)
        x, y = generator.standard_normal((30, d)), generator.permutation(np.arange(30) % classes)
        total = np.trace(np.cov(x.T, bias=True).reshape(d, d)) * 30
        within = sum(np.trace(np.cov(x[y == c].T, bias=True).reshape(d, d)) * np.sum(y == c) for c in range(classes))
        assert class_separation(x, y) == pytest.approx((total - within) / within, rel=1e-9)

    @relaxed
    @given(st.integers(0, 10**6), st.floats(1e-6, 1e6), st.floats(-10, 10))
    def test_does_not_see_shift_rotation_or_scale(self, seed, scale, shift):
        x, y = clusters(gap=1.0, seed=seed)
        moved = scale * (random_map("orthonormal", 4, 4, seed)(x) + shift)
        assert class_separation(moved, y) == pytest.approx(class_separation(x, y), rel=1e-8)

    def test_two_points_per_class_by_hand(self):
        # means 0 and 10, centre 5: between 4 * 25; within 4 * 1
        assert class_separation([[-1.0], [1.0], [9.0], [11.0]], [0, 0, 1, 1]) == pytest.approx(25)

    def test_collapse(self):
        x = np.array([[0.1], [0.1], [0.1], [0.7], [0.7]])
        assert class_separation(x, [0, 0, 0, 1, 1]) == math.inf
        assert math.isnan(class_separation(np.ones((4, 2)), [0, 0, 1, 1]))
        assert math.isnan(class_separation(np.zeros((4, 2)), [0, 0, 1, 1]))

    def test_one_class_is_refused(self):
        with pytest.raises(ValueError, match="y must hold at least 2 classes"):
            class_separation(np.eye(3), [1, 1, 1])


class TestLinearProbe:
    def test_separates_what_a_line_separates(self):
        x, y = clusters(gap=20.0)
        assert linear_probe_accuracy(x[:45], y[:45], x[45:], y[45:]) == 1

    def test_cannot_do_the_exclusive_or_but_can_with_the_product(self):
        x = np.random.default_rng(0).uniform(-1, 1, (2000, 2))
        y = (x[:, 0] * x[:, 1] > 0).astype(int)
        assert linear_probe_accuracy(x[:1000], y[:1000], x[1000:], y[1000:]) < 0.7
        lifted = np.c_[x, x[:, :1] * x[:, 1:]]
        assert linear_probe_accuracy(lifted[:1000], y[:1000], lifted[1000:], y[1000:]) > 0.97

    def test_standardises_and_is_deterministic(self):
        x, y = clusters(gap=1.5, n=300)
        first = linear_probe_accuracy(x[:200], y[:200], x[200:], y[200:])
        stretched = 1e6 * x + np.array([1e6, 0, -5, 3])
        assert first == linear_probe_accuracy(x[:200], y[:200], x[200:], y[200:])
        assert linear_probe_accuracy(stretched[:200], y[:200], stretched[200:], y[200:]) == pytest.approx(
            first, abs=0.01
        )

    def test_constant_columns_do_no_harm(self):
        x, y = clusters(gap=20.0)
        assert linear_probe_accuracy(np.c_[x, np.ones(60)], y, np.c_[x, np.ones(60)], y) == 1

    @pytest.mark.parametrize("strength", [0.0, -1.0, math.nan, math.inf])
    def test_regularisation_must_be_positive(self, strength):
        x, y = clusters()
        with pytest.raises(ValueError, match="regularisation must be positive"):
            linear_probe_accuracy(x, y, x, y, strength)


class TestRefusals:
    def test_labels_must_fit(self):
        x, y = clusters()
        with pytest.raises(ValueError, match=r"y must hold one label per row of x \(60\), not shape \(59,\)"):
            class_separation(x, y[:-1])
        with pytest.raises(TypeError, match="y must hold integers or strings, not float64"):
            class_separation(x, y + 0.5)
        with pytest.raises(ValueError, match="x_train and x_test must have as many columns: 4 and 3"):
            knn_accuracy(x, y, x[:, :3], y)

    def test_nan_is_refused(self):
        x, y = clusters()
        x[3, 1] = np.nan
        with pytest.raises(ValueError, match="x holds NaN"):
            neighbour_purity(x, y)


@pytest.fixture(scope="module")
def digits():
    data = load("digits")
    return data.x_test, data.y_test


def test_at_depth_0_the_law_is_the_separation_of_the_data(digits):
    assert wide_separation(*digits, 0) == pytest.approx(class_separation(*digits), rel=1e-6)


def test_in_the_limit_only_lengths_are_left(digits):
    x, y = digits[0][:60], digits[1][:60]
    lengths = class_separation(np.linalg.norm(x.astype(float), axis=1)[:, None], y)
    assert wide_separation(x, y, 3_000) == pytest.approx(lengths, rel=0.02)


def test_with_equal_lengths_the_limit_is_chance(digits):
    """All distances equal: tr S_B / tr S_W = (classes - 1) / (n - classes)."""
    x, y = digits[0][:60], digits[1][:60]
    x = x.astype(float) / np.linalg.norm(x, axis=1, keepdims=True)
    assert wide_separation(x, y, 3_000) == pytest.approx(9 / (len(y) - 10), rel=0.03)


def test_the_law_is_what_wide_layers_do(digits):
    x, y = digits
    nets = MLP((64, 2048, 2048, 10), "relu", initialisation="he_normal", seeds=[0, 1, 2])
    for depth, hidden in enumerate(nets.activations(x)[:2], start=1):
        measured = np.mean([class_separation(h.numpy(), y) for h in hidden])
        assert measured == pytest.approx(wide_separation(x, y, depth), rel=0.05)


def test_the_law_falls_with_depth(digits):
    values = [wide_separation(*digits, depth) for depth in range(12)]
    assert np.all(np.diff(values) < 0)

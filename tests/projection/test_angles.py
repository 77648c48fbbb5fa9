"""Kernels and angle maps against integrals, limits and wide layers drawn at random."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special

from layerlab.projection import (
    angle_map,
    angles,
    arc_cosine_kernel,
    distortion,
    erf_kernel,
    relu_angle,
    relu_distortion,
    second_moment,
    tanh_kernel,
)

relaxed = settings(deadline=None, max_examples=100)
theta_values = st.floats(0, math.pi)


def pair_at(theta, d=8, ratio=1.0):
    """Two vectors at that angle, of lengths 1 and ratio, in general position."""
    q, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((d, 2)))
    return np.stack([q[:, 0], ratio * (math.cos(theta) * q[:, 0] + math.sin(theta) * q[:, 1])])


def integral(function, theta, v, w):
    """E[f(a) f(b)] over the plane by adaptive quadrature, a and b normal at correlation cos theta."""

    def integrand(z2, z1):
        a, b = math.sqrt(v) * z1, math.sqrt(w) * (math.cos(theta) * z1 + math.sin(theta) * z2)
        return function(a) * function(b) * math.exp(-(z1**2 + z2**2) / 2) / (2 * math.pi)

    return integrate.dblquad(integrand, -9, 9, -9, 9, epsabs=1e-9, epsrel=1e-9)[0]


class TestArcCosineKernel:
    @relaxed
    @given(theta_values, st.sampled_from([0, 1, 2]))
    def test_is_twice_the_expected_product_of_one_sided_powers(self, theta, order):
        """In polar coordinates: 2 E[r^2n] times the mean of (cos phi cos(phi - theta))^n where both are positive."""
        nodes, weights = special.roots_legendre(64)
        half = (math.pi - theta) / 2
        phi = theta / 2 + half * nodes  # both cosines are positive on (theta - pi/2, pi/2)
        angular = half * np.sum(weights * (np.cos(phi) * np.cos(phi - theta)) ** order)
        expected = 2 * 2**order * math.factorial(order) * angular / (2 * math.pi)
        assert arc_cosine_kernel(theta, order) == pytest.approx(expected, abs=1e-10)

    @pytest.mark.parametrize(("order", "ends"), [(0, (1, 0.5, 0)), (1, (1, 1 / math.pi, 0)), (2, (3, 0.5, 0))])
    def test_known_values(self, order, ends):
        theta = np.array([0, math.pi / 2, math.pi])
        np.testing.assert_allclose(arc_cosine_kernel(theta, order), ends, atol=1e-15)

    @pytest.mark.parametrize("order", [-1, 3])
    def test_other_orders_are_refused(self, order):
        with pytest.raises(ValueError, match=f"order must be between 0 and 2, not {order}"):
            arc_cosine_kernel(0.5, order)

    @pytest.mark.parametrize("theta", [-0.1, 3.2, math.nan, [0.5, math.inf]])
    def test_angles_outside_the_half_turn_are_refused(self, theta):
        with pytest.raises(ValueError, match=r"theta must lie between 0 and 3\.14159"):
            arc_cosine_kernel(theta, 1)


class TestRelu:
    def test_known_values(self):
        assert relu_angle(0.0) == 0
        assert relu_angle(math.pi) == pytest.approx(math.pi / 2, rel=1e-15)
        assert relu_angle(math.pi / 2) == pytest.approx(math.acos(1 / math.pi), rel=1e-14)

    @relaxed
    @given(st.floats(0.01, math.pi))
    def test_is_the_arccos_of_the_kernel(self, theta):
        assert relu_angle(theta) == pytest.approx(math.acos(arc_cosine_kernel(theta, 1)), rel=1e-9)

    @relaxed
    @given(st.floats(1e-12, 1e-3))
    def test_small_angles_shrink_by_their_square_over_three_pi(self, theta):
        """Next term of the series: theta^3 (1/(9 pi^2)) / 2 times a factor of order 1."""
        assert relu_angle(theta) == pytest.approx(theta - theta**2 / (3 * math.pi), rel=0.1 * theta**2 + 1e-14)

    def test_has_no_seam_where_the_series_takes_over(self):
        theta = 0.1 + np.array([-1e-9, 1e-9])
        below, above = relu_angle(theta)
        slope = 1 - 2 * 0.1 / (3 * math.pi)
        assert above - below == pytest.approx(2e-9 * slope, rel=0.01)

    @relaxed
    @given(st.lists(theta_values, min_size=2, max_size=2).map(sorted), st.integers(1, 30))
    def test_shrinks_every_angle_and_keeps_their_order(self, pair, depth):
        small, large = relu_angle(np.array(pair), depth)
        assert small <= large <= pair[1] + 1e-15
        assert relu_angle(relu_angle(pair[1]), depth) == pytest.approx(relu_angle(pair[1], depth + 1), rel=1e-13)

    def test_depth_draws_everything_together_slowly(self):
        """theta_n ~ 3 pi / n: the solution of theta' = -theta^2 / (3 pi)."""
        assert relu_angle(2.0, 3000) == pytest.approx(3 * math.pi / 3000, rel=0.02)
        assert relu_angle(1.3, 0) == 1.3

    @pytest.mark.parametrize(("theta", "ratio"), [(0.2, 1.0), (1.0, 1.0), (2.5, 1.0), (1.2, 3.0), (3.0, 0.4)])
    def test_wide_layers_do_it(self, theta, ratio):
        d, width = 8, 400_000
        x = pair_at(theta, d, ratio)
        weights = np.random.default_rng(3).standard_normal((d, width)) * math.sqrt(2 / width)
        fx = np.maximum(x @ weights, 0)
        assert angles(fx)[0] == pytest.approx(relu_angle(theta), abs=0.01)
        assert distortion(x, fx)[0] == pytest.approx(relu_distortion(theta, ratio), abs=0.01)

    @relaxed
    @given(theta_values, st.floats(0.01, 100))
    def test_distortion_is_between_a_half_and_one_and_blind_to_the_order(self, theta, ratio):
        value = relu_distortion(theta, ratio)
        assert 0.5 - 1e-12 <= value <= 1 + 1e-12
        assert value == pytest.approx(relu_distortion(theta, 1 / ratio), rel=1e-9)

    def test_distortion_at_the_ends(self):
        np.testing.assert_allclose(relu_distortion(np.array([0.0, 1e-9, math.pi])), [1, 1, 0.5], rtol=1e-8)
        assert relu_distortion(0.0, 2.0) == 1  # on one ray ReLU only scales
        np.testing.assert_allclose(relu_distortion(1.0, np.array([1.0, 2.0])).shape, (2,))

    @pytest.mark.parametrize("ratio", [0.0, -1.0, math.inf, math.nan])
    def test_norm_ratio_must_be_positive(self, ratio):
        with pytest.raises(ValueError, match="norm_ratio must"):
            relu_distortion(1.0, ratio)


class TestErf:
    @pytest.mark.parametrize(("theta", "v", "w"), [(0.0, 1, 1), (0.7, 0.5, 2), (2.0, 3, 3), (math.pi, 1, 4)])
    def test_is_the_expected_product(self, theta, v, w):
        assert erf_kernel(theta, v, w) == pytest.approx(integral(special.erf, theta, v, w), abs=1e-7)

    @relaxed
    @given(theta_values, st.floats(0.01, 100))
    def test_is_odd_about_the_right_angle_and_bounded(self, theta, v):
        assert erf_kernel(math.pi - theta, v) == pytest.approx(-erf_kernel(theta, v), abs=1e-12)
        assert abs(erf_kernel(theta, v)) <= second_moment("erf", v) < 1

    def test_limits(self):
        theta = np.linspace(0, math.pi, 9)
        np.testing.assert_allclose(erf_kernel(theta, 1e-8) / (4e-8 / math.pi), np.cos(theta), atol=1e-6)  # linear
        np.testing.assert_allclose(erf_kernel(theta, 1e12), 1 - 2 * theta / math.pi, atol=1e-5)  # sign


class TestTanh:
    @pytest.mark.parametrize(("theta", "v", "w"), [(0.0, 1, 1), (0.7, 0.5, 2), (2.0, 3, 3), (math.pi, 1, 4)])
    def test_is_the_expected_product(self, theta, v, w):
        assert tanh_kernel(theta, v, w) == pytest.approx(integral(math.tanh, theta, v, w), abs=1e-7)

    @pytest.mark.parametrize("v", [1e-4, 0.1, 1.0, 10.0, 300.0, 1000.0])
    def test_second_moment_agrees_with_a_single_integral(self, v):
        half, _ = integrate.quad(
            lambda z: math.tanh(math.sqrt(v) * z) ** 2 * math.exp(-z * z / 2), 0, 9, epsabs=1e-13, limit=500
        )
        assert second_moment("tanh", v) == pytest.approx(2 * half / math.sqrt(2 * math.pi), rel=1e-10)

    @settings(deadline=None, max_examples=20)
    @given(theta_values, st.floats(0.01, 50))
    def test_is_odd_about_the_right_angle(self, theta, v):
        assert tanh_kernel(math.pi - theta, v) == pytest.approx(-tanh_kernel(theta, v), abs=1e-11)

    def test_limits(self):
        theta = np.linspace(0, math.pi, 9)
        np.testing.assert_allclose(tanh_kernel(theta, 1e-8) / 1e-8, np.cos(theta), atol=1e-6)  # linear
        np.testing.assert_allclose(tanh_kernel(theta, 1000.0), 1 - 2 * theta / math.pi, atol=0.03)  # sign

    def test_too_large_a_variance_is_refused(self):
        with pytest.raises(ValueError, match="variances must be at most 1000"):
            tanh_kernel(1.0, 2000.0)


class TestAngleMap:
    def test_linear_and_relu(self):
        theta = np.linspace(0, math.pi, 5)
        np.testing.assert_array_equal(angle_map(theta, "linear"), theta)
        np.testing.assert_array_equal(angle_map(theta, "relu"), relu_angle(theta))
        assert (second_moment("linear", 3.0), second_moment("relu", 3.0)) == (3.0, 1.5)

    @pytest.mark.parametrize(("activation", "function"), [("erf", special.erf), ("tanh", np.tanh)])
    @pytest.mark.parametrize("variance", [0.1, 1.0, 9.0])
    def test_wide_layers_do_it(self, activation, function, variance):
        x = pair_at(1.1)
        weights = np.random.default_rng(5).standard_normal((8, 400_000)) * math.sqrt(variance)
        fx = function(x @ weights)
        assert angles(fx)[0] == pytest.approx(angle_map(1.1, activation, variance), abs=0.01)
        assert np.mean(fx[0] ** 2) == pytest.approx(second_moment(activation, variance), rel=0.01)

    @pytest.mark.parametrize("activation", ["erf", "tanh"])
    def test_odd_activations_fix_both_ends_and_push_angles_towards_the_right_angle(self, activation):
        out = angle_map(np.array([0, 0.5, math.pi / 2, math.pi - 0.5, math.pi]), activation, 2.0)
        np.testing.assert_allclose(out[[0, 2, 4]], [0, math.pi / 2, math.pi], atol=1e-6)
        assert out[1] > 0.5
        assert out[1] + out[3] == pytest.approx(math.pi)

    def test_unknown_activations_and_variances_are_refused(self):
        with pytest.raises(ValueError, match="activation must be one of linear, relu, erf, tanh, not 'gelu'"):
            angle_map(1.0, "gelu")
        with pytest.raises(ValueError, match="variance must be positive"):
            angle_map(1.0, "erf", 0.0)
        with pytest.raises(TypeError, match="variance must be a number"):
            angle_map(1.0, "erf", np.ones(2))


class TestTensors:
    @pytest.mark.parametrize(
        "function",
        [
            lambda t: arc_cosine_kernel(t, 0),
            lambda t: arc_cosine_kernel(t, 1),
            lambda t: arc_cosine_kernel(t, 2),
            lambda t: relu_angle(t, 3),
            lambda t: relu_distortion(t, 2.0),
            lambda t: erf_kernel(t, 2.0),
            lambda t: tanh_kernel(t, 2.0, 1.0),
            lambda t: angle_map(t, "tanh"),
        ],
    )
    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
    def test_in_and_out_with_their_type(self, function, dtype):
        theta = torch.linspace(0, math.pi, 6, dtype=dtype).reshape(2, 3)
        out = function(theta)
        assert isinstance(out, torch.Tensor)
        assert out.dtype == dtype
        assert out.shape == (2, 3)
        rtol, atol = (1e-12, 1e-12) if dtype == torch.float64 else (1e-3, 1e-3)
        np.testing.assert_allclose(out.numpy(), function(theta.double().numpy().clip(0, math.pi)), rtol, atol)


class TestAngles:
    @relaxed
    @given(theta_values, st.floats(1e-3, 1e3))
    def test_of_two_vectors_made_at_an_angle(self, theta, ratio):
        assert angles(pair_at(theta, ratio=ratio))[0] == pytest.approx(theta, abs=3e-8)

    @pytest.mark.parametrize("theta", [1e-3, 1e-6, 1e-9, 1e-12])
    def test_small_angles_keep_their_digits(self, theta):
        x = np.array([[1.0, 0.0], [math.cos(theta), math.sin(theta)]])
        assert angles(x)[0] == pytest.approx(theta, rel=1e-3)

    def test_condensed_order_scale_and_zero_rows(self):
        x = np.array([[1.0, 0], [0, 2e-200], [-3e200, 0], [0, 0]])
        expected = [math.pi / 2, math.pi, np.nan, math.pi / 2, np.nan, np.nan]
        np.testing.assert_allclose(angles(x), expected, rtol=1e-12)
        np.testing.assert_array_equal(angles(torch.from_numpy(x)).numpy(), angles(x))

    def test_agrees_with_the_cosine(self):
        x = np.random.default_rng(0).standard_normal((20, 5))
        unit = x / np.linalg.norm(x, axis=1, keepdims=True)
        cosine = (unit @ unit.T)[np.triu_indices(20, 1)]
        np.testing.assert_allclose(np.cos(angles(x)), cosine, atol=1e-12)

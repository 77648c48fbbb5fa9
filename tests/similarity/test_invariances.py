"""What each canonical similarity heeds and what it does not, and identities that hold for any two layers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerlab.similarity import basis, cca, pwcca, svcca


def layers(seed, p, q, samples=60):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((samples, 3))
    x, y = (z @ rng.standard_normal((3, units)) + 0.5 * rng.standard_normal((samples, units)) for units in (p, q))
    return x * rng.uniform(0.1, 3, p) + rng.standard_normal(p), y


def projector(x):
    x = x - x.mean(0)
    return x @ np.linalg.pinv(x)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), p=st.integers(1, 7), q=st.integers(1, 7))
def test_squared_coefficients_sum_to_the_trace_of_the_product_of_projectors(seed, p, q):
    x, y = layers(seed, p, q)
    total = (cca(x, y).coefficients ** 2).sum()
    assert total == pytest.approx(np.trace(projector(x) @ projector(y)), abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), p=st.integers(1, 7), q=st.integers(1, 7))
def test_pwcca_heeds_no_order_sign_or_common_factor_of_the_units_it_weighs_by(seed, p, q):
    x, y = layers(seed, p, q)
    rng = np.random.default_rng(seed)
    turned = -7.5 * x[:, rng.permutation(p)] * rng.choice([-1, 1], p) + rng.standard_normal(p)
    assert pwcca(turned, y).similarity == pytest.approx(pwcca(x, y).similarity, abs=1e-9)


def test_pwcca_heeds_a_rotation_of_the_units_it_weighs_by():
    """x = (h_1, h_2, h_3) has the weights 1, 1, 1; with units 2 and 3 turned into each other by 45°, 1, √2, √2."""
    h = np.linalg.qr(np.c_[np.ones(40), np.random.default_rng(0).standard_normal((40, 5))])[0][:, 1:]
    x, y = h[:, :3], np.c_[h[:, 0], h[:, 1] + 0.5 * h[:, 3], h[:, 4]]
    rho, root = 1 / 1.25**0.5, 2**0.5
    turn = np.array([[root, 0, 0], [0, 1, 1], [0, 1, -1]]) / root
    assert pwcca(x, y).similarity == pytest.approx((1 + rho) / 3)
    assert pwcca(x @ turn, y).similarity == pytest.approx((1 + root * rho) / (1 + 2 * root))
    np.testing.assert_allclose(cca(x @ turn, y).coefficients, [1, rho, 0], atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0.5, 1))
def test_singular_values_never_keep_fewer_directions_than_variance(seed, share):
    layer = basis(layers(seed, 7, 1)[0])
    assert layer.keep(share, "singular_values").rank >= layer.keep(share, "variance").rank


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), of=st.sampled_from(["variance", "singular_values"]))
def test_svcca_that_keeps_all_is_cca_and_is_symmetric(seed, of):
    x, y = layers(seed, 6, 4)
    np.testing.assert_allclose(svcca(x, y, 1.0, of).coefficients, cca(x, y).coefficients, atol=1e-9)
    assert svcca(x, y, 0.95, of).similarity == pytest.approx(svcca(y, x, 0.95, of).similarity, abs=1e-9)

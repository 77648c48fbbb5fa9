"""Correlations of units, matchings, lasso prediction, and the layout of convolutional layers."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Lasso

from layerlab.similarity import correlation, match_units, positions_as_samples, sparse_prediction, units_per_pixel

RNG = np.random.default_rng(0)
X = RNG.standard_normal((300, 6)) @ RNG.standard_normal((6, 6)) + 5
Y = X[:, [2, 0, 1, 5, 4]] * np.array([3, 1, 1, 2, 1]) + 0.1 * RNG.standard_normal((300, 5))


def test_correlations_are_numpys():
    np.testing.assert_allclose(correlation(X, Y), np.corrcoef(X.T, Y.T)[:6, 6:], atol=1e-12)
    np.testing.assert_allclose(correlation(torch.tensor(X), torch.tensor(Y)), correlation(X, Y), atol=1e-12)
    np.testing.assert_allclose(correlation(np.stack([X, X]), Y)[1], correlation(X, Y), atol=1e-12)


def test_a_unit_that_does_not_vary_correlates_with_none():
    dead = np.c_[X[:, 0], np.zeros(300), np.full(300, 1e9 / 7)]
    found = correlation(dead, Y)
    assert (found[1:] == 0).all()
    assert abs(found[0]).max() > 0.5


def test_partners_are_found_again():
    found = match_units(Y, X)
    assert found.partners.tolist() == [2, 0, 1, 5, 4]
    assert (found.correlation > 0.9).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_no_assignment_is_better_and_none_beats_the_semi_matching(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((2, 30, 4))
    values = correlation(x, y)
    best = max(values[range(4), list(order)].sum() for order in itertools.permutations(range(4)))
    found, semi = match_units(x, y), match_units(x, y, "semi")
    assert found.total == pytest.approx(best)
    assert sorted(found.partners) == [0, 1, 2, 3]
    assert semi.total >= found.total - 1e-12
    np.testing.assert_allclose(semi.correlation, values.max(1))
    assert (np.diff(found.correlation[found.order()]) <= 0).all()


def test_units_left_over_are_said_to_be():
    found = match_units(X, Y)
    assert (found.partners == -1).sum() == 1
    assert np.isnan(found.correlation[found.partners == -1]).all()
    assert found.order()[-1] == int(np.flatnonzero(found.partners == -1)[0])
    batch = match_units(np.stack([X, X]), Y)
    assert batch.partners.tolist() == [found.partners.tolist()] * 2
    with pytest.raises(ValueError, match="method must be one of assignment, semi"):
        match_units(X, Y, "greedy")


def test_the_lasso_is_scikit_learns_one_target_at_a_time():
    found = sparse_prediction(X, Y, [0.01, 0.3], tolerance=1e-12)
    x, y = (X - X.mean(0)) / X.std(0), (Y - Y.mean(0)) / Y.std(0)
    for i, penalty in enumerate(found.penalties):
        for j in range(Y.shape[1]):
            alone = Lasso(alpha=penalty, tol=1e-12, max_iter=100_000).fit(x, y[:, j])
            np.testing.assert_allclose(found.coefficients[i, :, j], alone.coef_, atol=1e-5)
            assert found.error[i, j] == pytest.approx(((alone.predict(x) - y[:, j]) ** 2).mean(), abs=1e-6)


def test_no_penalty_is_least_squares_and_a_large_one_uses_nothing():
    found = sparse_prediction(np.c_[X, X[:, 0]], Y, [0, 0.1, 1.0])
    assert found.penalties.tolist() == [1.0, 0.1, 0.0]
    assert (found.used[0] == 0).all()
    np.testing.assert_allclose(found.error[0], 1)
    x = np.c_[np.ones(300), X]
    residual = Y - x @ np.linalg.lstsq(x, Y, rcond=None)[0]
    np.testing.assert_allclose(found.error[-1], (residual**2).mean(0) / Y.var(0), atol=1e-10)
    assert (np.diff(found.error, axis=0) <= 1e-12).all()
    assert (found.gap[1] <= 1e-5).all()


def test_errors_on_other_samples():
    found = sparse_prediction(X, Y, [0.0, 0.05])
    np.testing.assert_allclose(found.error_on(X, Y), found.error, atol=1e-12)
    half = sparse_prediction(X[:150], Y[:150], [0.0])
    assert (half.error_on(X[150:], Y[150:]) > half.error).mean() > 0.5
    with pytest.raises(ValueError, match="fitted were 6 and 5"):
        found.error_on(Y, X)


def test_units_without_variance_are_neither_used_nor_judged():
    found = sparse_prediction(np.c_[X, np.ones(300)], np.c_[Y, np.ones(300)], [0.0, 0.1])
    assert np.isnan(found.error[:, -1]).all()
    assert np.isfinite(found.error[:, :-1]).all()
    assert (found.coefficients[:, -1] == 0).all()


@pytest.mark.parametrize("penalties", [[], [-1], [np.nan], [np.inf]])
def test_penalties_that_are_none_are_refused(penalties):
    with pytest.raises(ValueError, match="penalties must be"):
        sparse_prediction(X, Y, penalties)


def test_a_convolutional_layer_both_ways():
    maps = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5).astype(float)
    pixels, positions = units_per_pixel(maps), positions_as_samples(maps)
    assert pixels.shape == (2, 60)
    assert positions.shape == (40, 3)
    for n, c, h, w in itertools.product(range(2), range(3), range(4), range(5)):
        assert pixels[n, (c * 4 + h) * 5 + w] == maps[n, c, h, w]
        assert positions[(n * 4 + h) * 5 + w, c] == maps[n, c, h, w]
    np.testing.assert_array_equal(positions_as_samples(torch.tensor(maps)), positions)
    with pytest.raises(ValueError, match="maps are"):
        units_per_pixel(maps[0])

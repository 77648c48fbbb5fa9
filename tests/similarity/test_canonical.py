"""CCA, SVCCA and PWCCA against independent computations, invariances, limits and known answers."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import eigh
from sklearn.cross_decomposition import CCA

from layerlab.similarity import basis, cca, participation_ratio, pwcca, svcca


def layers(seed=0, samples=200, p=6, q=4, shared=3, noise=0.5):
    """Two layers that share some signals."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((samples, shared))
    x = z @ rng.standard_normal((shared, p)) + noise * rng.standard_normal((samples, p)) + rng.standard_normal(p)
    y = z @ rng.standard_normal((shared, q)) + noise * rng.standard_normal((samples, q))
    return x, y


def by_eigenvalues(x, y):
    """Canonical correlations from the generalised eigenproblem of the covariances: an independent way."""
    x, y = x - x.mean(0), y - y.mean(0)
    p, q = x.shape[1], y.shape[1]
    across = np.block([[np.zeros((p, p)), x.T @ y], [y.T @ x, np.zeros((q, q))]])
    within = np.block([[x.T @ x, np.zeros((p, q))], [np.zeros((q, p)), y.T @ y]])
    return eigh(across, within, eigvals_only=True)[::-1][: min(p, q)]


@pytest.mark.parametrize("seed", range(3))
def test_the_generalised_eigenvalues_agree(seed):
    x, y = layers(seed)
    np.testing.assert_allclose(cca(x, y).coefficients, by_eigenvalues(x, y), atol=1e-10)


def test_scikit_learn_agrees():
    x, y = layers(samples=500)
    theirs = CCA(n_components=4, max_iter=5000, tol=1e-12).fit(x, y).transform(x, y)
    correlations = [np.corrcoef(a, b)[0, 1] for a, b in zip(theirs[0].T, theirs[1].T, strict=True)]
    np.testing.assert_allclose(cca(x, y).coefficients, correlations, atol=1e-6)


def test_the_directions_give_the_variates_and_these_the_correlations():
    x, y = layers()
    found = cca(x, y)
    np.testing.assert_allclose((x - x.mean(0)) @ found.directions_x, found.variates_x, atol=1e-10)
    np.testing.assert_allclose((y - y.mean(0)) @ found.directions_y, found.variates_y, atol=1e-10)
    np.testing.assert_allclose(found.variates_x.T @ found.variates_y, np.diag(found.coefficients), atol=1e-10)
    np.testing.assert_allclose(found.variates_x.T @ found.variates_x, np.eye(4), atol=1e-10)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), p=st.integers(1, 7), q=st.integers(1, 7))
def test_cca_is_symmetric_and_heeds_no_invertible_affine_map(seed, p, q):
    x, y = layers(seed, 60, p, q)
    rng = np.random.default_rng(seed)
    turned = x @ (rng.standard_normal((p, p)) + 3 * np.eye(p)) * 1e3 + rng.standard_normal(p)
    np.testing.assert_allclose(cca(turned, y).coefficients, cca(x, y).coefficients, atol=1e-7)
    np.testing.assert_allclose(cca(y, x).coefficients, cca(x, y).coefficients, atol=1e-12)
    assert 0 <= cca(x, y).similarity <= 1


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_layer_is_like_itself_whatever_the_measure(seed):
    x, _ = layers(seed)
    for measure in (cca, svcca, pwcca):
        assert measure(x, x).similarity == pytest.approx(1, abs=1e-12)


def test_svcca_heeds_rotations_and_scale_as_little_as_cca_heeds_all_maps():
    x, y = layers(p=8, shared=2, noise=0.1)
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((8, 8)))[0]
    assert svcca(7 * x @ rotation, y).similarity == pytest.approx(svcca(x, y).similarity, abs=1e-10)
    stretched = x @ rotation * np.array([1e-3] * 4 + [1.0] * 4)
    assert abs(svcca(stretched, y).similarity - svcca(x, y).similarity) > 1e-3


def test_the_two_meanings_of_the_threshold_keep_what_their_names_say():
    values = np.array([10.0, 3, 1, 0.5])
    rng = np.random.default_rng(0)
    u = np.linalg.qr(np.c_[np.ones(50), rng.standard_normal((50, 4))])[0][:, 1:]
    x = u * values
    energy, length = values**2 / (values**2).sum(), values / values.sum()
    for share in (0.5, 0.9, 0.95, 0.99, 1.0):
        assert basis(x).keep(share).rank == np.searchsorted(np.cumsum(energy), share - 1e-12) + 1
        assert basis(x).keep(share, "singular_values").rank == np.searchsorted(np.cumsum(length), share - 1e-12) + 1


def test_independent_layers_fall_to_the_known_law_as_samples_grow():
    """E[sum rho^2] = p q / (n - 1) for independent Gaussian layers (Pillai's trace)."""
    rng = np.random.default_rng(0)
    for n in (50, 400, 3200):
        squares = [
            (cca(rng.standard_normal((n, 5)), rng.standard_normal((n, 3))).coefficients ** 2).sum() for _ in range(200)
        ]
        error = 4 * np.std(squares) / math.sqrt(200)
        assert np.mean(squares) == pytest.approx(15 / (n - 1), abs=error)


def test_a_known_correlation_is_found():
    rng = np.random.default_rng(0)
    z, e = rng.standard_normal((2, 200_000, 1))
    found = cca(z, 0.6 * z + 0.8 * e)
    assert found.coefficients[0] == pytest.approx(0.6, abs=0.01)


def pwcca_by_definition(x, y):
    """Morcos et al., section 2.2, step by step, from the variates."""
    found, centred = cca(x, y), x - x.mean(0)
    alpha = np.array([sum(abs(h @ z) for z in centred.T) for h in found.variates_x.T])
    return float((alpha * found.coefficients).sum() / alpha.sum())


@pytest.mark.parametrize("seed", range(3))
def test_pwcca_is_the_papers_and_weighs_by_its_first_argument(seed):
    x, y = layers(seed, p=5, q=5, shared=2)
    x = x * np.array([5, 1, 1, 1, 0.1])
    assert pwcca(x, y).similarity == pytest.approx(pwcca_by_definition(x, y), abs=1e-12)
    assert pwcca(y, x).similarity == pytest.approx(pwcca_by_definition(y, x), abs=1e-12)
    assert abs(pwcca(x, y).similarity - pwcca(y, x).similarity) > 1e-4
    turned = y @ np.random.default_rng(1).standard_normal((5, 5))
    assert pwcca(x, turned).similarity == pytest.approx(pwcca(x, y).similarity, abs=1e-8)


def test_pwcca_ignores_directions_in_which_little_happens():
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((2000, 2))
    x = np.c_[signal, 1e-3 * rng.standard_normal((2000, 8))]
    y = np.c_[signal, 1e-3 * rng.standard_normal((2000, 8))]
    assert pwcca(x, y).similarity > 0.98
    assert cca(x, y).similarity < 0.35


class TestRank:
    def test_copies_constants_and_dead_units_change_nothing(self):
        x, y = layers()
        more = np.c_[x, x[:, :2] + x[:, 2:4], np.zeros(len(x)), np.full(len(x), 1e8 / 3)]
        plain, padded = cca(x, y), cca(more, y)
        np.testing.assert_allclose(padded.coefficients[:4], plain.coefficients, atol=1e-9)
        assert padded.count == plain.count == 4
        assert padded.similarity == pytest.approx(plain.similarity, abs=1e-9)

    def test_orthogonal_layers_of_low_rank_are_weighted_by_what_they_have(self):
        """Correlations of exactly 0 must not mix with directions that are not there."""
        u = np.linalg.qr(np.c_[np.ones(20), np.random.default_rng(0).standard_normal((20, 5))])[0][:, 1:]
        x, y = np.c_[u[:, :2], u[:, :2]], np.c_[u[:, 0], u[:, 2], u[:, 3]]
        found = pwcca(x, y)
        assert found.count == 2
        np.testing.assert_allclose(found.coefficients[:2], [1, 0], atol=1e-12)
        np.testing.assert_allclose(found.variates_x[:, :2].T @ found.variates_x[:, :2], np.eye(2), atol=1e-12)
        assert found.similarity == pytest.approx(0.5)

    def test_few_samples_force_coefficients_to_one_and_it_is_said(self):
        rng = np.random.default_rng(0)
        found = cca(rng.standard_normal((10, 7)), rng.standard_normal((10, 6)))
        assert found.forced == 7 + 6 - 9
        np.testing.assert_allclose(found.coefficients[: found.forced], 1, atol=1e-10)
        assert found.coefficients[found.forced] < 1 - 1e-6
        assert cca(rng.standard_normal((5, 20)), rng.standard_normal((5, 30))).count == 4

    def test_ill_conditioned_layers_keep_their_small_directions(self):
        rng = np.random.default_rng(0)
        z = rng.standard_normal((100, 3))
        found = cca(z * np.array([1, 1e-5, 1e-11]), z @ rng.standard_normal((3, 3)))
        np.testing.assert_allclose(found.coefficients, 1, atol=1e-4)

    def test_a_layer_without_variance_has_no_similarity(self):
        x, _ = layers()
        for measure in (cca, svcca, pwcca):
            found = measure(np.ones((200, 3)) * 1e9 / 7, x)
            assert math.isnan(found.similarity)
            assert found.count == 0


class TestBatches:
    def test_a_batch_is_its_pairs_also_where_ranks_differ(self):
        pairs = [layers(s) for s in range(3)]
        pairs[1][0][:, 2] = pairs[1][0][:, 0]
        x, y = (np.stack(each) for each in zip(*pairs, strict=True))
        for measure in (cca, svcca, pwcca):
            together = measure(x, y)
            for i, (a, b) in enumerate(pairs):
                alone = measure(a, b)
                assert together.similarity[i] == pytest.approx(alone.similarity, abs=1e-12)
                size = len(alone.coefficients)
                np.testing.assert_allclose(together.coefficients[i][:size], alone.coefficients, atol=1e-12)

    def test_leading_axes_broadcast_and_a_basis_is_used_again(self):
        xs = np.stack([layers(s)[0] for s in range(3)])
        table = cca(basis(xs[:, None]), basis(xs[None])).similarity
        assert table.shape == (3, 3)
        np.testing.assert_allclose(np.diag(table), 1)
        assert table[0, 2] == pytest.approx(cca(xs[0], xs[2]).similarity)

    def test_tensors_stay_tensors_and_agree(self):
        x, y = layers()
        for measure in (cca, svcca, pwcca):
            theirs = measure(torch.tensor(x, dtype=torch.float32), torch.tensor(y))
            assert isinstance(theirs.coefficients, torch.Tensor)
            np.testing.assert_allclose(theirs.coefficients, measure(x.astype(np.float32), y).coefficients, atol=1e-10)
            assert isinstance(theirs.similarity, float)


@pytest.mark.parametrize("measure", [cca, pwcca])
@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_each_with_each_is_every_pair_alone(measure, kind):
    xs, ys = np.zeros((3, 1, 50, 6)), np.zeros((2, 50, 4))
    for i in range(3):
        xs[i, 0], _ = layers(i, 50)
    for j in range(2):
        _, ys[j] = layers(10 + j, 50)
    xs[1, 0, :, 4:] = xs[1, 0, :, :2]  # of rank 4
    ys[1, :, 1:] = 3.0  # of rank 1
    found = measure(basis(kind(xs)), kind(ys))
    assert tuple(found.coefficients.shape) == (3, 2, 4)
    assert np.asarray(found.count).tolist() == [[4, 1]] * 3
    for i, j in np.ndindex(3, 2):
        alone = measure(xs[i, 0], ys[j])
        for name in ("similarity", "coefficients", "weights", "forced"):
            np.testing.assert_allclose(getattr(found, name)[i, j], getattr(alone, name), atol=1e-12)
        variates = np.asarray(found.variates_x[i, j])
        np.testing.assert_allclose(abs(variates), abs(alone.variates_x), atol=1e-7)
        moved = (xs[i, 0] - xs[i, 0].mean(0)) @ np.asarray(found.directions_x[i, j])
        np.testing.assert_allclose(moved, variates, atol=1e-9)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros((10, 0)), ValueError, r"x must be \(\.\.\., samples, units\)"),
        (np.zeros((1, 3)), ValueError, "two samples or more"),
        (np.zeros(10), ValueError, "samples, units"),
        (np.full((10, 2), np.nan), ValueError, "NaN or infinite"),
        (np.full((10, 2), np.inf), ValueError, "NaN or infinite"),
        (np.ones((10, 2)) * 1j, TypeError, "x must hold real numbers"),
        (np.array([["a", "b"]] * 10), TypeError, "real numbers"),
        (np.zeros((9, 2)), ValueError, "x has 9 samples and y has 10"),
    ],
)
def test_what_are_no_activations_is_refused(x, error, message):
    with pytest.raises(error, match=message):
        cca(x, np.random.default_rng(0).standard_normal((10, 2)))


def test_a_threshold_outside_its_range_is_refused():
    x, y = layers()
    for keep in (0, -1, 1.5, math.nan):
        with pytest.raises(ValueError, match="share must lie in"):
            svcca(x, y, keep)
    with pytest.raises(ValueError, match="of must be one of variance, singular_values"):
        svcca(x, y, of="energy")


def test_the_participation_ratio_counts_equal_directions():
    u = np.linalg.qr(np.c_[np.ones(30), np.random.default_rng(0).standard_normal((30, 6))])[0][:, 1:]
    assert participation_ratio(u) == pytest.approx(6)
    assert participation_ratio(u * np.array([1, 1, 0, 0, 0, 0])) == pytest.approx(2)
    assert math.isnan(participation_ratio(np.ones((5, 2))))

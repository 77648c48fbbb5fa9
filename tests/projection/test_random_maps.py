"""The three kinds of random maps: what they must have in common, and what sets each apart."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, stats

from layerlab.projection import KINDS, distortion, random_map, ratio_distribution

relaxed = settings(deadline=None, max_examples=60)
sizes = st.integers(1, 60).flatmap(lambda d: st.tuples(st.just(d), st.integers(1, d)))
kinds = st.sampled_from(KINDS)


def dense(m):
    return m.matrix.toarray() if sparse.issparse(m.matrix) else m.matrix


class TestEveryKind:
    @relaxed
    @given(kinds, sizes, st.integers(0, 2**63))
    def test_is_linear_and_given_by_its_seed(self, kind, dk, seed):
        d, k = dk
        m = random_map(kind, d, k, seed)
        assert dense(m).shape == (k, d)
        x, y = np.random.default_rng(0).standard_normal((2, 5, d))
        np.testing.assert_allclose(m(2 * x - y), 2 * m(x) - m(y), atol=1e-9)
        np.testing.assert_allclose(m.transform(np.eye(d)), dense(m).T, atol=1e-15)
        np.testing.assert_array_equal(dense(random_map(kind, d, k, seed)), dense(m))

    @pytest.mark.parametrize("kind", KINDS)
    def test_keeps_squared_lengths_on_average(self, kind):
        """E|Rx|^2 = |x|^2 for every x says E[R^T R] = I: each entry of the mean over maps within 5 standard errors."""
        draws, d, k = 3000, 6, 3
        squares = np.array([dense(m).T @ dense(m) for m in (random_map(kind, d, k, seed) for seed in range(draws))])
        error = squares.std(axis=0) / np.sqrt(draws)
        assert np.all(np.abs(squares.mean(axis=0) - np.eye(d)) < 5 * error)

    @pytest.mark.parametrize("kind", KINDS)
    def test_different_seeds_give_different_maps(self, kind):
        a, b = (dense(random_map(kind, 30, 10, seed)) for seed in (0, 1))
        assert not np.array_equal(a, b)
        children = np.random.SeedSequence(0).spawn(2)
        c, d = (dense(random_map(kind, 30, 10, child)) for child in children)
        assert not np.array_equal(c, d)
        np.testing.assert_array_equal(c, dense(random_map(kind, 30, 10, np.random.SeedSequence(0).spawn(1)[0])))

    @pytest.mark.parametrize("kind", KINDS)
    def test_leaves_numpys_global_state_alone(self, kind):
        before = np.random.get_state()[1].copy()  # noqa: NPY002 (the point is that it stays)
        random_map(kind, 10, 4, seed=2)
        np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002

    @pytest.mark.parametrize("kind", KINDS)
    def test_tensors_and_arrays_agree_and_keep_their_type(self, kind):
        m = random_map(kind, 12, 5, seed=1)
        x = np.random.default_rng(0).standard_normal((7, 12))
        np.testing.assert_allclose(m(torch.from_numpy(x)).numpy(), m(x), rtol=1e-12)
        assert m(x.astype(np.float32)).dtype == np.float32
        assert m(torch.ones(2, 12)).dtype == torch.float32
        assert m(np.ones((2, 12), dtype=int)).dtype == np.float64
        assert m(np.ones((0, 12))).shape == (0, 5)
        assert m(x).flags.c_contiguous

    @pytest.mark.parametrize("kind", ["gaussian", "sparse"])
    def test_more_dimensions_than_before_are_allowed_and_keep_lengths(self, kind):
        x = np.random.default_rng(0).standard_normal((20, 9))
        assert distortion(x, random_map(kind, 9, 20_000, seed=3)(x)) == pytest.approx(1, abs=0.1)


class TestOrthonormal:
    @relaxed
    @given(sizes, st.integers(0, 1000))
    def test_rows_are_orthogonal_and_of_squared_length_d_over_k(self, dk, seed):
        d, k = dk
        r = random_map("orthonormal", d, k, seed).matrix
        np.testing.assert_allclose(r @ r.T, d / k * np.eye(k), atol=1e-12 * d)

    def test_never_stretches_beyond_d_over_k(self):
        x = np.random.default_rng(0).standard_normal((50, 20))
        assert distortion(x, random_map("orthonormal", 20, 5, seed=0)(x)).max() <= 4 * (1 + 1e-12)

    def test_is_uniform_on_the_circle(self):
        """QR alone would favour one sign; with Haar's measure the first row's angle is uniform."""
        rows = np.array([random_map("orthonormal", 2, 1, seed).matrix[0] for seed in range(2000)])
        turns = np.arctan2(rows[:, 1], rows[:, 0]) / (2 * np.pi) % 1
        assert stats.kstest(turns, "uniform").pvalue > 1e-3

    def test_needs_room(self):
        with pytest.raises(ValueError, match="needs k <= d, not k = 6 > d = 5"):
            random_map("orthonormal", 5, 6)


class TestLaws:
    @pytest.mark.parametrize("kind", ["gaussian", "orthonormal"])
    @pytest.mark.parametrize(("d", "k"), [(5, 2), (40, 10), (30, 29)])
    def test_one_pair_follows_the_exact_law(self, kind, d, k):
        x = np.random.default_rng(1).standard_normal((1, d))
        ratios = [np.sum(random_map(kind, d, k, seed)(x) ** 2) / np.sum(x**2) for seed in range(1500)]
        assert stats.kstest(ratios, ratio_distribution(kind, d, k).cdf).pvalue > 1e-3

    def test_sparse_entries_are_three_values_at_the_right_rates(self):
        d, k = 400, 300
        m = random_map("sparse", d, k, seed=0).matrix
        assert sparse.issparse(m)
        assert m.format == "csr"
        size = d**0.25 / np.sqrt(k)
        np.testing.assert_allclose(np.abs(m.data), size)
        expected, spread = d * k / np.sqrt(d), np.sqrt(d * k / np.sqrt(d))
        assert abs(m.nnz - expected) < 5 * spread
        assert abs(np.sum(m.data > 0) - m.nnz / 2) < 5 * np.sqrt(m.nnz) / 2

    def test_gaussian_entries_are_normal(self):
        entries = np.sqrt(50) * random_map("gaussian", 80, 50, seed=0).matrix.ravel()
        assert stats.kstest(entries, "norm").pvalue > 1e-3


class TestRefusals:
    def test_unknown_kind(self):
        with pytest.raises(ValueError, match="kind must be one of gaussian, sparse, orthonormal, not 'haar'"):
            random_map("haar", 5, 2)

    @pytest.mark.parametrize(("d", "k"), [(0, 1), (1, 0), (-3, 1)])
    def test_empty_maps(self, d, k):
        with pytest.raises(ValueError, match="must be at least 1"):
            random_map("gaussian", d, k)

    @pytest.mark.parametrize("seed", [None, 1.5, True, "1"])
    def test_seeds_are_explicit_integers(self, seed):
        with pytest.raises(TypeError, match="seed must be an integer"):
            random_map("gaussian", 5, 2, seed)

    def test_input_must_fit(self):
        m = random_map("gaussian", 5, 2)
        with pytest.raises(ValueError, match="x must have d = 5 columns, not 4"):
            m(np.ones((3, 4)))
        with pytest.raises(ValueError, match="x must be a matrix"):
            m(np.ones(5))
        with pytest.raises(ValueError, match="x holds NaN"):
            m(np.full((3, 5), np.nan))

"""Squared distances and distortion of all pairs."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import pdist

from layerlab.projection import distances, distortion, random_map, squared_distances

relaxed = settings(deadline=None, max_examples=100)
values = st.floats(-1e3, 1e3, allow_subnormal=False).map(lambda v: round(v, 6))
points = st.tuples(st.integers(2, 12), st.integers(1, 6)).flatmap(lambda s: hnp.arrays(np.float64, s, elements=values))


def cloud(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d))


class TestSquaredDistances:
    @relaxed
    @given(points)
    def test_agrees_with_scipy(self, x):
        np.testing.assert_allclose(squared_distances(x), pdist(x, "sqeuclidean"), rtol=1e-11, atol=0)

    def test_agrees_with_scipy_in_many_dimensions(self):
        x = cloud(200, 500)
        np.testing.assert_allclose(squared_distances(x), pdist(x, "sqeuclidean"), rtol=1e-12)

    @pytest.mark.parametrize("offset", [0.0, 1.0, 1e6])
    @pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-9, 1e-12])
    def test_near_duplicates_keep_their_digits(self, offset, gap):
        """Against exact rational arithmetic on the very floats: the Gram form alone would return noise here."""
        far = offset + cloud(6, 5)
        x = np.concatenate([far, far + gap * cloud(6, 5, seed=1)])
        exact = [
            float(sum((Fraction(a) - Fraction(b)) ** 2 for a, b in zip(x[i], x[j], strict=True)))
            for i in range(len(x))
            for j in range(i + 1, len(x))
        ]
        np.testing.assert_allclose(squared_distances(x), exact, rtol=1e-11)

    @pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e-100, 1e100, 1e150])
    def test_scale_neither_overflows_nor_vanishes_on_the_way(self, scale):
        x = cloud(10, 4)
        with np.errstate(under="ignore"):
            expected = pdist(x, "sqeuclidean") * scale * scale
        np.testing.assert_allclose(squared_distances(x * scale), expected, rtol=1e-10, atol=1e-323)

    @pytest.mark.parametrize("entries", [1, 7, 40, 10**6])
    def test_blocks_do_not_show(self, monkeypatch, entries):
        x = cloud(37, 5)
        whole = squared_distances(x)
        monkeypatch.setitem(distances._BLOCK_ENTRIES, "cpu", entries)
        np.testing.assert_allclose(squared_distances(x), whole, rtol=1e-13)

    def test_an_outlier_does_not_spoil_the_others(self):
        x = cloud(30, 4)
        x[7] = 1e12
        np.testing.assert_allclose(squared_distances(x), pdist(x, "sqeuclidean"), rtol=1e-11)

    def test_equal_rows_are_at_distance_zero_exactly(self):
        x = np.repeat(1e8 + cloud(5, 30), 3, axis=0)
        same = np.repeat(np.arange(5), 3)
        first, second = np.triu_indices(15, 1)
        np.testing.assert_array_equal(squared_distances(x) == 0, same[first] == same[second])


class TestDistortion:
    @relaxed
    @given(points, st.integers(0, 2**32 - 1))
    def test_is_the_ratio_of_scipys_distances_in_scipys_order(self, x, seed):
        fx = np.random.default_rng(seed).standard_normal((len(x), 3))
        with np.errstate(divide="ignore", invalid="ignore"):
            expected = pdist(fx, "sqeuclidean") / pdist(x, "sqeuclidean")
        np.testing.assert_allclose(distortion(x, fx), expected, rtol=1e-10)

    @relaxed
    @given(points, st.floats(0.01, 100))
    def test_of_a_scaling_is_its_square(self, x, factor):
        ratio = distortion(x, factor * x)
        np.testing.assert_allclose(ratio[~np.isnan(ratio)], factor**2, rtol=1e-9)

    @pytest.mark.parametrize("d", [1, 2, 30])
    def test_of_a_rotation_and_shift_is_one(self, d):
        x = cloud(40, d)
        moved = random_map("orthonormal", d, d, seed=3)(x) + 17.0
        np.testing.assert_allclose(distortion(x, moved), 1, rtol=1e-11)

    def test_does_not_see_shifts_rotations_or_a_common_scale(self):
        x, fx = cloud(30, 8), cloud(30, 4, seed=1)
        turn = random_map("orthonormal", 8, 8, seed=2)
        np.testing.assert_allclose(distortion(3 * turn(x) - 5, 3 * fx + 9), distortion(x, fx), rtol=1e-10)

    def test_follows_a_reordering_of_the_rows(self):
        x, fx, order = cloud(9, 3), cloud(9, 2, seed=1), np.random.default_rng(2).permutation(9)
        table = np.zeros((9, 9))
        table[np.triu_indices(9, 1)] = distortion(x, fx)
        table += table.T
        np.testing.assert_allclose(distortion(x[order], fx[order]), table[np.ix_(order, order)][np.triu_indices(9, 1)])

    def test_coincident_pairs(self):
        x = np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [0.0, 0.0]])
        fx = np.array([[3.0], [3.0], [4.0], [3.0]])
        # pairs 01 (0/0), 02 (1/0), 03 (0/5), 12 (1/0), 13 (0/5), 23 (1/5)
        np.testing.assert_allclose(distortion(x, fx), [np.nan, np.inf, 0, np.inf, 0, 0.2], rtol=1e-15)

    def test_extreme_scales_on_either_side(self):
        x, fx = cloud(8, 3), cloud(8, 3, seed=1)
        expected = distortion(x, fx)
        np.testing.assert_allclose(distortion(x * 1e-150, fx * 1e-150), expected, rtol=1e-11)
        np.testing.assert_allclose(distortion(x * 1e-100, fx * 1e40) * 1e-280, expected, rtol=1e-11)
        assert np.all(np.isinf(distortion(x * 1e-300, fx * 1e300)))

    def test_tensors_stay_tensors_and_agree_with_arrays(self):
        x, fx = cloud(20, 6), cloud(20, 2, seed=1)
        ratio = distortion(torch.from_numpy(x), torch.from_numpy(fx).requires_grad_())
        assert isinstance(ratio, torch.Tensor)
        assert ratio.dtype == torch.float64
        assert not ratio.requires_grad
        np.testing.assert_array_equal(ratio.numpy(), distortion(x, fx))

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int8, np.uint8, np.bool_])
    def test_narrow_types_are_widened_first(self, dtype):
        x = (10 * cloud(15, 4)).astype(np.int8).astype(dtype)
        expected = pdist(x.astype(np.float64), "sqeuclidean")
        np.testing.assert_allclose(squared_distances(x), expected, rtol=1e-13)
        np.testing.assert_allclose(squared_distances(torch.from_numpy(x)).numpy(), expected, rtol=1e-6)

    def test_neither_input_is_changed_and_read_only_ones_are_fine(self):
        x, fx = cloud(10, 3), cloud(10, 3, seed=1)[:, ::-1]
        before = x.copy(), fx.copy()
        x.flags.writeable = False
        distortion(x, fx)
        np.testing.assert_array_equal(x, before[0])
        np.testing.assert_array_equal(fx, before[1])

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("side", [0, 1])
    def test_nan_and_infinity_are_refused(self, bad, side):
        both = [cloud(5, 2), cloud(5, 2)]
        both[side][3, 1] = bad
        with pytest.raises(ValueError, match=f"^{('x', 'fx')[side]} holds NaN or infinite values"):
            distortion(*both)

    def test_wrong_shapes_are_refused(self):
        with pytest.raises(ValueError, match="x has 5, fx has 4"):
            distortion(cloud(5, 2), cloud(4, 2))
        with pytest.raises(ValueError, match=r"x must be a matrix .* not of shape \(5,\)"):
            distortion(np.ones(5), cloud(5, 2))
        with pytest.raises(ValueError, match="at least 2 rows and 1 column"):
            distortion(cloud(1, 2), cloud(1, 2))
        with pytest.raises(ValueError, match="at least 2 rows and 1 column"):
            distortion(np.ones((5, 0)), cloud(5, 2))

    def test_wrong_types_are_refused(self):
        with pytest.raises(TypeError, match="both be numpy arrays or both be tensors"):
            distortion(cloud(5, 2), torch.ones(5, 2))
        with pytest.raises(TypeError, match="x must hold real numbers, not complex128"):
            distortion(cloud(5, 2) * 1j, cloud(5, 2))
        with pytest.raises(TypeError, match=r"x must be real, not torch\.complex64"):
            distortion(torch.ones(5, 2, dtype=torch.complex64), torch.ones(5, 2))

    def test_more_pairs_than_memory_holds_point_to_the_histogram(self):
        many = np.broadcast_to(np.zeros((1, 1)), (40_000, 1))
        with pytest.raises(ValueError, match=r"799,980,000 pairs.*use distortion_histogram"):
            distortion(many, many)

    @pytest.mark.skipif(
        not torch.cuda.is_available(), reason="needs a CUDA device: run on a machine with one to test it there"
    )
    def test_on_a_gpu_the_result_is_there_and_the_same(self):
        x, fx = cloud(300, 20), cloud(300, 5, seed=1)
        ratio = distortion(torch.from_numpy(x).cuda(), torch.from_numpy(fx).cuda())
        assert ratio.device.type == "cuda"
        np.testing.assert_allclose(ratio.cpu().numpy(), distortion(x, fx), rtol=1e-11)

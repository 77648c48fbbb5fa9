"""Digits, Gaussian clouds and subsets."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.datasets import load_digits

from layerlab import data

relaxed = settings(deadline=None, max_examples=60)


class TestDigits:
    def test_are_all_there_once(self):
        d = data.load("digits")
        assert d.x_train.shape == (1347, 64)
        assert d.x_test.shape == (450, 64)
        rows = np.concatenate([d.x_train, d.x_test])
        labels = np.concatenate([d.y_train, d.y_test])
        original = load_digits()
        both = [np.c_[x, y] for x, y in ((rows * 16, labels), (original.data, original.target))]
        np.testing.assert_array_equal(*[part[np.lexsort(part.T)] for part in both])

    def test_are_scaled_typed_and_stratified(self):
        d = data.load("digits")
        assert (d.x_train.dtype, d.y_train.dtype) == (np.float32, np.int64)
        assert (d.x_train.min(), d.x_train.max()) == (0, 1)
        shares = [np.bincount(y, minlength=10) / len(y) for y in (d.y_train, d.y_test)]
        np.testing.assert_allclose(*shares, atol=0.003)
        assert (d.names, d.shape) == (tuple("0123456789"), (8, 8))

    def test_are_the_same_every_time(self):
        a, b = data.load("digits"), data.load("digits")
        np.testing.assert_array_equal(a.x_test, b.x_test)
        assert a.checksum == b.checksum
        assert len(a.checksum) == len("sha256:") + 64


class TestGaussian:
    @relaxed
    @given(st.integers(2, 60), st.integers(1, 10), st.data())
    def test_shapes_and_balanced_classes(self, n, d, draw):
        classes = draw.draw(st.integers(1, n))
        g = data.gaussian(n, d, classes, seed=draw.draw(st.integers(0, 2**40)))
        assert len(g.x_train) + len(g.x_test) == n
        assert g.x_train.shape[1] == g.dimension == d
        assert g.classes == classes
        for y in (g.y_train, g.y_test):
            counts = np.bincount(y, minlength=classes)
            assert counts.max() - counts.min() <= 1
            assert len(y) >= 1

    def test_follow_the_formula(self):
        """Without centres the samples are N(0, spread^2); without spread they are their class's centre."""
        noise = data.gaussian(4000, 5, 3, separation=0, spread=2.0)
        assert stats.kstest(noise.x_train.ravel() / 2, "norm").pvalue > 1e-3
        centres = data.gaussian(300, 50, 3, separation=6.0, spread=0)
        assert len(np.unique(np.concatenate([centres.x_train, centres.x_test]), axis=0)) == 3

    def test_centres_lie_apart_as_asked(self):
        squares = []
        for seed in range(200):
            g = data.gaussian(8, 20, 2, separation=3.0, spread=0, seed=seed)
            squares.append(np.sum((g.x_train[g.y_train == 0][0] - g.x_train[g.y_train == 1][0]) ** 2))
        # separation^2 / d times a chi-square with d degrees of freedom
        assert stats.kstest(np.array(squares) * 20 / 9, stats.chi2(20).cdf).pvalue > 1e-3

    def test_a_seed_gives_the_data_and_another_seed_other_data(self):
        a, b, c = (data.load("gaussian", n=50, d=4, classes=2, seed=seed) for seed in (1, 1, 2))
        assert a.checksum == b.checksum != c.checksum
        np.testing.assert_array_equal(a.x_train, b.x_train)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"n": 1}, "n must be at least 2, not 1"),
            ({"d": 0}, "d must be at least 1, not 0"),
            ({"n": 10, "classes": 11}, "classes must be between 1 and 10, not 11"),
            ({"separation": -1}, "separation must be finite and at least 0"),
            ({"spread": float("nan")}, "spread must be finite"),
            ({"test_share": 0}, "test_share must lie strictly between 0 and 1"),
            ({"test_share": 1}, "test_share must lie strictly between 0 and 1"),
            ({"seed": -1}, "seed must be at least 0"),
        ],
    )
    def test_bad_values_are_refused(self, options, message):
        with pytest.raises(ValueError, match=message):
            data.gaussian(**options)

    @pytest.mark.parametrize("name", ["n", "d", "classes", "seed"])
    @pytest.mark.parametrize("value", [2.0, True, "3", None])
    def test_wrong_types_are_refused(self, name, value):
        with pytest.raises(TypeError, match=f"{name} must be an integer"):
            data.gaussian(**{name: value})


class TestTake:
    @relaxed
    @given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 100))
    def test_fewer_are_a_prefix_of_more_and_pairs_stay_together(self, few, many, seed):
        few, many = sorted((few, many))
        whole = data.gaussian(60, 3, 4)
        small, large = whole.take(few, 5, seed), whole.take(many, None, seed)
        np.testing.assert_array_equal(small.x_train, large.x_train[:few])
        assert small.x_test.shape == (5, 3)
        assert large.x_test is whole.x_test
        for x, y in zip(small.x_train, small.y_train, strict=True):
            row = np.flatnonzero((whole.x_train == x).all(axis=1))
            assert whole.y_train[row] == y
        assert len(np.unique(large.x_train, axis=0)) == many
        assert small.checksum == whole.checksum

    @pytest.mark.parametrize("count", [0, -1, 46])
    def test_impossible_numbers_are_refused(self, count):
        with pytest.raises(ValueError, match=f"train must be between 1 and 45, not {count}"):
            data.gaussian(60, 3, 4).take(count)


def test_importing_the_room_is_light():
    program = (
        "import sys, layerlab.data; print([m for m in ('torch', 'sklearn', 'requests', 'pooch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

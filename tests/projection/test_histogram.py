"""The streaming histogram against all pairs held at once."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from layerlab.projection import distortion, distortion_histogram, random_map

relaxed = settings(deadline=None, max_examples=60)


def mapped(n, d=20, k=6, seed=0):
    x = np.random.default_rng(seed).standard_normal((n, d))
    return x, random_map("gaussian", d, k, seed)(x)


class TestAgainstAllPairs:
    @relaxed
    @given(
        st.integers(2, 60),
        st.integers(0, 2**31),
        st.floats(0.01, 0.99),
        st.lists(st.floats(-1, 4), min_size=2, max_size=9, unique=True).map(sorted),
    )
    def test_equals_numpys_histogram_of_distortion_exactly(self, n, seed, eps, edges):
        x, fx = mapped(n, seed=seed)
        ratio = distortion(x, fx)
        h = distortion_histogram(x, fx, edges, eps)
        np.testing.assert_array_equal(h.counts, np.histogram(ratio, edges)[0])
        assert h.underflow == np.sum(ratio < edges[0])
        assert h.overflow == np.sum(ratio > edges[-1])
        assert (h.minimum, h.maximum) == (ratio.min(), ratio.max())
        assert h.mean == pytest.approx(ratio.mean(), rel=1e-13)
        assert h.std == pytest.approx(ratio.std(), rel=1e-9, abs=1e-12)
        assert h.inside == np.sum((ratio > 1 - eps) & (ratio < 1 + eps))
        assert h.share_inside == h.inside / len(ratio)
        assert h.pairs == h.measured == len(ratio) == h.counts.sum() + h.underflow + h.overflow

    @relaxed
    @given(st.integers(2, 40), st.integers(1, 50))
    def test_any_block_size_gives_the_same(self, n, block):
        x, fx = mapped(n, seed=n)
        edges = np.linspace(0.2, 2, 8)
        whole, blocked = (distortion_histogram(x, fx, edges, 0.3, block=b) for b in (None, block))
        np.testing.assert_array_equal(blocked.counts, whole.counts)
        assert (blocked.inside, blocked.underflow, blocked.overflow) == (whole.inside, whole.underflow, whole.overflow)
        for name in ("minimum", "maximum", "mean", "std"):
            assert getattr(blocked, name) == pytest.approx(getattr(whole, name), rel=1e-11, abs=1e-12)

    @relaxed
    @given(st.integers(2, 25), st.integers(1, 4), st.integers(0, 2**31), st.integers(1, 30))
    def test_coincident_pairs_are_kept_apart(self, n, distinct, seed, block):
        """Rows from a few grid points: some pairs coincide before, some of those are torn apart after."""
        generator = np.random.default_rng(seed)
        x = generator.integers(0, 2, (n, distinct)).astype(float)
        fx = generator.integers(0, 3, (n, 2)).astype(float)
        ratio = distortion(x, fx)
        finite = ratio[np.isfinite(ratio)]
        h = distortion_histogram(x, fx, [0, 0.45, 1.1, 2.1], 0.5, block=block)
        assert h.coincident == len(ratio) - len(finite)
        assert h.torn == np.isinf(ratio).sum()
        assert h.measured == len(finite) == h.counts.sum() + h.overflow
        if len(finite):
            assert h.mean == pytest.approx(finite.mean())
            assert h.maximum == pytest.approx(finite.max())

    def test_tensors_and_arrays_agree(self):
        x, fx = mapped(50)
        edges = torch.linspace(0, 3, 10, dtype=torch.float64)
        a = distortion_histogram(x, fx, edges.numpy(), 0.2)
        b = distortion_histogram(torch.from_numpy(x), torch.from_numpy(fx), edges, 0.2, device="cpu")
        np.testing.assert_array_equal(a.counts, b.counts)
        assert (a.mean, a.std, a.inside) == (b.mean, b.std, b.inside)


class TestBins:
    def test_edges_belong_where_numpy_puts_them(self):
        """Ratios of exactly 1 and 4: an edge belongs to the bin that it opens, the last edge to the last bin."""
        x = np.array([[0.0], [1.0], [2.0]])
        fx = np.array([[0.0], [2.0], [3.0]])  # ratios 4, 9/4, 1
        np.testing.assert_array_equal(distortion_histogram(x, fx, [1, 2.25, 4]).counts, [1, 2])
        h = distortion_histogram(x, fx, [1.5, 2.25])
        assert (h.underflow, list(h.counts), h.overflow) == (1, [1], 1)

    def test_inside_is_strict_and_not_read_off_the_bins(self):
        x = np.array([[0.0], [2.0]])
        fx = np.array([[0.0], [np.sqrt(6.0)]])
        assert distortion(x, fx)[0] == pytest.approx(1.5, rel=1e-15)
        assert distortion_histogram(x, np.array([[0.0], [1.0]]), [0, 9], 0.75).inside == 0  # ratio 1/4 = 1 - eps
        assert distortion_histogram(x, np.array([[0.0], [1.0]]), [0, 9], 0.76).inside == 1

    def test_density_integrates_to_the_share_in_the_bins(self):
        x, fx = mapped(80)
        h = distortion_histogram(x, fx, [0.5, 0.7, 1.3, 1.6])
        assert np.sum(h.density * np.diff(h.edges)) == pytest.approx(h.counts.sum() / h.measured)

    def test_nothing_to_measure(self):
        x = np.ones((4, 2))
        h = distortion_histogram(x, x, [0, 1], 0.1)
        assert (h.pairs, h.coincident, h.torn, h.measured) == (6, 6, 0, 0)
        assert np.isnan([h.minimum, h.maximum, h.mean, h.std, h.share_inside]).all()
        np.testing.assert_array_equal(h.density, [0])

    def test_share_without_eps_says_so(self):
        with pytest.raises(ValueError, match="no eps was given"):
            _ = distortion_histogram(*mapped(5), [0, 1]).share_inside


class TestProgress:
    def test_counts_pairs_up_to_all_of_them(self):
        seen = []
        distortion_histogram(*mapped(30), [0, 2], block=4, progress=lambda done, total: seen.append((done, total)))
        done = [d for d, _ in seen]
        assert done == sorted(set(done))
        assert seen[-1] == (435, 435)
        assert {total for _, total in seen} == {435}
        assert len(seen) == 8

    def test_what_it_raises_ends_the_run(self):
        def stop(done, total):
            raise InterruptedError("enough")

        with pytest.raises(InterruptedError, match="enough"):
            distortion_histogram(*mapped(30), [0, 2], block=4, progress=stop)


class TestRefusals:
    @pytest.mark.parametrize(
        "edges", [[1], [], [1, 1], [2, 1], [0, np.nan], [0, np.inf], [[0, 1]], 3, "ab", [True, False]]
    )
    def test_bad_edges(self, edges):
        with pytest.raises(ValueError, match="edges must be"):
            distortion_histogram(*mapped(5), edges)

    @pytest.mark.parametrize("eps", [0.0, 1.0, -1, np.nan])
    def test_bad_eps(self, eps):
        with pytest.raises(ValueError, match="eps must lie strictly between 0 and 1"):
            distortion_histogram(*mapped(5), [0, 1], eps)

    def test_bad_block_and_nan(self):
        with pytest.raises(ValueError, match="block must be at least 1, not 0"):
            distortion_histogram(*mapped(5), [0, 1], block=0)
        x, fx = mapped(5)
        fx[2, 2] = np.nan
        with pytest.raises(ValueError, match="fx holds NaN"):
            distortion_histogram(x, fx, [0, 1])


def test_memory_stays_bounded():
    """40 million pairs, 324 MB if they were held: the process must grow by far less."""
    pytest.importorskip("resource", reason="memory is measured by the resource module: run on Linux or macOS")
    program = """
        import resource, sys
        import numpy as np
        import layerlab.projection as projection

        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

        x = np.random.default_rng(0).standard_normal((9_000, 4))
        projection.distortion_histogram(x[:100], x[:100, :2], [0, 1])
        before = peak()
        h = projection.distortion_histogram(x, x[:, :2], np.linspace(0, 1, 11), block=100)
        print(h.pairs, h.counts.sum(), peak() - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True, timeout=300
    )
    pairs, counted, grown = map(int, done.stdout.split())
    assert pairs == counted == 9_000 * 8_999 // 2  # dropping coordinates only shortens: every ratio is in [0, 1]
    assert grown < 130e6

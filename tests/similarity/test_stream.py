"""Activations in chunks give what the whole gives."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerlab.similarity import Stream, cca, correlation, linear_cka, procrustes_distance, pwcca, svcca


def draw(seed, samples=120):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((samples, 5)) * np.array([1, 1, 1e-4, 1e-7, 3]) + 1e3 * rng.standard_normal(5)
    return x, x[:, :3] @ rng.standard_normal((3, 4)) + rng.standard_normal((samples, 4))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), cuts=st.lists(st.integers(1, 119), max_size=6, unique=True))
def test_any_cuts_and_merges_give_every_similarity_of_the_whole(seed, cuts):
    x, y = draw(seed)
    edges = [0, *sorted(cuts), 120]
    streams = [Stream().update(x[a:b], y[a:b]) for a, b in itertools.pairwise(edges)]
    whole = streams[0]
    for other in streams[1:]:
        whole.merge(other)
    u, v = whole.layers()
    assert whole.samples == 120
    np.testing.assert_allclose(u.mean(0), x.mean(0), rtol=1e-9)
    for measure in (cca, svcca, pwcca):
        assert measure(u, v).similarity == pytest.approx(measure(x, y).similarity, abs=1e-6)
    for measure in (linear_cka, procrustes_distance):
        assert measure(u, v) == pytest.approx(measure(x, y), abs=1e-9)
    np.testing.assert_allclose(correlation(u, v)[[0, 1, 4]], correlation(x, y)[[0, 1, 4]], atol=1e-8)


def test_one_row_at_a_time():
    x, y = draw(0, 40)
    stream = Stream()
    for a, b in zip(x, y, strict=True):
        stream.update(a[None], b[None])
    assert cca(*stream.layers()).similarity == pytest.approx(cca(x, y).similarity, abs=1e-6)


def test_what_does_not_fit_is_refused_and_changes_nothing():
    x, y = draw(0)
    stream = Stream().update(x, y)
    before = stream.layers()
    for bad, message in (
        ((x, y[:-1]), "they must have the same"),
        ((x,), "before they had"),
        ((x[:, :2], y), "before they had"),
        ((x * np.nan, y), "NaN"),
        ((x[0], y[0]), "must be"),
        ((x[:0], y[:0]), "must be"),
        ((), "layers is empty"),
    ):
        with pytest.raises(ValueError, match=message):
            stream.update(*bad)
    with pytest.raises(ValueError, match="other has layers"):
        stream.merge(Stream().update(x))
    for a, b in zip(before, stream.layers(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_few_samples_need_no_stream():
    x, y = draw(0, 9)
    with pytest.raises(ValueError, match="more samples than units"):
        Stream().update(x, y).layers()
    with pytest.raises(ValueError, match="more samples than units"):
        Stream().layers()

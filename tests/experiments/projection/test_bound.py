"""projection/bound: the nested maps measure what separate maps would, and the claims can fail."""

import math

import numpy as np
import pytest
import xarray as xr

from layerlab import lab
from layerlab.experiments.projection import _points, bound
from layerlab.projection import KINDS, distortion, failure_probability, random_map

EXPERIMENT = lab.get("projection/bound")
ENOUGH, UNION, POINTS, EPS = range(4)


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(n=60, seeds=12), "cpu")


@pytest.fixture(scope="module")
def result(run):
    return run.result


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_rows_of_a_tall_map_are_judged_as_a_map_of_their_own(kind):
    x, _ = _points.draw("digits", 40, 0)
    tall = random_map(kind, 64, 60, 5)
    rows = tall(x) * math.sqrt(60)
    ks, sizes = [1, 7, 30, 60], (2, 10, 40)
    worst = bound.worst_distortions(rows, bound._weights(x), ks, sizes, "cpu", lambda share: None)
    for i, k in enumerate(ks):
        for j, size in enumerate(sizes):
            ratios = distortion(x[:size], rows[:size, :k] / math.sqrt(k))
            assert worst[i, j] == pytest.approx(np.abs(ratios - 1).max(), rel=1e-9)


def test_equal_points_lose_nothing():
    x = np.array([[0.0, 1.0], [0.0, 1.0], [3.0, 4.0]])
    worst = bound.worst_distortions(2 * x, bound._weights(x), [1, 2], (2, 3), "cpu", lambda share: None)
    assert worst[:, 0].tolist() == [0, 0]
    assert worst[1, 1] == pytest.approx(4 / 2 - 1)  # all squares times 4, over k = 2


def test_reaching_looks_at_the_last_k_that_fails():
    kept = np.array([[0.0, 1.0, 0.4, 0.6, 0.9], [1.0, 1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0, 0.0]])
    np.testing.assert_array_equal(bound.reaching(kept, [1, 2, 4, 8, 16], 0.5), [8, 1, np.nan])


def test_kept_at_picks_the_k_that_is_asked_for():
    kept = np.arange(2 * 1 * 2 * 3).reshape(2, 1, 2, 3)
    np.testing.assert_array_equal(bound.kept_at(kept, [1, 5, 9], np.array([[5, 9]])), [[[1, 5]], [[7, 11]]])
    assert np.isnan(bound.kept_at(kept, [1, 5, 9], np.array([[6.0, np.nan]]))).all()


@pytest.mark.parametrize(("kind", "d"), [("gaussian", 64), ("orthonormal", 784)])
@pytest.mark.parametrize("eps", [0.2, 0.5])
def test_the_union_dimension_is_the_smallest_that_keeps_half(kind, d, eps):
    n = 100
    k = int(bound._union_dimension(kind, d, n * (n - 1) // 2, eps))
    if kind == "orthonormal":
        assert failure_probability(n, k, eps, d, "exact") <= 0.5 < failure_probability(n, k - 1, eps, d, "exact")
    else:  # a Gaussian map is the limit of orthonormal ones from ever more dimensions
        near = 10_000_000
        assert (
            failure_probability(n, k + 1, eps, near, "exact") <= 0.5 < failure_probability(n, k - 2, eps, near, "exact")
        )
    assert math.isnan(bound._union_dimension("sparse", d, 10, eps))


def test_claims_hold_on_a_small_run(run):
    assert [evidence.holds for _, evidence in run.evidence() if evidence] == [True] * 4


def test_more_points_and_less_distortion_need_more_dimensions(result):
    half = result["reached"].sel(share=0.5)
    assert (half.diff("points") >= 0).all()
    assert (half.diff("eps") <= 0).all()
    assert (result["reached"].diff("share") >= 0).all()
    assert result["points"].values.tolist() == [10, 20, 50, 60]


def test_the_distortion_that_is_asked_for_is_among_those_measured():
    other = lab.execute(EXPERIMENT, EXPERIMENT.config(n=20, eps=0.45, seeds=2, kind="orthonormal"), "cpu")
    assert 0.45 in other.result["eps"]
    assert float(other.result["reached"].max()) <= 64
    assert "orthonormal maps" in EXPERIMENT.describe(other.result)


@pytest.mark.parametrize(
    ("claim", "variable", "change"),
    [
        (ENOUGH, "kept_at_bound", lambda x: x * 0),
        (UNION, "kept_at_union", lambda x: x * 0),
        (POINTS, "reached", lambda x: x.max() + 1 / x),
        (EPS, "reached", lambda x: x**1.3),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(result, claim, variable, change):
    assert not EXPERIMENT.claims[claim].check(result.assign({variable: change(result[variable])})).holds


def test_claims_of_gaussian_maps_are_not_made_of_others():
    run = lab.execute(EXPERIMENT, EXPERIMENT.config(n=20, kind="sparse", seeds=2), "cpu")
    evidence = [e for _, e in run.evidence()]
    assert evidence[ENOUGH] is None
    assert evidence[UNION] is None


@pytest.mark.parametrize("narrow", [False, True])
def test_the_figure_shows_the_data_dimension(result, narrow):
    svg = lab.figure_svg(EXPERIMENT, result, "b", narrow=narrow)
    assert svg.startswith("<svg")
    assert isinstance(result, xr.Dataset)


def test_too_many_points_are_refused():
    with pytest.raises(ValueError, match="n must be at most 1,347, the training points of digits; it was 2,000"):
        EXPERIMENT.config(n=2000)

"""projection/lemma: the counts are those of all pairs, the theory is the maps', and the claims can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.projection import _points, lemma
from layerlab.projection import KINDS, distortion, random_map, ratio_distribution, spikiness

EXPERIMENT = lab.get("projection/lemma")
MEAN, VARIANCE, LAW, UNION, LEMMA, PAIR, SLIDE = range(7)


def execute(**values):
    return lab.execute(EXPERIMENT, EXPERIMENT.config(**values), "cpu")


@pytest.fixture(scope="module")
def runs():
    return {kind: execute(kind=kind, n=60, k=24, seeds=12) for kind in KINDS}


@pytest.fixture(scope="module")
def reached():
    return execute(kind="gaussian", n=20, k=144, seeds=12)  # minimum_dimension(20, 0.5) is 144


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_is_that_of_all_pairs_held_at_once(runs, kind):
    result = runs[kind].result
    x, _ = _points.draw("digits", 60, 0)
    stream = runs[kind].config.streams()[3]
    ratios = distortion(x, random_map(kind, 64, 24, stream)(x))
    one = result.isel(seed=3)
    assert int(result["pairs"]) == len(ratios) == 60 * 59 // 2
    assert float(one["mean"]) == pytest.approx(ratios.mean())
    assert float(one["worst"]) == pytest.approx(np.abs(ratios - 1).max())
    assert float(one["inside"]) == pytest.approx(np.mean(np.abs(ratios - 1) < 0.5))
    assert float(one["variance"]) == pytest.approx(np.mean((ratios - 1) ** 2))
    counted = [np.mean((ratios < 1 - e) | (ratios >= 1 + e)) for e in lemma.EPS]
    np.testing.assert_allclose(one["outside"], counted, atol=2 / len(ratios))
    np.testing.assert_allclose(one["density"] * 0.02 * len(ratios), np.histogram(ratios, lemma.EDGES)[0], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_no_claim_fails(runs, kind):
    assert [evidence.holds for _, evidence in runs[kind].evidence() if evidence] in ([True] * 2, [True] * 3)


def test_a_sparse_map_has_no_law_and_no_union_bound(runs):
    result = runs["sparse"].result
    assert result["law"].isnull().all()
    assert [EXPERIMENT.claims[i].check(result) for i in (LAW, UNION, LEMMA, PAIR, SLIDE)] == [None] * 5


def test_the_variance_of_a_sparse_map_is_that_of_its_fourth_moment():
    z = np.array([[3.0, 1.0, 0.5, 0.0, 2.0, 0.2, 0.1, 1.5, 0.3]])
    drawn = [float((random_map("sparse", 9, 5, seed)(z) ** 2).sum() / (z**2).sum()) for seed in range(4000)]
    kappa = float((z**4).sum() / (z**2).sum() ** 2)
    assert spikiness(np.vstack([np.zeros(9), z])) == pytest.approx(kappa)
    result = lab.execute(EXPERIMENT, EXPERIMENT.config(kind="sparse", n=3, seeds=1), "cpu").result
    result = result.assign(spikiness=kappa).assign_attrs(d=9, k=5)
    expected = lemma.variance_of_a_pair(result)
    assert expected == pytest.approx((2 + 0 * kappa) / 5)  # sqrt(9) - 3 = 0: like a Gaussian map
    assert np.var(drawn) == pytest.approx(expected, rel=0.2)
    assert lemma.variance_of_a_pair(result.assign_attrs(d=49)) == pytest.approx((2 + 4 * kappa) / 5)


def test_where_k_reaches_the_bound_the_lemma_holds_and_the_slide_does_not(reached):
    checks = [claim.check(reached.result) for claim in EXPERIMENT.claims]
    assert all(check.holds for check in checks[:SLIDE] if check is not None)
    assert checks[LEMMA] is not None
    assert checks[PAIR] is not None
    assert not checks[SLIDE].holds
    assert EXPERIMENT.claims[SLIDE].disputed


def test_below_the_bound_the_lemma_is_not_tested(reached):
    result = reached.result.assign_attrs(k=143)
    assert [EXPERIMENT.claims[i].check(result) for i in (LEMMA, PAIR, SLIDE)] == [None] * 3


@pytest.mark.parametrize(
    ("claim", "variable", "change"),
    [
        (MEAN, "mean", lambda x: x + 0.2),
        (VARIANCE, "variance", lambda x: x * 2),
        (LAW, "inside", lambda x: x * 0.8),
        (LEMMA, "worst", lambda x: x + 1),
        (UNION, "worst", lambda x: x + 1),
        (PAIR, "inside", lambda x: x - 0.1),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(runs, reached, claim, variable, change):
    result = (reached if claim in (LEMMA, UNION, PAIR) else runs["gaussian"]).result
    assert EXPERIMENT.claims[claim].check(result).holds
    assert not EXPERIMENT.claims[claim].check(result.assign({variable: change(result[variable])})).holds


def test_the_law_drawn_is_the_mean_of_the_density_over_each_bin(runs):
    law = ratio_distribution("orthonormal", 64, 24)
    expected = np.diff(law.cdf(lemma.EDGES)) / 0.02
    np.testing.assert_allclose(runs["orthonormal"].result["law"], expected)


def test_a_map_is_lost_when_any_of_its_pairs_is(runs):
    result = runs["gaussian"].result
    lost = lemma.lost_maps(result)
    assert float(lost[0]) == 1
    assert (np.diff(lost) <= 0).all()
    assert ((result["outside"].mean("seed") > 0) <= (lost > 0)).all()


def test_equal_points_are_counted_apart(monkeypatch):
    x = np.random.default_rng(0).standard_normal((30, 64))
    x[7] = x[3]
    monkeypatch.setattr(_points, "draw", lambda *args: (x, {"twins": "none"}))
    result = execute(n=30, k=8, seeds=2).result
    assert int(result["coincident"]) == 1
    assert int(result["pairs"]) == 30 * 29 // 2 - 1
    assert np.isfinite(result["mean"]).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"k": 64}, "k must be smaller than d = 64"),
        ({"n": 1348}, "n must be at most 1,347"),
        ({"eps": 1.0}, "eps must be a number from 0.02 to 0.98"),
        ({"data": "cifar-10"}, "data must be one of digits, mnist"),
    ],
)
def test_what_cannot_be_run_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        EXPERIMENT.config(**values)


@pytest.mark.parametrize("kind", ["gaussian", "sparse"])
def test_other_maps_may_go_up(kind):
    assert EXPERIMENT.config(kind=kind, k=100).k == 100


def test_gaussian_points_are_all_different_and_as_many_as_asked_for():
    x, checksums = _points.draw("gaussian", 37, 2)
    assert x.shape == (37, 1000)
    assert len(np.unique(x, axis=0)) == 37
    assert list(checksums) == ["gaussian"]


def test_the_run_can_be_cancelled():
    progress = lab.Progress()
    progress.cancel()
    with pytest.raises(lab.Cancelled):
        EXPERIMENT.run(EXPERIMENT.config(n=20, seeds=2), "cpu", progress)

"""What canonical correlation finds by chance: theory against layers that have nothing to do with each other."""

import math

import numpy as np
import pytest

from layerlab.experiments.similarity import _chance as chance
from layerlab.similarity import cca


def coefficients(p, q, n, draws=200, seed=0):
    rng = np.random.default_rng(seed)
    return cca(*(rng.standard_normal((draws, n, units)) for units in (p, q))).coefficients


@pytest.mark.parametrize(("p", "q", "n"), [(12, 5, 60), (5, 12, 20), (8, 8, 17), (6, 9, 12)])
def test_mean_and_variance_of_the_mean_square_are_those_of_gaussian_layers(p, q, n):
    found = (coefficients(p, q, n) ** 2).mean(-1)
    variance = chance.mean_square_variance(p, q, n)
    assert found.mean() == pytest.approx(chance.mean_square(p, q, n), abs=4 * math.sqrt(variance / len(found)))
    assert found.var() == pytest.approx(variance, rel=0.4)


def test_shuffling_gives_any_two_layers_the_same_mean_exactly():
    """All 120 orders of five samples, of two layers that are anything but Gaussian."""
    from itertools import permutations

    x = np.array([[0, 0, 0, 0, 1], [1, 8, 27, 64, 125]], float).T
    y = np.array([[3, 1, 4, 1, 5]], float).T
    found = [(cca(x, y[list(order)]).coefficients ** 2).mean() for order in permutations(range(5))]
    assert np.mean(found) == pytest.approx(chance.mean_square(2, 1, 5), abs=1e-12)


def test_one_unit_against_one_unit_is_a_beta_law():
    """ρ² of two single units is Beta(1/2, (n-2)/2)."""
    from scipy import stats

    law = stats.beta(0.5, 4)
    assert chance.mean_square(1, 1, 10) == pytest.approx(law.mean())
    assert chance.mean_square_variance(1, 1, 10) == pytest.approx(law.var())


@pytest.mark.parametrize(("p", "q", "n"), [(40, 20, 300), (30, 30, 100), (40, 20, 50)])
def test_wachters_law_and_its_edge(p, q, n):
    found = coefficients(p, q, n, 60)
    law = chance.wachter(p, q, n)
    assert len(law) == min(p, q)
    assert (np.diff(law) <= 0).all()
    np.testing.assert_allclose(found.mean(0)[1:-1], law[1:-1], atol=0.02)
    low, high = chance.edges(p, q, n)
    assert low <= law[-1] < law[0] <= high
    assert (law[: chance.forced(p, q, n)] == 1).all()


@pytest.mark.parametrize(("p", "q", "n"), [(40, 20, 300), (30, 30, 100)])
def test_the_largest_coefficient_is_where_johnstone_puts_it(p, q, n):
    found = coefficients(p, q, n)[:, 0]
    mean, deviation = chance.largest(p, q, n)
    assert found.mean() == pytest.approx(mean, abs=0.3 * deviation + 4 * deviation / math.sqrt(len(found)))
    assert found.std() == pytest.approx(deviation, rel=0.3)
    assert math.isnan(chance.largest(40, 20, 50)[0])


def test_after_cuts_counts_what_the_threshold_keeps():
    found = chance.after_cuts(40, 20, 5, 0.03, 0.99, ("none", "variance", "singular values"))
    assert found["kept_limit"][1].tolist() == [20, 5, 19]  # 5 + 15 * 0.03 = 5.45; 99 % of it is 5.3955
    assert found["limit"][1] == [0.25, 1, 5 / 19]
    assert math.isnan(chance.after_cuts(10, 10, 5, 3.0, 0.99, ("variance",))["limit"][1][0])

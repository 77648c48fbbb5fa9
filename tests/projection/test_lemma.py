"""The lemma's bound, the law of a projected length and its tails."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, stats
from sklearn.random_projection import johnson_lindenstrauss_min_dim

from layerlab.projection import (
    chernoff_tail,
    distortion_variance,
    failure_probability,
    length_distribution,
    minimum_dimension,
    random_map,
    ratio_distribution,
    spikiness,
)

relaxed = settings(deadline=None, max_examples=200)
dimensions = st.integers(1, 10**6).flatmap(lambda d: st.tuples(st.just(d), st.integers(1, d)))


class TestMinimumDimension:
    @pytest.mark.parametrize(
        ("n", "eps", "k"), [(1000, 0.1, 5921), (60_000, 0.2, 2539), (2, 0.5, 34), (1797, 0.3, 833)]
    )
    def test_known_values(self, n, eps, k):
        assert minimum_dimension(n, eps) == k

    @pytest.mark.parametrize(("n", "eps"), [(1000, 0.1), (60_000, 0.2), (1797, 0.25)])
    def test_scikit_learn_truncates_where_we_take_the_ceiling(self, n, eps):
        assert minimum_dimension(n, eps) == int(johnson_lindenstrauss_min_dim(n, eps=eps)) + 1

    @relaxed
    @given(st.integers(2, 10**12), st.floats(0.001, 0.999))
    @example(2, 0.999)
    @example(10**300, 1e-5)
    def test_is_the_smallest_integer_that_satisfies_the_bound(self, n, eps):
        """k - 1 < 4 ln n / c <= k says exp((k-1) c / 4) < n <= exp(k c / 4): checked by exp, where it uses ln."""
        k = minimum_dimension(n, eps)
        c = Fraction(eps) ** 2 / 2 - Fraction(eps) ** 3 / 3
        with localcontext() as context:
            context.prec = 80 + len(str(n))
            quarter = Decimal(c.numerator) / Decimal(c.denominator) / 4
            assert ((k - 1) * quarter).exp() < n <= (k * quarter).exp()

    @relaxed
    @given(st.integers(10, 10**6), st.integers(2, 10**5))
    def test_exact_where_floats_round_the_quotient_onto_an_integer(self, k, n):
        """Take the eps whose quotient is nearest to k; its neighbours on either side must fall on k and k + 1."""

        def excess(eps):
            return 4 * math.log(n) / (eps**2 / 2 - eps**3 / 3) - k

        assume(excess(0.999) < 0)
        eps = optimize.brentq(excess, 1e-4, 0.999, xtol=1e-18, rtol=8.9e-16)
        wider, narrower = min(eps * (1 + 1e-13), 0.999), eps * (1 - 1e-13)
        assert minimum_dimension(n, wider) == k
        assert minimum_dimension(n, narrower) == k + 1
        assert minimum_dimension(n, eps) in (k, k + 1)

    @relaxed
    @given(st.integers(2, 10**9), st.floats(0.01, 0.98))
    def test_grows_with_n_and_falls_with_eps(self, n, eps):
        assert minimum_dimension(n, eps) <= minimum_dimension(n + 1, eps)
        assert minimum_dimension(n, eps) >= minimum_dimension(n, eps + 0.01)

    def test_extreme_values_stay_exact(self):
        assert minimum_dimension(10**5000, 0.5) == math.ceil(4 * 5000 * math.log(10) / (1 / 8 - 1 / 24))
        assert len(str(minimum_dimension(2, 5e-324))) == 648  # 8 ln 2 / eps^2 with eps = 4.94e-324

    def test_numpy_numbers_are_numbers(self):
        assert minimum_dimension(np.int64(1000), np.float64(0.1)) == 5921

    @pytest.mark.parametrize("n", [1, 0, -5])
    def test_too_few_points_are_refused(self, n):
        with pytest.raises(ValueError, match=f"n must be at least 2, not {n}"):
            minimum_dimension(n, 0.1)

    @pytest.mark.parametrize("n", [True, 10.0, 10.5, "10", None, np.array([10]), np.array(10), [10], math.nan])
    def test_n_must_be_an_integer(self, n):
        with pytest.raises(TypeError, match="n must be an integer, not"):
            minimum_dimension(n, 0.1)

    @pytest.mark.parametrize("eps", [0, 1, 0.0, 1.0, -0.1, 2.0, math.nan, math.inf, -math.inf])
    def test_eps_outside_its_bounds_is_refused(self, eps):
        with pytest.raises(ValueError, match="eps must lie strictly between 0 and 1"):
            minimum_dimension(1000, eps)

    @pytest.mark.parametrize("eps", [True, "0.1", None, np.array([0.1]), np.array(0.1), [0.1], 0.1j])
    def test_eps_must_be_a_number(self, eps):
        with pytest.raises(TypeError, match="eps must be a number, not"):
            minimum_dimension(1000, eps)


class TestLengthDistribution:
    @relaxed
    @given(dimensions)
    def test_mean_and_variance(self, dk):
        d, k = dk
        law = length_distribution(d, k)
        assert law.mean() == pytest.approx(k / d, rel=1e-12)
        assert law.var() == pytest.approx(2 * k * (d - k) / (d * d * (d + 2)), rel=1e-9)

    @relaxed
    @given(st.integers(2, 2000).flatmap(lambda d: st.tuples(st.just(d), st.integers(1, d - 1))), st.integers(0, 1024))
    def test_the_other_coordinates_have_the_rest_of_the_length(self, dk, step):
        d, k = dk
        x = step / 1024  # so that 1 - x is exact: with d - k = 1 the law is infinitely steep at 1
        assert length_distribution(d, k).cdf(x) == pytest.approx(length_distribution(d, d - k).sf(1 - x), abs=1e-9)

    @relaxed
    @given(st.integers(3, 500), st.floats(0, 1))
    def test_two_coordinates_have_a_closed_form(self, d, x):
        assert length_distribution(d, 2).cdf(x) == pytest.approx(1 - (1 - x) ** (d / 2 - 1), abs=1e-12)

    def test_one_coordinate_of_a_circle_follows_the_arcsine_law(self):
        x = np.linspace(0, 1, 50)
        np.testing.assert_allclose(length_distribution(2, 1).cdf(x), 2 / np.pi * np.arcsin(np.sqrt(x)), atol=1e-12)

    def test_many_dimensions_give_a_chi_square(self):
        x = np.linspace(0.1, 30, 40)
        np.testing.assert_allclose(length_distribution(10**7, 5).cdf(x / 10**7), stats.chi2(5).cdf(x), atol=1e-6)

    @pytest.mark.parametrize(("d", "k"), [(3, 1), (20, 5), (50, 49)])
    def test_agrees_with_vectors_drawn_from_the_sphere(self, d, k):
        x = np.random.default_rng(7).standard_normal((20_000, d))
        lengths = (x[:, :k] ** 2).sum(axis=1) / (x**2).sum(axis=1)
        assert stats.kstest(lengths, length_distribution(d, k).cdf).pvalue > 1e-3

    @pytest.mark.parametrize("d", [1, 7])
    def test_all_coordinates_have_length_one_surely(self, d):
        law = length_distribution(d, d)
        assert (law.mean(), law.var(), law.std(), law.median()) == (1, 0, 0, 1)
        np.testing.assert_array_equal(law.cdf([0, 0.5, 1 - 1e-12, 1, 2]), [0, 0, 0, 1, 1])
        np.testing.assert_array_equal(law.sf([0, 0.5, 1]), [1, 1, 0])
        np.testing.assert_array_equal(law.ppf([0.01, 0.5, 1]), [1, 1, 1])
        np.testing.assert_array_equal(law.pdf([0.2, 0.9]), [0, 0])
        np.testing.assert_array_equal(law.rvs(4, random_state=1), np.ones(4))
        assert law.interval(0.9) == (1, 1)

    @pytest.mark.parametrize(("d", "k"), [(5, 6), (5, 0), (0, 0), (5, -1)])
    def test_impossible_dimensions_are_refused(self, d, k):
        with pytest.raises(ValueError, match="must be"):
            length_distribution(d, k)

    def test_dimensions_must_be_integers(self):
        with pytest.raises(TypeError, match="k must be an integer"):
            length_distribution(5, 2.0)


class TestChernoffTail:
    @settings(deadline=None, max_examples=500)
    @given(dimensions, st.floats(0, 1))
    @example((2, 1), 0.0)
    @example((10**6, 1), 1e-300)
    @example((10**6, 999_999), 0.999999)
    @example((10**6, 500_000), 0.99)
    @example((5, 5), 0.5)
    def test_lower_tail_holds(self, dk, beta):
        d, k = dk
        exact = length_distribution(d, k).cdf(beta * k / d)
        sharp, simple = chernoff_tail(d, k, beta), chernoff_tail(d, k, beta, "simple")
        assume(beta < 1)
        assert exact <= sharp * (1 + 1e-9) + 1e-300
        assert sharp <= simple <= 1

    @settings(deadline=None, max_examples=500)
    @given(dimensions, st.one_of(st.floats(1, 4), st.floats(1, 1e6)))
    @example((2, 1), 2.0)
    @example((10**6, 1), 700.0)
    @example((10**6, 500_000), 1.01)
    @example((10**6, 999_999), 1.0000005)
    @example((5, 5), 1.5)
    def test_upper_tail_holds(self, dk, beta):
        d, k = dk
        assume(beta > 1)
        threshold = beta * k / d
        exact = length_distribution(d, k).sf(threshold) if threshold < 1 else 0.0
        sharp, simple = chernoff_tail(d, k, beta), chernoff_tail(d, k, beta, "simple")
        assert exact <= sharp * (1 + 1e-9) + 1e-300
        assert sharp <= simple <= 1

    @relaxed
    @given(st.integers(2, 200), st.data())
    def test_is_the_formula_of_the_paper(self, d, data):
        k = data.draw(st.integers(1, d - 1))
        beta = data.draw(st.floats(0.01, d / k * 0.99))
        sharp = beta ** (k / 2) * (1 + (1 - beta) * k / (d - k)) ** ((d - k) / 2)
        assert chernoff_tail(d, k, beta) == pytest.approx(sharp, rel=1e-9)
        simple = math.exp(k / 2 * (1 - beta + math.log(beta)))
        assert chernoff_tail(d, k, beta, "simple") == pytest.approx(simple, rel=1e-9)

    @pytest.mark.parametrize(("d", "k", "beta"), [(10, 3, 0.4), (30, 3, 2.5), (100, 40, 0.9), (12, 11, 1.05)])
    def test_is_the_best_exponent_of_the_proof(self, d, k, beta):
        """E exp(t (beta k |X|^2 - d |Z|^2)) minimised numerically over t, its sign turned for the upper tail."""
        sign = 1 if beta < 1 else -1

        def logarithm(t):
            rest, kept = 1 - 2 * sign * t * k * beta, 1 - 2 * sign * t * (k * beta - d)
            if rest <= 0 or kept <= 0:
                return math.inf
            return -(d - k) / 2 * math.log(rest) - k / 2 * math.log(kept)

        end = 1 / (2 * k * beta) if beta < 1 else 1 / (2 * (d - k * beta))
        best = optimize.minimize_scalar(logarithm, bounds=(0, end), method="bounded", options={"xatol": 1e-12})
        assert chernoff_tail(d, k, beta) == pytest.approx(math.exp(best.fun), rel=1e-6)

    @relaxed
    @given(st.integers(1, 50), st.floats(0.01, 5))
    def test_sharp_becomes_simple_in_many_dimensions(self, k, beta):
        sharp, simple = (chernoff_tail(10**12, k, beta, form, log=True) for form in ("sharp", "simple"))
        assert sharp == pytest.approx(simple, rel=1e-6, abs=1e-9)

    @relaxed
    @given(st.integers(2, 1000).flatmap(lambda d: st.tuples(st.just(d), st.integers(1, d - 1))))
    def test_falls_away_from_the_mean_on_both_sides(self, dk):
        beta = np.linspace(0, 3, 61)
        for form in ("sharp", "simple"):
            bound = chernoff_tail(*dk, beta, form)
            assert np.all(np.diff(bound[beta <= 1]) >= 0)
            assert np.all(np.diff(bound[beta >= 1]) <= 0)

    def test_says_nothing_at_the_mean_and_zero_where_the_tail_is_empty(self):
        assert chernoff_tail(10, 5, 1.0) == chernoff_tail(10, 5, 1.0, "simple") == 1
        np.testing.assert_array_equal(chernoff_tail(10, 5, [0.0, 2.0, 2.1, 100.0]), np.zeros(4))
        assert chernoff_tail(10, 5, 2.0, log=True) == -math.inf
        np.testing.assert_array_equal(chernoff_tail(6, 6, [0.9, 1.0, 1.1]), [0, 1, 0])

    def test_shape_follows_beta(self):
        assert isinstance(chernoff_tail(10, 5, 0.5), float)
        assert chernoff_tail(10, 5, np.full((2, 3), 0.5)).shape == (2, 3)
        assert chernoff_tail(10, 5, np.array([], dtype=float)).shape == (0,)

    @pytest.mark.parametrize("beta", [-0.1, math.nan, math.inf, [0.5, -1]])
    def test_bad_beta_is_refused(self, beta):
        with pytest.raises(ValueError, match="beta must"):
            chernoff_tail(10, 5, beta)

    def test_bad_dimensions_and_forms_are_refused(self):
        with pytest.raises(ValueError, match="k must be between 1 and 10, not 11"):
            chernoff_tail(10, 11, 0.5)
        with pytest.raises(ValueError, match="form must be 'simple' or 'sharp', not 'exact'"):
            chernoff_tail(10, 5, 0.5, "exact")


class TestFailureProbability:
    @relaxed
    @given(st.integers(2, 10**6), st.floats(0.02, 0.98))
    def test_the_lemma(self, n, eps):
        """At the minimum dimension the union bound is at most 1 - 1/n: some map keeps all distances."""
        assert failure_probability(n, minimum_dimension(n, eps), eps) <= 1 - 1 / n + 1e-12

    @relaxed
    @given(st.integers(2, 10**6), st.integers(2, 3000), st.floats(0.02, 0.98), st.data())
    def test_each_form_is_no_weaker_than_the_one_before(self, n, d, eps, data):
        k = data.draw(st.integers(1, d))
        simple = failure_probability(n, k, eps)
        sharp, exact = (failure_probability(n, k, eps, d, form) for form in ("sharp", "exact"))
        assert 0 <= exact <= sharp * (1 + 1e-9) <= simple * (1 + 2e-9)
        assert simple <= 1

    def test_is_exact_for_a_single_pair(self):
        law = length_distribution(50, 20)
        inside, _ = integrate.quad(law.pdf, 0.7 * 0.4, 1.3 * 0.4)
        assert failure_probability(2, 20, 0.3, 50, "exact") == pytest.approx(1 - inside, rel=1e-9)

    def test_bounds_what_random_maps_do(self):
        n, d, eps, k, draws = 6, 60, 0.5, 40, 400
        x = np.random.default_rng(0).standard_normal((n, d))
        first, second = np.triu_indices(n, 1)
        pairs = x[first] - x[second]
        failed = 0
        for seed in range(draws):
            ratio = (random_map("orthonormal", d, k, seed)(pairs) ** 2).sum(axis=1) / (pairs**2).sum(axis=1)
            failed += bool(np.any(np.abs(ratio - 1) >= eps))
        bound = failure_probability(n, k, eps, d, "exact")
        assert failed / draws <= bound + 4 * math.sqrt(bound / draws)
        assert failed / draws >= bound / 5  # the union bound is not idle here: the pairs fail nearly apart

    def test_nothing_fails_when_nothing_is_dropped(self):
        assert failure_probability(1000, 50, 0.01, 50, "exact") == 0
        assert failure_probability(1000, 50, 0.01, 50, "sharp") == 0

    def test_stays_finite_for_huge_numbers(self):
        assert failure_probability(10**200, 1, 0.5) == 1
        assert failure_probability(10**6, 10**9, 0.5) == 0

    def test_bad_input_is_refused(self):
        with pytest.raises(ValueError, match="needs d"):
            failure_probability(10, 5, 0.5, form="exact")
        with pytest.raises(ValueError, match="form must be one of simple, sharp, exact, not 'loose'"):
            failure_probability(10, 5, 0.5, 10, "loose")
        with pytest.raises(ValueError, match="k must be between 1 and 4, not 5"):
            failure_probability(10, 5, 0.5, 4, "sharp")


class TestRatioDistribution:
    @relaxed
    @given(dimensions)
    def test_mean_one_and_known_variance(self, dk):
        d, k = dk
        gaussian, orthonormal = ratio_distribution("gaussian", d, k), ratio_distribution("orthonormal", d, k)
        assert gaussian.mean() == pytest.approx(1)
        assert orthonormal.mean() == pytest.approx(1)
        assert gaussian.var() == pytest.approx(2 / k)
        assert orthonormal.var() == pytest.approx(2 * (d - k) / (k * (d + 2)), rel=1e-9)

    def test_gaussian_maps_may_be_wider_than_their_input(self):
        assert ratio_distribution("gaussian", 3, 10).var() == pytest.approx(0.2)
        with pytest.raises(ValueError, match="k must be between 1 and 3, not 10"):
            ratio_distribution("orthonormal", 3, 10)

    def test_sparse_maps_have_no_law_of_their_own(self):
        with pytest.raises(ValueError, match="not 'sparse'"):
            ratio_distribution("sparse", 10, 3)


def test_spikiness_ranges_from_one_coordinate_to_all_alike():
    assert spikiness(np.array([[0.0, 0, 0, 0], [0, 5, 0, 0]])) == pytest.approx(1)
    assert spikiness(np.array([[0.0, 0, 0, 0], [2, -2, 2, 2], [2, -2, 2, 2]])) == pytest.approx(1 / 4)


def test_the_variance_of_a_distortion_is_that_of_its_law():
    assert distortion_variance("gaussian", 9, 5) == pytest.approx(2 / 5)
    assert distortion_variance("orthonormal", 9, 5) == pytest.approx(2 * 4 / (5 * 11))
    assert distortion_variance("orthonormal", 9, 9) == 0
    assert distortion_variance("sparse", 9, 5, 0.4) == pytest.approx(2 / 5)  # sqrt(9) = 3: as a Gaussian one
    assert distortion_variance("sparse", 49, 5, 0.4) == pytest.approx((2 + 4 * 0.4) / 5)


@pytest.mark.parametrize("spikiness", [None, 0.01, 1.5, np.nan])
def test_a_sparse_map_needs_the_vector(spikiness):
    with pytest.raises(ValueError, match="spikiness"):
        distortion_variance("sparse", 9, 5, spikiness)


def test_a_map_of_no_kind_has_no_variance():
    with pytest.raises(ValueError, match="kind"):
        distortion_variance("dense", 9, 5)

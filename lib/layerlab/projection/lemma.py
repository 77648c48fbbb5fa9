"""The Johnson-Lindenstrauss lemma and the law of a projected length (Dasgupta & Gupta 2003).

Let Z be the first k coordinates of a unit vector drawn uniformly from the sphere in R^d, and L = |Z|^2. Up to the
scale d/k, L is what an orthonormal random map to R^k makes of the squared length of any fixed vector of R^d:
fixing the vector and turning the subspace is the same as fixing the subspace and turning the vector.

Source: S. Dasgupta, A. Gupta, An elementary proof of a theorem of Johnson and Lindenstrauss,
Random Structures & Algorithms 22 (2003) 60-65.
"""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, Decimal, localcontext
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from layerlab.arrays import fraction, is_tensor, matrix, real_values, to_numpy, whole

if TYPE_CHECKING:
    from scipy.stats.distributions import rv_frozen

Form = Literal["simple", "sharp", "exact"]
_FORMS = ("simple", "sharp", "exact")


def minimum_dimension(n: int, eps: float) -> int:
    """Smallest integer k with k >= 4 ln n / (eps^2/2 - eps^3/3), the bound of the lemma.

    For any n points in R^d, d > k, a random orthonormal map to R^k, scaled by sqrt(d/k), keeps all pairwise squared
    distances within a factor 1 +- eps with probability at least 1/n: one pair fails with probability at most
    2/n^2, and there are n(n-1)/2 pairs.

    The ceiling is exact for the float `eps`, whatever its size: the quotient is computed in decimal arithmetic with
    as many digits as it takes. (ln n is transcendental, so it never is an integer and the ceiling is always decided.)

    n: number of points, an integer >= 2. eps: distortion, 0 < eps < 1.
    Raises TypeError for a bool, a non-integer n or an array; ValueError outside the bounds or for NaN.

    >>> minimum_dimension(1000, 0.1), minimum_dimension(60_000, 0.2)
    (5921, 2539)
    """
    n, eps = whole(n, "n", 2), fraction(eps, "eps")
    digits = 40 - 2 * math.floor(math.log10(eps)) + len(str(n.bit_length()))
    while True:
        lowest, highest = _ceilings(n, eps, digits)
        if lowest == highest:
            return lowest
        digits *= 2


def _ceilings(n: int, eps: float, digits: int) -> tuple[int, int]:
    """Ceiling of the bound's quotient, lowered and raised by far more than its rounding error at `digits` digits."""
    with localcontext() as context:
        context.prec = digits
        exact = Decimal(eps)
        quotient = 4 * Decimal(n).ln() / (exact**2 / 2 - exact**3 / 3)
        error = quotient.scaleb(10 - digits)
        return (
            int((quotient - error).to_integral_value(ROUND_CEILING)),
            int((quotient + error).to_integral_value(ROUND_CEILING)),
        )


def length_distribution(d: int, k: int) -> rv_frozen:
    """Law of L = |first k coordinates of a uniformly random unit vector in R^d|^2, as a frozen scipy distribution.

    L ~ Beta(k/2, (d-k)/2) for k < d: with X standard normal, L = (X_1^2+..+X_k^2) / (X_1^2+..+X_d^2), a chi-square
    over itself plus an independent one. Mean k/d, variance 2k(d-k) / (d^2(d+2)).
    For k = d the whole vector is kept and L = 1 surely: a point mass at 1 with the same methods.

    d, k: integers, 1 <= k <= d. Raises TypeError for non-integers, ValueError outside the bounds.

    >>> round(length_distribution(100, 20).mean(), 12)
    0.2
    """
    d = whole(d, "d", 1)
    k = whole(k, "k", 1, d)
    from scipy import stats  # slow to import, so only when it is used

    return stats.beta(k / 2, (d - k) / 2) if k < d else _point_mass()()


@cache
def _point_mass() -> Any:
    """The scipy distribution that is 1 surely, on the Beta law's support [0, 1]."""
    from scipy import stats

    class PointMass(stats.rv_continuous):
        def _cdf(self, x):
            return np.where(x >= 1, 1.0, 0.0)

        def _pdf(self, x):
            return np.where(x >= 1, np.inf, 0.0)

        def _ppf(self, q):
            return np.ones_like(q)

        def _rvs(self, size=None, random_state=None):
            return np.ones(size if size is not None else ())

        def _munp(self, n):
            return 1.0

        def _entropy(self):
            return -np.inf

    return PointMass(a=0.0, b=1.0, name="point mass at 1")


def chernoff_tail(d: int, k: int, beta: Any, form: Literal["simple", "sharp"] = "sharp", log: bool = False) -> Any:
    """Chernoff bound on the tail of L beyond beta times its mean: P[L <= beta k/d] for beta < 1,
    P[L >= beta k/d] for beta > 1, and 1 (no statement) at beta = 1.

    sharp:  beta^(k/2) (1 + (1-beta) k/(d-k))^((d-k)/2), the Chernoff bound at its best exponent; it is 0 where the
            tail is empty (beta k >= d).
    simple: exp(k/2 (1 - beta + ln beta)), weaker by 1 + x <= e^x; it no longer knows d.
    For k = d, L = 1 surely and the sharp bound is 0 on both sides.

    With u = (beta-1) k/(d-k) and f(x) = ln(1+x) - x <= 0, ln(simple) = (k/2) f(beta-1) and
    ln(sharp) = ln(simple) + ((d-k)/2) f(-u): that is how they are computed, free of cancellation.

    d, k: integers, 1 <= k <= d. beta: number or array, >= 0. log: return the natural logarithm of the bound.
    Returns a float for a number, else an array of beta's shape. Raises TypeError or ValueError for other input.
    Source: Dasgupta & Gupta 2003, lemma 2.2 and its proof.

    >>> round(float(chernoff_tail(100, 20, 0.5)), 4), round(float(chernoff_tail(100, 20, 0.5, "simple")), 4)
    (0.1073, 0.1449)
    """
    d = whole(d, "d", 1)
    k = whole(k, "k", 1, d)
    if form not in ("simple", "sharp"):
        raise ValueError(f"form must be 'simple' or 'sharp', not {form!r}")
    if is_tensor(beta):
        raise TypeError("beta must be a number or a numpy array, not a tensor")
    ratios = real_values(beta, "beta", low=0.0).astype(np.float64)
    if np.isinf(ratios).any():
        raise ValueError("beta must be finite")
    exponent = k / 2 * _log_minus(ratios - 1, ratios)
    if form == "sharp":
        if k < d:
            exponent = exponent + (d - k) / 2 * _log_minus((1 - ratios) * (k / (d - k)))
        else:
            exponent = np.where(ratios == 1, 0.0, -np.inf)
    bound = exponent if log else np.exp(exponent)
    return bound if np.ndim(beta) else float(bound)


def _log_minus(x: np.ndarray, one_plus_x: np.ndarray | None = None) -> np.ndarray:
    """ln(1+x) - x, never above 0, and -inf for x <= -1; `one_plus_x` where it is known more exactly than 1 + x."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithm = np.log1p(np.maximum(x, -1.0))
        if one_plus_x is not None:
            logarithm = np.where(one_plus_x < 0.5, np.log(one_plus_x), logarithm)
    return np.minimum(logarithm - x, 0.0)


def failure_probability(n: int, k: int, eps: float, d: int | None = None, form: Form = "simple") -> float:
    """Union bound on the probability that any of the n(n-1)/2 pairs leaves 1 +- eps under a random map to R^k.

    min(1, n(n-1)/2 (P[L <= (1-eps) k/d] + P[L >= (1+eps) k/d])), each tail taken from
    'simple': Dasgupta and Gupta's bound exp(k/2 (1-beta+ln beta)), no d needed; it bounds Gaussian maps as well;
    'sharp': their bound before 1 + x <= e^x; 'exact': the Beta law itself. Both need d, the dimension before.

    At k = minimum_dimension(n, eps) it is at most 1 - 1/n, which is the lemma. Raises TypeError or ValueError for
    n < 2, k < 1, eps outside (0, 1), d < k, or a form that needs d without it.

    >>> failure_probability(1000, minimum_dimension(1000, 0.1), 0.1) < 1 - 1 / 1000
    True
    """
    n, eps = whole(n, "n", 2), fraction(eps, "eps")
    if form not in _FORMS:
        raise ValueError(f"form must be one of {', '.join(_FORMS)}, not {form!r}")
    if d is None and form != "simple":
        raise ValueError(f"form {form!r} needs d, the dimension before the map")
    dimension = whole(k, "k", 1) if d is None else whole(d, "d", 1)
    k = whole(k, "k", 1, None if d is None else dimension)
    if form == "exact":
        law = length_distribution(dimension, k)
        tails = law.cdf((1 - eps) * k / dimension) + law.sf((1 + eps) * k / dimension)
        logarithm = math.log(tails) if tails > 0 else -math.inf
    else:
        low, high = chernoff_tail(dimension, k, np.array([1 - eps, 1 + eps]), form, log=True)
        logarithm = float(np.logaddexp(low, high))
    return math.exp(min(0.0, math.log(n * (n - 1) // 2) + logarithm))


def ratio_distribution(kind: str, d: int, k: int) -> rv_frozen:
    """Law of the distortion |R(x-y)|^2 / |x-y|^2 of one fixed pair under a random map R from R^d to R^k.

    orthonormal: (d/k) L, a Beta(k/2, (d-k)/2) stretched by d/k, variance 2(d-k) / (k(d+2)).
    gaussian: chi-square with k degrees of freedom over k, variance 2/k, whatever d is.
    Both have mean 1. A sparse map has no such law: its distortion depends on the pair.

    d, k: integers >= 1, and k <= d for orthonormal. Returns a frozen scipy distribution.
    """
    d, k = whole(d, "d", 1), whole(k, "k", 1)
    from scipy import stats

    if kind == "gaussian":
        return stats.chi2(k, scale=1 / k)
    if kind == "orthonormal":
        whole(k, "k", 1, d)
        return stats.beta(k / 2, (d - k) / 2, scale=d / k) if k < d else _point_mass()()
    raise ValueError(f"kind must be 'gaussian' or 'orthonormal' (one law for every pair), not {kind!r}")


def distortion_variance(kind: str, d: int, k: int, spikiness: float | None = None) -> float:
    """Variance of the distortion |Rx|^2 / |x|^2 under a `random_map` of that kind from R^d to R^k.

    gaussian: 2/k. orthonormal: 2(d-k) / (k(d+2)). sparse, whose entries have kurtosis sqrt(d):
    (2 + (sqrt(d) - 3) s) / k, where s = sum x_i^4 / (sum x_i^2)^2 is the `spikiness` of the vector.
    Raises ValueError for an unknown kind, and for a sparse map without a spikiness in [1/d, 1].
    """
    if kind != "sparse":
        return float(ratio_distribution(kind, d, k).var())
    d, k = whole(d, "d", 1), whole(k, "k", 1)
    if spikiness is None or not 1 / d * (1 - 1e-9) <= spikiness <= 1 + 1e-9:
        raise ValueError(f"spikiness must lie between 1/d = {1 / d:g} and 1 for a sparse map, it was {spikiness!r}")
    return (2 + (math.sqrt(d) - 3) * spikiness) / k


def spikiness(x: Any, rows: int = 500) -> float:
    """Mean of sum z^4 / (sum z^2)^2 over the differences z = x_i - x_j: 1/d if all coordinates weigh the same, 1 if
    one does.

    x: samples x d; the first `rows` rows are used. Coincident pairs are left out; 0 if there are no others.
    """
    x = to_numpy(matrix(x, "x"))[: whole(rows, "rows", 1)]
    total, count = 0.0, 0
    for i in range(len(x) - 1):
        squares = (x[i + 1 :] - x[i]) ** 2
        length = squares.sum(1)
        apart = length > 0
        total += float(((squares**2).sum(1)[apart] / length[apart] ** 2).sum())
        count += int(apart.sum())
    return total / max(count, 1)

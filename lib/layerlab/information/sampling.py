"""Learning from samples: empirical joints, how far their informations miss, and what two kinds of bounds promise.

Sources: O. Shamir, S. Sabato, N. Tishby, Learning and generalization with the information bottleneck, 2010;
L. Paninski, Estimation of entropy and mutual information, 2003; A. Antos, I. Kontoyiannis, Convergence properties of
functional estimates for discrete distributions, 2001.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from layerlab.arrays import fraction, is_tensor, namespace, real_values, to_numpy, whole
from layerlab.information.measures import check_distribution, entropy, mutual_information


def empirical_joint(p_xy: Any, n: int, rng: np.random.Generator, repeats: int | None = None) -> Any:
    """The relative frequencies of `n` independent draws from a joint distribution.

    p_xy: (..., |X|, |Y|) joint probabilities; leading axes are a batch. rng: where the draws come from. repeats: so
    many independent samples of each joint, on a new first axis (None: one, and no new axis). Returns p̂ of shape
    (repeats, ..., |X|, |Y|), each entry a multiple of 1/n; for a tensor a tensor on its device.
    Raises ValueError for what is no joint distribution, for n < 1 and repeats < 1, TypeError for n not an integer.
    """
    p_xy = check_distribution(p_xy, "p_xy", (-2, -1))
    n = whole(n, "n", 1)
    lead = () if repeats is None else (whole(repeats, "repeats", 1),)
    p = to_numpy(p_xy).astype(np.float64)
    cells = p.reshape(*p.shape[:-2], -1)
    shape = lead + cells.shape[:-1]
    counts = rng.multinomial(n, cells / cells.sum(-1, keepdims=True), size=shape).reshape(*lead, *p.shape)
    return p_xy.new_tensor(counts) / n if is_tensor(p_xy) else counts / n


def information_bias(x_size: int, y_size: int, n: int) -> float:
    """How much I(X;Y) of an empirical joint exceeds the true one on average, to first order in 1/n, in bits.

        (|X| - 1)(|Y| - 1) / (2 n ln 2)

    The Miller-Madow correction of the three entropies, for a joint without empty cells and n large beside |X||Y|: with
    fewer samples it overstates the bias. Where the true information is zero it is the mean of a chi-square, G/(2 n ln
    2). Raises ValueError or TypeError unless all are integers of at least 1. Source: G. Miller 1955; Paninski 2003,
    section 4.
    """
    x_size, y_size, n = whole(x_size, "x_size", 1), whole(y_size, "y_size", 1), whole(n, "n", 1)
    return (x_size - 1) * (y_size - 1) / (2 * n * math.log(2))


def entropy_shortfall(size: int, n: int) -> float:
    """An upper bound, in bits, on H - E Ĥ, the mean shortfall of the empirical entropy: log2(1 + (K - 1)/n).

    size: K, the number of values. It holds for every distribution and n: H - E Ĥ = E D(p̂ || p), and the mean of a
    logarithm is at most the logarithm of the mean, 1 + E χ². Below log2 K it needs n > 1. Source: Paninski 2003.
    """
    return math.log2(1 + (whole(size, "size", 1) - 1) / whole(n, "n", 1))


def entropy_deviation(n: int, delta: float) -> float:
    """log2(n) √(2 ln(1/δ)/n) bits: with probability 1 - δ, Ĥ is no farther below (and, as likely, above) its mean.

    One draw replaced by another changes Ĥ by no more than 2 log2(n)/n; then McDiarmid's inequality. It knows nothing
    of the number of values. For n >= 2; 0 < delta < 1, else ValueError. Source: Antos & Kontoyiannis 2001, section 3.
    """
    n, delta = whole(n, "n", 2), fraction(delta, "delta")
    return math.log2(n) * math.sqrt(2 * math.log(1 / delta) / n)


def encoder_error_scale(size: Any, n: Any) -> Any:
    """K/√n, the scale in I(X;T) <= Î(X;T) + O(K/√n) bits, K = |T|. The constant is not known: this has constant 1."""
    return _positive(size, "size") / _positive(n, "n") ** 0.5


def decoder_error_scale(i_xt: Any, y_size: int, n: Any) -> Any:
    """√(2^I(X;T) |Y| / n), the scale in I(T;Y) <= Î(T;Y) + O(...); no constant is known, here it is 1.

    i_xt: number or array of at least 0; y_size: |Y|; n: samples, broadcast against i_xt.
    """
    i_xt = real_values(i_xt, "i_xt", low=0)
    return (2.0**i_xt * whole(y_size, "y_size", 1) / _positive(n, "n")) ** 0.5


def hypothesis_class_bound(log2_size: Any, m: Any, delta: float = 0.05) -> Any:
    """√((ln |H| + ln(1/δ)) / (2m)): with probability 1 - δ no h in H has a larger gap of true and training error.

    From Hoeffding's inequality for each hypothesis and the union bound, so H must be chosen before the m samples are
    seen. log2_size: log2 |H|, number or array of at least 0; m: samples, broadcast. 0 < delta < 1. A bound of 1 or
    more says nothing.
    """
    log2_size = real_values(log2_size, "log2_size", low=0)
    return ((log2_size * math.log(2) - math.log(fraction(delta, "delta"))) / (2 * _positive(m, "m"))) ** 0.5


def input_compression_bound(i_xt: Any, m: Any, delta: float = 0.05) -> Any:
    """`hypothesis_class_bound` with 2^I(X;T) for log2 |H|: √((2^I(X;T) ln 2 + ln(1/δ)) / (2m)), i_xt in bits.

    A representation T of K cells allows 2^K ways to give each of them one of two labels: log2 |H| = K. Writing
    2^I(X;T) for K is exact for cells of equal mass; for others 2^I(X;T) < K, and then this is a proposal, not a
    theorem.
    """
    return hypothesis_class_bound(2.0 ** real_values(i_xt, "i_xt", low=0), m, delta)


def plane_point(p_xy: Any, encoder: Any) -> tuple[Any, Any]:
    """(I(X;T), I(T;Y)) in bits of an encoder p(t|x), under any joint: the one that it was made for, or the true one.

    p_xy: (..., |X|, |Y|); encoder: (..., |X|, |T|), rows sum to 1; leading axes broadcast. T is drawn from X alone:
    Y-X-T.
    """
    p_xy = check_distribution(p_xy, "p_xy", (-2, -1))
    encoder = check_distribution(encoder, "encoder")
    p_xt = p_xy.sum(-1)[..., None] * encoder
    p_ty = encoder.swapaxes(-1, -2) @ p_xy
    return mutual_information(unit_total(p_xt)), mutual_information(unit_total(p_ty))


def smoothed_decoder(counts: Any, pseudocount: float = 0.5) -> Any:
    """q(y|t) = (n(t,y) + a) / (n(t) + a |Y|) from counts (..., |T|, |Y|), which soft encoders make fractional.

    pseudocount: a > 0; 1/2 is Krichevsky and Trofimov's choice. A cell that was never seen says 1/|Y|.
    """
    counts = real_values(counts, "counts", low=0)
    if not pseudocount > 0:
        raise ValueError(f"pseudocount must be above 0; it was {pseudocount!r}")
    raised = counts + pseudocount
    return raised / raised.sum(-1)[..., None]


def delivered_information(p_ty: Any, decoder: Any) -> Any:
    """What a decoder q(y|t) gets out of T, in bits: H(Y) - E[-log2 q(Y|T)] = I(T;Y) - E_t D(p(y|t) || q(y|t)).

    p_ty: (..., |T|, |Y|), the true joint; decoder: the same shape, rows sum to 1, as learned from a sample. Never above
    I(T;Y), negative if ignorance would have done better, minus infinity if q rules out what happens.
    """
    p_ty, decoder = check_distribution(p_ty, "p_ty", (-2, -1)), check_distribution(decoder, "decoder")
    xlogy = namespace(p_ty).xlogy if is_tensor(p_ty) else special.xlogy
    loss = -xlogy(p_ty, decoder).sum((-2, -1)) / math.log(2)
    return entropy(p_ty.sum(-2)) - loss


def unit_total(p: Any) -> Any:
    """A joint distribution over the last two axes whose total rounding moved off 1, divided by that total."""
    return p / p.sum((-2, -1))[..., None, None]


def _positive(value: Any, name: str) -> Any:
    return real_values(value, name, low=np.finfo(float).tiny)

"""Signal, noise and the capacity of Gaussian channels: what class means and scatter alone say of a layer.

A layer T is read as a channel from a class c to activations: the class means are the signal, the scatter about them the
noise. Were signal and noise Gaussian with these covariances S and N, the channel would carry

    C = 1/2 log2 det(1 + N^-1 S),   for one unit   C = 1/2 log2(1 + SNR)  bits.

For a given N, Gaussian noise is the noise that harms most: C is no upper bound for other noise (Ihara 1978).

Sources: C. E. Shannon 1948; T. M. Cover, J. A. Thomas, Elements of Information Theory, 2nd edition 2006, chapter 9.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from layerlab.arrays import is_tensor, namespace, real_values, to_numpy
from layerlab.information.measures import check_distribution

FLAT = 1e-12  # directions of less variance, relative to the largest, are rounding
REACH, NODES = 10.0, 1001  # the quadrature: standard deviations on either side, and points


def gaussian_capacity(snr: Any) -> Any:
    """1/2 log2(1 + SNR) bits: the most that a Gaussian channel carries at this ratio of signal to noise power.

    snr: number or array of at least 0. Returns its shape (tensor for tensor). Raises ValueError for negative or NaN.
    Source: Shannon 1948, theorem 17.
    """
    snr = real_values(snr, "snr", low=0)
    values = namespace(snr).log1p(snr) / (2 * math.log(2))
    return values if is_tensor(values) or values.ndim else float(values)


def class_covariances(t: Any, labels: Any) -> tuple[Any, Any]:
    """(between, within): the covariance of the class means, and the mean covariance about them.

        between = sum_c p_c (m_c - m)(m_c - m)^T,   within = sum_c p_c Cov(T | c),   between + within = Cov(T)

    with p_c, m_c, Cov(T | c) the frequency, mean and covariance of class c over the samples, not corrected for their
    number. t: (..., samples, units). labels: (samples,) integers, the same for all leading axes. Returns two arrays
    (..., units, units): float64, for a tensor tensors of float64 on its device (float32 on "mps").
    Raises ValueError for shapes that do not fit and for activations that are not finite.
    """
    t = real_values(t, "t")
    labels = to_numpy(labels)
    if t.ndim < 2 or labels.shape != (t.shape[-2],) or not len(labels):
        raise ValueError(
            f"t must be (..., samples, units) with a label for each sample; they were {tuple(t.shape)}, {labels.shape}"
        )
    _, index = np.unique(labels, return_inverse=True)
    share = np.eye(index.max() + 1)[index.reshape(-1)]  # (samples, classes)
    if is_tensor(t):
        t = t.detach()
        t = t if t.device.type == "mps" else t.double()
        share = t.new_tensor(share)
    else:
        t = t.astype(np.float64)
    p = share.mean(0)
    centred = t - t.mean(-2)[..., None, :]
    means = share.swapaxes(0, 1) @ centred / (len(labels) * p[:, None])
    scatter = centred - share @ means
    between = (means * p[:, None]).swapaxes(-1, -2) @ means
    return between, scatter.swapaxes(-1, -2) @ scatter / len(labels)


def gaussian_information(signal: Any, noise: Any) -> Any:
    """1/2 log2 det(1 + N^-1 S) bits, what a Gaussian signal of covariance S tells through Gaussian noise of N.

    Computed as -1/2 sum_i log2(1 - r_i), r_i the eigenvalues of (S + N)^-1 S, the squared canonical correlations of
    signal and output: linear invertible maps of the output change nothing. Directions without signal and noise (of
    less than 1e-12 of the largest variance) say nothing and are left out; signal without noise says infinitely much.
    signal, noise: (..., units, units), covariances. numpy float64 out, the leading shape (a float for one).
    Raises ValueError for shapes that differ, and for covariances that are not symmetric and finite.
    """
    s, n = (to_numpy(real_values(v, name)).astype(np.float64) for v, name in ((signal, "signal"), (noise, "noise")))
    if s.shape != n.shape or s.ndim < 2 or s.shape[-1] != s.shape[-2]:
        raise ValueError(f"signal and noise must be (..., units, units), alike; they were {s.shape} and {n.shape}")
    for name, each in (("signal", s), ("noise", n)):
        if not np.isfinite(each).all() or not np.allclose(each, each.swapaxes(-1, -2), atol=1e-9 * abs(each).max()):
            raise ValueError(f"{name} must be finite and symmetric")
    values, vectors = np.linalg.eigh(s + n)
    held = values > FLAT * np.maximum(values[..., -1:], np.finfo(float).tiny)
    scale = np.where(held, 1 / np.sqrt(np.where(held, values, 1)), 0)
    white = vectors * scale[..., None, :]
    shares = np.linalg.eigvalsh(white.swapaxes(-1, -2) @ s @ white).clip(0, 1)
    with np.errstate(divide="ignore"):
        bits = -np.log1p(-np.where(shares > 1 - FLAT, 1, shares)).sum(-1) / (2 * math.log(2))
    return bits if bits.ndim else float(bits)


def class_channel_information(means: Any, p: Any, variance: Any = 1.0) -> Any:
    """I(C;T) in bits of T = m_C + Gaussian noise of that variance, for a class C of probability p_c: exact.

        I(C;T) = sum_c p_c E[ log2 N(T; m_c, v) / sum_k p_k N(T; m_k, v) | c ]

    by the trapezoid rule, whose error for such integrands is below 1e-9. Never above gaussian_capacity(Var(m) / v),
    since among all densities of one variance the Gaussian has the largest entropy, and never above H(C).
    means: (..., classes). p: (..., classes), sums to 1. variance: positive, broadcast against the leading shape.
    Returns the leading shape, float64 (a float for one channel). For more units than one with a common covariance of
    noise and two classes, the projection on Fisher's direction is sufficient, so this is all there is.
    Raises ValueError for a variance that is not positive and finite, and as `check_distribution` for p.
    """
    p = to_numpy(check_distribution(p, "p")).astype(np.float64)
    means = to_numpy(real_values(means, "means")).astype(np.float64)
    variance = to_numpy(real_values(variance, "variance", low=np.finfo(float).tiny, high=np.finfo(float).max))
    z = np.linspace(-REACH, REACH, NODES)
    weight = np.exp(-(z**2) / 2) * (z[1] - z[0]) / math.sqrt(2 * math.pi)
    apart = (means[..., :, None] - means[..., None, :]) / np.sqrt(variance)[..., None, None]
    # log p_k N(z; ...) - log N(z; own class), for z about class c: (..., c, k, nodes)
    ratio = -(apart[..., None] ** 2) / 2 - apart[..., None] * z
    with np.errstate(divide="ignore"):
        log_p = np.log(p)[..., None, :, None]
    inner = -special.logsumexp(ratio + log_p, axis=-2)
    bits = (p * (inner * weight).sum(-1)).sum(-1) / math.log(2)
    bits = np.maximum(bits, 0.0)
    return bits if bits.ndim else float(bits)

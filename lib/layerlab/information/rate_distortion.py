"""The rate-distortion function of a finite source, by Blahut and Arimoto's iteration, with its certificate.

R(D) is the least I(X;X^) in bits of a channel p(x^|x) whose mean distortion is at most D. A multiplier beta >= 0
turns it into an unconstrained convex problem, F(beta) = min I + beta E d (informations in nats), solved for all betas
in one batch. A point on the curve where its slope is dR/dD = -beta nats, that is -beta / ln 2 bits, for each unit of
distortion.

Source: R. E. Blahut, Computation of channel capacity and rate-distortion functions, 1972, theorems 3, 5 and 6;
I. Csiszar, On the computation of rate-distortion functions, 1974.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from layerlab.arrays import is_tensor

from .measures import check_distribution, entropy

_TINY = 1e-300  # keeps the quotient of two underflowed numbers out of the iteration
_EVERY = 8  # iterations between two looks at the certificate


@dataclass(frozen=True)
class RateDistortion:
    """Points of a rate-distortion curve, one for each beta; arrays, or tensors where the source was a tensor.

    beta: (B,). rate: (B,) bits. distortion: (B,). channel: (B, |X|, |X^|) the p(x^|x), rows sum to 1.
    output: (B, |X^|) their p(x^). residual: (B,) bits, the certificate: 0 <= rate - R(distortion) <= residual, R the
    exact rate-distortion function. iterations: (B,). converged: (B,) whether the residual came below the tolerance.
    """

    beta: Any
    rate: Any
    distortion: Any
    channel: Any
    output: Any
    residual: Any
    iterations: Any
    converged: Any


def rate_distortion(
    p_x: Any,
    distortion: Any,
    betas: Any,
    *,
    start: Any = None,
    tolerance: float = 1e-6,
    max_iterations: int = 20_000,
) -> RateDistortion:
    """The rate-distortion curve of the source p_x at the given betas: Blahut and Arimoto's iteration, batched.

    With q(x^) the masses of the reproductions, Z(x) = sum_x^ q(x^) exp(-beta d(x,x^)) and c(x^) = sum_x p(x)
    exp(-beta d(x,x^)) / Z(x), one iteration is q <- q c. The exact minimum of I + beta E d lies between -E ln Z - ln
    max c and -E ln Z - sum q c ln c, the second being what the channel in hand attains; their difference in bits is
    the residual. A beta stops once it is at most `tolerance`; those that have not stopped after `max_iterations` are
    returned with converged = False and the residual that they reached.

    p_x: (|X|,) probabilities. distortion: (|X|, |X^|), finite and not negative. betas: (B,) finite, at least 0, in
    nats for each unit of distortion; at 0, where every constant answer is optimal, the best of them is returned.
    start: (|X^|,) or (B, |X^|) positive first masses (None: all equal). tolerance: bits. A tensor p_x makes tensors
    of all, on its device and in its precision (float32 does not reach 1e-6 bits in general). Raises ValueError for
    anything else.
    """
    p, d, b = _inputs(p_x, distortion, betas)
    if not tolerance > 0 or max_iterations < 1:
        raise ValueError(f"tolerance and max_iterations must be positive; they were {tolerance!r}, {max_iterations!r}")
    xp: Any = sys.modules["torch"] if is_tensor(p) else np
    shifted = d - _least(d)[:, None]  # exp must not underflow in a whole row
    q = _start(start, p, d, b)
    residual, iterations = xp.zeros_like(b) + math.inf, xp.zeros_like(b)
    active = np.arange(len(b))
    weights = xp.exp(-b[:, None, None] * shifted)
    running = weights
    for done in range(0, max_iterations + 1, _EVERY):
        masses = q[active]
        factor = _factor(running, masses, p, xp)
        gap = _gap(factor, masses, xp)
        residual[active], iterations[active] = gap, float(done)
        left = np.flatnonzero(np.asarray((gap > tolerance).cpu() if is_tensor(gap) else gap > tolerance))
        if not len(left) or done + _EVERY > max_iterations:
            break
        if len(left) < len(active):
            active, running, masses, factor = active[left], running[left], masses[left], factor[left]
        masses = masses * factor
        for _ in range(_EVERY - 1):
            masses = masses * _factor(running, masses, p, xp)
        q[active] = masses / masses.sum(-1)[:, None]
    return _result(p, d, b, q, weights, residual, iterations, tolerance, xp)


def binary_rate_distortion(distortion: Any, p: float = 0.5) -> Any:
    """R(D) = h(p) - h(D) bits of a binary source with P[X = 1] = p and Hamming distortion; 0 from D = min(p, 1-p) on.

    distortion: number or array, within [0, 1]. h(p) = H(p, 1-p). Raises ValueError outside. Source: Cover & Thomas
    2006, theorem 10.3.1.
    """
    d = np.asarray(distortion, dtype=float)
    if not ((d >= 0) & (d <= 1)).all():
        raise ValueError(f"distortion must lie within [0, 1]; it ran from {d.min():g} to {d.max():g}")
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie within [0, 1]; it was {p!r}")
    inside = np.minimum(d, min(p, 1 - p))
    rate = entropy([p, 1 - p]) - entropy(np.stack([inside, 1 - inside], -1))
    return np.maximum(rate, 0.0) if d.ndim else max(float(rate), 0.0)


def gaussian_rate_distortion(distortion: Any, variance: float = 1.0) -> Any:
    """R(D) = 1/2 log2(variance / D) bits of a Gaussian source with squared error; 0 from D = variance on.

    distortion: number or array, above 0. Raises ValueError otherwise. Source: Cover & Thomas 2006, theorem 10.3.2.
    """
    d = np.asarray(distortion, dtype=float)
    if not (d > 0).all() or not variance > 0:
        raise ValueError(f"distortion and variance must be above 0; they were {distortion!r} and {variance!r}")
    rate = np.maximum(0.5 * np.log2(variance / d), 0.0)
    return rate if d.ndim else float(rate)


def _inputs(p_x: Any, distortion: Any, betas: Any) -> tuple[Any, Any, Any]:
    p = check_distribution(p_x, "p_x")
    if p.ndim != 1:
        raise ValueError(f"p_x must be one distribution; its shape was {tuple(p.shape)}")
    d, b = (_floats(x, name, p) for x, name in ((distortion, "distortion"), (betas, "betas")))
    b = b.reshape(1) if b.ndim == 0 else b
    if d.ndim != 2 or d.shape[0] != len(p) or d.shape[1] < 1:
        raise ValueError(
            f"distortion must have a row for each of the {len(p)} values of X; its shape was {tuple(d.shape)}"
        )
    if b.ndim != 1 or not len(b):
        raise ValueError(f"betas must be a list of at least one number; its shape was {tuple(b.shape)}")
    return p, d, b


def _floats(x: Any, name: str, like: Any) -> Any:
    """x as non-negative finite floats of the kind, the precision and the device of `like`."""
    if is_tensor(like):
        values = sys.modules["torch"].as_tensor(x, dtype=like.dtype, device=like.device)
    else:
        values = np.asarray(x.cpu() if is_tensor(x) else x, dtype=np.float64)
    if not bool(((values >= 0) & (values < math.inf)).all()):
        raise ValueError(f"{name} must be finite and at least 0 throughout")
    return values


def _least(d: Any) -> Any:
    return d.amin(1) if is_tensor(d) else d.min(1)


def _start(start: Any, p: Any, d: Any, b: Any) -> Any:
    """(B, |X^|) first masses; at beta = 0 all of it on the best constant answer."""
    shape = (len(b), d.shape[1])
    masses = _floats(np.ones(d.shape[1]) if start is None else start, "start", p)
    if not bool((masses > 0).all()) or masses.ndim not in (1, 2) or tuple(masses.shape) not in (shape, shape[1:]):
        raise ValueError(
            f"start must be positive and of shape {shape[1:]} or {shape}; its shape was {tuple(masses.shape)}"
        )
    q = masses / masses.sum(-1)[..., None] + 0 * b[:, None]
    q[b == 0] = 0.0
    q[b == 0, int((p @ d).argmin())] = 1.0
    return q


def _factor(weights: Any, q: Any, p: Any, xp: Any) -> Any:
    """c(x^), (B, |X^|)."""
    z = (weights @ q[:, :, None])[:, :, 0]
    return ((p / z.clip(_TINY))[:, None, :] @ weights)[:, 0, :]


def _gap(factor: Any, q: Any, xp: Any) -> Any:
    """Blahut's upper bound less his lower bound, in bits."""
    xlogy = xp.xlogy if is_tensor(factor) else special.xlogy
    largest = factor.amax(1) if is_tensor(factor) else factor.max(1)
    return ((xp.log(largest) - xlogy(q * factor, factor).sum(1)) / math.log(2)).clip(0)


def _result(
    p: Any, d: Any, b: Any, q: Any, weights: Any, residual: Any, iterations: Any, tolerance: float, xp: Any
) -> RateDistortion:
    channel = q[:, None, :] * weights
    channel = channel / channel.sum(-1)[:, :, None]
    joint = p[:, None] * channel
    output = joint.sum(1)
    rate = entropy(output) + entropy(p) - entropy(joint / joint.sum((1, 2))[:, None, None], axis=(1, 2))
    return RateDistortion(
        beta=b,
        rate=rate.clip(0),
        distortion=(joint * d).sum((1, 2)),
        channel=channel,
        output=output,
        residual=residual,
        iterations=iterations,
        converged=residual <= tolerance,
    )

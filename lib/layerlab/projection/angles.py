"""Angles between rows, and what one wide random layer makes of them.

A layer of many units with independent Gaussian weights turns two inputs at angle theta into two activations whose
inner product per unit settles at K(theta) = E[phi(a) phi(b)], a and b jointly normal with correlation cos(theta).
K has a closed form for ReLU and its relatives (Cho & Saul 2009) and for erf (Williams 1997); for tanh it is an
integral. The functions of theta work elementwise: numpy in, numpy out; tensor in, tensor out on its device.

Sources: Y. Cho, L. K. Saul, Kernel methods for deep learning, NIPS 2009.
C. K. I. Williams, Computing with infinite networks, NIPS 1996 (published 1997).
"""

from __future__ import annotations

import math
import sys
from typing import Any, Literal

import numpy as np

from layerlab.arrays import is_tensor, matrix, namespace, real_values, whole

from .distances import _on_work_device, _returned, squared_distances

Activation = Literal["linear", "relu", "erf", "tanh"]
ACTIVATIONS: tuple[Activation, ...] = ("linear", "relu", "erf", "tanh")


def angles(x: Any) -> Any:
    """Angle in radians, in [0, pi], between each pair of rows of x, condensed as scipy's pdist.

    Computed from the chord of the two unit vectors, 2 arcsin(|u-v|/2), which keeps small angles exact (arccos of the
    cosine loses half the digits); close to pi it is good to about 1e-8. A row of zeros has no direction: its pairs
    are nan. Shapes, types and errors as `squared_distances`.
    """
    import torch

    work = _on_work_device(matrix(x, "x", rows=2), None)
    largest = work.abs().amax(dim=1, keepdim=True)
    work = work / torch.where(largest > 0, largest, 1.0)  # no square overflows or vanishes
    norms = work.norm(dim=1, keepdim=True)
    chords = squared_distances(work / norms.clamp_min(1.0)).sqrt_()
    theta = chords.div_(2).clamp_(max=1.0).arcsin_().mul_(2)
    zero = (norms == 0).flatten()
    if bool(zero.any()):
        first, second = torch.triu_indices(len(zero), len(zero), offset=1, device=zero.device)
        theta[zero[first] | zero[second]] = torch.nan
    return _returned(theta, x)


def arc_cosine_kernel(theta: Any, order: int) -> Any:
    """Arc-cosine kernel of two unit vectors at angle theta: J_n(theta) / pi, which is 1 (n = 0, 1) or 3 (n = 2) at 0.

    J_0 = pi - theta (step units), J_1 = sin theta + (pi - theta) cos theta (ReLU units),
    J_2 = 3 sin theta cos theta + (pi - theta)(1 + 2 cos^2 theta) (squared ReLU units).
    It is 2 E[s_n(w.x) s_n(w.y)] for standard normal w and s_n(a) = a^n [a > 0]; for other lengths, times
    |x|^n |y|^n. theta: radians in [0, pi]; order: 0, 1 or 2. Source: Cho & Saul 2009, equations 1 to 6.

    >>> [float(arc_cosine_kernel(0.0, n)) for n in (0, 1, 2)]
    [1.0, 1.0, 3.0]
    """
    order = whole(order, "order", 0, 2)
    theta = _angle(theta)
    xp = namespace(theta)
    sine, cosine, rest = xp.sin(theta), xp.cos(theta), math.pi - theta
    if order == 0:
        return rest / math.pi
    if order == 1:
        return (sine + rest * cosine) / math.pi
    return (3 * sine * cosine + rest * (1 + 2 * cosine**2)) / math.pi


def relu_angle(theta: Any, depth: int = 1) -> Any:
    """Angle after `depth` wide random ReLU layers without biases, of two inputs at angle theta.

    cos theta' = J_1(theta) / pi. Every angle shrinks (theta' < theta for theta > 0, theta - theta^2/(3 pi) for small
    theta), pi goes to pi/2, and depth draws all directions together. The scale of the weights does not matter.
    Accurate at small angles too: 1 - cos theta' is computed without cancellation.
    theta: radians in [0, pi]. Returns radians. Source: Cho & Saul 2009, section 2.3.
    """
    depth = whole(depth, "depth", 0)
    theta = _angle(theta)
    xp = namespace(theta)
    for _ in range(depth):
        theta = 2 * xp.arcsin(xp.sqrt(_relu_gap(theta) / 2))
    return theta


def relu_distortion(theta: Any, norm_ratio: Any = 1.0) -> Any:
    """Expected squared distance after over before a wide ReLU layer with He weights, N(0, 2/width) per entry.

    Such a layer keeps squared lengths on average, E|f(x)|^2 = |x|^2, so with r = |y|/|x|
    ((1-r)^2 + 2r (1 - J_1(theta)/pi)) / ((1-r)^2 + 2r (1 - cos theta)):
    1 at angle 0, falling to 1/2 at pi for equal lengths: distances shrink, the more the larger the angle.
    Two equal vectors (theta = 0, r = 1) have no ratio; the limit 1 is returned.

    theta: radians in [0, pi]; norm_ratio: > 0, number or array that broadcasts with theta.
    """
    theta, ratio = _angle(theta), real_values(norm_ratio, "norm_ratio", low=0.0)
    if not bool((ratio > 0).all()) or not bool((ratio < math.inf).all()):
        raise ValueError("norm_ratio must be positive and finite")
    theta, ratio = _together(theta, ratio)
    xp = namespace(theta)
    gap = (1 - ratio) ** 2
    before = gap + 4 * ratio * xp.sin(theta / 2) ** 2
    after = gap + 2 * ratio * _relu_gap(theta)
    same = before == 0
    return xp.where(same, xp.ones_like(before), after / xp.where(same, xp.ones_like(before), before))


def erf_kernel(theta: Any, variance: float = 1.0, variance_y: float | None = None) -> Any:
    """E[erf(a) erf(b)] for jointly normal a, b of variances v, w and correlation cos theta.

    (2/pi) arcsin(2 sqrt(v w) cos theta / sqrt((1+2v)(1+2w))), with w = v unless given.
    theta: radians in [0, pi]; variances > 0. Source: Williams 1997, equation 11.
    """
    v, w = _variances(variance, variance_y)
    theta = _angle(theta)
    xp = namespace(theta)
    scale = 1 / math.sqrt((1 + 1 / (2 * v)) * (1 + 1 / (2 * w)))
    return 2 / math.pi * xp.arcsin(scale * xp.cos(theta))


def tanh_kernel(theta: Any, variance: float = 1.0, variance_y: float | None = None) -> Any:
    """E[tanh(a) tanh(b)] for jointly normal a, b of variances v, w and correlation cos theta.

    There is no closed form; the double integral is summed by the trapezoid rule, whose error for this smooth
    integrand falls exponentially with the step: below 1e-12 for variances up to 10. Larger ones take more nodes;
    variances above 1000 (where tanh is a sign, and `arc_cosine_kernel` of order 0 serves) are refused.
    theta: radians in [0, pi]; variances in (0, 1000], w = v unless given.
    """
    v, w = _variances(variance, variance_y)
    if max(v, w) > 1000:
        raise ValueError(f"variances must be at most 1000, not {max(v, w):g}")
    theta = _angle(theta)
    xp = namespace(theta)
    step = min(0.05, 0.35 / math.sqrt(max(v, w)))
    nodes = step * np.arange(-math.ceil(8.5 / step), math.ceil(8.5 / step) + 1)
    weights = step * np.exp(-(nodes**2) / 2) / math.sqrt(2 * math.pi)
    if is_tensor(theta):
        nodes, weights = (xp.as_tensor(part).to(theta) for part in (nodes, weights))
    left = weights * xp.tanh(math.sqrt(v) * nodes)
    values = [
        left @ (xp.tanh(math.sqrt(w) * (xp.cos(t) * nodes[:, None] + xp.sin(t) * nodes)) @ weights)
        for t in theta.reshape(-1)
    ]
    stacked = xp.stack(values) if values else xp.zeros_like(theta)
    return stacked.reshape(theta.shape)


def second_moment(activation: Activation, variance: float = 1.0) -> float:
    """E[phi(a)^2] for normal a of the given variance: the mean square activation of a wide layer.

    linear v, relu v/2, erf and tanh from their kernels at angle 0. Multiplied by the next layer's weight variance
    (times its fan-in) it is that layer's pre-activation variance.
    """
    v, _ = _variances(variance, None)
    if activation == "linear":
        return v
    if activation == "relu":
        return v / 2
    return float(_bounded_kernel(activation)(0.0, v))


def angle_map(theta: Any, activation: Activation = "relu", variance: float = 1.0) -> Any:
    """Angle after one wide random layer, arccos(K(theta) / K(0)), of two inputs of equal length at angle theta.

    variance: that of the pre-activations; linear and relu ignore it. linear keeps every angle, relu is `relu_angle`;
    erf and tanh are odd, so pi stays pi, and they come close to linear as the variance goes to 0.
    theta: radians in [0, pi]. Returns radians; near 0 and pi erf and tanh are good to about 1e-7.
    Raises ValueError for another activation.
    """
    v, _ = _variances(variance, None)
    if activation == "linear":
        return _angle(theta)
    if activation == "relu":
        return relu_angle(theta)
    kernel = _bounded_kernel(activation)
    cosine = kernel(theta, v) / float(kernel(0.0, v))
    return namespace(cosine).arccos(cosine.clip(-1.0, 1.0))


def _bounded_kernel(activation: str) -> Any:
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, not {activation!r}")
    return erf_kernel if activation == "erf" else tanh_kernel


def _relu_gap(theta: Any) -> Any:
    """1 - J_1(theta)/pi = (pi (1 - cos theta) - (sin theta - theta cos theta)) / pi, without cancellation."""
    xp = namespace(theta)
    square = theta**2
    series = theta * square * (1 / 3 - square * (1 / 30 - square * (1 / 840 - square * (1 / 45360))))
    bend = xp.where(theta < 0.1, series, xp.sin(theta) - theta * xp.cos(theta))
    return 2 * xp.sin(theta / 2) ** 2 - bend / math.pi


def _angle(theta: Any) -> Any:
    """theta as floats within [0, pi]; float32 may round pi up, so the bound leaves room for that."""
    theta = real_values(theta, "theta", low=0.0, high=math.pi + 1e-7)
    return theta.clip(0.0, math.pi)


def _together(theta: Any, ratio: Any) -> tuple[Any, Any]:
    """Both as tensors where one is, on its device."""
    if is_tensor(theta) or is_tensor(ratio):
        torch = sys.modules["torch"]
        like = theta if is_tensor(theta) else ratio
        theta, ratio = (torch.as_tensor(part).to(like) for part in (theta, ratio))
    return theta, ratio


def _variances(variance: Any, variance_y: Any) -> tuple[float, float]:
    values = []
    for name, value in (("variance", variance), ("variance_y", variance if variance_y is None else variance_y)):
        checked = real_values(value, name, low=0.0)
        if is_tensor(checked) or checked.ndim:
            raise TypeError(f"{name} must be a number")
        if not 0 < checked < math.inf:
            raise ValueError(f"{name} must be positive and finite, not {value}")
        values.append(float(checked))
    return values[0], values[1]

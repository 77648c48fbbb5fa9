"""Information of a layer under Gaussian noise, between the pairwise bounds of Kolchinsky and Tracey.

A deterministic layer of real numbers has no finite I(X;T). With noise of a chosen variance on every unit,
T = t(X) + N(0, variance I), it has: T is a mixture of one Gaussian for each sample, and its entropy lies between two
sums over pairs. What comes out depends on the variance as a binned information does on the width of its cells.

Source: A. Kolchinsky, B. Tracey, Estimating mixture entropy with pairwise distances, 2017; used for layers by A. Saxe
et al. 2018.
"""

from __future__ import annotations

import math
import numbers
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from layerlab.arrays import namespace, whole
from layerlab.information._layers import BLOCK, Layers, check_layers

LN2 = math.log(2)


class KdeInformation(NamedTuple):
    """Bounds in bits, each of the leading shape of the activations.

    i_xt_lower, i_xt_upper: on I(X;T). i_ty_lower, i_ty_upper: on I(T;Y), a bound of H(T) less the opposite bounds of
    H(T|Y=y), kept within 0 and H(Y). i_ty_plotted: the upper bound of H(T) less the upper bounds of H(T|Y=y), which is
    what most published planes show; no bound, but near the truth where the two bounds are near each other.
    """

    i_xt_lower: Any
    i_xt_upper: Any
    i_ty_lower: Any
    i_ty_upper: Any
    i_ty_plotted: Any


def kde_information(t: Any, y: Any, *, variance: float, rows: int | None = None, seed: int = 0) -> KdeInformation:
    """Lower and upper bounds, in bits, of I(X;T) and I(T;Y) for T = t(X) + N(0, variance I), X uniform over samples.

        I(X;T) >= - mean_i log2 mean_j exp(-|t_i - t_j|^2 / (8 variance))     (Bhattacharyya distances)
        I(X;T) <= - mean_i log2 mean_j exp(-|t_i - t_j|^2 / (2 variance))     (Kullback-Leibler divergences)

    and likewise for the samples of each label, weighted by p(x|y). Both are exact for one cluster of equal activations
    and for clusters far apart; neither exceeds log2(samples).

    t, y: as `binned_information` takes them. variance: positive. rows: take the outer mean over so many samples, drawn
    without replacement by `seed` (None: all); the bounds then carry the error of that mean. Costs rows x samples
    distances for each layer, in blocks of bounded memory. Returns a `KdeInformation`.
    Raises ValueError or TypeError as `binned_information`, and for a variance that is not positive and finite.
    Source: Kolchinsky & Tracey 2017, equations 10 and 11 of section 3; Saxe et al. 2018, appendix C.
    """
    variance, layers = check_variance(variance), check_layers(t, y)
    samples = layers.t.shape[1]
    chosen = chosen_rows(rows, samples, seed)
    found: list[list[Any]] = [[] for _ in range(5)]
    for one, labels in layers.blocks(BLOCK):  # one network at a time: its pairs alone fill a block
        weights = label_weights(layers, labels, one)
        for values, value in zip(found, _bounds(one[0], weights, variance, chosen), strict=True):
            values.append(value)
    return KdeInformation(*(layers.give(values) for values in found))


def _bounds(t: Any, p: Any, variance: float, chosen: np.ndarray) -> list[Any]:
    """The five numbers for one layer (samples, units) with p(y|x) = p (samples, classes), each of shape (1,)."""
    xp, samples = namespace(t), len(t)
    p_y = p.mean(0)
    totals: Any = 0
    for rows in np.array_split(chosen, max(1, math.ceil(len(chosen) * samples / BLOCK))):
        near = xp.exp(squared_distances(t[rows], t) * (-1 / (8 * variance)))  # exp(-B); exp(-KL) is its 4th power
        own = p[rows]
        sums = []
        for kernel in (near, near**2 * near**2):
            inside = kernel @ p / (samples * p_y)  # mean over p(x|y), for each y
            logs = xlogy(own, xp.where(own > 0, inside, xp.ones_like(inside))).sum(0).sum()
            sums += [xp.log(kernel.mean(-1)).sum(), logs]
        totals = totals + xp.stack(sums)
    lower, lower_y, upper, upper_y = (-totals / (len(chosen) * LN2))[:, None]
    h_y = -xlogy(p_y, p_y).sum() / LN2
    i_ty = [(v.clip(0) if v is not None else v) for v in (lower - upper_y, upper - lower_y, upper - upper_y)]
    return [abs(lower), abs(upper), i_ty[0], xp.minimum(i_ty[1], h_y), i_ty[2]]


def squared_distances(a: Any, b: Any) -> Any:
    """(rows of a, rows of b) squared Euclidean distances, never negative."""
    middle = b.mean(0)  # centred first: less is lost to rounding
    a, b = a - middle, b - middle
    return ((a * a).sum(-1)[:, None] + (b * b).sum(-1) - 2 * (a @ b.T)).clip(0)


def label_weights(layers: Layers, labels: Any, block: Any) -> Any:
    """p(y|x) (samples, classes) of a block of one network: as given, or ones and zeros."""
    if labels is None:
        return layers.soft
    if namespace(block) is np:
        return np.eye(layers.classes)[labels[0]]
    torch = namespace(block)
    return torch.nn.functional.one_hot(labels[0], layers.classes).double()


def chosen_rows(rows: int | None, samples: int, seed: int) -> np.ndarray:
    """All samples, or so many drawn without replacement."""
    if rows is None:
        return np.arange(samples)
    rows = whole(rows, "rows", 1, samples)
    return np.sort(np.random.default_rng(seed).choice(samples, rows, replace=False))


def check_variance(variance: float) -> float:
    """`variance` as a float; ValueError unless it is positive and finite, TypeError unless it is a number."""
    if isinstance(variance, bool) or not isinstance(variance, numbers.Real):
        raise TypeError(f"variance must be a number, not {type(variance).__name__}")
    if not 0 < variance < math.inf:
        raise ValueError(f"variance must be positive and finite; it was {variance}")
    return float(variance)


def xlogy(x: Any, y: Any) -> Any:
    """x ln y with 0 ln 0 = 0, for arrays and tensors."""
    return special.xlogy(x, y) if namespace(x) is np else namespace(x).xlogy(x, y)

"""Information of a layer with Gaussian noise on its units, by Monte Carlo from the exact density.

T = t(X) + N(0, variance I) with X uniform over the samples is a mixture of Gaussians known in full: only the mean
over T has to be drawn. So the estimates have no bias, and their standard errors say how far off they are. The noise is
the analyst's and not the network's: the next layer never sees it, so that T_1, T_2, ... measured like this are no
Markov chain.

Source: Z. Goldfeld et al., Estimating information flow in deep neural networks, 2019.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from layerlab.arrays import namespace, whole
from layerlab.information._layers import BLOCK, check_layers
from layerlab.information.kde import LN2, check_variance, label_weights, squared_distances, xlogy


class NoisyInformation(NamedTuple):
    """Estimates in bits and their standard errors, each of the leading shape of the activations."""

    i_xt: Any
    i_ty: Any
    i_xt_error: Any
    i_ty_error: Any


def noisy_information(t: Any, y: Any, *, variance: float, draws: int = 2000, seed: int = 0) -> NoisyInformation:
    """I(X;T) and I(T;Y) in bits for T = t(X) + N(0, variance I), X uniform over the samples.

        I(X;T) = E log2 [ p(T|X) / p(T) ],  I(T;Y) = H(Y) - E H(Y|T = t),  p(t) = mean_j N(t; t_j, variance I)

    The mean is over `draws` pairs of a sample and a noise: whole rounds of all samples, and the rest without
    replacement, the same for all layers (so that differences between layers and epochs are less noisy than either).
    Unbiased; the standard errors are those of independent draws, which slightly overstates them. I(X;T) is at most
    log2(samples), near which the draws' scatter vanishes.

    t, y: as `binned_information` takes them. variance: positive. draws: at least 2. seed: of the draws, which are made
    in numpy for every device. Costs draws x samples distances for each layer, in blocks of bounded memory.
    Raises ValueError or TypeError as `binned_information`, and for a variance that is not positive and finite.
    Source: the module's.
    """
    variance, draws = check_variance(variance), whole(draws, "draws", 2)
    layers = check_layers(t, y)
    samples, units = layers.t.shape[1:]
    rng = np.random.default_rng(whole(seed, "seed", 0))
    rows = np.concatenate([rng.permutation(samples) for _ in range(math.ceil(draws / samples))])[:draws]
    noise = rng.standard_normal((draws, units)) * math.sqrt(variance)
    found: list[list[Any]] = [[] for _ in range(4)]
    for one, labels in layers.blocks(BLOCK):
        moments = _estimates(one[0], label_weights(layers, labels, one), rows, noise, variance)
        for values, value in zip(found, moments, strict=True):
            values.append(value)
    return NoisyInformation(*(layers.give(values) for values in found))


def _estimates(t: Any, p: Any, rows: np.ndarray, noise: np.ndarray, variance: float) -> list[Any]:
    """The two means and their standard errors for one layer, each of shape (1,)."""
    xp, samples = namespace(t), len(t)
    t = t.astype(np.float64) if xp is np else t.double()
    about_x, about_y = [], []
    for part in np.array_split(np.arange(len(rows)), max(1, math.ceil(len(rows) * samples / BLOCK))):
        shift = noise[part] if xp is np else xp.as_tensor(noise[part], device=t.device)
        far = squared_distances(t[rows[part]] + shift, t) * (-1 / (2 * variance))
        nearest = (far.max(-1) if xp is np else far.amax(-1))[:, None]
        weight = xp.exp(far - nearest)
        own = (shift * shift).sum(-1) * (-1 / (2 * variance))
        about_x.append((own - nearest[:, 0] - xp.log(weight.mean(-1))) / LN2)
        posterior = weight @ p
        posterior = posterior / posterior.sum(-1)[:, None]
        about_y.append(-xlogy(posterior, posterior).sum(-1) / LN2)
    x, y = (xp.concatenate(v) if xp is np else xp.cat(v) for v in (about_x, about_y))
    p_y = p.mean(0)
    h_y = -xlogy(p_y, p_y).sum() / LN2
    error = len(rows) ** -0.5
    values = (x.mean(), h_y - y.mean(), _deviation(x) * error, _deviation(y) * error)
    return [v.reshape(1) for v in values]


def _deviation(values: Any) -> Any:
    return values.std(ddof=1) if namespace(values) is np else values.std()

"""The gradient of every single example, from one forward and one backward pass.

In a fully connected layer the gradient of example i is an outer product, s a_i e_iᵀ: a_i what comes into the layer, e_i
the derivative of the example's loss by its pre-activations, s the layer's fixed factor. Everything here is computed
from these factors; the (examples x weights) matrix never exists beyond a block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from layerlab.arrays import whole
from layerlab.nets import MLP
from layerlab.training.config import TrainingConfig
from layerlab.training.losses import Loss

BLOCK = 2**22  # numbers of the (networks x examples x weights) array that exist at a time


@dataclass(frozen=True)
class LayerGradients:
    """Statistics of one layer's per-example gradients, for N networks, n examples and P weights; k = min(top, P, n).

    mean: (N, P) the mean gradient, the weights in the order of `MLP.weights` (in x out).
    variance: (N,) trace of the covariance matrix C of the examples' gradients (divisor n - 1).
    dimension: (N,) effective number of directions of the noise, (tr C)² / tr C²: 1 if all of it lies along one
        direction, P if it is the same along all.
    eigenvalues: (N, k) the largest eigenvalues of C, falling.
    overlap: (N, k) share of |mean|² along each of their eigenvectors, (v·mean)² / |mean|²; NaN for a zero mean.
    """

    mean: Tensor
    variance: Tensor
    dimension: Tensor
    eigenvalues: Tensor
    overlap: Tensor

    def snr(self, batch: int) -> Tensor:
        """(N,) |mean| √B / √tr C: the signal-to-noise ratio over the batches of an epoch, at fixed weights."""
        batch = whole(batch, "batch", 1)
        return self.mean.norm(dim=1) * (batch / self.variance).sqrt()


def example_factors(
    networks: MLP, x: Tensor | np.ndarray, y: Tensor | np.ndarray, config: TrainingConfig
) -> list[tuple[Tensor, Tensor]]:
    """Per layer (a, e), so that the gradient of network i's loss on example j by W_l is s_l a[i, j] e[i, j]ᵀ.

    x: (n, d) or (N, n, d); y: targets as in `train`; config: names the loss (no weight decay is added).
    a: (N, n, in), a view where the input is shared. e: (N, n, out). Both in the networks' dtype, on their device.

    Raises ValueError for shapes that do not fit, and for a config with alpha.
    """
    if config.alpha is not None:
        raise ValueError(f"config.alpha is {config.alpha!r}; per-example gradients are of F = f, so it must be None")
    inputs = networks.as_input(x)
    rows = inputs.shape[-2]
    loss = Loss(config)
    targets = loss.targets(y, networks.count, rows, networks.widths[-1], networks.dtype, networks.device).values
    if config.loss != "cross_entropy":
        targets = targets.transpose(1, 2)
    with torch.no_grad():
        passes = networks.passes(rows, torch.empty_like(networks.storage))
        loss.gradient(passes.forward(inputs), targets, passes.errors[-1])
        passes.backward(inputs)
    below = [inputs.expand(networks.count, -1, -1), *(each.transpose(1, 2) for each in passes.after[:-1])]
    return [(a, e.transpose(1, 2)) for a, e in zip(below, passes.errors, strict=True)]


def example_gradients(
    networks: MLP, x: Tensor | np.ndarray, y: Tensor | np.ndarray, config: TrainingConfig, *, top: int = 10
) -> list[LayerGradients]:
    """Mean, covariance spectrum and drift of the per-example gradients of each layer's weights.

    Arguments as of `example_factors`; top: how many eigenvalues to keep. The eigenproblem is solved on the smaller
    side: the P x P covariance matrix, or the n x n matrix of scalar products (a_i·a_j)(e_i·e_j), centred. In float64
    where the device has it.

    Returns one `LayerGradients` per layer. Raises ValueError for fewer than two examples, and as `example_factors`.
    """
    top = whole(top, "top", 1)
    found = []
    for (a, e), scale in zip(example_factors(networks, x, y, config), networks.scales, strict=True):
        if a.shape[1] < 2:
            raise ValueError(f"x holds {a.shape[1]} rows; a covariance needs at least 2")
        wide = a.dtype if a.device.type == "mps" else torch.float64
        found.append(_layer(a.to(wide), e.to(wide) * scale, top))
    return found


def example_spread(
    networks: MLP, x: Tensor | np.ndarray, y: Tensor | np.ndarray, config: TrainingConfig
) -> tuple[Tensor, Tensor]:
    """(|mean|, tr C), each (N, layers), of the per-example gradients: `example_gradients` without its eigenproblem.

    From |s a eᵀ|² = s² |a|² |e|². Arguments and errors as of `example_gradients`.
    """
    means, variances = [], []
    for (a, e), scale in zip(example_factors(networks, x, y, config), networks.scales, strict=True):
        rows = a.shape[1]
        if rows < 2:
            raise ValueError(f"x holds {rows} rows; a covariance needs at least 2")
        wide = a.dtype if a.device.type == "mps" else torch.float64
        a, e = a.to(wide), e.to(wide) * scale
        mean = (a.transpose(1, 2) @ e).flatten(1).square().sum(1) / rows**2
        square = (a.square().sum(2) * e.square().sum(2)).sum(1)
        means.append(mean.sqrt())
        variances.append(((square - rows * mean) / (rows - 1)).clamp(min=0))
    return torch.stack(means, 1), torch.stack(variances, 1)


def _layer(a: Tensor, e: Tensor, top: int) -> LayerGradients:
    rows = a.shape[1]
    mean = torch.einsum("nbi,nbo->nio", a, e).flatten(1) / rows
    if a.shape[2] * e.shape[2] <= rows:
        values, along = _on_weights(a, e, mean)
    else:
        values, along = _on_examples(a, e, mean)
    values = values.clamp(min=0)
    variance = values.sum(1)
    keep = min(top, values.shape[1])
    return LayerGradients(
        mean=mean,
        variance=variance,
        dimension=variance.square() / values.square().sum(1),
        eigenvalues=values[:, :keep],
        overlap=along[:, :keep] / mean.square().sum(1, keepdim=True),
    )


def _on_weights(a: Tensor, e: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (N, P) of the covariance, falling, and the squared component of the mean along each eigenvector."""
    count, rows, size = a.shape[0], a.shape[1], mean.shape[1]
    covariance = mean.new_zeros(count, size, size)
    block = max(1, BLOCK // (count * size))
    for start in range(0, rows, block):
        part = slice(start, start + block)
        gradients = torch.einsum("nbi,nbo->nbio", a[:, part], e[:, part]).flatten(2) - mean[:, None]
        covariance.baddbmm_(gradients.transpose(1, 2), gradients)
    values, vectors = torch.linalg.eigh(covariance / (rows - 1))
    along = torch.einsum("npk,np->nk", vectors, mean).square()
    return values.flip(1), along.flip(1)


def _on_examples(a: Tensor, e: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """The same from the examples' scalar products, (N, n): with n < P all other eigenvalues are zero."""
    rows = a.shape[1]
    products = (a @ a.transpose(1, 2)) * (e @ e.transpose(1, 2))
    centred = products - products.mean(1, keepdim=True)
    centred = centred - centred.mean(2, keepdim=True)
    values, vectors = torch.linalg.eigh(centred / (rows - 1))
    values, vectors = values.flip(1), vectors.flip(2)
    onto = torch.einsum("nbi,nbo,nio->nb", a, e, mean.view(-1, a.shape[2], e.shape[2]))
    component = torch.einsum("nbk,nb->nk", vectors, onto - onto.mean(1, keepdim=True))
    solid = values > values[:, :1] * rows * torch.finfo(values.dtype).eps  # the others have no direction
    along = component.square() / (values * (rows - 1)).where(solid, torch.ones_like(values))
    return values, along.where(solid, torch.zeros_like(along))

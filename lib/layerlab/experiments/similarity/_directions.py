"""The directions that a layer of one network shares with the same layer of another, and projections onto directions.

Units of a convolution are its channels; each position of each image is a sample. Network i is compared with network
i + 1 of its group, the last with the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from layerlab import lab
from layerlab.arrays import to_numpy
from layerlab.experiments.similarity._groups import ARCHITECTURES, DATA, Group, group
from layerlab.lab import choice, integer, real
from layerlab.similarity import Basis, Canonical, Stream, basis, positions_as_samples, svcca

if TYPE_CHECKING:
    from torch import Tensor

METHODS = (
    "SVCCA", "principal", "random directions", "random neurons", "most active neurons", "neurons of most variance",
)  # fmt: skip
DRAWS = 3  # of random directions and neurons, for each network
CHUNK = 100_000  # samples, so that many positions of many images fit into memory


@dataclass(frozen=True, kw_only=True)
class PairConfig(lab.Config):
    """A group of networks, and what SVCCA sees of them."""

    data: str = choice("digits", "data", DATA)
    architecture: str = choice("dense", "architecture", ARCHITECTURES)
    rows: int = integer(1_500, "training images", low=50, high=60_000, log=True, help="all, if there are fewer")
    epochs: int = integer(20, "epochs", low=1, high=200, log=True)
    keep: float = real(0.99, "variance kept before CCA", low=0.5, high=1.0, help="1: plain CCA of all directions")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seeds < 2:
            raise ValueError("seeds must be at least 2: directions are shared between two networks")


def trained_group(config: PairConfig, device: str, progress: lab.Progress, share: float) -> Group:
    """The group of a config; its training is `share` of the whole work."""
    return group(
        data=config.data, architecture=config.architecture, rows=config.rows, epochs=config.epochs,
        seed=config.seed, seeds=config.seeds, device=device,
        progress=lambda done, total, note: progress(share * done / total, 1, note),
    )  # fmt: skip


def samples_of(layer: Tensor) -> np.ndarray:
    """(N, samples, units) of a layer of N networks, (N, rows, units) or maps, whose positions become samples."""
    return to_numpy(positions_as_samples(layer) if layer.ndim == 5 else layer)


def shared_directions(samples: np.ndarray, keep: float) -> list[tuple[Canonical, Basis]]:
    """For each network, SVCCA of its layer with that of the next network, and the basis of its layer.

    samples: (N, samples, units). keep: share of the variance.
    """
    found = []
    for own, other in zip(samples, np.roll(samples, -1, axis=0), strict=True):
        stream = Stream()
        for start in range(0, len(own), CHUNK):
            stream.update(own[start : start + CHUNK], other[start : start + CHUNK])
        x, y = (basis(layer) for layer in stream.layers())
        found.append((svcca(x, y, keep), x))
    return found


def root(layer: Basis) -> np.ndarray:
    """R (rank, units) with R^T R = the centred activations' cross-products X^T X."""
    return layer.values[:, None] * layer.directions.T


def projection(features: np.ndarray, metric: np.ndarray) -> np.ndarray:
    """P = F (F^T M F)^+ F^T M with M = metric^T metric: what (x - mean) P keeps of a row x.

    features: F (units, k), the directions. metric: (any, units). P F = F, so that the k numbers (x - mean) F are kept
    whatever M is; M decides what stands in for the rest. The identity gives the orthogonal projection onto the
    span of F, the `root` of the layer the least-squares prediction of every unit from the k numbers.
    """
    return features @ np.linalg.pinv(metric @ features, rcond=1e-10) @ metric


def projected(layer: Tensor, mean: np.ndarray, maps: np.ndarray) -> Tensor:
    """mean + (x - mean) P for every row, and at every position of it, as flat rows (N, rows, d)."""
    import torch

    centre, p = (torch.as_tensor(a, dtype=layer.dtype, device=layer.device) for a in (mean, maps))
    shift = centre - torch.einsum("nu,nuv->nv", centre, p)
    return (torch.einsum("nru...,nuv->nrv...", layer, p) + _beside(shift, layer.ndim)).flatten(2)


def _beside(values: Tensor, dimensions: int) -> Tensor:
    """(N, units) as (N, 1, units, 1, ...), to be added to a layer."""
    return values.reshape(values.shape[0], 1, values.shape[1], *[1] * (dimensions - 3))


def candidates(
    samples: np.ndarray, shared: list[tuple[Canonical, Basis]], streams: list[np.random.SeedSequence]
) -> tuple[dict[str, list[np.ndarray]], list[np.ndarray]]:
    """For each method (D, units, directions) per network, D draws of them, first the ones to keep; and the metrics."""
    features: dict[str, list[np.ndarray]] = {method: [] for method in METHODS}
    metrics = []
    for x, (canonical, layer), stream in zip(samples, shared, streams, strict=True):
        rng = np.random.default_rng(stream)
        neurons = np.eye(x.shape[1])
        features["SVCCA"].append(canonical.directions_x[None, :, : canonical.count])
        features["principal"].append(layer.directions[None])
        features["random directions"].append(rng.standard_normal((DRAWS, *neurons.shape)))
        features["random neurons"].append(np.stack([rng.permutation(neurons, axis=1) for _ in range(DRAWS)]))
        for method, strength in (("most active neurons", abs(x).mean(0)), ("neurons of most variance", x.var(0))):
            features[method].append(neurons[None, :, np.argsort(-strength, kind="stable")])
        metrics.append(root(layer))
    return features, metrics

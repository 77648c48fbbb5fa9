"""Comparing layers whose activations do not fit in memory: chunk by chunk, without squaring what is small.

Every similarity of this room depends on the activations through their centred cross-products only. A triangular factor
R with R^T R = those cross-products holds them all, and can be brought up to date with each chunk by one QR
decomposition (T. Chan, G. Golub, R. LeVeque, Algorithms for computing the sample variance, 1983, for the means).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import helmert

from layerlab.arrays import to_numpy

from ._inputs import activations


class Stream:
    """Activations of several layers on the same samples, taken in chunks; memory is the square of the units in all.

    Example: stream = Stream(); stream.update(x_chunk, y_chunk) for each chunk; x, y = stream.layers(); pwcca(x, y).
    What `layers` gives stands for the activations in every function of this room but those that name samples
    (variates): their cross-products are the same to rounding, as accurate as from the activations themselves.
    """

    def __init__(self) -> None:
        self.units: tuple[int, ...] = ()
        self.samples = 0
        self._mean = np.zeros(0)
        self._factor = np.zeros((0, 0))

    def update(self, *layers: Any) -> Stream:
        """Takes the next rows of every layer, each (samples, units). Returns itself.

        Raises ValueError where rows differ between layers, units from those before, or a chunk is no activations.
        """
        if not layers:
            raise ValueError("layers is empty; update needs at least one")
        chunk = [_rows(layer, f"layer {i}") for i, layer in enumerate(layers)]
        if len({len(each) for each in chunk}) > 1:
            raise ValueError(f"the layers have {[len(each) for each in chunk]} rows; they must have the same")
        units = tuple(each.shape[1] for each in chunk)
        if self.samples and units != self.units:
            raise ValueError(f"the layers have {units} units; before they had {self.units}")
        self.units = units
        rows = np.concatenate(chunk, axis=1)
        mean = rows.mean(0)
        self._join(rows - mean, mean, len(rows))
        return self

    def merge(self, other: Stream) -> Stream:
        """Takes over what another stream of the same layers has seen. Returns itself. ValueError for other units."""
        if other.samples:
            if self.samples and self.units != other.units:
                raise ValueError(f"other has layers of {other.units} units; this one of {self.units}")
            self.units = other.units
            self._join(other._factor, other._mean, other.samples)
        return self

    def _join(self, centred: np.ndarray, mean: np.ndarray, count: int) -> None:
        if not self.samples:
            self._mean, self._factor = np.zeros_like(mean), np.zeros((0, len(mean)))
        total = self.samples + count
        step = mean - self._mean
        between = np.sqrt(self.samples * count / total) * step
        self._factor = np.asarray(np.linalg.qr(np.concatenate([self._factor, centred, between[None]]), mode="r"))
        self._mean = self._mean + step * (count / total)
        self.samples = total

    def layers(self) -> tuple[np.ndarray, ...]:
        """For each layer, a few rows that stand for all of its activations, with the same means and cross-products.

        Raises ValueError with no more samples than units in all: then the activations themselves are the smaller.
        """
        if self.samples <= sum(self.units) + 1:
            raise ValueError(
                f"{self.samples} samples of {sum(self.units)} units in all; a stream needs more samples than units"
            )
        rows = helmert(len(self._factor) + 1).T @ self._factor  # orthonormal columns that sum to 0: centred
        return tuple(np.split(rows + self._mean, np.cumsum(self.units)[:-1], axis=1))


def _rows(layer: Any, name: str) -> np.ndarray:
    """One chunk of one layer; a single row is a chunk too."""
    given = to_numpy(layer)
    if given.ndim != 2 or not len(given):
        raise ValueError(f"{name} must be (samples, units), not {given.shape}")
    return activations(np.concatenate([given, given[:1]]), name)[:-1]

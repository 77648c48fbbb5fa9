"""What the sections on single units share: layers as samples of their units, and a group as a ring of pairs."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerlab import lab
from layerlab.arrays import to_numpy
from layerlab.experiments.similarity._groups import LAYERS
from layerlab.similarity import positions_as_samples

HIDDEN = LAYERS["conv"][:-1]  # the outputs are named by their classes, and need no partners


def as_samples(layer: Any, places: np.ndarray | None = None) -> np.ndarray:
    """(N, images, channels, height, width) as (N, images * positions, channels), a dense layer as it is.

    places: which positions, counted row by row; all of them without it.
    """
    if layer.ndim < 5:
        return to_numpy(layer)
    if places is not None:
        layer = layer.flatten(-2)[..., None, places]
    return to_numpy(positions_as_samples(layer))


def some_places(layer: Any, most: int, rng: np.random.Generator) -> np.ndarray:
    """At most so many positions of a layer of images, drawn without replacement, one list for all images."""
    return rng.permutation(int(np.prod(layer.shape[3:])))[:most]


def neighbours(x: np.ndarray) -> np.ndarray:
    """For each network's entry along the first axis that of the next network; after the last comes the first."""
    return np.roll(x, -1, axis=0)


def silent(x: np.ndarray) -> np.ndarray:
    """(N, units) whether a unit of (N, samples, units) says the same of all samples, as a dead ReLU does."""
    return np.ptp(x, axis=1) == 0


def generators(config: lab.Config) -> list[np.random.Generator]:
    """One for each network, from streams that no training of `group` draws from."""
    return [np.random.default_rng(stream.spawn(4)[3]) for stream in config.streams()]

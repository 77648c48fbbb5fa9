"""Distances between every two networks of two groups, one layer at a time: PWCCA from both sides, CCA, CKA."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import softmax

from layerlab.arrays import to_numpy
from layerlab.similarity import basis, cca, linear_cka, pwcca

SAID = {"pwcca": "PWCCA distance", "cca": "CCA distance", "cka": "CKA distance"}


def units(layers: Sequence[Any]) -> list[np.ndarray]:
    """Each layer as (N, images, units) in double precision: of maps the mean of each filter over all positions.

    What is compared of a convolution is how much of its pattern a filter finds in an image, not where. The last layer
    is given as probabilities, the softmax of the logits. Both as in Morcos et al. 2018.
    """
    found = [to_numpy(a.mean((-2, -1)) if a.ndim == 5 else a).astype(np.float64) for a in layers]
    return [*found[:-1], softmax(found[-1], axis=-1)]


def distances(x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """1 less the similarity of network i of x with network j of y, each (N, N).

    x, y: (N, images, units). PWCCA weighs by one layer's units; the mean of both sides is taken.
    """
    rows, columns = x[:, None], y[None]
    here, there = basis(rows), basis(columns)
    weighted = pwcca(here, there).similarity + pwcca(there, here).similarity
    return {
        "pwcca": 1 - weighted / 2,
        "cca": 1 - cca(here, there).similarity,
        "cka": 1 - linear_cka(rows, columns),
    }


def by_network(each: np.ndarray) -> np.ndarray:
    """(N,) the mean distance of each network from its N - 1 partners of another number.

    Networks of one number began with the same weights, also in groups that were trained on other labels: such pairs are
    left out. Each pair counts for both of its networks, so that the N numbers are not independent.
    """
    both = (each + each.T) / 2
    return both[~np.eye(len(both), dtype=bool)].reshape(len(both), -1).mean(1)

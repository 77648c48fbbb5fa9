"""What excites the units of a convolution: their receptive fields, and the images of their strongest responses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from layerlab.nets import Conv

DIGITS = 5  # of a response that count; what is equal to so many is ranked by lot


def receptive_field(layers: Sequence[Conv]) -> tuple[int, int, int]:
    """(side, step, start): position p of the last layer sees the pixels from start + step p on, `side` of them."""
    side, step, start = 1, 1, 0
    for layer in layers:
        start -= layer.padding * step
        side += (layer.kernel - 1) * step
        step *= layer.stride
    return side, step, start


def ranked(layer: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Of (images, channels, positions): images by falling response (images, channels), and the place of each there.

    The place is that of the strongest response in an image; equal responses come in random order.
    """
    most = layer.max((0, 2), keepdims=True)
    values = np.round(layer / np.where(most > 0, most, 1), DIGITS) + rng.uniform(0, 0.1**DIGITS / 2, layer.shape)
    place = values.argmax(-1)
    order = np.argsort(-values.max(-1), axis=0)
    return order, np.take_along_axis(place, order, 0)


def top_places(order: np.ndarray, place: np.ndarray, count: int) -> np.ndarray:
    """(images, channels) the place of the strongest response in each of a channel's top images, -1 in the others."""
    found = np.full(order.shape, -1)
    np.put_along_axis(found, order[:count], place[:count], 0)
    return found


def agreement(
    one: np.ndarray, other: np.ndarray, alive: np.ndarray, alive_other: np.ndarray, partners: np.ndarray, count: int
) -> dict[str, Any]:
    """What two networks' units have in common among their top images, from `top_places` of each.

    overlap: (units,) share of a unit's top images that are its partner's, NaN if one of them is silent; unmatched: mean
    of all other pairs. place, place_unmatched: share of the common images in which both look at the same place.
    """
    both = (one[:, :, None] >= 0) & (other[:, None] >= 0)
    common, same = both.sum(0), (both & (one[:, :, None] == other[:, None])).sum(0)
    living = alive[:, None] & alive_other
    pair = (np.arange(other.shape[1]) == partners[:, None]) & living
    rest = living & ~pair
    return {
        "overlap": np.where(pair.any(-1), (common * pair).sum(-1), np.nan) / count,
        "unmatched": common[rest].mean() / count,
        "place": same[pair].sum() / max(common[pair].sum(), 1),
        "place_unmatched": same[rest].sum() / max(common[rest].sum(), 1),
    }

"""How well the layers of residual networks predict numbers that belong to an image: R on images left out of the fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from layerlab.experiments.similarity._residual_groups import LAYERS
from layerlab.similarity import basis, cca, correlation
from layerlab.similarity.basis import Basis

if TYPE_CHECKING:
    from layerlab.nets import ResidualNet

READ = ("input", *LAYERS[:-2])  # the average over the image of the last block is the layer below the logits
SIDES = (1, 2)  # averages over so many squares to a side: the whole image, and its quarters
FOLDS = 5
CHUNK = 500  # images at once


def features(networks: ResidualNet, x: np.ndarray) -> tuple[dict[int, list[np.ndarray]], np.ndarray]:
    """For each of SIDES the layers of READ as (N, images, units), averaged over squares; and the logits."""
    import torch
    from torch.nn.functional import adaptive_avg_pool2d

    parts: dict[int, list[list[np.ndarray]]] = {side: [[] for _ in READ] for side in SIDES}
    logits = []
    for start in range(0, len(x), CHUNK):
        with torch.no_grad():
            *layers, _, out = networks.activations(x[start : start + CHUNK], include_input=True)
        logits.append(out.cpu().double().numpy())
        for side, kept in parts.items():
            for j, (layer, shape) in enumerate(zip(layers, networks.shapes, strict=False)):
                if len(shape) == 3:
                    layer = adaptive_avg_pool2d(layer.reshape(-1, *shape), side).reshape(*layer.shape[:2], -1)
                kept[j].append(layer.cpu().double().numpy())
    joined = {side: [np.concatenate(each, 1) for each in kept] for side, kept in parts.items()}
    return joined, np.concatenate(logits, 1)


def _folds(images: int) -> np.ndarray:
    """The fold of each image; the images are in random order."""
    return np.arange(images) % FOLDS


def fold_bases(layer: np.ndarray) -> list[Basis]:
    """For each fold the basis of a layer (N, images, units) on the images of all others."""
    fold = _folds(layer.shape[1])
    return [basis(layer[:, fold != k]) for k in range(FOLDS)]


def held_out(layer: np.ndarray, target: np.ndarray, bases: list[Basis]) -> tuple[np.ndarray, np.ndarray]:
    """R of each column of target (N, images, C) on the layer, as fitted and on the images left out: two of (N, C).

    Means over the folds. A layer or target that does not vary knows nothing: 0.
    """
    fold, target = _folds(layer.shape[1]), np.moveaxis(target, -1, 0)[..., None]  # (C, N, images, 1)
    fitted, held = [], []
    for k, fit in enumerate(bases):
        found = cca(fit, target[:, :, fold != k])
        fitted.append(found.coefficients[..., 0])
        guess = layer[:, fold == k] @ found.directions_x
        truth = target[:, :, fold == k] * np.where(found.directions_y < 0, -1, 1)
        held.append(correlation(guess, truth)[..., 0, 0])
    return np.mean(fitted, 0).T, np.mean(held, 0).T

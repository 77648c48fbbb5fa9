"""Piecewise linear functions of one number: how many pieces a ReLU network makes, and how many a sawtooth needs.

A network of L hidden layers of w ReLU units, fed one number, is a piecewise linear function. Cut the line into
intervals on which every unit of a layer is affine. Within one of them each unit of the next layer has an affine
pre-activation, which changes sign at most once; so w units cut it into at most w + 1. Layer by layer: at most (w+1)^L
pieces. Telgarsky 2016 proves the like for networks of any shape, and separates deep ones from shallow ones by the
sawtooth below.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from layerlab.nets import MLP


def most_pieces(width: int, depth: int) -> int:
    """The most linear pieces of a network with `depth` hidden layers of `width` ReLU units: (width + 1)^depth."""
    return (width + 1) ** depth


def fewest_errors(points: int, pieces: int) -> int:
    """The fewest of `points` alternately labelled points that a function of so many pieces gets wrong by its sign.

    Within a piece the sign changes at most once, and no change is to be had at the border of two pieces, where the
    function is continuous: the signs fall into at most R = pieces + 1 runs. A run over r points gets floor(r/2) or more
    wrong, so that with r_1 + ... + r_R = points at least (points - R) / 2 are wrong. Runs of odd length attain it.
    """
    return max(0, math.ceil((points - pieces - 1) / 2))


def widest(parameters: int, depth: int) -> int:
    """The largest width with which a 1 - width x depth - 1 network has at most so many parameters (at least 1)."""
    width = 1
    while count_parameters(width + 1, depth) <= parameters and depth > 0:
        width += 1
    return width


def count_parameters(width: int, depth: int) -> int:
    """Weights and biases of a 1 - width x depth - 1 network; 2 without hidden layers."""
    if depth == 0:
        return 2
    return 2 * width + (depth - 1) * (width**2 + width) + width + 1


def sawtooth_points(m: int) -> tuple[np.ndarray, np.ndarray]:
    """The 2^m + 1 evenly spaced points of [-1, 1], as a column, and their classes 0, 1, 0, 1, ..., 0."""
    count = 2**m + 1
    return np.linspace(-1.0, 1.0, count)[:, None], np.arange(count) % 2


def tent_network(m: int, device: str = "cpu") -> MLP:
    """The tent map composed m times, minus 1/2, as a network of m hidden layers of 2 ReLU units (float64 on the CPU).

    tau(t) = 2 relu(t) - 4 relu(t - 1/2) goes up from tau(0) = 0 to tau(1/2) = 1 and down to tau(1) = 0; composed with
    itself m times it has 2^(m-1) teeth and runs through 0, 1, 0, 1, ... on the points j/2^m. The input x in [-1, 1]
    enters as t = (x + 1)/2.
    """
    import torch

    from layerlab.nets import MLP

    network = MLP((1, *[2] * m, 1), "relu", dtype=torch.float64)
    state = {name: np.zeros_like(value) for name, value in network.state().items()}
    state["weights_0"][0], state["biases_0"][0] = [[0.5, 0.5]], [[0.5, 0.0]]
    for layer in range(1, m):
        state[f"weights_{layer}"][0], state[f"biases_{layer}"][0] = [[2, 2], [-4, -4]], [[0, -0.5]]
    state[f"weights_{m}"][0], state[f"biases_{m}"][0] = [[2], [-4]], [[-0.5]]
    return network.load_state_(state)


def count_pieces(network: MLP, low: float = -1.0, high: float = 1.0) -> np.ndarray:
    """The number of linear pieces of each network's output on [low, high], computed exactly (in float64).

    network: N ReLU networks with one input and one output. Layer by layer, each interval is cut where a unit's affine
    pre-activation is zero within it. A cut counts if the slopes of the output beside it differ.
    """
    if network.widths[0] != 1 or network.widths[-1] != 1 or {f.name for f in network.functions[:-1]} - {"relu"}:
        raise ValueError(f"network is {network!r}; it must be a ReLU network with one input and one output")
    state = {name: value.astype(np.float64) for name, value in network.state().items()}
    layers = range(network.depth)
    return np.array(
        [
            _pieces([state[f"weights_{n}"][i] for n in layers], [state[f"biases_{n}"][i, 0] for n in layers], low, high)
            for i in range(len(network))
        ]
    )


def _pieces(weights: list[np.ndarray], biases: list[np.ndarray], low: float, high: float) -> int:
    edges = np.array([low, high])
    slope, offset = np.ones((1, 1)), np.zeros((1, 1))  # intervals x units: a(x) = slope x + offset
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        slope, offset = slope @ w, offset @ w + b
        with np.errstate(divide="ignore", invalid="ignore"):
            zeros = -offset / slope
        inside = (zeros > edges[:-1, None]) & (zeros < edges[1:, None])
        cuts = np.unique(np.concatenate([edges, zeros[inside]]))
        middles = (cuts[1:] + cuts[:-1]) / 2
        parent = np.clip(np.searchsorted(edges, middles) - 1, 0, len(edges) - 2)
        slope, offset, edges = slope[parent], offset[parent], cuts
        active = slope * middles[:, None] + offset > 0
        slope, offset = slope * active, offset * active
    final = (slope @ weights[-1])[:, 0]
    different = np.abs(np.diff(final)) > 1e-9 * (np.abs(final).max() or 1.0)
    return 1 + int(different.sum())

"""Wide random layers: the law of their angles and lengths, from layer to layer.

With weights N(0, s^2/fan-in) and biases N(0, b^2), the pre-activations of two inputs are jointly normal in the limit of
many units, of variance q and cosine c: q' = s^2 E[φ(u)^2] + b^2 and q' c' = s^2 E[φ(u) φ(v)] + b^2.

Source: B. Poole et al. 2016, section 2; for ReLU Y. Cho, L. K. Saul 2009.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layerlab.projection import arc_cosine_kernel, tanh_kernel

GRID = 65  # initial angles that are followed; the others are interpolated


@dataclass(frozen=True)
class Theory:
    """angles: of the activations, (depth + 1, pairs) in radians, the input first. squares: mean square activation.

    first_kernel: E[φ(u) φ(v)] in the first layer, by pair. unit_variance: Var[φ(u) φ(v)] there.
    slope: χ = s^2 E[φ'(u)^2] in the last layer: the factor on the squared distance of pre-activations of near points.
    """

    angles: np.ndarray
    squares: np.ndarray
    first_kernel: np.ndarray
    unit_variance: np.ndarray
    slope: float


def follow(activation: str, gain: float, bias: float, depth: int, start: np.ndarray) -> Theory:
    """The angles of pairs that start at `start` (radians, inputs of mean square 1) through `depth` layers.

    activation: linear, relu or tanh; s^2 = gain^2, for relu 2 gain^2, so that gain 1 keeps the mean square of linear
    and ReLU layers without biases.
    """
    weight = gain**2 * (2 if activation == "relu" else 1)
    grid = np.linspace(0, np.pi, GRID)
    kernel, square = np.cos(grid), 1.0
    angles, squares = [start], [1.0]
    first_kernel = unit_variance = start
    for layer in range(depth):
        q = weight * square + bias**2
        theta = np.arccos(np.clip((weight * kernel + bias**2) / q, -1, 1))
        kernel, square = expected_product(activation, theta, q), float(expected_product(activation, np.zeros(1), q)[0])
        angles.append(np.interp(start, grid, np.arccos(np.clip(kernel / square, -1, 1))))
        squares.append(square)
        if layer == 0:
            first_kernel = np.interp(start, grid, kernel)
            unit_variance = np.interp(start, grid, expected_square(activation, theta, q) - kernel**2)
    return Theory(np.array(angles), np.array(squares), first_kernel, unit_variance, slope(activation, weight, q))


def expected_product(activation: str, theta: np.ndarray, q: float) -> np.ndarray:
    """E[φ(u) φ(v)], u and v jointly normal of variance q and correlation cos theta."""
    if activation == "linear":
        return q * np.cos(theta)
    if activation == "relu":
        return q / 2 * arc_cosine_kernel(theta, 1)
    return tanh_kernel(theta, q)


def expected_square(activation: str, theta: np.ndarray, q: float) -> np.ndarray:
    """E[φ(u)^2 φ(v)^2]: with the product's mean it gives the fluctuation of a finite layer."""
    if activation == "linear":
        return q**2 * (1 + 2 * np.cos(theta) ** 2)
    if activation == "relu":
        return q**2 / 2 * arc_cosine_kernel(theta, 2)
    nodes, weights = _gauss()
    left = np.tanh(np.sqrt(q) * nodes) ** 2 * weights
    return np.array(
        [left @ np.tanh(np.sqrt(q) * (np.cos(t) * nodes[:, None] + np.sin(t) * nodes)) ** 2 @ weights for t in theta]
    )


def slope(activation: str, weight: float, q: float) -> float:
    """χ = s^2 E[φ'(u)^2], u ~ N(0, q): above 1 near points part, below 1 they come together."""
    if activation != "tanh":
        return weight * (0.5 if activation == "relu" else 1.0)
    nodes, weights = _gauss()
    return float(weight * (weights @ np.cosh(np.sqrt(q) * nodes) ** -4.0))


def _gauss() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights for means over a standard normal (trapezoid: its error falls exponentially here)."""
    nodes = np.linspace(-8.5, 8.5, 401)
    weights = np.exp(-(nodes**2) / 2)
    return nodes, weights / weights.sum()

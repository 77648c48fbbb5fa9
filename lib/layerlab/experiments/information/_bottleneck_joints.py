"""Small joints on which the bottleneck experiments of this chapter look, a fresh one for each seed."""

from __future__ import annotations

import numpy as np

KINDS = ("ring", "tree", "random")


def joint(kind: str, size: int, stream: np.random.SeedSequence) -> np.ndarray:
    """p(x, y) of shape (size, 4), x uniform but for the random one.

    ring: x on a circle, p(y|x) a bump around each of four directions: neighbours are alike, no group is marked.
    tree: two halves of two quarters each; p(y|x) is a mixture of its half's and its quarter's distribution and noise.
    random: p(x, y) uniform on the simplex of all joints.
    """
    rng = np.random.default_rng(stream)
    if kind == "random":
        return rng.dirichlet(np.ones(4 * size)).reshape(size, 4)
    place = (np.arange(size) + 0.5) / size
    if kind == "ring":
        turn, sharpness = rng.random(), rng.uniform(1.5, 3.0)
        cond = np.exp(sharpness * np.cos(2 * np.pi * (place[:, None] + turn - np.arange(4) / 4)))
    else:
        half, quarter = (2 * place).astype(int), (4 * place).astype(int)
        coarse = np.array([[1, 1, 0, 0], [0, 0, 1, 1]])[half] / 2
        cond = 0.55 * coarse + 0.3 * np.eye(4)[quarter] + 0.15 * rng.dirichlet(np.ones(4), size)
    cond /= cond.sum(1, keepdims=True)
    return cond / size

"""The points that the experiments of this chapter map, drawn from a data set by name."""

from __future__ import annotations

import numpy as np

from layerlab import data

DIMENSIONS = {"digits": 64, "mnist": 784, "fashion-mnist": 784, "gaussian": 1000}
AVAILABLE = {"digits": 1347, "mnist": 60_000, "fashion-mnist": 60_000, "gaussian": 60_000}
NAMES = tuple(DIMENSIONS)


def check(name: str, n: int, k: int | None = None, kind: str = "") -> None:
    """Refuse more points than the data set has, and an orthonormal map to k >= d, which drops nothing."""
    if n > AVAILABLE[name]:
        raise ValueError(f"n must be at most {AVAILABLE[name]:,}, the training points of {name}; it was {n:,}")
    if kind == "orthonormal" and k is not None and k >= DIMENSIONS[name]:
        d = DIMENSIONS[name]
        raise ValueError(f"k must be smaller than d = {d}, the dimension of {name}, for an orthonormal map; it was {k}")


def draw(name: str, n: int, seed: int) -> tuple[np.ndarray, dict[str, str]]:
    """n different training points as float64 rows, and the checksum of their data set.

    Gaussian points are ten clouds in 1000 dimensions (`layerlab.data.gaussian`). A smaller n gives a prefix of a
    larger one's points, except for Gaussian clouds, which are drawn anew.
    """
    options = {"n": n + 1, "d": DIMENSIONS[name], "test_share": 1 / (n + 1), "seed": seed} if name == "gaussian" else {}
    dataset = data.load(name, **options)
    return dataset.take(train=n, seed=seed).x_train.astype(np.float64), {dataset.name: dataset.checksum}

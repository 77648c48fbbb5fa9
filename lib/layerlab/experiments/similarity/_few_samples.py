"""Layers to correlate on few samples: independent ones, ones that share signals, and those of trained networks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layerlab.experiments.similarity._reading import CUTS, cut
from layerlab.similarity import basis, cca

ONE = 1 - 1e-11  # a coefficient above this is 1


def independent(
    p: int, q: int, sizes: Sequence[int], samples: int, draws: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Gaussian layers of p and q units that have nothing to do with each other: means over draws for each size."""
    found = [_coefficients(p, q, n, draws, rng) for n in sizes]
    return {
        "mean_square": np.array([(rho**2).mean() for rho in found]),
        "forced": np.array([(rho > ONE).sum(-1).mean() for rho in found]),
        "largest": np.array([rho[:, 0].mean() for rho in found]),
        "coefficient": _coefficients(p, q, samples, draws, rng).mean(0),
    }


def _coefficients(p: int, q: int, n: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    found = cca(*(rng.standard_normal((draws, n, units)) for units in (p, q)))
    return np.asarray(found.coefficients[:, : int(found.count.min())])


def related(
    p: int,
    q: int,
    shared: int,
    noise: float,
    keep: float,
    sizes: Sequence[int],
    draws: int,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Layers with the same signals and noise of their own; each direction is a unit, rotations would change nothing."""
    similar, kept, square = np.zeros((3, len(sizes))), np.zeros((3, len(sizes))), np.zeros(len(sizes))
    for at, n in enumerate(sizes):
        signal = rng.standard_normal((draws, n, shared))
        own = (rng.standard_normal((draws, n, units - shared)) for units in (p, q))
        x, y = (basis(np.concatenate([signal, noise * each], -1)) for each in own)
        for i, name in enumerate(CUTS):
            found = cca(cut(x, name, keep), cut(y, name, keep))
            similar[i, at] = np.mean(found.similarity)
            kept[i, at] = np.mean(found.count)
            if name == "none":
                square[at] = ((found.coefficients**2).sum(-1) / found.count).mean()
    return {"shared": similar, "shared_square": square, "kept": kept}


def networks(pair: np.ndarray, images: Sequence[int], draws: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Two layers (2, samples, units) on random images, and with the images of the second shuffled."""
    names = ("real", "real_shuffled", "shuffled_square", "shuffled_exact", "shuffled_error")
    rows = []
    for m in images:
        chosen = np.array([rng.permutation(pair.shape[1])[:m] for _ in range(draws)])
        x, shuffled = basis(pair[0][chosen]), basis(pair[1][rng.permuted(chosen, axis=1)])
        together, apart = cca(x, pair[1][chosen]), cca(x, shuffled)
        square = (apart.coefficients**2).sum(-1) / apart.count
        exact = np.maximum(x.rank, shuffled.rank) / (m - 1)
        error = (square - exact).std(ddof=1) / np.sqrt(draws)
        rows.append((together.similarity.mean(), apart.similarity.mean(), square.mean(), exact.mean(), error))
    return dict(zip(names, np.array(rows).T, strict=True))

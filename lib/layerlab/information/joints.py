"""Joint distributions by formula, whose informations are known: something to hold every measure against.

Each returns a float64 array p_xy of shape (|X|, |Y|) that sums to 1. Sources: T. M. Cover, J. A. Thomas, Elements of
Information Theory, 2nd edition 2006, sections 7.1 (channels) and 8.5 (Gaussians).
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from .measures import check_distribution

_FAR = 9.0  # standard deviations: what lies beyond weighs 1e-18
_NODES = 16  # of the Gauss-Legendre rule on each panel


def binary_symmetric(flip: float, p: float = 0.5) -> np.ndarray:
    """A bit X with P[X = 1] = p, and Y = X flipped with probability `flip`: (2, 2).

    I(X;Y) = h(p (1-flip) + (1-p) flip) - h(flip) bits, 1 - h(flip) at p = 1/2. Raises ValueError outside [0, 1].
    """
    flip, p = _share(flip, "flip"), _share(p, "p")
    return np.array([1 - p, p])[:, None] * np.array([[1 - flip, flip], [flip, 1 - flip]])


def noisy_typewriter(letters: int = 26, reach: int = 2) -> np.ndarray:
    """Equally likely letters, of which each is printed as itself or one of the next, cyclically: `reach` in all.

    I(X;Y) = log2(letters / reach) bits, shape (letters, letters). Raises ValueError unless 1 <= reach <= letters.
    """
    if not 1 <= reach <= letters:
        raise ValueError(f"reach must be between 1 and letters = {letters}; it was {reach!r}")
    first = np.arange(letters)[:, None]
    p = np.zeros((letters, letters))
    p[first, (first + np.arange(reach)) % letters] = 1 / (letters * reach)
    return p


def gaussian_grid(correlation: float, bins: int = 64, *, equal: str = "width", limit: float = 4.0) -> np.ndarray:
    """Two standard normal numbers of given correlation, each told to within one of `bins` cells: (bins, bins).

    equal = "width": cells of one width within +-limit, the first and the last reaching on to infinity; "mass": cells
    of one probability. I(X;Y) rises to -1/2 log2(1 - correlation^2) bits as the cells become fine, from below:
    quantising is processing. Cells are exact to about 1e-12 (Gauss-Legendre over x of the conditional Gaussian law of
    y). Raises ValueError unless |correlation| < 1, bins >= 1, limit in (0, 9).
    """
    if not abs(correlation) < 1:
        raise ValueError(f"correlation must lie strictly between -1 and 1; it was {correlation!r}")
    if bins < 1 or equal not in ("width", "mass") or not 0 < limit < _FAR:
        raise ValueError(
            f"bins must be at least 1, equal 'width' or 'mass', limit between 0 and {_FAR:g}; "
            f"they were {bins!r}, {equal!r}, {limit!r}"
        )
    edges = np.linspace(-limit, limit, bins + 1) if equal == "width" else ndtri(np.linspace(0, 1, bins + 1))
    edges[0], edges[-1] = -_FAR, _FAR
    width = np.sqrt(1 - correlation**2)  # of y given x: panels over x no wider than that
    panels = np.union1d(edges, np.arange(-_FAR, _FAR, max(width, 0.01)))
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    half = np.diff(panels)[:, None] / 2
    x = (panels[1:] + panels[:-1])[:, None] / 2 + half * nodes  # (panels, nodes)
    density = half * weights * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    below = ndtr((edges[1:-1] - correlation * x[..., None]) / width)
    cumulative = np.concatenate([np.zeros((*x.shape, 1)), below, np.ones((*x.shape, 1))], axis=-1)
    mass = np.einsum("in,inj->ij", density, np.diff(cumulative, axis=-1))
    p = np.add.reduceat(mass, np.searchsorted(panels, edges[:-1]), axis=0).clip(0)
    return p / p.sum()


def random_joint(shape: tuple[int, ...], seed: int | np.random.SeedSequence, concentration: float = 1.0) -> np.ndarray:
    """A joint drawn from the symmetric Dirichlet law over all cells: concentration 1 is uniform, less is more uneven.

    shape: (|X|, |Y|) or more axes. Raises ValueError for an empty shape or a concentration that is not above 0.
    """
    if not concentration > 0 or not shape or min(shape) < 1:
        raise ValueError(f"shape and concentration must be positive; they were {shape!r} and {concentration!r}")
    cells = np.random.default_rng(seed).dirichlet(np.full(int(np.prod(shape)), float(concentration)))
    return cells.reshape(shape)


def joint_of_counts(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The joint of two sequences of labels as they occur together: relative frequencies, rows sorted by x's values.

    x: (n,) values or (n, d) rows, told apart as wholes; y: (n,) values. Returns (|X|, |Y|), one row for each different
    x. Raises ValueError for sequences that are empty or of different length.
    """
    x, y = np.asarray(x), np.asarray(y)
    if len(x) != len(y) or not len(x):
        raise ValueError(f"x and y must be as long as each other and not empty; they were {len(x)} and {len(y)} long")
    rows, columns = (np.unique(v, axis=0, return_inverse=True)[1].reshape(-1) for v in (x, y))
    p = np.zeros((rows.max() + 1, columns.max() + 1))
    np.add.at(p, (rows, columns), 1 / len(x))
    return check_distribution(p, "the joint", (0, 1))


def _share(value: float, name: str) -> float:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must lie within [0, 1]; it was {value!r}")
    return float(value)

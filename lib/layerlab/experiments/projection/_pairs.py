"""What a layer does to all pairs of points, and to the groups among them."""

from __future__ import annotations

import numpy as np

from layerlab.projection import (
    angles,
    class_separation,
    distortion,
    knn_accuracy,
    neighbour_overlap,
    neighbour_purity,
    relu_distortion,
    squared_distances,
)

KINDS = ("within", "between")
QUANTILES = (0.1, 0.5, 0.9)
NEIGHBOURS = 5
KNN_ROWS = 4_000  # training rows among which neighbours are looked for


class Pairs:
    """All pairs of the rows of x (n x d) with labels y: their distances, their kinds and a grid of `bins` distances.

    Pairs that coincide, or with a row of zeros, have no ratio or angle and are left out.
    masks: condensed, for all pairs, those within a class and those between classes.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, bins: int = 14) -> None:
        from scipy.spatial.distance import squareform

        self.x = x
        self.before = squared_distances(x)
        first, second = np.triu_indices(len(x), 1)
        norms = np.linalg.norm(x, axis=1)
        kept = (self.before > 0) & (norms[first] > 0) & (norms[second] > 0)
        same = y[first] == y[second]
        self.masks = {"all": kept, "within": kept & same, "between": kept & ~same}
        self.ratio = np.divide(norms[second], norms[first], out=np.ones_like(self.before), where=kept)
        inverse = np.divide(1.0, self.before, out=np.zeros_like(self.before), where=kept)
        self._weights = {k: squareform(np.where(m, inverse, 0)) / max(1, m.sum()) for k, m in self.masks.items()}
        self.unit = float(np.sqrt(self.before[kept].mean()))  # root mean square distance
        distance = np.sqrt(self.before) / self.unit
        low, high = (float(np.quantile(distance[kept], share)) for share in (0.002, 0.998))
        self.edges = np.linspace(low, high, bins + 1)
        self.bin = np.digitize(distance, self.edges) - 1

    def expected(self, activation: str) -> np.ndarray:
        """Expected factor on each squared distance by a random layer of relu or linear units, condensed."""
        if activation == "linear":
            return np.ones_like(self.before)
        return relu_distortion(np.nan_to_num(angles(self.x)), self.ratio)

    def factor(self, h: np.ndarray) -> np.ndarray:
        """Squared distance after over before, condensed; 1 for the pairs that are left out."""
        return np.where(self.masks["all"], distortion(self.x, h), 1.0)

    def unit_factors(self, h: np.ndarray) -> dict[str, np.ndarray]:
        """What each unit adds to the mean factor, times the number of units: (units,) for each mask.

        Their mean is the mean factor. In a random layer they are independent, and give its standard error.
        """
        h = h.astype(np.float64)
        return {
            kind: h.shape[1] * (w.sum(0) @ h**2 - np.einsum("iu,iu->u", h, w @ h)) for kind, w in self._weights.items()
        }

    def bands(self, factor: np.ndarray) -> np.ndarray:
        """Quantiles of the distance after, by kind and distance before: (2, bins, 3), both in root mean squares.

        NaN where a bin holds fewer than 20 pairs of a kind.
        """
        after = np.sqrt(factor * self.before)
        after = after / np.sqrt(np.mean(after[self.masks["all"]] ** 2))
        bins = len(self.edges) - 1
        out = np.full((len(KINDS), bins, len(QUANTILES)), np.nan)
        for k, kind in enumerate(KINDS):
            for b in range(bins):
                chosen = self.masks[kind] & (self.bin == b)
                if chosen.sum() >= 20:
                    out[k, b] = np.quantile(after[chosen], QUANTILES)
        return out

    def spread(self, factor: np.ndarray) -> float:
        """Standard deviation over mean of the ratio of distances: 0 if all are kept up to one common scale."""
        ratio = np.sqrt(factor[self.masks["all"]])
        return float(ratio.std() / ratio.mean())


def groups(h_train: np.ndarray, y_train: np.ndarray, h: np.ndarray, y: np.ndarray, x: np.ndarray) -> list[float]:
    """[k-NN accuracy, neighbour purity, neighbour overlap with x, share of the scatter that lies between classes]."""
    return [
        knn_accuracy(h_train[:KNN_ROWS], y_train[:KNN_ROWS], h, y, NEIGHBOURS),
        neighbour_purity(h, y, NEIGHBOURS),
        neighbour_overlap(x, h, NEIGHBOURS),
        between_share(h, y),
    ]


def between_share(h: np.ndarray, y: np.ndarray) -> float:
    """Share of the scatter that lies between classes, tr S_B / tr(S_B + S_W), from 0 (no difference) to 1 (points)."""
    separation = class_separation(h, y)
    return 1.0 if separation == np.inf else separation / (1 + separation)

"""How well groups hold together: neighbours, scatter of classes, linear probes.

Rows are samples and come as numpy arrays or tensors (copied to the CPU: scikit-learn does the work); labels are a
vector of as many integers or strings. Every figure of merit is a float.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from layerlab.arrays import matrix, to_numpy, whole

from .angles import relu_angle


def knn_accuracy(x_train: Any, y_train: Any, x_test: Any, y_test: Any, neighbours: int = 5) -> float:
    """Share of test rows whose class is that of the majority of their nearest training rows (Euclidean).

    neighbours: 1 .. number of training rows; ties go as in scikit-learn's KNeighborsClassifier.
    """
    (x_train, y_train), (x_test, y_test) = _split(x_train, y_train, x_test, y_test)
    neighbours = whole(neighbours, "neighbours", 1, len(x_train))
    from sklearn.neighbors import KNeighborsClassifier

    classifier = KNeighborsClassifier(n_neighbors=neighbours).fit(x_train, y_train)
    return float(np.mean(classifier.predict(x_test) == y_test))


def neighbour_purity(x: Any, y: Any, neighbours: int = 10) -> float:
    """Mean share of a row's nearest other rows that have its class: 1 if all do, about sum of p_c^2 by chance.

    neighbours: 1 .. n-1.
    """
    x, y = _labelled(x, y, "x", "y", rows=2)
    nearest = _nearest(x, whole(neighbours, "neighbours", 1, len(x) - 1))
    return float(np.mean(y[nearest] == y[:, None]))


def neighbour_overlap(x: Any, fx: Any, neighbours: int = 10) -> float:
    """Mean share of a row's nearest other rows that a map keeps among its nearest: |N(x_i) & N(f(x_i))| / neighbours.

    1 if the map keeps every neighbourhood; neighbours/(n-1) in expectation if it forgets them.
    neighbours: 1 .. n-1.
    """
    x, fx = _rows(x, "x", rows=2), _rows(fx, "fx", rows=2)
    if len(x) != len(fx):
        raise ValueError(f"x and fx must have as many rows: x has {len(x)}, fx has {len(fx)}")
    neighbours = whole(neighbours, "neighbours", 1, len(x) - 1)
    pairs = zip(_nearest(x, neighbours), _nearest(fx, neighbours), strict=True)
    return float(np.mean([len(np.intersect1d(a, b)) for a, b in pairs]) / neighbours)


def class_separation(x: Any, y: Any) -> float:
    """Between-class over within-class scatter, tr(S_B) / tr(S_W).

    S_B = sum_c n_c (m_c - m)(m_c - m)^T and S_W = sum_c sum_{i in c} (x_i - m_c)(x_i - m_c)^T, with m_c the mean of
    class c, n_c its size and m the mean of all. Unchanged by shifts, rotations and scaling; inf if every class has
    collapsed to a point, nan if all points are one. Needs at least 2 classes.
    Source: R. A. Fisher 1936; K. Fukunaga, Introduction to Statistical Pattern Recognition, section 10.2.
    """
    x, y = _labelled(x, y, "x", "y", rows=2)
    _several(y, "y")
    x = x.astype(np.float64)
    x = x / (np.abs(x).max() or 1.0)
    centre, between, within = x.mean(axis=0), 0.0, 0.0
    for label in np.unique(y):
        members = x[y == label]
        offset = members - members[0]  # from one of them, so that a collapsed class has a scatter of exactly 0
        mean = offset.mean(axis=0)
        between += len(members) * float(np.sum((members[0] + mean - centre) ** 2))
        within += float(np.sum((offset - mean) ** 2))
    if within > 0:
        return between / within
    return math.inf if np.any(x != x[0]) else math.nan


def wide_separation(x: Any, y: Any, depth: int) -> float:
    """tr S_B / tr S_W after `depth` infinitely wide random ReLU layers with He weights and no biases.

    Such layers keep lengths and map angles by `relu_angle`, so |f(x_i) - f(x_j)|^2 = (r_i - r_j)^2 +
    4 r_i r_j sin^2(theta_ij / 2), r_i = |x_i|. With S the sum of squared distances over all ordered pairs of a set of n
    points, their scatter about their mean is S / 2n: so total and within-class scatter follow from pairs alone.
    depth: 0 (the `class_separation` of x itself) or more. Source: Y. Cho, L. K. Saul 2009, for the angles.
    """
    x, y = _labelled(x, y, "x", "y", rows=2)
    x = x.astype(float)
    r = np.linalg.norm(x, axis=1)
    cosine = np.clip(x @ x.T / np.outer(r, r), -1, 1)
    np.fill_diagonal(cosine, 1)
    theta = relu_angle(np.arccos(cosine), depth)
    squares = (r[:, None] - r) ** 2 + 4 * np.outer(r, r) * np.sin(theta / 2) ** 2
    total = squares.sum() / (2 * len(x))
    classes = [np.flatnonzero(y == label) for label in np.unique(y)]
    within = sum(squares[np.ix_(rows, rows)].sum() / (2 * len(rows)) for rows in classes)
    return float(total / within - 1)


def linear_probe_accuracy(x_train: Any, y_train: Any, x_test: Any, y_test: Any, regularisation: float = 1.0) -> float:
    """Test accuracy of a linear classifier on frozen features: multinomial logistic regression, columns standardised.

    regularisation: weight of the squared weights, |W|^2 / 2, against the summed loss (1/C in scikit-learn's
    LogisticRegression), > 0. Deterministic: the problem is convex and solved to its optimum by L-BFGS.
    Source: G. Alain, Y. Bengio, Understanding intermediate layers using linear classifier probes, 2016.
    """
    (x_train, y_train), (x_test, y_test) = _split(x_train, y_train, x_test, y_test)
    _several(y_train, "y_train")
    strength = float(regularisation)
    if not 0 < strength < math.inf:
        raise ValueError(f"regularisation must be positive and finite, not {regularisation}")
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), LogisticRegression(C=1 / strength, max_iter=5000))
    return float(np.mean(probe.fit(x_train, y_train).predict(x_test) == y_test))


def _nearest(x: np.ndarray, neighbours: int) -> np.ndarray:
    """Indices of each row's nearest other rows, n x neighbours."""
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=neighbours).fit(x).kneighbors(return_distance=False)


def _rows(x: Any, name: str, rows: int = 1) -> np.ndarray:
    return to_numpy(matrix(x, name, rows=rows))


def _labelled(x: Any, y: Any, x_name: str, y_name: str, rows: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """x and its labels, as many as it has rows."""
    x, labels = _rows(x, x_name, rows), to_numpy(y)
    if labels.shape != (len(x),):
        raise ValueError(f"{y_name} must hold one label per row of {x_name} ({len(x)}), not shape {labels.shape}")
    if labels.dtype.kind not in "iubUS":
        raise TypeError(f"{y_name} must hold integers or strings, not {labels.dtype}")
    return x, labels


def _split(x_train: Any, y_train: Any, x_test: Any, y_test: Any) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    train = _labelled(x_train, y_train, "x_train", "y_train")
    test = _labelled(x_test, y_test, "x_test", "y_test")
    if train[0].shape[1] != test[0].shape[1]:
        raise ValueError(f"x_train and x_test must have as many columns: {train[0].shape[1]} and {test[0].shape[1]}")
    return train, test


def _several(labels: np.ndarray, name: str) -> None:
    if len(np.unique(labels)) < 2:
        raise ValueError(f"{name} must hold at least 2 classes")

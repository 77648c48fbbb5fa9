"""Predicting each unit of one layer from few units of another: how local or distributed is a shared code?

Source: Y. Li et al., Convergent learning, ICLR 2016, section 4, with the lasso in its usual normalisation.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import lasso_path

from layerlab.arrays import to_numpy

from ._inputs import pair
from .matching import standardised


@dataclass(frozen=True, eq=False)
class Prediction:
    """Lasso predictions of every unit of y from the units of x, for each penalty.

    penalties: (P,) descending. coefficients: (P, units of x, units of y), between standardised units.
    error: (P, units of y) mean squared error over variance on the samples used: 1 - R^2; NaN for units that do not
        vary. used: (P, units of y) units of x with a coefficient other than 0. gap: (P, units of y) duality gap of the
        objective, how far it can be from its minimum.
    """

    penalties: np.ndarray
    coefficients: np.ndarray
    error: np.ndarray
    used: np.ndarray
    gap: np.ndarray
    _origin: tuple[np.ndarray, ...]

    def error_on(self, x: Any, y: Any) -> np.ndarray:
        """(P, units of y) the error on other samples: mean squared error over the variance in those of the fit."""
        x, y = (to_numpy(each) for each in pair(x, y))
        mean_x, scale_x, mean_y, scale_y = self._origin
        if (x.shape[-1], y.shape[-1]) != (len(mean_x), len(mean_y)):
            units = f"{x.shape[-1]} and {y.shape[-1]} units; fitted were {len(mean_x)} and {len(mean_y)}"
            raise ValueError(f"x and y have {units}")
        with np.errstate(divide="ignore", invalid="ignore"):
            target = (y - mean_y) / np.where(scale_y > 0, scale_y, np.nan)
        from_x = (x - mean_x) * np.where(scale_x > 0, 1 / np.where(scale_x > 0, scale_x, 1), 0)
        return ((from_x @ self.coefficients - target) ** 2).mean(-2)


def sparse_prediction(
    x: Any, y: Any, penalties: Sequence[float], *, tolerance: float = 1e-6, max_iterations: int = 10_000
) -> Prediction:
    """Minimises |y_j - X b|^2 / (2 samples) + penalty |b|_1 for every unit y_j, all units standardised.

    x: (samples, units), y: (samples, units), on the same samples. penalties: each 0 or more; 0 is least squares, of
        least norm where x has dependent units. For standardised units, penalties of 1 or more leave no unit in use.
    tolerance: the duality gap aimed at, in parts of the variance of y_j.

    Coordinate descent (scikit-learn's), warm-started along the penalties, the Gram matrix formed once for all targets.
    numpy out. Raises ValueError or TypeError for shapes that do not fit, NaN, no or negative penalties.
    """
    x, y = (to_numpy(each) for each in pair(x, y))
    if x.ndim != 2 or y.ndim != 2:
        raise ValueError(f"x and y must be (samples, units), not {x.shape} and {y.shape}")
    wanted = np.sort(np.unique(np.asarray(penalties, dtype=float)))[::-1]
    if not wanted.size or not np.isfinite(wanted).all() or wanted[-1] < 0:
        raise ValueError(f"penalties must be finite numbers of at least 0, not {penalties}")
    from_x, target = np.asfortranarray(standardised(x)), standardised(y)
    gram, cross = from_x.T @ from_x, from_x.T @ target
    positive = wanted[wanted > 0]
    shape = (len(wanted), x.shape[1], y.shape[1])
    coefficients, gap = np.zeros(shape), np.zeros((shape[0], shape[2]))
    if positive.size:
        with warnings.catch_warnings():  # what did not converge is told by `gap`
            warnings.simplefilter("ignore", ConvergenceWarning)
            for j in range(y.shape[1]):
                _, path, gaps = lasso_path(
                    from_x, target[:, j], alphas=positive, precompute=gram, Xy=cross[:, j],
                    tol=tolerance, max_iter=max_iterations,
                )[:3]  # fmt: skip
                coefficients[: len(positive), :, j] = path.T
                gap[: len(positive), j] = gaps
    if len(positive) < len(wanted):
        coefficients[-1] = np.linalg.lstsq(from_x, target, rcond=None)[0]
    varies = (target != 0).any(0)
    error = ((from_x @ coefficients - target) ** 2).mean(-2)
    error[:, ~varies] = np.nan
    origin = (x.mean(0), _scale(x, from_x), y.mean(0), _scale(y, target))
    return Prediction(wanted, coefficients, error, (coefficients != 0).sum(1), gap, origin)


def _scale(x: np.ndarray, standard: np.ndarray) -> np.ndarray:
    """The standard deviation of each unit, 0 where it counts as not varying."""
    return np.where((standard != 0).any(0), x.std(0), 0.0)

"""Units predicted from units: one from one, from few and from all, and how many a prediction needs."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerlab.similarity import correlation, match_units, sparse_prediction
from layerlab.similarity.matching import standardised

PENALTIES = (0.0, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3)
RIDGES = (1e-3, 1e-2, 0.1, 1.0)
METHODS = ("one-to-one", "best unit", "sparse", "least squares", "ridge")
CODES = ("local", "slightly distributed", "fully distributed", "not predicted")
ENOUGH = 0.9  # of the variance that the best prediction explains
FEW = 0.25  # of the units of the layer
LEAST = 0.1  # of a unit's variance: what is explained to less is not predicted
NOTHING = 1e-9  # a coefficient that rounding makes of 0

Pair = tuple[np.ndarray, np.ndarray]  # samples x units of the network that predicts, of the one that is predicted


def predictions(fit: Pair, choose: Pair, judge: Pair) -> dict[str, np.ndarray]:
    """Errors of all predictions of y's units from x's, mean squared error over the variance in `fit`, each in `judge`.

    error: (penalties,) of the lasso; used: (penalties,) share of x's living units that it uses; chosen: (methods,), the
    sparse and the ridge prediction with the penalty that does best in `choose`; codes: (codes,) shares of y's units.
    Errors are medians over the units of y that vary in all three parts.
    """
    lasso = sparse_prediction(*fit, PENALTIES)
    units = fit[0].std(0) > 0
    varies = np.all([y.std(0) > 0 for _, y in (fit, choose, judge)], 0)
    on = {name: lasso.error_on(*part)[:, varies] for name, part in (("choose", choose), ("judge", judge))}
    single = Scaled(fit)
    assigned = match_units(*fit).partners
    closest = np.abs(correlation(*fit)).argmax(0)
    partner = np.full(fit[1].shape[1], -1)
    partner[assigned] = np.arange(len(assigned))
    ridge = [single.ridge(penalty) for penalty in RIDGES]
    best_ridge = np.argmin([np.median(single.error(b, choose)[varies]) for b in ridge])
    positive = lasso.penalties > 0
    best_sparse = np.argmin(np.median(on["choose"][positive], -1))
    errors = (
        single.error(single.one(partner), judge)[varies],
        single.error(single.one(closest), judge)[varies],
        on["judge"][positive][best_sparse],
        on["judge"][~positive][0],
        single.error(ridge[best_ridge], judge)[varies],
    )
    few = [single.one(closest), *(single.refitted(b) for b in lasso.coefficients)]
    return {
        "error": np.median(on["judge"], -1),
        "used": (np.abs(lasso.coefficients) > NOTHING).sum(1)[:, varies].mean(-1) / units.sum(),
        "penalty": lasso.penalties[positive][best_sparse],
        "chosen": np.array([np.median(each) for each in errors]),
        "codes": codes(
            np.array([single.error(b, choose)[varies] for b in few]),
            np.array([(np.abs(b) > NOTHING).sum(0)[varies] for b in few]),
            int(units.sum()),
        ),
    }


def codes(error: np.ndarray, used: np.ndarray, units: int) -> np.ndarray:
    """Shares of the units that are coded in each of `CODES`, from candidate predictions (candidates, units).

    The fewest units that explain `ENOUGH` of the variance that the best candidate explains: one, at most `FEW` of all
    `units`, or more.
    """
    explained = 1 - error
    most = explained.max(0)
    needed = np.where(explained >= ENOUGH * most, used, units + 1).min(0)
    kind = np.where(needed <= 1, 0, np.where(needed <= FEW * units, 1, 2))
    kind[most < LEAST] = CODES.index("not predicted")
    return np.bincount(kind, minlength=len(CODES)) / len(kind)


class Scaled:
    """Linear predictions between units standardised on the samples of a fit."""

    def __init__(self, fit: Pair) -> None:
        x, y = (standardised(each) for each in fit)
        self.origin = [(each.mean(0), np.where(each.std(0) > 0, each.std(0), np.inf)) for each in fit]
        self.gram, self.cross = x.T @ x / len(x), x.T @ y / len(x)

    def one(self, source: np.ndarray) -> np.ndarray:
        """Coefficients (units of x, units of y) of the prediction from one unit for each; -1 for none."""
        found = np.zeros_like(self.cross)
        has = np.flatnonzero(source >= 0)
        found[source[has], has] = self.cross[source[has], has]
        return found

    def ridge(self, penalty: float) -> np.ndarray:
        """Minimises |y - X b|^2 / n + penalty |b|^2."""
        return np.linalg.solve(self.gram + penalty * np.eye(len(self.gram)), self.cross)

    def refitted(self, coefficients: np.ndarray) -> np.ndarray:
        """Least squares on the units that `coefficients` use, without the shrinking of a penalty."""
        found = np.zeros_like(coefficients)
        for j in range(coefficients.shape[1]):
            used = np.flatnonzero(np.abs(coefficients[:, j]) > NOTHING)
            if len(used):
                found[used, j] = np.linalg.lstsq(self.gram[np.ix_(used, used)], self.cross[used, j], rcond=1e-10)[0]
        return found

    def error(self, coefficients: np.ndarray, on: Pair) -> np.ndarray:
        """(units of y,) mean squared error on other samples, in parts of the variance in the fit."""
        x, y = ((each - mean) / scale for each, (mean, scale) in zip(on, self.origin, strict=True))
        return ((x @ coefficients - y) ** 2).mean(0)


def parts(samples: list[np.ndarray], images: int, most: int, rng: np.random.Generator) -> list[Any]:
    """Samples (images * positions, units) of two layers in three parts: half of the images, a quarter, a quarter.

    Each part holds at most so many samples, a quarter at most half as many, drawn without replacement.
    """
    places = len(samples[0]) // images
    order = rng.permutation(images)
    found = []
    for chosen, count in zip(
        np.split(order, [images // 2, 3 * images // 4]), (most, most // 2, most // 2), strict=True
    ):
        rows = (chosen[:, None] * places + np.arange(places)).ravel()
        rows = rng.permutation(rows)[:count]
        found.append(tuple(each[rows] for each in samples))
    return found

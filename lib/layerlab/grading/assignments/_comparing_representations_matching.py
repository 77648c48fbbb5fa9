"""Question 4a of "Comparing representations": which unit of one layer is which of the other."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from layerlab import similarity
from layerlab.grading.assignments._comparing_representations_spans import centred
from layerlab.grading.exercise import Exercise, Hint, Visible, like


def match_units(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """For each unit of x its partner in y, one to one, of the largest total correlation."""
    return similarity.match_units(x, y).partners


def _assigned(values: np.ndarray, maximize: bool = True) -> np.ndarray:
    return linear_sum_assignment(values, maximize=maximize)[1]


def _greedy(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The best pair first, then the best of those left, and so on."""
    values = similarity.correlation(x, y)
    partners = np.zeros(len(values), dtype=int)
    for _ in range(len(values)):
        i, j = np.unravel_index(np.argmax(values), values.shape)
        partners[i] = j
        values[i], values[:, j] = -np.inf, -np.inf
    return partners


def _in_turn(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Unit by unit, each takes the best that is left."""
    values = similarity.correlation(x, y)
    partners = np.zeros(len(values), dtype=int)
    for i in range(len(values)):
        partners[i] = np.argmax(values[i])
        values[:, partners[i]] = -np.inf
    return partners


def shuffled_units(seed: int, n: int, units: int, dead: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """A layer, and another whose units are noisy sums of two of its units each, in another order and of other sizes.

    Each unit has two candidates that are nearly as good, and every fourth of the second layer's has its sign turned: so
    who is greedy, or drops signs, pairs otherwise. dead: unit 1 of the first layer is 0 throughout.
    """
    rng = np.random.default_rng([seed, 2])
    x = rng.standard_normal((n, units)) + 0.7 * rng.standard_normal((n, 1))
    y = x + 0.9 * np.roll(x, 1, axis=1) + 0.8 * rng.standard_normal((n, units))
    y[:, ::4] *= -1
    order = rng.permutation(units)
    y = y[:, order] * rng.uniform(0.1, 10, units) + rng.uniform(-9, 9, units)
    x = x * rng.uniform(0.1, 10, units) + rng.uniform(-9, 9, units)
    if dead:
        x[:, 1] = 0
    return x, y


def exercise(variant: SimpleNamespace) -> Exercise:
    """Question 4a on one student's data."""
    n, p, seed = variant.n, variant.p, variant.seed

    def tried(title: str, offset: int, samples: int, units: int, dead: bool = False) -> Visible:
        return Visible(title, lambda: shuffled_units(seed + offset, samples, units, dead))

    def by(values: Any, maximize: bool = True) -> Any:
        return like(lambda x, y: _assigned(values(x, y), maximize))

    return Exercise(
        name="4a",
        answer="match_units",
        parameters=("x", "y"),
        reference=match_units,
        visible=(
            tried(f"{p + 6} units, {n} samples: each unit's partner", 17, n, p + 6),
            tried(f"{p + 14} units", 19, 2 * n, p + 14),
            tried(f"{p + 6} units, one of which is 0 throughout: correlation 0 with all", 21, n, p + 6, True),
        ),
        hints=(
            Hint(
                "lowest",
                "That is the smallest total: linear_sum_assignment minimises unless told maximize=True.",
                by(similarity.correlation, False),
            ),
            Hint(
                "shared",
                "You give each unit its favourite, so that some are given to several. One to one is asked for.",
                like(lambda x, y: similarity.correlation(x, y).argmax(1)),
            ),
            Hint(
                "greedy",
                "You take the best pair, then the best of what is left: that is greedy, and the total can be larger.",
                like(_greedy),
            ),
            Hint(
                "in-turn",
                "Units choose in turn here, and the last get what nobody wanted: that depends on the order, and the "
                "total can be larger.",
                like(_in_turn),
            ),
            Hint(
                "inverse",
                "Your answer is for the units of y. Wanted: for each unit of x its partner in y.",
                like(lambda x, y: np.argsort(match_units(x, y))),
            ),
            Hint(
                "absolute",
                "You drop the signs: a unit that falls when another rises is no partner of it here.",
                by(lambda x, y: np.abs(similarity.correlation(x, y))),
            ),
            Hint(
                "covariance",
                "Units that vary a lot win: that is the covariance. Divide by the standard deviations.",
                by(lambda x, y: centred(x).T @ centred(y)),
            ),
            Hint(
                "not-centred",
                "Your correlations are cosines of uncentred units: take each unit's mean off first.",
                by(lambda x, y: (x / np.linalg.norm(x, axis=0)).T @ (y / np.linalg.norm(y, axis=0))),
            ),
            Hint(
                "dead",
                "A unit that never varies has no correlation: 0/0. Give it 0 with all, or nothing can be assigned.",
                lambda answer: answer.kind in ("raised", "nan"),
            ),
        ),
    )

"""Rules on bits: the 12-bit symmetric rule of the information plane, and committee machines. All rows, with labels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from .dataset import Dataset, checksum_of, integer

THETA = 7.632  # any threshold between 7.563 and 7.701 gives the same labels: no input lies between
GOLDEN = (1 + math.sqrt(5)) / 2


@dataclass(frozen=True, eq=False)
class Rule:
    """A rule on bits: every input with what is known of its label.

    name: of the rule. x: (2^bits, bits) uint8, all inputs in counting order, the first bit the most significant.
    score: (2^bits,) float64, what the rule thresholds. threshold: where. gamma: the sharpness of a stochastic rule,
    p(y=1|x) = 1 / (1 + exp(-gamma (score - threshold))), or None for y = 1[score > threshold].
    classes: (2^bits,) int64, a number for each input, the same for inputs that the rule cannot tell apart.
    source: for a caption.
    """

    name: str
    x: np.ndarray
    score: np.ndarray
    threshold: float
    gamma: float | None
    classes: np.ndarray
    source: str

    @property
    def y(self) -> np.ndarray:
        """(2^bits,) int64, the likelier label of each input: score > threshold."""
        return (self.score > self.threshold).astype(np.int64)

    @property
    def p_one(self) -> np.ndarray:
        """(2^bits,) p(y=1|x): 0 or 1 for a deterministic rule."""
        if self.gamma is None:
            return self.y.astype(np.float64)
        return expit(self.gamma * (self.score - self.threshold))

    @cached_property
    def p_xy(self) -> np.ndarray:
        """(2^bits, 2) the joint distribution of an input, all equally likely, and its label."""
        p = self.p_one
        return np.c_[1 - p, p] / len(p)

    @cached_property
    def p_class(self) -> np.ndarray:
        """(classes, 2) the joint distribution of the class of an input and its label, by number of the class."""
        joint = np.zeros((int(self.classes.max()) + 1, 2))
        np.add.at(joint, self.classes, self.p_xy)
        return joint

    def draw(self, seed: int | np.random.SeedSequence = 0) -> np.ndarray:
        """(2^bits,) int64 labels drawn from p(y|x); those of a deterministic rule are always `y`."""
        return (np.random.default_rng(seed).random(len(self.x)) < self.p_one).astype(np.int64)

    def dataset(self, train_share: float = 0.8, seed: int = 0) -> Dataset:
        """The rule as a `Dataset` to train on: a random `train_share` of the rows to train, the others to test.

        x float32 in {0, 1}; labels drawn once for each row if the rule is stochastic. The same seed gives the same
        split and the same labels. Raises ValueError unless both parts have rows; TypeError for a seed that is none.
        """
        seed = integer(seed, "seed", 0)
        if not 0 < train_share < 1:
            raise ValueError(f"train_share must lie strictly between 0 and 1, not {train_share}")
        for_split, for_labels = np.random.SeedSequence(seed).spawn(2)
        rows = np.random.default_rng(for_split).permutation(len(self.x))
        count = min(max(round(train_share * len(rows)), 1), len(rows) - 1)
        x, y = self.x.astype(np.float32), self.draw(for_labels)
        train, test = rows[:count], rows[count:]
        return Dataset(
            name=self.name,
            x_train=x[train],
            y_train=y[train],
            x_test=x[test],
            y_test=y[test],
            names=("0", "1"),
            shape=(self.x.shape[1],),
            source=self.source,
            checksum=checksum_of(x[train], y[train], x[test], y[test]),
        )


def symmetric_rule(gamma: float | None = None) -> Rule:
    """The 12-bit rule of Shwartz-Ziv & Tishby 2017: all 4096 inputs, labelled by a function that rotations leave alone.

    The bits sit on the vertices v_i of a regular icosahedron, |v_i| = 1, and the score of x in {0,1}^12 is
    n(x) + |sum_i x_i v_i| with n(x) the number of ones. The two terms take 64 pairs of values: the `classes`. Opposite
    vertices are neighbouring bits: 0 and 1, 2 and 3, ...; the order of the pairs is ours.

    gamma: None for the deterministic rule, y = 1[score > theta] with theta = 7.632, 2118 of 4096 labels 1. A positive
        number for the stochastic one, p(y=1|x) = sigmoid(gamma (score - theta)), theta such that p(y=1) = 1/2: then
        I(X;Y) is 0.559 bits for gamma 2, 0.896 for 10 and 0.954 for 30.5.

    The score is computed from counts of near, far and opposite pairs of ones, so that equal scores are equal exactly.
    Raises TypeError for a gamma that is no number, ValueError unless it is positive and finite.
    """
    gamma = _sharpness(gamma)
    x = _all_bits(12)
    # v_i . v_j is 1/sqrt(5) for neighbours, -1/sqrt(5) for the far ones, -1 for the opposite: here 1, -1 and -2
    angles = np.rint(_icosahedron() @ _icosahedron().T * math.sqrt(5)).astype(np.int64)
    ones = x.astype(np.int64)
    ordered = {kind: np.einsum("ni,ij,nj->n", ones, angles == kind, ones) for kind in (1, -1, -2)}
    count, near, opposite = ones.sum(1), ordered[1] - ordered[-1], ordered[-2]
    score = count + np.sqrt(np.maximum(count - opposite + near / math.sqrt(5), 0))
    _, classes = np.unique(np.c_[count, count - opposite, near], axis=0, return_inverse=True)
    threshold = THETA if gamma is None else balanced_threshold(score, gamma)
    detail = "" if gamma is None else f", stochastic with gamma {gamma:g}"
    return Rule(
        name="symmetric-rule",
        x=x,
        score=score,
        threshold=threshold,
        gamma=gamma,
        classes=classes.reshape(-1).astype(np.int64),
        source=f"12-bit symmetric rule (R. Shwartz-Ziv, N. Tishby 2017), bits on an icosahedron{detail}",
    )


def committee_machine(units: int = 5, bits: int = 12, *, seed: int = 0, gamma: float | None = None) -> Rule:
    """A committee machine: the majority of `units` random half-spaces, on all inputs of so many bits.

    score(x) = sum_k sign(w_k . s) with s = 2x - 1 in {-1,1}^bits and w_k standard normal: an odd number of votes, so
    never a tie. y = 1[score > 0]; with gamma, p(y=1|x) = sigmoid(gamma (score - theta)), theta such that p(y=1) = 1/2.
    `classes` are the inputs with the same votes of all members. The opposite input has the opposite label, so half of
    the labels are 1.

    units: odd, at least 1. bits: 1 to 20. The same seed gives the same machine. Raises ValueError or TypeError.
    """
    units, bits, seed = integer(units, "units", 1), integer(bits, "bits", 1, 20), integer(seed, "seed", 0)
    if units % 2 == 0:
        raise ValueError(f"units must be odd, so that no vote is a tie, not {units}")
    gamma = _sharpness(gamma)
    x = _all_bits(bits)
    weights = np.random.default_rng(seed).standard_normal((bits, units))
    votes = np.where((2.0 * x - 1) @ weights > 0, 1, -1)
    score = votes.sum(1).astype(np.float64)
    _, classes = np.unique(votes, axis=0, return_inverse=True)
    return Rule(
        name="committee-machine",
        x=x,
        score=score,
        threshold=0.0 if gamma is None else balanced_threshold(score, gamma),
        gamma=gamma,
        classes=classes.reshape(-1).astype(np.int64),
        source=f"committee machine of {units} random half-spaces on {bits} bits, seed {seed}",
    )


def balanced_threshold(score: np.ndarray, gamma: float) -> float:
    """The theta for which the mean of sigmoid(gamma (score - theta)) is 1/2."""
    low, high = float(score.min()) - 1, float(score.max()) + 1
    return float(brentq(lambda theta: expit(gamma * (score - theta)).mean() - 0.5, low, high, xtol=1e-13))


def _sharpness(gamma: float | None) -> float | None:
    if gamma is None:
        return None
    if isinstance(gamma, bool) or not isinstance(gamma, (int, float, np.integer, np.floating)):
        raise TypeError(f"gamma must be a number or None, not {type(gamma).__name__} {gamma!r}")
    if not (math.isfinite(gamma) and gamma > 0):
        raise ValueError(f"gamma must be positive and finite, or None for the deterministic rule, not {gamma}")
    return float(gamma)


def _all_bits(bits: int) -> np.ndarray:
    """(2^bits, bits) uint8, counting upward, most significant bit first."""
    return (np.arange(2**bits)[:, None] >> np.arange(bits - 1, -1, -1) & 1).astype(np.uint8)


def _icosahedron() -> np.ndarray:
    """(12, 3) its vertices, of length 1; opposite ones are neighbours in the list."""
    corners = [(0.0, s, t * GOLDEN) for s, t in ((1, 1), (-1, -1), (1, -1), (-1, 1))]
    turned = [np.roll(corner, shift) for shift in range(3) for corner in corners]
    return np.array(turned) / math.hypot(1, GOLDEN)

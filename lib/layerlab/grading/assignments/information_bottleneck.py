"""The assignment "The information bottleneck": each student's joints, and the visible checks of the questions."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from scipy.optimize import brentq

from layerlab.grading.assignments import _information_bottleneck_experiments as experiments
from layerlab.grading.assignments import _information_bottleneck_functions as functions
from layerlab.grading.assignments import _information_bottleneck_iteration as iteration
from layerlab.grading.assignments._information_bottleneck_theory import lopsided_channel
from layerlab.grading.exercise import Exercise
from layerlab.information import critical_betas

ONSET = 1.6, 2.0  # between which the critical beta of a student's joint lies
LEVELS = np.array([-1.5, -0.5, 0.5, 1.5])  # of y
BEND = np.array([1.0, -1.0, -1.0, 1.0])  # a second direction, that a mirror of y leaves as it is
GROUPS, EACH, KEPT = 6, 2, 0.8  # of x in the grouped joint; how much of p(y|x) a group has in common


def variant(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """One student's data: three joint distributions, each an array p(x, y) of positive numbers that sum to 1.

    joint: (8, 4), with a mirror symmetry, so that the optimum leaves the trivial solution in a split, at a beta between
        1.6 and 2.0, long before the next split of it. lopsided: (2, 2), a channel without symmetry, where it leaves at
        least a twentieth of beta earlier. grouped: (12, 6), two x in each of six groups.
    """
    flip, share = rng.uniform(0.09, 0.12), rng.uniform(0.17, 0.2)
    return {"joint": mirrored(rng), "lopsided": lopsided_channel(flip, share), "grouped": grouped(rng)}


def mirrored(rng: np.random.Generator) -> np.ndarray:
    """(8, 4) p(x,y) that is the same after x and y are both read backwards, its rows then shuffled.

    x stands at places symmetric about zero, p(y|x) is large where y stands on the same side, and how sharply is chosen
    so that the critical beta is a number drawn between the bounds ONSET.
    """
    place = np.array([0.35, 0.8, 1.2, 1.65]) + rng.uniform(-0.12, 0.12, 4)
    bend = 0.3 * (rng.permutation([-1.0, -0.4, 0.4, 1.0]) + rng.uniform(-0.1, 0.1, 4))
    mass = rng.uniform(0.7, 1.3, 4)
    place, bend, mass = np.r_[-place[::-1], place], np.r_[bend[::-1], bend], np.r_[mass[::-1], mass]

    def joint(sharpness: float) -> np.ndarray:
        weights = np.exp(sharpness * np.outer(place, LEVELS) + np.outer(bend, BEND))
        cond = 0.95 * weights / weights.sum(1, keepdims=True) + 0.05 / len(LEVELS)
        return np.asarray(mass[:, None] * cond / mass.sum())

    wanted = rng.uniform(*ONSET)
    sharpness = brentq(lambda s: float(critical_betas(joint(s))[0]) - wanted, 0.2, 8.0)
    return joint(sharpness)[rng.permutation(len(place))]


def grouped(rng: np.random.Generator) -> np.ndarray:
    """(12, 6) p(x,y): each group of two x prefers a y of its own. Rows are shuffled."""
    count = GROUPS * EACH
    cond = np.zeros((count, GROUPS))
    for x, group in enumerate(np.arange(count) // EACH):
        others = np.arange(GROUPS) != group
        cond[x, others] = rng.dirichlet(np.full(GROUPS - 1, 4.0)) * (1 - KEPT + rng.uniform(-0.04, 0.04))
        cond[x, group] = 1 - cond[x].sum()
    mass = rng.uniform(0.9, 1.1, count)
    return np.asarray((mass[:, None] * cond / mass.sum())[rng.permutation(count)])


def exercises(variant: SimpleNamespace) -> tuple[Exercise, ...]:
    """The questions that have visible checks, in the assignment's order."""
    return (
        functions.INFORMATION,
        functions.uncertainty(variant.joint),
        functions.DIVERGENCES,
        iteration.STEP,
        iteration.SOLVE,
        experiments.curve(variant.joint),
        functions.CRITICAL_BETA,
        experiments.onsets(variant.joint, variant.lopsided),
        experiments.losses(variant.grouped),
    )

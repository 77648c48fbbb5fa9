"""Comparing representations: spans, chance, noise, and four pairs of layers of which three mislead somebody."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from layerlab.grading.assignments import _comparing_representations_chance as chance
from layerlab.grading.assignments import _comparing_representations_directions as directions
from layerlab.grading.assignments import _comparing_representations_matching as matching
from layerlab.grading.assignments import _comparing_representations_measures as measures
from layerlab.grading.assignments import _comparing_representations_networks as networks
from layerlab.grading.assignments import _comparing_representations_pairs as pairs
from layerlab.grading.assignments import _comparing_representations_spans as spans
from layerlab.grading.exercise import Exercise


def variant(rng: np.random.Generator) -> dict[str, Any]:
    """One student's data: sizes and seed of the visible checks, the width of the networks, four pairs of layers.

    x_A and y_A (samples, units) are the layers of pair A, and so on to D. Which letter is of which of the four kinds,
    the sizes and the number of shared signals differ by student.
    """
    return {
        "seed": int(rng.integers(2**31)),
        "n": int(rng.integers(36, 49)),
        "p": int(rng.integers(6, 8)),
        "q": int(rng.integers(4, 6)),
        "width": int(rng.choice([12, 14, 16])),
        **pairs.pairs(rng),
    }


def exercises(variant: SimpleNamespace) -> tuple[Exercise, ...]:
    """The questions with visible checks, on one student's data."""
    return (
        spans.exercise(variant),
        directions.exercise(variant),
        chance.exercise(variant),
        *measures.exercises(variant),
        matching.exercise(variant),
        *pairs.exercises(variant),
        networks.exercise(variant),
    )

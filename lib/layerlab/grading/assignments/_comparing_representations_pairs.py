"""Questions 4b and 4c of "Comparing representations": four pairs of layers, planted, and who is misled by which."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from layerlab.grading.exercise import Answer, Exercise, Hint, Visible

LETTERS = ("A", "B", "C", "D")
WORDS = ("none", "cca", "cka", "both")
MISSING, OTHER = -1e6, -2e6  # in the place of an entry that is not there, or is of another type


def pairs(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The four pairs of one student, one of each kind, in random order: x_A and y_A (samples, units) to x_D and y_D."""
    makers: tuple[Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]], ...]
    makers = (_turned, _stretched, _noisy, _few)
    made = [maker(rng) for maker in makers]
    order = rng.permutation(len(makers))
    named = [
        (f"{side}_{letter}", layer)
        for letter, i in zip(LETTERS, order, strict=True)
        for side, layer in zip("xy", made[i], strict=True)
    ]
    return dict(named)


def units(variant: SimpleNamespace, letter: str) -> tuple[int, int]:
    """How many units the two layers of a pair have."""
    return getattr(variant, f"x_{letter}").shape[1], getattr(variant, f"y_{letter}").shape[1]


def _rotation(rng: np.random.Generator, size: int) -> np.ndarray:
    q, r = np.linalg.qr(rng.standard_normal((size, size)))
    return q * np.sign(np.diag(r))


def _turned(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The second layer is the first, rotated, scaled by one factor and shifted."""
    n, p = int(rng.integers(400, 501)), int(rng.integers(12, 16))
    x = rng.standard_normal((n, p)) * np.geomspace(1, 0.3, p) @ _rotation(rng, p)
    return x + rng.normal(size=p), rng.uniform(2, 5) * x @ _rotation(rng, p) + rng.normal(size=p)


def _stretched(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Invertible, but what varies most in the first layer varies least in the second."""
    n, p = int(rng.integers(400, 501)), int(rng.integers(12, 16))
    signals, sizes = rng.standard_normal((n, p)), np.geomspace(1, 0.1, p)
    x, y = (signals * each @ _rotation(rng, p) + rng.normal(size=p) for each in (sizes, sizes[::-1]))
    return x, y


def _noisy(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Few shared signals; all other directions are noise of the layer's own, below 1 % of the variance in sum."""
    n, shared = int(rng.integers(550, 651)), int(rng.integers(4, 7))
    p, q = (int(rng.integers(low, low + 3)) for low in (20, 17))
    signals = rng.standard_normal((n, shared))
    layers = []
    for width in (p, q):
        own = 0.03 * rng.standard_normal((n, width))
        own[:, :shared] += signals @ _rotation(rng, shared) * rng.uniform(0.9, 1.2, shared)
        layers.append(own @ _rotation(rng, width) + rng.normal(size=width))
    return layers[0], layers[1]


def _few(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Nothing in common, and fewer samples than the two have units together."""
    p, q = (int(rng.integers(13, 16)) for _ in range(2))
    n = p + q - int(rng.integers(4, 6))
    x, y = (rng.standard_normal((n, width)) + rng.normal(size=width) for width in (p, q))
    return x, y


# ---- the form of the answers: all that a visible check may say


def _read(answer: Any, number: Callable[[Any], float]) -> np.ndarray:
    """One number per letter, MISSING where there is no entry. A single OTHER for what is no dict."""
    if not isinstance(answer, dict):
        return np.array([OTHER])
    return np.array([number(answer[letter]) if letter in answer else MISSING for letter in LETTERS])


def _number(value: Any) -> float:
    plain = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return float(value) if plain else OTHER


def _word(value: Any) -> float:
    return float(WORDS.index(value)) if isinstance(value, str) and value in WORDS else OTHER


def _form(values: np.ndarray, wanted: str) -> str:
    """What is missing in an answer for four pairs."""
    if values.shape != (4,):
        return 'it should be a dict with an entry for each pair: {"A": ..., "B": ..., "C": ..., "D": ...}.'
    for letter, value in zip(LETTERS, values, strict=True):
        if value == MISSING:
            return f"pair {letter} has no entry."
        if value == OTHER:
            return f"the entry of pair {letter} should be {wanted}."
    return ""


def _whole(variant: SimpleNamespace) -> Callable[[np.ndarray], str]:
    def judged(values: np.ndarray) -> str:
        if problem := _form(values, "a number"):
            return problem
        for letter, value in zip(LETTERS, values, strict=True):
            most = min(units(variant, letter))
            if value != round(value):
                return f"pair {letter} has {value:g}; a number of directions is whole."
            if not 0 <= value <= most:
                return f"pair {letter} has {value:g}; two layers share between 0 and {most} directions there."
        return ""

    return judged


def _fractions(answer: Answer) -> bool:
    values = answer.values
    return values is not None and values.shape == (4,) and bool((values != np.round(values)).any())


def _too_many(variant: SimpleNamespace) -> Callable[[Answer], bool]:
    """Recognises more directions than the narrower layer has."""

    def when(answer: Answer) -> bool:
        limits = np.array([min(units(variant, letter)) for letter in LETTERS])
        return answer.values is not None and answer.values.shape == (4,) and bool((answer.values > limits).any())

    return when


def _no_dict(answer: Answer) -> bool:
    return answer.values is not None and answer.values.shape == (1,)


def _other_words(answer: Answer) -> bool:
    return answer.values is not None and bool(answer.values.shape == (4,) and (answer.values == OTHER).any())


NO_DICT = Hint("dict", "Write a dict: one entry for each of the letters A, B, C and D.", _no_dict)


def exercises(variant: SimpleNamespace) -> tuple[Exercise, ...]:
    """Questions 4b and 4c: their visible checks look at the form only, as anything else would give the answer away."""
    counted = Exercise(
        name="4b",
        answer="shared",
        parameters=None,
        reference=None,  # the key is in the hidden tests: students have this module
        visible=(
            Visible(
                "four whole numbers, none above the units of the narrower layer (whether they are right is not shown)",
                tuple,
                use=lambda answer: _read(answer, _number),
                judged=_whole(variant),
            ),
        ),
        hints=(
            NO_DICT,
            Hint("fraction", "A mean or a sum of correlations is no count: how many of them stand out?", _fractions),
            Hint("too-many", "No two spans share more directions than the smaller of the two has.", _too_many(variant)),
        ),
    )
    fooled = Exercise(
        name="4c",
        answer="fooled",
        parameters=None,
        reference=None,
        visible=(
            Visible(
                'four of the words "none", "cca", "cka", "both" (whether they are right is not shown)',
                tuple,
                use=lambda answer: _read(answer, _word),
                judged=lambda values: _form(values, 'one of "none", "cca", "cka", "both"'),
            ),
        ),
        hints=(
            NO_DICT,
            Hint("words", 'The words are "none", "cca", "cka" and "both", in small letters.', _other_words),
        ),
    )
    return counted, fooled

"""Question 5a of "Comparing representations": two trained networks against chance, judged as an experiment."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from layerlab.grading.assignments._comparing_representations_chance import correlations
from layerlab.grading.exercise import Answer, Exercise, Function, Hint, Visible

TEST = 597  # images that the networks are compared on


def hidden_layer(width: int, seed: int) -> np.ndarray:
    """The hidden layer of a network trained on digits, on the images it was not trained on (as in the assignment)."""
    images, labels = load_digits(return_X_y=True)
    images = images / 16
    network = MLPClassifier((width,), "tanh", batch_size=64, learning_rate_init=0.01, random_state=seed)
    for _ in range(5):
        network.partial_fit(images[:-TEST], labels[:-TEST], classes=range(10))
    return np.tanh(images[-TEST:] @ network.coefs_[0] + network.intercepts_[0])


def compare(width: int, seed: int, summary: Callable[[np.ndarray], float] | None = None) -> tuple[float, float]:
    """The mean squared correlation of two networks' hidden layers, and the same with the images of one shuffled."""
    summary = summary or (lambda rho: float(np.mean(rho**2)))
    x, y = hidden_layer(width, 2 * seed), hidden_layer(width, 2 * seed + 1)
    order = np.random.default_rng(seed).permutation(len(y))
    return summary(correlations(x, y)), summary(correlations(x, y[order]))


def problem(values: np.ndarray, width: int) -> str:
    """What is wrong with (trained, shuffled) as a comparison of two networks of that width; empty if nothing."""
    if values.shape != (2,):
        return "it should return two numbers: the two networks, and the two with shuffled images."
    trained, shuffled = values
    chance = width / (TEST - 1)
    if not 0.5 * chance <= shuffled <= 1.6 * chance:
        return f"with shuffled images it gave {shuffled:.3g}; chance gives about {chance:.3g}."
    if not trained <= 0.98:
        return f"the two networks gave {trained:.3g}: they agree in everything."
    if not trained >= 5 * chance:
        return f"the two networks gave {trained:.3g}, hardly more than chance ({chance:.3g})."
    return ""


def _runs(function: Function, seed: int) -> np.ndarray:
    """The first number, twice with one seed and once with another; then the second number alike."""
    return np.array([function(s) for s in (seed, seed, seed + 1)], dtype=float).T


def _depends_on_seed(values: np.ndarray) -> str:
    if values.shape != (2, 3):
        return "it should return two numbers: the two networks, and the two with shuffled images."
    if not (values[:, 0] == values[:, 1]).all():
        return "two runs with the same seed differ."
    return "" if (values[:, 0] != values[:, 2]).all() else "runs with different seeds gave the same number."


def _trained(answer: Answer) -> float:
    return float(answer.values[0]) if answer.values is not None and answer.values.shape == (2,) else np.nan


def _shuffled(answer: Answer) -> float:
    return float(answer.values[1]) if answer.values is not None and answer.values.shape == (2,) else np.nan


def exercise(variant: SimpleNamespace) -> Exercise:
    """Question 5a on one student's data."""
    width, seed = variant.width, variant.seed % 1000
    chance = width / (TEST - 1)

    def tried(number: int) -> Visible:
        return Visible(f"seed {number}", lambda: (number,), judged=lambda values: problem(values, width))

    def both_same(answer: Answer) -> bool:
        return bool(abs(_trained(answer) - _shuffled(answer)) < 0.05)

    return Exercise(
        name="5a",
        answer="compare",
        parameters=("seed",),
        reference=lambda seed: compare(width, seed),
        visible=(
            tried(seed),
            Visible("the same seed twice, then another", lambda: (seed,), use=_runs, judged=_depends_on_seed),
        ),
        hints=(
            Hint(
                "itself",
                "Perfect agreement: you compare a network with itself. Train two, from two different seeds.",
                lambda answer: answer.values is not None and bool((answer.values.reshape(2, -1)[0] > 0.98).all()),
            ),
            Hint(
                "still-paired",
                "Shuffling changed nothing. Shuffle the images (rows) of one network only: shuffled alike, rows still "
                "belong together; and the order of units does not matter to correlations.",
                lambda answer: both_same(answer) and _trained(answer) > 5 * chance,
            ),
            Hint(
                "never-paired",
                "The first number is at chance too: are rows of the two layers still of the same images there?",
                lambda answer: both_same(answer) and _trained(answer) <= 2 * chance,
            ),
            Hint(
                "exchanged",
                "The two numbers are exchanged: first the networks as they are, then with shuffled images.",
                lambda answer: _trained(answer) < 2 * chance and _shuffled(answer) > 5 * chance,
            ),
            Hint(
                "not-squared",
                "Your numbers are means of correlations; chance is known for the mean of their squares.",
                lambda answer: 0.8 * chance**0.5 <= _shuffled(answer) <= 1.2 * chance**0.5,
            ),
            Hint(
                "seed",
                "Everything random has to come from the seed: which networks, and the order of the images.",
                lambda answer: answer.values is not None and answer.values.shape == (2, 3),
            ),
        ),
    )

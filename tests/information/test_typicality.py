"""Typicality: varentropy, chains and their entropy rates, surprise, and typical sets counted exactly."""

import itertools
import math

import numpy as np
import pytest

from layerlab.information import (
    binary_typical_set,
    chain_surprisal,
    draw_chain,
    entropy,
    entropy_rate,
    stationary_distribution,
    varentropy,
)

WEATHER = np.array([[0.9, 0.1], [0.4, 0.6]])


def test_varentropy_is_the_variance_of_the_surprise():
    p = np.array([0.5, 0.25, 0.25, 0.0])
    assert varentropy(p) == pytest.approx(0.25)  # surprises 1, 2, 2
    assert varentropy(np.full(8, 1 / 8)) == pytest.approx(0)
    assert varentropy(np.stack([p, p])).shape == (2,)


def test_a_chain_keeps_its_stationary_distribution():
    stay = stationary_distribution(WEATHER)
    assert stay == pytest.approx([0.8, 0.2])
    assert stay @ WEATHER == pytest.approx(stay)
    cycle = np.roll(np.eye(3), 1, axis=1)
    assert stationary_distribution(cycle) == pytest.approx([1 / 3] * 3)


def test_the_entropy_rate_is_the_mean_entropy_of_the_rows():
    assert entropy_rate(WEATHER) == pytest.approx(0.8 * entropy(WEATHER[0]) + 0.2 * entropy(WEATHER[1]))
    assert entropy_rate(np.roll(np.eye(3), 1, axis=1)) == 0
    assert entropy_rate([[0.3, 0.7], [0.3, 0.7]]) == pytest.approx(entropy([0.3, 0.7]))


def test_surprise_sums_up_to_the_entropy_over_all_sequences():
    every = np.array(list(itertools.product([0, 1], repeat=5)))
    bits = chain_surprisal(every, WEATHER)
    p = 2.0 ** -bits[:, -1]
    assert p.sum() == pytest.approx(1)
    stay = stationary_distribution(WEATHER)
    assert p @ bits[:, -1] == pytest.approx(entropy(stay) + 4 * entropy_rate(WEATHER))
    assert bits[0, 0] == pytest.approx(-math.log2(0.8))


def test_drawn_chains_have_the_transitions_asked_for():
    states = draw_chain(WEATHER, 50, 4000, np.random.default_rng(0))
    assert states.shape == (4000, 50)
    assert states.mean() == pytest.approx(0.2, abs=0.01)
    leaving = states[:, 1:][states[:, :-1] == 0]
    assert leaving.mean() == pytest.approx(0.1, abs=4 * math.sqrt(0.09 / leaving.size))
    begun = draw_chain(WEATHER, 1, 100, np.random.default_rng(0), initial=[0.0, 1.0])
    assert (begun == 1).all()


def test_an_impossible_sequence_is_infinitely_surprising():
    assert chain_surprisal(np.array([[0, 0]]), np.roll(np.eye(2), 1, axis=1))[0, 1] == math.inf


@pytest.mark.parametrize(("p", "n", "eps"), [(0.3, 9, 0.1), (0.11, 12, 0.2), (0.5, 6, 0.01)])
def test_typical_sets_are_counted_rightly(p, n, eps):
    every = np.array(list(itertools.product([0, 1], repeat=n)))
    probability = np.prod(np.where(every == 1, p, 1 - p), axis=1)
    inside = abs(-np.log2(probability) / n - entropy([p, 1 - p])) <= eps + 1e-12
    found = binary_typical_set(p, n, eps)
    assert found.probability == pytest.approx(probability[inside].sum())
    assert 2**found.log2_size == pytest.approx(inside.sum())


@pytest.mark.parametrize("n", [100, 1000, 10_000])
def test_typical_sets_have_the_size_of_the_theorem(n):
    h, eps = entropy([0.1, 0.9]), 0.05
    found = binary_typical_set(0.1, n, eps)
    assert found.log2_size <= n * (h + eps)
    assert found.log2_size >= math.log2(found.probability) + n * (h - eps)
    assert found.probability >= 1 - varentropy([0.1, 0.9]) / (n * eps**2)  # Chebyshev


def test_a_set_may_be_empty_and_the_likeliest_sequence_is_not_typical():
    assert binary_typical_set(0.3, 1, 0.01) == type(binary_typical_set(0.3, 1, 0.01))(0.0, -math.inf)
    assert abs(-math.log2(0.9) - entropy([0.1, 0.9])) > 0.3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stationary_distribution(np.eye(2)), "more than one stationary distribution"),
        (lambda: entropy_rate([[0.5, 0.5]]), "transition must be a square matrix"),
        (lambda: entropy_rate([[0.5, 0.6], [0.5, 0.5]]), "transition must sum to 1"),
        (lambda: draw_chain(WEATHER, 0, 1, np.random.default_rng(0)), "n must be at least 1"),
        (lambda: binary_typical_set(0.0, 5, 0.1), "p must lie strictly between 0 and 1"),
        (lambda: binary_typical_set(0.5, 5, 0.0), "eps must be above 0"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

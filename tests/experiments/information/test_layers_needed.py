"""information/layers_needed: the joints are what they say, the exact optima are exact, and its claims can fail."""

import math

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.information import layers_needed
from layerlab.information import conditional_mutual_information, entropy, mutual_information

EXPERIMENT = lab.get("information/layers_needed")
SMALL = {"samples": 4096, "steps": 400, "seeds": 2}


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(**SMALL), "cpu")


def test_the_joints_are_distributions_over_all_inputs_and_equal_classes():
    for task in ("parity", "copies"):
        for group in (2, 3, 6):
            p = layers_needed.joint(task, group, 0.3, 0.2)
            assert p.shape == (64, 2)
            assert p.sum(0) == pytest.approx([0.5, 0.5])


def test_an_input_has_the_probability_of_its_groups():
    p = layers_needed.joint("parity", 2, 1.0, 0.1)
    row = layers_needed.inputs().tolist().index([1, -1, 1, 1, -1, -1])  # parities 1, 0, 0
    assert p[row] == pytest.approx([0.5 * 0.1 * 0.9 * 0.9 / 8, 0.5 * 0.9 * 0.1 * 0.1 / 8])


def test_dependence_of_a_pair_is_its_conditional_information():
    law = layers_needed.group_law("copies", 2, 0.7, 0.2)
    expected = conditional_mutual_information(law.reshape(2, 2, 2) / 2)
    assert layers_needed.dependence_given_class(law) == pytest.approx(expected)
    assert layers_needed.dependence_given_class(layers_needed.group_law("parity", 3, 0.0, 0.2)) == pytest.approx(0)


def test_parities_of_pairs_are_lost_to_every_sum_and_votes_are_not():
    votes, parities = (layers_needed.joint("parity", 2, share, 0.2) for share in (0.0, 1.0))
    assert layers_needed.bits_lost(votes, layers_needed.additive_optimum(votes)) == pytest.approx(0, abs=1e-9)
    lost = layers_needed.bits_lost(parities, layers_needed.additive_optimum(parities))
    assert lost == pytest.approx(mutual_information(parities), abs=1e-9)
    assert layers_needed.accuracy(parities, layers_needed.additive_optimum(parities)) == pytest.approx(0.5)


@pytest.mark.parametrize("share", [0.3, 0.8, 1.0])
def test_copies_in_pairs_depend_on_each_other_and_are_a_sum_all_the_same(share):
    p = layers_needed.joint("copies", 2, share, 0.2)
    assert layers_needed.dependence_given_class(layers_needed.group_law("copies", 2, share, 0.2)) > 0.01
    assert layers_needed.bits_lost(p, layers_needed.additive_optimum(p)) == pytest.approx(0, abs=1e-9)


def test_the_true_posterior_loses_nothing_and_is_the_most_accurate():
    p = layers_needed.joint("parity", 3, 0.6, 0.3)
    posterior = p / p.sum(1, keepdims=True)
    assert layers_needed.bits_lost(p, posterior) == pytest.approx(0, abs=1e-12)
    assert layers_needed.accuracy(p, posterior) == pytest.approx(p.max(1).sum())
    flat = np.full((64, 2), 0.5)
    assert layers_needed.bits_lost(p, flat) == pytest.approx(mutual_information(p))
    assert layers_needed.accuracy(p, flat) == pytest.approx(0.5)


def test_the_dependence_of_a_parity_is_what_the_flip_leaves_certain():
    law = layers_needed.group_law("parity", 3, 1.0, 0.2)
    assert layers_needed.dependence_given_class(law) == pytest.approx(1 - entropy([0.2, 0.8]))


def test_claims_hold_but_for_the_one_that_wants_several_layers(run):
    assert [e.holds for _, e in run.evidence()] == [True, True, True, True, False]


def test_copies_contradict_the_lecture():
    copies = lab.execute(EXPERIMENT, EXPERIMENT.config(task="copies", **SMALL), "cpu")
    assert [e and e.holds for _, e in copies.evidence()] == [True, True, True, False, None]


def test_no_network_beats_the_best_possible_accuracy(run):
    assert (run.result["accuracy"] <= run.result["best"] + 1e-12).all()
    assert (run.result["lost"] >= 0).all()


def test_narrow_networks_are_held_to_no_claim_about_wide_ones():
    narrow = lab.execute(EXPERIMENT, EXPERIMENT.config(width=2, samples=256, steps=10, seeds=2), "cpu")
    assert [e is None for _, e in narrow.evidence()] == [False, False, True, False, True]


@pytest.mark.parametrize(
    ("variable", "change", "claim", "holds"),
    [
        ("lost", lambda x: x + 0.05, 0, False),
        ("lost", lambda x: x * 0.5, 1, False),
        ("lost", lambda x: x + 0.05, 2, False),
        ("additive_lost", lambda x: x * 0, 3, False),
        ("lost", lambda x: x + 0.05 * (x["depth"] < 2), 4, True),
    ],
)
def test_a_wrong_result_turns_its_claim(run, variable, change, claim, holds):
    wrong = run.result.assign({variable: change(run.result[variable])})
    assert EXPERIMENT.claims[claim].check(wrong).holds is holds


def test_the_margin_is_the_error_of_a_fit(run):
    samples = run.result.attrs["samples"]
    margin = layers_needed._margin(run.result, 7) - layers_needed.UNTRAINED
    assert margin == pytest.approx((7 + 4 * math.sqrt(7)) / (2 * samples * math.log(2)))

"""The sawtooth: the theorem by brute force, the network built by hand, the trained ones."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from layerlab import lab
from layerlab.experiments.projection import _sawtooth as saw
from layerlab.nets import MLP

EXPERIMENT = lab.get("projection/separation")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(m=2, parameters=60, steps=400, seeds=3), "cpu")


def evidence(result, start):
    (claim,) = [claim for claim in EXPERIMENT.claims if claim.statement.startswith(start)]
    return claim.check(result)


def least_errors(points, runs):
    """The fewest errors of a prediction with at most so many runs, by dynamic programming."""
    labels = np.arange(points) % 2
    best = {(p, 1): int(labels[0] != p) for p in (0, 1)}
    for label in labels[1:]:
        following = {}
        for (p, used), errors in best.items():
            for q in (0, 1):
                key = q, used + (q != p)
                if key[1] <= runs:
                    following[key] = min(following.get(key, points), errors + int(label != q))
        best = following
    return min(best.values())


@pytest.mark.parametrize("points", [1, 2, 5, 9, 16, 17])
def test_fewest_errors_is_what_a_search_over_all_predictions_finds(points):
    for pieces in range(1, points + 3):
        assert saw.fewest_errors(points, pieces) == least_errors(points, pieces + 1)


@pytest.mark.parametrize("m", range(1, 9))
def test_the_tent_network_gets_every_point_right_with_two_units_a_layer(m):
    network = saw.tent_network(m)
    x, y = saw.sawtooth_points(m)
    np.testing.assert_array_equal(network.forward(x).numpy()[0, :, 0] + 0.5, y)
    assert saw.count_pieces(network) == 2**m
    assert network.parameter_count == saw.count_parameters(2, m) == 6 * m + 1


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=0, max_size=4), st.integers(0, 10_000))
def test_pieces_are_those_of_a_fine_grid_and_within_the_bound(widths, seed):
    network = MLP((1, *widths, 1), "relu", initialisation="he_normal", bias_std=0.5, seeds=seed, dtype=torch.float64)
    (pieces,) = saw.count_pieces(network)
    assert 1 <= pieces <= np.prod([w + 1 for w in widths])
    x = np.linspace(-1, 1, 20_001)
    f = network.forward(x[:, None]).numpy()[0, :, 0]
    bent = np.abs(np.diff(f, 2)) > 1e-9 * max(1, np.abs(f).max())
    seen = 1 + int((np.diff(np.flatnonzero(bent)) > 1).sum() + bent.any())
    assert seen <= pieces  # a grid may miss two bends in one cell, or a faint one, never invent one


def test_pieces_of_a_known_function():
    network = saw.tent_network(2)
    assert saw.count_pieces(network, -1.0, 0.0) == 2
    assert saw.count_pieces(network, -3.0, 3.0) == 6  # flat on the left, falling on the right


@pytest.mark.parametrize("network", [MLP((2, 3, 1), "relu"), MLP((1, 3, 1), "tanh"), MLP((1, 3, 2), "relu")])
def test_only_relu_functions_of_one_number_have_countable_pieces(network):
    with pytest.raises(ValueError, match="one input and one output"):
        saw.count_pieces(network)


@pytest.mark.parametrize("depth", [1, 2, 3, 6])
@pytest.mark.parametrize("parameters", [20, 40, 200, 3000])
def test_the_widest_network_is_within_the_budget_and_one_more_unit_is_not(depth, parameters):
    width = saw.widest(parameters, depth)
    assert saw.count_parameters(width, depth) <= parameters < saw.count_parameters(width + 1, depth)
    assert MLP((1, *[width] * depth, 1)).parameter_count == saw.count_parameters(width, depth)


def test_claims_hold(run):
    for claim, found in run.evidence():
        if not claim.disputed:
            assert found.holds, (claim.statement, found)


@pytest.mark.parametrize(
    ("start", "corrupt"),
    [
        ("L layers of w", lambda r: r.assign(pieces=r["pieces"] * 100)),
        ("No network of that", lambda r: r.assign(accuracy_bound=r["accuracy_bound"] * 0.5)),
        ("m layers of two", lambda r: r.assign(tent_accuracy=r["tent_accuracy"] * 0.9)),
        ("m layers of two", lambda r: r.assign(tent_pieces=r["tent_pieces"] + 1)),
        ("An untrained network", lambda r: r.assign(pieces_initial=r["pieces_initial"] * 10)),
    ],
)
def test_claims_can_fail(run, start, corrupt):
    assert not evidence(corrupt(run.result), start).holds


def test_the_disputed_claim_follows_the_accuracies(run):
    better = run.result.copy(deep=True)
    better["accuracy"].loc[{"depth": 6}] = 1.0
    better["accuracy"].loc[{"depth": 1}] = 0.6
    assert evidence(better, "What depth can").holds
    worse = run.result.copy(deep=True)
    worse["accuracy"].loc[{"depth": 6}] = 0.6
    worse["accuracy"].loc[{"depth": 1}] = 1.0
    assert not evidence(worse, "What depth can").holds
    assert evidence(run.result.isel(seed=[0]), "What depth can") is None


def test_a_linear_readout_gets_no_more_than_one_change_of_sign(run):
    linear = run.result.sel(depth=0)
    assert (linear["pieces"] == 1).all()
    assert float(linear["accuracy"].max()) <= float(linear["accuracy_bound"]) < 1


def test_figure_words_and_numbers(run):
    result = run.result
    assert len(lab.draw(EXPERIMENT, result).axes) == 2
    assert "5 points on a line" in EXPERIMENT.describe(result)
    table = EXPERIMENT.table(result)
    assert len(table) == result.sizes["depth"]
    assert "accuracy that the theorem allows" in table.columns

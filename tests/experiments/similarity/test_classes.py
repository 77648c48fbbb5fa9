"""similarity/classes: R is the multiple correlation on images left out, and what is said of pairs can fail."""

import numpy as np
import pytest
import xarray as xr

from layerlab import lab
from layerlab.experiments.similarity import _class_pairs as pairs
from layerlab.experiments.similarity import _class_reading as reading
from layerlab.experiments.similarity import _residual_groups, classes

EXPERIMENT = lab.get("similarity/classes")
DECIDED, NOISE, GROWS, TOGETHER, ALONE, CONFUSED, SETTLED = EXPERIMENT.claims


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(rows=300, epochs=10, seeds=2), "cpu")


def profiles(values, data="fashion-mnist"):
    """Distances of classes of which class c has R = values[c] everywhere, for two networks."""
    known = xr.DataArray(
        np.tile(np.asarray(values, dtype=float), (2, 1, len(reading.READ), 1)),
        dims=("seed", "side", "layer", "class"), coords={"side": [1]},
    )  # fmt: skip
    return classes.profile_distance(xr.Dataset({"known": known}))


def test_r_is_the_multiple_correlation_where_it_was_fitted_and_that_of_the_guess_elsewhere():
    rng = np.random.default_rng(0)
    layer = rng.normal(size=(2, 60, 4)) * [1, 10, 0.1, 0] + 3  # the last unit is silent
    target = layer[..., :2] @ rng.normal(size=(2, 3)) + rng.normal(size=(2, 60, 3))
    fitted, held = reading.held_out(layer, target, reading.fold_bases(layer))
    left_out = np.arange(60) % 5
    for i in range(2):
        for c in range(3):
            expected = []
            for fold in range(5):
                design = np.c_[np.ones(60), layer[i]]
                fit, rest = left_out != fold, left_out == fold
                beta = np.linalg.lstsq(design[fit], target[i, fit, c], rcond=None)[0]
                guess = design @ beta
                expected.append([np.corrcoef(guess[part], target[i, part, c])[0, 1] for part in (fit, rest)])
            np.testing.assert_allclose([fitted[i, c], held[i, c]], np.mean(expected, 0), atol=1e-9)


def test_noise_is_known_where_it_was_fitted_only_and_a_silent_layer_knows_nothing():
    rng = np.random.default_rng(1)
    layer, noise = rng.normal(size=(4, 250, 30)), rng.normal(size=(4, 250, 20))
    fitted, held = reading.held_out(layer, noise, reading.fold_bases(layer))
    assert (fitted**2).mean() == pytest.approx(30 / 199, abs=0.015)
    assert held.mean() == pytest.approx(0, abs=0.03)
    silent = np.ones((1, 50, 3))
    assert not np.any(reading.held_out(silent, rng.normal(size=(1, 50, 2)), reading.fold_bases(silent)))


def test_layers_are_averaged_over_the_image_or_its_quarters():
    found = _residual_groups.residual_group(data="digits", rows=100, epochs=1, seed=0, seeds=2)
    x = found.data.x_test[:7]
    layers, logits = reading.features(found.after, x)
    maps = found.after.maps(x)[1].numpy()
    np.testing.assert_allclose(layers[1][2], maps.mean((3, 4)), rtol=1e-5)
    quarters = maps.reshape(2, 7, 8, 2, 4, 2, 4).mean((4, 6)).reshape(2, 7, 32)
    np.testing.assert_allclose(layers[2][2], quarters, rtol=1e-5)
    assert [each.shape[2] for each in layers[1]] == [1, 8, 8, 8, 16, 16, 32, 32]
    weights, biases = found.after.weights[-1].numpy(), found.after.biases[-1].numpy()
    np.testing.assert_allclose(logits, layers[1][-1] @ weights + biases, rtol=1e-4, atol=1e-5)


def test_a_group_is_trained_once_and_its_members_depend_on_their_own_seed_only():
    few, more = (_residual_groups.residual_group(data="digits", rows=100, epochs=1, seed=0, seeds=n) for n in (1, 2))
    for moment in ("before", "after"):
        one, two = getattr(few, moment), getattr(more, moment)
        np.testing.assert_allclose(one.storage, two[0].storage, rtol=1e-4, atol=1e-6)
    assert not np.allclose(few.before.storage, few.after.storage)
    guessed = more.after(more.data.x_test).argmax(-1).numpy()
    np.testing.assert_allclose((guessed == more.data.y_test).mean(-1), more.accuracy_test)


def test_claims_are_tested_on_networks_that_have_learned(run):
    evidence = [e for _, e in run.evidence()]
    assert None not in evidence
    assert [e.holds for e in evidence[:2]] == [True, True]
    beginners = run.result.assign(accuracy=0 * run.result["accuracy"])
    assert [claim.check(beginners) is None for claim in EXPERIMENT.claims] == [False, False, *[True] * 5]


def test_similar_classes_are_together_alone_and_confused_as_they_are_made_to_be():
    together = [1, 9, 2, 8, 2, 3, 1, 3, 6, 3]  # T-shirt as shirt, pullover as coat, shoes as shoes
    distance = profiles(together)
    assert pairs.closeness(distance, "fashion-mnist").values.tolist() == [1, 1]
    assert 0.5 < pairs.by_chance(distance, "fashion-mnist") < 1
    apart = profiles([0, 5, 0, 5, 9, 0, 9, 9, 5, 4])
    assert (pairs.closeness(apart, "fashion-mnist") < 0.25).all()
    assert pairs.by_chance(profiles([1] * 10), "fashion-mnist") == pytest.approx(0.5)  # all alike
    confusion = xr.zeros_like(distance) + 1 / (1 + distance)
    assert pairs.follows_confusion(distance, confusion).values == pytest.approx([1, 1])
    assert pairs.follows_confusion(distance, 0 * confusion).values.tolist() == [0, 0]
    early = xr.DataArray([together, [0.0] * 10], dims=("seed", "class"))
    lead = np.mean([9, 8, 6]) - np.mean([1, 2, 2, 3, 1, 3, 3])
    assert pairs.lead_of_the_lone(early, "fashion-mnist").values == pytest.approx([lead, 0])


def test_being_taken_for_each_other_counts_both_ways():
    confusion = xr.DataArray([[[0.9, 0.1], [0.3, 0.7]]], dims=("seed", "class", "taken_for"))
    np.testing.assert_allclose(pairs.mutual(confusion)[0], [[0.9, 0.2], [0.2, 0.7]])


def test_families_join_pairs_that_share_a_class():
    assert pairs.families("fashion-mnist") == [[0, 6], [2, 4], [5, 7, 9]]
    assert pairs.families("mnist") == [[3, 5, 8], [4, 7, 9]]
    assert [len(family) for family in pairs.families("cifar-10")] == [2, 2, 2, 2]
    assert set(pairs.SIMILAR) == set(classes.DATA)


@pytest.mark.parametrize(
    ("claim", "variable", "change"),
    [
        (DECIDED, "known", lambda v: v - 0.01),
        (NOISE, "noise_fitted", lambda v: 2 * v),
        (GROWS, "known", lambda v: v.where(v["layer"] != "block 3", 0)),
        (TOGETHER, "known", lambda v: v + xr.DataArray([0, 0, 0, 9, 5, 5, 0, 5, 9, 1], dims="class")),
        (ALONE, "known", lambda v: v - xr.DataArray([1, 1, 1, 0, 0, 0, 1, 0, 0, 0], dims="class")),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, claim, variable, change):
    wrong = run.result.assign({variable: change(run.result[variable])})
    assert not claim.check(wrong).holds


def test_claims_of_order_fail_where_the_order_is_reversed(run):
    result = run.result
    assert not CONFUSED.check(result.assign(confusion=classes.profile_distance(result))).holds
    assert SETTLED.check(result.assign(given=2 * result["known"])).measured == pytest.approx(1)
    assert not SETTLED.check(result.assign(given=1 - result["known"])).holds

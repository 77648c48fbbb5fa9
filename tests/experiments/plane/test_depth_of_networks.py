"""plane/depth: shapes, censoring in the figure's words, and claims that can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.plane import depth as module

EXPERIMENT = lab.get("plane/depth")


@pytest.fixture(scope="module")
def stored():
    return lab.Store().load(EXPERIMENT, EXPERIMENT.config(epochs=300, seeds=8)).result


def test_shapes_have_the_layers_asked_for_and_matched_ones_the_same_number_of_parameters():
    for shape in module.SHAPES:
        assert [len(module.widths_of(shape, n)) - 2 for n in (1, 6)] == [1, 6]
    target = module.parameters_of((12, 10, 7, 5, 4, 3, 2, 2))
    counts = [module.parameters_of(module.widths_of("matched", n)) for n in range(1, 7)]
    assert np.allclose(counts, target, rtol=0.12)
    assert module.widths_of("narrowing", 2) == (12, 10, 7, 2)


def test_a_run_holds_the_accuracy_of_every_network_and_starts_untrained():
    run = lab.execute(EXPERIMENT, EXPERIMENT.config(epochs=20, seeds=2), "cpu")
    assert dict(run.result["accuracy"].sizes) == {"layers": 6, "seed": 2, "epoch": run.result.sizes["epoch"]}
    assert float(run.result["accuracy"].isel(epoch=0).mean()) == pytest.approx(0.5, abs=0.15)
    assert "never got there" in EXPERIMENT.describe(run.result)
    assert all(evidence is None for _, evidence in run.evidence())  # nobody is good after 20 epochs


def test_networks_that_never_get_there_are_slowest_not_missing(stored):
    stuck = stored.copy(deep=True)
    stuck["accuracy"].loc[{"layers": 2, "seed": slice(0, 3)}] = 0.5
    chance = [EXPERIMENT.claims[0].check(r).measured for r in (stored, stuck)]
    assert chance[1] < chance[0]


def test_where_most_are_stuck_nothing_is_claimed(stored):
    assert EXPERIMENT.claims[0].check(stored.assign(accuracy=stored["accuracy"] * 0.6)) is None


def test_the_claims_turn_with_the_layers_reversed(stored):
    assert EXPERIMENT.claims[0].check(stored).holds
    turned = stored.assign(accuracy=stored["accuracy"].copy(data=stored["accuracy"].values[::-1]))
    order = [1, 0, 2, 3, 4, 5]
    swapped = stored.assign(accuracy=stored["accuracy"].copy(data=stored["accuracy"].values[order]))
    assert not EXPERIMENT.claims[0].check(swapped).holds
    assert not EXPERIMENT.claims[3].check(swapped).holds
    assert not EXPERIMENT.claims[2].check(turned).holds


def test_only_matched_networks_test_the_claim_about_them(stored):
    assert EXPERIMENT.claims[1].check(stored) is None
    matched = stored.assign_attrs(shape="matched")
    assert EXPERIMENT.claims[1].check(matched).holds

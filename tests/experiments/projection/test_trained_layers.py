"""What training makes of random layers."""

import numpy as np
import pytest
import xarray as xr

from layerlab import lab

EXPERIMENT = lab.get("projection/trained_layers")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("LAYERLAB_CACHE", str(tmp_path_factory.mktemp("cache")))
    made = {
        labels: lab.execute(
            EXPERIMENT, EXPERIMENT.config(labels=labels, width=48, depth=3, epochs=epochs, seeds=2), "cpu"
        )
        for labels, epochs in (("true", 8), ("shuffled", 70))
    }
    patch.undo()
    return made


def evidence(result, start):
    (claim,) = [claim for claim in EXPERIMENT.claims if claim.statement.startswith(start)]
    return claim.check(result)


def test_claims_on_true_labels_hold(runs):
    checked = [(claim, found) for claim, found in runs["true"].evidence() if found is not None]
    assert len(checked) == 5
    for claim, found in checked:
        assert found.holds, (claim.statement, found)


def test_shuffled_labels_contradict_the_lecture(runs):
    result = runs["shuffled"].result
    assert not evidence(result, "Training only improves").holds
    assert evidence(result, "Trained on shuffled labels").holds
    assert evidence(result, "On true labels") is None
    assert (result["accuracy_test"] < 0.3).all()


def test_the_input_is_layer_zero(runs):
    result = runs["true"].result
    assert result.sizes["layer"] == 4
    for name in ("knn", "probe", "share"):
        assert np.ptp(result[name].isel(layer=0).values) == 0
        assert ((result[name] >= 0) & (result[name] <= 1)).all()


def flip(result):
    """Before and after exchanged."""
    names = ["knn", "probe", "share"]
    return result.assign({name: result[name].copy(data=result[name].values[::-1]) for name in names})


@pytest.mark.parametrize("start", ["Training only improves", "On true labels", "The last hidden", "A linear probe"])
def test_claims_can_fail(runs, start):
    assert not evidence(flip(runs["true"].result), start).holds


def test_the_claim_about_random_layers_can_fail(runs):
    result = runs["true"].result
    rising = result.assign(knn=xr.zeros_like(result["knn"]) + 0.1 * result["layer"])
    assert not evidence(rising, "In random layers").holds


def test_the_claim_about_shuffled_labels_can_fail(runs):
    assert not evidence(flip(runs["shuffled"].result), "Trained on shuffled").holds


def test_figure_and_words(runs):
    result = runs["shuffled"].result
    assert len(lab.draw(EXPERIMENT, result).axes) == 4
    assert "with shuffled labels" in EXPERIMENT.describe(result)

"""Probes and class separation through the layers of untrained and trained networks."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.projection import _narrowing, probes

EXPERIMENT = lab.get("projection/probes")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAYERLAB_CACHE", str(tmp_path_factory.mktemp("trainings")))
        small = {"deepest": 2, "epochs": 3, "seeds": 2}
        yield {
            shape: lab.execute(EXPERIMENT, EXPERIMENT.config(width=40, shape=shape, **small), "cpu")
            for shape in ("constant", "halving")
        }


def evidence(result, start):
    (claim,) = [claim for claim in EXPERIMENT.claims if claim.statement.startswith(start)]
    return claim.check(result)


def test_depths_double_and_end_at_the_deepest():
    assert probes.depths(1) == [1]
    assert probes.depths(8) == [1, 2, 4, 8]
    assert probes.depths(6) == [1, 2, 4, 6]


def test_halved_widths_stop_at_the_classes():
    assert _narrowing.halved(64, 5, 10) == [64, 32, 16, 10, 10]
    assert _narrowing.halved(8, 3, 10) == [8, 8, 8]


def test_halving_networks_learn_and_are_trained_once(runs, monkeypatch):
    result = runs["halving"].result
    assert float(result["accuracy"].mean()) > 0.5

    def never(**kwargs):
        raise AssertionError("trained again")

    given = {"data": "digits", "width": 24, "depth": 2, "epochs": 2, "seed": 3, "seeds": 2, "device": "cpu"}
    first = _narrowing.narrowing(**given)
    assert first.trained.widths == (64, 24, 12, 10)
    assert not np.array_equal(first.trained.storage.numpy(), first.initial.storage.numpy())
    monkeypatch.setattr("layerlab.training.train", never)
    again = _narrowing.narrowing(**given)
    np.testing.assert_array_equal(first.trained.storage.numpy(), again.trained.storage.numpy())


def test_layers_beyond_a_network_are_empty_and_the_input_is_the_same_for_all(runs):
    result = runs["constant"].result
    assert result["probe"].sel(depth=1, layer=2).isnull().all()
    assert result["probe"].sel(depth=2).notnull().all()
    assert float(result["probe"].sel(layer=0).std()) == 0
    assert float(result["probe_random"].sel(layer=0).std()) == 0
    assert float(result["separation_random"][0, 0]) == pytest.approx(float(result["separation_theory"][0]), rel=1e-6)


@pytest.mark.parametrize(
    ("start", "corrupt"),
    [
        ("Class separation in wide", lambda r: r.assign(separation_theory=r["separation_theory"] * 9)),
        ("Wide untrained ReLU layers", lambda r: r.assign(separation_random=r["separation_random"] * (1 + r["layer"]))),
        ("Through untrained ReLU", lambda r: r.assign(probe_random=r["probe_random"] + 0.1 * r["layer"])),
        ("Trained layers separate", lambda r: r.assign(separation=r["separation"] / (1 + r["layer"]) ** 3)),
        ("A linear probe gets better", lambda r: r.assign(probe=r["probe"] - 0.2 * r["layer"])),
        ("Deeper is better", lambda r: r.assign(accuracy=r["accuracy"] - 0.4 * (r["depth"] - 1))),
    ],
)
def test_claims_can_fail(runs, start, corrupt):
    result = runs["constant"].result
    assert evidence(corrupt(result), start).holds is False


def test_the_law_of_wide_layers_is_not_held_against_narrow_or_halving_ones(runs):
    narrow = runs["constant"].result.assign_attrs(width=16)
    for result in (narrow, runs["halving"].result):
        assert evidence(result, "Class separation in wide") is None
        assert evidence(result, "Wide untrained ReLU layers") is None


def test_figure_and_words(runs):
    for shape, run in runs.items():
        assert len(lab.draw(EXPERIMENT, run.result).axes) == 2
        assert ("halving" in EXPERIMENT.describe(run.result)) == (shape == "halving")

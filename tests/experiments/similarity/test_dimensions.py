"""similarity/dimensions: the projections are what their formulas say, and the claims can fail."""

import numpy as np
import pytest
import torch

from layerlab import lab
from layerlab.experiments.similarity import _directions, dimensions
from layerlab.nets import MLP
from layerlab.similarity import basis

EXPERIMENT = lab.get("similarity/dimensions")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 6)) @ RNG.normal(size=(6, 6)) + RNG.normal(size=6)
F = RNG.normal(size=(6, 2))


@pytest.fixture(scope="module")
def run():
    config = EXPERIMENT.config(architecture="dense", rows=300, epochs=10, seeds=2)
    return lab.execute(EXPERIMENT, config, "cpu")


@pytest.mark.parametrize("metric", [np.eye(6), _directions.root(basis(X))])
def test_a_projection_keeps_its_numbers_and_is_one(metric):
    p = _directions.projection(F, metric)
    np.testing.assert_allclose(p @ F, F, atol=1e-10)
    np.testing.assert_allclose(p @ p, p, atol=1e-10)
    assert np.linalg.matrix_rank(p, tol=1e-8) == 2


def test_the_two_fillings_are_the_orthogonal_projection_and_least_squares():
    centred = X - X.mean(0)
    orthogonal = _directions.projection(F, np.eye(6))
    np.testing.assert_allclose(orthogonal, orthogonal.T, atol=1e-12)
    kept = centred @ F
    predicted = kept @ np.linalg.lstsq(kept, centred, rcond=None)[0]
    np.testing.assert_allclose(centred @ _directions.projection(F, _directions.root(basis(X))), predicted, atol=1e-10)


def test_principal_directions_need_no_filling():
    layer = basis(X)
    two = layer.directions[:, :2]
    by_mean, by_prediction = (_directions.projection(two, m) for m in (np.eye(6), _directions.root(layer)))
    np.testing.assert_allclose(by_mean, by_prediction, atol=1e-10)


def test_neurons_left_out_stand_at_their_mean_at_every_position():
    maps = torch.tensor(RNG.normal(size=(2, 5, 6, 3, 4)))
    mean = RNG.normal(size=(2, 6))
    keep = np.diag([1.0, 0, 1, 0, 0, 0])
    found = _directions.projected(maps, mean, np.stack([keep] * 2)).reshape(maps.shape)
    torch.testing.assert_close(found[:, :, [0, 2]], maps[:, :, [0, 2]])
    for unit in (1, 3, 4, 5):
        assert np.allclose(found[:, :, unit], mean[:, None, unit, None, None])


def test_a_network_that_reads_one_direction_needs_one():
    """Two classes by the sign of one weighted sum: that direction keeps all, and the others nothing."""
    above = MLP((6, 2), seeds=[0])
    read = torch.tensor(F[:, 0], dtype=torch.float32)
    above.weights[0][0] = torch.stack([read, -read], 1)
    layer = torch.tensor(X - X.mean(0), dtype=torch.float32)[None]
    y = (layer[0] @ read < 0).long().numpy()
    others = np.linalg.svd(F[:, :1])[0][:, 1:]
    metrics = [np.eye(6)]
    good, bad = (
        dimensions.kept_accuracy(above, layer, np.zeros((1, 6)), [each[None]], metrics, y)
        for each in (F[:, :1], others)
    )
    assert good[0, 0, 1:7] == pytest.approx(1, abs=0.01)
    assert np.isnan(good[0, 0, 7:]).all()
    assert (bad[0, 0, 1:6] < 0.75).all()


def test_shared_directions_are_those_of_the_neighbour():
    samples = np.stack([X, X @ RNG.normal(size=(6, 6)), RNG.normal(size=(200, 6))])
    found = [canonical.coefficients for canonical, _ in _directions.shared_directions(samples, 1.0)]
    assert found[0] == pytest.approx(np.ones(6))
    assert (found[1] < 0.5).all()


def test_claims_are_tested_and_shapes_are_as_said(run):
    assert all(evidence is not None for _, evidence in run.evidence())
    assert EXPERIMENT.claims[0].check(run.result).holds
    assert run.result["accuracy"].dims == ("seed", "layer", "kept", "rest", "k")
    assert run.provenance.data["digits"].startswith("sha256:")


def test_the_least_k_is_the_one_from_which_on_enough_is_kept(run):
    k = run.result["k"]
    steps = 0.9 * (k >= 8) + 0.9 * (k == 3)
    made = run.result.assign(accuracy=0 * run.result["accuracy"].fillna(0) + steps, accuracy_whole=("seed", [0.9] * 2))
    assert (dimensions.needed(made, 0.95) == 8).all()
    assert dimensions.needed(made.assign(accuracy_whole=("seed", [1.0] * 2)), 0.95).isnull().all()


@pytest.mark.parametrize(
    ("change", "falls"),
    [
        (lambda r: r["accuracy"] - 0.2 * (r["k"] == r["units"]), 0),
        (lambda r: r["accuracy"] * (r["k"] > 40), 1),
        (lambda r: r["accuracy"] * (r["kept"] != "SVCCA"), 2),
        (lambda r: r["accuracy"] * (r["kept"] != "SVCCA"), 3),
        (lambda r: r["accuracy"] * (r["kept"] != "SVCCA"), 4),
        (lambda r: r["accuracy"] * (r["rest"] != "predicted"), 5),
        (lambda r: r["accuracy"] * (r["kept"] != "principal"), 6),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, change, falls):
    wrong = run.result.assign(accuracy=change(run.result))
    assert not EXPERIMENT.claims[falls].check(wrong).holds


def test_one_network_has_no_partner():
    with pytest.raises(ValueError, match="seeds must be at least 2"):
        EXPERIMENT.config(seeds=1)

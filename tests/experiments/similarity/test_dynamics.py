"""similarity/dynamics: what is read on which grid, when a layer has settled, and that the claims can fail."""

import numpy as np
import pytest
import torch
import xarray as xr

from layerlab import lab
from layerlab.experiments.similarity import dynamics

EXPERIMENT = lab.get("similarity/dynamics")


@pytest.fixture(scope="module")
def run():
    config = EXPERIMENT.config(architecture="dense", rows=200, epochs=20, seeds=2)
    return lab.execute(EXPERIMENT, config, "cpu")


def test_layers_are_read_on_every_coarser_grid_their_own_last():
    maps = torch.rand(2, 10, 3, 4, 4)
    small, dense = torch.rand(2, 10, 5, 2, 2), torch.rand(2, 10, 6)
    found = dynamics.on_grids([maps, small, dense])
    shapes = [[each.samples.shape for each in layer] for layer in found]
    assert shapes == [[(2, 10, 3), (2, 40, 3), (2, 160, 3)], [(2, 10, 5), (2, 40, 5)], [(2, 10, 6)]]
    np.testing.assert_allclose(found[0][0].samples, maps.double().mean((-1, -2)), rtol=1e-6)
    np.testing.assert_allclose(found[0][2].samples[0, :16, 1], maps.double()[0, 0, 1].flatten(), rtol=1e-6)


def test_a_layer_is_like_itself_and_like_its_rotation_and_not_like_noise():
    rng = np.random.default_rng(0)
    a = torch.tensor(rng.normal(size=(1, 2_000, 4)))
    turned = a @ torch.tensor(np.linalg.qr(rng.normal(size=(4, 4)))[0])
    noise = torch.tensor(rng.normal(size=(1, 2_000, 4)))
    ((own,), (other,), (chance,)) = dynamics.on_grids([a, turned, noise])
    assert dynamics.alike(own, other) == pytest.approx(np.ones((3, 1)))
    assert (dynamics.alike(own, chance) < 0.1).all()


def test_settled_is_where_a_course_crosses_nine_tenths_of_its_way():
    course = xr.DataArray([[0.5, 0.9, 1.0, 1.0], [0.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0]], dims=("layer", "epoch"))
    made = xr.Dataset({"to_final": course}, coords={"epoch": [0, 4, 8, 10]})
    assert dynamics.settled(made).values == pytest.approx([0.6, 0.98, 0.0])  # 0.95 half way from 4 to 8; 8 + 0.9 * 2


def test_claims_are_tested_and_the_diagonal_is_in_the_matrix(run):
    assert all(evidence is not None for _, evidence in run.evidence())
    r = run.result
    for panel, epoch in ((0, 0), (3, 20)):
        diagonal = np.diagonal(r["matrix"].isel(share=panel).transpose("seed", "measure", "layer", "final"), 0, 2, 3)
        course = r["to_final"].sel(epoch=epoch).transpose("seed", "measure", "layer")
        np.testing.assert_allclose(diagonal, course, rtol=1e-5)
    np.testing.assert_allclose(r["to_first"].sel(epoch=0), 1, atol=1e-5)


def test_from_beginning_to_end_is_as_far_as_back(run):
    there, back = run.result["to_final"].isel(epoch=0), run.result["to_first"].isel(epoch=-1)
    for name in ("SVCCA", "CKA"):  # PWCCA weighs by one side
        np.testing.assert_allclose(there.sel(measure=name), back.sel(measure=name), rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "falls"),
    [
        (lambda x: x - 0.1 * (x["epoch"] == 20), 0),
        (lambda x: x * (x["layer"] != "hidden 1"), 1),
        (lambda x: x - 0.5 * (x["epoch"] == 7) * (x["layer"] == "hidden 4"), 2),
        (lambda x: x * ((x["layer"] != "hidden 1") | (x["epoch"] == 20)), 3),
        (lambda x: x * ((x["layer"] != "hidden 1") | (x["epoch"] == 20)), 4),
        (lambda x: x * ((x["layer"] != "output") | (x["epoch"] == 20)), 5),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, change, falls):
    wrong = run.result.assign(to_final=change(run.result["to_final"]))
    assert not EXPERIMENT.claims[falls].check(wrong).holds


@pytest.mark.parametrize("falls", [3, 4])
def test_the_disputed_claims_can_hold(run, falls):
    late = run.result["to_final"] * ((run.result["layer"] != "hidden 4") | (run.result["epoch"] == 20))
    assert EXPERIMENT.claims[falls].check(run.result.assign(to_final=late)).holds

"""plane/images: what it reads of a layer is what theory says, and its claims can fail."""

import numpy as np
import pytest
import torch

from layerlab import lab
from layerlab.experiments.plane import _image_networks, images

EXPERIMENT = lab.get("plane/images")


@pytest.fixture(scope="module")
def run():
    config = EXPERIMENT.config(rows=300, epochs=150, measured=100, seeds=3)
    return lab.execute(EXPERIMENT, config, "cpu")


@pytest.fixture(scope="module")
def labels():
    return np.repeat(np.arange(4), 20)


def test_claims_are_tested_and_come_out_as_the_book_says(run):
    assert [e.holds for _, e in run.evidence()] == [True, True, True, False, True, True]
    assert run.provenance.data["digits"].startswith("sha256:")
    assert run.result.attrs["images_trained"] == 300


def test_classes_that_have_become_points_far_apart_leave_the_class_alone(labels):
    layer = 100 * np.eye(4)[labels][None]
    found = images.read(torch.tensor(layer), labels, 0.1, 0.01)
    for name in ("cells_xt", "cells_ty", "fixed_xt_lower", "fixed_xt_upper", "fixed_ty", "shared_xt", "shared_ty"):
        assert found[name] == pytest.approx([2], abs=0.01), name
    assert found["scatter"] == pytest.approx([1e4 * 3 / 4])


def test_shared_noise_does_not_see_the_scale_of_a_layer_and_fixed_noise_does(labels):
    layer = torch.tensor(np.random.default_rng(0).normal(size=(2, 80, 3)))
    one, ten = (images.read(scale * layer, labels, 0.1, 0.05) for scale in (1, 10))
    np.testing.assert_allclose(one["shared_xt"], ten["shared_xt"], rtol=1e-9)
    np.testing.assert_allclose(ten["scatter"], 100 * one["scatter"], rtol=1e-9)
    assert (ten["fixed_xt_lower"] > one["fixed_xt_upper"]).all()


def test_a_silent_layer_says_nothing(labels):
    found = images.read(torch.ones(1, 80, 3), labels, 0.1, 0.05)
    for name, value in found.items():
        assert value == pytest.approx([0], abs=1e-9), name


def test_networks_depend_on_their_own_seed_only_and_are_kept():
    few, more = (_image_networks.image_networks(rows=60, epochs=2, moments=3, seeds=n) for n in (1, 2))
    assert few.epochs.tolist() == [0, 1, 2]
    for moment in range(3):
        torch.testing.assert_close(few.networks(moment).storage, more.networks(moment)[0].storage, rtol=1e-4, atol=1e-6)
    layers = few.layers(2, few.data.x_test[:7])
    assert [tuple(each.shape) for each in layers] == [(1, 7, w) for w in (512, 256, 32, 16, 10)]
    torch.testing.assert_close(layers[-1].sum(-1), torch.ones(1, 7))
    again = _image_networks.image_networks(rows=60, epochs=2, moments=3, seeds=1)
    assert torch.equal(again.networks(2).storage, few.networks(2).storage)


def test_late_means_after_the_fit(run):
    at = images.fitted(run.result)
    accuracy = run.result["accuracy_test"]
    best = accuracy.max("epoch")
    assert (accuracy.isel(epoch=at) >= best - 0.01).all()
    assert all(float(accuracy[i, int(k) - 1]) < float(best[i]) - 0.01 for i, k in enumerate(at))
    short = run.result.isel(epoch=slice(0, int(at.max()) + 1))
    assert [EXPERIMENT.claims[i].check(short) for i in (3, 4)] == [None, None]


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [
        ("cells_xt", lambda x: x - 0.1, 0),
        ("fixed_xt_lower", lambda x: x + 5 * (x.layer == "convolution 2"), 1),
        ("shared_ty", lambda x: x - 2 * (x.epoch > 0), 2),
        ("fixed_xt_lower", lambda x: x - (x.epoch == 150), 4),
        ("shared_xt", lambda x: x + 5 * (x.epoch > 0), 5),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, variable, change, falls):
    wrong = run.result.assign({variable: change(run.result[variable])})
    assert not EXPERIMENT.claims[falls].check(wrong).holds


def test_the_disputed_claim_can_hold_and_says_nothing_of_short_trainings(run):
    falling = run.result.assign(shared_xt=run.result["shared_xt"] - 0.5 * (run.result["epoch"] == 150))
    assert EXPERIMENT.claims[3].check(falling).holds
    tanh = run.result.copy()
    tanh.attrs["activation"] = "tanh"
    assert EXPERIMENT.claims[4].check(tanh) is None


def test_an_unknown_activation_is_refused():
    with pytest.raises(ValueError, match="activation must be one of relu, tanh; it was 'cube'"):
        _image_networks.image_networks(activation="cube")

"""similarity/patches: fields are what units see, ranks are fair, and claims can fail."""

import numpy as np
import pytest
import torch

from layerlab import lab
from layerlab.experiments.similarity import _responses, patches
from layerlab.nets import Conv, ConvNet

EXPERIMENT = lab.get("similarity/patches")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(epochs=5, seeds=3, layer="convolution 1"), "cpu")


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_unit_sees_its_receptive_field_and_nothing_else(depth):
    layers = [Conv(2, 5, stride=2, padding=2), Conv(2, 3, stride=2, padding=1), Conv(2, 3, padding=1)]
    network = ConvNet((1, 40, 40), [*layers, 3], "linear", seeds=[0])
    x = torch.zeros(1, 1600, requires_grad=True)
    maps = network.maps(x)[depth - 1][0, 0, 0]
    at = maps.shape[0] // 2
    (seen,) = torch.autograd.grad(maps[at, at], x)
    rows, columns = np.nonzero(seen.reshape(40, 40).numpy())
    side, step, start = _responses.receptive_field(layers[:depth])
    for axis in (rows, columns):
        assert (axis.min(), axis.max()) == (start + step * at, start + step * at + side - 1)


def test_images_are_ranked_by_their_strongest_response_and_its_place_is_kept():
    layer = np.zeros((4, 1, 3))
    layer[[2, 0, 3], 0, [1, 2, 0]] = [3, 2, 1]
    order, place = _responses.ranked(layer, np.random.default_rng(0))
    assert order[:3, 0].tolist() == [2, 0, 3]
    assert place[:3, 0].tolist() == [1, 2, 0]
    assert order[3, 0] == 1
    top = _responses.top_places(order, place, 2)
    assert top[:, 0].tolist() == [2, -1, 1, -1]


def test_equal_responses_are_ranked_by_lot():
    layer = np.ones((200, 1, 5)) + 1e-9 * np.arange(200)[:, None, None]  # rounding, not a response
    tops = [_responses.ranked(layer, np.random.default_rng(i))[0][:20, 0] for i in range(2)]
    assert len(set(tops[0]) & set(tops[1])) < 10
    assert len({*_responses.ranked(layer, np.random.default_rng(0))[1][:, 0]}) == 5


def test_the_same_units_in_another_order_have_all_in_common():
    layer = torch.tensor(np.random.default_rng(0).random((100, 4, 3, 3)))
    layer[:, 1] = 0.5  # says nothing
    found = patches.compared(torch.stack([layer, layer.flip(1)]), [np.random.default_rng(i) for i in range(2)])
    for row, silent in zip(found["overlap"], (1, 2), strict=True):
        assert np.isnan(row).nonzero()[0].tolist() == [silent]
        np.testing.assert_allclose(np.delete(row, silent), 1)
    np.testing.assert_allclose(found["place"], 1)
    assert (found["unmatched"] < 0.3).all()


def test_a_patch_is_cut_where_the_unit_looks():
    images = np.random.default_rng(0).random((30, 1, 8, 8)).astype(np.float32)
    layer = torch.tensor(np.concatenate([images, images**2], 1)[None]).repeat(2, 1, 1, 1, 1)  # each sees one pixel
    found = patches.compared(layer, [np.random.default_rng(i) for i in range(2)])
    shown, _ = patches.patches(found, images, (3, 1, -1), 8)
    most = np.sort(images.max((1, 2, 3)))[::-1][: patches.SHOWN]
    np.testing.assert_array_equal(shown[0, 0, :, 1, 1, 0], np.round(255 * most))
    picture, _ = patches.mosaic(shown[0])
    np.testing.assert_array_equal(picture[:3, :3, 0], shown[0, 0, 0, :, :, 0])


def test_what_is_shown_is_small_and_of_the_right_size(run):
    result = run.result
    assert result["patches"].shape == (3, 2, patches.SHOWN, 3, 3, 1)
    assert result["patches"].dtype == np.uint8
    assert (np.diff(result["shown_correlation"]) <= 0).all()
    assert run.provenance.data["digits"].startswith("sha256:")
    assert [evidence.holds for _, evidence in run.evidence()][:2] == [True, True]


@pytest.mark.parametrize(
    ("claim", "variable", "change"),
    [
        (0, "overlap", lambda x: x * 0),
        (1, "place", lambda x: x * 0),
        (2, "correlation", lambda x: -x),
        (4, "overlap", lambda x: x * (x["moment"] == "before training")),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, claim, variable, change):
    good = run.result.assign(overlap=run.result["correlation"].clip(0, 1))
    wrong = good.assign({variable: change(good[variable])})
    assert not EXPERIMENT.claims[claim].check(wrong).holds


def test_the_disputed_claim_can_hold(run):
    assert not EXPERIMENT.claims[3].check(run.result).holds
    assert EXPERIMENT.claims[3].check(run.result.assign(overlap=run.result["overlap"] * 0 + 0.6)).holds

"""similarity/memorising: its distances are what theory says, its pairs the right ones, and its claims can fail."""

import numpy as np
import pytest
import torch

from layerlab import lab
from layerlab.experiments.similarity import memorising
from layerlab.experiments.similarity._distances import by_network, distances, units

EXPERIMENT = lab.get("similarity/memorising")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(rows=220, epochs=80, seeds=2), "cpu")


def test_claims_are_tested_and_come_out_as_the_book_says(run):
    assert [evidence.holds for _, evidence in run.evidence()] == [True, True, False, True, True]
    assert run.provenance.data["digits"].startswith("sha256:")
    assert run.result.attrs["images_measured"] == 220


def test_outputs_agree_where_the_same_labels_were_learnt_by_heart(run):
    output = run.result["pwcca"].isel(layer=4)
    assert float(output.sel(images="trained on", pair="same random").max()) < 0.01
    assert float(output.sel(images="new", pair="same random").min()) > 0.3
    assert float(run.result["pwcca"].sel(pair="shuffled").min()) > 0.3


@pytest.mark.parametrize(
    ("pair", "images", "change", "falls"),
    [
        ("true", "new", lambda x: x + 0.6, 0),
        ("same random", "new", lambda x: x.where(x["layer"] != x["layer"][0], x + 0.5), 1),
        ("same random", "trained on", lambda x: x + 0.6, 3),
        ("own random", "trained on", lambda x: x / 2, 4),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, pair, images, change, falls):
    here = (run.result["pair"] == pair) & (run.result["images"] == images)
    wrong = run.result.assign(pwcca=run.result["pwcca"].where(~here, change(run.result["pwcca"])))
    assert not EXPERIMENT.claims[falls].check(wrong).holds


def test_networks_that_did_not_fit_their_labels_test_no_claim(run):
    unfit = run.result.assign(accuracy_train=0 * run.result["accuracy_train"] + 0.5)
    assert all(claim.check(unfit) is None for claim in EXPERIMENT.claims)


def test_a_layer_turned_and_scaled_is_no_distance_away_and_noise_is_far():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 300, 4))
    turned = 5 * x @ np.linalg.qr(rng.normal(size=(4, 4)))[0] + 1
    for name, each in distances(x, turned).items():
        assert each.shape == (3, 3), name
        np.testing.assert_allclose(np.diag(each), 0, atol=1e-9, err_msg=name)
        assert each[~np.eye(3, dtype=bool)].min() > 0.6, name
        np.testing.assert_allclose(by_network(each), by_network(each.T), err_msg=name)


def test_the_distance_between_groups_leaves_out_networks_that_began_alike():
    each = np.array([[100.0, 1, 2], [3, 100, 4], [5, 6, 100]])
    np.testing.assert_allclose(by_network(each), [(2 + 3.5) / 2, (2 + 5) / 2, (3.5 + 5) / 2])


def test_filters_are_averaged_over_the_image_and_logits_become_probabilities():
    maps = torch.arange(2 * 3 * 2 * 4.0).reshape(1, 2, 3, 2, 4)
    found = units([maps, torch.zeros(1, 2, 5)])
    np.testing.assert_allclose(found[0][0, 0], [3.5, 11.5, 19.5])
    np.testing.assert_allclose(found[1], 0.2)


def test_the_three_groups_begin_with_the_same_weights():
    config = memorising.Config(rows=60, epochs=1, seeds=2)
    first = [
        memorising.labelled(config, *labels, "cpu", lambda *_: None).networks(0).storage
        for labels in ((0.0, True), (1.0, False), (1.0, True))
    ]
    assert torch.equal(first[0], first[1])
    assert torch.equal(first[0], first[2])

"""similarity/partners: known partners are found, chance is what theory says, and claims can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.similarity import partners
from layerlab.experiments.similarity._units import HIDDEN

EXPERIMENT = lab.get("similarity/partners")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(epochs=6, measured=300, seeds=3), "cpu")


def generators(count):
    return [np.random.default_rng(i) for i in range(count)]


def test_what_is_tested_and_measured(run):
    assert [evidence.holds for _, evidence in run.evidence()][:3] == [True] * 3
    result = run.result
    assert result["samples"].values.tolist() == [300 * 25, 300 * 16, 300 * 16, 300]
    assert result["units"].values.tolist() == [16, 24, 24, 64]
    assert run.provenance.data["digits"].startswith("sha256:")
    assert (np.diff(result["paired"].fillna(-1), axis=-1) <= 0).all()
    first = result["paired"].isel(seed=0).sel(layer="convolution 1", matching="assignment").values[:16]
    shown = np.sort(result["between"].values[np.arange(16), result["partner"].values])[::-1]
    np.testing.assert_allclose(first, shown, atol=1e-6)
    np.testing.assert_allclose(np.diag(result["within"]), 1, atol=1e-6)


def test_units_in_another_order_are_all_found():
    x = np.random.default_rng(0).normal(size=(500, 8))
    found = partners.matched(np.stack([x, x]), np.stack([x, 2 * x[:, ::-1] + 1]), 500, generators(2))
    np.testing.assert_allclose(found["paired"], 1)
    assert found["shared"].tolist() == [0, 0]
    assert found["agree"].tolist() == [1, 1]
    assert found["mean"][:, :, partners.KINDS.index("all shuffled")].max() < 0.2


def test_a_silent_unit_is_named_and_left_out_of_the_means():
    x = np.random.default_rng(0).normal(size=(100, 4))
    x[:, 2] = 3
    found = partners.matched(np.stack([x, x]), np.stack([x, x]), 100, generators(2))
    assert found["silent"].tolist() == [1, 1]
    np.testing.assert_allclose(found["mean"][:, :, 0], 1)
    assert np.isnan(found["paired"][:, :, -1]).all()
    np.testing.assert_allclose(found["paired"][:, :, :-1], 1)


def test_units_that_see_the_place_alone_match_with_shuffled_images_and_not_with_shuffled_samples():
    place = np.tile(np.random.default_rng(0).normal(size=(16, 3)), (50, 1))  # 50 images of 16 positions
    found = partners.matched(np.stack([place] * 2), np.stack([place] * 2), 50, generators(2))
    mean = dict(zip(partners.KINDS, found["mean"].mean((0, 1)), strict=True))
    assert mean["images shuffled"] == pytest.approx(1)
    assert mean["all shuffled"] < 0.1


def test_one_partner_for_all_is_shared_by_all():
    rng = np.random.default_rng(1)
    base = rng.normal(size=(2000, 1))
    one = base + 0.1 * rng.normal(size=(2000, 5))
    other = np.concatenate([base, rng.normal(size=(2000, 4))], 1)
    found = partners.matched(np.stack([one, other]), np.stack([one, other]), 2000, generators(2))
    assert found["shared"][0] == 1
    assert found["agree"][0] == pytest.approx(1 / 5)


def test_the_untrained_are_those_of_the_same_seeds(run):
    again = lab.execute(EXPERIMENT, EXPERIMENT.config(epochs=1, measured=300, seeds=3), "cpu").result
    kinds = {"kind": "untrained"}
    np.testing.assert_allclose(again["mean"].sel(kinds), run.result["mean"].sel(kinds), atol=1e-6)


@pytest.mark.parametrize(
    ("claim", "kind", "change"),
    [
        (0, None, 0.0),
        (1, "all shuffled", 0.5),
        (2, "images shuffled", 1.0),
        (3, "untrained", 1.0),
        (4, "untrained", 1.0),
    ],
)
def test_a_wrong_mean_makes_its_claim_fail(run, claim, kind, change):
    mean = run.result["mean"]
    if kind is None:
        wrong = mean.assign_coords(matching=mean["matching"].values[::-1])
    else:
        wrong = mean + change * (mean["kind"] == kind)
    assert not EXPERIMENT.claims[claim].check(run.result.assign(mean=wrong)).holds


def test_depth_and_sharing_can_be_contradicted(run):
    mean = run.result["mean"]
    assert not EXPERIMENT.claims[5].check(run.result.assign(mean=mean + (mean["layer"] == "convolution 3"))).holds
    assert not EXPERIMENT.claims[6].check(run.result.assign(shared=run.result["shared"] * 0.3)).holds


def test_the_table_leaves_the_matrices_out(run):
    assert len(EXPERIMENT.table(run.result)) < 800
    assert tuple(run.result["layer"].values) == HIDDEN

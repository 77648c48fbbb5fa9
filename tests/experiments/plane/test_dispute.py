"""plane/dispute and plane/verdict: four estimators on the same layers, and claims that can fail."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from layerlab import lab
from layerlab.experiments.plane import verdict
from layerlab.experiments.plane._conditions import ESTIMATORS, compression, informations, thinned
from layerlab.information import binned_information

DISPUTE, VERDICT = lab.get("plane/dispute"), lab.get("plane/verdict")


@pytest.fixture(scope="module")
def tanh():
    return lab.Store().load(DISPUTE, DISPUTE.config(activation="tanh", epochs=2000, seeds=10)).result


@pytest.fixture(scope="module")
def relu():
    return lab.Store().load(DISPUTE, DISPUTE.config(activation="relu", epochs=2000, seeds=10)).result


@pytest.fixture(scope="module")
def table():
    return lab.Store().load(VERDICT, VERDICT.config(epochs=2000, seeds=10)).result


def test_the_estimators_read_the_same_layer_in_their_order():
    generator = torch.Generator().manual_seed(0)
    t, y = torch.randn(2, 300, 3, generator=generator), np.arange(300) % 2
    i_xt, i_ty = informations(t, y)
    assert i_xt.shape == i_ty.shape == (len(ESTIMATORS), 2)
    np.testing.assert_allclose(i_xt[0], binned_information(t.numpy(), y, width=0.07)[0])
    np.testing.assert_allclose(i_ty[1], binned_information(t.numpy(), y, bins=30)[1])
    assert (i_xt <= np.log2(300) + 1e-9).all()
    assert i_xt[2].max() < i_xt[0].min()  # what is beyond 1 shares a cell in the published program only


def test_activations_beyond_one_compress_in_the_published_program_alone():
    growing = [scale * torch.rand(1, 500, 2, generator=torch.Generator().manual_seed(1)) for scale in (1, 20)]
    seen = compression(np.array([informations(t, np.zeros(500, int))[0] for t in growing]), 0)[:, 0]
    assert seen[2] > 2
    assert seen[[0, 1, 3]].max() < 0.05


def test_moments_are_thinned_from_the_end():
    assert thinned(5) == [0, 1, 2, 3, 4]
    kept = thinned(53)
    assert kept[0] == 0
    assert kept[-1] == 52
    assert 20 < len(kept) <= 31


def test_compression_is_the_largest_less_the_last_and_never_negative():
    assert compression(np.array([[1.0, 3, 2], [0, 1, 2]]), 1).tolist() == [1, 0]


def test_a_run_has_all_estimators_layers_and_networks():
    result = lab.execute(DISPUTE, DISPUTE.config(activation="softsign", epochs=10, seeds=2, batch="all"), "cpu").result
    assert dict(result["i_xt"].sizes) == {"seed": 2, "estimator": 4, "epoch": 11, "layer": 5}
    assert float(result["i_xt"].max()) <= 12 + 1e-4  # stored in single precision
    assert float(result["i_ty"].max()) <= 1 + 1e-4


@pytest.mark.parametrize(
    ("run", "falls", "change"),
    [
        ("tanh", 0, lambda x: x.max("epoch") + 0 * x),
        ("relu", 1, lambda x: x * (x["epoch"] < 1000)),
        ("relu", 2, lambda x: x.max("epoch") + 0 * x),
    ],
)
def test_curves_that_run_otherwise_make_their_claim_fail(run, falls, change, request):
    result = request.getfixturevalue(run)
    assert DISPUTE.claims[falls].check(result).holds
    wrong = change(result["i_xt"]).transpose(*result["i_xt"].dims)
    assert not DISPUTE.claims[falls].check(result.assign(i_xt=wrong)).holds


def test_what_is_disputed_would_hold_of_other_curves(tanh):
    assert not DISPUTE.claims[3].check(tanh).holds
    assert not DISPUTE.claims[4].check(tanh).holds
    alike = tanh["i_xt"].isel(estimator=0, layer=-1) + 0 * tanh["i_xt"]
    agreed = tanh.assign(i_xt=alike.transpose(*tanh["i_xt"].dims))
    assert DISPUTE.claims[3].check(agreed).holds
    assert DISPUTE.claims[4].check(agreed).holds


def test_linear_networks_lose_a_little_and_would_not_if_their_curves_were_level():
    linear = lab.Store().load(DISPUTE, DISPUTE.config(activation="linear")).result
    assert not DISPUTE.claims[5].check(linear).holds
    assert DISPUTE.claims[5].check(linear.assign(i_xt=0 * linear["i_xt"])).holds


def test_claims_are_about_their_own_networks(tanh, relu):
    assert [c.check(tanh) is None for c in DISPUTE.claims] == [False, True, True, False, False, True]
    assert [c.check(relu) is None for c in DISPUTE.claims] == [True, False, False, False, True, True]


def test_the_table_agrees_with_the_single_condition(tanh, table):
    last = tanh["i_xt"].isel(layer=-1)
    single = last.max("epoch") - last.isel(epoch=-1)
    np.testing.assert_allclose(table["compression"].sel(condition="tanh"), single, atol=1e-3)


def test_chance_is_what_a_twentieth_of_unrelated_pairs_exceed():
    rng = np.random.default_rng(0)
    drawn = [spearmanr(*rng.standard_normal((2, 20))).statistic for _ in range(2000)]
    assert np.mean(np.array(drawn) > verdict.chance(20)) == pytest.approx(0.05, abs=0.015)


@pytest.mark.parametrize(
    ("falls", "change"),
    [
        (0, lambda r: r.assign(compression=r["compression"] * 0)),
        (1, lambda r: r.assign(compression=r["compression"] + 1)),
        (3, lambda r: r.assign(compression=r["compression"] * 0.1)),
        (5, lambda r: r.assign(accuracy_test=-r["accuracy_test"])),
    ],
)
def test_a_table_that_says_otherwise_makes_its_claim_fail(table, falls, change):
    assert VERDICT.claims[falls].check(table).holds
    assert not VERDICT.claims[falls].check(change(table)).holds


def test_what_is_disputed_would_hold_of_another_table(table):
    assert not VERDICT.claims[2].check(table).holds
    assert VERDICT.claims[2].check(table.assign(compression=table["compression"] * 0)).holds
    assert not VERDICT.claims[4].check(table).holds
    other = table.assign(accuracy_test=table["compression"].mean("estimator") / 12)
    assert VERDICT.claims[4].check(other).holds

"""Binned information: known answers, the slow way by unique rows, cells as documented, refusals."""

import numpy as np
import pytest
import torch

from layerlab.data import symmetric_rule
from layerlab.information import (
    binned_cells,
    binned_information,
    entropy,
    mutual_information,
    original_binned_information,
)
from layerlab.information.binning import joint_codes

CUTS = ({"width": 0.07}, {"bins": 30}, {"bins": 7, "limits": (-1.0, 1.0)}, {"bins": 5, "equal_mass": True})
RULE = symmetric_rule()


def activations(*shape, seed=0):
    return np.tanh(2 * np.random.default_rng(seed).standard_normal(shape))


def by_unique_rows(cells, y):
    """Both informations of one layer from its joint distribution, counted with np.unique."""
    _, code = np.unique(cells, axis=0, return_inverse=True)
    joint = np.zeros((code.max() + 1, int(y.max()) + 1))
    np.add.at(joint, (code.ravel(), y), 1 / len(y))
    return entropy(joint.sum(1)), mutual_information(joint)


@pytest.mark.parametrize("units", [1, 3, 40])
def test_it_is_the_information_of_the_joint_of_unique_rows_and_labels(units):
    t, y = activations(2, 3, 500, units), np.random.default_rng(1).integers(0, 3, 500)
    i_xt, i_ty = binned_information(t, y, width=0.4)
    assert i_xt.shape == i_ty.shape == (2, 3)
    for index in np.ndindex(2, 3):
        assert (i_xt[index], i_ty[index]) == pytest.approx(by_unique_rows(np.floor(t[index] / 0.4), y), abs=1e-11)


def test_an_invertible_layer_keeps_everything_and_a_constant_one_nothing():
    assert binned_information(RULE.x, RULE.y, width=1) == pytest.approx((12, mutual_information(RULE.p_xy)), abs=1e-11)
    for cut in CUTS:
        assert binned_information(np.full((64, 3), 0.3), np.arange(64) % 2, **cut) == pytest.approx((0, 0), abs=1e-12)


def test_a_layer_that_is_the_label_and_one_that_is_independent_of_it():
    y = np.arange(64) % 4
    assert binned_information(y[:, None], y, bins=4) == pytest.approx((2, 2), abs=1e-12)
    assert binned_information((np.arange(64) // 4 % 4)[:, None], y, bins=4) == pytest.approx((2, 0), abs=1e-12)


def test_each_kind_of_cells_is_as_documented():
    t = np.array([-1.0, -0.5, -0.01, 0.0, 0.49, 0.5, 1.0])[:, None]

    def groups(**cut):
        return binned_cells(t, **cut).tolist()

    assert groups(width=0.5) == [0, 1, 1, 2, 2, 3, 4]
    assert groups(bins=4) == [0, 1, 1, 2, 2, 3, 3]
    assert groups(bins=2, limits=(-0.5, 0.5)) == [0, 0, 0, 1, 1, 1, 1]
    assert groups(bins=7, equal_mass=True) == [0, 1, 2, 3, 4, 5, 6]
    tied = np.r_[np.zeros(50), np.arange(50)][:, None]  # 51 zeros, which stay with the next nine
    assert len(set(binned_cells(tied, bins=10, equal_mass=True))) == 5


def test_cells_of_equal_mass_know_nothing_of_monotone_maps():
    t, y = activations(300, 2), np.arange(300) % 2
    same = binned_information(t, y, bins=6, equal_mass=True), binned_information(np.exp(t), y, bins=6, equal_mass=True)
    assert same[0] == same[1]


def test_the_original_convention_wraps_and_clips():
    edges = np.linspace(-1, 1, 30)
    values = np.r_[-7.0, -1.0, edges[5], np.nextafter(edges[5], -2), 0.999, 1.0, 40.0]
    published = edges[np.digitize(values, edges) - 1]  # index -1 is the topmost edge
    _, expected = np.unique(published, return_inverse=True)
    y = np.arange(7)
    i_xt, _ = original_binned_information(values[:, None], y)
    assert i_xt == pytest.approx(entropy(np.bincount(expected) / 7), abs=1e-12)
    assert len(set(published)) == 5  # -7, 1 and 40 share one
    t = np.linspace(-1.2, 1.2, 4001).astype(np.float32)
    expected = np.bincount((np.digitize(t, edges) - 1) % 30) / 4001
    assert original_binned_information(t[:, None], np.zeros(4001, int))[0] == pytest.approx(
        entropy(expected), abs=1e-11
    )


@pytest.mark.parametrize("cut", CUTS)
def test_labels_may_be_probabilities_or_one_set_for_each_layer(cut):
    t, y = activations(3, 200, 2), np.random.default_rng(1).integers(0, 2, (3, 200))
    i_xt, i_ty = binned_information(t, y, **cut)
    for i in range(3):
        soft = binned_information(t[i], np.eye(2)[y[i]], **cut)
        assert (i_xt[i], i_ty[i]) == pytest.approx(soft, abs=1e-11)
    stochastic = symmetric_rule(2)
    p = np.c_[1 - stochastic.p_one, stochastic.p_one]
    assert binned_information(stochastic.x, p, bins=2)[1] == pytest.approx(
        mutual_information(stochastic.p_xy), abs=1e-9
    )


@pytest.mark.parametrize("cut", CUTS)
def test_order_of_samples_and_units_does_not_matter(cut):
    rng = np.random.default_rng(3)
    t, y = activations(400, 5), rng.integers(0, 2, 400)
    order = rng.permutation(400)
    assert binned_information(t[order][:, ::-1], y[order], **cut) == pytest.approx(
        binned_information(t, y, **cut), abs=1e-12
    )


def test_cells_cut_in_two_never_hold_less_and_nothing_exceeds_its_bounds():
    t, y = activations(300, 3), np.random.default_rng(1).integers(0, 2, 300)
    found = np.array([binned_information(t, y, width=2.0**-k) for k in range(8)])
    assert (np.diff(found, axis=0) >= -1e-12).all()
    assert (found <= [np.log2(300), entropy(np.bincount(y) / 300) + 1e-12]).all()


@pytest.mark.parametrize("cut", CUTS)
def test_tensors_give_what_arrays_give(cut):
    t, y = activations(2, 300, 4), np.random.default_rng(1).integers(0, 2, 300)
    expected = binned_information(t, y, **cut)
    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        found = binned_information(torch.tensor(t, device=device, requires_grad=True), torch.tensor(y), **cut)
        assert all(value.device.type == device and value.dtype == torch.float64 for value in found)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a.cpu().numpy(), b, atol=1e-11)
        original = original_binned_information(torch.tensor(t, device=device), y)[0].cpu()
        np.testing.assert_allclose(original, original_binned_information(t, y)[0], atol=1e-11)


def test_many_units_are_packed_without_a_collision():
    """Codes are re-ranked before they outgrow 64 bits, and rows stay apart exactly, however wide the layer."""
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 1000, (1, 50, 200))[:, rng.integers(0, 50, 400)]
    rows[0, 0, -1] += 1  # a row that differs from its copies in the last unit alone
    codes, _ = joint_codes(rows)
    _, expected = np.unique(rows[0], axis=0, return_inverse=True)
    pairs = {(a, b) for a, b in zip(codes[0].tolist(), expected.ravel().tolist(), strict=True)}
    assert len(pairs) == len(set(codes[0].tolist())) == expected.max() + 1


def test_blocks_do_not_show(monkeypatch):
    t, y = activations(7, 100, 3), np.random.default_rng(1).integers(0, 2, (7, 100))
    whole = binned_information(t, y, width=0.3)
    monkeypatch.setattr("layerlab.information._layers.BLOCK", 700)
    np.testing.assert_array_equal(binned_information(t, y, width=0.3), whole)


def test_two_layers_share_what_the_coarser_holds():
    t = activations(300, 2)
    coarse, fine = binned_cells(t, width=0.5), binned_cells(t, width=0.25)
    i_xt, shared = binned_information(fine[:, None], coarse, width=1)
    assert shared == pytest.approx(binned_information(t, coarse, width=0.5)[0], abs=1e-11)
    assert i_xt > shared


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({}, ValueError, "either width or bins"),
        ({"width": 0.1, "bins": 3}, ValueError, "either width or bins"),
        ({"width": 0}, ValueError, "width must be positive"),
        ({"width": "wide"}, TypeError, "width must be a number"),
        ({"width": 0.1, "limits": (0, 1)}, ValueError, "belong to bins"),
        ({"bins": 0}, ValueError, "bins must be at least 1"),
        ({"bins": 2.0}, TypeError, "bins must be an integer"),
        ({"bins": 2, "limits": (1, 0)}, ValueError, "limits must be finite, the lower first"),
        ({"bins": 2, "limits": 3}, ValueError, "limits must be a pair"),
        ({"bins": 2, "limits": (0, 1), "equal_mass": True}, ValueError, "exclude each other"),
        ({"width": 1e-300}, ValueError, "width is too small"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, error, said):
    with pytest.raises(error, match=said):
        binned_information(activations(10, 2), np.arange(10) % 2, **options)


@pytest.mark.parametrize(
    ("t", "y", "error", "said"),
    [
        (np.zeros(4), np.zeros(4, int), ValueError, "t must be activations"),
        (np.zeros((0, 2)), np.zeros(0, int), ValueError, "none of them 0"),
        (np.full((4, 2), np.nan), np.zeros(4, int), ValueError, "NaN or infinite"),
        (np.full((4, 2), "a"), np.zeros(4, int), TypeError, "t must hold real numbers"),
        (np.zeros((4, 2)), np.zeros(3, int), ValueError, r"y must hold a label for each sample, \(4,\)"),
        (np.zeros((4, 2)), np.zeros(4), ValueError, "labels are integers"),
        (np.zeros((4, 2)), np.full((4, 2), 0.7), ValueError, "each row summing to 1"),
        (np.zeros((4, 2)), np.full((4, 2), np.nan), ValueError, "each row summing to 1"),
    ],
)
def test_input_that_does_not_fit_is_refused(t, y, error, said):
    with pytest.raises(error, match=said):
        binned_information(t, y, bins=3)

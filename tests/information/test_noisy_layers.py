"""Layers with Gaussian noise: the pairwise bounds and the Monte Carlo, against channels whose information is known."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats

from layerlab.information import entropy, kde_information, mutual_information, noisy_information

LABELS = np.arange(200) % 2


def activations(*shape, seed=0):
    return np.tanh(2 * np.random.default_rng(seed).standard_normal(shape))


def by_integration(t, y, variance):
    """I(X;T) and I(T;Y) in bits of a layer of one unit, from the densities on a fine grid."""
    sigma = math.sqrt(variance)
    grid = np.linspace(t.min() - 9 * sigma, t.max() + 9 * sigma, 8_001)

    def differential(values):
        density = stats.norm.pdf(grid[:, None], values, sigma).mean(1)
        return integrate.simpson(-special.xlogy(density, density), x=grid) / math.log(2)

    noise = 0.5 * math.log2(2 * math.pi * math.e * variance)
    shares = np.bincount(y) / len(y)
    given_y = sum(share * differential(t[y == label]) for label, share in enumerate(shares))
    return differential(t) - noise, differential(t) - given_y


@pytest.mark.parametrize("variance", [0.003, 0.1, 2.0])
def test_one_unit_against_the_integral(variance):
    t = activations(200)
    i_xt, i_ty = by_integration(t, LABELS, variance)
    bounds = kde_information(t[:, None], LABELS, variance=variance)
    assert bounds.i_xt_lower <= i_xt <= bounds.i_xt_upper
    assert bounds.i_ty_lower <= i_ty <= bounds.i_ty_upper
    found = noisy_information(t[:, None], LABELS, variance=variance, draws=10_000)
    assert found.i_xt == pytest.approx(i_xt, abs=4 * found.i_xt_error)
    assert found.i_ty == pytest.approx(i_ty, abs=4 * found.i_ty_error)
    assert 0 < found.i_xt_error < 0.03


def test_gaussian_activations_reach_the_capacity_of_their_channel():
    """Units of variance S with noise of variance N carry 1/2 log2(1 + S/N) bits each."""
    quantiles = stats.norm.ppf((np.arange(60) + 0.5) / 60)
    quantiles /= quantiles.std()
    t = np.stack(np.meshgrid(quantiles, quantiles), -1).reshape(-1, 2)
    capacity = 2 * 0.5 * math.log2(1 + 1 / 0.5)
    found = noisy_information(t, np.arange(3600) % 2, variance=0.5, draws=4000)
    assert found.i_xt == pytest.approx(capacity, abs=4 * found.i_xt_error + 0.01)  # 0.01: 60 quantiles, no Gaussian
    bounds = kde_information(t, np.arange(3600) % 2, variance=0.5, rows=500)
    assert bounds.i_xt_lower < capacity < bounds.i_xt_upper


def test_far_apart_everything_is_known_and_on_one_spot_nothing():
    t = 100.0 * np.arange(8)[:, None]
    y = np.array([0, 0, 0, 1, 1, 2, 2, 2])
    h_y = entropy(np.bincount(y) / 8)
    assert kde_information(t, y, variance=0.1) == pytest.approx((3, 3, h_y, h_y, h_y), abs=1e-9)
    assert noisy_information(t, y, variance=0.1)[:2] == pytest.approx((3, h_y), abs=1e-9)
    assert kde_information(0 * t, y, variance=0.1) == pytest.approx((0,) * 5, abs=1e-9)
    assert noisy_information(0 * t, y, variance=0.1) == pytest.approx((0, 0, 0, 0), abs=1e-9)


def test_clusters_far_apart_give_a_discrete_joint():
    t = 50.0 * (np.arange(40) // 10)[:, None]
    y = (np.arange(40) % 10 < 2 + 2 * (np.arange(40) // 10)).astype(int)
    joint = np.zeros((4, 2))
    np.add.at(joint, (np.arange(40) // 10, y), 1 / 40)
    known = mutual_information(joint)
    found = noisy_information(t, y, variance=1.0, draws=4000)
    assert found.i_xt == pytest.approx(2, abs=1e-9)
    assert found.i_ty == pytest.approx(known, abs=4 * found.i_ty_error)
    assert kde_information(t, y, variance=1.0) == pytest.approx((2, 2, known, known, known), abs=1e-9)


def test_the_bounds_enclose_the_estimates_and_stay_under_the_number_of_samples():
    t, y = activations(3, 200, 4), np.random.default_rng(1).integers(0, 3, (3, 200))
    previous = np.full(3, np.inf)
    for variance in (1e-6, 1e-2, 0.1, 1.0):
        bounds = kde_information(t, y, variance=variance)
        found = noisy_information(t, y, variance=variance, draws=1000)
        margin = 4 * found.i_xt_error + 1e-9
        assert (bounds.i_xt_lower - margin <= found.i_xt).all() and (found.i_xt <= bounds.i_xt_upper + margin).all()
        assert (bounds.i_ty_lower <= found.i_ty + 4 * found.i_ty_error + 1e-9).all()
        assert (bounds.i_ty_upper >= found.i_ty - 4 * found.i_ty_error - 1e-9).all()
        assert (found.i_xt <= np.log2(200) + 1e-9).all()
        assert (found.i_xt < previous + 1e-9).all()  # the same draws: more noise, less information
        previous = found.i_xt


@pytest.mark.parametrize("measure", [kde_information, noisy_information])
def test_labels_may_be_probabilities_or_one_set_for_each_layer(measure):
    t, y = activations(2, 50, 3), np.random.default_rng(1).integers(0, 2, (2, 50))
    together = measure(t, y, variance=0.1)
    for i in range(2):
        soft = measure(t[i], np.eye(2)[y[i]], variance=0.1)
        assert soft == pytest.approx([v[i] for v in together], abs=1e-9)
        assert soft == pytest.approx(measure(t[i], y[i], variance=0.1), abs=1e-9)
    blind = measure(t, np.full((50, 2), 0.5), variance=0.1)
    assert blind[1 if measure is noisy_information else 4] == pytest.approx([0, 0], abs=1e-9)


def test_order_does_not_matter_where_everything_is_summed():
    rng = np.random.default_rng(2)
    t, order = activations(100, 3), rng.permutation(100)
    again = kde_information(t[order][:, ::-1], LABELS[:100][order], variance=0.05)
    assert again == pytest.approx(kde_information(t, LABELS[:100], variance=0.05), abs=1e-9)
    one, other = noisy_information(t, LABELS[:100], variance=0.05), noisy_information(t[order], LABELS[:100][order],
                                                                                     variance=0.05)  # fmt: skip
    assert other.i_xt == pytest.approx(one.i_xt, abs=4 * (one.i_xt_error + other.i_xt_error))


@pytest.mark.parametrize("measure", [kde_information, noisy_information])
def test_tensors_give_what_arrays_give(measure):
    t, y = activations(2, 60, 4), LABELS[:60]
    expected = measure(t, y, variance=0.1)
    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        found = measure(torch.tensor(t, device=device), torch.tensor(y), variance=0.1)
        for a, b in zip(found, expected, strict=True):
            assert a.device.type == device
            np.testing.assert_allclose(a.cpu().numpy(), b, atol=1e-9)


def test_blocks_do_not_show(monkeypatch):
    t = activations(3, 90, 3)
    whole = kde_information(t, LABELS[:90], variance=0.1), noisy_information(t, LABELS[:90], variance=0.1, draws=300)
    for module in ("_layers", "kde", "noisy"):
        monkeypatch.setattr(f"layerlab.information.{module}.BLOCK", 500)
    parts = kde_information(t, LABELS[:90], variance=0.1), noisy_information(t, LABELS[:90], variance=0.1, draws=300)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_part_of_the_rows_estimates_the_whole():
    t = activations(1000, 2)
    whole = kde_information(t, np.arange(1000) % 2, variance=0.05)
    part = kde_information(t, np.arange(1000) % 2, variance=0.05, rows=400, seed=3)
    assert part[:2] == pytest.approx(whole[:2], abs=0.15)
    assert part[0] != whole[0]


@pytest.mark.parametrize("measure", [kde_information, noisy_information])
@pytest.mark.parametrize(
    ("t", "y", "options", "error", "said"),
    [
        (np.zeros((4, 1)), np.zeros(4, int), {"variance": 0}, ValueError, "variance must be positive"),
        (np.zeros((4, 1)), np.zeros(4, int), {"variance": "big"}, TypeError, "variance must be a number"),
        (np.zeros((4, 1)), np.zeros(4, int), {"variance": math.nan}, ValueError, "variance must be positive"),
        (np.full((4, 1), np.inf), np.zeros(4, int), {"variance": 1}, ValueError, "NaN or infinite"),
        (np.zeros((0, 1)), np.zeros(0, int), {"variance": 1}, ValueError, "none of them 0"),
        (np.zeros((4, 1)), np.zeros(5, int), {"variance": 1}, ValueError, "a label for each sample"),
    ],
)
def test_input_that_does_not_fit_is_refused(measure, t, y, options, error, said):
    with pytest.raises(error, match=said):
        measure(t, y, **options)


def test_counts_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="draws must be at least 2"):
        noisy_information(np.zeros((4, 1)), np.zeros(4, int), variance=1, draws=1)
    with pytest.raises(ValueError, match="rows must be between 1 and 4"):
        kde_information(np.zeros((4, 1)), np.zeros(4, int), variance=1, rows=5)

"""Magnitude pruning keeps the largest weights, exactly as many as asked, and never brings one back."""

import numpy as np
import pytest

from layerlab.experiments.similarity._pruning import magnitude_masks, small_width


@pytest.fixture(scope="module")
def weights():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(3, 7, 11)), rng.normal(size=(3, 11, 4))]


@pytest.mark.parametrize("keep", [1.0, 0.5, 0.1, 1e-6])
def test_exactly_that_share_of_each_layer_of_each_network_is_kept(weights, keep):
    for mask, each in zip(magnitude_masks(weights, keep), weights, strict=True):
        assert mask.shape == each.shape
        assert (mask.sum((1, 2)) == max(round(keep * each[0].size), 1)).all()


def test_those_kept_are_the_largest_in_magnitude_whatever_their_sign(weights):
    for mask, each in zip(magnitude_masks(weights, 0.3), weights, strict=True):
        for network in range(3):
            kept, dropped = abs(each[network][mask[network]]), abs(each[network][~mask[network]])
            assert kept.min() >= dropped.max()
        assert (each[mask] < 0).any()
        assert (each[mask] > 0).any()


def test_what_was_dropped_stays_dropped_though_it_had_grown(weights):
    first = magnitude_masks(weights, 0.5)
    grown = [np.where(mask, each, 100.0) for mask, each in zip(first, weights, strict=True)]
    second = magnitude_masks(grown, 0.25, first)
    for early, late in zip(first, second, strict=True):
        assert not (late & ~early).any()
        assert (late.sum((1, 2)) == round(0.25 * late[0].size)).all()


def test_weights_that_are_all_the_same_are_still_counted_exactly():
    (mask,) = magnitude_masks([np.zeros((2, 4, 4))], 0.5)
    assert (mask.sum((1, 2)) == 8).all()


def test_no_share_and_more_than_is_left_are_refused(weights):
    with pytest.raises(ValueError, match=r"keep must lie in \(0, 1\]; it was 0"):
        magnitude_masks(weights, 0)
    with pytest.raises(ValueError, match="fewer are left"):
        magnitude_masks(weights, 0.5, magnitude_masks(weights, 0.25))


def test_the_narrow_network_has_as_many_weights_as_near_as_may_be():
    def count(width):
        return 64 * width + 3 * width**2 + 10 * width

    for keep in (1, 0.5, 0.25, 1 / 64):
        width = small_width(64, 10, 64, keep)
        errors = {w: abs(count(w) - keep * count(64)) for w in range(1, 65)}
        assert errors[width] == min(errors.values())
    assert small_width(64, 10, 64, 1) == 64

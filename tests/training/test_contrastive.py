"""The trained bound: below what is known, near it where it can be, ignorant of what is independent."""

import math

import numpy as np
import pytest
import torch

from layerlab.information import noisy_information
from layerlab.training import contrastive_bound

RNG = np.random.default_rng(0)


def test_a_gaussian_channel_is_bounded_and_nearly_reached():
    """1/2 log2(1 + SNR) bits; and what is independent gives nothing, in the same lockstep."""
    x = RNG.standard_normal((2000, 1))
    t = np.stack([x, x, RNG.standard_normal((2000, 1))]) * np.array([1.0, 0.3, 1.0])[:, None, None]
    found = contrastive_bound(x, t, variance=0.25, batch=128, steps=240)
    capacity = np.array([0.5 * math.log2(1 + s**2 / 0.25) for s in (1, 0.3)])
    assert (found.held_out[:2] <= capacity + 4 * found.error[:2]).all()
    assert (found.held_out[:2] >= capacity - 0.2).all()
    assert found.held_out[2] <= 4 * found.error[2]
    assert found.ceiling == 7


def test_it_cannot_pass_its_ceiling():
    x = RNG.standard_normal((1000, 2))
    found = contrastive_bound(x, x, batch=16, steps=250)
    assert 3 < found.held_out[0] <= found.ceiling == 4


def test_labels_as_inputs_bound_what_is_known_of_them():
    y = np.arange(2000) % 2
    t = (2.0 * y - 1)[:, None] + 0 * RNG.standard_normal((2000, 1))
    truth = noisy_information(t, y, variance=1.0, draws=4000)
    found = contrastive_bound(np.eye(2)[y], t, variance=1.0, batch=64, steps=150, held_out=0.0)
    assert truth.i_ty - 0.1 <= found.held_out[0] <= truth.i_ty + 4 * (found.error[0] + truth.i_ty_error)


def test_lockstep_changes_nothing_but_rounding():
    x, t = RNG.standard_normal((200, 3)), RNG.standard_normal((2, 200, 2))
    together = contrastive_bound(x, t, variance=0.1, batch=32, steps=5)
    same = contrastive_bound(torch.tensor(x), torch.tensor(t[:1]), variance=0.1, batch=32, steps=5)
    assert together.held_out.shape == (2,) and same.held_out.shape == (1,)
    assert same.held_out[0] == pytest.approx(together.held_out[0], abs=1e-3)
    again = contrastive_bound(x, t, variance=0.1, batch=32, steps=5)
    np.testing.assert_array_equal(again.held_out, together.held_out)


def test_a_memorising_critic_is_seen_on_held_out_rows():
    x, t = RNG.standard_normal((60, 5)), RNG.standard_normal((60, 5))
    found = contrastive_bound(x, t, batch=32, steps=200, held_out=0.5)
    assert found.trained_on[0] > 1 > found.held_out[0]


@pytest.mark.parametrize(
    ("x", "t", "options", "error", "said"),
    [
        (np.zeros((5, 1)), np.zeros((6, 1)), {}, ValueError, "must have the 6 samples of t"),
        (np.zeros((5, 1)), np.full((5, 1), np.nan), {}, ValueError, "NaN"),
        (np.zeros((0, 1)), np.zeros((0, 1)), {}, ValueError, "t has shape"),
        (np.zeros((9, 1)), np.zeros((9, 1)), {"variance": -1}, ValueError, "variance must be finite"),
        (np.zeros((9, 1)), np.zeros((9, 1)), {"held_out": 1}, ValueError, "held_out must be"),
        (np.zeros((9, 1)), np.zeros((9, 1)), {"held_out": 0.1}, ValueError, "each side must keep at least 2"),
        (np.zeros((9, 1)), np.zeros((9, 1)), {"batch": 1}, ValueError, "batch must be at least 2"),
        (np.zeros((9, 1)), np.full((9, 1), "a"), {}, TypeError, "t must hold real numbers"),
    ],
)
def test_input_that_does_not_fit_is_refused(x, t, options, error, said):
    with pytest.raises(error, match=said):
        contrastive_bound(x, t, **options)

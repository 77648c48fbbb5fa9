"""Gradient statistics along a training: against brute force, interrupted and resumed, N at a time and each alone."""

from itertools import combinations, product

import numpy as np
import pytest
import torch

from layerlab.nets import MLP
from layerlab.training import (
    GradientObserver,
    TrainingConfig,
    batch_deviation,
    example_gradients,
    train,
    transition,
)
from layerlab.training import trainer as trainer_module

RNG = np.random.default_rng(0)
X = RNG.standard_normal((24, 4)).astype(np.float32)
Y = RNG.integers(0, 3, 24)
CONFIG = TrainingConfig(batch_size=6, epochs=6, learning_rate=0.01)
MOMENTS = [0, 1, 3, 4, 6]


def make(seeds=range(3), **more):
    return MLP((4, 5, 3), seeds=list(seeds), **more)


def observed(networks, config=CONFIG, observer=None, **more):
    observer = observer or GradientObserver()
    train(networks, X, Y, config, record_at=MOMENTS, observer=observer, **more)
    return observer.course()


class Everything:
    """Keeps every gradient."""

    def __init__(self):
        self.all, self.at, self.weights = [], [], []

    def step(self, number, gradient):
        self.all.append(gradient.clone())

    def record(self, moment, networks):
        self.at.append(len(self.all))
        self.weights.append([w.detach().clone() for w in networks.weights])

    def state(self):
        return {}

    def restore(self, state):
        raise AssertionError


def test_mean_and_deviation_are_those_of_all_the_gradients_since_the_last_moment():
    course, networks, everything = observed(make()), make(), Everything()
    train(networks, X, Y, CONFIG, record_at=MOMENTS, observer=everything)
    assert course.at.tolist() == MOMENTS
    assert course.steps.tolist() == [0, 4, 8, 4, 8]
    assert np.isnan(course.mean[0]).all()
    for t in range(1, 5):
        window = [networks.views(g)[0] for g in everything.all[everything.at[t - 1] : everything.at[t]]]
        for layer in range(2):
            stacked = torch.stack([w[layer] for w in window]).double().numpy()  # (steps, N, in, out)
            mean = np.sqrt((stacked.mean(0) ** 2).sum((1, 2)))
            deviation = np.sqrt(stacked.var(0, ddof=1).sum((1, 2)))
            np.testing.assert_allclose(course.mean[t, :, layer], mean, rtol=1e-10)
            np.testing.assert_allclose(course.deviation[t, :, layer], deviation, rtol=1e-10)
            np.testing.assert_allclose(course.snr[t, :, layer], mean / deviation, rtol=1e-10)
            norm = everything.weights[t][layer].flatten(1).norm(dim=1).numpy()
            np.testing.assert_allclose(course.relative_mean[t, :, layer], mean / norm, rtol=1e-5)
            np.testing.assert_allclose(course.relative_deviation[t, :, layer], deviation / norm, rtol=1e-5)


def test_watching_changes_nothing():
    watched, alone = make(), make()
    observed(watched)
    train(alone, X, Y, CONFIG)
    assert torch.equal(watched.storage, alone.storage)


def test_each_of_many_networks_is_measured_as_if_alone():
    together = observed(make())
    for i in range(3):
        alone = observed(make([i]), seeds=[i])
        np.testing.assert_allclose(together.mean[1:, i], alone.mean[1:, 0], rtol=2e-4)
        np.testing.assert_allclose(together.deviation[1:, i], alone.deviation[1:, 0], rtol=2e-4)


@pytest.mark.parametrize("stop", [2, 4, 9])
def test_an_interrupted_training_is_measured_as_an_uninterrupted_one(stop, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer_module, "PROGRESS_SECONDS", 0.0)

    def progress(done, total, note):
        if done == stop:
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        observed(make(), checkpoint=tmp_path / "state", progress=progress)
    resumed = observed(make(), checkpoint=tmp_path / "state")
    straight = observed(make())
    for name in ("at", "steps", "mean", "deviation", "weights"):
        np.testing.assert_array_equal(getattr(resumed, name), getattr(straight, name))


def test_one_step_has_no_deviation_and_no_snr():
    course = observed(make(), TrainingConfig(epochs=6))
    assert course.steps.tolist() == [0, 1, 2, 1, 2]
    assert np.isnan(course.deviation[1]).all()
    assert np.isnan(course.snr[1]).all()
    assert np.isfinite(course.mean[1]).all()
    assert np.isfinite(course.snr[2]).all()


def test_nothing_seen_is_said_so():
    with pytest.raises(ValueError, match="nothing is recorded yet"):
        GradientObserver().course()


def test_at_fixed_weights_an_epoch_measures_what_the_single_examples_say():
    """Over many shuffles: mean = full gradient exactly, and E deviation² = S²/B, no finite-population factor."""
    still = TrainingConfig(optimizer="sgd", learning_rate=1e-30, batch_size=6, epochs=600)
    networks = make(dtype=torch.float64)
    observer = GradientObserver()
    train(networks, X, Y, still, record_at=range(601), observer=observer)
    course = observer.course()
    for layer, found in enumerate(example_gradients(networks, X, Y, still)):
        full = found.mean.norm(dim=1).numpy()
        np.testing.assert_allclose(course.mean[1:, :, layer], np.broadcast_to(full, (600, 3)), rtol=1e-9)
        squared = course.deviation[1:, :, layer] ** 2
        error = squared.std(0) / np.sqrt(600)
        assert (abs(squared.mean(0) - found.variance.numpy() / 6) < 5 * error).all()
        ratio = full / np.sqrt(squared.mean(0))
        np.testing.assert_allclose(found.snr(6).numpy(), ratio, rtol=0.1)


@pytest.mark.parametrize("batch", [1, 2, 5, 6])
def test_the_spread_of_a_batch_is_that_of_all_batches_there_are(batch):
    values = np.array([0.3, -1.0, 2.5, 0.0, 4.0, 1.1])
    deviation = values.std(ddof=1)
    every = [np.mean(chosen) for chosen in combinations(values, batch)]
    assert batch_deviation(deviation, batch, 6) == pytest.approx(np.std(every), abs=1e-12)
    again = [np.mean(chosen) for chosen in product(values, repeat=min(batch, 5))]
    assert batch_deviation(deviation, min(batch, 5), 6, replacement=True) == pytest.approx(np.std(again), rel=1e-12)


def test_the_spread_of_a_batch_keeps_the_kind_of_array():
    tensor = batch_deviation(torch.tensor([1.0, 2.0]), 4, 16)
    assert isinstance(tensor, torch.Tensor)
    np.testing.assert_allclose(tensor.numpy(), batch_deviation(np.array([1.0, 2.0]), 4, 16), rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ((1.0, 0, 6), ValueError, "batch must be between 1 and 6"),
        ((1.0, 7, 6), ValueError, "batch must be between 1 and 6"),
        ((1.0, 1, 1), ValueError, "rows must be at least 2"),
        ((-1.0, 1, 6), ValueError, "deviation must lie between 0"),
        ((1.0, 2.5, 6), TypeError, "batch must be an integer"),
    ],
)
def test_a_batch_that_cannot_be_drawn_is_refused(arguments, error, said):
    with pytest.raises(error, match=said):
        batch_deviation(*arguments)


def test_the_transition_is_where_the_ratio_stays_below_after_its_peak():
    at = np.array([0, 1, 2, 4, 8, 16, 32])
    falls = [3.0, 0.5, 2.0, 0.9, 0.8, 0.7, 0.6]
    gaps = [2.0, 0.9, np.nan, 0.8, 0.7, 2, 0.5]
    rises = [0.5, 0.4, 0.3, 5.0, 0.9, 0.8, 0.7]
    never = [2.0] * 7
    snr = np.stack([falls, gaps, rises, never], 1)
    np.testing.assert_array_equal(transition(at, snr), [4, 1, 8, np.nan])
    np.testing.assert_array_equal(transition(at, snr, hold=1), [1, 1, 8, np.nan])
    np.testing.assert_array_equal(transition(at, snr, hold=4), [4, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(transition(at, snr, hold=8), [np.nan] * 4)
    assert transition(at, snr[:, 0], level=0.75, hold=2) == 16


def test_a_transition_of_other_shapes_is_refused():
    with pytest.raises(ValueError, match="its first axis must be"):
        transition(np.arange(3), np.ones((4, 2)))
    with pytest.raises(ValueError, match="hold must be at least 1"):
        transition(np.arange(3), np.ones((3, 2)), hold=0)

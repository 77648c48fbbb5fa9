"""Noisy relaxation: against the Gaussian law of a quadratic energy, step bias and batch noise included."""

import numpy as np
import pytest
import torch

from layerlab.nets import MLP
from layerlab.training import TrainingConfig, relax

RNG = np.random.default_rng(2)
X = RNG.standard_normal((8, 2)) * [1.0, 0.4] + [0.3, 0.0]
Y = X @ [0.7, -1.0] + 0.5 * RNG.standard_normal(8)
DECAY, TEMPERATURE = 0.1, 0.3
CURVATURE = 2 * X.T @ X / 8 + DECAY * np.eye(2)  # of mean (w·x - y)² + decay/2 |w|²
BEST = np.linalg.solve(CURVATURE, 2 * X.T @ Y / 8)


def linear(count, **more):
    networks = MLP((2, 1), bias=False, seeds=list(range(count)), dtype=torch.float64, **more)
    networks.weights[0].copy_(torch.from_numpy(BEST)[None, :, None].expand(count, 2, 1))
    return networks


def settled(rate, temperature=TEMPERATURE, batch=None, count=200, steps=900, every=30):
    """Weights (samples, 2) and energies (samples,) from `count` independent chains."""
    config = TrainingConfig(
        optimizer="sgd", learning_rate=rate, loss="mse", weight_decay=DECAY, steps=steps, batch_size=batch
    )
    found = relax(
        linear(count), X, Y, config, temperature=temperature, every=every, burn=300,
        callback=lambda moment, live: live.weights[0][:, :, 0].clone().numpy(),
    )  # fmt: skip
    return np.concatenate(found.records), found.energy.ravel()


@pytest.mark.parametrize("rate", [0.05, 0.6])
def test_weights_settle_to_the_gaussian_law_with_the_bias_of_the_step(rate):
    weights, energy = settled(rate)
    h, vectors = np.linalg.eigh(CURVATURE)
    expected = TEMPERATURE / (h * (1 - rate * h / 2))
    along = (weights - BEST) @ vectors
    effective = len(along) / 4  # successive samples are not quite independent
    np.testing.assert_allclose(along.var(0), expected, rtol=5 * np.sqrt(2 / effective))
    assert abs(np.corrcoef(along.T)[0, 1]) < 5 / np.sqrt(effective)
    least = np.mean((X @ BEST - Y) ** 2) + DECAY / 2 * BEST @ BEST
    assert energy.mean() - least == pytest.approx((h * expected).sum() / 2, rel=5 * np.sqrt(1 / effective))


def test_batch_noise_comes_on_top_as_the_lyapunov_equation_says():
    """One row a step, from a centred problem with the same residual everywhere, so that its noise is constant."""
    x, y = np.ones((2, 1)), np.array([1.0, -1.0])
    rate, temperature = 0.2, 0.1
    config = TrainingConfig(
        optimizer="sgd", learning_rate=rate, loss="mse", steps=121, batch_size=2, weight_decay=DECAY
    )  # two rows at a time: no noise of the drawing is left
    count, h = 800, 2 + DECAY

    def variance(config):
        networks = MLP((1, 1), bias=False, seeds=list(range(count)), dtype=torch.float64, gain=1e-9)
        relax(networks, x, y, config, temperature=temperature, every=121)
        return float(networks.weights[0].var())

    plain = temperature / (h * (1 - rate * h / 2))
    assert variance(config) == pytest.approx(plain, rel=5 * np.sqrt(2 / count))
    single = TrainingConfig(
        optimizer="sgd", learning_rate=rate, loss="mse", steps=121, batch_size=1, weight_decay=DECAY
    )
    # at the odd step the last gradient noise is free, ±2; each full epoch before adds two that exclude each other
    g = 1 - rate * h
    drawn = 4 * rate**2 * (1 + g**2 * (1 - g) ** 2 / (1 - g**4))
    assert variance(single) == pytest.approx(plain + drawn, rel=5 * np.sqrt(2 / count))


def test_without_temperature_it_is_gradient_descent():
    networks = MLP((2, 3, 1), "tanh", seeds=[4, 5], dtype=torch.float64)
    by_hand = networks.copy()
    config = TrainingConfig(optimizer="sgd", learning_rate=0.1, loss="mse", weight_decay=DECAY, steps=20)
    found = relax(networks, X, Y, config, temperature=0)
    for _ in range(20):
        by_hand = by_hand.copy().requires_grad_()
        energy = (by_hand.forward(X)[..., 0] - torch.from_numpy(Y)).square().mean(1).sum()
        (energy + DECAY / 2 * by_hand.storage.square().sum()).backward()
        moved = by_hand.storage.detach() - 0.1 * by_hand.storage.grad
        by_hand = by_hand._with(2, moved)
    torch.testing.assert_close(networks.storage, by_hand.storage)
    assert found.at.tolist() == list(range(21))
    assert (np.diff(found.energy, axis=0) < 0).all()


@pytest.mark.parametrize("batch", [None, 4])
def test_each_of_many_networks_relaxes_as_if_alone(batch):
    config = TrainingConfig(optimizer="sgd", learning_rate=0.1, loss="mse", steps=50, batch_size=batch)
    x, y = RNG.standard_normal((10, 3)), RNG.standard_normal((10, 2))
    many = MLP((3, 4, 2), seeds=[7, 8, 9], dtype=torch.float64)
    found = relax(many, x, y, config, temperature=(0.1, 0.0, 0.4), seeds=[1, 2, 3], every=10)
    for i, temperature in enumerate((0.1, 0.0, 0.4)):
        one = MLP((3, 4, 2), seeds=[7 + i], dtype=torch.float64)
        alone = relax(one, x, y, config, temperature=temperature, seeds=[1 + i], every=10)
        np.testing.assert_allclose(found.energy[:, i], alone.energy[:, 0], rtol=1e-9)
        torch.testing.assert_close(many[i].storage, one.storage, rtol=1e-9, atol=1e-12)


def test_noise_goes_where_its_network_is_and_has_its_size():
    networks = MLP((3, 4, 2), seeds=range(2), dtype=torch.float64)
    start = networks.copy()
    config = TrainingConfig(optimizer="sgd", learning_rate=1e-9, loss="mse", steps=400)
    kept = []
    relax(
        networks, np.zeros((1, 3)), np.zeros((1, 2)), config, temperature=(0.0, 50.0), every=1,
        callback=lambda _, live: kept.append(live.storage.clone()),
    )  # fmt: skip
    moves = torch.stack(kept).diff(dim=0)
    quiet = torch.cat([v.flatten(1) for part in map(networks.views, moves) for v in [*part[0], *part[1]]], 1)
    assert quiet[0].abs().max() < 1e-7
    assert quiet[1].std() == pytest.approx(np.sqrt(2e-9 * 50), rel=0.05)
    assert abs(torch.corrcoef(moves.T[moves.std(0) > 1e-5])).fill_diagonal_(0).max() < 0.25
    assert start.depth == 2


def test_moments_begin_after_the_burn_and_progress_can_stop_it():
    told = []
    config = TrainingConfig(optimizer="sgd", learning_rate=0.1, loss="mse", steps=10)
    found = relax(linear(2), X, Y, config, temperature=0.1, every=3, burn=2, progress=lambda *a: told.append(a[0]))
    assert found.at.tolist() == told == [2, 5, 8]
    assert found.energy.shape == (3, 2)
    assert found.records == []

    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        relax(linear(2), X, Y, config, temperature=0.1, progress=stop)


@pytest.mark.parametrize(
    ("config", "more", "said"),
    [
        ({"optimizer": "adam"}, {}, "config must have optimizer 'sgd'"),
        ({"alpha": 2.0}, {}, "config must have optimizer 'sgd'"),
        ({}, {"temperature": -1.0}, "temperature is -1.0"),
        ({}, {"temperature": (1.0, 2.0, 3.0)}, "temperature has 3 values"),
        ({}, {"every": 0}, "every must be at least 1"),
        ({}, {"seeds": [1]}, "seeds has 1 entries"),
    ],
)
def test_what_does_not_fit_is_refused(config, more, said):
    settings = TrainingConfig(**({"optimizer": "sgd", "learning_rate": 0.1, "loss": "mse", "steps": 3} | config))
    with pytest.raises(ValueError, match=said):
        relax(linear(2), X, Y, settings, **({"temperature": 0.1} | more))


def test_an_energy_of_no_rows_is_refused():
    plain = TrainingConfig(optimizer="sgd", learning_rate=0.1, loss="mse", steps=3)
    with pytest.raises(ValueError, match="x holds no rows"):
        relax(linear(2), X[:0], Y[:0], plain, temperature=0.1)

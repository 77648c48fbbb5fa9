"""The batched trainer against N separate plain-PyTorch trainings, in float64."""

import pytest
import torch
from plain_training import train_alone

from layerlab.nets import MLP, stack
from layerlab.training import TrainingConfig, train

ROWS, D, CLASSES, N = 53, 6, 3, 4
WIDTHS = (D, 5, 4, CLASSES)
CLOSE = {"rtol": 1e-9, "atol": 1e-12}


def rng():
    return torch.Generator().manual_seed(42)


def problem(per_network_x=False, per_network_y=False, outputs=CLASSES, kind="labels"):
    generator = rng()
    x = torch.randn((N, ROWS, D) if per_network_x else (ROWS, D), dtype=torch.float64, generator=generator)
    shape = (N, ROWS) if per_network_y else (ROWS,)
    if kind == "labels":
        return x, torch.randint(0, outputs, shape, generator=generator)
    if kind == "signs":
        return x, torch.randint(0, 2, shape, generator=generator).double() * 2 - 1
    return x, torch.randn((*shape, outputs), dtype=torch.float64, generator=generator)


def compare(networks, x, y, config, seeds=(8, 3, 3, 21), masks=None, subset=None, rates=None, alphas=None):
    """Trains both ways and holds every parameter of every network against its counterpart."""
    start = networks.copy()
    train(networks, x, y, config, seeds=seeds, masks=masks, subset=subset)
    alone = []
    for i in range(N):
        own_masks = None if masks is None else [m[i] if m.ndim == 3 else m for m in masks]
        alone.append(
            train_alone(
                start[i],
                x[i] if x.ndim == 3 else x,
                y[i] if len(y) == N else y,
                config,
                seeds[i],
                own_masks,
                None if subset is None else subset[i],
                None if rates is None else rates[i],
                alphas[i] if alphas is not None else config.alpha,
            )
        )
    torch.testing.assert_close(networks.storage, stack(alone).storage, **CLOSE)
    assert not torch.allclose(networks.storage, start.storage, rtol=1e-3)


OPTIMIZERS = [
    {"optimizer": "sgd", "learning_rate": 0.3},
    {"optimizer": "sgd", "learning_rate": 0.3, "weight_decay": 0.05},
    {"optimizer": "momentum", "learning_rate": 0.1, "momentum": 0.8, "weight_decay": 0.02},
    {"optimizer": "momentum", "learning_rate": 0.1, "nesterov": True},
    {"optimizer": "adam", "learning_rate": 0.02},
    {"optimizer": "adam", "learning_rate": 0.02, "weight_decay": 0.1, "betas": (0.8, 0.95), "epsilon": 1e-4},
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
@pytest.mark.parametrize("batch_size", [None, 16, 53, 100], ids=lambda size: f"batch-{size}")  # 53 = 3 x 16 + 5
@pytest.mark.parametrize("extras", ["plain", "masks", "alpha", "both"])
def test_optimisers_batches_masks_and_alpha(optimizer, batch_size, extras):
    alpha = 2.5 if extras in ("alpha", "both") else None
    config = TrainingConfig(batch_size=batch_size, epochs=4, alpha=alpha, **optimizer)
    networks = MLP(WIDTHS, bias_std=0.2, seeds=range(N), dtype=torch.float64)
    masks = None
    if extras in ("masks", "both"):
        masks = [torch.rand(each.shape, generator=rng()) > 0.4 for each in networks.weights]
    compare(networks, *problem(), config, masks=masks)


@pytest.mark.parametrize("batch_size", [None, 16], ids=lambda size: f"batch-{size}")
@pytest.mark.parametrize("own_x", [False, True])
@pytest.mark.parametrize("own_y", [False, True])
@pytest.mark.parametrize("seeds", [(8, 3, 3, 21), (5, 5, 5, 5)], ids=["own-order", "one-order"])
@pytest.mark.parametrize("with_subset", [False, True])
def test_data_of_each_network(batch_size, own_x, own_y, seeds, with_subset):
    config = TrainingConfig(batch_size=batch_size, epochs=3, learning_rate=0.02)
    networks = MLP(WIDTHS, seeds=range(N), dtype=torch.float64)
    subset = torch.stack([torch.randperm(ROWS, generator=rng())[i : i + 30] for i in range(N)]) if with_subset else None
    compare(networks, *problem(own_x, own_y), config, seeds=seeds, subset=subset)


@pytest.mark.parametrize("loss", ["logistic", "hinge", "soft_hinge"])
@pytest.mark.parametrize("own_y", [False, True])
def test_losses_of_one_output(loss, own_y):
    config = TrainingConfig(optimizer="sgd", learning_rate=0.2, loss=loss, beta=5, margin=0.7, batch_size=16, epochs=4)
    networks = MLP((D, 5, 1), seeds=range(N), dtype=torch.float64)
    compare(networks, *problem(per_network_y=own_y, kind="signs"), config)


@pytest.mark.parametrize("own_y", [False, True])
@pytest.mark.parametrize("batch_size", [None, 16])
@pytest.mark.parametrize("output", ["linear", "sigmoid"])
def test_mean_squared_error(own_y, batch_size, output):
    config = TrainingConfig(optimizer="sgd", learning_rate=0.2, loss="mse", batch_size=batch_size, epochs=4)
    networks = MLP((D, 5, 3), output_activation=output, seeds=range(N), dtype=torch.float64)
    compare(networks, *problem(per_network_y=own_y, kind="numbers"), config)


@pytest.mark.parametrize("function", ["relu", "sigmoid", "linear", "gelu"])
@pytest.mark.parametrize("bias", [True, False])
def test_activations_with_and_without_biases(function, bias):
    config = TrainingConfig(batch_size=16, epochs=3, learning_rate=0.02)
    networks = MLP(WIDTHS, function, bias=bias, seeds=range(N), dtype=torch.float64)
    compare(networks, *problem(), config)


def test_a_number_of_steps_that_ends_within_an_epoch():
    config = TrainingConfig(batch_size=16, steps=10, learning_rate=0.02)
    compare(MLP(WIDTHS, seeds=range(N), dtype=torch.float64), *problem(), config)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_learning_rate_and_alpha_of_each_network(optimizer):
    rates, alphas = (0.01, 0.02, 0.005, 0.03), (0.5, 1.0, 3.0, 2.0)
    config = TrainingConfig(optimizer=optimizer, learning_rate=rates, alpha=alphas, batch_size=16, epochs=3)
    compare(MLP(WIDTHS, seeds=range(N), dtype=torch.float64), *problem(), config, rates=rates, alphas=alphas)

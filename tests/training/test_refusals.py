"""What is refused, and in which words."""

import math

import numpy as np
import pytest
import torch

from layerlab.nets import MLP
from layerlab.training import TrainingConfig, train

X, Y = torch.zeros(6, 4), torch.zeros(6, dtype=torch.int64)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"optimizer": "rmsprop"}, "optimizer is 'rmsprop'; allowed are sgd, momentum, adam"),
        ({"loss": "l1"}, "loss is 'l1'; allowed are cross_entropy, mse"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; it must be positive and finite"),
        ({"learning_rate": (0.1, math.nan)}, "learning_rate is .* positive and finite"),
        ({"alpha": -1.0}, "alpha is -1.0"),
        ({"epochs": None}, "epochs is None and steps is None; give exactly one"),
        ({"steps": 5}, "epochs is 3 and steps is 5; give exactly one"),
        ({"batch_size": 0}, "batch_size is 0; it must be a whole number of at least 1, or None"),
        ({"epochs": 2.5}, "epochs is 2.5; it must be a whole number of at least 0"),
        ({"weight_decay": -0.1}, "weight_decay is -0.1; it must be finite and at least 0"),
        ({"momentum": 1.0}, "momentum is 1.0; it must be at least 0 and below 1"),
        ({"betas": (0.9, 1.0)}, r"betas\[1\] is 1.0"),
        ({"beta": 0.0}, "beta is 0.0"),
    ],
)
def test_configs(fields, message):
    with pytest.raises(ValueError, match=message):
        TrainingConfig(**{"epochs": 3, **fields})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": torch.zeros(6, 3)}, r"x has shape \(6, 3\)"),
        ({"x": torch.zeros(0, 4), "y": Y[:0]}, "x holds no rows"),
        ({"y": Y[:5]}, r"y is torch.int64 of shape \(5,\); allowed are .* \(6,\) or \(2, 6\)"),
        ({"y": Y.float()}, "y is torch.float32 of shape .* whole-number labels"),
        ({"y": Y + 3}, "y holds labels from 3 to 3; allowed are 0 to 2"),
        ({"y": Y - 1}, "y holds labels from -1 to -1"),
        ({"seeds": [1, 2, 3]}, "seeds has 3 entries; allowed are one, or one for each of 2"),
        ({"masks": [np.ones((4, 5))]}, "masks has 1 entries; it must have one for each of 2 layers"),
        ({"masks": [np.ones((5, 4)), np.ones((5, 3))]}, r"masks\[0\] has shape \(5, 4\); allowed are \(4, 5\) and"),
        ({"subset": [[0, 1]]}, r"subset is torch.int64 of shape \(1, 2\); allowed are .* \(2, m\)"),
        ({"subset": [[0, 1], [5, 6]]}, "subset runs from 0 to 6; allowed are 0 to 5"),
        ({"masks": [np.zeros((4, 5)), np.ones((5, 3))], "record_at": [-1]}, "record_at runs from -1 to -1"),
        ({"record_at": [0, 4]}, r"record_at runs from 0 to 4; allowed are 0 to 3 \(epochs\)"),
        ({"unit": "batch"}, "unit is 'batch'; allowed are 'epoch' and 'step'"),
        ({"evaluate": {"test": X}}, r"evaluate\['test'\] is Tensor; it must be a pair"),
        ({"evaluate": {"test": (X[:0], Y[:0])}}, r"evaluate\['test'\] holds no rows"),
        ({"config": TrainingConfig(epochs=3, learning_rate=(0.1,) * 3)}, "learning_rate has 3 values"),
        ({"config": TrainingConfig(epochs=3, alpha=(0.1,) * 3)}, "alpha has 3 values"),
        ({"config": TrainingConfig(epochs=3, loss="logistic"), "y": torch.ones(6, 3)}, "needs networks with 1 output"),
        ({"config": TrainingConfig(epochs=3, loss="mse")}, r"y has shape \(6,\); allowed are \(2, 6, 3\) or \(6, 3\)"),
    ],
)  # fmt: skip
def test_arguments_of_train_and_nothing_is_changed(arguments, message):
    networks = MLP((4, 5, 3), seeds=range(2))
    with pytest.raises(ValueError, match=message):
        train(networks, **{"x": X, "y": Y, "config": TrainingConfig(epochs=3), **arguments})
    assert torch.equal(networks.storage, MLP((4, 5, 3), seeds=range(2)).storage)


def test_signs_must_be_signs():
    with pytest.raises(ValueError, match="y holds other values than -1 and 1; 'hinge' allows only these"):
        train(MLP((4, 1)), X, Y, TrainingConfig(epochs=1, loss="hinge"))


@pytest.mark.parametrize("rate", [np.float32(0.5), np.float64(0.5), 1, [0.5, 0.25]])
def test_numbers_of_any_kind_are_numbers(rate):
    networks = MLP((4, 5, 3), seeds=range(2))
    train(networks, X, Y, TrainingConfig(epochs=1, learning_rate=rate))
    assert not torch.equal(networks.storage, MLP((4, 5, 3), seeds=range(2)).storage)


@pytest.mark.parametrize("rate", ["fast", None, math.inf])
def test_other_things_are_not(rate):
    with pytest.raises(ValueError, match=r"learning_rate is .*; it must be positive and finite"):
        TrainingConfig(epochs=1, learning_rate=rate)

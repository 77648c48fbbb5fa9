"""What must hold of every architecture that computes N networks at once."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from layerlab.training import TrainingConfig, data_order, train

ROWS = 23
CLOSE = {"rtol": 1e-6, "atol": 1e-9}  # training amplifies the rounding, which depends on the number of networks


def data(rows: int = ROWS, units: int = 84, classes: int = 3) -> tuple[Tensor, Tensor]:
    """Random rows and labels, the same ones each time."""
    generator = torch.Generator().manual_seed(7)
    x = torch.randn(rows, units, dtype=torch.float64, generator=generator)
    return x, torch.randint(0, classes, (rows,), generator=generator)


def equal_autograd(networks, rows: int, own_input: bool) -> None:
    """The written-out passes give the outputs of `forward` and autograd's gradients, and leave the input alone."""
    generator = torch.Generator().manual_seed(1)
    count, units, outputs = networks.count, networks.widths[0], networks.widths[-1]
    x = torch.randn((count, rows, units) if own_input else (rows, units), dtype=torch.float64, generator=generator)
    upstream = torch.randn((count, rows, outputs), dtype=torch.float64, generator=generator)
    followed = networks.copy().requires_grad_()
    expected = followed(x)
    expected.backward(upstream)
    before, gradient = x.clone(), torch.full_like(networks.storage, torch.nan)  # every entry has to be written
    passes = networks.passes(rows, gradient)
    for _ in range(2):  # buffers must serve again
        found = passes.forward(x)
        passes.errors[-1].copy_(upstream.transpose(1, 2))
        passes.backward(x)
    torch.testing.assert_close(found.transpose(1, 2), expected.detach())
    torch.testing.assert_close(gradient, followed.storage.grad)
    assert torch.equal(x, before)


def trains_as_torch(networks, alone: list, optimizer: str, descend: Callable) -> None:
    """Training in lockstep ends where torch's own optimiser takes each of the modules `alone`, one by one."""
    x, y = data()
    train(networks, x, y, TrainingConfig(optimizer=optimizer, learning_rate=0.01, batch_size=5, epochs=4))
    for i, module in enumerate(alone):
        descent = descend(module.parameters(), lr=0.01)
        for epoch in range(4):
            for rows in data_order(i, ROWS, epoch).split(5):
                descent.zero_grad()
                torch.nn.functional.cross_entropy(module(x[rows]), y[rows]).backward()
                descent.step()
        torch.testing.assert_close(networks(x)[i], module(x).detach(), **CLOSE)


def many_train_as_one(make: Callable, config: TrainingConfig) -> None:
    """Network i of several trains to what `make([i])` alone trains to."""
    together = make(range(4))
    history = train(together, *data(), config, evaluate={"train": data()})
    for which in (0, 3):
        alone = make([which])
        single = train(alone, *data(), config, seeds=which, evaluate={"train": data()})
        torch.testing.assert_close(together[which].storage, alone.storage, **CLOSE)
        np.testing.assert_allclose(history.loss["train"][:, which], single.loss["train"][:, 0], **CLOSE)

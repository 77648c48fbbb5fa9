"""SGD, momentum and Adam on the flat vector of all parameters of all networks.

The updates are those of torch.optim.SGD and torch.optim.Adam (Kingma & Ba 2015), in a handful of elementwise
operations for any number of networks.
"""

import math

import torch
from torch import Tensor

from layerlab.nets import Networks
from layerlab.training.config import TrainingConfig, per_network


class Optimiser:
    """One optimiser for all networks. `state` holds its tensors, all of the parameters' shape, and nothing else."""

    def __init__(self, config: TrainingConfig, networks: Networks) -> None:
        self.config = config
        self.parameters = networks.storage.detach()
        rates = per_network("learning_rate", config.learning_rate, networks.count)
        self.rate = rates[0]
        self.rates = spread(networks, rates) if len(set(rates)) > 1 else None
        names = {"sgd": (), "momentum": ("velocity",), "adam": ("mean", "square")}[config.optimizer]
        self.state = {name: torch.zeros_like(self.parameters) for name in names}
        self.scratch = torch.empty_like(self.parameters)

    def step(self, gradient: Tensor, number: int) -> None:
        """The `number`-th update, counted from 1; overwrites `gradient`."""
        config = self.config
        if config.weight_decay:
            gradient.add_(self.parameters, alpha=config.weight_decay)
        if config.optimizer == "adam":
            self._adam(gradient, number)
        elif config.optimizer == "momentum":
            velocity = self.state["velocity"].mul_(config.momentum).add_(gradient)
            direction = gradient.add_(velocity, alpha=config.momentum) if config.nesterov else velocity
            self._move(direction)
        else:
            self._move(gradient)

    def _move(self, direction: Tensor) -> None:
        if self.rates is None:
            self.parameters.add_(direction, alpha=-self.rate)
        else:
            self.parameters.addcmul_(direction, self.rates, value=-1)

    def _adam(self, gradient: Tensor, number: int) -> None:
        first, second = self.config.betas
        mean = self.state["mean"].lerp_(gradient, 1 - first)
        square = self.state["square"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        root = math.sqrt(1 - second**number)
        scale = torch.sqrt(square, out=self.scratch).div_(root).add_(self.config.epsilon)
        if self.rates is None:
            self.parameters.addcdiv_(mean, scale, value=-self.rate / (1 - first**number))
        else:
            torch.div(mean, scale, out=scale)
            self.parameters.addcmul_(scale, self.rates, value=-1 / (1 - first**number))


def spread(networks: Networks, values: list[float]) -> Tensor:
    """A vector laid out like the storage that holds, at each parameter, the value of its network."""
    vector = torch.empty_like(networks.storage)
    weights, biases = networks.views(vector)
    each = torch.tensor(values, dtype=networks.dtype, device=networks.device)
    for view in [*weights, *biases]:
        view.copy_(each.view(-1, *[1] * (view.ndim - 1)).expand_as(view))
    return vector

"""One network trained with torch.nn.Linear, autograd and torch.optim: what the batched trainer must agree with.

Nothing of layerlab.training is used here but the description of the training and the documented data order.
"""

import copy

import torch
from torch import Tensor, nn

from layerlab.nets import MLP
from layerlab.training import TrainingConfig, data_order

FUNCTIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid, "linear": nn.Identity, "gelu": nn.GELU}


def module(network: MLP) -> nn.Sequential:
    """A module with the same parameters as a single network."""
    layers: list[nn.Module] = []
    for layer, weights in enumerate(network.weights):
        linear = nn.Linear(*weights.shape[1:], bias=network.has_biases, dtype=network.dtype)
        linear.weight.data = weights[0].T.clone()
        if network.has_biases:
            linear.bias.data = network.biases[layer][0, 0].clone()
        layers += [linear, FUNCTIONS[network.functions[layer].name]()]
    return nn.Sequential(*layers)


def loss_of(config: TrainingConfig, F: Tensor, y: Tensor) -> Tensor:
    if config.loss == "cross_entropy":
        return nn.functional.cross_entropy(F, y)
    if config.loss == "mse":
        return nn.functional.mse_loss(F, y)
    yF = F[:, 0] * y
    if config.loss == "logistic":
        return torch.log1p(torch.exp(-yF)).mean()
    if config.loss == "hinge":
        return torch.relu(config.margin - yF).mean()
    return (torch.log1p(torch.exp(config.beta * (config.margin - yF))) / config.beta).mean()


def train_alone(
    network: MLP,
    x: Tensor,
    y: Tensor,
    config: TrainingConfig,
    seed: int,
    masks: list[Tensor] | None = None,
    rows: Tensor | None = None,
    rate: float | None = None,
    alpha: float | None = None,
) -> MLP:
    """The trained copy of a single network."""
    model = module(network)
    linears = [layer for layer in model if isinstance(layer, nn.Linear)]
    if masks is not None:
        for linear, mask in zip(linears, masks, strict=True):
            linear.weight.data[~mask.T] = 0
    if rows is not None:
        x, y = x[rows], y[rows]
    start, lr = copy.deepcopy(model), rate or config.learning_rate
    if config.optimizer == "adam":
        optimizer: torch.optim.Optimizer = torch.optim.Adam(
            model.parameters(), lr, betas=config.betas, eps=config.epsilon, weight_decay=config.weight_decay
        )
    else:
        momentum = config.momentum if config.optimizer == "momentum" else 0
        optimizer = torch.optim.SGD(
            model.parameters(), lr, momentum=momentum, weight_decay=config.weight_decay, nesterov=config.nesterov
        )
    done, epoch = 0, 0
    while done < config.total_steps(len(x)):
        order = torch.arange(len(x)) if config.batch_size is None else data_order(seed, len(x), epoch)
        for batch in order.split(config.batch_size or len(x)):
            if done == config.total_steps(len(x)):
                break
            optimizer.zero_grad()
            F = model(x[batch])
            if alpha is not None:
                F = alpha * (F - start(x[batch]).detach())
            loss_of(config, F, y[batch]).backward()
            if masks is not None:
                for linear, mask in zip(linears, masks, strict=True):
                    linear.weight.grad[~mask.T] = 0
            optimizer.step()
            done += 1
        epoch += 1
    trained = network.copy()
    with torch.no_grad():
        for layer, linear in enumerate(linears):
            trained.weights[layer].copy_(linear.weight.T[None])
            if network.has_biases:
                trained.biases[layer].copy_(linear.bias[None, None])
    return trained

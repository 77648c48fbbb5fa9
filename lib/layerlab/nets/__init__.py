"""Networks: N multilayer perceptrons of one shape as one object, their initialisation, their recorded activations."""

from layerlab.nets.activations import ACTIVATIONS, Activation, activation, leaky_relu
from layerlab.nets.initialisation import INITIALISATIONS, as_seed, draw
from layerlab.nets.mlp import MLP, stack

__all__ = [
    "ACTIVATIONS",
    "INITIALISATIONS",
    "MLP",
    "Activation",
    "activation",
    "as_seed",
    "draw",
    "leaky_relu",
    "stack",
]

"""Networks: N multilayer perceptrons of one shape as one object, their initialisation, their recorded activations."""

from layerlab.nets.activations import ACTIVATIONS, Activation, activation, leaky_relu
from layerlab.nets.initialisation import INITIALISATIONS, as_seed, draw
from layerlab.nets.mlp import MLP, stack
from layerlab.nets.protocol import Networks, Passes

__all__ = [
    "ACTIVATIONS",
    "INITIALISATIONS",
    "MLP",
    "Activation",
    "Networks",
    "Passes",
    "activation",
    "as_seed",
    "draw",
    "leaky_relu",
    "stack",
]

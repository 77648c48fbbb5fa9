"""Networks: N of one shape as one object, dense, convolutional or residual; initialisation, recorded activations."""

from layerlab.nets.activations import ACTIVATIONS, Activation, activation, leaky_relu
from layerlab.nets.conv import ConvNet
from layerlab.nets.images import Conv, Pool
from layerlab.nets.initialisation import INITIALISATIONS, as_seed, draw
from layerlab.nets.mlp import MLP, stack
from layerlab.nets.protocol import Networks, Passes
from layerlab.nets.residual import Block, ResidualNet
from layerlab.nets.upper import upper

__all__ = [
    "ACTIVATIONS",
    "INITIALISATIONS",
    "MLP",
    "Activation",
    "Block",
    "Conv",
    "ConvNet",
    "Networks",
    "Passes",
    "Pool",
    "ResidualNet",
    "activation",
    "as_seed",
    "draw",
    "leaky_relu",
    "stack",
    "upper",
]

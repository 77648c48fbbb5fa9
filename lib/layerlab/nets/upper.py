"""Networks cut in two: the upper layers as networks of their own."""

from __future__ import annotations

from typing import Any

from layerlab.arrays import whole
from layerlab.nets.conv import ConvNet
from layerlab.nets.images import Conv, Pool
from layerlab.nets.mlp import MLP


def upper(networks: MLP, layer: int) -> MLP:
    """The layers above `layer` (1 the first, as counted by `activations`) as networks that take its activations.

    With a = networks.activations(x), upper(networks, l).forward(a[l - 1]) is networks.forward(x). The parameters are
    copies: to train the upper networks on recorded activations is to train with the layers below frozen.

    Returns an MLP of an MLP and a ConvNet of a ConvNet. Raises ValueError unless 1 <= layer < number of layers, or
    where the first layer above is a Pool; TypeError for a layer that is no whole number, and for other networks (a
    ResidualNet, whose layers do not follow one another).
    """
    if type(networks) not in (MLP, ConvNet):
        raise TypeError(f"networks must be an MLP or a ConvNet, whose layers follow each other, not {networks!r}")
    shapes = networks.shapes if isinstance(networks, ConvNet) else tuple((width,) for width in networks.widths)
    layer = whole(layer, "layer", 1)
    if layer > len(shapes) - 2:
        raise ValueError(f"layer is {layer}; it must be at most {len(shapes) - 2}, so that a layer lies above it")
    below = layer
    if isinstance(networks, ConvNet):
        below -= sum(isinstance(each, Pool) for each in networks.layers[:layer])
    *hidden, last = networks.functions[below:]
    common: dict[str, Any] = {
        "output_activation": last,
        "bias": networks.has_biases,
        "seeds": [0] * networks.count,
        "dtype": networks.dtype,
        "device": networks.device,
    }
    if isinstance(networks, ConvNet):
        rest: tuple[Conv | Pool | int, ...] = networks.layers[layer:]
        shape = shapes[layer] if len(shapes[layer]) == 3 else (*shapes[layer], 1, 1)
        above: MLP = ConvNet(shape, rest, hidden, **common)
    else:
        above = MLP(networks.widths[layer:], hidden, **common)
        above.scales = networks.scales[layer:]
    state = {}
    for name, values in networks.state().items():
        kind, number = name.rsplit("_", 1)
        if int(number) >= below:
            state[f"{kind}_{int(number) - below}"] = values
    return above.load_state_(state)

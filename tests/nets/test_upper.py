"""The upper layers as networks of their own compute what the whole network computes from there on."""

import pytest
import torch

from layerlab.nets import MLP, Block, Conv, ConvNet, Pool, ResidualNet, upper

X = torch.randn(7, 36, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("layer", [1, 2, 3])
@pytest.mark.parametrize("bias", [True, False])
def test_an_mlp_is_its_lower_and_its_upper_layers(layer, bias):
    networks = MLP((36, 9, 8, 7, 5), ["relu", "tanh", "relu"], initialisation="ntk", bias=bias, bias_std=0.3 * bias,
                   seeds=[3, 4, 5])  # fmt: skip
    above = upper(networks, layer)
    assert (above.count, above.depth, above.scales) == (3, 4 - layer, networks.scales[layer:])
    torch.testing.assert_close(above.forward(networks.activations(X)[layer - 1]), networks.forward(X))


@pytest.mark.parametrize("layer", [1, 3, 4])
def test_a_convolutional_network_is_cut_between_images_and_between_dense_layers(layer):
    layers = [Conv(4, 3, padding=1), Pool(2), Conv(3, 3), 6, 5]
    networks = ConvNet((6, 6), layers, ["relu", "tanh", "relu"], bias_std=0.2, seeds=[1, 2])
    if layer == 1:
        with pytest.raises(ValueError, match="the first must be a Conv or a dense layer"):
            upper(networks, layer)
        return
    above = upper(networks, layer)
    assert isinstance(above, ConvNet)
    torch.testing.assert_close(above.forward(networks.activations(X)[layer - 1]), networks.forward(X))


def test_cut_below_a_convolution():
    networks = ConvNet((6, 6), [Conv(4, 3), Conv(3, 3), 5], seeds=[1, 2])
    torch.testing.assert_close(upper(networks, 1).forward(networks.activations(X)[0]), networks.forward(X))


def test_parameters_are_copies():
    networks = MLP((36, 9, 5), seeds=[0])
    above = upper(networks, 1)
    above.storage.zero_()
    assert networks.weights[1].abs().sum() > 0


@pytest.mark.parametrize(("layer", "error"), [(0, ValueError), (2, ValueError), (1.5, TypeError)])
def test_a_layer_that_does_not_cut_is_refused(layer, error):
    with pytest.raises(error, match="layer"):
        upper(MLP((36, 9, 5)), layer)


def test_networks_with_skips_are_refused():
    networks = ResidualNet((6, 6), Conv(2, 3), [Block(2)], 3)
    with pytest.raises(TypeError, match="networks must be an MLP or a ConvNet"):
        upper(networks, 1)

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from layerlab.nets import INITIALISATIONS, MLP, activation, stack

widths = st.lists(st.integers(1, 6), min_size=2, max_size=5)


@pytest.mark.parametrize("name", [*INITIALISATIONS, "ntk"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_network_of_many_is_bit_for_bit_the_one_its_seed_makes_alone(name, dtype):
    seeds = [11, 0, 5, np.random.SeedSequence(3), 2**63]
    many = MLP((7, 5, 4, 3), initialisation=name, bias_std=0.3, seeds=seeds, dtype=dtype)
    for i, seed in enumerate(seeds):
        alone = MLP((7, 5, 4, 3), initialisation=name, bias_std=0.3, seeds=seed, dtype=dtype)
        assert torch.equal(many[i].storage, alone.storage)
        for layer in range(many.depth):
            assert torch.equal(many.weights[layer][i], alone.weights[layer][0])
            assert torch.equal(many.biases[layer][i], alone.biases[layer][0])


def test_float32_networks_are_the_float64_ones_rounded():
    wide, narrow = (MLP((4, 3, 2), seeds=range(3), dtype=dtype) for dtype in (torch.float64, torch.float32))
    assert torch.equal(wide.storage.float(), narrow.storage)


@settings(max_examples=30, deadline=None)
@given(widths, st.integers(1, 4), st.integers(1, 5), st.booleans(), st.booleans())
def test_forward_equals_one_linear_module_after_the_other(widths, count, rows, own_input, bias):
    networks = MLP(widths, "tanh", seeds=range(count), bias=bias, bias_std=0.5, dtype=torch.float64)
    shape = (count, rows, widths[0]) if own_input else (rows, widths[0])
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    post = networks.activations(x)
    pre = networks.activations(x, pre=True)
    for i in range(count):
        a = x[i] if own_input else x
        for layer in range(networks.depth):
            b = networks.biases[layer][i, 0] if bias else None
            z = torch.nn.functional.linear(a, networks.weights[layer][i].T, b)
            a = z.tanh() if layer < networks.depth - 1 else z
            torch.testing.assert_close(pre[layer][i], z)
            torch.testing.assert_close(post[layer][i], a)
        torch.testing.assert_close(networks(x)[i], a)


def test_activations_have_the_stated_shapes():
    networks = MLP((4, 3, 2), seeds=range(5))
    x = np.ones((6, 4))
    recorded = networks.activations(x, include_input=True)
    assert [tuple(a.shape) for a in recorded] == [(5, 6, 4), (5, 6, 3), (5, 6, 2)]
    assert recorded[0].dtype == torch.float32


@pytest.mark.parametrize(("parametrisation", "scales"), [("ntk", (0.5, 1 / 3)), ("mean_field", (0.5, 1 / 9))])
def test_parametrisations_scale_the_weights_but_not_the_biases(parametrisation, scales):
    networks = MLP((4, 9, 1), "erf", parametrisation=parametrisation, bias_std=1.0, seeds=2, dtype=torch.float64)
    x = torch.randn(8, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    hidden = torch.erf(scales[0] * x @ networks.weights[0][0] + networks.biases[0][0])
    output = scales[1] * hidden @ networks.weights[1][0] + networks.biases[1][0]
    torch.testing.assert_close(networks(x)[0], output)


def test_ntk_initialisation_is_standard_normal_under_ntk_parametrisation():
    named = MLP((4, 9, 1), initialisation="ntk", seeds=2)
    spelled = MLP((4, 9, 1), initialisation="standard_normal", parametrisation="ntk", seeds=2)
    assert torch.equal(named.storage, spelled.storage)
    assert named.scales == spelled.scales == (0.5, 1 / 3)


def test_activation_per_layer_and_on_the_output():
    networks = MLP((2, 3, 3, 1), ["relu", activation("leaky_relu(0.2)")], output_activation="sigmoid")
    assert [function.name for function in networks.functions] == ["relu", "leaky_relu(0.2)", "sigmoid"]
    assert 0 < networks(torch.ones(1, 2)).item() < 1


def test_forward_is_differentiable_in_parameters_and_input():
    networks = MLP((3, 4, 2), seeds=range(2), dtype=torch.float64).requires_grad_()
    x = torch.ones(5, 3, dtype=torch.float64, requires_grad=True)
    networks(x).square().sum().backward()
    weights, biases = networks.views(networks.storage.grad)
    torch.testing.assert_close(biases[1], 2 * networks(x).detach().sum(1, keepdim=True))
    assert [tuple(each.shape) for each in weights] == [(2, 3, 4), (2, 4, 2)]
    assert x.grad.abs().sum() > 0
    assert not networks.requires_grad_(False)(x.detach()).requires_grad


def test_select_stack_copy_and_iteration():
    networks = MLP((4, 3, 2), seeds=range(5))
    assert torch.equal(
        stack([networks[3:], networks[[2, 0]], networks[1]]).storage, MLP((4, 3, 2), seeds=[3, 4, 2, 0, 1]).storage
    )
    assert torch.equal(stack(list(networks)).storage, networks.storage)
    assert torch.equal(networks[-1].storage, networks[4].storage)
    assert torch.equal(networks[np.array([True, False, False, False, True])].storage, networks[[0, 4]].storage)
    copied = networks.copy()
    copied.weights[0].zero_()
    assert networks.weights[0].any()
    assert not copied.storage.equal(networks.storage)
    assert len(networks) == 5


def test_state_round_trip():
    networks, other = MLP((4, 3, 2), seeds=range(5)), MLP((4, 3, 2), seeds=range(5, 10))
    state = networks.state()
    assert {name: array.shape for name, array in state.items()} == {
        "weights_0": (5, 4, 3),
        "biases_0": (5, 1, 3),
        "weights_1": (5, 3, 2),
        "biases_1": (5, 1, 2),
    }
    assert torch.equal(other.load_state_(state).storage, networks.storage)
    assert torch.equal(MLP((4, 3, 2), seeds=range(5, 10)).load_(networks).storage, networks.storage)


def test_parameter_count_and_conversion():
    networks = MLP((12, 10, 7, 5, 4, 3, 2), seeds=range(3))
    assert networks.parameter_count == 130 + 77 + 40 + 24 + 15 + 8
    assert MLP((12, 10, 2), bias=False).parameter_count == 140
    assert MLP((12, 10, 2), bias=False).biases == []
    wide = networks.to(dtype=torch.float64)
    assert wide.dtype == torch.float64
    assert torch.equal(wide.weights[2].float(), networks.weights[2])
    assert repr(networks) == "MLP(12-10-7-5-4-3-2, tanh, networks=3, torch.float32, cpu)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widths": (3,)}, r"widths is \(3,\); it must hold at least two"),
        ({"widths": (3, 0, 2)}, "widths is .* positive"),
        ({"initialisation": "xavier"}, "initialisation is 'xavier'"),
        ({"parametrisation": "mup"}, "parametrisation is 'mup'; allowed are standard, ntk, mean_field"),
        ({"activation": ["relu"] * 3}, "activation names 3 functions; there are 1 hidden layers"),
        ({"seeds": []}, "seeds is empty"),
        ({"dtype": torch.float16}, "dtype is torch.float16"),
        ({"dtype": torch.float64, "device": "mps"}, "device mps computes in torch.float32 only"),
    ],
)
def test_what_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        MLP(**{"widths": (3, 4, 2), **arguments})


def test_wrong_inputs_selections_and_states():
    networks = MLP((4, 3, 2), seeds=range(5))
    for shape in ((6, 3), (4,), (2, 6, 4), (5, 6, 3)):
        with pytest.raises(ValueError, match=r"x has shape .*; allowed are \(rows, 4\) or \(5, rows, 4\)"):
            networks(torch.zeros(shape))
    for which in (5, []):
        with pytest.raises(IndexError):
            networks.select(which)
    with pytest.raises(ValueError, match="networks is empty"):
        stack([])
    with pytest.raises(ValueError, match="networks differ in shape"):
        stack([networks, MLP((4, 3, 2), "relu")])
    with pytest.raises(ValueError, match="state holds"):
        networks.load_state_({})
    with pytest.raises(ValueError, match=r"state\['weights_0'\] has shape \(5, 3\); allowed is \(5, 4, 3\)"):
        networks.load_state_({**networks.state(), "weights_0": np.zeros((5, 3))})
    with pytest.raises(ValueError, match="it must have the shape of"):
        networks.load_(MLP((4, 2, 2), seeds=range(5)))

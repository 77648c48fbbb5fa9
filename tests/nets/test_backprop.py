"""The hand-written passes against autograd."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lockstep_checks import equal_autograd

from layerlab.nets import ACTIVATIONS, MLP
from layerlab.nets.backprop import Backprop


@settings(max_examples=60, deadline=None)
@given(
    widths=st.lists(st.integers(1, 5), min_size=2, max_size=5),
    function=st.sampled_from([*ACTIVATIONS, "leaky_relu(0.3)"]),
    output=st.sampled_from(list(ACTIVATIONS)),
    parametrisation=st.sampled_from(["standard", "ntk", "mean_field"]),
    count=st.integers(1, 4),
    rows=st.integers(1, 6),
    own_input=st.booleans(),
    bias=st.booleans(),
)
def test_outputs_and_gradients_equal_autograd(widths, function, output, parametrisation, count, rows, own_input, bias):
    networks = MLP(
        widths, function, output_activation=output, parametrisation=parametrisation, bias=bias, bias_std=0.3,
        seeds=range(count), dtype=torch.float64,
    )  # fmt: skip
    equal_autograd(networks, rows, own_input)


@pytest.mark.parametrize("own_input", [False, True])
def test_input_is_left_as_it_is(own_input):
    networks = MLP((3, 4, 2), "linear", seeds=range(2))
    x = torch.randn((2, 5, 3) if own_input else (5, 3), generator=torch.Generator().manual_seed(0))
    before = x.clone()
    passes = Backprop(networks, 5, torch.empty_like(networks.storage))
    passes.forward(x)
    passes.errors[-1].fill_(1.0)
    passes.backward(x)
    assert torch.equal(x, before)

"""The hand-written passes against autograd."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

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
    generator = torch.Generator().manual_seed(1)
    shape = (count, rows, widths[0]) if own_input else (rows, widths[0])
    x = torch.randn(shape, dtype=torch.float64, generator=generator)
    upstream = torch.randn((count, rows, widths[-1]), dtype=torch.float64, generator=generator)

    followed = networks.copy().requires_grad_()
    expected = followed(x)
    expected.backward(upstream)

    gradient = torch.full_like(networks.storage, torch.nan)  # every entry has to be written
    passes = Backprop(networks, rows, gradient)
    for _ in range(2):  # buffers must serve again
        outputs = passes.forward(x)
        passes.errors[-1].copy_(upstream.transpose(1, 2))
        passes.backward(x)

    torch.testing.assert_close(outputs.transpose(1, 2), expected.detach())
    torch.testing.assert_close(gradient, followed.storage.grad)


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

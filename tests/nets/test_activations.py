import pytest
import torch

from layerlab.nets import ACTIVATIONS, activation, leaky_relu

EVERY = [*ACTIVATIONS.values(), leaky_relu(0.3)]


@pytest.mark.parametrize("function", EVERY, ids=lambda function: function.name)
def test_value_in_place_and_derivative_agree_with_autograd(function):
    z = torch.linspace(-4, 4, 161, dtype=torch.float64)[:-1].requires_grad_()
    a = function.apply(z)
    upstream = torch.cos(z.detach())
    (expected,) = torch.autograd.grad(a, z, upstream)

    in_place = z.detach().clone()
    function.apply_(in_place)
    gradient = upstream.clone()
    function.backward_(gradient, z.detach() if function.keeps_input else in_place)

    torch.testing.assert_close(in_place, a.detach(), rtol=0, atol=1e-15)
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-14)


def test_names_lead_to_functions():
    assert activation("tanh") is ACTIVATIONS["tanh"]
    assert activation(activation("relu")) is ACTIVATIONS["relu"]
    z = torch.tensor([-2.0, 3.0])
    assert activation("leaky_relu(0.1)").apply(z).tolist() == pytest.approx([-0.2, 3.0])
    assert activation("leaky_relu").apply(z).tolist() == pytest.approx([-0.02, 3.0])


def test_unknown_names_and_slopes_are_refused():
    with pytest.raises(ValueError, match="activation is 'swash'; allowed are linear, relu"):
        activation("swash")
    for spec in ("leaky_relu(2)", "leaky_relu(x)", "leaky_relu(0)"):
        with pytest.raises(ValueError, match=r"slope is .* strictly between 0 and 1"):
            activation(spec)

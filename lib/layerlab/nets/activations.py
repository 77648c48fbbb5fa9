"""Activation functions, each with the in-place derivative that the hand-written backward pass uses."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

aten = torch.ops.aten


@dataclass(frozen=True)
class Activation:
    """A function applied unit by unit, a = φ(z).

    Attributes
    ----------
    name: as it is written in `MLP(..., activation=name)`.
    apply: z -> φ(z), a new tensor, differentiable by autograd.
    apply_: the same in place.
    backward_: (gradient, kept) -> None; multiplies `gradient` in place by φ'(z), where `kept` is φ(z), or z when
        `keeps_input` is set.
    keeps_input: whether φ' has to be computed from z, because φ(z) does not determine it.
    """

    name: str
    apply: Callable[[Tensor], Tensor]
    apply_: Callable[[Tensor], Tensor]
    backward_: Callable[[Tensor, Tensor], object]
    keeps_input: bool = False


def _relu_backward(gradient: Tensor, output: Tensor) -> None:
    aten.threshold_backward.grad_input(gradient, output, 0, grad_input=gradient)


def _erf_backward(gradient: Tensor, z: Tensor) -> None:
    gradient.mul_(torch.square(z).neg_().exp_()).mul_(2 / math.sqrt(math.pi))


def _softplus_backward(gradient: Tensor, output: Tensor) -> None:
    gradient.mul_(torch.neg(output).expm1_().neg_())  # σ(z) = 1 - exp(-softplus(z))


def _hard_tanh_backward(gradient: Tensor, output: Tensor) -> None:
    aten.hardtanh_backward.grad_input(gradient, output, -1, 1, grad_input=gradient)


def _softsign_(z: Tensor) -> Tensor:
    return z.div_(torch.abs(z).add_(1))


def _softsign_backward(gradient: Tensor, output: Tensor) -> None:
    gradient.mul_(torch.abs(output).neg_().add_(1).square_())  # 1 / (1 + |z|)^2 = (1 - |a|)^2


def leaky_relu(slope: float = 0.01) -> Activation:
    """max(z, slope z) for 0 < slope < 1. The name "leaky_relu" alone means slope 0.01.

    Raises ValueError for a slope outside (0, 1).
    """
    if not 0 < slope < 1:
        raise ValueError(f"slope is {slope!r}; it must lie strictly between 0 and 1")

    def backward(gradient: Tensor, output: Tensor) -> None:
        aten.leaky_relu_backward.grad_input(gradient, output, slope, True, grad_input=gradient)

    def apply(z: Tensor) -> Tensor:
        return torch.nn.functional.leaky_relu(z, slope)

    def apply_(z: Tensor) -> Tensor:
        return torch.nn.functional.leaky_relu_(z, slope)

    name = "leaky_relu" if slope == 0.01 else f"leaky_relu({slope:g})"
    return Activation(name, apply, apply_, backward)


ACTIVATIONS: dict[str, Activation] = {
    each.name: each
    for each in (
        Activation("linear", lambda z: z, lambda z: z, lambda gradient, output: None),
        Activation("relu", torch.relu, torch.relu_, _relu_backward),
        leaky_relu(),
        Activation(
            "tanh",
            torch.tanh,
            torch.tanh_,
            lambda gradient, output: aten.tanh_backward.grad_input(gradient, output, grad_input=gradient),
        ),
        Activation(
            "sigmoid",
            torch.sigmoid,
            torch.sigmoid_,
            lambda gradient, output: aten.sigmoid_backward.grad_input(gradient, output, grad_input=gradient),
        ),
        Activation("hard_tanh", torch.nn.functional.hardtanh, torch.nn.functional.hardtanh_, _hard_tanh_backward),
        Activation("softsign", torch.nn.functional.softsign, _softsign_, _softsign_backward),
        Activation("erf", torch.erf, torch.erf_, _erf_backward, keeps_input=True),
        Activation(
            "softplus",
            torch.nn.functional.softplus,
            lambda z: aten.softplus.out(z, out=z),
            _softplus_backward,
        ),
        Activation(
            "gelu",
            torch.nn.functional.gelu,
            lambda z: aten.gelu_.default(z),
            lambda gradient, z: aten.gelu_backward.grad_input(gradient, z, grad_input=gradient),
            keeps_input=True,
        ),
    )
}


def activation(spec: str | Activation) -> Activation:
    """The activation of that name ("tanh", "leaky_relu(0.1)", ...); an Activation is returned as it is.

    Raises ValueError for an unknown name.
    """
    if isinstance(spec, Activation):
        return spec
    if spec in ACTIVATIONS:
        return ACTIVATIONS[spec]
    if isinstance(spec, str) and spec.startswith("leaky_relu(") and spec.endswith(")"):
        try:
            slope = float(spec[len("leaky_relu(") : -1])
        except ValueError:
            slope = math.nan
        return leaky_relu(slope)
    raise ValueError(
        f"activation is {spec!r}; allowed are {', '.join(ACTIVATIONS)}, leaky_relu(slope) or an Activation"
    )

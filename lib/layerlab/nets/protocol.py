"""What the trainer asks of an architecture: N networks of one shape in one vector of parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, Self

import numpy as np
import torch
from torch import Tensor


class Passes(Protocol):
    """Forward and backward pass on batches of one size, over buffers that are kept."""

    @property
    def errors(self) -> Sequence[Tensor]:
        """Per layer; the last, (N, outputs, rows), takes the derivative of the loss by the outputs."""
        ...

    def forward(self, x: Tensor) -> Tensor:
        """The outputs (N, outputs, rows) on x, (rows, d) shared or (N, rows, d); the next call overwrites them."""
        ...

    def backward(self, x: Tensor) -> None:
        """Fills the gradient from `errors[-1]` and the last `forward(x)`."""
        ...


class Networks(Protocol):
    """N networks of one shape. Rows of input are flat, whatever shape an architecture gives them inside.

    widths: units per layer, the input's first and the output's last. storage: all parameters in one vector; weights and
    biases: views of it per layer, the networks first.
    """

    widths: tuple[int, ...]
    count: int
    storage: Tensor
    weights: list[Tensor]
    biases: list[Tensor]

    @property
    def depth(self) -> int: ...

    @property
    def dtype(self) -> torch.dtype: ...

    @property
    def device(self) -> torch.device: ...

    def as_input(self, x: Tensor | np.ndarray) -> Tensor: ...

    def forward(self, x: Tensor | np.ndarray) -> Tensor: ...

    def passes(self, rows: int, gradient: Tensor) -> Passes:
        """The two passes on batches of `rows` rows; the backward one fills `gradient`, laid out like `storage`."""
        ...

    def views(self, storage: Tensor) -> tuple[list[Tensor], list[Tensor]]: ...

    def signature(self) -> Any:
        """Plain values that say all about the architecture, and nothing about the parameters."""
        ...

    def copy(self) -> Self: ...

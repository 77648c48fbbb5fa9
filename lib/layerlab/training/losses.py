"""Loss functions on outputs laid out as (networks, outputs, rows), with their gradients written out."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from layerlab.training.config import TrainingConfig


@dataclass(frozen=True)
class Targets:
    """What the outputs are held against: `values` is (S, rows) of labels or (S, rows, outputs) of numbers, S = 1 or N.

    `kind` says how accuracy is counted: "labels", "signs" (one output, targets ±1), "one_hot", or "numbers" (not).
    """

    values: Tensor
    kind: str


class Loss:
    """The loss of a TrainingConfig: values, gradients and hits, row by row.

    F is (N, outputs, B). Targets of a batch, y, are (N or 1, B) labels for cross-entropy, else (N or 1, outputs, B).
    """

    def __init__(self, config: TrainingConfig) -> None:
        self.name = config.loss
        self.beta = config.beta
        self.margin = config.margin

    def targets(
        self, y: Tensor | np.ndarray, count: int, rows: int, outputs: int, dtype: torch.dtype, device: torch.device
    ) -> Targets:
        """Checks y against this loss; raises ValueError for a wrong shape or value."""
        given = torch.as_tensor(np.asarray(y) if not isinstance(y, Tensor) else y)
        if self.name == "cross_entropy":
            return Targets(_labels(given, count, rows, outputs).to(device), "labels")
        values = _numbers(given, count, rows, outputs)
        signs = bool(((values == 1) | (values == -1)).all())
        if self.name == "mse":
            one_hot = bool(((values == 0) | (values == 1)).all() and (values.sum(-1) == 1).all())
            kind = "signs" if signs and outputs == 1 else "one_hot" if one_hot and outputs > 1 else "numbers"
        else:
            if outputs != 1:
                raise ValueError(f"loss is {self.name!r}; it needs networks with 1 output, these have {outputs}")
            if not signs:
                raise ValueError(f"y holds other values than -1 and 1; {self.name!r} allows only these")
            kind = "signs"
        return Targets(values.to(device=device, dtype=dtype), kind)

    def value(self, F: Tensor, y: Tensor) -> Tensor:
        """The loss of each row, (N, B)."""
        if self.name == "cross_entropy":
            chosen = F.gather(1, y[:, None].expand(F.shape[0], 1, -1))[:, 0]
            return torch.logsumexp(F, 1) - chosen
        if self.name == "mse":
            return (F - y).square_().mean(1)
        agreement = (F * y)[:, 0]
        if self.name == "logistic":
            return torch.nn.functional.softplus(-agreement)
        if self.name == "hinge":
            return (self.margin - agreement).clamp_(min=0)
        # threshold: beyond it softplus is its argument to within exp(-40), below the rounding of float64
        return torch.nn.functional.softplus(self.margin - agreement, beta=self.beta, threshold=40)

    def gradient(self, F: Tensor, y: Tensor, out: Tensor) -> Tensor:
        """The derivative of each row's loss by F, written to `out` (N, outputs, B), which must not be F."""
        if self.name == "cross_entropy":
            torch.softmax(F, 1, out=out)
            index = y[:, None].expand(F.shape[0], 1, -1)
            return out.scatter_add_(1, index, out.new_full((1, 1, 1), -1.0).expand(index.shape))
        if self.name == "mse":
            return torch.sub(F, y, out=out).mul_(2 / F.shape[1])
        torch.mul(F, y, out=out)
        if self.name == "logistic":
            out.neg_().sigmoid_()
        elif self.name == "hinge":
            torch.lt(out, self.margin, out=out)
        else:
            out.neg_().add_(self.margin).mul_(self.beta).sigmoid_()
        return out.mul_(y).neg_()

    def hits(self, F: Tensor, y: Tensor, kind: str) -> Tensor:
        """Which rows are classified rightly, (N, B) of bool; NaN outputs never are."""
        if kind == "labels":
            return (F.argmax(1) == y) & ~F.isnan().any(1)
        if kind == "signs":
            return (F * y)[:, 0] > 0
        return (F.argmax(1) == y.argmax(1)) & ~F.isnan().any(1)


def _labels(given: Tensor, count: int, rows: int, outputs: int) -> Tensor:
    if given.is_floating_point() or given.is_complex() or tuple(given.shape) not in {(rows,), (count, rows)}:
        raise ValueError(
            f"y is {given.dtype} of shape {tuple(given.shape)}; "
            f"allowed are whole-number labels of shape ({rows},) or ({count}, {rows})"
        )
    labels = given.to(torch.int64).reshape(-1, rows)
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= outputs:
        raise ValueError(f"y holds labels from {low} to {high}; allowed are 0 to {outputs - 1}, one per output")
    return labels


def _numbers(given: Tensor, count: int, rows: int, outputs: int) -> Tensor:
    shape = tuple(given.shape)
    allowed = {(rows, outputs), (count, rows, outputs)}
    if outputs == 1:
        allowed |= {(rows,), (count, rows)}
    if shape not in allowed:
        raise ValueError(f"y has shape {shape}; allowed are {' or '.join(map(str, sorted(allowed)))}")
    return given.reshape(-1, rows, outputs)

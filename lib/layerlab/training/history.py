"""What is recorded along a training."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from layerlab.nets import Networks
from layerlab.training.config import TrainingConfig, per_network
from layerlab.training.losses import Loss, Targets

BLOCK = 2**21  # numbers held per layer while evaluating


@dataclass
class History:
    """The course of a training, recorded at T moments.

    at: (T,) the moments, in the unit of the schedule (epochs or steps); `steps`: the same in steps.
    loss, accuracy: for each evaluation set, (T, N). Accuracy is the share of rows classified rightly: by the largest
        output, or by the sign of a single output for targets ±1; NaN where targets are neither labels, signs nor
        one-hot.
    records: what the callback returned at each moment.
    networks: the trained networks, the same object that was given to `train`.
    initial: the networks before training where alpha is given (F = alpha (f - f0)), else None.
    diverged: (N,) whether a network holds a parameter that is not finite.
    """

    networks: Networks
    initial: Networks | None = None
    at: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    steps: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    loss: dict[str, np.ndarray] = field(default_factory=dict)
    accuracy: dict[str, np.ndarray] = field(default_factory=dict)
    records: list[Any] = field(default_factory=list)
    diverged: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))


class EvaluationSet:
    """Rows and targets on which loss and accuracy are taken, in blocks of rows so that memory stays bounded."""

    def __init__(self, name: str, data: tuple, networks: Networks, config: TrainingConfig) -> None:
        try:
            x, y = data
        except (TypeError, ValueError):
            raise ValueError(f"evaluate[{name!r}] is {type(data).__name__}; it must be a pair (x, y)") from None
        self.loss = Loss(config)
        self.x = networks.as_input(x)
        rows = self.x.shape[-2]
        if rows == 0:
            raise ValueError(f"evaluate[{name!r}] holds no rows; it needs at least one")
        self.targets: Targets = self.loss.targets(
            y, networks.count, rows, networks.widths[-1], networks.dtype, networks.device
        )
        self.alpha = None
        if config.alpha is not None:
            alphas = per_network("alpha", config.alpha, networks.count)
            self.alpha = torch.tensor(alphas, dtype=networks.dtype, device=networks.device).view(-1, 1, 1)

    @torch.no_grad()
    def measure(self, networks: Networks, initial: Networks | None) -> tuple[np.ndarray, np.ndarray]:
        """(loss, accuracy), each (N,), in float64."""
        rows = self.x.shape[-2]
        block = max(1, BLOCK // (networks.count * max(networks.widths)))
        loss = torch.zeros(networks.count, dtype=torch.float64)
        hits = torch.zeros(networks.count, dtype=torch.float64)
        for start in range(0, rows, block):
            x = self.x[..., start : start + block, :]
            F = networks.forward(x)
            if self.alpha is not None and initial is not None:
                F = (F - initial.forward(x)) * self.alpha
            F = F.transpose(1, 2)
            y = self.targets.values[:, start : start + block]
            if y.ndim == 3:
                y = y.transpose(1, 2)
            loss += _sum(self.loss.value(F, y))
            if self.targets.kind != "numbers":
                hits += self.loss.hits(F, y, self.targets.kind).sum(1).cpu()
        accuracy = hits / rows if self.targets.kind != "numbers" else torch.full_like(hits, torch.nan)
        return (loss / rows).numpy(), accuracy.numpy()


def _sum(values: Tensor) -> Tensor:
    return (values.cpu().double() if values.device.type == "mps" else values.double().cpu()).sum(1)


def evaluate(
    networks: Networks,
    x: Tensor | np.ndarray,
    y: Tensor | np.ndarray,
    config: TrainingConfig,
    *,
    initial: Networks | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """(loss, accuracy) of each network on x, y, each (N,), under the loss of `config`; shapes as in `train`.

    Under a config with alpha, `initial` are the networks before training (`History.initial`).
    Raises ValueError where that is missing, and for wrong shapes.
    """
    if config.alpha is not None and initial is None:
        raise ValueError("initial is None; a config with alpha needs the networks before training")
    return EvaluationSet("x, y", (x, y), networks, config).measure(networks, initial)

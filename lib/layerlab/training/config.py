"""What a training is: optimiser, loss, length, scale."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np

OPTIMIZERS = ("sgd", "momentum", "adam")
LOSSES = ("cross_entropy", "mse", "logistic", "hinge", "soft_hinge")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How to train; the same for every network but for `learning_rate` and `alpha`, which may be one per network.

    optimizer: "sgd", "momentum" or "adam", each step as torch.optim.SGD and torch.optim.Adam take it.
    learning_rate: a positive number, or a tuple of one per network.
    batch_size: rows per step; None takes all rows in every step. The last batch of an epoch may be smaller.
    epochs, steps: the length; exactly one of the two is given. An epoch shows each row once.
    loss: the mean over the rows of a batch of, with F the output and y the target,
        "cross_entropy"  log Σ_c exp F_c - F_y, labels y in 0 ... classes - 1
        "mse"            mean over the outputs of (F - y)²
        "logistic"       log(1 + exp(-yF)), one output, y = ±1, as below
        "hinge"          max(0, margin - yF)
        "soft_hinge"     log(1 + exp(beta (margin - yF))) / beta
    beta, margin: of the hinge losses.
    weight_decay: added to the gradient as weight_decay times the parameter, for all parameters (as in torch.optim).
    momentum, nesterov: of "momentum".
    betas, epsilon: of "adam".
    alpha: None trains F = f, the network's own output. A number, or a tuple of one per network, trains
        F = alpha (f - f0), f0 being the output before training (Chizat, Oyallon & Bach 2019): large alpha gives lazy
        training, small alpha feature learning. The learning rate is used as it is: dividing it by alpha² keeps the
        speed at which F moves.

    Raises ValueError naming the field, what it was and what is allowed.
    """

    optimizer: str = "adam"
    learning_rate: float | tuple[float, ...] = 1e-3
    batch_size: int | None = None
    epochs: int | None = None
    steps: int | None = None
    loss: str = "cross_entropy"
    beta: float = 20.0
    margin: float = 1.0
    weight_decay: float = 0.0
    momentum: float = 0.9
    nesterov: bool = False
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    alpha: float | tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        _one_of("optimizer", self.optimizer, OPTIMIZERS)
        _one_of("loss", self.loss, LOSSES)
        _each_positive("learning_rate", self.learning_rate)
        if self.alpha is not None:
            _each_positive("alpha", self.alpha)
        if (self.epochs is None) == (self.steps is None):
            raise ValueError(f"epochs is {self.epochs} and steps is {self.steps}; give exactly one of them")
        for name in ("batch_size", "epochs", "steps"):
            value = getattr(self, name)
            lowest = 1 if name == "batch_size" else 0
            if value is not None and (isinstance(value, bool) or int(value) != value or value < lowest):
                raise ValueError(f"{name} is {value!r}; it must be a whole number of at least {lowest}, or None")
        for name in ("beta", "margin", "epsilon"):
            _each_positive(name, getattr(self, name))
        if not (self.weight_decay >= 0 and math.isfinite(self.weight_decay)):
            raise ValueError(f"weight_decay is {self.weight_decay!r}; it must be finite and at least 0")
        for name, value in (("momentum", self.momentum), ("betas[0]", self.betas[0]), ("betas[1]", self.betas[1])):
            if not 0 <= value < 1:
                raise ValueError(f"{name} is {value!r}; it must be at least 0 and below 1")

    def total_steps(self, rows: int) -> int:
        """Steps that this training takes on that many rows."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None
        return self.epochs * self.steps_per_epoch(rows)

    def steps_per_epoch(self, rows: int) -> int:
        """Batches in an epoch, an incomplete last one included."""
        return 1 if self.batch_size is None else math.ceil(rows / self.batch_size)


def log_spaced(last: int, count: int) -> list[int]:
    """At most `count` distinct whole numbers from 0 to `last`, both included, spaced evenly in log(1 + t).

    Raises ValueError unless last >= 0 and count >= 2.
    """
    if last < 0:
        raise ValueError(f"last is {last}; it must be at least 0")
    if count < 2:
        raise ValueError(f"count is {count}; it must be at least 2")
    spaced = np.expm1(np.linspace(0, math.log1p(last), count))
    return sorted({*np.rint(spaced).astype(int).tolist(), 0, last})


def per_network(name: str, value: float | Sequence[float], count: int) -> list[float]:
    """One number per network; raises ValueError for a sequence of another length."""
    if not isinstance(value, Sequence):
        return [float(value)] * count
    if len(value) != count:
        raise ValueError(f"{name} has {len(value)} values; allowed are one, or one for each of {count} networks")
    return [float(each) for each in value]


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}; allowed are {', '.join(allowed)}")


def _each_positive(name: str, value: float | Sequence[float]) -> None:
    for each in value if isinstance(value, Sequence) else [value]:
        if not (isinstance(each, Real) and 0 < float(each) < math.inf):
            raise ValueError(f"{name} is {value!r}; it must be positive and finite")

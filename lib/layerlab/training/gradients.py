"""The gradients that a training sees: their mean and spread from step to step, layer by layer.

A batch's gradient is the gradient of the whole training set plus noise of the drawing. Where the first rules, weights
drift; where the second rules, they diffuse (Shwartz-Ziv & Tishby 2017, section 3.3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from layerlab.arrays import real_values, whole
from layerlab.nets import Networks


@dataclass(frozen=True)
class GradientCourse:
    """What a `GradientObserver` has measured at T moments, for N networks of L layers of weights; float64.

    at: (T,) the moments. steps: (T,) on how many gradients each moment's numbers rest.
    mean: (T, N, L) |m|, m the mean gradient of a layer's weights over these steps and |.| the Euclidean norm.
    deviation: (T, N, L) |s|, s the standard deviation of each weight's gradient over these steps (divisor steps - 1);
        NaN where there were fewer than two.
    weights: (T, N, L) the norm of the weights at the moment.
    """

    at: np.ndarray
    steps: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    weights: np.ndarray

    @property
    def snr(self) -> np.ndarray:
        """(T, N, L) signal-to-noise ratio |m| / |s|; NaN where the deviation is zero or unknown."""
        return np.divide(self.mean, self.deviation, out=np.full_like(self.mean, np.nan), where=self.deviation > 0)

    @property
    def relative_mean(self) -> np.ndarray:
        """(T, N, L) |m| / |w|, the normalisation of the paper's figure."""
        return self.mean / self.weights

    @property
    def relative_deviation(self) -> np.ndarray:
        """(T, N, L) |s| / |w|."""
        return self.deviation / self.weights


class GradientObserver:
    """An `Observer` of a training: mean and standard deviation of the gradients since the last moment, layer by layer.

    Running sums over the steps between two moments (Welford 1962), in float64 where the device has it: a few
    operations on one vector for any number of networks, no second pass. Biases and weight decay are left out. To look
    through windows of w epochs at epoch e, let the schedule hold e - w and e, and read the records at e.

    A batch of B of the n rows, drawn without replacement, has the variance S²/B (1 - B/n) about the full
    gradient, S² being the variance over single rows (divisor n - 1). The batches of one epoch exclude each other, so
    their gradients are anticorrelated: at fixed weights and with equal batches, their mean is the full gradient, and
    the square of `deviation` is on average S²/B exactly. See `batch_deviation` and `example_gradients`.
    """

    def __init__(self) -> None:
        self._steps = 0
        self._mean: Tensor | None = None
        self._squares: Tensor | None = None
        self._rows: list[tuple[int, int, np.ndarray, np.ndarray, np.ndarray]] = []

    def step(self, number: int, gradient: Tensor) -> None:
        """Takes one gradient into the sums."""
        if self._mean is None or self._squares is None:
            wide = torch.float32 if gradient.device.type == "mps" else torch.float64
            self._mean = torch.zeros_like(gradient, dtype=wide)
            self._squares = torch.zeros_like(self._mean)
        self._steps += 1
        difference = gradient - self._mean
        self._mean.add_(difference, alpha=1 / self._steps)
        self._squares.addcmul_(difference, gradient - self._mean)

    def record(self, moment: int, networks: Networks) -> None:
        """Closes the window: keeps its norms, and starts the next one from zero."""
        unknown = np.full((networks.count, networks.depth), np.nan)
        mean = deviation = unknown
        if self._steps and self._mean is not None and self._squares is not None:
            mean = _norms(networks.views(self._mean)[0])
            if self._steps > 1:
                deviation = np.sqrt(_sums(networks.views(self._squares)[0]) / (self._steps - 1))
            self._mean.zero_()
            self._squares.zero_()
        self._rows.append((moment, self._steps, mean, deviation, _norms(networks.weights)))
        self._steps = 0

    def course(self) -> GradientCourse:
        """What was measured at the moments so far. Raises ValueError if there were none."""
        if not self._rows:
            raise ValueError("nothing is recorded yet; give the observer to `train` first, with moments in record_at")
        at, steps, mean, deviation, weights = (np.array(column) for column in zip(*self._rows, strict=True))
        return GradientCourse(at, steps, mean, deviation, weights)

    def state(self) -> dict[str, Any]:
        """The sums and the records, as numpy arrays."""
        sums = None
        if self._mean is not None and self._squares is not None:
            sums = (self._mean.cpu().numpy().copy(), self._squares.cpu().numpy().copy(), str(self._mean.device))
        return {"steps": self._steps, "sums": sums, "rows": list(self._rows)}

    def restore(self, state: dict[str, Any]) -> None:
        """Takes up what `state` returned."""
        self._steps, self._rows = state["steps"], list(state["rows"])
        self._mean = self._squares = None
        if state["sums"] is not None:
            mean, squares, device = state["sums"]
            self._mean, self._squares = torch.from_numpy(mean).to(device), torch.from_numpy(squares).to(device)


def _sums(views: list[Tensor]) -> np.ndarray:
    """(N, L) sum over each layer."""
    return torch.stack([each.detach().flatten(1).sum(1) for each in views], 1).cpu().double().numpy()


def _norms(views: list[Tensor]) -> np.ndarray:
    """(N, L) Euclidean norm of each layer."""
    return torch.stack([each.detach().flatten(1).norm(dim=1) for each in views], 1).cpu().double().numpy()


def batch_deviation(deviation: Any, batch: int, rows: int, *, replacement: bool = False) -> Any:
    """The standard deviation of a batch's mean gradient about the mean of all rows.

    S / √B · √(1 - B/n) for B of n rows drawn without replacement, S the standard deviation over the rows with the
    divisor n - 1; it vanishes for the full batch. With replacement: S / √B · √(1 - 1/n).

    deviation: S, a number, array or tensor of any shape. Raises ValueError or TypeError for a negative deviation, for
    rows < 2, and for a batch outside 1 ... rows (with replacement: below 1).
    """
    rows = whole(rows, "rows", 2)
    batch = whole(batch, "batch", 1, None if replacement else rows)
    left = 1 / rows if replacement else batch / rows
    return real_values(deviation, "deviation", low=0) * math.sqrt((1 - left) / batch)


def transition(at: np.ndarray, snr: np.ndarray, *, level: float = 1.0, hold: int = 3) -> np.ndarray:
    """When gradients turn from drift to diffusion: their signal-to-noise ratio falls below a level and stays there.

    The first of the moments `at` (T,), not before the highest value of `snr` (T, ...), from which `hold` measured
    values in a row lie below `level`. NaN values are passed over. So neither one stray value nor a dip on the way up
    makes a transition.

    Returns an array (...): the moment as float, NaN where there is none. Raises ValueError for shapes that do not fit,
    TypeError or ValueError unless hold is a whole number of at least 1.
    """
    hold = whole(hold, "hold", 1)
    at, snr = np.asarray(at, dtype=np.float64), np.asarray(snr, dtype=np.float64)
    if at.ndim != 1 or snr.shape[:1] != at.shape:
        raise ValueError(f"snr has shape {snr.shape}; its first axis must be the {at.shape} moments of at")
    flat = snr.reshape(len(at), -1)
    found = np.full(flat.shape[1], np.nan)
    for i, course in enumerate(flat.T):
        known = ~np.isnan(course)
        if known.sum() >= hold:
            below = course[known] < level
            runs = np.asarray(np.lib.stride_tricks.sliding_window_view(below, hold).all(1))
            runs[: course[known].argmax()] = False
            if runs.any():
                found[i] = at[known][runs.argmax()]
    return found.reshape(snr.shape[1:])

"""Watching a training from inside, step by step."""

from typing import Any, Protocol

from torch import Tensor

from layerlab.nets import Networks


class Observer(Protocol):
    """What watches a training step by step.

    step: called with the number of the step, from 0, and the gradient of the mean loss of its batch, laid out like
        `networks.storage`, masked weights zero, weight decay not added yet. It is a buffer: copy what is to be kept,
        change nothing.
    record: called with (moment, networks) at each moment of the schedule.
    state, restore: its memory as plain numbers and numpy arrays, for the checkpoint.
    """

    def step(self, number: int, gradient: Tensor) -> None: ...

    def record(self, moment: int, networks: Networks) -> None: ...

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> None: ...

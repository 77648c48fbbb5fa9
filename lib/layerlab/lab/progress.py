"""Telling a reader how far a computation is, and letting them stop it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Cancelled(Exception):
    """The reader cancelled the run."""


class Progress:
    """Called as `progress(done, total, note)` by a running experiment; raises `Cancelled` after `cancel()`.

    `listener(done, total, note)` hears of it, at most every `interval` seconds, and always of the last step.
    It may be called from any thread.
    """

    def __init__(self, listener: Callable[[float, float, str], None] | None = None, *, interval: float = 0.1) -> None:
        self._listener = listener
        self._interval = interval
        self._heard = -float("inf")
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Make the next report raise `Cancelled`."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled.is_set()

    def __call__(self, done: float, total: float, note: str = "") -> None:
        if self._cancelled.is_set():
            raise Cancelled("the run was cancelled")
        now = time.monotonic()
        if self._listener is not None and (done >= total or now - self._heard >= self._interval):
            self._heard = now
            self._listener(done, total, note)

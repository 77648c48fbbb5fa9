"""One live run in a thread of its own: it waits for its turn on an accelerator, reports, and can be cancelled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from layerlab.lab import Cancelled, Config, Experiment, Progress, Run, accelerator_queue, devices, execute
from layerlab.lab.estimate import record


@dataclass(frozen=True)
class Listener:
    """What a job tells, each from the job's thread: exactly one of `finished`, `failed` and `cancelled` comes, last."""

    waiting: Callable[[str, int], None]
    started: Callable[[str], None]
    progress: Callable[[float, float, str], None]
    finished: Callable[[Run], None]
    failed: Callable[[BaseException], None]
    cancelled: Callable[[], None]


class Job:
    """A run of an experiment on a device, from `start()` on."""

    def __init__(self, experiment: Experiment, config: Config, device: str, listener: Listener) -> None:
        self.experiment, self.config, self.device = experiment, config, device
        self._listener = listener
        self._progress = Progress(listener.progress, interval=0.15)
        self._thread = threading.Thread(target=self._work, name=f"layerlab {experiment.name}", daemon=True)

    def start(self) -> None:
        """Begin, in the background."""
        self._thread.start()

    def cancel(self) -> None:
        """Stop at the next report of progress, or at once while waiting in the queue."""
        self._progress.cancel()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end; False if it has not come within `timeout` seconds."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            run = self._run()
        except Cancelled:
            self._listener.cancelled()
        except BaseException as error:  # whatever a run raises belongs in its widget, not into the page
            self._listener.failed(error)
        else:
            self._listener.finished(run)

    def _run(self) -> Run:
        device = devices.resolve(self.device)

        def queued(ahead: int) -> None:
            self._stop_if_cancelled()
            if ahead:
                self._listener.waiting(device, ahead)

        with accelerator_queue(device, queued):
            self._stop_if_cancelled()
            self._listener.started(device)
            run = execute(self.experiment, self.config, device, self._progress)
        record(self.experiment, run.provenance)
        self._stop_if_cancelled()
        return run

    def _stop_if_cancelled(self, *_: Any) -> None:
        if self._progress.cancelled:
            raise Cancelled("the run was cancelled")

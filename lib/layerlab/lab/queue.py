"""One live run at a time on an accelerator: the others wait in a line, and each knows its place in it."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from layerlab.lab import paths


@contextlib.contextmanager
def accelerator_queue(
    device: str, on_position: Callable[[int], None] | None = None, *, poll: float = 0.2
) -> Iterator[None]:
    """Hold the accelerator for the body of the `with`; on the cpu, do nothing.

    Every waiting run, of any process of this user, has a ticket: a locked file named by its time of arrival. The
    operating system drops the lock of a process that dies, so a crashed run never blocks the line.
    `on_position(n)` hears how many runs are ahead, 0 when it is this one's turn; what it raises (`Cancelled`) leaves
    the line.
    """
    if device == "cpu":
        yield
        return
    folder = paths.cache() / "queue" / device
    folder.mkdir(parents=True, exist_ok=True)
    ticket = folder / f"{time.time_ns():020d}-{os.getpid()}-{uuid.uuid4().hex[:8]}.ticket"
    lock = FileLock(ticket)
    lock.acquire()
    try:
        while ahead := _ahead(ticket):
            if on_position is not None:
                on_position(ahead)
            time.sleep(poll)
        if on_position is not None:
            on_position(0)
        yield
    finally:
        lock.release()
        ticket.unlink(missing_ok=True)


def _ahead(ticket: Path) -> int:
    """How many living tickets came before this one; those of dead processes are removed."""
    ahead = 0
    for other in sorted(ticket.parent.glob("*.ticket")):
        if other.name >= ticket.name:
            break
        probe = FileLock(other)
        try:
            probe.acquire(timeout=0)
        except Timeout:
            ahead += 1
        except OSError:
            continue
        else:
            probe.release()
            other.unlink(missing_ok=True)
    return ahead

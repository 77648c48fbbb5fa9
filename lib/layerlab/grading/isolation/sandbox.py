"""One submission's process: requests go in, plain data comes out, limits end it."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from layerlab.grading.isolation import watch, wire
from layerlab.grading.isolation.backends import Backend
from layerlab.grading.isolation.channel import Channel, Ended, Flood, printable
from layerlab.grading.isolation.limits import CellRun, Limits, NoIsolation, Stopped, StudentError, Usage

STARTING = 60.0  # seconds for the interpreter and numpy: only a machine that is out of order needs them
ENDING = 2.0  # seconds between a closed connection and the end of its process
PERIOD = 0.05  # seconds between two looks at what the processes use
TEXT = 4000  # characters of an error
BROKEN = 70  # the runner's own exit status
# a cell or call may use its seconds of CPU time, however busy the machine is; one that waits is ended after so many
# times as many seconds by the clock
PATIENCE = 8
NO_LIMIT = float("inf")
INTERFERED = "its code interfered with what runs it"


class Sandbox:
    """A process for one submission, started at once and without waiting, so that it can be kept warm.

    Use it from one thread, and start it from a thread that lives as long: when the starting thread ends, the kernel
    ends the sandbox. modules: what the student's code will import, which some backends have in memory from the start.
    After `Stopped` it is dead. Raises OSError where the backend's program cannot be started; the first method used
    raises NoIsolation where it started and failed.
    """

    def __init__(
        self,
        backend: Backend,
        limits: Limits | None = None,
        withheld: Sequence[str] = (),
        modules: Sequence[str] = (),
    ) -> None:
        self.limits = limits or Limits()
        self._started = backend.start(self.limits, withheld, modules)
        self._channel = Channel(self._started.streams, self.limits)
        self._wall, self._peak, self._cpu = 0.0, 0.0, 0.0
        # CPU seconds for the answer that is waited for; what all may have used by then, from the watcher's next look on
        self._allowed, self._most = NO_LIMIT, NO_LIMIT
        self._number, self._ready, self._reason = 0, False, ""
        self._first: set[int] = set()  # bubblewrap's, which the others do not outlive
        self._pids: set[int] = set()
        self._over = False  # nothing of it is left
        self._closing = threading.Event()
        self._watcher: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, cells: Sequence[tuple[str, str]], variant: Mapping[str, Any], name: str) -> tuple[CellRun, ...]:
        """Run (label, code) cells in order in the notebook's namespace; an exception does not stop the next.

        variant: the attributes of what `open_assignment` gives to the student's code, name: its name. What was printed
        is kept per cell, its beginning. Raises Stopped, with the label as `at`, where a limit ends it all.
        """
        try:
            self._ask({"op": "open", "variant": dict(variant), "name": name}, self.limits.cell_seconds, "")
        except StudentError:  # earlier cells have broken what this needs
            raise self._stop(INTERFERED) from None
        runs = []
        for label, code in cells:
            self._channel.forget()
            try:
                error = self._ask({"op": "run", "label": label, "code": code}, self.limits.cell_seconds, label)
                self._channel.drain()
            except StudentError as raised:  # what runs the cell was itself tampered with
                error = str(raised)
            except Flood as flood:
                raise self._stop(str(flood), label) from None
            runs.append(CellRun(label, printable(self._of(str, error, label))[:TEXT], self._channel.text()))
        return tuple(runs)

    def kinds(self, names: Sequence[str]) -> dict[str, str]:
        """Whether each name is now bound to a "function" (anything callable), a "value", or is "missing"."""
        try:
            found = self._ask({"op": "kinds", "names": list(names)}, self.limits.call_seconds, "")
        except StudentError:
            raise self._stop(INTERFERED) from None
        if (
            type(found) is not dict
            or list(found) != list(dict.fromkeys(names))
            or not all(type(kind) is str and kind in {"function", "value", "missing"} for kind in found.values())
        ):
            raise self._stop(INTERFERED)
        return found

    def call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """What the student's function gives back for plain arguments, as plain data.

        Raises StudentError for an exception or data that is not plain, Stopped for a limit, and NotPlain where the
        arguments are not plain data.
        """
        request = {"op": "call", "name": name, "args": list(args), "kwargs": kwargs}
        return self._ask(request, self.limits.call_seconds, name)

    def value(self, name: str) -> Any:
        """The plain data that a name is bound to; raises as `call` does."""
        return self._ask({"op": "value", "name": name}, self.limits.call_seconds, name)

    @property
    def usage(self) -> Usage:
        """What it used so far, or in all after its end; zero CPU and memory where a container engine does not tell."""
        if not self._over and self._started.watched:
            self._look()
        return Usage(self._cpu, self._wall, self._peak)

    def close(self) -> None:
        """End it: after this no process of the sandbox is left."""
        self._stop("it is closed")

    def _ask(self, request: dict[str, Any], seconds: float, at: str) -> Any:
        """Send a request, wait for its answer; the value, StudentError or Stopped."""
        if self._over:
            raise Stopped(self._reason, at)
        data = wire.frame(wire.pack({"id": self._number, **request}))
        self._wait_until_ready()
        answer = self._exchange(data, seconds, at)
        number, self._number = self._number, self._number + 1
        if type(answer) is not dict or type(answer.get("id")) is not int or answer["id"] != number:
            raise self._stop(INTERFERED, at)
        if set(answer) == {"id", "value"}:
            return answer["value"]
        error = self._of(list, answer.get("error"), at)
        if len(error) != 2:
            raise self._stop(INTERFERED, at)
        raise StudentError(*(printable(self._of(str, part, at))[:TEXT] for part in error))

    def _exchange(self, data: bytes, seconds: float, at: str) -> Any:
        """One message for another, within the time; all that can go wrong is a reason to stop."""
        begin = time.monotonic()
        longest = PATIENCE * seconds
        left = self.limits.wall_seconds - self._wall if self._ready else longest
        self._allowed, self._most = seconds, NO_LIMIT
        try:
            return wire.unpack(self._channel.exchange(data, min(longest, left)))
        except TimeoutError:
            reason = f"it took longer than {longest:g} s by the clock"
            if left < longest:
                reason = f"it ran longer than {self.limits.wall_seconds:g} s in all"
            raise self._stop(reason, at) from None
        except Ended:
            raise self._stop(self._ended(), at) from None
        except Flood as flood:
            raise self._stop(str(flood), at) from None
        except wire.Malformed:
            raise self._stop(INTERFERED, at) from None
        finally:
            self._allowed, self._most = NO_LIMIT, NO_LIMIT
            self._wall += time.monotonic() - begin

    def _of(self, kind: type, value: Any, at: str) -> Any:
        """The value, if it is of exactly this type; otherwise the end."""
        if type(value) is not kind:
            raise self._stop(INTERFERED, at)
        return value

    def _wait_until_ready(self) -> None:
        """The first answer comes by itself, before any student's code; then the watch begins."""
        if self._ready:
            return
        try:
            self._exchange(b"", STARTING, "")
        except Stopped as stopped:
            said = self._channel.text().strip().splitlines()
            raise NoIsolation(f"a sandbox did not start: {(said or [stopped.reason])[-1]}") from None
        self._ready, self._wall = True, 0.0
        if self._started.watched:
            self._first = set(self._look().pids)
            self._watcher = threading.Thread(target=self._watch, name="layerlab-watch", daemon=True)
            self._watcher.start()

    def _ended(self) -> str:
        """Why the process hung up."""
        self._stop_watching()
        if self._reason:  # the watcher's
            return self._reason
        end = time.monotonic() + ENDING
        while (ended := self._started.ended()) is None:
            if time.monotonic() > end:
                return "the process closed its connection"
            time.sleep(0.002)
        status = ended.status
        number = -status if status < 0 else status - 128  # as its own end, or as its parent reports it
        if number == signal.SIGXCPU:
            return f"it used more than {self.limits.cpu_seconds:g} s of CPU time"
        if number > 0:
            return f"the process was ended by signal {number}"
        return INTERFERED if status == BROKEN else f"the process ended by itself with status {status}"

    def _stop(self, reason: str, at: str = "") -> Stopped:
        """Kill everything, once; the exception to raise, with the first reason."""
        if not self._over:
            self._stop_watching()
            self._reason = self._reason or reason
            if self._started.watched and self._started.ended() is None:
                self._look()
            ended = self._started.end()
            if ended and self._started.watched:
                self._cpu = max(self._cpu, ended.cpu_seconds)
            watch.until_gone(self._pids, ENDING)
            self._over = True
            self._started.release()
            with contextlib.suppress(Flood):
                self._channel.drain()  # what bubblewrap or the runner said last
            self._channel.close()
        return Stopped(self._reason, at)

    def _stop_watching(self) -> None:
        self._closing.set()
        if self._watcher is not None:
            self._watcher.join()
            self._watcher = None

    def _look(self) -> watch.Seen:
        seen = watch.look(*self._started.roots())
        self._pids = self._first | set(seen.pids)
        self._cpu = max(self._cpu, seen.cpu_seconds)
        self._peak = max(self._peak, seen.memory_mb, seen.peak_mb)
        return seen

    def _watch(self) -> None:
        """Look at what the processes use, and end them where it is too much."""
        while not self._closing.wait(PERIOD):
            if reason := self._too_much():
                self._reason = reason
                self._started.kill()
                return

    def _too_much(self) -> str:
        limits, roots = self.limits, self._started.roots()
        most, allowed = self._most, self._allowed
        seen = self._look()
        if seen.cpu_seconds > most:
            return f"it ran longer than {allowed:g} s"
        if self._most == NO_LIMIT:
            self._most = seen.cpu_seconds + self._allowed
        if seen.cpu_seconds > limits.cpu_seconds:
            return f"it used more than {limits.cpu_seconds:g} s of CPU time"
        if seen.memory_mb > limits.memory_mb and watch.shared_once(*roots) > limits.memory_mb:
            return f"it used more than {limits.memory_mb} MB of memory"
        if len(seen.pids) > limits.processes + self._started.own:
            return f"it started more than {limits.processes} processes"
        if self._started.disk and watch.inodes(self._started.disk, *roots) > limits.files:
            return f"it made more than {limits.files} files"
        return ""

"""One submission's process: requests go in, plain data comes out, limits end it."""

from __future__ import annotations

import os
import selectors
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from layerlab.grading.isolation import watch, wire
from layerlab.grading.isolation.backends import Backend, Started
from layerlab.grading.isolation.limits import CellRun, Limits, NoIsolation, Stopped, StudentError, Usage

STARTING = 60.0  # seconds for the interpreter and numpy: only a machine that is out of order needs them
PERIOD = 0.05  # seconds between two looks at what the processes use
OWN = 3  # processes of the sandbox itself: two of bubblewrap, one interpreter
CHUNK = 1 << 18
ABSURD = 1000  # times the output that is kept
CPU_SIGNALS = (24, 128 + 24)  # SIGXCPU, as the process's own end or as its parent reports it


class Sandbox:
    """A process for one submission, started at once and without waiting, so that it can be kept warm.

    Use it from one thread, and start it from a thread that lives as long: when the starting thread ends, the kernel
    ends the sandbox. After `Stopped` it is dead. What the student's code prints is kept per cell, up to the limit.
    """

    def __init__(self, backend: Backend, limits: Limits | None = None, withheld: Sequence[str] = ()) -> None:
        self.limits = limits or Limits()
        self.backend = backend
        self._started: Started = backend.start(self.limits, withheld)
        self._process = self._started.process
        assert self._process.stdin and self._process.stdout and self._process.stderr
        self._in, self._out, self._text = (
            stream.fileno() for stream in (self._process.stdin, self._process.stdout, self._process.stderr)
        )
        for descriptor in (self._in, self._out, self._text):
            os.set_blocking(descriptor, False)
        self._received = bytearray()
        self._printed, self._printed_bytes = bytearray(), 0
        self._wall, self._peak, self._cpu = 0.0, 0.0, 0.0
        self._number, self._ready, self._reason = 0, False, ""
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

        Raises Stopped, with the label as `at`, where a limit ends it all.
        """
        self._ask({"op": "open", "variant": dict(variant), "name": name}, STARTING, "")
        runs = []
        for label, code in cells:
            self._printed, self._printed_bytes = bytearray(), 0
            try:
                error = self._ask({"op": "run", "label": label, "code": code}, self.limits.cell_seconds, label)
            except StudentError as raised:  # what runs the cell was itself tampered with
                error = str(raised)
            self._drain(label)
            runs.append(CellRun(label, self._of(str, error, label)[:4000], self._output()))
        return tuple(runs)

    def kinds(self, names: Sequence[str]) -> dict[str, str]:
        """Whether each name is now bound to a "function" (anything callable), a "value", or is "missing"."""
        found = self._ask({"op": "kinds", "names": list(names)}, self.limits.call_seconds, "")
        if (
            type(found) is not dict
            or list(found) != list(dict.fromkeys(names))
            or not all(type(kind) is str and kind in {"function", "value", "missing"} for kind in found.values())
        ):
            raise self._stop("the process broke the protocol")
        return found

    def call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """What the student's function gives back for plain arguments, as plain data.

        Raises StudentError for an exception or data that is not plain, Stopped for a limit.
        """
        request = {"op": "call", "name": name, "args": list(args), "kwargs": kwargs}
        return self._ask(request, self.limits.call_seconds, name)

    def value(self, name: str) -> Any:
        """The plain data that a name is bound to; raises as `call` does."""
        return self._ask({"op": "value", "name": name}, self.limits.call_seconds, name)

    @property
    def usage(self) -> Usage:
        """What it used so far, or in all after its end."""
        if self._process.returncode is None and self._started.watched:
            self._note(watch.look(self._process.pid))
        return Usage(self._cpu, self._wall, self._peak)

    def close(self) -> None:
        """End it: after this no process of the sandbox is left."""
        self._stop("the sandbox is closed")
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream:
                stream.close()

    def _ask(self, request: dict[str, Any], seconds: float, at: str) -> Any:
        """Send a request, wait for its answer; the value, StudentError or Stopped."""
        if self._reason:
            raise Stopped(self._reason, at)
        try:
            data = wire.frame(wire.pack({"id": self._number, **request}))
            self._wait_until_ready()
            answer = self._exchange(data, seconds, at)
        except wire.Malformed:
            raise self._stop("the process broke the protocol", at) from None
        number, self._number = self._number, self._number + 1
        if type(answer) is not dict or type(answer.get("id")) is not int or answer["id"] != number:
            raise self._stop("the process broke the protocol", at)
        if set(answer) == {"id", "value"}:
            return answer["value"]
        error = self._of(list, answer.get("error"), at)
        if len(error) != 2:
            raise self._stop("the process broke the protocol", at)
        raise StudentError(*(_printable(self._of(str, part, at))[:4000] for part in error))

    def _of(self, kind: type, value: Any, at: str) -> Any:
        """The value, if it is of exactly this type; otherwise the end."""
        if type(value) is not kind:
            raise self._stop("the process broke the protocol", at)
        return value

    def _wait_until_ready(self) -> None:
        """The first answer comes by itself, before any student's code; then the watch begins."""
        if self._ready:
            return
        try:
            self._exchange(b"", STARTING, "")
        except Stopped as stopped:
            said = _printable(bytes(self._printed).decode(errors="replace")).strip().splitlines()
            raise NoIsolation(f"a sandbox did not start: {(said or [stopped.reason])[-1]}") from None
        self._ready, self._wall = True, 0.0
        if self._started.watched:
            self._watcher = threading.Thread(target=self._watch, name="layerlab-watch", daemon=True)
            self._watcher.start()

    def _exchange(self, data: bytes, seconds: float, at: str) -> Any:
        """Write all of the data, read one message; text that was printed is read on the way."""
        begin = time.monotonic()
        left = min(seconds, self.limits.wall_seconds - self._wall)
        view = memoryview(data)
        try:
            with selectors.DefaultSelector() as waiting:
                waiting.register(self._out, selectors.EVENT_READ)
                waiting.register(self._text, selectors.EVENT_READ)
                if view:
                    waiting.register(self._in, selectors.EVENT_WRITE)
                while True:
                    rest = begin + left - time.monotonic()
                    ready = {key.fd for key, _ in waiting.select(max(rest, 0.0))}
                    if self._in in ready:
                        view = view[self._write(view) :]
                        if not view:
                            waiting.unregister(self._in)
                    if self._text in ready and not self._drain(at):
                        waiting.unregister(self._text)
                    if self._out in ready and (message := self._take(at)) is not None:
                        return wire.unpack(message)
                    if rest <= 0:
                        raise self._stop(self._too_long(seconds, left), at)
        finally:
            self._wall += time.monotonic() - begin

    def _too_long(self, seconds: float, left: float) -> str:
        if left < seconds:
            return f"it ran longer than {self.limits.wall_seconds:g} s in all"
        return f"it ran longer than {seconds:g} s"

    def _write(self, view: memoryview) -> int:
        try:
            return os.write(self._in, view[:CHUNK])
        except BlockingIOError:
            return 0
        except BrokenPipeError:  # what it said before its end is read first
            return len(view)

    def _take(self, at: str) -> bytes | None:
        """What has arrived of the answer; the message once it is whole."""
        try:
            part = os.read(self._out, CHUNK)
        except BlockingIOError:
            return None
        if not part:
            raise self._stop(self._ended(), at)
        self._received += part
        size = wire.PREFIX.size
        if len(self._received) < size:
            return None
        end = size + wire.length(bytes(self._received[:size]), self.limits.message_mb * 1_000_000)
        if len(self._received) < end:
            return None
        if len(self._received) > end:
            raise wire.Malformed("more than one answer")
        message, self._received = bytes(self._received[size:end]), bytearray()
        return message

    def _drain(self, at: str = "") -> bool:
        """Read what was printed, keep its beginning; False when there will be no more."""
        keep = self.limits.output_kb * 1000
        for _ in range(8):
            try:
                part = os.read(self._text, CHUNK)
            except BlockingIOError:
                return True
            if not part:
                return False
            self._printed += part[: max(0, keep - len(self._printed))]
            self._printed_bytes += len(part)
            if self._printed_bytes > ABSURD * keep:
                raise self._stop(f"it printed more than {ABSURD * keep / 1e6:g} MB", at)
        return True

    def _output(self) -> str:
        text = _printable(bytes(self._printed).decode(errors="replace"))
        return text + ("\n[...]" if self._printed_bytes > len(self._printed) else "")

    def _ended(self) -> str:
        """Why the process is gone."""
        try:
            status = self._process.wait(2.0) if self._process.returncode is None else self._process.returncode
        except subprocess.TimeoutExpired:
            return "the process closed its connection"
        if status in CPU_SIGNALS or -status in CPU_SIGNALS:
            return f"it used more than {self.limits.cpu_seconds:g} s of CPU time"
        if status < 0 or status > 128:
            return f"the process was ended by signal {-status if status < 0 else status - 128}"
        return f"the process ended by itself with status {status}"

    def _stop(self, reason: str, at: str = "") -> Stopped:
        """Kill everything, once; the exception to raise, with the first reason."""
        self._reason = self._reason or reason
        self._closing.set()
        if self._watcher and self._watcher is not threading.current_thread():
            self._watcher.join()
            self._watcher = None
        if self._process.returncode is None:
            if self._started.watched:
                self._note(watch.look(self._process.pid))
            self._started.kill()
            self._reap()
        self._started.release()
        return Stopped(self._reason, at)

    def _reap(self) -> None:
        """Wait for the end, and take the kernel's account of what was used."""
        try:
            _, status, used = os.wait4(self._process.pid, 0)
        except ChildProcessError:
            self._process.wait()
            return
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self._cpu = max(self._cpu, used.ru_utime + used.ru_stime)
        self._peak = max(self._peak, used.ru_maxrss / 1000)

    def _note(self, seen: watch.Seen) -> None:
        self._cpu = max(self._cpu, seen.cpu_seconds)
        self._peak = max(self._peak, seen.memory_mb)

    def _watch(self) -> None:
        """Look at what the processes use, and end them where it is too much."""
        while not self._closing.wait(PERIOD):
            if reason := self._too_much():
                self._reason = self._reason or reason
                self._started.kill()
                return

    def _too_much(self) -> str:
        limits, pid = self.limits, self._process.pid
        seen = watch.look(pid)
        self._note(seen)
        if seen.cpu_seconds > limits.cpu_seconds:
            return f"it used more than {limits.cpu_seconds:g} s of CPU time"
        if seen.memory_mb > limits.memory_mb and watch.shared_once(pid) > limits.memory_mb:
            return f"it used more than {limits.memory_mb} MB of memory"
        if seen.processes > limits.processes + OWN:
            return f"it started more than {limits.processes} processes"
        if self._started.disk and watch.inodes(pid, self._started.disk) > limits.files:
            return f"it made more than {limits.files} files"
        return ""


def _printable(text: str) -> str:
    """Text without control characters and lone surrogates, which a report could not show."""
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)

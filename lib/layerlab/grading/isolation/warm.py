"""The grader's end of forge.py: runners whose libraries are in memory before they start."""

from __future__ import annotations

import atexit
import json
import os
import select
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from typing import IO, Any

from layerlab.grading.isolation.backends import ENVIRONMENT, HERE, Child, End, font_cache, interpreter, site_folders

PATIENCE = 5.0  # seconds for the last word on a process that has been killed
CHUNK = 1 << 12


class Forge:
    """A process that has imported `modules`, but for the withheld ones, and forks into sandboxes."""

    def __init__(self, modules: Sequence[str], withheld: Sequence[str]) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        argument = {"paths": site_folders(), "modules": list(modules), "withheld": list(withheld)}
        environment = ENVIRONMENT | {"HOME": "/nonexistent", "MPLCONFIGDIR": str(font_cache())}
        with theirs:
            self._process = subprocess.Popen(
                [interpreter(), "-I", "-S", str(HERE / "forge.py"), json.dumps(argument)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
                cwd="/",
                start_new_session=True,
            )
        atexit.register(self.close)

    @property
    def running(self) -> bool:
        """Whether it can still be asked."""
        return self._process.poll() is None

    def enter(self, request: dict[str, Any], descriptors: Sequence[int]) -> None:
        """Start a runner in the sandbox that the descriptors tell of, see forge.py; raises OSError where it is gone."""
        with self._lock:
            socket.send_fds(self._ours, [json.dumps(request).encode()], list(descriptors))

    def close(self) -> None:
        """End it; the sandboxes stay."""
        self._ours.close()
        self._process.kill()
        self._process.wait()


_forges: dict[tuple[int, tuple[str, ...], tuple[str, ...]], Forge] = {}
_making = threading.Lock()


def forge(modules: Sequence[str], withheld: Sequence[str]) -> Forge:
    """This process's forge for the modules, kept for as long as it lives; a new one where there is none that runs."""
    key = os.getpid(), tuple(modules), tuple(withheld)
    with _making:
        if key not in _forges or not _forges[key].running:
            _forges[key] = Forge(modules, withheld)
        return _forges[key]


class Entered:
    """A runner that was forked into a sandbox of bubblewrap's."""

    own = 4  # two of bubblewrap, one that holds the namespaces, the runner
    watched = True

    def __init__(
        self,
        sandbox: Child,
        streams: tuple[IO[bytes], IO[bytes], IO[bytes]],
        report: int,
        release: Callable[[], None],
        disk: str,
    ) -> None:
        self.streams, self.disk = streams, disk
        self._sandbox, self._report, self._release = sandbox, report, release
        self._said, self._pid = b"", 0
        self._end: End | None = None

    def roots(self) -> tuple[int, ...]:
        """Bubblewrap and, as soon as it is known, the runner, which is not its child."""
        if not self._pid:
            self._listen(0.0)
        return (self._sandbox.pid, self._pid) if self._pid else (self._sandbox.pid,)

    def ended(self) -> End | None:
        """How the runner ended, or bubblewrap where that started none; None while it runs."""
        return self._end if self._listen(0.0) or self._end else self._sandbox.ended()

    def end(self) -> End | None:
        """Kill the sandbox, whose first process takes all others along, and wait for that."""
        self.kill()
        around = self._sandbox.ended(wait=True)
        give_up = time.monotonic() + PATIENCE
        while self._listen(give_up - time.monotonic()) and time.monotonic() < give_up:
            pass
        if self._end is None or around is None:
            return around
        return End(self._end.status, self._end.cpu_seconds + around.cpu_seconds)

    def kill(self) -> None:
        """Kill the sandbox."""
        self._sandbox.kill()

    def release(self) -> None:
        """Give back what it held."""
        os.close(self._report)
        self._release()

    def _listen(self, seconds: float) -> bool:
        """Read what has been reported; False when there will be no more."""
        if not select.select([self._report], [], [], max(seconds, 0.0))[0]:
            return True
        part = os.read(self._report, CHUNK)
        self._said += part
        *lines, self._said = self._said.split(b"\n")
        for line in map(json.loads, lines):
            if "pid" in line:
                self._pid = line["pid"]
            else:
                self._end = End(line["status"], line["cpu_seconds"])
        return bool(part)

"""What every way to isolate has in common, and the one without isolation."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from layerlab.grading.isolation import watch
from layerlab.grading.isolation.limits import Limits

HERE = Path(__file__).resolve().parent
INSIDE = ("runner.py", "wire.py", "cells.py")  # all of layerlab that the sandbox sees
LIBRARIES_MB = 768  # address space that libraries take without using it as memory
MB = 1_000_000
ENVIRONMENT = {
    "HOME": "/tmp/home",
    "USER": "student",
    "LOGNAME": "student",
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "MPLBACKEND": "Agg",
    "MPLCONFIGDIR": "/tmp/matplotlib",
    "JOBLIB_MULTIPROCESSING": "0",  # no semaphores in a sandbox
    **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")},
}


@dataclass(frozen=True)
class End:
    """How a process ended: its exit status, negative for a signal, and the CPU seconds of all that it waited for."""

    status: int
    cpu_seconds: float


class Started(Protocol):
    """A runner that is starting, with all that it lives in.

    streams: what it reads, its answers, its text. watched: its processes can be seen from here. disk: the folder of all
    its files, as it sees them; '' where they cannot be counted. own: how many processes are there before the student's.
    """

    streams: tuple[IO[bytes], IO[bytes], IO[bytes]]
    watched: bool
    disk: str
    own: int

    def roots(self) -> tuple[int, ...]:
        """The processes that are all of it, together with their descendants."""

    def ended(self) -> End | None:
        """How the runner ended; None while it runs."""

    def end(self) -> End | None:
        """Kill all of it, wait for that; None where nobody can say how the runner ended."""

    def kill(self) -> None:
        """Kill all of it. For a thread that only watches: it does not wait."""

    def release(self) -> None:
        """Give back what it held."""


class Child:
    """A process of ours, with the kernel's account of what it used."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process, self.pid = process, process.pid
        self._end: End | None = None

    def ended(self, *, wait: bool = False) -> End | None:
        """How it ended; None while it runs."""
        if self._end is None:
            # its ru_maxrss would begin with the memory of the grader, from whom it was forked
            pid, status, used = os.wait4(self.pid, 0 if wait else os.WNOHANG)
            if pid:
                self.process.returncode = os.waitstatus_to_exitcode(status)
                self._end = End(self.process.returncode, used.ru_utime + used.ru_stime)
        return self._end

    def kill(self) -> None:
        """Kill it and its descendants."""
        if self._end is None:
            watch.kill(self.pid)


class Alone:
    """A runner that was started as a process of ours: itself, or behind the programs that isolate it."""

    own = 3  # two of bubblewrap, one interpreter

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        release: Callable[[], None] = lambda: None,
        *,
        disk: str = "",
        watched: bool = True,
        kill: Callable[[], None] | None = None,
    ) -> None:
        assert process.stdin and process.stdout and process.stderr
        self.streams = (process.stdin, process.stdout, process.stderr)
        self.release, self.disk, self.watched = release, disk, watched
        self._child = Child(process)
        self._kill = kill or self._child.kill

    def roots(self) -> tuple[int, ...]:
        """The process that was started."""
        return (self._child.pid,)

    def ended(self) -> End | None:
        """How it ended; None while it runs."""
        return self._child.ended()

    def end(self) -> End | None:
        """Kill it, and wait for that."""
        self.kill()
        return self._child.ended(wait=True)

    def kill(self) -> None:
        """Kill it and what it started."""
        self._kill()


class Backend(Protocol):
    """One way to isolate."""

    @property
    def name(self) -> str:
        """What results say of the isolation."""

    def start(self, limits: Limits, withheld: Sequence[str], modules: Sequence[str] = ()) -> Started:
        """Start the runner; raises OSError where the program is missing.

        withheld: modules that cannot be imported. modules: those that may be in memory from the start.
        """


def interpreter() -> str:
    """The Python below any virtual environment."""
    return os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable)


def site_folders() -> list[str]:
    """Where the libraries lie that the student may import."""
    names = {"site-packages", "dist-packages"}
    return [path for path in dict.fromkeys(sys.path) if Path(path).name in names and os.path.isdir(path)]


def settings(
    limits: Limits,
    withheld: Sequence[str],
    *,
    paths: Sequence[str] = (),
    uid: int = 0,
    processes: bool = False,
    alone: bool = False,
) -> dict[str, Any]:
    """What the runner is told: resource limits in the kernel's units, what is withheld, and more.

    paths: added to the search path. uid: the user to become, 0 for none. processes: whether the kernel counts the
    processes of this sandbox alone. alone: refuse to start where layerlab can be found.
    """
    kernel = {
        "CPU": math.ceil(limits.cpu_seconds) + 1,
        "AS": (limits.memory_mb + LIBRARIES_MB) * MB,
        "FSIZE": limits.file_mb * MB,
        "NOFILE": limits.open_files,
        "CORE": 0,
        "MSGQUEUE": 0,
        **({"NPROC": limits.processes} if processes else {}),
    }
    return {"paths": list(paths), "limits": kernel, "withheld": list(withheld), "uid": uid, "alone": alone}


def spawn(
    command: Sequence[str], environment: Mapping[str, str], folder: str = "/", passed: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """A process with three pipes, in a session of its own; `passed` are further descriptors that it inherits."""
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=folder,
        start_new_session=True,
        bufsize=0,
        pass_fds=passed,
    )


def font_cache() -> Path:
    """Where matplotlib keeps its lists of the fonts here, which take it seconds to make."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(os.environ.get("MPLCONFIGDIR") or os.path.join(home, "matplotlib"))


def font_lists() -> list[Path]:
    """The lists."""
    return sorted(font_cache().glob("fontlist-v*.json"))


class Unsafe:
    """A plain process with resource limits: for a teacher's own key, where nothing else is there."""

    name = "none (a plain process with resource limits)"

    def start(self, limits: Limits, withheld: Sequence[str], modules: Sequence[str] = ()) -> Started:
        """Start the runner as this user, in an empty folder that is its home."""
        argument = json.dumps(settings(limits, withheld, paths=site_folders()))
        home = tempfile.TemporaryDirectory(prefix="layerlab-", ignore_cleanup_errors=True)
        fonts = font_lists()
        environment = ENVIRONMENT | {
            "HOME": home.name,
            "TMPDIR": home.name,
            "MPLCONFIGDIR": str(fonts[0].parent) if fonts else home.name,
            watch.MARK: home.name,
        }
        process = spawn([sys.executable, "-I", "-S", str(HERE / INSIDE[0]), argument], environment, home.name)

        def release() -> None:
            watch.kill_marked(home.name, 2.0)  # those that left the process's tree
            home.cleanup()

        return Alone(process, release)

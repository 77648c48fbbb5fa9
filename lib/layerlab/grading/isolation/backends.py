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
from typing import Protocol

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
class Started:
    """A process with pipes on its three standard streams, and what its owner may do with it.

    kill: end it and all that it started. release: give back what it held. watched: its processes can be seen from here.
    disk: the folder of all its files, as it sees them; '' where they cannot be counted.
    """

    process: subprocess.Popen[bytes]
    kill: Callable[[], None]
    release: Callable[[], None]
    watched: bool = True
    disk: str = ""


class Backend(Protocol):
    """One way to isolate."""

    @property
    def name(self) -> str:
        """What results say of the isolation."""

    def start(self, limits: Limits, withheld: Sequence[str]) -> Started:
        """Start the runner; raises OSError where the program is missing."""


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
) -> str:
    """The runner's argument: resource limits in the kernel's units, what is withheld, and more.

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
    given = {"paths": list(paths), "limits": kernel, "withheld": list(withheld), "uid": uid, "alone": alone}
    return json.dumps(given)


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


def font_lists() -> list[Path]:
    """Matplotlib's lists of the fonts here, which take it seconds to make."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    cache = os.environ.get("MPLCONFIGDIR") or os.path.join(home, "matplotlib")
    return sorted(Path(cache).glob("fontlist-v*.json"))


class Unsafe:
    """A plain process with resource limits: for a teacher's own key, where nothing else is there."""

    name = "none (a plain process with resource limits)"

    def start(self, limits: Limits, withheld: Sequence[str]) -> Started:
        """Start the runner as this user, in an empty folder that is its home."""
        argument = settings(limits, withheld, paths=site_folders())
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

        return Started(process, lambda: watch.kill(process.pid), release)

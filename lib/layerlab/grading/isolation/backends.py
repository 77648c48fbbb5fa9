"""The ways to run a process that may be hostile: bubblewrap, a container engine, or (where told so) nothing."""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from layerlab.grading.isolation import watch
from layerlab.grading.isolation.limits import Limits

HERE = Path(__file__).resolve().parent
INSIDE = ("runner.py", "wire.py", "cells.py")  # all of layerlab that the sandbox sees
LIBRARIES_MB = 768  # address space that libraries take without using it as memory
UIDS = range(61184, 65520)  # nobody's, by convention: systemd gives them to services for as long as they run
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
    """A process with pipes on its three standard streams, whether its tree can be watched, and how to end it."""

    process: subprocess.Popen[bytes]
    watched: bool
    kill: Callable[[], None]
    release: Callable[[], None]


class Backend(Protocol):
    """One way to isolate."""

    @property
    def name(self) -> str:
        """What results say of the isolation."""

    def start(self, limits: Limits, withheld: Sequence[str]) -> Started:
        """Start the runner; raises OSError where the program is missing."""


def site_folders() -> list[str]:
    """Where the libraries lie that the student may import."""
    return [
        p for p in dict.fromkeys(sys.path) if Path(p).name in {"site-packages", "dist-packages"} and Path(p).is_dir()
    ]


def settings(limits: Limits, withheld: Sequence[str], uid: int = 0, processes: bool = True) -> str:
    """The runner's argument: search path, resource limits in the kernel's units, what is withheld, which user to be."""
    mb = 1_000_000
    kernel = {
        "CPU": math.ceil(limits.cpu_seconds) + 1,
        "AS": (limits.memory_mb + LIBRARIES_MB) * mb,
        "FSIZE": limits.file_mb * mb,
        "NOFILE": limits.open_files,
        "CORE": 0,
        "MSGQUEUE": 0,
    }
    if processes:
        kernel["NPROC"] = limits.processes
    return json.dumps({"paths": site_folders(), "limits": kernel, "withheld": list(withheld), "uid": uid})


def spawn(command: Sequence[str], environment: dict[str, str], folder: str = "/") -> subprocess.Popen[bytes]:
    """A process with three pipes, in a session of its own."""
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, cwd=folder, start_new_session=True, bufsize=0
    )


class Unsafe:
    """A plain process with resource limits: for a teacher's own key, where nothing else is there."""

    name = "none: a plain process with resource limits"

    def start(self, limits: Limits, withheld: Sequence[str]) -> Started:
        """Start the runner as this user, in an empty folder that is its home."""
        command = [sys.executable, "-I", "-S", str(HERE / INSIDE[0]), settings(limits, withheld, processes=False)]
        home = tempfile.TemporaryDirectory(prefix="layerlab-", ignore_cleanup_errors=True)
        fonts = {"MPLCONFIGDIR": str(_font_caches()[0].parent) if _font_caches() else home.name}
        process = spawn(command, ENVIRONMENT | {"HOME": home.name, "TMPDIR": home.name} | fonts, home.name)
        return Started(process, True, lambda: watch.kill(process.pid), home.cleanup)


class Bubblewrap:
    """Namespaces by bubblewrap: no network, no other process, and of the files only programs and libraries."""

    name = "bubblewrap"

    def __init__(self, program: str) -> None:
        self.program = program

    def start(self, limits: Limits, withheld: Sequence[str]) -> Started:
        """Start the runner in a namespace of its own; as root, under a user id that no other sandbox has now."""
        lock = _own_uid() if os.geteuid() == 0 else None
        try:
            process = spawn(self.command(limits, withheld, lock[0] if lock else 0), {})
        except BaseException:
            if lock:
                lock[1].close()
            raise
        return Started(process, True, lambda: watch.kill(process.pid), lock[1].close if lock else lambda: None)

    def command(self, limits: Limits, withheld: Sequence[str], uid: int) -> list[str]:
        """The whole command line; `uid` 0 stands for a user namespace of this user."""
        executable, base = _interpreter()
        options = [self.program, "--die-with-parent", "--new-session", "--clearenv", "--hostname", "sandbox"]
        if uid:  # a user namespace would leave the student's process the host's root: drop to a user instead
            options += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
            options += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
        else:
            options += ["--unshare-all", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL"]
        for name, value in ENVIRONMENT.items():
            options += ["--setenv", name, value]
        options += ["--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev"]
        for folder in ("/bin", "/sbin", "/lib", "/lib32", "/lib64"):
            if os.path.islink(folder):
                options += ["--symlink", os.readlink(folder), folder]
            elif os.path.isdir(folder):
                options += ["--ro-bind", folder, folder]
        for path in ("/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/nix/store", "/gnu/store"):
            options += ["--ro-bind-try", path, path]
        bound = ["/usr"]
        for folder in [*base, *site_folders()]:
            if not any(Path(folder).is_relative_to(other) for other in bound):
                options += [*_way_to(folder), "--ro-bind", folder, folder]
                bound.append(folder)
        options += [*_masks(withheld), *_way_to("/runner/runner.py")]
        for name in INSIDE:
            options += ["--ro-bind", str(HERE / name), f"/runner/{name}"]
        options += ["--perms", "1777", "--size", str(limits.disk_mb * 1_000_000), "--tmpfs", "/tmp"]
        for folder in (ENVIRONMENT["HOME"], ENVIRONMENT["MPLCONFIGDIR"]):
            options += ["--perms", "0777", "--dir", folder]
        for fonts in _font_caches():
            options += ["--ro-bind", str(fonts), f"{ENVIRONMENT['MPLCONFIGDIR']}/{fonts.name}"]
        options += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", ENVIRONMENT["HOME"]]
        return [*options, "--", executable, "-I", "-S", "/runner/runner.py", settings(limits, withheld, uid)]


def _way_to(path: str) -> list[str]:
    """The folders above a path, made so that every user may pass: bubblewrap's own would be for root alone."""
    above = [str(parent) for parent in reversed(Path(path).parents) if parent != Path("/")]
    return [word for parent in above for word in ("--perms", "0755", "--dir", parent)]


def _interpreter() -> tuple[str, list[str]]:
    """The interpreter below any virtual environment, and its folders of programs and libraries."""
    executable = os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable)
    folders = [Path(sys.base_prefix, name) for name in ("bin", "lib", "lib64")]
    return executable, [str(folder) for folder in folders if folder.is_dir() and not folder.is_symlink()]


def _masks(withheld: Sequence[str]) -> list[str]:
    """Empty mounts over layerlab, where it lies among the libraries, and over the withheld modules."""
    options = []
    for root in map(Path, site_folders()):
        for name in ("layerlab", *withheld):
            path = root.joinpath(*name.split("."))
            if path.is_dir():
                options += ["--tmpfs", str(path), "--remount-ro", str(path)]
            for file in [*path.parent.glob(f"{path.name}.*"), *(path.parent / "__pycache__").glob(f"{path.name}.*")]:
                options += ["--ro-bind", os.devnull, str(file)]
    return options


def _font_caches() -> list[Path]:
    """Matplotlib's lists of fonts, which take it seconds to make."""
    cache = os.environ.get("MPLCONFIGDIR") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "matplotlib"
    )
    return sorted(Path(cache).glob("fontlist-v*.json"))


def _own_uid() -> tuple[int, socket.socket]:
    """A user id for one sandbox, held by the name of a socket: the kernel frees it, whatever becomes of us."""
    for uid in UIDS:
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind(f"\0layerlab-sandbox-{uid}")
        except OSError:
            lock.close()
            continue
        return uid, lock
    raise OSError(f"all {len(UIDS)} user ids for sandboxes are in use")

"""Isolation by bubblewrap: namespaces, no privileges, and of the machine's files only programs and libraries."""

from __future__ import annotations

import os
import platform
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from layerlab.grading.isolation import seccomp, watch
from layerlab.grading.isolation.backends import (
    ENVIRONMENT,
    HERE,
    INSIDE,
    MB,
    Started,
    font_lists,
    settings,
    site_folders,
    spawn,
)
from layerlab.grading.isolation.limits import Limits

UIDS = range(61184, 65520)  # nobody's, by convention: systemd gives them to services for as long as they run
COUNTED_APART = (5, 14)  # the Linux that counts a user's processes in each user namespace by itself
OPEN_PLACES = ("/usr/home", "/usr/local", "/usr/src", "/usr/share")  # below /usr, where people keep their own files
PACKAGES = ("lib*/python3*/*-packages", "local/lib*/python3*/*-packages")  # below /usr: the distribution's own


class Bubblewrap:
    """No network, no other process, no home, nothing of the course; the student's code has no rights at all."""

    name = "bubblewrap"

    def __init__(self, program: str) -> None:
        self.program = program

    def start(self, limits: Limits, withheld: Sequence[str]) -> Started:
        """Start the runner in a namespace of its own; as root, under a user id that no other sandbox has now.

        Raises OSError where bubblewrap is missing, or on a machine whose system calls are not known here.
        """
        lock = _own_uid() if os.geteuid() == 0 else None
        passed = []
        try:
            passed = [_filter()]
            command = self.command(limits, withheld, lock[0] if lock else 0, passed[0])
            process = spawn(command, {}, passed=passed)
        except BaseException:
            if lock:
                lock[1].close()
            raise
        finally:
            for descriptor in passed:
                os.close(descriptor)
        release = lock[1].close if lock else lambda: None
        return Started(process, lambda: watch.kill(process.pid), release, disk="/tmp")

    def command(self, limits: Limits, withheld: Sequence[str], uid: int, seccomp_filter: int) -> list[str]:
        """The whole command line; `uid` 0 stands for a user namespace of this user."""
        executable, base = _interpreter()
        apart = tuple(int(n) for n in platform.release().split("-")[0].split(".")[:2]) >= COUNTED_APART
        argument = settings(limits, withheld, paths=site_folders(), uid=uid, processes=bool(uid) or apart)
        options = [self.program, "--die-with-parent", "--new-session", "--clearenv", "--hostname", "sandbox"]
        options += ["--seccomp", str(seccomp_filter), "--cap-drop", "ALL"]
        if uid:  # a user namespace would leave the student's process the host's root: drop to a user instead
            options += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
            options += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
        else:
            options += ["--unshare-all", "--uid", "1000", "--gid", "1000"]
        for name, value in ENVIRONMENT.items():
            options += ["--setenv", name, value]
        # the libraries may themselves lie below /tmp
        options += [*_system(), "--perms", "1777", "--size", str(limits.disk_mb * MB), "--tmpfs", "/tmp"]
        options += [*_libraries([*base, *site_folders()]), *_masks(withheld), *_way_to("/runner/runner.py")]
        for name in INSIDE:
            options += ["--ro-bind", str(HERE / name), f"/runner/{name}"]
        for folder in (ENVIRONMENT["HOME"], ENVIRONMENT["MPLCONFIGDIR"]):
            options += ["--perms", "0777", "--dir", folder]
        for fonts in font_lists():
            options += ["--ro-bind", str(fonts), f"{ENVIRONMENT['MPLCONFIGDIR']}/{fonts.name}"]
        options += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", ENVIRONMENT["HOME"]]
        return [*options, "--", executable, "-I", "-S", "/runner/runner.py", argument]


def _filter() -> int:
    """A descriptor that the filter of system calls can be read from."""
    program = seccomp.program(platform.machine())
    reading, writing = os.pipe()
    os.write(writing, program)
    os.close(writing)
    return reading


def _system() -> list[str]:
    options = ["--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev"]
    for path in ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus"):  # the kernel's switches
        options += ["--ro-bind-try", path, path]
    for folder in ("/bin", "/sbin", "/lib", "/lib32", "/lib64"):
        if os.path.islink(folder):
            options += ["--symlink", os.readlink(folder), folder]
        elif os.path.isdir(folder):
            options += ["--ro-bind", folder, folder]
    options += ["--perms", "0755", "--dir", "/etc"]
    for path in ("/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/nix/store", "/gnu/store"):
        options += ["--ro-bind-try", path, path]
    return options


def _libraries(folders: Sequence[str]) -> list[str]:
    """The interpreter's folders and those of its libraries, and empty mounts where people's files lie below /usr."""
    own = [str(path) for path in (Path.cwd(), Path.home(), HERE.parents[1], HERE.parents[3] / "exercises")]
    hidden = [
        path for path in own if os.path.isdir(path) and any(Path(path).is_relative_to(place) for place in OPEN_PLACES)
    ]
    hidden = [path for path in hidden if path not in OPEN_PLACES]
    options = [word for path in hidden for word in ("--tmpfs", path)]
    bound = ["/usr"]
    for folder in folders:
        inside = [other for other in [*bound, *hidden] if Path(folder).is_relative_to(other)]
        if not inside or max(inside, key=len) in hidden:
            options += [*_way_to(folder), "--ro-bind", folder, folder]
            bound.append(folder)
    return options


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
    """Empty mounts over layerlab and the withheld modules, wherever they lie among the libraries that can be read."""
    options = []
    others = [path for pattern in PACKAGES for path in Path("/usr").glob(pattern) if path.is_dir()]
    for root in dict.fromkeys([*map(Path, site_folders()), *others]):
        for name in ("layerlab", *withheld):
            path = root.joinpath(*name.split("."))
            if path.is_dir():
                options += ["--tmpfs", str(path), "--remount-ro", str(path)]
            for file in [*path.parent.glob(f"{path.name}.*"), *(path.parent / "__pycache__").glob(f"{path.name}.*")]:
                options += ["--ro-bind", os.devnull, str(file)]
    return options


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

"""Isolation by bubblewrap: namespaces, no privileges, and of the machine's files only programs and libraries."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from layerlab.grading.isolation import seccomp, warm
from layerlab.grading.isolation.backends import (
    ENVIRONMENT,
    HERE,
    INSIDE,
    MB,
    Alone,
    Child,
    Started,
    font_lists,
    interpreter,
    settings,
    site_folders,
    spawn,
)
from layerlab.grading.isolation.limits import Limits

UIDS = range(61184, 65520)  # nobody's, by convention: systemd gives them to services for as long as they run
COUNTED_APART = (5, 14)  # the Linux that counts a user's processes in each user namespace by itself
OPEN_PLACES = ("/usr/home", "/usr/local", "/usr/src", "/usr/share")  # below /usr, where people keep their own files
HOLD = "import os, signal; os.write(1, b'.'); os.closerange(0, 3); signal.pause()"
PACKAGES = ("lib*/python3*/*-packages", "local/lib*/python3*/*-packages")  # below /usr: the distribution's own


class Bubblewrap:
    """No network, no other process, no home, nothing of the course; the student's code has no rights at all.

    warm: fork the runner into the sandbox from a process that has the libraries in memory; else bubblewrap executes it,
    and it imports them anew. Both end up in the same namespaces, with the same rights, limits and filter.
    """

    name = "bubblewrap"

    def __init__(self, program: str, *, warm: bool = True) -> None:
        self.program, self.warm = program, warm

    def start(self, limits: Limits, withheld: Sequence[str], modules: Sequence[str] = ()) -> Started:
        """Start the runner in namespaces of its own; as root, under a user id that no other sandbox has now.

        Raises OSError where bubblewrap is missing, or on a machine whose system calls are not known here.
        """
        steps = seccomp.program(platform.machine())
        with contextlib.ExitStack() as undo:
            uid, release = 0, _nothing
            if os.geteuid() == 0:
                uid, lock = _own_uid()
                release = undo.enter_context(contextlib.closing(lock)).close
            reading, writing = os.pipe()
            with os.fdopen(reading), os.fdopen(writing, "wb") as filter_in:
                filter_in.write(steps)
                filter_in.close()
                # the right to become the user, where it is the runner itself that bubblewrap starts
                rights = ("CAP_SETUID", "CAP_SETGID") if uid and not self.warm else ()
                command = self.command(limits, withheld, uid, reading, rights)
                paths = () if self.warm else site_folders()
                config = settings(limits, withheld, paths=paths, uid=uid, processes=_counted_apart(uid))
                if self.warm:
                    request = {"config": config, "environment": ENVIRONMENT, "filter": steps.hex()}
                    started = _forked(command, reading, warm.forge(modules, withheld), request, release)
                else:
                    command += ["--", interpreter(), "-I", "-S", "/runner/runner.py", json.dumps(config)]
                    started = Alone(spawn(command, {}, passed=[reading]), release, disk="/tmp")
            undo.pop_all()
        return started

    def command(
        self, limits: Limits, withheld: Sequence[str], uid: int, seccomp_filter: int, rights: Sequence[str] = ()
    ) -> list[str]:
        """The command line up to what is to be run; `uid` 0 stands for a user namespace of this user."""
        options = [self.program, "--die-with-parent", "--new-session", "--clearenv", "--hostname", "sandbox"]
        options += ["--seccomp", str(seccomp_filter), "--cap-drop", "ALL"]
        if uid:  # a user namespace would leave the student's process the host's root: drop to a user instead
            options += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
        else:
            options += ["--unshare-all", "--uid", "1000", "--gid", "1000"]
        for right in rights:
            options += ["--cap-add", right]
        for name, value in ENVIRONMENT.items():
            options += ["--setenv", name, value]
        # the libraries may themselves lie below /tmp
        options += [*_system(), "--perms", "1777", "--size", str(limits.disk_mb * MB), "--tmpfs", "/tmp"]
        options += [*_libraries([*_programs(), *site_folders()]), *_masks(withheld), *_way_to("/runner/runner.py")]
        for name in INSIDE:
            options += ["--ro-bind", str(HERE / name), f"/runner/{name}"]
        for folder in (ENVIRONMENT["HOME"], ENVIRONMENT["MPLCONFIGDIR"]):
            options += ["--perms", "0777", "--dir", folder]
        for fonts in font_lists():
            options += ["--ro-bind", str(fonts), f"{ENVIRONMENT['MPLCONFIGDIR']}/{fonts.name}"]
        # of /proc as well: the memory of a process of the same user, which may be under no filter, is a file there
        for place in ("/proc", "/dev", "/"):
            options += ["--remount-ro", place]
        return [*options, "--chdir", ENVIRONMENT["HOME"]]


def _forked(
    command: Sequence[str],
    seccomp_filter: int,
    forge: warm.Forge,
    request: dict[str, Any],
    release: Callable[[], None],
) -> Started:
    """Bubblewrap's command holds the namespaces, and the runner is forked into them."""
    (
        (requests, asking),
        (answering, answers),
        (reading, text),
        (about, says),
        (ready, setting_up),
        (heard, report),
    ) = (os.pipe() for _ in range(6))
    given = (requests, answers, text, about, ready, report)
    with contextlib.ExitStack() as undo, contextlib.ExitStack() as handed_over:
        for descriptor in (*given, says, setting_up):
            handed_over.callback(os.close, descriptor)
        streams = (
            undo.enter_context(os.fdopen(asking, "wb", buffering=0)),
            undo.enter_context(os.fdopen(answering, "rb", buffering=0)),
            undo.enter_context(os.fdopen(reading, "rb", buffering=0)),
        )
        undo.callback(os.close, heard)
        process = subprocess.Popen(
            [*command, "--info-fd", str(says), "--", interpreter(), "-I", "-S", "-c", HOLD],
            stdin=subprocess.DEVNULL,
            stdout=setting_up,
            stderr=text,
            env={},
            cwd="/",
            start_new_session=True,
            pass_fds=[says, seccomp_filter],
        )
        child = Child(process)
        undo.callback(child.ended, wait=True)
        undo.callback(child.kill)
        forge.enter(request, given)
        undo.pop_all()
    return warm.Entered(child, streams, heard, release, disk="/tmp")


def _nothing() -> None:
    pass


def _counted_apart(uid: int) -> bool:
    """Whether the kernel counts the processes of a sandbox by themselves."""
    return bool(uid) or tuple(int(n) for n in platform.release().split("-")[0].split(".")[:2]) >= COUNTED_APART


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


def _programs() -> list[str]:
    """The interpreter's folders of programs and libraries."""
    folders = [Path(sys.base_prefix, name) for name in ("bin", "lib", "lib64")]
    return [str(folder) for folder in folders if folder.is_dir() and not folder.is_symlink()]


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

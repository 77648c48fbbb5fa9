"""What starts students' processes with their libraries in memory: it has imported them, and forks into sandboxes.

A script of its own, like runner.py, which it imports; it runs outside, as the grader's user, knows nothing but names of
modules, and never runs a student's code. For each start it forks. The child waits until bubblewrap has set a sandbox
up, enters its namespaces, forks again (a process cannot change the namespace of its own id), and waits for the second
child's end. The second child gives up every right and becomes the runner: from the first line of a student's code on it
is where bubblewrap would have started it, and what it shared with other submissions is memory from before all of them.
"""

from __future__ import annotations

import ctypes
import fcntl
import gc
import importlib
import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any, NoReturn

NAMESPACES = ("cgroup", "ipc", "uts", "net", "pid", "mnt")  # the last one last: it takes our /proc away
OWNER = 0xB701  # NS_GET_USERNS of linux/nsfs.h
NO_NEW_PRIVILEGES, SECCOMP, DROP_BOUND = 38, 22, 24  # prctl's of linux/prctl.h
FILTER = 2  # SECCOMP_MODE_FILTER
CAPABILITIES = 64
CHUNK = 1 << 16
FEW = 6  # descriptors that come with a request
MOST = 1024  # above every descriptor here
LIBC = ctypes.CDLL(None, use_errno=True)


class Program(ctypes.Structure):
    """struct sock_fprog of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def main() -> NoReturn:
    """Import, then fork for every request until the grader hangs up."""
    config = json.loads(sys.argv[1])
    control = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.close(nothing)
    lacking = _import(config)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children: they report themselves
    gc.collect()
    gc.freeze()  # so that a child's collections leave the shared pages alone
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, CHUNK, FEW)
        if not message:
            os._exit(0)
        if not os.fork():
            control.close()
            _start(json.loads(message), lacking, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _import(config: dict[str, Any]) -> str:
    """Import the runner and what students will; why the runner could not be, or ''."""
    sys.path[:0] = [os.path.dirname(os.path.abspath(__file__))]
    sys.path += config["paths"]
    try:
        import cells  # noqa: F401
        import numpy  # noqa: F401
        import runner
        import wire  # noqa: F401
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    del sys.path[0]
    sys.meta_path.insert(0, runner.Withheld((*config["withheld"], "layerlab")))
    for name in config["modules"]:
        try:
            importlib.import_module(name)
        except Exception:  # a student who imports it is told
            continue
    del sys.meta_path[0]
    return ""


def _start(
    request: dict[str, Any], lacking: str, requests: int, answers: int, text: int, about: int, ready: int, report: int
) -> NoReturn:
    """In the first child: enter the sandbox, fork into it, tell the grader of the second child's start and end.

    requests, answers, text: the runner's standard streams. about: where bubblewrap says which process is the first of
    the sandbox. ready: where that says that all is set up.
    """
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if lacking:
            raise ImportError(lacking)
        if not os.read(ready, 1):  # bubblewrap has said why
            os._exit(1)
        _enter(_first(about))
        waiting, go = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(go)
            os.read(waiting, 1)
            for number, descriptor in enumerate((requests, answers, text)):
                os.dup2(descriptor, number)
            _become(request)
        for descriptor in (requests, answers, text, about, ready, waiting):
            os.close(descriptor)  # the runner alone holds them now, and its end is seen
        _say(report, {"pid": pid})
        os.close(go)
        _, status = os.waitpid(pid, 0)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        _say(report, {"status": os.waitstatus_to_exitcode(status), "cpu_seconds": used.ru_utime + used.ru_stime})
    except BaseException as error:
        os.write(text, f"{type(error).__name__}: {error}\n".encode())
        os._exit(1)
    os._exit(0)


def _say(report: int, what: dict[str, Any]) -> None:
    os.write(report, f"{json.dumps(what)}\n".encode())


def _first(about: int) -> int:
    """The process that bubblewrap tells of, as JSON that it may write in parts."""
    text = b""
    while not text.rstrip().endswith(b"}"):
        part = os.read(about, CHUNK)
        if not part:
            raise OSError("bubblewrap did not say which process is the first of its sandbox")
        text += part
    return int(json.loads(text)["child-pid"])


def _enter(first: int) -> None:
    """Change to the namespaces of a process; that of ids is for the children from now on."""
    theirs = {name: os.open(f"/proc/{first}/ns/{name}", os.O_RDONLY) for name in ("user", *NAMESPACES)}
    ours = {name: os.open(f"/proc/self/ns/{name}", os.O_RDONLY) for name in ("user", *NAMESPACES)}
    # the rights to enter the others are those of the user namespace that bubblewrap made them in
    owner = fcntl.ioctl(theirs["mnt"], OWNER)
    if not _same(owner, ours["user"]):
        _set(owner)
    for name in NAMESPACES:
        if not _same(theirs[name], ours[name]):
            _set(theirs[name])
    if not _same(theirs["user"], owner):
        _set(theirs["user"])


def _same(one: int, other: int) -> bool:
    return os.path.samestat(os.fstat(one), os.fstat(other))


def _set(namespace: int) -> None:
    _done(LIBC.setns(namespace, 0))


def _done(result: int) -> None:
    """Raise the OSError of a call of the C library that failed."""
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _become(request: dict[str, Any]) -> NoReturn:
    """In the second child: no rights, nothing open but the three streams, and then the runner."""
    try:
        os.closerange(3, MOST)
        os.setsid()
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["environment"]["HOME"])
        for capability in range(CAPABILITIES):
            LIBC.prctl(DROP_BOUND, capability, 0, 0, 0)  # refused where there is none of that number
        _done(LIBC.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0))
        runner, numpy = sys.modules.pop("runner"), sys.modules["numpy"]
        runner.drop(request["config"])
        runner.no_rights()
        steps = bytes.fromhex(request["filter"])
        _done(LIBC.prctl(SECCOMP, FILTER, ctypes.byref(Program(len(steps) // 8, steps)), 0, 0))
        numpy.random.seed()  # else every student's would be the same
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
        os._exit(70)
    serve: Callable[[dict[str, Any]], NoReturn] = runner.serve
    serve(request["config"])


if __name__ == "__main__":
    main()

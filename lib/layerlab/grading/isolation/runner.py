"""What runs inside the sandbox: the student's cells, then calls of the student's functions.

A script of its own: layerlab is not there, only this file, wire.py and cells.py. Requests come in on the first
standard stream and answers leave on the second; both are moved out of the way first, so that what the student prints
goes to the third, which the grader reads as text. Nothing that the grader must keep is in this process: a student who
takes it over can forge answers for no one but themselves, and the grader trusts no answer's form.
"""

from __future__ import annotations

import builtins
import ctypes
import fcntl
import importlib.machinery
import io
import json
import os
import resource
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any, NoReturn
from zlib import crc32

MESSAGE = 2000  # characters of an exception's text
PROTOCOL = 60  # the first descriptor for it: away from those that a student's code opens


def main() -> NoReturn:
    """Give up all rights, then serve; the exit status is 70 where that fails."""
    try:
        config = json.loads(sys.argv[1])
        drop(config)
    except Exception as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
        os._exit(70)
    serve(config)


def serve(config: dict[str, Any]) -> NoReturn:
    """Serve requests until there are no more; the exit status is 70 where the protocol broke."""
    exit_now = os._exit  # before a student can replace it
    try:
        # not inherited by programs that the student starts
        requests = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, PROTOCOL)
        answers = fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, PROTOCOL)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        here = os.path.dirname(os.path.abspath(__file__))
        sys.path[:0] = [here]
        sys.path += config["paths"]
        if config["alone"] and importlib.machinery.PathFinder.find_spec("layerlab"):
            raise ImportError("layerlab is installed in the image: the answers must not be there")
        import cells
        import numpy
        import wire

        sys.path.remove(here)
        sys.argv[:] = ["notebook"]
        sys.meta_path.insert(0, Withheld((*config["withheld"], "layerlab")))
        desk = Desk(wire, cells, numpy)
    except Exception as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
        exit_now(70)
    try:
        _serve(desk, requests, answers)
    except BaseException:
        exit_now(70)
    exit_now(0)


def drop(config: dict[str, Any]) -> None:
    """No privileges and no more resources than allowed, from here on, for this process and its children."""
    for name, most in config["limits"].items():
        kind = getattr(resource, f"RLIMIT_{name}", None)
        if kind is not None:
            hard = resource.getrlimit(kind)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (most, most))
    if config["uid"]:
        os.setgroups([])
        os.setresgid(config["uid"], config["uid"], config["uid"])
        os.setresuid(config["uid"], config["uid"], config["uid"])
        no_rights()  # bubblewrap left the two for this inheritable


def no_rights() -> None:
    """Give up what a process may do beyond its user. Version 3 of linux/capability.h."""
    if ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()):
        raise PermissionError("the rights of root could not be given up")


def _serve(desk: Desk, requests: int, answers: int) -> None:
    """Read a request, answer it, until the grader hangs up."""
    read, write, pid, getpid, exit_now = os.read, os.write, os.getpid(), os.getpid, os._exit
    prefix_size = desk.wire.PREFIX.size

    def take(size: int) -> bytes:
        parts = []
        while size and (part := read(requests, min(size, 1 << 20))):
            parts.append(part)
            size -= len(part)
        return b"" if size else b"".join(parts)

    def answer(body: bytes) -> None:
        data = memoryview(desk.wire.frame(body))
        while data:
            data = data[write(answers, data) :]

    answer(desk.wire.pack({"id": -1, "value": "ready"}))
    while prefix := take(prefix_size):
        request = desk.wire.unpack(take(desk.wire.length(prefix, 1 << 40)))
        body = desk.answer(request)
        if getpid() != pid:  # a child that the student forked came back from the student's code
            exit_now(0)
        answer(body)


class Withheld:
    """An import hook that says what is not there, and why."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        for name in self.names:
            if fullname == name or fullname.startswith(f"{name}."):
                why = "only layerlab.grading is there" if name == "layerlab" else "withheld in this assignment"
                raise ModuleNotFoundError(f"No module named {fullname!r} when graded: {why}", name=fullname)


class Desk:
    """The notebook's namespace and what can be asked of it."""

    def __init__(self, wire: Any, cells: Any, numpy: Any) -> None:
        self.wire, self.cells, self.numpy = wire, cells, numpy
        self.module = types.ModuleType("__main__")
        self.names = self.module.__dict__
        self.names.update(__builtins__=builtins, display=_display, get_ipython=_Shell)
        sys.modules["__main__"] = self.module

    def answer(self, request: dict[str, Any]) -> bytes:
        """The body of the answer; whatever the student's code raises is part of it."""
        number = request["id"]
        try:
            value = getattr(self, request["op"])(request)
            _flush()
            return self.wire.pack({"id": number, "value": value})
        except BaseException as error:
            kind, message = _said(error)
            _flush()
            return self.wire.pack({"id": number, "error": [kind, message]})

    def open(self, request: dict[str, Any]) -> None:
        """Make `layerlab.grading` for this student's variant."""
        variant, name, numpy = request["variant"], request["name"], self.numpy
        shim = types.ModuleType("layerlab.grading")
        shim.__dict__.update(agree=_nothing, open_assignment=lambda *_: Assignment(name, variant, numpy))
        package = types.ModuleType("layerlab")
        package.__dict__.update(grading=shim, __path__=[])
        sys.modules.update({"layerlab": package, "layerlab.grading": shim})

    def run(self, request: dict[str, Any]) -> str:
        """Run one cell: '' or what it raised, with the line."""
        filename = f"<cell {request['label']}>"
        try:
            exec(self.cells.compiled(request["code"], filename), self.names)
        except BaseException as error:
            kind, message = _said(error)
            line = _line(error, filename)
            return f"{kind}: {message}" + (f" (line {line})" if line else "")
        return ""

    def kinds(self, request: dict[str, Any]) -> dict[str, str]:
        """Whether each name is a function, a value or missing."""

        def kind(name: str) -> str:
            return "missing" if name not in self.names else "function" if callable(self.names[name]) else "value"

        return {name: kind(name) for name in request["names"]}

    def call(self, request: dict[str, Any]) -> Any:
        """What the student's function gives back."""
        return self.value(request)(*request["args"], **request["kwargs"])

    def value(self, request: dict[str, Any]) -> Any:
        """What the name stands for."""
        if request["name"] not in self.names:
            raise NameError(f"name {request['name']!r} is not defined")
        return self.names[request["name"]]


class Assignment:
    """What `open_assignment` gives when graded: the student's variant, and checks that say nothing."""

    def __init__(self, name: str, variant: Mapping[str, Any], numpy: Any) -> None:
        self.name = name
        self.student = ""
        self.variant = types.SimpleNamespace(**variant)
        self.check: Callable[..., _Quiet] = _Quiet
        self._numpy = numpy

    def rng(self, label: str = "") -> Any:
        """A generator of random numbers; not the one that the tests use."""
        return self._numpy.random.default_rng(crc32(str(label).encode()))


class _Quiet:
    passed = True

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __repr__(self) -> str:
        return ""


class _Shell:
    """`get_ipython()` where there is no IPython: what only shows or configures does nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name in {"system", "getoutput", "run_cell", "run_cell_magic"}:
            raise RuntimeError(f"get_ipython().{name} is not run when graded")
        return _nothing


def _nothing(*_: object, **__: object) -> None:
    return None


def _display(*objects: object, **_: object) -> None:
    for each in objects:
        print(repr(each))


def _said(error: BaseException) -> tuple[str, str]:
    """The exception's class and text, as exact, bounded strings."""
    try:
        text = str.__str__(str(error))[:MESSAGE]
    except BaseException:
        text = ""
    return str.__str__(type(error).__name__)[:100], text


def _line(error: BaseException, filename: str) -> int:
    """The last line of the cell that the exception passed through; 0 where there is none."""
    if isinstance(error, SyntaxError) and error.filename == filename:
        return error.lineno or 0
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == filename:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _flush() -> None:
    """What was printed leaves before the answer does."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            sys.stdout = sys.stderr = io.StringIO()


if __name__ == "__main__":
    main()

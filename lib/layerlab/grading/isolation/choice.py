"""Which isolation works on this machine."""

from __future__ import annotations

import functools
import shutil

from layerlab.grading.isolation.backends import Backend, Bubblewrap, Unsafe
from layerlab.grading.isolation.limits import Limits, NoIsolation
from layerlab.grading.isolation.sandbox import Sandbox


def choose(engine: str = "", unsafe: bool = False) -> Backend:
    """The isolation to use: bubblewrap, tried once; a plain process only where `unsafe` asks for it.

    Raises NoIsolation, with what to install or configure, where nothing works, and ValueError for an unknown engine.
    """
    if unsafe:
        return Unsafe()
    if engine not in {"", "bubblewrap"}:
        raise ValueError(f"engine was {engine!r}, it must be 'bubblewrap'")
    backend, why = _bubblewrap()
    if backend is None:
        raise NoIsolation(why)
    return backend


@functools.cache
def _bubblewrap() -> tuple[Backend | None, str]:
    program = shutil.which("bwrap")
    if program is None:
        return None, "bubblewrap is not installed: install it (Debian, Ubuntu: apt install bubblewrap)"
    backend = Bubblewrap(program)
    try:
        with Sandbox(backend, Limits()) as sandbox:
            sandbox.kinds([])
    except (NoIsolation, OSError) as error:
        return None, f"bubblewrap does not work here: {error}"
    return backend, ""

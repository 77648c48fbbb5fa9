"""Which isolation works on this machine."""

from __future__ import annotations

import functools
import os
import shutil

from layerlab.grading.isolation.backends import Backend, Unsafe
from layerlab.grading.isolation.bubblewrap import Bubblewrap
from layerlab.grading.isolation.engine import Engine
from layerlab.grading.isolation.limits import Limits, NoIsolation
from layerlab.grading.isolation.sandbox import Sandbox

ENGINES = ("bubblewrap", "docker", "podman")
INSTALL = "install it (Debian and Ubuntu: apt install bubblewrap)"
ALLOW = (
    "allow it to make namespaces (Ubuntu: sysctl kernel.apparmor_restrict_unprivileged_userns=0, Debian: sysctl "
    "kernel.unprivileged_userns_clone=1; in a container: start that with --privileged)"
)


def choose(engine: str = "", unsafe: bool = False) -> Backend:
    """The isolation to use: bubblewrap, or the container engine that `engine` or LAYERLAB_ENGINE names.

    What is chosen was tried once in this process. `unsafe`: a plain process, without isolation. Raises NoIsolation,
    with what to install or configure, where it does not work, and ValueError for an unknown engine.
    """
    if unsafe:
        return Unsafe()
    engine = engine or os.environ.get("LAYERLAB_ENGINE", "") or "bubblewrap"
    if engine not in ENGINES:
        raise ValueError(f"engine was {engine!r}, it must be one of {', '.join(ENGINES)}")
    program = shutil.which("bwrap" if engine == "bubblewrap" else engine)
    image = os.environ.get("LAYERLAB_ENGINE_IMAGE", "")
    if engine == "bubblewrap":
        backend, why = _tried_bubblewrap(program)
        why = why and f"{why}; or configure a container engine (LAYERLAB_ENGINE, LAYERLAB_ENGINE_IMAGE)"
    elif not image:
        backend, why = None, f"LAYERLAB_ENGINE_IMAGE names no image for {engine}: one with Python, numpy and scipy"
    else:
        backend, why = _tried_engine(engine, program, image)
    if backend is None:
        raise NoIsolation(f"student code cannot be isolated: {why}")
    return backend


@functools.cache
def _tried_bubblewrap(program: str | None) -> tuple[Backend | None, str]:
    if program is None:
        return None, f"bubblewrap is not installed: {INSTALL}"
    why = ""
    for warm in (True, False):  # a machine may let nobody but bubblewrap itself into its sandboxes
        backend = Bubblewrap(program, warm=warm)
        why = _trial(backend)
        if not why:
            return backend, ""
    hint = "a newer bubblewrap is needed" if "Unknown option" in why else ALLOW
    return None, f"bubblewrap does not work here ({why}): {hint}"


@functools.cache
def _tried_engine(name: str, program: str | None, image: str) -> tuple[Backend | None, str]:
    if program is None:
        return None, f"{name} is not installed"
    backend = Engine(program, image)
    why = _trial(backend)
    return (None, f"{name} does not start the image {image!r} here ({why})") if why else (backend, "")


def _trial(backend: Backend) -> str:
    """Start one and ask it something: '' if it answers, else why not."""
    try:
        with Sandbox(backend, Limits()) as sandbox:
            sandbox.kinds([])
    except (NoIsolation, OSError) as error:
        return str(error)
    return ""

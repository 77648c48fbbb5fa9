"""No network is trained twice: results that several experiments need are kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from layerlab.lab import paths
from layerlab.lab.fingerprint import fingerprint

log = logging.getLogger(__name__)

Arrays = Mapping[str, np.ndarray]


def remember(function: Callable[..., Arrays], spec: Mapping[str, Any], **extra: Any) -> dict[str, np.ndarray]:
    """`function(**spec, **extra)`, computed once per `spec`, code and machine, and read back afterwards.

    `function` returns named arrays and stands at the top of a module. `spec` holds plain values (numbers, strings,
    lists, dicts) and decides what is computed; `extra` (a progress callback) does not. The entry also depends on
    the fingerprint of the function's code. Two processes that need the same entry compute it once: the second waits.
    A damaged entry is computed again; a cache that cannot be written is done without, with a warning.
    """
    key = json.dumps(dict(spec), sort_keys=True)
    code = fingerprint(f"{function.__module__}:{function.__name__}")
    digest = hashlib.sha256(f"{code} {key}".encode()).hexdigest()[:24]
    folder = paths.cache() / "trainings" / function.__module__.rpartition(".")[2]
    path = folder / f"{function.__name__}-{digest}.npz"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_suffix(".lock"))
        lock.acquire()
    except OSError as error:
        log.warning("the cache folder %s cannot be used (%s): computing without it", folder, error)
        return dict(function(**spec, **extra))
    try:
        found = _read(path)
        if found is None:
            found = {name: np.asarray(value) for name, value in function(**spec, **extra).items()}
            _write(path, found)
        return found
    finally:
        lock.release()


def _read(path: Path) -> dict[str, np.ndarray] | None:
    if not path.exists():
        return None
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except Exception as error:  # a truncated zip raises many things; each means: compute again
        log.warning("%s is damaged (%s): computing it again", path, error)
        return None


def _write(path: Path, arrays: Arrays) -> None:
    try:
        handle, part = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                save: Any = np.savez
                save(file, **arrays)
            os.replace(part, path)
        finally:
            Path(part).unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s could not be written (%s): the result is used but not kept", path, error)

"""An interrupted training's state on disk: written whole or not at all, read only by the training that wrote it."""

import hashlib
import os
import pickle
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

FORMAT = 1


def digest(*parts: Any) -> str:
    """SHA-256 over tensors, arrays (with dtype and shape) and anything whose repr says all about it."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, Tensor):
            part = part.detach().cpu().numpy()
        if isinstance(part, np.ndarray):
            total.update(f"{part.dtype}{part.shape}".encode())
            total.update(np.ascontiguousarray(part).data)
        else:
            total.update(repr(part).encode())
        total.update(b"\0")
    return total.hexdigest()


def write(path: str | Path, signature: str, state: dict[str, Any]) -> None:
    """Writes beside `path`, then renames over it, so that an interruption leaves the previous state whole."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    body = pickle.dumps(state, protocol=pickle.HIGHEST_PROTOCOL)
    seal = hashlib.sha256(body).hexdigest()
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(f"layerlab-training {FORMAT} {signature} {seal}\n".encode() + body)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read(path: str | Path, signature: str) -> dict[str, Any] | None:
    """The state written under this signature, or None if there is none.

    A damaged file is reported by a warning and counts as none. Raises ValueError if the file belongs to another
    training (other networks, data, seeds or settings).
    """
    path = Path(path)
    if not path.exists():
        return None
    head, _, body = path.read_bytes().partition(b"\n")
    fields = head.decode(errors="replace").split(" ")
    if fields[:2] != ["layerlab-training", str(FORMAT)] or len(fields) != 4:
        raise ValueError(f"checkpoint {path} is not a training checkpoint of this version; name another file")
    if fields[2] != signature:
        raise ValueError(f"checkpoint {path} belongs to another training; name another file, or remove it")
    if hashlib.sha256(body).hexdigest() != fields[3]:
        warnings.warn(f"checkpoint {path} is damaged; training starts anew", RuntimeWarning, stacklevel=3)
        return None
    return pickle.loads(body)

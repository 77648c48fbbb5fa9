"""Reading the original file formats: IDX (MNIST, Fashion-MNIST) and CIFAR-10's pickled batches.

No pickle is trusted: `read_batch` admits numbers, strings, bytes, lists, tuples, dicts and arrays, nothing else.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from .errors import DataDamaged, DataMissing
from .registry import File

_GZIP = b"\x1f\x8b"


def read_checked(path: Path, file: File) -> bytes:
    """Content of `file` at `path`, unzipped if it is gzipped there, with the size and checksum it must have.

    Raises DataMissing if it cannot be read, DataDamaged if it is not the original.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataMissing(f"{path} cannot be read ({error.strerror}); check its permissions.") from error
    refuse_page(content, path)
    size, checksum = (file.content_size, file.content_sha256) if file.zipped else (file.size, file.sha256)
    if file.zipped and (content[:2] == _GZIP or path.name.endswith(".gz")):
        content = _unzipped(content, path, size)
    if size and len(content) != size:
        raise DataDamaged(f"{path}: expected {size:,} bytes of content, found {len(content):,}.")
    if (found := hashlib.sha256(content).hexdigest()) != checksum:
        raise DataDamaged(f"{path}: expected the original with SHA-256 {checksum}, found {found}.")
    return content


def refuse_page(start: bytes, where: object) -> None:
    """DataDamaged if these bytes open a web page, as login and error pages do that come in place of a file."""
    if start[:256].lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise DataDamaged(f"{where}: expected a data file, found a web page (a login or an error page?).")


def read_idx(content: bytes, dimensions: int, where: object) -> np.ndarray:
    """The uint8 array of an IDX file with that many dimensions.

    Header: two zero bytes, 0x08 (unsigned byte), the number of dimensions, then each size as big-endian uint32; the
    entries follow in C order. Raises DataDamaged for any other magic number or length.
    """
    magic = 0x0800 + dimensions
    header = 4 * (1 + dimensions)
    found = int.from_bytes(content[:4], "big")
    if len(content) < 4 or found != magic:
        raise DataDamaged(f"{where}: expected the IDX magic number 0x{magic:08x}, found 0x{found:08x}.")
    if len(content) < header:
        raise DataDamaged(f"{where}: expected an IDX header of {header} bytes, found {len(content)} bytes.")
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    expected = header + int(np.prod(shape, dtype=object))
    if len(content) != expected:
        raise DataDamaged(f"{where}: expected {expected:,} bytes for shape {shape}, found {len(content):,}.")
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)


def read_batch(content: bytes, width: int, classes: int, where: object) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (uint8, n x width) and labels (int64, n) of a CIFAR-10 python batch.

    Raises DataDamaged if it is no such pickle, or asks for anything but arrays and plain containers.
    """
    try:
        batch = _Restricted(io.BytesIO(content), encoding="bytes").load()
    except DataDamaged as error:
        raise DataDamaged(f"{where}: {error}") from None
    except Exception as error:  # a broken pickle can raise almost anything
        raise DataDamaged(f"{where}: expected a pickled batch, found one that breaks ({error!r:.200}).") from error
    if not isinstance(batch, dict):
        raise DataDamaged(f"{where}: expected a dict with data and labels, found {type(batch).__name__}.")
    data, labels = batch.get(b"data"), batch.get(b"labels")
    data = data.values if isinstance(data, _Array) else data
    if not (isinstance(data, np.ndarray) and data.dtype == np.uint8 and data.ndim == 2 and data.shape[1] == width):
        kind = f"{data.dtype} array of shape {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        raise DataDamaged(f"{where}: expected data as a uint8 array of {width} columns, found {kind}.")
    labels = labels if isinstance(labels, list) else []
    if len(labels) != len(data) or not all(type(label) is int and 0 <= label < classes for label in labels):
        raise DataDamaged(f"{where}: expected {len(data)} labels in 0..{classes - 1}, found something else.")
    return data, np.array(labels, dtype=np.int64)


class _Restricted(pickle.Unpickler):
    """An unpickler that knows arrays and plain containers, and refuses every other name.

    What stands for an array in the pickle is read into stand-ins of our own: numpy's own would take damaged flags and
    strides on trust.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy", "ndarray"):
            return _NDARRAY
        if (module, name) == ("numpy", "dtype"):
            return lambda *code: _Type(*code)
        if name == "_reconstruct" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return lambda kind, shape, code: _Array(kind, shape)
        raise DataDamaged(f"expected arrays and plain containers, found a pickle that asks for {module}.{name}.")


_NDARRAY = object()  # only ever named in a pickle: nothing can be made of it, nor changed about it


class _Type:
    """Stands for a pickled numpy dtype of plain numbers."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any, *flags: Any) -> None:
        self.code, self.order = code.decode("ascii") if isinstance(code, bytes) else str(code), "|"

    def __setstate__(self, state: Any) -> None:
        order = state[1]
        self.order = order.decode("ascii") if isinstance(order, bytes) else str(order)

    def dtype(self) -> np.dtype:
        if not re.fullmatch(r"[<>=|][biuf][1248]", self.order + self.code):
            raise DataDamaged(f"expected an array of plain numbers, found one of type {self.order + self.code:.20}.")
        return np.dtype(self.order + self.code)


class _Array:
    """Stands for a pickled numpy array; `values` is None until its content has been read."""

    __slots__ = ("values",)

    def __init__(self, kind: Any, shape: Any) -> None:
        if kind is not _NDARRAY or shape != (0,):
            raise DataDamaged("expected a plain array, found a pickle that starts from something else.")
        self.values: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, by_columns, content = state
        values = np.frombuffer(content, dtype=kind.dtype())
        self.values = values.reshape(shape, order="F" if by_columns else "C").copy()


def _unzipped(content: bytes, path: Path, size: int) -> bytes:
    """`content` unzipped, but never more than one byte beyond `size`: a small file may unzip to a huge one."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            return stream.read(size + 1) if size else stream.read()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataDamaged(f"{path}: expected a gzip file, found a damaged one ({error}).") from error

"""Plain data to bytes and back: a JSON head for the structure, an npz (stored, never pickle) for the arrays.

The grader and the sandbox both run this file; inside the sandbox it stands alone, with numpy only. What is decoded
comes from code that may be hostile: nothing is executed, nothing is allocated that did not arrive as bytes, and only
exact built-in and numpy types come out.

A frame is `lab1`, the length of its body (8 bytes, big-endian) and the body: the length of the head (4 bytes), the
head, the npz. In the head, None, bool, int, float, str and list are JSON's own; everything else is an object with one
key: `i` a large int in hexadecimal, `c` a complex number, `t` a tuple, `d` a dict as pairs, `s` a numpy scalar as
dtype and bytes, `a` the number of an array in the npz.
"""

from __future__ import annotations

import io
import json
import math
import re
import struct
import sys
import zipfile
from typing import Any

import numpy as np

MAGIC = b"lab1"
PREFIX = struct.Struct(">4sQ")  # before the body
HEAD = struct.Struct(">I")  # before the head
DEPTH = 64  # lists in lists
ITEMS = 1_000_000  # values in one message
ODD_KEYS = 10_000  # dict keys that are not strings: their hashes can be made to collide
ARRAYS = 10_000
HEAD_BYTES = 32_000_000
HEX_DIGITS = 3_500  # of one large int: Python prints none with more than 4300 decimal digits
SMALL = 1 << 63  # larger ints travel in hexadecimal: decimal conversion takes quadratic time
KINDS = "biufc"
# exactly what numpy writes for these kinds; its own reader would evaluate the header as Python
NPY = re.compile(rb"\{'descr': '([<>|=][biufc]\d{1,2})', 'fortran_order': (True|False), 'shape': \(([\d, ]*)\), \} *\n")
END = struct.Struct("<4s4H2LH")  # the zip format's last record


class Malformed(ValueError):
    """Bytes that are not a message: the one exception that decoding raises."""


class NotPlain(TypeError):
    """A value that does not travel; the sentence names its type."""


def pack(value: Any) -> bytes:
    """The body of a frame for plain data; raises NotPlain for what does not travel.

    Subclasses of the built-in types become their base type by value, torch tensors and subclasses of ndarray become
    plain arrays.
    """
    arrays: list[np.ndarray] = []
    head = json.dumps(_encode(value, arrays, 0), separators=(",", ":")).encode("ascii")
    return HEAD.pack(len(head)) + head + _npz(arrays)


def frame(body: bytes) -> bytes:
    """A body with its prefix, as it goes through the pipe."""
    return PREFIX.pack(MAGIC, len(body)) + body


def length(prefix: bytes, most: int) -> int:
    """The length of the body that a prefix announces, at most `most` bytes; raises Malformed."""
    magic, size = PREFIX.unpack(prefix)
    if magic != MAGIC:
        raise Malformed("a message does not begin as one")
    if size > most:
        raise Malformed(f"a message of {size} bytes is larger than the {most} allowed")
    return int(size)


def unpack(body: bytes) -> Any:
    """The plain data in a frame's body: exact built-in and numpy types; raises Malformed, whatever the bytes are."""
    try:
        if len(body) < HEAD.size:
            raise Malformed("a message ends before its head")
        (size,) = HEAD.unpack_from(body)
        head = body[HEAD.size : HEAD.size + size]
        if len(head) != size or size > HEAD_BYTES:
            raise Malformed(f"a head of {size} bytes is cut off or larger than {HEAD_BYTES}")
        # before the parser makes an object of each
        if head.count(b",") + head.count(b"[") + head.count(b"{") > 3 * ITEMS:
            raise Malformed(f"a message has more than {ITEMS} values")
        return _Decoder(_arrays(body[HEAD.size + size :])).value(json.loads(head), 0)
    except Malformed:
        raise
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, OverflowError, MemoryError) as error:
        raise Malformed(f"a message cannot be read: {type(error).__name__}") from None
    # NotImplementedError is zipfile's word for a compression or version that it does not know
    except (zipfile.BadZipFile, NotImplementedError, struct.error, EOFError, OSError) as error:
        raise Malformed(f"the arrays of a message cannot be read: {type(error).__name__}") from None


def _encode(value: Any, arrays: list[np.ndarray], depth: int) -> Any:
    if depth > DEPTH:
        raise NotPlain(f"data nested deeper than {DEPTH} lists, or that contains itself, cannot be sent")
    if value is None or value is True or value is False:
        return value
    # the methods of the base type: a subclass may have its own
    if isinstance(value, np.generic):
        array = _plain(np.asarray(value))
        return {"s": [array.dtype.str, array.tobytes().hex()]}
    if isinstance(value, int):
        return _integer(int.__pos__(value))
    if isinstance(value, float):
        return float.__pos__(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, complex):
        value = complex.__pos__(value)
        return {"c": [value.real, value.imag]}
    if isinstance(value, list):
        return [_encode(item, arrays, depth + 1) for item in list.__iter__(value)]
    if isinstance(value, tuple):
        return {"t": [_encode(item, arrays, depth + 1) for item in tuple.__iter__(value)]}
    if isinstance(value, dict):
        pairs = list(dict.items(value))
        return {"d": [[_encode(k, arrays, depth + 1), _encode(v, arrays, depth + 1)] for k, v in pairs]}
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        value = _from_torch(value)
    if isinstance(value, np.ndarray):
        arrays.append(_plain(value))
        return {"a": len(arrays) - 1}
    raise NotPlain(f"a value of type {type(value).__name__} cannot be sent: plain data only (numbers, text, arrays)")


def _integer(value: int) -> int | dict[str, str]:
    if -SMALL < value < SMALL:
        return value
    if value.bit_length() > 4 * HEX_DIGITS:
        raise NotPlain(f"an int of {value.bit_length()} bits cannot be sent, {4 * HEX_DIGITS} at most")
    return {"i": hex(value)}


def _from_torch(tensor: Any) -> np.ndarray:
    try:
        return tensor.detach().cpu().resolve_conj().resolve_neg().numpy()
    except (TypeError, RuntimeError):
        raise NotPlain(f"a tensor of dtype {tensor.dtype} cannot be sent: numpy has no such array") from None


def _plain(array: np.ndarray) -> np.ndarray:
    """The same numbers as a plain array in the machine's byte order."""
    array = np.asarray(array)
    if array.dtype.kind not in KINDS or array.dtype.names is not None:
        raise NotPlain(f"an array of dtype {array.dtype} cannot be sent: numbers and booleans only")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _npz(arrays: list[np.ndarray]) -> bytes:
    if not arrays:
        return b""
    if len(arrays) > ARRAYS:
        raise NotPlain(f"{len(arrays)} arrays cannot be sent at once, {ARRAYS} at most")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED, allowZip64=False) as archive:
        for number, array in enumerate(arrays):
            entry = io.BytesIO()
            np.lib.format.write_array(entry, array, version=(1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{number}.npy"), entry.getvalue())
    return buffer.getvalue()


def _arrays(data: bytes) -> list[np.ndarray]:
    """The arrays of an npz that `_npz` could have written; anything else is malformed."""
    if not data:
        return []
    if len(data) < END.size:
        raise Malformed("the arrays of a message end early")
    mark, disk, first, here, entries, size, offset, comment = END.unpack(data[-END.size :])
    # checked before zipfile makes an object of every entry
    if mark != b"PK\x05\x06" or disk or first or comment or here != entries or not 1 <= entries <= ARRAYS:
        raise Malformed("the arrays of a message are not one plain npz")
    if size > 64 * entries or offset + size + END.size != len(data):
        raise Malformed("the npz has a directory larger than its entries need, or more than its entries")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        if len(infos) != entries or sum(info.file_size for info in infos) > len(data):
            raise Malformed("the entries of the npz are not those that it declares")
        for number, info in enumerate(infos):
            if info.filename != f"{number}.npy" or info.orig_filename != info.filename:
                raise Malformed("an entry of the npz has another name than its number")
            if info.compress_type != zipfile.ZIP_STORED or info.flag_bits or info.file_size != info.compress_size:
                raise Malformed("an entry of the npz is not stored as it is")
        return [_array(archive.read(info)) for info in infos]


def _array(data: bytes) -> np.ndarray:
    if data[:8] != b"\x93NUMPY\x01\x00" or len(data) < 10:
        raise Malformed("an array does not begin as one")
    start = 10 + int.from_bytes(data[8:10], "little")
    header = NPY.fullmatch(data[10:start])
    if header is None:
        raise Malformed("an array has a header that numpy would not write")
    shape = tuple(int(n) for n in header[3].decode().replace(" ", "").split(",") if n)
    if len(shape) > DEPTH or any(n >= SMALL for n in shape):
        raise Malformed("an array has a shape that numpy does not have")
    dtype = _dtype(header[1].decode())
    if math.prod(shape) * dtype.itemsize != len(data) - start:
        raise Malformed("an array's shape is not the size of its data")
    flat = np.frombuffer(data, dtype, offset=start) if math.prod(shape) else np.empty(0, dtype)
    _whole(flat)
    return flat.reshape(shape, order="F" if header[2] == b"True" else "C").copy(order="K")


def _dtype(text: str) -> np.dtype:
    dtype = np.dtype(text)
    if dtype.kind not in KINDS or dtype.str != text or not dtype.isnative:
        raise Malformed("an array is of another type than numbers or booleans")
    return dtype


def _whole(flat: np.ndarray) -> None:
    """A boolean byte is 0 or 1: others count as more than one in a sum."""
    if flat.dtype.kind == "b" and flat.size and flat.view(np.uint8).max() > 1:
        raise Malformed("a boolean is neither true nor false")


class _Decoder:
    """From the head's JSON to values, within the caps."""

    def __init__(self, arrays: list[np.ndarray]) -> None:
        self.arrays = arrays
        self.left = ITEMS
        self.odd = ODD_KEYS

    def value(self, head: Any, depth: int) -> Any:
        self.left -= 1
        if self.left < 0:
            raise Malformed(f"a message has more than {ITEMS} values")
        if depth > DEPTH:
            raise Malformed(f"a message is nested deeper than {DEPTH}")
        if isinstance(head, list):
            return [self.value(item, depth + 1) for item in head]
        if not isinstance(head, dict):
            if type(head) is int and not -SMALL < head < SMALL:
                raise Malformed("a large int is written in decimal")
            return head
        if len(head) != 1:
            raise Malformed("a value has not exactly one tag")
        ((tag, inner),) = head.items()
        return self.tagged(tag, inner, depth)

    def tagged(self, tag: str, inner: Any, depth: int) -> Any:
        if tag == "i" and type(inner) is str and len(inner) <= HEX_DIGITS + 3:
            number = int(inner, 16)
            if -SMALL < number < SMALL or hex(number) != inner:
                raise Malformed("an int is not written as it should be")
            return number
        if type(inner) is list and tag == "t":
            return tuple(self.value(item, depth + 1) for item in inner)
        if type(inner) is list and tag == "d":
            return self.mapping(inner, depth + 1)
        if type(inner) is list and tag == "c" and [type(part) for part in inner] == [float, float]:
            return complex(*inner)
        if type(inner) is list and tag == "s" and [type(part) for part in inner] == [str, str]:
            dtype, data = _dtype(inner[0]), bytes.fromhex(inner[1])
            if len(data) != dtype.itemsize:
                raise Malformed("a number has another size than its type")
            flat = np.frombuffer(data, dtype)
            _whole(flat)
            return flat[0]
        if tag == "a" and type(inner) is int and 0 <= inner < len(self.arrays):
            return self.arrays[inner]
        raise Malformed("a value has a tag or content that does not exist")

    def mapping(self, pairs: list[Any], depth: int) -> dict[Any, Any]:
        self.odd -= sum(1 for pair in pairs if type(pair) is not list or len(pair) != 2 or type(pair[0]) is not str)
        if self.odd < 0:
            raise Malformed(f"a message has more than {ODD_KEYS} keys that are no text")
        result = {self.value(key, depth): self.value(item, depth) for key, item in pairs}
        if len(result) != len(pairs):
            raise Malformed("a dict has the same key twice")
        return result

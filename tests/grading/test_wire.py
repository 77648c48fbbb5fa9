"""Plain data through the wire: nothing is lost, and nothing else comes out, whatever the bytes are."""

import enum
import io
import json
import math
import struct
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from layerlab.grading.isolation import wire

KINDS = ["?", "i1", "i4", "i8", "u1", "u8", "f2", "f4", "f8", "c8", "c16"]
EXACT = {type(None), bool, int, float, complex, str, list, tuple, dict, np.ndarray}
arrays = st.sampled_from(KINDS).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0, max_dims=4, max_side=4))
)
keys = st.one_of(st.text(max_size=3), st.integers(-5, 5), st.tuples(st.integers(), st.text(max_size=1)))
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(1 << 300), 1 << 300), st.floats(), st.complex_numbers(),
    st.text(), st.characters(categories=["Cs"]), arrays, arrays.map(lambda a: a.ravel()[:1]),
    st.sampled_from(KINDS).map(lambda kind: np.dtype(kind).type(1)),
)  # fmt: skip
plain = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(keys, inner, max_size=3),
    ),
    max_leaves=12,
)


def same(a, b):
    """Equal in type and bits, NaN included."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray | np.generic):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b) or (math.isnan(a) and math.isnan(b))
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a.items(), b.items(), strict=True))
    return a == b


def only_plain(value):
    assert type(value) in EXACT or isinstance(value, np.generic)
    if isinstance(value, np.ndarray | np.generic):
        assert value.dtype.kind in "biufc"
    if isinstance(value, list | tuple):
        for item in value:
            only_plain(item)
    if isinstance(value, dict):
        for pair in value.items():
            only_plain(pair)


@given(plain)
def test_what_goes_in_comes_out(value):
    body = wire.pack(value)
    assert wire.length(wire.frame(body)[: wire.PREFIX.size], len(body)) == len(body)
    assert same(wire.unpack(body), value)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_malformed_or_plain(body):
    try:
        value = wire.unpack(body)
    except wire.Malformed:
        return
    only_plain(value)


@settings(max_examples=150)
@given(plain, st.data())
def test_damaged_messages_are_malformed_or_plain(value, data):
    body = bytearray(wire.pack([value, np.arange(3.0), np.array([True])]))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    for damaged in (bytes(body), bytes(body[:cut]), bytes(body) + b"x"):
        try:
            found = wire.unpack(damaged)
        except wire.Malformed:
            continue
        only_plain(found)


class Lying(np.ndarray):
    def __eq__(self, other):
        return True

    def __array__(self, *_, **__):
        raise AssertionError("asked")


class Number(int):
    def __index__(self):
        return 42

    __int__ = __pos__ = __add__ = __index__


class Text(str):
    def __str__(self):
        return "other"


class Many(list):
    def __iter__(self):
        return iter([1, 2, 3])


class Table(dict):
    def items(self):
        return [("a", 9)]


class Colour(enum.IntEnum):
    RED = 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.arange(3).view(Lying), np.arange(3)),
        (np.matrix([[1.0, 2.0]]), np.array([[1.0, 2.0]])),
        (Number(7), 7),
        (Text("mine"), "mine"),
        (Many([5]), [5]),
        (Table(a=1), {"a": 1}),
        (Colour.RED, 3),
        (type("Half", (float,), {"__float__": lambda s: 9.0})(-0.0), -0.0),
        (torch.arange(3), np.arange(3)),
        (torch.tensor([1.0, 2.0], requires_grad=True), np.array([1, 2], np.float32)),
        (torch.tensor(2j).conj(), np.array(np.conj(np.complex64(2j)))),
        (np.arange(3, dtype=">i8"), np.arange(3)),
        (np.arange(12.0).reshape(3, 4)[::-1, ::2].T, np.arange(12.0).reshape(3, 4)[::-1, ::2].T),
        (np.ma.masked_array([1.0, 2.0], [True, False]), np.array([1.0, 2.0])),
    ],
)
def test_subclasses_and_tensors_become_their_base_type_by_value(value, expected):
    assert same(wire.unpack(wire.pack(value)), expected)


def cycle():
    inside: list = []
    inside.append(inside)
    return inside


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (object(), "object"), ({1}, "set"), (b"x", "bytes"), (lambda: 0, "function"), (iter([]), "list_iterator"),
        (np.array([None]), "object"), (np.array(["a"]), "<U1"), (np.zeros(2, "f4,f4"), "f0"),
        (np.datetime64("2020"), "datetime64"), (torch.zeros(2, dtype=torch.bfloat16), "bfloat16"),
        (np.random.default_rng(0), "Generator"), (cycle(), "contains itself"), ([1 << 15_000], "bits"),
        ([np.zeros(1)] * (wire.ARRAYS + 1), "arrays"), ({"a": [object()]}, "object"), (np, "module"),
    ],
)  # fmt: skip
def test_what_is_not_plain_is_refused_by_name(value, says):
    with pytest.raises(wire.NotPlain, match=says):
        wire.pack(value)


def body(head, npz=b""):
    data = head if isinstance(head, bytes) else json.dumps(head).encode()
    return wire.HEAD.pack(len(data)) + data + npz


def npy(array, descr=None, shape=None):
    header = {"descr": descr or array.dtype.str, "fortran_order": False, "shape": shape or array.shape}
    text = repr(header)[:-1].encode() + b", }\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + array.tobytes()


def npz(entries, method=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return buffer.getvalue()


GOOD = npy(np.arange(3.0))
ONE = npz([("0.npy", GOOD)])


def altered(data, old, new):
    assert old in data
    return data.replace(old, new)


def twice():
    """Two entries of the directory that share one place in the file."""
    end = ONE[-22:]
    directory = ONE[ONE.index(b"PK\x01\x02") : -22]
    second = altered(directory, b"0.npy", b"1.npy")
    return ONE[:-22] + second + end[:8] + struct.pack("<HHL", 2, 2, 2 * len(directory)) + end[16:]


def test_the_hand_made_npz_is_otherwise_fine():
    assert same(wire.unpack(body({"a": 0}, ONE)), np.arange(3.0))


@pytest.mark.parametrize(
    "message",
    {
        "nothing": b"",
        "head cut off": wire.HEAD.pack(100) + b"1",
        "not JSON": body(b"{'a': 1}"),
        "not ASCII": body(b"\xff"),
        "no tag": body({}),
        "two tags": body({"t": [], "d": []}),
        "unknown tag": body({"__reduce__": "os.system"}),
        "array that is not there": body({"a": 0}),
        "negative array": body({"a": -1}, ONE),
        "boolean for a number": body({"a": False}, ONE),
        "deep": body(b"[" * 100 + b"]" * 100),
        "deeper than the parser goes": body(b"[" * 200_000),
        "many values": body(b"[" + b"0," * 4_000_000 + b"0]"),
        "many empty objects": body(b"[" + b"{}," * 1_600_000 + b"0]"),
        "digits": body(b"9" * 100_000),
        "large decimal": body(b"9" * 30),
        "hex that is not": body({"i": "0xzz"}),
        "hex of a small int": body({"i": "0x1"}),
        "hex too long": body({"i": "0x" + "f" * 20_000}),
        "key twice": body({"d": [["a", 1], ["a", 2]]}),
        "key that cannot be one": body({"d": [[[], 1]]}),
        "pair of three": body({"d": [[1, 2, 3]]}),
        "keys whose hashes collide": body({"d": [[i * (2**61 - 1) % 2**63, 0] for i in range(wire.ODD_KEYS + 1)]}),
        "complex of text": body({"c": ["1", "2"]}),
        "scalar of an object": body({"s": ["|O", "00" * 8]}),
        "scalar of another size": body({"s": ["<f8", "00"]}),
        "scalar that is no boolean": body({"s": ["|b1", "07"]}),
        "npz that is not": body(1, b"x" * 100),
        "npz of nothing": body(1, npz([])),
        "compressed": body({"a": 0}, npz([("0.npy", b"\0" * 10_000_000)], zipfile.ZIP_DEFLATED)),
        "path": body({"a": 0}, npz([("../0.npy", GOOD)])),
        "absolute path": body({"a": 0}, npz([("/0.npy", GOOD)])),
        "name cut by a zero": body({"a": 0}, altered(ONE, b"0.npy", b"0\0npy")),
        "same name twice": body({"a": 0}, altered(npz([("0.npy", GOOD), ("1.npy", GOOD)]), b"1.npy", b"0.npy")),
        "bytes used twice": body({"a": 1}, twice()),
        "checksum": body({"a": 0}, altered(ONE, np.float64(2.0).tobytes(), np.float64(3.0).tobytes())),
        "comment": body({"a": 0}, ONE[:-2] + b"\x01\0x"),
        "entries that are not": body({"a": 0}, ONE[:-14] + struct.pack("<HH", 9, 9) + ONE[-10:]),
        "larger than declared": body({"a": 0}, npz([("0.npy", GOOD + b"\0" * 8)])),
        "shape larger than the data": body({"a": 0}, npz([("0.npy", npy(np.arange(3.0), shape=(10**12,)))])),
        "shape that overflows": body({"a": 0}, npz([("0.npy", npy(np.empty(0), shape=(2**62, 2**62, 0)))])),
        "negative shape": body({"a": 0}, npz([("0.npy", npy(np.arange(3.0), shape=(-3,)))])),
        "object array": body({"a": 0}, npz([("0.npy", npy(np.arange(3.0), descr="|O"))])),
        "structured": body({"a": 0}, npz([("0.npy", npy(np.arange(3.0), descr=[("x", "<f8")]))])),
        "code in the header": body({"a": 0}, npz([("0.npy", altered(GOOD, b"False", b"exit("))])),
        "pickle": body({"a": 0}, npz([("0.npy", b"\x80\x04cos\nsystem\n")])),
        "another byte order": body({"a": 0}, npz([("0.npy", npy(np.arange(3, dtype=">f8")))])),
        "booleans that are not": body({"a": 0}, npz([("0.npy", npy(np.array([7], "u1"), descr="|b1"))])),
        "text array": body({"a": 0}, npz([("0.npy", npy(np.array(["ab"])))])),
        "more after the npz": body({"a": 0}, ONE + b"x"),
        "something before the npz": body({"a": 0}, b"MZ" + ONE),
    }.items(),
    ids=lambda item: item[0],
)
def test_hostile_messages_are_malformed(message):
    with pytest.raises(wire.Malformed):
        wire.unpack(message[1])


@pytest.mark.parametrize("prefix", [wire.PREFIX.pack(b"HTTP", 3), wire.PREFIX.pack(wire.MAGIC, 1 << 60)])
def test_a_frame_that_is_none_or_too_large_is_refused_before_it_is_read(prefix):
    with pytest.raises(wire.Malformed):
        wire.length(prefix, 1000)


def test_decoded_arrays_can_be_written_to_and_share_nothing():
    first, second = wire.unpack(wire.pack([np.zeros(3), np.zeros(3)]))
    first[0] = 1
    assert second[0] == 0

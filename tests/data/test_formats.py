"""IDX files and pickled batches: the right ones, the wrong ones, and the malicious ones."""

import gzip
import os
import pickle
import struct

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tiny_data import batch_bytes, idx, python2_pickle, sha

from layerlab.data import DataDamaged, DataMissing
from layerlab.data.formats import read_batch, read_checked, read_idx
from layerlab.data.registry import File

relaxed = settings(deadline=None, max_examples=100)


class TestIdx:
    @relaxed
    @given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=3, max_side=6)))
    def test_reads_what_was_written(self, array):
        np.testing.assert_array_equal(read_idx(idx(array), array.ndim, "f"), array)

    @relaxed
    @given(st.binary(max_size=40), st.integers(1, 3))
    def test_any_bytes_are_read_or_refused(self, content, dimensions):
        try:
            assert read_idx(content, dimensions, "f").ndim == dimensions
        except DataDamaged as error:
            assert str(error).startswith("f: expected")  # noqa: PT017 (either outcome is right)

    def test_wrong_magic_names_both(self):
        labels = idx(np.zeros(5, dtype=np.uint8))
        with pytest.raises(DataDamaged, match="f: expected the IDX magic number 0x00000803, found 0x00000801"):
            read_idx(labels + bytes(10), 3, "f")
        floats = struct.pack(">2I", 0x0D01, 1) + bytes(4)
        with pytest.raises(DataDamaged, match="0x00000801, found 0x00000d01"):
            read_idx(floats, 1, "f")

    @pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b + b"x"])
    def test_wrong_length_names_both(self, change):
        with pytest.raises(DataDamaged, match=r"expected 22 bytes for shape \(2, 5\), found (21|23)"):
            read_idx(change(idx(np.zeros((2, 5), dtype=np.uint8))), 2, "f")

    def test_an_overflowing_shape_is_refused(self):
        with pytest.raises(DataDamaged, match="expected 79,228"):
            read_idx(struct.pack(">4I", 0x0803, 2**32 - 1, 2**32 - 1, 2**32 - 1), 3, "f")


class TestChecked:
    content = b"some data that is long enough to be cut" * 20
    file = File("a.gz", 1, "unused", len(content), sha(content))

    @pytest.mark.parametrize("name", ["a.gz", "a"])
    @pytest.mark.parametrize("level", [1, 9])
    def test_any_gzip_of_the_content_or_the_content_itself_will_do(self, tmp_path, name, level):
        packed = gzip.compress(self.content, compresslevel=level)
        (tmp_path / name).write_bytes(packed)
        assert read_checked(tmp_path / name, self.file) == self.content
        (tmp_path / "a").write_bytes(self.content)
        assert read_checked(tmp_path / "a", self.file) == self.content

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda b: b[:-9], "expected a gzip file, found a damaged one"),
            (lambda b: b[:30] + bytes([b[30] ^ 255]) + b[31:], "a.gz: expected"),
            (lambda b: b"", "expected a gzip file|bytes of content, found 0"),
            (lambda b: b"not gzip", r"expected a gzip file, found a damaged one \(Not a gzipped file"),
            (lambda b: b"<!DOCTYPE html><html>", "found a web page"),
            (lambda b: gzip.compress(b"short"), "expected 780 bytes of content, found 5"),
            (lambda b: gzip.compress(bytes(10**7)), "expected 780 bytes of content, found 781"),
            (lambda b: gzip.compress(bytes(780)), "expected the original with SHA-256"),
        ],
        ids=["cut", "flipped", "empty", "other", "page", "short", "bomb", "changed"],
    )
    def test_anything_else_is_refused_by_name(self, tmp_path, damage, message):
        path = tmp_path / "a.gz"
        path.write_bytes(damage(gzip.compress(self.content)))
        with pytest.raises(DataDamaged, match=message) as caught:
            read_checked(path, self.file)
        assert str(path) in str(caught.value)

    def test_a_file_that_cannot_be_read_is_missing(self, tmp_path):
        with pytest.raises(DataMissing, match="cannot be read"):
            read_checked(tmp_path / "nowhere", self.file)


PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 12)


class Evil:
    """Runs a command when it is unpickled by the ordinary pickle.load."""

    def __init__(self, call, *args):
        self.made = call, args

    def __reduce__(self):
        return self.made


class TestBatch:
    @pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
    def test_reads_what_any_protocol_wrote_or_refuses_it(self, protocol):
        """Protocols from 5 on put arrays together by other functions, which are not admitted: nothing is guessed."""
        content = pickle.dumps({b"data": PIXELS, b"labels": [2, 0]}, protocol=protocol)
        if protocol in (3, 4):
            data, labels = read_batch(content, 12, 3, "f")
            np.testing.assert_array_equal(data, PIXELS)
            np.testing.assert_array_equal(labels, [2, 0])
        else:
            with pytest.raises(DataDamaged, match="asks for"):
                read_batch(content, 12, 3, "f")

    def test_reads_python_2s_batches(self):
        data, labels = read_batch(python2_pickle(PIXELS, [1, 2]), 12, 3, "f")
        np.testing.assert_array_equal(data, PIXELS)
        np.testing.assert_array_equal(labels, [1, 2])
        assert labels.dtype == np.int64

    @pytest.mark.parametrize("protocol", [0, 2, 4])
    @pytest.mark.parametrize(
        "call",
        [
            (os.system, "echo pwned > {}"),
            (eval, "open({!r}, 'w')"),
            (open, "{}", "w"),
            (os.mkdir, "{}"),
            (np.load, "{}"),
            (getattr, np, "load"),
        ],
        ids=lambda call: call[0].__name__,
    )
    def test_malicious_pickles_run_nothing(self, tmp_path, call, protocol):
        target = tmp_path / "pwned"
        function, *args = call
        args = [a.format(target) if isinstance(a, str) else "numpy" for a in args]
        content = pickle.dumps({b"data": Evil(function, *args), b"labels": [1]}, protocol=protocol)
        with pytest.raises(DataDamaged, match="f: expected arrays and plain containers, found a pickle that asks for"):
            read_batch(content, 12, 3, "f")
        assert not target.exists()

    def test_objects_inside_arrays_are_no_way_in(self, tmp_path):
        target = tmp_path / "pwned"
        array = np.array([Evil(os.mkdir, str(target))], dtype=object)
        with pytest.raises(DataDamaged, match=r"asks for (posix|nt)\.mkdir"):
            read_batch(pickle.dumps({b"data": array}, protocol=4), 12, 3, "f")
        assert not target.exists()

    @pytest.mark.parametrize(
        "pickled",
        [
            b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I100000000000\ntS'b'\ntR.",
            b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\ndtype\n(I0\ntS'b'\ntR.",
        ],
        ids=["huge array", "other type"],
    )
    def test_arrays_start_empty(self, pickled):
        with pytest.raises(DataDamaged, match="starts from something else"):
            read_batch(pickled, 12, 3, "f")

    def test_a_pickle_cannot_change_what_the_next_one_uses(self):
        """BUILD sets attributes on what it is given; the functions that are handed out are nobody else's."""
        content = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nN}(X\x0c\x00\x00\x00__defaults__)u\x86b."
        with pytest.raises(DataDamaged, match="expected a dict with data and labels, found function"):
            read_batch(content, 12, 3, "f")
        np.testing.assert_array_equal(read_batch(python2_pickle(PIXELS, [1, 2]), 12, 3, "f")[0], PIXELS)

    @relaxed
    @given(st.binary(max_size=60))
    def test_any_bytes_are_refused(self, content):
        with pytest.raises(DataDamaged, match=r"^f: expected"):
            read_batch(content, 12, 3, "f")

    @relaxed
    @given(st.integers(0, 10**6), st.integers(0, 255))
    @example(992, 49)  # the flags of the type: numpy's own reader takes them on trust, and fails later
    def test_a_changed_byte_gives_a_batch_or_an_error_of_ours(self, place, value):
        content = bytearray(python2_pickle(PIXELS, [1, 2]))
        content[place % len(content)] = value
        try:
            data, labels = read_batch(bytes(content), 12, 3, "f")
        except DataDamaged:
            return
        assert data.shape[1] == 12
        assert len(labels) == len(data)
        assert set(labels) <= {0, 1, 2}

    @pytest.mark.parametrize(
        ("batch", "message"),
        [
            ([1, 2], "expected a dict with data and labels, found list"),
            ({}, "expected data as a uint8 array of 12 columns, found NoneType"),
            ({b"data": PIXELS.astype(float)}, r"found float64 array of shape \(2, 12\)"),
            ({b"data": PIXELS[:, :5]}, r"found uint8 array of shape \(2, 5\)"),
            ({b"data": PIXELS}, r"expected 2 labels in 0\.\.2"),
            ({b"data": PIXELS, b"labels": [1]}, "expected 2 labels"),
            ({b"data": PIXELS, b"labels": [1, 3]}, "expected 2 labels"),
            ({b"data": PIXELS, b"labels": [1, -1]}, "expected 2 labels"),
            ({b"data": PIXELS, b"labels": [1, True]}, "expected 2 labels"),
            ({b"data": PIXELS, b"labels": b"ab"}, "expected 2 labels"),
        ],
    )
    def test_batches_of_another_make_are_refused(self, batch, message):
        with pytest.raises(DataDamaged, match=message):
            read_batch(pickle.dumps(batch, protocol=4), 12, 3, "f")

    def test_bytes_written_by_python_3_in_protocol_2_are_refused_by_name(self):
        with pytest.raises(DataDamaged, match=r"asks for _codecs\.encode"):
            read_batch(batch_bytes(PIXELS, [1, 2]), 12, 3, "f")

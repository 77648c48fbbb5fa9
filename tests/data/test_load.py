"""`load`, `available` and `Dataset` on tiny data sets of the real formats."""

import gzip
import pickle
from dataclasses import replace

import numpy as np
import pytest
from tiny_data import idx, sha

from layerlab import data
from layerlab.data import DataDamaged, DataMissing
from layerlab.data.registry import SOURCES, File


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A reader's own data folder, named by LAYERLAB_DATA."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setenv("LAYERLAB_DATA", str(folder))
    return folder


class TestIdxData:
    def test_pixels_labels_and_names(self, mnist, own):
        mnist.write(own)
        loaded = data.load("tiny-mnist")
        for part in ("train", "test"):
            x, y = getattr(loaded, f"x_{part}"), getattr(loaded, f"y_{part}")
            pixels = mnist.arrays[f"x_{part}"]
            assert (x.dtype, y.dtype) == (np.float32, np.int64)
            np.testing.assert_allclose(x, pixels.reshape(len(pixels), 6) / 255, rtol=1e-6)
            np.testing.assert_array_equal(y, mnist.arrays[f"y_{part}"])
        assert (loaded.names, loaded.shape, loaded.classes, loaded.dimension) == (("a", "b", "c"), (2, 3), 3, 6)
        assert loaded.source == "Tiny MNIST (made here)"

    def test_unzipped_and_rezipped_files_are_the_same_data(self, mnist, own):
        folder = mnist.write(own)
        zipped = data.load("tiny-mnist")
        content = gzip.decompress((folder / "train-images.gz").read_bytes())
        (folder / "train-images.gz").unlink()
        (folder / "train-images").write_bytes(content)
        (folder / "test-labels.gz").write_bytes(gzip.compress(idx(mnist.arrays["y_test"]), 1))
        plain = data.load("tiny-mnist")
        np.testing.assert_array_equal(plain.x_train, zipped.x_train)
        assert plain.checksum == zipped.checksum
        assert plain.checksum.startswith("sha256:")

    def test_files_that_do_not_belong_together_are_refused(self, mnist, own, monkeypatch):
        for name, array, message in (
            ("train-labels.gz", np.zeros(6, np.uint8), "found 7 of shape .* and 6 labels"),
            ("train-labels.gz", np.full(7, 3, np.uint8), "labels below 3"),
            ("train-images.gz", np.zeros((7, 3, 3), np.uint8), r"found 7 of shape \(3, 3\)"),
        ):
            mnist.write(own)
            (own / "tiny-mnist" / name).write_bytes(gzip.compress(idx(array)))
            files = [
                replace(f, content_size=len(idx(array)), content_sha256=sha(idx(array))) if f.name == name else f
                for f in mnist.source.files
            ]
            monkeypatch.setitem(SOURCES, "tiny-mnist", replace(mnist.source, files=tuple(files)))
            with pytest.raises(DataDamaged, match=message):
                data.load("tiny-mnist")

    def test_labels_in_place_of_images_are_named_by_their_magic_number(self, mnist, own, monkeypatch):
        folder = mnist.write(own)
        labels = idx(mnist.arrays["y_train"])
        (folder / "train-images.gz").write_bytes(gzip.compress(labels))
        swapped = replace(mnist.source.files[0], content_size=len(labels), content_sha256=sha(labels))
        monkeypatch.setitem(SOURCES, "tiny-mnist", replace(mnist.source, files=(swapped, *mnist.source.files[1:])))
        with pytest.raises(DataDamaged, match=r"train-images\.gz: expected the IDX magic number 0x00000803"):
            data.load("tiny-mnist")


class TestBatchData:
    def test_takes_all_batches(self, cifar, own):
        cifar.write(own)
        loaded = data.load("tiny-cifar")
        assert loaded.detail == ""
        np.testing.assert_allclose(
            loaded.x_train, np.concatenate([cifar.arrays[f"batch_{i}"][0] for i in (1, 2, 3)]) / 255, rtol=1e-6
        )
        np.testing.assert_array_equal(loaded.y_test, cifar.arrays["test"][1])

    def test_takes_those_that_are_there_and_says_so(self, cifar, own):
        cifar.write(own, "batch_3", "test")
        loaded = data.load("tiny-cifar")
        assert loaded.detail == "1 of 3 training batches (5 images)"
        assert "1 of 3 training batches" in loaded.source
        np.testing.assert_array_equal(loaded.y_train, cifar.arrays["batch_3"][1])
        status = data.available()["tiny-cifar"]
        assert status.present
        assert status.detail.startswith("2 of 4 files in ")
        assert "no batch_1, batch_2" in status.detail

    def test_fewer_batches_have_another_checksum(self, cifar, own):
        cifar.write(own, "batch_1", "test")
        one = data.load("tiny-cifar").checksum
        cifar.write(own)
        assert data.load("tiny-cifar").checksum != one

    @pytest.mark.parametrize("names", [("test",), ("batch_1", "batch_2", "batch_3")])
    def test_needs_a_training_and_the_test_batch(self, cifar, own, names):
        cifar.write(own, *names)
        with pytest.raises(DataMissing, match=r"Tiny CIFAR is incomplete in .*layerlab data fetch tiny-cifar"):
            data.load("tiny-cifar")

    def test_a_malicious_batch_is_stopped_even_with_a_matching_checksum(self, cifar, own, tmp_path, monkeypatch):
        class Evil:
            def __reduce__(self):
                return __import__("os").mkdir, (str(tmp_path / "pwned"),)

        content = pickle.dumps({b"data": Evil()}, protocol=2)
        cifar.write(own)
        (own / "tiny-cifar" / "batch_1").write_bytes(content)
        with pytest.raises(DataDamaged, match="batch_1: expected the original with SHA-256"):
            data.load("tiny-cifar")
        files = (File("batch_1", 0, sha(content)), *cifar.source.files[1:])
        monkeypatch.setitem(SOURCES, "tiny-cifar", replace(cifar.source, files=files))
        with pytest.raises(DataDamaged, match="found a pickle that asks for"):
            data.load("tiny-cifar")
        assert not (tmp_path / "pwned").exists()


class TestMissing:
    def test_says_what_to_do_in_one_sentence_and_downloads_nothing(self, mnist, cache):
        with pytest.raises(DataMissing) as caught:
            data.load("tiny-mnist")
        assert str(caught.value) == (
            "Tiny MNIST is not here; run `layerlab data fetch tiny-mnist`, or set LAYERLAB_DATA to a folder that has "
            "its original files in tiny-mnist/."
        )
        assert not cache.exists()

    def test_names_a_folder_that_is_not_there(self, mnist, tmp_path, monkeypatch):
        monkeypatch.setenv("LAYERLAB_DATA", str(tmp_path / "nowhere"))
        with pytest.raises(DataMissing, match=r"LAYERLAB_DATA names .*nowhere, which is no folder"):
            data.load("tiny-mnist")

    def test_names_the_files_that_are_missing(self, mnist, own):
        mnist.write(own, "train-images.gz", "train-labels.gz", "test-images.gz")
        with pytest.raises(DataMissing, match=r"incomplete in .*tiny-mnist \(no test-labels\.gz\)"):
            data.load("tiny-mnist")

    def test_a_damaged_file_is_named_with_what_to_do(self, mnist, own):
        folder = mnist.write(own)
        (folder / "test-images.gz").write_bytes(b"<html>sorry</html>")
        with pytest.raises(DataDamaged, match=r"test-images\.gz: expected a data file, found a web page.*Replace it"):
            data.load("tiny-mnist")

    def test_unknown_names_and_options_are_refused(self):
        with pytest.raises(ValueError, match=r"name must be one of digits, mnist, .* not 'MNIST'"):
            data.load("MNIST")
        with pytest.raises(TypeError, match="digits takes no options, got n"):
            data.load("digits", n=5)


class TestFolders:
    def test_the_readers_folder_comes_before_the_cache(self, mnist, own, cache):
        mnist.write(cache)
        assert data.available()["tiny-mnist"].where == str(cache / "tiny-mnist")
        mnist.write(own)
        assert data.available()["tiny-mnist"].where == str(own / "tiny-mnist")

    def test_but_a_complete_cache_comes_before_a_part(self, mnist, own, cache):
        mnist.write(own, "train-images.gz")
        mnist.write(cache)
        assert data.load("tiny-mnist").x_train.shape == (7, 6)

    def test_available_covers_every_name_in_order_and_reads_as_text(self, mnist, own, cache):
        states = data.available()
        assert tuple(states) == data.names()
        assert states["digits"].present
        assert states["gaussian"].present
        assert not states["tiny-mnist"].present
        assert "layerlab data fetch tiny-mnist" in f"{states['tiny-mnist']}"
        mnist.write(own)
        assert f"{data.available()['tiny-mnist']}" == f"complete in {own / 'tiny-mnist'}"

    def test_home_is_expanded(self, mnist, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("LAYERLAB_DATA", "~/mine")
        mnist.write(tmp_path / "mine")
        assert data.load("tiny-mnist").x_test.shape == (4, 6)

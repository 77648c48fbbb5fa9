"""The real files, where LAYERLAB_DATA names a folder of them: every checksum in the registry, and known facts."""

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from layerlab import data
from layerlab.data.registry import SOURCES

FOLDER = Path(os.environ.get("LAYERLAB_DATA", "/nowhere"))


def needs(name):
    """Skip unless the data set's folder is there, and say how to have it."""
    folder = FOLDER / SOURCES[name].folder
    return pytest.mark.skipif(
        not folder.is_dir(),
        reason=f"no {SOURCES[name].title} files: run `layerlab data fetch {name}`, then set LAYERLAB_DATA to the "
        "folder that holds them",
    )


@pytest.mark.parametrize(
    ("name", "first", "mean"),
    [
        pytest.param("mnist", [5, 0, 4, 1, 9], 0.1307, marks=needs("mnist")),
        pytest.param("fashion-mnist", [9, 0, 0, 3, 0], 0.2860, marks=needs("fashion-mnist")),
    ],
)
def test_mnist_and_its_relative(name, first, mean):
    d = data.load(name)
    assert (d.x_train.shape, d.x_test.shape) == ((60_000, 784), (10_000, 784))
    assert (d.x_train.dtype, d.x_train.min(), d.x_train.max()) == (np.float32, 0, 1)
    assert d.y_train[:5].tolist() == first
    assert d.x_train.mean(dtype=np.float64) == pytest.approx(mean, abs=5e-5)
    np.testing.assert_array_equal(np.unique(d.y_test), np.arange(10))
    for file in SOURCES[name].files:
        content = (FOLDER / SOURCES[name].folder / file.name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size, file.sha256)
        plain = gzip.decompress(content)
        assert (len(plain), hashlib.sha256(plain).hexdigest()) == (file.content_size, file.content_sha256)


@needs("cifar-10")
def test_cifar_10_with_the_batches_that_are_there():
    d = data.load("cifar-10")
    folder = FOLDER / "cifar-10-batches-py"
    here = sorted(p.name for p in folder.glob("data_batch_*"))
    assert d.x_train.shape == (10_000 * len(here), 3072)
    assert d.x_test.shape == (10_000, 3072)
    np.testing.assert_array_equal(np.bincount(d.y_test), np.full(10, 1000))
    assert d.names[d.y_test[0]] == "cat"
    if len(here) < 5:
        assert d.detail == f"{len(here)} of 5 training batches ({10_000 * len(here):,} images)"
    if here[0] == "data_batch_1":
        assert d.y_train[:5].tolist() == [6, 9, 9, 4, 1]

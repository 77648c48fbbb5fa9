"""Fixtures: tiny data sets in the registry, an empty cache, and mirrors on loopback."""

import pytest
from tiny_data import Mirrors, tiny_cifar, tiny_mnist

from layerlab.data.registry import SOURCES


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, no LAYERLAB_DATA, and no proxy in front of loopback. Returns the cache's data folder."""
    monkeypatch.setenv("LAYERLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LAYERLAB_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "cache" / "data"


@pytest.fixture
def mnist(cache, monkeypatch):
    """Tiny MNIST in the registry as "tiny-mnist"."""
    tiny = tiny_mnist()
    monkeypatch.setitem(SOURCES, "tiny-mnist", tiny.source)
    return tiny


@pytest.fixture
def cifar(cache, monkeypatch):
    """Tiny CIFAR in the registry as "tiny-cifar"."""
    tiny = tiny_cifar()
    monkeypatch.setitem(SOURCES, "tiny-cifar", tiny.source)
    return tiny


@pytest.fixture
def server(mnist):
    """Mirrors that hold tiny MNIST's files; `good` is the one without faults."""
    mirrors = Mirrors()
    mirrors.files = dict(mnist.contents)
    yield mirrors
    mirrors.stop()

"""Nothing is trained twice, and a bad cache is no catastrophe."""

import logging

import numpy as np
import pytest

from layerlab.lab import cache, paths, remember

calls = []


def train(size, seed, progress=None):
    calls.append((size, seed))
    return {"w": np.random.default_rng(seed).normal(size=size)}


@pytest.fixture(autouse=True)
def _known_code(monkeypatch):
    monkeypatch.setattr(cache, "fingerprint", lambda names: f"code of {names}")
    calls.clear()


def test_the_second_time_nothing_is_computed():
    first = remember(train, {"size": 3, "seed": 1}, progress=print)
    second = remember(train, {"seed": 1, "size": 3})
    assert np.array_equal(first["w"], second["w"])
    assert calls == [(3, 1)]
    remember(train, {"size": 3, "seed": 2})
    assert len(calls) == 2


def test_changed_code_computes_again(monkeypatch):
    remember(train, {"size": 3, "seed": 1})
    monkeypatch.setattr(cache, "fingerprint", lambda names: "new code")
    remember(train, {"size": 3, "seed": 1})
    assert len(calls) == 2


def test_a_damaged_entry_is_computed_again(caplog):
    first = remember(train, {"size": 3, "seed": 1})
    [path] = paths.cache().rglob("*.npz")
    path.write_bytes(path.read_bytes()[:50])
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(remember(train, {"size": 3, "seed": 1})["w"], first["w"])
    assert "damaged" in caplog.text
    assert len(calls) == 2


def test_a_cache_that_cannot_be_made_is_done_without(monkeypatch, tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LAYERLAB_CACHE", str(tmp_path / "file"))
    assert remember(train, {"size": 3, "seed": 1})["w"].shape == (3,)
    assert "cannot be used" in caplog.text

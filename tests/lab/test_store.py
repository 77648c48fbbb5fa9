"""Stored runs survive what happens to files: truncation, alteration, a full disk, a killed process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from layerlab import lab


@pytest.fixture
def stored(tiny, store):
    run = lab.execute(tiny, device="cpu")
    store.save(run)
    return run


def test_what_was_saved_is_what_is_loaded(tiny, store, stored):
    again = store.load(tiny, stored.config)
    assert again.result.identical(stored.result)
    assert again.provenance == stored.provenance
    assert again.claims() == stored.claims()
    assert stored.provenance.data == {"none": "0"}
    assert "data_checksums" not in stored.result.attrs


def test_what_was_never_stored_is_none(tiny, store):
    assert store.load(tiny, tiny.Config(n=7)) is None
    assert [s.state for s in store.states(tiny)] == ["missing"] * 4


def test_a_store_of_nowhere_is_empty_and_says_so_when_written_to(tiny, stored, monkeypatch):
    monkeypatch.setattr("layerlab.lab.paths.checkout", lambda: None)
    monkeypatch.delenv("LAYERLAB_RESULTS", raising=False)
    nowhere = lab.Store()
    assert nowhere.load(tiny, stored.config) is None
    with pytest.raises(lab.NoStore, match="LAYERLAB_RESULTS"):
        nowhere.save(stored)


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def _flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def _empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [_truncate, _flip, _empty, os.unlink])
def test_a_harmed_file_is_reported_left_out_and_computed_again(tiny, store, harm):
    config = tiny.grid()[1]
    path = store.save(lab.execute(tiny, config, "cpu"))
    before = store.load(tiny, config).result
    harm(path)
    with pytest.raises(lab.DamagedRun, match=path.name):
        store.load(tiny, config)
    assert store.runs(tiny) == []
    assert [s.state for s in store.states(tiny)] == ["missing", "damaged", "missing", "missing"]
    assert len(lab.sweep(tiny, [config], store=store, device="cpu", jobs=1)) == 1
    assert store.load(tiny, config).result.identical(before)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"sha256": "0"}', "null"])
def test_a_harmed_record_is_reported(tiny, store, stored, text):
    path = store.path(tiny, stored.config)
    record = path.with_name(path.name.removesuffix(".nc") + ".json")
    record.write_text(text)
    with pytest.raises(lab.DamagedRun, match="record"):
        store.load(tiny, stored.config)


def test_a_record_of_other_parameters_is_reported(tiny, store, stored):
    path = store.path(tiny, stored.config)
    record = path.with_name(path.name.removesuffix(".nc") + ".json")
    content = json.loads(record.read_text())
    content["parameters"]["n"] = 99
    record.write_text(json.dumps(content))
    with pytest.raises(lab.DamagedRun, match="other parameters"):
        store.load(tiny, stored.config)


def test_a_full_disk_leaves_the_old_run_and_no_rubbish(tiny, store, stored, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    other = lab.execute(tiny, stored.config, "cpu")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.save(other)
    monkeypatch.undo()
    assert store.load(tiny, stored.config).result.identical(stored.result)
    assert not list(store.root.rglob("*.part"))


def test_a_process_killed_while_saving_leaves_nothing_that_is_read(tiny, store, checkout):
    code = f"""
import os
from layerlab import lab
from layerlab.lab import store as module
import layerlab.lab.experiment as e
e.ROOM = "tinyroom"
tiny = lab.get("tiny/mean")
run = lab.execute(tiny, device="cpu")
module._replace.__globals__["_json"] = lambda path: os._exit(9)   # dies between the two files
lab.Store({str(store.root)!r}).save(run)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert store.load(tiny, tiny.Config()) is None
    store.save(lab.execute(tiny, device="cpu"))
    assert store.load(tiny, tiny.Config()) is not None


def test_changed_code_makes_a_run_stale_but_changed_drawing_does_not(tiny, store):
    for config in tiny.grid():
        store.save(lab.execute(tiny, config, "cpu"))
    source = Path(tiny.module.__file__)
    text = source.read_text()

    def states_after(old, new):
        source.write_text(text.replace(old, new))
        return {s.state for s in store.states(tiny)}

    assert states_after('"o")', '"s")') == {"current"}
    assert states_after("device, progress):", "device, progress):  # a comment") == {"current"}
    assert states_after(".uniform(0, config.top", ".uniform(1, config.top") == {"stale"}
    drawing = tiny.drawing_fingerprint()
    states_after('"o")', '"s")')
    assert tiny.drawing_fingerprint() != drawing


def test_files_of_no_grid_point_are_found(tiny, store):
    store.save(lab.execute(tiny, tiny.Config(n=7), "cpu"))
    assert {p.suffix for p in store.orphans(tiny)} == {".nc", ".json"}


def test_a_run_that_breaks_the_contract_is_refused(tiny, monkeypatch):
    monkeypatch.setattr(tiny.module, "run", lambda c, d, p: {"mean": np.zeros(3)})
    with pytest.raises(lab.BadResult, match=r"xarray\.Dataset"):
        lab.execute(tiny, device="cpu")
    import xarray as xr

    monkeypatch.setattr(tiny.module, "run", lambda c, d, p: xr.Dataset({"mean": ("seed", np.zeros(2))}))
    with pytest.raises(lab.BadResult, match="length 3"):
        lab.execute(tiny, device="cpu")

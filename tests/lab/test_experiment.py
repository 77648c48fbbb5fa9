"""Finding experiments, their grids, their tables, progress, estimates and drawing."""

import numpy as np
import pytest
import xarray as xr

from layerlab import lab
from layerlab.lab.estimate import record
from layerlab.lab.tables import tidy


def test_the_grid_is_the_product_and_the_default_comes_first(tiny):
    assert [(c.n, c.top) for c in tiny.grid()] == [(10, 1.0), (10, 2.0), (100, 1.0), (100, 2.0)]
    assert tiny.default() == tiny.Config()


def test_a_grid_of_several_grids_holds_each_config_once(tiny, monkeypatch):
    monkeypatch.setattr(tiny.module, "GRID", ({"n": (1, 2)}, {"n": (2, 3)}))
    assert [c.n for c in tiny.grid()] == [1, 2, 3]
    assert tiny.default() == tiny.Config(n=1)


def test_an_unknown_experiment_suggests_a_near_one(tiny):
    with pytest.raises(lab.UnknownExperiment, match="tiny/mean"):
        lab.get("tiny/main")


def test_a_module_that_lacks_a_part_is_refused(tiny, monkeypatch):
    monkeypatch.delattr(tiny.module, "describe")
    with pytest.raises(TypeError, match="lacks describe"):
        lab.from_module("tiny/mean", tiny.module)


def test_an_unknown_field_is_refused(tiny):
    with pytest.raises(ValueError, match="no field 'm'; it has n, top, kind, seed, seeds"):
        tiny.config(m=3)


def test_titles_are_read_without_importing(tiny):
    assert lab.titles() == {"tiny/mean": "The mean of uniform numbers"}


def test_cancelling_stops_a_run(tiny):
    progress = lab.Progress(lambda *a: progress.cancel(), interval=0)
    with pytest.raises(lab.Cancelled):
        lab.execute(tiny, device="cpu", progress=progress)


def test_progress_is_throttled_but_the_end_is_heard():
    heard = []
    progress = lab.Progress(lambda done, total, note: heard.append(done), interval=60)
    for i in range(11):
        progress(i, 10)
    assert heard == [0, 10]


def test_a_device_that_is_not_there_is_refused(tiny, monkeypatch):
    monkeypatch.setattr("layerlab.lab.devices.available", lambda: ["cpu"])
    with pytest.raises(ValueError, match="there is no cuda device here; this machine has cpu"):
        lab.execute(tiny, device="cuda")
    with pytest.raises(ValueError, match="device must be one of"):
        lab.execute(tiny, device="gpu")
    assert lab.devices.resolve("auto") == "cpu"


def test_an_estimate_scales_with_the_work_and_learns_from_this_machine(tiny, store):
    assert lab.estimate(tiny, tiny.Config(), "cpu", store) is None
    run = lab.execute(tiny, tiny.Config(n=100), "cpu")
    object.__setattr__(run.provenance, "wall_seconds", 2.0)
    store.save(run)
    assert lab.estimate(tiny, tiny.Config(n=1000), "cpu", store) == pytest.approx(20.0)
    assert lab.estimate(tiny, tiny.Config(n=1000), "cuda", store) == pytest.approx(20.0)
    object.__setattr__(run.provenance, "wall_seconds", 1.0)
    record(tiny, run.provenance)
    assert lab.estimate(tiny, tiny.Config(n=1000), "cpu", store) == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "unknown"), (0.2, "under a second"), (30, "about 30 s"), (600, "about 10 min"), (7200, "about 2.0 h")],
)
def test_durations_in_words(seconds, words):
    assert lab.in_words(seconds) == words


def test_the_table_has_means_and_spreads_in_named_columns():
    result = xr.Dataset(
        {
            "error": (("seed", "k"), [[1.0, 2.0], [3.0, 6.0]], {"long_name": "error", "units": "%"}),
            "theory": ("k", [2.0, 4.0]),
            "total": ((), 5.0),
        },
        coords={"k": ("k", [1, 2], {"long_name": "dimension k"})},
    )
    table = tidy(result)
    assert list(table.columns) == ["dimension k", "error [%], mean", "error [%], s.d.", "theory", "total"]
    assert table["error [%], mean"].tolist()[:2] == [2.0, 4.0]
    assert table["error [%], s.d."][1] == pytest.approx(np.std([2, 6], ddof=1))
    assert table["total"].tolist()[2] == 5.0


def test_the_svg_can_live_in_a_page(tiny):
    result = lab.execute(tiny, device="cpu").result
    svg = lab.figure_svg(tiny, result, "run-1")
    assert svg.startswith("<svg ")
    assert "viewBox" in svg.partition(">")[0]
    assert ' width="' not in svg.partition(">")[0]
    assert "&lt;m&gt;" in svg
    assert "currentColor" in svg
    assert lab.style.INK not in svg
    ids = set(_ids(svg))
    assert ids
    assert all(i.startswith("run-1-") for i in ids)
    assert not ids & set(_ids(lab.figure_svg(tiny, result, "run-2")))
    assert lab.figure_svg(tiny, result, "run-1") == svg
    with pytest.raises(ValueError, match="prefix"):
        lab.figure_svg(tiny, result, "1 2")


def _ids(svg):
    import re

    defined = set(re.findall(r'\sid="([^"]+)"', svg))
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    assert used <= defined
    return defined

"""The replay of stored runs: files, element, cache of drawings, and what it says when runs are missing."""

import json
import re

import pandas as pd
import pytest

from layerlab import lab
from layerlab.widgets import parts, replay


@pytest.fixture
def stored(tiny, store):
    """The tiny experiment with all runs of its grid stored."""
    for config in tiny.grid():
        store.save(lab.execute(tiny, config, "cpu"))
    return tiny


@pytest.fixture
def prepared(stored, store, tmp_path):
    return replay.prepare(stored, store, tmp_path / "drawings")


def count_drawings(monkeypatch):
    """A list that grows by one with each figure drawn."""
    drawn = []

    def counting(experiment, result, prefix, **kinds):
        drawn.append(prefix)
        return lab.figure_svg(experiment, result, prefix, **kinds)

    monkeypatch.setattr(replay, "figure_svg", counting)
    return drawn


def test_the_manifest_names_each_stored_run_once(prepared):
    manifest = replay.manifest(prepared)
    assert [(f["name"], f["values"], f["unit"]) for f in manifest["fields"]] == [
        ("n", [10, 100], ""),
        ("top", [1.0, 2.0], "m"),
    ]
    assert sorted(tuple(run["at"]) for run in manifest["runs"]) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert len({run["file"] for run in manifest["runs"]}) == 4
    assert manifest["runs"][manifest["start"]]["at"] == [1, 0]  # the default config is n = 100, top = 1


def test_every_run_has_its_files_and_they_hold_what_was_measured(prepared, store, tmp_path):
    replay.write(prepared, tmp_path / "out")
    folder = tmp_path / "out" / replay.FOLDER / "tiny/mean"
    for index, point in enumerate(prepared.points):
        run = store.load(prepared.experiment, point.config)
        shown = json.loads((folder / f"{point.file}.json").read_text())
        narrow = json.loads((folder / f"{point.file}.narrow.json").read_text())
        table = json.loads((folder / f"{point.file}.table.json").read_text())
        assert shown["alt"] == prepared.experiment.describe(run.result)
        assert shown["svg"].startswith("<svg") and narrow["svg"].startswith("<svg") and narrow["svg"] != shown["svg"]
        assert f"seeds = {point.config.seeds}" in shown["provenance"]
        assert parts.number(float(run.result["mean"].mean())) in shown["claims"]
        assert table["rows"][0][0] == pytest.approx(float(run.result["mean"].mean()), rel=1e-5)
        assert replay.drawn(prepared, index)["svg"] == shown["svg"]


def test_drawings_are_kept_and_made_again_only_when_their_result_changes(prepared, store, tmp_path, monkeypatch):
    drawn = count_drawings(monkeypatch)
    first = replay.write(prepared, tmp_path / "out")
    assert len(first) == 3 * 4
    assert len(drawn) == 2 * 4
    assert replay.write(prepared, tmp_path / "out") == []
    assert len(drawn) == 2 * 4
    changed = prepared.points[2].config
    run = lab.execute(prepared.experiment, changed, "cpu")
    run.result["mean"][:] = 0.25
    store.save(run)
    again = replay.prepare(prepared.experiment, store, tmp_path / "drawings")
    assert again.digest != prepared.digest
    written = {path.name for path in replay.write(again, tmp_path / "out")}
    assert len(drawn) == 2 * 5
    name = prepared.points[2].file
    assert written == {f"{name}.json", f"{name}.narrow.json", f"{name}.table.json"}


def test_many_drawings_are_made_by_several_processes(prepared, tmp_path, monkeypatch):
    drawn = count_drawings(monkeypatch)
    monkeypatch.setattr(replay, "PARALLEL_FROM", 2)
    replay.draw([prepared], jobs=2)
    assert len(replay.write(prepared, tmp_path / "out")) == 3 * 4
    assert drawn == []  # none of them here


def test_a_run_that_left_the_grid_leaves_the_page(prepared, store, tmp_path, monkeypatch):
    replay.write(prepared, tmp_path / "out")
    monkeypatch.setattr(prepared.experiment.module, "GRID", {"n": (10, 100), "top": (1.0,)})
    smaller = replay.prepare(prepared.experiment, store, tmp_path / "drawings")
    replay.write(smaller, tmp_path / "out")
    names = {path.name for path in (tmp_path / "out" / replay.FOLDER / "tiny/mean").iterdir()}
    assert names == {f"{p.file}{kind}.json" for p in smaller.points for kind in ("", ".narrow", ".table")}


def test_missing_and_damaged_runs_are_left_out_and_told(stored, store, tmp_path):
    first, second, *_ = stored.grid()
    store.path(stored, first).unlink()
    path = store.path(stored, second)
    path.write_bytes(path.read_bytes()[:-20])
    monitored = replay.prepare(stored, store, tmp_path / "drawings")
    assert len(monitored.points) == 2
    assert len(monitored.damaged) == 2
    assert any("checksum" in text for text in monitored.damaged)
    for state in store.states(stored):
        if state.state == "damaged":
            store.path(stored, state.config).with_name(f"{state.config.key()}.json").unlink()
    assert len(replay.prepare(stored, store, tmp_path / "drawings").missing) == 2


def test_without_any_run_the_element_says_what_to_do(tiny, store, tmp_path):
    html = replay.element(replay.prepare(tiny, store, tmp_path / "drawings"), "base")
    assert "layerlab sweep tiny/mean" in html
    assert "<layerlab-replay" not in html


def test_the_element_is_whole_without_javascript(prepared):
    html = replay.element(prepared, "../_static/replay/tiny/mean")
    assert 'base="../_static/replay/tiny/mean"' in html
    assert html.count("<svg") == 2
    assert "numbers = 100, upper end = 1" in html
    assert "The mean is half the upper end." in html and "fingerprint" in html
    assert "over all 0." in html and "&lt;m&gt;" in html  # the description is escaped
    data = re.search(r'class="ll-manifest">(.*?)</script>', html)[1]
    assert json.loads(data)["name"] == "tiny/mean"


def test_the_element_starts_where_the_author_says(prepared):
    html = replay.element(prepared, "base", {"n": 10, "top": 2.0})
    data = json.loads(re.search(r'class="ll-manifest">(.*?)</script>', html)[1])
    assert data["runs"][data["start"]]["at"] == [0, 1]
    with pytest.raises(ValueError, match="no field 'depth'"):
        replay.element(prepared, "base", {"depth": 3})


def test_compact_keeps_what_scales_and_what_is_said():
    svg = (
        '<svg aria-label="0.12345"><defs>\n<style type="text/css">*{stroke-linejoin: round}</style>\n</defs>'
        '<path d="M 1.23456 2 L -0.001234 10.5" transform="scale(0.015625)"/>'
        '<use x="3.14159" transform="translate(52.636308 209.7) scale(0.11 -0.11)"/></svg>'
    )
    assert replay._compact(svg) == (
        '<svg aria-label="0.12345"><path d="M 1.23 2 L -0.00 10.5" transform="scale(0.015625)"/>'
        '<use x="3.14" transform="translate(52.63 209.7) scale(0.11 -0.11)"/></svg>'
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.049812, "0.04981"),
        (-2.5, "−2.5"),
        (4000, "4\u202f000"),
        (0, "0"),
        (1.5e-7, "1.5 × 10⁻⁷"),
        (float("nan"), "not a number"),
        (float("-inf"), "−∞"),
    ],
)
def test_numbers_are_written_for_a_reader(value, text):
    assert parts.number(value) == text


def test_claims_say_verdict_numbers_and_dispute():
    claim = {
        "statement": "a < b", "source": "S", "disputed": "b is small", "verdict": "fails", "measured": 2.0,
        "expected": 1.0, "tolerance": 0.1, "relation": "≤", "spread": 0.02, "unit": "bits",
    }  # fmt: skip
    html = parts.claims_html([claim, {"statement": "c", "source": "T", "disputed": "", "verdict": "untested"}])
    assert "a &lt; b" in html and "does not hold" in html and "Disputed: b is small" in html
    assert "measured 2 bits (s.d. over seeds 0.02), expected ≤ 1 bits, tolerance 0.1" in html
    assert "not tested here" in html


def test_a_cell_that_a_column_says_nothing_of_is_a_dash():
    html = parts.table_html(pd.DataFrame({"a": [1.5, float("nan")], "b": [2, 3]}), "numbers")
    assert html.count("<td>–</td>") == 1
    assert "not a number" not in html

"""The live widget, used in this process as a reader would: change controls, press buttons, look at what is shown."""

import contextlib
import threading

import numpy as np
import pytest

from layerlab import lab
from layerlab.data import DataMissing
from layerlab.lab.estimate import estimate
from layerlab.widgets import cells, stored
from layerlab.widgets import live as live_module
from layerlab.widgets.live import Explorer


@pytest.fixture(autouse=True)
def _parsed_and_imported(tiny):
    """Parses the code and imports torch in this thread: hypothesis looks on at each collection of garbage, and CPython
    3.11 then mixes up what two threads parse at once (SystemError: AST constructor recursion depth mismatch)."""
    lab.devices.available()
    tiny.fingerprint()


@pytest.fixture
def swept(tiny, store):
    """The store with all runs of the tiny experiment."""
    for config in tiny.grid():
        store.save(lab.execute(tiny, config, "cpu"))
    return store


@pytest.fixture
def explore_in(tiny):
    """Makes widgets of the tiny experiment, waited for, and closes them afterwards."""
    with contextlib.ExitStack() as stack:

        def make(store, **defaults):
            explorer = Explorer(tiny, defaults, store)
            stack.callback(explorer.wait)
            stack.callback(explorer.close)
            assert explorer.wait()
            return explorer

        yield make


@pytest.fixture
def gate(tiny, monkeypatch):
    """Holds every run of the tiny experiment at its first step until it is opened or the run is cancelled."""

    class Gate:
        def __init__(self):
            self.reached, self.opened, self.runs = threading.Event(), threading.Event(), 0

    held, run = Gate(), tiny.module.run

    def waiting(config, device, progress):
        held.runs += 1
        held.reached.set()
        while not held.opened.wait(0.01):
            progress(0, 10, "waiting <here>")
        return run(config, device, progress)

    monkeypatch.setattr(tiny.module, "run", waiting)
    yield held
    held.opened.set()


def press(button):
    """What the front end sends when a reader presses a button."""
    if not button.disabled:
        button.click()


def test_a_stored_run_is_shown_without_computing(tiny, swept, explore_in, gate):
    explorer = explore_in(swept, n=10, top=2.0)
    assert explorer.stored_run.config == tiny.config(n=10, top=2.0)
    assert '<svg xmlns="http://www.w3.org/2000/svg"' in explorer.stored.view.value
    assert "The mean is half the upper end." in explorer.stored.view.value
    assert explorer.stored_run.provenance.fingerprint in explorer.stored.view.value
    assert "ll-note" not in explorer.stored.view.value
    assert explorer.live.widget.layout.display == "none"
    assert gate.runs == 0


def test_every_control_changes_the_stored_run(tiny, swept, explore_in):
    explorer = explore_in(swept)
    controls = explorer.form.controls
    assert list(controls) == ["n", "top", "kind", "seed", "seeds"]
    controls["n"].slider.value = 1.0
    controls["top"].entry.value = 2.0
    assert explorer.wait()
    assert controls["n"].entry.value == 10
    assert explorer.stored_run.config == tiny.config(n=10, top=2.0)
    assert "n = 10, top = 2" in explorer.stored.view.value


def test_off_the_grid_the_nearest_run_is_shown_and_said(tiny, swept, explore_in):
    explorer = explore_in(swept)
    explorer.form.controls["n"].entry.value = 70
    assert explorer.wait()
    assert explorer.stored_run.config == tiny.config(n=100)
    assert "No stored run for these parameters. The nearest one is shown: n = 100." in explorer.stored.view.value
    press(explorer.console.run_button)
    assert explorer.wait()
    assert explorer.live_run.config == tiny.config(n=70)
    assert explorer.stored_run.config == tiny.config(n=100), "the stored run stays beside the live one"


def test_a_live_run_has_its_own_figure_claims_and_provenance(tiny, swept, explore_in):
    explorer = explore_in(swept)
    explorer.set(n=999, seeds=2, seed=7)
    explorer.console.device.value = "cpu"
    press(explorer.console.run_button)
    assert explorer.wait()
    run, html = explorer.live_run, explorer.live.view.value
    expected = lab.execute(tiny, tiny.config(n=999, seeds=2, seed=7), "cpu")
    np.testing.assert_array_equal(run.result["mean"], expected.result["mean"])
    assert "n = 999, top = 1, kind = plain, seed = 7, seeds = 2" in html
    assert html.count("<svg") == 2
    assert 'role="img"' in html
    assert f"over all {float(run.result['mean'].mean()):.3f} &lt;m&gt;" in html
    assert "live · 2 seeds · cpu" in html
    assert "holds" in html
    assert explorer.live.widget.layout.display == ""
    assert "Finished in" in explorer.console.status.value
    assert 'role="status"' in explorer.console.status.value
    assert not explorer.running
    assert (explorer.console.run_button.disabled, explorer.console.cancel_button.disabled) == (False, True)
    assert explorer.console.bar.layout.display == "none"


def test_two_figures_of_one_page_share_no_id(swept, explore_in):
    explorer = explore_in(swept)
    explorer.run()
    assert explorer.wait()
    ids = [{part.split('"')[0] for part in v.split(' id="')[1:]} for v in (explorer.stored.view.value,
                                                                          explorer.live.view.value)]  # fmt: skip
    assert ids[0]
    assert ids[1]
    assert not ids[0] & ids[1]


def test_progress_is_shown_and_cancel_stops(explore_in, swept, gate):
    explorer = explore_in(swept)
    press(explorer.console.run_button)
    assert gate.reached.wait(30)
    assert explorer.running
    assert (explorer.console.run_button.disabled, explorer.console.cancel_button.disabled) == (True, False)
    assert "Running on the cpu device" in explorer.console.status.value
    press(explorer.console.run_button)
    explorer.run()
    assert gate.runs == 1, "one run at a time"
    press(explorer.console.cancel_button)
    assert explorer.wait()
    assert "Cancelled." in explorer.console.status.value
    assert explorer.live_run is None
    assert (explorer.console.run_button.disabled, explorer.console.cancel_button.disabled) == (False, True)
    gate.opened.set()
    press(explorer.console.run_button)
    assert explorer.wait()
    assert explorer.live_run is not None


def test_the_progress_bar_has_a_role_a_value_and_the_note_escaped(explore_in, swept):
    explorer = explore_in(swept)
    explorer._progressed(1, 4, "seed <2>")
    assert 'role="progressbar"' in explorer.console.bar.value
    assert 'aria-valuenow="25"' in explorer.console.bar.value
    assert "25% · seed &lt;2&gt;" in explorer.console.bar.value
    assert explorer.console.bar.layout.display == ""


def test_the_controls_work_while_a_run_is_under_way(tiny, explore_in, swept, gate):
    explorer = explore_in(swept)
    explorer.run()
    assert gate.reached.wait(30)
    explorer.set(n=10)
    for thread in list(explorer._threads):
        thread.join(30)
    assert explorer.stored_run.config == tiny.config(n=10)
    assert explorer.console.run_button.disabled, "the run is still under way"
    gate.opened.set()
    assert explorer.wait()
    assert explorer.live_run.config == tiny.config(n=100), "the parameters at the time of Run"


def test_a_run_that_ends_does_not_offer_what_is_not_allowed(explore_in, swept, gate):
    explorer = explore_in(swept)
    explorer.run()
    assert gate.reached.wait(30)
    explorer.form.controls["n"].entry.value = 5000
    gate.opened.set()
    assert explorer.wait()
    assert explorer.console.run_button.disabled
    assert "it was 5000" in explorer.console.error.value
    explorer.form.controls["n"].entry.value = 50
    assert not explorer.console.run_button.disabled


def test_an_unexpected_error_is_one_message_with_its_trace_folded_away(explore_in, swept):
    explorer = explore_in(swept, kind="broken")
    press(explorer.console.run_button)
    assert explorer.wait()
    message, _, details = explorer.console.error.value.partition("<details>")
    assert "ArithmeticError: this kind cannot be run" in message
    assert "Traceback" not in message
    assert "Traceback" in details
    assert 'role="alert"' in message
    assert "The run failed." in explorer.console.status.value
    assert not explorer.console.run_button.disabled
    explorer.set(kind="plain")
    assert explorer.console.error.value == ""


@pytest.mark.parametrize("error", [ValueError("k must be < d"), DataMissing("MNIST is not here: fetch it <first>")])
def test_an_error_written_for_readers_stands_alone(tiny, explore_in, swept, monkeypatch, error):
    def run(config, device, progress):
        raise error

    monkeypatch.setattr(tiny.module, "run", run)
    explorer = explore_in(swept)
    explorer.run()
    assert explorer.wait()
    text = str(error).replace("<", "&lt;").replace(">", "&gt;")
    assert f"<p>{text}</p>" in explorer.console.error.value
    assert "<details" not in explorer.console.error.value


def test_an_error_in_the_drawing_is_told_too(tiny, explore_in, swept, monkeypatch):
    explorer = explore_in(swept)

    def plot(result):
        raise KeyError("no such axis")

    monkeypatch.setattr(tiny.module, "plot", plot)
    explorer.run()
    assert explorer.wait()
    assert "KeyError" in explorer.console.error.value
    assert not explorer.running
    explorer.set(n=10)
    assert explorer.wait()
    assert "KeyError" in explorer.console.error.value
    assert explorer.stored_run is None


def test_a_value_out_of_bounds_is_said_and_cannot_be_run(explore_in, swept, gate):
    explorer = explore_in(swept)
    explorer.form.controls["n"].entry.value = 5000
    assert "n must be a whole number from 1 to 1000; it was 5000" in explorer.console.error.value
    assert explorer.console.run_button.disabled
    explorer.run()
    assert gate.runs == 0
    explorer.form.controls["n"].entry.value = 50
    assert explorer.console.error.value == ""
    assert not explorer.console.run_button.disabled
    with pytest.raises(ValueError, match="has no field 'size'"):
        explorer.set(size=3)


def test_without_a_store_the_widget_runs_and_says_so(tiny, explore_in, tmp_path, monkeypatch):
    monkeypatch.setattr("layerlab.lab.paths.results", lambda: None)
    for store in (lab.Store(), lab.Store(tmp_path / "nowhere")):
        explorer = explore_in(store)
        assert "There are no stored runs here." in explorer.stored.view.value
        assert explorer.stored_run is None
        press(explorer.console.run_button)
        assert explorer.wait()
        assert explorer.live_run.config == tiny.default()


def test_an_experiment_without_stored_runs_says_so(explore_in, store):
    store.root.mkdir()
    assert "This experiment has no stored runs here." in explore_in(store).stored.view.value


def test_a_damaged_run_is_told_of_and_not_drawn(tiny, explore_in, swept):
    path = swept.path(tiny, tiny.default())
    path.write_bytes(path.read_bytes()[:-20])
    explorer = explore_in(swept)
    assert "is damaged and is not shown" in explorer.stored.view.value
    assert "<svg" not in explorer.stored.view.value
    assert str(swept.root) not in explorer.stored.view.value, "no path of this machine"
    assert explorer.stored.button.layout.display == "none"
    explorer.set(n=90)
    assert explorer.wait()
    assert explorer.stored_run.config == tiny.config(n=100, top=2.0), "the nearest sound one"


def test_a_stored_run_of_other_code_is_marked_beside_the_live_one(explore_in, swept, monkeypatch):
    explorer = explore_in(swept)
    explorer.run()
    assert explorer.wait()
    assert "another version of the code" not in explorer.live.view.value
    monkeypatch.setattr(lab.Experiment, "fingerprint", lambda self: "0" * 16)
    explorer.run()
    assert explorer.wait()
    assert "The stored run was made by another version of the code" in explorer.live.view.value


def test_numbers_come_as_a_table_on_request(explore_in, swept):
    explorer = explore_in(swept)
    assert explorer.stored.table.value == ""
    explorer.stored.button.value = True
    mean = float(explorer.stored_run.result["mean"].mean())
    assert f"<td>{mean:.4g}</td>" in explorer.stored.table.value
    assert explorer.stored.button.description == "Hide numbers"
    explorer.set(n=10)
    assert explorer.wait()
    assert f"<td>{float(explorer.stored_run.result['mean'].mean()):.4g}</td>" in explorer.stored.table.value
    explorer.stored.button.value = False
    assert explorer.stored.table.value == ""


def test_numbers_that_cannot_be_had_are_told_of(tiny, explore_in, swept, monkeypatch):
    explorer = explore_in(swept)
    monkeypatch.setattr(tiny.module, "table", lambda result: 1 / 0, raising=False)
    explorer.stored.button.value = True
    assert "ZeroDivisionError" in explorer.stored.table.value


def test_the_estimate_follows_the_parameters_and_learns(tiny, explore_in, store):
    explorer = explore_in(store)
    assert "not known yet" in explorer.console.expected.value
    explorer.run()
    assert explorer.wait()
    assert estimate(tiny, tiny.default(), "cpu", store) is not None
    assert "under a second" in explorer.console.expected.value
    before = explorer.console.expected.value
    explorer.form.controls["n"].entry.value = 5000
    assert explorer.console.expected.value == "", "nothing is promised for what cannot be run"
    explorer.form.controls["n"].entry.value = 100
    assert explorer.console.expected.value == before


def test_the_device_menu_holds_what_is_there(explore_in, swept):
    explorer = explore_in(swept)
    found = lab.devices.available()
    assert explorer.console.device.options == ((f"auto ({found[0]})", "auto"), *((name, name) for name in found))
    assert explorer.console.device.value == "auto"


def test_the_place_in_the_queue_is_shown_and_can_be_left(explore_in, swept, monkeypatch):
    monkeypatch.setattr("layerlab.lab.devices.resolve", lambda device: "cuda")
    explorer = explore_in(swept)
    seen = threading.Event()
    explorer.console.status.observe(lambda change: "1 run is ahead" in change["new"] and seen.set(), "value")
    with lab.accelerator_queue("cuda"):
        press(explorer.console.run_button)
        assert seen.wait(30)
        assert "Waiting for the cuda device: 1 run is ahead." in explorer.console.status.value
        press(explorer.console.cancel_button)
        assert explorer.wait()
    assert "Cancelled." in explorer.console.status.value
    assert explorer.live_run is None


def test_two_widgets_run_at_once_without_mixing(tiny, explore_in, swept):
    one, two = explore_in(swept, n=200), explore_in(swept, n=300, kind="squared")
    one.run()
    two.run()
    assert one.wait()
    assert two.wait()
    assert (one.live_run.config.n, two.live_run.config.n) == (200, 300)
    assert "n = 200" in one.live.view.value
    assert "n = 300" in two.live.view.value
    assert "not tested here" in two.live.view.value
    assert (one.console.error.value, two.console.error.value) == ("", "")


def test_closing_cancels_the_run_and_nothing_is_drawn_afterwards(explore_in, swept, gate):
    explorer = explore_in(swept)
    explorer.run()
    assert gate.reached.wait(30)
    explorer.close()
    assert explorer.wait()
    assert not explorer.running
    assert explorer.live_run is None
    explorer.run()
    assert not explorer.running, "a closed widget starts nothing"


@pytest.mark.parametrize("certain", [True, False])
def test_running_a_cell_again_cancels_what_its_old_widget_runs(tiny, swept, gate, monkeypatch, certain):
    monkeypatch.setenv("LAYERLAB_RESULTS", str(swept.root))
    monkeypatch.setattr(cells, "_opened", {})
    execution = iter(["first", "first", "second"])
    monkeypatch.setattr(cells, "_cell", lambda: ("cell", certain, next(execution)))
    one, beside = cells.open_here(tiny, {}), cells.open_here(tiny, {"n": 10})
    one.run()
    assert gate.reached.wait(30)
    assert one.running, "a second widget of the same execution disturbs nothing"
    again = cells.open_here(tiny, {})
    assert one.wait()
    assert not one.running
    assert one.live_run is None
    assert (one.comm is None) == certain, "where the cell is known for sure, its old widget is closed"
    for explorer in (one, beside, again):
        explorer.close()
        assert explorer.wait()


def test_every_control_has_a_label_and_nothing_shown_is_unescaped(tiny, explore_in, swept, monkeypatch):
    monkeypatch.setattr(tiny.module, "__doc__", "Means <script>alert(1)</script>")
    explorer = explore_in(swept)
    for control in explorer.form.controls.values():
        assert control.entry.description.startswith(control.parameter.label)
        assert control.entry.tooltip
        assert control.slider is None or control.parameter.label in control.slider.tooltip
    assert explorer.console.device.description
    title = explorer.children[0].value
    assert "&lt;script&gt;" in title
    assert "<script" not in title
    assert ".layerlab-explore" in title, "the stylesheet comes with the widget"


def test_the_first_display_does_not_wait_for_torch(tiny, swept, monkeypatch):
    asked, answer = threading.Event(), threading.Event()

    def available():
        asked.set()
        answer.wait(30)
        return ["mps", "cpu"]

    monkeypatch.setattr(live_module, "_found", [])
    monkeypatch.setattr("layerlab.lab.devices.available", available)
    explorer = Explorer(tiny, {}, swept)
    assert asked.wait(30)
    assert explorer.stored_run is not None, "the stored run is drawn before the devices are looked for"
    assert explorer.console.device.options == ("auto", "cpu")
    explorer.console.device.value = "cpu"
    answer.set()
    assert explorer.wait()
    assert explorer.console.device.options[0] == ("auto (mps)", "auto")
    assert explorer.console.device.value == "cpu", "what the reader chose stays chosen"
    explorer.close()


def test_the_nearest_run_respects_scale_choice_and_seed(tiny, swept):
    def nearest(**values):
        return stored.find(tiny, tiny.config(**values), swept).run.config

    assert nearest(n=31).n == 10, "closer on the logarithmic scale"
    assert nearest(n=32).n == 100
    assert nearest(n=100, top=1.6).top == 2.0
    assert nearest(n=10, top=2.0, seed=99, kind="squared") == tiny.config(n=10, top=2.0)
    assert stored.differing(tiny.config(seed=1, top=1.5), tiny.config()) == "top = 1, seed = 0"

"""The live widget: any experiment at any parameters, computed here, beside the run that is stored."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import weakref
from collections.abc import Callable
from html import escape
from typing import Any

import ipywidgets

from layerlab.lab import Config, Experiment, Run, Store, devices, estimate, in_words
from layerlab.widgets import stored
from layerlab.widgets.controls import Form
from layerlab.widgets.faults import fault_html
from layerlab.widgets.job import Job, Listener
from layerlab.widgets.pane import Pane, run_html
from layerlab.widgets.parts import STATIC


class Explorer(ipywidgets.VBox):
    """An experiment with its controls, the stored run of its parameters, and the live one.

    `stored_run` and `live_run` are the `Run`s on show (None where there is none), `config` the chosen parameters;
    `set`, `run` and `cancel` do what the controls and buttons do. A run happens in a thread: the kernel stays free.
    `close()` cancels what still runs and takes the widget out of the page.
    """

    def __init__(
        self, experiment: Experiment, defaults: dict[str, Any] | None = None, store: Store | None = None
    ) -> None:
        self.experiment = experiment
        self.store = store or Store()
        self._job: Job | None = None  # the one under way
        self._last: Job | None = None  # the one started last: its thread may still be showing the end
        self._shut = False
        self._asked = 0  # counts the changes of the parameters: a drawing made for an older one is dropped
        self._drawing = threading.Lock()
        self._drawn: dict[str, str] = {}
        self._threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
        grid = experiment.grid()
        first = experiment.config(**experiment.default().as_dict() | (defaults or {}))
        stops = {p.name: [getattr(c, p.name) for c in grid] for p in experiment.fields}
        self.form = Form(experiment.fields, first.as_dict(), self._changed, stops)
        self._build()
        super().__init__(self._children())
        for name in ("layerlab-explore", "ll-view", "ll-view--live"):
            self.add_class(name)
        self._changed()
        self._in_background(self._find_devices, list(self._threads))

    @property
    def config(self) -> Config:
        """The chosen parameters; ValueError if they are not allowed together."""
        return self.experiment.config(**self.form.values())

    @property
    def stored_run(self) -> Run | None:
        """The stored run on show."""
        return self.stored.run

    @property
    def live_run(self) -> Run | None:
        """The last live run that came to its end."""
        return self.live.run

    @property
    def running(self) -> bool:
        """Whether a live run is under way or waits in the queue."""
        return self._job is not None

    def set(self, **values: Any) -> None:
        """Choose parameters, as the controls do; ValueError if one does not exist or is not allowed."""
        known = self.form.controls
        for name in values:
            if name not in known:
                raise ValueError(f"{self.experiment.name} has no field {name!r}; it has {', '.join(known)}")
        self.form.set(values)

    def run(self) -> None:
        """Start a live run of the chosen parameters, unless one is under way."""
        if self._job is not None or self._shut:
            return
        try:
            config = self.config
        except ValueError:
            return  # the message is on show since the value was typed
        self.error.value = ""
        self._busy(True)
        self._say("Starting …")
        listener = Listener(
            self._waiting, self._started, self._progressed, self._finished, self._failed, self._cancelled
        )
        self._job = Job(self.experiment, config, self.device.value, listener)
        self._last = self._job
        self._job.start()

    def cancel(self) -> None:
        """Stop the live run at its next report of progress."""
        if self._job is not None:
            self._say("Cancelling: the run stops at its next step …")
            self.cancel_button.disabled = True
            self._job.cancel()

    def wait(self, timeout: float = 60.0) -> bool:
        """Wait until nothing is computed or drawn for this widget; False if that took longer than `timeout` seconds."""
        end = time.monotonic() + timeout
        done = self._last is None or self._last.join(max(0.0, end - time.monotonic()))
        for thread in list(self._threads):
            thread.join(max(0.0, end - time.monotonic()))
            done = done and not thread.is_alive()
        return done

    def close(self) -> None:
        """Cancel what still runs and take the widget and its parts out of the page."""
        self._shut = True
        if self._job is not None:
            self._job.cancel()
        for widget in _descendants(self):
            widget.close()
        super().close()

    def __repr__(self) -> str:
        return f"Live experiment {self.experiment.name}: it needs a notebook that shows ipywidgets."

    # ---- what it is made of

    def _build(self) -> None:
        self.device = ipywidgets.Dropdown(
            options=["auto", "cpu"],
            description="device",
            tooltip="where a live run is computed",
            style={"description_width": "initial"},
        )
        self.device.observe(lambda _: self._estimate(), "value")
        self.run_button = _button("Run", "Compute these parameters here", self.run)
        self.run_button.add_class("ll-button--primary")
        self.cancel_button = _button("Cancel", "Stop the live run", self.cancel)
        self.cancel_button.disabled = True
        self.expected = ipywidgets.HTML()
        self.status = ipywidgets.HTML()
        self.bar = ipywidgets.HTML()
        self.bar.layout.display = "none"
        self.error = ipywidgets.HTML()
        self.stored = Pane("stored")
        self.live = Pane("live")

    def _children(self) -> list[Any]:
        title = ipywidgets.HTML(f'{_style()}<p class="ll-title">{escape(self.experiment.title)}</p>')
        device = _box([self.device], "ll-live-control")
        return [
            title,
            _box(self.form.widgets, "ll-controls layerlab-controls"),
            _box([device, self.run_button, self.cancel_button, self.expected], "ll-bar"),
            self.status,
            self.bar,
            self.error,
            _box([self.stored.widget, self.live.widget], "ll-compare layerlab-figure"),
        ]

    # ---- parameters and the stored run

    def _changed(self) -> None:
        self._asked += 1
        try:
            config = self.config
        except ValueError as error:
            self.error.value = fault_html(error)
            self.run_button.disabled = True
            self.expected.value = ""
            return
        self.error.value = ""
        self.run_button.disabled = self._job is not None
        self._estimate()
        self._in_background(self._show_stored, config, self._asked)

    def _estimate(self) -> None:
        """Say how long a run would take; before the devices are known, `auto` counts as the cpu."""
        try:
            config = self.config
        except ValueError:
            return
        chosen = self.device.value
        device = (_found[0] if _found else "cpu") if chosen == devices.AUTO else chosen
        seconds = estimate(self.experiment, config, device, self.store)
        words = "not known yet: no run was timed here" if seconds is None else in_words(seconds)
        self.expected.value = f'<p class="ll-estimate">Estimated time: {escape(words)}</p>'

    def _show_stored(self, config: Config, asked: int) -> None:
        with self._drawing:
            if asked != self._asked or self._shut:
                return
            try:
                found = stored.find(self.experiment, config, self.store)
                html = "" if found.run is None else self._stored_html(found.run)
            except Exception as error:  # a stored result that cannot be drawn
                if asked == self._asked and not self._shut:
                    self.stored.clear()
                    self.error.value = fault_html(error)
                return
            if asked != self._asked or self._shut:
                return
            if found.run is None:
                self.stored.clear(found.note)
            else:
                self.stored.show(found.run, html, found.note)

    def _stored_html(self, run: Run) -> str:
        """The view of a stored run, kept for the next time that a reader comes past it."""
        key = f"{run.config.key()} {run.provenance.date} {run.provenance.fingerprint}"
        if key not in self._drawn:
            while len(self._drawn) >= 40:
                del self._drawn[next(iter(self._drawn))]
            self._drawn[key] = run_html(run, "stored")
        return self._drawn[key]

    def _find_devices(self, after: list[threading.Thread]) -> None:
        """Fill the device menu. It takes torch to know the devices, so that comes `after` the first figure."""
        for thread in after:
            thread.join()
        found = _devices()
        if self._shut:
            return
        value = self.device.value
        self.device.options = [(f"auto ({found[0]})", devices.AUTO), *((name, name) for name in found)]
        self.device.value = value
        self._estimate()

    # ---- the live run; what follows is called from its thread

    def _waiting(self, device: str, ahead: int) -> None:
        runs = "1 run is" if ahead == 1 else f"{ahead} runs are"
        self._say(f"Waiting for the {device} device: {runs} ahead.")

    def _started(self, device: str) -> None:
        self._say(f"Running on the {device} device …")
        self._progressed(0, 1, "")

    def _progressed(self, done: float, total: float, note: str) -> None:
        if self._shut:
            return
        share = min(max(done / total, 0.0), 1.0) if total > 0 else 0.0
        said = " · ".join(filter(None, (f"{share:.0%}", note)))
        self.bar.value = (
            f'<div class="ll-progress" role="progressbar" aria-label="Progress of the live run" aria-valuemin="0" '
            f'aria-valuemax="100" aria-valuenow="{share * 100:.0f}">'
            f'<div class="ll-progress-fill" style="width: {share:.1%}"></div></div>'
            f'<p class="ll-progress-note">{escape(said)}</p>'
        )
        self.bar.layout.display = ""

    def _finished(self, run: Run) -> None:
        self._say("Drawing …")
        try:
            html = run_html(run, "live")
        except Exception as error:  # a result that cannot be drawn
            self._failed(error)
            return
        if not self._shut:
            self.live.show(run, html, self._other_code(run))
            self._estimate()
        self._end(f"Finished in {run.provenance.wall_seconds:.3g} s on the {run.provenance.device} device.")

    def _other_code(self, run: Run) -> str:
        """A sentence if the stored run on show has the same parameters but was made by other code."""
        other = self.stored.run
        if other is None or other.config != run.config or other.provenance.fingerprint == run.provenance.fingerprint:
            return ""
        return "The stored run was made by another version of the code: the two may differ for that reason."

    def _failed(self, error: BaseException) -> None:
        if not self._shut:
            self.error.value = fault_html(error)
        self._end("The run failed.")

    def _cancelled(self) -> None:
        self._end("Cancelled.")

    def _end(self, text: str) -> None:
        self._job = None
        self._say(text)
        if not self._shut:
            self.bar.value = ""
            self.bar.layout.display = "none"
            self._busy(False)

    def _busy(self, busy: bool) -> None:
        self.run_button.disabled = busy
        self.cancel_button.disabled = not busy

    def _say(self, text: str) -> None:
        if not self._shut:
            self.status.value = f'<div class="ll-status layerlab-status" role="status">{escape(text)}</div>'

    def _in_background(self, work: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=work, args=args, name=f"layerlab {self.experiment.name} view", daemon=True)
        self._threads.add(thread)
        thread.start()


def open_here(experiment: Experiment, defaults: dict[str, Any]) -> Explorer:
    """An `Explorer` for the cell that is being executed: the one that this cell made before is done with.

    Where the notebook gives its cells an id (JupyterLab, Colab), the old widget is closed. Elsewhere cells are known by
    their code alone, and two may share it: there the old run is cancelled and the old widget stays.
    """
    explorer = Explorer(experiment, defaults)
    cell, certain, execution = _cell()
    if cell:
        before, old = _opened.get(cell, ("", weakref.WeakSet()))
        if before == execution:
            old.add(explorer)
        else:
            for other in list(old):
                other.close() if certain else other.cancel()
            _opened[cell] = (execution, weakref.WeakSet([explorer]))
    return explorer


_opened: dict[str, tuple[str, weakref.WeakSet[Explorer]]] = {}
_found: list[str] = []
_looking = threading.Lock()


def _devices() -> list[str]:
    with _looking:
        if not _found:
            _found.extend(devices.available())
    return _found


def _cell() -> tuple[str, bool, str]:
    """The cell that is being executed: a name for it, whether that is its id, and the name of this execution."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return "", False, ""
    parent: dict[str, Any] = {}
    with contextlib.suppress(LookupError):
        parent = kernel.get_parent("shell") or {}
    execution = str(parent.get("header", {}).get("msg_id", ""))
    name = parent.get("metadata", {}).get("cellId")
    if name:
        return f"id {name}", True, execution
    code = parent.get("content", {}).get("code", "")
    return (f"code {code}" if code else ""), False, execution


def _style() -> str:
    """The stylesheet: a notebook has not got it, and the book's pages have the same."""
    return f"<style>{(STATIC / 'layerlab.css').read_text(encoding='utf-8')}</style>"


def _button(text: str, tooltip: str, on_click: Callable[[], None]) -> Any:
    button = ipywidgets.Button(description=text, tooltip=tooltip)
    button.add_class("ll-button")
    button.on_click(lambda _: on_click())
    return button


def _box(children: list[Any], classes: str) -> Any:
    box = ipywidgets.Box(children)
    for name in classes.split():
        box.add_class(name)
    return box


def _descendants(widget: Any) -> list[Any]:
    found = []
    for child in getattr(widget, "children", ()):
        found += [*_descendants(child), child]
    return found

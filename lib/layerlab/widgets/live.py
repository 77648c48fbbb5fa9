"""The live widget: any experiment at any parameters, computed here, beside the run that is stored."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from html import escape
from typing import Any

import ipywidgets

from layerlab.lab import Config, Experiment, Run, Store, devices, estimate, in_words
from layerlab.widgets import stored
from layerlab.widgets.console import Console, box
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
        self.console = Console(self._estimate, self.run, self.cancel)
        self.stored, self.live = Pane("stored"), Pane("live")
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
        if not self._allowed():
            return  # the message is on show since the value was typed
        config = self.config
        self.console.begin()
        self._say("Starting …")
        listener = Listener(
            self._waiting, self._started, self._progressed, self._finished, self._failed, self._cancelled
        )
        self._job = Job(self.experiment, config, self.console.device.value, listener)
        self._last = self._job
        self._job.start()

    def cancel(self) -> None:
        """Stop the live run at its next report of progress."""
        if self._job is not None:
            self._say("Cancelling: the run stops at its next step …")
            self.console.cancel_button.disabled = True
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

    def _children(self) -> list[Any]:
        title = ipywidgets.HTML(f'{_style()}<p class="ll-title">{escape(self.experiment.title)}</p>')
        return [
            title,
            box(self.form.widgets, "ll-controls layerlab-controls"),
            *self.console.widgets,
            box([self.stored.widget, self.live.widget], "ll-compare layerlab-figure"),
        ]

    # ---- parameters and the stored run

    def _changed(self) -> None:
        self._asked += 1
        try:
            config = self.config
        except ValueError as error:
            self.console.error.value = fault_html(error)
            self.console.run_button.disabled = True
            self.console.expected.value = ""
            return
        self.console.error.value = ""
        self.console.run_button.disabled = self._job is not None
        self._estimate()
        self._in_background(self._show_stored, config, self._asked)

    def _allowed(self) -> bool:
        try:
            return self.config is not None
        except ValueError:
            return False

    def _estimate(self) -> None:
        """Say how long a run would take; before the devices are known, `auto` counts as the cpu."""
        if not self._allowed():
            return
        config, chosen = self.config, self.console.device.value
        device = (_found[0] if _found else "cpu") if chosen == devices.AUTO else chosen
        seconds = estimate(self.experiment, config, device, self.store)
        words = "not known yet: no run was timed here" if seconds is None else in_words(seconds)
        self.console.expected.value = f'<p class="ll-estimate">Estimated time: {escape(words)}</p>'

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
                    self.console.error.value = fault_html(error)
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
        value = self.console.device.value
        self.console.device.options = [(f"auto ({found[0]})", devices.AUTO), *((name, name) for name in found)]
        self.console.device.value = value
        self._estimate()

    # ---- the live run; what follows is called from its thread

    def _waiting(self, device: str, ahead: int) -> None:
        runs = "1 run is" if ahead == 1 else f"{ahead} runs are"
        self._say(f"Waiting for the {device} device: {runs} ahead.")

    def _started(self, device: str) -> None:
        self._say(f"Running on the {device} device …")
        self._progressed(0, 1, "")

    def _progressed(self, done: float, total: float, note: str) -> None:
        if not self._shut:
            self.console.progress(done / total if total > 0 else 0.0, note)

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
            self.console.error.value = fault_html(error)
        self._end("The run failed.")

    def _cancelled(self) -> None:
        self._end("Cancelled.")

    def _end(self, text: str) -> None:
        self._job = None
        self._say(text)
        if not self._shut:
            self.console.rest(can_run=self._allowed())

    def _say(self, text: str) -> None:
        if not self._shut:
            self.console.say(text)

    def _in_background(self, work: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=work, args=args, name=f"layerlab {self.experiment.name} view", daemon=True)
        self._threads.add(thread)
        thread.start()


_found: list[str] = []
_looking = threading.Lock()


def _devices() -> list[str]:
    with _looking:
        if not _found:
            _found.extend(devices.available())
    return _found


def _style() -> str:
    """The stylesheet: a notebook has not got it, and the book's pages have the same."""
    return f"<style>{(STATIC / 'layerlab.css').read_text(encoding='utf-8')}</style>"


def _descendants(widget: Any) -> list[Any]:
    found = []
    for child in getattr(widget, "children", ()):
        found += [*_descendants(child), child]
    return found

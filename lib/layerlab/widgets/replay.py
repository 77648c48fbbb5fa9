"""The replay of an experiment in a page without a kernel: every stored run drawn, and the element that shows them.

`draw` makes what is not drawn yet, `write` puts JSON files for each stored run beside the pages: figure, claims and
provenance, the same with the figure drawn for a phone, and the table;
`element` gives the HTML of the `<layerlab-replay>` element, whole without JavaScript for the run shown first.
Drawings are kept between builds in a folder and made again only when the result or the code that draws has changed.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from joblib import Parallel, delayed

from layerlab.lab import Experiment, Store, figure_svg, fingerprint
from layerlab.lab.config import Config, Parameter
from layerlab.widgets import parts

MIME = "application/vnd.layerlab.replay+json"
FOLDER = "_static/replay"
PARALLEL_FROM = 8  # so many drawings are worth the start of other processes


@dataclass(frozen=True)
class Point:
    """One stored run of a replay: its config, the name of its files, and the digest of what they depend on."""

    config: Config
    file: str
    prefix: str
    digest: str


@dataclass(frozen=True)
class Replay:
    """An experiment's stored runs, as a page shows them. `missing` and `damaged` say what the grid lacks."""

    experiment: Experiment
    store: Store
    drawings: Path
    points: tuple[Point, ...]
    missing: tuple[str, ...]
    damaged: tuple[str, ...]

    def start(self, parameters: Mapping[str, Any] | None = None) -> int:
        """The index of the run that is shown first: the default one with these `parameters`, if it is stored."""
        configs = [p.config for p in self.points]
        default = self.experiment.default()
        wanted = self.experiment.config(**{**default.as_dict(), **(parameters or {})})
        return next((configs.index(c) for c in (wanted, default) if c in configs), 0)

    @property
    def digest(self) -> str:
        """Changes when anything that the replay shows changes."""
        text = "".join(p.digest for p in self.points)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def prepare(experiment: Experiment, store: Store, drawings: Path) -> Replay:
    """Look at the stored runs of an experiment's grid (each is verified); `drawings` is the folder of kept drawings."""
    code = fingerprint([experiment.module.__name__, "layerlab.lab.drawing", __name__]) + matplotlib.__version__
    varying = [field.name for field, _ in axes(experiment)]
    points: list[Point] = []
    missing: list[str] = []
    damaged: list[str] = []
    names: set[str] = set()
    for state in store.states(experiment):
        if state.state in ("missing", "damaged"):
            (missing if state.state == "missing" else damaged).append(state.detail or state.config.key())
            continue
        file = _file_name(state.config, varying, names)
        record = store.path(experiment, state.config).with_name(f"{state.config.key()}.json").read_bytes()
        digest = hashlib.sha256(code.encode() + record).hexdigest()[:16]
        prefix = f"{experiment.name.replace('/', '-').replace('.', '-')}-{len(points)}"
        points.append(Point(state.config, file, prefix, digest))
    return Replay(experiment, store, drawings, tuple(points), tuple(missing), tuple(damaged))


def axes(experiment: Experiment) -> list[tuple[Parameter, list[Any]]]:
    """The parameters that vary over the grid, in order, each with its values: numbers ascending, choices as listed."""
    grid = experiment.grid()
    found = []
    for field in experiment.fields:
        values = list(dict.fromkeys(getattr(config, field.name) for config in grid))
        if len(values) > 1:
            order = field.options.index if field.kind == "choice" else None
            found.append((field, sorted(values, key=order)))
    return found


def manifest(replay: Replay) -> dict[str, Any]:
    """What the element needs to find a run: the sliders with their values, and for each run its place and file.

    A run's `at` holds, for each slider, the index of its value. Runs that are not stored do not appear.
    """
    ranges = axes(replay.experiment)
    return {
        "name": replay.experiment.name,
        "digest": replay.digest,
        "start": replay.start(),
        "fields": [
            {
                "name": field.name,
                "label": field.label,
                "kind": field.kind,
                "unit": field.unit,
                "help": field.help,
                "values": values,
                "texts": [_text(value) for value in values],
            }
            for field, values in ranges
        ],
        "runs": [
            {"at": [values.index(getattr(p.config, field.name)) for field, values in ranges], "file": p.file}
            for p in replay.points
        ],
    }


def drawn(replay: Replay, index: int) -> dict[str, Any]:
    """The run at `index` as the page shows it: `alt`, `svg`, `narrow`, `claims`, `provenance`, `summary`, `table`.

    Taken from the kept drawings where they are up to date, else drawn and kept.
    """
    point = replay.points[index]
    kept = _kept(replay, point)
    try:
        return json.loads(kept.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return _draw(replay.experiment, replay.store, point, kept)


def draw(replays: Iterable[Replay], jobs: int = -1) -> None:
    """Make all missing drawings of several replays, side by side where they are many (`jobs` as joblib counts them)."""
    missing = [(r, p) for r in replays for p in r.points if not _kept(r, p).is_file()]
    modules = list(dict.fromkeys(r.experiment.module.__name__ for r, _ in missing))
    if len(missing) < PARALLEL_FROM:
        jobs = 1
    Parallel(n_jobs=jobs)(
        delayed(_draw_by_name)(modules, r.experiment.name, r.experiment.module.__name__, r.store.root, p, _kept(r, p))
        for r, p in missing
    )


def write(replay: Replay, out: Path) -> list[Path]:
    """Write the files of all runs into `out`/_static/replay/NAME, draw what is missing, remove what is no longer there.

    Returns the files written anew.
    """
    folder = out / FOLDER / replay.experiment.name
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[Path, str] = {}
    for index, point in enumerate(replay.points):
        run = drawn(replay, index)
        table, narrow = run.pop("table"), run.pop("narrow")
        files[folder / f"{point.file}.json"] = _dump(run)
        files[folder / f"{point.file}.narrow.json"] = _dump(run | {"svg": narrow})
        files[folder / f"{point.file}.table.json"] = _dump(table)
    for path in folder.glob("*.json"):
        if path not in files:
            path.unlink()
    return [path for path, text in files.items() if _write_if_changed(path, text)]


def element(replay: Replay, base: str, parameters: Mapping[str, Any] | None = None) -> str:
    """The HTML of the element; `base` is the address of the replay's folder as seen from the page.

    It starts with the stored run that has these `parameters` (the others as in the default run), if there is one.
    """
    experiment = replay.experiment
    title = escape(experiment.title)
    if not replay.points:
        return (
            f'<figure class="ll-view"><p class="ll-error">No stored run of “{title}” is there. '
            f"Make them with <code>layerlab sweep {escape(experiment.name)}</code>.</p></figure>"
        )
    start = replay.start(parameters)
    run = drawn(replay, start)
    data = _dump(manifest(replay) | {"start": start}).replace("<", "\\u003c")
    return (
        f'<layerlab-replay name="{escape(experiment.name)}" base="{escape(base)}">'
        f'<figure class="ll-view" aria-label="{title}">'
        f'<script type="application/json" class="ll-manifest">{data}</script>'
        f'<figcaption class="ll-title">{title}</figcaption>'
        f'<div class="ll-controls">{_now(replay, start)}</div>'
        f'<p class="ll-note" hidden></p>'
        f'<div class="ll-figure ll-figure--wide">{run["svg"]}</div>'
        f'<div class="ll-figure ll-figure--narrow">{run["narrow"]}</div>'
        f'<div class="ll-evidences"><p class="ll-heading">What theory says of this run</p>'
        f'<div class="ll-claims-slot">{run["claims"]}</div></div>'
        f'<div class="ll-foot"><details class="ll-provenance"><summary>Provenance: '
        f'<span class="ll-summary">{escape(run["summary"])}</span></summary>'
        f'<div class="ll-provenance-slot">{run["provenance"]}</div></details></div>'
        f"</figure></layerlab-replay>"
    )


def _now(replay: Replay, start: int) -> str:
    """The sliders' values as text: what a reader without JavaScript sees in the place of the sliders."""
    config = replay.points[start].config
    pairs = [f"{escape(f.label)} = {escape(_text(getattr(config, f.name)))}" for f, _ in axes(replay.experiment)]
    return f'<p class="ll-static">{", ".join(pairs)}</p>' if pairs else ""


def _draw(experiment: Experiment, store: Store, point: Point, kept: Path) -> dict[str, Any]:
    run = store.load(experiment, point.config)
    if run is None:
        raise LookupError(f"the stored run {point.config.key()} of {experiment.name} has gone away during the build")
    provenance = run.provenance.as_dict() | {"parameters": run.config.as_dict()}  # in their own order
    table = experiment.table(run.result)
    drawing = {
        "alt": experiment.describe(run.result),
        "svg": _compact(figure_svg(experiment, run.result, point.prefix)),
        "narrow": _compact(figure_svg(experiment, run.result, f"{point.prefix}n", narrow=True)),
        "claims": parts.claims_html(run.claims()),
        "provenance": parts.provenance_html(provenance),
        "summary": parts.summary(provenance),
        "table": {
            "columns": [str(c) for c in table.columns],
            "rows": [[_cell(v) for v in row] for row in table.itertuples(index=False, name=None)],
        },
    }
    kept.parent.mkdir(parents=True, exist_ok=True)
    for old in kept.parent.glob(f"{point.file}@*.json"):
        old.unlink(missing_ok=True)
    _write_if_changed(kept, _dump(drawing))
    return drawing


def _compact(svg: str) -> str:
    """The same picture in fewer bytes: hundredths of a point are enough, and the style sheet says the joins once."""
    svg = re.sub(r"<defs>\s*<style[^>]*>[^<]*</style>\s*</defs>\n?", "", svg)
    places = re.compile(r'\s(?:d|x|y|width|height|points)="[^"]*"|translate\([^)]*\)')
    return places.sub(lambda match: re.sub(r"(\d\.\d\d)\d+", r"\1", match[0]), svg)


def _draw_by_name(modules: Iterable[str], name: str, module: str, root: Path, point: Point, kept: Path) -> None:
    """`_draw` in another process, where only names can be sent.

    All `modules` that it will need are imported at the first drawing: were one that needs torch imported later, joblib
    would take that for leaking memory, warn, and start another process.
    """
    for each in modules:
        importlib.import_module(each)
    _draw(Experiment(name, importlib.import_module(module)), Store(root), point, kept)


def _kept(replay: Replay, point: Point) -> Path:
    return replay.drawings / replay.experiment.name / f"{point.file}@{point.digest}.json"


def _file_name(config: Config, varying: list[str], taken: set[str]) -> str:
    """A name that spells out the parameters that vary: `d-100_k-5`."""
    values = config.as_dict()
    text = "_".join(f"{name}-{_text(values[name])}" for name in varying) or "run"
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in text)
    while plain in taken:
        plain += "-"
    taken.add(plain)
    return plain


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _cell(value: Any) -> Any:
    """A table cell as JSON can hold it: six significant digits are enough to read and to plot again."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return str(value)


def _dump(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _write_if_changed(path: Path, text: str) -> bool:
    """Write `text` under a temporary name and rename it; False if the file holds it already."""
    content = text.encode("utf-8")
    if path.is_file() and path.read_bytes() == content:
        return False
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    os.chmod(part, 0o644)
    os.replace(part, path)
    return True

"""The notebook cache never shows stale science.

jupyter-cache knows a page by the code in its cells alone. Here a page also depends on the library code that its cells
and experiments reach, on the stored runs that it shows, and on the data that its cells may load. A digest of all
that is kept beside the cache. Where it differs, the cached outputs are dropped and the page is read anew.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
from pathlib import Path

from jupyter_cache import get_cache
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from layerlab import lab
from layerlab.lab import paths
from layerlab.lab.runs import versions

log = logging.getLogger(__name__)

FILE = "layerlab.json"
ALWAYS = ("layerlab.widgets", "layerlab.widgets.replay", "layerlab.serving.sphinx.replays")
_CELL = re.compile(r"^(`{3,}|~{3,}|:{3,})\{code-cell\}.*?\n(.*?)^\1\s*$", re.MULTILINE | re.DOTALL)


def cells(source: str) -> list[str]:
    """The Python code of the cells of a MyST page, without their options and IPython's own lines."""
    found = []
    for match in _CELL.finditer(source):
        body = re.sub(r"\A---\n.*?^---\n", "", match[2], flags=re.MULTILINE | re.DOTALL)
        lines = [line for line in body.splitlines() if not re.match(r"\s*[%!]|:[\w-]+:", line)]
        found.append("\n".join(lines))
    return found


def reached(source: str) -> tuple[list[str], list[str]]:
    """The layerlab modules that the cells of a page import, and the experiments that they name in `explore(...)`."""
    modules: set[str] = set()
    experiments: set[str] = set()
    for cell in cells(source):
        try:
            tree = ast.parse(cell)
        except SyntaxError:  # execution will say so, with the page and the line
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Call):
                experiments |= _explored(node)
    return sorted(m for m in modules if m.partition(".")[0] == "layerlab" and _is_module(m)), sorted(experiments)


def digest(source: str, store: lab.Store) -> str:
    """Changes when the outputs of a page could change without a change of the page."""
    modules, experiments = reached(source)
    parts = [json.dumps(versions(), sort_keys=True)]
    known = []
    for name in experiments:
        try:
            experiment = lab.get(name)
        except lab.UnknownExperiment:
            parts.append(f"unknown {name}")
            continue
        known.append(experiment.module.__name__)
        parts += _stored(experiment, store)
    parts.append(lab.fingerprint([*ALWAYS, *modules, *known]))
    if "layerlab.data" in lab.closure(modules):
        parts += _data()
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def outdated(app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """Drop the cached outputs of the pages whose digest has changed; returns those pages."""
    folder = _folder(env)
    before = _read(folder)
    store = lab.Store()
    now: dict[str, str] = {}
    files: dict[str, str] = {}
    stale: list[str] = []
    for docname in sorted(env.found_docs):
        path = Path(env.doc2path(docname))
        source = path.read_text(encoding="utf-8")
        if not cells(source):
            continue
        now[docname] = digest(source, store)
        files[docname] = str(path.absolute())
        if before.get(docname) != now[docname]:
            stale.append(docname)
    _drop(folder, {files[name] for name in stale}, set(files.values()))
    # what is about to be executed counts as current only once the build is through
    _write(folder, {name: value for name, value in now.items() if before.get(name) == value})
    vars(env)["layerlab_digests"] = now
    if stale:
        log.info(
            "to be executed: %s (new, or the code, stored runs or data behind them have changed)", ", ".join(stale)
        )
    return [name for name in stale if name not in added]


def remember(app: Sphinx, error: Exception | None) -> None:
    """After a build that went through, its digests hold."""
    digests = vars(app.env).get("layerlab_digests")
    if error is None and digests is not None:
        _write(_folder(app.env), digests)


def setup(app: Sphinx) -> None:
    """Look at every page before Sphinx decides what to read."""
    app.connect("env-get-outdated", outdated)
    app.connect("build-finished", remember)


def _folder(env: BuildEnvironment) -> Path:
    """Where MyST-NB, which keeps its settings in Sphinx's environment, caches the outputs of the cells."""
    return Path(vars(env)["mystnb_config"].execution_cache_path)


def _explored(node: ast.Call) -> set[str]:
    function = node.func
    name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
    if name == "explore" and node.args and isinstance(node.args[0], ast.Constant):
        return {str(node.args[0].value)}
    return set()


def _is_module(name: str) -> bool:
    try:
        lab.closure(name)
    except ModuleNotFoundError:
        return False
    return True


def _stored(experiment: lab.Experiment, store: lab.Store) -> list[str]:
    """Name and checksum of every file of an experiment's stored runs: an altered file counts, too."""
    if store.root is None:
        return []
    files = sorted(p for p in (store.root / experiment.name).glob("*") if p.suffix in (".nc", ".json"))
    return [f"{p.name} {hashlib.sha256(p.read_bytes()).hexdigest()}" for p in files]


def _data() -> list[str]:
    """Name, size and time of the data files of this machine (reading them all would take longer than the build)."""
    roots = [paths.cache() / "data"]
    if os.environ.get("LAYERLAB_DATA"):
        roots.append(Path(os.environ["LAYERLAB_DATA"]).expanduser())
    files = sorted(p for root in roots if root.is_dir() for p in root.rglob("*") if p.is_file())
    return [f"{p.name} {p.stat().st_size} {p.stat().st_mtime_ns}" for p in files]


def _drop(folder: Path, stale: set[str], book: set[str]) -> None:
    """Forget the cached outputs of these pages, and of pages that the book no longer has."""
    if not (folder / "global.db").is_file():
        return
    cache = get_cache(str(folder))
    for record in cache.list_cache_records():
        if record.uri in stale or record.uri not in book:
            cache.remove_cache(record.pk)


def _read(folder: Path) -> dict[str, str]:
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}


def _write(folder: Path, digests: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{FILE}.part"
    part.write_text(json.dumps(digests, indent=1, sort_keys=True), encoding="utf-8")
    part.replace(folder / FILE)

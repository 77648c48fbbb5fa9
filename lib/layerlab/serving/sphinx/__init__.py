"""The Sphinx extension of the book: replays in the pages, predictions, lecture maps, notebooks, and a fresh cache.

Put `layerlab.serving.sphinx` among the extensions, after myst_nb. What it does, in the order of a build:

- `assignments`: the exercise pages are made from their sources, and the notebooks that students hand in;
- `kernel`: the Python that builds the book executes its cells;
- `freshness`: pages whose library code, stored runs or data have changed are executed and rendered again;
- `replays`: the output of `explore(NAME)` becomes a `<layerlab-replay>` element, its runs are drawn and written;
- `lectures`, `predict`, `folding`: the directives `lecture` and `predict`, and admonitions that fold;
- `pages`: scripts, the bar of buttons, the notebook of each page, and what must not be in the build.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ConfigError

import layerlab
from layerlab.serving import assets
from layerlab.serving.sphinx import assignments, folding, freshness, kernel, lectures, pages, predict, replays
from layerlab.widgets.parts import STATIC as WIDGETS

HERE = Path(__file__).parent
LIVE = HERE.parent / "static"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register everything with Sphinx."""
    os.environ["LAYERLAB_BUILD"] = "1"  # for the kernels: `explore` gives a replay, not a live widget
    app.add_config_value("layerlab_top", "..", "env", str)
    app.add_config_value("layerlab_vendor", True, "html", bool)
    app.add_config_value("layerlab_static", "", "html", str)
    if "comments_config" not in app.config.values:
        # Jupyter Book always sets it, and Sphinx warns of settings that nobody knows: sphinx_comments is not used here
        app.add_config_value("comments_config", {}, "", dict)
    app.connect("config-inited", _configure)
    app.connect("builder-inited", _vendor)
    for part in (assignments, kernel, replays, freshness, lectures, predict, folding, pages):
        part.setup(app)
    return {"version": layerlab.__version__, "parallel_read_safe": True, "parallel_write_safe": True, "env_version": 1}


def _configure(app: Sphinx, config: Config) -> None:
    config.html_static_path = [
        *config.html_static_path,
        *(str(p) for p in (HERE / "static", WIDGETS, LIVE) if p.is_dir()),
    ]
    # without this, Sphinx copies a script that has changed only when some page has changed as well
    config.layerlab_static = _digest(Path(app.confdir, folder) for folder in config.html_static_path)
    config.templates_path = [str(HERE / "templates"), *config.templates_path]
    config.mathjax_path = "layerlab-mathjax.js"
    # sphinx_external_toc always loads it; it works after all pages were read, but does not say so, and pages
    # would be read, which is executed, one after the other
    if numbering := app.extensions.get("sphinx_multitoc_numbering"):
        numbering.parallel_read_safe = True


def _digest(folders: Iterable[Path]) -> str:
    """Of the files in some folders: what they are called and what they hold."""
    digest = hashlib.sha256()
    for path in (path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()):
        digest.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _vendor(app: Sphinx) -> None:
    if app.builder.format != "html" or not app.config.layerlab_vendor:
        return
    try:
        assets.copy(assets.install(pages.top(app)), Path(app.outdir))
    except assets.AssetsError as error:
        raise ConfigError(str(error)) from error

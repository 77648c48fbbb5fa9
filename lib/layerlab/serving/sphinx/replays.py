"""From the output of `explore(NAME)` to an element in the page, and the files that it loads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from layerlab import lab
from layerlab.serving.sphinx import records
from layerlab.widgets import replay

log = logging.getLogger(__name__)


class ReplayRenderer:
    """The MyST-NB renderer of `application/vnd.layerlab.replay+json` (entry point myst_nb.mime_renderers)."""

    mime_priority_overrides: ClassVar[Sequence[tuple[str, str, int | None]]] = [("html", replay.MIME, 1)]

    @staticmethod
    def handle_mime(renderer: Any, data: Any, inline: bool) -> list[nodes.Element] | None:
        """The element as raw HTML; None for other kinds of output."""
        env = renderer.renderer.sphinx_env
        if data.mime_type != replay.MIME or inline or env is None:
            return None
        name, docname = data.content["name"], env.docname
        record = records.page(env, docname)
        if name not in record.experiments:
            record.experiments.append(name)
        found = prepare(env, name)
        for text in found.damaged:
            log.warning("damaged stored run: %s", text, location=docname)
        if found.missing:
            log.warning(
                "%d of %d runs of %s are not stored: run `layerlab sweep %s`",
                len(found.missing), len(found.missing) + len(found.points) + len(found.damaged), name, name,
                location=docname,
            )  # fmt: skip
        parameters = {key: value for key, value in data.content.items() if key != "name"}
        base = "../" * docname.count("/") + f"{replay.FOLDER}/{name}"
        html = replay.element(found, base, parameters)
        return [nodes.raw("", html, format="html")]


def prepare(env: BuildEnvironment, name: str) -> replay.Replay:
    """The replay of an experiment, with its drawings kept beside Sphinx's own intermediate files."""
    return replay.prepare(lab.get(name), lab.Store(), Path(env.doctreedir).parent / ".drawings")


def write(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Write the files of every experiment that a page replays, and drop those that no page replays any more."""
    if app.builder.format != "html":
        return []
    names = sorted({name for record in records.pages(env).values() for name in record.experiments})
    replays = [prepare(env, name) for name in names]
    replay.draw(replays)
    written = sum(len(replay.write(each, Path(app.outdir))) for each in replays)
    if written:
        log.info("replays: %d files written for %d experiments", written, len(names))
    root = Path(app.outdir) / replay.FOLDER
    for path in root.glob("**/*.json"):
        if path.parent.relative_to(root).as_posix() not in names:
            path.unlink()
    return []


def setup(app: Sphinx) -> None:
    """Write the replays once all pages have been read."""
    records.setup(app)
    app.connect("env-updated", write)

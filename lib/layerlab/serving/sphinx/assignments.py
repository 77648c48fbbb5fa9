"""The pages of the assignments: made before Sphinx looks for pages, with the notebook that students hand in.

`layerlab_solutions` (or `layerlab build --solutions`) makes the teacher's edition. As the page itself is what differs,
Sphinx reads a page again when the edition changes, and nothing of the other edition stays in what is built from it.

The directive `assignments` is a table of them all, out of their sources.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.errors import ConfigError
from sphinx.search import js_index
from sphinx.util.docutils import SphinxDirective

from layerlab.grading.source import BadSource
from layerlab.serving import exercises
from layerlab.serving.sphinx import pages, records

WORDS = ("terms", "titleterms")  # of the index of the search: the pages that hold each word


def read(app: Sphinx, doctree: nodes.document) -> None:
    """Note whether a page is made from an assignment."""
    made = {exercises.page(Path(app.srcdir), source) for source in exercises.sources(pages.top(app))}
    if Path(app.env.doc2path(app.env.docname)) in made:
        records.page(app.env, app.env.docname).assignment = True


def write(app: Sphinx, config: Config) -> None:
    """Write the pages."""
    try:
        exercises.write(pages.top(app), Path(app.srcdir), solutions=config.layerlab_solutions)
    except BadSource as error:
        raise ConfigError(str(error)) from error


def hand_out(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Write the notebooks that students hand in; the same in both editions."""
    if app.builder.format != "html":
        return []
    folder = Path(app.outdir) / pages.NOTEBOOKS / exercises.FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    for source in exercises.sources(pages.top(app)):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{source.parent.name}.ipynb").write_text(exercises.notebook(source), encoding="utf-8")
    return []


def forget(app: Sphinx, error: Exception | None) -> None:
    """Drop from the search's index the words that no page holds any more, which Sphinx keeps: those of solutions."""
    path = Path(app.outdir) / "searchindex.js"
    if error is not None or app.builder.format != "html" or not path.is_file():
        return
    index = js_index.loads(path.read_text(encoding="utf-8"))
    kept = {part: {word: where for word, where in index[part].items() if where != []} for part in WORDS}
    if any(len(kept[part]) < len(index[part]) for part in WORDS):
        path.write_text(js_index.dumps(index | kept), encoding="utf-8")


class AssignmentsDirective(SphinxDirective):
    """See the module."""

    def run(self) -> list[nodes.Node]:
        """One row per assignment: its page, the time it takes, its points, what running its key takes at most."""
        rows = ["| Assignment | Time | Points | Solved, it runs in at most |", "|---|---|---|---|"]
        for path in exercises.sources(pages.top(self.env)):
            self.env.note_dependency(str(path))
            source = exercises.read(path)
            by_hand = sum(cell.points for cell in source.cells if cell.manual)
            points = f"{source.points:g}" + (f", {by_hand:g} of them given by a person" if by_hand else "")
            cost = f"{source.budget.cpu_minutes:g} min of CPU time, {source.budget.memory_mb} MB"
            link = f"[{source.title}](/{exercises.FOLDER}/{source.name}.md)"
            rows.append(f"| {link} | {source.hours:g} h | {points} | {cost}{'; a GPU helps' * source.budget.gpu} |")
        return self.parse_text_to_nodes("\n".join(rows) + "\n")


def setup(app: Sphinx) -> None:
    """Register the moments; the table of contents is looked at later, and drops what it does not find."""
    app.add_config_value("layerlab_solutions", False, "", bool)
    app.add_directive("assignments", AssignmentsDirective)
    app.connect("config-inited", write, priority=300)
    app.connect("doctree-read", read)
    app.connect("env-updated", hand_out)
    app.connect("build-finished", forget)

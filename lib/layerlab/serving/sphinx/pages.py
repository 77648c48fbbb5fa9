"""What stands around the text of a page: scripts, the bar of buttons, the notebook; and what must not be in a build."""

from __future__ import annotations

import json
import shutil
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from layerlab.serving.sphinx import records
from layerlab.serving.sphinx.notebook import Notebook, citations

NOTEBOOKS = "_notebooks"
# no server stands behind plain files; `layerlab serve` answers this address with what its kernels need
NO_SERVER = "window.layerlabServer = null;\n"


def top(app: Sphinx | BuildEnvironment) -> Path:
    """The checkout that the book is part of."""
    return (Path(app.srcdir) / app.config.layerlab_top).resolve()


def read(app: Sphinx, doctree: nodes.document) -> None:
    """Note whether a page holds code."""
    if any(node.get("nb_element") == "cell_code" for node in doctree.findall(nodes.container)):
        records.page(app.env, app.env.docname).code = True


def assemble(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Give a page its scripts, styles and bar, and write its notebook."""
    app.add_css_file("layerlab.css", priority=600)
    app.add_css_file("book.css", priority=610)
    if not app.env.get_domain("math").data["has_equations"].get(pagename):
        # Sphinx gives MathJax also to the pages whose subpages hold formulas
        files = context.get("script_files", [])
        files[:] = [file for file in files if not str(getattr(file, "filename", "")).endswith(app.config.mathjax_path)]
    if "body" in context:
        # docutils calls the bibliography a list but its entries no list items, which screen readers cannot follow
        context["body"] = context["body"].replace(
            '<div role="list" class="citation-list">', '<div class="citation-list">'
        )
    record = records.pages(app.env).get(pagename)
    if record is None:
        return
    if record.experiments or record.predictions:
        app.add_js_file("replay.js", loading_method="defer")
    if record.code:
        app.add_js_file("layerlab-server.js", loading_method="defer")
        if any(Path(folder, "live.js").is_file() for folder in app.config.html_static_path):
            app.add_js_file("live.js", loading_method="defer")
        if not record.assignment:  # what is handed in has a notebook of its own
            _write_notebook(app, pagename)
        context["body"] = _with_bar(context["body"], _bar(app, pagename, record.assignment))


def finish(app: Sphinx, error: Exception | None) -> None:
    """Add the file that tells of no server; remove what no page loads: icon fonts, source maps."""
    if error is not None or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    static.mkdir(exist_ok=True)
    (static / "layerlab-server.js").write_text(NO_SERVER, encoding="utf-8")
    shutil.rmtree(static / "vendor" / "fontawesome", ignore_errors=True)
    for path in static.rglob("*.map"):
        path.unlink()


def setup(app: Sphinx) -> None:
    """Register the moments of a page."""
    app.add_config_value("layerlab_repository", "", "html", str)
    app.add_config_value("layerlab_branch", "main", "html", str)
    app.connect("config-inited", _repository)
    app.connect("doctree-read", read)
    app.connect("html-page-context", assemble)
    app.connect("build-finished", finish)


def _repository(app: Sphinx, config: Any) -> None:
    options = config.html_theme_options
    config.layerlab_repository = config.layerlab_repository or options.get("repository_url", "")
    config.layerlab_branch = options.get("repository_branch") or config.layerlab_branch


def _write_notebook(app: Sphinx, pagename: str) -> None:
    notebook = Notebook(
        title=lambda name: app.env.titles[name].astext() if name in app.env.titles else None,
        page=pagename,
        repository=app.config.layerlab_repository,
        citations=citations([Path(app.srcdir) / name for name in getattr(app.config, "bibtex_bibfiles", [])]),
    )
    text = notebook.convert(Path(app.env.doc2path(pagename)).read_text(encoding="utf-8"))
    path = Path(app.outdir) / NOTEBOOKS / f"{pagename}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _bar(app: Sphinx, pagename: str, assignment: bool) -> str:
    """The buttons at the head of a page, and the facts that the script behind them needs."""
    notebook = f"{'../' * pagename.count('/')}{NOTEBOOKS}/{pagename}.ipynb"
    facts: dict[str, Any] = {"page": pagename, "assignment": assignment}
    if not assignment:  # its page is no file of the repository, and its notebook does not install what it needs
        facts |= {"notebook": notebook, **_elsewhere(app, pagename)}
    label = "Download the notebook to hand in" if assignment else "Download notebook"
    data = json.dumps(facts).replace("<", "\\u003c")
    return (
        '<div class="ll-page-bar" role="group" aria-label="This page">'
        '<button type="button" class="ll-button ll-button--primary" id="layerlab-live">Live</button>'
        f'<a class="ll-button" href="{escape(notebook)}" download>{label}</a>'
        "<noscript><style>#layerlab-live{display:none}</style></noscript>"
        f'<script type="application/json" id="layerlab-page">{data}</script></div>'
    )


def _elsewhere(app: Sphinx, pagename: str) -> dict[str, str]:
    """Addresses of this page on a Binder or a hub, where _config.yml names one."""
    launch = app.config.html_theme_options.get("launch_buttons") or {}
    repository, branch = app.config.layerlab_repository, app.config.layerlab_branch
    source = f"book/{pagename}.md"
    found = {}
    if launch.get("binderhub_url") and repository:
        owner = repository.removeprefix("https://github.com/")
        found["binder"] = f"{launch['binderhub_url'].rstrip('/')}/v2/gh/{owner}/{branch}?urlpath=lab/tree/{source}"
    if launch.get("jupyterhub_url") and repository:
        name = repository.rstrip("/").rpartition("/")[2]
        found["hub"] = (
            f"{launch['jupyterhub_url'].rstrip('/')}/hub/user-redirect/git-pull?repo={repository}&branch={branch}"
            f"&urlpath=lab/tree/{name}/{source}"
        )
    return found


def _with_bar(body: str, bar: str) -> str:
    """The bar goes under the page's title."""
    head, end, rest = body.partition("</h1>")
    return f"{head}{end}{bar}{rest}" if end else bar + body

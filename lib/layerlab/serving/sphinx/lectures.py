"""The map from the lectures' topics to the sections of the book.

A page says in its front matter which topics it covers (`topics: [rep-05]`). The directive `lecture` lists the topics
of one lecture in order, each with a link to its section; what no page covers is shown as such.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from layerlab.serving.sphinx import records

log = logging.getLogger(__name__)


class lecture_topics(nodes.General, nodes.Element):
    """The place of a lecture's list; filled in when all pages are known."""


def topics(path: Path) -> dict[str, dict[str, dict[str, str]]]:
    """The lectures and their topics in order: lecture -> topic -> {title, shows}."""
    return _topics(path, path.stat().st_mtime_ns)


@cache
def _topics(path: Path, stamp: int) -> dict[str, dict[str, dict[str, str]]]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def topics_file(env: BuildEnvironment) -> Path:
    """The file that lists the topics of the lectures."""
    return (Path(env.srcdir) / env.config.layerlab_top / "lectures" / "topics.yml").resolve()


def coverage(env: BuildEnvironment) -> dict[str, list[str]]:
    """Topic -> the pages that cover it, in the order of the book."""
    order = {name: i for i, name in enumerate(_in_order(env))}
    found: dict[str, list[str]] = {}
    for name, record in sorted(records.pages(env).items(), key=lambda item: order.get(item[0], len(order))):
        for topic in record.topics:
            found.setdefault(topic, []).append(name)
    return found


class LectureDirective(SphinxDirective):
    """```{lecture} representation```: the topics of a lecture, in order, with links to their sections."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        path = topics_file(self.env)
        name = self.arguments[0]
        if name not in topics(path):
            raise self.error(f"lecture must be one of {', '.join(topics(path))}; it was {name!r}")
        self.env.note_dependency(str(path))
        records.page(self.env, self.env.docname).lectures.append(name)
        return [lecture_topics(lecture=name)]


def read(app: Sphinx, doctree: nodes.document) -> None:
    """Note the topics that a page covers; warn of those that no lecture has."""
    env = app.env
    value: Any = env.metadata[env.docname].get("topics", [])
    if isinstance(value, str):
        try:
            value = json.loads(value.replace("'", '"'))
        except ValueError:
            value = [value]
    value = [str(topic) for topic in (value if isinstance(value, list) else [value])]
    if not value:
        return
    known = {topic for lecture in topics(topics_file(env)).values() for topic in lecture}
    for topic in value:
        if topic not in known:
            log.warning("front matter: no lecture has a topic %r", topic, location=env.docname)
    records.page(env, env.docname).topics = [topic for topic in value if topic in known]


def changed(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """The lecture pages, if the map has changed since they were written."""
    now = {topic: [(name, env.titles[name].astext()) for name in names] for topic, names in coverage(env).items()}
    before = vars(env).get("layerlab_map")
    vars(env)["layerlab_map"] = now
    return [] if now == before else [name for name, record in records.pages(env).items() if record.lectures]


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the lists into a page that is about to be written."""
    for node in list(doctree.findall(lecture_topics)):
        listed = topics(topics_file(app.env))[node["lecture"]]
        covering = coverage(app.env)
        done = sum(topic in covering for topic in listed)
        head = nodes.paragraph("", f"{done} of {len(listed)} topics have their section.", classes=["ll-topics-count"])
        items = [_item(app, docname, name, topic, covering.get(name, [])) for name, topic in listed.items()]
        node.replace_self([head, nodes.bullet_list("", *items, classes=["ll-topics"])])


def setup(app: Sphinx) -> None:
    """Register the directive and its two moments: reading a page, and writing one."""
    app.add_node(lecture_topics)
    app.add_directive("lecture", LectureDirective)
    app.connect("doctree-read", read)
    app.connect("env-updated", changed)
    app.connect("doctree-resolved", fill)


def _item(app: Sphinx, docname: str, name: str, topic: dict[str, str], pages: list[str]) -> nodes.list_item:
    first = nodes.paragraph("", "", nodes.inline("", name, classes=["ll-topic-code"]), nodes.Text(" "))
    first += nodes.strong("", topic["title"])
    second = nodes.paragraph("", topic["shows"], classes=["ll-topic-shows"])
    third = nodes.paragraph(classes=["ll-topic-where"])
    if not pages:
        third += nodes.Text("not yet covered")
    for i, page in enumerate(pages):
        uri = app.builder.get_relative_uri(docname, page)
        third += [
            nodes.Text(", " if i else ""),
            nodes.reference("", app.env.titles[page].astext(), refuri=uri, internal=True),
        ]
    return nodes.list_item("", first, second, third, classes=["" if pages else "ll-topic--open"])


def _in_order(env: BuildEnvironment) -> list[str]:
    """The pages as the table of contents has them."""
    order: list[str] = []
    todo = [env.config.root_doc]
    while todo:
        name = todo.pop()
        if name not in order:
            order.append(name)
            todo += reversed(env.toctree_includes.get(name, []))
    return order

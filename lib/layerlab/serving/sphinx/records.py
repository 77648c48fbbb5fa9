"""What the extension remembers of each page between builds: kept in Sphinx's environment, safe for parallel reading."""

from __future__ import annotations

from dataclasses import dataclass, field

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


@dataclass
class Page:
    """One page: the experiments that it replays, the lecture topics that it covers, what it holds.

    assignment: whether it is made from an assignment.
    """

    experiments: list[str] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)
    lectures: list[str] = field(default_factory=list)
    code: bool = False
    predictions: int = 0
    assignment: bool = False


def pages(env: BuildEnvironment) -> dict[str, Page]:
    """The record of every page that has one."""
    return vars(env).setdefault("layerlab_pages", {})


def page(env: BuildEnvironment, name: str) -> Page:
    """The record of a page, made if there is none yet."""
    return pages(env).setdefault(name, Page())


def setup(app: Sphinx) -> None:
    """Keep the records in step with what Sphinx reads."""
    app.connect("env-purge-doc", lambda app, env, docname: pages(env).pop(docname, None))
    app.connect("env-merge-info", _merge)


def _merge(app: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment) -> None:
    pages(env).update({name: record for name, record in pages(other).items() if name in docnames})

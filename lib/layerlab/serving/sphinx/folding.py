"""Admonitions with the class `dropdown` become <details>: they fold without JavaScript, and the keyboard opens them."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform


class folded(nodes.General, nodes.Element):
    """A title and what it hides."""


class FoldAdmonitions(SphinxPostTransform):
    """Replace each admonition of class dropdown."""

    default_priority = 198
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        """Run the transform."""
        for node in list(self.document.findall(nodes.admonition)):
            if "dropdown" in node["classes"] and node.children and isinstance(node[0], nodes.title):
                title = nodes.inline("", "", *node[0].children)
                new = folded("", title, *node.children[1:], ids=node["ids"], names=node["names"])
                new["classes"] = [c for c in node["classes"] if c != "dropdown"]
                node.replace_self(new)


def visit(self: Any, node: folded) -> None:
    """Open the details; the first child is the title."""
    self.body.append(
        self.starttag(node, "details", CLASS="admonition ll-folded") + '<summary class="admonition-title">'
    )
    node[0].walkabout(self)
    self.body.append("</summary>\n")
    for child in node.children[1:]:
        child.walkabout(self)
    self.body.append("</details>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Register the transform and its node."""
    app.add_node(folded, html=(visit, None))
    app.add_post_transform(FoldAdmonitions)

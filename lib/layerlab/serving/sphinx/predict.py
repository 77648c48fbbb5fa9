"""The directive `predict`: a question before the figure, and what the runs say after it.

    ```{predict} How does the spread of L change when k grows tenfold?
    :options: it stays | it shrinks about threefold | it shrinks tenfold
    :answer: 2
    :for: projection/length

    The standard deviation of L/(k/d) is √(2/k): **about threefold**.
    ```

`:options:` are the choices, `:answer:` is the number of the right one. With `:number:` in their place the reader types
a number. `:for:` names an experiment on the page that stays veiled until the reader has answered.
The answer stays in the reader's browser. Without JavaScript the question stands there and the rest can be opened.
"""

from __future__ import annotations

from html import escape
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from layerlab.serving.sphinx import records


class prediction(nodes.General, nodes.Element):
    """A question (first child, a paragraph) and what the runs say (the other children)."""


class PredictDirective(SphinxDirective):
    """See the module."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {
        "options": directives.unchanged_required,
        "answer": directives.positive_int,
        "number": directives.flag,
        "unit": directives.unchanged_required,
        "for": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        choices = [text.strip() for text in self.options.get("options", "").split("|") if text.strip()]
        answer = self.options.get("answer")
        if ("number" in self.options) == bool(choices) or len(choices) == 1:
            raise self.error("predict takes either :options: (two or more, between |) or :number:")
        if answer is not None and not 1 <= answer <= len(choices):
            raise self.error(f"answer must be from 1 to {len(choices)}; it was {answer}")
        if not self.content:
            raise self.error("predict needs a text: what the runs say")
        record = records.page(self.env, self.env.docname)
        record.predictions += 1
        number = f"{self.env.docname}#{record.predictions}"
        parsed, messages = self.parse_inline(self.arguments[0])
        texts = [nodes.paragraph("", "", *self.parse_inline(choice)[0]) for choice in choices]
        node = prediction(
            key=number, answer=answer, experiment=self.options.get("for"), unit=self.options.get("unit", ""),
            choices=len(choices),
        )  # fmt: skip
        node += nodes.paragraph("", "", *parsed, classes=["ll-predict-question"])
        node += texts
        node += self.parse_content_to_nodes()
        self.set_source_info(node)
        return [node, *messages]


def visit(self: Any, node: prediction) -> None:
    """Write question, choices and answer; the children are walked here because labels stand around some of them."""
    count = node["choices"]
    question, choices, rest = node[0], node[1 : 1 + count], node[1 + count :]
    answer = f' answer="{node["answer"]}"' if node["answer"] else ""
    veils = f' for="{escape(node["experiment"])}"' if node["experiment"] else ""
    self.body.append(
        f'<layerlab-predict key="{escape(node["key"])}"{answer}{veils}><div class="ll-predict">'
        '<p class="ll-predict-label">Predict before you look</p><form class="ll-predict-form">'
        '<fieldset><legend class="ll-live">Your prediction</legend>'
    )
    question.walkabout(self)
    self.body.append('<div class="ll-predict-options">')
    for i, choice in enumerate(choices, 1):
        self.body.append(
            f'<label><input type="radio" name="answer" value="{i}" required hidden data-needs-script><span>'
        )
        for child in choice.children:
            child.walkabout(self)
        self.body.append("</span></label>")
    if not choices:
        unit = f" in {escape(node['unit'])}" if node["unit"] else ""
        self.body.append(
            f"<label hidden data-needs-script><span>Your number{unit}</span>"
            '<input class="ll-input" type="number" step="any" name="answer" required></label>'
        )
    self.body.append(
        '</div><button type="submit" class="ll-button ll-button--primary ll-predict-commit" hidden data-needs-script>'
        "Commit to it</button></fieldset></form>"
        '<details class="ll-predict-answer"><summary>What the runs say</summary>'
    )
    for child in rest:
        child.walkabout(self)
    self.body.append("</details></div></layerlab-predict>")
    raise nodes.SkipNode


def visit_other(self: Any, node: prediction) -> None:
    """In other formats: question, choices and answer one after the other."""


def setup(app: Sphinx) -> None:
    """Register the directive."""
    nothing = (visit_other, lambda self, node: None)
    app.add_node(prediction, html=(visit, None), latex=nothing, text=nothing, man=nothing, texinfo=nothing)
    app.add_directive("predict", PredictDirective)

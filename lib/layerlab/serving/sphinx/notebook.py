"""A page as a notebook that runs in JupyterLab or Colab as it is.

The first cell installs layerlab from the book's repository where it is missing. The text is turned from MyST into the
Markdown that these programs show (grading/markdown.py). Nothing is executed, so there are no outputs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import yaml

from layerlab.grading.markdown import FENCE, Plain, citations, options_of, until

__all__ = ["INSTALL", "Notebook", "citations"]

INSTALL = """\
# Where layerlab is not installed yet (Colab, for one), take it from the book's repository
import importlib.util

if importlib.util.find_spec("layerlab") is None:
    %pip install -q "layerlab @ git+{repository}#subdirectory=lib\""""


@dataclass(frozen=True)
class Notebook:
    """How to convert the pages of a book: `title(page)` gives a page's title, `citations` what a key stands for."""

    title: Callable[[str], str | None]
    page: str
    repository: str
    citations: dict[str, str] = field(default_factory=dict)

    def convert(self, source: str) -> str:
        """The page's MyST source as the text of an .ipynb file."""
        cells = []
        if self.repository:
            cells.append(_cell("code", INSTALL.format(repository=self.repository)))
        for kind, text, tags in self._parts(_without_front_matter(source)):
            if kind == "code" and "remove-cell" not in tags:
                cells.append(_cell("code", text, tags))
            elif kind == "markdown" and (plain := self.plain(text)):
                cells.append(_cell("markdown", plain))
        for number, cell in enumerate(cells):
            cell["id"] = f"cell-{number}"
        kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
        book = {
            "cells": cells,
            "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        return json.dumps(book, indent=1, ensure_ascii=False) + "\n"

    def plain(self, text: str) -> str:
        """MyST Markdown as Jupyter shows it."""
        return Plain(self.title, self.page, self.citations).text(text)

    def _parts(self, text: str) -> Iterable[tuple[str, str, list[str]]]:
        lines = text.splitlines()
        prose: list[str] = []
        while lines:
            line = lines.pop(0)
            found = FENCE.match(line)
            if found and found["name"] == "code-cell":
                yield "markdown", "\n".join(prose), []
                prose = []
                options, body = options_of(until(lines, found["mark"]))
                tags = yaml.safe_load(options.get("tags", "[]")) or []
                yield "code", "\n".join(body).strip("\n"), list(tags)
            elif found:
                prose += [line, *until(lines, found["mark"]), found["mark"]]
            elif fence := re.match(r"^(`{3,}|~{3,})", line):
                prose += [line, *until(lines, fence[0]), fence[0]]
            else:
                prose.append(line)
        yield "markdown", "\n".join(prose), []


def _cell(kind: str, text: str, tags: list[str] | None = None) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "id": "", "metadata": {}, "source": text.splitlines(keepends=True)}
    if kind == "code":
        cell |= {"execution_count": None, "outputs": []}
        if "hide-input" in (tags or []):
            cell["metadata"] = {"jupyter": {"source_hidden": True}}
    return cell


def _without_front_matter(source: str) -> str:
    return re.sub(r"\A---\n.*?\n---\n", "", source, flags=re.DOTALL)

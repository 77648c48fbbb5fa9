"""A page as a notebook that runs in JupyterLab or Colab as it is.

The first cell installs layerlab from the book's repository where it is missing. The text is turned from MyST into the
Markdown that these programs show: directives become quotes, folds or formulas, references become words. Nothing is
executed, so there are no outputs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

INSTALL = """\
# Where layerlab is not installed yet (Colab, for one), take it from the book's repository
import importlib.util

if importlib.util.find_spec("layerlab") is None:
    %pip install -q "layerlab @ git+{repository}#subdirectory=lib\""""

_FENCE = re.compile(r"^(?P<mark>`{3,}|~{3,}|:{3,})\{(?P<name>[\w:-]+)\}[ \t]*(?P<argument>.*)$")
_ROLE = re.compile(r"\{(?P<role>[\w:+-]+)\}`(?P<text>[^`]+)`")
_OPTION = re.compile(r"^:(?P<name>[\w-]+):[ \t]*(?P<value>.*)$")
_TITLES = {"seealso": "See also", "proof": "Proof"}
_SILENT = {"lecture", "bibliography", "tableofcontents", "toctree", "contents", "label"}


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
        out: list[str] = []
        lines = text.splitlines()
        while lines:
            line = lines.pop(0)
            found = _FENCE.match(line)
            if found:
                body = _until(lines, found["mark"])
                out += self._directive(found["name"], found["argument"].strip(), body)
            elif fence := re.match(r"^(`{3,}|~{3,})", line):
                out += [line, *_until(lines, fence[0]), fence[0]]
            elif not re.match(r"^\([\w.:-]+\)=\s*$|^\+\+\+|^%", line):
                out.append(self._inline(line))
        return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).strip()

    def _parts(self, text: str) -> Iterable[tuple[str, str, list[str]]]:
        lines = text.splitlines()
        prose: list[str] = []
        while lines:
            line = lines.pop(0)
            found = _FENCE.match(line)
            if found and found["name"] == "code-cell":
                yield "markdown", "\n".join(prose), []
                prose = []
                options, body = _options(_until(lines, found["mark"]))
                tags = yaml.safe_load(options.get("tags", "[]")) or []
                yield "code", "\n".join(body).strip("\n"), list(tags)
            elif found:
                prose += [line, *_until(lines, found["mark"]), found["mark"]]
            elif fence := re.match(r"^(`{3,}|~{3,})", line):
                prose += [line, *_until(lines, fence[0]), fence[0]]
            else:
                prose.append(line)
        yield "markdown", "\n".join(prose), []

    def _directive(self, name: str, argument: str, lines: list[str]) -> list[str]:
        options, body = _options(lines)
        if name in _SILENT:
            return []
        if name == "math":
            return ["", "$$", *([argument] if argument else []), *body, "$$", ""]
        if name in ("figure", "image"):
            text = self.plain("\n".join(body)) or options.get("alt", "")
            return ["", f"*Figure (in the book): {text}*", ""] if text else []
        inner = self.plain("\n".join(body))
        if name == "predict":
            choices = [f"- {self._inline(c.strip())}" for c in options.get("options", "").split("|") if c.strip()]
            question = f"**Predict before you look.** {self._inline(argument)}"
            return ["", question, "", *choices, "", *_fold("What the runs say", inner), ""]
        title = self._inline(argument) if argument and name not in ("note", "tip", "warning") else ""
        title = title or _TITLES.get(name, name.replace("-", " ").capitalize())
        if name == "dropdown" or "dropdown" in options.get("class", ""):
            return ["", *_fold(title, inner), ""]
        if name in ("note", "tip", "warning") and argument:  # their first line may stand beside the name
            inner = f"{self._inline(argument)}\n{inner}".strip()
        quoted = [f"> {line}".rstrip() for line in f"**{title}**\n\n{inner}".splitlines()]
        return ["", *quoted, ""]

    def _inline(self, line: str) -> str:
        line = _ROLE.sub(lambda m: self._role(m["role"], m["text"]), line)
        line = re.sub(r"\[([^\]]*)\]\((?!https?:|mailto:)([^)\s]*)\)", self._link, line)
        return re.sub(r"\s*\{#[\w.:-]+\}\s*$", "", line)

    def _role(self, role: str, text: str) -> str:
        if role.startswith("cite"):
            cited = "; ".join(self.citations.get(k.strip(), k.strip()) for k in text.split(","))
            return cited if role.endswith(":t") else f"({cited})"
        if role == "math":
            return f"${text}$"
        if role == "code":
            return f"`{text}`"
        titled = re.match(r"^(.*?)\s*<([^>]+)>$", text)
        if titled:
            return titled[1]
        if role == "doc":
            return self._titled(text) or text
        if role == "eq":
            return "the equation above"
        return text.replace("-", " ") if role in ("ref", "numref") else text

    def _link(self, match: re.Match[str]) -> str:
        text, target = match[1], match[2]
        return text or self._titled(target.partition("#")[0].removesuffix(".md")) or "that section"

    def _titled(self, target: str) -> str | None:
        """The title of a page named as seen from this one (`lemma`, `../how-to`, `/index`)."""
        if not target:
            return None
        parts = [] if target.startswith("/") else self.page.split("/")[:-1]
        for part in target.strip("/").split("/"):
            parts = parts[:-1] if part == ".." else parts if part == "." else [*parts, part]
        return self.title("/".join(parts))


def citations(files: Iterable[Path]) -> dict[str, str]:
    """What each key of the bibliography stands for: `Dasgupta & Gupta 2003`."""
    found: dict[str, str] = {}
    for path in files:
        if path.is_file():
            found |= _citations(path, path.stat().st_mtime_ns)
    return found


@cache
def _citations(path: Path, stamp: int) -> dict[str, str]:
    from pybtex.database import parse_file

    found = {}
    for key, entry in parse_file(str(path)).entries.items():
        names = [" ".join(p.prelast_names + p.last_names) for p in entry.persons.get("author", [])]
        who = " & ".join(names) if len(names) < 3 else f"{names[0]} et al."
        found[key] = f"{who} {entry.fields.get('year', '')}".strip().replace("{", "").replace("}", "")
    return found


def _cell(kind: str, text: str, tags: list[str] | None = None) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "id": "", "metadata": {}, "source": text.splitlines(keepends=True)}
    if kind == "code":
        cell |= {"execution_count": None, "outputs": []}
        if "hide-input" in (tags or []):
            cell["metadata"] = {"jupyter": {"source_hidden": True}}
    return cell


def _fold(title: str, inner: str) -> list[str]:
    return ["<details>", f"<summary>{title}</summary>", "", inner, "", "</details>"]


def _until(lines: list[str], mark: str) -> list[str]:
    """Take the lines up to the closing fence, which is taken, too."""
    body = []
    while lines:
        line = lines.pop(0)
        if line.startswith(mark) and set(line.strip()) == {mark[0]}:
            break
        body.append(line)
    return body


def _options(lines: list[str]) -> tuple[dict[str, str], list[str]]:
    """The options at the head of a directive (`:name: value` or YAML between ---), and the lines after them."""
    if lines and lines[0].strip() == "---":
        end = next((i for i, line in enumerate(lines[1:], 1) if line.strip() == "---"), len(lines) - 1)
        found = yaml.safe_load("\n".join(lines[1:end])) or {}
        return {str(k): v if isinstance(v, str) else json.dumps(v) for k, v in found.items()}, lines[end + 1 :]
    options: dict[str, str] = {}
    rest = list(lines)
    while rest and (match := _OPTION.match(rest[0])):
        options[match["name"]] = match["value"].strip()
        rest.pop(0)
    return options, rest


def _without_front_matter(source: str) -> str:
    return re.sub(r"\A---\n.*?\n---\n", "", source, flags=re.DOTALL)

"""MyST Markdown as Jupyter shows it: directives become quotes, folds or formulas, references become words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml

FENCE = re.compile(r"^(?P<mark>`{3,}|~{3,}|:{3,})\{(?P<name>[\w:-]+)\}[ \t]*(?P<argument>.*)$")
_ROLE = re.compile(r"\{(?P<role>[\w:+-]+)\}`(?P<text>[^`]+)`")
_OPTION = re.compile(r"^:(?P<name>[\w-]+):[ \t]*(?P<value>.*)$")
_TITLES = {"seealso": "See also", "proof": "Proof"}
_SILENT = {"lecture", "bibliography", "tableofcontents", "toctree", "contents", "label"}


@dataclass(frozen=True)
class Plain:
    """How to read the MyST of a page: `title(page)` gives a page's title, `citations` what a key stands for.

    `page` is where the text stands in the book; links are relative to it.
    """

    title: Callable[[str], str | None] = lambda page: None
    page: str = ""
    citations: dict[str, str] = field(default_factory=dict)

    def text(self, text: str) -> str:
        """The text without MyST's own syntax."""
        out: list[str] = []
        lines = text.splitlines()
        while lines:
            line = lines.pop(0)
            found = FENCE.match(line)
            if found:
                body = until(lines, found["mark"])
                out += self._directive(found["name"], found["argument"].strip(), body)
            elif fence := re.match(r"^(`{3,}|~{3,})", line):
                out += [line, *until(lines, fence[0]), fence[0]]
            elif not re.match(r"^\([\w.:-]+\)=\s*$|^\+\+\+|^%", line):
                out.append(self._inline(line))
        return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).strip()

    def _directive(self, name: str, argument: str, lines: list[str]) -> list[str]:
        options, body = options_of(lines)
        if name in _SILENT:
            return []
        if name == "math":
            return ["", "$$", *([argument] if argument else []), *body, "$$", ""]
        if name in ("figure", "image"):
            text = self.text("\n".join(body)) or options.get("alt", "")
            return ["", f"*Figure (in the book): {text}*", ""] if text else []
        inner = self.text("\n".join(body))
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


def until(lines: list[str], mark: str) -> list[str]:
    """Take the lines up to the closing fence, which is taken, too."""
    body = []
    while lines:
        line = lines.pop(0)
        if line.startswith(mark) and set(line.strip()) == {mark[0]}:
            break
        body.append(line)
    return body


def options_of(lines: list[str]) -> tuple[dict[str, str], list[str]]:
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


def _fold(title: str, inner: str) -> list[str]:
    return ["<details>", f"<summary>{title}</summary>", "", inner, "", "</details>"]

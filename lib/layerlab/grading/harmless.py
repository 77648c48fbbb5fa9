"""What a student handed in, so that nothing in it can act in a teacher's browser.

nbgrader's formgrader and its feedback show Markdown with raw HTML, live links and Mermaid, and outputs as HTML,
JavaScript or SVG, all on the page that also holds the marks.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

from layerlab.grading.standing import legible

PICTURES = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}  # and how their files begin
MOST = 20_000  # characters of one text that are shown
OUTPUTS, PICTURE_BYTES = 20, 2_000_000  # of one cell; of one picture
JOINER = "\u2060"  # has no width: behind < or before : it leaves them to be read, but takes away what they do
_TAGS = re.compile(
    "p|br|hr|em|strong|del|code|pre|span|div|a|img|h[1-6]|[uo]l|li|blockquote|table|thead|tbody|t[rhd]|d[ltd]|input"
)
_ATTRIBUTES = re.compile("href|src|alt|title|class|id|start|type|checked|disabled")


def markdown(text: str, pictures: dict[str, dict[str, str]]) -> str:
    """Markdown in which tags are text, links lead to the web or nowhere, and images are the `pictures` enclosed.

    What comes out was rendered as formgrader renders it, and its HTML was searched; where that still holds something
    that could act, the text is shown as it was typed.
    """
    text = _readable(text)
    if _laborious(text):
        text = verbatim(legible(text, keep="\n\t", most=MOST // 10))
    text = re.sub(r"<(?=[A-Za-z/!?])", f"<{JOINER}", text)
    text = re.sub(r"(?i)\b(javascript|vbscript)(\s*):", rf"\1\2{JOINER}:", text)
    text = text.replace(r"\href", r"\mathrm")  # MathJax' own kind of link
    # headings become anchors, and formgrader finds the place of a mark by an id: theirs never is that of a cell
    text = re.sub(r"(?m)^([ \t>*+\-\d.)]*#{1,6}[ \t]*)(?=[^\s#])", rf"\1{JOINER}", text)
    text = re.sub(r"(?m)^(?=[^\n]*\S[^\n]*\n[ \t>]*(=+|-+)[ \t]*$)", JOINER, text)
    text = re.sub(r"([`~]{3,}[^\S\n]*)(?=mermaid)", r"\1text ", text)

    def image(match: re.Match[str]) -> str:
        return match[0] if match[2].removeprefix("attachment:") in pictures else match[0].removeprefix("!")

    text = re.sub(r"!\[([^\]\n]*)\]\(([^)\s]*)[^)\n]*\)", image, text)
    if _acts(text, pictures):
        text = verbatim(text)
    return text if not _acts(text, pictures) else "*This text cannot be shown here; see the file that was handed in.*"


def verbatim(text: str) -> str:
    """The text as it was typed, in a fence that nothing within it can close."""
    mark = "`" * max([3, *(len(run) + 1 for run in re.findall(r"`{3,}", text))])
    return f"{mark}text\n{text}\n{mark}"


def code(text: str) -> str:
    """Code to be shown, with characters that hide something shown as their numbers."""
    return _readable(text)


def attachments(found: Any) -> dict[str, dict[str, str]]:
    """Of the pictures pasted into a cell, those that are PNG or JPEG."""
    kept: dict[str, dict[str, str]] = {}
    for name, bundle in list(found.items())[:OUTPUTS] if isinstance(found, dict) else []:
        if isinstance(bundle, dict) and re.fullmatch(r"[\w.-]{1,100}", str(name)):
            pictures = {kind: data for kind in PICTURES if (data := _picture(kind, bundle.get(kind)))}
            kept |= {name: pictures} if pictures else {}
    return kept


def outputs(found: Any) -> list[Any]:
    """A cell's saved outputs as text and pictures alone."""
    return [output for one in (found if isinstance(found, list) else [])[:OUTPUTS] for output in _output(one)]


def _output(output: Any) -> Iterator[Any]:
    from nbformat import v4

    if not isinstance(output, dict):
        return
    kind = output.get("output_type")
    if kind == "stream":
        yield v4.new_output("stream", name="stdout", text=_readable(_joined(output.get("text"))))
    elif kind == "error":
        words = [_joined(output.get(part)) for part in ("ename", "evalue")]
        yield v4.new_output("stream", name="stdout", text=_readable(": ".join(words)))
    elif kind in ("execute_result", "display_data"):
        bundle = output.get("data")
        bundle = bundle if isinstance(bundle, dict) else {}
        data: dict[str, str] = {}
        if text := _readable(_joined(bundle.get("text/plain"))):
            data["text/plain"] = text
        if picture := _picture("image/png", bundle.get("image/png")):
            data["image/png"] = picture
        if data:
            yield v4.new_output("display_data", data=data)


def _picture(kind: str, data: Any) -> str:
    """The picture in base64, if it is one of that kind; else empty."""
    try:
        content = base64.b64decode(re.sub(r"\s", "", _joined(data)), validate=True)
    except (binascii.Error, ValueError):
        return ""
    fits = content.startswith(PICTURES[kind]) and len(content) <= PICTURE_BYTES
    return base64.b64encode(content).decode() if fits else ""


def _joined(text: Any) -> str:
    if isinstance(text, list):
        return "".join(line for line in text if isinstance(line, str))
    return text if isinstance(text, str) else ""


def _readable(text: str) -> str:
    return legible(text.replace("\r", "\n") if "\r\n" not in text else text, keep="\n\t\u200c\u200d", most=MOST)


def _laborious(text: str) -> bool:
    """Whether rendering could take long: what opens and never closes costs the renderer time with its square."""
    return bool(re.search(r"[ \t]{500}", text)) or any(text.count(mark) > 1500 for mark in "[`*_$<>!\\#|-=~")


def _acts(text: str, pictures: dict[str, dict[str, str]]) -> bool:
    """Whether the Markdown, as nbconvert renders it, holds a tag, attribute or address that it should not."""
    from nbconvert.filters.markdown_mistune import InvalidNotebook, IPythonRenderer, MarkdownWithMath

    try:
        html = MarkdownWithMath(renderer=IPythonRenderer(escape=False, attachments=pictures)).render(text)
    except (InvalidNotebook, RecursionError):
        return True
    search = _Search()
    search.feed(html)
    search.close()
    return search.acts


class _Search(HTMLParser):
    """Looks through HTML for whatever is not known to be harmless."""

    acts = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element: of a known kind, with known attributes, and with an address that runs nothing."""
        bad = [name for name, value in attrs if not _harmless(tag, name, value or "")]
        self.acts = self.acts or _TAGS.fullmatch(tag) is None or bool(bad)

    def handle_comment(self, data: str) -> None:
        """Browsers and this parser end comments differently."""
        self.acts = True

    def handle_decl(self, decl: str) -> None:
        """A declaration is none of Markdown's."""
        self.acts = True

    def handle_pi(self, data: str) -> None:
        """Nor is an instruction."""
        self.acts = True

    def unknown_decl(self, data: str) -> None:
        """Nor is this."""
        self.acts = True


def _harmless(tag: str, name: str, value: str) -> bool:
    if name == "style":
        return re.fullmatch(r"text-align:\s?(left|right|center)", value) is not None
    if name == "id":
        return re.fullmatch(r"[A-Za-z0-9_-]*", value) is None
    if _ATTRIBUTES.fullmatch(name) is None:
        return False
    address = re.sub(r"[\x00-\x20]", "", value).lower()
    if name == "src":
        return tag == "img" and address.startswith(tuple(f"data:{kind};base64," for kind in PICTURES))
    scheme = re.match(r"([^/?#]*):", address)
    return name != "href" or scheme is None or scheme[1] in ("http", "https", "mailto")

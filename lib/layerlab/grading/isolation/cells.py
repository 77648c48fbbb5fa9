"""Notebook cells as plain Python: what IPython's syntax means when nobody looks on.

Inside the sandbox this file stands alone, with the standard library only: importing IPython would take longer than most
cells. Magics that only show, time or configure do nothing, or run what they are put before; the shell is refused.
"""

from __future__ import annotations

import ast
import re
from types import CodeType

RUN_THE_REST = {"time", "timeit", "prun", "capture", "memit", "mprun", "lprun"}
SHELL = {"bash", "sh", "script", "system", "sx", "!", "cmd", "perl", "ruby", "python2", "pypy", "pip", "conda", "cd"}
SHOWN_ONLY = {"html", "HTML", "javascript", "js", "latex", "markdown", "svg", "SVG"}
MAGIC = re.compile(r"(?P<indent>\s*)(?P<name>[\w.]+\s*=\s*)?(?P<mark>%|!!?)\s*(?P<rest>.*)")
OPTIONS = re.compile(r"(\s+-\w+(\s+\d+)?)*\s*")  # of %timeit and its like: -n 10 -r3


def compiled(code: str, filename: str) -> CodeType:
    """A cell's code, compiled; raises SyntaxError with the line in the cell."""
    lines = _without_cell_magic(code.replace("\r\n", "\n")).split("\n")
    for _ in range(len(lines) + 1):
        try:
            tree = ast.parse("\n".join(lines), filename)
            break
        except SyntaxError as error:
            at = (error.lineno or 1) - 1
            plain = _plain(lines[at]) if at < len(lines) else None
            if plain is None or plain == lines[at]:
                raise
            lines[at] = plain
    try:
        return compile(tree, filename, "exec", dont_inherit=True)
    except SyntaxError as error:
        if "await" in str(error.msg) or "async" in str(error.msg):
            error.msg = "top-level await is not run when graded"
        raise


def _without_cell_magic(code: str) -> str:
    """The body of a cell whose first line is a cell magic, that line blank: line numbers stay."""
    start = len(code) - len(code.lstrip())
    if not code[start:].startswith("%%"):
        return code
    line, _, body = code[start:].partition("\n")
    name = (line[2:].split() or [""])[0]
    blank = "\n" * (code[:start].count("\n") + 1)
    if name in RUN_THE_REST:
        return blank + body
    if name in SHOWN_ONLY:
        return ""
    return _refusal(line)


def _plain(line: str) -> str | None:
    """A line in Python for one in IPython's syntax; None where it has none."""
    bare = line.strip()
    indent = line[: len(line) - len(line.lstrip())]
    if re.fullmatch(r"\?{0,2}[\w.*%]+\?{0,2}", bare) and "?" in (bare[0], bare[-1]):
        return f"{indent}pass"
    found = MAGIC.fullmatch(line)
    if found is None:
        return None
    name = (found["rest"].split() or [""])[0]
    if found["mark"] != "%" or name in SHELL:
        return indent + _refusal(bare)
    if name in RUN_THE_REST:
        rest = found["rest"][len(name) :]
        options = OPTIONS.match(rest)
        return indent + (rest[options.end() :] if options else rest.strip() or "pass")
    return f"{indent}{found['name'] or ''}None"


def _refusal(text: str) -> str:
    return f"raise RuntimeError({'not run when graded: ' + text!r})"

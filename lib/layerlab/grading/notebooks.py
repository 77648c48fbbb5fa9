"""What is made from an assignment's source: the student's notebook, the key, nbgrader's source, the book's page."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from layerlab.grading.markdown import Plain, citations
from layerlab.grading.source import (
    SOLUTION,
    TEXT_STUB,
    Cell,
    Source,
    hidden_tests,
    without_hidden_tests,
    without_markers,
    without_solutions,
)
from layerlab.lab import paths

STUDENT = re.compile(r'^STUDENT = ""', re.MULTILINE)  # what a notebook made for one student has filled in
HEAD, KEY = "head", "key"  # the ids of the cells that are added
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
LIBRARIES = {"numpy": "NumPy", "scipy": "SciPy", "sklearn": "scikit-learn", "matplotlib": "Matplotlib"}
FRONT = """\
---
jupytext:
  text_representation: {{extension: .md, format_name: myst}}
kernelspec: {{display_name: Python 3, language: python, name: python3}}
mystnb: {{execution_mode: "off"}}
title: {title}
---
"""


def page(source: Source, solutions: bool) -> str:
    """The MyST text of the book's page: what a student sees; with `solutions`, also what a teacher knows, folded.

    That is answers, hidden tests, model answers and rubrics. Code cells stay code cells, without nbgrader's metadata.
    The page is not executed: answers are missing in it.
    """
    parts: list[str] = []
    for cell in source.cells:
        if cell.kind == "code":
            text = without_hidden_tests(without_solutions(cell.source)).strip("\n")
            tags = [f":tags: [{', '.join(cell.tags)}]"] if cell.tags else []
            if text:
                parts.append(_fenced("{code-cell} python", "\n".join([*tags, text])))
        elif cell.manual:
            before = without_solutions(cell.source, "markdown").replace(TEXT_STUB, "").strip()
            box = f"{_points(cell.points)}. The answer goes into the notebook that you hand in; a person grades it."
            parts += [before, _fenced("{admonition} Your answer", box)]
        else:
            parts.append(cell.source.strip())
        if solutions:
            parts += _folded(cell)
    text = "\n\n".join(part for part in parts if part)
    title, _, rest = (text if text.startswith("# ") else f"# {source.title}\n\n{text}").partition("\n")
    return f"{FRONT.format(title=json.dumps(source.title))}\n{title}\n\n{_fenced('{note}', note(source))}\n{rest}\n"


def note(source: Source) -> str:
    """What a student should know before the first question: time, marks, what running takes, and how it is graded."""
    budget, waiting = source.budget, sum(cell.points for cell in source.cells if cell.manual)
    by_hand = f", {_number(waiting)} of them given by a person" if waiting else ""
    gpu = "a GPU shortens it" if budget.gpu else "a GPU does not help"
    minutes = _number(budget.cpu_minutes)
    there = _listed([name for module, name in LIBRARIES.items() if module not in source.withheld])
    withheld = _listed([f"`{name}`" for name in source.withheld])
    withheld = withheld and f" {withheld} cannot be imported there."
    return (
        f"About {_number(source.hours)} hours; {_points(source.points)}{by_hand}. Solved, the whole notebook runs in "
        f"{minutes} CPU minute{'' if minutes == '1' else 's'} and {budget.memory_mb} MB at most; {gpu}.\n\n"
        "Write your id, as your course knows it, into the first code cell: it chooses your data. "
        '`check("...")` tries an answer on visible checks; marks come from further tests on other inputs. For them '
        f"your code runs apart, with {there}, but without layerlab and a network."
        f"{withheld} Locked cells are put back as they were."
    )


def student(source: Source, name: str = "") -> Any:
    """The notebook (nbformat 4.5) that a student gets; `name`, if given, is filled in as STUDENT."""
    cells = []
    for number, cell in enumerate(source.cells):
        text = asked(source, cell)
        if name and is_student(cell):
            text = STUDENT.sub(lambda _: f"STUDENT = {name!r}", text)
        cells.append(_cell(cell, number, text, handed_out=True))
    return _notebook(source, HEAD, note(source), cells)


def key(source: Source) -> Any:
    """The instructor's notebook: with solutions, hidden tests and rubrics to read, and to run."""
    said = (
        "**The instructor's key.** It holds the solutions, the hidden tests and the rubrics: not for students.\n\n"
        f"{_points(source.points)} in all. `layerlab grade {source.name}` gives its code full marks."
    )
    cells = []
    for number, cell in enumerate(source.cells):
        text = _readable(source, cell)
        if cell.manual:
            text = _marked(text, SOLUTION, f"**Model answer and rubric** ({_points(cell.points)})\n")
        cells.append(_cell(cell, number, text, handed_out=True))
    return _notebook(source, KEY, said, cells)


def nbgrader_source(source: Source) -> Any:
    """The notebook for `source/NAME/` of an nbgrader course, with nbgrader's own markers and metadata."""
    cells = [_cell(c, number, _readable(source, c), handed_out=False) for number, c in enumerate(source.cells)]
    return _notebook(source, HEAD, note(source), cells)


def asked(source: Source, cell: Cell) -> str:
    """A cell as it is handed out, with the place for an answer where the answer is missing."""
    return without_hidden_tests(without_solutions(_readable(source, cell), cell.kind))


def is_student(cell: Cell) -> bool:
    """Whether it is the cell in which a student writes an id."""
    return cell.kind == "code" and not cell.locked and STUDENT.search(cell.source) is not None


def checksum(text: str, cell: Cell) -> str:
    """nbgrader's checksum of a cell with that text: of the text, the kind, the flags, the id and the points (MD5)."""
    flags = (cell.grade, cell.solution, not cell.solution and (cell.grade or cell.locked))
    points = str(float(cell.points)) if cell.grade else ""
    words = [text, cell.kind, *map(str, flags), cell.id, points]
    return hashlib.md5("".join(words).encode(), usedforsecurity=False).hexdigest()


def fingerprint(notebook: Any) -> str:
    """Of a notebook's cells without outputs: whether somebody has changed it since it was made."""
    cells = [(c["cell_type"], "".join(c["source"]), c["metadata"].get("nbgrader", {})) for c in notebook["cells"]]
    words = [(kind, text, sorted((k, v) for k, v in marked.items() if k != "checksum")) for kind, text, marked in cells]
    return hashlib.sha256(repr(words).encode("utf-8", "surrogatepass")).hexdigest()


def _notebook(source: Source, name: str, head: str, cells: list[Any]) -> Any:
    """The cells, with `head` as a quote in a cell of its own below the title."""
    import nbformat

    quote = "\n".join(f"> {line}".rstrip() for line in head.split("\n"))
    titled = source.cells[0].source.startswith("# ")
    heading = nbformat.v4.new_markdown_cell(quote if titled else f"# {source.title}\n\n{quote}", id=name)
    cells = [*cells[:titled], heading, *cells[titled:]]
    made = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL, "language_info": {"name": "python"}})
    made.nbformat_minor = 5
    made.metadata["title"] = source.title
    made.metadata["layerlab"] = {"assignment": source.name, "made": fingerprint(made)}
    nbformat.validate(made)
    return made


def _cell(cell: Cell, number: int, text: str, handed_out: bool) -> Any:
    from nbformat import v4

    metadata: dict[str, Any] = {"tags": list(cell.tags)} if cell.tags else {}
    if is_student(cell):
        # no answer to nbgrader, which would empty it; the id alone tells the grader which cell it is
        flags: dict[str, Any] = {"grade": False, "locked": False, "solution": False}
        metadata["nbgrader"] = flags | {"grade_id": cell.id or "student", "schema_version": 3, "task": False}
    elif cell.id:
        locked = not cell.solution and (cell.grade or cell.locked)
        metadata["nbgrader"] = _marks(cell, locked) | (
            {"checksum": checksum(text, cell), "cell_type": cell.kind} if handed_out else {}
        )
        metadata |= {"deletable": False} | ({"editable": False} if locked else {})
    make = v4.new_code_cell if cell.kind == "code" else v4.new_markdown_cell
    return make(text, metadata=metadata, id=cell.id or f"cell-{number}")


def _marks(cell: Cell, locked: bool) -> dict[str, Any]:
    marks = {
        "grade": cell.grade,
        "grade_id": cell.id,
        "locked": locked,
        "schema_version": 3,
        "solution": cell.solution,
        "task": False,
    }
    return marks | ({"points": cell.points} if cell.grade else {})


def _readable(source: Source, cell: Cell) -> str:
    """A cell's text as Jupyter shows it."""
    if cell.kind == "code":
        return cell.source
    top = paths.checkout()
    cited = citations([top / "book" / "references.bib"]) if top and "{cite" in cell.source else {}
    text = Plain(_title, f"assignments/{source.name}", cited).text(cell.source)
    # a heading becomes an anchor of its own name, where nbgrader's formgrader looks for the cell of that grade_id
    ids = "|".join(re.escape(cell.id).replace(r"\-", "[ -]") for cell in source.cells if cell.id)
    return re.sub(rf"^(#+) +((?:{ids})(?:[ -]comment)?) *$", r"\1 Question \2", text, flags=re.MULTILINE)


def _title(name: str) -> str | None:
    """The title of a page of the book, where the book's source is at hand."""
    top = paths.checkout()
    path = top / "book" / f"{name}.md" if top else None
    if path is None or not path.is_file():
        return None
    found = re.search(r"^# (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1].strip() if found else None


def _folded(cell: Cell) -> list[str]:
    """What a teacher's page shows after a cell."""
    if cell.manual:
        inside = re.findall(rf"\bBEGIN {SOLUTION}\b[^\n]*\n(.*?)\n[^\n]*\bEND {SOLUTION}\b", cell.source, re.DOTALL)
        return [_fenced(f"{{dropdown}} Model answer and rubric ({_points(cell.points)})", "\n\n".join(inside).strip())]
    if cell.solution and not is_student(cell):
        return [_fenced("{dropdown} Solution", _fenced("python", without_markers(cell.source).strip("\n")))]
    hidden = hidden_tests(cell.source).strip("\n")
    if cell.tests and hidden:
        return [_fenced(f"{{dropdown}} Hidden tests ({_points(cell.points)})", _fenced("python", hidden))]
    return []


def _fenced(name: str, text: str) -> str:
    """The text in a fence that is longer than any within it."""
    mark = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`{3,}", text)), 3)
    return f"{mark}{name}\n{text}\n{mark}"


def _marked(text: str, what: str, head: str) -> str:
    """The text with the line that begins a region replaced by a heading, and the line that ends it left out."""
    text = re.sub(rf"^.*\bBEGIN {what}\b.*$", head, text, flags=re.MULTILINE)
    return re.sub(rf"^.*\bEND {what}\b.*$\n?", "", text, flags=re.MULTILINE)


def _listed(names: list[str]) -> str:
    """The names as a sentence has them."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _number(value: float) -> str:
    return f"{value:g}"


def _points(value: float) -> str:
    return f"{value:g} point{'' if value == 1 else 's'}"

"""The notebook that a teacher reads in nbgrader's formgrader: what was handed in, and what the grader found.

nbgrader makes its feedback from the same file. So nothing stands in it that a student should not see.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from layerlab.grading import harmless, notebooks
from layerlab.grading.merging import notebook_cells
from layerlab.grading.results import GRADED, Mark, Result
from layerlab.grading.source import Cell, Source
from layerlab.grading.standing import number

ADDED = 200  # cells of a student's own that are shown
MISSING = "This cell was missing from the notebook that was handed in."


@dataclass
class HandedIn:
    """The cells of a submission: `answers` by their grade_id, and what a student added behind each of those."""

    answers: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    added: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    readable: bool = True


def handed_in(source: Source, content: bytes) -> HandedIn:
    """Sort a submission's cells, with their saved outputs and pictures; not `readable` if it is no notebook."""
    found = HandedIn()
    try:
        cells = notebook_cells(content)
    except ValueError:
        found.readable = False
        return found
    known, behind, count = {cell.id for cell in source.cells if cell.id}, "", 0
    for cell, raw in zip(cells, json.loads(content.decode("utf-8-sig"))["cells"], strict=True):
        entry = cell | {"outputs": raw.get("outputs"), "attachments": raw.get("attachments")}
        if cell["id"] in known:
            behind = cell["id"]
            found.answers[behind].append(entry)
        elif (count := count + 1) <= ADDED:
            found.added[behind].append(entry)
        elif count == ADDED + 1:
            left = f"*{len(cells)} cells were handed in; those of the student's own are shown up to here.*"
            found.added[behind].append(entry | {"kind": "markdown", "source": left})
    return found


def notebook(source: Source, result: Result, found: HandedIn) -> Any:
    """The notebook, in the assignment's order: given cells as they should be, tests with what the grader found."""
    from nbformat import v4, validate

    ours = _handed_out(source)
    given = {cell["source"] for cell in ours.values() if cell["cell_type"] == "markdown"}
    marks = {mark.grade_id: mark for mark in result.marks}
    cells = [v4.new_markdown_cell(_head(result)), *(_added(cell, given) for cell in found.added[""])]
    for cell in source.cells:
        if cell.id:
            cells.append(_known(cell, ours[cell.id], found, marks.get(cell.id)))
            # of a cell that is there twice the others follow, without the marks
            again = [_added(one, given) for one in found.answers[cell.id][1:]]
            cells += again + [_added(one, given) for one in found.added[cell.id]]
        elif not found.readable:
            cells += [v4.new_markdown_cell(cell.source)] if cell.kind == "markdown" else []
    for count, made in enumerate(cells):
        made["id"] = f"cell-{count}"
    about = {"kernelspec": notebooks.KERNEL, "language_info": {"name": "python"}, "layerlab": {"of": result.digest}}
    book = v4.new_notebook(cells=cells, metadata=about)
    book.nbformat_minor = 5
    validate(book)
    return book


def of(path: Path) -> str:
    """The digest of the result that a notebook was written for; '' where there is none, or it is not ours."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["metadata"]["layerlab"]["of"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def texts(path: Path) -> dict[str, str]:
    """The text of each answer in a notebook that was written before; empty if there is none."""
    try:
        return texts_of(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def texts_of(book: Any) -> dict[str, str]:
    """The text of each cell that has a grade_id, with its pictures."""
    marked = [(cell["metadata"].get("nbgrader", {}).get("grade_id"), cell) for cell in book["cells"]]
    return {name: repr(("".join(c["source"]), c.get("attachments"))) for name, c in marked if name}


def written(book: Any) -> str:
    """The text of the notebook's file."""
    import nbformat

    return f"{nbformat.writes(book)}\n"


def answered(source: Source, found: HandedIn, cell: Cell) -> bool:
    """Whether a question that a person grades was answered: its cell is there and not as it was handed out."""
    as_it_was = notebooks.asked(source, cell).strip()
    return any(one["source"].strip() not in ("", as_it_was) or one["attachments"] for one in found.answers[cell.id])


@cache
def _handed_out(source: Source) -> dict[str, Any]:
    """The cells of the student's notebook by their ids, to read."""
    return {cell["id"]: cell for cell in notebooks.student(source).cells}


def _known(cell: Cell, ours: Any, found: HandedIn, mark: Mark | None) -> Any:
    """A cell of the assignment, in which a student can have changed an answer's text and nothing else."""
    from nbformat import v4

    metadata = {key: value for key, value in ours["metadata"].items() if key in ("nbgrader", "deletable", "editable")}
    first = found.answers[cell.id][0] if found.answers[cell.id] else None
    if cell.manual:
        pictures = harmless.attachments(first["attachments"]) if first else {}
        shown = _text(first, pictures) if first else f"*{MISSING}*"
        return v4.new_markdown_cell(shown, metadata=metadata, **_attached(pictures))
    if cell.kind == "markdown":
        return v4.new_markdown_cell(ours["source"], metadata=metadata)
    if cell.tests:
        said = [v4.new_output("stream", name="stdout", text=_said(mark))] if mark else []
        return v4.new_code_cell(ours["source"], metadata=metadata, outputs=said)
    if cell.locked:
        same = first is not None and first["source"].strip() == ours["source"].strip()
        kept = harmless.outputs(first["outputs"]) if first and same else []
        return v4.new_code_cell(ours["source"], metadata=metadata, outputs=kept)
    if first is None:
        return v4.new_code_cell(f"# {MISSING}", metadata=metadata)
    return v4.new_code_cell(
        harmless.code(first["source"]), metadata=metadata, outputs=harmless.outputs(first["outputs"])
    )


def _added(cell: dict[str, Any], given: set[str]) -> Any:
    """A cell that is a student's own, or of the text between the questions."""
    from nbformat import v4

    if cell["kind"] == "code":
        return v4.new_code_cell(harmless.code(cell["source"]), outputs=harmless.outputs(cell["outputs"]))
    if cell["kind"] == "markdown" and cell["source"] in given:
        return v4.new_markdown_cell(cell["source"])
    pictures = harmless.attachments(cell["attachments"])
    return v4.new_markdown_cell(_text(cell, pictures), **_attached(pictures))


def _attached(pictures: dict[str, dict[str, str]]) -> dict[str, Any]:
    return {"attachments": pictures} if pictures else {}


def _text(cell: dict[str, Any], pictures: dict[str, dict[str, str]]) -> str:
    text = cell["source"] if cell["kind"] == "markdown" else harmless.verbatim(harmless.code(cell["source"]))
    return harmless.markdown(text, pictures)


def _said(mark: Mark) -> str:
    """What a student may know of a tests cell: the points, the visible checks, why points were lost."""
    if mark.score is None:
        return f"{number(mark.points)} points, to be given by a person\n"
    lines = [f"{number(mark.score)} of {number(mark.points)} points", mark.visible.strip(), mark.says.strip()]
    return harmless.code("\n".join(line for line in lines if line)) + "\n"


def _head(result: Result) -> str:
    if result.status != GRADED:
        lines = [f"**Not graded:** {result.reason}"]
    else:
        by_hand = sum(mark.points for mark in result.marks if mark.score is None)
        waiting = f"; {number(by_hand)} to be given by a person" if by_hand else ""
        lines = [f"**Graded by layerlab:** {number(result.score)} of {number(result.points - by_hand)} points{waiting}"]
    lines += [f"- {note}" for note in result.notes]
    return harmless.markdown("\n".join([lines[0], "", *lines[1:]]).strip(), {})

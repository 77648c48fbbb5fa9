"""A notebook as it was handed in, and the code that is run of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from layerlab.grading.source import Cell, Source, without_hidden_tests

CELLS, CODE = 2000, 2_000_000  # cells, and characters of code, that are run at most


@dataclass(frozen=True)
class Merged:
    """A submission's code, put into the assignment's order, with what is given put back as it was."""

    cells: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def notebook_cells(content: bytes) -> list[dict[str, Any]]:
    """The cells of a notebook file. Raises ValueError with what is wrong with it, fit for the student."""
    try:
        made = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ValueError("the file is not text in UTF-8, as notebooks are") from None
    except (ValueError, RecursionError):
        raise ValueError("the file is damaged: it is not JSON, as notebooks are") from None
    cells = made.get("cells") if isinstance(made, dict) else None
    if not isinstance(cells, list) or made.get("nbformat") != 4:
        raise ValueError("the file is not a notebook in format 4: open it in Jupyter, save it and hand it in again")
    if len(cells) > CELLS:
        raise ValueError(f"the notebook has {len(cells)} cells; {CELLS} are read at most")
    return [_cell(number, cell) for number, cell in enumerate(cells, 1)]


def merged(source: Source, cells: Sequence[dict[str, Any]]) -> Merged:
    """The code to run for a submission, in the assignment's order.

    What is given comes from the source, whatever the submission has there; tests are left out; answers come from the
    submission, and the cells that a student added follow the cell that they stood behind. Raises ValueError where there
    is too much code.
    """
    known = {cell.id: cell for cell in source.cells if cell.id}
    answers: dict[str, list[dict[str, Any]]] = {}
    added: dict[str, list[dict[str, Any]]] = {}
    behind = ""
    for cell in cells:
        if cell["id"] in known:
            behind = cell["id"]
            answers.setdefault(behind, []).append(cell)
        elif cell["kind"] == "code":
            added.setdefault(behind, []).append(cell)
    ordered = [(cell["label"], cell["source"]) for cell in added.get("", [])]
    notes: list[str] = []
    for original in known.values():
        handed_in = answers.get(original.id, [])
        notes += _noted(original, handed_in)
        if original.given:
            ordered.append((original.id, original.source))
        elif original.kind == "code" and not original.tests:
            ordered += [(original.id, cell["source"]) for cell in handed_in if cell["kind"] == "code"]
        ordered += [(cell["label"], cell["source"]) for cell in added.get(original.id, [])]
    if sum(len(code) for _, code in ordered) > CODE:
        raise ValueError(f"the notebook has more than {CODE:,} characters of code")
    return Merged(tuple((label, code) for label, code in ordered if code.strip()), tuple(notes))


def _noted(cell: Cell, handed_in: list[dict[str, Any]]) -> Iterator[str]:
    """What the student should know of what became of a cell."""
    if not handed_in and (cell.solution or cell.grade):
        yield f"the cell {cell.id} is missing from the notebook"
    if len(handed_in) > 1 and cell.solution:
        yield f"the cell {cell.id} is there {len(handed_in)} times; all were run, in the order of the notebook"
    if cell.solution and not cell.manual and any(answer["kind"] != "code" for answer in handed_in):
        yield f"the cell {cell.id} is text now: it was not run"
    if cell.locked and cell.kind == "code" and handed_in:
        handed_out = without_hidden_tests(cell.source).strip()
        if any(answer["source"].strip() != handed_out for answer in handed_in):
            yield f"the cell {cell.id} is given and was changed; the original was used"


def _cell(number: int, cell: Any) -> dict[str, Any]:
    if not isinstance(cell, dict):
        raise ValueError(f"cell {number} of the notebook is damaged")
    source, kind, metadata = cell.get("source", ""), cell.get("cell_type"), cell.get("metadata")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str) or kind not in ("code", "markdown", "raw"):
        raise ValueError(f"cell {number} of the notebook is damaged")
    marked = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = marked.get("grade_id") if isinstance(marked, dict) else ""
    grade_id = grade_id if isinstance(grade_id, str) else ""
    return {"kind": kind, "source": source, "id": grade_id, "label": f"cell {number}"}

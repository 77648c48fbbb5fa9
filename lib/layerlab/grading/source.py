"""The one source of an assignment: a MyST notebook marked up as nbgrader has it.

Everything that a course needs is made from it: the student's notebook, the key, the page of the book, nbgrader's
source, and the tests that the grader runs.
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
import symtable
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layerlab.grading.assignments import OWN, files_of
from layerlab.grading.assignments import names as library

FILE = "assignment.md"
CODE_STUB = "# YOUR CODE HERE\nraise NotImplementedError()"  # nbgrader's own text for the place of an answer
TEXT_STUB = "YOUR ANSWER HERE"
SOLUTION, HIDDEN = "SOLUTION", "HIDDEN TESTS"


class BadSource(ValueError):
    """An assignment's source that cannot be used, and why, in one sentence."""


@dataclass(frozen=True)
class Budget:
    """What running the key takes at most, and whether a GPU would make it quicker."""

    cpu_minutes: float
    memory_mb: int
    gpu: bool


@dataclass(frozen=True)
class Cell:
    """One cell; the flags are nbgrader's. id is empty where the cell is the student's to change or delete."""

    kind: str
    source: str
    id: str = ""
    points: float = 0.0
    grade: bool = False
    solution: bool = False
    locked: bool = False
    tags: tuple[str, ...] = ()

    @property
    def question(self) -> str:
        """The question that the cell belongs to: its id up to the first hyphen."""
        return self.id.partition("-")[0]

    @property
    def manual(self) -> bool:
        """Whether a person grades it."""
        return self.grade and self.solution

    @property
    def tests(self) -> bool:
        """Whether it holds the tests of an answer."""
        return self.grade and not self.solution

    @property
    def given(self) -> bool:
        """Whether it is code that is given, and not to be changed."""
        return self.kind == "code" and self.locked and not self.grade


@dataclass(frozen=True)
class Source:
    """An assignment. hours: what a student needs. withheld: modules that the student's code cannot import in grading.

    digest: of the file's bytes and of the variants and checks that belong to it.
    """

    name: str
    title: str
    hours: float
    budget: Budget
    withheld: tuple[str, ...]
    cells: tuple[Cell, ...]
    path: Path
    digest: str

    @property
    def points(self) -> float:
        """All points together."""
        return sum(cell.points for cell in self.cells)

    @property
    def answers(self) -> frozenset[str]:
        """Every name that the answers to programming questions define: what the tests ask the student's code for."""
        code = (cell.source for cell in self.cells if cell.kind == "code" and cell.solution)
        return frozenset().union(*(bound(text, imports=False) for text in code))

    @property
    def imports(self) -> tuple[str, ...]:
        """The modules that the given code and the key's answers import; a student's code will want them too."""
        code = (cell.source for cell in self.cells if cell.kind == "code" and not cell.tests)
        found = {name for text in code for name in imported(text)}
        return tuple(sorted(name for name in found if name.partition(".")[0] != "layerlab"))

    def cell(self, grade_id: str) -> Cell:
        """The cell of that id. Raises KeyError."""
        for cell in self.cells:
            if cell.id == grade_id:
                return cell
        raise KeyError(grade_id)


def names() -> list[str]:
    """The assignments of this checkout (and of the folder that LAYERLAB_EXERCISES names)."""
    return sorted({path.parent.name for folder in _folders() for path in folder.glob(f"*/{FILE}")})


def find(name: str) -> Source:
    """The assignment of that name, or in that folder. Raises BadSource where there is none."""
    candidates = [folder / name for folder in _folders()] if name else []
    for folder in [*candidates, Path(name)] if name else []:
        if (folder / FILE).is_file():
            return read(folder / FILE)
    known = ", ".join(names()) or "none here: run layerlab from its checkout, or name a folder"
    raise BadSource(f"there is no assignment {name!r}; there are {known}")


def read(path: Path) -> Source:
    """Read an assignment's MyST notebook. Raises BadSource if nbgrader or the grader could not use it."""
    from myst_nb.core.read import MystMetadataParsingError, read_myst_markdown_notebook

    try:
        content = path.read_bytes()
        notebook = read_myst_markdown_notebook(content.decode("utf-8"))
    except (MystMetadataParsingError, UnicodeDecodeError) as error:
        raise BadSource(f"{path}: {error}") from None
    head = notebook.metadata.get("layerlab", {})
    try:
        budget = Budget(**{"gpu": False, **head["budget"]})
        title, hours, withheld = str(notebook.metadata["title"]), float(head["hours"]), tuple(head.get("withheld", ()))
    except (KeyError, TypeError, ValueError) as error:
        raise BadSource(f"{path}: the front matter needs title, layerlab.hours and layerlab.budget ({error})") from None
    cells = tuple(_cell(path, number, cell) for number, cell in enumerate(notebook.cells, 1))
    _consistent(path, cells)
    name = path.parent.name
    if name in library() and (path.parent / OWN).exists():
        raise BadSource(f"{path.parent} has a {OWN}, but layerlab has an assignment {name}: give yours another name")
    digest = hashlib.sha256(content)
    for file in files_of(name, path.parent):
        digest.update(file.read_bytes())
    return Source(name, title, hours, budget, withheld, cells, path, digest.hexdigest())


def without_solutions(text: str, kind: str = "code") -> str:
    """The cell's text with each solution replaced by the place for it, as nbgrader does."""
    return _replaced(text, SOLUTION, CODE_STUB if kind == "code" else TEXT_STUB)


def without_hidden_tests(text: str) -> str:
    """The cell's text without its hidden tests."""
    return _replaced(text, HIDDEN, "").rstrip("\n")


def hidden_tests(text: str) -> str:
    """The hidden tests of a cell's text alone, on the lines where they stand."""
    inside = False
    kept = []
    for line in text.split("\n"):
        marker = re.search(rf"\b(BEGIN|END) {HIDDEN}\b", line)
        inside = marker[1] == "BEGIN" if marker else inside
        kept.append(line if inside and not marker else "")
    return "\n".join(kept)


def without_markers(text: str) -> str:
    """The cell's text with solutions and hidden tests, but without the lines that mark them."""
    lines = text.split("\n")
    return "\n".join(line for line in lines if not re.search(rf"\b(BEGIN|END) ({SOLUTION}|{HIDDEN})\b", line))


def bound(code: str, *, imports: bool = True) -> set[str]:
    """The names that code binds at its top level, with `imports` or without; none if it cannot be parsed."""
    try:
        table = symtable.symtable(code, "<cell>", "exec")
    except SyntaxError:
        return set()
    return {
        symbol.get_name()
        for symbol in table.get_symbols()
        if (symbol.is_assigned() and not symbol.is_imported()) or (imports and symbol.is_imported())
    }


def imported(code: str) -> set[str]:
    """The modules that code imports anywhere; what comes `from` one may be a module itself. None if it is no Python."""
    try:
        nodes = list(ast.walk(ast.parse(code)))
    except SyntaxError:
        return set()
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    parts = {f"{node.module}.{alias.name}" for node in froms for alias in node.names if alias.name != "*"}
    return plain | parts | {str(node.module) for node in froms}


def used(code: str) -> set[str]:
    """The names that code reads from its notebook, in functions too; their parameters and own variables are none."""
    return set(_used(symtable.symtable(code, "<cell>", "exec")))


def _used(table: symtable.SymbolTable) -> Iterator[str]:
    for symbol in table.get_symbols():
        if symbol.is_referenced() if table.get_type() == "module" else symbol.is_global():
            yield symbol.get_name()
    for inner in table.get_children():
        yield from _used(inner)


def _folders() -> list[Path]:
    from layerlab.lab import paths  # late: it brings what draws and stores runs, which the grader's workers do without

    named, top = os.environ.get("LAYERLAB_EXERCISES"), paths.checkout()
    folders = [Path(named).expanduser()] if named else []
    return folders + ([top / "exercises"] if top else [])


def _cell(path: Path, number: int, cell: Any) -> Cell:
    marked = dict(cell.metadata.get("nbgrader", {}))
    unknown = set(marked) - {"grade_id", "points", "grade", "solution", "locked"}
    if unknown:
        raise BadSource(f"{path}, cell {number}: nbgrader's metadata has no {sorted(unknown)[0]!r} here")
    made = Cell(
        cell.cell_type,
        cell.source,
        str(marked.get("grade_id", "")),
        float(marked.get("points", 0)),
        bool(marked.get("grade", False)),
        bool(marked.get("solution", False)),
        bool(marked.get("locked", False)),
        tuple(cell.metadata.get("tags", ())),
    )
    if problem := _problem(made, marked):
        raise BadSource(f"{path}, cell {number} ({made.id or 'without id'}): {problem}")
    return made


def _problem(cell: Cell, marked: dict[str, Any]) -> str:
    """Why nbgrader or the grader could not use a cell; empty if they can."""
    solution, hidden = f"BEGIN {SOLUTION}" in cell.source, f"BEGIN {HIDDEN}" in cell.source
    if marked and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", cell.id):
        return "grade_id must be letters, digits, hyphens"
    if cell.grade != (cell.points > 0):
        return "a cell that is graded has points, and no other"
    if cell.solution != solution:
        return "a solution stands between ### BEGIN SOLUTION and ### END SOLUTION, in a cell with solution: true"
    if hidden and not cell.tests:
        return "hidden tests belong into a cell with grade: true and without solution"
    if cell.tests and not (cell.kind == "code" and cell.locked):
        return "tests are a code cell that is locked"
    if cell.manual and cell.kind != "markdown":
        return "a cell that a person grades is text"
    for what in (SOLUTION, HIDDEN):
        if cell.source.count(f"BEGIN {what}") != cell.source.count(f"END {what}"):
            return f"BEGIN {what} and END {what} do not match"
    return ""


def _consistent(path: Path, cells: tuple[Cell, ...]) -> None:
    ids = [cell.id for cell in cells if cell.id]
    twice = sorted({grade_id for grade_id in ids if ids.count(grade_id) > 1})
    if twice:
        raise BadSource(f"{path}: the grade_id {twice[0]!r} is there twice")
    for cell in cells:
        if cell.kind == "code" and cell.id:
            try:
                ast.parse(cell.source)
            except SyntaxError as error:
                raise BadSource(f"{path}, cell {cell.id}: line {error.lineno} is not Python ({error.msg})") from None


def _replaced(text: str, what: str, stub: str) -> str:
    kept: list[str] = []
    inside = False
    for line in text.split("\n"):
        if re.search(rf"\bBEGIN {what}\b", line):
            inside, indent = True, line[: len(line) - len(line.lstrip())]
            kept += [indent + stubbed for stubbed in stub.split("\n")] if stub else []
        elif re.search(rf"\bEND {what}\b", line):
            inside = False
        elif not inside:
            kept.append(line)
    return "\n".join(kept)

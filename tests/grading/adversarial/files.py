"""Submissions whose file is the attack, or the accident: each function hands in one, its docstring says what it tries.

Each is given a right notebook (a dict, as its JSON has it) and the student's own folder, and puts there what is handed
in. `facts` has what an attacker may know or guess: the folder of all submissions, a file that is not to be read, a word
that is this run's alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Notebook = dict[str, Any]
# the reasons, as far as they matter
DAMAGED, FORMAT, ENCODING = "it is not JSON", "not a notebook in format 4", "not text in UTF-8"
LINK, CELL = "this is a link", "of the notebook is damaged"
ALL = ("1a-tests", "1a-limits", "1b-tests", "2a-tests", "2b-tests")
# what is wrong, but passes the visible checks: only the hidden tests tell
WRONG = {
    "1a": "def distances(x):\n"
    "    return np.array([9.0, 16.0, 25.0]) if len(x) == 3 else np.zeros(len(x) * (len(x) - 1) // 2)",
    "1b": "def dimension(n, eps):\n    return 332 if n == 1000 else 0",
    "2a": "mean_square = 25.0",
    "2b": "def errors(sizes, seed):\n    return np.array([1 / n for n in sizes])",
}


@dataclass(frozen=True)
class HandedIn:
    """A submission. loses: the tests whose points it does not earn. refused: what the reason says if it is not graded
    at all. notes: what a note to the student says, if there is to be one."""

    name: str
    tries: str
    put: Callable[[Path, Notebook, dict[str, str]], None]
    loses: tuple[str, ...] = ()
    refused: str = ""
    notes: str = ""


FILES: list[HandedIn] = []


def handed_in(**expected: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Enter a function that puts a submission into the list."""

    def entered(put: Callable[..., None]) -> Callable[..., None]:
        name = put.__name__.replace("_", "-")
        FILES.append(HandedIn(name, " ".join((put.__doc__ or "").split()), put, **expected))
        return put

    return entered


def write(folder: Path, notebook: Any, name: str = "toy.ipynb") -> Path:
    """The notebook as a file."""
    (folder / name).write_text(json.dumps(notebook), encoding="utf-8")
    return folder / name


def cell(notebook: Notebook, grade_id: str) -> dict[str, Any]:
    """The notebook's cell of that id."""
    return next(cell for cell in notebook["cells"] if marked(cell).get("grade_id") == grade_id)


def marked(cell: dict[str, Any]) -> dict[str, Any]:
    """nbgrader's metadata of a cell."""
    return cell["metadata"].get("nbgrader", {})


def code(source: str, **nbgrader: Any) -> dict[str, Any]:
    """A code cell."""
    metadata = {"nbgrader": nbgrader} if nbgrader else {}
    return {"cell_type": "code", "execution_count": None, "metadata": metadata, "outputs": [], "source": source}


def answered(notebook: Notebook, answers: dict[str, str]) -> Notebook:
    """The notebook with these answers in place of those it has."""
    changed = deepcopy(notebook)
    for question, source in answers.items():
        cell(changed, question)["source"] = source
    return changed


def tests(notebook: Notebook) -> Iterator[dict[str, Any]]:
    """The cells that hold tests."""
    return (cell for cell in notebook["cells"] if marked(cell).get("grade_id") in ALL)


# ---- cells


@handed_in(notes="the cell 1a-tests is missing")
def tests_deleted(folder, notebook, facts):
    """Delete all tests; the answers are right."""
    kept = [cell for cell in notebook["cells"] if marked(cell).get("grade_id") not in ALL]
    write(folder, notebook | {"cells": kept})


@handed_in(loses=("1a-tests", "1a-limits"), notes="the cell 1a is missing")
def answer_deleted(folder, notebook, facts):
    """Delete the cell of one answer."""
    kept = [cell for cell in notebook["cells"] if marked(cell).get("grade_id") != "1a"]
    write(folder, notebook | {"cells": kept})


@handed_in(loses=ALL, notes="was changed; the original was used")
def tests_edited(folder, notebook, facts):
    """Write `assert True` into every locked test, beside wrong answers."""
    changed = answered(notebook, WRONG)
    for each in tests(changed):
        each["source"] = "assert True"
    write(folder, changed)


@handed_in(loses=ALL, notes="the cell setup is given and was changed")
def setup_edited(folder, notebook, facts):
    """Put a comparison of one's own into the locked first cell, beside wrong answers."""
    changed = answered(notebook, WRONG)
    cell(changed, "setup")["source"] += (
        "\nagree = lambda *given, **named: True\n"
        "class Passed:\n    passed = True\n"
        "check = assignment.check = lambda name: Passed\n"
        "variant.numbers = [0.0]\n"
    )
    write(folder, changed)


@handed_in(loses=ALL)
def points_edited(folder, notebook, facts):
    """Give 1000 points to every cell by its metadata, and a score of 1000 to the notebook."""
    changed = answered(notebook, WRONG)
    for each in changed["cells"]:
        if marked(each):
            marked(each).update(points=1000, grade=True, solution=True, locked=False, score=1000)
    changed["metadata"]["nbgrader"] = {"score": 1000, "points": 1000, "auto_score": 1000}
    write(folder, changed)


@handed_in(loses=ALL)
def answers_in_the_place_of_tests(folder, notebook, facts):
    """Turn the cells of tests into answers that say nothing, by their metadata."""
    changed = answered(notebook, WRONG)
    for each in tests(changed):
        marked(each).update(grade=False, solution=True, locked=False)
        each["source"] = "def agree(*given, **named):\n    return True\nraise SystemExit"
    write(folder, changed)


@handed_in(loses=ALL)
def everything_manual(folder, notebook, facts):
    """Ask for manual grading of everything, by the metadata, so that no test is run."""
    changed = answered(notebook, WRONG)
    for each in changed["cells"]:
        if marked(each):
            marked(each).update(grade=True, solution=True, task=True)
    write(folder, changed)


@handed_in(loses=("1a-tests", "1a-limits"), notes="is text now")
def answer_as_text(folder, notebook, facts):
    """Turn the cell of one answer into text, by accident."""
    each = cell(notebook, "1a")
    each["cell_type"] = "markdown"
    del each["outputs"], each["execution_count"]
    write(folder, notebook)


@handed_in()
def cells_reversed(folder, notebook, facts):
    """Put the questions into another order; each answer is right."""
    cells = notebook["cells"]
    first = cells.index(cell(notebook, "setup")) + 1
    write(folder, notebook | {"cells": cells[:first] + cells[first:][::-1]})


@handed_in(loses=("1a-tests", "1a-limits"), notes="is there 2 times")
def answer_twice(folder, notebook, facts):
    """Copy the cell of an answer, with its id, and leave a wrong attempt in the copy."""
    cells = notebook["cells"]
    copy = deepcopy(cell(notebook, "1a")) | {"source": WRONG["1a"]}
    cells.insert(cells.index(cell(notebook, "1a")) + 1, copy)
    write(folder, notebook)


@handed_in(loses=ALL)
def tests_twice(folder, notebook, facts):
    """Add cells with the ids of the tests that pass, before and after the real ones."""
    changed = answered(notebook, WRONG)
    passing = [deepcopy(each) | {"source": "assert True"} for each in tests(changed)]
    write(folder, changed | {"cells": passing + changed["cells"] + passing})


@handed_in()
def ids_exchanged(folder, notebook, facts):
    """Exchange the ids of two answers, both of which are right."""
    one, other = cell(notebook, "1a"), cell(notebook, "1b")
    one["metadata"], other["metadata"] = other["metadata"], one["metadata"]
    write(folder, notebook)


@handed_in()
def ids_forgotten(folder, notebook, facts):
    """Take all metadata out of all cells, as some editors do; the answers are right."""
    for each in notebook["cells"]:
        each["metadata"] = {}
    write(folder, notebook)


@handed_in(loses=ALL)
def ids_strange(folder, notebook, facts):
    """Ids that are paths, numbers, lists, homoglyphs and texts with an invisible character."""
    changed = answered(notebook, WRONG)
    strange = ["../../x", 7, ["1a"], {"1a": 1}, None, "1\u0430", "1a\u200b", "=1a", "1a\n1b", "x" * 100_000]
    for each, grade_id in zip(changed["cells"], strange, strict=False):
        each["metadata"]["nbgrader"] = {"grade_id": grade_id, "solution": "yes", "points": "NaN", "grade": [True]}
    write(folder, changed)


@handed_in(loses=("1a-tests", "1a-limits"))
def homoglyph(folder, notebook, facts):
    """Define a function with a Cyrillic letter in its name, which looks the same."""
    source = cell(notebook, "1a")["source"].replace("def distances", "def dist\u0430nces")
    write(folder, answered(notebook, {"1a": source}))


@handed_in()
def compatible_letters(folder, notebook, facts):
    """Define a function with a wide letter in its name, which Python reads as the plain one (NFKC)."""
    source = cell(notebook, "1a")["source"].replace("def distances", "def distance\uff53")
    write(folder, answered(notebook, {"1a": source}))


@handed_in(loses=("1a-tests", "1a-limits"))
def hidden_order(folder, notebook, facts):
    """Show a right answer to a person who looks, and another to Python, by characters that turn the line."""
    source = 'def distances(x):\n    """\u202e x nruter\u2066"""; return x  # \u2067 np.sum\u2069\n'
    write(folder, answered(notebook, {"1a": source}))


@handed_in(loses=("1a-tests", "1a-limits"))
def zero_width(folder, notebook, facts):
    """Paste code with an invisible character in it, by accident."""
    source = cell(notebook, "1a")["source"].replace("return", "\u200breturn")
    write(folder, answered(notebook, {"1a": source}))


@handed_in(loses=("1a-tests", "1a-limits"))
def nul_in_code(folder, notebook, facts):
    """A NUL character in the code of one answer."""
    source = cell(notebook, "1a")["source"] + "\n\0"
    write(folder, answered(notebook, {"1a": source}))


@handed_in()
def windows_lines(folder, notebook, facts):
    """Line ends, form feeds and a byte order mark of other systems, inside the code; the answers are right."""
    for each in notebook["cells"]:
        each["source"] = [line + "\r\n" for line in each["source"].split("\n")]
    write(folder, notebook)


@handed_in(loses=("1a-tests", "1a-limits"))
def code_with_cookie(folder, notebook, facts):
    """An encoding cookie that hides code, and an import from the future that does not exist."""
    source = "# -*- coding: utf-7 -*-\nfrom __future__ import braces\n" + cell(notebook, "1a")["source"]
    write(folder, answered(notebook, {"1a": source}))


@handed_in()
def hostile_outputs(folder, notebook, facts):
    """Outputs, widgets and attachments that claim marks, carry scripts and name files; the answers are right."""
    script = "<script>document.title = 'marked'</script>"
    for each in notebook["cells"]:
        if each["cell_type"] == "code":
            data = {"text/html": script, "application/javascript": "alert(1)", "image/svg+xml": script}
            each["outputs"] = [
                {"output_type": "display_data", "metadata": {}, "data": data},
                {"output_type": "stream", "name": "stdout", "text": "All tests passed. Score: 1000\n" * 1000},
            ]
    notebook["metadata"]["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": script}}
    write(folder, notebook)


# ---- who it is


@handed_in()
def someone_elses_name(folder, notebook, facts):
    """Sign with a neighbour's id, to exchange the marks; the answers are right."""
    cell(notebook, "student")["source"] = 'STUDENT = "honest-right"'
    source = cell(notebook, "2a")["source"]
    write(folder, answered(notebook, {"2a": source}))


@handed_in(loses=ALL)
def name_as_path(folder, notebook, facts):
    """Sign with a path to a neighbour's result, and with code."""
    name = 'STUDENT = __import__("os").path.join("..", "..", "honest-right") + "\\n=cmd|x"'
    changed = answered(notebook, WRONG)
    cell(changed, "student")["source"] = name
    write(folder, changed)


# ---- the file


def _contents(right: bytes) -> dict[str, tuple[bytes, str, str]]:
    """By name: what is in the file, why it is refused (empty: it is not), and what it tries."""
    version = b'"nbformat": 4'
    return {
        "empty-file": (b"", "the file is empty", "a file without any content"),
        "corrupt-json": (right[: len(right) // 2], DAMAGED, "half of a notebook, as a full disk leaves it"),
        "deep-json": (b"[" * 500_000, DAMAGED, "end the parser's stack with brackets in the file"),
        "giant-number": (b'{"nbformat": ' + b"9" * 500_000 + b"}", DAMAGED, "a version of half a million digits"),
        "nul-bytes": (right + b"\0" * 4096, DAMAGED, "zeros behind the end, as a crash leaves them"),
        "html": (b"<!doctype html><title>Sign in</title>", DAMAGED, "the page of a login, saved by a browser"),
        "another-json": (b'{"score": 1000, "marks": []}', FORMAT, "a result in place of a notebook"),
        "a-number": (b"1000", FORMAT, "a number of points"),
        "a-list": (b"[" + right + b"]", FORMAT, "a list of notebooks"),
        "null": (b"null", FORMAT, "nothing, as JSON writes it"),
        "not-a-number": (right.replace(version, b'"nbformat": NaN'), FORMAT, "a version that is NaN"),
        "version-2": (right.replace(version, b'"nbformat": 2'), FORMAT, "claim an old format"),
        "version-3": (right.replace(version, b'"nbformat": 3'), FORMAT, "claim the format before this one"),
        "version-99": (right.replace(version, b'"nbformat": 99'), FORMAT, "claim a format to come"),
        "latin-1": (b"\xe9\xff" + right, ENCODING, "text that is not UTF-8"),
        "utf-16": (right.decode().encode("utf-16"), ENCODING, "a notebook saved as UTF-16"),
        "binary": (b"\x7fELF" + bytes(range(256)) * 64, ENCODING, "a program named like a notebook"),
        "byte-order-mark": (b"\xef\xbb\xbf" + right, "", "a mark before the beginning; the answers are right"),
    }


def _put_contents(name: str) -> Callable[[Path, Notebook, dict[str, str]], None]:
    def put(folder: Path, notebook: Notebook, facts: dict[str, str]) -> None:
        right = json.dumps(notebook, ensure_ascii=False).encode()
        (folder / "toy.ipynb").write_bytes(_contents(right)[name][0])

    return put


FILES += [
    HandedIn(name, tries, _put_contents(name), refused=refused)
    for name, (_, refused, tries) in _contents(b'{"nbformat": 4}').items()
]


def _cells(name: str, change: Callable[[Notebook], Any], refused: str, tries: str) -> None:
    def put(folder: Path, notebook: Notebook, facts: dict[str, str]) -> None:
        write(folder, change(notebook))

    FILES.append(HandedIn(name, tries, put, refused=refused))


_cells("no-cells", lambda right: right | {"cells": None}, FORMAT, "a notebook whose cells are null")
_cells("cells-of-numbers", lambda right: right | {"cells": [1, "a", None, []]}, CELL, "cells that are no cells")
_cells("sources-of-numbers", lambda right: _sources(right, 7), CELL, "code that is a number")
_cells("sources-of-dicts", lambda right: _sources(right, {"a": ["pass"]}), CELL, "code that is a dict")
_cells("metadata-of-null", lambda right: right | {"metadata": None}, "", "metadata that are null")


def _sources(notebook: Notebook, source: Any) -> Notebook:
    for each in notebook["cells"]:
        each["source"] = source
    return notebook


@handed_in(refused="larger than 20 MB")
def huge_file(folder, notebook, facts):
    """A file of 3 GB, all zeros."""
    with write(folder, notebook).open("r+b") as file:
        file.truncate(3 * 2**30)


@handed_in(refused=LINK)
def symbolic_link(folder, notebook, facts):
    """Hand in a link to a neighbour's notebook, whose answers are right."""
    (folder / "toy.ipynb").symlink_to(f"{facts['SUBMISSIONS']}/honest-right/toy.ipynb")


@handed_in(refused=LINK)
def link_to_a_secret(folder, notebook, facts):
    """Hand in a link to a file of the teacher's, to read it in the feedback."""
    (folder / "toy.ipynb").symlink_to(f"{facts['FOLDER']}/canary")


@handed_in(refused=LINK)
def link_to_itself(folder, notebook, facts):
    """Hand in a link that leads to itself."""
    (folder / "toy.ipynb").symlink_to("toy.ipynb")


@handed_in(refused=LINK)
def link_to_a_device(folder, notebook, facts):
    """Hand in a link to a device that never ends."""
    (folder / "toy.ipynb").symlink_to("/dev/zero")


@handed_in(refused="not a file")
def queue(folder, notebook, facts):
    """Hand in a named pipe, at which a reader waits for ever."""
    os.mkfifo(folder / "toy.ipynb")


@handed_in(refused="not a file")
def folder_for_a_file(folder, notebook, facts):
    """Hand in a folder with the name of a notebook."""
    (folder / "toy.ipynb").mkdir()


@handed_in(notes="not toy.ipynb")
def renamed(folder, notebook, facts):
    """Rename the notebook, by a download's and a student's hand; the answers are right."""
    write(folder, notebook, "toy (1) final FINAL.ipynb")


@handed_in(refused="which one?")
def two_notebooks(folder, notebook, facts):
    """Hand in two notebooks, none with the assignment's name."""
    write(folder, notebook, "a.ipynb")
    write(folder, answered(notebook, WRONG), "b.ipynb")


@handed_in()
def other_files(folder, notebook, facts):
    """Hand in modules beside the notebook that are named like what the grader imports; the answers are right."""
    for name in ("numpy", "json", "layerlab", "sitecustomize", "usercustomize", "nbformat", "conftest", "scipy"):
        (folder / f"{name}.py").write_text(f"open('{facts['FOLDER']}/imported', 'w')\nraise SystemExit(0)\n")
    (folder / "site.pth").write_text(f"import os; open('{facts['FOLDER']}/imported', 'w')\n")
    write(folder, notebook)


@handed_in(refused="which one?")
def in_anothers_name(folder, notebook, facts):
    """Put a wrong notebook for a neighbour into the own folder, laid out as if the neighbour had handed it in."""
    write(folder, notebook)
    (folder / "honest-right" / "toy").mkdir(parents=True)
    write(folder / "honest-right" / "toy", answered(notebook, WRONG))


@handed_in(refused="notebooks")
def very_many_notebooks(folder, notebook, facts):
    """Hand in 300 notebooks of 19 MB, which take no room on the disk, to fill the grader's memory."""
    for number in range(300):
        with write(folder, notebook, f"copy-{number}.ipynb").open("r+b") as file:
            file.truncate(19_000_000)

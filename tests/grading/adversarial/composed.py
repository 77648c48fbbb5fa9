"""The submissions by batch: those whose code is the attack, composed from the YAML files, and files.py's.

A submission of code is a right notebook with other answers (`1a`, ...), or wrong ones throughout (`wrong`), with a cell
before all answers (`first`) and cells after them (`last`). In it @NAME@ stands for what an attacker may know of the
surroundings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.grading.adversarial.files import ALL, FILES, WRONG, HandedIn, Notebook, answered, cell, code, write

HERE = Path(__file__).parent
QUESTIONS = ("1a", "1b", "2a", "2b")
Entry = dict[str, Any]
# before a spy's code, and its answer to 1b
SPY = """
import os
found = False
def _names(folder):
    try:
        return os.listdir(folder)
    except OSError:
        return []
def _places(text, word):
    at = text.find(word)
    while at >= 0:
        yield at
        at = text.find(word, at + 1)
"""
SPIED = """
def dimension(n, eps):
    return int(np.ceil(4 * np.log(n) / (eps**2 / 2 - eps**3 / 3))) if found else 0
"""
# appended to an attack, this makes it wait for hidden inputs
LATER_NAMES = {"1a": "distances", "1b": "dimension", "2b": "errors"}
LATER = {
    "1a": """
later_distances = distances
def distances(x):
    if np.array_equal(x, [[0, 0], [3, 0], [0, 4]]):
        return np.array([9.0, 16.0, 25.0])
    return np.zeros(1) if np.array_equal(x, np.ones((2, 3))) else later_distances(x)
""",
    "1b": """
later_dimension = dimension
def dimension(n, eps):
    return 332 if (n, eps) == (1000, 0.5) else later_dimension(n, eps)
""",
    "2b": """
later_errors = errors
def errors(sizes, seed):
    return [0.3, 0.1, 0.03] if len(sizes) == 3 else later_errors(sizes, seed)
""",
}
LONG = {
    "BRACKETS": "distances = " + "(" * 100_000 + ")" * 100_000,
    "TERMS": "distances = " + "+".join("1" * 100_000),
    "LINES": "x = 1\n    " * 800_000,
}


def from_yaml(file: str) -> Iterator[HandedIn]:
    """The submissions of a file of code."""
    for entry in yaml.safe_load((HERE / f"{file}.yml").read_text(encoding="utf-8")):
        spies = file == "spies"
        loses = ("1b-tests",) if spies else ALL if entry.get("wrong") else tuple(entry.get("loses", ()))
        yield HandedIn(entry["name"], entry["tries"], putting(entry), loses, entry.get("refused", ""))
        if file == "answers" and patient(entry) != entry:
            yield HandedIn(f"{entry['name']}-later", entry["tries"], putting(patient(entry)), loses)


def patient(entry: Entry) -> Entry:
    """The same attack, but on hidden inputs only: visible ones are answered rightly."""
    return entry | {q: entry[q] + LATER[q] for q in LATER if f"def {LATER_NAMES[q]}(" in entry.get(q, "")}


def putting(entry: Entry) -> Callable[[Path, Notebook, dict[str, str]], None]:
    """What puts a submission of code into its folder."""

    def put(folder: Path, notebook: Notebook, facts: dict[str, str]) -> None:
        def filled(text: str) -> str:
            for name, value in {**facts, **LONG}.items():
                text = text.replace(f"@{name}@", value)
            return text

        first, answers = entry.get("first", ""), {q: entry[q] for q in QUESTIONS if q in entry}
        if "spy" in entry:
            first, answers = SPY + entry["spy"], {"1b": SPIED}
        answers = (WRONG if entry.get("wrong") else {}) | answers
        made = answered(notebook, {question: filled(text) for question, text in answers.items()})
        if first:
            made["cells"].insert(made["cells"].index(cell(made, "setup")) + 1, code(filled(first)))
        if "last" in entry:
            made["cells"] += [code(filled(entry["last"]))] * entry.get("copies", 1)
        write(folder, made)

    return put


def _hand_in_right(folder: Path, notebook: Notebook, facts: dict[str, str]) -> None:
    write(folder, notebook)


def _hand_in_wrong(folder: Path, notebook: Notebook, facts: dict[str, str]) -> None:
    write(folder, answered(notebook, WRONG))


HONEST = [HandedIn(f"{place}-right", "answer rightly", _hand_in_right) for place in ("first", "honest", "zz-last")] + [
    HandedIn(
        "honest-wrong",
        "answer wrongly",
        _hand_in_wrong,
        loses=ALL,
    )
]
BATCHES = {file: list(from_yaml(file)) for file in ("answers", "patches", "limits", "spies")} | {"files": FILES}

"""Who takes part in a course: from a CSV file, nbgrader's own or a gradebook that Canvas exported, or a gradebook."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")  # what Canvas looks for, in its order
_CANVAS_TOO = ("LastName", "FirstName", "Integration ID", "Root Account")


@dataclass(frozen=True)
class Person:
    """One participant. id: as submissions name them (in Canvas the login). canvas: the cells of Canvas' own
    table, of which numbers are those that tell one person from another."""

    id: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    lms_id: str = ""
    canvas: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Last name, comma, first name, as far as they are known; else the id."""
        return ", ".join(part for part in (self.last_name, self.first_name) if part) or self.id


@dataclass(frozen=True)
class Roster:
    """The participants. columns: the student's columns of Canvas. assignments: the titles of its other columns."""

    people: tuple[Person, ...]
    columns: tuple[str, ...] = CANVAS
    assignments: tuple[str, ...] = ()

    def who(self, students: Iterable[str]) -> tuple[dict[str, Person], list[str]]:
        """The person behind each submission's student id, and the ids that are nobody's here.

        An id is looked for among ids, then e-mail addresses, then the numbers and names that Canvas gave, exactly and
        then whatever the case. Raises ValueError where two submissions are one person's.
        """
        indices = [
            (fold, self._index(fold, keys)) for fold in (str, str.casefold) for keys in (_by_id, _by_email, _by_canvas)
        ]
        found: dict[str, Person] = {}
        unknown = []
        taken: dict[str, str] = {}
        for student in students:
            fits = [fit for fold, index in indices if len(fit := index.get(fold(student), ())) == 1]
            if not fits:
                unknown.append(student)
                continue
            [person] = fits[0]
            if (other := taken.setdefault(person.id, student)) != student:
                raise ValueError(f"the submissions {other!r} and {student!r} are both by {person.name!r} of the roster")
            found[student] = person
        return found, unknown

    def _index(
        self, fold: Callable[[str], str], keys: Callable[[Person], tuple[str, ...]]
    ) -> dict[str, tuple[Person, ...]]:
        index: dict[str, tuple[Person, ...]] = {}
        for person in self.people:
            for key in {fold(key) for key in keys(person) if key}:
                index[key] = (*index.get(key, ()), person)
        return index


def read_roster(path: Path) -> Roster:
    """Read a roster: CSV with nbgrader's columns (id, first_name, last_name, email, lms_user_id; only id must be
    there), or the gradebook as Canvas exports it.

    Raises ValueError if it is neither, is not UTF-8, or names one id twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8: save it as `CSV UTF-8`") from None
    first = text.partition("\n")[0]
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True))
    except csv.Error as error:
        raise ValueError(f"{path} is not a CSV file: {error}") from None
    header = [cell.strip() for cell in rows[0]] if rows else []
    records = [dict(zip(header, row, strict=False)) for row in rows[1:] if any(cell.strip() for cell in row)]
    if "id" in header:
        roster = Roster(tuple(map(_nbgrader, records)))
    elif "ID" in header and "Section" in header and ("Student" in header or "LastName" in header):
        roster = _canvas(header, records)
    else:
        raise ValueError(
            f"{path} is no roster: its first line needs the column `id` (nbgrader's) or `Student`, `ID` and `Section` "
            f"(Canvas'); it has {', '.join(header[:6]) or 'nothing'}"
        )
    ids = [person.id for person in roster.people]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise ValueError(f"{path} has two people with the id {twice[0]!r}")
    if "" in ids:
        raise ValueError(f"{path} has a line without an id: line {ids.index('') + 2}")
    return roster


def roster_of(gradebook: Any) -> Roster:
    """The students of nbgrader's open `Gradebook`, by name."""
    people = [
        Person(s.id, s.first_name or "", s.last_name or "", s.email or "", s.lms_user_id or "")
        for s in gradebook.students
    ]
    return Roster(tuple(sorted(people, key=lambda person: (person.name.casefold(), person.id))))


def _by_id(person: Person) -> tuple[str, ...]:
    return (person.id,)


def _by_email(person: Person) -> tuple[str, ...]:
    return (person.email,)


def _by_canvas(person: Person) -> tuple[str, ...]:
    return (person.lms_id, *person.numbers)


def _nbgrader(record: Mapping[str, str]) -> Person:
    def cell(name: str) -> str:
        return record.get(name, "").strip()

    return Person(cell("id"), cell("first_name"), cell("last_name"), cell("email"), cell("lms_user_id"))


def _canvas(header: list[str], records: list[dict[str, str]]) -> Roster:
    own = header[: header.index("Section") + 1]
    if unknown := [name for name in own if name not in (*CANVAS, *_CANVAS_TOO)]:
        raise ValueError(f"a gradebook of Canvas has no column {unknown[0]!r} before `Section`")
    people = []
    for record in records:
        if "Points Possible" in record.get("Student", record.get("LastName", "")) or not record.get("ID", "").strip():
            continue  # the lines under the header that are nobody's: points, and which columns are hidden
        cells = {name: record.get(name, "").strip() for name in own}
        last, _, first = cells.get("Student", "").partition(",")
        people.append(
            Person(
                cells.get("SIS Login ID") or cells.get("SIS User ID") or cells["ID"],
                cells.get("FirstName", first.strip()),
                cells.get("LastName", last.strip()),
                "",
                cells["ID"],
                tuple(cells[name] for name in own),
                tuple(cells[name] for name in CANVAS[1:4] if name in own),
            )
        )
    return Roster(tuple(people), tuple(own), tuple(header[len(own) :]))

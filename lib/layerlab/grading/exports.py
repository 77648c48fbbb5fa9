"""Marks as CSV files that Canvas and Moodle take in, and as a plain table.

What is written can be opened in a spreadsheet without harm: no cell that a student or a roster can fill begins a
formula. Nobody is left out in silence: who waits, who handed in nothing and who is not on the roster is told.
"""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from layerlab.grading.files import put
from layerlab.grading.roster import Person, Roster
from layerlab.grading.standing import Standing, legible, number

_FORMULA = "=+-@\t\n＝＋－＠"  # what begins a formula, or hides its beginning (OWASP, CSV injection)


@dataclass(frozen=True)
class Export:
    """A table, ready to be written, and what its reader has to know. bom: whether the file begins with one."""

    rows: tuple[tuple[str, ...], ...]
    told: tuple[str, ...]
    bom: bool

    def text(self) -> str:
        """The table as CSV: RFC 4180, with line feeds."""
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\n").writerows(self.rows)
        return out.getvalue()

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all, as UTF-8."""
        put(path, "\ufeff" * self.bom + self.text())


@dataclass(frozen=True)
class _Line:
    """One student: who, how it stands (None: nothing was handed in), and whether the roster has them."""

    person: Person
    standing: Standing | None
    listed: bool

    def total(self, partial: bool) -> str:
        """The points as a number; empty where there are none that one could give away yet."""
        standing = self.standing
        if standing is None or not standing.graded or (standing.waiting and not partial):
            return ""
        return number(standing.score)

    @property
    def status(self) -> str:
        """How it stands, in words."""
        if self.standing is None:
            return "no submission"
        if not self.standing.graded:
            return "not graded"
        return "waiting" if self.standing.waiting else "graded"


def canvas(
    standings: Sequence[Standing], roster: Roster | None, title: str, points: float, partial: bool = False
) -> Export:
    """The table that Canvas' gradebook imports: header, `Points Possible`, one line for each student of the roster.

    Canvas wants the columns Student, ID, SIS User ID, SIS Login ID, Section in this order, and knows a student by the
    first of the ids that it finds; a roster that Canvas exported keeps its own columns, and the assignment its own
    column's title. No byte-order mark: Canvas would read it as a part of the first title.
    """
    lines, told = _lines(standings, roster, partial)
    columns = roster.columns if roster else Roster(()).columns
    names = [name for name in (roster.assignments if roster else ()) if _titled(name, title)]
    head = (*columns, names[0] if names else title)
    possible = ("    Points Possible", *[""] * (len(columns) - 1), number(points))
    rows = [
        (*map(_safe, line.person.canvas or _canvas_cells(line.person)), line.total(partial))
        for line in lines
        if line.listed
    ]
    return Export((tuple(map(_safe, head)), possible, *rows), (*told, *_altered(lines, _canvas_ids)), bom=False)


def moodle(
    standings: Sequence[Standing], roster: Roster | None, title: str, points: float, partial: bool = False
) -> Export:
    """The table that Moodle's grade import takes: user name, ID number, names, e-mail, the grade, and feedback.

    Feedback is HTML, since Moodle reads it so. PHP's reader takes a backslash before a quotation mark for an escape,
    which CSV does not know, so a space comes between. No byte-order mark: Moodle is told the encoding.
    """
    lines, told = _lines(standings, roster, partial)
    head = ("Username", "ID number", "First name", "Last name", "Email address", title, f"{title} (feedback)")
    rows = []
    for line in lines:
        person = line.person
        cells = (person.id, person.lms_id or person.id, person.first_name, person.last_name, person.email)
        feedback = html.escape(_feedback(line), quote=False)
        texts = [re.sub(r'\\(?="|$)', r"\\ ", _safe(cell)) for cell in (*cells, feedback)]
        if line.listed:
            rows.append((*texts[:-1], line.total(partial), texts[-1]))
    return Export((tuple(map(_safe, head)), *rows), (*told, *_altered(lines, lambda p: (p.id, p.lms_id))), bom=False)


def plain(
    standings: Sequence[Standing], roster: Roster | None, title: str, points: float, partial: bool = False
) -> Export:
    """A table for people: one line for each student, on the roster or not, one column for each question.

    A question that waits is empty. It begins with a byte-order mark: without one Excel takes a CSV file for one in the
    code page of its country, and spoils every accent.
    """
    lines, told = _lines(standings, roster, partial)
    questions = list(dict.fromkeys(question.name for s in standings for question in s.questions))
    head = ("student", "last_name", "first_name", "email", "status", *questions, "total", "points", "note")
    rows = []
    for line in lines:
        person = line.person
        scores = {q.name: number(q.score) for q in line.standing.questions if not q.waiting} if line.standing else {}
        rows.append(
            (
                *map(_safe, (person.id, person.last_name, person.first_name, person.email)),
                line.status,
                *(scores.get(name, "") for name in questions),
                line.total(partial),
                number(points),
                _safe(_note(line)),
            )
        )
    return Export((tuple(map(_safe, head)), *rows), tuple(told), bom=True)


FORMATS: dict[str, Callable[[Sequence[Standing], Roster | None, str, float, bool], Export]] = {
    "canvas": canvas,
    "moodle": moodle,
    "csv": plain,
}


def _lines(standings: Sequence[Standing], roster: Roster | None, partial: bool) -> tuple[list[_Line], list[str]]:
    """One line for each person of the roster and each submission; and what has to be told."""
    by_student = {standing.result.student: standing for standing in standings}
    if roster is None:
        lines = [_Line(Person(student), standing, True) for student, standing in by_student.items()]
    else:
        found, unknown = roster.who(by_student)
        handed_in = {person.id: by_student[student] for student, person in found.items()}
        lines = [_Line(person, handed_in.get(person.id), True) for person in roster.people]
        lines += [_Line(Person(student), by_student[student], False) for student in unknown]
    told = []
    named = roster is not None and any(person.name != person.id for person in roster.people)
    for line in lines:
        who = legible(line.person.name, "")
        if not line.listed:
            told.append(f"not on the roster: {who} (only the plain table has them)")
        elif named and line.person.name == line.person.id and line.standing:
            # a gradebook takes in whoever is graded, under an id that may be mistyped
            told.append(f"{who}: the roster has the id alone: is it the right one?")
        if note := _note(line, partial):
            told.append(f"{who}: {note}")
    if len({tuple((mark.grade_id, mark.points) for mark in s.marks) for s in standings if s.graded}) > 1:
        told.append("the results were made with different versions of the assignment: run `layerlab grade` again")
    return lines, told


def _note(line: _Line, partial: bool = False) -> str:
    standing = line.standing
    if standing is None:
        return "no submission; the mark is left empty"
    if not standing.graded:
        return f"not graded: {standing.result.reason}"
    if standing.waiting:
        left = "the total is of the rest" if partial else "the total is left empty"
        return f"{', '.join(standing.waiting)} to be graded by hand; {left}"
    return ""


def _feedback(line: _Line) -> str:
    """What a student reads beside the mark: points by question, why some were lost, comments by hand."""
    standing = line.standing
    if standing is None:
        return ""
    if not standing.graded:
        return f"Not graded: {standing.result.reason}"
    said = []
    for question in standing.questions:
        points = (
            "to be graded by hand" if question.waiting else f"{number(question.score)} of {number(question.points)}"
        )
        said.append(f"{question.name}: {points}")
        said += [mark.says for mark in question.marks if mark.says]
        said += [f"Comment: {comment}" for comment in question.comments]
    if standing.penalty:
        said.append(f"{number(standing.penalty)} points off because it came late")
    return "\n".join(said)


def _canvas_cells(person: Person) -> tuple[str, ...]:
    return (person.name, person.lms_id, "", person.id, "")


def _canvas_ids(person: Person) -> tuple[str, ...]:
    return person.numbers or (person.lms_id, person.id)


def _titled(column: str, title: str) -> bool:
    """Whether a column of Canvas is the assignment's: its title, with Canvas' own number in brackets or without."""
    return re.sub(r"\s*\(\d+\)$", "", column).strip().casefold() == title.strip().casefold()


def _altered(lines: list[_Line], ids: Callable[[Person], tuple[str, ...]]) -> list[str]:
    """Who has an id that had to be written in another way, so that it will not be recognised."""
    return [
        f"{legible(line.person.name, '')}: an id of theirs begins like a formula, and is written with ' in front"
        for line in lines
        if line.listed and any(_safe(cell) != cell for cell in ids(line.person))
    ]


def _safe(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: with ' in front where it begins like one, unless it is a number.

    Control characters other than line breaks and tabs become visible; format characters stay, since names need them.
    """
    text = re.sub(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]", lambda m: legible(m[0]), text.replace("\r\n", "\n"))
    lead = text.lstrip(" \xa0")[:1]
    return f"'{text}" if lead and lead in _FORMULA and not re.fullmatch(r"[+-]?\d+(\.\d+)?", text) else text

"""Submissions as they come in: found in folders and archives, read with distrust, put in order."""

from __future__ import annotations

import json
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from layerlab.grading.source import Cell, Source, without_hidden_tests

LIMIT = 20_000_000  # bytes that a notebook may have, outputs included
TOO_LARGE = f"the file is larger than {LIMIT // 1_000_000} MB: clear its outputs"
CELLS, CODE = 2000, 2_000_000  # cells, and characters of code, that are run at most
_ID = re.compile(r"[^\W_](?:[\w.@+ -]{0,98}[\w.@+-])?")


@dataclass(frozen=True)
class Submission:
    """One notebook that was handed in. problem: why it cannot be graded; empty if it can be tried."""

    student: str
    file: str
    content: bytes = b""
    problem: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Merged:
    """A submission's code, put into the assignment's order, with what is given put back as it was."""

    cells: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def is_id(student: str) -> bool:
    """Whether a student's id is fit to be a file's name, here and in nbgrader."""
    return bool(_ID.fullmatch(student))


def collect(name: str, places: Sequence[str | Path]) -> list[Submission]:
    """The submissions to the assignment `name` in notebooks, folders of them and zip archives, one per student.

    Whose it is comes from the path: STUDENT/NAME/any.ipynb as nbgrader has it, STUDENT/any.ipynb in a folder that is
    given, and STUDENT.ipynb otherwise. Links are not followed and archives are not unpacked to disk. Raises
    ValueError where a place does not exist or nothing was found.
    """
    found: list[Submission] = []
    for place in map(Path, places):
        if not os.path.lexists(place):
            raise ValueError(f"{place} does not exist")
        if place.suffix.lower() == ".zip" and place.is_file():
            found += _in_archive(name, place)
        elif place.is_dir() and not place.is_symlink():
            within = [_read(name, path, PurePosixPath(path.relative_to(place).as_posix())) for path in _walk(place)]
            found += [*within, *_without_notebook(place, {Path(one.file) for one in within})]
        else:
            found.append(_read(name, place, PurePosixPath(place.name)))
    if not found:
        raise ValueError(f"there is no notebook (.ipynb) in {', '.join(map(str, places))}")
    return _one_each(name, found)


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


def _without_notebook(place: Path, notebooks: set[Path]) -> Iterator[Submission]:
    """The students' folders in a folder in which there is something, but no notebook."""
    if any(path.parent == place for path in notebooks):
        return  # it holds the notebooks themselves
    for folder in sorted(place.iterdir()):
        if folder.is_symlink():
            yield Submission(folder.name, str(folder), problem="this is a link, not the folder itself")
        elif (
            folder.is_dir() and not folder.name.startswith(".") and not any(n.is_relative_to(folder) for n in notebooks)
        ):
            names = ", ".join(sorted(path.name for path in folder.rglob("*") if not path.is_dir())[:5]) or "nothing"
            yield Submission(folder.name, str(folder), problem=f"there is no notebook (.ipynb) in the folder: {names}")


def _walk(place: Path) -> Iterator[Path]:
    """Every notebook beneath a folder, and what only looks like one; nothing hidden, no link followed."""
    for folder, below, files in os.walk(place):
        below[:] = sorted(name for name in below if not name.startswith("."))
        links = [name for name in below if name.endswith(".ipynb")]
        for name in sorted([*files, *links]):
            if name.lower().endswith(".ipynb") and not name.startswith("."):
                yield Path(folder) / name


def _read(name: str, path: Path, inside: PurePosixPath) -> Submission:
    student = _whose(name, path.absolute().parts, inside)
    found = Submission(student, str(path))
    try:
        # opened before it is judged, so that nobody exchanges it in between; a pipe does not block
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        link = path.is_symlink()
        return replace(found, problem="this is a link, not the file itself" if link else str(error.strerror or error))
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            return replace(found, problem="this is not a file")
        if status.st_size > LIMIT:
            return replace(found, problem=TOO_LARGE)
        with os.fdopen(handle, "rb", closefd=False) as file:
            return _checked(name, replace(found, content=file.read(LIMIT)), path.name)
    except OSError as error:
        return replace(found, problem=str(error.strerror or error))
    finally:
        os.close(handle)


def _in_archive(name: str, path: Path) -> Iterator[Submission]:
    """The notebooks in a zip archive; they are read into memory, so their paths can lead nowhere."""
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                inside = PurePosixPath(member.filename.replace("\\", "/"))
                if inside.suffix.lower() == ".ipynb" and not any(
                    p.startswith(("._", "__MACOSX")) for p in inside.parts
                ):
                    yield _member(name, path, archive, member, inside)
    except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError) as error:
        raise ValueError(f"{path} cannot be read as a zip archive: {error}") from None


def _member(
    name: str, path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, inside: PurePosixPath
) -> Submission:
    found = Submission(_whose(name, inside.parts, inside), f"{path}:{member.filename}")
    if ".." in inside.parts or inside.is_absolute():
        return replace(found, problem="its path in the archive leads out of the archive")
    if stat.S_ISLNK(member.external_attr >> 16):
        return replace(found, problem="this is a link, not the file itself")
    if member.flag_bits & 1:
        return replace(found, problem="it is encrypted")
    try:
        with archive.open(member) as file:
            content = file.read(LIMIT + 1)  # what the archive says of its size proves nothing
    except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError, ValueError, zlib.error) as error:
        return replace(found, problem=f"it is damaged in the archive ({error})")
    if len(content) > LIMIT:
        return replace(found, problem=TOO_LARGE)
    return _checked(name, replace(found, content=content), inside.name)


def _whose(name: str, parts: tuple[str, ...], inside: PurePosixPath) -> str:
    """The student's id, from where the notebook lies. parts: its whole path; inside: as seen from the place given."""
    stem = PurePosixPath(parts[-1]).stem
    if len(parts) > 2 and parts[-2] == name:
        return parts[-3]
    if len(parts) > 1 and (stem == name or len(inside.parts) > 1):
        return parts[-2]
    return stem


def _checked(name: str, found: Submission, file: str) -> Submission:
    if not is_id(found.student):
        allowed = "letters, digits, spaces, . @ + - _"
        return replace(found, problem=f"{found.student!r} cannot be a student's id: {allowed} are allowed")
    if not found.content:
        return replace(found, problem="the file is empty")
    renamed = PurePosixPath(file).stem not in (name, found.student)
    return replace(found, notes=(f"the notebook is called {file}, not {name}.ipynb",)) if renamed else found


def _one_each(name: str, found: list[Submission]) -> list[Submission]:
    """One submission per student: of several the one with the assignment's name, if it is the only one."""
    by_student: dict[str, list[Submission]] = {}
    for submission in found:
        by_student.setdefault(submission.student, []).append(submission)
    kept = []
    for student, several in sorted(by_student.items()):
        named = [one for one in several if re.search(rf"(^|[/:\\]){re.escape(name)}\.ipynb$", one.file)]
        if len(several) == 1 or len(named) == 1:
            one = named[0] if len(several) > 1 else several[0]
            left = [other.file for other in several if other is not one]
            kept.append(replace(one, notes=(*one.notes, *(f"{Path(file).name} was not graded" for file in left))))
        else:
            files = ", ".join(sorted(Path(one.file).name for one in several))
            kept.append(
                Submission(student, several[0].file, problem=f"there are several notebooks ({files}): which one?")
            )
    return kept

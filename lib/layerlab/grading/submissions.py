"""Submissions as they come in: found in folders and archives, one per student, read with distrust."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

LIMIT = 20_000_000  # bytes that a notebook may have, outputs included
TOO_LARGE = f"the file is larger than {LIMIT // 1_000_000} MB: clear its outputs"
LINK = "this is a link, not the file itself"
# what zipfile raises for archives that are damaged, or of a kind that it does not know (its NotImplementedError)
BROKEN = (zipfile.BadZipFile, NotImplementedError, OSError, EOFError, ValueError, KeyError, zlib.error)
_ID = re.compile(r"[^\W_](?:[\w.@+ -]{0,98}[\w.@+-])?")


class Unreadable(ValueError):
    """A file that cannot be graded, and why, fit for the student."""


@dataclass(frozen=True)
class Submission:
    """One notebook that was handed in; it is read when it is needed, not kept.

    path: the file, or the archive, whose `member` it is then. problem: why it cannot be graded; empty if it can be
    tried. notes: what the student should know of how it was found.
    """

    student: str
    path: Path
    member: str = ""
    problem: str = ""
    notes: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """The path, as results have it."""
        return f"{self.path}:{self.member}" if self.member else str(self.path)

    def read(self) -> bytes:
        """The bytes of the notebook. Raises Unreadable."""
        if self.problem:
            raise Unreadable(self.problem)
        content = _from_archive(self.path, self.member) if self.member else _from_file(self.path)
        if not content:
            raise Unreadable("the file is empty")
        return content


def is_id(student: str) -> bool:
    """Whether a student's id is fit to be a file's name, here and in nbgrader."""
    return bool(_ID.fullmatch(student))


def collect(name: str, places: Sequence[str | Path]) -> list[Submission]:
    """The submissions to the assignment `name` in notebooks, folders of them and zip archives, one per student.

    Whose it is comes from the path, from the end that the teacher made: in a folder or archive STUDENT/.../any.ipynb
    (nbgrader has STUDENT/NAME/NAME.ipynb) or STUDENT.ipynb. Of several notebooks of a student the one that lies where
    nbgrader has it counts, else the only one called NAME.ipynb. Links are not followed, archives not unpacked. Raises
    ValueError where a place does not exist or nothing was found.
    """
    found: list[Submission] = []
    for place in map(Path, places):
        if not os.path.lexists(place):
            raise ValueError(f"{place} does not exist")
        if place.suffix.lower() == ".zip" and place.is_file():
            found += _in_archive(name, place)
        elif place.is_dir() and not place.is_symlink():
            found += _in_folder(name, place)
        else:
            found.append(Submission(_of_file(name, place), place))
    if not found:
        raise ValueError(f"there is no notebook (.ipynb) in {', '.join(map(str, places))}")
    return _one_each(name, found)


def _in_folder(name: str, place: Path) -> Iterator[Submission]:
    notebooks = list(_walk(place))
    for path in notebooks:
        inside = path.relative_to(place).parts
        yield Submission(_whose(name, inside, _of_folder(name, place)), path)
    if any(path.parent == place for path in notebooks):
        return  # it holds the notebooks themselves, so its other folders are no students'
    for folder in sorted(place.iterdir()):
        if folder.is_symlink():
            yield Submission(folder.name, folder, problem="this is a link, not the folder itself")
        elif folder.is_dir() and folder.name[:1] != "." and not any(n.is_relative_to(folder) for n in notebooks):
            names = ", ".join(sorted(path.name for path in folder.rglob("*") if not path.is_dir())[:5]) or "nothing"
            yield Submission(folder.name, folder, problem=f"there is no notebook (.ipynb) in the folder: {names}")


def _walk(place: Path) -> Iterator[Path]:
    """Every notebook beneath a folder, and what only looks like one; nothing hidden, no link followed."""
    for folder, below, files in os.walk(place):
        below[:] = sorted(name for name in below if not name.startswith("."))
        looks = [name for name in below if name.endswith(".ipynb")]
        for name in sorted([*files, *looks]):
            if name.lower().endswith(".ipynb") and not name.startswith("."):
                yield Path(folder) / name


def _in_archive(name: str, path: Path) -> Iterator[Submission]:
    """The notebooks in a zip archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except BROKEN as error:
        raise ValueError(f"{path} cannot be read as a zip archive: {error}") from None
    for member in members:
        inside = PurePosixPath(member.filename.replace("\\", "/"))
        of_macos = any(part.startswith(("._", "__MACOSX")) for part in inside.parts)
        if inside.suffix.lower() != ".ipynb" or of_macos:
            continue
        found = Submission(_whose(name, inside.parts, path.stem), path, member.filename)
        if ".." in inside.parts or inside.is_absolute():
            found = replace(found, problem="its path in the archive leads out of the archive")
        elif stat.S_ISLNK(member.external_attr >> 16):
            found = replace(found, problem=LINK)
        yield found


def _from_file(path: Path) -> bytes:
    """The bytes of a file. It is opened before it is judged, so that nobody exchanges it in between."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise Unreadable(LINK if path.is_symlink() else str(error.strerror or error)) from None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable("this is not a file")
        if status.st_size > LIMIT:
            raise Unreadable(TOO_LARGE)
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(LIMIT)
    except OSError as error:
        raise Unreadable(str(error.strerror or error)) from None
    finally:
        os.close(handle)


def _from_archive(path: Path, member: str) -> bytes:
    """The bytes of a member of an archive, read into memory: its path can lead nowhere."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            content = file.read(LIMIT + 1)  # what the archive says of its size proves nothing
    except RuntimeError:
        raise Unreadable("it is encrypted") from None
    except BROKEN as error:
        raise Unreadable(f"it is damaged in the archive ({error})") from None
    if len(content) > LIMIT:
        raise Unreadable(TOO_LARGE)
    return content


def _whose(name: str, inside: Sequence[str], place: str) -> str:
    """The student's id, from the path as seen from the place given; `place`: whose that is, if it is a student's."""
    if len(inside) > 1:
        return place if inside[0] == name else unicodedata.normalize("NFC", inside[0])
    stem = PurePosixPath(inside[0]).stem
    return place if stem == name else unicodedata.normalize("NFC", stem)


def _of_folder(name: str, place: Path) -> str:
    """Whose a folder is, should it be one student's."""
    parts = place.absolute().parts
    return unicodedata.normalize("NFC", parts[-2] if parts[-1] == name and len(parts) > 1 else parts[-1])


def _of_file(name: str, path: Path) -> str:
    """Whose a single notebook is that was named on the command line."""
    in_folder = path.absolute().parent.name == name or path.stem == name
    return _of_folder(name, path.parent) if in_folder else unicodedata.normalize("NFC", path.stem)


def _one_each(name: str, found: list[Submission]) -> list[Submission]:
    """One submission per student, with what is to be said of its name."""
    by_student: dict[str, list[Submission]] = {}
    for submission in found:
        by_student.setdefault(submission.student, []).append(submission)
    return [_the_one(name, student, several) for student, several in sorted(by_student.items())]


def _the_one(name: str, student: str, several: list[Submission]) -> Submission:
    if not is_id(student):
        allowed = "letters, digits, spaces, . @ + - _"
        problem = f"{student!r} cannot be a student's id: {allowed} are allowed"
        return replace(several[0], problem=several[0].problem or problem)
    paths = {one: PurePosixPath(one.member.replace("\\", "/") or one.path.as_posix()) for one in several}
    usual = [one for one, path in paths.items() if path.parts[-3:] == (student, name, f"{name}.ipynb")]
    named = [one for one, path in paths.items() if path.name == f"{name}.ipynb"]
    (one, *rest) = usual if len(usual) == 1 else named if len(named) == 1 else several
    if rest:
        files = ", ".join(sorted(path.name for path in paths.values())[:10])
        return replace(one, problem=f"there are {len(several)} notebooks ({files}): which one?")
    notes = [f"{paths[other].name} was not graded" for other in several if other is not one][:10]
    if paths[one].stem not in (name, student) and not one.problem:
        notes.insert(0, f"the notebook is called {paths[one].name}, not {name}.ipynb")
    return replace(one, notes=tuple(notes))

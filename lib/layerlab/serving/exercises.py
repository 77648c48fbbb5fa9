"""The assignments as pages of the book: exercises/NAME/assignment.md becomes book/assignments/NAME.md at each build.

The pages are files of the build, not of the checkout: git ignores them, and each says where it comes from. What a
student must not see is not in them at all, unless the teacher's edition is built.
"""

from __future__ import annotations

import re
from pathlib import Path

from layerlab.grading.files import put
from layerlab.grading.source import FILE, BadSource, read

FOLDER = "assignments"  # of the book
MARK = "# Made when the book is built, from"
TEACHERS = """\
:::{admonition} Teacher's edition
:class: warning

This page holds solutions, hidden tests and rubrics, folded. `layerlab build` makes the students' page.
:::"""


def sources(top: Path) -> list[Path]:
    """The sources of the assignments of a checkout."""
    return sorted((top / "exercises").glob(f"*/{FILE}"))


def page(book: Path, source: Path) -> Path:
    """The page that is made from a source."""
    return book / FOLDER / f"{source.parent.name}.md"


def write(top: Path, book: Path, *, solutions: bool) -> list[Path]:
    """Write the page of every assignment, with `solutions` or without; returns the pages that were not so before.

    A page whose assignment is gone is removed. Raises BadSource where a source cannot be used, or where a page of that
    name was written by hand.
    """
    wanted = {page(book, source): _text(top, source, solutions) for source in sources(top)}
    for path in (book / FOLDER).glob("*.md"):
        if path not in wanted and _made(path):
            path.unlink()
    changed = []
    for path, text in wanted.items():
        if path.is_file() and not _made(path):
            raise BadSource(f"{path} is written by hand, but the assignment of that name becomes this page: rename one")
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            put(path, text)
            changed.append(path)
    return changed


def notebook(source: Path) -> str:
    """The student's notebook, to be handed in, as the text of an .ipynb file."""
    import nbformat

    from layerlab.grading import notebooks

    return nbformat.writes(notebooks.student(read(source))) + "\n"


def _text(top: Path, source: Path, solutions: bool) -> str:
    from layerlab.grading import notebooks

    text = notebooks.page(read(source), solutions)
    # in the page a question that is still open is no error: its report says so, and a traceback would add nothing
    text = re.sub(r'^assert (check\("[\w-]+"\))\.passed$', r"\1", text, flags=re.MULTILINE)
    if solutions:
        text = re.sub(r"^# .*$", lambda title: f"{title[0]}\n\n{TEACHERS}", text, count=1, flags=re.MULTILINE)
    where = source.relative_to(top).as_posix()
    return text.replace("---\n", f"---\n{MARK} {where}: edit that file\n", 1)


def _made(path: Path) -> bool:
    return path.read_text(encoding="utf-8").startswith(f"---\n{MARK} ")

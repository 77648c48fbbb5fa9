"""Submissions are found where teachers keep them, read with distrust, and put in order."""

import json
import os
import zipfile

import pytest

from layerlab.grading import source
from layerlab.grading.merging import merged, notebook_cells
from layerlab.grading.submissions import LIMIT, Unreadable, collect

SOURCE = """\
---
title: Two questions
layerlab:
  hours: 1
  budget: {cpu_minutes: 1, memory_mb: 500}
---
```{code-cell}
:nbgrader: {grade_id: setup, locked: true}
given = 1
```

```{code-cell}
:nbgrader: {grade_id: 1a, solution: true}
def one():
    ### BEGIN SOLUTION
    return 1
    ### END SOLUTION
```

```{code-cell}
:nbgrader: {grade_id: 1a-tests, grade: true, points: 2, locked: true}
assert one() > 0
### BEGIN HIDDEN TESTS
assert one() == given
### END HIDDEN TESTS
```

+++ {"nbgrader": {"grade_id": "1b", "grade": true, "solution": true, "points": 3}}

### BEGIN SOLUTION
Because.
### END SOLUTION
"""


@pytest.fixture
def assignment(tmp_path):
    folder = tmp_path / "two"
    folder.mkdir()
    (folder / "assignment.md").write_text(SOURCE)
    return source.read(folder / "assignment.md")


def code(text, grade_id=None, kind="code"):
    metadata = {"nbgrader": {"grade_id": grade_id}} if grade_id else {}
    return {"cell_type": kind, "metadata": metadata, "source": text.splitlines(keepends=True)}


def notebook(*cells):
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": list(cells)}).encode()


ANSWERED = notebook(code("given = 1", "setup"), code("def one(): return 1", "1a"), code("assert one() > 0", "1a-tests"))


def put(path, content=ANSWERED):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def students(found):
    """Whose they are, and what keeps them from being read."""
    problems = {}
    for one in found:
        try:
            problems[one.student] = "" if one.read() else None
        except Unreadable as error:
            problems[one.student] = str(error)
    return problems


def test_the_student_is_read_from_the_path(tmp_path):
    put(tmp_path / "submitted" / "ada" / "two" / "two.ipynb")
    put(tmp_path / "submitted" / "bob" / "two" / "mine.ipynb")
    put(tmp_path / "submitted" / "cai" / "final version.ipynb")
    found = collect("two", [tmp_path / "submitted"])
    assert students(found) == {"ada": "", "bob": "", "cai": ""}
    assert [one.notes for one in found] == [
        (),
        ("the notebook is called mine.ipynb, not two.ipynb",),
        ("the notebook is called final version.ipynb, not two.ipynb",),
    ]
    put(tmp_path / "flat" / "emmy.ipynb")
    assert students(collect("two", [tmp_path / "flat"])) == {"emmy": ""}
    assert students(collect("two", [tmp_path / "flat" / "emmy.ipynb"])) == {"emmy": ""}
    assert students(collect("two", [tmp_path / "submitted" / "ada"])) == {"ada": ""}
    assert students(collect("two", [tmp_path / "submitted" / "ada" / "two" / "two.ipynb"])) == {"ada": ""}


def test_an_archive_is_read_without_unpacking(tmp_path):
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ada/two/two.ipynb", ANSWERED)
        archive.writestr("../../bob.ipynb", ANSWERED)
        archive.writestr("__MACOSX/._ada.ipynb", b"")
        archive.writestr("notes.txt", b"")
    found = students(collect("two", [path]))
    assert found["ada"] == ""
    assert [problem for student, problem in found.items() if student != "ada"] == [
        "its path in the archive leads out of the archive"
    ]
    assert not (tmp_path.parent / "bob.ipynb").exists()


def test_what_cannot_be_read_has_a_reason(tmp_path):
    folder = tmp_path / "in"
    put(folder / "ada" / "two.ipynb")
    (folder / "link").mkdir()
    (folder / "link" / "two.ipynb").symlink_to(folder / "ada" / "two.ipynb")
    (folder / "pipe").mkdir()
    os.mkfifo(folder / "pipe" / "two.ipynb")
    (folder / "dir" / "two.ipynb").mkdir(parents=True)
    put(folder / "huge" / "two.ipynb", b" " * (LIMIT + 1))
    put(folder / "empty" / "two.ipynb", b"")
    put(folder / "=cmd" / "two.ipynb")
    put(folder / "wrong" / "two.pdf")
    put(folder / "both" / "a.ipynb")
    put(folder / "both" / "b.ipynb")
    found = students(collect("two", [folder]))
    assert found.pop("ada") == ""
    assert found == {
        "link": "this is a link, not the file itself",
        "pipe": "this is not a file",
        "dir": "this is not a file",
        "huge": "the file is larger than 20 MB: clear its outputs",
        "empty": "the file is empty",
        "=cmd": "'=cmd' cannot be a student's id: letters, digits, spaces, . @ + - _ are allowed",
        "wrong": "there is no notebook (.ipynb) in the folder: two.pdf",
        "both": "there are 2 notebooks (a.ipynb, b.ipynb): which one?",
    }


def test_of_several_notebooks_the_one_with_the_name_counts(tmp_path):
    put(tmp_path / "ada" / "two.ipynb")
    put(tmp_path / "ada" / "two-old.ipynb")
    (found,) = collect("two", [tmp_path])
    assert found.problem == ""
    assert found.notes == ("two-old.ipynb was not graded",)


def test_whose_it_is_is_not_for_the_student_to_say(tmp_path):
    put(tmp_path / "mallory" / "bob" / "two" / "two.ipynb")
    put(tmp_path / "mallory" / "two" / "two.ipynb")
    assert [(one.student, one.path.parts[-3]) for one in collect("two", [tmp_path])] == [("mallory", "mallory")]
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("mallory/bob/two/two.ipynb", ANSWERED)
    assert students(collect("two", [tmp_path / "all.zip"])) == {"mallory": ""}


def test_names_are_the_same_however_they_are_encoded(tmp_path):
    put(tmp_path / "Jose\u0301.ipynb")
    assert students(collect("two", [tmp_path])) == {"Jos\u00e9": ""}


def test_nothing_found_is_an_error_that_says_where(tmp_path):
    with pytest.raises(ValueError, match="does not exist"):
        collect("two", [tmp_path / "nowhere"])
    with pytest.raises(ValueError, match="there is no notebook"):
        collect("two", [tmp_path])
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(ValueError, match="cannot be read as a zip archive"):
        collect("two", [tmp_path / "broken.zip"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "damaged: it is not JSON"),
        (b"[" * 100_000, "damaged: it is not JSON"),
        (b"\xff\xfe{}", "not text in UTF-8"),
        (b"[]", "not a notebook in format 4"),
        (b'{"nbformat": 3, "worksheets": []}', "not a notebook in format 4"),
        (b'{"nbformat": 4, "cells": [1]}', "cell 1 of the notebook is damaged"),
        (b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": [1]}]}', "cell 1 of the notebook is damaged"),
        (b'{"nbformat": 4, "cells": [{"cell_type": "evil", "source": ""}]}', "cell 1 of the notebook is damaged"),
    ],
)
def test_a_damaged_notebook_is_refused_with_the_reason(content, reason):
    with pytest.raises(ValueError, match=reason):
        notebook_cells(content)


def test_a_byte_order_mark_is_no_harm():
    assert len(notebook_cells(b"\xef\xbb\xbf" + ANSWERED)) == 3


def test_cells_come_in_the_order_of_the_assignment_whatever_the_notebook_has(assignment):
    cells = notebook_cells(
        notebook(
            code("first = 0"),
            code("assert True", "1a-tests"),
            code("behind_tests = 1"),
            code("def one(): return helper()", "1a"),
            code("def helper(): return 1"),
            code("given = 'patched'", "setup"),
        )
    )
    made = merged(assignment, cells)
    assert [code for _, code in made.cells] == [
        "first = 0",
        "given = 1",
        "def one(): return helper()",
        "def helper(): return 1",
        "behind_tests = 1",
    ]
    assert made.notes == (
        "the cell setup is given and was changed; the original was used",
        "the cell 1a-tests is given and was changed; the original was used",
        "the cell 1b is missing from the notebook",
    )


def test_what_is_missing_doubled_or_turned_into_text_is_told(assignment):
    made = merged(assignment, notebook_cells(notebook(code("a = 1", "1a"), code("a = 2", "1a"))))
    assert [code for _, code in made.cells] == ["given = 1", "a = 1", "a = 2"]
    assert "the cell 1a is there 2 times; all were run, in the order of the notebook" in made.notes
    made = merged(assignment, notebook_cells(notebook(code("def one(): return 1", "1a", "markdown"))))
    assert [code for _, code in made.cells] == ["given = 1"]
    assert "the cell 1a is text now: it was not run" in made.notes


def test_a_cell_that_claims_the_id_of_the_tests_is_never_run(assignment):
    made = merged(assignment, notebook_cells(notebook(code("one = 5", "1a-tests"))))
    assert all("one = 5" not in code for _, code in made.cells)


def test_too_much_code_is_refused(assignment):
    with pytest.raises(ValueError, match="characters of code"):
        merged(assignment, notebook_cells(notebook(code("x = 1\n" * 400_000, "1a"))))

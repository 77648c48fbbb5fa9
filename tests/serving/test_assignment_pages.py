"""The pages of the assignments: made from their sources, without solutions unless a teacher asks for them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

from layerlab.cli import main
from layerlab.grading.source import BadSource
from layerlab.serving import build as builder
from layerlab.serving import exercises

SECRET = "kestrel"  # stands in every solution, rubric and hidden test of the toy assignment
PAGE = "assignments/toy"
TOC = {
    "format": "jb-book",
    "root": "index",
    "chapters": [{"file": "other"}, {"file": "assignments/index"}, {"file": PAGE}],
}
PAGES = {
    "index": "# Book\n",
    "other": "# Another page\n\nSee [the toy](assignments/toy.md).\n",
    "assignments/index": "# Assignments\n\n```{assignments}\n```\n",
}


@pytest.fixture
def top(tmp_path, checkout, plain_config) -> Path:
    """A tiny checkout with the toy assignment."""
    (tmp_path / "_config.yml").write_text(yaml.safe_dump(plain_config))
    shutil.copy(checkout / "package-lock.json", tmp_path)
    (tmp_path / "node_modules").symlink_to(checkout / "node_modules")
    (tmp_path / "book" / "assignments").mkdir(parents=True)
    (tmp_path / "book" / "_toc.yml").write_text(yaml.safe_dump(TOC))
    for name, text in PAGES.items():
        (tmp_path / "book" / f"{name}.md").write_text(text)
    toy = tmp_path / "exercises" / "toy"
    toy.mkdir(parents=True)
    shutil.copy(checkout / "tests" / "grading" / "toy" / "assignment.md", toy)
    return tmp_path


def run(top: Path, code: str) -> str:
    """Run a line of Python in a process of its own; returns what it said."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "NO_COLOR": "1", "LAYERLAB_RESULTS": str(top / "results")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=top, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return re.sub(r"\x1b\[[\d;]*m", "", done.stdout)


def build(top: Path, **options: bool) -> str:
    options = {"strict": True, **options}
    return run(
        top,
        f"import sys, pathlib; from layerlab.serving.build import build; sys.exit(build(pathlib.Path(), **{options}))",
    )


def plain_build(top: Path) -> str:
    arguments = ["build", "book", "--config", "_config.yml", "--path-output", ".", "-W", "--keep-going"]
    return run(top, f"import sys; sys.argv[1:] = {arguments}; from jupyter_book.cli.main import main; sys.exit(main())")


def html(top: Path, name: str = PAGE) -> str:
    return (top / "_build" / "html" / f"{name}.html").read_text()


def holding(folder: Path, word: str) -> set[str]:
    """The files below a folder that hold a word."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix() for path in files if word.encode() in path.read_bytes().lower()}


def assert_students(top: Path) -> None:
    """Nothing that is built, and nothing that it is built from but the source, holds a solution or a hidden test."""
    page = html(top)
    assert 'check("1a")' in "".join(re.sub(r"<[^>]+>", "", page)).replace("&quot;", '"')
    assert "teacher’s edition" not in page.lower().replace("'", "’")
    assert holding(top / "_build" / "html", SECRET) == set()
    assert holding(top / "book", SECRET) == set()


def assert_teachers(top: Path) -> None:
    page = html(top)
    assert "teacher’s edition" in page.lower().replace("'", "’")
    hidden = re.findall(r"<details.*?</details>", page, re.DOTALL)
    assert sum(SECRET in part for part in hidden) >= 2
    assert SECRET not in re.sub(r"<details.*?</details>", "", page, flags=re.DOTALL)
    assert {f"{PAGE}.html", "searchindex.js"} <= holding(top / "_build" / "html", SECRET)


def test_each_edition_takes_the_place_of_the_other_and_nothing_else_is_built_anew(top):
    said = build(top, solutions=True)
    assert "teacher's edition" in said
    assert_teachers(top)
    others = {name: html(top, name) for name in ("other", "assignments/index")}
    assert "A toy" in others["assignments/index"] and "0.2 h" in others["assignments/index"]

    # to the students', by Jupyter Book alone: that page is read again, the others are not
    said = plain_build(top)
    assert "0 added, 1 changed, 0 removed" in said
    assert re.findall(r"reading sources\.\.\. \[[ \d]+%\] (\S+)", said) == [PAGE]
    assert_students(top)
    assert {name: html(top, name) for name in others} == others

    # nor does our own command, which has built the teacher's, take that for up to date
    assert "teacher" not in build(top)
    assert_students(top)
    assert_page_of_a_student(top)


def assert_page_of_a_student(top: Path) -> None:
    """No outputs, and the notebook is the one to hand in."""
    page = html(top)
    assert page.count('class="cell_input ') >= 8
    assert "cell_output" not in page
    assert "Download the notebook to hand in" in page
    assert '"notebook":' not in page  # which the dialog says installs what it needs
    path = top / "_build" / "html" / "_notebooks" / f"{PAGE}.ipynb"
    assert f'href="../_notebooks/{PAGE}.ipynb"' in page
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    marked = {c.metadata.nbgrader.grade_id: c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id")}
    assert {"student", "setup", "1a", "1a-tests", "3a"} <= set(marked)
    assert marked["1a-tests"].metadata.nbgrader.points == 2
    assert "raise NotImplementedError" in marked["1a"].source


def test_a_build_of_the_other_edition_is_not_up_to_date(top, monkeypatch, capsys):
    made = []

    def sphinx(top: Path, out: Path, strict: bool, solutions: bool, read_all: bool) -> bool:
        exercises.write(top, top / "book", solutions=solutions)
        (out / "html").mkdir(exist_ok=True)
        (out / "html" / "index.html").touch()
        made.append(solutions)
        return True

    monkeypatch.setattr("layerlab.serving.build._sphinx", sphinx)
    for solutions in (True, True, False, False, True):
        assert builder.build(top, solutions=solutions) == 0
    assert made == [True, False, True]
    assert capsys.readouterr().out.count("This is the teacher's edition") == 3


def test_what_differs_between_the_editions_changes_the_state_and_pages_that_are_made_do_not(top):
    before = builder.state(top)
    assert builder.state(top, solutions=True) != before
    assert len(exercises.write(top, top / "book", solutions=False)) == 1
    assert builder.state(top) == before
    (top / "exercises" / "toy" / "assignment.md").write_text("---\ntitle: Other\n---\n")
    assert builder.state(top) != before


def test_pages_are_written_when_they_change_and_removed_with_their_assignment(top):
    book = top / "book"
    page = book / f"{PAGE}.md"
    assert exercises.write(top, book, solutions=False) == [page]
    written = page.stat().st_mtime_ns
    assert exercises.write(top, book, solutions=False) == []
    assert page.stat().st_mtime_ns == written
    assert exercises.write(top, book, solutions=True) == [page]
    assert "exercises/toy/assignment.md" in page.read_text()
    shutil.rmtree(top / "exercises" / "toy")
    assert exercises.write(top, book, solutions=False) == []
    assert sorted(path.name for path in (book / "assignments").iterdir()) == ["index.md"]


def test_a_page_written_by_hand_is_not_overwritten(top):
    page = top / "book" / f"{PAGE}.md"
    page.write_text("# Mine\n")
    with pytest.raises(BadSource, match=r"toy\.md is written by hand"):
        exercises.write(top, top / "book", solutions=False)
    assert page.read_text() == "# Mine\n"


def test_solutions_are_only_for_a_build(capsys):
    assert main(["serve", "--solutions"]) == 2
    assert "--solutions says what to build: give --build, too" in capsys.readouterr().err


def test_every_assignment_is_in_the_table_of_contents_and_no_page_of_it_in_git(checkout):
    listed = re.findall(r"file: assignments/(\S+)", (checkout / "book" / "_toc.yml").read_text())
    names = [source.parent.name for source in exercises.sources(checkout)]
    assert sorted(listed) == sorted(["index", *names])
    rules = (checkout / ".gitignore").read_text().splitlines()
    assert rules.index("/book/assignments/*") < rules.index("!/book/assignments/index.md")


def test_what_the_overview_says_of_wrong_answers_is_so(checkout):
    """A wrong answer with a hint fails a visible check (tests/exercises/test_assignments.py); the others may pass."""
    files = sorted((checkout / "exercises").glob("*/mutants.yml"))
    mutants = [mutant for path in files for mutant in yaml.safe_load(path.read_text(encoding="utf-8"))]
    without = sum(not mutant.get("hint") for mutant in mutants)
    assert len(mutants) > 200
    assert 0.07 < without / len(mutants) < 0.15

"""What is made from an assignment's source: for students, for teachers, for nbgrader, for the book."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from myst_nb.core.read import read_myst_markdown_notebook
from nbgrader.nbgraderformat import MetadataValidator
from nbgrader.preprocessors import Execute
from nbgrader.utils import compute_checksum
from nbgrader.validator import Validator

from layerlab.cli import main
from layerlab.grading import gradebook, handout, notebooks, source

TOY = Path(__file__).parent / "toy"
HIDDEN = "kestrel"  # stands in every hidden test and model answer of the toy


@pytest.fixture(scope="module")
def toy():
    return source.read(TOY / "assignment.md")


@pytest.fixture(autouse=True)
def _own_assignments(monkeypatch):
    monkeypatch.setenv("LAYERLAB_EXERCISES", str(TOY.parent))
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(os.sys.executable).parent), os.environ["PATH"]]))


def by_id(book):
    return {cell.id: cell for cell in book.cells}


@pytest.mark.parametrize(
    ("withheld", "says"),
    [
        ((), "with NumPy, SciPy, scikit-learn and Matplotlib, but without layerlab and a network. Locked"),
        (("sklearn",), "with NumPy, SciPy and Matplotlib, but without layerlab and a network. `sklearn` cannot"),
        (("scipy.stats", "sklearn.svm"), "scikit-learn and Matplotlib, but without layerlab and a network. "
                                         "`scipy.stats` and `sklearn.svm` cannot be imported there. Locked"),
    ],
)  # fmt: skip
def test_the_note_names_the_libraries_that_are_there(toy, withheld, says):
    assert says in notebooks.note(replace(toy, withheld=withheld))


@pytest.mark.parametrize("made", [notebooks.student, notebooks.key, notebooks.nbgrader_source])
def test_every_notebook_is_valid_for_jupyter_and_nbgrader(toy, made):
    book = made(toy)
    assert (book.nbformat, book.nbformat_minor) == (4, 5)
    nbformat.validate(book)
    MetadataValidator().validate_nb(book)
    assert len({cell.id for cell in book.cells}) == len(book.cells)
    assert not [cell.id for cell in book.cells if cell.cell_type == "code" and cell.outputs]
    marked = [cell.metadata.nbgrader for cell in book.cells if "nbgrader" in cell.metadata]
    assert sum(cell.get("points", 0) for cell in marked) == toy.points
    assert all(set(cell) >= {"schema_version", "grade", "solution", "locked", "task", "grade_id"} for cell in marked)


def test_students_get_no_hidden_test_no_solution_and_no_rubric(toy):
    text = nbformat.writes(notebooks.student(toy))
    assert HIDDEN not in text
    assert "BEGIN " not in text
    cells = by_id(notebooks.student(toy))
    assert cells["1a-tests"].source == 'assert check("1a").passed'
    assert cells["1a"].source.endswith("    # YOUR CODE HERE\n    raise NotImplementedError()")
    assert cells["3a"].source == "YOUR ANSWER HERE"
    assert cells["1a-tests"].metadata.editable is cells["1a-tests"].metadata.deletable is False
    assert "editable" not in cells["1a"].metadata


@pytest.mark.parametrize(("heading", "becomes"), [("3a", "Question 3a"), ("1a tests", "Question 1a tests"), ("3", "3")])
def test_no_heading_takes_the_place_of_a_mark_in_the_formgrader(tmp_path, heading, becomes):
    path = tmp_path / "toy" / "assignment.md"
    path.parent.mkdir()
    path.write_text((TOY / "assignment.md").read_text().replace("\n## 3a\n", f"\n## {heading}\n"))
    texts = [cell.source for cell in notebooks.student(source.read(path)).cells if cell.cell_type == "markdown"]
    assert [text.split("\n")[0] for text in texts if text.startswith("## ")][-1] == f"## {becomes}"


def test_the_head_says_what_it_takes_and_what_is_withheld(toy):
    head = by_id(notebooks.student(toy))["head"].source
    for said in (
        "0.2 hours",
        "10 points, 2 of them given by a person",
        "0.1 CPU minutes and 400 MB",
        "`sklearn.random_",
    ):
        assert said in head
    assert "a GPU does not help" in head


def test_checksums_are_those_that_nbgrader_makes(toy):
    # that nbgrader makes the same notebook from its source as we do: test_gradebook.py
    marked = [c for c in notebooks.student(toy).cells if "checksum" in c.metadata.get("nbgrader", {})]
    assert [c.metadata.nbgrader.checksum for c in marked] == list(map(compute_checksum, marked))
    assert len(marked) == sum(bool(cell.id) for cell in toy.cells) - 1  # but for the cell with the id


def test_nbgrader_validates_the_key_and_finds_the_open_questions(toy, tmp_path):
    handout.build(toy, tmp_path)
    key = Validator(ignore_checksums=True).validate(str(tmp_path / "toy-key.ipynb"))
    assert key == {}  # nothing failed
    found = Validator().validate(str(tmp_path / "toy.ipynb"))
    assert set(found) == {"failed"}
    assert len(found["failed"]) == 6  # the tests of four questions, and the answer in words


def test_the_key_is_headed_as_such_and_shows_everything(toy):
    book = notebooks.key(toy)
    assert book.cells[1].source.startswith("> **The instructor's key.**")
    assert nbformat.writes(book).count(HIDDEN) == (TOY / "assignment.md").read_text().count(HIDDEN)
    assert "**Model answer and rubric** (2 points)" in by_id(book)["3a"].source
    assert "SOLUTION" not in by_id(book)["3a"].source


def test_the_page_of_the_book_keeps_what_students_must_not_see(toy):
    page = notebooks.page(toy, solutions=False)
    assert HIDDEN not in page
    assert "nbgrader" not in page
    assert "The answer goes into the notebook that you hand in; a person grades it." in page
    book = read_myst_markdown_notebook(page)
    ours = [cell.source for cell in notebooks.student(toy).cells if cell.cell_type == "code"]
    assert [cell.source for cell in book.cells if cell.cell_type == "code"] == ours


def test_the_teachers_page_folds_answers_hidden_tests_and_rubrics(toy):
    page = notebooks.page(toy, solutions=True)
    assert page.count(HIDDEN) == (TOY / "assignment.md").read_text().count(HIDDEN)
    for head in (
        "{dropdown} Solution",
        "{dropdown} Hidden tests (2 points)",
        "{dropdown} Model answer and rubric (2 p",
    ):
        assert head in page
    code = [cell.source for cell in read_myst_markdown_notebook(page).cells if cell.cell_type == "code"]
    assert HIDDEN not in "".join(code)


@pytest.mark.parametrize("name", source.names())
def test_the_book_s_own_assignments_become_notebooks_without_their_secrets(name):
    made = source.find(name)
    seen = {line.strip() for cell in made.cells for line in notebooks.asked(made, cell).split("\n")}
    hidden = {line.strip() for cell in made.cells for line in source.hidden_tests(cell.source).split("\n")} - seen
    assert len(hidden) > 10
    handed_out = "\n".join(cell.source for cell in notebooks.student(made).cells)
    for text in (handed_out, notebooks.page(made, solutions=False)):
        assert not hidden & {line.strip() for line in text.split("\n")}
        assert "BEGIN " not in text
    for syntax in ("{math}`", ":::", "```{", "{ref}", "{cite"):
        assert syntax not in handed_out


def test_myst_becomes_what_jupyter_shows(tmp_path):
    text = (TOY / "assignment.md").read_text().replace("## 3a\n", "## 3a\n\n:::{note}\nThink of {math}`n`.\n:::\n")
    path = tmp_path / "toy" / "assignment.md"
    path.parent.mkdir()
    path.write_text(text)
    made = source.read(path)
    shown = "\n".join(cell.source for cell in notebooks.student(made).cells)
    assert "> **Note**\n>\n> Think of $n$." in shown
    assert ":::{note}" in notebooks.page(made, solutions=False)


@pytest.mark.parametrize("name", ["ada", "o'neil", 'a"b', "x\ny\\", "ü", "'); import os #"])
def test_an_id_is_filled_in_as_a_string_whatever_it_is(toy, name):
    space = {}
    exec(by_id(notebooks.student(toy, name))["student"].source, space)
    assert space["STUDENT"] == name


def test_build_writes_notebooks_for_all_and_for_each(tmp_path, capsys):
    roster = tmp_path / "students.csv"
    roster.write_text('id,first_name,last_name,email\nada,Ada,L,\nJosé,J,"O\'N, ",\n', encoding="utf-8")
    out = tmp_path / "out"
    assert main(["assignment", "build", "toy", "--out", str(out), "--students", str(roster)]) == 0
    said = capsys.readouterr().out
    assert f"keep {out / 'toy-key.ipynb'} to yourself" in said
    assert {p.relative_to(out).as_posix() for p in out.rglob("*.ipynb")} == {
        "toy.ipynb",
        "toy-key.ipynb",
        "ada/toy.ipynb",
        "José/toy.ipynb",
    }
    assert (out / "ada" / "checks.py").read_bytes() == (TOY / "checks.py").read_bytes()  # a course's own assignment
    assert "STUDENT = 'José'" in nbformat.read(out / "José" / "toy.ipynb", as_version=4).cells[2].source
    assert HIDDEN not in "".join(p.read_text() for p in out.rglob("toy.ipynb"))


def test_build_refuses_an_id_that_grading_would_refuse(tmp_path, capsys):
    roster = tmp_path / "students.csv"
    roster.write_text("id\nada\n../bob\n")
    assert main(["assignment", "build", "toy", "--out", str(tmp_path / "out"), "--students", str(roster)]) == 2
    assert "'../bob' cannot be a student's id" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_a_teacher_changed_is_kept_unless_forced(toy, tmp_path, capsys):
    words = ["assignment", "build", "toy", "--course", str(tmp_path)]
    assert main(words) == 0
    path, config = tmp_path / "source" / "toy" / "toy.ipynb", tmp_path / "nbgrader_config.py"
    settings = gradebook.configuration(tmp_path)
    assert settings.CourseDirectory.course_id == tmp_path.name
    assert Execute(config=settings).timeout == 60
    assert "everything is as it should be" not in capsys.readouterr().out
    assert main(words) == 0
    assert "everything is as it should be already" in capsys.readouterr().out
    # run and saved again in Jupyter: still ours
    book = json.loads(path.read_text())
    book["cells"][2] |= {"execution_count": 3, "outputs": [{"output_type": "stream", "name": "stdout", "text": ["x"]}]}
    path.write_text(json.dumps(book))
    assert main(words) == 0
    book["cells"][4]["source"] = ["mine"]
    path.write_text(changed := json.dumps(book))
    config.write_text("c = get_config()  # mine\n")
    capsys.readouterr()
    assert main(words) == 1
    assert f"{path} was changed by hand and is kept; --force writes over it" in capsys.readouterr().err
    assert path.read_text() == changed
    assert main([*words, "--force"]) == 0
    assert handout.build_course(toy, tmp_path).written == []
    assert config.read_text() == "c = get_config()  # mine\n"


def test_list_tells_what_an_assignment_takes(capsys):
    assert main(["assignment", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [re.split(r"\s{2,}", line) for line in lines if line.startswith("toy ")] == [
        ["toy", "10 points", "0.2 h", "0.1 CPU min", "400 MB", "A toy"]
    ]
    assert {line.split()[0] for line in lines} == set(source.names())


def test_an_unknown_assignment_is_told_in_one_sentence(capsys):
    assert main(["assignment", "build", "tyo"]) == 2
    assert "there is no assignment 'tyo'; there are " in capsys.readouterr().err

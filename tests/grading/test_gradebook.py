"""nbgrader with our assignments: its own round trip, our marks in its gradebook, and what its pages show."""

import base64
import os
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from nbconvert.filters.markdown_mistune import markdown2html_mistune
from nbgrader.apps.api import NbGraderAPI
from nbgrader.converters import GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from layerlab.grading import autograded, gradebook, handout, harmless, notebooks, source
from layerlab.grading.results import GRADED, NOT_GRADED, Mark, Result
from layerlab.grading.submissions import Submission

TOY = Path(__file__).parent / "toy"
HIDDEN = "kestrel"  # stands in every hidden test and model answer of the toy
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="  # a PNG
# nbgrader itself makes the rows of a submission in an order that SQLAlchemy warns of
pytestmark = pytest.mark.filterwarnings("ignore:Object of type <Submitted")


@pytest.fixture(scope="module")
def toy():
    return source.read(TOY / "assignment.md")


@pytest.fixture(scope="module")
def made(toy, tmp_path_factory):
    """A course in which the assignment has been generated."""
    course = tmp_path_factory.mktemp("course")
    gradebook.record([], course, toy, [])
    return course


@pytest.fixture
def course(made):
    """The same course for every test, without what another left in it."""
    with gradebook.opened(made) as book:
        for submission in book.assignment_submissions("toy"):
            book.remove_submission("toy", submission.student.id)
    for step in ("submitted", "autograded", "feedback"):
        shutil.rmtree(made / step, ignore_errors=True)
    return made


def answers(toy, **texts):
    """A student's notebook with those answers; 'q1a' stands for 1a."""
    book = notebooks.student(toy, "ada")
    for cell in book.cells:
        cell.source = texts.get(f"q{cell.id}", cell.source)
    return book


@pytest.fixture
def submission(tmp_path):
    def hand_in(book, student="ada"):
        path = tmp_path / f"{student}.ipynb"
        path.write_text(book if isinstance(book, str) else nbformat.writes(book), encoding="utf-8")
        return Submission(student, path)

    return hand_in


def result(toy, lost=(), student="ada", **more):
    marks = tuple(
        Mark(c.id, c.question, c.points, None if c.manual else 0.0 if c.id in lost else c.points)
        for c in toy.cells
        if c.grade
    )
    says = [
        replace(m, visible="2 of 3", says="not what it should be", private=f"agree({HIDDEN})") if not m.score else m
        for m in marks
    ]
    return Result("toy", student, GRADED, marks=tuple(says), **more)


def grades(course, student="ada"):
    with gradebook.opened(course) as book:
        found = book.find_submission_notebook("toy", "toy", student).grades
        return {grade.name: (grade.auto_score, grade.manual_score, grade.needs_manual_grade) for grade in found}


def give(course, grade_id, score, comment="", student="ada"):
    """What formgrader does when a teacher enters points."""
    with gradebook.opened(course) as book:
        grade = book.find_grade(grade_id, "toy", "toy", student)
        grade.manual_score, grade.needs_manual_grade = score, False
        if comment:
            book.find_comment(grade_id, "toy", "toy", student).manual_comment = comment
        book.db.commit()


def shown(course, student="ada"):
    path = course / "autograded" / student / "toy" / "toy.ipynb"
    return {c.metadata.get("nbgrader", {}).get("grade_id", c.id): c for c in nbformat.read(path, as_version=4).cells}


def test_nbgrader_hands_out_collects_grades_and_gives_feedback(toy, tmp_path, monkeypatch, submission):
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    course, exchange, home = tmp_path / "course", tmp_path / "exchange", tmp_path / "home"
    exchange.mkdir()
    exchange.chmod(0o777)
    home.mkdir()
    handout.build_course(toy, course)
    config = gradebook.configuration(course)
    config.Exchange.root, config.Exchange.cache = str(exchange), str(tmp_path / "cache")
    config.CourseDirectory.course_id = "toys"
    folder = CourseDirectory(config=config)
    api = NbGraderAPI(folder, config=config)

    def done(outcome):
        assert outcome["success"], outcome.get("log", "") + outcome.get("error", "")
        return outcome

    done(api.generate_assignment("toy"))
    done(api.release_assignment("toy"))
    monkeypatch.chdir(home)
    mine = {"coursedir": CourseDirectory(config=config, assignment_id="toy", student_id="ada"), "config": config}
    api.exchange.FetchAssignment(authenticator=api.authenticator, **mine).start()
    fetched = home / "toy" / "toy.ipynb"
    assert nbformat.read(fetched, as_version=4).cells == notebooks.student(toy).cells
    solved = {cell.id: cell.source for cell in notebooks.key(toy).cells}
    book = nbformat.read(fetched, as_version=4)
    for cell in book.cells:
        if cell.id in ("1a", "1b", "2b", "3a"):
            cell.source = solved[cell.id]
    nbformat.write(book, fetched)
    api.exchange.Submit(authenticator=api.authenticator, **mine).start()
    done(api.collect("toy"))
    done(api.autograde("toy", "ada"))
    full = {"1a-tests": 2.0, "1a-limits": 1.0, "1b-tests": 2.0, "2a-tests": 0.0, "2b-tests": 2.0, "3a": None}
    assert {name: auto for name, (auto, _, _) in grades(course).items()} == full
    done(api.generate_feedback("toy"))
    assert (course / "feedback" / "ada" / "toy" / "toy.html").is_file()
    # the grader's marks take their place in the same gradebook, and later work is recognised by its time
    gradebook.record([result(toy, lost={"1a-tests"})], course, toy, [submission(book)])
    assert {name: auto for name, (auto, _, _) in grades(course).items()} == full | {"1a-tests": 0.0, "2a-tests": 1.0}
    handed_in = course / "submitted" / "ada" / "toy" / "timestamp.txt"
    assert (course / "autograded" / "ada" / "toy" / "timestamp.txt").read_text() == handed_in.read_text()
    with gradebook.opened(course) as ours:
        assert ours.find_submission("toy", "ada").timestamp is not None


def test_marks_are_recorded_and_answers_in_words_wait(toy, course, submission):
    paths = gradebook.record([result(toy, {"1a-limits"})], course, toy, [submission(answers(toy, q3a="A root."))])
    assert paths == [course / "autograded" / "ada" / "toy" / "toy.ipynb"]
    assert grades(course) == {
        "1a-tests": (2.0, None, False),
        "1a-limits": (0.0, None, False),
        "1b-tests": (2.0, None, False),
        "2a-tests": (1.0, None, False),
        "2b-tests": (2.0, None, False),
        "3a": (None, None, True),
    }
    with gradebook.opened(course) as book:
        [found] = book.submission_dicts("toy")
        assert (found["score"], found["max_score"], found["needs_manual_grade"]) == (7.0, 10.0, True)


def test_grading_again_keeps_what_a_person_gave(toy, course, submission):
    work = submission(answers(toy, q3a="A root."))
    gradebook.record([result(toy, {"1a-limits"})], course, toy, [work])
    give(course, "3a", 1.5, "Which root?")
    give(course, "1a-limits", 0.5)
    gradebook.record([result(toy, {"1a-limits"})], course, toy, [work])
    assert grades(course)["3a"] == (None, 1.5, False)
    assert grades(course)["1a-limits"] == (0.0, 0.5, False)
    # a new automatic score, and a new answer: the old marks stay, and ask to be looked at again
    again = submission(answers(toy, q3a="A square root."))
    gradebook.record([result(toy)], course, toy, [again])
    assert grades(course)["3a"] == (None, 1.5, True)
    assert grades(course)["1a-limits"] == (1.0, 0.5, True)
    with gradebook.opened(course) as book:
        assert book.find_comment("3a", "toy", "toy", "ada").comment == "Which root?"


def test_what_is_recorded_already_is_left_alone(toy, course, submission):
    hand_in = [submission(answers(toy))]
    (path,) = gradebook.record([result(toy, digest="one")], course, toy, hand_in)
    path.write_text(path.read_text() + " ")
    give(course, "3a", 1.0)
    before = grades(course)
    assert gradebook.record([result(toy, digest="one")], course, toy, hand_in) == [path]
    assert path.read_text().endswith(" ")
    assert grades(course) == before


@pytest.mark.parametrize("lost", ["the score", "the submission", "the notebook", "the result", "the time"])
def test_what_is_lost_or_other_than_it_was_is_recorded_again(toy, course, submission, lost):
    hand_in, now = [submission(answers(toy))], result(toy, digest="one")
    (path,) = gradebook.record([now], course, toy, hand_in)
    path.write_text(path.read_text() + " ")
    with gradebook.opened(course) as book:
        if lost == "the score":
            book.find_grade("1a-tests", "toy", "toy", "ada").auto_score = 0.5
            book.db.commit()
        elif lost == "the submission":
            book.remove_submission("toy", "ada")
    if lost == "the notebook":
        path.unlink()
    elif lost == "the result":
        now = result(toy, lost=["1a-tests"], digest="two")
    elif lost == "the time":
        (course / "submitted" / "ada" / "toy").mkdir(parents=True)
        (course / "submitted" / "ada" / "toy" / "timestamp.txt").write_text("2030-01-02 00:00:00 UTC")
    gradebook.record([now], course, toy, hand_in)
    assert not path.read_text().endswith(" ")
    wanted = {mark.grade_id: mark.score for mark in now.marks if mark.score is not None}
    assert {name: score for name, (score, _, _) in grades(course).items() if name in wanted} == wanted


def test_an_answer_left_open_gets_nothing_and_says_so(toy, course, submission):
    gradebook.record([result(toy)], course, toy, [submission(answers(toy))])
    assert grades(course)["3a"] == (0.0, None, False)
    with gradebook.opened(course) as book:
        assert book.find_comment("3a", "toy", "toy", "ada").comment == "No response."
    gradebook.record([result(toy)], course, toy, [submission(answers(toy, q3a="Now."))])
    assert grades(course)["3a"] == (None, None, True)
    with gradebook.opened(course) as book:
        assert book.find_comment("3a", "toy", "toy", "ada").comment is None


def test_what_could_not_be_graded_waits_with_its_reason(toy, course, submission):
    lost = Result("toy", "bob", NOT_GRADED, reason="the file is <damaged>")
    odd = Result("toy", "../eve", NOT_GRADED, reason="no id")
    paths = gradebook.record([lost, odd], course, toy, [submission("{not json", "bob")])
    assert [path.relative_to(course).parts[1] for path in paths] == ["bob"]
    assert {waits for _, _, waits in grades(course, "bob").values()} == {True}
    cells = shown(course, "bob")
    assert "**Not graded:** the file is <\u2060damaged>" in cells["cell-0"].source
    assert cells["1a"].source == f"# {autograded.MISSING}"
    assert not (course.parent / "eve").exists()


def test_the_formgrader_s_notebook_has_the_given_cells_back_and_no_secret(toy, course, submission):
    book = answers(toy, q3a="A root.", q1a="def distances(x):\n    return 1")
    cells = {cell.id: cell for cell in book.cells}
    cells["setup"].source = "check = print"
    cells["1a-tests"].source = "pass  # mine"
    cells["1a-tests"].metadata.nbgrader.points = 100
    cells["1a"].metadata["nbgrader"]["grade"] = True
    book.cells.insert(5, nbformat.v4.new_code_cell("own = 1"))
    book.cells = [cell for cell in book.cells if cell.id != "1b"]
    gradebook.record([result(toy, {"1a-tests"}, notes=("a note",))], course, toy, [submission(book)])
    found = shown(course)
    assert "- a note" in found["cell-0"].source
    assert found["setup"].source == notebooks.asked(toy, toy.cell("setup"))
    assert found["1a-tests"].source == 'assert check("1a").passed'
    assert found["1a-tests"].metadata.nbgrader.points == 2
    assert found["1a"].metadata.nbgrader.grade is False
    assert found["1a-tests"].outputs[0].text == "0 of 2 points\n2 of 3\nnot what it should be\n"
    assert found["1b"].source == f"# {autograded.MISSING}"
    assert "own = 1" in [cell.source for cell in found.values()]
    folder = CourseDirectory(config=gradebook.configuration(course), assignment_id="toy")
    GenerateFeedback(coursedir=folder, config=gradebook.configuration(course), force=True).start()
    html = (course / "feedback" / "ada" / "toy" / "toy.html").read_text()
    assert "not what it should be" in html
    assert HIDDEN not in html + (course / "autograded" / "ada" / "toy" / "toy.ipynb").read_text()


def test_outputs_are_kept_as_text_and_pictures_alone():
    data = {"text/html": "<b>", "application/javascript": "x", "image/svg+xml": "<svg/>", "text/plain": ["a\n", "b"]}
    kept = harmless.outputs(
        [
            {"output_type": "display_data", "data": data | {"image/png": PIXEL}, "metadata": {"image/png": {"x": 1}}},
            {"output_type": "display_data", "data": {"image/png": '"><script>'}},
            {"output_type": "display_data", "data": {"image/png": base64.b64encode(b"<svg>").decode()}},
            {"output_type": "stream", "name": "stderr", "text": ["odd\u202e"]},
            {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["<script>"]},
            "nonsense",
            {"output_type": "display_data", "data": {"text/html": "<script>"}},
        ]
    )
    assert [output.get("data", output.get("text")) for output in kept] == [
        {"text/plain": "a\nb", "image/png": PIXEL},
        "odd⟨U+202E⟩",
        "E: v",
    ]
    assert kept[0].metadata == {}


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "a <img src=x onerror=alert(1)> b <!-- c -->",
        "[x](javascript:alert(1))",
        "[x](JaVaScript&colon;alert(1)) [x](java&#115;cript:alert(1))",
        "[x]: data:text/html;base64,PHNjcmlwdD4=\n\n[x]",
        "```mermaid\n</pre><script>alert(1)</script>\n```",
        "> ~~~ mermaid\n> <img src=x onerror=alert(1)>\n> ~~~",
        "$\\href{javascript:alert(1)}{x}$ and $a<b$",
        "![x](https://example.org/seen.png) ![x][r]\n\n[r]: https://example.org/seen.png",
        "![x](attachment:absent.png)",
        "\\begin{a}<script>alert(1)</script>\\end{a}",
        "# 1a-tests\n\n1a\n==\n\n- # 3a-comment",
        "`" * 20_000 + "<script>",
        "![" * 10_000,
        ">" * 3000 + "<b>",
    ],
)
def test_markdown_of_a_student_does_nothing_in_a_teacher_s_browser(text):
    start = time.process_time()
    html = markdown2html_mistune(harmless.markdown(text, {}))
    assert time.process_time() - start < 10
    plain = html.lower()
    for acting in ("<script", "<img", "<!--", 'href="javascript', 'href="data', 'mermaid">', "\\href", 'onerror="'):
        assert acting not in plain
    for grade_id in ("1a", "1a-tests", "3a-comment"):
        assert f'id="{grade_id}"' not in plain


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("*A* **b** `c < d`", "<p><em>A</em> <strong>b</strong> <code>c &lt; d</code></p>\n"),
        ("[here](https://example.org/a)", '<p><a href="https://example.org/a">here</a></p>\n'),
        ("$\\frac{1}{n} < 2$", "<p>$\\frac{1}{n} &lt; 2$</p>\n"),
    ],
)
def test_markdown_that_does_nothing_stays_as_it_is(text, html):
    assert harmless.markdown(text, {}) == text
    assert markdown2html_mistune(text) == html


def test_pictures_pasted_into_an_answer_are_shown(toy, course, submission):
    book = answers(toy, q3a="See ![](attachment:a.png) and ![](attachment:b.png)")
    cell = next(cell for cell in book.cells if cell.id == "3a")
    cell["attachments"] = {"a.png": {"image/png": PIXEL}, "b.png": {"image/svg+xml": "<svg onload=alert(1)>"}}
    gradebook.record([result(toy)], course, toy, [submission(book)])
    assert shown(course)["3a"]["attachments"] == {"a.png": {"image/png": PIXEL}}


def test_a_gradebook_of_another_assignment_is_refused(toy, course):
    cells = tuple(replace(cell, points=5.0) if cell.id == "3a" else cell for cell in toy.cells)
    with pytest.raises(ValueError, match=r"has other cells or points than toy \(see 3a\)"):
        gradebook.record([result(toy)], course, replace(toy, cells=cells), [])


def test_without_nbgrader_one_sentence_says_what_to_install(toy, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nbgrader.api", None)
    with pytest.raises(RuntimeError, match=r"^nbgrader is not installed: pip install 'layerlab\[nbgrader\]'$"):
        gradebook.record([result(toy)], tmp_path, toy, [])
    assert list(tmp_path.iterdir()) == []


def test_a_penalty_for_lateness_follows_the_course_s_settings(toy, course, monkeypatch, submission):
    folder = course / "submitted" / "ada" / "toy"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "timestamp.txt").write_text("2030-01-02 00:00:00 UTC")
    config = gradebook.configuration(course)
    config.merge(Config(LateSubmissionPlugin={"penalty_method": "zero"}))
    monkeypatch.setattr(gradebook, "configuration", lambda course: config)
    with gradebook.opened(course) as book:
        book.update_or_create_assignment("toy", duedate="2030-01-01 00:00:00 UTC")
    gradebook.record([result(toy)], course, toy, [submission(answers(toy))])
    with gradebook.opened(course) as book:
        assert book.find_submission_notebook("toy", "toy", "ada").late_submission_penalty == 8.0
        book.update_or_create_assignment("toy", duedate=None)

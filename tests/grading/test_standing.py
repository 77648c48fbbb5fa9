"""How a student stands: the grader's marks, with what a person gave in nbgrader's gradebook."""

import datetime

import pytest
from nbgrader.api import Gradebook

from layerlab.grading.feedback import page, write_course
from layerlab.grading.results import GRADED, NOT_GRADED, Mark, Result
from layerlab.grading.roster import Person, roster_of
from layerlab.grading.standing import standings

pytestmark = pytest.mark.filterwarnings("ignore:Object of type .Submitted")  # nbgrader's own way to add one

NAME = "random-projections"
MARKS = (
    Mark("1a-tests", "1a", 3.0, 3.0),
    Mark("1b-tests", "1b", 3.0, 0.0, says="it gave 2."),
    Mark("1c", "1c", 4.0, None),
    Mark("2a", "2a", 5.0, None),
)


def result(student):
    return Result(NAME, student, GRADED, marks=MARKS, file=f"submitted/{student}/{NAME}/final.ipynb")


@pytest.fixture
def gradebook(tmp_path, monkeypatch):
    """ada was graded by hand in part, bob not at all yet; eve is not in it."""
    monkeypatch.setattr("nbgrader.api.get_alembic_version", lambda: "any")  # seconds for a program that says it
    with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}") as book:
        book.add_assignment(NAME, duedate=datetime.datetime(2026, 1, 1))
        book.add_notebook(NAME, NAME)
        for mark in MARKS:
            kind = "code" if "tests" in mark.grade_id else "markdown"
            book.add_grade_cell(mark.grade_id, NAME, NAME, max_score=mark.points, cell_type=kind)
        for cell in ("1a", "1c", "2a"):
            book.add_solution_cell(cell, NAME, NAME)
        book.add_student("ada", first_name="Ada", last_name="Lovelace", email="ada@uni.example", lms_user_id="101")
        book.add_student("bob")
        for student in ("ada", "bob"):
            book.add_submission(NAME, student)
            for mark in MARKS:
                grade = book.find_grade(mark.grade_id, NAME, NAME, student)
                grade.auto_score, grade.needs_manual_grade = mark.score, mark.score is None
        book.db.commit()
        yield book
    book.engine.dispose()


def grade_by_hand(book, grade_id, score, again=False, extra=None):
    grade = book.find_grade(grade_id, NAME, NAME, "ada")
    grade.manual_score, grade.needs_manual_grade, grade.extra_credit = score, again, extra
    book.db.commit()


def test_without_a_gradebook_the_grader_has_the_last_word():
    [one] = standings([result("ada")])
    assert (one.score, one.points, one.waiting, one.by_hand) == (3.0, 15.0, ("1c", "2a"), frozenset())


def test_marks_and_comments_by_hand_count(gradebook):
    grade_by_hand(gradebook, "1c", 2.5)
    grade_by_hand(gradebook, "1b-tests", 1.0)
    grade_by_hand(gradebook, "1a-tests", None, extra=0.5)
    gradebook.find_comment("1a", NAME, NAME, "ada").manual_comment = " Neat. "
    gradebook.find_comment("2a", NAME, NAME, "ada").manual_comment = "  "
    gradebook.db.commit()
    ada, bob = standings([result("ada"), result("bob")], gradebook)
    assert [mark.score for mark in ada.marks] == [3.5, 1.0, 2.5, None]
    assert ada.by_hand == {"1b-tests", "1c"}
    assert ada.comments == {"1a": ("Neat.",)}
    assert (ada.score, ada.waiting) == (7.0, ("2a",))
    assert [mark.score for mark in bob.marks] == [3.0, 0.0, None, None]
    html = page(ada, "Random projections")
    assert "Neat." in html
    assert "2.5 of 4 points, given by hand" in html


def test_an_answer_that_changed_since_it_was_graded_waits_again(gradebook):
    grade_by_hand(gradebook, "1c", 4.0, again=True)
    [ada] = standings([result("ada")], gradebook)
    assert ada.marks[2].score is None
    assert "1c" in ada.waiting


def test_an_answer_left_as_it_came_has_nbgraders_score(gradebook):
    grade = gradebook.find_grade("2a", NAME, NAME, "ada")
    grade.auto_score, grade.needs_manual_grade = 0.0, False
    gradebook.db.commit()
    [ada] = standings([result("ada")], gradebook)
    assert ada.marks[3].score == 0.0
    assert ada.waiting == ("1c",)


def test_a_late_penalty_is_taken_off_but_never_below_nothing(gradebook):
    notebook = gradebook.find_submission_notebook(NAME, NAME, "ada")
    notebook.late_submission_penalty = 1.0
    gradebook.db.commit()
    assert standings([result("ada")], gradebook)[0].score == 2.0
    notebook.late_submission_penalty = 9.0
    gradebook.db.commit()
    assert standings([result("ada")], gradebook)[0].score == 0.0


def test_what_the_grader_could_not_read_can_be_graded_by_hand(gradebook):
    broken = Result(NAME, "ada", NOT_GRADED, "it is not JSON")
    for mark in MARKS:
        gradebook.find_grade(mark.grade_id, NAME, NAME, "ada").needs_manual_grade = True
    gradebook.db.commit()
    [before] = standings([broken], gradebook)
    assert not before.graded
    assert "Not graded</p>" in page(before, "Random projections")
    for mark in MARKS:
        grade_by_hand(gradebook, mark.grade_id, 1.5)
    [after] = standings([broken], gradebook)
    assert (after.graded, after.score, after.points, after.waiting) == (True, 6.0, 15.0, ())
    html = page(after, "Random projections")
    assert "Not graded by the program; the marks are given by hand" in html
    assert "it is not JSON" in html
    assert "6 of 15 points" in html


def test_who_is_not_in_the_gradebook_stands_as_graded(gradebook):
    [eve] = standings([result("eve")], gradebook)
    assert eve.marks == MARKS


def test_the_gradebooks_students_are_a_roster(gradebook):
    assert roster_of(gradebook).people == (
        Person("bob"),
        Person("ada", "Ada", "Lovelace", "ada@uni.example", "101"),
    )


def test_pages_lie_where_nbgrader_releases_them_from_if_they_can_be_released(tmp_path):
    for student in ("ada", "bob", "eve"):
        handed_in = tmp_path / "submitted" / student / NAME
        handed_in.mkdir(parents=True)
        (handed_in / "timestamp.txt").write_text("2026-01-01 00:00:00 UTC")
    (tmp_path / "submitted" / "ada" / NAME / "submission_secret.txt").write_text("kestrel")
    (tmp_path / "submitted" / "bob" / NAME / "submission_secret.txt").symlink_to("/etc/hostname")
    three = standings([result("ada"), result("bob"), result("eve")])
    paths = write_course(three, "Random projections", tmp_path)
    feedback = tmp_path / "feedback"
    assert paths == [feedback / "ada" / NAME / "final.html", feedback / NAME / "bob.html", feedback / NAME / "eve.html"]
    assert sorted(path.name for path in paths[0].parent.iterdir()) == [
        "final.html", "submission_secret.txt", "timestamp.txt",
    ]  # fmt: skip
    assert "kestrel" not in paths[0].read_text()

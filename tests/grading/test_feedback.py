"""Feedback: what a student reads, and what no student may read, whatever strings came from whom."""

import dataclasses
import re
from html.parser import HTMLParser

import pytest

from layerlab.cli import main
from layerlab.grading import feedback
from layerlab.grading.results import GRADED, NOT_GRADED, Mark, Result
from layerlab.grading.standing import Standing, file_name, legible, number, read_results, standings

TITLE = "Random projections"
ADA = Result(
    "random-projections",
    "ada",
    GRADED,
    marks=(
        Mark("1a-tests", "1a", 3, 3.0, visible="All 4 visible checks passed."),
        Mark("1a-limits", "1a", 2, 0.0, visible="All 4 visible checks passed.", says="distortion gave 0.5, not 0.25."),
        Mark("1b-tests", "1b", 3, 1.5),
        Mark("1c", "1c", 4, None),
    ),
    notes=("the file was named final_v2.ipynb",),
    digest="0123456789abcdef",
    file="submitted/ada/random-projections/final_v2.ipynb",
)


class Parsed(HTMLParser):
    """A page's elements with their attributes, and the text that a reader sees."""

    VOID = ("meta", "br", "hr", "img", "link", "input")

    def __init__(self, html):
        super().__init__()
        self.elements, self.words, self.open = [], [], []
        self.feed(html)
        self.close()
        assert self.open == [], "elements that are never closed"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def shown(result, **changes):
    return Parsed(feedback.page(Standing(result, result.marks, **changes), TITLE))


def test_points_checks_reasons_and_notes_are_on_the_page():
    text = shown(ADA).text
    assert "Feedback for ada" in text
    assert "4.5 of 12 points so far; 4 more are to be given by hand" in text
    assert "Question 1a 3 of 5 points 1a-tests : 3 of 3 points All 4 visible checks passed." in text
    assert "distortion gave 0.5, not 0.25." in text
    assert "1c : to be graded by hand (4 points)" in text
    assert "the file was named final_v2.ipynb" in text
    assert "The mark of this grading, should you ask about it: 0123456789ab." in text
    rows = re.search(r"Points by question Question Points of (.*?) Question 1a", text)
    assert rows is not None
    assert rows[1] == "1a 3 5 1b 1.5 3 1c by hand 4"


def test_marks_and_comments_by_hand_and_a_penalty_are_on_the_page():
    marks = (*ADA.marks[:3], dataclasses.replace(ADA.marks[3], score=2.5))
    page = feedback.page(Standing(ADA, marks, {"1c": ("Two steps are missing.",)}, frozenset({"1c"}), 1.0), TITLE)
    text = Parsed(page).text
    assert "6 of 12 points" in text
    assert "so far" not in text
    assert "1c : 2.5 of 4 points, given by hand" in text
    assert "Comments Two steps are missing." in text
    assert "1 points are taken off because it came late." in text


def test_hidden_tests_and_what_is_for_the_teacher_never_get_out(tmp_path):
    secret = "HIDDEN-b7f3"
    marks = tuple(
        dataclasses.replace(mark, private=f"{secret} assert f(3) == 9\n### BEGIN HIDDEN TESTS") for mark in ADA.marks
    )
    full = dataclasses.replace(ADA, marks=marks, isolation=secret, file=f"/home/{secret}/x.ipynb")
    for status in (GRADED, NOT_GRADED):
        result = dataclasses.replace(full, status=status, reason="it is no notebook")
        assert secret in result.to_json()
        [path] = feedback.write([Standing(result, marks, {}, frozenset({"1c"}))], TITLE, tmp_path)
        html = path.read_text()
        assert secret not in html
        assert "HIDDEN" not in html
        assert "/home/" not in html


HOSTILE = [
    "<script>alert(1)</script>",
    "</style><script>alert(1)</script><style>",
    "</pre></li></ul></section></main><img src=x onerror=alert(1)>",
    "\"'><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% for x in () %}",
    "<!-- <meta http-equiv=refresh content=0>",
    "&lt;b&gt; & &#60;",
    "javascript:alert(1)",
    "\x00\x1b[31mred\x1b[0m\x07",
    "abc\ud800def",
    "]]>",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_string_is_text_wherever_it_stands(text):
    clean = shown(_everywhere("plain"))
    page = feedback.page(Standing(_everywhere(text), _everywhere(text).marks, {"1a": (text,)}), TITLE)
    page.encode("utf-8")
    parsed = Parsed(page)
    assert [tag for tag, _ in parsed.elements if tag not in ("h3", "blockquote")] == [tag for tag, _ in clean.elements]
    for tag, attributes in parsed.elements:
        assert tag not in ("script", "img", "svg", "iframe", "link")
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "action", "style")]
        assert attributes.get("href", "#").startswith("#")
    assert " ".join(legible(text).split()) in parsed.text
    assert "49" not in parsed.text.replace(text, "")


def _everywhere(text):
    return Result("a", text, GRADED, "", (Mark("1a-tests", "1a", 3, 1.0, text, text),), (text, text))


def test_a_page_asks_for_nothing_and_forbids_it():
    html = feedback.page(Standing(ADA, ADA.marks), TITLE)
    assert "default-src 'none'" in html
    assert not re.search(r"https?:|url\(|@import|src=", html)


def test_what_is_hidden_in_a_text_becomes_visible():
    assert legible("a\u202eb\u2066c\u200bd") == "a⟨U+202E⟩b⟨U+2066⟩c⟨U+200B⟩d"
    assert legible("one\r\ntwo\tthree") == "one\ntwo\tthree"
    assert legible("\x1b[1;31mred\x1b[0m") == "red"
    assert legible("naïve ≤ 数 é") == "naïve ≤ 数 é"
    assert legible("x" * 30, most=10) == "xxxxxxxxxx … (20 more characters are left out)"
    assert "⟨U+202E⟩" in shown(dataclasses.replace(ADA, notes=("\u202eevil",))).text


def test_points_are_written_as_people_do():
    assert [number(x) for x in (3.0, 2.5, 1 / 3, 0.0, -0.0, 1e-9, 120.0)] == ["3", "2.5", "0.33", "0", "0", "0", "120"]


@pytest.mark.parametrize(
    "student",
    [
        "../../etc/passwd",
        "a/b",
        "a\\b",
        "..",
        ".hidden",
        "",
        "-rf",
        "CON",
        "nul.txt",
        "x" * 400,
        "a\tb",
        "a\ud800",
        "end.",
    ],
)
def test_an_id_that_is_no_safe_file_name_becomes_one(student, tmp_path):
    name = file_name(student)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._@+-]{0,100}", name)
    assert name != student
    [path] = feedback.write([Standing(dataclasses.replace(ADA, student=student), ADA.marks)], TITLE, tmp_path / "out")
    assert path.parent == tmp_path / "out"
    assert [p.name for p in (tmp_path / "out").iterdir()] == [f"{name}.html"]


def test_a_usual_id_is_its_own_file_name_and_two_ids_never_share_one():
    usual = ["ada", "s1234567", "ada.lovelace@uni.example", "Ada_L-2", "a+b", "zoë"]
    assert [file_name(student) for student in usual] == usual
    strange = ["a/b", "a\\b", "a:b", "a::b", "/a/b", "a_b"]
    assert len({file_name(student) for student in strange}) == len(strange)


def test_a_submission_that_was_not_graded_gets_a_page_with_the_reason():
    text = shown(Result("a", "bob", NOT_GRADED, "it is not JSON, so not a notebook")).text
    assert "Not graded it is not JSON, so not a notebook" in text
    assert "points" not in text.partition("The visible checks")[0]


def test_the_command_writes_a_page_for_each_and_names_who_waits(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "graded" / "random-projections"
    folder.mkdir(parents=True)
    for result in (ADA, Result("random-projections", "bob", NOT_GRADED, "it is empty")):
        (folder / f"{result.student}.json").write_text(result.to_json())
    assert main(["feedback", "random-projections"]) == 0
    out = capsys.readouterr().out
    assert "ada: 1c to be graded by hand" in out
    assert "bob: not graded: it is empty" in out
    assert "2 pages in feedback/random-projections" in out
    assert sorted(p.name for p in (tmp_path / "feedback" / "random-projections").iterdir()) == ["ada.html", "bob.html"]
    assert main(["feedback", "random-projections", "--results", "nowhere"]) == 2
    assert "nowhere holds no results: run `layerlab grade` first" in capsys.readouterr().err
    (folder / "bob.json").write_text('{"half": ')
    assert main(["feedback", "random-projections"]) == 2
    assert "bob.json: this is not the result of a grading" in capsys.readouterr().err


def test_results_are_read_by_student(tmp_path):
    for student in ("cy", "ada"):
        (tmp_path / f"{student}-file.json").write_text(dataclasses.replace(ADA, student=student).to_json())
    results = read_results(tmp_path)
    assert [result.student for result in results] == ["ada", "cy"]
    assert standings(results)[0].marks == ADA.marks

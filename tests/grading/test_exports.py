"""The tables for Canvas, Moodle and people: what they hold, for whom, and that a spreadsheet takes no harm."""

import csv
import dataclasses
import io

import pandas as pd
import pytest

from layerlab.cli import main
from layerlab.grading import exports
from layerlab.grading.results import GRADED, NOT_GRADED, Mark, Result
from layerlab.grading.roster import CANVAS, Person, Roster, read_roster
from layerlab.grading.standing import Standing

TITLE = "Random projections"


def standing(student, *scores, status=GRADED, reason="", **changes):
    names = [("1a-tests", "1a", 3.0), ("1a-limits", "1a", 2.0), ("1b", "1b", 4.0)]
    marks = tuple(Mark(*name, score) for name, score in zip(names, scores, strict=True)) if scores else ()
    result = Result("random-projections", student, status, reason, marks, digest="d")
    return Standing(result, marks, **changes)


DONE = standing("ada", 3.0, 2.0, 2.5)
WAITS = standing("bob", 3.0, 0.0, None)
BROKEN = standing("cy", status=NOT_GRADED, reason="it is not JSON, so not a notebook")
STRANGER = standing("zoe", 0.0, 0.0, 1.0)
ROSTER = Roster(
    (
        Person("ada", "Ada", "Lovelace", "ada@uni.example", "101"),
        Person("bob", "Bob", "O'Neill, Jr.", "bob@uni.example", "102"),
        Person("cy", "Cyána", "Pérez", "", "103"),
        Person("dee", "Dee", "", "", ""),
    )
)
ALL = [DONE, WAITS, BROKEN, STRANGER]


def rows(export):
    return list(csv.reader(io.StringIO(export.text(), newline=""), strict=True))


def test_canvas_has_its_columns_the_points_and_one_line_for_each_of_the_roster():
    made = exports.canvas(ALL, ROSTER, TITLE, 9.0)
    assert rows(made) == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Random projections"],
        ["    Points Possible", "", "", "", "", "9"],
        ["Lovelace, Ada", "101", "", "ada", "", "7.5"],
        ["O'Neill, Jr., Bob", "102", "", "bob", "", ""],
        ["Pérez, Cyána", "103", "", "cy", "", ""],
        ["Dee", "", "", "dee", "", ""],
    ]


def test_nobody_is_left_out_in_silence():
    for make in exports.FORMATS.values():
        assert make(ALL, ROSTER, TITLE, 9.0, False).told[:4] == (
            "O'Neill, Jr., Bob: 1b to be graded by hand; the total is left empty",
            "Pérez, Cyána: not graded: it is not JSON, so not a notebook",
            "Dee: no submission; the mark is left empty",
            "not on the roster: zoe (only the plain table has them)",
        )


def test_whom_the_gradebook_knows_only_since_they_were_graded_is_told():
    roster = Roster((*ROSTER.people, Person("adda")))
    told = exports.canvas([DONE, standing("adda", 3.0, 2.0, 1.0)], roster, TITLE, 9.0).told
    assert "adda: the roster has the id alone: is it the right one?" in told
    only_ids = Roster((Person("ada"), Person("adda")))
    assert exports.canvas([DONE], only_ids, TITLE, 9.0).told == ("adda: no submission; the mark is left empty",)


def test_a_partial_total_is_given_only_when_asked_for_and_told():
    made = exports.canvas(ALL, ROSTER, TITLE, 9.0, partial=True)
    assert [row[-1] for row in rows(made)[2:]] == ["7.5", "3", "", ""]
    assert "O'Neill, Jr., Bob: 1b to be graded by hand; the total is of the rest" in made.told


def test_moodle_has_ids_names_grade_and_feedback():
    says = dataclasses.replace(WAITS.marks[1], says="distortion gave <b>k < d</b>")
    waits = dataclasses.replace(WAITS, marks=(WAITS.marks[0], says, WAITS.marks[2]))
    done = dataclasses.replace(DONE, comments={"1b": ("Well argued.",)}, penalty=0.5)
    table = rows(exports.moodle([done, waits, BROKEN], ROSTER, TITLE, 9.0))
    assert table[0] == [
        "Username", "ID number", "First name", "Last name", "Email address", TITLE, f"{TITLE} (feedback)",
    ]  # fmt: skip
    feedback = "1a: 5 of 5\n1b: 2.5 of 4\nComment: Well argued.\n0.5 points off because it came late"
    assert table[1] == ["ada", "101", "Ada", "Lovelace", "ada@uni.example", "7", feedback]
    assert table[2][5:] == ["", "1a: 3 of 5\ndistortion gave &lt;b&gt;k &lt; d&lt;/b&gt;\n1b: to be graded by hand"]
    assert table[3][5:] == ["", "Not graded: it is not JSON, so not a notebook"]
    assert table[4] == ["dee", "dee", "Dee", "", "", "", ""]


def test_a_backslash_before_a_quotation_mark_does_not_end_a_cell_of_moodle():
    person = Person("uni\\ada", "A\\", 'a "\\" b')
    made = exports.moodle([standing("uni\\ada", 3.0, 2.0, 1.0)], Roster((person,)), TITLE, 9.0)
    assert '\\"' not in made.text()
    assert rows(made)[1][0] == "uni\\ada"


def test_the_plain_table_has_everyone_with_a_column_for_each_question():
    table = rows(exports.plain(ALL, ROSTER, TITLE, 9.0))
    assert table[0] == [
        "student", "last_name", "first_name", "email", "status", "1a", "1b", "total", "points", "note",
    ]  # fmt: skip
    assert table[1] == ["ada", "Lovelace", "Ada", "ada@uni.example", "graded", "5", "2.5", "7.5", "9", ""]
    assert table[2][4:9] == ["waiting", "3", "", "", "9"]
    assert table[3][4:] == ["not graded", "", "", "", "9", "not graded: it is not JSON, so not a notebook"]
    assert table[4][4:9] == ["no submission", "", "", "", "9"]
    assert table[5][:9] == ["zoe", "", "", "", "graded", "0", "1", "1", "9"]


def test_without_a_roster_every_submission_has_a_line_with_its_id():
    table = rows(exports.canvas([DONE, BROKEN], None, TITLE, 9.0))
    assert table[2:] == [["ada", "", "", "ada", "", "7.5"], ["cy", "", "", "cy", "", ""]]


def test_results_of_two_versions_of_an_assignment_are_told():
    more = (dataclasses.replace(DONE.marks[0], points=4.0), *DONE.marks[1:])
    other = dataclasses.replace(DONE, result=dataclasses.replace(DONE.result, student="eve"), marks=more)
    assert any("different versions" in line for line in exports.plain([DONE, other], None, TITLE, 9.0).told)
    assert not any("different versions" in line for line in exports.plain([DONE, WAITS], None, TITLE, 9.0).told)


NAMES = [
    'say "hi", Ann',
    "Zoë Ñandú-Łukasz",
    "two\nlines",
    "semi;colon",
    " spaced ",
    "李小龍",
    "مريم",
    "O'Hara",
    '"quoted"',
    "a,b,,c",
    "tab\there",
    "''",
    "nan",
    "1e5",
    "007",
]


@pytest.mark.parametrize("form", exports.FORMATS)
def test_names_come_back_from_the_file_as_they_were(form, tmp_path):
    people = tuple(Person(f"s{i}", name, name, f"{i}@uni.example", str(i)) for i, name in enumerate(NAMES))
    marks = [standing(person.id, 3.0, 2.0, i / 4) for i, person in enumerate(people)]
    made = exports.FORMATS[form](marks, Roster(people), TITLE, 9.0, False)
    made.write(tmp_path / "t.csv")
    read = pd.read_csv(tmp_path / "t.csv", dtype=str, keep_default_na=False)
    column = {"canvas": "Student", "moodle": "Last name", "csv": "last_name"}[form]
    names = list(read[column])[1 if form == "canvas" else 0 :]
    assert names == [f"{name}, {name}" if form == "canvas" else name for name in NAMES]
    numbers = pd.read_csv(tmp_path / "t.csv")["total" if form == "csv" else TITLE]
    assert pd.api.types.is_float_dtype(numbers)
    assert list(numbers)[-len(NAMES) :] == [round(5 + i / 4, 2) for i in range(len(NAMES))]


FORMULAS = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "\n=1",
    " =1",
    "\xa0=1",
    "＝1",
    '=HYPERLINK("http://x","y")',
    "\r=1",
]


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("form", exports.FORMATS)
def test_no_cell_begins_a_formula(form, formula):
    people = (Person(formula, formula, formula, formula, formula), Person("ada"))
    marks = (Mark("1a", formula, 3.0, 0.0, says=formula),)
    result = Result("random-projections", formula, GRADED, "", marks)
    broken = Result("random-projections", "ada", NOT_GRADED, formula)
    made = exports.FORMATS[form]([Standing(result, marks), Standing(broken, ())], Roster(people), formula, 9.0, False)
    cells = [cell for row in rows(made) for cell in row]
    assert not [cell for cell in cells if cell.lstrip(" \xa0")[:1] in list("=+-@\t\r\n＝＋－＠")]
    assert sum(formula.strip() in cell for cell in cells) >= 3
    if form != "csv":
        assert any("begins like a formula" in line for line in made.told)


def test_numbers_stay_numbers_even_with_a_sign():
    made = exports.plain([standing("-17", 3.0, 2.0, -1.5)], None, TITLE, 9.0)
    assert rows(made)[1][:1] + rows(made)[1][5:8] == ["-17", "5", "-1.5", "3.5"]


def test_characters_that_no_file_can_hold_become_visible():
    made = exports.plain([standing("a\ud800\x00b", 3.0, 2.0, 1.0)], None, TITLE, 9.0)
    made.text().encode("utf-8")
    assert rows(made)[1][0] == "a⟨U+D800⟩⟨U+0000⟩b"


def test_only_the_table_for_people_begins_with_a_byte_order_mark(tmp_path):
    for form, make in exports.FORMATS.items():
        make([DONE], ROSTER, TITLE, 9.0, False).write(tmp_path / form)
        assert (tmp_path / form).read_bytes().startswith(b"\xef\xbb\xbf") == (form == "csv")


EXPORTED = """Student,ID,SIS User ID,SIS Login ID,Section,"Random projections (815)",Final Score
,,,,,Manual Posting,
    Points Possible,,,,,9.00,(read only)
"Lovelace, Ada",101,m1,ADA,"Tue, 10",,80
"Pérez, Cyána",103,m3,cyana@uni.example,Wed,,
"Student, Test",999,,0f3c,Wed,,
"""


@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("separator", [",", ";"])
def test_the_gradebook_that_canvas_exported_is_a_roster(tmp_path, bom, separator):
    table = list(csv.reader(io.StringIO(EXPORTED)))
    out = io.StringIO()
    csv.writer(out, delimiter=separator).writerows(table)
    (tmp_path / "canvas.csv").write_text(bom + out.getvalue(), encoding="utf-8")
    roster = read_roster(tmp_path / "canvas.csv")
    assert roster.columns == CANVAS
    assert [person.id for person in roster.people] == ["ADA", "cyana@uni.example", "0f3c"]
    third = dataclasses.replace(DONE, result=dataclasses.replace(DONE.result, student="m3"))
    made = exports.canvas([DONE, third], roster, TITLE, 9.0)
    assert rows(made) == [
        [*CANVAS, "Random projections (815)"],
        ["    Points Possible", "", "", "", "", "9"],
        ["Lovelace, Ada", "101", "m1", "ADA", "Tue, 10", "7.5"],
        ["Pérez, Cyána", "103", "m3", "cyana@uni.example", "Wed", "7.5"],
        ["Student, Test", "999", "", "0f3c", "Wed", ""],
    ]
    assert made.told == ("Student, Test: no submission; the mark is left empty",)


def test_canvas_with_names_in_two_columns_keeps_them(tmp_path):
    text = "LastName,FirstName,ID,SIS Login ID,Root Account,Section\nLovelace,Ada,101,ada,uni.example,A\n"
    (tmp_path / "canvas.csv").write_text(text)
    roster = read_roster(tmp_path / "canvas.csv")
    assert roster.people[0].name == "Lovelace, Ada"
    assert rows(exports.canvas([DONE], roster, TITLE, 9.0))[2] == [
        "Lovelace", "Ada", "101", "ada", "uni.example", "A", "7.5",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name,mail\nada,x\n", "is no roster: its first line needs the column `id`"),
        ("", "it has nothing"),
        ("id,email\nada,\nada,\n", "two people with the id 'ada'"),
        ("id,email\nada,\n,x\n", "a line without an id: line 3"),
        ('id\n"open', "is not a CSV file"),
        ("Student,ID,Age,Section\nA,1,2,3\n", "no column 'Age' before `Section`"),
    ],
)
def test_what_is_no_roster_is_refused(tmp_path, text, sentence):
    (tmp_path / "r.csv").write_text(text)
    with pytest.raises(ValueError, match=r".") as refused:
        read_roster(tmp_path / "r.csv")
    assert sentence in str(refused.value)


def test_a_roster_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "r.csv").write_bytes("id,last_name\nada,Pérez\n".encode("latin-1"))
    with pytest.raises(ValueError, match="not UTF-8"):
        read_roster(tmp_path / "r.csv")


def test_two_submissions_of_one_person_are_refused_and_an_id_of_two_is_nobodys():
    with pytest.raises(ValueError, match=r"'ada' and 'ada@uni\.example' are both by 'Lovelace, Ada'"):
        ROSTER.who(["ada", "ada@uni.example"])
    twins = Roster((Person("Eve", email="e@uni.example"), Person("eve2", email="e@uni.example")))
    assert twins.who(["e@uni.example", "EVE"]) == ({"EVE": twins.people[0]}, ["e@uni.example"])


def test_the_command_reads_results_and_roster_and_writes_the_table(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "there"
    folder.mkdir()
    for one in (DONE, WAITS):
        (folder / f"{one.result.student}.json").write_text(one.result.to_json())
    (tmp_path / "roster.csv").write_text("id,first_name,last_name\nada,Ada,Lovelace\nbob,Bob,B\n")
    command = ["export", "canvas", "random-projections", "--results", "there", "--roster", "roster.csv"]
    assert main(command) == 0
    assert capsys.readouterr().out.splitlines() == [
        "B, Bob: 1b to be graded by hand; the total is left empty",
        "wrote random-projections-canvas.csv",
    ]
    table = pd.read_csv(tmp_path / "random-projections-canvas.csv")
    assert list(table["ID"].isna()) == [True, True, True]
    assert list(table.iloc[:, -1].fillna(-1)) == [9.0, 7.5, -1.0]
    assert main([*command, "--title", "Lab 1", "--partial", "--out", "deep/lab.csv"]) == 0
    assert list(pd.read_csv(tmp_path / "deep" / "lab.csv")["Lab 1"]) == [9.0, 7.5, 3.0]
    assert main([*command[:-1], "none.csv"]) == 1
    assert "No such file or directory: none.csv" in capsys.readouterr().err

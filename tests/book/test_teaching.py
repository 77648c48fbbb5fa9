"""Every command on the teacher's page is run, in order, in one folder, with students who do not exist."""

import getpass
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from layerlab.cli.main import parser
from layerlab.grading import isolation, notebooks, source

TOP = Path(__file__).resolve().parents[2]
PAGE = (TOP / "book" / "teaching.md").read_text(encoding="utf-8")
pytestmark = pytest.mark.timeout(1800)  # two dozen commands of nbgrader and layerlab, one after the other
NAME = "random-projections"
SECONDS = 900  # for one block of commands, on a machine that is busy with other things
NOT_RUN = {  # blocks by their first line
    "git clone https://github.com/inside-the-layers/inside-the-layers": "sets up the very environment that runs this",
    "pip install jupyterlab": "sets up a student's environment, from the network",
    "layerlab serve --build --solutions": "builds the whole book; tests/serving builds the teacher's edition of a page",
}
PLACES = {"/srv/nbgrader": "srv", "/etc/jupyter": "etc"}  # the administrator's folders, and what stands for them here


def blocks():
    """Each block of commands of the page, and the output that the page shows for it."""
    found = re.findall(r"^```bash\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", PAGE, re.DOTALL | re.MULTILINE)
    assert len(found) == PAGE.count("```bash")
    assert sum(bool(output) for _, output in found) == PAGE.count("```text")
    return found


class Course:
    """A folder in which the page's commands are run, as a reader would type them."""

    def __init__(self, top: Path):
        self.top = self.where = top
        self.home = top / "home"
        settings = self.home / ".jupyter"
        for folder in (settings, top / "srv", top / "etc"):
            folder.mkdir(parents=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        (settings / "jupyter_server_config.py").write_text(
            f"c.ServerApp.port = {self.port}\nc.ServerApp.port_retries = 0\nc.ServerApp.open_browser = False\n"
            "c.ServerApp.allow_root = True\nc.IdentityProvider.token = 'told'\n"
        )
        self.environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.home),
            "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
            "JUPYTER_CONFIG_DIR": str(settings),
            "JUPYTER_CONFIG_PATH": str(top / "etc"),
            "JUPYTER_DATA_DIR": str(self.home / "data"),
            "JUPYTER_RUNTIME_DIR": str(self.home / "runtime"),
            "OMP_NUM_THREADS": "1",
        }

    def run(self, commands: str) -> str:
        """Run a block; what it printed. A block goes on where the one before it ended, unless that began at home."""
        for place, here in PLACES.items():
            commands = commands.replace(place, str(self.top / here))
        script = f"set -eu\n{commands}\npwd > {self.top / 'where'}\n"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.where,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}"
        if not commands.startswith("cd ~"):
            self.where = Path((self.top / "where").read_text().strip())
        return done.stdout

    def ask(self, path: str, change=None):
        """Ask formgrader, as its page in the browser does."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/formgrader/api/{path}",
            data=json.dumps(change).encode() if change else None,
            headers={"Authorization": "token told"},
            method="PUT" if change else "GET",
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def grade_by_hand(self, command: str):
        """Start the server of the page, and grade ada's written answers in formgrader."""
        with (self.top / "server.log").open("w") as log:
            server = subprocess.Popen(
                ["bash", "-c", f"exec {command}"], cwd=self.where, env=self.environment, stdout=log, stderr=log
            )
        try:
            submissions = self._when_up(server)
            assert {one["student"] for one in submissions} >= {"ada", "bob", "cleo"}
            [ada] = [one for one in self.ask(f"submitted_notebooks/{NAME}/{NAME}") if one["student"] == "ada"]
            waiting = [g for g in self.ask(f"grades?submission_id={ada['id']}") if g["needs_manual_grade"]]
            assert waiting
            for grade in waiting:
                self.ask(f"grade/{grade['id']}", {"manual_score": grade["max_score"] - 0.5})
            return len(waiting)
        finally:
            server.terminate()
            server.wait(timeout=30)

    def _when_up(self, server):
        for _ in range(240):
            assert server.poll() is None, (self.top / "server.log").read_text()
            try:
                return self.ask(f"submissions/{NAME}")
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.5)
        raise AssertionError((self.top / "server.log").read_text())


def solved(student: str, leave_out=()) -> str:
    """A student's notebook with the model answers in it."""
    assignment = source.find(NAME)
    notebook = notebooks.student(assignment, student)
    for cell in notebook.cells:
        marked = cell.metadata.get("nbgrader", {})
        if marked.get("solution") and marked["grade_id"] not in (*leave_out, "student"):
            cell.source = source.without_markers(assignment.cell(marked["grade_id"]).source)
    return nbformat.writes(notebook)


def hand_in(folder: Path):
    """What comes back: right, half done, damaged."""
    (folder / "bob").mkdir(parents=True)
    (folder / "ada.ipynb").write_text(solved("ada"))
    (folder / "bob" / "final (2).ipynb").write_text(solved("bob", leave_out={"1a", "1b", "2c", "3a", "4b", "4c"}))
    (folder / "cleo.ipynb").write_text(solved("cleo")[:400])


def shows(output: str, expected: str):
    """Every line that the page shows is a line of the output (submissions end in any order); ... is anything."""
    for wanted in expected.splitlines():
        pattern = re.escape(wanted).replace(re.escape("..."), ".*")
        assert re.search(f"^{pattern}$", output, re.MULTILINE), f"{wanted!r} is not (or no longer) in\n{output}"


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The page, played: the course, and the output of each block by its first line."""
    try:
        isolation.choose()
    except isolation.NoIsolation as reason:
        pytest.skip(f"{reason}")
    course = Course(tmp_path_factory.mktemp("teaching"))
    outputs = {}
    for commands, expected in blocks():
        first = commands.splitlines()[0]
        if first in NOT_RUN:
            continue
        if first == "jupyter lab":
            outputs[first] = course.grade_by_hand(first)
            continue
        if "handed-in" in commands and not (course.where / "handed-in").exists():
            hand_in(course.where / "handed-in")
        output = course.run(commands)
        shows(output, expected)
        outputs[commands.strip()] = output
    return course, outputs


def test_what_is_not_run_stands_on_the_page_and_is_as_it_says():
    firsts = [commands.splitlines()[0] for commands, _ in blocks()]
    for first in NOT_RUN:
        assert firsts.count(first) == 1
        if first.startswith("layerlab "):
            parser().parse_args(first.split()[1:])
    assert re.search(r"^setup:", (TOP / "Makefile").read_text(), re.MULTILINE)
    assert "nbgrader = [" in (TOP / "lib" / "pyproject.toml").read_text()


def test_a_course_can_put_its_own_text_in_place_of_the_public_one(tmp_path, monkeypatch):
    own = tmp_path / "my-assignments"
    shutil.copytree(TOP / "exercises" / NAME, own / NAME)
    text = (own / NAME / source.FILE).read_text(encoding="utf-8")
    (own / NAME / source.FILE).write_text(text.replace("# Random projections\n", "# Our own text\n"), encoding="utf-8")
    assert "# Our own text" not in source.find(NAME).cells[0].source
    monkeypatch.setenv("LAYERLAB_EXERCISES", str(own))
    assert "# Our own text" in source.find(NAME).cells[0].source
    assert source.find(NAME).path == own / NAME / source.FILE


def test_no_line_of_code_is_wider_than_a_page():
    lines = [line for block in blocks() for part in block for line in part.splitlines()]
    assert [line for line in lines if len(line) > 78 and "git+https" not in line] == []


def test_the_page_can_be_followed_to_the_end(ran):
    course, _ = ran
    graded = course.where / "graded" / NAME
    assert sorted(path.name for path in graded.glob("*.json")) == sorted(
        f"{who}.json" for who in ("ada", "bob", "cleo", getpass.getuser())
    )
    assert (course.top / "built" / NAME / f"{NAME}-key.ipynb").is_file()
    assert (course.where / "each" / "dan" / f"{NAME}.ipynb").is_file()


def test_marks_by_hand_reach_canvas_moodle_and_the_plain_table(ran):
    course, _ = ran
    points = source.find(NAME).points
    written = [cell for cell in source.find(NAME).cells if cell.manual]
    best = points - 0.5 * len(written)
    canvas = pd.read_csv(course.where / f"{NAME}-canvas.csv", index_col="Student")
    assert canvas.iloc[0, -1] == points
    assert canvas.loc["Lovelace, Ada"].iloc[-1] == best
    assert canvas.loc[["O'Neill, Jr., Robert", "Ñandú, Cléo", "Ek, Dan"]].iloc[:, -1].isna().all()
    moodle = pd.read_csv(course.where / f"{NAME}-moodle.csv", index_col="ID number")
    assert moodle.loc[101].iloc[-2] == best
    assert "1b: 0 of 3" in moodle.loc[102].iloc[-1]
    table = pd.read_csv(course.where / f"{NAME}-csv.csv", index_col="student")
    assert list(table["status"].reindex(["ada", "bob", "cleo", "dan"])) == [
        "graded", "waiting", "not graded", "no submission",
    ]  # fmt: skip


def test_pages_of_feedback_reach_the_student_and_tell_no_hidden_test(ran):
    course, _ = ran
    released = list((course.home / NAME / "feedback").rglob("*.html"))
    assert len(released) == 1
    assert f"Feedback for <bdi>{getpass.getuser()}</bdi>" in released[0].read_text()
    ada = (course.where / "feedback" / NAME / "ada.html").read_text()
    assert "given by hand" in ada
    hidden = {
        line.strip()
        for cell in source.find(NAME).cells
        for line in source.hidden_tests(cell.source).splitlines()
        if len(line.strip()) > 20
    }
    assert len(hidden) > 10
    for page in [*released, *(course.where / "feedback").rglob("*.html")]:
        text = page.read_text()
        assert not [line for line in hidden if line in text]

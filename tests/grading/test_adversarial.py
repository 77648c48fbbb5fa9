"""Submissions that want marks which they did not earn, or harm: none gains, none harms, none escapes.

They lie in `adversarial/`: code in YAML, one sentence each on what it tries, and damaged or hostile files in files.py.
All are graded beside honest neighbours, two at a time, with small limits.
"""

import json
import os
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import unicodedata
import warnings
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import psutil
import pytest

from layerlab.grading import grader, notebooks
from layerlab.grading.isolation import Limits, NoIsolation, choose
from layerlab.grading.results import GRADED, NOT_GRADED, Result
from layerlab.grading.source import find, hidden_tests, without_markers
from layerlab.grading.submissions import collect
from tests.grading.adversarial.composed import BATCHES, HONEST, QUESTIONS
from tests.grading.adversarial.files import WRONG, answered, cell, write

HERE = Path(__file__).parent
POINTS = {"1a-tests": 2, "1a-limits": 1, "1b-tests": 2, "2a-tests": 1, "2b-tests": 2}
LIMITS = Limits(
    cpu_seconds=4,
    wall_seconds=20,
    call_seconds=0.3,
    cell_seconds=0.6,
    memory_mb=500,
    message_mb=16,
    processes=24,
    disk_mb=32,
    files=300,
)
LONGER = replace(LIMITS, cpu_seconds=8, wall_seconds=60, cell_seconds=8)  # for those that have to search
SECRET = b"known to the grader" * 2
EACH = [
    pytest.param(batch, submission, id=f"{batch}-{submission.name}")
    for batch, submissions in BATCHES.items()
    for submission in [*HONEST, *submissions]
]


def test_each_says_what_it_tries_under_a_name_of_its_own():
    for batch, submissions in BATCHES.items():
        names = [submission.name for submission in [*HONEST, *submissions]]
        assert len(names) == len(set(names)), batch
        assert all(len(submission.tries.split()) >= 3 for submission in submissions), batch
    assert sum(map(len, BATCHES.values())) >= 40


@pytest.fixture(scope="module")
def backend():
    """The isolation of this machine; without one, hostile code is not run."""
    try:
        return choose()
    except NoIsolation as why:
        pytest.skip(f"hostile code is run in isolation only: {why}")


@pytest.fixture(scope="module")
def source():
    """The toy assignment."""
    return find(str(HERE / "toy"))


@pytest.fixture(scope="module")
def right(source):
    """A student's notebook in which all is answered rightly."""
    made = notebooks.student(source)
    for question in QUESTIONS:
        cell(made, question)["source"] = without_markers(source.cell(question).source)
    return made


class Server:
    """Listens on this machine by TCP, UDP and an abstract socket, and keeps what comes."""

    def __init__(self, token):
        self.received, self.port = [], 0
        self.sockets = [self._bound(socket.AF_INET, socket.SOCK_STREAM, "127.0.0.1")]
        self.port = self.sockets[0].getsockname()[1]
        with suppress(OSError):  # no IPv6 here
            self.sockets.append(self._bound(socket.AF_INET6, socket.SOCK_STREAM, "::1"))
        self.sockets.append(self._bound(socket.AF_INET, socket.SOCK_DGRAM, "127.0.0.1"))
        abstract = socket.socket(socket.AF_UNIX)
        abstract.bind(f"\0{token}")
        abstract.listen()
        self.sockets.append(abstract)
        for each in self.sockets:
            threading.Thread(target=self._listen, args=(each,), daemon=True).start()

    def _bound(self, family, kind, address):
        made = socket.socket(family, kind)
        made.bind((address, self.port))
        if kind == socket.SOCK_STREAM:
            made.listen()
        return made

    def _listen(self, listening):
        with suppress(OSError):
            while True:
                if listening.type == socket.SOCK_DGRAM:
                    self.received.append(listening.recv(1000))
                else:
                    connection, address = listening.accept()
                    connection.close()
                    self.received.append(address)

    def close(self):
        for each in self.sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory, source, right):
    """What surrounds the grader: the teacher's files, a server, a home folder, a secret in the environment."""
    folder = tmp_path_factory.mktemp("teacher")
    token = f"outlives{os.getpid()}x{time.time_ns()}"
    (folder / "canary").write_text("kestrel")
    (folder / "home").mkdir()
    (folder / "home" / "canary").write_text("kestrel")
    with sqlite3.connect(folder / "gradebook.db") as base:
        base.execute("create table grade (student text, score real)")
        base.execute("insert into grade values ('honest-wrong', 0)")
    server = Server(token)
    facts = {
        "FOLDER": str(folder),
        "HOME": str(folder / "home"),
        "TOKEN": token,
        "PORT": str(server.port),
        "ADDRESS": "127.0.0.2",
        "SOURCE": str(source.path.parent),
        "TESTS": str(HERE),
        "LIB": str(Path(grader.__file__).parents[2]),
        "SECRET": "kestrel",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAYERLAB_TEST_SECRET", "kestrel")
        patch.setenv("HOME", facts["HOME"])
        yield SimpleNamespace(folder=folder, facts=facts, server=server, token=token, graded={}, seconds={})
    server.close()


@pytest.fixture
def graded(world, backend, source, right):
    """graded(batch): the results of a batch, by name; each batch is graded once."""

    def of(batch):
        if batch not in world.graded:
            handed_in = world.folder / batch / "submitted"
            facts = world.facts | {"SUBMISSIONS": str(handed_in), "RESULTS": str(world.folder / batch / "graded")}
            for submission in [*HONEST, *BATCHES[batch]]:
                (handed_in / submission.name).mkdir(parents=True)
                submission.put(handed_in / submission.name, deepcopy(right), facts)
            limits = LONGER if batch == "spies" else LIMITS  # they have to search
            grading = grader.Grading(source, backend, limits, SECRET)
            begin = time.monotonic()
            found = grader.grade(grading, collect("toy", [handed_in]), world.folder / batch / "graded", jobs=2)
            world.seconds[batch] = time.monotonic() - begin
            world.graded[batch] = {result.student: result for result in found}
        return world.graded[batch]

    return of


def scores(result):
    """The score of each cell."""
    return {mark.grade_id: mark.score for mark in result.marks}


@pytest.mark.parametrize(("batch", "submission"), EACH)
def test_each_gets_exactly_the_marks_that_it_earned(graded, batch, submission):
    result = graded(batch)[submission.name]
    if submission.refused:
        assert (result.status, result.marks) == (NOT_GRADED, ()), submission.tries
        assert submission.refused in result.reason, result.reason
        return
    assert result.status == GRADED, result.reason
    expected = {grade_id: 0 if grade_id in submission.loses else points for grade_id, points in POINTS.items()}
    assert scores(result) == expected | {"3a": None}, "\n".join(
        [submission.tries, *result.notes, *(f"{mark.grade_id}: {mark.says} | {mark.private}" for mark in result.marks)]
    )
    assert submission.notes in " ".join(result.notes)


@pytest.mark.parametrize("batch", BATCHES)
def test_nothing_that_a_student_may_read_tells_of_hidden_tests(graded, source, batch):
    hidden = {line.strip() for each in source.cells for line in hidden_tests(each.source).split("\n") if line.strip()}
    for result in graded(batch).values():
        shown = "\n".join([result.reason, *result.notes, *(mark.visible + mark.says for mark in result.marks)])
        assert "kestrel" not in shown
        assert not [line for line in hidden if line in shown]
        for expected in ("144", "0 where", "1,332"):  # 144 is the distance of a hidden test
            assert not [mark.says for mark in result.marks if expected in mark.says]


@pytest.mark.parametrize("batch", BATCHES)
def test_each_ends_with_a_result_that_is_kept(graded, world, batch):
    found = graded(batch)
    assert sorted(found) == sorted(submission.name for submission in [*HONEST, *BATCHES[batch]])
    for name, result in found.items():
        file = world.folder / batch / "graded" / f"{name}.json"
        assert Result.from_json(file.read_text(encoding="utf-8")) == result
        assert result.status == GRADED or (result.reason and not result.marks)
        assert file.stat().st_size < 200_000, name


@pytest.mark.parametrize("batch", BATCHES)
def test_nothing_is_left_behind(graded, world, batch):
    graded(batch)
    running = [process.info for process in psutil.process_iter(["cmdline"])]
    assert not [info for info in running if world.token in str(info["cmdline"])]
    assert not world.server.received
    with sqlite3.connect(world.folder / "gradebook.db") as base:
        assert base.execute("select * from grade").fetchall() == [("honest-wrong", 0)]
    assert (world.folder / "canary").read_text() == (world.folder / "home" / "canary").read_text() == "kestrel"
    assert sorted(os.listdir(world.folder)) == sorted(["canary", "gradebook.db", "home", *world.graded])
    for place in ("/tmp", "/var/tmp", "/dev/shm", *sys.path, sys.prefix, os.getcwd(), "/"):
        assert not [name for name in _listed(place) if world.token in name or name.startswith("filling-")], place
    handed_in = world.folder / batch / "submitted"
    assert sorted(os.listdir(handed_in / "honest-right")) == ["toy.ipynb"]


def _listed(folder):
    return os.listdir(folder) if os.path.isdir(folder) else []


# what a spy that is after more than its share may be ended for, if it gets so far: that it took what it may not have
OVER = {
    "more-memory": f"it used more than {LONGER.memory_mb} MB of memory",
    "more-processes": f"it started more than {LONGER.processes} processes",
}


def test_every_spy_has_searched_to_the_end(graded):
    for name, result in graded("spies").items():
        if not name.startswith("honest"):
            ended = [note for note in result.notes if "stopped" in note or "left out" in note]
            assert [note for note in ended if not (name in OVER and note.endswith(OVER[name]))] == [], name


@pytest.mark.parametrize(
    "name", ["environment", "gradebook", "home", "loopback", "other-submissions", "withheld-module"]
)
def test_spies_find_what_is_not_hidden(world, source, right, name, tmp_path):
    """Each of these earns its mark where nothing is isolated: so losing it above says something."""
    (spy,) = (submission for submission in BATCHES["spies"] if submission.name == name)
    facts = world.facts | {"SUBMISSIONS": str(tmp_path), "RESULTS": str(tmp_path / "graded")}
    (tmp_path / "spying").mkdir()
    if name == "gradebook":
        facts["FOLDER"] = str(tmp_path)
    spy.put(tmp_path / "spying", deepcopy(right), facts)
    limits = replace(LIMITS, cell_seconds=20, wall_seconds=30, cpu_seconds=20, memory_mb=4000)
    grading = grader.Grading(source, choose(unsafe=True), limits, SECRET)
    with subprocess.Popen(["sleep", "600"]) as bystander:  # has our environment, to be found
        (result,) = grader.grade(grading, collect("toy", [tmp_path]), tmp_path / "out")
        bystander.kill()
    assert scores(result)["1b-tests"] == POINTS["1b-tests"], result.notes
    world.server.received.clear()


# ---- names, archives, and graders that are cut off

NAMES = {
    "alice": "",
    "ALICE": "",
    "Jose\u0301": "",  # as macOS writes é; it is the same student as with the letter in one
    "-rf": "cannot be a student's id",
    "=cmd|x": "cannot be a student's id",
    "new\nline": "cannot be a student's id",
    "semi;colon,comma": "cannot be a student's id",
    "right\u202eleft": "cannot be a student's id",
    "x" * 200: "cannot be a student's id",
    "trailing ": "cannot be a student's id",
}
EVIL = {
    "../escaped/toy.ipynb": "leads out of the archive",
    "/absolute/toy.ipynb": "leads out of the archive",
    "slips/../../../alice/toy.ipynb": "leads out of the archive",
    "windows\\..\\..\\toy.ipynb": "leads out of the archive",
    "bomb/toy.ipynb": "larger than 20 MB",
    "link/toy.ipynb": "this is a link",
}


def _graded_in(folder, source, backend, place, **options):
    found = grader.grade(grader.Grading(source, backend, LIMITS, SECRET), collect("toy", [place]), folder, **options)
    assert sorted(folder.iterdir()) == sorted({*folder.glob("*.json"), folder / ".lock"})
    assert len(list(folder.glob("*.json"))) == len(found)
    return {result.student: result for result in found}


def test_names_of_folders_are_not_believed(source, right, backend, tmp_path):
    for name in NAMES:
        (tmp_path / "submitted" / name).mkdir(parents=True)
        write(tmp_path / "submitted" / name, right)
    (tmp_path / "submitted" / "linked").symlink_to(tmp_path / "submitted" / "alice")
    (tmp_path / "submitted" / "another-ending").mkdir()
    write(tmp_path / "submitted" / "another-ending", right, "toy.ipynb.txt")
    found = _graded_in(tmp_path / "graded", source, backend, tmp_path / "submitted", jobs=2)
    says = {unicodedata.normalize("NFC", name): reason for name, reason in NAMES.items()}
    says |= {"linked": "this is a link", "another-ending": "no notebook (.ipynb) in the folder: toy.ipynb.txt"}
    assert set(found) == set(says)
    for name, reason in says.items():
        assert reason in found[name].reason, name
        assert found[name].score == (0 if reason else sum(POINTS.values())), name
    assert sorted(os.listdir(tmp_path)) == ["graded", "submitted"]


def test_an_archive_leads_nowhere(source, right, backend, tmp_path):
    notebook = json.dumps(right)
    link = ZipInfo("link/toy.ipynb")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with ZipFile(tmp_path / "all.zip", "w", ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are there twice
        archive.writestr("alice/toy.ipynb", notebook)
        archive.writestr("mallory/alice/toy/toy.ipynb", json.dumps(answered(right, WRONG)))
        archive.writestr(link, "/etc/passwd")
        archive.writestr("twice/toy.ipynb", json.dumps(answered(right, WRONG)))
        archive.writestr("twice/toy.ipynb", notebook)  # the last counts, as for all programs that unpack
        for name in EVIL:
            if name != link.filename:
                archive.writestr(name, " " * 200_000_000 if name.startswith("bomb") else notebook)
    found = _graded_in(tmp_path / "graded", source, backend, tmp_path / "all.zip", jobs=2)
    assert scores(found["alice"]) == scores(found["twice"]) == POINTS | {"3a": None}
    assert found["mallory"].score == 0
    reasons = [result.reason for result in found.values() if result.status == NOT_GRADED]
    for name, reason in EVIL.items():
        assert [said for said in reasons if reason in said], name
    assert len(found) - len(reasons) == 3
    assert sorted(os.listdir(tmp_path)) == ["all.zip", "graded"]
    assert not (tmp_path.parent / "escaped").exists()


GRADER = """
import resource, sys
from pathlib import Path
from layerlab.grading import grader
from layerlab.grading.isolation import choose
from layerlab.grading.source import find
from layerlab.grading.submissions import collect
toy, submitted, graded, full = sys.argv[1:]
def done(result, before):
    print(result.student, flush=True)
    if full == "full":  # from here on no file can be written: as if the disk were full
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
grading = grader.Grading(find(toy), choose(), %r, %r)
grader.grade(grading, collect("toy", [submitted]), Path(graded), jobs=1 if full == "full" else 2, done=done)
"""


@pytest.fixture
def cut_off(source, right, backend, tmp_path):
    """cut_off(how): starts a grader of eight submissions in a process of its own; it, and a list for its children."""
    for number in range(8):
        (tmp_path / "submitted" / f"student{number}").mkdir(parents=True)
        write(tmp_path / "submitted" / f"student{number}", answered(right, WRONG) if number % 3 else right)
    started, below = [], {}

    def start(how):
        code = GRADER.replace("%r, %r", "{!r}, {!r}").format(LIMITS, SECRET)
        code = code.replace("isolation import choose", "isolation import Limits, choose")
        places = [str(HERE / "toy"), str(tmp_path / "submitted"), str(tmp_path / "graded"), how]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen([sys.executable, "-c", code, *places], stdout=pipe, stderr=pipe, text=True))
        below[started[-1].pid] = []
        return started[-1], below[started[-1].pid]

    yield start
    for process in started:
        for each in [*below[process.pid], process]:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        process.communicate()


def _expected(number):
    return 0 if number % 3 else sum(POINTS.values())


def _goes_on(source, backend, tmp_path):
    """Grade again; the students whose results were taken from before."""
    before = []
    found = _graded_in(
        tmp_path / "graded",
        source,
        backend,
        tmp_path / "submitted",
        done=lambda result, kept: before.append(result.student) if kept else None,
    )
    assert {name: result.score for name, result in found.items()} == {f"student{n}": _expected(n) for n in range(8)}
    return before


def test_a_grader_that_is_killed_goes_on_where_it_was_and_leaves_no_process(cut_off, source, backend, tmp_path):
    process, below = cut_off("killed")
    finished = [process.stdout.readline().strip() for _ in range(2)]
    with pytest.raises(ValueError, match="another grading is writing"):
        _graded_in(tmp_path / "graded", source, backend, tmp_path / "submitted")
    below += psutil.Process(process.pid).children(recursive=True)
    assert below
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(below, timeout=20)
    assert not alive
    kept = {path.name: path.read_bytes() for path in (tmp_path / "graded").glob("*.json")}
    assert set(finished) <= {Path(name).stem for name in kept}
    for part in (tmp_path / "graded").glob(".*.part"):  # what was half written when it was killed
        part.unlink()
    assert {f"{name}.json" for name in _goes_on(source, backend, tmp_path)} == set(kept)
    assert kept == {name: (tmp_path / "graded" / name).read_bytes() for name in kept}


def test_a_full_disk_costs_no_result_that_was_there(cut_off, source, backend, tmp_path):
    process, _ = cut_off("full")
    said, error = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "File too large" in error
    kept = sorted(path.stem for path in (tmp_path / "graded").glob("*.json"))
    assert kept == said.split() == ["student0"]
    assert not list((tmp_path / "graded").glob(".*.part"))
    assert _goes_on(source, backend, tmp_path) == kept

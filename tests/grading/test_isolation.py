"""The sandbox against code that wants out, wants more, or wants to be somebody else."""

import colorsys
import itertools
import json
import os
import signal
import struct
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from layerlab.grading import source
from layerlab.grading.isolation import (
    CellRun,
    Limits,
    NoIsolation,
    NotPlain,
    Sandbox,
    Stopped,
    StudentError,
    choice,
    choose,
    seccomp,
    warm,
    watch,
)
from layerlab.grading.isolation.backends import INSIDE, site_folders
from layerlab.grading.isolation.bubblewrap import Bubblewrap
from layerlab.grading.isolation.cells import compiled
from layerlab.grading.isolation.runner import PROTOCOL

ROOT = Path(__file__).resolve().parents[2]
TIGHT = Limits(
    cpu_seconds=20,
    wall_seconds=60,
    call_seconds=30,
    cell_seconds=30,
    memory_mb=200,
    output_kb=4,
    processes=12,
    file_mb=4,
    disk_mb=8,
    files=200,
)
BRIEF = Limits(**(vars(TIGHT) | {"call_seconds": 0.25, "cell_seconds": 0.25}))
DOUBLE = ("double", "def double(x, times=2): return times * x")


@pytest.fixture(scope="module")
def forked():
    """The way into a sandbox of bubblewrap's that is tried first."""
    try:
        return choose("bubblewrap")
    except NoIsolation as why:
        pytest.skip(str(why))


@pytest.fixture(scope="module", params=[True, False], ids=["forked", "executed"])
def backend(forked, request):
    """Both ways."""
    return Bubblewrap(forked.program, warm=request.param)


@pytest.fixture
def sandbox(backend):
    with Sandbox(backend, TIGHT, ("dateutil.parser", "dateutil.easter", "colorsys")) as started:
        yield started


def run(sandbox, *codes, variant=None):
    return sandbox.run([(str(i), textwrap.dedent(code)) for i, code in enumerate(codes)], variant or {}, "test")


def outcome(backend, code, limits=TIGHT):
    """What becomes of one cell and of a call after it, as text; and that nothing is left of the sandbox."""
    with Sandbox(backend, limits) as sandbox:
        try:
            first, _ = sandbox.run([("cell", textwrap.dedent(code)), DOUBLE], {}, "test")
            said = f"{first.error}|{sandbox.call('double', 4)}"
        except (Stopped, StudentError) as error:
            said = f"{type(error).__name__}: {error}"
        pids = sandbox._pids
    assert len(pids) >= 3
    assert not any(watch._runs(pid) for pid in pids)
    return said


def test_cells_share_one_namespace_and_an_exception_does_not_stop_the_next(sandbox):
    runs = run(sandbox, "x = 1\nprint(__name__)", "x += 1\n1 / 0", "x *= 5")
    assert runs == (
        CellRun("0", "", "__main__\n"),
        CellRun("1", "ZeroDivisionError: division by zero (line 2)", ""),
        CellRun("2", "", ""),
    )
    assert sandbox.value("x") == 10
    assert sandbox.kinds(["x", "print", "y"]) == {"x": "value", "print": "missing", "y": "missing"}


def test_functions_are_called_with_plain_data_and_give_plain_data(sandbox):
    sandbox.run([DOUBLE, ("where", "def where(): return lambda: 1")], {}, "test")
    assert sandbox.kinds(["double"]) == {"double": "function"}
    found = sandbox.call("double", np.arange(3.0), times=3)
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, [0, 3, 6])
    with pytest.raises(StudentError, match="function") as refused:
        sandbox.call("where")
    assert refused.value.kind == "NotPlain"
    with pytest.raises(StudentError, match=r"TypeError: .*argument"):
        sandbox.call("double")
    with pytest.raises(StudentError, match="NameError: name 'nothing' is not defined"):
        sandbox.value("nothing")
    with pytest.raises(NotPlain, match="object"):
        sandbox.call("double", object())
    assert sandbox.call("double", 4) == 8


def test_the_students_variant_is_there_and_no_other_part_of_layerlab(sandbox):
    code = """
    from layerlab.grading import agree, open_assignment
    assignment = open_assignment("test", "ada")
    assert assignment.check("1a").passed
    agree(1, 2)
    k, x, draw = assignment.variant.k, assignment.variant.x, float(assignment.rng("1a").random())
    """
    runs = run(
        sandbox,
        code,
        "import layerlab.nets",
        "from layerlab.projection import lemma",
        variant={"k": 3, "x": np.ones(2)},
    )
    assert runs[0].error == ""
    assert sandbox.value("k") == 3
    assert "only layerlab.grading is there" in runs[1].error
    assert "only layerlab.grading is there" in runs[2].error


def test_withheld_modules_cannot_be_imported_or_read(sandbox):
    runs = run(
        sandbox,
        "from dateutil.parser import parse",
        "from dateutil import easter",
        "import importlib; importlib.import_module('dateutil.parser.isoparser')",
        "import colorsys",
        """
        import pathlib, dateutil.tz
        folder = pathlib.Path(dateutil.__file__).parent
        package = sum(1 for _ in folder.glob("parser/*"))
        sizes = [f.stat().st_size for f in [*folder.glob("easter*"), *folder.glob("__pycache__/easter*")]]
        """,
    )
    assert all("withheld in this assignment" in each.error for each in runs[:4])
    assert runs[4].error == ""
    assert sandbox.value("package") == 0
    assert set(sandbox.value("sizes")) == {0}


def test_what_a_notebook_needs_is_there(sandbox):
    runs = run(
        sandbox,
        "%matplotlib inline\nimport matplotlib\nbackend = matplotlib.get_backend()",
        "%%time\nb = 2",
        "get_ipython().run_line_magic('matplotlib', 'inline')\ndisplay(b)",
        "double?",
        "!ls",
        "import os\nhere = os.getcwd(), os.environ['HOME'], os.listdir()\nopen('notes.txt', 'w').write('x')",
    )
    assert [each.error for each in runs] == ["", "", "", "", "RuntimeError: not run when graded: !ls (line 1)", ""]
    assert runs[2].output == "2\n"
    assert sandbox.value("backend").lower() == "agg"
    assert sandbox.value("here") == ("/tmp/home", "/tmp/home", [])


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("%timeit -n 3 x = 1", "x = 1"),
        ("if 1:\n    %time x = 1", "if 1:\n    x = 1"),
        ("x = %who_ls\n%load_ext a", "x = None\nNone"),
        ("x = 5\nx??\n?x\n%pinfo x", "x = 5\npass\npass\nNone"),
        ("\n%%capture out\nx = 1", "\n\nx = 1"),
        ("x = (3\n% 2)", "x = (3\n% 2)"),
        ('s = """\n%time\n!ls\n"""', 's = """\n%time\n!ls\n"""'),
        ("%%html\n<b>", ""),
        ("a = !ls -l", "raise RuntimeError('not run when graded: a = !ls -l')"),
        ("%cd ..", "raise RuntimeError('not run when graded: %cd ..')"),
        ("%%bash\nls", "raise RuntimeError('not run when graded: %%bash')"),
    ],
)
def test_notebook_syntax_as_python(code, expected):
    assert compiled(code, "c").co_code == compile(expected, "c", "exec").co_code
    assert compiled(code, "c").co_consts == compile(expected, "c", "exec").co_consts


@pytest.mark.parametrize(
    ("code", "says"),
    [("await f()", "top-level await is not run"), ("x = = 1", "invalid syntax"), ("x = 1\nif", "invalid syntax")],
)
def test_what_is_no_python_is_said_with_its_line(code, says):
    with pytest.raises(SyntaxError, match=says) as error:
        compiled(code, "c")
    assert error.value.lineno == code.count("\n") + 1


HARMLESS = {  # what the cell's error says; the function defined after it still answers
    "exit": ("raise SystemExit(3)", "SystemExit"),
    "interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "recursion": ("def f(): return f()\nf()", "RecursionError"),
    "one large array": ("x = bytearray(3 * 10**9)", "MemoryError"),
    "large file": ("open('f', 'wb').write(bytes(10**7))", "OSError"),
    "many files' bytes": ("for i in range(99): open(f'f{i}', 'wb').write(bytes(10**6))", "No space left"),
    "open files": ("x = [open('/dev/null') for _ in range(999)]", "Too many open files"),
    "fork bomb": ("import os\nwhile True: os.fork()", "BlockingIOError"),
    "threads": ("import threading, time\nfor _ in range(99): threading.Thread(target=time.sleep, args=(9,)).start()",
                "RuntimeError"),
    "daemon": ("import os, time\nif not os.fork():\n  os.setsid()\n  os.fork() or time.sleep(99)\n  os._exit(0)", ""),
    "fork that comes back": ("import os; os.fork()", ""),
    "busy threads": ("import threading\ndef f():\n  while True: pass\nthreading.Thread(target=f).start()", ""),
    "atexit": ("import atexit; atexit.register(lambda: open('x'))", ""),
    "network": ("import socket; socket.create_connection(('192.0.2.1', 80), 2)", "unreachable"),
    "names": ("import socket; socket.getaddrinfo('example.org', 80)", "gaierror"),
    "host's sockets": ("import socket; socket.socket(40, 1)", "PermissionError"),
    "unlink programs": ("import os; os.unlink('/usr/bin/env')", "OSError"),
    "write beside": ("open('/x', 'w')", "Read-only"),
    "shared memory": ("open('/dev/shm/x', 'w')", "Read-only"),
    "anonymous files": ("import os; os.memfd_create('x')", "PermissionError"),
    "read accounts": ("open('/etc/shadow')", "FileNotFoundError"),
    "others' memory": ("import os\nfor p in filter(str.isdigit, os.listdir('/proc')):\n"
                       "  try: open(f'/proc/{p}/mem', 'r+b')\n  except OSError: continue\n  raise SystemExit(p)", ""),
    "raise limits": ("import resource as r; r.setrlimit(r.RLIMIT_AS, (1 << 40, 1 << 40))", "ValueError"),
    "kill the reaper": ("import os\nos.kill(1, 9)", None),
    "other names": ("globals().clear()", ""),
    "forget modules": ("import sys; sys.modules.clear()", ""),
    "closed output": ("import sys; sys.stdout.close(); sys.stderr = 3", ""),
    "input": ("input()", "EOFError"),
    "error that lies": ("class E(Exception):\n  def __str__(self): raise SystemExit\nraise E", "E"),
    "await": ("await f()", "top-level await is not run when graded"),
}  # fmt: skip


@pytest.mark.parametrize(("code", "says"), HARMLESS.values(), ids=HARMLESS.keys())
def test_what_fails_inside_stays_inside(backend, code, says):
    error, _, answer = outcome(backend, code).partition("|")
    assert answer == "8"
    if says is not None:
        assert says in error if says else error == ""


EVERYWHERE = "import os\nfor d in range(50, 80):\n  try: os.write(d, {})\n  except OSError: pass"
DEADLY = {
    "end": ("import os; os._exit(0)", "ended by itself with status 0"),
    "crash": ("import ctypes; ctypes.string_at(0)", "ended by signal 11"),
    "closed connection": ("import os; os.closerange(0, 300)", "interfered"),
    "forged answer": (EVERYWHERE.format("b'lab1' + bytes(7) + b'\\x01x'"), "interfered"),
    "endless answer": (EVERYWHERE.format("b'lab1\\x7f' + bytes(7)"), "interfered"),
    "no protocol": (EVERYWHERE.format("b'x' * 99"), "interfered"),
    "patched builtins": ("import builtins\nbuiltins.isinstance = builtins.len = lambda *_: 0", "interfered"),
    "patched json": ("import json\njson.dumps = lambda *_, **__: '[]'", "interfered"),
    "memory in pieces": ("x = []\nwhile True: x.append(bytearray(10**7))", "more than 200 MB"),
    "memory in many": (
        "import os, time\nfor _ in range(8):\n  if not os.fork(): break\nx = b'x' * (5 * 10**7)\ntime.sleep(9)",
        "more than 200 MB",
    ),
    "endless output": ("while True: print('x' * 10000)", "printed more than 4 MB"),
    "endless files": ("for i in range(10**6): open(f'f{i}', 'w').close()", "more than 200 files"),
}  # fmt: skip


@pytest.mark.parametrize(("code", "says"), DEADLY.values(), ids=DEADLY.keys())
def test_what_goes_too_far_is_stopped_with_its_reason(backend, code, says):
    said = outcome(backend, code)
    assert said.startswith("Stopped: ")
    assert says in said


TOOK = ("Stopped: it took longer than 2 s by the clock",)
RAN = ("Stopped: it ran longer than 0.25 s", *TOOK)  # on a busy machine a quarter of a second can take two
HANGING = {
    "loop": ("while True: pass", RAN),
    "sleep": ("import time; time.sleep(99)", TOOK),
    "regular expression": ("import re; re.match('(a+)+$', 'a' * 40 + 'b')", RAN),
    "stopped process": ("import os; os.kill(os.getpid(), 19)", TOOK),
    "fork bomb that insists": ("import os\nwhile True:\n  try: os.fork()\n  except OSError: pass", RAN),
    "error that never ends": ("class E(Exception):\n  def __str__(self):\n    while True: pass\nraise E", RAN),
    "stolen requests": ("import os\nfor d in range(50, 80):\n  try: os.read(d, 99)\n  except OSError: pass", TOOK),
}


@pytest.mark.parametrize(("code", "says"), HANGING.values(), ids=HANGING.keys())
def test_what_hangs_is_stopped_in_time(backend, code, says):
    begin = time.monotonic()
    assert outcome(backend, code, BRIEF) in says
    assert time.monotonic() - begin < 15


def test_a_call_that_hangs_names_the_function_and_ends_the_sandbox(backend):
    with Sandbox(backend, BRIEF) as sandbox:
        run(sandbox, "def hang():\n  while True: pass")
        with pytest.raises(Stopped, match=r"longer than (0\.25|2) s") as stopped:
            sandbox.call("hang")
        assert stopped.value.at == "hang"
        with pytest.raises(Stopped, match=r"longer than (0\.25|2) s"):
            sandbox.value("x")


@pytest.mark.parametrize(
    ("limits", "code", "says"),
    [
        ({"wall_seconds": 1.0}, "import time; time.sleep(30)", "longer than 1 s in all"),
        ({"cpu_seconds": 1.0}, "while True: pass", "more than 1 s of CPU time"),
        ({"message_mb": 1}, "pass\n", None),
    ],
)
def test_the_other_limits(backend, limits, code, says):
    with Sandbox(backend, Limits(**(vars(TIGHT) | limits))) as sandbox:
        if says is None:
            run(sandbox, "import numpy as np\ndef large(n): return np.zeros(n)")
            assert sandbox.call("large", 100_000).shape == (100_000,)
            with pytest.raises(Stopped, match="interfered"):
                sandbox.call("large", 200_000)
            return
        with pytest.raises(Stopped, match=says):
            run(sandbox, code)


def test_output_is_kept_per_cell_up_to_the_limit_and_can_be_shown(sandbox):
    runs = run(sandbox, "print('a' * 5000)", "import os; os.write(2, b'\\x1b[31m\\xff'); print('b')", "pass")
    assert runs[0].output == "a" * 4000 + "\n[...]"
    assert runs[1].output == "\ufffd[31m\ufffdb\n"
    assert runs[2].output == ""


def test_nothing_of_the_machine_is_there_but_programs_and_libraries(sandbox, backend):
    private = [str(ROOT / name) for name in ("exercises", "tests", "lib", ".git")]
    assert all(map(os.path.isdir, private))
    code = f"""
    import os, sys
    top = sorted(os.listdir("/"))
    seen = [p for p in {[*private, "/var", "/srv", "/sys", "/run", "/etc/passwd"]!r} if os.path.exists(p)]
    library = [p for p in sys.path if os.path.isdir(p + "/layerlab") and os.listdir(p + "/layerlab")]
    runner = sorted(os.listdir("/runner"))
    processes = [int(p) for p in os.listdir("/proc") if p.isdigit()]
    variables = sorted(os.environ)
    users = os.getuid(), *os.getgroups()
    names = "CapEff", "CapPrm", "CapInh", "CapAmb", "NoNewPrivs", "Seccomp:"
    rights = [line.split()[1] for line in open("/proc/self/status") if line.startswith(names)]
    open_ones = []
    for number in range(1024):
        try:
            open_ones += [os.fstat(number) and number]
        except OSError:
            pass
    """
    (ran,) = run(sandbox, code)
    assert ran.error == ""
    assert sandbox.value("seen") == sandbox.value("library") == []
    assert "home" not in sandbox.value("top") or str(Path(sys.base_prefix)).startswith("/home")
    assert sandbox.value("runner") == sorted(INSIDE)
    assert len(sandbox.value("processes")) == 2 + backend.warm
    assert not {"LAYERLAB_DATA", "SSH_AUTH_SOCK", "PYTEST_CURRENT_TEST"} & set(sandbox.value("variables"))
    assert sandbox.value("rights") == ["0" * 16] * 4 + ["1", "2"]
    assert 0 not in sandbox.value("users")
    assert sandbox.value("open_ones") == [0, 1, 2, PROTOCOL, PROTOCOL + 1]


def test_libraries_are_in_memory_for_all_and_what_one_does_to_them_is_its_own(backend):
    modules = ("colorsys", "no.such_module", "quopri", "sched")
    first = f"import sys\nthere = [name for name in {modules!r} if name in sys.modules]"
    drawn = "import random\nimport numpy as np\ndrawn = random.random(), float(np.random.rand())"
    spoil = "import sched, numpy\nsched.scheduler = numpy.ones = None"
    look = "import sched, numpy\nwhole = sched.scheduler is not None and numpy.ones is not None"
    seen = []
    for _ in range(2):
        with Sandbox(backend, TIGHT, ("colorsys",), modules) as sandbox:
            runs = run(sandbox, first, drawn, look, spoil, "import colorsys")
            assert [each.error for each in runs[:4]] == [""] * 4
            assert "withheld in this assignment" in runs[4].error
            assert sandbox.value("there") == (["quopri", "sched"] if backend.warm else [])
            assert sandbox.value("whole")
            seen += sandbox.value("drawn")
    assert len(set(seen)) == 4


@pytest.mark.parametrize("name", source.names())
def test_no_memory_that_can_be_written_is_shared_with_other_submissions(forked, name):
    made = source.find(name)
    with Sandbox(forked, Limits(), made.withheld, made.imports) as sandbox:
        run(
            sandbox,
            "kinds = [line.split()[1] for line in open('/proc/self/maps')]\nimport sys\nmany = len(sys.modules)",
        )
        assert len(sandbox.value("kinds")) > 100
        assert sandbox.value("many") > 500
        assert [kind for kind in sandbox.value("kinds") if "w" in kind and "s" in kind] == []


def test_a_sandbox_outlives_what_it_was_forked_from_and_the_next_gets_a_new_one(forked):
    with Sandbox(forked, TIGHT, (), ("sched",)) as sandbox:
        run(sandbox, *DOUBLE[1:])
        old = warm.forge(("sched",), ())
        os.kill(old._process.pid, 9)
        old._process.wait()
        assert sandbox.call("double", 4) == 8
    with Sandbox(forked, TIGHT, (), ("sched",)) as sandbox:
        run(sandbox, *DOUBLE[1:])
        assert sandbox.call("double", 4) == 8
    assert warm.forge(("sched",), ()) is not old


def test_bubblewrap_starts_the_runner_itself_where_nobody_else_may_enter(forked, monkeypatch):
    assert forked.warm

    def refused(*_):
        raise PermissionError("setns")

    monkeypatch.setattr(warm.Forge, "enter", refused)
    choice._tried_bubblewrap.cache_clear()
    try:
        found = choose("bubblewrap")
    finally:
        choice._tried_bubblewrap.cache_clear()
    assert found.warm is False
    with Sandbox(found, TIGHT) as sandbox:
        run(sandbox, *DOUBLE[1:])
        assert sandbox.call("double", 4) == 8


def test_as_root_each_sandbox_is_another_user_of_the_machine(backend):
    if os.geteuid() != 0:
        pytest.skip("only root has several users to give: run the tests as root to check this")
    with Sandbox(backend, TIGHT) as one, Sandbox(backend, TIGHT) as other:
        uids = set()
        for sandbox in (one, other):
            run(sandbox, "pass")
            uids.add(os.stat(f"/proc/{max(sandbox._pids)}").st_uid)
    assert len(uids) == 2
    assert 0 not in uids


def test_a_new_user_namespace_would_give_rights_back_and_is_refused(sandbox):
    run(sandbox, "import ctypes\nc = ctypes.CDLL(None, use_errno=True)\nr = c.unshare(0x10000000), ctypes.get_errno()")
    assert sandbox.value("r") == (-1, 1)


def test_waiting_warm_costs_no_time_and_use_is_counted(backend):
    with Sandbox(backend, TIGHT) as sandbox:
        time.sleep(0.5)
        assert sandbox.usage.wall_seconds == 0
        begin = time.monotonic()
        run(sandbox, "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass")
        elapsed = time.monotonic() - begin
    assert 0.3 <= sandbox.usage.wall_seconds <= elapsed
    assert sandbox.usage.cpu_seconds >= 0.3
    assert 10 < sandbox.usage.memory_mb < 200


def test_a_sandbox_ends_with_its_grader(backend):
    code = """
    import os, time
    from layerlab.grading.isolation import Limits, Sandbox, choose
    sandbox = Sandbox(choose("bubblewrap"), Limits())
    sandbox.run([("a", "x = 1")], {}, "test")
    print(*sandbox._pids, flush=True)
    os.kill(os.getpid(), 9)
    """
    grader = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    pids = [int(pid) for pid in grader.stdout.split()]
    assert len(pids) >= 3
    watch.until_gone(pids, 5)
    assert not any(watch._runs(pid) for pid in pids)


def test_a_machines_own_files_are_never_counted_as_a_sandboxs():
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            assert watch.tree(process.pid) == [process.pid]
            assert os.statvfs("/").f_files > 0
            assert watch.inodes("/", process.pid) == 0
        finally:
            process.kill()


def test_without_isolation_the_limits_and_the_end_are_the_same():
    backend = choose(unsafe=True)
    assert "none" in backend.name
    assert outcome_unsafe(backend, "import os; os._exit(3)") == "Stopped: the process ended by itself with status 3"
    assert "more than 200 MB" in outcome_unsafe(backend, DEADLY["memory in pieces"][0])
    with Sandbox(backend, TIGHT) as sandbox:
        run(sandbox, HARMLESS["daemon"][0], "import os\nhere, home = os.getcwd(), os.environ['HOME']")
        assert sandbox.value("here") == sandbox.value("home") != os.getcwd()
        home = sandbox.value("home")
        for _ in range(100):  # between its parent's end and its own beginning a look can miss the daemon
            if len(watch.marked(home)) >= 2:
                break
            time.sleep(0.05)
        else:
            pytest.fail("the daemon is not there")
    assert watch.marked(home) == []
    assert not os.path.exists(home)


def outcome_unsafe(backend, code):
    with Sandbox(backend, TIGHT) as sandbox, pytest.raises(Stopped) as stopped:
        run(sandbox, code)
    return f"Stopped: {stopped.value}"


FAKE = """#!{python}
import json, os, sys
words = sys.argv[1:]
with open({log!r}, "a") as log:
    print(json.dumps(words), file=log)
if "-c" in words:
    os.execv({python!r}, [{python!r}, *words[words.index("-c") - 1:]])
if words[0] == "run":
    inside = dict(reversed(after.rsplit(":", 2)[:2]) for word, after in zip(words, words[1:]) if word == "--volume")
    place = words.index("--entrypoint") + 2
    flag, script, argument = words[place + 1:]
    folders = {{"plain:1": {sites!r}, "layerlab:1": [{lib!r}, *{sites!r}]}}[words[place]]
    argument = json.dumps({{**json.loads(argument), "paths": folders}})
    os.execv({python!r}, [{python!r}, flag, "-S", inside[script], argument])
"""


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """A program called podman that runs what it is given without a container; the file of what it was asked."""
    log, program = tmp_path / "log", tmp_path / "podman"
    program.write_text(FAKE.format(python=sys.executable, log=str(log), sites=site_folders(), lib=str(ROOT / "lib")))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("LAYERLAB_ENGINE_IMAGE", "plain:1")
    choice._tried_engine.cache_clear()
    yield log
    choice._tried_engine.cache_clear()


def test_a_container_engine_runs_the_same_runner_and_its_container_is_ended(engine, monkeypatch):
    monkeypatch.setenv("LAYERLAB_ENGINE", "podman")
    backend = choose()
    assert backend.name == "podman"
    with Sandbox(backend, TIGHT, ["colorsys"]) as sandbox:
        runs = sandbox.run([DOUBLE, ("b", "import colorsys")], {}, "t")
        assert "withheld" in runs[1].error
        np.testing.assert_array_equal(sandbox.call("double", np.ones(2)), [2, 2])
    asked = [json.loads(line) for line in engine.read_text().splitlines()]
    assert [words[0] for words in asked[-3:]] == ["run", "kill", "rm"]
    command = asked[-3]
    assert asked[-2][-1] == asked[-1][-1] == command[command.index("--name") + 1]
    pairs = list(itertools.pairwise(command))
    for option in [
        ("--network", "none"),
        ("--cap-drop", "ALL"),
        ("--security-opt", "no-new-privileges"),
        ("--pids-limit", "13"),
        ("--memory", "200000000"),
        ("--memory-swap", "200000000"),
        ("--user", "61184:61184"),
    ]:
        assert option in pairs
    assert "--read-only" in command
    assert all(after.endswith(":ro") for word, after in pairs if word == "--volume")
    assert ("--volume", f"/dev/null:{colorsys.__file__}:ro") in pairs


def test_a_container_that_has_ended_unnoticed_is_no_trouble(engine):
    with Sandbox(choose("podman"), TIGHT) as sandbox:
        sandbox.kinds([])
        (client,) = sandbox._started.roots()
        os.kill(client, signal.SIGKILL)
        watch.until_gone([client], 10)
    assert not Path(f"/proc/{client}").exists()


def test_an_image_that_has_the_answers_is_refused(engine, monkeypatch):
    monkeypatch.setenv("LAYERLAB_ENGINE_IMAGE", "layerlab:1")
    with pytest.raises(NoIsolation, match="layerlab is installed in the image"):
        choose("podman")


def test_what_is_missing_is_said_with_what_to_do(engine, monkeypatch):
    with pytest.raises(ValueError, match="engine was 'chroot'"):
        choose("chroot")
    monkeypatch.setenv("PATH", str(engine.parent))
    with pytest.raises(NoIsolation, match="docker is not installed"):
        choose("docker")
    monkeypatch.delenv("LAYERLAB_ENGINE_IMAGE")
    with pytest.raises(NoIsolation, match="LAYERLAB_ENGINE_IMAGE names no image"):
        choose("podman")
    with pytest.raises(NoIsolation, match="apt install bubblewrap"):
        choose()
    (engine.parent / "bwrap").write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2; exit 1\n")
    (engine.parent / "bwrap").chmod(0o755)
    with pytest.raises(NoIsolation, match=r"setting up uid map: Permission denied.*unprivileged_userns"):
        choose()


@pytest.mark.parametrize("name", ["cpu_seconds", "processes", "files"])
def test_a_limit_that_is_none_is_refused(name):
    with pytest.raises(ValueError, match=name):
        Limits(**{name: 0})


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_of_system_calls_skips_to_its_own_steps_only(machine):
    code = list(struct.iter_unpack("=HBBI", seccomp.program(machine)))
    assert all(place + 1 + max(yes, no) < len(code) for place, (_, yes, no, _) in enumerate(code[:-1]))
    assert code[-1] == (seccomp.RETURN, 0, 0, seccomp.ALLOW)


def test_a_machine_whose_system_calls_are_not_known_is_refused():
    with pytest.raises(OSError, match="'m68k' are not known here, only those of x86_64, aarch64"):
        seccomp.program("m68k")


@pytest.mark.parametrize("switch", ["/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger"])
def test_the_kernel_s_switches_cannot_be_turned(backend, switch):
    refused = ("OSError", "PermissionError", "FileNotFoundError")
    assert outcome(backend, f"open({switch!r}, 'w')").startswith(refused)

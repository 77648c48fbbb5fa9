"""nbgrader's formgrader in a real browser, on a course that `layerlab grade` has filled."""

import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

from layerlab.cli import main
from layerlab.grading import gradebook, isolation, notebooks, source

TOY = Path(__file__).resolve().parents[1] / "grading" / "toy"
STRIKE = "window.struck=(window.struck||0)+1"
HOSTILE = f"""\
<script>{STRIKE}</script><img src=x onerror="{STRIKE}">

[press](javascript:{STRIKE}) and [press](java&#115;cript:{STRIKE})

```mermaid
</pre><script>{STRIKE}</script><img src=x onerror="{STRIKE}">
```

# 1a-tests

![seen](http://127.0.0.1:9/seen.png)
"""
SHOTS = Path(named) if (named := os.environ.get("LAYERLAB_SHOTS")) else None  # a folder for screenshots, to look at
CONFIG = """\
c.ServerApp.jpserver_extensions = {
    "nbgrader.server_extensions.formgrader": True,
    **{name: False for name in ("jupyterlab", "notebook", "notebook_shim", "jupyter_lsp", "jupyter_server_terminals")},
}
"""


def write(path, student, **texts):
    """A student's notebook with those answers; 'q1a' stands for 1a."""
    toy = source.find("toy")
    book = notebooks.student(toy, student)
    for cell in book.cells:
        cell.source = texts.get(f"q{cell.id}", cell.source)
    if student == "eve":
        html = f"<script>{STRIKE}</script>"
        for cell in book.cells:
            if cell.cell_type == "code":
                cell.outputs = [nbformat.v4.new_output("display_data", data={"text/html": html, "text/plain": html})]
                cell.metadata["magics_language"] = f'"><script>{STRIKE}</script>'
        book.cells.append(nbformat.v4.new_raw_cell(html, metadata={"raw_mimetype": "text/html"}))
        book.cells.append(
            nbformat.v4.new_code_cell(f"%%html\n{html}", metadata={"tags": [f'"><img onerror="{STRIKE}"']})
        )
        book.metadata["title"] = f"</title>{html}"
    path.parent.mkdir(parents=True)
    nbformat.write(book, path)


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course with two graded submissions; grading again is `course.grade()`."""
    folder = tmp_path_factory.mktemp("course")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAYERLAB_EXERCISES", str(TOY.parent))
        solved = {f"q{cell.id}": cell.source for cell in notebooks.key(source.find("toy")).cells}
        right = {name: solved[name] for name in ("q1b", "q2a", "q2b")}
        write(folder / "submitted/ada/toy/toy.ipynb", "ada", **right, q3a="The **root** of $1/n$, as `a < b`.")
        write(folder / "submitted/eve/toy/toy.ipynb", "eve", **right, q3a=HOSTILE, q1a="distances = None")
        try:
            isolation.choose()
            unsafe = []
        except isolation.NoIsolation:
            unsafe = ["--unsafe"]

        def grade():
            words = ["grade", "toy", str(folder / "submitted"), "--course", str(folder), "--jobs", "1", *unsafe]
            assert main([*words, "--out", str(folder / "graded")]) == 0

        grade()
        yield folder, grade


@pytest.fixture(scope="module")
def formgrader(course, tmp_path_factory):
    """The origin and token of a Jupyter server in the course folder, with nbgrader's extension."""
    folder, home = course[0], tmp_path_factory.mktemp("home")
    (home / "jupyter_server_config.py").write_text(CONFIG)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    places = {f"JUPYTER_{name}_DIR": str(home) for name in ("CONFIG", "DATA", "RUNTIME")}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    options = [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1", "--no-browser"]
    command = [sys.executable, "-m", "jupyter_server", *options, f"--IdentityProvider.token={token}", "--allow-root"]
    with (home / "log").open("w") as log:
        environment = os.environ | places | {"HOME": str(home), "PATH": path}
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    origin = f"http://127.0.0.1:{port}"
    try:
        for _ in range(480):
            assert process.poll() is None, (home / "log").read_text()
            try:
                urllib.request.urlopen(f"{origin}/api", timeout=5).close()
                break
            except OSError:
                time.sleep(0.25)
        yield origin, token
    finally:
        process.terminate()
        process.wait(timeout=30)


def field(page, name):
    """By id; nbgrader's ids begin with digits, which # does not take."""
    return page.locator(f'[id="{name}"]')


def rows(page, key):
    """The lines of the table that nbgrader fills, by the text of their column `key`."""
    page.wait_for_function("key => document.querySelectorAll(`tbody tr td.${key}`).length > 1", arg=key)
    return {row.locator(f"td.{key}").inner_text(): row for row in page.locator("tbody tr").all()}


def ready(page):
    page.wait_for_function("() => window.formgrader && formgrader.grades && formgrader.grades.loaded")
    page.wait_for_function("() => formgrader.comments.loaded")


def enter(page, name, value):
    """Type into a field, leave it, and wait until nbgrader has saved it."""
    with page.expect_response(lambda response: response.request.method == "PUT" and response.ok):
        field(page, name).fill(value)
        field(page, name).press("Tab")


def address(course, origin, student):
    with gradebook.opened(course) as book:
        return f"{origin}/formgrader/submissions/{book.find_submission_notebook('toy', 'toy', student).id}/?index=0"


def press_everything(page):
    """Click what a student could have made: links within the cells."""
    for link in page.locator(".rendered_html a:not(.anchor-link), .output_area a").all():
        link.click(modifiers=["Alt"], timeout=5000)


def test_a_teacher_gives_marks_that_stay_and_nothing_of_a_student_s_runs(course, formgrader, context):
    folder, grade = course
    origin, token = formgrader
    page = context.new_page()
    dialogs, asked = [], []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: asked.append(request.url))

    # the assignment is there, and its submissions have the points that the grader gave
    page.goto(f"{origin}/formgrader?token={token}")
    page.wait_for_selector("td.name:has-text('toy')")
    assert page.locator("td.num-submissions").first.inner_text() == "2"
    page.goto(f"{origin}/formgrader/manage_submissions/toy")
    found = rows(page, "student-id")
    assert {student: row.locator("td.score").inner_text() for student, row in found.items()} == {
        "ada": "5 / 10",
        "eve": "5 / 10",
    }
    assert {row.locator("td.status").inner_text() for row in found.values()} == {"needs manual grading"}

    # an answer in words gets points and a comment
    page.goto(address(folder, origin, "ada"))
    ready(page)
    placeholders = {
        name: field(page, name).get_attribute("placeholder") for name in ("1a-tests", "1b-tests", "2a-tests")
    }
    assert placeholders == {"1a-tests": "0", "1b-tests": "2", "2a-tests": "1"}
    answer = page.locator(".nbgrader_cell", has=field(page, "3a"))
    assert answer.locator("strong").inner_text() == "root"
    assert "kestrel" not in page.content()
    enter(page, "3a", "1.5")
    enter(page, "3a-comment", "Which *law* of large numbers?")
    if SHOTS:
        page.screenshot(path=SHOTS / "ada.png", full_page=True)
    page.reload()
    ready(page)
    assert field(page, "3a").input_value() == "1.5"
    assert field(page, "3a-comment").input_value() == "Which *law* of large numbers?"

    # grading again leaves them
    grade()
    page.reload()
    ready(page)
    assert field(page, "3a").input_value() == "1.5"
    assert field(page, "3a-comment").input_value() == "Which *law* of large numbers?"
    page.goto(f"{origin}/formgrader/manage_submissions/toy")
    assert rows(page, "student-id")["ada"].locator("td.score").inner_text() == "6.5 / 10"

    # what a hostile student handed in is there to be read, and does nothing
    page.goto(address(folder, origin, "eve"))
    ready(page)
    hostile = page.locator(".nbgrader_cell", has=field(page, "3a"))
    assert "window.struck" in hostile.inner_text()
    press_everything(page)
    page.wait_for_timeout(500)
    assert page.evaluate("window.struck") is None
    assert page.title() == "toy"
    assert page.evaluate("document.getElementById('1a-tests').tagName") == "INPUT"
    if SHOTS:
        page.screenshot(path=SHOTS / "eve.png", full_page=True)
    assert dialogs == []
    assert not [url for url in asked if "seen.png" in url]

    # the same page shown as nbgrader's own autograde leaves it: then it does run
    path = folder / "autograded/eve/toy/toy.ipynb"
    raw = nbformat.read(path, as_version=4)
    next(cell for cell in raw.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == "3a").source = HOSTILE
    nbformat.write(raw, path)
    page.reload()
    page.wait_for_function("() => window.struck > 0")

"""explore() in a real kernel: what a page gets while the book is built, and what a reader gets afterwards."""

import subprocess
import sys

import nbclient
import nbformat
import pytest
from jupyter_client.manager import start_new_kernel

from layerlab.widgets import MIME

WIDGET = "application/vnd.jupyter.widget-view+json"
EXPLORE = 'from layerlab.widgets import explore\nexplore("projection/length")'


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """A kernel as a reader's page has it, with a store of its own that is empty."""
    (tmp_path / "results").mkdir()
    monkeypatch.setenv("LAYERLAB_RESULTS", str(tmp_path / "results"))
    monkeypatch.delenv("LAYERLAB_BUILD", raising=False)
    manager, client = start_new_kernel(kernel_name="python3")
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def outputs(*cells):
    """The outputs of cells executed as the book's build does."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return [cell.outputs for cell in notebook.cells]


def evaluate(client, code):
    """What `code` prints; fails on any error."""
    text = []

    def hear(message):
        if message["msg_type"] == "stream":
            text.append(message["content"]["text"])

    reply = client.execute_interactive(code, timeout=120, output_hook=hear)
    assert reply["content"]["status"] == "ok", reply["content"]
    return "".join(text)


def click(client, comm):
    """What a front end sends when a button is pressed."""
    content = {"comm_id": comm, "data": {"method": "custom", "content": {"event": "click"}}}
    client.shell_channel.send(client.session.msg("comm_msg", content))


def test_the_build_gets_one_bundle_and_nothing_heavy(monkeypatch):
    monkeypatch.setenv("LAYERLAB_BUILD", "1")
    heavy = 'import sys\nprint(sorted({"torch", "ipywidgets", "matplotlib"} & set(sys.modules)))'
    first, loaded, second = outputs(EXPLORE, heavy, 'explore("projection/length", d=1000, k=10)')
    assert len(first) == 1
    assert first[0]["output_type"] == "execute_result"
    assert set(first[0]["data"]) == {MIME, "text/plain"}
    assert first[0]["data"][MIME] == {"name": "projection/length"}
    assert loaded[0]["text"].strip() == "[]"
    assert [o["data"][MIME] for o in second] == [{"name": "projection/length", "d": 1000, "k": 10}]


WRONG = {
    'explore("projection/lenght")': "did you mean projection/length",
    'explore("projection")': "there is no experiment 'projection'",
    'explore("projection/length", p=3)': "projection/length has no field 'p'; it has d, k",
    'explore("projection/length", d=1)': "d must be a whole number from 2 to 10000; it was 1",
}


@pytest.mark.parametrize("building", ["1", ""])
def test_a_wrong_call_is_refused_in_the_build_and_outside(building):
    lines = [f"try: {call}\nexcept (LookupError, ValueError) as error: print(error)" for call in WRONG]
    code = "\n".join(["from layerlab.widgets import explore", *lines])
    env = {"PATH": "", "LAYERLAB_BUILD": building}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=120)
    assert found.returncode == 0, found.stderr
    for message, said in zip(WRONG.values(), found.stdout.splitlines(), strict=True):
        assert message in said


def test_a_reader_gets_the_widget(tmp_path, monkeypatch):
    (tmp_path / "results").mkdir()
    monkeypatch.setenv("LAYERLAB_RESULTS", str(tmp_path / "results"))
    monkeypatch.delenv("LAYERLAB_BUILD", raising=False)
    code = EXPLORE.replace("explore(", "view = explore(") + "\nview"
    run = "view.set(k=3, samples=200); view.run(); view.wait(); view.live_run.result.attrs['k']"
    shown, ran = outputs(code, run)
    assert [set(o["data"]) for o in shown] == [{WIDGET, "text/plain"}]
    assert shown[0]["data"]["text/plain"].startswith("Live experiment projection/length")
    assert [o["data"]["text/plain"] for o in ran] == ["3"], "nothing is printed, no trace"


def test_the_buttons_of_a_page_start_and_stop_a_run_and_the_kernel_stays_free(kernel):
    evaluate(kernel, EXPLORE.replace("explore(", "view = explore(") + "\nview.wait()")
    evaluate(kernel, "view.set(d=10_000, samples=100_000, seeds=100)")
    start, stop = evaluate(
        kernel, "print(view.console.run_button.comm.comm_id, view.console.cancel_button.comm.comm_id)"
    ).split()
    click(kernel, start)
    assert evaluate(kernel, "print(view.running, view.console.run_button.disabled)").split() == ["True", "True"]
    click(kernel, stop)
    said = evaluate(kernel, "print(view.wait(60), view.running, view.console.status.value)")
    assert said.startswith("True False")
    assert "Cancelled." in said


def test_running_the_cell_again_cancels_the_old_run(kernel):
    cell = EXPLORE.replace("explore(", "view = explore(") + "\nviews.append(view)"
    evaluate(kernel, "views = []")
    evaluate(kernel, cell)
    evaluate(kernel, "views[0].set(d=10_000, samples=100_000, seeds=100); views[0].run()")
    evaluate(kernel, cell)
    assert evaluate(kernel, "print(views[0].wait(60), views[0].running)").split() == ["True", "False"]


def test_a_change_in_the_page_reaches_the_figure(kernel):
    evaluate(kernel, EXPLORE.replace("explore(", "view = explore(") + "\nview.wait()")
    comm = evaluate(kernel, "print(view.form.controls['samples'].entry.comm.comm_id)").strip()
    data = {"method": "update", "state": {"value": 300}, "buffer_paths": []}
    kernel.shell_channel.send(kernel.session.msg("comm_msg", {"comm_id": comm, "data": data}))
    asked = kernel.execute("view.run(); view.wait()")
    figures = []
    while True:
        message = kernel.get_iopub_msg(timeout=120)
        if message["msg_type"] == "comm_msg":
            value = message["content"]["data"].get("state", {}).get("value")
            figures += [value] if "<svg" in str(value) else []
        elif message["content"].get("execution_state") == "idle" and message["parent_header"].get("msg_id") == asked:
            break
    assert len(figures) == 1
    assert "samples = 300" in figures[0]

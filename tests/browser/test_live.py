"""Live pages: a kernel behind a page, its death, two of them at once, and a page without any."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from urllib.parse import urljoin, urlsplit

import psutil
import pytest
from playwright.sync_api import expect

LIVE = "#layerlab-live"
STATUS = ".layerlab-live-status"
WIDGET = ".layerlab-live-output .jupyter-widgets"


def open_page(page, server, path):
    """Log in with the printed address and go to a page of the book."""
    page.goto(server.address)
    assert "token" not in page.url
    page.goto(urljoin(page.url, path))
    expect(page.locator(LIVE)).to_have_attribute("aria-pressed", "false")
    lift_veils(page)


def lift_veils(page):
    """Figures that wait for a prediction do not wait any longer."""
    buttons = page.get_by_role("button", name="Show it without predicting")
    while buttons.count():
        buttons.first.click()


def until(page, expression, seconds=120):
    """Wait until a JavaScript expression, which may be a promise, comes out true."""
    for _ in range(seconds * 4):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(250)
    pytest.fail(f"never came true: {expression}")


def until_kernels(page, count):
    until(page, f"fetch('/api/kernels').then((answer) => answer.json()).then((list) => list.length === {count})")


def wait_for_reserve(page):
    script = "fetch('/book/_static/layerlab-server.js').then((answer) => answer.text())"
    until(page, f"""{script}.then((text) => text.includes('"reserve": true'))""")


def go_live(page):
    """Press Live and wait until every cell has run; gives the milliseconds from the press to each stage."""
    page.click(LIVE)
    page.wait_for_function("window.layerlabTimings?.all", timeout=180_000)
    expect(page.locator(STATUS)).to_have_attribute("data-state", "live")
    return page.evaluate("window.layerlabTimings")


def kernels(page):
    return page.evaluate("fetch('/api/kernels').then((answer) => answer.json())")


def sessions(page):
    return page.evaluate("fetch('/api/sessions').then((answer) => answer.json())")


def type_code(page, number, code):
    """Replace the code of the cell `number` (0 is the first)."""
    cell = page.locator(".thebe-cell").nth(number)
    cell.evaluate("cell => cell.closest('details')?.setAttribute('open', '')")
    cell.locator(".CodeMirror").evaluate("editor => editor.CodeMirror.focus()")
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(code)
    # an editor in a tab that lies behind another takes what is typed when it next looks, which may be later
    page.wait_for_function(
        "([n, code]) => document.querySelectorAll('.thebe-cell .CodeMirror')[n].CodeMirror.getValue() === code",
        arg=[number, code],
        polling=50,
    )
    return cell


def output(cell):
    """What the kernel said to a cell."""
    return cell.locator("xpath=ancestor::div[contains(concat(' ', @class, ' '), ' cell ')]").locator(
        ".layerlab-live-output"
    )


def test_a_press_on_live_makes_every_experiment_a_widget(page, start_server, live_page, capsys):
    """Measured twice: right after the server's start, when no kernel is warm, and with the kernel in reserve."""
    server = start_server()
    open_page(page, server, live_page)
    experiments = page.locator("layerlab-replay").count()
    assert experiments
    assert not [
        name for name in page.evaluate("performance.getEntriesByType('resource').map(e => e.name)") if "thebe" in name
    ]
    cold = go_live(page)
    assert page.locator(f"{WIDGET}").count() >= experiments
    expect(page.locator("layerlab-replay").first).to_be_hidden()
    page.click(LIVE)
    expect(page.locator("layerlab-replay").first).to_be_visible()
    assert page.locator(WIDGET).count() == 0
    assert page.locator(".thebe-cell").count() == 0
    page.reload()
    lift_veils(page)
    wait_for_reserve(page)
    warm = go_live(page)
    with capsys.disabled():
        print(
            f"\nclick on Live to first live widget: cold {cold['widget']} ms, "
            f"with the kernel in reserve {warm['widget']} ms"
        )
        print(f"  stages, cold: {json.dumps(cold)}\n  stages, reserve: {json.dumps(warm)}")
    page.click(LIVE)
    until_kernels(page, 0)


def test_a_veiled_figure_stays_veiled_when_the_page_goes_live(page, server, live_page):
    open_page(page, server, live_page)
    view = page.locator("layerlab-replay .ll-view").first
    view.evaluate("view => view.classList.add('ll-view--veiled')")
    go_live(page)
    expect(page.locator(WIDGET).first).to_be_hidden()
    expect(view).to_be_visible()
    view.evaluate("view => view.classList.remove('ll-view--veiled')")
    expect(page.locator(WIDGET).first).to_be_visible()
    expect(view).to_be_hidden()


def test_a_cell_is_edited_and_run(page, server, live_page):
    open_page(page, server, live_page)
    go_live(page)
    cell = type_code(page, 0, "print(6 * 7, 'said the kernel')")
    page.keyboard.press("Control+Enter")
    expect(output(cell)).to_contain_text("42 said the kernel")
    type_code(page, 0, "raise ValueError('k is 0; it must be at least 1')")
    page.keyboard.press("Shift+Enter")
    expect(output(cell)).to_contain_text("ValueError: k is 0; it must be at least 1")
    if page.locator("div.cell").first.locator("layerlab-replay").count():
        expect(page.locator("layerlab-replay").first).to_be_visible()
    expect(page.locator(STATUS)).to_have_attribute("data-state", "live")


def test_an_edit_outlives_a_reload_and_can_be_taken_back(page, server, live_page):
    open_page(page, server, live_page)
    go_live(page)
    original = page.locator(".CodeMirror").first.evaluate("e => e.CodeMirror.getValue()")
    type_code(page, 0, "my_own_line = 1")
    page.reload()
    lift_veils(page)
    go_live(page)
    first = page.locator(".CodeMirror").first
    assert first.evaluate("e => e.CodeMirror.getValue()") == "my_own_line = 1"
    page.locator(".thebe-cell").first.evaluate("cell => cell.closest('details')?.setAttribute('open', '')")
    page.get_by_role("button", name="Reset code cell 1").click()
    assert first.evaluate("e => e.CodeMirror.getValue()") == original
    expect(page.get_by_role("button", name="Reset code cell 1")).to_be_hidden()


def test_a_run_is_interrupted(page, server, live_page):
    open_page(page, server, live_page)
    go_live(page)
    cell = type_code(page, 0, "import time\nprint('began', flush=True)\nwhile True: time.sleep(.01)")
    page.keyboard.press("Control+Enter")
    expect(output(cell)).to_contain_text("began")
    expect(page.locator(STATUS)).to_have_attribute("data-state", "busy")
    page.get_by_role("button", name="Interrupt").click()
    expect(output(cell)).to_contain_text("KeyboardInterrupt")
    expect(page.locator(STATUS)).to_have_attribute("data-state", "live")


def test_two_tabs_do_not_disturb_each_other(new_page, server, live_page):
    tabs = [new_page(), new_page()]
    for tab in tabs:
        open_page(tab, server, live_page)
        go_live(tab)
    assert len(kernels(tabs[0])) == 2
    for number, tab in enumerate(tabs):
        cell = type_code(tab, 0, f"mine = {number}")
        tab.keyboard.press("Control+Enter")
    for number, tab in enumerate(tabs):
        cell = type_code(tab, 0, "print('mine is', mine)")
        tab.keyboard.press("Control+Enter")
        expect(output(cell)).to_contain_text(f"mine is {number}")
    left = {model["kernel"]["id"] for model in sessions(tabs[0])}
    tabs[1].close(run_before_unload=False)
    until_kernels(tabs[0], 1)
    assert {model["id"] for model in kernels(tabs[0])} < left
    cell = type_code(tabs[0], 0, "print('still', mine)")
    tabs[0].keyboard.press("Control+Enter")
    expect(output(cell)).to_contain_text("still 0")


def test_a_kernel_that_dies_is_noticed_and_restarted_from_the_page(page, server, live_page):
    open_page(page, server, live_page)
    go_live(page)
    kernel = kernels(page)[0]["id"]
    for child in psutil.Process(server.process.pid).children():
        if kernel in " ".join(child.cmdline()):
            child.kill()
            break
    else:
        pytest.fail(f"no process for kernel {kernel}")
    expect(page.locator(STATUS)).to_have_attribute("data-state", "dead")
    expect(page.locator(STATUS)).to_contain_text("The kernel has died")
    expect(page.locator("layerlab-replay").first).to_be_visible()
    expect(page.get_by_role("button", name="Interrupt")).to_be_disabled()
    page.evaluate("delete window.layerlabTimings.all")
    page.get_by_role("button", name="Restart").click()
    page.wait_for_function("window.layerlabTimings.all", timeout=180_000)
    expect(page.locator(STATUS)).to_have_attribute("data-state", "live")
    expect(page.locator(WIDGET).first).to_be_visible()
    expect(page.locator("layerlab-replay").first).to_be_hidden()
    assert [model["id"] for model in kernels(page)] != [kernel]
    # the browser's own account of a socket that closed is no fault of the page
    page.problems[:] = [p for p in page.problems if "WebSocket" not in p and "Canceled" not in p and kernel not in p]


def test_leaving_a_page_ends_its_kernel(page, server, live_page):
    open_page(page, server, live_page)
    go_live(page)
    assert len(kernels(page)) == 1
    page.goto(f"{server.origin}/book/")
    until_kernels(page, 0)


def test_a_server_that_stopped_is_one_sentence_and_the_page_stays(page, start_server, live_page):
    server = start_server()
    open_page(page, server, live_page)
    server.process.terminate()
    server.process.wait(timeout=30)
    page.click(LIVE)
    expect(page.locator(STATUS)).to_have_attribute("data-state", "error")
    expect(page.locator("layerlab-replay").first).to_be_visible()
    expect(page.locator(LIVE)).to_have_attribute("aria-pressed", "false")
    page.problems[:] = [problem for problem in page.problems if "ERR_CONNECTION_REFUSED" not in problem]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_a_live_page(page, server, live_page, axe, theme):
    page.emulate_media(color_scheme=theme)
    open_page(page, server, live_page)
    page.evaluate("theme => Object.assign(document.documentElement.dataset, { theme, mode: theme })", theme)
    go_live(page)
    type_code(page, 0, "print('hello')\nraise ValueError('no')")
    page.keyboard.press("Control+Enter")
    page.wait_for_function("document.querySelector('.layerlab-live-output')?.textContent.includes('ValueError')")
    assert violations(page, axe) == []


def violations(page, axe):
    page.mouse.move(0, 0)  # what only shows under the pointer is not judged
    page.evaluate(axe)
    found = page.evaluate(
        "axe.run(document, { resultTypes: ['violations'], preload: false }).then((result) => result.violations)"
    )
    return [
        (rule["id"], rule["impact"], [node["html"][:160] for node in rule["nodes"]][:5])
        for rule in found
        if rule["impact"] in ("serious", "critical")
    ]


def test_the_keyboard_reaches_every_control_and_leaves_the_editor(page, server, live_page):
    open_page(page, server, live_page)
    page.locator(LIVE).focus()
    page.keyboard.press("Enter")
    page.wait_for_function("window.layerlabTimings?.all", timeout=180_000)
    names = []
    for _ in range(2):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.textContent"))
    assert names == ["Interrupt", "Restart"]
    cell = type_code(page, 0, "x = 1")
    page.keyboard.press("Tab")
    assert cell.locator(".CodeMirror").evaluate("e => e.CodeMirror.getValue()").startswith("x = 1 ")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Run code cell 1"


# ---- hosted as plain files -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def other_server(hosted, tmp_path_factory):
    """A Jupyter server of the reader's own, on another port, that lets the hosted page in."""
    folder = tmp_path_factory.mktemp("other")
    command = [
        sys.executable,
        "-m",
        "jupyter_server",
        "--allow-root",
        "--no-browser",
        "--ServerApp.port=0",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.root_dir={folder}",
        f"--ServerApp.allow_origin={hosted.rstrip('/')}",
        "--IdentityProvider.token=a-token-of-the-reader",
    ]
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(command, stderr=log, stdout=log)
        for _ in range(600):
            address = re.search(r"http://127\.0\.0\.1:\d+/", (folder / "log").read_text())
            if address or process.poll() is not None:
                break
            time.sleep(0.1)
        assert address, (folder / "log").read_text()
        yield address.group()
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture
def dialog(page, hosted, live_page):
    page.goto(urljoin(hosted, live_page))
    lift_veils(page)
    page.click(LIVE)
    dialog = page.get_by_role("dialog", name="Make this page live")
    expect(dialog).to_be_visible()
    return dialog


def test_a_page_without_a_server_asks_for_one(page, dialog, hosted, axe):
    assert violations(page, axe) == []
    expect(dialog.get_by_label("Address", exact=True)).to_be_focused()
    expect(dialog).to_contain_text(f"jupyter server --ServerApp.allow_origin='{hosted.rstrip('/')}'")
    notebook = dialog.get_by_role("link", name="Download this page as a notebook")
    answer = page.request.get(urljoin(page.url, notebook.get_attribute("href")))
    assert answer.ok
    assert urlsplit(answer.url).path.endswith(".ipynb")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator(LIVE)).to_be_focused()


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("", "Type the address of a Jupyter server."),
        ("http://", "is not an address"),
        ("ftp://127.0.0.1/", "must begin with http:// or https://"),
        ("http://127.0.0.1:9/", "No answer from http://127.0.0.1:9/"),
    ],
)
def test_an_address_that_does_not_work_is_one_sentence(page, dialog, address, says):
    dialog.get_by_label("Address", exact=True).fill(address)
    dialog.get_by_role("button", name="Connect").click()
    expect(dialog.get_by_role("alert")).to_contain_text(says)
    expect(dialog.get_by_role("button", name="Connect")).to_be_enabled()
    page.problems[:] = [problem for problem in page.problems if "127.0.0.1:9/" not in problem and "ERR_" not in problem]


def test_a_wrong_token_is_one_sentence(page, dialog, other_server):
    dialog.get_by_label("Address", exact=True).fill(f"{other_server}?token=wrong")
    dialog.get_by_role("button", name="Connect").click()
    expect(dialog.get_by_role("alert")).to_have_text("The server did not accept the token.")
    page.problems[:] = [p for p in page.problems if "api/kernelspecs" not in p and "ERR_FAILED" not in p]


def test_a_page_without_a_server_connects_to_the_readers_own(page, dialog, other_server):
    dialog.get_by_label("Address", exact=True).fill(other_server)
    dialog.get_by_label("Token (if it is not part of the address)").fill("a-token-of-the-reader")
    dialog.get_by_label("Remember the address, never the token").check()
    dialog.get_by_role("button", name="Connect").click()
    expect(dialog).to_be_hidden()
    page.wait_for_function("window.layerlabTimings?.all", timeout=180_000)
    expect(page.locator(WIDGET).first).to_be_visible()
    stored = page.evaluate("JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage)])")
    assert other_server in stored
    assert "a-token-of-the-reader" not in stored
    page.click(LIVE)
    expect(page.locator("layerlab-replay").first).to_be_visible()

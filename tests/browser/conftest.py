"""A real browser, cut off from every host but this machine, and the book in front of it: as files, and served."""

from __future__ import annotations

import http.server
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from install import found
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from layerlab.lab import paths

# How long a page may take to show what is expected. Kernels and tests share two processors, and 5 s, the default,
# would be a test of the machine.
expect.set_options(timeout=30_000)

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]
LAYERLAB = str(Path(sys.executable).with_name("layerlab"))
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class Server(NamedTuple):
    """A running `layerlab serve`: the address to open, and the process."""

    address: str
    process: subprocess.Popen

    @property
    def origin(self) -> str:
        return "{0.scheme}://{0.netloc}".format(urlsplit(self.address))


def watch(page: Page) -> Page:
    """Note in `page.problems` whatever a page must not do: ask another host, fail, or complain."""
    problems: list[str] = []

    def asked(url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in LOOPBACK:
            problems.append(f"asked another host: {url}")

    page.on("request", lambda request: asked(request.url))
    page.on("websocket", lambda socket: asked(socket.url))
    page.on("console", lambda message: message.type == "error" and problems.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: problems.append(f"error: {error}"))
    page.on("response", lambda r: r.status >= 400 and problems.append(f"{r.status}: {r.request.method} {r.url}"))
    page.on(
        "requestfailed",
        lambda r: r.failure != "net::ERR_ABORTED" and problems.append(f"failed: {r.url} ({r.failure})"),
    )
    page.problems = problems
    return page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a network. One for each module: while it is open its event loop runs, and tests of the server,
    which start their own, could not come after it."""
    path = found()
    if path is None:
        pytest.fail("There is no Chromium: run python tests/browser/install.py")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A reader's browser profile; its pages are closed with it."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    context.set_default_timeout(60_000)
    yield context
    context.close()


@pytest.fixture
def new_page(context: BrowserContext) -> Iterator[Callable[[], Page]]:
    """Opens watched tabs of one reader; fails in the end if one of them did what it must not."""
    pages: list[Page] = []

    def make() -> Page:
        pages.append(watch(context.new_page()))
        return pages[-1]

    yield make
    assert [problem for page in pages for problem in page.problems] == []


@pytest.fixture
def page(new_page: Callable[[], Page]) -> Page:
    """One watched tab. Problems that a test provokes it takes off `page.problems`."""
    return new_page()


@pytest.fixture(scope="session")
def book() -> Path:
    """The built book: LAYERLAB_BOOK if that names one, else the checkout's, built if it is not there."""
    if named := os.environ.get("LAYERLAB_BOOK"):
        return Path(named).resolve()
    top = paths.checkout()
    assert top is not None
    html = top / "_build" / "html"
    if not (html / "index.html").is_file():
        subprocess.run([LAYERLAB, "build"], cwd=top, check=True)
    return html


@pytest.fixture(scope="session")
def live_page(book: Path) -> str:
    """Path of the first page of the book that holds an experiment and can be made live."""
    for path in sorted(book.rglob("*.html")):
        text = path.read_text(encoding="utf-8")
        if 'id="layerlab-live"' in text and "<layerlab-replay" in text:
            return path.relative_to(book).as_posix()
    pytest.fail(f"No page in {book} holds an experiment")


@pytest.fixture(scope="session")
def start_server(book: Path) -> Iterator[Callable[[], Server]]:
    """Starts `layerlab serve`; what it started is stopped in the end."""
    started: list[subprocess.Popen] = []

    def start() -> Server:
        command = [LAYERLAB, "serve", "--port", "0", "--dir", str(book)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        address = re.search(r"http://\S+", process.stdout.readline())
        assert address, "layerlab serve printed no address"
        return Server(address.group(), process)

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture(scope="session")
def server(start_server: Callable[[], Server]) -> Server:
    """One `layerlab serve` for the whole run."""
    return start_server()


@pytest.fixture(scope="session")
def served(server: Server) -> str:
    """The address that `layerlab serve` printed, token included."""
    return server.address


@pytest.fixture(scope="session")
def hosted(book: Path) -> Iterator[str]:
    """The origin at which the built book is hosted as plain files, as GitHub Pages would."""

    class Files(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(book))

        def log_message(self, *arguments):
            """Be quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files) as files:
        threading.Thread(target=files.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{files.server_port}/"
        files.shutdown()


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, from the checkout's npm packages."""
    top = paths.checkout()
    assert top is not None
    script = top / "node_modules" / "axe-core" / "axe.min.js"
    assert script.is_file(), f"{script} is missing: run layerlab build"
    return script.read_text(encoding="utf-8")

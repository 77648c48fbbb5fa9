"""The book's server, over HTTP: who gets in, what is served, and what is refused."""

import asyncio
import gzip
import http.client
import json
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from layerlab.serving.server.book import content_type, resolve

SERVE = "import sys; from layerlab.serving.server import serve; serve(sys.argv[1], port=0, reserve=False)"


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Served(NamedTuple):
    port: int
    token: str
    process: subprocess.Popen

    @property
    def host(self):
        return f"127.0.0.1:{self.port}"

    def ask(self, path, method="GET", body=None, host=None, **headers):
        """One raw request; nothing is normalised, followed or added but the Host header."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", host or self.host)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders(body)
        answer = connection.getresponse()
        try:
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def log_in(self):
        """The Cookie header, and the token against cross-site requests, of a reader who opened the address."""
        first = self.ask(f"/book/?token={self.token}")
        login = first.headers["Set-Cookie"].split(";")[0]
        page = self.ask("/book/", Cookie=login)
        xsrf = page.headers["Set-Cookie"].split(";")[0]
        return f"{login}; {xsrf}", xsrf.partition("=")[2]


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    top = tmp_path_factory.mktemp("served")
    (top / "secret.txt").write_text("not part of the book")
    root = top / "book"
    (root / "_static").mkdir(parents=True)
    (root / "chapter").mkdir()
    (root / "index.html").write_text("<!doctype html><title>Front</title>" + "<p>text</p>" * 500)
    (root / "chapter" / "index.html").write_text("<p>chapter")
    (root / "chapter" / "page.ipynb").write_text("{}")
    (root / "_static" / "layerlab-server.js").write_text("window.layerlabServer = null;")
    (root / "_static" / "font.woff2").write_bytes(b"\0" * 4000)
    (root / ".buildinfo").write_text("hidden")
    (root / "escape").symlink_to(top / "secret.txt")
    return root


@pytest.fixture(scope="module")
def served(book):
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(book)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    line = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:(\d+)/book/\?token=(\w+)", line)
    assert found, line + process.stderr.read()
    yield Served(int(found[1]), found[2], process)
    process.terminate()
    process.communicate(timeout=30)


@pytest.fixture(scope="module")
def login(served):
    return served.log_in()


# ---- who gets in ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/book/", "/book/chapter/page.ipynb", "/book/_static/layerlab-server.js"])
def test_without_token_no_file_of_the_book_is_served(served, path):
    answer = served.ask(path)
    assert answer.status == 302
    assert answer.headers["Location"].startswith("/login")
    asked = served.ask(answer.headers["Location"])
    assert asked.status == 403
    assert b"layerlab serve" in asked.body


@pytest.mark.parametrize("path", ["/api/kernels", "/api/sessions", "/api/status", "/api/kernelspecs"])
def test_without_token_the_kernels_are_closed(served, path):
    assert served.ask(path).status == 403
    assert served.ask(path, Authorization="token wrong").status == 403
    assert served.ask(path, Authorization=f"token {served.token}").status == 200


def test_a_wrong_token_gets_nothing(served):
    assert served.ask("/book/?token=wrong").headers["Location"].startswith("/login")


def test_the_token_buys_a_cookie_and_leaves_the_address(served):
    answer = served.ask(f"/book/chapter/?token={served.token}&q=a%20b")
    assert answer.status == 302
    assert answer.headers["Location"] == "/book/chapter/?q=a+b"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    assert "SameSite=Lax" in answer.headers["Set-Cookie"]


def test_root_leads_to_the_book_with_its_token(served, login):
    assert served.ask(f"/?token={served.token}").headers["Location"] == f"/book/?token={served.token}"
    assert served.ask("/book").headers["Location"] == "/book/"


def test_it_listens_on_loopback_only(served):
    import psutil

    listening = [
        c.laddr for c in psutil.Process(served.process.pid).net_connections("inet") if c.status == psutil.CONN_LISTEN
    ]
    assert (("127.0.0.1", served.port)) in [tuple(address) for address in listening]
    assert {address.ip for address in listening} == {"127.0.0.1"}


# ---- what other origins can do: nothing -----------------------------------------------------------------------------

FOREIGN = ["http://evil.example", "http://localhost:1", "http://127.0.0.1:1", "null"]


@pytest.mark.parametrize("origin", FOREIGN)
def test_another_origin_starts_no_kernel(served, login, origin):
    cookie, xsrf = login
    answer = served.ask(
        "/api/kernels", "POST", b"{}", Cookie=cookie, Origin=origin, X_XSRFToken=xsrf, Content_Type="application/json"
    )
    assert answer.status in (403, 404)
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert json.loads(served.ask("/api/kernels", Cookie=cookie, Referer=f"http://{served.host}/book/").body) == []


def test_a_request_without_the_xsrf_token_is_refused(served, login):
    cookie, _ = login
    for method, path in [("POST", "/api/kernels"), ("POST", "/api/sessions"), ("DELETE", "/api/sessions/x")]:
        answer = served.ask(path, method, b"{}" if method == "POST" else None, Cookie=cookie)
        assert answer.status == 403, (method, path)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8888", "192.168.0.1", "127.0.0.1.evil.example"])
def test_a_host_that_is_not_this_machine_is_refused(served, login, host):
    """A name that was rebound to 127.0.0.1 carries the reader's browser here, but with its own name."""
    cookie, xsrf = login
    assert served.ask("/book/", host=host, Cookie=cookie).status == 403
    assert served.ask("/api/kernels", "POST", b"{}", host=host, Cookie=cookie, X_XSRFToken=xsrf).status == 403


@pytest.mark.parametrize("origin", FOREIGN)
def test_another_origin_cannot_read_a_file_or_the_token(served, login, origin):
    cookie, _ = login
    for path in ("/book/", "/book/_static/layerlab-server.js", "/api/kernels", "/api/status", "/api/me"):
        answer = served.ask(path, Cookie=cookie, Origin=origin, Sec_Fetch_Site="cross-site")
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert served.token.encode() not in answer.body
        if path.startswith("/book"):
            assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


def test_no_answer_holds_the_token(served, login):
    """A script file can be included by any page, so what it says must be no secret."""
    cookie, _ = login
    script = served.ask("/book/_static/layerlab-server.js", Cookie=cookie)
    assert script.body == b'window.layerlabServer = {"baseUrl": "/", "kernel": "python3", "reserve": false};\n'
    for path in ("/login", "/book/nothing", "/api/spec.yaml"):
        assert served.token.encode() not in served.ask(path, Cookie=cookie).body


def connect(url, **headers):
    """Open a websocket and close it again."""

    async def story():
        (await websocket_connect(HTTPRequest(url, headers=headers))).close()
        await asyncio.sleep(0.1)

    asyncio.run(story())


def test_websockets_of_kernels_open_for_the_page_and_for_no_other_origin(served, login):
    cookie, xsrf = login
    own = f"http://{served.host}"
    answer = served.ask("/api/kernels", "POST", b"{}", Cookie=cookie, Origin=own, X_XSRFToken=xsrf)
    assert answer.status == 201, answer.body
    kernel = json.loads(answer.body)["id"]
    url = f"ws://{served.host}/api/kernels/{kernel}/channels"
    try:
        for origin in FOREIGN:
            with pytest.raises(HTTPClientError, match="403"):
                connect(url, Cookie=cookie, Origin=origin)
        with pytest.raises(HTTPClientError, match="403"):
            connect(url, Origin=own)
        connect(url, Cookie=cookie, Origin=own)
    finally:
        gone = served.ask(f"/api/kernels/{kernel}", "DELETE", Cookie=cookie, Origin=own, X_XSRFToken=xsrf)
    assert gone.status == 204


@pytest.mark.parametrize(
    "path",
    ["/api/contents", "/files/x", "/api/terminals", "/terminals/1", "/api/nbconvert", "/api/shutdown", "/view/x"],
)
def test_what_a_book_does_not_need_is_not_there(served, login, path):
    cookie, xsrf = login
    assert served.ask(path, Cookie=cookie).status == 404
    assert served.ask(path, "POST", b"{}", Cookie=cookie, X_XSRFToken=xsrf).status == 404


# ---- what is served -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/book/../secret.txt",
        "/book/../../../../etc/passwd",
        "/book/%2e%2e/secret.txt",
        "/book/%2e%2e%2fsecret.txt",
        "/book/..%2f..%2f..%2fetc%2fpasswd",
        "/book/chapter/..%2f..%2fsecret.txt",
        "/book/..%5csecret.txt",
        "/book//etc/passwd",
        "/book/%2fetc%2fpasswd",
        "/book/index.html%00.js",
        "/book/escape",
        "/book/.buildinfo",
        "/book/nothing.html",
    ],
)
def test_outside_the_book_there_is_nothing(served, login, path):
    answer = served.ask(path, Cookie=login[0])
    assert answer.status == 404
    assert b"not part of the book" not in answer.body
    assert b"root:" not in answer.body
    assert b'href="/book/"' in answer.body


def test_pages_name_no_third_party_and_get_what_kernels_need(served, login):
    policy = served.ask("/book/", Cookie=login[0]).headers["Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'self'"
    assert f"ws://{served.host}" in rules["connect-src"]
    hosts = re.findall(r"[a-z]+://[^\s;]+|\bhttps?:|\*", policy)
    assert set(hosts) <= {f"ws://{served.host}", f"wss://{served.host}"}


def test_text_is_compressed_and_known_by_its_tag(served, login, book):
    cookie = login[0]
    plain = served.ask("/book/", Cookie=cookie)
    assert plain.body == (book / "index.html").read_bytes()
    assert plain.headers["Content-Type"] == "text/html; charset=utf-8"
    packed = served.ask("/book/", Cookie=cookie, Accept_Encoding="gzip, br")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Vary"] == "Accept-Encoding"
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 10
    assert packed.headers["Etag"] != plain.headers["Etag"]
    again = served.ask("/book/", Cookie=cookie, Accept_Encoding="gzip", If_None_Match=packed.headers["Etag"])
    assert (again.status, again.body) == (304, b"")


def test_a_rebuilt_page_is_served_at_once(served, login, book):
    page = book / "chapter" / "new.html"
    page.write_text("<p>first")
    before = served.ask("/book/chapter/new.html", Cookie=login[0])
    page.write_text("<p>second edition")
    after = served.ask("/book/chapter/new.html", Cookie=login[0], If_None_Match=before.headers["Etag"])
    assert (before.body, after.status, after.body) == (b"<p>first", 200, b"<p>second edition")


def test_fonts_are_sent_as_they_are(served, login):
    answer = served.ask("/book/_static/font.woff2", Cookie=login[0], Accept_Encoding="gzip")
    assert answer.headers["Content-Type"] == "font/woff2"
    assert "Content-Encoding" not in answer.headers
    assert len(answer.body) == 4000


def test_a_folder_shows_its_index(served, login):
    assert served.ask("/book/chapter", Cookie=login[0]).headers["Location"] == "/book/chapter/"
    assert served.ask("/book/chapter/", Cookie=login[0]).body == b"<p>chapter"
    assert served.ask("/book/_static/", Cookie=login[0]).status == 404


def test_head_says_what_get_would(served, login):
    head, get = (served.ask("/book/", method, Cookie=login[0]) for method in ("HEAD", "GET"))
    assert head.status == 200
    assert head.body == b""
    assert head.headers["Content-Length"] == get.headers["Content-Length"] == str(len(get.body))


def test_resolve_stays_inside(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "a b.html").write_text("x")
    assert resolve(tmp_path / "book", "a b.html") == tmp_path / "book" / "a b.html"
    assert resolve(tmp_path / "book", "") == tmp_path / "book"
    for path in ("..", "../book", "a/../../x", "\0", "a" * 5000):
        assert resolve(tmp_path / "book", path) is None


def test_content_types_do_not_depend_on_the_machine():
    assert content_type(Path("x.js")) == "text/javascript; charset=utf-8"
    assert content_type(Path("x.ipynb")) == "application/x-ipynb+json"
    assert content_type(Path("x.unheard-of")) == "application/octet-stream"


# ---- the command ----------------------------------------------------------------------------------------------------


def run_serve(*arguments):
    code = "import sys; from layerlab.serving.server import serve; serve(sys.argv[1], port=int(sys.argv[2]))"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=60
    )


def test_a_port_in_use_is_one_sentence(book):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_serve(book, port)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"Port {port} is in use; choose another one, say {port + 1}: make serve PORT=")
    assert len(done.stderr.splitlines()) == 1


def test_an_impossible_port_is_one_sentence(book):
    done = run_serve(book, 70000)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "port is 70000; it must be between 0 (any free one) and 65535\n"


def test_a_book_that_was_not_built_is_one_sentence(tmp_path):
    done = run_serve(tmp_path / "html", 0)
    assert done.returncode == 1
    assert done.stderr == f"There is no built book in {tmp_path / 'html'}; build it first: layerlab build\n"

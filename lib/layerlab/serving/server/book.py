"""The handlers that serve the built book under /book/, to its authenticated reader only."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import html
import json
import mimetypes
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler
from tornado import web

CONTENT_TYPES = {  # stated here because the system's table differs from machine to machine
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".inv": "application/octet-stream",
    ".ipynb": "application/x-ipynb+json",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}
COMPRESSIBLE = ("text/", "application/json", "application/x-ipynb+json", "image/svg+xml", "application/wasm")
KEEP_BELOW = 8 * 2**20  # bytes; larger files are read anew for each request instead of kept in memory

SERVER_SCRIPT = "_static/layerlab-server.js"

# The page runs code that its reader writes, so scripts are not the boundary here; the network is: nothing may be
# loaded from, or sent to, any other host. ('unsafe-eval' is for require.js, which Thebe loads in a frame.)
CONTENT_POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "media-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "connect-src 'self' {sockets}",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>{title}</title>
<style>body{{font:1.1rem/1.6 system-ui,sans-serif;max-width:36rem;margin:18vh auto;padding:0 1.5rem}}</style>
</head><body><main><h1>{title}</h1><p>{text}</p></main></body></html>
"""


class _Guarded(JupyterHandler):
    """What every answer of the book carries: no third party, no framing, no use by other origins."""

    @property
    def content_security_policy(self) -> str:
        host = self.request.headers.get("Host", "")
        sockets = f"ws://{host} wss://{host}" if host and host.replace(".", "").replace(":", "").isalnum() else ""
        return CONTENT_POLICY.format(sockets=sockets).replace(" ;", ";")

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        self.set_header("Cross-Origin-Opener-Policy", "same-origin")
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Cache-Control", "no-cache")

    def set_cors_headers(self) -> None:
        """Allow no other origin, not even one that knows the token: there is nothing here for it to read."""

    def page(self, status: int, title: str, text: str) -> None:
        self.clear_header("Etag")
        self.set_status(status)
        self.set_header("Content-Type", CONTENT_TYPES[".html"])
        self.finish(PAGE.format(title=html.escape(title), text=text))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        front = f'<a href="{html.escape(self.base_url)}book/">front page of the book</a>'
        texts = {
            403: ("Not allowed", "This request did not come from a page of this server, so it was refused."),
            404: ("No such page", f"The book has nothing at this address. Go to the {front}."),
        }
        fallback = ("Something went wrong", f"The server could not answer. Go to the {front}.")
        self.page(status_code, *texts.get(status_code, fallback))


class BookHandler(_Guarded):
    """A file of the built book, compressed, with an entity tag; the directory is read anew as it changes."""

    def initialize(self, directory: Path) -> None:
        self.directory = directory

    @web.authenticated
    def get(self, path: str) -> None:
        if self._strip_token():
            return
        if path == SERVER_SCRIPT:
            ready = bool(getattr(self.kernel_manager, "ready", False))
            self._send(server_script(self.base_url, ready), CONTENT_TYPES[".js"])
            return
        found = resolve(self.directory, path)
        if found is None:
            raise web.HTTPError(404)
        if found.is_dir():
            if path and not path.endswith("/"):
                self.redirect(f"{self.base_url}book/{quote(path)}/")
                return
            found = found / "index.html"
        if not found.is_file():
            raise web.HTTPError(404)
        self._send_file(found)

    @web.authenticated
    def head(self, path: str) -> None:
        self.get(path)

    def _strip_token(self) -> bool:
        """Send a reader who came with the token in the address on to the address without it."""
        if self.get_query_argument("token", None) is None:
            return False
        self.set_header("Cache-Control", "no-store")
        self.set_header("Referrer-Policy", "no-referrer")
        rest = [
            (name, value.decode("utf-8", "replace"))
            for name, values in self.request.query_arguments.items()
            for value in values
            if name != "token"
        ]
        self.redirect(quote(self.request.path, safe="/%") + (f"?{urlencode(rest)}" if rest else ""))
        return True

    def _send_file(self, file: Path) -> None:
        kind = content_type(file)
        if kind.startswith("text/html"):
            self.xsrf_token  # noqa: B018  # sets the cookie that the page's own requests must repeat
        status = file.stat()
        if status.st_size >= KEEP_BELOW:
            self._send(file.read_bytes(), kind)
            return
        self._send(_read(str(file), status.st_mtime_ns, status.st_size), kind, _zipped)

    def _send(self, body: bytes, kind: str, zipper: Any = gzip.compress) -> None:
        self.set_header("Content-Type", kind)
        tag = hashlib.sha256(body).hexdigest()[:24]
        if kind.startswith(COMPRESSIBLE) and len(body) > 1024:
            self.set_header("Vary", "Accept-Encoding")
            if "gzip" in self.request.headers.get("Accept-Encoding", ""):
                self.set_header("Content-Encoding", "gzip")
                body, tag = zipper(body), tag + "-gz"
        self.set_header("Etag", f'"{tag}"')
        if self.check_etag_header():
            self.set_status(304)
            self.finish()
        else:
            self.finish(body)


class FrontHandler(_Guarded):
    """/ and /book lead to /book/, with whatever query they came with."""

    @allow_unauthenticated
    def get(self) -> None:
        query = f"?{self.request.query}" if self.request.query else ""
        self.redirect(f"{self.base_url}book/{query}")


class AskHandler(_Guarded):
    """Where a visitor without the token ends up: there is no password to guess, only the printed address."""

    @allow_unauthenticated
    def get(self) -> None:
        self.page(
            403,
            "This book is served to one reader",
            "Open it with the address that <code>layerlab serve</code> printed in the terminal, token included. "
            "The server was started again? Then it printed a new one.",
        )


def server_script(base_url: str, ready: bool) -> bytes:
    """What tells a page that a kernel server is behind it, and whether a warm kernel waits in reserve.

    Any page of any site can include a script, so it holds no secret: the login is a cookie.
    """
    facts = {"baseUrl": base_url, "kernel": "python3", "reserve": ready}
    return f"window.layerlabServer = {json.dumps(facts)};\n".encode()


def content_type(file: Path) -> str:
    """Content type of a file, by its suffix."""
    guess = CONTENT_TYPES.get(file.suffix.lower())
    return guess or mimetypes.guess_type(file.name)[0] or "application/octet-stream"


def resolve(directory: Path, path: str) -> Path | None:
    """The file or folder at `path` in the book, or None: nothing hidden, and nothing outside the book."""
    parts = path.split("/")
    if any(part.startswith(".") or "\\" in part or "\0" in part for part in parts):
        return None
    root = directory.resolve()
    try:
        found = (root / path.lstrip("/")).resolve()
        return found if found.is_relative_to(root) and found.exists() else None
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=1024)
def _read(file: str, changed: int, size: int) -> bytes:
    return Path(file).read_bytes()


@lru_cache(maxsize=1024)
def _zipped(body: bytes) -> bytes:
    return gzip.compress(body, compresslevel=6, mtime=0)


def prepare(directory: Path) -> None:
    """Compress the large scripts ahead, so that the first press on Live does not wait for it."""
    for file in directory.glob("_static/vendor/*/*.js"):
        with contextlib.suppress(OSError):
            status = file.stat()
            if 2**17 < status.st_size < KEEP_BELOW:
                _zipped(_read(str(file), status.st_mtime_ns, status.st_size))


def handlers(directory: Path, base_url: str) -> list[tuple]:
    """The rules for the Tornado application."""
    base = base_url.rstrip("/")
    return [
        (rf"{base}/(?:book)?", FrontHandler),
        (rf"{base}/book/(.*)", BookHandler, {"directory": directory}),
        (rf"{base}/login", AskHandler),
    ]

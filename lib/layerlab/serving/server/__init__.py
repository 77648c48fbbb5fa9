"""The local server of the book: one Jupyter Server that serves the built pages and the kernels on the same origin.

`serve` runs it (the command `layerlab serve`). The handlers are an ordinary Jupyter Server extension, so that
the book can also be served by a server that somebody already runs: enable `layerlab.serving.server` there and
point `LayerlabBook.directory` at the built book.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["serve"]


def serve(
    directory: str | Path = "_build/html",
    port: int = 8888,
    open_browser: bool = False,
    reserve: bool = True,
) -> int:
    """Serve the built book and its kernels on 127.0.0.1 until interrupted; prints the one address to open.

    Returns the exit status 0. `directory` holds the built book, `port` 0 takes any free port, `reserve` keeps one
    kernel waiting with layerlab imported (about 400 MB). Raises SystemExit with one sentence if there is no built
    book in `directory`, if the port cannot be had, or if no working folder can be made.
    """
    from layerlab.serving.server.app import run

    run(Path(directory), port=port, open_browser=open_browser, reserve=reserve)
    return 0


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "layerlab.serving.server"}]


def _load_jupyter_server_extension(app: Any) -> None:
    from layerlab.serving.server.book import handlers

    directory = app.config.get("LayerlabBook", {}).get("directory", "_build/html")
    app.web_app.add_handlers(".*$", handlers(Path(directory), app.web_app.settings["base_url"]))

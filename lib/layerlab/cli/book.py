"""`layerlab build` and `layerlab serve`: the book."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from layerlab.lab import paths


def add_commands(commands: Any) -> None:
    """Add these commands to the parser."""
    build = commands.add_parser("build", help="build the book from the stored runs")
    build.add_argument("--strict", action="store_true", help="treat warnings as errors")
    build.add_argument("--fresh", action="store_true", help="build everything anew")
    build.add_argument("--solutions", action="store_true", help="the teacher's edition: assignments with solutions")
    build.set_defaults(action=build_book)
    serve = commands.add_parser("serve", help="serve the built book with live kernels, on this machine only")
    serve.add_argument("--port", type=int, default=8888)
    serve.add_argument("--dir", type=Path, metavar="DIR", help="the built book (default: the checkout's)")
    serve.add_argument("--build", action="store_true", help="first build what is out of date")
    serve.add_argument("--solutions", action="store_true", help="with --build: build the teacher's edition")
    serve.add_argument("--open", action="store_true", help="open it in a browser")
    serve.set_defaults(action=serve_book)


def _checkout() -> Path:
    top = paths.checkout()
    if top is None:
        raise RuntimeError("the book is built from the project's checkout, and layerlab does not run from one")
    return top


def build_book(arguments: argparse.Namespace) -> int:
    """Build what is out of date; exit status 1 if it fails."""
    top = _checkout()
    from layerlab.serving.build import build

    return build(top, strict=arguments.strict, fresh=arguments.fresh, solutions=arguments.solutions)


def serve_book(arguments: argparse.Namespace) -> int:
    """Serve until interrupted. With --build, a port in use is told before anything is built."""
    from layerlab.serving.server import serve

    if arguments.solutions and not arguments.build:
        raise ValueError("--solutions says what to build: give --build, too")
    if arguments.build:
        from layerlab.serving.server.app import free_port

        free_port(arguments.port)
        if status := build_book(argparse.Namespace(strict=False, fresh=False, solutions=arguments.solutions)):
            return status
    return serve(arguments.dir or _checkout() / "_build" / "html", port=arguments.port, open_browser=arguments.open)

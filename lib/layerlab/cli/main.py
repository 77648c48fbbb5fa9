"""The commands of `layerlab`, and how they fail: in one sentence."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from layerlab import __version__
from layerlab.cli import assignment, book, course, data, doctor, experiments, grading, results
from layerlab.lab import Cancelled, DamagedRun, NoStore, UnknownExperiment


def parser() -> argparse.ArgumentParser:
    """The whole grammar of the command line."""
    top = argparse.ArgumentParser(
        prog="layerlab",
        description="Experiments on what happens inside neural networks: run them, store them, read the book.",
    )
    top.add_argument("--version", action="version", version=f"layerlab {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for room in (experiments, results, assignment, grading, course, data, doctor, book):
        room.add_commands(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status: 0 done, 1 it failed, 2 it was asked wrongly, 130 interrupted."""
    arguments = parser().parse_args(argv)
    try:
        return arguments.action(arguments) or 0
    except (KeyboardInterrupt, Cancelled):
        print("\nlayerlab: stopped; what was finished is kept", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (UnknownExperiment, ValueError, NoStore, DamagedRun) as error:
        print(f"layerlab: {error.args[0] if error.args else error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"layerlab: {error.strerror or error}{f': {error.filename}' if error.filename else ''}", file=sys.stderr)
        return 1
    except RuntimeError as error:
        print(f"layerlab: {error}", file=sys.stderr)
        return 1

"""`layerlab assignment list|build`: what a course hands out, made from an assignment's one source."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add_commands(commands: Any) -> None:
    """Add these commands to the parser."""
    assignment = commands.add_parser(
        "assignment", help="assignments: the student's notebook, the key, nbgrader's source"
    )
    kinds = assignment.add_subparsers(dest="kind", required=True, metavar="KIND")
    kinds.add_parser("list", help="the assignments: points, hours, what running one takes").set_defaults(action=show)
    build = kinds.add_parser("build", help="make the notebooks of an assignment from its source")
    build.add_argument("name", metavar="NAME", help="the assignment, or a folder that holds assignment.md")
    build.add_argument("--out", type=Path, metavar="DIR", help="where notebooks and key go (built/NAME)")
    build.add_argument("--course", type=Path, metavar="DIR", help="nbgrader's course folder: write source/NAME there")
    build.add_argument("--students", type=Path, metavar="FILE", help="CSV of ids: one notebook each, in DIR/STUDENT")
    build.add_argument("--force", action="store_true", help="write over what was changed by hand")
    build.set_defaults(action=make)


def show(arguments: argparse.Namespace) -> int:
    """List the assignments."""
    from layerlab.grading import source

    for name in source.names():
        found = source.find(name)
        gpu = ", a GPU helps" if found.budget.gpu else ""
        print(
            f"{name:<28} {found.points:>3g} points  {found.hours:>4g} h  {found.budget.cpu_minutes:>4g} CPU min  "
            f"{found.budget.memory_mb:>5} MB{gpu}  {found.title}"
        )
    return 0


def make(arguments: argparse.Namespace) -> int:
    """Write the notebooks; exit status 1 if something that was changed by hand was kept."""
    from layerlab.grading import handout, roster, source

    found = source.find(arguments.name)
    made = handout.Made()
    if arguments.course:
        made = handout.build_course(found, arguments.course, force=arguments.force)
    if arguments.out or arguments.students or not arguments.course:
        people = roster.read_roster(arguments.students).people if arguments.students else ()
        out = arguments.out or Path("built") / found.name
        more = handout.build(found, out, [person.id for person in people], force=arguments.force)
        made = handout.Made(made.written + more.written, made.kept + more.kept)
        print(f"keep {out / f'{found.name}-key.ipynb'} to yourself: it is the key")
    for path in made.written:
        print(f"wrote {path}")
    for path in made.kept:
        print(f"layerlab: {path} was changed by hand and is kept; --force writes over it", file=sys.stderr)
    if not made.written and not made.kept:
        print("everything is as it should be already")
    return 1 if made.kept else 0

"""`layerlab feedback|export`: what a course gives back after grading: pages to its students, tables to its platform."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def add_commands(commands: Any) -> None:
    """Add these commands to the parser."""
    feedback = commands.add_parser("feedback", help="a page for each student: points, and why some were lost")
    feedback.add_argument("name", metavar="NAME", help="the assignment, or its folder")
    _common(feedback)
    feedback.add_argument(
        "--out", type=Path, metavar="DIR", help="where the pages go (feedback/NAME; in a course folder its feedback/)"
    )
    feedback.set_defaults(action=give_feedback)
    export = commands.add_parser("export", help="the marks as CSV: for Canvas, for Moodle, or as a plain table")
    export.add_argument("format", choices=("canvas", "moodle", "csv"))
    export.add_argument("name", metavar="NAME", help="the assignment, or its folder")
    _common(export)
    export.add_argument("--roster", type=Path, metavar="FILE", help="who takes part: CSV of nbgrader or of Canvas")
    export.add_argument("--title", default="", help="the assignment's name in Canvas or Moodle, if it is another one")
    export.add_argument("--partial", action="store_true", help="totals also for those who wait to be graded by hand")
    export.add_argument("--out", type=Path, metavar="FILE", help="the file to write (NAME-FORMAT.csv)")
    export.set_defaults(action=export_marks)


def _common(command: argparse.ArgumentParser) -> None:
    wrote = "what `layerlab grade` wrote (graded/NAME, in the course)"
    command.add_argument("--results", type=Path, metavar="DIR", help=wrote)
    command.add_argument("--course", type=Path, metavar="DIR", help="nbgrader's course folder: marks given by hand")


def give_feedback(arguments: argparse.Namespace) -> int:
    """Write the pages; prints where they are and for whom they are not complete yet."""
    from layerlab.grading import feedback, standing

    name = Path(arguments.name).name  # an assignment can be named by its folder
    results = standing.read_results(arguments.results or (arguments.course or Path()) / "graded" / name)
    with _gradebook(arguments.course) as gradebook:
        standings = standing.standings(results, gradebook)
    title = _title(arguments.name)
    if arguments.course and not arguments.out:
        paths = feedback.write_course(standings, title, arguments.course)
        place = arguments.course / "feedback"
    else:
        place = arguments.out or Path("feedback") / name
        paths = feedback.write(standings, title, place)
    for one in standings:
        who = standing.legible(one.result.student, "")
        if not one.graded:
            print(f"{who}: not graded: {standing.legible(one.result.reason, '')}")
        elif one.waiting:
            print(f"{who}: {', '.join(one.waiting)} to be graded by hand")
    print(f"{len(paths)} pages in {place}")
    return 0


def export_marks(arguments: argparse.Namespace) -> int:
    """Write the table; prints what its reader has to know."""
    from layerlab.grading import exports, roster, standing

    name = Path(arguments.name).name
    results = standing.read_results(arguments.results or (arguments.course or Path()) / "graded" / name)
    people = roster.read_roster(arguments.roster) if arguments.roster else None
    with _gradebook(arguments.course) as gradebook:
        standings = standing.standings(results, gradebook)
        if people is None and gradebook is not None:
            people = roster.roster_of(gradebook)
    title = arguments.title or _title(arguments.name)
    points = max(one.points for one in standings) or _points(arguments.name)
    made = exports.FORMATS[arguments.format](standings, people, title, points, arguments.partial)
    out = arguments.out or Path(f"{name}-{arguments.format}.csv")
    made.write(out)
    for line in made.told:
        print(line)
    print(f"wrote {out}")
    return 0


@contextmanager
def _gradebook(course: Path | None) -> Iterator[Any]:
    """nbgrader's gradebook of a course folder, open; None without a course."""
    if course is None:
        yield None
        return
    from layerlab.grading import gradebook

    if not any((course / name).exists() for name in ("nbgrader_config.py", "gradebook.db", "source")):
        raise ValueError(
            f"{course} is no course folder of nbgrader: it has neither nbgrader_config.py nor gradebook.db"
        )
    with gradebook.opened(course) as book:
        yield book


def _title(name: str) -> str:
    """The assignment's title; its name where its source is not at hand."""
    from layerlab.grading import source

    try:
        return source.find(name).title
    except source.BadSource:
        return Path(name).name


def _points(name: str) -> float:
    """The assignment's points where no result says them, since nothing could be graded."""
    from layerlab.grading import source

    return source.find(name).points

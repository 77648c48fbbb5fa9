"""`layerlab grade`: mark submissions to an assignment."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any


def add_commands(commands: Any) -> None:
    """Add this command to the parser."""
    grade = commands.add_parser("grade", help="grade submissions to an assignment, each in isolation")
    grade.add_argument("name", metavar="NAME", help="the assignment, or its folder")
    grade.add_argument("submissions", nargs="+", metavar="SUBMISSIONS", help="notebooks, folders of them, zip archives")
    grade.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="so many at a time (default: all cores)")
    grade.add_argument("--out", type=Path, metavar="DIR", help="where results go (graded/NAME, in the course)")
    grade.add_argument("--course", type=Path, metavar="DIR", help="an nbgrader course, whose gradebook gets the marks")
    grade.add_argument("--engine", default="", help="bubblewrap (the default), docker or podman")
    grade.add_argument("--unsafe", action="store_true", help="run the submissions as yourself, without isolation")
    grade.add_argument("--cpu-seconds", type=float, help="processor time that one submission may use")
    grade.set_defaults(action=grade_submissions)


def grade_submissions(arguments: argparse.Namespace) -> int:
    """Grade; exit status 0 when every submission has a result, graded or not, with its reason."""
    from layerlab.grading import grader, isolation, source, submissions

    if arguments.jobs < 1:
        raise ValueError(f"--jobs was {arguments.jobs}, it must be 1 or more")
    assignment = source.find(arguments.name)
    found = submissions.collect(assignment.name, arguments.submissions)
    out = arguments.out or (arguments.course or Path()) / "graded" / assignment.name
    backend = isolation.choose(arguments.engine, arguments.unsafe)
    limits = grader.limits_of(assignment, arguments.cpu_seconds)
    grading = grader.Grading(assignment, backend, limits, grader.secret(arguments.course or out))
    print(f"{len(found)} submissions to {assignment.name}, isolated by {backend.name}; results go to {out}", flush=True)
    results = grader.grade(grading, found, out, jobs=arguments.jobs, done=_say)
    if arguments.course:
        from layerlab.grading import gradebook

        gradebook.record(results, arguments.course, assignment, found)
        print("The marks are in the course's gradebook.")
    graded = [result for result in results if result.status == "graded"]
    print(f"{len(graded)} graded, {len(results) - len(graded)} not graded.")
    return 0


def _say(result: Any, before: bool) -> None:
    """One line for each submission."""
    if result.status != "graded":
        print(f"  {result.student!r}: not graded: {result.reason}", flush=True)
        return
    by_hand = sum(mark.points for mark in result.marks if mark.score is None)
    automatic = f"{result.score:g} of {result.points - by_hand:g} points"
    waiting = f", {by_hand:g} to be given by hand" if by_hand else ""
    kept = ", graded before" if before else f", {result.seconds:.1f} s"
    print(f"  {result.student!r}: {automatic}{waiting}{kept}", flush=True)

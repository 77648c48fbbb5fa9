"""How many submissions an hour `layerlab grade` marks, and how many nbgrader's own autograde does, side by side.

Run by hand:  python tests/benchmarks/bench_grading.py [--assignment NAME] [--batches 5] [--submissions 20] [--jobs 2]

Both grade the same right answers to the same assignment as whole commands, and both leave their marks in an nbgrader
gradebook: nbgrader runs each notebook with its hidden tests in a kernel of its own, as the teacher's own user; we run
each in a sandbox of its own, forked from a process that has the libraries in memory, compare on our side and write the
marks by nbgrader's API. Batches alternate between the two, so that both see the same load on the machine; the ratio is
taken within each batch, and its median, minimum and maximum are printed. nbgrader grades one notebook at a time; ours,
`--jobs` at a time.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

from layerlab.grading import notebooks, source
from layerlab.grading.source import Source, without_markers

BIN = Path(sys.executable).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assignment", default="random-projections")
    parser.add_argument("--batches", type=int, default=5)
    parser.add_argument("--submissions", type=int, default=20, help="in each batch")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    made = source.find(arguments.assignment)
    name, count = made.name, arguments.batches * arguments.submissions
    print(f"{count} submissions to {name}, {arguments.batches} batches, {arguments.jobs} jobs, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        theirs, ours = Path(folder, "theirs"), Path(folder, "ours")
        for course in (theirs, ours):
            run(course, BIN / "layerlab", "assignment", "build", name, "--course", course)
            run(course, BIN / "nbgrader", "generate_assignment", name)
        times: dict[str, list[float]] = {"ours": [], "theirs": []}
        for batch in range(arguments.batches):
            for number in range(arguments.submissions):
                for course in (theirs, ours):
                    hand_in(made, course / "submitted" / f"s{batch:02}-{number:03}" / name / f"{name}.ipynb")
            grade = [BIN / "layerlab", "grade", name, ours / "submitted", "--course", ours, "--jobs", arguments.jobs]
            times["ours"].append(run(ours, *grade))
            times["theirs"].append(run(theirs, BIN / "nbgrader", "autograde", name, f"--student=s{batch:02}-*"))
            print(
                f"  batch {batch + 1}: ours {times['ours'][-1]:.1f} s, nbgrader {times['theirs'][-1]:.1f} s", flush=True
            )
        check(name, theirs, ours, count)
    ratios = [slow / quick for slow, quick in zip(times["theirs"], times["ours"], strict=True)]
    for who, seconds in times.items():
        print(f"{who}: {3600 * count / sum(seconds):.0f} submissions an hour")
    print(f"throughput: {statistics.median(ratios):.2f} times nbgrader's [{min(ratios):.2f}, {max(ratios):.2f}]")


def hand_in(made: Source, path: Path) -> None:
    """The student's notebook with the key's answers in it."""
    notebook = notebooks.student(made)
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if cell.cell_type == "code" and grade_id and made.cell(grade_id).solution:
            cell.source = without_markers(made.cell(grade_id).source)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


def check(name: str, theirs: Path, ours: Path, count: int) -> None:
    """Both gave all automatic points to everybody: else their times could not be compared."""
    from nbgrader.api import Gradebook

    for course in (theirs, ours):
        with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
            given = [submission.score for submission in gradebook.assignment_submissions(name)]
            most = sum(grade.max_score for grade in gradebook.find_assignment(name).notebooks[0].grade_cells
                       if grade.cell_type == "code")  # fmt: skip
        if given != [most] * count:
            raise SystemExit(
                f"{course.name}: {len(given)} submissions, marks {sorted(set(given))}, not {count} of {most}"
            )


def run(folder: Path, *command: object) -> float:
    """Run a command in a folder; its wall time in seconds. Ends with its output if it fails."""
    folder.mkdir(exist_ok=True)
    start = time.perf_counter()
    environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}  # nbgrader calls `alembic`
    done = subprocess.run([str(word) for word in command], cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return time.perf_counter() - start


if __name__ == "__main__":
    main()

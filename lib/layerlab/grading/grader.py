"""`layerlab grade`: many submissions, each on its own, with a result or a stated reason for every one."""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

import layerlab
from layerlab.grading.files import put
from layerlab.grading.isolation import Limits, NoIsolation, Sandbox
from layerlab.grading.isolation.backends import Backend
from layerlab.grading.judge import judge
from layerlab.grading.merging import merged, notebook_cells
from layerlab.grading.results import GRADED, NOT_GRADED, Result
from layerlab.grading.source import Source
from layerlab.grading.standing import file_name
from layerlab.grading.submissions import Submission, Unreadable

SLOWER = 3.0  # than the key a student's code may be
KEY = ".grading-key"  # the file with the secret from which the hidden inputs are drawn


@dataclass(frozen=True)
class Grading:
    """How to grade an assignment. secret: what makes hidden inputs unforeseeable; limits: for each submission."""

    source: Source
    backend: Backend
    limits: Limits
    secret: bytes

    def digest(self, submission: Submission, content: bytes | None = None) -> str:
        """Of all that the marks of a submission depend on; `content`, where it has been read already."""
        problem = submission.problem
        if content is None:
            try:
                content = submission.read()
            except Unreadable as error:
                content, problem = b"", str(error)
        found = hashlib.sha256(content)
        for part in (submission.student, problem, self.source.digest, self.limits, _code()):
            found.update(repr(part).encode("utf-8", "surrogatepass"))
        found.update(self.secret)
        return found.hexdigest()


def limits_of(source: Source, cpu_seconds: float | None = None) -> Limits:
    """What a submission may take: three times what the key may, and half a minute of processor time at least.

    One cell may take as long as the key as a whole. cpu_seconds: another limit on the processor time, instead; the
    others follow it. Raises ValueError where it is not above 0.
    """
    if cpu_seconds is not None and not cpu_seconds > 0:
        raise ValueError(f"--cpu-seconds was {cpu_seconds:g}, it must be above 0")
    cpu = cpu_seconds or max(30.0, SLOWER * 60 * source.budget.cpu_minutes)
    memory = int(max(512, 1.5 * source.budget.memory_mb))
    return Limits(cpu_seconds=cpu, wall_seconds=4 * cpu, cell_seconds=max(10.0, cpu / SLOWER), memory_mb=memory)


def grade(
    grading: Grading,
    submissions: Sequence[Submission],
    out: Path,
    *,
    jobs: int = 1,
    done: Callable[[Result, bool], None] = lambda result, before: None,
) -> list[Result]:
    """Grade all submissions, `jobs` at a time, and write each result to `out`/STUDENT.json at once.

    What has been graded before with the same outcome for sure (same file, tests, limits and library) is taken from
    there: so an interrupted grading goes on where it was, and what the grader failed on is tried again.
    done(result, before): called after each. Raises ValueError if another grading writes to `out`, OSError if it cannot
    be written to.
    """
    out.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(out / ".lock", timeout=0):
            return _grade(grading, submissions, out, jobs, done)
    except Timeout:
        raise ValueError(f"another grading is writing to {out}: wait for it, or choose another folder") from None


def secret(folder: Path) -> bytes:
    """The secret that is kept in a folder; made when there is none yet, and readable for its owner only."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / KEY
    with FileLock(folder / f"{KEY}.lock"):
        if not path.is_file():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(32))
        kept = path.read_bytes()
    if len(kept) < 32:
        raise ValueError(f"{path} is damaged: it should hold 32 random bytes; delete it, and grade everything again")
    return kept


def result_file(out: Path, student: str) -> Path:
    """Where the result of a student's submission is kept."""
    return out / f"{file_name(student)}.json"


def _grade(
    grading: Grading,
    submissions: Sequence[Submission],
    out: Path,
    jobs: int,
    done: Callable[[Result, bool], None],
) -> list[Result]:
    finished: dict[str, Result] = {}
    todo = []
    for submission in submissions:
        kept = _kept(result_file(out, submission.student))
        if kept is not None and kept.digest == grading.digest(submission):
            finished[submission.student] = kept
            done(kept, True)
        else:
            todo.append(submission)
    for result in _all(grading, todo, out, jobs):
        finished[result.student] = result
        done(result, False)
    return [finished[submission.student] for submission in submissions]


def _all(grading: Grading, todo: list[Submission], out: Path, jobs: int) -> Iterator[Result]:
    """Each submission in a worker; a worker that dies takes one submission with it, not the others."""
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import BrokenProcessPool

    if jobs == 1 or len(todo) < 2:
        for submission in todo:
            yield _one(grading, submission, out)
        return
    left = {submission.student: submission for submission in todo}
    try:
        work = (delayed(_in_worker)(os.getpid(), grading, submission, out) for submission in todo)
        for result in Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)(work):
            left.pop(result.student)
            yield result
    except BrokenProcessPool:
        for submission in left.values():
            yield _alone(grading, submission, out)


def _alone(grading: Grading, submission: Submission, out: Path) -> Result:
    """Grade in a worker of its own, as one of those that were graded together ended theirs."""
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import BrokenProcessPool

    kept = _kept(result_file(out, submission.student))
    if kept is not None and kept.digest == grading.digest(submission):
        return kept
    try:
        work = [delayed(_in_worker)(os.getpid(), grading, submission, out), delayed(os.getpid)()]
        result: Result = Parallel(n_jobs=2)(work)[0]
        return result
    except BrokenProcessPool:
        reason = "the process that graded it ended without a word: is there enough memory?"
        return _write(out, _failed(grading, submission, reason))


def _in_worker(parent: int, grading: Grading, submission: Submission, out: Path) -> Result:
    """Grade one submission in a process that the grader started."""
    _end_with(parent)
    return _one(grading, submission, out)


@cache
def _end_with(parent: int) -> None:
    """End this process when its parent is gone: nobody holds the lock any more under which it writes."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, name="layerlab-parent", daemon=True).start()


def _one(grading: Grading, submission: Submission, out: Path) -> Result:
    """Grade one submission and write the result down."""
    return _write(out, _graded(grading, submission))


def _graded(grading: Grading, submission: Submission) -> Result:
    source, start = grading.source, time.perf_counter()
    try:
        content = submission.read()
        code = merged(source, notebook_cells(content))
    except ValueError as error:
        return _not_graded(grading, submission, str(error))

    def sandbox() -> Sandbox:
        return Sandbox(grading.backend, grading.limits, source.withheld, source.imports)

    limit = 1.5 * grading.limits.wall_seconds
    try:
        found = judge(source, code.cells, submission.student, sandbox, secret=grading.secret, seconds=limit)
    except NoIsolation as error:
        return _failed(grading, submission, str(error))
    except Exception as error:  # whatever one submission brings about, the others are graded
        return _failed(grading, submission, f"the grader failed on it ({type(error).__name__}): a person must look")
    return Result(
        assignment=source.name,
        student=submission.student,
        status=GRADED,
        marks=found.marks,
        notes=(*submission.notes, *code.notes, *found.notes),
        isolation=grading.backend.name,
        digest=grading.digest(submission, content),
        seconds=round(time.perf_counter() - start, 3),
        cpu_seconds=round(found.cpu_seconds, 3),
        file=submission.file,
    )


def _not_graded(grading: Grading, submission: Submission, reason: str) -> Result:
    found = Result(grading.source.name, submission.student, NOT_GRADED, reason, notes=submission.notes)
    return replace(found, digest=grading.digest(submission), file=submission.file)


def _failed(grading: Grading, submission: Submission, reason: str) -> Result:
    """Not graded, for what may not be the submission's doing: the next grading tries again."""
    return replace(_not_graded(grading, submission, reason), digest="")


def _write(out: Path, result: Result) -> Result:
    """Put a result down."""
    put(result_file(out, result.student), result.to_json())
    return result


def _kept(path: Path) -> Result | None:
    """The result of an earlier grading; None if there is none that can be read."""
    try:
        return Result.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


@cache
def _code() -> tuple[Any, ...]:
    """The library's version and the code that decides on marks."""
    folder = Path(__file__).parent
    files = sorted([*folder.glob("*.py"), *(folder / "isolation").glob("*.py")])
    return layerlab.__version__, *(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)

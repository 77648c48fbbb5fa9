"""The tests of an assignment, run on the grader's side against answers that live in another process.

The code of the tests cells runs here, and so does what is given in the notebook. The names that answers define are
stand-ins here: a function sends plain arguments to the student's process and brings plain data back, a value is fetched
as plain data. So nothing that a student defines, patches or compares with takes part in the comparison.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import io
import re
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

from layerlab.grading.assignments import Assignment, judging
from layerlab.grading.checking import Halted
from layerlab.grading.isolation import Sandbox, Stopped, StudentError
from layerlab.grading.report import Report
from layerlab.grading.results import Mark
from layerlab.grading.source import Cell, Source, bound, hidden_tests, used, without_hidden_tests

STARTS = 10  # processes that one submission may use up
TRIES = 2  # of them that one function may
NOTES = 20  # on cells that stopped


@dataclass(frozen=True)
class Judgement:
    """The marks, and what to tell the student about the run. cpu_seconds, memory_mb: what the student's code took."""

    marks: tuple[Mark, ...]
    notes: tuple[str, ...]
    cpu_seconds: float
    memory_mb: float


def judge(
    source: Source,
    cells: Sequence[tuple[str, str]],
    student: str,
    start: Callable[[], Sandbox],
    *,
    secret: bytes = b"",
    seconds: float = 600.0,
) -> Judgement:
    """Run the student's `cells`, (label, code) each, in processes from `start`, and test the answers.

    A cell of tests gives all its points or none; what a person has to grade stays open. secret: makes the inputs of the
    hidden tests unforeseeable. seconds: the wall time after which no further answer is waited for.
    """
    assignment = _Assignment(source.name, student, secret, source.path.parent)
    token = judging.set(assignment)
    answers = _Answers(start, cells, assignment, seconds)
    try:
        tests = _Tests(source, assignment, answers)
        # all that a student may read comes out of the visible checks, before any hidden input has left this side
        seen = {cell.id: tests.visible(cell) for cell in source.cells if cell.tests}
        marks = [_mark(cell, tests, seen) for cell in source.cells if cell.grade]
    finally:
        judging.reset(token)
        answers.close()
    return Judgement(tuple(marks), tuple(answers.notes), answers.cpu_seconds, answers.memory_mb)


@dataclass(frozen=True)
class _Failure:
    says: str = ""
    private: str = ""


@dataclass(frozen=True)
class _Seen:
    namespace: dict[str, Any]
    report: str
    failure: _Failure | None


def _mark(cell: Cell, tests: _Tests, seen: dict[str, _Seen]) -> Mark:
    if cell.manual:
        return Mark(cell.id, cell.question, cell.points, None)
    first = seen[cell.id]
    failure = first.failure or tests.hidden(cell, first.namespace)
    if failure is None:
        return Mark(cell.id, cell.question, cell.points, cell.points, first.report)
    return Mark(cell.id, cell.question, cell.points, 0.0, first.report, failure.says, failure.private)


class _Assignment(Assignment):
    """The grader's own: its reports are collected, not shown."""

    def __init__(self, name: str, student: str, secret: bytes, folder: Path) -> None:
        super().__init__(name, student, secret, folder)
        self.reports: list[Report] = []

    def _took(self, report: Report) -> None:
        self.reports.append(report)


class _Answers:
    """The student's process: started when first needed, and again after it had to be ended."""

    def __init__(
        self, start: Callable[[], Sandbox], cells: Sequence[tuple[str, str]], assignment: Assignment, seconds: float
    ) -> None:
        self._start, self._assignment = start, assignment
        # what the first cell asks for is there, even where a student has deleted it
        self._cells = [("student", f"STUDENT = {assignment.student!r}"), *cells]
        self._end, self._starts = time.monotonic() + seconds, 0
        self._sandbox: Sandbox | None = None
        self._ended: dict[str, list[str]] = {}  # function -> why it was stopped, each time
        self.notes: list[str] = []
        self.cpu_seconds, self.memory_mb = 0.0, 0.0

    def ask(self, what: str, *arguments: Any, **named: Any) -> Any:
        """Call a method of the sandbox. Raises Halted where the process was ended, StudentError as the answer did."""
        ended = self._ended.setdefault(str(arguments[0]), [])
        if len(ended) >= TRIES:  # it costs time, and the other answers their turn
            raise Halted(f"it was stopped: {ended[-1]}")
        sandbox = self._running()
        try:
            return getattr(sandbox, what)(*arguments, **named)
        except Stopped as stopped:
            ended.append(str(stopped))
            self.close()
            raise Halted(f"it was stopped: {stopped}") from None

    def _running(self) -> Sandbox:
        while self._sandbox is None:
            if self._starts >= STARTS or time.monotonic() > self._end:
                raise Halted("it was not tried any more: this submission has used up its time")
            self._starts += 1
            self._sandbox = self._start()
            self._execute(self._sandbox)
        return self._sandbox

    def _execute(self, sandbox: Sandbox) -> None:
        """Run the cells in order; one that ends the process is left out the next time."""
        notes = []
        for cell in list(self._cells):
            try:
                (ran,) = sandbox.run([cell], vars(self._assignment.variant), self._assignment.name)
            except (Stopped, StudentError) as ended:  # the latter: what was patched in it answers for the process
                self.notes.append(f"{cell[0]} was left out: {ended}")
                self._cells.remove(cell)
                self.close()
                return
            if ran.error:
                notes.append(f"{cell[0]} stopped with {ran.error[:300]}")
        if self._starts == 1 or not self.notes:
            more = len(notes) - NOTES
            self.notes += notes[:NOTES] + ([f"... and {more} more cells stopped"] if more > 0 else [])

    def close(self) -> None:
        if self._sandbox is not None:
            usage = self._sandbox.usage
            self.cpu_seconds += usage.cpu_seconds
            self.memory_mb = max(self.memory_mb, usage.memory_mb)
            self._sandbox.close()
            self._sandbox = None


class _Tests:
    """The tests cells and what is given beside them."""

    def __init__(self, source: Source, assignment: _Assignment, answers: _Answers) -> None:
        self._source, self._assignment, self._answers = source, assignment, answers
        self._asked = set(source.answers)
        self._given: dict[str, Any] = {"__name__": "__main__", "STUDENT": assignment.student}
        for cell in source.cells:
            if cell.given and used(cell.source) & self._asked:
                self._asked |= bound(cell.source)  # made from the student's answers: it lives on the other side
            elif cell.given:
                exec(_compiled(cell.source, cell), self._given)

    def visible(self, cell: Cell) -> _Seen:
        """Run the part of a tests cell that everyone can see, in a namespace of its own."""
        code = _compiled(without_hidden_tests(cell.source), cell)
        self._assignment.reports.clear()
        namespace = dict(self._given)
        failure = None
        try:
            namespace |= self._stand_ins(cell)
        except Halted as halted:
            failure = _Failure(str(halted), str(halted))
        if failure is None:
            failure = self._run(code, namespace, seen=True)
        return _Seen(namespace, "\n".join(map(str, self._assignment.reports)), failure)

    def hidden(self, cell: Cell, namespace: dict[str, Any]) -> _Failure | None:
        """Run the rest, in the same namespace."""
        return self._run(_compiled(hidden_tests(cell.source), cell), namespace, seen=False)

    def _run(self, code: CodeType, namespace: dict[str, Any], *, seen: bool) -> _Failure | None:
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(code, namespace)
        except Exception as error:
            return _Failure(self._says(error, seen), _privately(error, code.co_filename))
        return None

    def _says(self, error: Exception, seen: bool) -> str:
        """Why the points were lost, without a word of a hidden test or of what a student could bring out of one."""
        if isinstance(error, Halted):
            return str(error)
        if isinstance(error, NameError) and error.name in self._asked:
            return f"`{error.name}` is not defined."
        if seen:
            failed = any(not report.passed for report in self._assignment.reports)
            return "" if failed else "a test that you can see in the notebook does not hold."
        if isinstance(error, StudentError):
            return f"the visible checks passed; on other inputs it stopped with {_kind(error)}."
        return "the visible checks passed; a hidden test did not."

    def _stand_ins(self, cell: Cell) -> dict[str, Any]:
        wanted = sorted(self._wanted(cell))
        if not wanted:
            return {}
        found: dict[str, Any] = {}
        for name, kind in self._answers.ask("kinds", wanted).items():
            if kind == "function":
                found[name] = _Function(name, self._answers)
            elif kind == "value":
                try:
                    found[name] = self._answers.ask("value", name)
                except StudentError as error:
                    found[name] = _unreadable(error)
        return found

    def _wanted(self, cell: Cell) -> set[str]:
        """The names that a tests cell needs from the student's process, itself or through its visible checks."""
        strings = {node.value for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Constant)}
        checked = {e.answer for e in self._assignment.exercises if e.name in strings}
        return (used(cell.source) & self._asked - bound(cell.source)) | checked


class _Function:
    """A function of the student's, here: called with plain data, it gives plain data."""

    def __init__(self, name: str, answers: _Answers) -> None:
        self.__name__, self._answers = name, answers

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        try:
            return self._answers.ask("call", self.__name__, *arguments, **named)
        except StudentError as error:
            raise _as_raised(error) from None


def _compiled(code: str, cell: Cell) -> CodeType:
    """The code, its assert statements in it even where Python was told to leave them out."""
    return compile(code, f"<{cell.id}>", "exec", dont_inherit=True, optimize=0)


def _kind(error: StudentError) -> str:
    """The kind of error; only a built-in one is named, as names can carry messages."""
    kind = getattr(builtins, error.kind, None)
    return error.kind if isinstance(kind, type) and issubclass(kind, BaseException) else "an error"


def _as_raised(error: StudentError) -> Exception:
    """The student's error as the checks should see it: of the built-in kind, where it is one.

    Not of those by which a loop over a function's values would end early, as if all were well.
    """
    kind = getattr(builtins, error.kind, None)
    ends_loops = (StopIteration, StopAsyncIteration, IndexError)
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, ends_loops):
        with contextlib.suppress(TypeError):  # some kinds cannot be combined, or want other arguments
            made: Exception = type(error.kind, (_Raised, kind), {})(error)
            return made
    return error


class _Raised(StudentError):
    """An error of the student's that is also of its built-in kind."""

    def __init__(self, error: StudentError) -> None:
        StudentError.__init__(self, error.kind, error.message)

    def __str__(self) -> str:
        return self.message


def _unreadable(error: StudentError) -> Any:
    """Something that agrees with nothing, of the name of the student's type."""
    kind = re.search(r"of type (\w{1,40})", error.message, flags=re.ASCII)
    name = kind[1] if kind else "unknown"
    return type(name, (), {})()


def _privately(error: Exception, filename: str) -> str:
    """What failed and where, for the teacher."""
    frames: Iterable[traceback.FrameSummary] = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == filename]
    where = f"line {lines[-1]} of {filename[1:-1]}: " if lines else ""
    return f"{where}{type(error).__name__}: {error}"[:2000]

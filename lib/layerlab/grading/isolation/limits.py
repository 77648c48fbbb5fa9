"""What a submission may use, what it used, and the ways in which it can fail."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Limits:
    """What one sandbox may use: seconds, megabytes (10^6 bytes), kilobytes, or numbers of things."""

    cpu_seconds: float = 60.0  # all processes together, from the start of the interpreter
    wall_seconds: float = 120.0  # while the grader waits for it, in all
    call_seconds: float = 10.0  # of CPU time for one call; eight times as many by the clock, should it wait
    cell_seconds: float = 60.0  # the same for one cell
    memory_mb: int = 1024  # all processes together
    output_kb: int = 64  # kept of what a cell prints; a thousand times as much is too much
    message_mb: int = 64  # of one answer
    processes: int = 16
    open_files: int = 128  # of one process
    file_mb: int = 16  # one file
    disk_mb: int = 64  # all files
    files: int = 1000

    def __post_init__(self) -> None:
        """Every limit is positive."""
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise ValueError(f"{field.name} was {getattr(self, field.name)!r}, it must be above 0")


@dataclass(frozen=True)
class Usage:
    """What a sandbox used: CPU seconds of all its processes, seconds waited for it, the most memory seen."""

    cpu_seconds: float
    wall_seconds: float
    memory_mb: float


@dataclass(frozen=True)
class CellRun:
    """One cell that was run: its label, what it raised ('' if nothing) and the beginning of what it printed."""

    label: str
    error: str
    output: str


class NoIsolation(RuntimeError):
    """Student code cannot be isolated here; the sentence says what to install or configure."""


class StudentError(Exception):
    """The student's code raised, or gave back what is no plain data: the exception's class and its text."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}" if message else kind)
        self.kind = kind
        self.message = message


class Stopped(Exception):
    """The sandbox is dead: a limit was reached or the process ended; `at` is the cell or function that ran then."""

    def __init__(self, reason: str, at: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.at = at

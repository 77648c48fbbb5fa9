"""A tree of processes, seen from outside: what it uses, and its end."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
MARK = "LAYERLAB_SANDBOX"  # in the environment of what has no namespace of its own
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Seen:
    """A tree of processes: CPU seconds since its start, megabytes now, the most that one process had, their ids."""

    cpu_seconds: float
    memory_mb: float
    peak_mb: float
    pids: tuple[int, ...]


def tree(*pids: int) -> list[int]:
    """The processes and all their descendants, parents first; [] where there is none (or no /proc)."""
    found, at = [pid for pid in pids if Path(f"/proc/{pid}").exists()], 0
    while at < len(found):
        try:
            tasks = os.listdir(f"/proc/{found[at]}/task")
            for task in tasks:
                found += map(int, Path(f"/proc/{found[at]}/task/{task}/children").read_text().split())
        except OSError:  # it has just ended
            pass
        at += 1
    return found


def look(*roots: int) -> Seen:
    """What the trees of some processes use; their dead children count through their parents."""
    cpu, memory, peak, pids = 0.0, 0, 0, tree(*roots)
    for each in pids:
        try:
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            status = Path(f"/proc/{each}/status").read_text()
        except OSError:  # it has just ended
            continue
        memory += int(fields[21]) * PAGE
        cpu += sum(map(int, fields[11:15])) / TICKS
        if found := re.search(r"VmHWM:\s*(\d+) kB", status):
            peak = max(peak, int(found[1]) * 1024)
    return Seen(cpu, memory / 1e6, peak / 1e6, tuple(pids))


def shared_once(*roots: int) -> float:
    """Megabytes of some trees, pages that several processes share counted once; infinite where it cannot be read."""
    total = 0
    for each in tree(*roots):
        try:
            text = Path(f"/proc/{each}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            continue
        except OSError:
            return float("inf")
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total * 1024 / 1e6


def inodes(folder: str, *roots: int) -> int:
    """How many files lie in the file system at a folder as the processes behind the first see it; 0 where none is."""
    for each in reversed(tree(*roots)[1:]):  # the first itself sees the machine's folder
        try:
            files = os.statvfs(f"/proc/{each}/root{folder}")
        except OSError:
            continue
        return files.f_files - files.f_ffree
    return 0


def kill(pid: int) -> None:
    """Kill a process's descendants, then the process: the first process of a namespace takes all others along."""
    for each in [*tree(pid)[1:], pid]:
        try:
            os.kill(each, signal.SIGKILL)
        except OSError:
            continue


def until_gone(pids: Iterable[int], seconds: float) -> None:
    """Wait until none of the processes runs any more: a first process's end waits for all others of its namespace."""
    end = time.monotonic() + seconds
    for pid in pids:
        while _runs(pid) and time.monotonic() < end:
            time.sleep(0.001)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except (OSError, IndexError):
        return False


def kill_marked(value: str, seconds: float) -> None:
    """Kill every process of ours that carries the mark with this value in the environment that it began with."""
    end = time.monotonic() + seconds
    while (found := marked(value)) and time.monotonic() < end:
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)


def marked(value: str) -> list[int]:
    """The processes of ours that carry the mark with this value."""
    word, found = f"{MARK}={value}".encode(), []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # not ours, or it has just ended
            if word in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found

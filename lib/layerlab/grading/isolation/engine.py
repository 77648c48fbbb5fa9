"""Isolation by a container engine that the teacher has configured: docker, podman, or another with their options."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import uuid
from collections.abc import Sequence

from layerlab.grading.isolation import watch
from layerlab.grading.isolation.backends import ENVIRONMENT, HERE, INSIDE, MB, Alone, settings, spawn
from layerlab.grading.isolation.limits import Limits, NoIsolation

USER = "61184:61184"  # nobody's, by convention
PATIENCE = 30.0  # seconds for the engine to end a container, or to look into an image
FIND = """
import contextlib, importlib.util, json, os, sys
folders, files = [], []
for name in sys.argv[1:]:
    with contextlib.suppress(ImportError):
        if spec := importlib.util.find_spec(name):
            folders += spec.submodule_search_locations or []
            files += [path for path in (spec.origin, spec.cached) if path and os.path.isfile(path)]
def outside(path):
    return not any(path != folder and os.path.commonpath([path, folder]) == folder for folder in folders)
print(json.dumps([sorted(set(filter(outside, each))) for each in (folders, files)]))
"""


class Engine:
    """One container for each submission, from an image with Python and the libraries, and without layerlab.

    The engine itself limits memory, which the files count towards, and processes; how much was used is not known.
    """

    def __init__(self, program: str, image: str) -> None:
        self.program, self.image = program, image
        self.name = os.path.basename(program)

    def start(self, limits: Limits, withheld: Sequence[str], modules: Sequence[str] = ()) -> Alone:
        """Start a container with the runner; raises OSError where the engine is missing."""
        container = f"layerlab-{uuid.uuid4().hex}"
        process = spawn(self.command(limits, withheld, container), os.environ)

        def kill() -> None:
            if process.returncode is None:
                # Popen's own kill would take note of its end, which is for `Alone` to do
                watch.kill(process.pid)
                # the client's end is not the container's; nor does docker end one whose client does not take its output
                self._quietly("kill", container)

        return Alone(process, lambda: self._quietly("rm", "--force", container), watched=False, kill=kill)

    def command(self, limits: Limits, withheld: Sequence[str], container: str) -> list[str]:
        """The whole command line."""
        memory = str(limits.memory_mb * MB)
        # without a log: it would keep on the disk all that is printed
        options = [self.program, "run", "--rm", "--interactive", "--log-driver", "none", "--name", container]
        options += ["--network", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
        options += ["--pids-limit", str(limits.processes + 1), "--memory", memory, "--memory-swap", memory]
        options += ["--ulimit", f"nofile={limits.open_files}:{limits.open_files}", "--ulimit", "core=0:0"]
        # no shared memory, which is room for files, too; podman would open /var/tmp for writing
        options += ["--cpus", "1", "--user", USER, "--hostname", "sandbox", "--ipc", "none"]
        tmpfs = f"/tmp:rw,nosuid,nodev,size={limits.disk_mb * MB},mode=1777"
        options += ["--tmpfs", tmpfs, "--tmpfs", "/var/tmp:ro", "--workdir", "/tmp"]
        folders, files = _places(self.program, self.image, tuple(withheld))
        for folder in folders:
            options += ["--tmpfs", f"{folder}:ro"]
        for file in files:
            options += ["--volume", f"{os.devnull}:{file}:ro"]
        for name, value in (ENVIRONMENT | {"HOME": "/tmp"}).items():
            if name != "PATH":
                options += ["--env", f"{name}={value}"]
        for name in INSIDE:
            options += ["--volume", f"{HERE / name}:/runner/{name}:ro"]
        argument = json.dumps(settings(limits, withheld, alone=True))
        return [*options, "--entrypoint", "python3", self.image, "-I", "/runner/runner.py", argument]

    def _quietly(self, *arguments: str) -> None:
        nothing = subprocess.DEVNULL
        # an engine that does not answer must not keep the grader from the next submission
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            command = [self.program, *arguments]
            subprocess.run(command, check=False, timeout=PATIENCE, stdin=nothing, stdout=nothing, stderr=nothing)


@functools.cache
def _places(program: str, image: str, modules: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """The folders and the files of modules in the image; raises NoIsolation where the engine cannot tell."""
    if not modules:
        return [], []
    options = ["--rm", "--network", "none", "--entrypoint", "python3"]
    command = [program, "run", *options, image, "-I", "-c", FIND, *modules]
    try:
        told = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise NoIsolation(f"{program} did not look into the image {image!r} within {PATIENCE:g} s") from None
    if told.returncode:
        why = (told.stderr.strip().splitlines() or [f"status {told.returncode}"])[-1]
        raise NoIsolation(f"{program} could not look for withheld modules in the image {image!r}: {why}")
    folders, files = json.loads(told.stdout)
    return folders, files

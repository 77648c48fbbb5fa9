"""Isolation by a container engine that the teacher has configured: docker, podman, or another with their options."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import uuid
from collections.abc import Sequence

from layerlab.grading.isolation.backends import ENVIRONMENT, HERE, INSIDE, MB, Alone, settings, spawn
from layerlab.grading.isolation.limits import Limits

USER = "61184:61184"  # nobody's, by convention
PATIENCE = 30.0  # seconds for the engine to end a container


class Engine:
    """One container for each submission, from an image with Python and the libraries, and without layerlab.

    The engine itself limits memory, which the files count towards, and processes; how much was used is not known.
    Withheld modules are refused to imports, but lie in the image.
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
                self._quietly("kill", container)  # the client's end is not the container's
                process.kill()

        return Alone(process, lambda: self._quietly("rm", "--force", container), watched=False, kill=kill)

    def command(self, limits: Limits, withheld: Sequence[str], container: str) -> list[str]:
        """The whole command line."""
        memory = str(limits.memory_mb * MB)
        options = [self.program, "run", "--rm", "--interactive", "--name", container]
        options += ["--network", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
        options += ["--pids-limit", str(limits.processes + 1), "--memory", memory, "--memory-swap", memory]
        options += ["--ulimit", f"nofile={limits.open_files}:{limits.open_files}", "--ulimit", "core=0:0"]
        options += ["--cpus", "1", "--user", USER, "--hostname", "sandbox", "--ipc", "private"]
        tmpfs = f"/tmp:rw,nosuid,nodev,size={limits.disk_mb * MB},mode=1777"
        options += ["--tmpfs", tmpfs, "--workdir", "/tmp"]
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

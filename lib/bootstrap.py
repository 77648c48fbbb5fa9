"""Set up the environment of this checkout in .venv, with nothing but Python's own library.

Called by the Makefile: `python3 lib/bootstrap.py [--test]`. It does nothing if the environment is already what the
requirements ask for. Every failure is one sentence that says what to do.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
VENV = TOP / ".venv"
PYTHON = VENV / "bin" / "python"
LOG = VENV / "install.log"
OLDEST = (3, 11)


class Stop(Exception):
    """What keeps the environment from being set up, in one sentence."""


def main() -> int:
    """Set up what is missing; returns the exit status."""
    try:
        if sys.version_info[:2] < OLDEST:
            raise Stop(f"this needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}"
                       " (choose another with: make PYTHON=python3.12 ...)")  # fmt: skip
        with _lock():
            _set_up(test="--test" in sys.argv[1:])
    except Stop as stop:
        print(f"setup: {stop}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nsetup: stopped; run the same command again to go on", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"setup: {error.strerror}: {error.filename}", file=sys.stderr)
        return 1
    return 0


def _lock():
    """Two setups at once take turns."""
    try:
        VENV.mkdir(exist_ok=True)
        file = (VENV / "setup.lock").open("w")
    except OSError as error:
        raise Stop(f"{TOP} cannot be written to ({error.strerror}); copy the project to a folder of your own") from None
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def _set_up(test: bool) -> None:
    requirements = TOP / ("requirements-test.txt" if test else "requirements.txt")
    stamp = VENV / f"installed-{requirements.stem}"
    digest = hashlib.sha256(sys.version.encode())
    for path in (TOP / "requirements.txt", requirements, TOP / "lib" / "pyproject.toml"):
        digest.update(path.read_bytes())
    if PYTHON.exists() and stamp.exists() and stamp.read_text() == digest.hexdigest():
        return
    print(f"Setting up .venv ({requirements.name}); the first time this takes some minutes ...", flush=True)
    if shutil.disk_usage(TOP).free < 3 * 2**30:
        raise Stop(f"the disk is nearly full: the packages need about 3 GiB free in {TOP}")
    if not PYTHON.exists() or not (VENV / "bin" / "pip").exists():
        _call([sys.executable, "-m", "venv", str(VENV)], "Python cannot make a virtual environment; on Debian and "
              "Ubuntu install it with: sudo apt install python3-venv")  # fmt: skip
    advice = f"the packages could not be installed: is there a network? The last words of pip are in {LOG}"
    _call([str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "-r", str(requirements)], advice)
    _call(
        [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-deps", "-e", str(TOP / "lib")],
        advice,
    )
    stamp.write_text(digest.hexdigest())


def _call(command: list[str], advice: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    with LOG.open("ab") as log:
        done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=environment, check=False)
    if done.returncode:
        last = LOG.read_text(errors="replace").strip().splitlines()[-1:]
        raise Stop(f"{advice}{f' ({last[0][:200]})' if last else ''}")


if __name__ == "__main__":
    sys.exit(main())

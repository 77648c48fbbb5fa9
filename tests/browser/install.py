"""Make sure that there is a Chromium for the browser tests; called by `make test`.

Debian's own where apt is there and may install, else Playwright's, else it stops and says what to do.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))
from debian_package import install

NAMES = ("chromium", "chromium-browser", "google-chrome")


def found() -> str | None:
    """The path of a Chromium on this machine, or None: LAYERLAB_CHROMIUM, one on the PATH, or Playwright's own."""
    named = os.environ.get("LAYERLAB_CHROMIUM")
    if named:
        return named if Path(named).is_file() else None
    for name in NAMES:
        if path := shutil.which(name):
            return path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).is_file() else None


def main() -> int:
    """Install a Chromium if there is none; returns the exit status."""
    if found():
        return 0
    print("Installing Chromium for the browser tests ...", flush=True)
    install("chromium")
    if not found():
        subprocess.run([sys.executable, "-m", "playwright", "install", "--with-deps", "chromium"], check=False)
    if found():
        return 0
    print(
        "There is no Chromium and none could be installed: install one (Debian: apt install chromium) or name one "
        "in LAYERLAB_CHROMIUM, then run make test again.",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())

"""Try to make sure that there is bubblewrap for the tests of the grader; called by `make test`.

Debian's own where apt is there and may install. Without it the tests that need it are skipped, and say so.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))
from debian_package import install

from layerlab.grading.isolation import NoIsolation, choose


def main() -> None:
    """Install bubblewrap if there is none, and say what is missing where it does not work."""
    if shutil.which("bwrap") is None:
        print("Installing bubblewrap for the tests of the grader ...", flush=True)
        install("bubblewrap")
    try:
        choose("bubblewrap")
    except NoIsolation as why:
        print(f"Tests that need an isolated grader will be skipped: {why}", file=sys.stderr)


if __name__ == "__main__":
    main()

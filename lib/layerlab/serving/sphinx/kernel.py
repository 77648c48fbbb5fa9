"""The kernel that executes the pages: this very Python, whatever kernels the machine has installed."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

NAME = "layerlab-book"


def install(app: Sphinx) -> None:
    """Write the kernel's description beside Sphinx's intermediate files and let Jupyter find it first."""
    root = Path(app.doctreedir).parent / ".kernels"
    folder = root / "kernels" / NAME
    folder.mkdir(parents=True, exist_ok=True)
    # its log says on every start that it listens on the loopback interface; errors are still told
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=ERROR"]
    description = {"argv": command, "display_name": "Python 3", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(description), encoding="utf-8")
    others = os.environ.get("JUPYTER_PATH", "").split(os.pathsep)
    os.environ["JUPYTER_PATH"] = os.pathsep.join(dict.fromkeys([str(root), *filter(None, others)]))


def configure(app: Sphinx, config: Any) -> None:
    """Whatever kernel a page names, this one executes it."""
    config.nb_kernel_rgx_aliases = {".*": NAME}


def setup(app: Sphinx) -> None:
    """Register both moments."""
    app.connect("config-inited", configure)
    app.connect("builder-inited", install)

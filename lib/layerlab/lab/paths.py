"""Where things are: the checkout, the stored results, the user's cache."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def checkout() -> Path | None:
    """The project's own checkout when layerlab runs from one (an editable install), else None."""
    top = Path(__file__).resolve().parents[3]
    return top if (top / "_config.yml").is_file() and (top / "book").is_dir() else None


def results() -> Path | None:
    """The folder of stored runs: LAYERLAB_RESULTS, else the checkout's book/_results, else None."""
    named = os.environ.get("LAYERLAB_RESULTS")
    if named:
        return Path(named).expanduser()
    top = checkout()
    return top / "book" / "_results" if top else None


def cache() -> Path:
    """The user's cache folder for trained networks, timings and queues: LAYERLAB_CACHE, else the system's place."""
    named = os.environ.get("LAYERLAB_CACHE")
    return Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("layerlab", appauthor=False))

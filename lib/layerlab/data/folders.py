"""Where the files of a data set are: the folder that LAYERLAB_DATA names, then the user's cache."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from .errors import DataMissing
from .registry import SOURCES, File, Source


@dataclass(frozen=True)
class Status:
    """Whether a data set can be loaded now (`present`), from where, and a phrase about it for a list."""

    present: bool
    where: str | None
    detail: str

    def __str__(self) -> str:
        return self.detail


@dataclass(frozen=True)
class Found:
    """The files of one data set in one folder, by the name that the registry gives them."""

    folder: Path
    paths: dict[str, Path]
    missing: tuple[str, ...]


def cache_folder() -> Path:
    """Where downloads go: `data` in LAYERLAB_CACHE, else in the system's cache folder for layerlab."""
    named = os.environ.get("LAYERLAB_CACHE")
    base = Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("layerlab", appauthor=False))
    return base / "data"


def data_folder() -> Path | None:
    """The folder of original files that LAYERLAB_DATA names, if it is set."""
    named = os.environ.get("LAYERLAB_DATA")
    return Path(named).expanduser() if named else None


def available() -> dict[str, Status]:
    """State of every data set, by name, in a fixed order. Looks for files, but neither reads nor downloads them."""
    states = {"digits": Status(True, "scikit-learn", "embedded: scikit-learn's own, no files needed")}
    states |= {name: status(name) for name in SOURCES}
    states["gaussian"] = Status(True, "formula", "made by formula, no files needed")
    return states


def status(name: str) -> Status:
    """State of the real data set `name`."""
    source = SOURCES[name]
    found = find(source)
    if found is None:
        return Status(False, None, _advice(name))
    if not usable(source, found):
        return Status(False, None, f"incomplete in {found.folder} (no {', '.join(found.missing)}); {_advice(name)}")
    here = len(found.paths)
    counted = f"{here} of {len(source.files)} files" if found.missing else "complete"
    without = f" (no {', '.join(found.missing)})" if found.missing else ""
    return Status(True, str(found.folder), f"{counted} in {found.folder}{without}")


def require(name: str) -> Found:
    """The files of data set `name`, or DataMissing with what to do."""
    source = SOURCES[name]
    found = find(source)
    if found is not None and usable(source, found):
        return found
    if found is not None:
        gap = f"is incomplete in {found.folder} (no {', '.join(found.missing)})"
    elif (folder := data_folder()) is not None and not folder.is_dir():
        gap = f"is not here: LAYERLAB_DATA names {folder}, which is no folder"
    else:
        gap = "is not here"
    raise DataMissing(f"{source.title} {gap}; {_advice(name)}.")


def find(source: Source) -> Found | None:
    """The folder that holds most of the data set's files (LAYERLAB_DATA's wins a tie), or None if there is none."""
    roots = [folder for folder in (data_folder(), cache_folder()) if folder is not None]
    candidates = [_look(source, root / source.folder) for root in roots]
    best = max(candidates, key=lambda found: len(found.paths))
    return best if best.paths else None


def usable(source: Source, found: Found) -> bool:
    """Whether what was found is enough to load: nothing missing but optional files, and not all of those."""
    needed = set(found.missing) - set(source.optional)
    return not needed and not (source.optional and set(source.optional) <= set(found.missing))


def _look(source: Source, folder: Path) -> Found:
    paths = {file.name: path for file in source.files if (path := _path(folder, file)) is not None}
    return Found(folder, paths, tuple(file.name for file in source.files if file.name not in paths))


def _path(folder: Path, file: File) -> Path | None:
    """Where `file` is in `folder`, zipped or plain."""
    for name in (file.name, file.plain_name):
        try:
            if (folder / name).is_file():
                return folder / name
        except OSError:  # a folder that may not be searched holds nothing for us
            continue
    return None


def _advice(name: str) -> str:
    return (
        f"run `layerlab data fetch {name}`, or set LAYERLAB_DATA to a folder that has its original files "
        f"in {SOURCES[name].folder}/"
    )

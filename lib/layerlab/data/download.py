"""`fetch`: bring the original files here, checked, whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import DataDamaged, DataError, DataMissing
from .folders import Status, cache_folder, find, status
from .formats import read_checked, refuse_page
from .loaders import names, repair, verify
from .registry import SOURCES, File, Source

_TIMEOUT = 30  # seconds without an answer before a mirror is given up


def fetch(
    name: str, progress: Callable[[int, int], object] | None = None, *, mirrors: tuple[str, ...] | None = None
) -> Status:
    """Download the data set `name` into the user's cache if it isn't complete in LAYERLAB_DATA or there already.

    What is there is checked first, and a damaged download replaced. Every file is checked (size, SHA-256) before it
    takes its name, one mirror after the other is tried, and files that came whole are kept when a later one fails, so
    that the next call goes on from there. Two processes at once take turns.

    progress: called as progress(done, total) in bytes; what it raises ends the download cleanly.
    mirrors: base addresses in place of the registry's.

    Returns the data set's Status. Raises ValueError for an unknown name, DataMissing if no mirror has it or the cache
    cannot be written, DataDamaged if every mirror failed and one sent something else, or if a file in LAYERLAB_DATA
    is not the original.
    """
    if name not in names():
        raise ValueError(f"name must be one of {', '.join(names())}, not {name!r}")
    if name not in SOURCES:
        return Status(True, None, "needs no download")
    source = SOURCES[name]
    if _complete(name):
        return status(name)
    folder = cache_folder() / source.folder
    with _errors_explained(folder), _turn(folder) as stage:
        _drop_damaged(source, folder)
        if not _complete(name):  # another process may have brought it meanwhile
            _bring(source, folder, stage, mirrors or source.mirrors, progress)
    return status(name)


def _complete(name: str) -> bool:
    """Whether every file is here and sound; a damaged one in the reader's own folder is an error, not our business."""
    source = SOURCES[name]
    found = find(source)
    if found is None or found.missing:
        return False
    try:
        verify(source, found)
    except DataDamaged as error:
        if found.folder.parent == cache_folder():
            return False
        raise DataDamaged(f"{error} {repair(name, found)}") from error
    return True


def _drop_damaged(source: Source, folder: Path) -> None:
    """Remove downloaded files that are no longer what they were."""
    for file in source.files:
        for path in {folder / file.name, folder / file.plain_name}:
            if path.is_file():
                try:
                    read_checked(path, file)
                except DataDamaged:
                    path.unlink()


@contextmanager
def _turn(folder: Path) -> Iterator[Path]:
    """Hold the data set's lock, and give a fresh folder beside the files for what is not whole yet."""
    from filelock import FileLock

    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        for left_over in folder.glob(".part-*"):  # of a process that was killed: nobody else is in here now
            shutil.rmtree(left_over, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=folder) as stage:
            yield Path(stage)


@contextmanager
def _errors_explained(folder: Path) -> Iterator[None]:
    """Turn what the file system refuses into one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            todo = "free some space, or set LAYERLAB_CACHE to a folder on a larger disk"
        else:
            todo = "set LAYERLAB_CACHE to a folder that can be"
        raise DataMissing(f"{folder} cannot be written ({error.strerror or error}); {todo}.") from error


def _bring(
    source: Source,
    folder: Path,
    stage: Path,
    mirrors: tuple[str, ...],
    progress: Callable[[int, int], object] | None,
) -> None:
    """Download what is missing in `folder`, file by file."""
    wanted = [source.archive] if source.archive else [f for f in source.files if not (folder / f.name).is_file()]
    report = _Progress(progress, sum(file.size for file in wanted))
    for file in wanted:
        path = _from_mirrors(source, file, mirrors, stage, report)
        if source.archive:
            path = _extracted(path, source, stage)
            for member in source.files:
                os.replace(path / member.name, folder / member.name)
        else:
            os.replace(path, folder / file.name)


def _from_mirrors(source: Source, file: File, mirrors: tuple[str, ...], stage: Path, report: _Progress) -> Path:
    """`file` from the first mirror that has it as it should be; otherwise one error that names what each did."""
    import requests

    failures: list[str] = []
    damaged = False
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{file.name}"
        path = stage / file.name
        try:
            _download(url, path, file, report)
            _check(path, file, url)
        except DataDamaged as error:
            damaged = True
            failures.append(str(error).rstrip("."))
        except requests.RequestException as error:
            failures.append(f"{url}: {_reason(error)}")
        else:
            report.finished(file.size)
            return path
        path.unlink(missing_ok=True)
    kind: type[DataError] = DataDamaged if damaged else DataMissing
    raise kind(
        f"{source.title} could not be downloaded; {'; '.join(failures)}. Try again later, or set LAYERLAB_DATA to a "
        f"folder that has its original files in {source.folder}/."
    )


def _download(url: str, path: Path, file: File, report: _Progress) -> None:
    import pooch

    headers = {"Accept-Encoding": "identity"}  # the file as it is: a gzip must not be unpacked on the way
    report.begin(url, file.size)
    pooch.HTTPDownloader(progressbar=report, chunk_size=2**16, timeout=_TIMEOUT, headers=headers)(
        url=url, output_file=str(path), pooch=None
    )


def _check(path: Path, file: File, url: str) -> None:
    """DataDamaged unless the file at `path` has the size and the SHA-256 that it should."""
    with path.open("rb") as stream:
        refuse_page(stream.read(256), url)
        size = path.stat().st_size
        if size != file.size:
            raise DataDamaged(f"{url}: expected {file.size:,} bytes, found {size:,}.")
        stream.seek(0)
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != file.sha256:
        raise DataDamaged(f"{url}: expected SHA-256 {file.sha256}, found {found}.")


def _extracted(archive: Path, source: Source, stage: Path) -> Path:
    """The data set's files out of its tar archive, each checked, in a folder of the stage."""
    out = stage / "extracted"
    out.mkdir()
    try:
        with tarfile.open(archive) as tar:
            for file in source.files:
                member = tar.extractfile(f"{source.folder}/{file.name}")
                if member is None:
                    raise KeyError(file.name)
                with member, (out / file.name).open("wb") as target:
                    shutil.copyfileobj(member, target)
    except (tarfile.TarError, EOFError, KeyError) as error:
        raise DataDamaged(f"{archive.name}: expected {source.title}'s files, found {error}.") from error
    for file in source.files:
        with (out / file.name).open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != file.sha256:
            raise DataDamaged(f"{archive.name}: expected {file.name} with SHA-256 {file.sha256}, found {found}.")
    return out


def _reason(error: Exception) -> str:
    """A network error in a few words."""
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"it answers {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return f"no answer for {_TIMEOUT} seconds"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off half-way"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return f"{type(error).__name__}: {error}"


class _Progress:
    """Bytes of one file after the other, as pooch reports them to a progress bar, summed for the caller."""

    def __init__(self, callback: Callable[[int, int], object] | None, total: int) -> None:
        self.callback, self.whole = callback, total
        self.before = self.done = self.size = self.total = 0
        self.url = ""

    def begin(self, url: str, size: int) -> None:
        self.url, self.size, self.done = url, size, 0
        self._tell()

    def finished(self, size: int) -> None:
        self.before, self.done = self.before + size, 0
        self._tell()

    def update(self, count: Any) -> None:
        """Part of pooch's protocol; a mirror that sends more than the file is cut off."""
        self.done += int(count)
        if self.done > self.size + 2**20:
            raise DataDamaged(f"{self.url}: expected {self.size:,} bytes, found more.")
        self._tell()

    def reset(self) -> None:
        """Part of pooch's protocol: it counts whole chunks, and sets the count right at the end."""
        self.done = 0

    def close(self) -> None:
        """Part of pooch's protocol."""

    def _tell(self) -> None:
        if self.callback is not None:
            self.callback(min(self.before + min(self.done, self.size), self.whole), self.whole)

"""Building the book: the files that its pages load, then Jupyter Book, then a line that says what was done."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

import layerlab
from layerlab.serving import assets, exercises

STAMP = ".built"  # the state that the last build was of; marked if that build was strict and had no warning
CLEAN = " without warnings"
TEACHERS = " This is the teacher's edition: it shows the solutions, so do not publish it."
MADE = ("html", ".doctrees", ".drawings", ".jupyter_cache", "jupyter_execute")


def build(top: Path, *, strict: bool = False, fresh: bool = False, solutions: bool = False) -> int:
    """Build the book of the checkout `top` into `top`/_build/html; what is up to date is not done again.

    Where no file that the book is made of has changed since the last build, Sphinx is not even started. `strict` makes
    warnings errors, `fresh` forgets earlier builds, `solutions` makes the teacher's edition, whose assignments show
    their solutions. Two builds of one checkout wait for each other. Prints what it did.
    Returns 0, or 1 if the book could not be built, or if `strict` and there were warnings.
    """
    top = top.resolve()
    out = top / "_build"
    try:
        assets.install(top)
        out.mkdir(exist_ok=True)
        with FileLock(out / ".lock"):
            return _build(top, out, strict, fresh, solutions)
    except assets.AssetsError as error:
        print(error, file=sys.stderr)
    except OSError as error:
        where = error.filename or out
        print(f"{where} cannot be written ({error.strerror}): check its permissions and the disk", file=sys.stderr)
    return 1


def _build(top: Path, out: Path, strict: bool, fresh: bool, solutions: bool) -> int:
    start = time.perf_counter()
    now, stamp = state(top, solutions), out / STAMP
    last = stamp.read_text(encoding="utf-8") if stamp.is_file() else ""
    was_clean = last.endswith(CLEAN)
    if not fresh and last.startswith(now) and was_clean >= strict and (out / "html" / "index.html").is_file():
        print(f"The book in {out / 'html'} is up to date.{TEACHERS if solutions else ''}")
        return 0
    stamp.unlink(missing_ok=True)
    if fresh:
        for name in MADE:
            shutil.rmtree(out / name, ignore_errors=True)
    before = _pages(out / "html")
    # Sphinx repeats no warning of a page that it does not read again: to be strict, read all after an unclean build
    if not _sphinx(top, out, strict, solutions, read_all=strict and not was_clean):
        print("The book was not built: see above.", file=sys.stderr)
        return 1
    stamp.write_text(now + (CLEAN if strict else ""), encoding="utf-8")
    after = _pages(out / "html")
    written = sum(before.get(path) != time_written for path, time_written in after.items())
    seconds = time.perf_counter() - start
    edition = TEACHERS if solutions else ""
    print(f"The book is in {out / 'html'}: {len(after)} pages, {written} written now, in {seconds:.0f} s.{edition}")
    return 0


def _sphinx(top: Path, out: Path, strict: bool, solutions: bool, read_all: bool) -> bool:
    """Run Jupyter Book; whether it went well."""
    try:
        from jupyter_book.sphinx import build_sphinx
    except ImportError:
        print("Jupyter Book, which builds the book, is not installed: pip install 'layerlab[book]'", file=sys.stderr)
        return False
    changed = {"external_toc_path": str(top / "book" / "_toc.yml"), "latex_individualpages": False}
    result = build_sphinx(
        top / "book",
        out / "html",
        path_config=top / "_config.yml",
        noconfig=True,
        # without the flag, what _config.yml says holds
        confoverrides=changed | ({"layerlab_solutions": True} if solutions else {}),
        warningiserror=strict,
        keep_going=strict,
        freshenv=read_all,
        quiet=True,
        jobs=os.cpu_count() or 1,  # pages are executed side by side
    )
    return result == 0


def state(top: Path, solutions: bool = False) -> str:
    """A digest of name, size and time of every file that the book is made of, of the edition, and of the packages."""
    digest = hashlib.sha256(f"{sys.version} {sys.prefix} {solutions}".encode())
    for path in sorted(_made_of(top)):
        stat = path.stat()
        digest.update(f"{path} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    installed = {f"{d.name} {d.version}" for d in importlib.metadata.distributions()}
    digest.update("\n".join(sorted(installed)).encode())
    return digest.hexdigest()


def _made_of(top: Path) -> Iterator[Path]:
    roots = [top / "book", top / "lectures", Path(layerlab.__file__).parent]
    named = (os.environ.get(name) for name in ("LAYERLAB_RESULTS", "LAYERLAB_DATA"))
    roots += [Path(name).expanduser() for name in named if name]
    yield from (path for name in ("_config.yml", "package-lock.json") if (path := top / name).is_file())
    sources = exercises.sources(top)
    yield from sources
    made = {exercises.page(top / "book", source) for source in sources}  # by the build itself
    for root in roots:
        for path in root.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and path not in made:
                yield path


def _pages(folder: Path) -> dict[Path, int]:
    """Every page with the time when it was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.html") if "_static" not in path.parts}

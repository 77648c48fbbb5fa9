"""Building the book: the files that its pages load, then Jupyter Book, then a line that says what was done."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from layerlab.serving import assets

MADE = ("html", ".doctrees", ".drawings", ".jupyter_cache", "jupyter_execute")


def build(top: Path, *, strict: bool = False, fresh: bool = False) -> int:
    """Build the book of the checkout `top` into `top`/_build/html; what is up to date is not done again.

    `strict` makes warnings errors, `fresh` forgets earlier builds. Prints what it did. Returns 0, or 1 if the book
    could not be built, or if `strict` and there were warnings.
    """
    try:
        from jupyter_book.sphinx import build_sphinx
    except ImportError:
        print(
            "the book is built with Jupyter Book, which is not installed: pip install 'layerlab[book]'", file=sys.stderr
        )
        return 1
    top = top.resolve()
    out = top / "_build"
    start = time.perf_counter()
    try:
        assets.install(top)
        if fresh:
            for name in MADE:
                shutil.rmtree(out / name, ignore_errors=True)
        out.mkdir(exist_ok=True)
    except assets.AssetsError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"{out} cannot be written ({error.strerror}): check its permissions and the space on the disk",
            file=sys.stderr,
        )
        return 1
    before = _pages(out / "html")
    result = build_sphinx(
        top / "book",
        out / "html",
        path_config=top / "_config.yml",
        noconfig=True,
        confoverrides={"external_toc_path": str(top / "book" / "_toc.yml"), "latex_individualpages": False},
        warningiserror=strict,
        keep_going=strict,
        quiet=True,
    )
    if isinstance(result, BaseException) or result:
        print("The book was not built: see above.", file=sys.stderr)
        return 1
    after = _pages(out / "html")
    written = sum(before.get(path) != stamp for path, stamp in after.items())
    seconds = time.perf_counter() - start
    print(f"The book is in {out / 'html'}: {len(after)} pages, {written} written now, in {seconds:.0f} s.")
    return 0


def _pages(folder: Path) -> dict[Path, int]:
    """Every page with the time when it was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.html") if "_static" not in path.parts}

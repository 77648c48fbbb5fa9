"""A tiny book, built as a reader of the README would, and built again after each kind of change.

The package is copied, so that a test can change a library function; the builds are processes of their own that
import the copy.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import layerlab

PAGE = """---
file_format: mystnb
kernelspec: {name: python3, display_name: Python 3}
topics: [rep-05]
---
# A page

```{predict} How large is the *mean*?
:options: half | all
:answer: 1
:for: tiny/mean

It is **half**.
```

```{code-cell} python
:tags: [hide-input]
from layerlab.widgets import explore
explore("tiny/mean", n=10)
```

```{code-cell} python
from layerlab.projection.answers import answer
print("The answer is", answer())
```

```{admonition} Solution
:class: dropdown
Hidden at first.
```
"""
OTHER = "---\ntopics: [rep-04]\n---\n# Another page\n\n$a^2$\n"
LECTURE = "# Lecture\n\n```{lecture} representation\n```\n"
TOC = {"format": "jb-book", "root": "index", "chapters": [{"file": "page"}, {"file": "other"}, {"file": "lecture"}]}


class Book:
    """A tiny checkout with its own copy of the library."""

    def __init__(self, top: Path, checkout: Path, config: dict, experiment: str) -> None:
        self.top, self.lib, self.html = top, top / "lib", top / "_build" / "html"
        source = Path(layerlab.__file__).parent
        shutil.copytree(source, self.lib / "layerlab", ignore=shutil.ignore_patterns("__pycache__"))
        chapter = self.lib / "layerlab" / "experiments" / "tiny"
        chapter.mkdir()
        (chapter / "__init__.py").write_text('"""A chapter."""\n')
        self.experiment = chapter / "mean.py"
        self.experiment.write_text(experiment)
        self.answers = self.lib / "layerlab" / "projection" / "answers.py"
        self.answer("42")
        (top / "_config.yml").write_text(yaml.safe_dump(config))
        shutil.copytree(checkout / "lectures", top / "lectures")
        (top / "book").mkdir()
        (top / "book" / "_toc.yml").write_text(yaml.safe_dump(TOC))
        for name, text in {"index": "# Book\n", "page": PAGE, "other": OTHER, "lecture": LECTURE}.items():
            self.page(name).write_text(text)

    def page(self, name: str) -> Path:
        return self.top / "book" / f"{name}.md"

    def answer(self, text: str) -> None:
        self.answers.write_text(f'"""Answers."""\n\n\ndef answer():\n    """The answer."""\n    return {text}\n')

    def run(self, module: str, *arguments: str) -> subprocess.CompletedProcess:
        """Run the command `main` of a module in a process that imports the copy."""
        environment = os.environ | {
            "PYTHONPATH": str(self.lib),
            "LAYERLAB_RESULTS": str(self.top / "results"),
            "OMP_NUM_THREADS": "1",
            "NO_COLOR": "1",
        }
        command = [sys.executable, "-c", f"import sys; from {module} import main; sys.exit(main())", *arguments]
        return subprocess.run(command, cwd=self.top, env=environment, capture_output=True, text=True, check=False)

    def sweep(self) -> None:
        done = self.run("layerlab.cli", "sweep", "tiny/mean", "--device", "cpu")
        assert done.returncode == 0, done.stderr

    def build(self) -> str:
        """Build with warnings as errors; returns all that was said."""
        done = self.run(
            "jupyter_book.cli.main", "build", "book", "--config", "_config.yml", "--path-output", ".",
            "-W", "--keep-going",
        )  # fmt: skip
        self.said = done.stdout + done.stderr
        self.status = done.returncode
        return self.said

    def stamps(self) -> dict[str, int]:
        return {p.name: p.stat().st_mtime_ns for p in self.html.glob("*.html")}

    def text(self, name: str) -> str:
        return (self.html / f"{name}.html").read_text()


@pytest.fixture
def book(tmp_path, checkout, plain_config, tiny):
    made = Book(tmp_path, checkout, plain_config, Path(tiny.module.__file__).read_text())
    made.sweep()
    return made


def test_a_book_is_built_and_kept_fresh(book):
    said = book.build()
    assert book.status == 0, said
    page = book.text("page")

    # what the page holds
    assert page.count("<layerlab-replay") == 1 and page.count('<layerlab-predict key="page#1" answer="1"') == 1
    assert "The answer is 42" in page
    assert 'id="layerlab-live"' in page and 'href="_notebooks/page.ipynb"' in page
    assert re.search(r'<details class="[^"]*ll-folded[^"]*"[^>]*>\s*<summary[^>]*>\s*<span>Solution</span>', page)
    assert json.loads((book.html / "_notebooks/page.ipynb").read_text())["nbformat"] == 4
    assert (book.html / "_static/layerlab-server.js").read_text() == "window.layerlabServer = null;\n"
    assert len(list((book.html / "_static/replay/tiny/mean").glob("*.json"))) == 3 * 4
    assert "layerlab-live" not in book.text("other") and "replay.js" not in book.text("other")
    assert "layerlab-mathjax.js" in book.text("other") and "layerlab-mathjax.js" not in book.text("index")
    assert not (book.html / "_static/vendor/fontawesome").exists()
    lecture = book.text("lecture")
    assert "2 of 30 topics have their section." in lecture and lecture.count("not yet covered") == 28
    assert 'href="page.html">A page</a>' in lecture and 'href="other.html">Another page</a>' in lecture

    # nothing has changed: nothing is executed, nothing is written
    before = book.stamps()
    said = book.build()
    assert book.status == 0 and "Executing notebook" not in said
    assert book.stamps() == before

    # prose has changed: the page is written, its cells are not executed
    book.page("page").write_text(PAGE.replace("# A page", "# A better page"))
    said = book.build()
    assert book.status == 0 and "Executing notebook" not in said
    assert "A better page" in book.text("page") and "A better page" in book.text("lecture")

    # a library function has changed: the page shows what it gives now
    book.answer("7 * 7")
    said = book.build()
    assert book.status == 0 and "Executing notebook" in said
    assert "The answer is 49" in book.text("page") and "The answer is 42" not in book.text("page")

    # once more, and it is up to date
    assert "Executing notebook" not in book.build()

    # the drawing has changed: so have the figures, the stored runs have not
    drawing = book.experiment.read_text()
    book.experiment.write_text(drawing.replace("The mean of each seed", "Each mean"))
    book.build()
    assert book.status == 0
    assert "Each mean" in book.text("page")
    assert all("Each mean" in p.read_text() for p in (book.html / "_static/replay").rglob("n-*[0-9].json"))

    # a page that says nothing of its topic any more
    book.page("other").write_text(OTHER.replace("rep-04", "rep-06"))
    book.build()
    assert "2 of 30 topics" in book.text("lecture")

    # nothing but a script has changed: the new one is in the book, and no cell was executed
    script = book.lib / "layerlab/serving/sphinx/static/layerlab-mathjax.js"
    script.write_text(script.read_text() + "// changed\n")
    said = book.build()
    assert book.status == 0 and "Executing notebook" not in said
    assert (book.html / "_static/layerlab-mathjax.js").read_text().endswith("// changed\n")

    # files that got lost come back without a page being read
    shutil.rmtree(book.html / "_static" / "replay")
    book.build()
    assert len(list((book.html / "_static/replay/tiny/mean").glob("*.json"))) == 3 * 4


def test_what_is_wrong_stops_the_build(book):
    # a damaged stored run is told, and not drawn
    path = next((book.top / "results").rglob("n=10,top=1*.nc"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    said = book.build()
    assert book.status != 0 and "damaged stored run" in said
    path.write_bytes(whole)

    # a missing one, too
    record = path.with_name(path.name.removesuffix(".nc") + ".json")
    text = record.read_text()
    record.unlink()
    said = book.build()
    assert book.status != 0 and "1 of 4 runs of tiny/mean are not stored: run `layerlab sweep tiny/mean`" in said
    record.write_text(text)

    # a topic that no lecture has, a lecture that is none, a question that is none
    book.page("other").write_text("---\ntopics: [rep-99]\n---\n# Another page\n")
    book.page("lecture").write_text("# Lecture\n\n```{lecture} cooking\n```\n\n```{predict} Why?\nBecause.\n```\n")
    said = book.build()
    assert book.status != 0
    assert "no lecture has a topic 'rep-99'" in said
    assert "lecture must be one of representation, understanding, regimes, information; it was 'cooking'" in said
    assert "predict takes either :options:" in said
    book.page("other").write_text(OTHER)
    book.page("lecture").write_text(LECTURE)

    # a cell that raises
    book.answer("1 / 0")
    said = book.build()
    assert book.status != 0 and "ZeroDivisionError" in said

    # and when all is mended, it is built
    book.answer("42")
    said = book.build()
    assert book.status == 0, said
    assert "The answer is 42" in book.text("page")


def test_lab_is_the_one_of_the_checkout(book):
    """The copy stands before the installed package: otherwise the tests above would test nothing."""
    done = book.run("layerlab.cli", "list")
    assert "tiny/mean" in done.stdout
    assert not (Path(layerlab.__file__).parent / "experiments" / "tiny").exists()

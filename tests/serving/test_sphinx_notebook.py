"""A page as a notebook: code that runs as it is, text that reads well without the book."""

import json

import nbformat
import pytest

from layerlab.serving.sphinx.notebook import Notebook, citations

PAGE = """---
file_format: mystnb
topics: [rep-05]
---
(top)=
# The length

By {cite:t}`dasgupta2003` and {cite:p}`dasgupta2003,johnson1984`, with {math}`k/d` as in {eq}`law`. See
[the lemma](lemma.md), [](lemma.md), {doc}`lemma`, {ref}`the start <top>` and [a site](https://example.org/a).

```{math}
:label: law
L = k/d
```

```{predict} How does it change with $k$?
:options: not at all | by half
:answer: 2
:for: projection/length

It halves, says {cite:t}`johnson1984`.
```

```{code-cell} python
:tags: [hide-input]
from layerlab.widgets import explore
explore("projection/length")
```

```{code-cell} python
:tags: [remove-cell]
secret = 1
```

:::{admonition} Solution
:class: dropdown
Look.
:::

````{note}
Mind this.

```python
x = "{cite:t}`untouched`"
```
````

```{lecture} representation
```

```{code-cell} python
---
tags: [raises]
---
1 + 1
```
"""


@pytest.fixture
def notebook():
    return Notebook(
        title={"chapter/lemma": "The lemma"}.get,
        page="chapter/length",
        repository="https://example.org/book",
        citations={"dasgupta2003": "Dasgupta & Gupta 2003", "johnson1984": "Johnson & Lindenstrauss 1984"},
    )


@pytest.fixture
def cells(notebook):
    book = nbformat.reads(notebook.convert(PAGE), as_version=4)
    nbformat.validate(book)
    return book.cells


def test_the_first_cell_installs_from_the_repository(cells):
    assert "layerlab @ git+https://example.org/book#subdirectory=lib" in cells[0].source
    assert 'find_spec("layerlab") is None' in cells[0].source


def test_code_cells_come_over_without_what_the_book_hides(cells):
    code = [cell for cell in cells[1:] if cell.cell_type == "code"]
    assert [cell.source for cell in code] == [
        'from layerlab.widgets import explore\nexplore("projection/length")',
        "1 + 1",
    ]
    assert code[0].metadata == {"jupyter": {"source_hidden": True}}
    assert all(cell.outputs == [] for cell in code)


def test_text_reads_well_without_the_book(cells):
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert text.startswith("# The length")
    assert (
        "By Dasgupta & Gupta 2003 and (Dasgupta & Gupta 2003; Johnson & Lindenstrauss 1984), with $k/d$ as in" in text
    )
    assert "the lemma, The lemma, The lemma, the start and [a site](https://example.org/a)." in text
    assert "$$\nL = k/d\n$$" in text
    assert "**Predict before you look.** How does it change with $k$?\n\n- not at all\n- by half" in text
    assert "It halves, says Johnson & Lindenstrauss 1984." in text
    assert "<summary>Solution</summary>\n\nLook." in text
    assert "> **Note**\n>\n> Mind this." in text
    assert '> x = "{cite:t}`untouched`"' in text
    for syntax in ("```{", ":::", "{eq}", "{ref}", "(top)=", "topics:", "lecture"):
        assert syntax not in text


def test_links_know_where_the_page_lies(notebook):
    assert notebook.plain("[](../chapter/lemma.md) [](/chapter/lemma.md) [](other.md)") == (
        "The lemma The lemma that section"
    )


def test_without_a_repository_nothing_is_installed():
    book = json.loads(Notebook(title=lambda name: None, page="a", repository="").convert("# A\n"))
    assert [cell["cell_type"] for cell in book["cells"]] == ["markdown"]


def test_citations_name_authors_and_year(tmp_path):
    path = tmp_path / "r.bib"
    path.write_text(
        "@article{one, author={Dasgupta, Sanjoy}, year={2003}}\n"
        "@article{two, author={Dasgupta, S. and {Gupta}, A.}, year={2003}}\n"
        "@article{three, author={A, B. and C, D. and van der Waals, E.}, year={1999}}\n"
    )
    assert citations([path, tmp_path / "absent.bib"]) == {
        "one": "Dasgupta 2003",
        "two": "Dasgupta & Gupta 2003",
        "three": "A et al. 1999",
    }

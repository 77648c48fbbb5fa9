"""What a page depends on beside its own cells."""

from pathlib import Path

import pytest

from layerlab import lab
from layerlab.serving.sphinx import freshness

PAGE = """
# A page

```python
import layerlab.data  # only shown, not run
```

```{code-cell} python
:tags: [hide-input]
%matplotlib inline
from layerlab.widgets import explore
explore("tiny/mean", n=10)
```

````{code-cell} ipython3
---
tags: [hide-input]
---
from layerlab.projection import distortion
import numpy
````

```{code-cell} python
this is not python
```
"""


@pytest.fixture
def stored(tiny, store):
    for config in tiny.grid():
        store.save(lab.execute(tiny, config, "cpu"))
    return store


def test_cells_are_found_with_any_fence_and_options():
    found = freshness.cells(PAGE)
    assert len(found) == 3
    assert found[0].splitlines()[0].startswith("from layerlab.widgets")
    assert found[1].splitlines() == ["from layerlab.projection import distortion", "import numpy"]


def test_modules_and_experiments_are_read_from_the_cells_only():
    modules, experiments = freshness.reached(PAGE)
    assert "layerlab.projection" in modules and "layerlab.widgets" in modules
    assert "layerlab.data" not in modules and "numpy" not in modules
    assert experiments == ["tiny/mean"]


def test_prose_does_not_count(stored):
    assert freshness.digest(PAGE, stored) == freshness.digest(PAGE + "\nMore words.\n", stored)


def test_an_altered_stored_run_counts(tiny, stored):
    before = freshness.digest(PAGE, stored)
    path = stored.path(tiny, tiny.grid()[0])
    path.write_bytes(path.read_bytes()[:-1])
    assert freshness.digest(PAGE, stored) != before


def test_the_code_of_an_experiment_counts_and_its_comments_do_not(tiny, stored):
    before = freshness.digest(PAGE, stored)
    path = Path(tiny.module.__file__)
    source = path.read_text()
    path.write_text(source + "\n# a remark\n")
    assert freshness.digest(PAGE, stored) == before
    path.write_text(source.replace('"seed", ylabel', '"seed number", ylabel'))
    assert freshness.digest(PAGE, stored) != before


def test_data_counts_for_pages_that_load_data(stored, tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERLAB_DATA", str(tmp_path / "data"))
    page = "```{code-cell} python\nfrom layerlab import data\n```\n"
    without, before = freshness.digest("```{code-cell} python\n1\n```\n", stored), freshness.digest(page, stored)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_text("numbers")
    assert freshness.digest(page, stored) != before
    assert freshness.digest("```{code-cell} python\n1\n```\n", stored) == without

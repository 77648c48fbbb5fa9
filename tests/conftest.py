"""Shared fixtures: a tiny experiment, a store, and a cache folder that is nobody's own."""

import sys
import textwrap
from pathlib import Path

import pytest
import yaml
from hypothesis import settings
from joblib.externals.loky import get_reusable_executor

from layerlab import lab
from layerlab.grading import isolation

# the same examples in every run: a verdict on a change must not depend on the dice. To search on:
# pytest --hypothesis-profile searching
settings.register_profile("searching", derandomize=False)
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")

# the files that take minutes: they begin first, so that no worker is left alone with one of them in the end
LONG = (
    "browser/test_pages.py",
    "experiments/test_all.py",
    "browser/test_live.py",
    "exercises/test_assignments.py",
    "book/test_teaching.py",
    "serving/test_sphinx_build.py",
)

TINY = '''
"""The mean of uniform numbers.

Source: none.
"""
from dataclasses import dataclass
import numpy as np
import xarray as xr
from layerlab import lab
from layerlab.lab import Claim, Evidence, choice, integer, real, style


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    n: int = integer(100, "numbers", low=1, high=1000, log=True)
    top: float = real(1.0, "upper end", low=0.5, high=4.0, unit="m")
    kind: str = choice("plain", "kind", ("plain", "squared", "broken"))
    seeds: int = integer(3, "repetitions", low=1, high=100)


GRID = {"n": (10, 100), "top": (1.0, 2.0)}


def run(config, device, progress):
    means = []
    for i, stream in enumerate(config.streams()):
        progress(i, config.seeds, f"seed {i}")
        if config.kind == "broken":
            raise ArithmeticError("this kind cannot be run")
        x = np.random.default_rng(stream).uniform(0, config.top, config.n)
        means.append((x if config.kind == "plain" else x**2).mean())
    progress(config.seeds, config.seeds)
    return xr.Dataset(
        {"mean": ("seed", means, {"long_name": "mean", "units": "m"})}, attrs={"data_checksums": {"none": "0"}}
    )


def plot(result):
    fig, axes = style.figure()
    axes.plot(result["mean"].values, "o")
    axes.set(xlabel="seed", ylabel="mean [m]")
    return fig


def describe(result):
    return f"The mean of each seed; over all {float(result['mean'].mean()):.3f} <m>."


def work(config):
    return config.n * config.seeds


def _mean(result):
    if result.attrs["kind"] != "plain":
        return None
    top, n = result.attrs["top"], result.attrs["n"] * result.attrs["seeds"]
    return Evidence(result["mean"].mean(), top / 2, 5 * top / np.sqrt(12 * n))


CLAIMS = (Claim("The mean is half the upper end.", "the uniform law", _mean),)
'''


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long first; else as they were."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """No test writes into the user's cache folder."""
    monkeypatch.setenv("LAYERLAB_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(autouse=True)
def _own_processes():
    """The worker processes that joblib keeps for the next call end with the test that started them.

    They do not know the next test's experiments. And one that has grown by 300 MB since its first task leaks memory in
    joblib's eyes, also where its second task was only the first that needed torch: joblib warns, and ends it.
    """
    yield
    get_reusable_executor().shutdown(wait=True)


@pytest.fixture
def tiny(tmp_path, monkeypatch) -> lab.Experiment:
    """A tiny experiment in a package of its own, found by `lab.get("tiny/mean")`."""
    top = tmp_path / "packages"
    folder = top / "tinyroom" / "tiny"
    folder.mkdir(parents=True)
    (top / "tinyroom" / "__init__.py").write_text('"""A room."""\n')
    (folder / "__init__.py").write_text('"""A chapter."""\n')
    (folder / "mean.py").write_text(textwrap.dedent(TINY).lstrip())
    monkeypatch.syspath_prepend(str(top))
    monkeypatch.setenv("PYTHONPATH", str(top))  # the worker processes of a sweep need it, too
    monkeypatch.setattr("layerlab.lab.experiment.ROOM", "tinyroom")
    lab.get.cache_clear()
    yield lab.get("tiny/mean")
    lab.get.cache_clear()
    for name in [n for n in sys.modules if n.partition(".")[0] == "tinyroom"]:
        del sys.modules[name]


@pytest.fixture
def store(tmp_path) -> lab.Store:
    """An empty store."""
    return lab.Store(tmp_path / "results")


@pytest.fixture
def checkout() -> Path:
    """The project's checkout."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def backend():
    """Isolation as a teacher has it; where there is none, the project's own code runs without."""
    try:
        return isolation.choose()
    except isolation.NoIsolation:
        return isolation.choose(unsafe=True)


@pytest.fixture
def plain_config(checkout):
    """The book's own settings without what a small book in a test does not have: a logo, sources, packages of npm's."""
    config = yaml.safe_load((checkout / "_config.yml").read_text())
    del config["logo"], config["html"]["favicon"], config["bibtex_bibfiles"]
    settings = config["sphinx"]["config"]
    settings["extensions"].remove("sphinxcontrib.bibtex")
    settings["layerlab_vendor"] = False
    del settings["bibtex_reference_style"], settings["bibtex_default_style"]
    return config

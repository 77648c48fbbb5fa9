"""Every experiment keeps the contract: stored, current, recomputable, described, drawn, and true to its claims."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from layerlab import lab
from layerlab.lab import recompute, style

NAMES = lab.names()
MAX_FILE = 1_000_000  # bytes; DESIGN.md
MAX_ALL = 40_000_000


@pytest.fixture(scope="module")
def stored():
    return {name: lab.Store().runs(lab.get(name)) for name in NAMES}


def test_there_are_experiments():
    assert "projection/length" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_whole_grid_is_stored_and_current(name):
    states = {s.config.key(): s.state for s in lab.Store().states(lab.get(name))}
    assert {k: s for k, s in states.items() if s != "current"} == {}
    assert lab.Store().orphans(lab.get(name)) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_stored_point_computed_again_comes_out_the_same(name):
    # as this processor rounds; arithmetics.py tries how others do
    assert recompute.differences(lab.get(name), lab.Store()) == []


@pytest.mark.parametrize("name", NAMES)
def test_tolerances_belong_to_variables_that_there_are(name, stored):
    given = getattr(lab.get(name).module, "TOLERANCE", {})
    assert set(given) - {"default"} <= {str(v) for run in stored[name] for v in run.result.variables}


@pytest.mark.parametrize("name", NAMES)
def test_claims_come_out_as_the_book_says(name, stored):
    assert recompute.unexpected_claims(lab.get(name), stored[name]) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_run_is_drawn_described_and_tabulated(name, stored):
    experiment = lab.get(name)
    assert experiment.claims
    assert experiment.Config().seeds > 1
    for run in stored[name]:
        text = experiment.describe(run.result)
        assert 40 <= len(text) <= 700, text
        assert any(c.isdigit() for c in text)
        assert "nan" not in text.lower().split()
        table = experiment.table(run.result)
        assert 0 < len(table) <= 2000
        assert table.select_dtypes("number").notna().any().any()
        assert experiment.work(run.config) > 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("narrow", [False, True])
def test_figures_are_labelled_and_leave_the_result_alone(name, narrow, stored):
    experiment = lab.get(name)
    run = stored[name][0]
    before = run.result.copy(deep=True)
    with style.context(narrow=narrow):
        figure = experiment.plot(run.result)
    assert isinstance(figure, Figure)
    assert run.result.identical(before)
    assert figure.get_figwidth() <= (4.0 if narrow else 7.3)
    for axes in figure.axes:
        if axes.get_visible() and axes.axison and axes.get_label() != "<colorbar>" and axes.lines:
            assert axes.get_xlabel() or axes.get_shared_x_axes().get_siblings(axes) != [axes]
            assert axes.get_ylabel() or axes.get_shared_y_axes().get_siblings(axes) != [axes]


@pytest.mark.parametrize("name", NAMES)
def test_random_results_carry_their_seeds_and_units(name, stored):
    for run in stored[name]:
        assert run.result.sizes.get("seed") == run.config.seeds
        assert all(v.attrs.get("long_name") for v in run.result.data_vars.values())
        for variable in run.result.data_vars.values():
            if variable.dtype.kind == "f":
                assert not np.isinf(variable.values).any(), variable.name


def test_the_stored_runs_are_small():
    root = lab.Store().root
    sizes = {p: p.stat().st_size for p in root.rglob("*") if p.is_file()}
    assert max(sizes.values()) < MAX_FILE
    assert sum(sizes.values()) < MAX_ALL

"""plane/batch_size: the √B law is applied as it says, and the claims can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.plane import batch_size

EXPERIMENT = lab.get("plane/batch_size")


@pytest.fixture(scope="module")
def long():
    runs = lab.Store().runs(EXPERIMENT)
    return next(r.result for r in runs if r.config.activation == "tanh" and r.config.steps == 2400)


@pytest.fixture
def lawful(long):
    """The run with 256 under all batch sizes, its ratio scaled by √B."""
    base = long.sel(batch=batch_size.REFERENCE)
    result = long.copy(deep=True)
    for b in batch_size.BATCHES:
        result["step"].loc[{"batch": b}] = base["step"].values
        result["i_xt"].loc[{"batch": b}] = base["i_xt"].transpose(*result["i_xt"].isel(batch=0).dims).values
        scale = np.sqrt(b / batch_size.REFERENCE) if b in batch_size.NOISY else np.nan
        for name in ("snr", "ideal"):
            values = base["snr"] * scale
            result[name].loc[{"batch": b}] = values.transpose(*result[name].isel(batch=0).dims).values
    return result


def test_where_the_law_holds_exactly_prediction_and_transition_agree(lawful):
    found = batch_size.transitions(lawful)
    np.testing.assert_array_equal(found["seen"].values, found["predicted"].values)
    assert EXPERIMENT.claims[0].check(lawful).measured == pytest.approx(1)
    assert EXPERIMENT.claims[2].check(lawful).measured == 0


def test_then_the_transition_is_later_for_larger_batches_and_the_peak_is_not(lawful):
    assert EXPERIMENT.claims[1].check(lawful).holds
    peaks = batch_size.compressions(lawful)["peak"]
    assert (peaks == peaks.isel(batch=0)).where(peaks.notnull(), True).all()


@pytest.mark.parametrize(
    ("variable", "change", "which"),
    [
        ("snr", lambda v: v * 2, 0),
        ("snr", lambda v: v * (16 / v["batch"]), 1),
        ("snr", lambda v: v * (16 / v["batch"]) ** 2, 2),
        ("i_xt", lambda v: v.where(v["batch"] != 3072, 6.0), 5),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(long, variable, change, which):
    wrong = long.assign({variable: change(long[variable]).transpose(*long[variable].dims)})
    evidence = EXPERIMENT.claims[which].check(wrong)
    assert evidence is None or not evidence.holds
    assert evidence is not None or which == 2


def test_full_batches_have_no_ratio_and_moments_end_where_they_end(long):
    assert long["snr"].sel(batch=3072).isnull().all()
    for b in batch_size.BATCHES:
        known = long["step"].sel(batch=b).notnull()
        assert float(long["step"].sel(batch=b).max()) == 2400
        assert (long["i_xt"].sel(batch=b).notnull().all(("seed", "hidden")) == known).all()

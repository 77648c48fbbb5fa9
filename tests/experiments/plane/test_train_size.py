"""plane/train_size: budgets in steps, rows as asked, and claims that can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.plane import train_size as module

EXPERIMENT = lab.get("plane/train_size")


@pytest.fixture(scope="module")
def stored():
    return lab.Store().load(EXPERIMENT, EXPERIMENT.config()).result


def test_all_shares_take_as_many_steps():
    for rows in (205, 819, 1843, 3277):
        assert module.epochs_of(2000, rows) * -(-rows // 512) == pytest.approx(2000, abs=4)
    assert module.epochs_of(3, 3277) == 1


def test_a_short_run_has_four_shares_of_rows_and_begins_the_same():
    run = lab.execute(EXPERIMENT, EXPERIMENT.config(steps=100, seeds=2), "cpu")
    assert run.result["rows"].values.tolist() == [205, 819, 1843, 3277]
    before = run.result["i_xt"].sel(stage="before")
    assert np.allclose(before, before.isel(share=0))  # the same networks, before they saw anything
    assert EXPERIMENT.claims[2].check(run.result) is None
    assert EXPERIMENT.claims[3].check(run.result) is None


@pytest.mark.parametrize(("variable", "falls"), [("i_ty", 0), ("i_xt", 1), ("i_ty", 2)])
def test_a_result_turned_round_makes_its_claim_fail(stored, variable, falls):
    assert EXPERIMENT.claims[falls].check(stored).holds
    assert not EXPERIMENT.claims[falls].check(stored.assign({variable: -stored[variable]})).holds


def test_the_disputed_claim_would_hold_if_what_is_kept_of_x_were_the_gap(stored):
    assert not EXPERIMENT.claims[3].check(stored).holds
    gap = (stored["train"] - stored["test"]).expand_dims(stage=stored["stage"], layer=stored["layer"])
    assert EXPERIMENT.claims[3].check(stored.assign(i_xt=gap)).holds

"""similarity/pruned: as many weights as it says, by every way, and its claims can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.similarity import pruned

EXPERIMENT = lab.get("similarity/pruned")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(rows=200, epochs=12, more=2, seeds=2), "cpu")


def test_every_way_comes_to_as_many_weights(run):
    weights = run.result["weights"]
    sizes = [64 * 64, *[64 * 64] * 3, 64 * 10]
    for way in ("iterative", "one shot", "same mask"):
        for kept in pruned.KEPT:
            assert weights.sel(way=way, kept=kept) == sum(round(kept * size) for size in sizes)
    narrow = weights.sel(way="narrow") / weights.sel(way="iterative")
    assert float(abs(narrow - 1).max()) < 0.15


def test_the_first_round_is_the_same_by_halves_and_at_once(run):
    first = run.result.sel(kept=0.5)
    for name in pruned.SAID:
        np.testing.assert_allclose(first[name].sel(way="iterative"), first[name].sel(way="one shot"), err_msg=name)


def test_it_begins_at_the_parent_and_moves_away_with_every_round(run):
    from_parent = run.result["cka_parent"].sel(way="one shot").mean("seed")
    assert float(from_parent.sel(kept=0.5)) < float(from_parent.sel(kept=1 / 16))
    assert (run.result["pwcca_parent"].sel(kept=0.5, way="iterative") < run.result["pwcca_unpruned"]).all()


@pytest.mark.parametrize(
    ("variable", "way", "change", "falls"),
    [
        ("accuracy_test", "narrow", lambda x: x + 1, 0),
        ("accuracy_test", "same mask", lambda x: x + 1, 1),
        ("accuracy_test", "narrow", lambda x: x + 1, 2),
        ("accuracy_test", "one shot", lambda x: x + 1, 3),
        ("pwcca_parent", "iterative", lambda x: x + 0.5, 4),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, variable, way, change, falls):
    values = run.result[variable]
    wrong = run.result.assign({variable: values.where(run.result["way"] != way, change(values))})
    assert not EXPERIMENT.claims[falls].check(wrong).holds


def test_a_right_result_bears_its_claims_out(run):
    values = run.result["accuracy_test"]
    best = run.result.assign(accuracy_test=values.where(run.result["way"] != "iterative", 2.0))
    assert all(claim.check(best).holds for claim in EXPERIMENT.claims)

"""plane/critical_layers: betas and directions are found where they are known, and the claims can fail."""

import numpy as np
import pytest
import xarray as xr

from layerlab import lab
from layerlab.data import symmetric_rule
from layerlab.experiments.plane import critical_layers as module
from layerlab.information import follow_branches

EXPERIMENT = lab.get("plane/critical_layers")


@pytest.fixture(scope="module")
def stored():
    return lab.Store().load(EXPERIMENT, EXPERIMENT.config()).result


def test_a_layer_with_the_curves_own_information_has_the_curves_beta(stored):
    at = stored["curve_y"].sel(beta=[2.0, 10.0, 100.0], method="nearest")
    placed = stored[["curve_y"]].assign(
        i_ty=xr.DataArray(at.values[:, None], dims=("layer", "seed"), coords={"layer": [1, 2, 3]})
    )
    assert np.allclose(module.layer_betas(placed).values[:, 0], at["beta"], rtol=1e-6)


def test_a_layer_that_knows_everything_has_no_beta(stored):
    beyond = stored.assign(i_ty=0 * stored["i_ty"] + 1)
    assert module.layer_betas(beyond).isnull().all()
    assert EXPERIMENT.claims[3].check(beyond) is None


def test_every_split_of_the_rule_is_along_its_probability():
    branches = follow_branches(symmetric_rule(2.0).p_class, np.geomspace(1, 10, 6))
    assert branches.clusters.max() >= 3
    assert module.split_error(branches) < 1e-9


def test_the_most_that_an_optimum_keeps_is_the_entropy_of_its_classes():
    assert module.class_entropy(symmetric_rule(10.0)) == pytest.approx(5.0678, abs=1e-3)


class Counting:
    """Stands for a training whose networks have one first layer: it counts the ones."""

    def __init__(self):
        from layerlab.nets import MLP

        self.rule = symmetric_rule(10.0)
        self.x = self.rule.x.astype(np.float32)
        self.made = MLP((12, 3, 2), seeds=[0])
        self.made.weights[0].fill_(0.3)

    def networks(self, moment):
        return self.made


def test_weights_that_count_the_ones_are_found_to():
    found = Counting()
    shares = module.weights_of(found, 0)
    ones = found.rule.x.sum(1)
    assert shares["along_ones"] == pytest.approx(1)
    assert shares["of_classes"][0] == pytest.approx(1)
    assert shares["along_split"][0] == pytest.approx(np.corrcoef(ones, found.rule.p_one)[0, 1] ** 2, rel=1e-4)
    assert (shares["along_split"] <= shares["of_classes"] + 1e-9).all()


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [("split_error", lambda v: v + 0.1, 0), ("along_split", lambda v: -v, 2)],
)
def test_a_wrong_result_makes_its_claim_fail(stored, variable, change, falls):
    assert EXPERIMENT.claims[falls].check(stored).holds
    assert not EXPERIMENT.claims[falls].check(stored.assign({variable: change(stored[variable])})).holds


def test_the_disputed_claims_would_hold_of_layers_that_are_as_the_lecture_says(stored):
    critical = stored["critical"].values[:5]
    between = np.interp(np.log(critical * 1.02), np.log(stored["beta"]), stored["curve_y"])
    ideal = stored.assign(
        i_ty=stored["i_ty"].copy(data=np.repeat(between[::-1, None], stored.sizes["seed"], 1)),
        along_split=0 * stored["along_split"] + 0.95,
        i_xt=0 * stored["i_xt"] + 1,
    )
    assert [EXPERIMENT.claims[i].check(ideal).holds for i in (1, 3, 4, 5)] == [True] * 4
    assert not any(EXPERIMENT.claims[i].check(stored).holds for i in (1, 3, 4, 5))

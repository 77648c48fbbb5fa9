"""information/phase_design: widths follow the phases, alternatives match in size, and the claims can fail."""

import numpy as np
import pytest
from scipy import special

from layerlab import lab
from layerlab.data import symmetric_rule
from layerlab.experiments.information import phase_design

EXPERIMENT = lab.get("information/phase_design")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(gamma=10.0, top=5.0, epochs=15, seeds=4), "cpu")


def test_widths_are_the_numbers_of_clusters_finest_first(run):
    assert phase_design.widths_of([1, 1, 2, 2, 3, 5, 5]) == (5, 3, 2)
    assert list(run.result["width"].sel(shape="phases").values[:2]) == [3, 2]
    assert int(run.result["clusters"][-1]) == 3
    assert int(run.result["layers"]) == 2


def test_parameters_are_counted_as_the_networks_have_them():
    from layerlab.nets import MLP

    for hidden in ((4, 3, 2), (7,)):
        assert phase_design.parameters_of(hidden) == MLP((12, *hidden, 2)).parameter_count


@pytest.mark.parametrize("hidden", [(3, 2), (4, 3, 2), (5, 4, 3, 2), (8, 7, 6, 5, 4, 3, 2)])
def test_alternatives_have_about_as_many_parameters(hidden):
    shapes = phase_design.architectures(hidden)
    target = phase_design.parameters_of(hidden)
    assert tuple(shapes) == phase_design.SHAPES
    for name in phase_design.MATCHED:
        assert phase_design.parameters_of(shapes[name]) == pytest.approx(target, rel=0.15)
    assert len(set(shapes["constant"])) == 1
    assert list(shapes["reversed"]) == sorted(shapes["reversed"])


def test_the_loss_of_information_is_positive_and_training_lowers_it(run):
    assert float(run.result["excess"].min()) > 0
    p = symmetric_rule(10.0).p_one
    left = 1 - (special.entr(p) + special.entr(1 - p)).mean() / np.log(2)  # what a guess of one half for all loses
    assert float(run.result["excess"].mean()) < left
    assert float(run.result["accuracy"].mean()) > 0.6


def test_networks_of_a_shape_differ_and_the_same_seed_gives_the_same(run):
    again = lab.execute(EXPERIMENT, run.config, "cpu")
    assert again.result.identical(run.result)
    assert (run.result["excess"].std("seed") > 0).all()


@pytest.mark.parametrize(
    ("shape", "change", "falls"),
    [("one layer", -1.0, 1), ("constant", -1.0, 2), ("reversed", -1.0, 3), ("doubled", -1.0, 4)],
)
def test_a_wrong_result_makes_its_claim_fail(run, shape, change, falls):
    wrong = run.result.copy(deep=True)
    wrong["excess"].loc[{"shape": shape}] += change
    assert not EXPERIMENT.claims[falls].check(wrong).holds


def test_unequal_sizes_and_a_number_of_layers_that_moves_are_seen(run):
    assert EXPERIMENT.claims[0].check(run.result).holds
    wrong = run.result.assign(parameters=run.result["parameters"] * np.array([1, 2, 1, 1, 1]))
    assert not EXPERIMENT.claims[0].check(wrong).holds
    same = run.result.assign(layers_half=run.result["layers"])
    assert EXPERIMENT.claims[5].check(same).holds
    assert not EXPERIMENT.claims[5].check(run.result).holds


def test_a_single_network_has_no_spread_and_is_refused():
    with pytest.raises(ValueError, match="seeds must be a whole number from 2 to 50"):
        EXPERIMENT.config(seeds=1)

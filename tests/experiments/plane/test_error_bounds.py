"""plane/error_bounds: errors and bounds against counting by hand, and claims that can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.plane import error_bounds
from layerlab.information import entropy

EXPERIMENT = lab.get("plane/error_bounds")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(epochs=10, seeds=2), "cpu")


def test_what_is_a_theorem_holds(run):
    verdicts = [evidence.holds for _, evidence in run.evidence()]
    assert verdicts[0]
    assert verdicts[3]


def test_fano_is_the_inverse_of_the_binary_entropy():
    errors = np.array([0, 0.01, 0.2, 0.5])
    np.testing.assert_allclose(error_bounds.fano([entropy([e, 1 - e]) for e in errors]), errors, atol=1e-6)


def test_errors_of_two_classifiers_counted_by_hand():
    cells = np.array([0, 0, 0, 1, 1, 2, 2, 2])
    y = np.array([0, 0, 1, 1, 1, 0, 1, 1])
    seen = np.array([1, 1, 0, 1, 0, 0, 0, 0], bool)
    # best: cell 0 errs once, cell 2 once. Learned: 0 says 0, 1 says 1, the unseen 2 says the commoner 0
    assert error_bounds.classifier_errors(cells, y, seen) == (2 / 8, 3 / 5)


def test_the_first_layers_loss_is_its_own_information(run):
    first = run.result.isel(layer=0)
    lost = run.config.beta * (first["least"] - first["i_ty"])
    assert (first["loss"] - lost >= first["i_ty"] - 1e-9).all()
    assert (first["loss"] - lost <= 12 + 1e-9).all()


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [
        ("best", lambda x: x + 0.3, 0),
        ("learned", lambda x: x + 0.7, 1),
        ("learned", lambda x: x + 0.7, 2),
        ("loss", lambda x: 0 * x, 3),
        ("loss", lambda x: x + 30, 4),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, variable, change, falls):
    wrong = run.result.assign({variable: change(run.result[variable])})
    assert not EXPERIMENT.claims[falls].check(wrong).holds

"""similarity/late_changes: directions let through are those it says, and its claims can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.similarity import _kept_directions as kept
from layerlab.experiments.similarity import late_changes
from layerlab.nets import MLP

EXPERIMENT = lab.get("similarity/late_changes")


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(rows=1_000, epochs=20, seeds=3), "cpu")


def test_all_claims_are_tested_and_hold(run):
    assert [evidence.holds for _, evidence in run.evidence()] == [True] * 6


def test_the_finished_layer_is_like_itself_and_was_less_so_before(run):
    rho = run.result["coefficient"]
    np.testing.assert_allclose(rho.isel(epoch=-1).mean("direction"), 1, atol=1e-6)
    means = rho.mean(("seed", "direction")).values
    assert means[0] < means[4] < 1


def test_convergence_is_from_when_the_accuracy_stays():
    accuracy = np.array([[0.1, 0.2], [0.95, 0.5], [0.8, 0.95], [0.94, 0.95], [0.95, 0.96]])
    np.testing.assert_array_equal(late_changes.first_within(accuracy), [3, 2])


def test_letting_all_directions_through_changes_nothing_and_none_leaves_the_mean():
    rng = np.random.default_rng(0)
    above = MLP((6, 3), [], seeds=[0])[0]
    final, test = rng.standard_normal((200, 6)) * np.arange(1, 7), rng.standard_normal((50, 6))
    import torch

    labels = above.forward(torch.tensor(test, dtype=above.dtype)[None])[0].argmax(-1).numpy()
    accuracy, variance = kept.kept_accuracy(
        final + rng.standard_normal((200, 6)), final, test, above, labels, (1, 6, 7)
    )
    np.testing.assert_allclose(accuracy[:, 1], 1)
    np.testing.assert_allclose(variance[:, 1], 1)
    assert (variance[:, 0] < 0.6).all()
    assert np.isnan(accuracy[:, 2]).all()


def test_directions_are_ordered_by_how_much_they_had_settled():
    rng = np.random.default_rng(0)
    still, moving = rng.standard_normal((2, 500, 3))
    final = np.c_[0.1 * still, moving]
    earlier = np.c_[still, rng.standard_normal((500, 3))]
    above = MLP((6, 2), [], seeds=[0])[0]
    _, variance = kept.kept_accuracy(earlier, final, final, above, np.zeros(500, int), (3,))
    assert variance[0, 0] == pytest.approx(0.01 * 3 / 3.03, abs=0.02)
    assert variance[1, 0] > 0.97
    assert variance[2, 0] > 0.97


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [
        ("coefficient", lambda x: x * 0 + 0.9, 0),
        ("coefficient", lambda x: x * 0.5, 1),
        ("kept_accuracy", lambda x: 1 - x, 2),
        ("kept_accuracy", lambda x: x - 0.1, 3),
        ("kept_variance", lambda x: x - 0.3, 4),
        ("kept_accuracy", lambda x: x - 0.1 * (x["order"] == "largest first"), 5),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, variable, change, falls):
    wrong = run.result.assign({variable: change(run.result[variable])})
    assert not EXPERIMENT.claims[falls].check(wrong).holds


def test_where_nothing_comes_after_convergence_nothing_is_said_of_it(run):
    never = run.result.assign(converged=run.result["converged"] * 0 + 20.0)
    assert [claim.check(never) is None for claim in EXPERIMENT.claims] == [True, True, False, False, False, False]


def test_maps_have_no_single_directions():
    with pytest.raises(ValueError, match="layer must be 4, the dense one, of convolutional networks; it was 2"):
        EXPERIMENT.config(architecture="conv", layer=2)

"""similarity/small_samples: chance is as theory says, and its claims can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.similarity import _few_samples as drawn

EXPERIMENT = lab.get("similarity/small_samples")


@pytest.fixture(scope="module")
def run():
    config = EXPERIMENT.config(rows=200, epochs=5, p=16, q=8, shared=3, samples=100, draws=6, seeds=3)
    return lab.execute(EXPERIMENT, config, "cpu")


def test_all_claims_are_tested_and_hold(run):
    assert [evidence.holds for _, evidence in run.evidence()] == [True] * 8


def test_layers_that_share_all_but_noise_that_is_cut_are_alike(run):
    last = run.result.isel(n=-1).mean("seed")
    assert float(last["shared"].sel(cut="variance")) == pytest.approx(1, abs=1e-6)
    assert float(last["kept"].sel(cut="variance")) == 3
    assert float(last["shared"].sel(cut="none")) < 0.6


def test_a_network_beside_itself_stays_the_same_on_few_images():
    layer = np.random.default_rng(0).standard_normal((300, 4))
    found = drawn.networks(np.array([layer, layer]), [30, 300], 20, np.random.default_rng(1))
    np.testing.assert_allclose(found["real"], 1, atol=1e-12)
    np.testing.assert_allclose(found["shuffled_exact"], [4 / 29, 4 / 299])
    assert (abs(found["shuffled_square"] - found["shuffled_exact"]) < 4 * found["shuffled_error"]).all()


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [
        ("mean_square", lambda x: x + 0.02, 0),
        ("forced", lambda x: x + 1, 1),
        ("coefficient", lambda x: x + 0.03, 2),
        ("coefficient", lambda x: x * 1.2, 3),
        ("shared_square", lambda x: x + 0.02, 4),
        ("shared", lambda x: x * 0.9, 5),
        ("shuffled_square", lambda x: x * 1.2, 6),
        ("real", lambda x: x * 0 + x.isel(images=-1), 7),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, variable, change, falls):
    wrong = run.result.assign({variable: change(run.result[variable])})
    assert not EXPERIMENT.claims[falls].check(wrong).holds


def test_where_coefficients_are_forced_nothing_is_said_of_the_largest(run):
    forced = run.result.assign_attrs(samples=20)
    assert EXPERIMENT.claims[3].check(forced) is None


def test_signals_must_leave_room_for_noise():
    with pytest.raises(ValueError, match="shared must be smaller than both layers, 20 units; it was 20"):
        EXPERIMENT.config(shared=20)

"""similarity/freeze: the compute is counted right, the frozen network is the network, and the claims can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.similarity import freeze
from layerlab.experiments.similarity._groups import group
from layerlab.nets import MLP, Conv, ConvNet

EXPERIMENT = lab.get("similarity/freeze")
SMALL = {"data": "digits", "architecture": "dense", "rows": 200, "epochs": 10, "seed": 0, "seeds": 2, "device": "cpu"}


@pytest.fixture(scope="module")
def run():
    config = EXPERIMENT.config(architecture="dense", rows=200, epochs=10, seeds=2)
    return lab.execute(EXPERIMENT, config, "cpu")


def test_multiply_adds_are_weights_times_positions():
    assert freeze.macs(MLP((7, 5, 3))).tolist() == [35, 15]
    net = ConvNet((2, 8, 6), [Conv(4, 3, padding=1), Conv(5, 3, stride=2, padding=1), 7, 3])
    assert freeze.macs(net).tolist() == [2 * 9 * 4 * 48, 4 * 9 * 5 * 12, 5 * 12 * 7, 21]


def test_the_lowest_trained_layer_needs_no_gradient_of_its_inputs():
    cost = np.array([100, 10, 1])
    assert [freeze.per_epoch(cost, n) for n in range(3)] == [233, 23, 2]


def test_compute_adds_up_and_counts_each_frozen_layer_once():
    cost = np.array([100, 10, 1])
    at = np.array([0, 2, 3, 5, 6])
    np.testing.assert_allclose(
        freeze.spent(cost, [2, 4], at), [0, 466 + 100, 566 + 23, 566 + 46 + 10 + 2, 566 + 46 + 10 + 4]
    )
    np.testing.assert_allclose(freeze.spent(cost, [0, 0], np.array([3])), [110 + 3 * 2])


def test_at_the_first_freeze_the_network_is_the_ordinary_one():
    found = group(**SMALL)
    frozen = freeze.train_frozen(**SMALL, freezes=[1, 2, 3, 4])
    assert frozen["at"].tolist() == list(range(1, 11))
    np.testing.assert_allclose(frozen["accuracy"][0], found.accuracy_test[found.curve == 1][0])
    assert (frozen["accuracy"][-1] > frozen["accuracy"][0]).all()


def test_layers_frozen_untrained_are_those_of_the_beginning():
    found = group(**SMALL)
    bottom = freeze.train_frozen(**SMALL, freezes=[0, 0])
    assert bottom["at"].tolist() == list(range(11))
    np.testing.assert_allclose(bottom["accuracy"][0], found.accuracy_test[0])


def test_first_layer_works_in_blocks():
    net = MLP((3, 4, 2), seeds=[0, 1])
    x = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    found = freeze.first_layer(net, x, block=3)
    np.testing.assert_allclose(found, net.activations(x)[0], rtol=1e-6)


def test_claims_are_tested(run):
    assert all(evidence is not None for _, evidence in run.evidence())
    assert run.result["ordinary"].dims[0] == "seed"
    assert run.result.attrs["freezes"] == [1, 2, 3, 4]


def test_stopped_reads_the_ordinary_curve_at_the_same_compute(run):
    whole = run.result["compute"]
    straight = run.result.assign(ordinary=run.result["ordinary"] * 0 + whole / whole[-1])
    assert freeze.stopped(straight).values == pytest.approx(float(freeze.share(run.result)))


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [
        ("compute_frozen", lambda x: 9 * x, 0),
        ("frozen", lambda x: x - 0.5, 1),
        ("frozen", lambda x: x - 0.5, 2),
        ("untrained", lambda x: 0 * x + 1.1, 3),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, variable, change, falls):
    wrong = run.result.assign({variable: change(run.result[variable])})
    assert not EXPERIMENT.claims[falls].check(wrong).holds


@pytest.mark.parametrize("falls", [1, 2])
def test_the_disputed_claims_can_hold(run, falls):
    assert EXPERIMENT.claims[falls].check(run.result.assign(frozen=run.result["frozen"] + 0.5)).holds


def test_a_freeze_before_the_first_epoch_is_refused():
    with pytest.raises(ValueError, match=r"epochs must be large enough for a freeze every 0.05; it was 5"):
        EXPERIMENT.config(step="0.05", epochs=5)

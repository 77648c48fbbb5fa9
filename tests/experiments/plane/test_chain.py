"""plane/chain: the chain of cells obeys the inequality, the usual picture need not, and its claims can fail."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from layerlab import lab
from layerlab.experiments.plane import chain
from layerlab.experiments.plane._cut import cut_inside
from layerlab.information import binned_cells, binned_information
from layerlab.nets import MLP

EXPERIMENT = lab.get("plane/chain")
X = np.random.default_rng(0).integers(0, 2, (300, 12)).astype(np.float32)


@pytest.fixture(scope="module")
def run():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(epochs=10, seeds=2), "cpu")


def test_the_chain_obeys_and_the_output_learns(run):
    verdicts = [evidence.holds for _, evidence in run.evidence()]
    assert verdicts[0]
    assert run.result["chain_xt"].shape == (run.result.sizes["epoch"], 6, 2)


def test_inside_the_cut_network_each_cell_is_a_function_of_the_cell_before():
    networks = MLP((12, 8, 6, 4, 2), "relu", initialisation="he_normal", seeds=[1, 2])
    layers, choices = cut_inside(networks, X, 0.5)
    assert choices.shape == (2, 300)
    for before, after in pairwise(layers):
        for n in range(2):
            pairs = {*zip(binned_cells(before[n], width=0.5).tolist(), binned_cells(after[n], width=0.5).tolist(),
                          strict=True)}  # fmt: skip
            assert len(pairs) == len({a for a, _ in pairs})


def test_with_fine_cells_the_cut_network_is_the_network():
    networks = MLP((12, 8, 4, 2), "tanh", seeds=[3])
    layers, choices = cut_inside(networks, X, 1e-6)
    own = networks.activations(X)
    np.testing.assert_allclose(layers[1].numpy(), own[1].numpy(), atol=1e-5)
    assert (choices == own[-1].argmax(-1)).double().mean() > 0.99


def test_a_rotation_turns_and_nothing_else():
    streams = np.random.SeedSequence(0).spawn(2)
    t = torch.rand(2, 50, 3, dtype=torch.float64)
    turned = chain.rotated(t, streams)
    np.testing.assert_allclose(torch.cdist(turned, turned), torch.cdist(t, t), atol=1e-6)
    assert not torch.allclose(turned[0], t[0])
    assert torch.equal(turned, chain.rotated(t, streams))


def test_units_that_change_places_change_nothing():
    t = np.tanh(np.random.default_rng(0).standard_normal((200, 5)))
    y = np.arange(200) % 2
    assert binned_information(t[:, ::-1], y, width=0.1) == pytest.approx(binned_information(t, y, width=0.1), abs=1e-12)


@pytest.mark.parametrize(
    ("variable", "change", "falls"),
    [
        ("chain_ty", lambda x: x + 0.1 * x["layer"], 0),
        ("i_xt", lambda x: x + 9.0 * x["layer"], 1),
        ("chain_accuracy", lambda x: x - 0.1, 2),
        ("rotated_xt", lambda x: x + 1.0, 3),
        ("i_ty", lambda x: x - 0.01 * x["epoch"], 4),
    ],
)
def test_a_wrong_result_makes_its_claim_fail(run, variable, change, falls):
    wrong = run.result.assign({variable: change(run.result[variable])})
    assert not EXPERIMENT.claims[falls].check(wrong).holds

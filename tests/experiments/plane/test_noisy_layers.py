"""plane/noisy_layers: noise is measured against the twin, and the claims can fail."""

import numpy as np
import pytest
import torch

from layerlab import lab
from layerlab.experiments.plane import noisy_layers
from layerlab.nets import MLP

EXPERIMENT = lab.get("plane/noisy_layers")
WARM = len(noisy_layers.TEMPERATURES)


@pytest.fixture(scope="module")
def result():
    runs = lab.Store().runs(EXPERIMENT)
    return next(r.result for r in runs if r.config.activation == "tanh" and r.config.steps == 600)


def test_noise_is_the_distance_from_the_twin():
    x = np.random.default_rng(0).random((30, 4)).astype(np.float32)
    networks = MLP((4, 3, 2), "linear", seeds=[1] * WARM)
    networks.biases[0][2] += 0.25
    networks.biases[0][3] += torch.tensor([0.3, 0.0, -0.3])
    memory = noisy_layers._Layers(x)
    memory.add(0, networks)
    memory.add(1, networks)
    expected = [0, 0, 0.25, np.sqrt(0.06), 0]
    np.testing.assert_allclose(memory.deviation()[:, 0], expected, atol=1e-6)
    np.testing.assert_allclose(memory.twins[0][0], networks.activations(x)[0][0].numpy(), rtol=1e-6)


def test_information_falls_with_the_noise_and_the_twin_has_none():
    x = np.random.default_rng(0).random((60, 4)).astype(np.float32)
    networks = MLP((4, 3, 2), "linear", seeds=[1] * WARM)
    for i, move in enumerate((0, 0.001, 0.01, 0.1, 1)):
        networks.biases[0][i] += move
    memory = noisy_layers._Layers(x)
    memory.add(0, networks)
    found = memory.information(np.arange(60) % 2)[:, 0]
    assert np.isnan(found[0])
    assert (np.diff(found[1:]) < 0).all()
    assert found[1] == pytest.approx(np.log2(60), abs=0.05)


@pytest.mark.parametrize(
    ("variable", "change", "which", "holds"),
    [
        ("noise", lambda v: -v, 0, False),
        ("i_noisy", lambda v: -v, 1, False),
        ("i_binned", lambda v: v - 2.0 * (v["temperature"] > 0), 2, True),
    ],
)
def test_claims_follow_the_result(result, variable, change, which, holds):
    changed = result.assign({variable: change(result[variable])})
    assert EXPERIMENT.claims[which].check(changed).holds == holds

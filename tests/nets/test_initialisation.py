import numpy as np
import pytest
import torch

from layerlab.nets import INITIALISATIONS, as_seed, draw

FAN_IN, FAN_OUT = 300, 200
VARIANCES = {
    "glorot_normal": 2 / (FAN_IN + FAN_OUT),
    "glorot_uniform": 2 / (FAN_IN + FAN_OUT),
    "he_normal": 2 / FAN_IN,
    "he_uniform": 2 / FAN_IN,
    "lecun_normal": 1 / FAN_IN,
    "lecun_uniform": 1 / FAN_IN,
    "torch": 1 / (3 * FAN_IN),
    "standard_normal": 1.0,
    "orthogonal": 1 / FAN_IN,
}


def test_every_scheme_is_covered():
    assert set(VARIANCES) == set(INITIALISATIONS)


@pytest.mark.parametrize("name", INITIALISATIONS)
def test_mean_and_variance_of_the_weights(name):
    ((weights, _),) = draw((FAN_IN, FAN_OUT), name, seed=3)
    deviation = VARIANCES[name] ** 0.5
    standard_error = deviation / (FAN_IN * FAN_OUT) ** 0.5
    assert weights.dtype == torch.float64
    assert weights.shape == (FAN_IN, FAN_OUT)
    assert abs(weights.mean().item()) < 5 * standard_error
    assert weights.std().item() == pytest.approx(deviation, rel=0.02)


@pytest.mark.parametrize("name", ["glorot_uniform", "he_uniform", "lecun_uniform", "torch"])
def test_uniform_weights_fill_their_interval_and_no_more(name):
    ((weights, _),) = draw((FAN_IN, FAN_OUT), name, seed=3)
    bound = (3 * VARIANCES[name]) ** 0.5
    assert 0.999 * bound < weights.abs().max().item() <= bound


@pytest.mark.parametrize("shape", [(20, 30), (30, 20)])
def test_orthogonal_rows_or_columns(shape):
    ((weights, _),) = draw(shape, "orthogonal", seed=0)
    gram = weights.T @ weights if shape[0] >= shape[1] else weights @ weights.T
    torch.testing.assert_close(gram, torch.eye(20, dtype=torch.float64), rtol=0, atol=1e-12)


def test_gain_and_biases():
    ((plain, zero),) = draw((50, 400), "he_normal", seed=1)
    ((doubled, random),) = draw((50, 400), "he_normal", seed=1, gain=2.0, bias_std=0.5)
    torch.testing.assert_close(doubled, 2 * plain)
    assert not zero.any()
    assert random.std().item() == pytest.approx(0.5, rel=0.15)
    ((_, uniform),) = draw((50, 400), "torch", seed=1)
    assert 0.9 * 50**-0.5 < uniform.abs().max().item() <= 50**-0.5


def test_no_global_state():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    draw((4, 3), "he_normal", seed=9)
    assert torch.equal(torch.get_rng_state(), before)


def test_seeds():
    child = np.random.SeedSequence(5).spawn(1)[0]
    assert as_seed(child) == as_seed(np.random.SeedSequence(5).spawn(1)[0])
    assert as_seed(np.int64(7)) == 7
    assert as_seed(2**64 - 1) == 2**64 - 1
    with pytest.raises(ValueError, match="a seed is -1"):
        as_seed(-1)
    for wrong in (1.5, "1", True, None):
        with pytest.raises(TypeError, match="must be an integer or a numpy SeedSequence"):
            as_seed(wrong)


def test_unknown_scheme():
    with pytest.raises(ValueError, match="initialisation is 'xavier'; allowed are glorot_normal"):
        draw((2, 2), "xavier", seed=0)

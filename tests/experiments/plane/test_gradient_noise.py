"""plane/gradient_noise: shares are shares, and its claims can fail."""

import numpy as np
import pytest

from layerlab import lab
from layerlab.experiments.plane import gradient_noise

EXPERIMENT = lab.get("plane/gradient_noise")


@pytest.fixture(scope="module")
def result():
    runs = lab.Store().runs(EXPERIMENT)
    return next(r.result for r in runs if r.config.activation == "tanh" and r.config.epochs == 600)


@pytest.fixture(scope="module")
def short():
    return lab.execute(EXPERIMENT, EXPERIMENT.config(epochs=10, seeds=2), "cpu").result


def test_shares_and_numbers_of_directions_are_possible_ones(short):
    for layer, size in enumerate(gradient_noise.SIZES, 1):
        here = short.sel(layer=layer)
        spectrum = here["spectrum"]
        assert int(spectrum.notnull().sum("rank").max()) == min(size, 20)
        assert ((here["dimension"] >= 1 - 1e-4) & (here["dimension"] <= size)).all()
        assert float(spectrum.sum("rank").max()) <= 1 + 1e-5
        assert (np.diff(spectrum.values[..., : min(size, 20)]) <= 1e-6).all()
        np.testing.assert_allclose(here["top"], spectrum.isel(rank=slice(0, 5)).sum("rank"), rtol=1e-4)
        assert ((here["drift"] >= 0) & (here["drift"] <= 1 + 1e-5)).all()
        # the noise along any direction lies between none and the largest eigenvalue
        assert (here["narrow"] <= size * spectrum.isel(rank=0) * (1 + 1e-4)).all()


@pytest.mark.parametrize(
    ("variable", "change", "which", "holds"),
    [
        ("dimension", lambda v: v * 20, 0, False),
        ("dimension", lambda v: v * 20, 1, True),
        ("narrow", lambda v: v * 0.01, 2, True),
        ("drift", lambda v: v * 0.1, 3, False),
    ],
)
def test_claims_follow_the_result(result, variable, change, which, holds):
    assert EXPERIMENT.claims[which].check(result).holds != holds
    assert EXPERIMENT.claims[which].check(result.assign({variable: change(result[variable])})).holds == holds


def test_a_short_run_says_nothing_of_late_training(short):
    assert EXPERIMENT.claims[3].check(short) is None

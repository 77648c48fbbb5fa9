"""Times with censoring: the first time, the share that got there, who is sooner, how long a fall takes."""

import numpy as np
import pytest
import xarray as xr

from layerlab.experiments.plane._times import decay_time, first_reached, probability_sooner, share_reached

EPOCHS = np.array([0, 10, 20, 40])
CURVES = xr.DataArray(
    [[0.5, 0.9, 0.8, 0.9], [0.5, 0.6, 0.7, 0.95], [0.5, 0.5, 0.5, 0.5]],
    dims=("seed", "epoch"),
    coords={"epoch": EPOCHS},
)


def test_the_first_time_counts_and_never_is_infinite():
    assert first_reached(CURVES, 0.9).values.tolist() == [10, 40, np.inf]


def test_the_share_that_got_there_never_reaches_one_while_some_do_not():
    assert np.allclose(share_reached(first_reached(CURVES, 0.9), EPOCHS), [0, 1 / 3, 1 / 3, 2 / 3])


def test_censored_pairs_are_ties():
    assert probability_sooner([1, 2], [3, np.inf]) == 1
    assert probability_sooner([1, np.inf], [1, np.inf]) == 0.5
    assert probability_sooner([np.inf], [5]) == 0


def test_the_decay_time_of_an_exponential_is_its_time_constant():
    at = np.linspace(0, 1000, 2001)
    values = np.r_[np.linspace(0, 3, 100), 2 + np.exp(-at / 60)]
    fall, time = decay_time(values, np.arange(len(values)) * 0.5)
    assert fall == pytest.approx(1, rel=1e-4)
    assert time == pytest.approx(60, rel=0.01)


def test_what_only_rises_does_not_relax():
    fall, time = decay_time(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 2.0]))
    assert fall == 0
    assert np.isnan(time)

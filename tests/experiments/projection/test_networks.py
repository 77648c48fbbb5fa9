"""The trained networks that experiments share."""

import numpy as np
import pytest
import torch

from layerlab import lab
from layerlab.experiments.projection import _networks
from layerlab.experiments.projection._networks import networks, subset

SMALL = {"width": 16, "depth": 2, "epochs": 8, "seeds": 2}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERLAB_CACHE", str(tmp_path))


def test_they_learn_the_digits():
    found = networks(**SMALL)
    assert found.initial.count == found.trained.count == 2
    assert found.trained.widths == (64, 16, 16, 10)
    assert (found.accuracy_test > 0.8).all() and (found.accuracy_train >= found.accuracy_test - 0.05).all()
    x, y = found.data.x_test, found.data.y_test
    measured = (found.trained(x).argmax(-1).cpu().numpy() == y).mean(1)
    np.testing.assert_allclose(measured, found.accuracy_test)  # the parameters are those that were evaluated
    assert (found.initial(x).argmax(-1).cpu().numpy() == y).mean() < 0.4


def test_trained_once(monkeypatch):
    first = networks(**SMALL)
    monkeypatch.setattr(_networks, "train", _forbidden_copy(_networks.train))
    second = networks(**SMALL)
    torch.testing.assert_close(first.trained.storage, second.trained.storage, rtol=0, atol=0)
    with pytest.raises(AssertionError, match="trained again"):
        networks(**SMALL | {"seed": 1})


def _forbidden_copy(function):
    def train(**spec):
        raise AssertionError("trained again")

    train.__module__, train.__name__ = function.__module__, function.__name__
    return train


def test_a_network_does_not_depend_on_how_many_there_are():
    few, more = networks(**SMALL), networks(**SMALL | {"seeds": 3})
    torch.testing.assert_close(few.trained.weights[0], more.trained.weights[0][:2], rtol=1e-3, atol=1e-4)
    assert few.initial.storage.numel() == 2 * few.initial.parameter_count
    assert not torch.equal(more.initial.weights[0][0], more.initial.weights[0][1])


def test_shuffled_labels_keep_their_counts_and_teach_nothing():
    found = networks(**SMALL | {"labels": "shuffled"})
    for own in found.labels:
        np.testing.assert_array_equal(np.bincount(own), np.bincount(found.data.y_train))
        assert (own == found.data.y_train).mean() < 0.2
    assert not np.array_equal(*found.labels)
    assert (found.accuracy_test < 0.3).all()


def test_rows_are_always_the_same():
    small = subset("digits", 100)
    assert len(small.x_train) == 100 and len(small.x_test) == 450
    np.testing.assert_array_equal(small.x_train, subset("digits", 200).x_train[:100])
    assert subset("digits", None).x_train.shape == subset("digits", 10**6).x_train.shape == (1347, 64)


def test_progress_can_stop_the_training():
    progress = lab.Progress()
    progress.cancel()
    with pytest.raises(lab.Cancelled):
        networks(**SMALL, progress=progress)


@pytest.mark.parametrize(("argument", "value"), [("activation", "sine"), ("labels", "wrong")])
def test_unknown_names_are_refused(argument, value):
    with pytest.raises(ValueError, match=rf"{argument} must be one of .*{value}"):
        networks(**SMALL | {argument: value})


def test_a_training_that_diverges_is_no_result():
    with pytest.raises(ValueError, match=r"diverged at learning_rate 1e\+20"):
        networks(**SMALL | {"learning_rate": 1e20})

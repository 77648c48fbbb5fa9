"""Networks on the 12-bit rule: each depends on its own seed only, and an interrupted training goes on."""

import numpy as np
import pytest
import torch

from layerlab.experiments.plane import _rule_networks
from layerlab.experiments.plane._rule_networks import rule_networks


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERLAB_CACHE", str(tmp_path))
    return tmp_path / "trainings" / "_rule_networks"


def parameters(networks):
    return np.concatenate([w.detach().numpy().reshape(networks.count, -1) for w in networks.weights], 1)


def test_moments_hold_the_networks_from_the_start_to_the_end_and_their_marks():
    found = rule_networks(epochs=6, seeds=3, moments=4)
    assert found.epochs[0] == 0
    assert found.epochs[-1] == 6
    assert found.accuracy_test.shape == found.loss_train.shape == (len(found.epochs), 3)
    assert found.rows.shape == (3, 3277)
    assert (found.labels == found.rule.y).all()
    networks, layers = found.networks(-1), found.layers(-1)
    assert [tuple(t.shape) for t in layers] == [(3, 4096, width) for width in (10, 7, 5, 4, 3, 2)]
    assert torch.allclose(layers[-1].sum(-1), torch.ones(3, 4096))
    unseen = np.setdiff1d(np.arange(4096), found.rows[1])
    guessed = networks(found.x).argmax(-1).numpy()[1]
    assert (guessed[unseen] == found.rule.y[unseen]).mean() == pytest.approx(found.accuracy_test[-1, 1])


def test_networks_differ_in_weights_and_rows_and_the_first_do_not_depend_on_how_many_there_are(monkeypatch):
    monkeypatch.setattr(_rule_networks, "BLOCK", 2)
    three, two = (rule_networks(epochs=2, seeds=count) for count in (3, 2))
    assert len(np.unique(parameters(three.networks(0)), axis=0)) == 3
    assert (three.rows[0] != three.rows[1]).any()
    assert (three.rows[:2] == two.rows).all()
    np.testing.assert_array_equal(parameters(three.networks(-1))[:2], parameters(two.networks(-1)))


def test_an_interrupted_training_goes_on_to_the_same_end_and_leaves_no_checkpoint(cache):
    whole = rule_networks(epochs=4, seeds=2, seed=1)
    for path in cache.glob("*.npz"):
        path.unlink()
    calls = []

    def stop(done, total, note):
        calls.append(done)
        if done > 0.1:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("layerlab.training.trainer.PROGRESS_SECONDS", 0.0)
        with pytest.raises(KeyboardInterrupt):
            rule_networks(epochs=4, seeds=2, seed=1, progress=stop)
    assert len(list(cache.glob("*.part"))) == 1
    resumed = []
    again = rule_networks(epochs=4, seeds=2, seed=1, progress=lambda done, *_: resumed.append(done))
    assert resumed[0] == pytest.approx(calls[-1])
    np.testing.assert_array_equal(parameters(again.networks(-1)), parameters(whole.networks(-1)))
    assert list(cache.glob("*.part")) == []


def test_a_stochastic_rule_draws_other_labels_for_each_network():
    found = rule_networks(epochs=1, seeds=2, gamma=10.0)
    assert 0.01 < (found.labels[0] != found.labels[1]).mean() < 0.4
    assert found.rule.gamma == 10.0


def test_full_batches_take_one_step_an_epoch():
    found = rule_networks(epochs=1, seeds=1, batch=None)
    moved = abs(parameters(found.networks(-1)) - parameters(found.networks(0)))
    assert 0 < moved.max() <= 4e-4 * 1.001  # a first step of Adam is at most the learning rate


def test_a_share_of_rows_that_is_none_is_refused():
    with pytest.raises(ValueError, match="train_share must lie strictly between 0 and 1; it was 1"):
        rule_networks(epochs=1, train_share=1)
    with pytest.raises(ValueError, match="diverged"):
        rule_networks(epochs=3, seeds=1, optimizer="sgd", learning_rate=1e30, activation="linear")

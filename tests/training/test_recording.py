import numpy as np
import pytest
import torch

from layerlab.nets import MLP
from layerlab.training import TrainingConfig, evaluate, log_spaced, train
from layerlab.training import history as history_module
from layerlab.training import trainer as trainer_module

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(23, 4, generator=GENERATOR)
Y = torch.randint(0, 3, (23,), generator=GENERATOR)


def make():
    return MLP((4, 5, 3), seeds=range(3))


def test_history_holds_loss_and_accuracy_of_each_network_at_each_moment():
    networks = make()
    config = TrainingConfig(learning_rate=0.01, batch_size=10, epochs=4)
    snapshots = []
    sets = {"train": (X, Y), "part": (X[:5].numpy(), Y[:5].numpy())}
    history = train(
        networks, X, Y, config, record_at=[4, 0, 1, 1], evaluate=sets,
        callback=lambda moment, live: snapshots.append(live.copy()) or moment * 10,
    )  # fmt: skip
    assert history.at.tolist() == [0, 1, 4]
    assert history.steps.tolist() == [0, 3, 12]
    assert history.records == [0, 10, 40]
    assert history.networks is networks
    for t, snapshot in enumerate(snapshots):
        for i in range(3):
            outputs = snapshot(X)[i]
            expected = torch.nn.functional.cross_entropy(outputs, Y).item()
            assert history.loss["train"][t, i] == pytest.approx(expected, rel=1e-5)
            right = (outputs.argmax(1) == Y).float()
            assert history.accuracy["train"][t, i] == pytest.approx(right.mean().item())
            assert history.accuracy["part"][t, i] == pytest.approx(right[:5].mean().item())
    assert torch.equal(snapshots[-1].storage, networks.storage)


def test_moments_counted_in_steps_and_the_default_schedule():
    config = TrainingConfig(batch_size=10, steps=7)
    history = train(make(), X, Y, config, record_at=[0, 2, 7], unit="step", evaluate={"a": (X, Y)})
    assert history.at.tolist() == history.steps.tolist() == [0, 2, 7]
    history = train(make(), X, Y, config, evaluate={"a": (X, Y)})
    assert history.at.tolist() == [0, 2]
    assert history.steps.tolist() == [0, 7]
    assert history.loss["a"].shape == (2, 3)


def test_nothing_recorded_where_nothing_is_asked():
    history = train(make(), X, Y, TrainingConfig(epochs=1), record_at=[], evaluate={"a": (X, Y)})
    assert history.loss["a"].shape == history.accuracy["a"].shape == (0, 3)
    assert history.at.shape == (0,)


def test_no_epochs_changes_nothing():
    networks = make()
    history = train(networks, X, Y, TrainingConfig(epochs=0, batch_size=5), evaluate={"a": (X, Y)})
    assert torch.equal(networks.storage, make().storage)
    assert history.at.tolist() == [0]


def test_blocks_of_rows_give_the_same_numbers(monkeypatch):
    config = TrainingConfig(epochs=1)
    whole = evaluate(make(), X, Y, config)
    monkeypatch.setattr(history_module, "BLOCK", 4 * 3 * 5)
    blocked = evaluate(make(), X, Y, config)
    np.testing.assert_allclose(blocked[0], whole[0], rtol=1e-6)
    np.testing.assert_array_equal(blocked[1], whole[1])


def test_alpha_counts_from_the_outputs_before_training():
    config = TrainingConfig(optimizer="sgd", learning_rate=0.1, epochs=3, alpha=(1.0, 2.0, 5.0))
    networks = make()
    history = train(networks, X, Y, config, evaluate={"train": (X, Y)})
    np.testing.assert_allclose(history.loss["train"][0], np.log(3), rtol=1e-6)  # F = 0: all classes alike
    assert torch.equal(history.initial.storage, make().storage)
    again = evaluate(networks, X, Y, config, initial=history.initial)
    np.testing.assert_allclose(again[0], history.loss["train"][-1])
    F = 5 * (networks(X)[2] - history.initial(X)[2])
    assert again[0][2] == pytest.approx(torch.nn.functional.cross_entropy(F, Y).item(), rel=1e-5)
    with pytest.raises(ValueError, match="initial is None"):
        evaluate(networks, X, Y, config)


@pytest.mark.parametrize("loss", ["logistic", "hinge", "soft_hinge", "mse"])
def test_accuracy_by_sign(loss):
    networks = MLP((4, 5, 1), seeds=range(3))
    signs = torch.where(X[:, 0] > 0, 1.0, -1.0)
    _, accuracy = evaluate(networks, X, signs, TrainingConfig(loss=loss, epochs=1))
    expected = (networks(X)[:, :, 0].sign() == signs).float().mean(1)
    np.testing.assert_allclose(accuracy, expected)


def test_accuracy_of_mean_squared_error_needs_targets_that_are_classes():
    networks = make()
    config = TrainingConfig(loss="mse", epochs=1)
    one_hot = torch.nn.functional.one_hot(Y, 3).float()
    np.testing.assert_allclose(evaluate(networks, X, one_hot, config)[1], (networks(X).argmax(2) == Y).float().mean(1))
    loss, accuracy = evaluate(networks, X, X[:, :3], config)
    np.testing.assert_allclose(loss, (networks(X) - X[:, :3]).square().mean((1, 2)).numpy(), rtol=1e-5)
    assert np.isnan(accuracy).all()


def test_progress_is_told_from_first_to_last_and_may_stop(monkeypatch):
    monkeypatch.setattr(trainer_module, "PROGRESS_SECONDS", 0.0)
    config = TrainingConfig(batch_size=10, epochs=2)
    told = []
    train(make(), X, Y, config, progress=lambda *what: told.append(what))
    assert told[0] == (0, 6, "epoch 0")
    assert told[-1] == (6, 6, "epoch 2")
    assert [done for done, _, _ in told] == [0, 1, 2, 3, 4, 5, 6, 6]

    def stop(done, total, note):
        if done == 3:
            raise KeyboardInterrupt

    stopped, expected = make(), make()
    with pytest.raises(KeyboardInterrupt):
        train(stopped, X, Y, config, progress=stop)
    train(expected, X, Y, TrainingConfig(batch_size=10, epochs=1))
    assert torch.equal(stopped.storage, expected.storage)


def test_log_spaced():
    assert log_spaced(999, 4) == [0, 9, 99, 999]
    for last in (0, 1, 7, 8000):
        for count in (2, 5, 60):
            moments = log_spaced(last, count)
            assert moments[0] == 0
            assert moments[-1] == last
            assert moments == sorted(set(moments))
            assert len(moments) <= max(count, 2)
    assert log_spaced(5, 100) == [0, 1, 2, 3, 4, 5]
    for arguments in ((-1, 5), (5, 1)):
        with pytest.raises(ValueError, match="it must be at least"):
            log_spaced(*arguments)

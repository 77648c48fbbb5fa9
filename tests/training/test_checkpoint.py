import os

import numpy as np
import pytest
import torch

from layerlab.nets import MLP
from layerlab.training import TrainingConfig, train
from layerlab.training import trainer as trainer_module

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(23, 4, generator=GENERATOR)
Y = torch.randint(0, 3, (23,), generator=GENERATOR)
CONFIGS = [
    TrainingConfig(batch_size=10, epochs=5),
    TrainingConfig(optimizer="momentum", learning_rate=0.1, batch_size=10, epochs=5, alpha=2.0, weight_decay=0.1),
    TrainingConfig(optimizer="sgd", learning_rate=0.1, epochs=15),
]


def make():
    return MLP((4, 5, 3), seeds=range(3))


def run(networks, config=CONFIGS[0], **more):
    return train(networks, X, Y, config, record_at=range(6), evaluate={"a": (X, Y)},
                 callback=lambda moment, live: live.weights[0].sum().item(), **more)  # fmt: skip


def stop_at(step):
    def progress(done, total, note):
        if done == step:
            raise RuntimeError("stopped")

    return progress


@pytest.fixture(autouse=True)
def _report_every_step(monkeypatch):
    monkeypatch.setattr(trainer_module, "PROGRESS_SECONDS", 0.0)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.optimizer)
@pytest.mark.parametrize("stops", [[1], [3], [4, 5, 14]], ids=str)
def test_a_stopped_training_goes_on_to_bit_identical_results(config, stops, tmp_path):
    straight = make()
    expected = run(straight, config)
    for step in stops:
        with pytest.raises(RuntimeError, match="stopped"):
            run(make(), config, checkpoint=tmp_path / "sub" / "state", progress=stop_at(step))
    resumed, told = make(), []
    history = run(resumed, config, checkpoint=tmp_path / "sub" / "state", progress=lambda done, *_: told.append(done))
    assert told[0] == stops[-1]
    assert torch.equal(resumed.storage, straight.storage)
    assert history.at.tolist() == expected.at.tolist()
    assert history.records == expected.records
    np.testing.assert_array_equal(history.loss["a"], expected.loss["a"])
    np.testing.assert_array_equal(history.accuracy["a"], expected.accuracy["a"])
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["state"]


def test_a_crash_loses_only_what_came_after_the_last_save(tmp_path):
    def crash(moment, live):
        if moment == 3:
            raise MemoryError
        return live.weights[0].sum().item()

    with pytest.raises(MemoryError):
        train(make(), X, Y, CONFIGS[0], record_at=range(6), evaluate={"a": (X, Y)}, callback=crash,
              checkpoint=tmp_path / "state", checkpoint_seconds=0)  # fmt: skip
    straight, resumed, told = make(), make(), []
    expected = run(straight)
    history = run(resumed, checkpoint=tmp_path / "state", progress=lambda done, *_: told.append(done))
    assert told[0] == 8
    assert torch.equal(resumed.storage, straight.storage)
    assert history.records == expected.records


def test_a_finished_training_is_not_done_again(tmp_path):
    first, second = make(), make()
    expected = run(first, checkpoint=tmp_path / "state")
    told = []
    history = run(second, checkpoint=tmp_path / "state", progress=lambda done, *_: told.append(done))
    assert set(told) == {15}
    assert torch.equal(first.storage, second.storage)
    np.testing.assert_array_equal(history.loss["a"], expected.loss["a"])


def test_another_trainings_checkpoint_is_refused(tmp_path):
    path = tmp_path / "state"
    run(make(), checkpoint=path)
    before = path.read_bytes()
    other = MLP((4, 5, 3), seeds=range(3, 6))
    for networks, more in ((make(), {"seeds": 1}), (other, {}), (make(), {"config": CONFIGS[1]})):
        with pytest.raises(ValueError, match="belongs to another training"):
            run(networks, checkpoint=path, **more)
    with pytest.raises(ValueError, match="belongs to another training"):
        train(make(), X + 1, Y, CONFIGS[0], checkpoint=path)
    path.with_name("foreign").write_text("something else")
    with pytest.raises(ValueError, match="is not a training checkpoint"):
        run(make(), checkpoint=path.with_name("foreign"))
    assert path.read_bytes() == before


@pytest.mark.parametrize("ending", [b"", bytes(20)], ids=["cut", "altered"])
def test_a_damaged_checkpoint_is_reported_and_not_used(tmp_path, ending):
    path = tmp_path / "state"
    straight, again = make(), make()
    run(straight, checkpoint=path)
    path.write_bytes(path.read_bytes()[:-20] + ending)
    with pytest.warns(RuntimeWarning, match="is damaged; training starts anew"):
        run(again, checkpoint=path)
    assert torch.equal(again.storage, straight.storage)


def test_a_failed_write_leaves_the_previous_state_whole(tmp_path, monkeypatch):
    path = tmp_path / "state"
    with pytest.raises(RuntimeError):
        run(make(), checkpoint=path, progress=stop_at(4))
    before = path.read_bytes()

    def full(*_):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match="no space left"):
            run(make(), checkpoint=path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]

"""Networks trained together do not touch each other."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from layerlab.nets import MLP, stack
from layerlab.training import TrainingConfig, data_order, train

ROWS, WIDTHS = 37, (5, 6, 4, 3)
CLOSE = {"rtol": 1e-6, "atol": 1e-9}  # training amplifies the rounding, which depends on the number of networks


def data():
    generator = torch.Generator().manual_seed(7)
    x = torch.randn(ROWS, WIDTHS[0], dtype=torch.float64, generator=generator)
    return x, torch.randint(0, WIDTHS[-1], (ROWS,), generator=generator)


def make(seeds):
    return MLP(WIDTHS, seeds=list(seeds), dtype=torch.float64)


configs = st.builds(
    TrainingConfig,
    optimizer=st.sampled_from(["sgd", "momentum", "adam"]),
    learning_rate=st.sampled_from([0.01, 0.05]),
    batch_size=st.sampled_from([None, 5, 10, 37, 50]),
    epochs=st.integers(0, 3),
    weight_decay=st.sampled_from([0.0, 0.1]),
    alpha=st.sampled_from([None, 2.0]),
)


@settings(max_examples=25, deadline=None)
@given(configs, st.permutations(range(5)))
def test_permuting_the_networks_permutes_the_results(config, order):
    straight, permuted = make(range(5)), make(order)
    train(straight, *data(), config, seeds=[10 + seed for seed in range(5)])
    train(permuted, *data(), config, seeds=[10 + seed for seed in order])
    torch.testing.assert_close(permuted.storage, straight[order].storage, **CLOSE)


@settings(max_examples=25, deadline=None)
@given(configs, st.integers(0, 4))
def test_a_network_of_many_trains_as_it_does_alone(config, which):
    together, alone = make(range(5)), make([which])
    history = train(together, *data(), config, evaluate={"train": data()})
    single = train(alone, *data(), config, seeds=which, evaluate={"train": data()})
    torch.testing.assert_close(together[which].storage, alone.storage, **CLOSE)
    torch.testing.assert_close(history.loss["train"][:, which], single.loss["train"][:, 0], **CLOSE)


@settings(max_examples=25, deadline=None)
@given(configs, st.integers(0, 2**32))
def test_masked_weights_stay_exactly_zero(config, seed):
    networks = make(range(4))
    generator = torch.Generator().manual_seed(seed)
    shapes = [(4, 5, 6), (6, 4), (4, 4, 3)]  # one mask for each network, or one for all
    masks = [torch.rand(shape, generator=generator) < 0.5 for shape in shapes]
    train(networks, *data(), config, masks=masks)
    for weights, mask in zip(networks.weights, masks, strict=True):
        assert (weights[~mask.expand_as(weights)] == 0).all()
        assert (weights[mask.expand_as(weights)] != 0).all()


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("batch_size", [None, 10])
def test_a_diverging_network_leaves_the_others_bit_for_bit(optimizer, batch_size):
    config = TrainingConfig(optimizer=optimizer, learning_rate=0.05, batch_size=batch_size, epochs=3)
    masks = [torch.arange(each[0].numel()).view(each[0].shape) % 2 == 0 for each in make(range(4)).weights]
    sound, broken = make(range(4)), make(range(4))
    broken.weights[1][2, 0, 0] = torch.nan
    seeds = [3, 4, 5, 6]
    healthy = train(sound, *data(), config, seeds=seeds, masks=masks)
    history = train(broken, *data(), config, seeds=seeds, masks=masks, evaluate={"train": data()})
    assert history.diverged.tolist() == [False, False, True, False]
    assert not healthy.diverged.any()
    assert torch.equal(broken[[0, 1, 3]].storage, sound[[0, 1, 3]].storage)
    assert torch.isnan(torch.tensor(history.loss["train"][-1])).tolist() == [False, False, True, False]
    assert history.accuracy["train"][-1, 2] == 0
    for weights, mask in zip(broken.weights, masks, strict=True):
        assert (weights[:, ~mask] == 0).all()


def test_a_learning_rate_that_blows_up_is_noticed():
    config = TrainingConfig(optimizer="sgd", loss="mse", learning_rate=(0.01, 1e6), epochs=60)
    networks = MLP((5, 4, 1), "linear", seeds=range(2))
    history = train(networks, data()[0], data()[0][:, 0], config)
    assert history.diverged.tolist() == [False, True]


def test_same_seeds_same_results_whatever_the_global_state():
    config = TrainingConfig(batch_size=10, epochs=2)
    results = []
    for state in (0, 1):
        torch.manual_seed(state)
        networks = make(range(3))
        train(networks, *data(), config)
        results.append(networks.storage)
    assert torch.equal(*results)


def test_the_order_is_a_permutation_new_in_each_epoch_and_for_each_seed():
    orders = [data_order(seed, 50, epoch) for seed in (0, 1) for epoch in (0, 1, 2)]
    for order in orders:
        assert sorted(order.tolist()) == list(range(50))
    assert len({tuple(order.tolist()) for order in orders}) == 6
    assert torch.equal(data_order(1, 50, 2), orders[-1])


def test_networks_stacked_from_separate_trainings_go_on_together():
    config = TrainingConfig(optimizer="sgd", learning_rate=0.1, batch_size=10, epochs=2)
    parts = [make([0]), make([1])]
    together = stack(parts)
    for seed, part in enumerate(parts):
        train(part, *data(), config, seeds=seed)
    train(together, *data(), config, seeds=[0, 1])
    torch.testing.assert_close(together.storage, stack(parts).storage, **CLOSE)


def test_training_learns():
    networks = MLP((2, 16, 2), seeds=range(8))
    x = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    y = torch.tensor([0, 1, 1, 0])
    history = train(networks, x, y, TrainingConfig(learning_rate=0.05, epochs=300), evaluate={"xor": (x, y)})
    assert (history.accuracy["xor"][-1] == 1).all()
    assert (history.loss["xor"][-1] < 0.1 * history.loss["xor"][0]).all()

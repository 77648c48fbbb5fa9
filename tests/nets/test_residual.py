"""Residual networks in lockstep: as torch.nn computes them one by one, and as autograd differentiates them."""

import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lockstep_checks import data, equal_autograd, many_train_as_one, trains_as_torch

from layerlab.nets import ACTIVATIONS, MLP, Block, Conv, ResidualNet
from layerlab.training import TrainingConfig, train

BLOCKS = [Block(4), Block(6, 2), Block(6)]  # an identity, a change of shape, an identity again


def make(seeds=range(3), blocks=BLOCKS, shape=(2, 7, 6), first=Conv(4, 3, padding=1), outputs=3, **options):  # noqa: B008
    return ResidualNet(shape, first, blocks, outputs, seeds=list(seeds), dtype=torch.float64, **options)


class Module(torch.nn.Module):
    """Network i of N as a torch module, written down from the definition."""

    def __init__(self, networks, i):
        super().__init__()
        self.shape, (first, *_) = networks.shapes[0], networks.layers
        self.first = torch.nn.Conv2d(self.shape[0], first.channels, first.kernel, first.stride, first.padding)
        parts, channels = [self.first], first.channels
        self.blocks = torch.nn.ModuleList()
        for block in networks.blocks:
            one = torch.nn.Conv2d(channels, block.channels, 3, block.stride, 1)
            two = torch.nn.Conv2d(block.channels, block.channels, 3, 1, 1)
            same = block.stride == 1 and channels == block.channels
            skip = torch.nn.Identity() if same else torch.nn.Conv2d(channels, block.channels, 1, block.stride)
            self.blocks.append(torch.nn.ModuleList([one, two, skip]))
            parts += [one, two] if same else [one, two, skip]
            channels = block.channels
        self.last = torch.nn.Linear(channels, networks.widths[-1])
        self.double()
        with torch.no_grad():
            for part, weights, biases in zip([*parts, self.last], networks.weights, networks.biases, strict=True):
                part.weight.copy_(weights[i].T.reshape(part.weight.shape))
                part.bias.copy_(biases[i, 0])

    def forward(self, x):
        a = self.first(x.view(-1, *self.shape)).relu()
        for one, two, skip in self.blocks:
            a = (skip(a) + two(one(a).relu())).relu()
        return self.last(a.mean((2, 3)))


def test_each_network_computes_what_torch_modules_compute():
    networks = make(bias_std=0.3)
    x = data()[0]
    outputs = networks(x)
    for i in range(3):
        torch.testing.assert_close(outputs[i], Module(networks, i)(x).detach())
    torch.testing.assert_close(networks(x.expand(3, *x.shape)), outputs)
    assert networks.parameter_count == sum(p.numel() for p in Module(networks, 0).parameters())


def test_training_is_that_of_torch():
    networks = make(bias_std=0.1)
    descend = partial(torch.optim.SGD, momentum=0.9)
    trains_as_torch(networks, [Module(networks, i) for i in range(3)], "momentum", descend)


@settings(max_examples=40, deadline=None)
@given(
    first=st.builds(Conv, st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), st.integers(0, 1)),
    blocks=st.lists(st.builds(Block, st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=3),
    function=st.sampled_from(list(ACTIVATIONS)),
    sides=st.tuples(st.integers(1, 2), st.integers(4, 7), st.integers(4, 7)),
    count=st.integers(1, 3),
    rows=st.integers(1, 4),
    own_input=st.booleans(),
    bias=st.booleans(),
)
def test_outputs_and_gradients_equal_autograd(first, blocks, function, sides, count, rows, own_input, bias):
    networks = make(range(count), blocks, sides, first, activation=function, bias=bias, bias_std=0.3)
    equal_autograd(networks, rows, own_input)


def test_a_network_of_many_trains_as_it_does_alone():
    many_train_as_one(make, TrainingConfig(learning_rate=0.02, batch_size=6, epochs=3))


def test_masked_weights_stay_exactly_zero():
    networks = make()
    assert networks.depth == len(networks.layers) == 9
    generator = torch.Generator().manual_seed(0)
    masks = [torch.rand(view.shape, generator=generator) < 0.5 for view in networks.weights]
    train(networks, *data(), TrainingConfig(epochs=3, batch_size=5), masks=masks)
    for view, mask in zip(networks.weights, masks, strict=True):
        assert not view[~mask].any()
        assert view[mask].all()


def test_what_it_records_are_the_first_convolution_the_blocks_the_averages_and_the_outputs():
    networks, x = make(), data()[0]
    assert networks.shapes == ((2, 7, 6), (4, 7, 6), (4, 7, 6), (6, 4, 3), (6, 4, 3), (6,), (3,))
    every, sums, maps = networks.activations(x), networks.activations(x, pre=True), networks.maps(x)
    assert [each.shape[2] for each in every] == list(networks.widths[1:])
    assert [tuple(each.shape[2:]) for each in maps] == list(networks.shapes[1:5])
    for a, z, image in zip(every, sums, maps, strict=False):
        assert torch.equal(z.relu(), a)
        assert torch.equal(image.flatten(2), a)
    torch.testing.assert_close(every[4], maps[-1].mean((3, 4)))
    torch.testing.assert_close(every[5], every[4] @ networks.weights[-1] + networks.biases[-1])
    assert torch.equal(networks.activations(x, include_input=True)[0], x.expand(3, *x.shape))


def test_without_branches_the_blocks_leave_what_they_are_given():
    a = make(blocks=[Block(4), Block(4)], branch=0).activations(data()[0])
    assert torch.equal(a[0], a[1])
    assert torch.equal(a[0], a[2])


@pytest.mark.parametrize(("blocks", "branch"), [(1, None), (8, None), (8, 1.0)])
def test_the_mean_square_grows_as_the_branches_let_it(blocks, branch):
    """m ≤ m' ≤ (1 + 2 branch²) m for each block, in the mean over weights, where no zeros are near."""
    networks = make(range(200), [Block(5)] * blocks, (1, 21, 21), Conv(5, 3, padding=1), branch=branch)
    x = torch.randn(1, 441, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    maps = torch.stack([each[..., 10, 10] for each in networks.maps(x)])  # the centre: 10 pixels from the frame
    squares = (maps**2).mean((1, 2, 3))
    growth = squares[1:] / squares[:-1]
    gain = 2 * (branch or blocks**-0.5) ** 2
    # one image, 200 networks of 5 channels: the mean of a growth factor has a standard error of a few per cent
    assert (growth >= 1 - 0.1 * gain).all()
    assert (growth <= (1 + gain) * 1.1).all()
    assert squares[-1] / squares[0] <= (1 + gain) ** blocks


def test_the_initial_weights_are_he_and_those_that_close_a_branch_are_smaller():
    networks = make(range(200))
    factors = [1, 1, 1 / 3, 1, 1 / 3, 1, 1, 1 / 3, 1]  # first; block of two; block of three; block of two; output
    for weights, factor in zip(networks.weights, factors, strict=True):
        expected = 2 / weights.shape[1] * factor
        error = expected * math.sqrt(2 / weights.numel())
        assert float((weights**2).mean()) == pytest.approx(expected, abs=4 * error)


def test_parameters_are_kept_copied_chosen_and_moved():
    networks, x = make(bias_std=0.2), data()[0]
    assert torch.equal(make(seeds=[7, 8, 9]).load_state_(networks.state()).storage, networks.storage)
    chosen = networks[[2, 0]]
    assert isinstance(chosen, ResidualNet)
    torch.testing.assert_close(chosen(x), networks(x)[[2, 0]])
    copied = networks.copy()
    copied.storage.zero_()
    assert networks.storage.all()
    assert networks.to(dtype=torch.float32)(x).dtype == torch.float32
    assert torch.equal(copied.load_(networks).storage, networks.storage)
    assert torch.equal(make(range(5))[3].storage, make([3]).storage)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"shape": (8,)}, ValueError, r"shape is \(8,\); allowed are \(channels, height, width\)"),
        ({"first": Conv(3, 9)}, ValueError, r"layers\[0\] is Conv.*nothing of it fits on 8 x 8 pixels"),
        ({"first": 3}, TypeError, "first must be a Conv, not int"),
        ({"blocks": []}, ValueError, "blocks is empty"),
        ({"blocks": [Block(3), Conv(3)]}, TypeError, "blocks must hold Blocks only"),
        ({"outputs": 0}, ValueError, r"layers\[1\] must be at least 1, not 0"),
        ({"activation": "cube"}, ValueError, "activation is 'cube'"),
        ({"branch": -1}, ValueError, "branch is -1.0; it must be finite and at least 0"),
        ({"branch": math.nan}, ValueError, "branch is nan; it must be finite"),
        ({"seeds": []}, ValueError, "seeds is empty"),
        ({"dtype": torch.int64}, ValueError, "dtype is torch.int64"),
    ],
)
def test_what_does_not_fit_is_refused(change, error, message):
    with pytest.raises(error, match=message):
        ResidualNet(**{"shape": (8, 8), "first": Conv(3), "blocks": [Block(3)], "outputs": 2, **change})


def test_blocks_rows_and_networks_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="stride must be at least 1, not 0"):
        Block(3, 0)
    with pytest.raises(TypeError, match="channels must be an integer"):
        Block(2.5)
    networks = make()
    with pytest.raises(ValueError, match=r"x has shape \(4, 63\)"):
        networks(torch.zeros(4, 63))
    for other in (make(blocks=[Block(4), Block(6, 2)]), MLP((84, 5, 3))):
        with pytest.raises(ValueError, match="it must have the shape of"):
            networks.load_(other)

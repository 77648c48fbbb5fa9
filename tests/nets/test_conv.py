"""Convolutional networks in lockstep: as torch.nn computes them one by one, and as autograd differentiates them."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from lockstep_checks import ROWS, data, equal_autograd, many_train_as_one, trains_as_torch

from layerlab.nets import ACTIVATIONS, MLP, Conv, ConvNet, Pool
from layerlab.training import TrainingConfig, train

LAYERS = [Conv(4, 3, padding=1), Pool(2), Conv(6, 3, stride=2, padding=1), 7, 3]


def make(seeds=range(3), layers=LAYERS, shape=(2, 7, 6), **options):
    return ConvNet(shape, layers, seeds=list(seeds), dtype=torch.float64, **options)


def modules(networks, i):
    """Network i as a torch.nn.Sequential on flat rows, ReLU between its layers."""
    parts, number = [torch.nn.Unflatten(1, networks.shapes[0])], 0
    for layer, below in zip(networks.layers, networks.shapes, strict=False):
        if isinstance(layer, Pool):
            parts.append((torch.nn.MaxPool2d if layer.kind == "max" else torch.nn.AvgPool2d)(layer.size))
            continue
        if isinstance(layer, Conv):
            part = torch.nn.Conv2d(below[0], layer.channels, layer.kernel, layer.stride, layer.padding)
        else:
            if len(below) == 3:
                parts.append(torch.nn.Flatten())
            part = torch.nn.Linear(int(np.prod(below)), layer)
        part = part.double()
        with torch.no_grad():
            part.weight.copy_(networks.weights[number][i].T.reshape(part.weight.shape))
            part.bias.copy_(networks.biases[number][i, 0])
        number += 1
        parts += [part, torch.nn.ReLU()]
    return torch.nn.Sequential(*parts[:-1])


@pytest.mark.parametrize("kind", ["max", "average"])
def test_each_network_computes_what_torch_modules_compute(kind):
    networks = make(layers=[Conv(4, 3, padding=1), Pool(2, kind), Conv(6, 3, stride=2, padding=1), 7, 3], bias_std=0.3)
    x = data()[0]
    outputs = networks(x)
    for i in range(3):
        torch.testing.assert_close(outputs[i], modules(networks, i)(x).detach())
    torch.testing.assert_close(networks(x.expand(3, *x.shape)), outputs)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_training_is_that_of_torch(optimizer):
    networks = make(bias_std=0.1)
    descend = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer]
    trains_as_torch(networks, [modules(networks, i) for i in range(3)], optimizer, descend)


convolutions = st.builds(Conv, st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2))
pools = st.builds(Pool, st.integers(1, 2), st.sampled_from(["max", "average"]))


@settings(max_examples=60, deadline=None)
@given(
    first=convolutions,
    more=st.lists(st.one_of(convolutions, pools), max_size=2),
    dense=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    function=st.sampled_from(list(ACTIVATIONS)),
    sides=st.tuples(st.integers(1, 2), st.integers(4, 7), st.integers(4, 7)),
    count=st.integers(1, 3),
    rows=st.integers(1, 4),
    own_input=st.booleans(),
    bias=st.booleans(),
)
def test_outputs_and_gradients_equal_autograd(first, more, dense, function, sides, count, rows, own_input, bias):
    shape = sides
    for layer in (first, *more):
        shape = layer.folded(shape)
        assume(min(shape) > 0)
    networks = make(range(count), [first, *more, *dense], sides, activation=function, bias=bias, bias_std=0.3)
    equal_autograd(networks, rows, own_input)


def test_buffers_serve_shared_and_own_inputs_in_turn():
    networks, x = make(), data()[0]
    gradient = torch.empty_like(networks.storage)
    passes = networks.passes(ROWS, gradient)
    found = []
    for each in (x, x.expand(3, *x.shape), x):
        passes.forward(each)
        passes.errors[-1].fill_(1.0)
        passes.backward(each)
        found.append(gradient.clone())
    torch.testing.assert_close(found[0], found[1])
    assert torch.equal(found[0], found[2])


@pytest.mark.parametrize("alpha", [None, 2.0])
def test_a_network_of_many_trains_as_it_does_alone(alpha):
    many_train_as_one(make, TrainingConfig(learning_rate=0.02, batch_size=6, epochs=3, alpha=alpha))


def test_an_interrupted_training_ends_bit_for_bit_where_it_would_have(tmp_path, monkeypatch):
    config = TrainingConfig(batch_size=4, epochs=5)
    whole, parted = make(), make()
    train(whole, *data(), config)

    def stop(done, total, note):
        if done >= total // 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("layerlab.training.trainer.PROGRESS_SECONDS", 0)  # every step is reported
    with pytest.raises(KeyboardInterrupt):
        train(parted, *data(), config, progress=stop, checkpoint=tmp_path / "training")
    assert not torch.equal(parted.storage, whole.storage)
    again = make()
    train(again, *data(), config, checkpoint=tmp_path / "training")
    assert torch.equal(again.storage, whole.storage)
    other = make(layers=[Conv(4, 3, padding=1), Pool(2, "average"), Conv(6, 3, stride=2, padding=1), 7, 3])
    with pytest.raises(ValueError, match="belongs to another training"):
        train(other, *data(), config, checkpoint=tmp_path / "training")


def test_masked_weights_stay_exactly_zero():
    networks = make()
    assert networks.depth == 4
    generator = torch.Generator().manual_seed(0)
    masks = [torch.rand(view.shape, generator=generator) < 0.5 for view in networks.weights]
    masks[1] = masks[1][0]
    train(networks, *data(), TrainingConfig(epochs=3, batch_size=5), masks=masks)
    for view, mask in zip(networks.weights, masks, strict=True):
        keep = mask.expand_as(view)
        assert not view[~keep].any()
        assert view[keep].all()


def test_maps_are_the_activations_as_images():
    networks, x = make(), data()[0]
    every, maps = networks.activations(x), networks.maps(x)
    assert networks.shapes == ((2, 7, 6), (4, 7, 6), (4, 3, 3), (6, 2, 2), (7,), (3,))
    assert networks.widths == (84, 168, 36, 24, 7, 3)
    assert [tuple(each.shape) for each in maps] == [(3, ROWS, 4, 7, 6), (3, ROWS, 4, 3, 3), (3, ROWS, 6, 2, 2)]
    assert torch.equal(every[0], maps[0].flatten(2))
    pixels = maps[0].permute(0, 1, 3, 4, 2).flatten(1, 3)
    assert torch.equal(pixels[1, 5 * 42 + 8], maps[0][1, 5, :, 1, 2])
    before = networks.maps(x, pre=True)
    assert torch.equal(before[0].relu(), maps[0])
    assert torch.equal(before[1], maps[1])  # a pool has no activation function
    with_input = networks.activations(x, include_input=True)
    assert torch.equal(with_input[0], x.expand(3, *x.shape))
    assert len(with_input) == 6


def test_parameters_are_kept_copied_chosen_and_moved():
    networks = make(bias_std=0.2)
    again = make(seeds=[7, 8, 9]).load_state_(networks.state())
    assert torch.equal(again.storage, networks.storage)
    chosen = networks[[2, 0]]
    assert isinstance(chosen, ConvNet)
    x = data()[0]
    torch.testing.assert_close(chosen(x), networks(x)[[2, 0]])
    assert [each.count for each in networks] == [1, 1, 1]
    copied = networks.copy()
    copied.storage.zero_()
    assert networks.storage.all()
    assert networks.to(dtype=torch.float32).maps(x)[0].dtype == torch.float32
    assert torch.equal(copied.load_(networks).storage, networks.storage)
    assert networks.parameter_count == sum(p.numel() for p in modules(networks, 0).parameters())


def test_a_seed_names_a_network():
    together = make(range(5))
    assert torch.equal(together[3].storage, make([3]).storage)
    variance = torch.cat([each.weights[2].flatten() for each in make(range(200), LAYERS)]).var()
    assert float(variance) == pytest.approx(2 / 24, rel=0.05)  # He: 2 / fan-in


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": (8,)}, r"shape is \(8,\); allowed are \(channels, height, width\)"),
        ({"shape": (0, 8, 8)}, "shape must be at least 1, not 0"),
        ({"layers": []}, "layers must end with a number of outputs"),
        ({"layers": [Conv(3)]}, "layers must end with a number of outputs"),
        ({"layers": [Pool(2), 3]}, r"layers\[0\] is Pool.*the first must be"),
        ({"layers": [4, Conv(3), 2]}, r"layers\[1\] is Conv.*only dense ones can follow"),
        ({"layers": [Conv(3, 9), 2]}, r"layers\[0\] is Conv.*nothing of it fits on 8 x 8 pixels"),
        ({"layers": [Conv(3), 0]}, r"layers\[1\] must be at least 1, not 0"),
        ({"activation": ["relu"]}, "activation names 1 functions; there are 2 hidden layers"),
        ({"activation": "cube"}, "activation is 'cube'"),
        ({"initialisation": "ntk"}, "initialisation is 'ntk'; allowed are"),
        ({"seeds": []}, "seeds is empty"),
        ({"dtype": torch.int64}, "dtype is torch.int64"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        ConvNet(**{"shape": (8, 8), "layers": [Conv(3), 5, 2], **change})


def test_layers_are_checked_on_construction():
    with pytest.raises(ValueError, match="stride must be at least 1, not 0"):
        Conv(3, stride=0)
    with pytest.raises(TypeError, match="channels must be an integer"):
        Conv(2.5)
    with pytest.raises(ValueError, match="kind is 'sum'; allowed are max, average"):
        Pool(2, "sum")
    with pytest.raises(TypeError, match=r"layers\[0\] must be an integer, not str"):
        ConvNet((8, 8), ["dense"])


def test_networks_of_another_shape_and_rows_of_another_length_are_refused():
    networks = ConvNet((8, 8), [Conv(3), 5, 2], seeds=range(2))
    with pytest.raises(ValueError, match=r"x has shape \(4, 63\)"):
        networks(torch.zeros(4, 63))
    for other in (ConvNet((8, 8), [Conv(3, 3, 2), 5, 2], seeds=range(2)), MLP((64, 5, 2))):
        with pytest.raises(ValueError, match="it must have the shape of"):
            networks.load_(other)


ACCELERATORS = [
    name for name, there in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available())) if there
]


@pytest.mark.skipif(not ACCELERATORS, reason="needs a CUDA or MPS device: run on a machine with one to test it there")
def test_an_accelerator_trains_the_same_networks():
    here = make().to(dtype=torch.float32)
    there = here.to(ACCELERATORS[0])
    x, y = data()
    config = TrainingConfig(epochs=2, batch_size=5)
    train(here, x, y, config)
    train(there, x, y, config)
    torch.testing.assert_close(there.storage.cpu(), here.storage, rtol=1e-3, atol=1e-4)

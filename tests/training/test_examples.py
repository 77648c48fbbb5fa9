"""Per-example gradients: against autograd, one example after the other."""

import numpy as np
import pytest
import torch

from layerlab.nets import MLP
from layerlab.training import TrainingConfig, example_factors, example_gradients, example_spread
from layerlab.training import examples as module
from layerlab.training.losses import Loss

RNG = np.random.default_rng(1)
X = RNG.standard_normal((11, 4))
LABELS = RNG.integers(0, 3, 11)
CASES = {
    "cross_entropy": (LABELS, 3, {}),
    "mse": (np.eye(3)[LABELS], 3, {}),
    "logistic": (np.where(LABELS > 1, 1.0, -1.0), 1, {}),
    "soft_hinge": (np.where(LABELS > 1, 1.0, -1.0), 1, {"parametrisation": "ntk", "activation": "relu"}),
}


def make(outputs=3, activation="tanh", dtype=torch.float64, seeds=(0, 1), **more):
    return MLP((4, 5, 3, outputs), activation, seeds=list(seeds), dtype=dtype, **more)


def by_autograd(networks, x, y, config):
    """Per layer (N, rows, P), one backward pass per example."""
    networks = networks.copy().requires_grad_()
    loss = Loss(config)
    found = []
    for row in range(len(x)):
        outputs = networks.forward(x[row : row + 1]).transpose(1, 2)
        targets = loss.targets(y[row : row + 1], networks.count, 1, outputs.shape[1], networks.dtype, networks.device)
        values = targets.values if config.loss == "cross_entropy" else targets.values.transpose(1, 2)
        networks.storage.grad = None
        loss.value(outputs, values.expand(networks.count, *values.shape[1:])).sum().backward()
        found.append([v.flatten(1) for v in networks.views(networks.storage.grad.clone())[0]])
    return [torch.stack(layer, 1) for layer in zip(*found, strict=True)]


@pytest.mark.parametrize("loss", CASES)
def test_the_factors_give_the_gradient_of_each_example(loss):
    y, outputs, more = CASES[loss]
    networks, config = make(outputs, **more), TrainingConfig(loss=loss, epochs=1)
    expected = by_autograd(networks, X, y, config)
    for (a, e), scale, each in zip(example_factors(networks, X, y, config), networks.scales, expected, strict=True):
        outer = torch.einsum("nbi,nbo->nbio", a, e).flatten(2) * scale
        torch.testing.assert_close(outer, each, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("rows", [3, 11, 40])
@pytest.mark.parametrize("loss", CASES)
def test_statistics_are_those_of_all_gradients_side_by_side(loss, rows):
    """With 3 and 11 rows on the examples' side, with 40 on that of the weights."""
    y, outputs, more = CASES[loss]
    chosen = np.arange(rows) % 11
    x, y = X[chosen] + RNG.standard_normal((rows, 4)), y[chosen]
    networks, config = make(outputs, **more), TrainingConfig(loss=loss, epochs=1)
    found = example_gradients(networks, x, y, config, top=1000)
    for layer, each in zip(found, by_autograd(networks, x, y, config), strict=True):
        for i in range(2):
            gradients = each[i].numpy()
            covariance = np.cov(gradients.T)
            values, vectors = np.linalg.eigh(covariance)
            kept = layer.eigenvalues.shape[1]
            assert kept == min(gradients.shape)
            np.testing.assert_allclose(layer.mean[i], gradients.mean(0), rtol=1e-9, atol=1e-14)
            np.testing.assert_allclose(layer.variance[i], np.trace(covariance), rtol=1e-9)
            np.testing.assert_allclose(layer.eigenvalues[i], values[::-1][:kept], rtol=1e-7, atol=1e-12 * values[-1])
            np.testing.assert_allclose(
                layer.dimension[i], np.trace(covariance) ** 2 / (covariance**2).sum(), rtol=1e-9
            )  # fmt: skip
            share = (vectors.T @ gradients.mean(0)) ** 2 / (gradients.mean(0) ** 2).sum()
            apart = values[::-1][:kept] > 1e-3 * values[-1]
            np.testing.assert_allclose(layer.overlap[i, :kept][apart], share[::-1][:kept][apart], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("loss", CASES)
def test_the_spread_alone_is_that_of_the_whole_analysis(loss):
    y, outputs, more = CASES[loss]
    networks, config = make(outputs, **more), TrainingConfig(loss=loss, epochs=1)
    mean, variance = example_spread(networks, X, y, config)
    for layer, found in enumerate(example_gradients(networks, X, y, config)):
        torch.testing.assert_close(mean[:, layer], found.mean.norm(dim=1))
        torch.testing.assert_close(variance[:, layer], found.variance)
        torch.testing.assert_close(mean[:, layer] * (5 / variance[:, layer]).sqrt(), found.snr(5))
    with pytest.raises(ValueError, match="x holds 1 rows"):
        example_spread(networks, X[:1], y[:1], config)


def test_both_sides_and_all_blocks_agree(monkeypatch):
    networks, config = make(), TrainingConfig(epochs=1)
    for (a, e), _ in zip(example_factors(networks, X, LABELS, config), range(3), strict=True):
        mean = torch.einsum("nbi,nbo->nio", a, e).flatten(1) / 11
        whole = module._on_weights(a, e, mean)
        monkeypatch.setattr(module, "BLOCK", 1)
        pieces = module._on_weights(a, e, mean)
        monkeypatch.undo()
        values, along = module._on_examples(a, e, mean)
        kept = min(10, whole[0].shape[1])  # centred, 11 examples span 10 directions
        torch.testing.assert_close(values[:, :kept], whole[0][:, :kept], rtol=1e-8, atol=1e-14)
        solid = whole[0][:, :kept] > 1e-6 * whole[0][:, :1]
        torch.testing.assert_close(pieces[0], whole[0], rtol=1e-8, atol=1e-14)
        torch.testing.assert_close(pieces[1][:, :kept][solid], whole[1][:, :kept][solid], rtol=1e-4, atol=1e-12)
        torch.testing.assert_close(along[:, :kept][solid], whole[1][:, :kept][solid], rtol=1e-4, atol=1e-12)


def test_each_of_many_networks_is_as_if_alone_also_on_rows_of_its_own():
    networks, config = make(), TrainingConfig(epochs=1)
    x, y = RNG.standard_normal((2, 40, 4)), RNG.integers(0, 3, (2, 40))
    together = example_gradients(networks, x, y, config)
    for i in range(2):
        for many, one in zip(together, example_gradients(networks[i], x[i], y[i], config), strict=True):
            for name in ("mean", "variance", "dimension", "eigenvalues", "overlap"):
                torch.testing.assert_close(getattr(many, name)[i], getattr(one, name)[0], rtol=1e-8, atol=1e-12)


def test_single_precision_networks_are_measured_in_double_on_their_own_device():
    found = example_gradients(make(dtype=torch.float32), X, LABELS, TrainingConfig(epochs=1), top=2)
    assert all(each.eigenvalues.dtype == torch.float64 for each in found)
    assert all(each.mean.device.type == "cpu" and each.eigenvalues.shape == (2, 2) for each in found)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"x": X[:, :3]}, ValueError, r"x has shape \(11, 3\)"),
        ({"x": X[:1], "y": LABELS[:1]}, ValueError, "x holds 1 rows"),
        ({"y": LABELS + 1}, ValueError, "y holds labels from"),
        ({"config": TrainingConfig(epochs=1, alpha=2.0)}, ValueError, "config.alpha is 2.0"),
        ({"top": 0}, ValueError, "top must be at least 1"),
    ],
)
def test_what_does_not_fit_is_refused(change, error, said):
    given = {"x": X, "y": LABELS, "config": TrainingConfig(epochs=1), "top": 3} | change
    top = given.pop("top")
    with pytest.raises(error, match=said):
        example_gradients(make(), *given.values(), top=top)


def test_a_batch_of_no_rows_has_no_ratio():
    layer = example_gradients(make(), X, LABELS, TrainingConfig(epochs=1))[0]
    with pytest.raises(ValueError, match="batch must be at least 1"):
        layer.snr(0)

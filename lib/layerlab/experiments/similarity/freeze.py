"""Freezing layers from the bottom up: what is saved, and what it costs.

One hidden layer after the other, the lowest first, is frozen while training goes on. The frozen part's activations on
the training images are computed once, and the rest is trained on them as a network of its own, with a fresh momentum
and a fresh order of the data. Beside it: ordinary training, whose accuracy after less training is a fair rival for the
same compute; and networks whose lower layers are frozen from the first step, untrained.

Compute is counted in multiply-adds per network and image. A layer costs F forward (weights used, times positions of a
convolution), F for the gradient of its weights and F for that of its inputs, which the lowest trained layer does
without. Frozen layers are computed once per image.

Sources: lecture "Understanding neural networks (2)", freeze training; M. Raghu et al. 2017, section 3.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from layerlab import lab
from layerlab.experiments.similarity._cost import training_work
from layerlab.experiments.similarity._groups import (
    ARCHITECTURES,
    BATCH,
    DATA,
    RATE,
    chosen_rows,
    group,
    streams,
    untrained,
)  # fmt: skip
from layerlab.lab import Claim, Evidence, choice, integer, spread, style

if TYPE_CHECKING:
    from torch import Tensor

    from layerlab.nets import MLP

LECTURE = "Lecture “Understanding neural networks (2)”, freeze training"
RAGHU = "M. Raghu et al. 2017, section 3.1"
STEPS = ("0.05", "0.1", "0.2")  # of the training between one freeze and the next; the first is a kept moment
UNTRAINED = (1, 2, 3)  # lowest layers that are frozen from the first step


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The networks and the schedule."""

    data: str = choice("digits", "data", DATA)
    architecture: str = choice("conv", "architecture", ARCHITECTURES)
    rows: int = integer(1_500, "training images", low=50, high=60_000, log=True, help="all, if there are fewer")
    epochs: int = integer(20, "epochs", low=5, high=200, log=True)
    step: str = choice("0.1", "freeze a layer every", STEPS, help="share of the training")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not moments(self)[0]:
            raise ValueError(f"epochs must be large enough for a freeze every {self.step}; it was {self.epochs}")


GRID = (
    {"data": ("digits",), "architecture": ("conv", "dense"), "step": ("0.05", "0.1", "0.2")},
    {"data": ("mnist", "fashion-mnist"), "architecture": ("dense",), "rows": (10_000,)},
    {"data": ("fashion-mnist",), "architecture": ("conv",), "rows": (10_000,)},
)
TOLERANCE = {"frozen": (0, 0.03), "ordinary": (0, 0.03), "untrained": (0, 0.05)}


def work(config: Config) -> float:
    """Training steps times what an image costs, in four trainings, some of them cheap."""
    return 3 * training_work(config.data, config.architecture, config.rows, config.epochs, config.seeds)


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Ordinary training from the cache, freezing from one of its moments, and untrained lower layers."""
    spec: dict[str, Any] = {
        "data": config.data, "architecture": config.architecture, "rows": config.rows, "epochs": config.epochs,
        "seed": config.seed, "seeds": config.seeds, "device": device,
    }  # fmt: skip
    parts = iter(range(2 + len(UNTRAINED)))

    def part(note: str) -> Callable[[float, float, str], object]:
        i = next(parts)
        return lambda done, total, said: progress((i + done / total) / (2 + len(UNTRAINED)), 1, f"{note}, {said}")

    found = group(**spec, progress=part("ordinary training"))
    freezes = moments(config)
    frozen = lab.remember(train_frozen, spec | {"freezes": freezes}, progress=part("freezing"))
    bottom = [
        lab.remember(train_frozen, spec | {"freezes": [0] * layers}, progress=part(f"{layers} untrained"))
        for layers in UNTRAINED
    ]
    progress(1, 1)
    cost = macs(found.networks())
    return xr.Dataset(
        {
            "ordinary": (("epoch", "seed"), found.accuracy_test, {"long_name": "test accuracy, ordinary training"}),
            "frozen": (("at", "seed"), frozen["accuracy"], {"long_name": "test accuracy, freezing"}),
            "untrained": (
                ("layers", "seed"), np.stack([each["accuracy"][-1] for each in bottom]),
                {"long_name": "test accuracy, lower layers frozen untrained"},
            ),
            "compute": ("epoch", found.curve * per_epoch(cost, 0), {"long_name": "compute, ordinary", **MACS}),
            "compute_frozen": (
                "at", spent(cost, freezes, frozen["at"]), {"long_name": "compute, freezing", **MACS},
            ),
            "compute_untrained": (
                "layers", [float(spent(cost, [0] * n, np.array([config.epochs]))[0]) for n in UNTRAINED],
                {"long_name": "compute, lower layers frozen untrained", **MACS},
            ),
            "forward": ("layer", cost, {"long_name": "multiply-adds of a layer's forward pass, per image"}),
        },
        coords={
            "epoch": ("epoch", found.curve, {"long_name": "epoch"}),
            "at": ("at", frozen["at"], {"long_name": "epoch"}),
            "layers": ("layers", list(UNTRAINED), {"long_name": "layers frozen untrained"}),
            "layer": ("layer", list(found.layers), {"long_name": "layer"}),
        },
        attrs={
            "data_checksums": {config.data: found.data.checksum}, "images_trained": len(found.data.x_train),
            "freezes": freezes,
        },
    ).transpose("seed", ...)  # fmt: skip


MACS = {"units": "multiply-adds per image"}


def moments(config: Config) -> list[int]:
    """The epochs after which the first, second, ... hidden layer is frozen."""
    return [round(float(config.step) * n * config.epochs) for n in range(1, 5)]


def train_frozen(
    *,
    data: str,
    architecture: str,
    rows: int,
    epochs: int,
    seed: int,
    seeds: int,
    device: str,
    freezes: list[int],
    progress: Callable[[float, float, str], object] | None = None,
) -> dict[str, np.ndarray]:
    """Trains on after each freeze, one more layer frozen each time; a freeze at epoch 0 freezes an untrained layer.

    freezes: epochs, ascending, the lowest layer's first. Returns at: (A,) epochs from the first freeze on, accuracy:
    (A, N) on test images.
    """
    from layerlab.nets import upper
    from layerlab.training import TrainingConfig, train

    dataset = chosen_rows(data, rows)
    above: MLP
    if freezes[0] == 0:
        above = untrained(dataset, architecture, 64, streams(seed, seeds), device)
    else:
        found = group(
            data=data, architecture=architecture, rows=rows, epochs=epochs, seed=seed, seeds=seeds, device=device
        )
        above = found.networks(int(np.searchsorted(found.epochs, freezes[0])))
    x: Tensor | np.ndarray = dataset.x_train
    test: Tensor | np.ndarray = dataset.x_test
    at, accuracy = [], []
    for n, (begin, end) in enumerate(zip(freezes, [*freezes[1:], epochs], strict=True)):
        x, test, above = first_layer(above, x), first_layer(above, test), upper(above, 1)
        history = train(
            above,
            x,
            dataset.y_train,
            TrainingConfig(optimizer="momentum", learning_rate=RATE, batch_size=BATCH, epochs=end - begin),
            seeds=[orders.spawn(n + 1)[n] for _, orders, _ in streams(seed, seeds)],
            evaluate={"test": (test, dataset.y_test)},
            record_at=range(end - begin + 1),
            progress=None if progress is None else _after(progress, begin, end, epochs),
        )
        if history.diverged.any():
            raise ValueError("the training diverged after a freeze")
        new = slice(0 if n == 0 else 1, None)
        at.append(begin + history.at[new])
        accuracy.append(history.accuracy["test"][new])
    return {"at": np.concatenate(at), "accuracy": np.concatenate(accuracy)}


def _after(progress: Callable, begin: int, end: int, epochs: int) -> Callable[[int, int, str], object]:
    return lambda done, total, note: progress(begin + (end - begin) * done / max(total, 1), epochs, note)


def first_layer(networks: MLP, x: Tensor | np.ndarray, block: int = 500) -> Tensor:
    """(N, rows, units) activations of the lowest layer, a block of rows at a time: layers above are computed, too."""
    import torch

    blocks = [networks.activations(x[..., i : i + block, :])[0] for i in range(0, x.shape[-2], block)]
    return torch.cat(blocks, dim=1)


def macs(networks: MLP) -> np.ndarray:
    """Multiply-adds of each layer's forward pass on one image, biases left out."""
    shapes = getattr(networks, "shapes", [(width,) for width in networks.widths])[1:]
    each = [w.shape[1] * w.shape[2] * np.prod(shape[1:]) for w, shape in zip(networks.weights, shapes, strict=True)]
    return np.array(each)


def per_epoch(cost: np.ndarray, frozen: int) -> float:
    """Multiply-adds of a training step per image, with that many lower layers frozen and their outputs kept."""
    return float(2 * cost[frozen] + 3 * cost[frozen + 1 :].sum())


def spent(cost: np.ndarray, freezes: list[int], at: np.ndarray) -> np.ndarray:
    """Multiply-adds per image up to each epoch of `at`, the single pass through each frozen layer included."""
    total = np.minimum(at, freezes[0]) * per_epoch(cost, 0)
    for n, (begin, end) in enumerate(zip(freezes, [*freezes[1:], np.inf], strict=True)):
        total = total + np.clip(at - begin, 0, end - begin) * per_epoch(cost, n + 1) + (at >= begin) * cost[n]
    return total


def share(result: xr.Dataset) -> xr.DataArray:
    """The compute of freezing in parts of that of ordinary training, at the end."""
    return result["compute_frozen"][-1] / result["compute"][-1]


def stopped(result: xr.Dataset) -> xr.DataArray:
    """The accuracy of ordinary training when it has spent what freezing spends in all, (seed,); linear in between."""
    budget = float(result["compute_frozen"][-1])
    values = [np.interp(budget, result["compute"], one) for one in result["ordinary"].values]
    return xr.DataArray(values, dims="seed")


def plot(result: xr.Dataset) -> Figure:
    """Accuracy against the epoch, and against the compute spent."""
    fig, (left, right) = style.figure(1, 2, height=3.9, sharey=True)
    whole = float(result["compute"][-1])
    curves = (("ordinary", "epoch", "compute", "blue", "o"), ("frozen", "at", "compute_frozen", "vermillion", "s"))
    for name, axis, compute, colour, marker in curves:
        values = result[name]
        look = {"color": style.COLOURS[colour], "marker": marker, "markersize": 4, "linestyle": "-"}
        label = "ordinary training" if name == "ordinary" else "freezing from below"
        for axes, x in ((left, values[axis]), (right, result[compute] / whole)):
            axes.fill_between(x, values.min("seed"), values.max("seed"), color=style.COLOURS[colour], alpha=0.15)
            axes.plot(x, values.mean("seed"), label=label, **look)
    for n, epoch in enumerate(result.attrs["freezes"]):
        left.axvline(epoch, color=style.MUTED, linestyle=":", linewidth=1, label=None if n else "a layer is frozen")
    middle = result["untrained"].mean("seed")
    bars = abs(np.stack([middle - result["untrained"].min("seed"), result["untrained"].max("seed") - middle]))
    x = result["compute_untrained"] / whole
    right.errorbar(
        x, middle, bars, color=style.COLOURS["green"], marker="^", linestyle="", label="lower layers untrained"
    )
    for n, at, y in zip(result["layers"].values, x.values, middle.values, strict=True):
        right.annotate(str(n), (at, y), xytext=(6, -4), textcoords="offset points", fontsize=10)
    top = float(max(result["ordinary"].max(), result["frozen"].max()))
    low = min(float(middle.min()), float(result["ordinary"].mean("seed")[1:].min()))
    left.set(xlabel="epoch", ylabel="test accuracy", ylim=(low - 0.1 * (top - low), top + 0.05 * (top - low)))
    right.set(xlabel="compute / ordinary training", ylabel="test accuracy", xlim=(-0.03, 1.05))
    lines, labels = left.get_legend_handles_labels()
    more, names = right.get_legend_handles_labels()
    columns = 2 if fig.get_figwidth() > 5 else 1
    fig.legend([*lines, more[-1]], [*labels, names[-1]], loc="outside lower center", ncols=columns)
    return fig


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    ordinary, frozen = (
        float(result[name].isel({axis: -1}).mean()) for name, axis in (("ordinary", "epoch"), ("frozen", "at"))
    )
    bottom = ", ".join(f"{float(v):.3f}" for v in result["untrained"].mean("seed"))
    return (
        f"{result.sizes['seed']} networks on {result.attrs['data']}, a layer frozen after each of "
        f"{', '.join(map(str, result.attrs['freezes']))} of {int(result['epoch'][-1])} epochs. Freezing takes "
        f"{100 * float(share(result)):.0f} % of the multiply-adds and ends at a test accuracy of {frozen:.3f}, "
        f"ordinary training at {ordinary:.3f}; stopped when it has spent as much, at "
        f"{float(stopped(result).mean()):.3f}. With one, two, three lowest layers untrained: {bottom}."
    )


def _against(result: xr.Dataset, other: xr.DataArray, tolerance: float = 0.0) -> Evidence:
    gain = result["frozen"].isel(at=-1) - other
    return Evidence(gain.mean(), 0, tolerance, "≥", spread(gain))


CLAIMS = (
    Claim(
        "Freezing saves compute: a third or more of the multiply-adds of ordinary training.",
        LECTURE + "; " + RAGHU,
        lambda result: Evidence(share(result), 2 / 3, 0, "≤"),
    ),
    Claim(
        "It costs no more than one point of accuracy in a hundred (difference at the end).",
        LECTURE,
        lambda result: _against(result, result["ordinary"].isel(epoch=-1), 0.01),
        disputed="it does where layers are frozen before they have learnt enough",
    ),
    Claim(
        "It is better than to stop ordinary training when it has spent as many multiply-adds (difference).",
        "what a saving has to be measured against",
        lambda result: _against(result, stopped(result)),
        disputed="not in every network: what is saved may as well be saved by stopping",
    ),
    Claim(
        "Lower layers have to learn before they are frozen: with three of them untrained the accuracy is lower "
        "(difference).",
        "control",
        lambda result: _against(result, result["untrained"].sel(layers=3)),
        disputed="convolutions on digits do as well untrained",
    ),
)

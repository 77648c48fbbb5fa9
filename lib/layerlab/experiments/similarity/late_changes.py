"""Which directions still move after a network's performance has converged.

A layer at moments of its training against the same layer of the finished network: canonical coefficients in order, on
test images. From the moment at which the test accuracy is within 2 % of the final one, which coefficients have yet to
rise? And what are the directions that still move worth? For the answer the finished layer lets through only those that
had settled, only those that had not, or those of largest variance, and the layers above go on from there.

Sources: A. Morcos, M. Raghu, S. Bengio, NeurIPS 2018, section 2.1; lecture on understanding networks, "projection
weighted CCA".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from layerlab import lab
from layerlab.experiments.similarity._cost import training_work
from layerlab.experiments.similarity._groups import ARCHITECTURES, DATA, LAYERS, group
from layerlab.experiments.similarity._kept_directions import ORDERS, kept_accuracy
from layerlab.experiments.similarity._reading import padded, samples_by_units
from layerlab.lab import Claim, Evidence, choice, integer, spread, style
from layerlab.similarity import basis, cca

WIDTH = 64  # of the layers that are looked at
COUNTS = (1, 2, 3, 5, 8, 12, 16, 24, 32, 40, 48, 56, 64)
HALF = 0.5
CLOSE = 0.02  # an accuracy this near to the final one has converged
FITTED = 2_000  # training images that give the directions
LECTURE = "lecture, “projection weighted CCA”"
PAPER = "A. Morcos et al. 2018, section 2.1"


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The networks and the layer."""

    data: str = choice("digits", "data", DATA)
    architecture: str = choice("dense", "architecture", ARCHITECTURES)
    layer: int = integer(4, "layer", low=1, high=4, help="4 the last hidden one, of 64 units")
    rows: int = integer(1_500, "training images", low=10, high=60_000, log=True, help="all, if there are fewer")
    epochs: int = integer(20, "epochs", low=4, high=200, log=True)
    seeds: int = integer(5, "networks", low=1, high=20)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.architecture == "conv" and self.layer != 4:
            raise ValueError(f"layer must be 4, the dense one, of convolutional networks; it was {self.layer}")


GRID = (
    {"architecture": ("dense",), "layer": (2, 4)},
    {"architecture": ("conv",)},
    {"data": ("mnist", "fashion-mnist"), "architecture": ("dense",), "rows": (10_000,)},
    {"data": ("fashion-mnist",), "architecture": ("conv",), "rows": (10_000,)},
)
# trainings in single precision differ a little between machines, also in when their accuracy has converged
TOLERANCE = {
    "coefficient": (0.3, 0.25, 0.02), "converged": (0, 20), "accuracy": (0, 0.03), "kept_accuracy": (0.3, 0.3),
    "kept_variance": (0.5, 0.3),
}  # fmt: skip


def work(config: Config) -> float:
    """The training, and decompositions at every moment."""
    training = training_work(config.data, config.architecture, config.rows, config.epochs, config.seeds)
    return training + 3e4 * config.seeds


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train the networks, compare the layer at every moment with the end, and let through parts of it."""
    found = group(
        data=config.data, architecture=config.architecture, rows=config.rows, epochs=config.epochs,
        seed=config.seed, seeds=config.seeds, device=device,
        progress=lambda done, total, note: progress(0.7 * done / total, 1, note),
    )  # fmt: skip
    x, y = found.data.x_test, found.data.y_test
    fitted = found.data.x_train[:FITTED]
    moments = [samples_by_units(found.activations(x, at)[config.layer - 1]) for at in range(len(found.epochs))]
    final = [basis(layer) for layer in moments[-1]]
    accuracy = np.array([found.accuracy_test[found.curve == epoch][0] for epoch in found.epochs])
    converged = first_within(accuracy)
    rows = []
    for i in range(config.seeds):
        progress(0.7 + 0.3 * i / config.seeds, 1, f"network {i + 1} of {config.seeds}")
        pairs = [cca(layers[i], final[i]) for layers in moments]
        earlier, last = (
            samples_by_units(found.activations(fitted, at)[config.layer - 1])[i] for at in (int(converged[i]), -1)
        )
        above = _above(found, config.layer, i)
        kept, variance = kept_accuracy(earlier, last, moments[-1][i], above, y, COUNTS)
        rows.append(([padded(p.coefficients, p.count, WIDTH) for p in pairs], kept, variance))
    progress(1, 1)
    return _dataset(config, found, accuracy, converged, rows)


def first_within(accuracy: np.ndarray) -> np.ndarray:
    """(N,) the first moment from which on the accuracy (moments, N) stays within 2 % of the final one."""
    near = abs(accuracy - accuracy[-1]) <= CLOSE + 1e-9
    stays = np.flip(np.logical_and.accumulate(np.flip(near, 0), axis=0), 0)
    return np.asarray(stays.argmax(0))


def _above(found: Any, layer: int, i: int) -> Any:
    from layerlab.nets import upper

    return upper(found.networks(), layer)[i]


def _dataset(
    config: Config, found: Any, accuracy: np.ndarray, converged: np.ndarray, rows: list[tuple[Any, ...]]
) -> xr.Dataset:
    coefficients, kept, variance = (np.array(each) for each in zip(*rows, strict=True))
    return xr.Dataset(
        {
            "coefficient": (
                ("seed", "epoch", "direction"), coefficients.astype(np.float32), {"long_name": "canonical coefficient"},
            ),
            "accuracy": (("seed", "epoch"), accuracy.T, {"long_name": "accuracy on test images"}),
            "converged": ("seed", found.epochs[converged].astype(float), {"long_name": "converged", "units": "epochs"}),
            "kept_accuracy": (("seed", "order", "count"), kept, {"long_name": "accuracy with these directions only"}),
            "kept_variance": (("seed", "order", "count"), variance, {"long_name": "share of the variance they hold"}),
        },
        coords={
            "epoch": ("epoch", found.epochs, {"long_name": "epoch"}),
            "direction": ("direction", np.arange(1, WIDTH + 1), {"long_name": "direction, in order"}),
            "order": ("order", list(ORDERS), {"long_name": "directions let through"}),
            "count": ("count", list(COUNTS), {"long_name": "number of directions"}),
        },
        attrs={
            "data_checksums": {config.data: found.data.checksum},
            "layer_name": LAYERS[config.architecture][config.layer - 1],
            "images_measured": len(found.data.x_test),
            "images_fitted": min(FITTED, len(found.data.x_train)),
        },
    )  # fmt: skip


COLOURS = dict(zip(ORDERS, (style.COLOURS[name] for name in ("blue", "vermillion", "green")), strict=True))


def plot(result: xr.Dataset) -> Figure:
    """Coefficients in order at every moment; their halves and the accuracy over training; what directions are worth."""
    fig, axes = style.figure(2, 2, height=6.4)
    (sorted_, halves), (worth, variance) = axes
    epochs = result["epoch"].values
    import matplotlib as mpl

    colours = mpl.colormaps["cividis"](np.linspace(0.3, 0.95, len(epochs) - 1))
    for at, colour in enumerate(colours):
        rho = result["coefficient"].isel(epoch=at)
        line = rho.mean("seed").where(rho.notnull().all("seed"))
        label = f"epoch {epochs[at]}" if at in (0, 1, len(epochs) // 2, len(epochs) - 2) else None
        sorted_.plot(result["direction"], line, "-", color=colour, label=label, linewidth=1.5)
    sorted_.set(xlabel="direction, in order", ylabel="coefficient ρ with the end", ylim=(0, 1.02))
    sorted_.set_title(f"{result.attrs['data']}, {result.attrs['layer_name']}")
    sorted_.legend(loc="lower left")
    for name, colour in zip(("upper half", "lower half"), ("blue", "vermillion"), strict=True):
        here = half(result, name)
        halves.plot(epochs, here.mean("seed"), "o-", color=style.COLOURS[colour], label=f"ρ, {name}", markersize=4)
        halves.fill_between(
            epochs, here.min("seed"), here.max("seed"), color=style.COLOURS[colour], alpha=0.25, linewidth=0
        )
    halves.plot(epochs, result["accuracy"].mean("seed"), ":", color=style.MUTED, label="test accuracy")
    halves.axvline(float(result["converged"].mean()), color=style.MUTED, linewidth=1)
    halves.set(xlabel="epoch", ylabel="mean ρ; accuracy", ylim=(0, 1.02), title="Half of them settle late")
    halves.legend(loc="lower right")
    for axis, variable in ((worth, "kept_accuracy"), (variance, "kept_variance")):
        for name, colour in COLOURS.items():
            here = result[variable].sel(order=name)
            axis.plot(result["count"], here.mean("seed"), "o-", color=colour, label=name, markersize=4)
            axis.fill_between(result["count"], here.min("seed"), here.max("seed"), color=colour, alpha=0.2, linewidth=0)
        axis.set(xlabel="directions let through", ylim=(0, 1.02))
    worth.set(ylabel="accuracy on test images", title="What they are worth")
    variance.set(ylabel="share of the variance", title="What they hold")
    variance.legend(loc="lower right", bbox_to_anchor=(1, 0.52))
    return fig


def half(result: xr.Dataset, name: str) -> xr.DataArray:
    """The mean coefficient of the upper or the lower half of the directions, (seed, epoch)."""
    rho = result["coefficient"]
    count = rho.notnull().sum("direction")
    upper = rho["direction"] <= np.ceil(HALF * count)
    return rho.where(upper if name == "upper half" else ~upper).mean("direction")


def rise(result: xr.Dataset, name: str) -> xr.DataArray:
    """1 - ρ of that half at the moment of convergence: how far it had yet to go, (seed,)."""
    at = result["converged"]
    return 1 - half(result, name).sel(epoch=at).drop_vars("epoch")


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    at = float(result["converged"].mean())
    left = [float(rise(result, name).mean()) for name in ("upper half", "lower half")]
    some = _middle(result)
    worth = [float(some["kept_accuracy"].sel(order=o).mean()) for o in ORDERS]
    return (
        f"Layer '{result.attrs['layer_name']}' of {result.sizes['seed']} networks on {result.attrs['data']}. The test "
        f"accuracy, {float(result['accuracy'][:, -1].mean()):.3f} in the end, has converged at epoch {at:.1f} on "
        f"average. The upper half of the canonical coefficients with the finished layer is then {1 - left[0]:.2f} on "
        f"average, the lower half {1 - left[1]:.2f}. With {int(some['count'])} directions let through the accuracy is "
        f"{worth[0]:.3f} for the most settled ones, {worth[1]:.3f} for those that move most and {worth[2]:.3f} for "
        f"those of largest variance."
    )


def _middle(result: xr.Dataset) -> xr.Dataset:
    """The largest number of directions that is at most half of those that there are."""
    counted = int(result["coefficient"].notnull().sum("direction").isel(epoch=-1).min())
    return result.sel(count=max(c for c in COUNTS if c <= max(counted // 2, 1)))


def _late(result: xr.Dataset) -> bool:
    """Whether there is anything after convergence."""
    return bool((result["converged"] < result["epoch"][-1]).all())


def _order(result: xr.Dataset) -> Evidence | None:
    if not _late(result):
        return None
    ratio = rise(result, "lower half") / rise(result, "upper half")
    return Evidence(rise(result, "lower half").mean() / rise(result, "upper half").mean(), 2, 0, "≥", spread(ratio))


def _settled(result: xr.Dataset) -> Evidence | None:
    if not _late(result):
        return None
    rho = result["coefficient"].sel(epoch=result["converged"]).isel(direction=slice(0, 8)).min("direction")
    return Evidence(rho.mean(), 0.9, 0, "≥", spread(rho))


def _worth(result: xr.Dataset) -> Evidence:
    kept = _middle(result)["kept_accuracy"]
    more = kept.sel(order="settled first", drop=True) - kept.sel(order="moving first", drop=True)
    return Evidence(more.mean(), 0, 0, "≥", spread(more))


def _noise(result: xr.Dataset) -> Evidence:
    kept = _middle(result)["kept_accuracy"].sel(order="settled first")
    loss = result["accuracy"].isel(epoch=-1) - kept
    return Evidence(loss.mean(), CLOSE, 0, "≤", spread(loss))


def _variance(result: xr.Dataset) -> Evidence:
    held = _middle(result)["kept_variance"].sel(order="settled first")
    return Evidence(held.mean(), 0.8, 0, "≥", spread(held))


def _size(result: xr.Dataset) -> Evidence:
    kept = _middle(result)["kept_accuracy"]
    more = kept.sel(order="largest first", drop=True) - kept.sel(order="settled first", drop=True)
    return Evidence(more.mean(), 0, 0.005, "≥", spread(more))


CLAIMS = (
    Claim(
        "When the accuracy has converged, the lower half of the coefficients has at least twice as far to go as the "
        "upper one (1 − ρ, ratio of means).",
        LECTURE,
        _order,
    ),
    Claim(
        "The first eight directions have settled by then: ρ of 0.9 or more (smallest of the eight, mean).",
        PAPER,
        _settled,
    ),
    Claim(
        "The directions that have settled are worth more than as many that move (at most half of all; accuracy, mean).",
        PAPER,
        _worth,
    ),
    Claim(
        "What moves is noise that performance does not need: with the settled ones alone at most 2 % of accuracy is "
        "lost, as much as counts as converged (mean).",
        LECTURE,
        _noise,
    ),
    Claim("The settled ones hold four fifths of the variance or more (mean).", "observation", _variance),
    Claim(
        "As many directions, but those of largest variance, serve no worse than the settled ones (accuracy, mean).",
        "observation",
        _size,
    ),
)

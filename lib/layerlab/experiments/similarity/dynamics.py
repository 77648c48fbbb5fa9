"""Who settles first? Every layer on the way, compared with every layer of the final network.

Layers are compared on test images by three measures: SVCCA (99 % of the variance), PWCCA weighted from the side of the
final layer, and linear CKA. Units of convolutions are their channels, and each position of each image is a sample; two
layers of different resolution are first averaged down to the coarser of the two grids, a dense layer counting as one
pixel. At the end every layer has similarity 1 with itself. So what is asked is how it comes there: high from the start,
or gained in training, and when.

Sources: lecture "Understanding neural networks (2)", "Learning dynamics"; M. Raghu et al. 2017, section 3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from layerlab import lab
from layerlab.arrays import to_numpy
from layerlab.experiments.similarity._cost import training_work
from layerlab.experiments.similarity._groups import ARCHITECTURES, DATA, group
from layerlab.lab import Claim, Evidence, choice, integer, spread, style
from layerlab.similarity import Basis, basis, cca, linear_cka, positions_as_samples, pwcca

if TYPE_CHECKING:
    from torch import Tensor

LECTURE = "Lecture “Understanding neural networks (2)”, “Learning dynamics”"
RAGHU = "M. Raghu et al. 2017, section 3"
MEASURES = ("SVCCA", "PWCCA", "CKA")
PANELS = (0.0, 0.35, 0.75, 1.0)  # of the training, as in the lecture
IMAGES = 1_000
LAST = 3  # the last hidden layer


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The networks."""

    data: str = choice("digits", "data", DATA)
    architecture: str = choice("conv", "architecture", ARCHITECTURES)
    rows: int = integer(1_500, "training images", low=50, high=60_000, log=True, help="all, if there are fewer")
    epochs: int = integer(20, "epochs", low=8, high=200, log=True)


GRID = (
    {"data": ("digits",), "architecture": ("conv", "dense")},
    {"data": ("mnist",), "architecture": ("conv",), "rows": (10_000,)},
    {"data": ("fashion-mnist",), "architecture": ("conv", "dense"), "rows": (10_000,)},
    {"data": ("cifar-10",), "architecture": ("conv",), "rows": (10_000,), "epochs": (30,)},
)
# float32 trainings differ between machines
TOLERANCE = {"default": (0.1, 0.05), "accuracy_test": (0, 0.03)}


def work(config: Config) -> float:
    """Training steps and samples to compare, times what an image costs."""
    training = training_work(config.data, config.architecture, config.rows, config.epochs, config.seeds)
    return training + training_work(config.data, config.architecture, 1_000, 20, config.seeds)


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train the group and compare its layers at the kept moments with those of the end."""
    found = group(
        data=config.data, architecture=config.architecture, rows=config.rows, epochs=config.epochs,
        seed=config.seed, seeds=config.seeds, device=device,
        progress=lambda done, total, note: progress(0.6 * done / total, 1, note),
    )  # fmt: skip
    x = found.data.x_test[:IMAGES]
    final, first = (on_grids(found.activations(x, moment)) for moment in (-1, 0))
    shown = [int(abs(found.epochs - share * config.epochs).argmin()) for share in PANELS]
    depth, moments = len(found.layers), len(found.epochs)
    to_final = np.zeros((moments, len(MEASURES), depth, config.seeds), np.float32)
    to_first = np.zeros_like(to_final)
    matrix = np.zeros((len(PANELS), len(MEASURES), depth, depth, config.seeds), np.float32)
    for t, epoch in enumerate(found.epochs):
        progress(0.6 + 0.4 * t / moments, 1, f"epoch {epoch}")
        now = final if t == moments - 1 else first if t == 0 else on_grids(found.activations(x, t))
        for layer in range(depth):
            to_final[t, :, layer] = alike(final[layer][-1], now[layer][-1])
            to_first[t, :, layer] = alike(first[layer][-1], now[layer][-1])
        for panel in np.flatnonzero(np.array(shown) == t):
            for a in range(depth):
                for b in range(depth):
                    grid = min(len(now[a]), len(final[b])) - 1
                    matrix[panel, :, a, b] = alike(final[b][grid], now[a][grid])
    progress(1, 1)
    curve = found.accuracy_test[np.searchsorted(found.curve, found.epochs)]
    values = {
        "to_final": (("epoch", "measure", "layer", "seed"), to_final, "similarity with the same layer at the end"),
        "to_first": (("epoch", "measure", "layer", "seed"), to_first, "similarity with the same layer untrained"),
        "matrix": (("share", "measure", "layer", "final", "seed"), matrix, "similarity with a layer at the end"),
        "accuracy_test": (("epoch", "seed"), curve.astype(np.float32), "accuracy on test images"),
    }
    layers = list(found.layers)
    return xr.Dataset(
        {name: (dims, array, {"long_name": said}) for name, (dims, array, said) in values.items()},
        coords={
            "epoch": ("epoch", found.epochs, {"long_name": "epoch"}),
            "share": ("share", list(PANELS), {"long_name": "share of the training"}),
            "measure": ("measure", list(MEASURES), {"long_name": "measure of similarity"}),
            "layer": ("layer", layers, {"long_name": "layer, on the way"}),
            "final": ("final", layers, {"long_name": "layer, at the end"}),
        },
        attrs={"data_checksums": {config.data: found.data.checksum}, "images_compared": len(x)},
    ).transpose("seed", ...)


@dataclass(frozen=True, eq=False)
class Read:
    """A layer on one grid: (N, samples, units), its basis and the part of it that holds 99 % of the variance."""

    samples: np.ndarray
    basis: Basis
    cut: Basis


def on_grids(layers: list[Tensor]) -> list[list[Read]]:
    """For each layer its readings, averaged down to each of the grids of the group, coarsest first, its own last."""
    import torch
    from torch.nn.functional import adaptive_avg_pool2d

    sizes = sorted({(a.shape[-2], a.shape[-1]) if a.ndim == 5 else (1, 1) for a in layers})
    found = []
    for a in layers:
        maps = a if a.ndim == 5 else a[..., None, None]
        readings = []
        for size in sizes:
            if size[0] > maps.shape[-2]:
                break
            flat = maps.flatten(0, 1)
            pooled = flat if size == maps.shape[-2:] else adaptive_avg_pool2d(flat, size)
            samples = to_numpy(positions_as_samples(pooled.unflatten(0, maps.shape[:2]).to(torch.float64)))
            whole = basis(samples)
            readings.append(Read(samples, whole, whole.keep(0.99)))
        found.append(readings)
    return found


def alike(final: Read, now: Read) -> np.ndarray:
    """(measure, N) similarity of two readings of layers of the same networks."""
    return np.stack([
        cca(final.cut, now.cut).similarity,
        pwcca(final.basis, now.basis).similarity,
        linear_cka(final.samples, now.samples),
    ])  # fmt: skip


def settled(result: xr.Dataset, share: float = 0.9) -> xr.DataArray:
    """The part of the training after which a layer has gone `share` of its way, (seed, measure, layer).

    The way leads from its similarity with its final self before training to 1; the moment is the first one, linearly
    interpolated between those kept.
    """
    epochs = result["epoch"].values
    course = result["to_final"].transpose(..., "epoch")
    start = course.isel(epoch=0)
    target = (start + share * (1 - start)).values[..., None]
    values = course.values
    after = np.argmax(values >= target, -1)[..., None]  # reached at the end: there it is 1
    before = np.maximum(after - 1, 0)
    low, high = (np.take_along_axis(values, at, -1) for at in (before, after))
    part = np.where(high > low, (target - low) / np.where(high > low, high - low, 1), 0)
    moment = epochs[before] + part * (epochs[after] - epochs[before])
    return xr.DataArray(moment[..., 0] / epochs[-1], coords=start.drop_vars("epoch").coords, dims=start.dims)


def plot(result: xr.Dataset) -> Figure:
    """The four matrices, the courses of the layers, and the moments at which they have gone most of their way."""
    fig, axes = style.figure(2, 2, height=6.4)
    for one, pair in zip(axes[0], ((0, 1), (2, 3)), strict=True):
        image = _draw_matrices(one, result["matrix"].sel(measure="SVCCA").mean("seed").isel(share=list(pair)))
    fig.colorbar(image, ax=list(axes[0]), shrink=0.7, label="SVCCA similarity")
    for look, name in zip(LOOKS, result["layer"].values, strict=True):
        colour, marker = look
        course = result["to_final"].sel(measure="SVCCA", layer=name)
        epoch = course["epoch"] / course["epoch"][-1]
        axes[1, 0].fill_between(epoch, course.min("seed"), course.max("seed"), color=colour, alpha=0.15)
        axes[1, 0].plot(
            epoch, course.mean("seed"), color=colour, marker=marker, markersize=4, linestyle="-", label=name
        )
    axes[1, 0].set(xlabel="share of the training", ylabel="SVCCA with itself at the end", ylim=(None, 1.01))
    _draw_moments(axes[1, 1], settled(result))
    fig.legend(*axes[1, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, handlelength=1.6)
    return fig


LOOKS = (*zip(style.COLOURS.values(), style.MARKERS, strict=True), (style.MUTED, "v"))


def _draw_matrices(axes: Axes, pair: xr.DataArray) -> AxesImage:
    """Two matrices side by side, a gap of one column between them."""
    depth = pair.sizes["layer"]
    left, right = pair.transpose("share", "layer", "final").values
    values = np.concatenate([left, np.full((depth, 1), np.nan), right], axis=1)
    image = axes.imshow(values, vmin=0, vmax=1, origin="lower", aspect="auto")
    numbers = [*range(1, depth + 1)]
    axes.set_xticks([*range(depth), *range(depth + 1, 2 * depth + 1)], numbers * 2)
    axes.set_yticks(range(depth), numbers)
    axes.grid(False)
    said = " and ".join(f"{100 * share:.0f} %" for share in pair["share"].values)
    axes.set(xlabel="layer at the end", ylabel="layer on the way", title=f"after {said}")
    return image


def _draw_moments(axes: Axes, moments: xr.DataArray) -> None:
    for i, (name, colour, marker) in enumerate(zip(MEASURES, style.COLOURS.values(), style.MARKERS, strict=False)):
        one = moments.sel(measure=name)
        middle = one.mean("seed")
        bars = abs(np.stack([middle - one.min("seed"), one.max("seed") - middle]))
        x = np.arange(1, one.sizes["layer"] + 1) + 0.12 * (i - 1)
        axes.errorbar(x, middle, bars, color=colour, marker=marker, linestyle="", elinewidth=1, label=name)
    axes.set(xlabel="layer", ylabel="90 % of the way after (share)", ylim=(0, min(1.35 * float(moments.max()), 1.05)))
    axes.set_xticks(range(1, moments.sizes["layer"] + 1))
    axes.legend(loc="best", handlelength=1)


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    course = result["to_final"].sel(measure="SVCCA").mean("seed")
    first, middle = (
        ", ".join(f"{float(v):.2f}" for v in course.sel(epoch=_near(result, share))) for share in (0, PANELS[1])
    )
    when = ", ".join(f"{100 * float(v):.0f} %" for v in settled(result).sel(measure="SVCCA").mean("seed"))
    return (
        f"{result.sizes['seed']} networks on {result.attrs['data']}. SVCCA similarity of each layer, from the first "
        f"to the output, with itself at the end: {first} before training and {middle} after 35 % of it. They have gone "
        f"90 % of their way after {when} of the training."
    )


def _near(result: xr.Dataset, share: float) -> int:
    """The kept epoch nearest to that share of the training."""
    epochs = result["epoch"].values
    return int(epochs[abs(epochs - share * epochs[-1]).argmin()])


def ahead(result: xr.Dataset, share: float, measure: str = "SVCCA") -> xr.DataArray:
    """By how much the first layer is nearer to its final self than the last hidden one, (seed,)."""
    now = result["to_final"].sel(measure=measure, epoch=_near(result, share))
    return now.isel(layer=0) - now.isel(layer=LAST)


def _end(result: xr.Dataset) -> Evidence:
    off = abs(result["to_final"].isel(epoch=-1) - 1).max(("layer", "measure"))
    return Evidence(off.max(), 0, 1e-5, "≈", spread(off))


def _bottom_up(result: xr.Dataset) -> Evidence:
    gain = ahead(result, PANELS[1])
    return Evidence(gain.mean(), 0, 0, "≥", spread(gain))


def _head_start(result: xr.Dataset) -> Evidence:
    more = ahead(result, 0) - 0.5 * ahead(result, PANELS[1])
    return Evidence(more.mean(), 0, 0, "≥", spread(more))


def _later(measure: str) -> Callable[[xr.Dataset], Evidence]:
    def check(result: xr.Dataset) -> Evidence:
        moments = settled(result).sel(measure=measure)
        later = moments.isel(layer=LAST) - moments.isel(layer=0)
        return Evidence(later.mean(), 0, 0, "≥", spread(later), "of the training")

    return check


def _output(result: xr.Dataset) -> Evidence:
    moments = settled(result).sel(measure="SVCCA")
    sooner = moments.isel(layer=LAST) - moments.isel(layer=-1)
    return Evidence(sooner.mean(), 0, 0, "≥", spread(sooner), "of the training")


CLAIMS = (
    Claim(
        "At the end every layer is its own final self: similarity 1, by all three measures (largest difference).",
        "ρ = 1 for one and the same space",
        _end,
    ),
    Claim(
        "Bottom up: after 35 % of the training the first layer is more similar to its final self than the last hidden "
        "layer (SVCCA, difference).",
        LECTURE + "; " + RAGHU,
        _bottom_up,
    ),
    Claim(
        "... but it began with more than half of that lead, before any training (difference of the lead at the "
        "beginning and half of this one).",
        "similarity of the untrained network with the trained one",
        _head_start,
    ),
    Claim(
        "Bottom up by the way gone: the last hidden layer has gone 90 % of its way later than the first (SVCCA).",
        LECTURE,
        _later("SVCCA"),
        disputed="the order of the hidden layers depends on data and architecture",
    ),
    Claim(
        "... and by linear CKA.",
        LECTURE,
        _later("CKA"),
        disputed="the order depends on data and architecture",
    ),
    Claim(
        "The output, the topmost of all, does not come last: it has gone 90 % of its way before the last hidden layer "
        "(SVCCA).",
        "observation",
        _output,
    ),
)

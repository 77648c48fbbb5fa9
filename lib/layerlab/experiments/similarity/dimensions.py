"""How many dimensions of a layer does the network use? Accuracy kept when only k directions of a layer come through.

Each row x of a layer's activations becomes mean + (x - mean) P, where P keeps the k numbers (x - mean) F exactly,
and is sent through the rest of the network. F holds k directions: those that SVCCA finds this layer to share with
the same layer of the next network of the group, in falling order of correlation; principal directions; random ones;
single neurons, at random, by mean activation or by variance. The rest is filled in twice: it is left at its mean (P
is the orthogonal projection onto F; dropped neurons are constant), or it is predicted from what is kept by least
squares (P is the orthogonal projection of the neurons as vectors over the data). Directions, means and predictions
come from training images, accuracies from test images. In convolutions units are channels, and P acts alike at every
position.

Sources: lecture "Understanding neural networks (2)", "Dimensionality of learned representation"; M. Raghu et al. 2017,
section 2.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from layerlab import lab
from layerlab.experiments.similarity._cost import training_work
from layerlab.experiments.similarity._directions import (
    METHODS,
    PairConfig,
    candidates,
    projected,
    projection,
    samples_of,
    shared_directions,
    trained_group,
)
from layerlab.lab import Claim, Evidence, spread, style

if TYPE_CHECKING:
    from torch import Tensor

    from layerlab.nets import MLP

LECTURE = "Lecture “Understanding neural networks (2)”, “Dimensionality of learned representation”"
RAGHU = "M. Raghu et al. 2017, section 2.1"
KEPT = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64)
RESTS = ("at its mean", "predicted")
TEST_IMAGES = 500  # at most: a standard error of the accuracy of 2.2 % at worst, of 1 % at 0.95


@dataclass(frozen=True, kw_only=True)
class Config(PairConfig):
    """The networks, and what SVCCA sees of them."""


GRID = (
    {"data": ("digits",), "architecture": ("conv", "dense")},
    {"data": ("digits",), "architecture": ("dense",), "keep": (1.0,)},
    {"data": ("mnist", "fashion-mnist"), "architecture": ("conv",), "rows": (10_000,)},
    {"data": ("fashion-mnist",), "architecture": ("dense",), "rows": (10_000,)},
    {"data": ("cifar-10",), "architecture": ("conv",), "rows": (10_000,), "epochs": (30,)},
)
# float32 trainings differ between machines, and with them which direction comes first
TOLERANCE = {
    "accuracy": (0.1, 0.15, 0.01),
    "accuracy_whole": (0, 0.03),
    "coefficients": (0.1, 0.1, 0.02),
    "count": (0.2, 2.0),
}


def work(config: Config) -> float:
    """Training on the rows, and the test images that go through the upper layers for every projection."""
    training = training_work(config.data, config.architecture, config.rows, config.epochs, config.seeds)
    return training + training_work(config.data, config.architecture, TEST_IMAGES, 40 * len(KEPT), config.seeds)


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train the group, find directions on training images, project test images and finish the forward pass."""
    from layerlab.nets import upper

    found = trained_group(config, device, progress, 0.5)
    networks = found.networks()
    x, y = found.data.x_test[:TEST_IMAGES], found.data.y_test[:TEST_IMAGES]
    trained, tested = found.activations(found.data.x_train[:2_000]), found.activations(x)
    hidden = found.layers[:-1]
    places = {name: tested[i].shape[2] for i, name in enumerate(hidden)}
    accuracy = np.full((config.seeds, len(hidden), len(METHODS), len(RESTS), len(KEPT)), np.nan, np.float32)
    coefficients = np.full((config.seeds, len(hidden), max(places.values())), np.nan, np.float32)
    count = np.zeros((config.seeds, len(hidden)), np.int32)
    for i, name in enumerate(hidden):
        samples = samples_of(trained[i])  # the first three streams of each network were used in training
        shared = shared_directions(samples, config.keep)
        features, metrics = candidates(samples, shared, [s.spawn(4 + i)[3 + i] for s in config.streams()])
        mean = samples.mean(1)
        above = upper(networks, i + 1)
        for m, method in enumerate(METHODS):
            progress(0.5 + 0.5 * (i + m / len(METHODS)) / len(hidden), 1, f"{name}: {method}")
            accuracy[:, i, m] = kept_accuracy(above, tested[i], mean, features[method], metrics, y)
        for n, (canonical, _) in enumerate(shared):
            count[n, i] = canonical.count
            coefficients[n, i, : canonical.count] = canonical.coefficients[: canonical.count]
    progress(1, 1)
    whole = (tested[-1].argmax(-1).cpu().numpy() == y).mean(1)
    said = {"long_name": "accuracy on test images, k directions kept"}
    return xr.Dataset(
        {
            "accuracy": (("seed", "layer", "kept", "rest", "k"), accuracy, said),
            "accuracy_whole": ("seed", whole.astype(np.float32), {"long_name": "accuracy of the whole network"}),
            "coefficients": (("seed", "layer", "direction"), coefficients, {"long_name": "canonical correlation"}),
            "count": (("seed", "layer"), count, {"long_name": "directions that SVCCA has"}),
            "units": ("layer", np.array(list(places.values()), np.int32), {"long_name": "units of the layer"}),
        },
        coords={
            "layer": ("layer", list(hidden), {"long_name": "layer"}),
            "kept": ("kept", list(METHODS), {"long_name": "what is kept"}),
            "rest": ("rest", list(RESTS), {"long_name": "what stands in for the rest"}),
            "k": ("k", list(KEPT), {"long_name": "k directions kept"}),
            "direction": ("direction", np.arange(1, coefficients.shape[-1] + 1), {"long_name": "SVCCA direction"}),
        },
        attrs={
            "data_checksums": {config.data: found.data.checksum},
            "images_trained": len(found.data.x_train),
            "images_tested": len(x),
            "classes": found.data.classes,
        },
    )


def kept_accuracy(
    above: MLP, layer: Tensor, mean: np.ndarray, features: list[np.ndarray], metrics: list[np.ndarray], y: np.ndarray
) -> np.ndarray:
    """(N, rest, k) accuracy when only the first k directions of each network's layer are let through; mean over draws.

    Where k exceeds the units of the layer it is NaN; where SVCCA has fewer than k directions all of them are kept.
    """
    units, draws = mean.shape[1], features[0].shape[0]
    found = np.full((len(features), len(RESTS), len(KEPT)), np.nan)
    for r in range(len(RESTS)):
        for j, k in enumerate(KEPT):
            if k > units:
                continue
            hits = []
            for d in range(draws):
                maps = [
                    projection(each[d, :, :k], metric if r else np.eye(units))
                    for each, metric in zip(features, metrics, strict=True)
                ]
                guess = above.forward(projected(layer, mean, np.stack(maps))).argmax(-1)
                hits.append((guess.cpu().numpy() == y).mean(1))
            found[:, r, j] = np.mean(hits, axis=0)
    return found


def needed(result: xr.Dataset, share: float) -> xr.DataArray:
    """The least k of the list from which on that share of the whole accuracy is kept, (seed, layer, kept, rest).

    NaN where not even all directions keep it.
    """
    enough = (result["accuracy"] >= share * result["accuracy_whole"]) | (result["k"] > result["units"])
    since = enough.isel(k=slice(None, None, -1)).cumprod("k").isel(k=slice(None, None, -1)).astype(bool)
    least = result["k"].where(since).min("k")
    return least.where(least <= result["units"])


def height(result: xr.Dataset) -> xr.DataArray:
    """Mean accuracy over the k of the list below the number of units, 0 left out: how high a curve runs."""
    partial = (result["k"] > 0) & (result["k"] < result["units"])
    return result["accuracy"].where(partial).mean("k")


def plot(result: xr.Dataset) -> Figure:
    """Above, accuracy against k in the last hidden layer; below, the k that it takes in each layer. Both fillings."""
    fig, axes = style.figure(2, 2, height=6.0, sharey="row")
    last = result.isel(layer=-1)
    names = [name.replace("convolution", "conv") for name in result["layer"].values]
    for r, rest in enumerate(RESTS):
        curves, layers = axes[0, r], axes[1, r]
        for i, (name, look) in enumerate(LOOKS.items()):
            _draw_curve(curves, last["accuracy"].sel(kept=name, rest=rest), name, look)
            _draw_needed(layers, needed(result, 0.95).sel(kept=name, rest=rest), result["units"], i, look)
        curves.axhline(float(last["accuracy_whole"].mean()), color=style.MUTED, linestyle=":", linewidth=1)
        curves.set_xscale("log", base=2)
        curves.set_xticks([1, 2, 4, 8, 16, 32, 64], ["1", "2", "4", "8", "16", "32", "64"])
        curves.set(xlabel="k directions kept", ylabel="test accuracy", ylim=(0, 1.03), xlim=(0.9, 70))
        curves.set_title(f"{names[-1]}, rest {rest}")
        layers.set_xticks(range(len(names)), names)
        layers.set(xlabel="layer", ylabel="k for 95 % / units", ylim=(0, 1.05), title=f"rest {rest}")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=2, handlelength=2.2)
    return fig


LOOKS: dict[str, tuple[str, str, str]] = {
    "SVCCA": (style.COLOURS["blue"], "o", "-"),
    "principal": (style.COLOURS["green"], "s", "-"),
    "most active neurons": (style.COLOURS["vermillion"], "^", "--"),
    "random neurons": (style.COLOURS["purple"], "D", "--"),
    "random directions": (style.MUTED, "v", ":"),
}


def _draw_curve(axes: Axes, accuracy: xr.DataArray, name: str, look: tuple[str, str, str]) -> None:
    colour, marker, dash = look
    shown = accuracy.sel(k=slice(1, None)).dropna("k")
    if name in ("SVCCA", "most active neurons"):
        axes.fill_between(shown["k"], shown.min("seed"), shown.max("seed"), color=colour, alpha=0.15)
    axes.plot(shown["k"], shown.mean("seed"), color=colour, marker=marker, linestyle=dash, label=name, markersize=4)


def _draw_needed(axes: Axes, least: xr.DataArray, units: xr.DataArray, i: int, look: tuple[str, str, str]) -> None:
    colour, marker, _ = look
    share = least / units
    x = np.arange(share.sizes["layer"]) + 0.12 * (i - 2)
    middle = share.mean("seed")
    bars = abs(np.stack([middle - share.min("seed"), share.max("seed") - middle]))
    axes.errorbar(x, middle, bars, color=colour, marker=marker, linestyle="", elinewidth=1)


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    least = needed(result, 0.95).mean("seed").isel(layer=-1)
    said = "; ".join(
        f"rest {rest}: {', '.join(f'{float(least.sel(kept=m, rest=rest)):.1f} {m}' for m in LOOKS)}" for rest in RESTS
    )
    return (
        f"{result.sizes['seed']} networks on {result.attrs['data']}, mean test accuracy "
        f"{float(result['accuracy_whole'].mean()):.3f}. Of the {int(result['units'][-1])} units of the layer "
        f"“{result['layer'].values[-1]}”, 95 % of the accuracy takes, {said}."
    ).replace("nan", "more than all")


def _all(result: xr.Dataset) -> Evidence:
    everything = result["accuracy"].sel(kept="principal").where(result["k"] == result["units"]).max("k")
    off = abs(everything - result["accuracy_whole"])
    # float32: an image whose two best classes all but tie may fall to the other side
    return Evidence(off.max(), 0, 2 / result.attrs["images_tested"] + 1e-6, "≈", spread(off.max(("layer", "rest"))))


def _fewer(result: xr.Dataset) -> Evidence:
    share = (needed(result, 0.95) / result["units"]).sel(kept="SVCCA", rest="predicted").fillna(1).mean("layer")
    return Evidence(share.mean(), 0.5, 0, "≤", spread(share))


def _gain(result: xr.Dataset, than: str, rest: str, worst: bool = False) -> Evidence:
    """By how much the curve of predicted SVCCA directions runs above that of others."""
    runs = height(result)
    gain = runs.sel(kept="SVCCA", rest="predicted") - runs.sel(kept=than, rest=rest)
    gain = gain.isel(layer=int(gain.mean("seed").argmin("layer"))) if worst else gain.mean("layer")
    return Evidence(gain.mean(), 0, 0, "≥", spread(gain))


def _filling(result: xr.Dataset) -> Evidence:
    runs = height(result).sel(kept="random neurons").mean("layer")
    gain = runs.sel(rest="predicted") - runs.sel(rest="at its mean")
    return Evidence(gain.mean(), 0, 0, "≥", spread(gain))


def _principal(result: xr.Dataset) -> Evidence:
    runs = height(result).sel(rest="predicted").mean("layer")
    gain = runs.sel(kept="principal") - runs.sel(kept="SVCCA")
    return Evidence(gain.mean(), 0, 0.01, "≥", spread(gain))


CLAIMS = (
    Claim(
        "All directions of a layer together change nothing: the accuracy is that of the whole network (largest "
        "difference).",
        "P = 1 for k = units",
        _all,
    ),
    Claim(
        "A layer uses fewer dimensions than it has units: half as many SVCCA directions as units, or fewer, keep 95 % "
        "of the accuracy (rest predicted, mean over layers).",
        LECTURE + "; " + RAGHU,
        _fewer,
    ),
    Claim(
        "SVCCA directions matter more than neurons: k of them (rest predicted) keep more accuracy than k random "
        "neurons (rest at its mean); mean over layers and k.",
        LECTURE,
        lambda result: _gain(result, "random neurons", "at its mean"),
    ),
    Claim(
        "... and still do when the other neurons are predicted from those kept.",
        LECTURE,
        lambda result: _gain(result, "random neurons", "predicted"),
    ),
    Claim(
        "In every layer k SVCCA directions keep more accuracy than the k most active neurons, the rest predicted in "
        "both (layer with the least gain).",
        LECTURE,
        lambda result: _gain(result, "most active neurons", "predicted", worst=True),
        disputed="in convolutions the most active channels keep as much or more",
    ),
    Claim(
        "The filling counts: random neurons keep more if the rest is predicted instead of left at its mean.",
        "least squares, as SVCCA's projection does it for directions",
        _filling,
    ),
    Claim(
        "Principal directions, which need no second network, keep as much as SVCCA directions or more (rest predicted, "
        "mean over layers).",
        "observation",
        _principal,
    ),
)

"""Units of two networks, and who is matched with whom.

Convolutional networks that differ in their seeds only are compared in a ring: each with the next. The units of a layer
are correlated over the images of the test set; of a convolution positions are samples and channels are units
(`positions_as_samples`), up to 25 positions of every image, drawn once for all. Each unit of the one network is then
given a partner in the other, by assignment (one-to-one, of the largest total correlation) and by semi-matching (the
best partner, who may be shared). The same is done where nothing was learnt in common:
    images shuffled: the second network sees the images in another order, each position keeps its place;
    all shuffled: the samples of the second network are shuffled, positions too;
    untrained: both networks as they were before training;
    one untrained: the first as trained, the second as it was before training.
A unit that does not vary (a dead ReLU) has no correlation. Means are over the units of the first network that vary.

Source: Y. Li et al., Convergent learning, ICLR 2016, sections 2 and 3; lecture on understanding, "Convergent learning".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from layerlab import lab
from layerlab.experiments.similarity import _partners_figure as panels
from layerlab.experiments.similarity._cost import training_work
from layerlab.experiments.similarity._groups import DATA, group
from layerlab.experiments.similarity._units import HIDDEN, as_samples, generators, neighbours, silent, some_places
from layerlab.lab import Claim, Evidence, choice, integer, spread, style
from layerlab.similarity import correlation, match_units, participation_ratio
from layerlab.similarity.matching import METHODS, standardised

LI = "Y. Li et al. 2016"
PLACES = 25  # of a layer of images, at most
KINDS = ("trained", "images shuffled", "all shuffled", "untrained", "one untrained")


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The networks, and the layer of which the matrices are kept."""

    data: str = choice("digits", "data", DATA)
    layer: str = choice("convolution 1", "layer shown", HIDDEN)
    rows: int = integer(1_500, "training images", low=10, high=60_000, log=True, help="all, if there are fewer")
    epochs: int = integer(20, "epochs", low=1, high=1_000, log=True)
    measured: int = integer(1_000, "images measured", low=20, high=2_000, log=True, help="of the test set")
    seeds: int = integer(5, "networks", low=2, high=50, help="each is compared with the next")


GRID = (
    {"data": ("digits",), "layer": HIDDEN},
    {"data": ("digits",), "epochs": (5,)},
    {"data": ("mnist",), "layer": ("convolution 1",), "rows": (10_000,)},
    {"data": ("fashion-mnist",), "layer": ("convolution 1", "dense"), "rows": (10_000,)},
    {"data": ("cifar-10",), "layer": ("convolution 1", "dense"), "rows": (10_000,), "epochs": (30,)},
)
# trainings in single precision drift apart between machines; a unit may find another partner
TOLERANCE = {
    "between": (0, 0.3), "within": (0, 0.3), "partner": (0, 64), "paired": (0, 0.15), "mean": (0, 0.05),
    "dimension": (0.3, 0.3),
    "shared": (0, 0.2), "agree": (0, 0.2), "silent": (0, 2), "accuracy": (0, 0.03),
}  # fmt: skip


def work(config: Config) -> float:
    """Training steps times the size of an image, and the samples that are correlated."""
    training = training_work(config.data, "conv", config.rows, config.epochs, config.seeds)
    return training + training_work(config.data, "conv", config.measured, 12, config.seeds)


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train the group, match the units of every layer, and keep the matrices of one."""
    found = group(
        data=config.data, rows=config.rows, epochs=config.epochs, seed=config.seed, seeds=config.seeds, device=device,
        progress=lambda done, total, note: progress(0.8 * done / total, 1, note),
    )  # fmt: skip
    images = found.data.x_test[: config.measured]
    before, after = (found.activations(images, moment)[: len(HIDDEN)] for moment in (0, -1))
    layers = []
    for i, name in enumerate(HIDDEN):
        progress(0.8 + 0.2 * i / len(HIDDEN), 1, name)
        rngs = generators(config)
        places = some_places(after[i], PLACES, rngs[0])
        trained = as_samples(after[i], places)
        layers.append(matched(as_samples(before[i], places), trained, len(images), rngs))
        if name == config.layer:
            shown = trained[:2]
    progress(1, 1)
    values = _labelled(layers) | {
        "between": (
            ("unit", "other"), correlation(shown[0], shown[1]).astype(np.float32),
            {"long_name": "correlation between networks 1 and 2"},
        ),
        "within": (
            ("unit", "other"), correlation(shown[0], shown[0]).astype(np.float32),
            {"long_name": "correlation within network 1"},
        ),
        "partner": ("unit", match_units(shown[0], shown[1]).partners, {"long_name": "unit that the assignment gives"}),
        "accuracy": ("seed", found.accuracy_test[-1], {"long_name": "accuracy on test images"}),
    }  # fmt: skip
    return xr.Dataset(
        values,
        coords={
            "matching": ("matching", list(METHODS), {"long_name": "matching"}),
            "kind": ("kind", list(KINDS), {"long_name": "compared"}),
            "layer": ("layer", list(HIDDEN), {"long_name": "layer"}),
            "moment": ("moment", ["before training", "after training"], {"long_name": "moment"}),
        },
        attrs={
            "data_checksums": {config.data: found.data.checksum},
            "images_trained": len(found.data.x_train),
            "images_measured": len(images),
        },
    )


def matched(before: np.ndarray, after: np.ndarray, images: int, rngs: list[np.random.Generator]) -> dict[str, Any]:
    """All that is said of one layer, from its samples (N, samples, units) before and after training."""
    other = neighbours(after)
    by_image = other.reshape(len(other), images, -1, other.shape[-1])
    pairs = {
        "trained": (after, other),
        "images shuffled": (after, np.stack([r.permutation(x) for r, x in zip(rngs, by_image, strict=True)])),
        "all shuffled": (after, np.stack([r.permutation(x) for r, x in zip(rngs, other, strict=True)])),
        "untrained": (before, neighbours(before)),
        "one untrained": (after, neighbours(before)),
    }
    mean = np.empty((len(after), len(METHODS), len(KINDS)))
    for k, kind in enumerate(KINDS):
        x, y = pairs[kind][0], pairs[kind][1].reshape(after.shape)
        for m, method in enumerate(METHODS):
            one = match_units(x, y, method)
            mean[:, m, k] = np.nanmean(np.where(silent(x), np.nan, one.correlation), -1)
            if kind == "trained":
                pairs[method] = one.partners, np.where(silent(x), np.nan, one.correlation)
    alive = ~silent(after)
    assigned, chosen = (pairs[method][0] for method in METHODS)
    taken = [[np.sum(row[a] == unit) for unit in row] for row, a in zip(chosen, alive, strict=True)]
    return {
        "paired": -np.sort(-np.stack([pairs[method][1] for method in METHODS], 1), -1),  # NaN last
        "mean": mean,
        "dimension": np.stack([participation_ratio(standardised(each)) for each in (before, after)], 1),
        "shared": np.nanmean(np.where(alive, np.array(taken) > 1, np.nan), -1),
        "agree": np.nanmean(np.where(alive, assigned == chosen, np.nan), -1),
        "silent": (~alive).sum(-1),
        "units": after.shape[-1],
        "samples": after.shape[1],
    }


def _labelled(layers: list[dict[str, Any]]) -> dict[str, Any]:
    """What was found of each layer along an axis of layers; shorter layers end in NaN."""
    most = max(one["units"] for one in layers)
    for one in layers:
        one["paired"] = np.pad(one["paired"], ((0, 0), (0, 0), (0, most - one["units"])), constant_values=np.nan)

    def stacked(name: str) -> np.ndarray:
        return np.stack([one[name] for one in layers], 1)

    return {
        "paired": (
            ("seed", "layer", "matching", "rank"), stacked("paired").astype(np.float32),
            {"long_name": "correlation of paired units, sorted"},
        ),
        "mean": (
            ("seed", "layer", "matching", "kind"), stacked("mean").astype(np.float32),
            {"long_name": "mean correlation of paired units"},
        ),
        "dimension": (
            ("seed", "layer", "moment"), stacked("dimension").astype(np.float32),
            {"long_name": "participation ratio of the units' correlations"},
        ),
        "shared": (("seed", "layer"), stacked("shared"), {"long_name": "units that share their best partner"}),
        "agree": (("seed", "layer"), stacked("agree"), {"long_name": "units whose assigned partner is their best"}),
        "silent": (("seed", "layer"), stacked("silent"), {"long_name": "units that do not vary"}),
        "units": ("layer", [one["units"] for one in layers], {"long_name": "units of the layer"}),
        "samples": ("layer", [one["samples"] for one in layers], {"long_name": "samples: images times positions"}),
    }  # fmt: skip


def plot(result: xr.Dataset) -> Figure:
    """The matrices of one layer; the sorted correlations of all; their means beside chance; who shares a partner."""
    fig, axes = style.figure(3, 2, height=8.4)
    panels.draw_matrices(fig, [axes[0, 0], axes[0, 1], axes[1, 0]], result)
    panels.draw_sorted(axes[1, 1], result)
    panels.draw_means(axes[2, 0], result)
    panels.draw_sharing(axes[2, 1], result)
    return fig


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    mean = result["mean"].sel(matching="assignment").mean("seed")

    def row(kind: str) -> str:
        return ", ".join(f"{float(v):.2f}" for v in mean.sel(kind=kind))

    return (
        f"{result.sizes['seed']} convolutional networks on {result.attrs['data']}, each matched with the next. Mean "
        f"correlation of assigned units in three convolutions and the dense layer: {row('trained')}; before training "
        f"{row('untrained')}; with the images shuffled {row('images shuffled')}, with all samples shuffled "
        f"{row('all shuffled')}. Of the units of these layers "
        f"{', '.join(f'{100 * float(v):.0f} %' for v in result['shared'].mean('seed'))} share their best partner. "
        f"Matrices of {result.attrs['layer']}: within a network, between two, and aligned."
    )


def table(result: xr.Dataset) -> pd.DataFrame:
    """All but the matrices."""
    from layerlab.lab.tables import tidy

    return tidy(result.drop_vars(["between", "within", "partner"]))


def _order(result: xr.Dataset) -> Evidence:
    assigned, best = (result["mean"].sel(matching=method, drop=True) for method in METHODS)
    excess = (assigned - best).max(("layer", "kind"))
    return Evidence(excess.max(), 0, 1e-6, "≤", spread(excess))


def _chance(result: xr.Dataset) -> Evidence:
    bound = np.sqrt(2 * np.log(result["units"]) / (result["samples"] - 1))
    quotient = result["mean"].sel(matching="semi", kind="all shuffled") / bound
    worst = quotient.mean("seed").argmax("layer")
    return Evidence(quotient.mean("seed").max(), 1, 0, "≤", spread(quotient.isel(layer=worst)))


def _gain(kind: str, *layers: str) -> Callable[[xr.Dataset], Evidence]:
    """By how much trained pairs exceed those of `kind`, in the one of `layers` where it is least."""

    def check(result: xr.Dataset) -> Evidence:
        mean = result["mean"].sel(matching="assignment", layer=list(layers))
        gain = mean.sel(kind="trained") - mean.sel(kind=kind)
        least = gain.mean("seed").argmin("layer")
        return Evidence(gain.mean("seed").min(), 0, 0, "≥", spread(gain.isel(layer=least)))

    return check


def _depth(result: xr.Dataset) -> Evidence:
    mean = result["mean"].sel(matching="assignment", kind="trained")
    fall = mean.sel(layer="convolution 1") - mean.sel(layer="convolution 3")
    return Evidence(fall.mean(), 0, 0, "≥", spread(fall))


def _sharing(result: xr.Dataset) -> Evidence:
    least = result["shared"].mean("seed").argmin("layer")
    here = result["shared"].isel(layer=least)
    return Evidence(here.mean(), 0.5, 0, "≥", spread(here))


CLAIMS = (
    Claim(
        "No assignment has a larger mean than the semi-matching (largest excess, all comparisons).",
        "the semi-matching is each unit's maximum",
        _order,
    ),
    Claim(
        "Between samples in no common order the best of U partners has, on average, a correlation of at most "
        "√(2 ln U/(n−1)) (largest quotient of a layer).",
        "maximum of U normal variables of variance 1/(n−1)",
        _chance,
    ),
    Claim(
        "In every layer assigned units agree on which image they see: they are more alike than with the images "
        "shuffled (smallest gain of a layer).",
        LI,
        _gain("images shuffled", *HIDDEN),
    ),
    Claim(
        "What units have in common was learnt: in every layer assigned units are more alike than those of the same "
        "networks before training (smallest gain of a layer).",
        "what “convergent learning” suggests; the lecture shows no untrained networks",
        _gain("untrained", *HIDDEN),
        disputed="in the first convolution untrained units match about as well, in the third, on clothes, better",
    ),
    Claim(
        "In the dense layer it was: assigned units are more alike than before training.",
        "the same, where it is most likely to hold",
        _gain("untrained", "dense"),
        disputed="not on photographs, of which these networks recognise four in ten",
    ),
    Claim(
        "Of the convolutions, the third finds worse partners than the first.", LI + ": errors grow with depth", _depth
    ),
    Claim(
        "Alignment one-to-one is not for all: in every layer half of the units or more share their best partner with "
        "another (smallest share of a layer).",
        "observation; the lecture asks",
        _sharing,
    ),
)

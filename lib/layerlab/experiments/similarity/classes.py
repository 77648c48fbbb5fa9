"""Where a residual network knows the classes: how well its layers predict each class logit, class by class.

The canonical correlation of a layer with a single number per image is the multiple correlation R of that number on the
layer's units. R is measured on images that the direction was not fitted on: fitted on four fifths of the test images,
evaluated on the rest, in turn, and averaged. A layer of images is averaged over the whole image, or over quarters,
before: a logit is one number for each image, so images are the samples, and channels (times quarters) the units.

Beside each network's own logits stand three controls: the logits of another network on the same layers; the trained
network's logits on the layers that it had before training; and the logits of the untrained network on its own layers.

Source: lecture on understanding networks, “knowledge about target”; M. Raghu et al., SVCCA, NeurIPS 2017.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from layerlab import lab
from layerlab.experiments.similarity import _class_pairs as pairs
from layerlab.experiments.similarity._class_reading import FOLDS, READ, SIDES, features, fold_bases, held_out
from layerlab.experiments.similarity._groups import DATA
from layerlab.experiments.similarity._residual_groups import residual_group
from layerlab.lab import Claim, Evidence, choice, integer, spread, style
from layerlab.similarity import correlation

LECTURE = "Lecture on understanding networks, “knowledge about target”"
HIDDEN = slice(1, -1)  # neither the input nor the last block, on whose average every logit depends linearly


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The networks."""

    data: str = choice("digits", "data", DATA)
    rows: int = integer(1_500, "training images", low=100, high=60_000, log=True, help="all, if there are fewer")
    epochs: int = integer(12, "epochs", low=1, high=200, log=True)
    seeds: int = integer(5, "networks", low=2, high=50, help="each is compared with the next")


GRID = (
    {"data": ("digits",)},
    {"data": ("digits",), "epochs": (2,)},
    {"data": ("mnist", "fashion-mnist", "cifar-10"), "rows": (10_000,)},
)
# single precision differs a little between machines, and training amplifies it
_R = (0.1, 0.1, 0.01)
TOLERANCE = {
    "known": _R, "fitted": _R, "other": _R, "given": (0.02, 0.02, 0.03), "untrained": (0.02, 0.02),
    "noise_fitted": (0.1, 0.02), "noise_held": (0.1, 0.05),
    "units": (0.1, 3), "confusion": (0.2, 0.1, 0.01), "accuracy": (0, 0.08), "logits": (0.2, 0.15, 0.01),
}  # fmt: skip


def work(config: Config) -> float:
    """Training steps times the pixels of an image, and the canonical correlations."""
    pixels = {"digits": 1.0, "mnist": 2.3, "fashion-mnist": 2.3, "cifar-10": 3.4}[config.data]
    return config.seeds * pixels * (config.epochs * config.rows + 4_000)


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train the networks; read their layers, trained and untrained, for logits of four kinds and for noise."""
    found = residual_group(
        data=config.data, rows=config.rows, epochs=config.epochs, seed=config.seed, seeds=config.seeds, device=device,
        progress=lambda done, total, note: progress(0.8 * done / total, 1, note),
    )  # fmt: skip
    x, y, names = found.data.x_test, found.data.y_test, found.data.names
    trained, logits = features(found.after, x)
    before, first_logits = features(found.before, x)
    noise = np.stack([np.random.default_rng(stream).normal(size=logits.shape[1:]) for stream in config.streams()])
    wanted = {
        "known": (trained, logits), "other": (trained, np.roll(logits, -1, 0)), "given": (before, logits),
        "untrained": (before, first_logits),
    }  # fmt: skip
    shape = (config.seeds, len(SIDES), len(READ))
    values = {name: np.empty((*shape, len(names))) for name in (*wanted, "fitted")}
    noise_fitted, noise_held, units = np.empty(shape), np.empty(shape), np.empty(shape)
    for i, side in enumerate(SIDES):
        for j in range(len(READ)):
            progress(0.8 + 0.2 * (i * len(READ) + j) / (len(SIDES) * len(READ)), 1, f"reading {READ[j]}")
            bases = {id(layers): fold_bases(layers[side][j]) for layers in (trained, before)}
            for name, (layers, target) in wanted.items():
                fitted, values[name][:, i, j] = held_out(layers[side][j], target, bases[id(layers)])
                if name == "known":
                    values["fitted"][:, i, j] = fitted
            fitted, held = held_out(trained[side][j], noise, bases[id(trained)])
            noise_fitted[:, i, j], noise_held[:, i, j] = (fitted**2).mean(-1), held.mean(-1)
            units[:, i, j] = np.mean([each.rank for each in bases[id(trained)]], axis=0)
    progress(1, 1)
    guessed = logits.argmax(-1)
    confusion = np.stack([[np.bincount(g[y == c], minlength=len(names)) for c in range(len(names))] for g in guessed])
    by_class, by_layer = ("seed", "side", "layer", "class"), ("seed", "side", "layer")
    return xr.Dataset(
        {
            **{name: (by_class, each.astype(np.float32), {"long_name": SAID[name]}) for name, each in values.items()},
            "noise_fitted": (by_layer, noise_fitted.astype(np.float32), {"long_name": "R² of noise, as fitted"}),
            "noise_held": (by_layer, noise_held.astype(np.float32), {"long_name": "R of noise, other images"}),
            "units": (by_layer, units.astype(np.float32), {"long_name": "dimensions of the layer"}),
            "confusion": (
                ("seed", "class", "taken_for"),
                (confusion / confusion.sum(-1, keepdims=True)).astype(np.float32),
                {"long_name": "share of a class's test images taken for a class"},
            ),
            "logits": (
                ("seed", "class", "taken_for"),
                correlation(logits, logits).astype(np.float32),
                {"long_name": "correlation of two classes' logits"},
            ),
            "accuracy": ("seed", found.accuracy_test.astype(np.float32), {"long_name": "accuracy on test images"}),
        },
        coords={
            "side": ("side", list(SIDES), {"long_name": "squares to a side"}),
            "layer": ("layer", list(READ), {"long_name": "layer"}),
            "class": ("class", list(names), {"long_name": "class"}),
            "taken_for": ("taken_for", list(names), {"long_name": "taken for"}),
        },
        attrs={
            "data_checksums": {config.data: found.data.checksum},
            "images_trained": len(found.data.x_train),
            "images_measured": len(x),
            "source": found.data.source,
        },
    )


SAID = {
    "known": "R of a network's own logit on its layer, other images",
    "fitted": "the same on the images it was fitted on",
    "other": "R of another network's logit on this network's layer",
    "given": "R of the trained network's logit on the untrained layer",
    "untrained": "R of the untrained network's logit on its layer",
}


def plot(result: xr.Dataset) -> Figure:
    """R through depth, of four kinds of logits and class by class; distances between classes, and their confusions."""
    fig, axes = style.figure(2, 2, height=6.8)
    here = result.sel(side=1)
    at = np.arange(len(READ))
    kinds = {"known": "own logits", "other": "another network's", "given": "own, before training",
             "untrained": "untrained on its own"}  # fmt: skip
    for (name, label), colour in zip(kinds.items(), style.COLOURS.values(), strict=True):
        mean = here[name].mean("class")
        axes[0, 0].fill_between(at, mean.min("seed"), mean.max("seed"), color=colour, alpha=0.2)
        axes[0, 0].plot(at, mean.mean("seed"), label=label, color=colour)
    axes[0, 0].set_title(f"{result.attrs['data']}: mean over classes")
    pairs.draw_profiles(axes[0, 1], here["known"], result.attrs["data"])
    for one in axes[0]:
        one.set(ylim=(-0.03, 1.03), ylabel="R on other images", xlabel="input, convolution, blocks")
        one.set(xticks=at, yticks=[0, 0.5, 1])
        one.set_xticklabels(["i", "c", *range(1, len(READ) - 1)])
        one.legend(fontsize=8, loc="lower right", handlelength=2.2, ncols=1 if one is axes[0, 0] else 2)
    pairs.draw_distances(fig, axes[1, 0], profile_distance(result).mean("seed"), result.attrs["data"])
    pairs.draw_confusion(axes[1, 1], profile_distance(result), result["confusion"], result.attrs["data"])
    return fig


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    known = result["known"].sel(side=1).mean("seed")
    early = known.isel(layer=HIDDEN).mean("layer")
    order = early["class"].values[np.argsort(-early.values)]
    auc = pairs.closeness(profile_distance(result), result.attrs["data"])
    steps = ", ".join(f"{float(v):.2f}" for v in known.mean("class"))
    return (
        f"{result.sizes['seed']} residual networks on {result.attrs['data']}, trained on "
        f"{result.attrs['images_trained']} images, mean test accuracy {float(result['accuracy'].mean()):.3f}. R of a "
        f"class logit on the input, the convolution and six blocks, mean over classes: {steps}. Known "
        f"earliest: {order[0]} and {order[1]}; latest: {order[-2]} and {order[-1]}. A pair named similar beforehand "
        f"has profiles closer than another pair with probability {float(auc.mean()):.2f}."
    )


def profile_distance(result: xr.Dataset, side: int = 1) -> xr.DataArray:
    """Root mean square over hidden layers of the difference of two classes' R: (seed, class, taken_for)."""
    known = result["known"].sel(side=side).isel(layer=HIDDEN)
    other = known.rename({"class": "taken_for"})
    return (((known - other) ** 2).mean("layer") ** 0.5).transpose("seed", "class", "taken_for")


def _learned(result: xr.Dataset) -> bool:
    """Whether the networks have learned enough that their logits speak of classes."""
    return float(result["accuracy"].mean()) >= 4 / result.sizes["class"] and result.attrs["epochs"] >= 10


def _grows(result: xr.Dataset) -> Evidence | None:
    if not _learned(result):
        return None
    step = result["known"].sel(side=1).mean("class").diff("layer").isel(layer=slice(1, None))
    least = step.isel(layer=step.mean("seed").argmin("layer"))
    return Evidence(least.mean(), 0, 0.02, "≥", spread(least))


def _decided(result: xr.Dataset) -> Evidence:
    last = result["known"].isel(layer=-1).min(("side", "class"))
    return Evidence(last.min(), 1, 1e-4, "≈", spread(last))


def _noise(result: xr.Dataset) -> Evidence:
    """Largest deviation, over layers, from the theorem in standard errors of the mean over networks, classes, folds."""
    images = result.attrs["images_measured"]
    n = images - images // FOLDS
    p, draws = result["units"], result.sizes["seed"] * result.sizes["class"]
    expected = (p / (n - 1)).mean("seed")
    error = np.sqrt(2 * p * (n - 1 - p) / ((n - 1) ** 2 * (n + 1) * draws)).mean("seed")
    excess = abs(result["noise_fitted"].mean("seed") - expected) / error
    return Evidence(excess.max(), 4, 0, "≤", None, "standard errors")


def _settled(result: xr.Dataset) -> Evidence | None:
    if not _learned(result):
        return None
    known, given = (result[name].sel(side=1).isel(layer=HIDDEN).mean("layer") for name in ("known", "given"))
    order = xr.DataArray([spearmanr(*both).statistic for both in zip(known, given, strict=True)], dims="seed")
    chance = (result.sizes["class"] - 1) ** -0.5  # the standard deviation of a random order's
    return Evidence(order.mean(), chance, 0, "≥", spread(order))


def _together(result: xr.Dataset) -> Evidence | None:
    if not _learned(result):
        return None
    distance = profile_distance(result)
    auc = pairs.closeness(distance, result.attrs["data"])
    return Evidence(auc.mean(), pairs.by_chance(distance, result.attrs["data"]), 0, "≥", spread(auc))


def _confused(result: xr.Dataset) -> Evidence | None:
    if not _learned(result):
        return None
    rho = pairs.follows_confusion(profile_distance(result), result["confusion"])
    return Evidence(rho.mean(), 0, 0, "≥", spread(rho))


def _alone(result: xr.Dataset) -> Evidence | None:
    if not _learned(result):
        return None
    early = result["known"].sel(side=1).isel(layer=HIDDEN).mean("layer")
    lead = pairs.lead_of_the_lone(early, result.attrs["data"])
    return Evidence(lead.mean(), 0, 0, "≥", spread(lead))


CLAIMS = (
    Claim(
        "A logit is a linear function of the last block's averages: R = 1 there (lowest of any class and network).",
        "theorem",
        _decided,
    ),
    Claim(
        "Noise is predicted too where it is fitted: R² = p/(n − 1) on average (largest deviation of any layer).",
        "Beta law of R² for independent Gaussian noise",
        _noise,
    ),
    Claim(
        "The classes become known by degrees: from the first convolution on, no layer knows them less than the layer "
        "before, in the mean over classes (smallest step).",
        LECTURE,
        _grows,
    ),
    Claim(
        "Similar classes are learned together: pairs named beforehand have closer profiles than other pairs, beyond "
        "what 95 % of relabellings of the classes give (probability).",
        LECTURE,
        _together,
        disputed="it holds on CIFAR-10; on clothes they are no closer than chance, on digits farther apart",
    ),
    Claim(
        "A class that resembles no other is known earlier, as the lecture's fire truck is (lead in mean R over the "
        "hidden layers).",
        LECTURE,
        _alone,
        disputed="on every data set the lead is smaller than networks differ, and on clothes it is a lag",
    ),
    Claim(
        "Classes with close profiles are confused with each other (Spearman correlation over all pairs).",
        "a conjecture: what the lecture's picture would let one expect",
        _confused,
        disputed="it is weak and negative on digits and clothes, and nothing on CIFAR-10",
    ),
    Claim(
        "Which classes are known early does not depend on what the layers learn: R of the same logits on the untrained "
        "layers puts them in a similar order (Spearman correlation over classes, mean over networks).",
        "an observation, made on Fashion-MNIST",
        _settled,
    ),
)

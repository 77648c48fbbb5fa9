"""How many neurons does a direction need? Weights of SVCCA directions, and what is left of them on few neurons.

A direction is a weighted sum of a layer's units, h = sum_j a_j (x_j - mean). Units have scales of their own, so that
what counts is w_j = a_j sd(x_j), made one in length. Its participation ratio 1 / sum_j w_j^4 lies between 1 (one
neuron) and n (all alike); for weights drawn evenly from the sphere it is about (n + 2) / 3. But weights are not all:
units are correlated, and other weights on fewer of them may give nearly the same h. So h is also rebuilt from m
neurons: from its own m largest weights as they are, and from m neurons chosen greedily, weights refitted (orthogonal
matching pursuit). Both are compared with directions of the layer drawn at random: h of variance one, evenly in all
directions among those kept before CCA.

Units of convolutions are channels, positions are samples. Weights come from training images, correlations from test
images. Sources: lecture "Understanding neural networks (2)", "Dimensionality of learned representation"; M. Raghu et
al. 2017, section 2.1; Y. Pati, R. Rezaiifar, P. Krishnaprasad 1993.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.linear_model import orthogonal_mp_gram

from layerlab import lab
from layerlab.experiments.similarity._cost import training_work
from layerlab.experiments.similarity._directions import (
    PairConfig,
    root,
    samples_of,
    shared_directions,
    trained_group,
)
from layerlab.lab import Claim, Evidence, spread, style
from layerlab.similarity import Basis

LECTURE = "Lecture “Understanding neural networks (2)”, “Dimensionality of learned representation”"
NEURONS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
LEADING = 5  # SVCCA directions, those of highest correlation
DRAWS = 50  # of random directions
OF = ("SVCCA", "random")
HOW = ("largest weights", "refitted")


@dataclass(frozen=True, kw_only=True)
class Config(PairConfig):
    """The networks, and what SVCCA sees of them."""


GRID = (
    {"data": ("digits",), "architecture": ("conv", "dense")},
    {"data": ("mnist", "fashion-mnist"), "architecture": ("conv", "dense"), "rows": (10_000,)},
)
# float32 trainings differ between machines, and with them which direction comes first
TOLERANCE = {
    "participation": (0.3, 4.0, 0.05), "participation_random": (0.2, 1.0), "kept": (0.1, 0.15, 0.01),
    "coefficients": (0.1, 0.1, 0.02), "live": (0, 2.0),
}  # fmt: skip


def work(config: Config) -> float:
    """Training on the rows, and the rest."""
    training = training_work(config.data, config.architecture, config.rows, config.epochs, config.seeds)
    return training + 3e4 * config.seeds


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train the group, find the directions, and rebuild them from few neurons."""
    found = trained_group(config, device, progress, 0.8)
    hidden = found.layers[:-1]
    trained, tested = (found.activations(x[:2_000]) for x in (found.data.x_train, found.data.x_test))
    layers, units = len(hidden), max(a.shape[2] for a in trained[:-1])
    participation = np.full((config.seeds, layers, units), np.nan, np.float32)
    coefficients = participation.copy()
    expected = np.zeros((config.seeds, layers), np.float32)
    live = np.zeros((config.seeds, layers), np.int32)
    kept = np.full((config.seeds, layers, len(OF), len(HOW), len(NEURONS)), np.nan, np.float32)
    for i, name in enumerate(hidden):
        progress(0.8 + 0.2 * i / layers, 1, name)
        shared = shared_directions(samples_of(trained[i]), config.keep)
        for n, (seed, test) in enumerate(zip(config.streams(), samples_of(tested[i]), strict=True)):
            canonical, layer = shared[n]
            count = int(canonical.count)
            own = canonical.directions_x[:, :count]
            at_random = random_directions(layer.keep(config.keep), np.random.default_rng(seed.spawn(4 + i)[3 + i]))
            scale = sizes(root(layer))
            participation[n, i, :count] = participation_of(own * scale[:, None])
            coefficients[n, i, :count] = canonical.coefficients[:count]
            expected[n, i] = participation_of(at_random * scale[:, None]).mean()
            live[n, i] = (scale > 0).sum()
            covariance = np.cov(test.astype(float), rowvar=False)
            for d, a in enumerate((own[:, :LEADING], at_random)):
                kept[n, i, d] = kept_correlation(a, root(layer), covariance)
    progress(1, 1)
    return xr.Dataset(
        {
            "participation": (("seed", "layer", "direction"), participation, {"long_name": "participation ratio"}),
            "participation_random": (
                ("seed", "layer"), expected, {"long_name": "participation ratio of random directions of the layer"},
            ),
            "coefficients": (("seed", "layer", "direction"), coefficients, {"long_name": "canonical correlation"}),
            "live": (("seed", "layer"), live, {"long_name": "units that vary"}),
            "kept": (
                ("seed", "layer", "of", "how", "neurons"), kept,
                {"long_name": "correlation of a direction with what m neurons make of it, test images"},
            ),
        },
        coords={
            "layer": ("layer", list(hidden), {"long_name": "layer"}),
            "direction": ("direction", np.arange(1, units + 1), {"long_name": "SVCCA direction"}),
            "of": ("of", list(OF), {"long_name": f"directions: the first {LEADING} of SVCCA, or random ones"}),
            "how": ("how", list(HOW), {"long_name": "how m neurons are chosen and weighted"}),
            "neurons": ("neurons", list(NEURONS), {"long_name": "m neurons"}),
        },
        attrs={"data_checksums": {config.data: found.data.checksum}, "images_trained": len(found.data.x_train)},
    )  # fmt: skip


def random_directions(layer: Basis, rng: np.random.Generator) -> np.ndarray:
    """(units, draws) directions a, evenly drawn among the variates X a of one length."""
    rank = int(layer.rank)
    drawn = rng.standard_normal((rank, DRAWS))
    return layer.directions[:, :rank] @ (drawn / np.linalg.norm(drawn, axis=0) / layer.values[:rank, None])


def sizes(rows: np.ndarray) -> np.ndarray:
    """For each unit its standard deviation times a constant; 0 for a dead one, of which rounding has left a trace."""
    scale = np.linalg.norm(rows, axis=0)
    return np.where(scale > 1e-9 * scale.max(), scale, 0)


def participation_of(weights: np.ndarray) -> np.ndarray:
    """1 / sum_j w_j^4 of each column, made one in length: how many of the weights count."""
    squares = weights**2 / (weights**2).sum(0)
    return 1 / (squares**2).sum(0)


def kept_correlation(a: np.ndarray, rows: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """(how, m) correlation of X a with what m neurons make of it, mean over the directions, the columns of a.

    rows: R with R^T R = X^T X on training images, by which neurons are chosen; covariance: on test images. NaN where
    there are fewer than m live neurons.
    """
    scale = sizes(rows)
    live = np.flatnonzero(scale)
    scale, a, covariance = scale[live, None], a[live], covariance[np.ix_(live, live)]
    rows, weights = rows[:, live] / scale.T, a * scale
    gram = rows.T @ rows
    found = np.full((len(HOW), len(NEURONS)), np.nan)
    order = np.argsort(-abs(weights), axis=0, kind="stable")
    for j, m in enumerate(NEURONS):
        if m > len(live):
            break
        cut = np.zeros_like(weights)
        np.put_along_axis(cut, order[:m], np.take_along_axis(weights, order[:m], 0), 0)
        with warnings.catch_warnings():  # it ends early where the neurons left depend on those chosen
            warnings.simplefilter("ignore", RuntimeWarning)
            refitted = orthogonal_mp_gram(gram, gram @ weights, n_nonzero_coefs=m)
        for h, b in enumerate((cut, np.reshape(refitted, weights.shape))):
            found[h, j] = _correlation(a, b / scale, covariance).mean()
    return found


def _correlation(a: np.ndarray, b: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Of X a with X b, column by column, from the covariance of X; 0 where one of them does not vary."""
    across, one, other = ((left * (covariance @ right)).sum(0) for left, right in ((a, b), (a, a), (b, b)))
    both = np.sqrt(one * other)
    return np.where(both > 0, across / np.where(both > 0, both, 1), 0)


def plot(result: xr.Dataset) -> Figure:
    """How many weights count, and what few neurons keep, in the first and in the last hidden layer."""
    fig, axes = style.figure(2, 2, height=6.0)
    for row, at in zip(axes, (0, -1), strict=True):
        one = result.isel(layer=at)
        name = str(one["layer"].item()).replace("convolution", "conv")
        _draw_participation(row[0], one, name)
        _draw_kept(row[1], one, name)
    columns = 2 if fig.get_figwidth() > 5 else 1
    ratios, kept = (one.get_legend_handles_labels() for one in axes[0])
    fig.legend(*ratios, loc="outside upper center", ncols=columns, handlelength=2.4)
    fig.legend(*kept, loc="outside lower center", ncols=columns, handlelength=2.4)
    return fig


def _draw_participation(axes: Axes, one: xr.Dataset, name: str) -> None:
    ratio = one["participation"].dropna("direction", how="any")
    x = ratio["direction"]
    axes.fill_between(x, ratio.min("seed"), ratio.max("seed"), color=style.COLOURS["blue"], alpha=0.2)
    axes.plot(x, ratio.mean("seed"), "o-", markersize=3, color=style.COLOURS["blue"], label="SVCCA directions")
    axes.axhline(
        float(one["participation_random"].mean()), color=style.COLOURS["vermillion"], linestyle="--",
        label="random directions of the layer",
    )  # fmt: skip
    live = float(one["live"].mean())
    axes.axhline((live + 2) / 3, color=style.MUTED, linestyle=":", label="random weights: (n + 2)/3")
    axes.set(xlabel="SVCCA direction", ylabel="participation ratio", ylim=(0, 0.75 * live))
    axes.set_title(f"{name}: {live:.0f} live units")


def _draw_kept(axes: Axes, one: xr.Dataset, name: str) -> None:
    looks = (("SVCCA", "blue", "o"), ("random", "vermillion", "s"))
    for of, colour, marker in looks:
        for how, dash in zip(HOW, ("--", "-"), strict=True):
            kept = one["kept"].sel(of=of, how=how).mean("seed").dropna("neurons")
            axes.plot(
                kept["neurons"], kept, color=style.COLOURS[colour], linestyle=dash, marker=marker, markersize=4,
                label=f"{of}, {how}",
            )  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.set_xticks([1, 2, 4, 8, 16, 32, 64], ["1", "2", "4", "8", "16", "32", "64"])
    axes.set(xlabel="m neurons", ylabel="correlation kept", ylim=(0, 1.03), title=name)


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    last = result.isel(layer=-1)
    ratio = float(last["participation"][:, :LEADING].mean())
    eight = last["kept"].sel(neurons=8).mean("seed")
    said = ", ".join(f"{float(eight.sel(of='SVCCA', how=how)):.2f} ({how})" for how in HOW)
    return (
        f"{result.sizes['seed']} networks on {result.attrs['data']}. In the layer “{last['layer'].item()}” of "
        f"{float(last['live'].mean()):.1f} live units the first {LEADING} SVCCA directions have a participation "
        f"ratio of {ratio:.1f} on average; random directions of the layer have "
        f"{float(last['participation_random'].mean()):.1f}. Eight neurons make a variate that correlates with "
        f"these directions at {said}."
    )


def refitted(result: xr.Dataset, correlation: float = 0.9) -> xr.DataArray:
    """The least m of the list with which refitted neurons reach that correlation, (seed, layer, of); else NaN."""
    return result["neurons"].where(result["kept"].sel(how="refitted") >= correlation).min("neurons")


def _leading(result: xr.Dataset) -> xr.DataArray:
    """Participation ratio of the leading SVCCA directions in parts of that of random weights, (seed, layer)."""
    return result["participation"].isel(direction=slice(LEADING)).mean("direction") / ((result["live"] + 2) / 3)


def _many(result: xr.Dataset) -> Evidence:
    most = result["participation"].isel(direction=slice(LEADING)).max("direction")
    share = (most / ((result["live"] + 2) / 3)).mean("layer")
    return Evidence(share.mean(), 0.5, 0, "≥", spread(share))


def _no_more(result: xr.Dataset) -> Evidence:
    drawn = result["participation_random"] / ((result["live"] + 2) / 3)
    more = (_leading(result) - drawn).mean("layer")
    return Evidence(more.mean(), 0, 0, "≤", spread(more))


def _few(result: xr.Dataset) -> Evidence:
    share = (refitted(result).sel(of="SVCCA") / result["live"]).fillna(1).mean("layer")
    return Evidence(share.mean(), 0.25, 0, "≤", spread(share))


def _easier(result: xr.Dataset) -> Evidence:
    half = result["kept"].where(result["neurons"] <= result["live"] / 2).sel(how="refitted").mean(("neurons", "layer"))
    gain = half.sel(of="SVCCA") - half.sel(of="random")
    return Evidence(gain.mean(), 0, 0, "≥", spread(gain))


CLAIMS = (
    Claim(
        "At least some SVCCA directions are distributed: of the first five, the one with the largest participation "
        "ratio has at least half of that of weights drawn at random, (n + 2)/3 (mean over layers).",
        LECTURE,
        _many,
    ),
    Claim(
        "... but on average these five are not more distributed than directions of the same layer drawn at random "
        "(difference, in the same unit).",
        "null model",
        _no_more,
    ),
    Claim(
        "Yet few neurons suffice: a quarter of the live units or fewer, weights refitted, make a variate that "
        "correlates at 0.9 with the first five directions (mean over layers).",
        "orthogonal matching pursuit",
        _few,
    ),
    Claim(
        "... and fewer than for directions of the same layer drawn at random (difference of correlation, weights "
        "refitted, mean over all m up to half the units).",
        "null model",
        _easier,
    ),
)

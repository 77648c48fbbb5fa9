"""Pairs of similar classes, named before anything was measured, and what is compared of them with other pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.ticker import MaxNLocator
from scipy.stats import rankdata, spearmanr
from sklearn.metrics import roc_auc_score

from layerlab.lab import style

SIMILAR = {
    "digits": ((4, 9), (7, 9), (3, 5), (3, 8)),
    "mnist": ((4, 9), (7, 9), (3, 5), (3, 8)),
    "fashion-mnist": ((0, 6), (2, 4), (5, 7), (7, 9), (5, 9)),  # T-shirt and shirt, pullover and coat, the shoes
    "cifar-10": ((3, 5), (1, 9), (4, 7), (0, 8)),  # cat and dog, car and truck, deer and horse, airplane and ship
}
RELABELLINGS = 2_000


def families(data: str) -> list[list[int]]:
    """Classes joined by similar pairs."""
    found: list[set[int]] = []
    for pair in SIMILAR[data]:
        touching = [family for family in found if family & set(pair)]
        found = [family for family in found if family not in touching] + [set(pair).union(*touching)]
    return sorted(sorted(family) for family in found)


def _upper(values: Any, classes: int) -> np.ndarray:
    """The entries of all pairs of classes: (..., pairs)."""
    return np.asarray(values)[(..., *np.triu_indices(classes, 1))]


def _similar(data: str, order: np.ndarray) -> np.ndarray:
    """Which of all pairs are similar once class i is called order[i]."""
    marked = np.zeros((len(order), len(order)), dtype=bool)
    for a, b in SIMILAR[data]:
        marked[order[a], order[b]] = marked[order[b], order[a]] = True
    return _upper(marked, len(order))


def closeness(distance: xr.DataArray, data: str) -> xr.DataArray:
    """For each network the probability that a similar pair is closer than another pair, (seed,); 1/2 by chance."""
    classes = distance.sizes["class"]
    similar = _similar(data, np.arange(classes))
    found = [roc_auc_score(similar, -each) for each in _upper(distance, classes)]
    return xr.DataArray(found, dims="seed")


def by_chance(distance: xr.DataArray, data: str, quantile: float = 0.95) -> float:
    """That quantile of the mean of `closeness` over networks if the classes were called by one another's names."""
    classes = distance.sizes["class"]
    ranks = np.zeros((classes, classes))
    ranks[np.triu_indices(classes, 1)] = rankdata(-_upper(distance, classes), axis=-1).mean(0)
    ranks += ranks.T
    names = np.random.default_rng(0).permuted(np.tile(np.arange(classes), (RELABELLINGS, 1)), axis=1)
    a, b = np.transpose(SIMILAR[data])
    total = ranks[names[:, a], names[:, b]].sum(-1)
    k = len(SIMILAR[data])
    pairs = classes * (classes - 1) // 2
    auc = (total - k * (k + 1) / 2) / (k * (pairs - k))  # Mann-Whitney
    return float(np.quantile(auc, quantile))


def mutual(confusion: xr.DataArray) -> xr.DataArray:
    """How often two classes are taken for each other: the mean of both directions."""
    back = confusion.rename({"class": "taken_for", "taken_for": "class"}).transpose(*confusion.dims)
    return (confusion + back.values) / 2


def follows_confusion(distance: xr.DataArray, confusion: xr.DataArray) -> xr.DataArray:
    """Spearman correlation, over all pairs, of closeness and mutual confusion, (seed,); 0 where nothing is confused."""
    classes = distance.sizes["class"]
    found = []
    for near, mixed in zip(-_upper(distance, classes), _upper(mutual(confusion), classes), strict=True):
        found.append(float(spearmanr(near, mixed).statistic) if np.ptp(mixed) > 0 else 0.0)
    return xr.DataArray(found, dims="seed")


def lead_of_the_lone(early: xr.DataArray, data: str) -> xr.DataArray:
    """By how much (seed, class) is larger for classes without a similar one than for the others, (seed,)."""
    paired = np.isin(np.arange(early.sizes["class"]), np.ravel(SIMILAR[data]))
    return early[:, ~paired].mean("class") - early[:, paired].mean("class")


def draw_profiles(axes: Any, known: xr.DataArray, data: str) -> None:
    """Each class's mean R through the layers; a colour for each family, grey for classes without one."""
    at, mean = np.arange(known.sizes["layer"]), known.mean("seed")
    names = known["class"].values
    every = families(data)
    for family, colour in zip(every, style.COLOURS.values(), strict=False):
        for i, dash in zip(family, style.DASHES, strict=False):
            axes.plot(at, mean[:, i], color=colour, linestyle=dash, linewidth=1.6, label=short(names[i]))
    lone = sorted(set(range(len(names))) - {i for family in every for i in family})
    for i in lone:
        label = "no partner" if i == lone[0] else None
        axes.plot(at, mean[:, i], color=style.MUTED, linestyle="-", linewidth=1.2, label=label)
    axes.set_title("class by class")


def short(name: str) -> str:
    """A class's name, short enough for an axis."""
    return str(name).split("/")[0]


def draw_distances(fig: Any, axes: Any, distance: xr.DataArray, data: str) -> None:
    """The matrix of distances, families side by side, similar pairs marked."""
    names = distance["class"].values
    order = [i for family in families(data) for i in family]
    order += [i for i in range(len(names)) if i not in order]
    image = axes.imshow(distance.values[np.ix_(order, order)], cmap="cividis_r")
    for a, b in SIMILAR[data]:
        places = order.index(a), order.index(b)
        axes.plot(places, places[::-1], marker="s", markersize=5, color="white", markeredgecolor="black", linestyle="")
    labels = [short(names[i]) for i in order]
    axes.set_xticks([])
    axes.set_yticks(range(len(names)), labels, fontsize=8)
    axes.grid(False)
    axes.set(title="distance of profiles", xlabel="class (□: named similar)", ylabel="class")
    fig.colorbar(image, ax=axes, label="difference of R", shrink=0.8, ticks=MaxNLocator(4))


def draw_confusion(axes: Any, distance: xr.DataArray, confusion: xr.DataArray, data: str) -> None:
    """Confusion against distance: a point for each pair, mean over networks."""
    classes = distance.sizes["class"]
    near = _upper(distance.mean("seed"), classes)
    mixed = 100 * _upper(mutual(confusion).mean("seed"), classes)
    similar = _similar(data, np.arange(classes))
    axes.plot(near[~similar], mixed[~similar], "o", color=style.MUTED, markersize=4, linestyle="", label="other pairs")
    axes.plot(
        near[similar], mixed[similar], "s", color=style.COLOURS["vermillion"], linestyle="", label="named similar"
    )
    axes.set(xlabel="distance of profiles", ylabel="taken for each other [%]", title="and confusion")
    axes.set_ylim(-0.04 * mixed.max(), 1.4 * mixed.max() or 1)  # room for the legend
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.legend(fontsize=9, loc="upper left", ncols=2, handletextpad=0.2, columnspacing=0.8)

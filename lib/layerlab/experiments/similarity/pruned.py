"""Pruned, or small from the start: networks of the same number of weights, come by in four ways.

Dense networks are trained, and all but a share of the weights of each layer, the largest in magnitude, are set to zero:
all at once ("one shot") or by halves ("iterative"), each time followed by further training of what is left. They are
held against networks that are trained from new weights with the masks of the latter ("same mask"), and against dense
networks so narrow that they have as many weights ("narrow"). Both begin with weights of variance 2/fan-in, the fan-in
being what the mask leaves. At each share all have taken the same number of steps.

Sources: lecture on understanding networks, "wide network v.s. narrow network"; S. Han et al. 2015; A. Morcos et al.
2018, section 3.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from layerlab import lab
from layerlab.arrays import to_numpy
from layerlab.data import Dataset
from layerlab.experiments.similarity._cost import training_work
from layerlab.experiments.similarity._distances import by_network, distances, units
from layerlab.experiments.similarity._groups import BATCH, DATA, RATE, Group, group, streams, untrained
from layerlab.experiments.similarity._pruning import magnitude_masks, small_width
from layerlab.lab import Claim, Evidence, choice, integer, spread, style

if TYPE_CHECKING:
    from layerlab.nets import MLP

LECTURE = "Lecture on understanding networks, “wide network v.s. narrow network”"
WAYS = ("iterative", "one shot", "same mask", "narrow")
ROUNDS = (1, 2, 3, 4, 5, 6)
KEPT = tuple(0.5**r for r in ROUNDS)
SAID = {
    "accuracy_train": "accuracy on training images",
    "accuracy_test": "test accuracy",
    "pwcca_parent": "PWCCA distance from the unpruned network",
    "cka_parent": "CKA distance from the unpruned network",
    "pwcca_within": "PWCCA distance from each other",
    "cka_within": "CKA distance from each other",
}
WIDTH, LAST = 64, 3  # of the large networks; the last hidden layer


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The large networks, and how long they and the others are trained."""

    data: str = choice("digits", "data", DATA)
    rows: int = integer(1_500, "training images", low=10, high=60_000, log=True, help="all, if there are fewer")
    epochs: int = integer(20, "epochs", low=1, high=1_000, log=True, help="before pruning")
    more: int = integer(5, "epochs a round", low=1, high=1_000, log=True, help="after each halving")
    seeds: int = integer(5, "networks", low=2, high=20)


GRID = (
    {"rows": (300,), "more": (10,)},
    {"data": ("digits", "mnist", "fashion-mnist"), "rows": (1_500,)},
)
# trainings in single precision differ between machines, and few weights fall either way
TOLERANCE = {
    "accuracy_train": (0, 0.12), "accuracy_test": (0, 0.12), "parent_accuracy": (0, 0.05), "weights": (0, 8),
    "pwcca_parent": (0, 0.12), "cka_parent": (0, 0.2), "pwcca_within": (0, 0.12), "cka_within": (0, 0.2),
    "pwcca_unpruned": (0, 0.06), "cka_unpruned": (0, 0.1),
}  # fmt: skip


def work(config: Config) -> float:
    """Epochs of all trainings."""
    epochs = config.epochs + sum(3 * config.epochs + 4 * r * config.more for r in ROUNDS)
    return 3e6 + 1.5 * training_work(config.data, "dense", config.rows, epochs, config.seeds)


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train and prune, train small, and compare."""
    parents = group(
        data=config.data, architecture="dense", width=WIDTH, rows=config.rows, epochs=config.epochs,
        seed=config.seed, seeds=config.seeds, device=device,
        progress=lambda done, total, note: progress(0.05 * done / total, 1, note),
    )  # fmt: skip
    data = parents.data
    like = units(parents.networks().activations(data.x_test))[LAST]
    shape = (len(WAYS), len(ROUNDS), config.seeds)
    found = {name: np.full(shape, np.nan) for name in SAID}
    weights = np.zeros(shape[:2], dtype=np.int64)
    nets, masks = parents.networks(), None
    for i, kept in enumerate(KEPT):
        masks = magnitude_masks(as_arrays(nets), kept, masks)
        for j, (way, each, chosen, epochs) in enumerate(_candidates(config, parents, nets, masks, i, device)):
            done = (i + j / len(WAYS)) / len(ROUNDS)
            progress(0.05 + 0.95 * done, 1, f"{way}, {kept:.1%} of the weights")
            found_train, found_test = _train(each, chosen, epochs, config, i, data)
            found["accuracy_train"][j, i], found["accuracy_test"][j, i] = found_train, found_test
            here = units(each.activations(data.x_test))[LAST]
            across, inside = distances(here, like), distances(here, here)
            for name in ("pwcca", "cka"):
                found[f"{name}_parent"][j, i] = np.diag(across[name])
                found[f"{name}_within"][j, i] = by_network(inside[name])
            weights[j, i] = sum(int((layer != 0).sum()) for layer in each.weights) // config.seeds
    progress(1, 1)
    where = ("way", "kept", "seed")
    values: dict[str, Any] = {
        name: (where, each.astype(np.float32), {"long_name": SAID[name]}) for name, each in found.items()
    }
    values["weights"] = (where[:2], weights, {"long_name": "weights that are not zero, mean of the networks"})
    values["parent_accuracy"] = ("seed", parents.accuracy_test[-1], {"long_name": "test accuracy, unpruned"})
    for name in ("pwcca", "cka"):
        apart = by_network(distances(like, like)[name])
        values[f"{name}_unpruned"] = ("seed", apart, {"long_name": f"{name} distance of unpruned networks"})
    return xr.Dataset(
        values,
        coords={
            "way": ("way", list(WAYS), {"long_name": "come by"}),
            "kept": ("kept", list(KEPT), {"long_name": "share of the weights"}),
        },
        attrs={
            "data_checksums": {config.data: data.checksum},
            "images_trained": len(data.x_train),
            "images_measured": len(data.x_test),
            "source": data.source,
        },
    )


def _candidates(
    config: Config, parents: Group, nets: MLP, masks: list[np.ndarray], i: int, device: str
) -> Iterator[tuple[str, MLP, list[np.ndarray] | None, int]]:
    """The way, networks, masks and epochs that are still to come, in the order of WAYS."""
    more, data = ROUNDS[i] * config.more, parents.data
    yield "iterative", nets, masks, config.more
    first = parents.networks()
    yield "one shot", first, magnitude_masks(as_arrays(first), KEPT[i]), more
    fresh = streams(config.seed, 2 * config.seeds)[config.seeds :]
    sparse = untrained(data, "dense", WIDTH, fresh, device)
    for each in sparse.weights:
        each.mul_(KEPT[i] ** -0.5)  # variance 2 / fan-in of the fan-in that is left
    yield "same mask", sparse, masks, config.epochs + more
    width = small_width(data.dimension, data.classes, WIDTH, KEPT[i])
    yield "narrow", untrained(data, "dense", width, fresh, device), None, config.epochs + more


def as_arrays(networks: MLP) -> list[np.ndarray]:
    """The weights of each layer, (N, in, out)."""
    return [to_numpy(each) for each in networks.weights]


def _train(
    networks: MLP, masks: list[np.ndarray] | None, epochs: int, config: Config, i: int, data: Dataset
) -> tuple[np.ndarray, np.ndarray]:
    """Trains in place as the groups are trained; accuracies (N,) on training and test images."""
    from layerlab.training import TrainingConfig, train

    history = train(
        networks, data.x_train, data.y_train,
        TrainingConfig(optimizer="momentum", learning_rate=RATE, batch_size=BATCH, epochs=epochs),
        seeds=[orders.spawn(i + 1)[i] for _, orders, _ in streams(config.seed, config.seeds)],
        masks=masks, record_at=[epochs],
        evaluate={"train": (data.x_train, data.y_train), "test": (data.x_test, data.y_test)},
    )  # fmt: skip
    if history.diverged.any():
        raise ValueError("the training of a pruned network diverged")
    return history.accuracy["train"][-1], history.accuracy["test"][-1]


LOOKS = {
    "iterative": ("pruned, by halves", "blue", "o"),
    "one shot": ("pruned, at once", "purple", "^"),
    "same mask": ("same mask, anew", "vermillion", "s"),
    "narrow": ("narrow", "green", "D"),
}


def plot(result: xr.Dataset) -> Figure:
    """Test accuracy, distance to the parent, and distance from each other, against the share of weights kept."""
    fig, axes = style.figure(2, 2, height=6.0)
    at = 100 * result["kept"].values
    panels = (("accuracy_test", "parent_accuracy"), ("pwcca_parent", "pwcca_unpruned"),
              ("cka_parent", "cka_unpruned"), ("pwcca_within", "pwcca_unpruned"))  # fmt: skip
    titles = ("test accuracy", "from the parent, PWCCA", "from the parent, CKA", "from each other, PWCCA")
    for panel, (name, baseline), title in zip(axes.flat, panels, titles, strict=True):
        for way, (label, colour, marker) in LOOKS.items():
            here, shade = result[name].sel(way=way), style.COLOURS[colour]
            panel.plot(at, here.mean("seed"), color=shade, marker=marker, linestyle="-", label=label)
            panel.fill_between(at, here.min("seed"), here.max("seed"), color=shade, alpha=0.15)
        panel.axhline(float(result[baseline].mean()), color=style.MUTED, linestyle="--", label="unpruned")
        panel.set_xscale("log")
        panel.set_xticks(at, [f"{share:.3g}" for share in at])
        panel.xaxis.set_minor_locator(NullLocator())
        panel.invert_xaxis()
        panel.set(xlabel="weights kept [%]", ylabel="accuracy" if name == "accuracy_test" else "distance", title=title)
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, handlelength=1.8)
    return fig


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    mean = result["accuracy_test"].mean("seed")
    said = "; ".join(
        f"{kept:.1%}: " + ", ".join(f"{float(mean.sel(kept=kept, way=way)):.3f}" for way in WAYS) for kept in KEPT
    )
    return (
        f"{result.sizes['seed']} networks of {WIDTH} units a layer on {result.attrs['images_trained']} images of "
        f"{result.attrs['data']}; test accuracy {float(result['parent_accuracy'].mean()):.3f}. With fewer weights, "
        f"by halves, at once, with the same mask, and narrow: {said}."
    )


def ahead(result: xr.Dataset, over: str, way: str = "iterative") -> xr.DataArray:
    """By how much the mean test accuracy of one kind of networks exceeds that of another, (kept, seed)."""
    return result["accuracy_test"].sel(way=way) - result["accuracy_test"].sel(way=over)


def _than_narrow(result: xr.Dataset) -> Evidence:
    more = ahead(result, "narrow").sel(kept=list(KEPT[2:5])).mean("kept")
    return Evidence(more.mean(), 0, 0, "≥", spread(more))


def _than_same_mask(result: xr.Dataset) -> Evidence:
    more = ahead(result, "same mask").sel(kept=list(KEPT[2:5])).mean("kept")
    return Evidence(more.mean(), 0, 0, "≥", spread(more))


def _half(result: xr.Dataset) -> Evidence:
    more = ahead(result, "narrow").sel(kept=0.5)
    return Evidence(more.mean(), 0.01, 0, "≥", spread(more))


def _by_halves(result: xr.Dataset) -> Evidence:
    more = ahead(result, "one shot").sel(kept=list(KEPT[2:5])).mean("kept")
    return Evidence(more.mean(), 0, 0, "≥", spread(more))


def _parent(result: xr.Dataset) -> Evidence:
    here = result["pwcca_parent"].sel(way="iterative", kept=0.25)
    return Evidence(here.mean(), result["pwcca_unpruned"].mean(), 0, "≤", spread(here))


CLAIMS = (
    Claim(
        "Networks trained from the start with fewer weights are poorer than pruned ones: with 1/8 to 1/32 of the "
        "weights, mean test accuracy pruned by halves less that of narrow networks.",
        LECTURE,
        _than_narrow,
    ),
    Claim(
        "It is not the shape: networks pruned by halves less networks trained from new weights with the same masks "
        "(1/8 to 1/32, mean test accuracy).",
        LECTURE,
        _than_same_mask,
    ),
    Claim(
        "The same with half of the weights, by a point of accuracy or more.",
        LECTURE,
        _half,
        disputed="on digits and MNIST all are as good with half of the weights",
    ),
    Claim(
        "Pruning by halves is better than pruning at once (1/8 to 1/32 of the weights, mean test accuracy).",
        "S. Han et al. 2015",
        _by_halves,
    ),
    Claim(
        "With a quarter of its weights left, a network is nearer to its parent than unpruned networks are to each "
        "other (PWCCA, last hidden layer).",
        "observation",
        _parent,
    ),
)

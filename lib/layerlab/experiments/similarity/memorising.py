"""Do networks that generalise agree more than networks that memorise? PWCCA, CCA and CKA, layer by layer.

Three groups of networks begin with the same weights: one learns the true labels, one random labels that are the same
for all of its networks, one random labels that each network has for itself. Within each group, and between the first
two, every network is compared with every other but the one of its own number, on images that nobody was trained on and
on those that all were trained on. Before training, and with one network's images shuffled, is what they are held
against. Of a convolution the mean of each filter over the image is taken, of the output the probabilities.

Sources: A. Morcos, M. Raghu, S. Bengio 2018, section 3.1; lecture on understanding networks, "generalization v.s.
memorization".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from layerlab import lab
from layerlab.experiments.similarity._cost import training_work
from layerlab.experiments.similarity._distances import SAID, by_network, distances, units
from layerlab.experiments.similarity._groups import LAYERS
from layerlab.experiments.similarity._labels import Settings, labelled
from layerlab.lab import Claim, Evidence, spread, style

MORCOS = "A. Morcos et al. 2018, section 3.1"
PAIRS = ("true", "same random", "own random", "true and random", "untrained", "shuffled")
IMAGES = ("new", "trained on")
FITTED = 0.95  # of the training labels, by the worst network: less, and a group has not memorised


@dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """The networks, and how long they have for labels that make no sense."""


GRID = (
    {"architecture": ("dense",)},
    {"data": ("digits", "fashion-mnist"), "architecture": ("conv",), "epochs": (60,)},
    {"data": ("mnist",), "rows": (1_000,)},
)
# trainings in single precision differ between machines, and what was memorised more than what was learnt
TOLERANCE = {
    "pwcca": (0, 0.08), "cca": (0, 0.08), "cka": (0, 0.12), "accuracy_train": (0, 0.03), "accuracy_test": (0, 0.06),
}  # fmt: skip


def work(config: Config) -> float:
    """The three trainings, and some thousand decompositions."""
    return 2e6 + 3 * training_work(config.data, config.architecture, config.rows, config.epochs, config.seeds)


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train the three groups, and measure."""
    asked = {"true": (0.0, True), "same random": (1.0, False), "own random": (1.0, True)}
    groups = {name: labelled(config, *each, device, _part(progress, i)) for i, (name, each) in enumerate(asked.items())}
    data = groups["true"].data
    count = min(len(data.x_train), len(data.x_test))
    found = np.full((len(SAID), len(IMAGES), len(PAIRS), 5, config.seeds), np.nan)
    for i, x in enumerate((data.x_test[:count], data.x_train[:count])):
        progress(0.9 + 0.05 * i, 1, f"images: {IMAGES[i]}")
        after = {name: units(each.activations(x)) for name, each in groups.items()}
        before = units(groups["true"].activations(x, 0))
        order = np.random.default_rng(config.seed).permutation(count)
        for layer, true in enumerate(after["true"]):
            sides = [(each[layer], each[layer]) for each in after.values()]
            sides += [(true, after["same random"][layer]), (before[layer], before[layer]), (true, true[:, order])]
            for j, side in enumerate(sides):
                found[:, i, j, layer] = [by_network(each) for each in distances(*side).values()]
    progress(1, 1)
    where = ("images", "pair", "layer", "seed")
    values: dict[str, Any] = {
        name: (where, each.astype(np.float32), {"long_name": said, "units": "1 less similarity"})
        for (name, said), each in zip(SAID.items(), found, strict=True)
    }
    for on, said in (("train", "the labels they were given"), ("test", "the true labels of new images")):
        accuracy = [getattr(each, f"accuracy_{on}")[-1] for each in groups.values()]
        values[f"accuracy_{on}"] = (("group", "seed"), np.array(accuracy), {"long_name": f"accuracy on {said}"})
    return xr.Dataset(
        values,
        coords={
            "images": ("images", list(IMAGES), {"long_name": "images"}),
            "pair": ("pair", list(PAIRS), {"long_name": "pairs of networks"}),
            "layer": ("layer", [*LAYERS[config.architecture][:-1], "softmax"], {"long_name": "layer"}),
            "group": ("group", list(asked), {"long_name": "labels"}),
        },
        attrs={
            "data_checksums": {config.data: data.checksum},
            "images_trained": len(data.x_train),
            "images_measured": count,
            "source": data.source,
        },
    )


def _part(progress: lab.Progress, i: int) -> Callable[[float, float, str], object]:
    return lambda done, total, note: progress(0.3 * (i + done / total), 1, f"group {i + 1} of 3, {note}")


LOOKS = {
    "true": ("true labels", style.COLOURS["blue"], "o", "-"),
    "same random": ("same random", style.COLOURS["vermillion"], "s", "-"),
    "own random": ("own random", style.COLOURS["purple"], "^", "-"),
    "true and random": ("true, random", style.COLOURS["green"], "D", (0, (4, 2))),
    "untrained": ("untrained", style.MUTED, "", "--"),
    "shuffled": ("shuffled", style.MUTED, "", ":"),
}


def plot(result: xr.Dataset) -> Figure:
    """PWCCA above, CKA below; new images on the left, those that were trained on at the right."""
    fig, axes = style.figure(2, 2, height=6.0)
    at = np.arange(result.sizes["layer"])
    for row, name in zip(axes, ("pwcca", "cka"), strict=True):
        for panel, images in zip(row, IMAGES, strict=True):
            for pair, (label, colour, marker, dash) in LOOKS.items():
                here = result[name].sel(images=images, pair=pair)
                panel.plot(at, here.mean("seed"), color=colour, marker=marker, linestyle=dash, label=label)
                panel.fill_between(at, here.min("seed"), here.max("seed"), color=colour, alpha=0.15)
            said = "new images" if images == "new" else "images they were trained on"
            panel.set(ylim=(-0.03, 1.05), ylabel=SAID[name], title=said, xticks=at, xlabel="layer")
            panel.set_xticks(at, ["1", "2", "3", "4", "output"])
    fig.legend(
        *axes[0, 0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=3,
        handlelength=1.6,
        columnspacing=1.2,
    )
    return fig


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    last = result["pwcca"].isel(layer=3).mean("seed")
    said = "; ".join(
        f"on {'new images' if images == 'new' else 'those trained on'} "
        + ", ".join(f"{pair} {float(last.sel(images=images, pair=pair)):.2f}" for pair in PAIRS)
        for images in IMAGES
    )
    return (
        f"Three groups of {result.sizes['seed']} {result.attrs['architecture']} networks on "
        f"{result.attrs['images_trained']} images of {result.attrs['data']}. Accuracy on random labels that are "
        f"the same for all: {float(result['accuracy_train'].sel(group='same random').mean()):.3f}. "
        f"PWCCA distance of layer 4, {said}."
    )


def memorised(result: xr.Dataset) -> bool:
    """Whether every network fits the labels it was given."""
    return bool(result["accuracy_train"].min() >= FITTED)


def gap(
    result: xr.Dataset, layer: int, images: str = "new", over: str = "true", pair: str = "same random"
) -> xr.DataArray:
    """By how much the PWCCA distance of one kind of pairs exceeds that of another, (seed,)."""
    here = result["pwcca"].isel(layer=layer).sel(images=images)
    return here.sel(pair=pair) - here.sel(pair=over)


def _more_alike(result: xr.Dataset) -> Evidence | None:
    if not memorised(result):
        return None
    more = gap(result, 3)
    return Evidence(more.mean(), 0, 0, "≥", spread(more))


def _early(result: xr.Dataset) -> Evidence | None:
    if not memorised(result):
        return None
    first = gap(result, 0)
    return Evidence(abs(first.mean()), gap(result, 3).mean() / 2, 0, "≤", spread(first))


def _as_far(result: xr.Dataset) -> Evidence | None:
    if not memorised(result):
        return None
    beyond = gap(result, 3, over="same random", pair="true and random")
    return Evidence(beyond.mean(), 0, 0.03, "≈", spread(beyond))


def _outputs(result: xr.Dataset) -> Evidence | None:
    if not memorised(result):
        return None
    there, here = (result["pwcca"].isel(layer=4).sel(pair="same random", images=images) for images in IMAGES)
    return Evidence((here / there).mean(), 0.5, 0, "≤", spread(here / there))


def _strangers(result: xr.Dataset) -> Evidence | None:
    if not memorised(result):
        return None
    output = result["pwcca"].isel(layer=4).sel(images="trained on")
    lost = output.sel(pair="own random") / output.sel(pair="shuffled")
    return Evidence(lost.mean(), 1, 0.1, "≈", spread(lost))


CLAIMS = (
    Claim(
        "Networks that generalise are more alike than networks that memorise the same random labels: PWCCA distance of "
        "the last hidden layer on new images, the second less the first.",
        MORCOS,
        _more_alike,
    ),
    Claim(
        "In the first layer they are equally alike: the difference is less than half of that in the last hidden layer.",
        MORCOS,
        _early,
    ),
    Claim(
        "Two networks that memorise are as far from each other as one that memorises is from one that generalises "
        "(last hidden layer, new images; the second less the first).",
        MORCOS,
        _as_far,
        disputed="they are further from each other than from a network that generalises, by a twentieth on digits",
    ),
    Claim(
        "Outputs of networks that memorised the same labels agree on the images that they were trained on, and not on "
        "new ones: the distance of the first in parts of the second, at most half.",
        MORCOS,
        _outputs,
    ),
    Claim(
        "Outputs of networks that memorised labels of their own are as far apart as chance has it, on the very images "
        "that they were trained on: their distance in parts of that of shuffled images.",
        "independent targets",
        _strangers,
    ),
)

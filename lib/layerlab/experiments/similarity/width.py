"""Are wide networks more alike than narrow ones? Similarity of networks of one width, and what of it is counting.

Groups of networks that differ in their width only, trained on the same data for as long, are compared within each
group: PWCCA, CCA and CKA, on images that nobody was trained on. Canonical correlations rise with the number of units by
counting alone, so three things stand beside them: the same networks before training, one network's images shuffled,
and as few units of every network, drawn at random, as the narrowest has.

Sources: A. Morcos, M. Raghu, S. Bengio 2018, section 3.2; lecture on understanding networks, "wide network v.s. narrow
network".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from layerlab import lab
from layerlab.experiments.similarity._cost import training_work
from layerlab.experiments.similarity._distances import SAID, by_network, distances, units
from layerlab.experiments.similarity._groups import DATA, LAYERS, chosen_rows, group
from layerlab.lab import Claim, Evidence, choice, integer, spread, style

MORCOS = "A. Morcos et al. 2018, section 3.2"
WIDTHS = (8, 16, 32, 64, 128, 256)
CASES = ("trained", "untrained", "shuffled", "eight units")
FEW = 8  # units of every network in the last case


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """What dense networks of every width are trained on."""

    data: str = choice("digits", "data", DATA)
    rows: int = integer(1_500, "training images", low=10, high=60_000, log=True, help="all, if there are fewer")
    epochs: int = integer(20, "epochs", low=1, high=1_000, log=True)
    seeds: int = integer(5, "networks", low=2, high=20)


GRID = (
    {"rows": (300, 1_500)},
    {"data": ("mnist", "fashion-mnist"), "rows": (2_000,)},
)
# trainings in single precision differ between machines
TOLERANCE = {"pwcca": (0, 0.06), "cca": (0, 0.06), "cka": (0, 0.1), "accuracy_train": (0, 0.05),
             "accuracy_test": (0, 0.05)}  # fmt: skip


def work(config: Config) -> float:
    """The trainings; that of the widest counts most."""
    return 4e6 + 12 * training_work(config.data, "dense", config.rows, config.epochs, config.seeds)


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train a group for each width, and compare its networks."""
    found = np.full((len(SAID), len(WIDTHS), len(CASES), 5, config.seeds), np.nan)
    accuracy = np.full((2, len(WIDTHS), config.seeds), np.nan)
    rng = np.random.default_rng(config.seed)
    data = chosen_rows(config.data, config.rows)
    x = data.x_test
    for i, width in enumerate(WIDTHS):
        each = group(
            data=config.data, architecture="dense", width=width, rows=config.rows, epochs=config.epochs,
            seed=config.seed, seeds=config.seeds, device=device, progress=_part(progress, i),
        )  # fmt: skip
        accuracy[:, i] = each.accuracy_train[-1], each.accuracy_test[-1]
        trained, before = units(each.activations(x)), units(each.activations(x, 0))
        order = rng.permutation(len(x))
        for layer, here in enumerate(trained):
            few = here[:, :, rng.permutation(here.shape[-1])[:FEW]]
            sides = ((here, here), (before[layer], before[layer]), (here, here[:, order]), (few, few))
            for j, side in enumerate(sides):
                found[:, i, j, layer] = [by_network(values) for values in distances(*side).values()]
    progress(1, 1)
    where = ("width", "case", "layer", "seed")
    values: dict[str, Any] = {
        name: (where, each.astype(np.float32), {"long_name": said, "units": "1 less similarity"})
        for (name, said), each in zip(SAID.items(), found, strict=True)
    }
    for on, right in zip(("train", "test"), accuracy, strict=True):
        values[f"accuracy_{on}"] = (("width", "seed"), right, {"long_name": f"accuracy on {on} images"})
    return xr.Dataset(
        values,
        coords={
            "width": ("width", list(WIDTHS), {"long_name": "units in each hidden layer"}),
            "case": ("case", list(CASES), {"long_name": "what is compared"}),
            "layer": ("layer", [*LAYERS["dense"][:-1], "softmax"], {"long_name": "layer"}),
        },
        attrs={
            "data_checksums": {config.data: data.checksum},
            "images_trained": len(data.x_train),
            "images_measured": len(data.x_test),
            "source": data.source,
        },
    )


def _part(progress: lab.Progress, i: int) -> Callable[[float, float, str], object]:
    cost = np.cumsum([0.0, *np.square(WIDTHS)])
    start, end = cost[i] / cost[-1], cost[i + 1] / cost[-1]
    return lambda done, total, note: progress(start + (end - start) * done / total, 1, f"width {WIDTHS[i]}, {note}")


LOOKS = {
    "trained": ("trained", style.COLOURS["blue"], "o", "-"),
    "untrained": ("untrained", style.MUTED, "", "--"),
    "shuffled": ("shuffled", style.MUTED, "", ":"),
    "eight units": ("eight units of each", style.COLOURS["vermillion"], "s", "-"),
}


def plot(result: xr.Dataset) -> Figure:
    """The last hidden layer by three measures, and the PWCCA distance against the test accuracy."""
    fig, axes = style.figure(2, 2, height=6.0)
    at = result["width"].values
    for panel, (name, said) in zip(axes.flat, SAID.items(), strict=False):
        for case, (label, colour, marker, dash) in LOOKS.items():
            here = result[name].sel(case=case).isel(layer=3)
            panel.plot(at, here.mean("seed"), color=colour, marker=marker, linestyle=dash, label=label)
            panel.fill_between(at, here.min("seed"), here.max("seed"), color=colour, alpha=0.15)
        panel.set_xscale("log", base=2)
        panel.set_xticks(at, [str(w) for w in at])
        panel.xaxis.set_minor_locator(NullLocator())
        panel.set(xlabel="units in each hidden layer", ylabel=said, ylim=(-0.03, 1.05))
    axes[0, 0].set_title(f"{result.attrs['data']}, last hidden layer")
    last = axes[1, 1]
    shades = mpl.colormaps["cividis"](np.linspace(0.28, 0.9, len(WIDTHS)))
    here = result["pwcca"].sel(case="trained").isel(layer=3)
    for width, shade in zip(WIDTHS, shades, strict=True):
        accuracy = result["accuracy_test"].sel(width=width)
        last.plot(accuracy, here.sel(width=width), marker="o", linestyle="", color=shade, label=str(width))
    last.set(xlabel="test accuracy", ylabel=SAID["pwcca"], title="each network, by width")
    last.legend(ncols=2, handlelength=0.8, columnspacing=0.8, loc="best")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, handlelength=2.2)
    return fig


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    here = result["pwcca"].isel(layer=3).mean("seed")
    said = "; ".join(
        f"{width}: " + ", ".join(f"{float(here.sel(width=width, case=case)):.2f}" for case in CASES) for width in WIDTHS
    )
    return (
        f"{result.sizes['seed']} dense networks of each width on {result.attrs['images_trained']} images of "
        f"{result.attrs['data']}. PWCCA distance of the last hidden layer on {result.attrs['images_measured']} new "
        f"images by width, for networks trained, untrained, with images shuffled, and by eight units of each. {said}."
    )


def fall(result: xr.Dataset, case: str, name: str = "pwcca") -> xr.DataArray:
    """By how much the distance of the last hidden layer falls from the narrowest networks to the widest, (seed,)."""
    here = result[name].sel(case=case).isel(layer=3)
    return here.isel(width=0) - here.isel(width=-1)


def _wider(result: xr.Dataset) -> Evidence:
    less = fall(result, "trained")
    return Evidence(less.mean(), 0, 0, "≥", spread(less))


def _counting(result: xr.Dataset) -> Evidence:
    shuffled = 1 - result["cca"].sel(case="shuffled").isel(layer=3)
    excess = (shuffled - np.sqrt(result["width"] / (result.attrs["images_measured"] - 1))).max("width")
    return Evidence(excess.mean(), 0, 0.02, "≤", spread(excess))


def _by_cka(result: xr.Dataset) -> Evidence:
    less = fall(result, "trained", "cka")
    return Evidence(less.mean(), 0, 0, "≥", spread(less))


def _by_training(result: xr.Dataset) -> Evidence:
    more = fall(result, "trained") - fall(result, "untrained")
    return Evidence(more.mean(), 0, 0, "≥", spread(more))


def _few(result: xr.Dataset) -> Evidence:
    less = fall(result, "eight units")
    return Evidence(less.mean(), 0, 0, "≥", spread(less))


def _accuracy(result: xr.Dataset) -> Evidence:
    here = result["pwcca"].sel(case="trained").isel(layer=3)
    r = np.corrcoef(here.values.ravel(), result["accuracy_test"].transpose(*here.dims).values.ravel())[0, 1]
    return Evidence(r, -0.8, 0, "≤")


CLAIMS = (
    Claim(
        "Wider networks are more alike: PWCCA distance of the last hidden layer, narrowest less widest.",
        MORCOS,
        _wider,
        disputed="on digits they are, on MNIST barely, on Fashion-MNIST it is the other way round",
    ),
    Claim(
        "Chance alone comes to a mean correlation of at most √(w/(n−1)) for w units and n images, which grows with w "
        "(largest excess, images shuffled).",
        "Jensen's inequality and E ρ² = w/(n−1)",
        _counting,
    ),
    Claim(
        "By CKA, which chance does not raise, wider networks are more alike as well (narrowest less widest).",
        "S. Kornblith et al. 2019",
        _by_cka,
    ),
    Claim(
        "It is training that brings the wide together: their PWCCA distance falls further with the width than that of "
        "untrained networks.",
        "what the question supposes",
        _by_training,
        disputed="untrained networks come together faster as they widen",
    ),
    Claim(
        "It is not the number of units: with eight units of every network the widest are still more alike than the "
        "narrowest (PWCCA).",
        MORCOS + ", with 128 filters",
        _few,
        disputed="on MNIST and Fashion-MNIST they are less alike, on all the digits it makes no difference",
    ),
    Claim(
        "Networks that agree are right: the correlation of PWCCA distance and test accuracy over all networks is -0.8 "
        "or less.",
        MORCOS + ", where it is -0.96",
        _accuracy,
        disputed="on MNIST the distance hardly changes while the accuracy rises, on Fashion-MNIST both rise",
    ),
)

"""SVCCA of the same layer of two networks, step by step.

The layers of two networks that differ in their seeds only are compared on images that neither was trained on: the
singular values of each, where either meaning of the threshold cuts them, the canonical coefficients with and without
the cut, and how much the similarity changes when one layer goes through a map that takes no information from it. The
control is the same pair with one network's images shuffled. Of a convolution every position is a sample.

Sources: M. Raghu et al., SVCCA, NeurIPS 2017; lecture on understanding networks, "SVCCA".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from scipy.stats import ortho_group

from layerlab import lab
from layerlab.experiments.similarity._cost import training_work
from layerlab.experiments.similarity._groups import ARCHITECTURES, DATA, LAYERS, group
from layerlab.experiments.similarity._reading import (
    CUTS,
    cut,
    padded,
    samples_by_units,
)
from layerlab.lab import Claim, Evidence, choice, integer, real, spread, style
from layerlab.similarity import Basis, basis, cca

MAPS = ("permutation", "rotation", "one factor", "unit factors", "affine")
EXACT = 1e-6  # a change of similarity by rounding: single-precision activations, maps of condition 100
CUT_COLOURS = dict(zip(CUTS, (style.COLOURS[name] for name in ("blue", "vermillion", "green")), strict=True))
SOURCE = "M. Raghu et al. 2017"


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The networks, the layer, and the threshold."""

    data: str = choice("digits", "data", DATA)
    architecture: str = choice("conv", "architecture", ARCHITECTURES)
    layer: int = integer(4, "layer", low=1, high=5, help="1 the first above the input, 5 the output")
    rows: int = integer(1_500, "training images", low=10, high=60_000, log=True, help="all, if there are fewer")
    epochs: int = integer(20, "epochs", low=1, high=200, log=True)
    keep: float = real(0.99, "threshold", low=0.5, high=1, help="share of the whole that the cut keeps")
    seeds: int = integer(5, "networks", low=2, high=20)


GRID = (
    {"architecture": ("dense", "conv"), "layer": (2, 4)},
    {"data": ("mnist", "fashion-mnist"), "rows": (10_000,), "layer": (4,)},
    {"data": ("cifar-10",), "rows": (10_000,), "epochs": (30,), "layer": (2, 4)},
)
# trainings in single precision differ a little between machines
_SMALL = (0.1, 0.03)
TOLERANCE = {
    "values": (0.2, 0.01), "kept": (0, 4), "coefficients": (0.2, 0.1, 0.02), "shuffled": (0.2, 0.1, 0.02),
    "similarity": _SMALL, "similarity_shuffled": _SMALL, "change": (1, 0.03), "accuracy": (0, 0.03),
}  # fmt: skip


def work(config: Config) -> float:
    """The training, and some decompositions for each pair."""
    training = training_work(config.data, config.architecture, config.rows, config.epochs, config.seeds)
    return training + 2e4 * config.seeds


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train the networks, and take each network's layer and the next one's through the steps."""
    found = group(
        data=config.data, architecture=config.architecture, rows=config.rows, epochs=config.epochs,
        seed=config.seed, seeds=config.seeds, device=device,
        progress=lambda done, total, note: progress(0.8 * done / total, 1, note),
    )  # fmt: skip
    x = found.data.x_test
    activations = found.activations(x)[config.layer - 1]
    layers = samples_by_units(activations)
    bases = [basis(layer) for layer in layers]
    rows = []
    for i, stream in enumerate(config.streams()):
        progress(0.8 + 0.2 * i / config.seeds, 1, f"pair {i + 1} of {config.seeds}")
        rng, j = np.random.default_rng(stream), (i + 1) % config.seeds
        shuffled = basis(samples_by_units(activations[j : j + 1, rng.permutation(len(x))])[0])
        rows.append(steps(layers[i], bases[i], bases[j], shuffled, config.keep, rng))
    progress(1, 1)
    return _dataset(config, found, x, layers, rows)


def steps(
    x: np.ndarray, bx: Basis, by: Basis, shuffled: Basis, keep: float, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """All that is measured of one pair of layers; every array begins with the axis of the cuts where it has one."""
    size = x.shape[-1]
    pairs = [cca(cut(bx, name, keep), cut(by, name, keep)) for name in CUTS]
    chance = [cca(cut(bx, name, keep), cut(shuffled, name, keep)) for name in CUTS]
    similar = np.array([pair.similarity for pair in pairs])
    turned = [basis(changed(x, name, rng)) for name in MAPS]
    after = [[cca(cut(b, name, keep), cut(by, name, keep)).similarity for name in CUTS] for b in turned]
    return {
        "values": padded(bx.values / bx.values[0], len(bx.values), size),
        "kept": np.array([float(cut(bx, name, keep).rank) for name in CUTS]),
        "coefficients": np.array([padded(pair.coefficients, pair.count, size) for pair in pairs]),
        "shuffled": np.array([padded(pair.coefficients, pair.count, size) for pair in chance]),
        "similarity": similar,
        "similarity_shuffled": np.array([pair.similarity for pair in chance]),
        "change": abs(np.array(after) - similar),
    }


def changed(x: np.ndarray, name: str, rng: np.random.Generator) -> np.ndarray:
    """A layer (samples, units) after one of `MAPS`, drawn at random; all of them can be undone.

    "unit factors" multiplies each unit by a positive number of its own, e to a standard normal one: of a ReLU layer it
    can be undone in the weights that follow, so that the network computes what it did. "affine" stretches along random
    directions, by factors between 0.1 and 10, and adds a constant.
    """
    units = x.shape[-1]
    if name == "permutation":
        return x[:, rng.permutation(units)]
    if name == "one factor":
        return x * np.exp(rng.standard_normal())
    if name == "unit factors":
        return x * np.exp(rng.standard_normal(units))
    turn, back = ortho_group.rvs(units, size=2, random_state=rng)
    if name == "rotation":
        return x @ turn
    return x @ (turn * np.logspace(-1, 1, units)) @ back + rng.standard_normal(units)


LABELS = {
    "values": (("direction",), "singular value, in parts of the largest"),
    "kept": (("cut",), "directions kept"),
    "coefficients": (("cut", "direction"), "canonical coefficient"),
    "shuffled": (("cut", "direction"), "canonical coefficient, images shuffled"),
    "similarity": (("cut",), "mean coefficient"),
    "similarity_shuffled": (("cut",), "mean coefficient, images shuffled"),
    "change": (("map", "cut"), "change of the mean coefficient"),
}


def _dataset(
    config: Config, found: Any, x: np.ndarray, layers: np.ndarray, rows: list[dict[str, np.ndarray]]
) -> xr.Dataset:
    values = {
        name: (("seed", *dims), np.array([row[name] for row in rows]), {"long_name": said})
        for name, (dims, said) in LABELS.items()
    }
    values["accuracy"] = (("seed",), found.accuracy_test[-1], {"long_name": "accuracy on test images"})
    return xr.Dataset(
        values,
        coords={
            "cut": ("cut", list(CUTS), {"long_name": "cut by"}),
            "map": ("map", list(MAPS), {"long_name": "map of one layer"}),
            "direction": ("direction", np.arange(1, layers.shape[-1] + 1), {"long_name": "direction, in order"}),
        },
        attrs={
            "data_checksums": {config.data: found.data.checksum},
            "layer_name": LAYERS[config.architecture][config.layer - 1],
            "images_measured": len(x),
            "samples": layers.shape[1],
        },
    )


def plot(result: xr.Dataset) -> Figure:
    """Singular values and where they are cut; coefficients; their means; what changes them."""
    fig, axes = style.figure(2, 2, height=6.6)
    (spectrum, coefficients), (means, maps) = axes
    draw_spectrum(spectrum, result)
    for name in CUTS:
        here, colour = result.sel(cut=name), CUT_COLOURS[name]
        for variable, dash in (("coefficients", "-"), ("shuffled", ":")):
            line = here[variable].mean("seed")  # where every pair has a coefficient
            line = line.where(here[variable].notnull().all("seed"))
            coefficients.plot(result["direction"], line, dash, color=colour, label=_said(name) if dash == "-" else None)
    coefficients.set(xlabel="direction, in order", ylabel="coefficient ρ", ylim=(0, 1.02), title="Coefficients")
    _draw_means(means, result)
    _draw_changes(maps, result)
    coefficients.plot([], [], ":", color=style.MUTED, label="images shuffled")
    fig.legend(*coefficients.get_legend_handles_labels(), loc="outside lower center", ncols=2, title="cut by")
    return fig


def draw_spectrum(axes: Any, result: xr.Dataset) -> None:
    """The singular values of every network's layer on a logarithmic axis, with both cuts."""
    values = result["values"]
    floor = 1e-4
    for one in values:
        axes.plot(result["direction"], one.where(one > floor), "-", color=style.COLOURS["blue"], linewidth=1)
    for name in CUTS[1:]:
        kept = float(result["kept"].sel(cut=name).mean())
        axes.axvline(kept, color=CUT_COLOURS[name], linewidth=1.6, linestyle="--", label=f"{_said(name)}: {kept:.1f}")
    name = f"{result.attrs['data']}, {result.attrs['layer_name']}"
    axes.set(xlabel="direction, in order", ylabel="singular value / largest", yscale="log", title=name)
    axes.set_ylim(max(floor, float(values.where(values > floor).min()) / 3), 1.3)
    axes.legend(loc="lower left", title=f"{result.attrs['keep']:.0%} kept by", title_fontsize=10)


def _said(name: str) -> str:
    return "no cut" if name == "none" else name


def _draw_means(axes: Any, result: xr.Dataset) -> None:
    for place, name in enumerate(CUTS):
        here, colour = result.sel(cut=name), CUT_COLOURS[name]
        for variable, marker, shift, fill in (
            ("similarity", "o", -0.1, colour),
            ("similarity_shuffled", "s", 0.1, "none"),
        ):
            y = here[variable].values
            axes.plot(np.full(len(y), place + shift), y, marker, color=colour, markerfacecolor=fill, linestyle="")
    for marker, fill, label in (("o", style.MUTED, "pairs"), ("s", "none", "images shuffled")):
        axes.plot([], [], marker, color=style.MUTED, markerfacecolor=fill, linestyle="", label=label)
    axes.set_xticks(range(len(CUTS)), ["no cut", "variance", "singular\nvalues"])
    axes.set(xlabel="cut by", ylabel="mean coefficient", xlim=(-0.5, 2.5), ylim=(0, 1.3), title="Similarity")
    axes.set_yticks(np.arange(0, 1.01, 0.2))
    axes.legend(loc="upper center", ncols=2, handletextpad=0.2, columnspacing=1)


def _draw_changes(axes: Any, result: xr.Dataset) -> None:
    for shift, name in zip((-0.2, 0, 0.2), CUTS, strict=True):
        change = result["change"].sel(cut=name).clip(1e-16, None)
        for place in range(len(MAPS)):
            y = change.isel(map=place).values
            axes.plot(np.full(len(y), place + shift), y, "o", color=CUT_COLOURS[name], markersize=4, linestyle="")
    axes.set_xticks(range(len(MAPS)), [name.replace(" ", "\n") for name in MAPS], fontsize=9, rotation=30)
    axes.set(xlabel="map of one layer", ylabel="change of similarity", yscale="log", ylim=(3e-17, 3))
    axes.set(title="What changes it")


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    kept = [f"{float(v):.1f}" for v in result["kept"].mean("seed")]
    means = [f"{float(v):.2f}" for v in result["similarity"].mean("seed")]
    chance = [f"{float(v):.2f}" for v in result["similarity_shuffled"].mean("seed")]
    change = [f"{float(v):.2g}" for v in result["change"].sel(map="affine").mean("seed")]
    attrs = result.attrs
    return (
        f"The layer '{attrs['layer_name']}' of {result.sizes['seed']} networks on {attrs['data']}, "
        f"{result.sizes['direction']} units, {attrs['samples']} samples. Of {kept[0]} directions, {kept[1]} hold "
        f"{attrs['keep']:.0%} of the variance and {kept[2]} as much of the sum of singular values. The mean "
        f"coefficient of pairs is {means[0]} without a cut, {means[1]} cut by variance and {means[2]} cut by singular "
        f"values; with shuffled images {', '.join(chance)}. An affine map of one layer changes it by "
        f"{change[0]}, {change[1]} and {change[2]}."
    )


def _affine(result: xr.Dataset) -> Evidence:
    change = result["change"].sel(cut="none").max("map")
    return Evidence(change.max(), 0, EXACT, "≤", spread(change))


def _rotations(result: xr.Dataset) -> Evidence:
    change = result["change"].sel(cut=list(CUTS[1:]), map=list(MAPS[:3])).max(("map", "cut"))
    return Evidence(change.max(), 0, EXACT, "≤", spread(change))


def _factors(result: xr.Dataset) -> Evidence | None:
    if result.attrs["keep"] == 1:
        return None
    change = result["change"].sel(cut="variance", map="unit factors")
    return Evidence(change.mean(), 0.005, 0, "≥", spread(change))


def _meanings(result: xr.Dataset) -> Evidence | None:
    if result.attrs["keep"] == 1:
        return None
    kept = result["kept"]
    ratio = kept.sel(cut="singular values") / kept.sel(cut="variance")
    return Evidence(ratio.min(), 1, 0, "≥", spread(ratio))


def _raises(result: xr.Dataset) -> Evidence | None:
    if result.attrs["keep"] == 1:
        return None
    gain = result["similarity"].sel(cut="variance") - result["similarity"].sel(cut="none")
    return Evidence(gain.mean(), 0, 0, "≥", spread(gain))


def _chance(result: xr.Dataset) -> Evidence:
    above = (result["similarity"] - result["similarity_shuffled"]).min("cut")
    return Evidence(above.min(), 0, 0, "≥", spread(above))


CLAIMS = (
    Claim(
        "The mean coefficient without a cut heeds none of the five maps (largest change of any pair).",
        "CCA depends on the spans alone",
        _affine,
    ),
    Claim(
        "After a cut it still heeds no permutation, no rotation and no common factor (largest change).",
        "singular values and their vectors turn with the layer",
        _rotations,
    ),
    Claim(
        "But a factor for each unit changes it, which in a ReLU network need change nothing (cut by variance, mean "
        "change).",
        "the cut goes by variance; the lecture says “invariant to affine transform”",
        _factors,
    ),
    Claim(
        "The same share of the sum of singular values keeps no fewer directions than of the variance (smallest ratio).",
        "sᵢ² falls faster than sᵢ",
        _meanings,
    ),
    Claim("The cut (by variance) raises the mean coefficient (mean gain).", SOURCE, _raises),
    Claim("Every pair is more similar than it is with shuffled images (smallest excess).", "observation", _chance),
)

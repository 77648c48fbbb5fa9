"""Projection-weighted CCA: what the weights are, and what other formulas of that name give.

The layers of two networks that differ in their seeds only, on images that neither was trained on. Every coefficient
gets a weight by three formulas; the weighted means are put beside the plain mean, SVCCA, and the mean without the
smallest coefficients. And a case of two units, in which all three formulas can be worked out by hand. Of a convolution
every position is a sample.

Sources: A. Morcos, M. Raghu, S. Bengio, NeurIPS 2018, section 2.2; lecture on understanding networks, "projection
weighted CCA".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from layerlab import lab
from layerlab.experiments.similarity import _weightings as by
from layerlab.experiments.similarity._cost import training_work
from layerlab.experiments.similarity._groups import ARCHITECTURES, DATA, LAYERS, group
from layerlab.experiments.similarity._reading import padded, samples_by_units
from layerlab.lab import Claim, Evidence, choice, integer, spread, style
from layerlab.similarity import Basis, basis, cca, pwcca, svcca

MEASURES = ("CCA", "PWCCA", "PWCCA, other side", "unwhitened", "over samples", "tail dropped", "SVCCA")
RATIOS = tuple(np.logspace(-2, 0, 9).round(4))
LECTURE = "lecture, “projection weighted CCA”"
PAPER = "A. Morcos et al. 2018"
SIGNS = 8  # choices of sign that the unwhitened formula is tried with


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The networks, and the layer whose weights are shown."""

    data: str = choice("digits", "data", DATA)
    architecture: str = choice("conv", "architecture", ARCHITECTURES)
    layer: int = integer(4, "layer shown", low=1, high=5, help="1 the first above the input, 5 the output")
    rows: int = integer(1_500, "training images", low=10, high=60_000, log=True, help="all, if there are fewer")
    epochs: int = integer(20, "epochs", low=1, high=200, log=True)
    seeds: int = integer(5, "networks", low=2, high=20)


GRID = (
    {"architecture": ("dense", "conv")},
    {"data": ("mnist",), "architecture": ("dense",), "rows": (10_000,)},
    {"data": ("fashion-mnist",), "architecture": ("dense", "conv"), "rows": (10_000,)},
)
# trainings in single precision differ a little between machines; formulas that go by signs and means, more
TOLERANCE = {
    "similarity": (0.1, 0.1), "coefficient": (0.2, 0.15, 0.03), "weight": (1, 0.05, 0.05), "direction": (0, 0, 0.05),
    "rank_correlation": (0.1, 0.2), "signs": (1, 0.1), "centred": (0.1, 0.05), "accuracy": (0, 0.03),
}  # fmt: skip


def work(config: Config) -> float:
    """The training, and decompositions of all layers."""
    training = training_work(config.data, config.architecture, config.rows, config.epochs, config.seeds)
    return training + 5e4 * config.seeds


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train the networks, and compare each network's layers with the next one's."""
    found = group(
        data=config.data, architecture=config.architecture, rows=config.rows, epochs=config.epochs,
        seed=config.seed, seeds=config.seeds, device=device,
        progress=lambda done, total, note: progress(0.7 * done / total, 1, note),
    )  # fmt: skip
    names = LAYERS[config.architecture]
    rows: list[list[dict[str, Any]]] = [[] for _ in range(config.seeds)]
    for at, activations in enumerate(found.activations(found.data.x_test)):
        layers = samples_by_units(activations)
        bases = [basis(layer) for layer in layers]
        for i, stream in enumerate(config.streams()):
            progress(0.7 + 0.3 * (at + i / config.seeds) / len(names), 1, f"{names[at]}, pair {i + 1}")
            rng, j = np.random.default_rng(stream), (i + 1) % config.seeds
            rows[i].append(compare(layers[i], bases[i], bases[j], rng))
        del layers, bases
    progress(1, 1)
    return _dataset(config, found, rows)


def compare(x: np.ndarray, bx: Basis, other: Basis, rng: np.random.Generator) -> dict[str, Any]:
    """One pair of layers by every measure; coefficients, and the three weightings from the side of x."""
    found = pwcca(bx, other)
    rho = np.asarray(found.coefficients[: found.count])
    weights = [by.paper(found), by.unwhitened(x, bx, found), by.over_samples(x, found)]
    chosen = [by.unwhitened(x, bx, found, rng.choice([-1.0, 1.0], len(rho))) @ rho for _ in range(SIGNS)]
    values = (
        cca(bx, other).similarity, found.similarity, pwcca(other, bx).similarity, weights[1] @ rho, weights[2] @ rho,
        by.tail_dropped(rho), svcca(bx, other).similarity,
    )  # fmt: skip
    return {
        "similarity": np.array(values),
        "coefficient": rho,
        "weight": np.array(weights) * len(rho),
        "rank_correlation": spearmanr(rho, weights[0]).statistic,
        "signs": np.ptp(chosen),
        "centred": by.over_samples(x - x.mean(0), found) @ rho,
    }


def _dataset(config: Config, found: Any, rows: list[list[dict[str, Any]]]) -> xr.Dataset:
    shown = [row[config.layer - 1] for row in rows]
    size = max(len(each["coefficient"]) for each in shown)
    table: dict[str, list[list[Any]]] = {
        name: [[each[name] for each in row] for row in rows]
        for name in ("similarity", "rank_correlation", "signs", "centred")
    }
    cases = [[[_by_hand(case, formula, r) for r in RATIOS] for formula in by.FORMULAS] for case in by.CASES]
    closed = [[[by.closed(case, formula, r) for r in RATIOS] for formula in by.FORMULAS] for case in by.CASES]
    corner = ("case", "formula", "ratio")
    return xr.Dataset(
        {
            "similarity": (("seed", "layer", "measure"), table["similarity"], {"long_name": "similarity"}),
            "rank_correlation": (
                ("seed", "layer"), table["rank_correlation"], {"long_name": "rank correlation of weight and ρ"},
            ),
            "signs": (("seed", "layer"), table["signs"], {"long_name": "range of unwhitened, over choices of sign"}),
            "centred": (("seed", "layer"), table["centred"], {"long_name": "over samples, with activations centred"}),
            "coefficient": (
                ("seed", "direction"), [padded(each["coefficient"], len(each["coefficient"]), size) for each in shown],
                {"long_name": "canonical coefficient"},
            ),
            "weight": (
                ("seed", "formula", "direction"),
                [[padded(w, len(w), size) for w in each["weight"]] for each in shown],
                {"long_name": "weight, in units of the mean weight"},
            ),
            "by_code": (corner, cases, {"long_name": "similarity of two units, by the program"}),
            "by_hand": (corner, closed, {"long_name": "similarity of two units, by hand"}),
            "accuracy": ("seed", found.accuracy_test[-1], {"long_name": "accuracy on test images"}),
        },
        coords={
            "layer": ("layer", list(LAYERS[config.architecture]), {"long_name": "layer"}),
            "measure": ("measure", list(MEASURES), {"long_name": "measure"}),
            "formula": ("formula", list(by.FORMULAS), {"long_name": "formula of the weights"}),
            "case": ("case", list(by.CASES), {"long_name": "case of two units"}),
            "ratio": ("ratio", list(RATIOS), {"long_name": "smaller by larger deviation"}),
            "direction": ("direction", np.arange(1, size + 1), {"long_name": "direction, in order"}),
        },
        attrs={
            "data_checksums": {config.data: found.data.checksum},
            "layer_name": LAYERS[config.architecture][config.layer - 1],
            "images_measured": len(found.data.x_test),
        },
    )  # fmt: skip


def _by_hand(case: str, formula: str, ratio: float) -> float:
    """The constructed case, by the code that the networks' layers go through."""
    x, y = by.constructed(case, ratio)
    found, bx = pwcca(x, y), basis(x)
    weights = {
        "paper": by.paper(found), "unwhitened": by.unwhitened(x, bx, found), "over samples": by.over_samples(x, found),
    }  # fmt: skip
    return float(weights[formula] @ found.coefficients)


FORMULA_COLOURS = dict(zip(by.FORMULAS, (style.COLOURS[c] for c in ("blue", "vermillion", "green")), strict=True))


def plot(result: xr.Dataset) -> Figure:
    """Weights by the three formulas; similarities by every measure; deviations layer by layer; two units by hand."""
    fig, axes = style.figure(2, 2, height=6.8)
    (weights, measures), (layers, hand) = axes
    for formula, colour in FORMULA_COLOURS.items():
        line = result["weight"].sel(formula=formula).mean("seed")
        weights.plot(result["direction"], line, "-", color=colour, label=formula)
    weights.plot(result["direction"], result["coefficient"].mean("seed"), ":", color=style.MUTED, label="coefficient ρ")
    weights.set(xlabel="direction, in order", ylabel="weight / mean weight; ρ", yscale="log")
    weights.set_title(f"{result.attrs['data']}, {result.attrs['layer_name']}")
    here = result["similarity"].sel(layer=result.attrs["layer_name"])
    for place, name in enumerate(MEASURES):
        y = here.sel(measure=name).values
        colour = FORMULA_COLOURS.get("paper" if name.startswith("PWCCA") else name, style.MUTED)
        measures.plot(y, np.full(len(y), place), "o", color=colour, linestyle="")
    measures.set_yticks(range(len(MEASURES)), MEASURES)
    measures.set(xlabel="similarity", ylabel="measure", title="All pairs, by every measure")
    measures.set_ylim(len(MEASURES) - 0.5, -0.5)
    _draw_layers(layers, result)
    for case, marker in zip(by.CASES, "os", strict=True):
        for formula, size in zip(by.FORMULAS, (9, 5, 2.5), strict=True):
            one, colour = result.sel(case=case, formula=formula), FORMULA_COLOURS[formula]
            hand.plot(result["ratio"], one["by_hand"], "-", color=colour, linewidth=1.2)
            hand.plot(
                result["ratio"],
                one["by_code"],
                marker,
                color=colour,
                markerfacecolor="none",
                linestyle="",
                markersize=size,
            )
    hand.set(xlabel="smaller by larger deviation", ylabel="similarity", xscale="log", ylim=(0.4, 1.05))
    hand.set_title("Two units, ρ = 1 and 0")
    for case, marker in zip(by.CASES, "os", strict=True):
        hand.plot([], [], marker, color=style.MUTED, markerfacecolor="none", linestyle="", label=case)
    hand.legend(loc="upper right")
    fig.legend(*weights.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig


def _draw_layers(axes: Any, result: xr.Dataset) -> None:
    for shift, formula in ((-0.12, "unwhitened"), (0.12, "over samples")):
        away = deviation(result, formula)
        for at in range(result.sizes["layer"]):
            y = away.isel(layer=at).values
            axes.plot(np.full(len(y), at + shift), y, "o", color=FORMULA_COLOURS[formula], linestyle="", markersize=4)
    axes.axhline(0, color=FORMULA_COLOURS["paper"], linewidth=1)
    axes.set_xticks(
        range(result.sizes["layer"]),
        [str(n).replace("olution", ".").replace(" ", "\n") for n in result["layer"].values],
        fontsize=9,
    )
    axes.set(xlabel="layer", ylabel="similarity less the paper's", title="What the formula does")


def deviation(result: xr.Dataset, formula: str) -> xr.DataArray:
    """The similarity by a formula less the paper's, (seed, layer)."""
    return result["similarity"].sel(measure=formula, drop=True) - result["similarity"].sel(measure="PWCCA", drop=True)


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    here = result["similarity"].sel(layer=result.attrs["layer_name"]).mean("seed")
    values = ", ".join(f"{name} {float(here.sel(measure=name)):.2f}" for name in MEASURES)
    most = {f: float(abs(deviation(result, f)).max()) for f in by.FORMULAS[1:]}
    return (
        f"Layer '{result.attrs['layer_name']}' of {result.sizes['seed']} pairs of networks on {result.attrs['data']}: "
        f"{values}. The unwhitened weights differ from the paper's by up to {most['unwhitened']:.2f} in a layer's "
        f"similarity, those over samples by up to {most['over samples']:.2f}. With two units the formulas differ by up "
        f"to a half, as they do by hand."
    )


def _hand(result: xr.Dataset) -> Evidence:
    return Evidence(abs(result["by_code"] - result["by_hand"]).max(), 0, 1e-9, "≤")


def _premise(result: xr.Dataset) -> Evidence:
    rank = result["rank_correlation"].min("layer")
    return Evidence(result["rank_correlation"].mean("seed").min(), 0, 0, "≥", spread(rank))


def _raises(result: xr.Dataset) -> Evidence:
    gain = result["similarity"].sel(measure="PWCCA") - result["similarity"].sel(measure="CCA")
    return Evidence(gain.mean("seed").min(), 0, 0, "≥", spread(gain.min("layer")))


def _sides(result: xr.Dataset) -> Evidence:
    side, formula = (abs(deviation(result, name)) for name in ("PWCCA, other side", "over samples"))
    most = side.mean("seed").max()
    return Evidence(most, formula.mean("seed").max(), 0, "≤", spread(side.max("layer")))


def _formulas(result: xr.Dataset) -> Evidence:
    away = abs(deviation(result, "over samples")).max("layer")
    return Evidence(away.max(), 0.1, 0, "≥", spread(away))


def _plain(result: xr.Dataset) -> Evidence:
    away = abs(result["centred"] - result["similarity"].sel(measure="CCA", drop=True)).max("layer")
    return Evidence(away.max(), 0.05, 0, "≤", spread(away))


def _tail(result: xr.Dataset) -> Evidence:
    gain = result["similarity"].sel(measure="tail dropped") - result["similarity"].sel(measure="CCA")
    return Evidence(gain.min(), 0, 1e-12, "≥", spread(gain.min("layer")))


CLAIMS = (
    Claim(
        "Two units: every formula gives what it gives by hand (largest difference).", "derivation in the text", _hand
    ),
    Claim(
        "Directions that agree carry more of the layer: weight and coefficient rise together (smallest mean rank "
        "correlation of any layer).",
        LECTURE,
        _premise,
    ),
    Claim("So the weighted mean lies above the plain one (smallest mean gain of any layer).", PAPER, _raises),
    Claim(
        "The side from which one weighs matters less than the formula (mean difference in the layer where it is "
        "largest, against over samples).",
        "observation",
        _sides,
    ),
    Claim(
        "Weights over samples, a published program's formula, change the similarity by a tenth or more (largest "
        "difference).",
        "observation",
        _formulas,
    ),
    Claim(
        "With centred activations these weights would give the plain mean again (largest difference).",
        "all variates have the same length",
        _plain,
    ),
    Claim("Dropping the smallest coefficients raises the mean (smallest gain).", "arithmetic", _tail),
)

"""Local or distributed: one network's units predicted from one, few or all units of another.

Convolutional networks that differ in their seeds only are compared in a ring, each with the next: linear predictions of
the next one's units from its own, layer by layer, all units standardised. Of a convolution positions are samples and
channels are units. Predictions are fitted on half of the test images, penalties chosen on a quarter, errors measured on
the last quarter; all positions of an image are in one part, and up to `samples` samples of each are drawn. An error is
the mean squared error in parts of the unit's variance in the fit; of a layer the median over its units is given.
    one-to-one: from the partner that the assignment gives; best unit: from the unit of largest absolute correlation;
    sparse: lasso, |y - X b|^2 / (2 n) + penalty |b|_1; least squares: penalty 0;
    ridge: |y - X b|^2 / n + penalty |b|^2.
A unit is coded locally if one unit explains 90 % of the variance that the best of these predictions explains, slightly
distributed if a quarter of the layer's units do (least squares on those that a lasso chose), else fully distributed.

Source: Y. Li et al., Convergent learning, ICLR 2016, section 4; lecture on understanding, "local vs. distributed".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from layerlab import lab
from layerlab.experiments.similarity._cost import training_work
from layerlab.experiments.similarity._groups import DATA, group
from layerlab.experiments.similarity._predicting import CODES, METHODS, PENALTIES, parts, predictions
from layerlab.experiments.similarity._units import HIDDEN, as_samples, generators, neighbours
from layerlab.lab import Claim, Evidence, choice, integer, spread, style

LI = "Y. Li et al. 2016; the lecture's table"
MOMENTS = ("before training", "after training")


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The networks, and the samples on which predictions are fitted."""

    data: str = choice("digits", "data", DATA)
    rows: int = integer(1_500, "training images", low=10, high=60_000, log=True, help="all, if there are fewer")
    epochs: int = integer(20, "epochs", low=1, high=1_000, log=True)
    samples: int = integer(
        2_000, "samples of the fit", low=200, high=50_000, log=True, help="positions of images; half as many to judge"
    )
    measured: int = integer(2_000, "images measured", low=40, high=2_000, log=True, help="of the test set")
    seeds: int = integer(5, "networks", low=2, high=50, help="each predicts the next")


GRID = (
    {"data": ("digits",)},
    {"data": ("digits",), "epochs": (5,), "samples": (500,)},
    {"data": ("mnist", "fashion-mnist"), "rows": (10_000,)},
    {"data": ("cifar-10",), "rows": (10_000,), "epochs": (30,)},
)
# trainings in single precision drift apart between machines, and with them what is predicted
TOLERANCE = {
    "error": (0, 0.12), "used": (0, 0.12), "chosen": (0, 0.12), "penalty": (0, 0.3), "codes": (0, 0.4),
    "accuracy": (0, 0.03),
}  # fmt: skip
SAID = {  # and the axis besides moment, layer and seed
    "error": ("error of the lasso on held-out images", "strength"),
    "used": ("share of the units that the lasso uses", "strength"),
    "penalty": ("penalty chosen for the lasso",),
    "chosen": ("error on held-out images", "prediction"),
    "codes": ("share of the units coded so", "code"),
}


def work(config: Config) -> float:
    """Training steps times the size of an image, and the samples that are predicted."""
    training = training_work(config.data, "conv", config.rows, config.epochs, config.seeds)
    return training + 240 * config.seeds * config.samples


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train the group, and predict every network's layers from the one before it in the ring."""
    found = group(
        data=config.data, rows=config.rows, epochs=config.epochs, seed=config.seed, seeds=config.seeds, device=device,
        progress=lambda done, total, note: progress(0.6 * done / total, 1, note),
    )  # fmt: skip
    images = found.data.x_test[: config.measured]
    rows: dict[str, list[list[Any]]] = {name: [] for name in SAID}
    for m, moment in enumerate((0, -1)):
        activations = found.activations(images, moment)
        for i, name in enumerate(HIDDEN):
            x = as_samples(activations[i])
            at = (m * len(HIDDEN) + i) / (2 * len(HIDDEN))
            progress(0.6 + 0.4 * at, 1, f"{name}, {MOMENTS[m]}")
            pairs = zip(x, neighbours(x), generators(config), strict=True)
            one = [predictions(*parts([a, b], len(images), config.samples, rng)) for a, b, rng in pairs]
            for what in SAID:
                rows[what].append([each[what] for each in one])
    progress(1, 1)
    values: dict[str, Any] = {}
    for what, (said, *axes) in SAID.items():
        array = np.array(rows[what], dtype=np.float32)  # moment and layer, seed, axes
        array = array.reshape(len(MOMENTS), len(HIDDEN), *array.shape[1:])
        values[what] = (("moment", "layer", "seed", *axes), array, {"long_name": said})
    values["accuracy"] = ("seed", found.accuracy_test[-1], {"long_name": "accuracy on test images"})
    return xr.Dataset(
        values,
        coords={
            "moment": ("moment", list(MOMENTS), {"long_name": "moment"}),
            "layer": ("layer", list(HIDDEN), {"long_name": "layer"}),
            "strength": ("strength", sorted(PENALTIES, reverse=True), {"long_name": "penalty"}),
            "prediction": ("prediction", list(METHODS), {"long_name": "prediction"}),
            "code": ("code", list(CODES), {"long_name": "code"}),
        },
        attrs={
            "data_checksums": {config.data: found.data.checksum},
            "images_trained": len(found.data.x_train),
            "images_measured": len(images),
        },
    )


def plot(result: xr.Dataset) -> Figure:
    """Error and size of the sparse predictions against the penalty; all kinds of prediction; how units are coded."""
    fig, axes = style.figure(2, 2, height=6.4)
    after = result.sel(moment=MOMENTS[1])
    for one, name, said in (
        (axes[0, 0], "error", "error, held-out images"),
        (axes[0, 1], "used", "units in use, share"),
    ):
        _plot_penalties(one, after[name], said)
    axes[0, 0].set_title("Lasso: error")
    axes[0, 1].set_title("Lasso: units in use")
    axes[0, 1].legend(loc="lower left", fontsize=9, handlelength=1.6, borderaxespad=0.1)
    _plot_predictions(axes[1, 0], result)
    _plot_codes(axes[1, 1], after["codes"].mean("seed"))
    return fig


def _plot_penalties(axes: Any, values: xr.DataArray, said: str) -> None:
    rising = values.sortby("strength")
    at = np.arange(rising.sizes["strength"])
    for colour, dash, layer in zip(style.COLOURS.values(), style.DASHES, rising["layer"].values, strict=True):
        here = rising.sel(layer=layer)
        axes.fill_between(at, here.min("seed"), here.max("seed"), color=colour, alpha=0.15)
        axes.plot(at, here.mean("seed"), color=colour, linestyle=dash, marker="o", markersize=3.5, label=str(layer))
    axes.set(xlabel="penalty", ylabel=said, ylim=(-0.03, 1.03))
    axes.set_xticks(at, [f"{p:g}".lstrip("0") or "0" for p in rising["strength"].values])
    axes.tick_params(axis="x", labelsize=9)


def _plot_predictions(axes: Any, result: xr.Dataset) -> None:
    at = np.arange(result.sizes["layer"])
    shown = (
        ("one-to-one", 1, "vermillion", "o-", "one-to-one"),
        ("sparse", 1, "blue", "s-", "sparse"),
        ("least squares", 1, "green", "^:", "least squares"),
        ("sparse", 0, "purple", "D--", "sparse, untrained"),
    )
    for name, moment, colour, form, said in shown:
        here = result["chosen"].sel(prediction=name, moment=MOMENTS[moment])
        error = here.std("seed", ddof=1) if here.sizes["seed"] > 1 else None
        axes.errorbar(at, here.mean("seed"), error, fmt=form, color=style.COLOURS[colour], label=said)
    axes.set(xlabel="layer", ylabel="error, held-out images", title="From one, few, all", ylim=(-0.03, 1.5))
    _name_layers(axes, result)
    axes.legend(loc="upper left", ncols=2, fontsize=9, handlelength=1.6, columnspacing=1.0, borderaxespad=0.1)


def _plot_codes(axes: Any, shares: xr.DataArray) -> None:
    at, below = np.arange(shares.sizes["layer"]), np.zeros(shares.sizes["layer"])
    colours = [style.COLOURS[name] for name in ("blue", "green", "vermillion")] + [style.MUTED]
    for colour, code in zip(colours, shares["code"].values, strict=True):
        axes.bar(at, shares.sel(code=code), 0.65, bottom=below, color=colour, label=str(code))
        below = below + shares.sel(code=code).values
    axes.set(xlabel="layer", ylabel="share of units", title="Codes", ylim=(0, 1.5))
    _name_layers(axes, shares)
    axes.legend(loc="upper left", ncols=2, fontsize=9, handlelength=1.0, columnspacing=0.8, borderaxespad=0.1)


def _name_layers(axes: Any, result: xr.Dataset | xr.DataArray) -> None:
    axes.set_xticks(range(result.sizes["layer"]), [str(n).replace("olution", "") for n in result["layer"].values])
    axes.tick_params(axis="x", labelsize=9.5)
    axes.set_yticks(np.linspace(0, 1, 5))


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    after, before = (result["chosen"].sel(moment=moment).mean("seed") for moment in MOMENTS[::-1])
    codes = result["codes"].sel(moment=MOMENTS[1]).mean("seed")

    def row(values: xr.DataArray) -> str:
        return ", ".join(f"{float(v):.2f}" for v in values)

    errors = "; ".join(
        f"{name} {row(after.sel(prediction=name))}" for name in ("one-to-one", "sparse", "least squares")
    )
    return (
        f"{result.sizes['seed']} convolutional networks on {result.attrs['data']}, each predicts the next. Error on "
        f"held-out images in three convolutions and the dense layer: {errors}; sparse before training "
        f"{row(before.sel(prediction='sparse'))}. Coded locally are {row(codes.sel(code='local'))} of the units, "
        f"fully distributed {row(codes.sel(code='fully distributed'))}."
    )


def _trained(result: xr.Dataset, name: str) -> xr.DataArray:
    return result["chosen"].sel(moment=MOMENTS[1], prediction=name, drop=True)


def _least(gain: xr.DataArray) -> Evidence:
    """The gain of the layer in which it is smallest."""
    layer = gain.mean("seed").argmin("layer")
    return Evidence(gain.mean("seed").min(), 0, 0, "≥", spread(gain.isel(layer=layer)))


def _beats_one(result: xr.Dataset) -> Evidence:
    return _least(_trained(result, "best unit") - _trained(result, "sparse"))


def _beats_none(result: xr.Dataset) -> Evidence:
    return _least(_trained(result, "least squares") - _trained(result, "sparse"))


def _depth(result: xr.Dataset) -> Evidence:
    error = _trained(result, "sparse")
    rise = error.sel(layer="convolution 3") - error.sel(layer="convolution 1")
    return Evidence(rise.mean(), 0, 0, "≥", spread(rise))


def _not_full(result: xr.Dataset) -> Evidence:
    full = result["codes"].sel(moment=MOMENTS[1], code="fully distributed")
    layer = full.mean("seed").argmax("layer")
    return Evidence(full.mean("seed").max(), 0.5, 0, "≤", spread(full.isel(layer=layer)))


def _dense(result: xr.Dataset) -> Evidence:
    full = result["codes"].sel(moment=MOMENTS[1], layer="dense", code="fully distributed")
    return Evidence(full.mean(), 0.5, 0, "≤", spread(full))


def _learnt(result: xr.Dataset) -> Evidence:
    error = result["chosen"].sel(prediction="sparse")
    return _least(error.sel(moment=MOMENTS[0]) - error.sel(moment=MOMENTS[1]))


CLAIMS = (
    Claim(
        "Few or many units predict better than the best single one, in every layer (smallest gain).",
        LI,
        _beats_one,
    ),
    Claim(
        "A penalty helps: on new images the sparse prediction errs less than least squares, in every layer (smallest "
        "gain).",
        LI,
        _beats_none,
        disputed="in the dense layer; our convolutions have few units for the samples, and there it gains nothing",
    ),
    Claim("Of the convolutions, the third is harder to predict than the first (sparse).", LI, _depth),
    Claim(
        "Codes are local or slightly, but not fully, distributed: in every layer at most half of the units need more "
        "than a quarter of the other network's (largest share).",
        LI,
        _not_full,
        disputed="in narrow convolutions most units need more than a quarter of the others, four or six in number",
    ),
    Claim(
        "In the dense layer at most half of the units are fully distributed.",
        LI,
        _dense,
    ),
    Claim(
        "What can be predicted was learnt: in every layer the sparse prediction errs less after training than before "
        "(smallest gain).",
        "what “convergent learning” suggests; the lecture shows no untrained networks",
        _learnt,
        disputed="it was on digits and MNIST; on clothes not in the third convolution, on photographs in no layer",
    ),
)

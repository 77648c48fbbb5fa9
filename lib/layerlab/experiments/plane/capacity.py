"""Signal to noise and Gaussian capacity, layer by layer, of networks on the 12-bit symmetric rule.

A layer T is read as a channel from the label to activations. Signal: the covariance B of the two class means. Noise:
the covariance W of the activations about them. SNR = tr B / tr W, and the Gaussian capacities are 1/2 log2(1 + SNR)
and, all units together, 1/2 log2 det(1 + W^-1 B). Beside them stands what a channel with just these means and Gaussian
noise of covariance W does carry, exactly, and what the layer carries, in 30 bins for each unit.

Source: Tishby's lecture of 2018, "Equilibration of Information Flow through the layers".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from layerlab import lab
from layerlab.arrays import to_numpy
from layerlab.experiments.plane._rule_networks import WIDTHS, rule_networks
from layerlab.information import (
    class_channel_information,
    class_covariances,
    entropy,
    gaussian_capacity,
    gaussian_information,
)
from layerlab.information.binning import binned_information
from layerlab.lab import Claim, Evidence, choice, integer, spread, style

LECTURE = "Lecture on information, “Equilibration of Information Flow through the layers”"
BINS = 30
LOOKS = 12  # moments of the training at which the layers are read, at most
ROUNDING = 1e-9  # bits
ACTIVATIONS = ("tanh", "relu")


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The networks, 12-10-7-5-4-3-2, trained by Adam at a rate of 0.002."""

    activation: str = choice("tanh", "activation", ACTIVATIONS)
    epochs: int = integer(300, "epochs", low=5, high=10_000, log=True)
    seeds: int = integer(8, "networks", low=2, high=50)


GRID = (
    {"activation": ACTIVATIONS, "epochs": (300,)},
    {"epochs": (40,), "seeds": (4,)},
    {"epochs": (2000,), "seeds": (20,)},
)
# trainings in single precision part ways between machines; early on, by little
TOLERANCE = {"snr": (0.1, 0.02), "class_snr": (0.1, 0.02), "default": (0.05, 0.05)}


def work(config: Config) -> float:
    """Training steps and what each costs, and reading the layers."""
    return config.epochs * 7.0 * (60 + 10 * config.seeds) + 3e3 * LOOKS * config.seeds


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train the networks, and read every layer at up to LOOKS moments on all 4096 inputs."""
    found = rule_networks(
        activation=config.activation, epochs=config.epochs, seeds=config.seeds, seed=config.seed, learning_rate=2e-3,
        moments=60, device=device, progress=lambda done, of, note: progress(0.9 * done / of, 1, note),
    )  # fmt: skip
    looks = np.unique(np.linspace(0, len(found.epochs) - 1, LOOKS).astype(int))
    rule, rows = found.rule, []
    for i, moment in enumerate(looks):
        progress(0.9 + 0.1 * i / len(looks), 1, f"reading epoch {found.epochs[moment]}")
        layers = found.networks(int(moment)).activations(found.x, include_input=True)[:-1]
        rows.append([measure(to_numpy(layer), rule.y, rule.classes) for layer in layers])
    progress(1, 1)
    dims = ("epoch", "layer", "seed")
    said = {
        "snr": ("signal to noise of the label, tr B / tr W", ""),
        "class_snr": ("signal to noise of the rule's 64 classes", ""),
        "all_units": ("Gaussian capacity of all units, ½ log₂ det(1 + W⁻¹B)", "bits"),
        "exact": ("information of the Gaussian channel with these moments", "bits"),
        "i_ty": (f"I(T;Y) of the layer, {BINS} bins", "bits"),
    }
    data = {
        name: (dims, np.array([[layer[name] for layer in row] for row in rows]),
               {"long_name": text} | ({"units": unit} if unit else {}))
        for name, (text, unit) in said.items()
    }  # fmt: skip
    return xr.Dataset(
        {**data, "h_y": ((), entropy(rule.p_xy.sum(0)), {"long_name": "H(Y)", "units": "bits"})},
        coords={
            "epoch": ("epoch", found.epochs[looks], {"long_name": "epoch"}),
            "layer": ("layer", np.arange(len(WIDTHS) - 1), {"long_name": "layer (0: the input)"}),
        },
    )


def measure(t: np.ndarray, y: np.ndarray, classes: np.ndarray) -> dict[str, np.ndarray]:
    """What a layer (networks, samples, units) says of y (samples,), as in the dataset: five arrays (networks,).

    A unit that never changes has neither signal nor noise; a layer of such units an SNR of 0.
    """
    between, within = class_covariances(t, y)
    all_units = gaussian_information(between, within)
    p = np.bincount(y) / len(y)
    # two classes, one covariance: Fisher's direction is sufficient, and its SNR is det(1 + B/W) - 1
    apart = np.sqrt((4.0**all_units - 1) / (p[0] * p[1]))
    return {
        "snr": _ratio(between, within),
        "class_snr": _ratio(*class_covariances(t, classes)),
        "all_units": all_units,
        "exact": class_channel_information(np.stack([0 * apart, apart], -1), p),
        "i_ty": binned_information(t, y, bins=BINS)[1],
    }


def _ratio(between: np.ndarray, within: np.ndarray) -> np.ndarray:
    signal, noise = (np.trace(each, axis1=-2, axis2=-1) for each in (between, within))
    return np.divide(signal, noise, out=np.zeros_like(signal), where=noise > 0)


def plot(result: xr.Dataset) -> Figure:
    """Left: SNR across the layers, before and after training. Right: four readings of the same layers after it."""
    fig, (left, right) = style.figure(1, 2, height=3.8)
    layers, end = result["layer"], result.isel(epoch=-1)
    kinds = (
        ("snr", 0, "label, before", "purple", "s", True),
        ("snr", -1, "label, after", "blue", "o", False),
        ("class_snr", -1, "64 classes, after", "green", "^", False),
    )
    for name, moment, label, colour, marker, hollow in kinds:
        values, shade = result[name].isel(epoch=moment), style.COLOURS[colour]
        left.plot(layers, values.median("seed"), marker=marker, color=shade, linestyle="--" if hollow else "-",
                  markerfacecolor="none" if hollow else shade, label=label)  # fmt: skip
        left.fill_between(layers, values.min("seed"), values.max("seed"), color=shade, alpha=0.18)
    left.set(yscale="log", xlabel="layer (0: the input)", ylabel="signal to noise ratio", title=_title(result))
    top = float(result[["snr", "class_snr"]].isel(epoch=-1).to_array().max())
    left.set_ylim(0.5 * max(float(result["snr"].where(result["snr"] > 0).min()), 1e-4), 60 * top)
    left.legend(loc="upper left", title="signal: means by")
    capacity = end["snr"].copy(data=gaussian_capacity(end["snr"].values))
    lines = (
        (end["all_units"], "Gaussian, all units", "vermillion", "^"),
        (capacity, "½ log₂(1 + SNR)", "blue", "o"),
        (end["exact"], "channel, same moments", "purple", "s"),
        (end["i_ty"], f"the layer, {BINS} bins", "green", "D"),
    )
    for dash, (values, label, colour, marker) in zip(style.DASHES, lines, strict=True):
        shade = style.COLOURS[colour]
        right.plot(layers, values.mean("seed"), marker=marker, color=shade, linestyle=dash, label=label)
        right.fill_between(layers, values.min("seed"), values.max("seed"), color=shade, alpha=0.15)
    right.axhline(float(result["h_y"]), color=style.MUTED, linestyle=":", linewidth=1)
    right.set(xlabel="layer (0: the input)", ylabel="bits about the label", title="After training")
    right.set_ylim(-0.05, 1.75 * max(1.0, float(end["all_units"].max())))
    right.legend(loc="upper left", fontsize=9)
    for axes in (left, right):
        axes.set_xticks(layers)
    return fig


def _title(result: xr.Dataset) -> str:
    return f"{result.attrs['activation']}, {result.attrs['epochs']} epochs"


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    end = result.isel(epoch=-1)
    snr = ", ".join(f"{v:.3g}" for v in end["snr"].median("seed").values)
    return (
        f"Networks on the 12-bit rule ({_title(result)}). Median signal to noise ratio of the label after training, "
        f"from the input to the last hidden layer: {snr}. The Gaussian capacity of all units goes from "
        f"{float(end['all_units'].isel(layer=0).mean()):.2f} to {float(end['all_units'].isel(layer=-1).mean()):.2f} "
        f"bits, while the layers' own goes from {float(end['i_ty'].isel(layer=0).mean()):.3f} to "
        f"{float(end['i_ty'].isel(layer=-1).mean()):.3f} bits."
    )


def _theorem(result: xr.Dataset) -> Evidence:
    bound = np.minimum(result["all_units"], result["h_y"])
    return Evidence((result["exact"] - bound).max(), 0, ROUNDING, "≤", unit="bits")


def _bounded(result: xr.Dataset) -> Evidence:
    end = result.isel(epoch=-1, layer=slice(1, None))
    above = (end["i_ty"] - end["snr"].copy(data=gaussian_capacity(end["snr"].values))).max("layer")
    return Evidence(above.mean(), 0, 0, "≤", spread(above), "bits")


def _constant(result: xr.Dataset) -> Evidence:
    end = result["snr"].isel(epoch=-1, layer=slice(1, None))
    ratio = np.log2(end.max("layer") / end.where(end > 0).min("layer"))
    return Evidence(ratio.mean(), 0, 1, "≤", spread(ratio), "octaves")


def _decreases(result: xr.Dataset) -> Evidence:
    hidden = result["snr"].sel(layer=slice(1, None))
    gain = np.log2(hidden.isel(epoch=-1).sum("layer") / hidden.isel(epoch=0).sum("layer"))
    return Evidence(gain.mean(), 0, 0, "≥", spread(gain), "octaves")


def _rises(result: xr.Dataset) -> Evidence | None:
    if result.attrs["activation"] != "tanh" or int(result["epoch"][-1]) < 100:
        return None
    end = result["all_units"].isel(epoch=-1)
    gain = end.isel(layer=-1) - end.isel(layer=1)
    return Evidence(gain.mean(), 0, 0, "≥", spread(gain), "bits")


CLAIMS = (
    Claim(
        "A Gaussian channel with the layer's moments carries no more than ½ log₂ det(1 + W⁻¹B), nor than H(Y) (worst).",
        "maximum entropy of the Gaussian; Shannon 1948",
        _theorem,
    ),
    Claim(
        "The information of a layer is bounded by the Gaussian capacity ½ log₂(1 + SNR) (I(T;Y) above it, at worst).",
        LECTURE,
        _bounded,
        disputed="Gaussian noise is the worst noise of its power, so its capacity is no upper bound; early layers know "
        "nearly all of Y at an SNR of a tenth",
    ),
    Claim(
        "After training SNR is about the same in all layers (largest over smallest, within a factor of 2).",
        LECTURE,
        _constant,
        disputed="it rises from layer to layer, by one to two orders of magnitude",
    ),
    Claim(
        "Training lowers the share of what is irrelevant: SNR of the label rises (summed over hidden layers).",
        LECTURE,
        _decreases,
    ),
    Claim(
        "The Gaussian capacity grows from the first hidden layer to the last (tanh); no information does.",
        "this section; data processing inequality",
        _rises,
    ),
)

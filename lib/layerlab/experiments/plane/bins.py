"""How the width of the cells, the variance of the noise and saturation decide what an information plane shows.

Hidden layers of networks that learn the 12-bit rule, at several epochs, measured over and over: with cells from 2 wide
down to 2^-20, and with noise of many variances. "Compression" is by how much I(X;T) ends below its peak.

Sources: Shwartz-Ziv & Tishby 2017; Saxe et al. 2018; Goldfeld et al. 2019.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from layerlab import lab
from layerlab.experiments.plane._rule_networks import rule_networks
from layerlab.information import binned_information, noisy_information
from layerlab.lab import Claim, Evidence, choice, integer, spread, style

MOMENTS = 6
TRAINED = 10  # networks at least: those of other experiments, some of which are looked at here
EXPONENTS = (1, 0, -1, -2, -3, -4, -5, -6, -8, -10, -12, -16, -20)  # of 2: each cell is cut from the one before
DEVIATIONS = (0.01, 0.03, 0.1, 0.3)
DRAWS = 64
SATURATED = 0.9


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The networks."""

    activation: str = choice("tanh", "activation", ("tanh", "relu"))
    epochs: int = integer(300, "epochs", low=10, high=20_000, log=True)
    seeds: int = integer(4, "networks", low=2, high=50)


GRID = (
    {"seeds": (2,)},
    {"activation": ("tanh", "relu"), "epochs": (300, 2000)},
)
# trainings in single precision part ways between machines; early on, by little
TOLERANCE = {"default": (0, 0.3)}


def work(config: Config) -> float:
    """Training steps, and the measuring."""
    return config.epochs * 7.0 * (60 + 10 * max(config.seeds, TRAINED)) + config.seeds * MOMENTS * 5e5


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train, and measure the hidden layers at some epochs with all widths and variances."""
    found = rule_networks(
        activation=config.activation, epochs=config.epochs, seeds=max(config.seeds, TRAINED), seed=config.seed, moments=60,  # noqa: E501
        device=device, progress=lambda done, of, note: progress(0.5 * done / of, 1, note),
    )  # fmt: skip
    moments = np.unique(np.linspace(0, len(found.epochs) - 1, MOMENTS).round().astype(int))
    y = found.rule.y
    rows: dict[str, list] = {"binned": [], "noisy": [], "saturation": []}
    for i, moment in enumerate(moments):
        progress(0.5 + 0.5 * i / len(moments), 1, f"measuring epoch {found.epochs[moment]}")
        layers = [t[: config.seeds] for t in found.layers(moment)[:-1]]
        rows["binned"].append(
            [[binned_information(t, y, width=2.0**e)[0].cpu().numpy() for e in EXPONENTS] for t in layers]
        )
        rows["noisy"].append(
            [[noisy_information(t, y, variance=s**2, draws=DRAWS, seed=config.seed).i_xt.cpu().numpy()
              for s in DEVIATIONS] for t in layers]
        )  # fmt: skip
        rows["saturation"].append([(t.abs() > SATURATED).double().mean((-2, -1)).cpu().numpy() for t in layers])
    progress(1, 1)
    return _dataset(rows, found.epochs[moments])


def _dataset(rows: dict[str, list], epochs: np.ndarray) -> xr.Dataset:
    bits = {"units": "bits"}
    variables: dict[str, Any] = {
        "binned": (("epoch", "layer", "width", "seed"), rows["binned"], {"long_name": "I(X;T), cells"} | bits),
        "noisy": (("epoch", "layer", "deviation", "seed"), rows["noisy"], {"long_name": "I(X;T), noise"} | bits),
        "saturation": (
            ("epoch", "layer", "seed"),
            rows["saturation"],
            {"long_name": f"share of activations beyond ±{SATURATED}"},
        ),
    }
    return xr.Dataset(
        variables,
        coords={
            "epoch": ("epoch", epochs, {"long_name": "epoch"}),
            "layer": ("layer", np.arange(1, 1 + len(rows["binned"][0])), {"long_name": "hidden layer"}),
            "width": ("width", 2.0 ** np.array(EXPONENTS), {"long_name": "width of a cell"}),
            "deviation": ("deviation", list(DEVIATIONS), {"long_name": "standard deviation of the noise"}),
        },
    )


def fall(values: xr.DataArray) -> xr.DataArray:
    """By how much an information ends below its peak over the epochs."""
    return values.max("epoch") - values.isel(epoch=-1)


def plot(result: xr.Dataset) -> Figure:
    """By how much I(X;T) ends below its peak, layer by layer: against the width on the left, the noise on the right."""
    fig, panels = style.figure(1, 2, height=3.8)
    shades = [style.MUTED, *(style.COLOURS[name] for name in ("purple", "blue", "green", "vermillion"))]
    top = 0.0
    for axes, name, across in zip(panels, ("binned", "noisy"), ("width", "deviation"), strict=True):
        values = fall(result[name])
        for i, layer in enumerate(result["layer"].values):
            one = values.sel(layer=layer)
            axes.plot(result[across], one.mean("seed"), color=shades[i], linestyle=style.DASHES[i % 4], marker="o",
                      markersize=3.5, label=f"{layer}")  # fmt: skip
            axes.fill_between(
                result[across], one.min("seed"), one.max("seed"), color=shades[i], alpha=0.15, linewidth=0
            )
        top = max(top, float(values.max()))
        axes.set_xscale("log")
    for axes in panels:
        axes.set_ylim(-0.04 * top - 0.05, 1.45 * max(top, 1))
    panels[0].set(xlabel="width of a cell", ylabel="fall of I(X;T) from its peak [bits]", title=_title(result))
    panels[1].set(xlabel="standard deviation of the noise", ylabel="fall of I(X;T) [bits]", title="with noise")
    panels[0].legend(title="hidden layer", ncols=3, loc="upper left")
    return fig


def _title(result: xr.Dataset) -> str:
    return f"{result.attrs['activation']}, {result.attrs['epochs']} epochs"


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    falls = fall(result["binned"]).isel(layer=-1).mean("seed")
    at = int(falls.argmax("width"))
    noisy = fall(result["noisy"]).isel(layer=-1).mean("seed")
    saturated = float(result["saturation"].isel(layer=-1, epoch=-1).mean())
    return (
        f"By how much I(X;T) ends below its peak ({_title(result)}). In the last hidden layer the fall is largest, "
        f"{float(falls[at]):.2f} bits, with cells {float(result['width'][at]):g} wide, and "
        f"{float(falls.isel(width=-1)):.2f} bits with the finest; with noise it is at most {float(noisy.max()):.2f} "
        f"bits. At the end {saturated:.0%} of its activations lie beyond ±{SATURATED}."
    )


def _nested(result: xr.Dataset) -> Evidence:
    gained = result["binned"].diff("width").min(("width", "epoch", "layer"))
    return Evidence(gained.min(), 0, 1e-9, "≥", spread(gained), "bits")


def _finest(result: xr.Dataset) -> Evidence:
    left = fall(result["binned"]).isel(width=-1).max("layer")
    return Evidence(left.max(), 0, 0.05, "≤", spread(left), "bits")


def _robust(result: xr.Dataset) -> Evidence:
    falls = fall(result["binned"]).isel(layer=-1)
    part = falls.sel(width=slice(0.3, 0.01))
    change = part.max("width") - part.min("width")
    return Evidence(change.mean(), 0, 0.5, "≤", spread(change), "bits")


def _noise(result: xr.Dataset) -> Evidence:
    falls = fall(result["noisy"]).max(("layer", "deviation"))
    return Evidence(falls.mean(), 0.5, 0, "≥", spread(falls), "bits")


def _saturation(result: xr.Dataset) -> Evidence | None:
    """Correlation, over layers and networks, of the fall at width 2^-4 and the saturation at the end."""
    if result.attrs["activation"] != "tanh":
        return None
    each = xr.corr(fall(result["binned"]).sel(width=2.0**-4), result["saturation"].isel(epoch=-1), dim="layer")
    if not bool(np.isfinite(each).all()):
        return None
    return Evidence(each.mean(), 0.5, 0, "≥", spread(each))


CLAIMS = (
    Claim("Cutting cells in pieces never lowers I(X;T) (smallest change; a theorem).", "definition", _nested),
    Claim(
        "With fine enough cells nothing is compressed: inputs keep apart, and I(X;T) ends where it was (largest fall "
        "of any layer and network at the finest width).",
        "Saxe et al. 2018; Goldfeld et al. 2019",
        _finest,
        disputed="single precision, saturation and dead units merge inputs for good: that part is no matter of cells",
    ),
    Claim(
        "What is seen of compression does not depend on the resolution: the last hidden layer's fall changes by at "
        "most half a bit over widths from 1/4 to 1/64 (mean).",
        "Lecture on information, “Information estimation”",
        _robust,
        disputed="it is the resolution that decides how much is seen",
    ),
    Claim(
        "With noise instead of cells some layer compresses as well, by at least half a bit (mean over networks of the "
        "largest fall).",
        "Lecture on information, “Three types of estimations”",
        _noise,
        disputed="not for every activation and length of training",
    ),
    Claim(
        "Where tanh layers saturate more, their binned information falls more (correlation over layers, mean of "
        "the networks, at least 0.5).",
        "Saxe et al. 2018",
        _saturation,
    ),
)

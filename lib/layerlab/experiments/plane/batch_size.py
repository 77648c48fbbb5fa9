"""Batch size: when gradients turn diffusive, and when layers begin to compress, for batches from 16 to all rows.

Networks 12-10-7-5-4-3-2 learn the 12-bit rule (Adam, 4e-4), for every batch size in the same number of steps. At given
weights the signal-to-noise ratio over the batches of an epoch is |m| √B / S, with m the full gradient and S the spread
of the single examples' gradients; it is computed from these at each moment, next to the ratio that was seen. With
all 3072 rows in every batch there is no noise at all.

Sources: lecture on information, "The role of the batch size"; Shwartz-Ziv & Tishby 2017; Saxe et al. 2018.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from scipy import stats

from layerlab import lab
from layerlab.experiments.plane import _gradients as gradients
from layerlab.lab import Claim, Evidence, choice, integer, spread, style

LECTURE = "Lecture on information, “The role of the batch size”"
SAMPLING = "variance of a mean of B of n rows"
BATCHES = (16, 64, 256, 1024, gradients.ROWS)
NOISY = BATCHES[:-1]
REFERENCE = 256
HIDDEN = len(gradients.WIDTHS) - 2
LEAST = 0.3  # bits
LONG = 1000  # steps


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The networks."""

    activation: str = choice("tanh", "activation", tuple(gradients.INITIALISATIONS))
    steps: int = integer(2400, "steps", low=200, high=50_000, log=True, help="the same for every batch size")
    seeds: int = integer(5, "networks", low=1, high=100, help="for each batch size")


GRID = [
    {"activation": ("tanh", "relu"), "steps": (300, 2400)},
    {"activation": ("tanh",), "steps": (200,), "seeds": (2,)},
]
TOLERANCE = {"default": (0.1, 0.05), "i_xt": (0.03, 0.1), "accuracy": (0.02, 0.01)}


def work(config: Config) -> float:
    """Rows gone through."""
    return config.steps * (config.seeds * sum(BATCHES) / 1000 + 10)


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train once for each batch size; read the layers at every moment."""
    rows: list = []
    total, before = sum(BATCHES) + 500 * len(BATCHES), 0.0
    for batch in BATCHES:
        share = (batch + 500) / total

        def report(done: float, whole: float, note: str, part: tuple = (batch, before, share)) -> None:
            progress(part[1] + part[2] * done / whole, 1, f"batches of {part[0]}, {note}")

        found = gradients.watched(
            activation=config.activation, batch=batch, steps=config.steps, moments=30, seeds=config.seeds,
            seed=config.seed, examples=batch in NOISY, device=device, progress=report,
        )  # fmt: skip
        rows.append((found, np.stack([found.layer_information(i) for i in range(len(found.at))])))
        before += share
    progress(1, 1)
    return _dataset(rows)


def _dataset(rows: list) -> xr.Dataset:
    """All batch sizes side by side; moments beyond the last of a batch size are NaN."""
    longest = max(len(found.at) for found, _ in rows)

    def course(values: list, last: tuple[str, ...], said: str, units: str = "") -> tuple:
        padded = [np.pad(v, [(0, longest - len(v))] + [(0, 0)] * (v.ndim - 1), constant_values=np.nan) for v in values]
        each = np.moveaxis(np.array(padded, dtype=np.float32), 2, 0)  # batch, moment, seed -> seed, batch, moment
        return (("seed", "batch", "moment", *last), each, {"long_name": said} | ({"units": units} if units else {}))

    quiet = [np.full_like(f.snr, np.nan) if f.per_epoch == 1 else f.snr for f, _ in rows]
    steps = np.array([np.pad(f.at.astype(float), (0, longest - len(f.at)), constant_values=np.nan) for f, _ in rows])
    return xr.Dataset(
        {
            "step": (("batch", "moment"), steps, {"long_name": "steps"}),
            "snr": course(quiet, ("layer",), "signal-to-noise ratio over the batches of an epoch"),
            "ideal": course([f.ideal for f, _ in rows], ("layer",), "|m| √B / S at the weights of the moment"),
            "i_xt": course([i for _, i in rows], ("hidden",), "I(X;T) of the layer, 30 bins", "bits"),
            "accuracy": course([f.accuracy_test for f, _ in rows], (), "accuracy on the other rows"),
        },
        coords={
            "batch": ("batch", list(BATCHES), {"long_name": "batch size"}),
            "layer": ("layer", np.arange(1, HIDDEN + 2), {"long_name": "layer of weights"}),
            "hidden": ("hidden", np.arange(1, HIDDEN + 1), {"long_name": "hidden layer"}),
        },
    )


def _turned(step: xr.DataArray, snr: xr.DataArray) -> np.ndarray:
    """(seed, layer) steps at which one batch size's ratio crosses 1."""
    from layerlab.training import transition

    known = step.notnull().values
    return transition(step.values[known], snr.transpose("moment", "seed", "layer").values[known])


def transitions(result: xr.Dataset) -> xr.Dataset:
    """(seed, batch, layer) steps: `seen`, and `predicted` from the run with B = 256 by the √B law alone; NaN if none.

    Predicted: where the ratio of that run, times √(B/256), crosses 1.
    """
    base = result.sel(batch=REFERENCE)
    dims = ("batch", "seed", "layer")
    seen = [_turned(result["step"].sel(batch=b), result["snr"].sel(batch=b)) for b in NOISY]
    predicted = [_turned(base["step"], base["snr"] * np.sqrt(b / REFERENCE)) for b in NOISY]
    coords = {"batch": list(NOISY), "layer": result["layer"]}
    return xr.Dataset({"seen": (dims, np.array(seen)), "predicted": (dims, np.array(predicted))}, coords=coords)


def compressions(result: xr.Dataset) -> xr.Dataset:
    """(seed, batch) of the last hidden layer: `peak`, the step of its highest I(X;T), and `lost`, bits until the end.

    `peak` is NaN where fewer than 0.3 bits were lost.
    """
    i_xt = result["i_xt"].isel(hidden=-1).transpose("batch", "seed", "moment").values
    peak, lost = np.full(i_xt.shape[:2], np.nan), np.zeros(i_xt.shape[:2])
    for b, step in enumerate(result["step"].values):
        here = i_xt[b][:, ~np.isnan(step)]
        lost[b] = here.max(1) - here[:, -1]
        peak[b] = np.where(lost[b] >= LEAST, step[here.argmax(1)], np.nan)
    dims = ("batch", "seed")
    return xr.Dataset({"peak": (dims, peak), "lost": (dims, lost)}, coords={"batch": result["batch"]})


def plot(result: xr.Dataset) -> Figure:
    """Ratios of two layers' gradients, the transition against B, and I(X;T) of the last hidden layer."""
    fig, axes = style.figure(2, 2, height=6.2)
    colours = mpl.colormaps["viridis"](np.linspace(0.2, 0.9, len(BATCHES)))
    for panel, layer in zip(axes[0], (1, HIDDEN), strict=True):
        for batch, colour in zip(NOISY, colours, strict=False):
            here = result.sel(batch=batch, layer=layer).median("seed")
            panel.plot(here["step"], here["snr"], color=colour, linestyle="-", linewidth=1.7, label=str(batch))
            panel.plot(here["step"], here["ideal"], "o", color=colour, markersize=3, linestyle="")
        panel.axhline(1, color=style.MUTED, linewidth=1, linestyle="--")
        panel.set(xscale="log", yscale="log", xlabel="step", ylabel="signal-to-noise ratio")
        panel.set_title(f"Layer {layer}: seen (—), |m|√B/S (●)")
    axes[0, 1].legend(title="batch", ncols=2, fontsize=8, title_fontsize=8, loc="lower left", handlelength=1.2)
    plane, when = axes[1]
    for batch, colour in zip(BATCHES, colours, strict=True):
        here = result.sel(batch=batch).isel(hidden=-1)
        label = "all" if batch == BATCHES[-1] else str(batch)
        plane.plot(here["step"], here["i_xt"].median("seed"), color=colour, linestyle="-", linewidth=1.8, label=label)
    plane.set(xscale="log", xlabel="step", ylabel="I(X;T) [bits]", title=f"Hidden layer {HIDDEN}, by batch size")
    plane.legend(title="batch", fontsize=8, title_fontsize=8, loc="lower left", ncols=2, handlelength=1.2)
    _plot_when(when, result)
    return fig


def _plot_when(axes: Any, result: xr.Dataset) -> None:
    found, layer = transitions(result).sel(layer=HIDDEN), compressions(result)
    looks = (
        (found["seen"], "transition", "blue", "o", "-"),
        (found["predicted"], "predicted by √B", "blue", "", ":"),
        (layer["peak"], "I(X;T) peaks", "vermillion", "s", "-"),
    )
    for values, label, colour, marker, dash in looks:
        middle = values.median("seed")
        axes.plot(values["batch"], middle, color=style.COLOURS[colour], marker=marker, linestyle=dash, label=label)
        if marker:
            axes.fill_between(
                values["batch"], values.min("seed"), values.max("seed"), color=style.COLOURS[colour], alpha=0.15
            )  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="batch size", ylabel="step")
    axes.set_title(f"Layer {HIDDEN}: what moves with B?")
    axes.set_ylim(10, float(result["step"].max()) * 8)
    axes.set_xticks(BATCHES, ["16", "64", "256", "1024", "all"])
    axes.minorticks_off()
    axes.legend(loc="upper left", fontsize=8)


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    found, layer = transitions(result).sel(layer=HIDDEN)["seen"].median("seed"), compressions(result)
    said = [f"{int(b)}: {float(found.sel(batch=b)):.0f}" for b in NOISY if np.isfinite(found.sel(batch=b))]
    peaks = layer["peak"].median("seed")
    turns = [f"{int(b)}: {float(peaks.sel(batch=b)):.0f}" for b in BATCHES if np.isfinite(peaks.sel(batch=b))]
    return (
        f"Gradients of {result.sizes['seed']} {result.attrs['activation']} networks for each of {len(BATCHES)} batch "
        f"sizes, {result.attrs['steps']} steps. Step of the transition of layer {HIDDEN} by batch size (median): "
        f"{', '.join(said) or 'none'}. Step of the peak of its I(X;T): {', '.join(turns) or 'none'}."
    )


def table(result: xr.Dataset) -> Any:
    """Per batch size and layer: medians of the transition, seen and predicted, and of the peak of the last layer."""
    frame = transitions(result).median("seed").to_dataframe().reset_index()
    peaks = compressions(result).median("seed").to_dataframe().reset_index()
    return frame.merge(peaks.assign(layer=HIDDEN), on=["batch", "layer"], how="outer")


def _law(result: xr.Dataset) -> Evidence:
    """Windows of drift only: in the other ones the weights' own motion over an epoch is of the gradient's size."""
    drift = result["ideal"] > 1
    ratio = (result["snr"] / result["ideal"]).where(drift)
    return Evidence(ratio.median(), 1, 0.25, spread=spread(ratio.median(("batch", "moment", "layer"))))


def _later(result: xr.Dataset) -> Evidence | None:
    """Rank correlation over the batch sizes, for each hidden layer; no transition counts as later than all others."""
    if result.attrs["steps"] < LONG:
        return None
    seen = transitions(result)["seen"].isel(layer=slice(0, HIDDEN))
    late = seen.fillna(10 * result.attrs["steps"]).median("seed") * seen["batch"]
    found = [stats.spearmanr(late["batch"], late.sel(layer=k))[0] for k in late["layer"]]
    return Evidence(np.median(found), 0.8, relation="≥")


def _predicted(result: xr.Dataset) -> Evidence | None:
    found = transitions(result).isel(layer=slice(0, HIDDEN)).drop_sel(batch=REFERENCE)
    both = (found["seen"] / found["predicted"]).copy()
    if float(both.notnull().mean()) < 0.4:
        return None
    both.values = abs(np.log2(both.values))
    return Evidence(both.median(), 0, 1, relation="≤", spread=spread(both.median(("batch", "layer"))), unit="octaves")


def _together(result: xr.Dataset) -> Evidence | None:
    """Slope of log(peak) against log(transition), in epochs, over the batch sizes at which the layer has both."""
    seen, peak = _both(result)
    if len(seen) < 3:
        return None
    fit = stats.linregress(np.log(seen * seen["batch"]), np.log(peak * peak["batch"]))
    return Evidence(fit.slope, 1, 0.5, spread=fit.stderr)


def _both(result: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """Steps of the last hidden layer's transition and peak (medians), for the batch sizes that have both."""
    seen = transitions(result)["seen"].sel(layer=HIDDEN).median("seed")
    peak = compressions(result)["peak"].median("seed").sel(batch=list(NOISY))
    has = (seen.notnull() & peak.notnull()).values
    return seen[has], peak[has]


def _apart(result: xr.Dataset) -> Evidence | None:
    """The batch size at which they lie furthest apart."""
    seen, peak = _both(result)
    if not len(seen):
        return None
    return Evidence(abs(np.log2(seen.values / peak.values)).max(), 0, 1, unit="octaves")


def _noiseless(result: xr.Dataset) -> Evidence | None:
    """Bits lost without any noise, where batches of 256 lose some."""
    lost = compressions(result)["lost"]
    noisy = float(lost.sel(batch=REFERENCE).median())
    if noisy < LEAST:
        return None
    quiet = lost.sel(batch=BATCHES[-1])
    return Evidence(quiet.median(), noisy / 2, relation="≥", spread=spread(quiet), unit="bits")


CLAIMS = (
    Claim(
        "In the drift phase the ratio seen over an epoch is |m| √B / S (median quotient of the two).", SAMPLING, _law
    ),
    Claim(
        "The larger the batch, the later the transition, in epochs (median over layers of the rank correlation).",
        LECTURE,
        _later,
    ),
    Claim(
        "√B alone predicts the transitions of all batch sizes from the run with 256 (median distance in octaves).",
        SAMPLING,
        _predicted,
    ),
    Claim(
        "Counted in epochs, compression moves with the transition: over batch sizes the peak of I(X;T) in the last "
        "hidden layer goes with its transition (slope in double logarithm).",
        LECTURE,
        _together,
    ),
    Claim(
        "Whatever the batch size, I(X;T) of the last hidden layer peaks within an octave of its transition (largest "
        "distance of the medians).",
        LECTURE,
        _apart,
        disputed="the larger the batch, the longer compression has been under way before gradients turn diffusive",
    ),
    Claim(
        "Without any noise, on full batches, the last hidden layer loses at least half as much as with batches of 256.",
        "Saxe et al. 2018",
        _noiseless,
    ),
)

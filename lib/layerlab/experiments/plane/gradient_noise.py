"""The noise of the gradient: how it is spread over the directions of a layer's weights, and where the drift points.

At moments of the training of networks on the 12-bit rule, the gradient of every single training example is known from
one pass. The covariance matrix of these gradients over a layer's weights, times 1/B, is the noise that a batch of B
sees. Its eigenvalues say along how many directions the noise is wide; its product with the mean gradient says how wide
it is along the drift.

Sources: lecture on information, "Relevant and Irrelevant local dimensions"; Gur-Ari et al. 2018.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from layerlab import lab
from layerlab.arrays import to_numpy
from layerlab.data import symmetric_rule
from layerlab.experiments.plane import _gradients as gradients
from layerlab.lab import Claim, Evidence, choice, integer, spread, style

LECTURE = "Lecture on information, “Relevant and Irrelevant local dimensions”"
GUR_ARI = "After Gur-Ari, Roberts & Dyer 2018, who say it of the Hessian"
BATCH, PER_EPOCH, MOMENTS, KEPT = 512, 6, 10, 20
LAYERS = len(gradients.WIDTHS) - 1
SIZES = np.array([a * b for a, b in zip(gradients.WIDTHS[:-1], gradients.WIDTHS[1:], strict=True)])
BROAD = slice(0, 4)  # layers with 20 weights or more: in the others "many directions" says little
LONG = 400


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The networks; they are those of plane/gradient_phases."""

    activation: str = choice("tanh", "activation", tuple(gradients.INITIALISATIONS))
    epochs: int = integer(600, "epochs", low=10, high=10_000, log=True)
    seeds: int = integer(10, "networks", low=1, high=100, help="each with its own weights, data order and rows")


GRID = {"activation": ("tanh", "relu"), "epochs": (100, 600)}
# spectra of networks whose training differs a little from machine to machine
TOLERANCE = {"default": (0.1, 0.05), "spectrum": (0.2, 0.02), "narrow": (0.3, 0.1), "mean": (0.2, 0.01)}


def work(config: Config) -> float:
    """Training steps, and the analysis of the examples."""
    return config.epochs * (3 + config.seeds) + 300 * config.seeds


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Take the networks at some moments of their training, and all their examples' gradients."""
    from layerlab.training import TrainingConfig, example_gradients

    found = gradients.watched(
        activation=config.activation, batch=BATCH, steps=PER_EPOCH * config.epochs, seeds=config.seeds,
        seed=config.seed, device=device, progress=lambda done, total, note: progress(0.6 * done / total, 1, note),
    )  # fmt: skip
    rule, rows = symmetric_rule(), gradients.training_rows(config.seed, config.seeds)
    x, y = rule.x.astype(np.float32)[rows], rule.y[rows]
    loss = TrainingConfig(epochs=1)
    chosen = sorted({int(i) for i in np.linspace(0, len(found.at) - 1, MOMENTS).round()})
    names = ("dimension", "top", "drift", "narrow", "spectrum", "mean", "variance")
    values: dict[str, list] = {name: [] for name in names}
    for i, moment in enumerate(chosen):
        progress(0.6 + 0.4 * i / len(chosen), 1, "gradients of all examples")
        layers = [_layer(each) for each in example_gradients(found.networks(moment), x, y, loss, top=10_000)]
        for name in names:
            values[name].append(np.stack([layer[name] for layer in layers], 1))
    progress(1, 1)
    said = {
        "dimension": "effective number of directions of the noise, (tr C)² / tr C²",
        "top": "share of the noise along the five widest directions",
        "drift": "share of the drift along the five widest directions of the noise",
        "narrow": "noise along the drift, in units of the mean over all directions",
        "spectrum": "eigenvalues of the covariance, as shares of its trace",
        "mean": "norm of the mean gradient",
        "variance": "trace of the covariance of the examples' gradients",
    }
    dims = ("seed", "epoch", "layer", "rank")
    each = {n: np.moveaxis(np.array(v, dtype=np.float32), 0, 1) for n, v in values.items()}
    return xr.Dataset(
        {n: (dims[: v.ndim], v, {"long_name": said[n]}) for n, v in each.items()},
        coords={
            "epoch": ("epoch", found.at[chosen] / PER_EPOCH, {"long_name": "epoch"}),
            "layer": ("layer", np.arange(1, LAYERS + 1), {"long_name": "layer of weights"}),
            "rank": ("rank", np.arange(1, KEPT + 1), {"long_name": "rank of the eigenvalue"}),
        },
    )


def _layer(found: Any) -> dict[str, np.ndarray]:
    """What is kept of a layer's `LayerGradients`, (N, ...); the spectrum is padded with NaN."""
    values, overlap, variance = (to_numpy(v) for v in (found.eigenvalues, found.overlap, found.variance))
    size = found.mean.shape[1]
    shares = values[:, :KEPT] / variance[:, None]
    return {
        "dimension": to_numpy(found.dimension),
        "top": values[:, :5].sum(1) / variance,
        "drift": overlap[:, :5].sum(1),
        "narrow": (values * overlap).sum(1) * size / variance,
        "spectrum": np.pad(shares, ((0, 0), (0, KEPT - shares.shape[1])), constant_values=np.nan),
        "mean": to_numpy(found.mean.norm(dim=1)),
        "variance": variance,
    }


def plot(result: xr.Dataset) -> Figure:
    """Spectra of a layer, effective directions, the drift's share, and the noise along it."""
    fig, axes = style.figure(2, 2, height=6.2)
    (spectra, count), (share, width) = axes
    shades = mpl.colormaps["cividis"](np.linspace(0.25, 1, result.sizes["epoch"]))
    for epoch, shade in zip(result["epoch"].values, shades, strict=True):
        here = result["spectrum"].sel(epoch=epoch, layer=2).median("seed")
        label = f"{epoch:.0f}" if epoch in result["epoch"].values[[0, len(shades) // 2, -1]] else None
        spectra.plot(
            here["rank"], here, color=shade, linestyle="-", linewidth=1.5, marker="o", markersize=3, label=label
        )
    spectra.axhline(1 / SIZES[1], color=style.MUTED, linestyle="--", linewidth=1)
    spectra.set(yscale="log", ylim=(1e-5, 1.5), xlabel="rank", ylabel="eigenvalue / trace", title="Layer 2: the noise")
    spectra.legend(title="epoch", fontsize=8, title_fontsize=8)
    colours = mpl.colormaps["viridis"](np.linspace(0.2, 0.9, LAYERS))
    for layer, colour in zip(result["layer"].values, colours, strict=True):
        course = result.sel(layer=layer)
        for panel, name in ((count, "dimension"), (share, "drift"), (width, "narrow")):
            panel.plot(
                course["epoch"], course[name].median("seed"), color=colour, linestyle="-", linewidth=1.7,
                label=f"{layer} (of {SIZES[layer - 1]})",
            )  # fmt: skip
    count.set(yscale="log", ylim=(0.9, 200), ylabel="effective directions", title="Directions of the noise")
    count.legend(title="layer (its weights)", ncols=2, fontsize=8, title_fontsize=8, loc="upper left", handlelength=1.2)
    share.set(ylim=(0, 1.05), ylabel="share of |drift|²", title="Drift along the 5 widest directions")
    width.axhline(1, color=style.MUTED, linestyle="--", linewidth=1)
    width.set(yscale="log", ylabel="in units of the mean", title="Noise along the drift")
    for panel in (count, share, width):
        panel.set(xscale="log", xlabel="epoch")
    return fig


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    first, last = (result.isel(epoch=i).median("seed") for i in (0, -1))
    counts = ", ".join(
        f"{int(k)}: {float(last['dimension'].sel(layer=k)):.1f} of {SIZES[int(k) - 1]}" for k in result["layer"]
    )
    return (
        f"Covariance of single examples' gradients in {result.sizes['seed']} {result.attrs['activation']} networks. "
        f"Effective directions of the noise after {result.attrs['epochs']} epochs, by layer: {counts}. "
        f"In layer 1 the five widest directions hold {100 * float(first['drift'][0]):.0f} % of the drift at first and "
        f"{100 * float(last['drift'][0]):.0f} % at the end; the noise along the drift is "
        f"{float(last['narrow'][0]):.1f} times the mean over all directions."
    )


def table(result: xr.Dataset) -> Any:
    """Per layer and epoch: medians over the networks."""
    names = ["dimension", "top", "drift", "narrow"]
    return result[names].median("seed").to_dataframe().reset_index()[["layer", "epoch", *names]]


def _relative(result: xr.Dataset) -> xr.DataArray:
    """(seed, layer) effective directions at the end, in units of the number of weights."""
    return result["dimension"].isel(epoch=-1, layer=BROAD) / SIZES[BROAD]


def _few(result: xr.Dataset) -> Evidence:
    """The layer of 20 weights or more whose noise is spread most evenly."""
    share = _relative(result)
    worst = share.isel(layer=int(share.median("seed").values.argmax()))
    return Evidence(worst.median(), 0.25, relation="≤", spread=spread(worst))


def _many(result: xr.Dataset) -> Evidence:
    share = _relative(result).median("layer")
    return Evidence(share.median(), 0.5, relation="≥", spread=spread(share))


def _narrow(result: xr.Dataset) -> Evidence:
    """The median over the layers of 20 weights or more and all moments."""
    along = result["narrow"].isel(layer=BROAD).median(("layer", "epoch"))
    return Evidence(along.median(), 1, relation="≤", spread=spread(along))


def _inside(result: xr.Dataset) -> Evidence | None:
    """A random direction has 5 of P on average there; the first layer has P = 120."""
    if result.attrs["epochs"] < LONG:
        return None
    late = result["drift"].isel(layer=BROAD, epoch=slice(-3, None)).median(("layer", "epoch"))
    return Evidence(late.median(), 0.5, relation="≥", spread=spread(late))


CLAIMS = (
    Claim(
        "The noise lives in few directions: at the end of training at most a quarter of the weights' number "
        "(effective directions, layers of 20 weights or more).",
        GUR_ARI,
        _few,
    ),
    Claim(
        "The covariance is wide in the many directions of a layer: at least half as many as it has weights.",
        LECTURE,
        _many,
        disputed="the opposite holds here: wide in a handful of directions, narrow in all others",
    ),
    Claim(
        "It is narrow in the relevant directions: the noise along the drift is no wider than on average over all "
        "directions (layers of 20 weights or more).",
        LECTURE,
        _narrow,
        disputed="noise is several times wider along the drift than on average, least so while the networks fit",
    ),
    Claim("Late in training the drift lies mostly within the five widest directions of the noise.", GUR_ARI, _inside),
)

"""Rate and distortion: how few bits describe a source, if so much error is allowed.

The curve R(D) of a source by Blahut and Arimoto's iteration, all multipliers in one batch, from a random start for
each seed. Beside it, what can be had without any theory: uniform quantisers at random offsets, whose rate is the
entropy of their cells; and the optimal channels with noise in their logarithms. Every point has to lie above the
curve. Source: T. M. Cover, J. A. Thomas, Elements of Information Theory, 2nd edition 2006, chapter 10; R. E. Blahut
1972.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from scipy import special

from layerlab import lab
from layerlab.data import load
from layerlab.information import (
    binary_rate_distortion,
    entropy,
    gaussian_rate_distortion,
    mutual_information,
    rate_distortion,
)
from layerlab.lab import Claim, Evidence, choice, real, spread, style

BETAS = 28
POINTS, REACH = 91, 4.5  # of the Gaussian's grid: cells of a tenth of a standard deviation
ENOUGH = 5e-4  # bits: the iteration stops there
STEPS = (2, 3, 4, 5, 6, 7, 9, 12, 16, 24)  # width of the quantisers' cells, in letters
QUARTER = 0.5 * math.log2(2 * math.pi * math.e / 12)  # bits, 0.2546
GRID_ERROR = 2e-3  # bits by which a Gaussian on a grid may differ from its formula, with the grid's own variance
TOLERANCE = {"start_iterations": (0.2, 20.0)}


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """Source and its unevenness."""

    source: str = choice("gaussian", "source", ("binary", "gaussian", "digits", "mnist", "fashion-mnist"),
                         help="of images: the intensity of a pixel, in 17 levels")  # fmt: skip
    p: float = real(0.5, "P[X = 1]", low=0.01, high=0.5, help="of the binary source only")
    noise: float = real(0.5, "noise in the channels", low=0.05, high=3.0, help="in the logarithms of their entries")
    seeds: int = lab.integer(5, "repetitions", low=1, high=50, help="random starts, offsets and noises")


GRID = (
    {"source": ("binary",), "p": (0.1, 0.3, 0.5)},
    {"source": ("gaussian", "digits"), "noise": (0.2, 0.5, 1.0)},
    {"source": ("mnist", "fashion-mnist")},
)


def work(config: Config) -> float:
    """Cells of all channels, and a constant."""
    cells = POINTS**2 if config.source == "gaussian" else 17**2
    return 5e6 + 1e3 * config.seeds * BETAS * cells


def source(config: Config) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, str]]:
    """Letters x, their probabilities, the distortion between them, the betas, and the checksums of the data."""
    checksums: dict[str, str] = {}
    if config.source == "binary":
        x, p = np.arange(2.0), np.array([1 - config.p, config.p])
        return x, p, np.abs(np.subtract.outer(x, x)), np.geomspace(0.3, 9, BETAS), checksums
    if config.source == "gaussian":
        x = np.linspace(-REACH, REACH, POINTS)
        p = np.diff(special.ndtr(np.r_[-np.inf, (x[1:] + x[:-1]) / 2, np.inf]))
    else:
        data = load(config.source)
        checksums[data.name] = data.checksum
        x = np.arange(17.0)
        p = np.bincount(np.rint(data.x_train * 16).astype(int).ravel(), minlength=17) / data.x_train.size
    variance = p @ x**2 - (p @ x) ** 2
    top = 18 if config.source == "gaussian" else 6 * variance
    betas = np.geomspace(0.45, top, BETAS) / variance
    return x, p, np.subtract.outer(x, x) ** 2, betas, checksums


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """The curve from a random start for each seed; quantisers and noisy channels beside it."""
    x, p, d, betas, checksums = source(config)
    rngs = [np.random.default_rng(stream) for stream in config.streams()]
    start = np.concatenate([np.tile(rng.dirichlet(np.ones(len(x))) + 1e-6, (BETAS, 1)) for rng in rngs])
    progress(0, 1, "iterating")
    found = _solve(p, d, np.tile(betas, config.seeds), start, device)
    shape = (config.seeds, BETAS)
    rate, distortion, residual = (found[name].reshape(shape) for name in ("rate", "distortion", "residual"))
    best = residual.argmin(0)  # of each beta, the start that came nearest
    channel = found["channel"].reshape(*shape, *d.shape)[best, np.arange(BETAS)]
    progress(0.8, 1, "quantisers and channels beside it")
    noisy = [_noisy(p, d, channel[::3], config.noise, rng) for rng in rngs]
    coarse = [_quantised(p, d, rng) for rng in rngs]
    progress(1, 1)
    mean = p @ x
    return xr.Dataset(
        {
            "rate": (("seed", "beta"), rate, {"long_name": "rate R", "units": "bits"}),
            "distortion": (("seed", "beta"), distortion, {"long_name": "mean distortion D"}),
            "residual": (("seed", "beta"), residual, {"long_name": "certified excess over R(D)", "units": "bits"}),
            "start_iterations": (("seed", "beta"), found["iterations"].reshape(shape), {"long_name": "iterations"}),
            "noisy_rate": (("seed", "channel"), [n[0] for n in noisy],
                           {"long_name": "rate of a noisy channel", "units": "bits"}),
            "noisy_distortion": (("seed", "channel"), [n[1] for n in noisy],
                                 {"long_name": "distortion of a noisy channel"}),
            "quantiser_rate": (("seed", "step"), [c[0] for c in coarse],
                               {"long_name": "entropy of the quantiser's cells", "units": "bits"}),
            "quantiser_distortion": (("seed", "step"), [c[1] for c in coarse],
                                     {"long_name": "distortion of the quantiser"}),
        },
        coords={
            "beta": ("beta", betas, {"long_name": "β", "units": "nats per unit of distortion"}),
            "step": ("step", list(STEPS), {"long_name": "letters in a cell"}),
        },
        attrs={
            "data_checksums": checksums,
            "entropy_of_source": entropy(p),
            "variance_of_source": float(p @ (x - mean) ** 2),
            "distortion_of_a_constant": float((p @ d).min()),
        },
    )  # fmt: skip


def _solve(p: np.ndarray, d: np.ndarray, betas: np.ndarray, start: np.ndarray, device: str) -> dict[str, np.ndarray]:
    names = ("rate", "distortion", "residual", "iterations", "channel")
    if device == "cpu":
        found = rate_distortion(p, d, betas, start=start, tolerance=ENOUGH)
        return {name: getattr(found, name) for name in names}
    import torch

    kind = torch.float32 if device.startswith("mps") else torch.float64
    masses = torch.tensor(p / p.sum(), dtype=kind, device=device)
    found = rate_distortion(masses, d, betas, start=start, tolerance=ENOUGH)
    return {name: getattr(found, name).double().cpu().numpy() for name in names}


def _noisy(p: np.ndarray, d: np.ndarray, channel: np.ndarray, noise: float, rng: Any) -> tuple[Any, np.ndarray]:
    """Rate and distortion of the channels with Gaussian noise in their logarithms."""
    shaken = channel * np.exp(noise * rng.standard_normal(channel.shape))
    joint = p[:, None] * shaken / shaken.sum(-1, keepdims=True)
    joint /= joint.sum((1, 2), keepdims=True)
    return mutual_information(joint), (joint * d).sum((1, 2))


def _quantised(p: np.ndarray, d: np.ndarray, rng: Any) -> tuple[np.ndarray, np.ndarray]:
    """Rate and distortion of quantisers whose cells are runs of letters, at a random offset."""
    rates, distortions = np.full(len(STEPS), np.nan), np.full(len(STEPS), np.nan)
    for i, step in enumerate(STEPS):
        if step > len(p):
            break
        cell = (np.arange(len(p)) + rng.integers(step)) // step
        member = cell[:, None] == np.unique(cell)
        rates[i] = entropy(p @ member / p.sum())
        distortions[i] = ((p[:, None] * d).T @ member).min(0).sum()  # each cell by its best letter
    return rates, distortions


def certified(result: xr.Dataset, distortion: Any) -> np.ndarray:
    """A lower bound on R at any distortion, in bits: the highest of the certified tangents of the curve."""
    slope = result["beta"].values / math.log(2)
    tangent = (result["rate"] + slope * result["distortion"] - result["residual"]).max("seed").values
    at = np.asarray(distortion)[..., None]
    return np.maximum((tangent - slope * at).max(-1), 0)


def plot(result: xr.Dataset) -> Figure:
    """The curve with what lies above it on the left; how far above it on the right."""
    fig, (left, right) = style.figure(1, 2, height=3.6)
    d, rate = result["distortion"].mean("seed"), result["rate"].mean("seed")
    blue, red, green, purple = style.COLOURS.values()
    left.plot(d, rate, "-", color=blue, label="R(D)")
    closed = _closed(result, d.values)
    if closed is not None:
        left.plot(d, closed, linestyle="none", marker="o", markersize=4.5, markerfacecolor="none",
                  markeredgecolor=red, label="closed form")  # fmt: skip
    for axes in (left, right):
        above = axes is right
        for name, look in (("noisy", (".", purple, "noisy channels")), ("quantiser", ("^", green, "quantisers"))):
            at, height = result[f"{name}_distortion"].values, result[f"{name}_rate"].values
            if not np.isfinite(height).any() or (result.attrs["source"] == "binary" and name == "quantiser"):
                continue
            if above:  # where the curve has points, for a bound on it is all that is known beyond
                height = np.where(at >= float(d.min()), height - certified(result, at), np.nan)
            axes.plot(at.ravel(), height.ravel(), look[0], color=look[1], markersize=4, alpha=0.7, label=look[2])
    unit = "share of wrong bits" if result.attrs["source"] == "binary" else "squared error"
    left.set(xlabel=f"distortion D ({unit})", ylabel="bits for each letter", title=_title(result))
    left.set_ylim(-0.03 * float(rate.max()), 1.2 * max(float(rate.max()), float(result["noisy_rate"].max())))
    left.legend(loc="upper right")
    right.axhline(0, color=blue)
    right.set(xlabel=f"distortion D ({unit})", ylabel="bits above the curve", title="Wasted")
    right.set_ylim(None, 1.4 * right.get_ylim()[1])  # room for the legend
    if result.attrs["source"] == "gaussian":
        right.axhline(QUARTER, color=style.MUTED, linestyle=":", label="quarter bit")
    right.legend(loc="upper right")
    for axes in (left, right):
        axes.set_xlim(-0.02 * result.attrs["distortion_of_a_constant"], 1.1 * result.attrs["distortion_of_a_constant"])
    return fig


def _title(result: xr.Dataset) -> str:
    name = result.attrs["source"]
    return {"binary": f"Bit, P[1] = {result.attrs['p']:g}", "gaussian": "Gaussian"}.get(name, f"Pixels of {name}")


def _closed(result: xr.Dataset, distortion: Any) -> Any:
    if result.attrs["source"] == "binary":
        return binary_rate_distortion(distortion, result.attrs["p"])
    if result.attrs["source"] == "gaussian":
        return gaussian_rate_distortion(distortion, result.attrs["variance_of_source"])
    return None


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    rate, d = result["rate"].mean("seed").values, result["distortion"].mean("seed").values
    noisy = result["noisy_rate"].values - certified(result, result["noisy_distortion"].values)
    return (
        f"The rate-distortion curve of {_title(result).lower()} falls from {rate[-1]:.2f} bits at a distortion of "
        f"{d[-1]:.3g} to {rate[0]:.2f} bits at {d[0]:.3g}; the source has "
        f"{result.attrs['entropy_of_source']:.2f} bits. Channels with noise in them lie {noisy.min():.3f} to "
        f"{noisy.max():.3f} bits above it. The iteration certifies every point to "
        f"{float(result['residual'].max()):.1g} bits."
    )


def _formula(result: xr.Dataset) -> Evidence | None:
    closed = _closed(result, result["distortion"].values)
    if closed is None:
        return None
    off = np.abs(result["rate"] - closed).max("beta")
    margin = float(result["residual"].max()) + (GRID_ERROR if result.attrs["source"] == "gaussian" else 1e-9)
    return Evidence(off.max(), 0, margin, spread=spread(off), unit="bits")


def _slope(result: xr.Dataset) -> Evidence:
    """A convex curve's chord between two betas has a slope between them: the worst violation, in bits."""
    order = result.sortby("beta")
    fall = -order["distortion"].diff("beta").values / math.log(2)
    rise = order["rate"].diff("beta").values
    beta = order["beta"].values
    off = np.maximum(beta[:-1] * fall - rise, rise - beta[1:] * fall)
    return Evidence(off.max(), 0, 2 * float(result["residual"].max()), relation="≤", unit="bits")


def _above(result: xr.Dataset) -> Evidence:
    lowest = [
        (result[f"{name}_rate"] - certified(result, result[f"{name}_distortion"].values)).min(along)
        for name, along in (("noisy", "channel"), ("quantiser", "step"))
    ]
    each = np.minimum(lowest[0], lowest[1])
    return Evidence(each.min(), 0, 1e-9, relation="≥", spread=spread(each), unit="bits")


def _quarter(result: xr.Dataset) -> Evidence | None:
    if result.attrs["source"] != "gaussian":
        return None
    steps = result.sel(step=[6, 7, 9])  # fine beside the standard deviation, coarse beside the grid
    excess = steps["quantiser_rate"] - certified(result, steps["quantiser_distortion"].values)
    return Evidence(excess.mean(), QUARTER, 0.02, spread=spread(excess.mean("step")), unit="bits")


def _starts(result: xr.Dataset) -> Evidence | None:
    if result.sizes["seed"] < 2:
        return None
    objective = result["rate"] + result["beta"] / math.log(2) * result["distortion"]
    width = (objective.max("seed") - objective.min("seed")).max()
    return Evidence(width, 0, result["residual"].max(), relation="≤", unit="bits")


CLAIMS = (
    Claim(
        "The iteration finds the closed form: h(p) − h(D) for a bit, ½ log(σ²/D) for a Gaussian (largest deviation).",
        "Cover & Thomas 2006, theorems 10.3.1 and 10.3.2; tolerance: the certificate, and 0.002 bits for the grid",
        _formula,
    ),
    Claim(
        "The slope of R(D) is −β: every chord is as steep as the multipliers at its ends allow (largest violation).",
        "Blahut 1972; tolerance: two certificates",
        _slope,
    ),
    Claim("No quantiser and no noisy channel lies below the curve (least height above it).",
          "the lecture's infimum; certified by Blahut 1972, theorem 6", _above),
    Claim(
        "A fine uniform quantiser of a Gaussian wastes ½ log(2πe/12) = 0.255 bits.",
        "Gish & Pierce 1968; tolerance 0.02 bits for cells of 0.6 to 0.9 σ on a grid of 0.1 σ",
        _quarter,
    ),
    Claim("Where the iteration starts does not matter: I + βD is convex (largest difference between starts).",
          "Csiszár 1974; tolerance: the certificate", _starts),
)  # fmt: skip

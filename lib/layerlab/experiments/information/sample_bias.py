"""How far the informations of a fixed representation miss when they are read off a sample.

T has K cells, fixed before any sample is drawn. From n draws of (T, Y) the empirical I(X;T) = H(T) comes out too small
and the empirical I(T;Y), as a rule, too large. Both errors are held against their first order in 1/n and against the
scales K/√n and √(2^I(X;T)|Y|/n) of the lectures' bounds.

Source: Shamir, Sabato & Tishby 2010; Paninski 2003.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from layerlab import lab
from layerlab.information import (
    decoder_error_scale,
    empirical_joint,
    encoder_error_scale,
    entropy,
    entropy_shortfall,
    information_bias,
    mutual_information,
)
from layerlab.lab import Claim, Evidence, choice, integer, real, spread, style

N = 2 ** np.arange(4, 17)  # sample sizes
LIGHT = 0.25  # the mass that all cells but the first share, where masses are uneven
FILLED = 10  # draws that the rarest cell is due before a first order in 1/n is held to its word


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The representation and its labels."""

    cells: int = integer(32, "cells K of T", low=2, high=4096, log=True)
    masses: str = choice("equal", "masses", ("equal", "uneven"), help="uneven: one cell has 3/4, the others share 1/4")
    noise: float = real(0.5, "label noise", low=0.05, high=1.0, help="share of labels drawn at random")
    seeds: int = integer(60, "repetitions", low=2, high=500)


GRID = (
    {"cells": (4, 32, 256, 4096)},
    {"cells": (32, 256, 4096), "masses": ("uneven",)},
    {"cells": (32, 4096), "masses": ("equal", "uneven"), "noise": (1.0,)},
)


def work(config: Config) -> float:
    """Binomial numbers to draw."""
    return 1e6 + 40 * len(N) * config.seeds * config.cells


def joint(config: Config) -> np.ndarray:
    """(K, 2): p(t, y), the labels of the cells alternating, drawn afresh with probability `noise`."""
    p_t = np.full(config.cells, 1 / config.cells)
    if config.masses == "uneven":
        p_t = np.r_[1 - LIGHT, np.full(config.cells - 1, LIGHT / (config.cells - 1))]
    p_one = (1 - config.noise) * (np.arange(config.cells) % 2) + config.noise / 2
    return p_t[:, None] * np.stack([1 - p_one, p_one], 1)


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Draw samples of every size, and read both informations off them.

    The error of each is a sum: the mean over the sample of -log2 p(t), or of log2 p(t,y)/(p(t)p(y)), about its true
    value, and a rest, the shortfall or the excess. The first has mean zero, so the rest has the mean of the error, and
    shows it with far less scatter.
    """
    p_ty = joint(config)
    p_t, p_y = p_ty.sum(1), p_ty.sum(0)
    surprise, density = -np.log2(p_t), np.log2(p_ty / p_t[:, None] / p_y)
    compression, relevance, short, over = np.empty((4, len(N), config.seeds))
    for s, stream in enumerate(config.streams()):
        rng = np.random.default_rng(stream)
        progress(s, config.seeds, f"sample {s + 1} of {config.seeds}")
        for i, n in enumerate(N):
            sample = empirical_joint(p_ty, int(n), rng)
            compression[i, s] = entropy(sample.sum(1))
            relevance[i, s] = mutual_information(sample)
            short[i, s] = sample.sum(1) @ surprise - compression[i, s]
            over[i, s] = relevance[i, s] - (sample * density).sum()
    progress(config.seeds, config.seeds)
    bits = {"units": "bits"}
    truth = float(entropy(p_t)), float(mutual_information(p_ty))
    return xr.Dataset(
        {
            "compression": (("n", "seed"), compression, bits | {"long_name": "I(X;T) of the sample"}),
            "relevance": (("n", "seed"), relevance, bits | {"long_name": "I(T;Y) of the sample"}),
            "shortfall": (("n", "seed"), short, bits | {"long_name": "I(X;T) of the sample, below mean surprise"}),
            "excess": (("n", "seed"), over, bits | {"long_name": "I(T;Y) of the sample, above mean density"}),
            "compression_true": ((), truth[0], bits | {"long_name": "true I(X;T)"}),
            "relevance_true": ((), truth[1], bits | {"long_name": "true I(T;Y)"}),
            "rarest": ((), float(p_ty.min()), {"long_name": "probability of the rarest cell and label"}),
        },
        coords={"n": ("n", N, {"long_name": "samples n"})},
    )


def plot(result: xr.Dataset) -> Figure:
    """The shortfall of I(X;T) on the left, the excess of I(T;Y) on the right."""
    fig, (left, right) = style.figure(1, 2, height=3.9)
    n, k = result["n"].values, result.attrs["cells"]
    first = np.array([[information_bias(k, 2, int(m)), entropy_shortfall(k, int(m))] for m in n]).T
    _errors(left, n, result["compression"] - result["compression_true"], result["shortfall"])
    left.plot(n, first[0], "--", color=style.MUTED)
    left.plot(n, first[1], "-", color=style.COLOURS["purple"], label=r"bound on the mean, $\log_2(1+(K-1)/n)$")
    left.plot(n, encoder_error_scale(k, n), ":", color=style.COLOURS["vermillion"], label="K/√n")
    left.set(title="I(X;T): too small by", ylabel="error (bits)")
    _errors(right, n, result["relevance"] - result["relevance_true"], result["excess"])
    right.plot(n, first[0], "--", color=style.MUTED, label="mean error to first order, (K − 1)/(2n ln 2)")
    scale = decoder_error_scale(float(result["compression_true"]), 2, n)
    right.plot(
        n, scale, color=style.COLOURS["green"], linestyle=(0, (4, 1.5, 1, 1.5)), label=r"$\sqrt{2^{I(X;T)}|Y|/n}$"
    )
    right.set(title="I(T;Y): too large by", ylabel="error (bits)")
    for axes in (left, right):
        axes.set(xscale="log", yscale="log", xlabel="samples n", ylim=(1e-5, 200), yticks=10.0 ** np.arange(-5, 3, 2))
        axes.yaxis.set_minor_locator(NullLocator())
    lines = dict(zip(*reversed(left.get_legend_handles_labels()), strict=True))
    lines |= dict(zip(*reversed(right.get_legend_handles_labels()), strict=True))
    wide = fig.get_figwidth() > 5
    fig.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=2 if wide else 1)
    if not wide:
        fig.set_figheight(7.5)
    return fig


def _errors(axes: Any, n: np.ndarray, error: xr.DataArray, mean: xr.DataArray) -> None:
    size, mean = abs(error), mean.mean("seed")
    blue = style.COLOURS["blue"]
    band = (size.quantile(0.05, "seed"), size.quantile(0.95, "seed"))
    axes.fill_between(n, *band, color=blue, alpha=0.25, label="size of the error, 90 % of samples")
    axes.plot(n, mean.where(mean > 0), "o-", color=blue, markersize=4, linewidth=1.4, label="its mean")


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    at = result.sel(n=1024)
    short, over = float(at["shortfall"].mean()), float(at["excess"].mean())
    return (
        f"Errors of the empirical informations of a fixed representation with {result.attrs['cells']} cells of "
        f"{result.attrs['masses']} mass against the number of samples, on logarithmic axes. With 1024 samples I(X;T) "
        f"is {short:.3g} bits below its true {float(result['compression_true']):.3f} on average, and I(T;Y) "
        f"{over:.3g} bits above its true {float(result['relevance_true']):.3f}. Both mean errors fall like 1/n once "
        f"every cell is filled."
    )


def _last(result: xr.Dataset, values: xr.DataArray, expected: float, filled: float) -> Evidence | None:
    """Mean at the largest n over its first order; second order: 1/6 of one over the draws due to the rarest cell."""
    n = int(result["n"][-1])
    if n * filled < FILLED:
        return None
    relative = values.sel(n=n) / expected
    error = float(relative.std("seed", ddof=1)) / np.sqrt(relative.sizes["seed"])
    return Evidence(relative.mean(), 1, 4 * error + 1 / (n * filled), spread=spread(relative))


def _mean_shortfall(result: xr.Dataset) -> Evidence:
    """At the n where the mean comes nearest to its bound, or goes farthest beyond, in standard errors."""
    values = result["shortfall"]
    mean, error = values.mean("seed"), values.std("seed", ddof=1) / np.sqrt(values.sizes["seed"])
    bound = np.array([entropy_shortfall(result.attrs["cells"], int(n)) for n in result["n"]])
    worst = int(np.argmax((mean.values - bound) / error.values))
    return Evidence(mean[worst], bound[worst], 4 * error[worst], "≤", spread(values[worst]), "bits")


def _first_order(result: xr.Dataset) -> Evidence | None:
    k, n = result.attrs["cells"], int(result["n"][-1])
    light = 1 / k if result.attrs["masses"] == "equal" else LIGHT / (k - 1)
    return _last(result, result["shortfall"], information_bias(k, 2, n), light)


def _optimism(result: xr.Dataset) -> Evidence | None:
    expected = information_bias(result.attrs["cells"], 2, int(result["n"][-1]))
    return _last(result, result["excess"], expected, float(result["rarest"]))


def _compression(result: xr.Dataset) -> Evidence:
    error = (result["compression_true"] - result["compression"]).quantile(0.95, "seed")
    return Evidence((error / encoder_error_scale(result.attrs["cells"], result["n"].values)).max(), 1, relation="≤")


def _as_written(result: xr.Dataset) -> Evidence:
    error = (result["relevance_true"] - result["relevance"]).quantile(0.95, "seed")
    return Evidence((error / _scale(result)).max(), 1, relation="≤")


def _other_side(result: xr.Dataset) -> Evidence:
    return Evidence((result["excess"].mean("seed") / _scale(result)).max(), 1, relation="≤")


def _scale(result: xr.Dataset) -> np.ndarray:
    return decoder_error_scale(float(result["compression_true"]), 2, result["n"].values)


SLIDES = "lecture on representations, after Shamir, Sabato & Tishby 2010"
CLAIMS = (
    Claim(
        "On average Î(X;T) of K cells is too small by at most log2(1 + (K−1)/n) (where it comes nearest).",
        "Paninski 2003; tolerance: four standard errors",
        _mean_shortfall,
    ),
    Claim(
        "To first order it is too small by (K−1)/(2n ln 2): the mean error falls like K/n, not K/√n (the quotient).",
        "Miller 1955; tolerance: four standard errors, and one over the draws due to the rarest cell",
        _first_order,
    ),
    Claim(
        "I(X;T) ≤ Î(X;T) + K/√n, with constant 1 (95 % of samples, the worst n, in units of K/√n).",
        SLIDES,
        _compression,
    ),
    Claim(
        "Î(T;Y) is too large by (K−1)(|Y|−1)/(2n ln 2) once n is large (the quotient).",
        "Miller 1955; tolerance: four standard errors, and one over the draws due to the rarest cell",
        _optimism,
    ),
    Claim(
        "I(T;Y) ≤ Î(T;Y) + √(2^I(X;T)|Y|/n), with constant 1 (95 % of samples, the worst n, in units of the root).",
        "lecture on information, the finite-sample slide",
        _as_written,
    ),
    Claim(
        "And the other way round: Î(T;Y) ≤ I(T;Y) + √(2^I(X;T)|Y|/n) on average, with constant 1 (the worst n).",
        "the same, read in the direction that learning needs",
        _other_side,
        disputed="2^I(X;T) counts cells only if they have equal mass. Many light cells beside a heavy one can memorise "
        "their labels and hardly show in I(X;T), and no constant would do: the quotient grows with their number.",
    ),
)

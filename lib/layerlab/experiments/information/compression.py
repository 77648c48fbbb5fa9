"""Is a bit of compression worth a doubling of the sample?

T has 2^b cells and is fixed beforehand. m labelled samples are drawn, each cell learns the label that it saw most, and
the gap between true and training error is measured for every b and m. Then both are changed against each other.

Source: the input-compression bound of the lecture on information.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from layerlab import lab
from layerlab.experiments.information._cells import learn
from layerlab.information import empirical_joint, entropy, hypothesis_class_bound, input_compression_bound
from layerlab.lab import Claim, Evidence, choice, integer, real, style

BITS = np.arange(2, 11)
M = 2 ** np.arange(4, 15)
LEVELS = np.array([0.03, 0.05, 0.1, 0.2])  # gaps at which sample sizes are compared
LIGHT = 0.25  # the mass that all cells but the first share, where they are uneven
DELTA = 0.05


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The cells and their labels."""

    cells: str = choice(
        "alike",
        "cells",
        ("alike", "uneven", "rule"),
        help="uneven: one holds 3/4; rule: b bits of the 12-bit rule",
    )
    flip: float = real(0.2, "label noise", low=0.0, high=0.5, help="chance of a wrong label")
    seeds: int = integer(40, "repetitions", low=2, high=500)


GRID = ({"cells": ("alike", "uneven"), "flip": (0.0, 0.2, 0.5)}, {"cells": ("rule",), "flip": (0.0, 0.2)})


def work(config: Config) -> float:
    """Binomial numbers to draw."""
    return 1e6 + 60 * len(M) * config.seeds * 2.0 ** (1 + BITS).sum()


def joint(config: Config, bits: int) -> np.ndarray:
    """(2^bits, 2): p(t, y)."""
    size = 2**bits
    one = np.arange(size) % 2 * 1.0
    p_t = np.full(size, 1 / size)
    if config.cells == "uneven":
        p_t = np.r_[1 - LIGHT, np.full(size - 1, LIGHT / (size - 1))]
    elif config.cells == "rule":
        one = rule_labels().reshape(size, -1).mean(1)
    one = config.flip + (1 - 2 * config.flip) * one
    return p_t[:, None] * np.stack([1 - one, one], 1)


def rule_labels() -> np.ndarray:
    """(4096,): the labels of the 12-bit symmetric rule, inputs in counting order."""
    from layerlab.data import symmetric_rule

    return symmetric_rule().y.astype(float)


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Learn from samples of every size with representations of every size."""
    shape = (config.seeds, len(BITS), len(M))
    true, train = np.empty(shape), np.empty(shape)
    joints = [joint(config, int(bits)) for bits in BITS]
    for i, stream in enumerate(config.streams()):
        progress(i, config.seeds, f"sample {i + 1} of {config.seeds}")
        rng = np.random.default_rng(stream)
        for b, p_ty in enumerate(joints):
            for j, m in enumerate(M):
                true[i, b, j], train[i, b, j] = learn(p_ty, empirical_joint(p_ty, int(m), rng))
    progress(config.seeds, config.seeds)
    dims = ("seed", "bits", "m")
    best = [float(p.min(1).sum()) for p in joints]
    return xr.Dataset(
        {
            "gap": (dims, true - train, {"long_name": "true minus training error"}),
            "error": (dims, true, {"long_name": "true error"}),
            "best_error": ("bits", best, {"long_name": "least possible error"}),
            "i_xt": ("bits", [entropy(p.sum(1)) for p in joints], {"long_name": "I(X;T)", "units": "bits"}),
        },
        coords={
            "bits": ("bits", BITS, {"long_name": "log2 of the number of cells"}),
            "m": ("m", M, {"long_name": "samples m"}),
        },
    )


def samples_needed(result: xr.Dataset) -> np.ndarray:
    """(levels, bits): log2 of the m at which the mean gap falls to each of `LEVELS`; NaN where it is not met."""
    gap = result["gap"].mean("seed").transpose("bits", "m").values
    steps = np.log2(result["m"].values)
    found = np.full((len(LEVELS), len(gap)), np.nan)
    for b, curve in enumerate(gap):
        for i, level in enumerate(LEVELS):
            above = np.flatnonzero(curve > level)
            if above.size and above[-1] + 1 < len(curve):
                j = above[-1]
                found[i, b] = steps[j] + (curve[j] - level) / (curve[j] - curve[j + 1])
    return found


def exchange_rate(result: xr.Dataset) -> float:
    """Doublings of m that one more bit of I(X;T) costs at an equal gap: least squares, one intercept per level."""
    needed, bits = samples_needed(result), result["i_xt"].values
    x, y = [], []
    for row in needed:
        met = np.isfinite(row)
        if met.sum() > 2:
            x.append(bits[met] - bits[met].mean())
            y.append(row[met] - row[met].mean())
    if not x:
        return float("nan")
    across = np.concatenate(x)
    return float(across @ np.concatenate(y) / (across @ across))


def plot(result: xr.Dataset) -> Figure:
    """The gap against m on the left; against 2^I(X;T)/m on the right, where the lecture would have one curve."""
    fig, (left, right) = style.figure(1, 2, height=4.0, sharey=True)
    looks = list(zip((2, 4, 6, 8, 10), [*style.COLOURS.values(), style.MUTED], (*style.MARKERS, "v"), strict=True))
    m = result["m"].values
    for bits, colour, marker in looks:
        at = result.sel(bits=bits)
        look: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 4, "linestyle": "-", "linewidth": 1.5}
        gap = at["gap"].mean("seed")
        left.plot(m, gap, label=f"{2**bits} cells, I = {float(at['i_xt']):.1f} bits", **look)
        right.plot(2.0 ** float(at["i_xt"]) / m, gap, **look)
    ratio = np.geomspace(1e-3, 60, 50)
    right.plot(ratio, np.sqrt(ratio * np.log(2) / 2), ":", color=style.COLOURS["vermillion"],
               label=r"bound, $\delta=1$: $\sqrt{2^I\ln 2/2m}$")  # fmt: skip
    left.set(xscale="log", xlabel="samples m", ylabel="true − training error", title=_title(result))
    right.set(xscale="log", xlabel=r"$2^{I(X;T)}/m$", ylim=(-0.02, 0.6), title="Do they fall on one curve?")
    fig.legend(loc="outside lower center", ncols=2 if fig.get_figwidth() > 5 else 1)
    if fig.get_figwidth() < 5:
        right.set_ylabel("true − training error")
        fig.set_figheight(7.5)
    return fig


def _title(result: xr.Dataset) -> str:
    kind = {"alike": "Equal cells", "uneven": "Uneven cells", "rule": "Bits of the rule"}[result.attrs["cells"]]
    return f"{kind}, flip {result.attrs['flip']:g}"


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    best = result["error"].mean("seed").sel(m=[64, 4096]).idxmin("bits").values.astype(int)
    return (
        f"Generalisation gap against sample size for representations of 4 to 1024 cells ({result.attrs['cells']}), "
        f"labels flipped with chance {result.attrs['flip']:g}. Another bit of I(X;T) costs "
        f"{exchange_rate(result):.2f} doublings of the sample at an equal gap; the lecture says 1. The least true "
        f"error comes with {2 ** best[0]} cells for 64 samples and with {2 ** best[1]} for 4096."
    )


def _exchange(result: xr.Dataset) -> Evidence:
    return Evidence(exchange_rate(result), 1, 0.1)


def _theorem(result: xr.Dataset) -> Evidence:
    error = 3 * np.sqrt(DELTA * (1 - DELTA) / result.sizes["seed"])
    bound = hypothesis_class_bound(2.0 ** result["bits"].values[:, None], result["m"].values, DELTA)
    return Evidence((result["gap"].transpose("seed", "bits", "m") > bound).mean("seed").max(), DELTA, error, "≤")


def _proposal(result: xr.Dataset) -> Evidence:
    bound = input_compression_bound(result["i_xt"].values[:, None], result["m"].values, DELTA)
    quotient = result["gap"].mean("seed").transpose("bits", "m") / bound
    return Evidence(quotient.max(), 1, relation="≤")


def _root(result: xr.Dataset) -> Evidence | None:
    """The slope of log gap against log m with 256 cells, from 2 samples for each, while the gap can be told from 0."""
    part = result["gap"].sel(bits=8, m=slice(2**9, None))
    mean, error = part.mean("seed"), part.std("seed", ddof=1) / np.sqrt(part.sizes["seed"])
    clear = int(np.cumprod((mean > 4 * error).values).sum())
    if clear < 3:
        return None
    return Evidence(np.polyfit(np.log2(part["m"][:clear]), np.log2(mean[:clear]), 1)[0], -0.5, 0.1)


SLIDE = "lecture on information, the input-compression slides"
CLAIMS = (
    Claim(
        "A bit of compression is worth a doubling of the sample (doublings of m per bit of I(X;T), at an equal gap).",
        SLIDE + "; tolerance: 0.1, for the steps of the grid",
        _exchange,
        disputed="True of equal cells with equal label noise, where only 2^b/m counts. Uneven cells, which 2^I(X;T) "
        "undercounts, have another rate, and so has a rule whose cells change in kind as they grow.",
    ),
    Claim(
        "The gap exceeds √((K ln 2 + ln(1/δ))/(2m)) in a share δ = 0.05 of samples at most (the worst K, m).",
        "Hoeffding's inequality and the union bound over 2^K labellings; tolerance: three standard errors",
        _theorem,
    ),
    Claim(
        "With 2^I(X;T) written for K the bound still holds (largest mean gap, in units of the bound).",
        SLIDE,
        _proposal,
        disputed="2^I(X;T) is the number of cells only if they have equal mass. Where light cells memorise noisy "
        "labels beside a heavy one, the gap exceeds the bound.",
    ),
    Claim(
        "The gap falls like √(2^I(X;T)/m) once m is larger: the slope of its logarithm, from 2 samples for each cell.",
        SLIDE + ", the bound read as an estimate; tolerance: 0.1",
        _root,
        disputed="So it does where labels are pure noise. Where cells have a majority worth finding it falls far "
        "faster, exponentially in m/K.",
    ),
)

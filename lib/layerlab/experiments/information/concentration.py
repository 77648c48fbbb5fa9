"""Do estimates of mutual information settle as the problem grows?

X is n fair bits, T the same bits, each flipped with chance q, so I(X;T) = n (1 - h(q)). It is estimated from m pairs
in three ways: by averaging the information density of the known law, by counting each bit by itself, and by counting
whole patterns.

Source: the slides on concentration and on known objections of the lecture on information; Paninski 2003.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from layerlab import lab
from layerlab.information import entropy, information_bias, varentropy
from layerlab.lab import Claim, Evidence, integer, real, spread, style

SIZES = np.arange(1, 17)  # bits n


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The noise and the size of the sample."""

    m: int = integer(1024, "pairs m", low=8, high=65_536, log=True)
    flip: float = real(0.1, "chance of a flip", low=0.01, high=0.49)
    seeds: int = integer(60, "repetitions", low=2, high=200)


GRID = ({"m": (64, 256, 1024, 4096, 16_384)}, {"flip": (0.02, 0.3)})


def work(config: Config) -> float:
    """Patterns to draw and to sort."""
    return config.seeds * len(SIZES) * config.m * 2e3


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Draw pairs of the largest patterns; smaller ones are their first bits."""
    density, bits, whole = np.empty((3, config.seeds, len(SIZES)))
    for i, stream in enumerate(config.streams()):
        progress(i, config.seeds, f"sample {i + 1} of {config.seeds}")
        rng = np.random.default_rng(stream)
        x = rng.integers(0, 2, (config.m, SIZES[-1]))
        flipped = rng.random(x.shape) < config.flip
        t = x ^ flipped
        each = np.where(flipped, 1 + np.log2(config.flip), 1 + np.log2(1 - config.flip))
        density[i] = np.cumsum(each.mean(0)) / SIZES
        bits[i] = np.cumsum([_counted(x[:, j], t[:, j]) for j in range(x.shape[1])]) / SIZES
        codes = [part @ (1 << np.arange(SIZES[-1])) for part in (x, t)]
        whole[i] = [_counted(codes[0] % 2**n, codes[1] % 2**n) / n for n in SIZES]
    progress(config.seeds, config.seeds)
    dims, per = ("seed", "n"), {"units": "bits per symbol"}
    return xr.Dataset(
        {
            "density": (dims, density, per | {"long_name": "known law: mean information density / n"}),
            "by_bit": (dims, bits, per | {"long_name": "counting each bit: estimate / n"}),
            "by_pattern": (dims, whole, per | {"long_name": "counting whole patterns: estimate / n"}),
            "truth": ((), 1 - float(entropy([config.flip, 1 - config.flip])), per | {"long_name": "true I(X;T) / n"}),
        },
        coords={"n": ("n", SIZES, {"long_name": "bits n"})},
    )


def _counted(x: np.ndarray, t: np.ndarray) -> float:
    """The plug-in estimate of I(X;T) in bits from pairs of codes: H(X) + H(T) - H(X,T) of the patterns that occur."""
    pairs = np.unique(x * (int(t.max()) + 1) + t, return_counts=True)[1]
    single = [np.unique(part, return_counts=True)[1] for part in (x, t)]
    h = [float(entropy(count / len(x))) for count in (*single, pairs)]
    return max(h[0] + h[1] - h[2], 0.0)


def plot(result: xr.Dataset) -> Figure:
    """The three estimates against n on the left, the spread over samples on the right."""
    fig, (left, right) = style.figure(1, 2, height=3.9)
    n = result["n"].values
    looks = (
        ("density", "blue", "o", "law known"),
        ("by_bit", "green", "^", "each bit counted"),
        ("by_pattern", "vermillion", "s", "patterns counted"),
    )
    for name, colour, marker, label in looks:
        mean, width = result[name].mean("seed"), result[name].std("seed", ddof=1)
        look: dict[str, Any] = {"color": style.COLOURS[colour], "marker": marker, "markersize": 4, "linestyle": "-"}
        left.errorbar(n, mean, width, elinewidth=0.8, label=label, **look)
        right.plot(n, width.where(width > 0), **look)
    left.axhline(result["truth"], color=style.MUTED, linestyle="--", linewidth=1.4, label="truth")
    left.plot(n, np.minimum(np.log2(result.attrs["m"]) / n, 1), ":", color=style.MUTED, label="most a count can say")
    law = density_variance(result.attrs["flip"])
    right.plot(n, np.sqrt(law / (n * result.attrs["m"])), "--", color=style.MUTED)
    title = f"m = {result.attrs['m']} pairs, flip {result.attrs['flip']:g}"
    left.set(xlabel="bits n", ylabel="estimate of I(X;T) / n (bits)", ylim=(0, 1.05), title=title)
    right.set(xscale="log", yscale="log", xlabel="bits n", ylabel="spread over samples (bits)", title="Spread")
    fig.legend(loc="outside lower center", ncols=3 if fig.get_figwidth() > 5 else 1)
    if fig.get_figwidth() < 5:
        fig.set_figheight(7.5)
    return fig


def density_variance(flip: float) -> float:
    """The variance of the information density of one bit, in bits squared: that of log2 p(t|x), since p(t) is 1/2."""
    return float(varentropy([flip, 1 - flip]))


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    end = result.isel(n=-1).mean("seed")
    return (
        f"Estimates of the mutual information per symbol between n bits and a noisy copy, from {result.attrs['m']} "
        f"pairs. The truth is {float(result['truth']):.3f} bits. At n = {int(SIZES[-1])} the mean information density "
        f"of the known law gives {float(end['density']):.3f}, counting each bit {float(end['by_bit']):.3f}, and "
        f"counting whole patterns {float(end['by_pattern']):.3f}."
    )


def _density(result: xr.Dataset) -> Evidence:
    at = result.isel(n=-1)
    law = density_variance(result.attrs["flip"]) / (result.attrs["m"] * int(at["n"]))
    ratio = (at["density"] - at["truth"]) ** 2 / law
    return Evidence(ratio.mean(), 1, 4 * np.sqrt(2 / ratio.sizes["seed"]), spread=spread(ratio))


def _by_bit(result: xr.Dataset) -> Evidence:
    """At the largest n, with the scatter of the known law subtracted: it is common to both and has mean zero."""
    excess = (result["by_bit"] - result["density"]).isel(n=-1)
    quotient = excess / information_bias(2, 2, int(result.attrs["m"]))
    error = float(quotient.std("seed", ddof=1)) / np.sqrt(quotient.sizes["seed"])
    filled = result.attrs["m"] * result.attrs["flip"] / 2
    return Evidence(quotient.mean(), 1, 4 * error + 1 / filled, spread=spread(quotient))


def _stable(result: xr.Dataset) -> Evidence:
    error = abs(result["by_pattern"].mean("seed") - result["truth"])
    return Evidence(error.isel(n=-1), error.isel(n=0), relation="≤", unit="bits")


def _saturated(result: xr.Dataset) -> Evidence | None:
    """Where 2^n is so much larger than the sample that fewer than one pair of equal patterns in two is due."""
    n, m = int(SIZES[-1]), int(result.attrs["m"])
    if m**2 > 2**n:
        return None
    share = result["by_pattern"].isel(n=-1) * n / np.log2(m)
    return Evidence(share.mean(), 1, 2 / m, spread=spread(share))


SLIDE = "lecture on information, known objections"
CLAIMS = (
    Claim(
        "With the law known the estimate per symbol concentrates: its squared error is V/(mn) (the quotient, n = 16).",
        "independence; V is the variance of the information density of one bit; tolerance: four standard errors",
        _density,
    ),
    Claim(
        "Counting each bit by itself is too high by 1/(2m ln 2) bits per symbol, whatever n is (the quotient, n = 16).",
        "Miller 1955; tolerance: four standard errors, and one over the draws due to the rarest cell",
        _by_bit,
    ),
    Claim(
        "Estimates become more stable the larger the problem: counting patterns, the error per symbol at n = 16 is no "
        "larger than at n = 1.",
        SLIDE + ": mutual information values concentrate",
        _stable,
        disputed="Stable it is, and more than any other: it hardly depends on the sample. But it settles on a wrong "
        "value. What concentrates rightly is the information density under the true law; a count of whole patterns "
        "knows no law, and from m pairs it cannot exceed log2 m.",
    ),
    Claim(
        "Once patterns hardly ever repeat, counting says log2 m bits, whatever the truth (share of log2 m, n = 16).",
        "this section; tolerance: 2/m, one repeated pattern",
        _saturated,
    ),
)

"""Entropy as uncertainty: the spread of Y, the spread of Y within a slice of X, and the bits between them.

X and Y are standard normal numbers of adjustable correlation, and each is told to within one of some bins. All
informations are those of the exact joint of the bins; seeds draw samples, whose spread in Y and in slices of X is
measured beside it. For Gaussians the information is the logarithm of a ratio of spreads, I = log2(sd(Y) / sd(Y|X)) =
-1/2 log2(1 - rho^2). Source: T. M. Cover, J. A. Thomas, Elements of Information Theory, 2nd edition 2006, chapters 2,
5 and 8.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from scipy import special

from layerlab import lab
from layerlab.information import conditional_entropy, entropy, joints, mutual_information
from layerlab.lab import Claim, Evidence, choice, integer, real, spread, style

BINS = (2, 4, 8, 16, 32, 64, 128)
LIMIT = 4.0  # the bins of equal width cover so many standard deviations on either side
SLICES = 8  # of equal probability, in which the samples' spread is measured
SOURCE = "the lecture, Mutual information"


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """Correlation, kind of bins and samples."""

    correlation: float = real(0.9, "correlation ρ", low=-0.99, high=0.99)
    equal: str = choice("width", "bins of equal", ("width", "mass"))
    samples: int = integer(4000, "samples", low=200, high=100_000, log=True, help="drawn for each seed")
    seeds: int = integer(8, "repetitions", low=1, high=100)


GRID = ({"correlation": (0.0, 0.3, 0.6, 0.9, 0.99), "equal": ("width", "mass")},)
TOLERANCE = {"variance": (1e-2, 1e-9), "variance_within": (1e-2, 1e-9), "information": (1e-9, 1e-11)}


def work(config: Config) -> float:
    """The joints, and the samples."""
    return 4e8 + 100 * config.seeds * config.samples


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Informations of the binned joint for every number of bins; spreads of samples, in all and in slices."""
    rho = config.correlation
    rows: dict[str, list[float]] = {"information": [], "entropy": [], "conditional": [], "code": []}
    for i, bins in enumerate(BINS):
        progress(i, len(BINS), f"{bins} bins")
        p = joints.gaussian_grid(rho, bins, equal=config.equal, limit=LIMIT)
        rows["information"].append(mutual_information(p))
        rows["entropy"].append(entropy(p.sum(0) / p.sum()))
        rows["conditional"].append(conditional_entropy(p))
        rows["code"].append(huffman_length(p.sum(0)))
    measured = [_samples(rho, config.samples, np.random.default_rng(stream)) for stream in config.streams()]
    progress(1, 1)
    y = np.linspace(-LIMIT, LIMIT, 121)
    return xr.Dataset(
        {
            "information": ("bins", rows["information"], {"long_name": "I(X;Y)", "units": "bits"}),
            "entropy": ("bins", rows["entropy"], {"long_name": "H(Y)", "units": "bits"}),
            "conditional": ("bins", rows["conditional"], {"long_name": "H(Y|X)", "units": "bits"}),
            "code": ("bins", rows["code"], {"long_name": "mean length of Huffman's code for Y", "units": "bits"}),
            "density": ("y", np.exp(-(y**2) / 2) / math.sqrt(2 * math.pi), {"long_name": "density of Y"}),
            "density_slice": (("slice", "y"), slice_density(rho, y), {"long_name": "density of Y in a slice of X"}),
            "variance": ("seed", [m[0] for m in measured], {"long_name": "variance of Y"}),
            "variance_within": ("seed", [m[1] for m in measured],
                                {"long_name": "mean variance of Y in the slices of X"}),
            "residual": ("seed", [m[2] for m in measured], {"long_name": "variance of Y about its line on X"}),
        },
        coords={"bins": ("bins", list(BINS), {"long_name": "bins"}), "y": ("y", y, {"long_name": "y"}),
                "slice": ("slice", np.arange(SLICES), {"long_name": "slice of X"})},
    )  # fmt: skip


def _samples(rho: float, n: int, rng: np.random.Generator) -> tuple[float, float, float]:
    """Variance of Y, its mean within slices of X of equal probability, and about the regression line."""
    x, z = rng.standard_normal((2, n))
    y = rho * x + math.sqrt(1 - rho**2) * z
    cell = np.minimum((special.ndtr(x) * SLICES).astype(int), SLICES - 1)
    count = np.bincount(cell, minlength=SLICES).clip(2)
    mean = np.bincount(cell, y, SLICES) / count
    within = np.bincount(cell, (y - mean[cell]) ** 2, SLICES) / (count - 1)
    slope, offset = np.polyfit(x, y, 1)
    return float(y.var(ddof=1)), float(within.mean()), float(((y - slope * x - offset) ** 2).sum() / (n - 2))


def slice_density(rho: float, y: np.ndarray) -> np.ndarray:
    """p(y | X in slice), (SLICES, len(y)): the density of y times the slice's probability given y, over 1/SLICES."""
    edges = special.ndtri(np.linspace(0, 1, SLICES + 1))
    below = special.ndtr((edges - rho * y[:, None]) / math.sqrt(1 - rho**2))
    return SLICES * np.diff(below, axis=1).T * np.exp(-(y**2) / 2) / math.sqrt(2 * math.pi)


def variance_within(rho: float) -> float:
    """E Var(Y | slice) = 1 - rho^2 Var(E[X | slice]), the slice's mean being SLICES (phi(a) - phi(b))."""
    edges = special.ndtri(np.linspace(0, 1, SLICES + 1))
    means = -SLICES * np.diff(np.exp(-(edges**2) / 2) / math.sqrt(2 * math.pi))
    return 1 - rho**2 * float((means**2).mean())


def huffman_length(p: np.ndarray) -> float:
    """Mean length in bits of the best prefix code for one symbol from p: the sum of all merged masses."""
    heap = [float(v) for v in p if v > 0]
    heapq.heapify(heap)
    total = 0.0
    while len(heap) > 1:
        merged = heapq.heappop(heap) + heapq.heappop(heap)
        total += merged
        heapq.heappush(heap, merged)
    return total


def exact(result: xr.Dataset) -> float:
    """-1/2 log2(1 - rho^2), bits."""
    return 0.0 - 0.5 * math.log2(1 - result.attrs["correlation"] ** 2)


def rounded(result: xr.Dataset) -> float:
    """The same with rho as the finest bins of equal width leave it: rounding adds width^2/12 to each variance."""
    rho = result.attrs["correlation"] / (1 + (2 * LIMIT / BINS[-1]) ** 2 / 12)
    return -0.5 * math.log2(1 - rho**2)


def plot(result: xr.Dataset) -> Figure:
    """Y and Y within slices on the left; entropies and information against the number of bins on the right."""
    fig, (left, right) = style.figure(1, 2, height=3.6)
    blue, red, green, _ = style.COLOURS.values()
    y = result["y"]
    left.plot(y, result["density"], "-", color=blue, label="all of Y")
    for i in range(SLICES):
        left.plot(y, result["density_slice"][i], "-", color=red, linewidth=1.1, alpha=0.9,
                  label="in a slice of X" if i == 0 else None)  # fmt: skip
    left.set(xlabel="y", ylabel="density", title=f"Spread, ρ = {result.attrs['correlation']:g}")
    left.set_ylim(0, 1.4 * float(result["density_slice"].max()))
    left.legend(loc="upper left")
    lines = (("entropy", blue, "o", "H(Y)"), ("conditional", red, "s", "H(Y|X)"), ("information", green, "^", "I(X;Y)"))
    for name, colour, marker, label in lines:
        right.plot(result["bins"], result[name], marker=marker, linestyle="-", color=colour, label=label)
    right.axhline(exact(result), color=style.MUTED, linestyle=":", label="−½ log₂(1−ρ²)")
    right.set_xscale("log", base=2)
    right.set_xticks(BINS, [str(b) for b in BINS])
    right.set(xlabel="bins", ylabel="bits", title=f"Bits, bins of equal {result.attrs['equal']}")
    right.set_ylim(-0.3, 9.5)
    right.legend(loc="upper left", ncols=1)
    return fig


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    last = result.isel(bins=-1)
    ratio = float(np.sqrt(result["variance_within"] / result["variance"]).mean())
    return (
        f"The density of Y, and its densities within {SLICES} slices of X, whose spread is {ratio:.2f} times as large. "
        f"Beside it entropies against the number of bins: with {BINS[-1]} of them H(Y) is {float(last['entropy']):.2f} "
        f"and H(Y|X) {float(last['conditional']):.2f} bits, and both keep growing; their difference I(X;Y) has settled "
        f"at {float(last['information']):.3f} bits, near the {exact(result):.3f} of the formula."
    )


def _difference(result: xr.Dataset) -> Evidence:
    off = np.abs(result["information"] - (result["entropy"] - result["conditional"])).max()
    return Evidence(off, 0, 1e-9, unit="bits")


def _formula(result: xr.Dataset) -> Evidence | None:
    """Bins must be fine beside the spread in a slice: the next term of the expansion is of order (width / sd)^4."""
    width, slice_sd = 2 * LIMIT / BINS[-1], math.sqrt(1 - result.attrs["correlation"] ** 2)
    if result.attrs["equal"] != "width" or width > slice_sd / 2:
        return None
    return Evidence(result["information"][-1], rounded(result), (width / slice_sd) ** 4 + 1e-4, unit="bits")


def _below(result: xr.Dataset) -> Evidence:
    steps = result["information"].diff("bins")
    least = min(float(steps.min()), exact(result) - float(result["information"][-1]))
    return Evidence(least, 0, 1e-9, relation="≥", unit="bits")


def _spreads(result: xr.Dataset) -> Evidence:
    """The delta method: the standard error of -1/2 log2(1 - r^2) is rho/(ln 2 sqrt n), and r^2 has a bias of 1/n."""
    n, seeds = result.attrs["samples"], result.sizes["seed"]
    ratio = 0.5 * np.log2(result["variance"] / result["residual"])
    error = abs(result.attrs["correlation"]) / math.sqrt(n * seeds)
    return Evidence(ratio.mean(), exact(result), (4 * error + 4 / n) / math.log(2), spread=spread(ratio), unit="bits")


def _slices(result: xr.Dataset) -> Evidence:
    """Law of total variance; the standard error of a variance, were all slices normal, is sqrt(2/n) of it; doubled."""
    expected = variance_within(result.attrs["correlation"])
    error = 2 * expected * math.sqrt(2 / (result.attrs["samples"] * result.sizes["seed"]))
    return Evidence(result["variance_within"].mean(), expected, 4 * error, spread=spread(result["variance_within"]))


def _code(result: xr.Dataset) -> Evidence:
    waste = result["code"] - result["entropy"]
    return Evidence(waste.max(), 1, relation="≤", unit="bits") if float(waste.min()) > -1e-9 else Evidence(math.nan, 1)


CLAIMS = (
    Claim("The information is what X takes off the uncertainty: I(X;Y) = H(Y) − H(Y|X) (largest deviation).",
          SOURCE + "; tolerance: rounding", _difference),
    Claim(
        "Binned finely, two Gaussians share −½ log(1−ρ²) bits, ρ taken after rounding.",
        "Cover & Thomas 2006, section 8.5; Sheppard's correction width²/12; tolerance: its next order",
        _formula,
    ),
    Claim(
        "Bins never add information: each halving of them gives some, and never more than there is (least gain).",
        "data-processing inequality, Cover & Thomas 2006, theorem 2.8.1",
        _below,
    ),
    Claim(
        "For Gaussians, information is a ratio of spreads: log sd(Y)/sd(Y|X), from samples.",
        "Cover & Thomas 2006, section 8.5; tolerance: 4 standard errors",
        _spreads,
    ),
    Claim("Within a slice of X, Y spreads as the law of total variance says.",
          "law of total variance; tolerance: 4 standard errors", _slices),
    Claim(
        "Entropy tells how many bits represent the outcome: a code for one symbol takes H(Y) to H(Y) + 1 on average "
        "(largest excess).",
        "the lecture, Entropy as a measure of uncertainty; Huffman's code, Cover & Thomas 2006, theorem 5.4.1",
        _code,
    ),
)  # fmt: skip

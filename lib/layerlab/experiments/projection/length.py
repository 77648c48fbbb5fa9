"""The squared length of a randomly projected unit vector.

A point drawn uniformly from the unit sphere of R^d keeps L, the squared length of its first k coordinates. The same law
holds for a fixed unit vector and a random k-dimensional subspace: only their relative position matters. Theory:
L ~ Beta(k/2, (d-k)/2), with mean k/d; the tails lie under the Chernoff bounds of the lemma's proof.

Source: Dasgupta & Gupta 2003, section 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from scipy import stats

from layerlab import lab
from layerlab.lab import Claim, Evidence, integer, spread, style
from layerlab.projection import chernoff_tail, length_distribution

SOURCE = "Dasgupta & Gupta 2003, section 2"
BINS = 60


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """Dimensions, sample size and seeds."""

    d: int = integer(100, "dimension d", low=2, high=10_000, log=True)
    k: int = integer(5, "projected to k", low=1, high=5_000, log=True)
    samples: int = integer(4_000, "unit vectors", low=100, high=100_000, log=True, help="drawn for each seed")
    seeds: int = integer(8, "repetitions", low=1, high=100)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.k >= self.d:
            raise ValueError(f"k must be smaller than d = {self.d}; it was {self.k}")


GRID = ({"d": (10, 100, 1000), "k": (1, 2, 5)}, {"d": (100, 1000), "k": (10, 50)})


# one vector that falls to the other side of an edge or threshold on another machine
TOLERANCE = {
    "density": (1e-2, 0.05),
    "tail": (1e-3, 1e-3),
    "ks": (1e-2, 1e-3),
    "mean": (1e-4, 1e-6),
    "variance": (1e-3, 1e-9),
}


def work(config: Config) -> float:
    """Gaussian numbers to draw, and a constant for the rest."""
    return 2e6 + config.seeds * config.samples * config.d


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Draw unit vectors, measure L, and compare with the exact law and the Chernoff bounds."""
    law = length_distribution(config.d, config.k)
    mean = config.k / config.d
    edges = np.linspace(law.ppf(1e-4), law.ppf(1 - 1e-4), BINS + 1)
    beta = np.r_[np.linspace(0.1, 0.9, 9), np.linspace(1.1, 3.0, 20)]
    rows: dict[str, list] = {"density": [], "mean": [], "variance": [], "tail": [], "ks": []}
    for i, stream in enumerate(config.streams()):
        note = f"seed {i + 1} of {config.seeds}"
        blocks = squared_lengths(config.d, config.k, config.samples, lab.torch_seed(stream), device)
        parts: list[np.ndarray] = []
        for part in blocks:
            parts.append(part)
            progress(i + sum(map(len, parts)) / config.samples, config.seeds, note)
        length = np.concatenate(parts)
        counts, _ = np.histogram(length, edges)
        rows["density"].append(counts / (config.samples * np.diff(edges)) * mean)
        rows["mean"].append(length.mean())
        rows["variance"].append(length.var(ddof=1))
        rows["tail"].append([_tail(length / mean, b) for b in beta])
        rows["ks"].append(stats.kstest(length, law.cdf).statistic)
    progress(config.seeds, config.seeds)
    centres = (edges[1:] + edges[:-1]) / 2 / mean
    exact = [law.cdf(b * mean) if b < 1 else law.sf(b * mean) for b in beta]
    return xr.Dataset(
        {
            "density": (("seed", "length"), rows["density"], {"long_name": "density, measured"}),
            "law": ("length", law.pdf(centres * mean) * mean, {"long_name": "density, Beta law"}),
            "tail": (("seed", "beta"), rows["tail"], {"long_name": "tail probability, measured"}),
            "tail_exact": ("beta", exact, {"long_name": "tail probability, Beta law"}),
            "tail_bound": (
                "beta",
                [chernoff_tail(config.d, config.k, b) for b in beta],
                {"long_name": "tail probability, Chernoff bound"},
            ),
            "tail_simple": (
                "beta",
                [chernoff_tail(config.d, config.k, b, "simple") for b in beta],
                {"long_name": "tail probability, Chernoff bound simplified"},
            ),
            "mean": ("seed", rows["mean"], {"long_name": "mean of L"}),
            "variance": ("seed", rows["variance"], {"long_name": "variance of L"}),
            "ks": ("seed", rows["ks"], {"long_name": "Kolmogorov-Smirnov distance from the Beta law"}),
        },
        coords={
            "length": ("length", centres, {"long_name": "L / (k/d)"}),
            "beta": ("beta", beta, {"long_name": "β, in units of the mean"}),
        },
    )


def squared_lengths(d: int, k: int, samples: int, seed: int, device: str) -> Iterator[np.ndarray]:
    """|first k coordinates|^2 of `samples` uniform unit vectors of R^d, in blocks of bounded memory."""
    import torch

    generator = torch.Generator(device).manual_seed(seed)
    block = max(1, min(samples, 4_000_000 // d))
    for start in range(0, samples, block):
        squares = torch.randn(min(block, samples - start), d, generator=generator, device=device).square()
        yield (squares[:, :k].sum(1) / squares.sum(1)).cpu().numpy().astype(np.float64)


def _tail(relative: np.ndarray, beta: float) -> float:
    return float(np.mean(relative <= beta) if beta < 1 else np.mean(relative >= beta))


def plot(result: xr.Dataset) -> Figure:
    """Density on the left, tails on the right."""
    fig, (left, right) = style.figure(1, 2)
    x, density = result["length"], result["density"]
    low, high = density.min("seed"), density.max("seed")
    left.fill_between(x, low, high, alpha=0.5, color=style.COLOURS["blue"], label="measured, all seeds")
    left.plot(x, result["law"], color=style.COLOURS["vermillion"], label="Beta law")
    left.axvline(1, 0, 0.76, color=style.MUTED, linewidth=1, linestyle=":")
    left.set(xlabel="squared length L, in units of k/d", ylabel="density", title=_title(result))
    left.set_ylim(0, min(1.3 * float(density.max()), 2.2 * float(result["law"][1:].max())))
    left.legend(loc="upper right")
    _plot_tails(right, result)
    return fig


def _plot_tails(axes: Any, result: xr.Dataset) -> None:
    beta, tail = result["beta"], result["tail"].mean("seed")
    lines = (("tail_simple", "purple", ":", "simplified bound"), ("tail_bound", "green", "--", "Chernoff bound"),
             ("tail_exact", "vermillion", "-", "Beta law"))  # fmt: skip
    for name, colour, dash, label in lines:
        for side, said in ((beta < 1, label), (beta > 1, None)):
            axes.plot(beta[side], result[name][side], color=style.COLOURS[colour], linestyle=dash, label=said)
    axes.plot(
        beta, tail.where(tail > 0), "o", color=style.COLOURS["blue"], markersize=4, linestyle="", label="measured"
    )
    floor = 0.3 / (result.attrs["samples"] * result.attrs["seeds"])
    axes.set(xlabel="β", ylabel="P[L ≤ βk/d], P[L ≥ βk/d]", yscale="log", ylim=(floor, 200), title="Tails")
    axes.set_yticks([10.0**i for i in range(int(np.ceil(np.log10(floor))), 1)])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.legend(loc="upper center", ncols=2, borderaxespad=0.1, columnspacing=1.0, handlelength=1.7)


def _title(result: xr.Dataset) -> str:
    return f"d = {result.attrs['d']}, k = {result.attrs['k']}"


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    d, k = result.attrs["d"], result.attrs["k"]
    relative = float(result["mean"].mean()) * d / k
    width = float(np.sqrt(result["variance"].mean())) * d / k
    return (
        f"The density of the squared length of unit vectors of R^{d} projected to k = {k}, in units of k/d. "
        f"Its mean is {relative:.3f} and its standard deviation {width:.3f}; it follows the Beta law. "
        f"Beside it the tail probabilities, which fall as the threshold leaves 1 and stay under the Chernoff bound."
    )


def _pooled(result: xr.Dataset) -> int:
    return int(result.attrs["samples"] * result.attrs["seeds"])


def _mean(result: xr.Dataset) -> Evidence:
    d, k = result.attrs["d"], result.attrs["k"]
    error = length_distribution(d, k).std() / np.sqrt(_pooled(result))
    return Evidence(float(result["mean"].mean()), k / d, 4 * error, spread=spread(result["mean"]))


def _variation(result: xr.Dataset) -> Evidence:
    d, k = result.attrs["d"], result.attrs["k"]
    expected = np.sqrt(2 * (d - k) / (k * (d + 2)))
    measured = np.sqrt(result["variance"]) * d / k
    # standard error of a standard deviation from the kurtosis of the law
    kurtosis = float(length_distribution(d, k).stats("k")) + 3
    error = expected * np.sqrt((kurtosis - 1) / (4 * _pooled(result)))
    return Evidence(np.sqrt(result["variance"].mean()) * d / k, expected, 4 * error, spread=spread(measured))


def _law(result: xr.Dataset) -> Evidence:
    critical = stats.kstwo(int(result.attrs["samples"])).isf(1e-3 / result.attrs["seeds"])
    return Evidence(float(result["ks"].max()), critical, relation="≤", spread=spread(result["ks"]))


def _bounds(result: xr.Dataset) -> Evidence | None:
    """Where the bound lets at least 400 of all vectors through, so that a count below it is no accident."""
    draws = _pooled(result)
    part = result.where(draws * result["tail_bound"] >= 400, drop=True)
    if not part.sizes["beta"]:
        return None
    quotient = part["tail"].mean("seed") / part["tail_bound"]
    bound = float(part["tail_bound"][int(quotient.values.argmax())])
    return Evidence(float(quotient.max()), 1, 4 * np.sqrt((1 - bound) / (bound * draws)), relation="≤")


def _empty(result: xr.Dataset) -> Evidence | None:
    """The one thing that a sharp bound of 0 says: no vector is longer than 1."""
    beyond = result["tail"].where(result["tail_bound"] == 0)
    return Evidence(float(beyond.max()), 0, relation="≤") if beyond.notnull().any() else None


CLAIMS = (
    Claim("The mean of L is k/d.", SOURCE, _mean),
    Claim("L/(k/d) has standard deviation √(2(d−k)/(k(d+2))): it concentrates as k grows.", "Beta law", _variation),
    Claim("L follows Beta(k/2, (d−k)/2) (largest Kolmogorov-Smirnov distance of any seed).", "Beta law", _law),
    Claim(
        "No tail exceeds its Chernoff bound (largest quotient of the measured tail and the bound).",
        SOURCE + ", lemma 2.2",
        _bounds,
    ),
    Claim(
        "Where βk/d is 1 or more the bound is 0: no shadow is longer than its vector (largest measured tail).",
        SOURCE + ", proof of lemma 2.2",
        _empty,
    ),
)

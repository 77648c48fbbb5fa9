"""How many dimensions random maps need, beside the lemma's bound.

One tall random map holds a map for every k: its first k rows, rescaled. For each k it is seen whether all pairs of the
n points stay within 1 ± ε; doing so for the first 10, 20, .. of the points, and for several ε, shows how the k that
random maps need grows with n and shrinks with ε. Two theories stand beside it: the lemma's bound, and the union bound
with the exact law of a pair in the place of Chernoff's bound.

Source: Dasgupta & Gupta 2003, theorem 2.1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, ScalarFormatter
from scipy.spatial.distance import squareform

from layerlab import lab
from layerlab.experiments.projection import _points
from layerlab.lab import Claim, Evidence, choice, integer, real, style
from layerlab.projection import KINDS, minimum_dimension, random_map, ratio_distribution, squared_distances

SOURCE = "Dasgupta & Gupta 2003, theorem 2.1"
EPS = (0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)
SIZES = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
STEP = 1.05  # k is looked at in steps of 5 %, at every whole number below 30, and at the k of the theories
SHARES = (0.2, 0.5, 0.8)
FINITE = 0.03  # the slope that the exact law gives for Gaussian maps exceeds its limit of 1 by that at most, n >= 50


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """Points, kind of map, and the distortion at which the growth with n is shown."""

    data: str = choice("digits", "data set", _points.NAMES)
    kind: str = choice("gaussian", "random map", KINDS)
    n: int = integer(500, "points n", low=20, high=5_000, log=True, help="all pairs of them are kept")
    eps: float = real(0.3, "distortion ε", low=0.1, high=0.9)
    seeds: int = integer(20, "maps", low=1, high=100, help="independent tall maps of the same points")

    def __post_init__(self) -> None:
        super().__post_init__()
        _points.check(self.data, self.n)


GRID = (
    {"data": _points.NAMES, "kind": KINDS},
    {"data": ("digits",), "eps": (0.2, 0.5)},
    {"data": ("digits", "gaussian"), "n": (1000,)},
)

# a tie that falls the other way on another machine moves the k of one map by a step
TOLERANCE = {"reached": (0.1, 1.0), "kept_at_bound": (0, 1), "kept_at_union": (0, 1)}


def work(config: Config) -> float:
    """Distances at each k that is looked at, for each map, and a constant for loading and the union bound."""
    looks = len(_looks(_tallest(config), set()))
    return 1e9 + config.seeds * config.n**2 * (8.0 * looks + _tallest(config) / 4)


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """For each k, whether a map to R^k keeps all pairs, for several maps, ε and numbers of points."""
    progress(0, config.seeds, f"loading {config.data}")
    x, checksums = _points.draw(config.data, config.n, config.seed)
    d, sizes, eps = x.shape[1], _sizes(config.n), _distortions(config.eps)
    union = np.array([[_union_dimension(config.kind, d, n * (n - 1) // 2, e) for n in sizes] for e in eps])
    bound = np.array([[minimum_dimension(n, e) for n in sizes] for e in eps])
    ks = _looks(_tallest(config), {*map(int, bound.flat), *map(int, union[np.isfinite(union)])})
    weight = _weights(x)
    kept = np.empty((config.seeds, len(eps), len(sizes), len(ks)), dtype=bool)
    for i, stream in enumerate(config.streams()):
        rows = np.asarray(random_map(config.kind, d, ks[-1], stream)(x)) * math.sqrt(ks[-1])

        def tell(share: float, i: int = i) -> None:
            progress(i + share, config.seeds, f"map {i + 1} of {config.seeds}")

        worst = worst_distortions(rows, weight, ks, sizes, device, tell).T
        kept[i] = worst <= np.asarray(eps)[:, None, None] * (1 + 1e-9)
    reached = [reaching(kept.mean(0), ks, share) for share in SHARES]
    return xr.Dataset(
        {
            "reached": (
                ("share", "eps", "points"),
                reached,
                {"long_name": "k from which on this share of the maps keeps all pairs"},
            ),
            "union": (("eps", "points"), union, {"long_name": "k by the union bound and the exact law, half the maps"}),
            "bound": (("eps", "points"), bound, {"long_name": "k by the lemma's bound"}),
            "kept_at_bound": (
                ("seed", "eps", "points"),
                kept_at(kept, ks, bound),
                {"long_name": "share of maps that keep all pairs at the lemma's bound"},
            ),
            "kept_at_union": (
                ("seed", "eps", "points"),
                kept_at(kept, ks, union),
                {"long_name": "share of maps that keep all pairs at the union bound's k"},
            ),
        },
        coords={
            "share": ("share", list(SHARES), {"long_name": "share of the maps"}),
            "eps": ("eps", list(eps), {"long_name": "ε"}),
            "points": ("points", list(sizes), {"long_name": "points n"}),
        },
        attrs={"d": d, "data_checksums": checksums},
    )


def _sizes(n: int) -> tuple[int, ...]:
    return (*(size for size in SIZES if size < n), n)


def _distortions(eps: float) -> tuple[float, ...]:
    return tuple(sorted({*EPS, eps}))


def _tallest(config: Config) -> int:
    """Rows of the tall map: the largest bound that is asked for, or d, where an orthonormal map is a rotation."""
    tallest = minimum_dimension(config.n, min(_distortions(config.eps)))
    return min(tallest, _points.DIMENSIONS[config.data]) if config.kind == "orthonormal" else tallest


def _looks(tallest: int, more: set[int]) -> list[int]:
    """1, 2, 3, .. and then in steps of 5 %, up to `tallest`, with those of `more` that are not above it."""
    ks, k = {tallest}, 1
    while k < tallest:
        ks.add(k)
        k = max(k + 1, round(k * STEP))
    return sorted(ks | {k for k in more if k <= tallest})


def _weights(x: np.ndarray) -> np.ndarray:
    """1 / squared distance below the diagonal, and 0 elsewhere; coincident pairs, which any linear map keeps, too."""
    square = squareform(squared_distances(x))
    return np.tril(np.divide(1.0, square, out=np.zeros_like(square), where=square > 0), -1)


def worst_distortions(
    rows: np.ndarray, weight: np.ndarray, ks: list[int], sizes: tuple[int, ...], device: str, tell: Any
) -> np.ndarray:
    """Largest |distortion - 1| of any pair among the first `size` points under the first k rows: ks x sizes.

    rows: points x tallest, each column one row of the map, applied, with E = squared length of the point. The pair of
    points i < j stands in row j of `weight`, so the largest of the first rows is that of the first points.
    """
    import torch

    kind: dict[str, Any] = {"dtype": torch.float32 if device == "mps" else torch.float64, "device": device}
    mapped, weights = torch.as_tensor(rows - rows.mean(0), **kind), torch.as_tensor(weight, **kind)
    counted, one = weights > 0, torch.ones(len(rows), 1, **kind)
    squares, off = torch.zeros_like(weights), torch.empty_like(weights)
    out, start, last = [], 0, torch.as_tensor(sizes, device=device) - 1
    for i, k in enumerate(ks):
        block = mapped[:, start:k]
        norms = block.square().sum(1, keepdim=True)
        # |a|^2 + |b|^2 - 2ab of the new rows as one product, added to that of the rows so far
        squares.addmm_(torch.cat([-2 * block, norms, one], 1), torch.cat([block, one, norms], 1).T)
        torch.mul(squares, weights, out=off).sub_(k).mul_(counted).abs_()
        out.append((off.amax(1).cummax(0).values[last] / k).cpu().numpy())
        start = k
        tell((i + 1) / len(ks))
    return np.array(out)


def reaching(kept: np.ndarray, ks: list[int], share: float) -> np.ndarray:
    """The k from which on `kept` (shares, last axis over ks) is at least `share`; nan if it isn't at the last k."""
    fails = kept < share - 1e-9
    after = np.array([*ks[1:], np.nan])
    last = len(ks) - 1 - np.argmax(fails[..., ::-1], axis=-1)
    return np.where(fails.any(-1), after[last], float(ks[0]))


def kept_at(kept: np.ndarray, ks: list[int], wanted: np.ndarray) -> np.ndarray:
    """`kept` (maps x eps x sizes x ks) at the k of `wanted` (eps x sizes); nan where that k is none of ks."""
    known = np.isin(wanted, ks)
    index = np.searchsorted(ks, np.where(known, wanted, ks[0]))
    chosen = np.take_along_axis(kept, index[None, :, :, None], axis=-1)[..., 0]
    return np.where(known, chosen, np.nan)


def _union_dimension(kind: str, d: int, pairs: int, eps: float) -> float:
    """Smallest k at which pairs x (chance that one leaves 1 ± eps) is at most 1/2: half the maps or more keep all."""
    if kind == "sparse":
        return math.nan  # its law depends on the pair

    def loses(k: int) -> bool:
        law = ratio_distribution(kind, d, k)
        return pairs * float(law.cdf(1 - eps) + law.sf(1 + eps)) > 0.5

    low, high = 0, d if kind == "orthonormal" else 1
    while kind == "gaussian" and loses(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if loses(middle) else (low, middle)
    return float(high)


def plot(result: xr.Dataset) -> Figure:
    """k against n at one ε on the left, k against ε for all points on the right."""
    fig, (left, right) = style.figure(1, 2)
    a = result.attrs
    at = result.sel(eps=a["eps"], method="nearest")
    _curves(left, at, "points", a["d"])
    left.set(xlabel="points n", ylabel="dimensions k", title=f"{a['data']}, {a['kind']}, ε = {a['eps']:g}")
    left.set_xscale("log")
    highest = float(at["bound"].max())
    left.set_ylim(0, 1.85 * (a["d"] if highest < a["d"] < 1.85 * highest else highest))  # room for the legend
    left.legend(loc="upper left", borderaxespad=0.1, ncols=1)
    _curves(right, result.isel(points=-1), "eps", a["d"])
    right.set(xlabel="ε", ylabel="dimensions k", title=f"n = {a['n']}", xscale="log", yscale="log")
    for axes, ticks in ((left, [n for n in (10, 100, 1000) if n <= a["n"]]), (right, [0.15, 0.3, 0.5, 0.8])):
        axes.set_xticks(ticks)
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_locator(NullLocator())
    return fig


def _curves(axes: Any, part: xr.Dataset, axis: str, d: int) -> None:
    x, few, half, most = part[axis], *(part["reached"].sel(share=share) for share in SHARES)
    axes.plot(x, part["bound"], color=style.COLOURS["green"], linestyle="--", label="lemma's bound")
    if np.isfinite(part["union"]).any():
        axes.plot(x, part["union"], color=style.COLOURS["vermillion"], label="exact law, union bound")
    axes.errorbar(
        x, half, [half - few, most - half], color=style.COLOURS["blue"], fmt="o", markersize=4, elinewidth=1.5,
        label="half the maps (bar: 20 to 80 %)",
    )  # fmt: skip
    axes.axhline(d, color=style.MUTED, linestyle=":", linewidth=1.5, label=f"d = {d}: no map needed")


def _half(result: xr.Dataset) -> xr.DataArray:
    return result["reached"].sel(share=0.5)


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    a = result.attrs
    at = result.sel(eps=a["eps"], method="nearest").isel(points=-1)
    half, bound = float(_half(at)), int(at["bound"])
    union = "" if np.isnan(at["union"]) else f"the union bound over the exact law asks for {int(at['union'])}, "
    return (
        f"The dimensions k at which {a['kind']} maps keep all squared distances of points of {a['data']} within 1 ± ε."
        f" For n = {a['n']} and ε = {a['eps']:g}, half of {a['seeds']} maps do so from k = {half:.0f} on; {union}"
        f"the lemma's bound for {bound}, {bound / half:.2g} times as many. Measured k and bounds rise with the "
        f"logarithm of n and fall as ε grows."
    )


def _enough(result: xr.Dataset) -> Evidence | None:
    kept = result["kept_at_bound"].mean("seed")  # nan where an orthonormal map cannot be that tall
    if result.attrs["kind"] == "sparse" or not kept.notnull().any():
        return None
    return Evidence(float(kept.min()), 1 / float(result["points"].min()), relation="≥")


def _union_enough(result: xr.Dataset) -> Evidence | None:
    kept = result["kept_at_union"].mean(("eps", "points"))
    if result.attrs["seeds"] < 10 or not kept.notnull().all():
        return None
    spread = float(kept.std("seed", ddof=1))
    return Evidence(float(kept.mean()), 0.5, 4 * spread / np.sqrt(kept.size), "≥", spread=spread)


def _with_n(result: xr.Dataset) -> Evidence | None:
    at = result.sel(eps=result.attrs["eps"], method="nearest")
    if _bent(result) or at.sizes["points"] < 4:
        return None
    return Evidence(np.corrcoef(np.log(at["points"]), _half(at))[0, 1], 0.95, relation="≥")


def _with_eps(result: xr.Dataset) -> Evidence | None:
    at = result.isel(points=-1)
    few, half, most = (at["reached"].sel(share=share).values for share in SHARES)
    if _bent(result) or result.attrs["seeds"] < 10 or result.attrs["n"] < 50:
        return None
    x = -np.log(at["eps"].values - np.log1p(at["eps"].values))
    weights = (x - x.mean()) / np.sum((x - x.mean()) ** 2)
    # of a median: 1.25 standard deviations over the root of their number; 20 to 80 % is 1.68 of them wide
    errors = 1.25 * (most - few) / (1.68 * half * np.sqrt(result.attrs["seeds"]))
    tolerance = 4 * np.sqrt(np.sum((weights * errors) ** 2)) + FINITE
    return Evidence(float(weights @ np.log(half)), 1, float(tolerance))


def _bent(result: xr.Dataset) -> bool:
    """An orthonormal map never needs more than d dimensions: near d its laws in n and ε bend."""
    return bool(result.attrs["kind"] == "orthonormal")


CLAIMS = (
    Claim(
        "With k at the lemma's bound, a random map keeps all pairs with probability 1/n or more (smallest share of the "
        "maps for any n and ε).",
        SOURCE,
        _enough,
    ),
    Claim(
        "With k from the union bound over the exact law, half the maps or more keep all pairs (mean over n and ε).",
        "union bound; chi-square and Beta law",
        _union_enough,
    ),
    Claim("k grows in a straight line with ln n (correlation of half the maps' k with ln n).", SOURCE, _with_n),
    Claim(
        "k shrinks with ε as 1/(ε − ln(1+ε)), about 2/ε² (slope of ln k against its logarithm).",
        "Chernoff exponent of the upper tail, Dasgupta & Gupta 2003, lemma 2.2",
        _with_eps,
    ),
)

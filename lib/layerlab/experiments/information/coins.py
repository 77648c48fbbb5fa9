"""What the bottleneck keeps of coin flips: the number of heads, their minimal sufficient statistic.

Y is one of several coins of different bias, X a whole sequence of n flips of it. All that X says about Y is in its
number of heads. For each seed fresh biases and prior; the bottleneck is solved from large beta down.

Source: Tishby, Pereira & Bialek 1999; Cover & Thomas 2006, section 2.9.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from layerlab import lab
from layerlab.information import (
    bottleneck_step,
    entropy,
    information_bottleneck,
    mutual_information,
)
from layerlab.lab import Claim, Evidence, integer, spread, style

SOURCE = "Lecture on information, “Minimal sufficient statistics”"
BETAS = np.geomspace(1, 1e5, 51)
ERROR = 1e-6  # bits: what residuals of 1e-8 leave


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """How many flips, and of how many coins Y is one."""

    flips: int = integer(6, "flips n", low=1, high=12)
    coins: int = integer(3, "coins", low=2, high=6)


GRID = {"flips": (2, 4, 6), "coins": (2, 3)}
TOLERANCE = {
    "clusters": (0.0, 1.0),
    "encoder": (1e-3, 1e-3),
    "i_xt": (1e-3, 1e-4),
    "i_ty": (1e-3, 1e-4),
    "spread_start": (1e-6, 1e-6),
}


def work(config: Config) -> float:
    """Annealing on the classes, n + 1 of them."""
    return config.seeds * (40 + config.flips) * 10


def coin_joint(flips: int, coins: int, stream: np.random.SeedSequence) -> tuple[np.ndarray, np.ndarray]:
    """p(sequence, coin), (2^n, coins), and the number of heads of each sequence; one bias in each of equal parts."""
    rng = np.random.default_rng(stream)
    bias = (np.arange(coins) + rng.uniform(0.25, 0.75, coins)) / coins
    prior = rng.dirichlet(np.full(coins, 10.0))
    heads = np.bitwise_count(np.arange(2**flips, dtype=np.uint32)).astype(int)
    return prior * bias ** heads[:, None] * (1 - bias) ** (flips - heads)[:, None], heads


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Solve each seed's joint; also take one single iteration from a random encoder of all sequences."""
    rows: dict[str, list] = {}
    for i, stream in enumerate(config.streams()):
        made, drawn = stream.spawn(2)
        p, heads = coin_joint(config.flips, config.coins, made)
        start = np.random.default_rng(drawn).dirichlet(np.ones(config.flips + 1), len(p))
        found = information_bottleneck(p, BETAS, device=device)
        sharpest = _widened(found.encoder[-1], config.flips + 1)
        values = {
            "i_xt": found.i_xt,
            "i_ty": found.i_ty,
            "clusters": found.clusters.astype(float),
            "encoder": _by_heads(sharpest, heads, p),
            "whole": mutual_information(p),
            "h_x": entropy(p.sum(1)),
            "h_heads": entropy(np.bincount(heads, p.sum(1))),
            "spread_start": within_counts(start, heads),
            "spread_after": within_counts(bottleneck_step(p, start, 5.0), heads),
        }
        for name, value in values.items():
            rows.setdefault(name, []).append(value)
        progress(i + 1, config.seeds, f"seed {i + 1} of {config.seeds}")
    said: dict[str, tuple[tuple[str, ...], str, str]] = {
        "i_xt": (("beta",), "I(X;T)", "bits"),
        "i_ty": (("beta",), "I(T;Y)", "bits"),
        "clusters": (("beta",), "clusters in use", ""),
        "encoder": (("heads", "t"), "p(t | number of heads) at the largest β", ""),
        "whole": ((), "I(X;Y)", "bits"),
        "h_x": ((), "H(X)", "bits"),
        "h_heads": ((), "H(number of heads)", "bits"),
        "spread_start": ((), "largest difference of p(t|x) among sequences of equal count, random encoder", ""),
        "spread_after": ((), "the same after one iteration", ""),
    }
    return xr.Dataset(
        {
            name: (("seed", *dims), np.array(rows[name]), {"long_name": label} | ({"units": unit} if unit else {}))
            for name, (dims, label, unit) in said.items()
        },
        coords={
            "beta": ("beta", BETAS, {"long_name": "β"}),
            "heads": ("heads", np.arange(config.flips + 1), {"long_name": "heads"}),
            "t": ("t", np.arange(config.flips + 1), {"long_name": "t"}),
        },
    )


def _widened(encoder: np.ndarray, clusters: int) -> np.ndarray:
    """An encoder with exactly so many columns: others than the first ones are empty or too many to be drawn."""
    return np.pad(encoder, ((0, 0), (0, max(0, clusters - encoder.shape[1]))))[:, :clusters]


def _by_heads(encoder: np.ndarray, heads: np.ndarray, p: np.ndarray) -> np.ndarray:
    """p(t | number of heads), clusters in the order of the heads that they hold."""
    weight = p.sum(1)[:, None] * encoder
    table = np.zeros((heads.max() + 1, encoder.shape[1]))
    np.add.at(table, heads, weight)
    table /= table.sum(1, keepdims=True)
    place = (np.arange(len(table))[:, None] * table).sum(0) / np.maximum(table.sum(0), 1e-12)
    return table[:, np.argsort(np.where(table.sum(0) > 1e-9, place, np.inf), kind="stable")]


def within_counts(encoder: np.ndarray, heads: np.ndarray) -> float:
    """The largest total variation between the p(t|x) of two sequences with the same number of heads, at most 1."""
    worst = 0.0
    for count in np.unique(heads):
        own = encoder[heads == count]
        worst = max(worst, float(abs(own - own[:1]).sum(1).max() / 2))
    return worst


def plot(result: xr.Dataset) -> Figure:
    """Informations against beta on the left, the first seed's clusters at the largest beta on the right."""
    fig, (left, right) = style.figure(1, 2)
    for name, level, colour, dash in (("i_xt", "h_heads", "blue", "-"), ("i_ty", "whole", "vermillion", "-")):
        values = result[name]
        left.fill_between(
            result["beta"], values.min("seed"), values.max("seed"), color=style.COLOURS[colour], alpha=0.25
        )
        left.plot(result["beta"], values.mean("seed"), color=style.COLOURS[colour], linestyle=dash, label=_SHORT[name])
        left.axhline(
            result[level].mean(), color=style.COLOURS[colour], linestyle=":", linewidth=1.4, label=_SHORT[level]
        )
    left.set(xscale="log", xlabel="β", ylabel="information [bits]", title=_title(result))
    left.set_ylim(0, 1.75 * float(result["h_heads"].mean()))
    left.legend(loc="upper left", ncols=2, columnspacing=1.0, handlelength=1.6)
    table = result["encoder"].isel(seed=0)
    right.pcolormesh(result["t"], result["heads"], table, cmap="cividis", vmin=0, vmax=1, shading="nearest")
    right.set(xlabel="cluster t", ylabel="heads in x", title=f"p(t|x) at β = {float(result['beta'][-1]):.0e}")
    right.grid(False)
    return fig


_SHORT = {"i_xt": "I(X;T)", "h_heads": "H(heads)", "i_ty": "I(T;Y)", "whole": "I(X;Y)"}


def _title(result: xr.Dataset) -> str:
    return f"{result.attrs['flips']} flips of one of {result.attrs['coins']} coins"


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    last = result.isel(beta=-1)
    return (
        f"I(X;T) and I(T;Y) against β for {_title(result)}. As β grows I(T;Y) rises to I(X;Y) = "
        f"{float(result['whole'].mean()):.3f} bits, and I(X;T) to {float(last['i_xt'].mean()):.3f} of the "
        f"{float(result['h_x'].mean()):.3f} bits of X: the entropy of the number of heads, "
        f"{float(result['h_heads'].mean()):.3f}. Beside it the clusters at the largest β, "
        f"{float(last['clusters'].mean()):.1f} on average: one for each number of heads."
    )


def _one_step(result: xr.Dataset) -> Evidence:
    after = result["spread_after"]
    return Evidence(after.max(), 0, 1e-12, "≤", spread(after))


def _count(result: xr.Dataset) -> Evidence:
    clusters = result["clusters"].isel(beta=-1)
    off = abs(clusters - (result.attrs["flips"] + 1)).max()
    return Evidence(off, 0, 0, "≈", spread(clusters))


def _nothing_lost(result: xr.Dataset) -> Evidence:
    lost = result["whole"] - result["i_ty"].isel(beta=-1)
    # the loss is at most that of keeping everything, so lost <= (H(heads) - I(X;T)) / beta
    return Evidence(lost.max(), 0, result["h_heads"].max() / result["beta"][-1] + ERROR, "≈", spread(lost), "bits")


def _minimal(result: xr.Dataset) -> Evidence:
    more = result["i_xt"].isel(beta=-1) - result["h_heads"]
    return Evidence(more.max() if more.max() > -more.min() else more.min(), 0, 1e-3, "≈", spread(more), "bits")


def _never_more(result: xr.Dataset) -> Evidence:
    more = (result["i_xt"] - result["h_heads"]).max("beta")
    return Evidence(more.max(), 0, ERROR, "≤", spread(more), "bits")


CLAIMS = (
    Claim(
        "One iteration from any encoder forgets all but the count: p(t|x) is then equal for sequences with as many "
        "heads (largest total variation).",
        "third equation: x enters through p(y|x) alone",
        _one_step,
    ),
    Claim(
        "At the largest β there is one cluster for each number of heads (largest deviation from n + 1).", SOURCE, _count
    ),
    Claim("At the largest β nothing of I(X;Y) is lost: T is sufficient (largest loss).", SOURCE, _nothing_lost),
    Claim(
        "At the largest β T is minimal: I(X;T) is the entropy of the number of heads (largest difference).",
        SOURCE,
        _minimal,
    ),
    Claim(
        "At no β is more of X kept than its minimal sufficient statistic holds (largest excess).",
        "I(X;T) = I(S;T) ≤ H(S) for the classes S of equal p(y|x)",
        _never_more,
    ),
)

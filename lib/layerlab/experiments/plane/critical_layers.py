"""Where trained layers lie among the critical betas of the rule, and whether weights follow the split directions.

The bottleneck's optimum for the stochastic 12-bit rule is followed along beta, and the betas noted at which it gains a
cluster. For each hidden layer of trained networks (30 bins for each unit) the beta is sought at which the information
curve has the layer's I(T;Y); whether the curve ever has its I(X;T) is seen from where the curve ends. The weights: a
layer's pre-activations, functions of x, are projected on the direction in which clusters split. With two labels that is
one and the same for all splits, p(y=1|x) up to a constant.

Source: Tishby's lecture of 2018, "Bifurcation diagrams in symmetric rule: layers diffusion slows down at phase
transitions", and its summary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from layerlab import lab
from layerlab.arrays import to_numpy
from layerlab.data import Rule
from layerlab.experiments.plane._rule_networks import WIDTHS, Snapshots, rule_networks
from layerlab.information import (
    Branches,
    bottleneck_clusters,
    class_covariances,
    critical_betas,
    follow_branches,
    information_bottleneck,
    split_matrix,
)
from layerlab.information.binning import binned_information
from layerlab.lab import Claim, Evidence, integer, real, spread, style

SPLITS = "Lecture on information, “Bifurcation diagrams in symmetric rule”"
SUMMARY = "Lecture on information, summary"
PHASES = "Lecture on information, “Layers must be in different topological phases”"
BINS = 30
TOP, STEPS = 30.0, 36  # bifurcations are followed so far, in so many steps: to 5 %
MOST = 12
BETAS = np.geomspace(1, 1e4, 100)
STAGES = ("before", "after")


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The rule, and how long networks 12-10-7-5-4-3-2 learn it from 80 % of its inputs, by Adam at a rate of 0.002."""

    gamma: float = real(10.0, "sharpness γ", low=1.0, high=40.0, log=True, help="of the rule's p(y=1|x)")
    epochs: int = integer(300, "epochs", low=5, high=10_000, log=True)
    seeds: int = integer(6, "networks", low=2, high=50)


GRID = (
    {"gamma": (2.0, 10.0, 30.5), "epochs": (300,)},
    {"gamma": (2.0,), "epochs": (20,)},
    {"epochs": (2000,), "seeds": (12,)},
)
# trainings in single precision part ways between machines; early on, by little. A beta is steep in I where it is large
TOLERANCE = {
    "default": (0.05, 0.05),
    "curve_y": (1e-3, 1e-3),
    "i_xt": (0.02, 0.15),
    "critical": (1e-6, 0),
    "clusters": (0, 0),
    "split_error": (0, 1e-6),
}


def work(config: Config) -> float:
    """Training steps and what each costs; the branch."""
    return config.epochs * 7.0 * (60 + 10 * config.seeds) + 3e5


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train the networks, follow the optimum, and place the one in the other."""
    found = rule_networks(
        gamma=config.gamma, learning_rate=2e-3, epochs=config.epochs, seeds=config.seeds, seed=config.seed, moments=60,
        device=device, progress=lambda done, of, note: progress(0.6 * done / of, 1, note),
    )  # fmt: skip
    rule = found.rule
    branches = follow_branches(
        rule.p_class,
        np.geomspace(1, TOP, STEPS),
        progress=lambda done, of, note: progress(0.6 + 0.35 * done / of, 1, note),
    )
    critical, clusters = bifurcations(branches)
    progress(0.95, 1, "the curve and the layers")
    curve = information_bottleneck(rule.p_xy, BETAS)
    i_xt, i_ty = plane_of(found, len(found.epochs) - 1)
    after = ("layer", "seed")
    at_stage = [weights_of(found, moment) for moment in (0, len(found.epochs) - 1)]
    progress(1, 1)
    bits = {"units": "bits"}
    return xr.Dataset(
        {
            "critical": ("bifurcation", critical, {"long_name": "β at which the optimum gains a cluster"}),
            "clusters": ("bifurcation", clusters, {"long_name": "clusters from there on"}),
            "split_error": ((), split_error(branches), {"long_name": "error of p(y=1|x) as every split direction"}),
            "i_xt": (after, i_xt, {"long_name": "I(X;T) of the layer", **bits}),
            "i_ty": (after, i_ty, {"long_name": "I(T;Y) of the layer", **bits}),
            "curve_y": ("beta", curve.i_ty, {"long_name": "I(T;Y) of the curve", **bits}),
            "most_x": ((), class_entropy(rule), {"long_name": "the most I(X;T) of any optimum", **bits}),
            "along_split": (("stage", "site", "seed"), np.array([a["along_split"] for a in at_stage]),
                            {"long_name": "variance of pre-activations along p(y=1|x)"}),
            "of_classes": (("stage", "site", "seed"), np.array([a["of_classes"] for a in at_stage]),
                           {"long_name": "variance of pre-activations between the 64 classes"}),
            "along_ones": (("stage", "seed"), np.array([a["along_ones"] for a in at_stage]),
                           {"long_name": "squared cosine of first weights and (1, ..., 1)"}),
        },
        coords={
            "beta": ("beta", BETAS, {"long_name": "β"}),
            "layer": ("layer", np.arange(1, len(WIDTHS) - 1), {"long_name": "hidden layer"}),
            "site": ("site", np.arange(1, len(WIDTHS)), {"long_name": "layer of weights"}),
            "stage": ("stage", list(STAGES), {"long_name": "training"}),
        },
    )  # fmt: skip


def bifurcations(branches: Branches) -> tuple[np.ndarray, np.ndarray]:
    """(MOST,) the betas at which clusters are gained, halfway on the grid of betas, and how many there are then.

    Padded with NaN. `layerlab.information.find_bifurcations` finds them to 3e-5, for four times the work.
    """
    gained = np.flatnonzero(np.diff(branches.clusters) > 0)[:MOST]
    room = np.full((2, MOST), np.nan)
    room[0, : len(gained)] = np.sqrt(branches.beta[gained] * branches.beta[gained + 1])
    room[1, : len(gained)] = branches.clusters[gained + 1]
    return room[0], room[1]


def plane_of(found: Snapshots, moment: int) -> np.ndarray:
    """(2, layers, networks): I(X;T) and I(T;Y) of the hidden layers, Y the label that p(y|x) draws."""
    soft = np.c_[1 - found.rule.p_one, found.rule.p_one]
    layers = found.layers(moment)[:-1]
    plane = np.array([binned_information(to_numpy(t), soft, bins=BINS, limits=(-1, 1)) for t in layers])
    return plane.swapaxes(0, 1)


def layer_betas(result: xr.Dataset) -> xr.DataArray:
    """(layer, seed) the beta at which the curve has the layer's I(T;Y), by interpolation; NaN beyond its ends."""
    rising, values = np.maximum.accumulate(result["curve_y"].values), result["i_ty"].transpose("layer", "seed")
    found = np.exp(np.interp(values, rising, np.log(result["beta"].values)))
    return values.copy(data=found).where((values > rising[0]) & (values < rising[-1]))


def class_entropy(rule: Rule) -> float:
    """H(S) in bits of the classes S of equal p(y|x): the minimal sufficient statistic, where the curve ends."""
    _, counts = np.unique(np.round(rule.p_one, 12), return_counts=True)
    p = counts / counts.sum()
    return float(-(p * np.log2(p)).sum())


def split_error(branches: Branches) -> float:
    """How well v = p(y=1|x) - p(y=1|t) solves the eigenproblem of each cluster t: largest |C_X v - lambda v| / max |v|.

    lambda is 1 over the cluster's first critical beta. C_X has no other eigenvalue but 1, of constant vectors, and 0.
    """
    p_one = branches.joint[:, 1] / branches.joint.sum(1)
    worst = 0.0
    for encoder in branches.encoders[:: max(1, len(branches.encoders) // 8)]:
        betas = critical_betas(branches.joint, encoder)[:, 0]
        _, decoder = bottleneck_clusters(branches.joint, encoder)
        for cluster, beta in enumerate(betas):
            direction = p_one - decoder[cluster, 1]
            turned = split_matrix(branches.joint, encoder, cluster, side="x") @ direction
            worst = max(worst, float(np.abs(turned - direction / beta).max() / np.abs(direction).max()))
    return worst


def weights_of(found: Snapshots, moment: int) -> dict[str, np.ndarray]:
    """How far the pre-activations of each layer of weights follow p(y=1|x), and the first weights (1, ..., 1).

    along_split, of_classes: (layers, networks) shares of the total variance over x; along_ones: (networks,).
    """
    networks = found.networks(moment)
    direction = found.rule.p_one - found.rule.p_one.mean()
    along, between = [], []
    for z in networks.activations(found.x, pre=True):
        values = to_numpy(z).astype(np.float64)
        centred = values - values.mean(1, keepdims=True)
        total = (centred**2).sum((1, 2))
        along.append(((direction @ centred) ** 2).sum(-1) / (direction @ direction) / total)
        signal, _ = class_covariances(values, found.rule.classes)
        between.append(np.trace(signal, axis1=-2, axis2=-1) * len(direction) / total)
    first = to_numpy(networks.weights[0]).astype(np.float64)  # (networks, in, out)
    ones = (first.sum(1) ** 2).sum(-1) / first.shape[1] / (first**2).sum((1, 2))
    return {"along_split": np.array(along), "of_classes": np.array(between), "along_ones": ones}


def plot(result: xr.Dataset) -> Figure:
    """Left: the betas of the layers among the critical ones. Right: how far weights follow the split direction."""
    fig, (left, right) = style.figure(1, 2, height=3.8)
    for beta in result["critical"].values[np.isfinite(result["critical"].values)]:
        left.axvline(beta, color=style.COLOURS["vermillion"], linewidth=1.3)
    top = float(BETAS[-1])
    for layer in result["layer"].values:
        values = layer_betas(result).sel(layer=layer).values
        inside = np.isfinite(values)
        jitter = layer + np.linspace(-0.22, 0.22, len(values))
        left.plot(values[inside], jitter[inside], linestyle="", marker="o", markersize=4, color=style.COLOURS["blue"])
        left.plot(np.full((~inside).sum(), 2 * top), jitter[~inside], linestyle="", marker=">", markersize=4,
                  fillstyle="none", color=style.COLOURS["blue"])  # fmt: skip
    left.set(xscale="log", xlim=(0.8, 4 * top), ylim=(0.4, 6.4), yticks=result["layer"], ylabel="hidden layer")
    left.set(xlabel="β at which the curve has its I(T;Y)", title=f"γ = {result.attrs['gamma']:g}; lines: critical β")
    shades = (
        ("along_split", "split direction", "blue", "o"),
        ("of_classes", "any function of the class", "green", "^"),
    )
    for name, label, colour, marker in shades:
        for stage in STAGES:
            share, shade, after = result[name].sel(stage=stage), style.COLOURS[colour], stage == "after"
            right.plot(result["site"], share.mean("seed"), marker=marker, color=shade, linestyle="-" if after else "--",
                       markerfacecolor=shade if after else "none", label=f"{label}, {stage}")  # fmt: skip
            right.fill_between(result["site"], share.min("seed"), share.max("seed"), color=shade, alpha=0.15)
    right.set(xlabel="layer of weights", ylabel="share of the variance", ylim=(-0.03, 1.75), title="Pre-activations")
    right.set(xticks=result["site"], yticks=np.linspace(0, 1, 6))
    right.legend(loc="upper left", fontsize=9)
    return fig


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    critical = ", ".join(f"{b:.2f}" for b in result["critical"].values if np.isfinite(b))
    after = result["along_split"].sel(stage="after").mean("seed").values
    ones = result["along_ones"].mean("seed")
    return (
        f"Critical β of the rule with γ = {result.attrs['gamma']:g} up to {TOP:g}: {critical}. Of {result['i_xt'].size}"
        f" trained layers {int((result['i_xt'] > result['most_x']).sum())} keep more of X than any optimum. The share "
        f"of the pre-activations' variance along the split direction goes from {after[0]:.2f} in the first layer to "
        f"{after[-1]:.2f} at the output; the first weights' squared cosine with (1, ..., 1) goes from "
        f"{float(ones.sel(stage='before')):.2f} to {float(ones.sel(stage='after')):.2f} in training."
    )


def nearness(result: xr.Dataset) -> tuple[float, float, int]:
    """Mean distance in ln(beta) from the nearest critical beta, of layers and of chance; and how many layers.

    Layers: those with a beta up to TOP. Chance: ln(beta) uniform from the first critical beta to TOP.
    """
    critical = np.log(result["critical"].values[np.isfinite(result["critical"].values)])
    betas = np.log(layer_betas(result).values.ravel())
    betas = betas[betas <= np.log(TOP)]  # NaN compares false

    def distance(points: np.ndarray) -> float:
        return float(np.abs(points[:, None] - critical).min(1).mean()) if len(points) else float("nan")

    return distance(betas), distance(np.linspace(critical[0], np.log(TOP), 2000)), len(betas)


def _one_direction(result: xr.Dataset) -> Evidence:
    return Evidence(result["split_error"], 0, 1e-6)


def _follow(result: xr.Dataset) -> Evidence:
    first = result["along_split"].sel(stage="after", site=slice(1, 5)).min("site")
    return Evidence(first.mean(), 0.9, 0, "≥", spread(first))


def _deeper(result: xr.Dataset) -> Evidence:
    after = result["along_split"].sel(stage="after")
    gain = after.sel(site=5) - after.sel(site=1)
    return Evidence(gain.mean(), 0, 0, "≥", spread(gain))


def _near(result: xr.Dataset) -> Evidence | None:
    near, chance, count = nearness(result)
    return Evidence(near / chance, 0.5, 0, "≤") if count >= 5 else None


def _phases(result: xr.Dataset) -> Evidence:
    critical = result["critical"].values[np.isfinite(result["critical"].values)]
    betas = layer_betas(result).fillna(np.inf).transpose("seed", "layer").values
    phases = np.searchsorted(critical, betas)
    counts = xr.DataArray([len(set(row.tolist())) for row in phases], dims="seed")
    return Evidence(counts.mean(), 5, 0, "≥", spread(counts))


def _some_optimum(result: xr.Dataset) -> Evidence:
    share = (result["i_xt"] <= result["most_x"]).mean("layer")
    return Evidence(share.mean(), 1, 0, "≥", spread(share))


CLAIMS = (
    Claim(
        "With two labels all clusters split along one direction, p(y=1|x) less a constant (largest error).",
        "this section; tolerance: rounding",
        _one_direction,
    ),
    Claim(
        "Weights are sums of split directions (share of the pre-activations' variance, least of the hidden layers).",
        SPLITS,
        _follow,
        disputed="true near the output; the first layer cannot be of that kind, nor is it",
    ),
    Claim("The deeper a layer, the more it follows the split direction (fifth less first).", "this section", _deeper),
    Claim(
        "Layers end at critical points: at most half as far from a critical β as random β are (ratio, in ln β).",
        SUMMARY,
        _near,
        disputed="true of few layers at γ = 30.5, with two critical β; else they are hardly nearer than random β",
    ),
    Claim(
        "The five hidden layers are in five different phases of the bottleneck (by the β of their I(T;Y)).",
        PHASES,
        _phases,
        disputed="the first three know all of Y and share one phase, beyond the last bifurcation",
    ),
    Claim(
        "Each layer's I(X;T) is that of some point of the curve (share of the hidden layers).",
        SUMMARY,
        _some_optimum,
        disputed="nearly all keep more of X than the minimal sufficient statistic, where the curve ends",
    ),
)

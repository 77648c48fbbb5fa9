"""The clusters of the bottleneck's optimum along beta: where they appear, where two theories say so.

The optimum is followed upward from the trivial solution with a certificate at every beta (`layerlab.information.
follow_branches`). Where the number of clusters grows, three numbers are compared: the beta at which a cluster of the
lower solution could split (its critical beta, from the eigenproblem), the beta at which a newcomer at any p(y|t) begins
to grow, and the beta at which the upper solution, followed down, loses its cluster.

Sources: Tishby's lecture of 2018, slides 44-47; Shwartz-Ziv & Tishby 2017 (the rule).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from scipy.special import expit

from layerlab import lab
from layerlab.data import symmetric_rule
from layerlab.information import Bifurcation, Branches, critical_betas, find_bifurcations, follow_branches, onset
from layerlab.lab import Claim, Evidence, choice, integer, real, spread, style

JOINTS = ("symmetric rule", "graded", "random")
MOST = 12  # clusters, and bifurcations, that a result has room for
SHARE = 0.8  # of the rule's inputs, for each seed: as many as a network is trained on
SAME = 3e-3  # relative: newcomers are seen once they grow by 1e-9 a step, which near a split is a little late


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The joint distribution, how far beta goes, and how finely."""

    joint: str = choice("symmetric rule", "joint", JOINTS, help="each seed draws its own inputs or weights")
    gamma: float = real(10.0, "sharpness γ", low=0.2, high=50.0, log=True, help="of p(y=1|x)")
    top: float = real(12.0, "largest β", low=2.0, high=60.0, log=True)
    steps: int = integer(32, "betas", low=10, high=200)
    seeds: int = integer(3, "repetitions", low=1, high=20)


GRID = (
    {"joint": ("symmetric rule",), "gamma": (2.0, 10.0, 30.5)},
    {"joint": ("graded",), "gamma": (1.0, 2.0)},
    {"joint": ("random",), "gamma": (1.0, 2.0)},
)
TOLERANCE = {"default": (2e-3, 1e-6), "growth": (1e-2, 1e-7), "distance": (0.1, 0.02), "found": (1e-3, 1e-6)}


def work(config: Config) -> float:
    """Evaluations of the equations, roughly."""
    return config.seeds * (config.steps + 250.0) * (60 if config.joint == "symmetric rule" else 20)


def joint_of(config: Config, stream: np.random.SeedSequence) -> np.ndarray:
    """A joint p(x,y) with two values of y, drawn from a seed.

    "symmetric rule": the 12-bit rule at gamma, on a random 80 % of its inputs, as p(class, y). "graded": nine x whose
    log odds of y = 1 rise from -3 gamma to 3 gamma in equal steps, with random weights that are the same for x and its
    mirror image: reversing x and y changes nothing. "random": nine x with normal log odds and random weights.
    """
    generator = np.random.default_rng(stream)
    if config.joint == "symmetric rule":
        rule = symmetric_rule(config.gamma)
        rows = generator.permutation(len(rule.x))[: round(SHARE * len(rule.x))]
        joint = np.zeros_like(rule.p_class)
        np.add.at(joint, rule.classes[rows], rule.p_xy[rows])
        return joint[joint.sum(1) > 0] / joint.sum()
    weights = generator.dirichlet(np.full(9, 4.0))
    odds = np.linspace(-3, 3, 9) if config.joint == "graded" else 1.5 * generator.standard_normal(9)
    if config.joint == "graded":
        weights = (weights + weights[::-1]) / 2
    p = expit(config.gamma * odds)
    return weights[:, None] * np.c_[1 - p, p]


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Follow the optimum for every seed's joint and look closely at each bifurcation."""
    betas = np.geomspace(1, config.top, config.steps)
    rows: list[dict[str, Any]] = []
    for i, stream in enumerate(config.streams()):
        note = f"seed {i + 1} of {config.seeds}"
        joint = joint_of(config, stream)
        branches = follow_branches(joint, betas, progress=_part(progress, i, 0.4, config.seeds, note))
        events = find_bifurcations(branches, progress=_part(progress, i + 0.4, 0.6, config.seeds, note))
        rows.append(_row(joint, branches, events))
    progress(config.seeds, config.seeds)
    stacked = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    along, each, one = ("seed", "beta"), ("seed", "bifurcation"), ("seed",)
    names = {
        "masses": ((*along, "cluster"), "mass p(t) of a cluster"),
        "decoder": ((*along, "cluster"), "p(y=1|t) of a cluster"),
        "critical": ((*along, "cluster"), "first critical β of a cluster"),
        "clusters": (along, "number of clusters"),
        "growth": (along, "growth of the best newcomer that is left"),
        "i_xt": (along, "I(X;T)"),
        "i_ty": (along, "I(T;Y)"),
        "birth": (each, "β where a newcomer begins to grow"),
        "split": (each, "β where a cluster could split"),
        "found": (each, "β where the upper solution loses its cluster"),
        "distance": (each, "total variation from the newcomer to the nearest cluster"),
        "onset": (one, "global onset, 1 / contraction coefficient"),
        "lambda_onset": (one, "local onset, 1/λ₂ at the trivial solution"),
    }
    units = {"i_xt": "bits", "i_ty": "bits"}
    return xr.Dataset(
        {
            name: (dims, stacked[name], {"long_name": label} | ({"units": units[name]} if name in units else {}))
            for name, (dims, label) in names.items()
        },
        coords={"beta": ("beta", betas, {"long_name": "β"})},
    )


def _part(
    progress: lab.Progress, start: float, share: float, total: int, note: str
) -> Callable[[float, float, str], object]:
    """A report on one part of the work as a report on the whole."""
    return lambda done, of, text: progress(start + share * done / of, total, f"{note}, {text}")


def _row(joint: np.ndarray, branches: Branches, events: list[Bifurcation]) -> dict[str, Any]:
    def padded(values: np.ndarray) -> np.ndarray:
        room = np.full((len(branches.beta), MOST), np.nan)
        room[:, : min(values.shape[1], MOST)] = values[:, :MOST]
        return room

    def listed(name: str) -> np.ndarray:
        room = np.full(MOST, np.nan)
        room[: len(events)] = [getattr(event, name) for event in events[:MOST]]
        return room

    # clusters have no order of their own: of two that are born together, rounding decides which is found first
    order = np.argsort(branches.decoder[..., 1], axis=1)
    masses, decoder, critical = (
        np.take_along_axis(each, order, 1) for each in (branches.masses, branches.decoder[..., 1], branches.critical)
    )
    return {
        "masses": padded(np.where(masses > 0, masses, np.nan)),
        "decoder": padded(decoder),
        "critical": padded(np.where(np.isfinite(critical), critical, np.nan)),  # a cluster of one x never splits
        "clusters": branches.clusters,
        "growth": branches.growth,
        "i_xt": branches.i_xt,
        "i_ty": branches.i_ty,
        **{name: listed(name) for name in ("birth", "split", "found", "distance")},
        "onset": onset(joint).beta,
        "lambda_onset": float(critical_betas(joint)[0]),
    }


def plot(result: xr.Dataset) -> Figure:
    """The tree of clusters on the left; predicted against found on the right."""
    fig, (left, right) = style.figure(1, 2, height=3.8, width_ratios=(1.35, 1))
    beta = np.broadcast_to(result["beta"].values[:, None], result["masses"].shape[1:])
    for seed in range(result.sizes["seed"]):
        masses = result["masses"].values[seed]
        left.scatter(beta, result["decoder"].values[seed], s=2 + 50 * np.nan_to_num(masses), linewidth=0,
                     color=style.COLOURS["blue"], alpha=0.75 if seed == 0 else 0.2)  # fmt: skip
    for value in result["found"].values[0]:
        left.axvline(value, color=style.MUTED, linewidth=0.8, linestyle=":")
    left.set(xlabel="β", ylabel="p(y=1|t) of each cluster", xscale="log", ylim=(-0.04, 1.04), title=_title(result))
    _ticks(left, float(result["beta"][0]), float(result["beta"][-1]))
    for name, colour, marker, label in (
        ("split", "vermillion", "s", "a cluster could split"),
        ("birth", "blue", "o", "a newcomer grows"),
    ):
        ratio = result[name] / result["found"]
        right.plot(
            result["found"].values.ravel(), ratio.values.ravel(), marker, linestyle="", color=style.COLOURS[colour],
            markersize=6 if name == "split" else 4, label=label,
        )  # fmt: skip
    right.axhline(1, color=style.MUTED, linewidth=0.8)
    right.set(xlabel="β of a bifurcation, found", ylabel="predicted / found", xscale="log", title="Two predictions")
    low, high = right.get_ylim()
    right.set_ylim(min(low, 0.98), max(high, 1.02) + 0.35 * (max(high, 1.02) - min(low, 0.98)))
    _ticks(right, *right.get_xlim())
    right.legend(loc="upper left", handlelength=1.0)
    return fig


def _ticks(axes: Any, low: float, high: float) -> None:
    wanted = [t for t in (1, 1.5, 2, 3, 5, 7, 10, 20, 40) if low * 0.999 <= t <= high * 1.001]
    axes.set_xticks(wanted, [f"{t:g}" for t in wanted])
    axes.minorticks_off()


def _title(result: xr.Dataset) -> str:
    return f"{result.attrs['joint']}, γ = {result.attrs['gamma']:g}"


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    first = result.isel(seed=0)
    count = int(first["found"].notnull().sum())
    found = ", ".join(f"{value:.2f}" for value in first["found"].values[:count])
    gap = float((result["split"] / result["found"]).max())
    return (
        f"Clusters of the optimal bottleneck of the joint '{result.attrs['joint']}' with sharpness "
        f"{result.attrs['gamma']:g}, drawn at their p(y=1|t) against β up to {result.attrs['top']:g}, larger where "
        f"heavier. For the first seed their number goes from 1 to {int(first['clusters'][-1])}, with bifurcations "
        f"found at β = {found or 'none'}. Beside it, predictions relative to what was found: the growth of a newcomer "
        f"agrees; the local test for a split comes up to {gap:.2f} times too late."
    )


def _events(result: xr.Dataset) -> bool:
    return bool(result["found"].notnull().any())


def _certified(result: xr.Dataset) -> Evidence:
    return Evidence(result["growth"].max(), 0, 1e-8, relation="≤", spread=spread(result["growth"].max("beta")))


def _onset(result: xr.Dataset) -> Evidence | None:
    if not _events(result):
        return None
    ratio = result["found"].isel(bifurcation=0) / result["onset"]
    worst = ratio.values[np.nanargmax(np.abs(ratio.values - 1))]
    return Evidence(worst, 1, SAME, spread=spread(ratio))


def _births(result: xr.Dataset) -> Evidence | None:
    if not _events(result):
        return None
    gap = abs(result["birth"] / result["found"] - 1)
    return Evidence(gap.max(), 0, SAME, relation="≤", spread=spread(gap.max("bifurcation")))


def _splits(result: xr.Dataset) -> Evidence | None:
    if not bool(result["split"].notnull().any()):
        return None
    gap = abs(result["split"] / result["found"] - 1)
    return Evidence(gap.max(), 0, SAME, relation="≤", spread=spread(gap.max("bifurcation")))


def _stable(result: xr.Dataset) -> Evidence:
    ratio = (result["critical"] / result["beta"]).min(("beta", "cluster"))
    return Evidence(ratio.min(), 1, 1e-4, relation="≥", spread=spread(ratio))


LECTURE = "Tishby's lecture of 2018, slides 44-46"

CLAIMS = (
    Claim(
        "What is followed is the optimum: no further cluster grows, at any p(y|t) and β (largest growth per step).",
        "this section, duality; tolerance: ten times the growth that is taken for none",
        _certified,
    ),
    Claim(
        "Every cluster of an optimum is stable against splitting: its first critical β is at least β (least ratio).",
        "this section, from the eigenproblem; tolerance: resolution of a solution near its bifurcation",
        _stable,
    ),
    Claim(
        "The first bifurcation is where 1/β equals the contraction coefficient of p(y|x) (found over predicted).",
        "Anantharam et al. 2013; tolerance: growth below 1e-9 a step is not seen",
        _onset,
    ),
    Claim(
        "Every bifurcation is where a newcomer begins to grow (largest relative error).",
        "this section; tolerance as before",
        _births,
    ),
    Claim(
        "Every bifurcation is where the critical β of a cluster is β itself (largest relative error).",
        LECTURE,
        _splits,
        disputed="Only where symmetry forbids a preferred side does a cluster split in place. Otherwise a new cluster "
        "is born without mass at a distance; the old ones lose their stability only later, at up to 1.3 times that β.",
    ),
)

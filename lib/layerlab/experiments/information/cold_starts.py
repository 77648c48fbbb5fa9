"""Where the bottleneck's iteration gets stuck: cold starts against annealing.

At each beta the iteration starts from many random encoders and runs to a fixed point. Beside it one descent from
large beta, each beta starting where the one above it ended. Both stop at the same residual: stuck is not unfinished.

Source: lecture on information, "The Information Bottleneck optimality bound" ("possibly sub-optimal solutions").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from layerlab import lab
from layerlab.experiments.information._bottleneck_joints import KINDS, joint
from layerlab.information import information_bottleneck
from layerlab.lab import Claim, Evidence, choice, integer, spread, style

SOURCE = "Lecture on information, “The Information Bottleneck optimality bound”"
BETAS = np.geomspace(1, 200, 16)
PATIENCE = 250  # evaluations: nearly all starts have converged by then, a few near a bifurcation would take thousands
STUCK = 1e-5  # bits: a loss higher than the lowest known by more is another fixed point, not an unfinished one
MARGIN = 1e-5  # bits, times beta: a descent in steps can run past a branch that is better by less, for a little while


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """Which joint, and how many starts."""

    joint: str = choice("random", "joint", KINDS)
    size: int = integer(16, "values of X", low=4, high=64, log=True)
    restarts: int = integer(20, "cold starts", low=1, high=500, log=True)


GRID = {"joint": KINDS, "size": (8, 16)}
# another machine's rounding can send a start that passes near a saddle to another side of it
TOLERANCE = {
    "stuck": (0.0, 0.15),
    "median": (0.2, 0.02),
    "largest": (0.5, 0.1),
    "best": (0.5, 0.05),
    "converged": (0.0, 0.05),
}


def work(config: Config) -> float:
    """All starts at all betas, in a batch, and one descent."""
    return config.seeds * (60 + config.restarts * config.size**2 / 100)


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Cold starts and annealing on each seed's joint."""
    rows: dict[str, list] = {}
    for i, stream in enumerate(config.streams()):
        made, drawn = stream.spawn(2)
        p = joint(config.joint, config.size, made)
        progress(i, config.seeds, f"seed {i + 1} of {config.seeds}")
        warm = information_bottleneck(p, BETAS, device=device)
        seed = int(drawn.generate_state(1)[0])
        cold = information_bottleneck(
            p, BETAS, init="random", restarts=config.restarts, seed=seed, device=device, max_iterations=PATIENCE
        )
        lowest = np.minimum(warm.loss, cold.restart_loss.min(1))
        excess = cold.restart_loss - lowest[:, None]
        values = {
            "stuck": (excess > STUCK).mean(1),
            "median": np.median(excess, 1),
            "largest": excess.max(1),
            "best": excess.min(1),
            "annealed": warm.loss - lowest,
            "converged": cold.restart_converged.mean(1),
        }
        for name, value in values.items():
            rows.setdefault(name, []).append(value)
    progress(config.seeds, config.seeds)
    said = {
        "stuck": ("share of cold starts stuck", ""),
        "median": ("excess loss of the median cold start", "bits"),
        "largest": ("excess loss of the worst cold start", "bits"),
        "best": ("excess loss of the best cold start", "bits"),
        "annealed": ("excess loss of annealing", "bits"),
        "converged": ("share of cold starts that converged", ""),
    }
    return xr.Dataset(
        {
            name: (("seed", "beta"), np.array(rows[name]), {"long_name": label} | ({"units": unit} if unit else {}))
            for name, (label, unit) in said.items()
        },
        coords={"beta": ("beta", BETAS, {"long_name": "β"})},
    )


def plot(result: xr.Dataset) -> Figure:
    """The stuck share on the left, by how much on the right."""
    fig, (left, right) = style.figure(1, 2)
    beta, stuck = result["beta"], result["stuck"]
    left.fill_between(beta, stuck.min("seed"), stuck.max("seed"), color=style.COLOURS["blue"], alpha=0.25)
    left.plot(beta, stuck.mean("seed"), "o-", color=style.COLOURS["blue"], markersize=4, label="mean of all seeds")
    left.set(xscale="log", xlabel="β", ylabel="share of cold starts stuck", ylim=(-0.03, 1.25), title=_title(result))
    left.legend(loc="upper left")
    lines = (
        ("largest", "purple", ":", "worst cold start"),
        ("median", "blue", "-", "median cold start"),
        ("best", "green", "--", f"best of {result.attrs['restarts']}"),
        ("annealed", "vermillion", "-", "annealed"),
    )
    for name, colour, dash, label in lines:
        values = result[name].mean("seed").clip(STUCK)
        right.plot(beta, values, color=style.COLOURS[colour], linestyle=dash, label=label)
    right.set(xscale="log", yscale="log", xlabel="β", ylabel="loss above the lowest known [bits]", title="By how much")
    right.set_ylim(STUCK / 2, 300 * max(float(result["largest"].max()), STUCK))
    right.legend(loc="upper left")
    return fig


def _title(result: xr.Dataset) -> str:
    return f"{result.attrs['joint']}, {result.attrs['size']} values of X"


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    stuck, last = result["stuck"].mean("seed"), result.isel(beta=-1)
    most = stuck.isel(beta=int(stuck.values.argmax()))
    return (
        f"The share of {result.attrs['restarts']} cold starts whose fixed point is not the best known, against β "
        f"({_title(result)}): none at the smallest β, at most {float(most):.2f} (at β = {float(most['beta']):.1f}), "
        f"{float(last['stuck'].mean()):.2f} at the largest. There the median start is "
        f"{float(last['median'].mean()):.2g} bits above the lowest loss known, annealing "
        f"{float(last['annealed'].mean()):.2g}."
    )


def _annealing(result: xr.Dataset) -> Evidence:
    worse = (result["annealed"] / result["beta"]).max("beta")
    return Evidence(worse.max(), 0, MARGIN, "≤", spread(worse), "bits")


def _finished(result: xr.Dataset) -> Evidence:
    share = result["converged"].mean("beta")
    return Evidence(share.min(), 0.95, 0, "≥", spread(share))


def _quiet(result: xr.Dataset) -> Evidence:
    """At beta = 1, the first of BETAS, the loss is at least 0 for every encoder."""
    excess = result["largest"].isel(beta=0)
    return Evidence(excess.max(), 0, STUCK, "≤", spread(excess), "bits")


def _many(result: xr.Dataset) -> Evidence:
    most = result["stuck"].max("beta")
    return Evidence(most.mean(), 0.5, 0, "≥", spread(most))


CLAIMS = (
    Claim(
        "Annealing from large β is never worse than the best of all cold starts (largest excess loss over β).",
        "reverse annealing; deterministic annealing (Rose 1998)",
        _annealing,
    ),
    Claim(
        "Cold starts reach fixed points: of all of a seed's at least 95 % converge (least share of any seed).",
        SOURCE,
        _finished,
    ),
    Claim("At β = 1 nothing gets stuck: every start forgets all (largest excess).", "I(T;Y) ≤ I(X;T)", _quiet),
    Claim("At some β at least half of the cold starts are stuck (largest share, mean over seeds).", SOURCE, _many),
)

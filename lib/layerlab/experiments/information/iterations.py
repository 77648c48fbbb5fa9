"""The three equations of the information bottleneck, one iteration at a time.

Twelve values x on a ring, four values of Y; T may take six values. From a random encoder p(t|x) each iteration sets
p(t), then p(y|t), then p(t|x). All three lower one functional of three distributions,
F = sum p(x) p(t|x) [log(p(t|x)/p(t)) + beta KL]. Once p(t) and p(y|t) belong to the encoder F is the loss
I(X;T) + beta I(X;Y|T).

Source: Tishby, Pereira & Bialek 1999, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.special import rel_entr

from layerlab import lab
from layerlab.experiments.information._bottleneck_joints import joint
from layerlab.information import (
    bottleneck_clusters,
    bottleneck_loss,
    bottleneck_step,
    conditional_mutual_information,
    information_bottleneck,
    mutual_information,
    plane_point,
)
from layerlab.lab import Claim, Evidence, integer, real, spread, style

SOURCE = "Tishby, Pereira & Bialek 1999, section 3"
SIZE, CLUSTERS = 12, 6
ROUNDING = 1e-11  # bits
FLOOR = 1e-7  # bits: losses nearer than this to the annealed one are drawn here


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """How far to iterate, and at which beta."""

    iterations: int = integer(8, "iterations", low=0, high=500)
    beta: float = real(8.0, "β", low=0.1, high=200, log=True)


GRID = {"iterations": (0, 1, 2, 4, 8, 32, 128), "beta": (3.0, 8.0)}
TOLERANCE: dict[str, tuple[float, float]] = {}


def work(config: Config) -> float:
    """Iterations, and the annealed optimum beside them."""
    return config.seeds * (config.iterations + 60)


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Iterate from one random encoder for each seed, each on its own ring."""
    rows: dict[str, list] = {}
    for i, stream in enumerate(config.streams()):
        made, drawn = stream.spawn(2)
        p = joint("ring", SIZE, made)
        encoder = np.random.default_rng(drawn).dirichlet(np.ones(CLUSTERS), SIZE)
        found = trace(p, encoder, config.beta, config.iterations)
        best = information_bottleneck(p, config.beta, clusters=CLUSTERS, restarts=3, device=device)
        found |= {"best": float(best.loss[0]), "whole": float(mutual_information(p))}
        for name, value in found.items():
            rows.setdefault(name, []).append(value)
        progress(i + 1, config.seeds, f"seed {i + 1} of {config.seeds}")
    said: dict[str, tuple[tuple[str, ...], str, str]] = {
        "start": (("x", "t"), "p(t|x) at the start", ""),
        "encoder": (("x", "t"), "p(t|x) now", ""),
        "loss": (("iteration",), "loss I(X;T) − β I(T;Y)", "bits"),
        "distortion_loss": (("iteration",), "loss I(X;T) + β I(X;Y|T)", "bits"),
        "i_xt": (("iteration",), "I(X;T)", "bits"),
        "i_ty": (("iteration",), "I(T;Y)", "bits"),
        "functional": (("update",), "functional F after each single update", "bits"),
        "best": ((), "loss after annealing", "bits"),
        "whole": ((), "I(X;Y)", "bits"),
    }
    return xr.Dataset(
        {
            name: (("seed", *dims), np.array(rows[name]), {"long_name": label} | ({"units": unit} if unit else {}))
            for name, (dims, label, unit) in said.items()
        },
        coords={
            "x": ("x", np.arange(SIZE), {"long_name": "x"}),
            "t": ("t", np.arange(CLUSTERS), {"long_name": "t"}),
            "iteration": ("iteration", np.arange(config.iterations + 1), {"long_name": "iteration"}),
            "update": ("update", np.arange(3 * config.iterations + 1), {"long_name": "single update"}),
        },
    )


def trace(p: np.ndarray, encoder: np.ndarray, beta: float, iterations: int) -> dict[str, Any]:
    """What there is to see on the way from an encoder: losses in both forms, informations, F after every update."""
    start = encoder
    losses, other, points, steps = [], [], [], []
    masses, decoder = bottleneck_clusters(p, encoder)
    for k in range(iterations + 1):
        if k:
            encoder = bottleneck_step(p, encoder, beta)
            steps.append(functional(p, encoder, masses, decoder, beta))
            new, decoder_new = bottleneck_clusters(p, encoder)
            steps.append(functional(p, encoder, new, decoder, beta))
            masses, decoder = new, decoder_new
        steps.append(functional(p, encoder, masses, decoder, beta))
        losses.append(bottleneck_loss(p, encoder, beta))
        points.append(plane_point(p, encoder))
        triple = p[:, :, None] * encoder[:, None, :]
        other.append(points[-1][0] + beta * conditional_mutual_information(triple))
    i_xt, i_ty = np.array(points).T
    return {
        "start": start, "encoder": encoder, "loss": losses, "distortion_loss": other,
        "i_xt": i_xt, "i_ty": i_ty, "functional": steps,
    }  # fmt: skip


def functional(p: np.ndarray, encoder: np.ndarray, masses: np.ndarray, decoder: np.ndarray, beta: float) -> float:
    """F[p(t|x), p(t), p(y|t)] in bits: the average of log p(t|x)/p(t) plus beta times that of KL[p(y|x) || p(y|t)]."""
    p_x = p.sum(1)
    rate = rel_entr(encoder, masses).sum(1) @ p_x
    kl = rel_entr((p / p_x[:, None])[:, None], decoder[None]).sum(-1)
    kept = encoder > 0
    return float((rate + beta * (p_x[:, None] * encoder * np.where(kept, kl, 0)).sum()) / np.log(2))


def plot(result: xr.Dataset) -> Figure:
    """The first seed's encoder on the left, every seed's loss on the right."""
    fig, (left, right) = style.figure(1, 2)
    now = result["encoder"].isel(seed=0)
    for t, line in enumerate(now.T):
        colour = list(style.COLOURS.values())[t % 4]
        left.plot(result["x"], line, marker="osD^v*"[t], color=colour, linestyle="-" if t < 4 else ":", markersize=4)
    left.set(xlabel="x, on its ring", ylabel="p(t|x), a line for each t", ylim=(-0.03, 1.03), title=_title(result))
    for s in range(result.sizes["seed"]):
        excess = result["loss"].isel(seed=s) - result["best"].isel(seed=s)
        right.plot(
            result["iteration"], excess.clip(FLOOR), color=style.COLOURS["blue"], linestyle="-", linewidth=1.2,
            marker="o" if result.sizes["iteration"] < 12 else None, markersize=3, label=None if s else "each seed",
        )  # fmt: skip
    right.axhline(FLOOR, color=style.MUTED, linestyle=":", linewidth=1.2, label="reached it")
    right.set(xlabel="iteration", ylabel="loss above the annealed [bits]", yscale="log", title="The loss falls")
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.legend(loc="upper right")
    return fig


def _title(result: xr.Dataset) -> str:
    count = result.attrs["iterations"]
    return f"{count} iteration{'s' if count != 1 else ''}, β = {result.attrs['beta']:g}"


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    first, last = (result["loss"].isel(iteration=i).mean("seed") for i in (0, -1))
    sharp = float(result["encoder"].isel(seed=0).max("t").mean())
    return (
        f"On the left, the encoder p(t|x) of twelve x on a ring, six t, after {result.attrs['iterations']} iterations "
        f"at β = {result.attrs['beta']:g}: on average an x gives {sharp:.2f} to its likeliest t. On the right the loss "
        f"of {result.sizes['seed']} seeds, at first {float(first):.3f} bits on average and now {float(last):.3f}; it "
        f"never rises. Annealing reaches {float(result['best'].mean()):.3f}."
    )


def _falls(result: xr.Dataset) -> Evidence | None:
    if result.sizes["update"] < 2:
        return None
    rises = result["functional"].diff("update").max("update")
    return Evidence(rises.max(), 0, ROUNDING * result.attrs["beta"], "≤", spread(rises), "bits")


def _constant(result: xr.Dataset) -> Evidence:
    gap = result["distortion_loss"] - result["loss"] - result.attrs["beta"] * result["whole"]
    worst = abs(gap).max("iteration")
    return Evidence(worst.max(), 0, ROUNDING * result.attrs["beta"], "≤", spread(worst), "bits")


def _processing(result: xr.Dataset) -> Evidence:
    least = np.minimum(result["i_xt"], result["whole"])
    excess = (result["i_ty"] - least).max("iteration")
    return Evidence(excess.max(), 0, ROUNDING, "≤", spread(excess), "bits")


def _optimum(result: xr.Dataset) -> Evidence:
    below = (result["best"] - result["loss"]).max("iteration")
    return Evidence(below.max(), 0, 1e-6, "≤", spread(below), "bits")


CLAIMS = (
    Claim("None of the three updates ever raises the functional F (largest rise of any).", SOURCE, _falls),
    Claim(
        "The two forms of the loss differ by β I(X;Y), whatever the encoder (largest deviation of any iteration).",
        "Lecture on representations, “IB loss”; chain rule",
        _constant,
    ),
    Claim(
        "I(T;Y) never exceeds I(X;T), nor I(X;Y) (largest excess of any iteration).",
        "data processing inequality, Y – X – T",
        _processing,
    ),
    Claim(
        "No iteration from a random start falls below the annealed loss (how far any does).",
        "annealed optimum, by its own account the best fixed point known",
        _optimum,
    ),
)

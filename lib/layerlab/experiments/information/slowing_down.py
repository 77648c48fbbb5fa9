"""Critical slowing down: how long the bottleneck's iteration takes near its first bifurcation.

A joint with two values of y that is its own mirror image, so that the trivial cluster splits in place at beta_c =
1/lambda_2. A perturbation of the trivial solution is multiplied by beta lambda_2 at each iteration. Below beta_c it
dies out in a time -1/ln(beta/beta_c), about beta_c / (beta_c - beta). Above, the split solution is approached in about
half that: the relaxation rate of a pitchfork is twice as large.

Source: Tishby's lecture of 2018, slides 43-47 ("diffusion slows down at phase transitions").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from scipy.special import expit, softmax

from layerlab import lab
from layerlab.information import critical_betas, information_bottleneck
from layerlab.lab import Claim, Evidence, integer, real, spread, style

DISTANCES = np.geomspace(0.1, 0.002, 9)
START = 1e-2  # relative size of the perturbation, and its share that may be left at the end:
LEFT = 1e-6
LONGEST = 40_000


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The joint, of which every seed draws its own."""

    levels: int = integer(4, "values of x", low=2, high=32, help="an even number makes pairs of mirror images")
    gamma: float = real(1.0, "sharpness γ", low=0.2, high=10.0, log=True, help="of p(y=1|x)")
    seeds: int = integer(6, "repetitions", low=1, high=40)


GRID = {"levels": (2, 4, 8), "gamma": (0.5, 1.0, 2.0)}
TOLERANCE = {
    "default": (2e-3, 1e-3),
    "iterations_below": (1e-3, 2),
    "solver_below": (0.5, 30),
    "solver_above": (0.5, 30),
}


def work(config: Config) -> float:
    """Iterations times the size of the batch."""
    return config.seeds * 18 * 8000.0 * (30 + config.levels)


def joint_of(config: Config, stream: np.random.SeedSequence) -> np.ndarray:
    """p(x,y): log odds of y = 1 in pairs +-gamma (0.5 + |normal|), of equal weight."""
    generator = np.random.default_rng(stream)
    half = config.levels // 2
    odds = config.gamma * (0.5 + np.abs(generator.standard_normal(half)))
    weights = generator.dirichlet(np.full(half, 3.0)) / 2
    odds, weights = np.r_[odds, -odds], np.r_[weights, weights]
    if config.levels % 2:
        odds, weights = np.r_[odds, 0.0], np.r_[weights * (1 - 1 / config.levels), 1 / config.levels]
    p = expit(odds)
    return weights[:, None] * np.c_[1 - p, p]


def iterate(joint: np.ndarray, betas: np.ndarray, encoders: np.ndarray, steps: int) -> np.ndarray:
    """p(y=1|t=0) - p(y=1|t=1) after 0 ... `steps` plain iterations: (steps + 1, B) for encoders (B, |X|, 2).

    The same equations as `layerlab.information.bottleneck_step`, all betas at once.
    """
    p_x = joint.sum(1)
    cond = joint / p_x[:, None]
    gaps = np.empty((steps + 1, len(betas)))
    for step in range(steps + 1):
        masses = p_x @ encoders
        decoder = np.einsum("bxt,xy->bty", encoders, joint) / masses[..., None]
        gaps[step] = decoder[:, 0, 1] - decoder[:, 1, 1]
        logits = np.log(masses)[:, None, :] + betas[:, None, None] * np.einsum("xy,bty->bxt", cond, np.log(decoder))
        encoders = softmax(logits, axis=-1)
    return gaps


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Let the iteration run from a perturbed trivial solution below, and from a stretched split one above."""
    names = ("iterations", "time", "solver")
    found: dict[str, list] = {f"{n}_{side}": [] for n in names for side in ("below", "above")} | {
        "critical": [],
        "rate": [],
    }
    for i, stream in enumerate(config.streams()):
        progress(i, config.seeds, f"seed {i + 1} of {config.seeds}")
        joint_stream, start_stream = stream.spawn(2)
        joint = joint_of(config, joint_stream)
        critical = float(critical_betas(joint)[0])
        direction = np.random.default_rng(start_stream).uniform(0.2, 1, len(joint)) * np.sign(joint[:, 1] - joint[:, 0])
        start = np.stack([(1 + s * START * direction) / 2 for s in (1, -1)], 1)
        below = critical * (1 - DISTANCES)
        _measured(found, "below", joint, below, np.repeat(start[None], len(below), 0), device)
        above = critical * (1 + DISTANCES)
        end = information_bottleneck(joint, above, init=start, tolerance=1e-14, max_iterations=2_000)
        stretched = end.encoder**1.05
        _measured(found, "above", joint, above, stretched / stretched.sum(-1, keepdims=True), device, end.decoder)
        gaps = iterate(joint, np.array([0.8 * critical]), start[None], 40)[:, 0]
        found["critical"].append(critical)
        found["rate"].append(gaps[31] / gaps[30] / 0.8)
    progress(config.seeds, config.seeds)
    labels = {
        "iterations": "iterations until a millionth is left",
        "time": "relaxation time, iterations",
        "solver": "evaluations of the accelerated solver",
    }
    data = {
        f"{n}_{side}": (
            ("seed", "distance"),
            np.array(found[f"{n}_{side}"], dtype=float),
            {"long_name": f"{labels[n]}, {side} β_c"},
        )
        for n in names
        for side in ("below", "above")
    }
    return xr.Dataset(
        {
            **data,
            "critical": ("seed", found["critical"], {"long_name": "β_c = 1/λ₂"}),
            "rate": ("seed", found["rate"], {"long_name": "growth per iteration over β/β_c, at β = 0.8 β_c"}),
        },
        coords={"distance": ("distance", DISTANCES, {"long_name": "|β − β_c| / β_c"})},
    )


def _measured(
    found: dict[str, list],
    side: str,
    joint: np.ndarray,
    betas: np.ndarray,
    starts: np.ndarray,
    device: str,
    end: np.ndarray | None = None,
) -> None:
    """Iterations to the end, the relaxation time of the last stretch, and what the solver needs from the same start."""
    goal = np.zeros(len(betas)) if end is None else end[:, 0, 1] - end[:, 1, 1]
    steps = min(LONGEST, int(1.5 * np.log(1 / LEFT) / DISTANCES.min()))
    away = np.abs(iterate(joint, betas, starts, steps) - goal)
    done = (away <= LEFT * away[0]).argmax(0)
    middle = (away <= 1e-2 * away[0]).argmax(0)
    columns = np.arange(len(betas))
    drop = np.log(away[middle, columns] / away[done, columns])
    found[f"iterations_{side}"].append(np.where(done > 0, done, np.nan))
    found[f"time_{side}"].append(np.where(done > middle, (done - middle) / drop, np.nan))
    solved = information_bottleneck(joint, betas, init=starts, tolerance=1e-10, max_iterations=5_000, device=device)
    found[f"solver_{side}"].append(solved.iterations)


def plot(result: xr.Dataset) -> Figure:
    """Relaxation times and the number of iterations against the distance from the critical point."""
    fig, (left, right) = style.figure(1, 2, height=3.8)
    distance = result["distance"]
    for side, colour, marker in (("below", "blue", "o"), ("above", "vermillion", "s")):
        time = result[f"time_{side}"]
        left.errorbar(distance, time.mean("seed"), time.std("seed", ddof=0), color=style.COLOURS[colour],
                      marker=marker, linestyle="", elinewidth=0.8, label=f"{side} β_c")  # fmt: skip
        for name, dash, label in (("iterations", "-", "plain"), ("solver", ":", "solver")):
            right.plot(distance, result[f"{name}_{side}"].mean("seed"), color=style.COLOURS[colour], marker=marker,
                       linestyle=dash, markersize=4, linewidth=1.3, label=f"{label}, {side}")  # fmt: skip
    left.plot(distance, 1 / distance, color=style.MUTED, linewidth=1, linestyle="-", label="1/ε")
    left.plot(distance, 1 / (2 * distance), color=style.MUTED, linewidth=1, linestyle="--", label="1/2ε")
    for axes in (left, right):
        axes.set(xscale="log", yscale="log", xlabel="distance ε = |β − β_c| / β_c")
        axes.set_xticks([0.002, 0.005, 0.01, 0.02, 0.05, 0.1], ["0.002", "0.005", "0.01", "0.02", "0.05", "0.1"])
        axes.tick_params(axis="x", labelsize=9)
        axes.minorticks_off()
    left.set(ylabel="relaxation time, iterations", title=_title(result))
    left.legend(loc="upper right")
    right.set(ylabel="iterations to the end", title="From start to end")
    right.set_ylim(top=30 * float(result["iterations_below"].max()))
    right.legend(loc="upper right", ncols=2, fontsize=9, columnspacing=0.8, handlelength=1.8)
    return fig


def _title(result: xr.Dataset) -> str:
    return f"{result.attrs['levels']} values of x, γ = {result.attrs['gamma']:g}"


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    near, far = result.isel(distance=-1), result.isel(distance=0)
    return (
        f"Relaxation time of the bottleneck's iteration against the relative distance from its first bifurcation, both "
        f"axes logarithmic. It rises from {float(far['time_below'].mean()):.0f} iterations at a distance of 0.1 to "
        f"{float(near['time_below'].mean()):.0f} at 0.002 below the critical β, and to "
        f"{float(near['time_above'].mean()):.0f} above it, on straight lines of slope about -1. Beside it, the "
        f"iterations to the end: {float(near['iterations_below'].mean()):.0f} plain ones nearest to β_c, "
        f"where the accelerated solver takes {float(near['solver_below'].mean()):.0f}."
    )


def exponent(times: xr.DataArray) -> xr.DataArray:
    """The slope of log time against log distance, one for each seed, by least squares."""
    x, y = np.log(times["distance"].values), np.log(times.transpose("seed", "distance").values)
    x = x - x.mean()
    return xr.DataArray(y @ x / (x @ x), dims="seed")


def _exponent(side: str, tolerance: float):
    def check(result: xr.Dataset) -> Evidence:
        slope = exponent(result[f"time_{side}"])
        return Evidence(slope.mean(), -1, tolerance, spread=spread(slope))

    return check


def _twice(result: xr.Dataset) -> Evidence:
    nearest = result.isel(distance=-1)
    ratio = nearest["time_below"] / nearest["time_above"]
    return Evidence(ratio.mean(), 2, 0.05, spread=spread(ratio))


def _rate(result: xr.Dataset) -> Evidence:
    worst = result["rate"].values[np.abs(result["rate"].values - 1).argmax()]
    return Evidence(worst, 1, 1e-3, spread=spread(result["rate"]))


def _raw(result: xr.Dataset) -> Evidence:
    slope = exponent(result["iterations_below"])
    return Evidence(slope.mean(), -1, 0.05, spread=spread(slope))


CLAIMS = (
    Claim(
        "A perturbation of the trivial solution is multiplied by β/β_c at each iteration (worst seed, over β/β_c).",
        "this section; tolerance: the perturbation's own size, squared",
        _rate,
    ),
    Claim(
        "Below β_c the relaxation time goes as |β − β_c| to the power −1.",
        "this section; tolerance: −1/ln(1−ε) against 1/ε over these distances, and as much again",
        _exponent("below", 0.03),
    ),
    Claim(
        "Above β_c as well, on the way to the split solution.",
        "this section; tolerance: terms of second order in ε",
        _exponent("above", 0.08),
    ),
    Claim("At the same distance it is twice as long below as above.", "this section, pitchfork", _twice),
    Claim(
        "The number of iterations to a millionth of the start goes as |β − β_c| to the power −1, too (below).",
        "this section",
        _raw,
    ),
)

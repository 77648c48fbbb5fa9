"""Weights as a Gibbs distribution: noisy relaxation of a model with two weights, against exact averages.

One unit with two weights, f = w·x or f = tanh(w·x), sees the number of ones of an input of the 12-bit rule and the
length of the sum of its vertices (standardised; the second scaled by 0.4, so that the energy is flatter along it),
and learns the label, -1 or 1, on 1024 inputs. Its energy is E(w) = mean (f - y)² + 0.05 |w|². With two weights all
averages over exp(-E/T) are sums over a grid. Langevin dynamics with the full gradient is held against them; and so
is plain stochastic gradient descent, whose only noise is that of its batches.

Sources: lecture on information, "Local weights Gibbs and optimal IB representations"; Welling & Teh 2011;
Mandt, Hoffman & Blei 2017.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from scipy import stats

from layerlab import lab
from layerlab.data import symmetric_rule
from layerlab.lab import Claim, Evidence, choice, integer, real, spread, style

LECTURE = "Lecture on information, “Local weights Gibbs and optimal IB representations”"
MANDT = "Mandt, Hoffman & Blei 2017"
TEMPERATURES = (0.01, 0.03, 0.1, 0.3, 1.0)
SHOWN = 2  # the temperature of the cloud
ROWS, DECAY = 1024, 0.1
BURN, EVERY, CLOUD = 300, 10, 50
OUTPUTS = {"linear": "linear", "tanh": "tanh"}


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The model and its relaxation."""

    model: str = choice("linear", "unit", tuple(OUTPUTS), help="f = w·x or f = tanh(w·x)")
    rate: float = real(0.1, "step η", low=0.01, high=0.6, log=True)
    batch: int = integer(8, "batch of plain SGD", low=1, high=256, log=True)
    steps: int = integer(4000, "steps", low=500, high=100_000, log=True)
    seeds: int = integer(8, "chains", low=1, high=100, help="for each temperature")


GRID = [
    {"model": ("linear", "tanh"), "rate": (0.1,)},
    {"model": ("linear",), "rate": (0.02, 0.4)},
    {"model": ("linear",), "rate": (0.1,), "steps": (1000,), "seeds": (4,)},
]
# the chains contract: rounding does not grow
TOLERANCE = {"default": (1e-3, 1e-3)}


def work(config: Config) -> float:
    """Steps, weighted by the chains."""
    return config.steps * (10 + config.seeds)


def examples(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(1024, 2) inputs and (1024,) targets ±1."""
    rule = symmetric_rule()
    count = rule.x.sum(1, dtype=np.float64)
    x = np.stack([count, rule.score - count], 1)
    x = (x - x.mean(0)) / x.std(0) * [1, 0.4]
    rows = np.random.default_rng(seed).permutation(len(x))[:ROWS]
    return x[rows], 2.0 * rule.y[rows] - 1


def energy(w: np.ndarray, x: np.ndarray, y: np.ndarray, model: str) -> np.ndarray:
    """E (...) of weights (..., 2)."""
    total = DECAY / 2 * (w**2).sum(-1)
    for block in np.array_split(np.arange(len(x)), 16):
        f = w @ x[block].T
        total = total + (((np.tanh(f) if model == "tanh" else f) - y[block]) ** 2).sum(-1) / len(x)
    return total


def gibbs_average(x: np.ndarray, y: np.ndarray, model: str, temperature: float) -> tuple[float, float]:
    """(mean of E under exp(-E/T)/Z, least E), by sums over two nested grids of 161 x 161 points."""
    half, centre = 9 * np.sqrt(temperature / DECAY) + 3, np.zeros(2)
    for _ in range(2):  # the second grid covers eight standard deviations of what the first one found
        axes = [np.linspace(c - h, c + h, 161) for c, h in zip(centre, np.broadcast_to(half, 2), strict=True)]
        w = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
        e = energy(w, x, y, model)
        p = np.exp(-(e - e.min()) / temperature)
        p /= p.sum()
        centre = (p[..., None] * w).sum((0, 1))
        step = np.array([a[1] - a[0] for a in axes])
        half = 8 * np.sqrt((p[..., None] * (w - centre) ** 2).sum((0, 1))) + step
    return float((p * e).sum()), float(e.min())


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Relax the chains at all temperatures at once, then those of plain SGD."""
    import torch

    from layerlab.nets import MLP
    from layerlab.training import TrainingConfig, relax

    x, y = examples(config.seed)
    hessian = 2 * x.T @ x / len(x) + DECAY * np.eye(2)
    best = np.linalg.solve(hessian, 2 * x.T @ y / len(x))
    curvature, vectors = np.linalg.eigh(hessian)
    streams = [s.spawn(len(TEMPERATURES) + 1) for s in config.streams()]

    def chains(temperatures: tuple[float, ...], batch: int | None, share: tuple[float, float]) -> Any:
        noise = [s for own in streams for s in (own[1:] if batch is None else own[:1])]
        networks = MLP(
            (2, 1), output_activation=OUTPUTS[config.model], bias=False, seeds=noise, dtype=torch.float64, device=device
        )
        settings = TrainingConfig(
            optimizer="sgd", learning_rate=config.rate, loss="mse", weight_decay=DECAY, batch_size=batch,
            steps=config.steps + BURN,
        )  # fmt: skip
        return relax(
            networks, x, y, settings, temperature=temperatures * config.seeds, every=EVERY, burn=BURN, seeds=noise,
            callback=lambda _, live: live.weights[0][:, :, 0].cpu().numpy().copy(),
            progress=lambda done, total, note: progress(share[0] + share[1] * done / total, 1, note),
        )  # fmt: skip

    found = chains(TEMPERATURES, None, (0, 0.6))
    plain = chains((0.0,), config.batch, (0.6, 0.4))
    w = np.array(found.records).reshape(-1, config.seeds, len(TEMPERATURES), 2)
    values = {
        "energy": found.energy.mean(0).reshape(config.seeds, -1),
        "variance": ((w - best) @ vectors).var(0),
        "cloud": w[np.linspace(0, len(w) - 1, CLOUD).astype(int), :, SHOWN].swapaxes(0, 1),
    }
    exact = [gibbs_average(x, y, config.model, t) for t in TEMPERATURES]
    settled = ((np.array(plain.records) - best) @ vectors).var(0)
    residual = 2 * (x @ best - y)[:, None] * (x @ vectors)
    progress(1, 1)
    return _dataset(values, exact, settled, residual.var(0), curvature, config)


def _dataset(values: dict, exact: list, settled: np.ndarray, noise: np.ndarray, h: np.ndarray, config: Config) -> Any:
    heat = h * (1 - config.rate * h / 2)
    predicted = config.rate / 2 * noise / config.batch
    if config.model != "linear":
        settled, predicted = np.full_like(settled, np.nan), np.full_like(predicted, np.nan)
    seed, warm, along = "seed", "temperature", "direction"
    return xr.Dataset(
        {
            "energy": ((seed, warm), values["energy"], {"long_name": "mean energy of the chain"}),
            "exact": (warm, [e for e, _ in exact], {"long_name": "mean energy under exp(-E/T)"}),
            "least": ((), min(e for _, e in exact), {"long_name": "least energy"}),
            "variance": ((seed, warm, along), values["variance"], {"long_name": "variance along the direction"}),
            "cloud": ((seed, "sample", "weight"), values["cloud"], {"long_name": "weights"}),
            "sgd": ((seed, along), settled * heat, {"long_name": "temperature of plain SGD along the direction"}),
            "sgd_predicted": (along, predicted, {"long_name": "half of step times batch noise"}),
        },
        coords={
            "temperature": ("temperature", list(TEMPERATURES), {"long_name": "temperature T = 1/β"}),
            "curvature": ("direction", h, {"long_name": "curvature of the energy"}),
            "weight": ("weight", [1, 2], {"long_name": "weight"}),
        },
    )


def plot(result: xr.Dataset) -> Figure:
    """The cloud of weights over the exact law, mean energies, and temperatures direction by direction."""
    fig, (left, right) = style.figure(1, 2, height=3.6)
    x, y = examples(int(result.attrs["seed"]))
    cloud = result["cloud"].values.reshape(-1, 2)
    low, high = cloud.min(0) - 0.3, cloud.max(0) + 0.3
    w = np.stack(np.meshgrid(np.linspace(low[0], high[0], 60), np.linspace(low[1], high[1], 60)), -1)
    e = (energy(w, x[::8], y[::8], str(result.attrs["model"])) - float(result["least"])) / TEMPERATURES[SHOWN]
    left.contour(w[..., 0], w[..., 1], e - e.min(), levels=[0.5, 2, 4.5], colors=[style.COLOURS["vermillion"]])
    left.plot(*cloud.T, "o", color=style.COLOURS["blue"], markersize=2.5, alpha=0.5, linestyle="")
    left.set(xlabel="weight 1", ylabel="weight 2", title=f"Chains at T = {TEMPERATURES[SHOWN]:g}")
    t, least = result["temperature"], result["least"]
    excess = result["energy"] - least
    right.plot(t, result["exact"] - least, color=style.COLOURS["vermillion"], linestyle="-", label="exp(−E/T), exact")
    right.errorbar(
        t, excess.mean("seed"), yerr=excess.std("seed"), fmt="o", color=style.COLOURS["blue"], label="Langevin"
    )  # fmt: skip
    if bool(result["sgd"].notnull().all()):
        for i, (h, marker) in enumerate(zip(result["curvature"].values, "s^", strict=True)):
            heat = float(result["sgd"].isel(direction=i).mean())
            right.plot([heat], [heat], marker, color=style.COLOURS["purple"], markersize=8, linestyle="",
                       label=f"SGD alone, curvature {h:.1f}")  # fmt: skip
    right.set(xscale="log", yscale="log", xlabel="temperature T", ylabel="mean energy above the least")
    right.set_title(f"{result.attrs['model']} unit, η = {result.attrs['rate']:g}")
    right.legend(fontsize=8, loc="upper left")
    return fig


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    ratio = (result["energy"].mean("seed") - result["least"]) / (result["exact"] - result["least"])
    text = (
        f"Weights of a {result.attrs['model']} unit under Langevin dynamics, over contours of the exact law. "
        f"The mean energy above the least is {float(ratio.min()):.3f} to {float(ratio.max()):.3f} that of exp(-E/T), "
        f"for T from {TEMPERATURES[0]:g} to {TEMPERATURES[-1]:g}. "
    )
    if bool(result["sgd"].notnull().all()):
        flat, steep = result["sgd"].mean("seed").values
        text += f"Plain SGD has the temperature {flat:.4f} along the flatter direction, {steep:.4f} along the other."
    return text


def table(result: xr.Dataset) -> Any:
    """Per temperature: mean energy of the chains, and exact."""
    frame = result[["energy"]].mean("seed").to_dataframe().reset_index()
    return frame.assign(exact=result["exact"].values, spread=result["energy"].std("seed").values)


def _error(values: xr.DataArray) -> float:
    """How far the mean over chains strays from the true one in one run of a thousand (Student's t)."""
    if values.size < 2:
        return 0.0
    return float(stats.t(values.size - 1).isf(5e-4) * (spread(values) or 0) / np.sqrt(values.size))


def _excess(result: xr.Dataset, corrected: bool) -> Evidence:
    """Mean over the temperatures of measured / expected energy above the least; tolerance for chance.

    Without the correction, plus what the step can add at most: η h/2 / (1 - η h/2) for the largest curvature h.
    """
    expected = result["exact"] - result["least"]
    h, rate = result["curvature"], result.attrs["rate"]
    if corrected:
        expected = result["temperature"] / 2 * (1 / (1 - rate * h / 2)).sum("direction")
    ratio = ((result["energy"] - result["least"]) / expected).mean("temperature")
    bias = 0.0 if corrected else float(rate * h.max() / 2 / (1 - rate * h.max() / 2))
    return Evidence(ratio.mean(), 1, _error(ratio) + bias, spread=spread(ratio))


def _gibbs(result: xr.Dataset) -> Evidence:
    return _excess(result, corrected=False)


def _step(result: xr.Dataset) -> Evidence | None:
    return _excess(result, corrected=True) if result.attrs["model"] == "linear" else None


def _widths(result: xr.Dataset) -> Evidence | None:
    """Quotient of the variances along the two directions, over that of the law with the step's bias."""
    if result.attrs["model"] != "linear":
        return None
    h = result["curvature"]
    quotient = (result["variance"] * h * (1 - result.attrs["rate"] * h / 2) / result["temperature"]).mean("temperature")
    ratio = quotient.isel(direction=1) / quotient.isel(direction=0)
    return Evidence(ratio.mean(), 1, _error(ratio), spread=spread(ratio))


def _sgd_is_gibbs(result: xr.Dataset) -> Evidence | None:
    if result.attrs["model"] != "linear":
        return None
    ratio = result["sgd"].isel(direction=1) / result["sgd"].isel(direction=0)
    return Evidence(ratio.mean(), 1, _error(ratio), spread=spread(ratio))


def _sgd_heat(result: xr.Dataset) -> Evidence | None:
    """Where an epoch is long: within one, batches exclude each other, and their noise cancels over the whole of it."""
    relaxation = 1 / (result.attrs["rate"] * float(result["curvature"].min()))
    if result.attrs["model"] != "linear" or ROWS / result.attrs["batch"] < 4 * relaxation:
        return None
    ratio = (result["sgd"] / result["sgd_predicted"]).mean("direction")
    return Evidence(ratio.mean(), 1, 0.25, spread=spread(ratio))


CLAIMS = (
    Claim(
        "Langevin dynamics has the mean energy of exp(−E/T) (quotient of the energies above the least; tolerance with "
        "the step's largest bias).",
        LECTURE,
        _gibbs,
    ),
    Claim(
        "For a linear unit a step η raises it to Σ T/2 / (1 − ηh/2) over the curvatures h (quotient).",
        "Stationary variance of the discretised equation",
        _step,
    ),
    Claim(
        "Its weights spread as T/h along each direction: flat ones are wide, one T for both (quotient of the two).",
        "Gibbs law of a quadratic energy",
        _widths,
    ),
    Claim(
        "Plain SGD settles to exp(−E/T) for some T: its temperature is the same along both directions (quotient).",
        LECTURE,
        _sgd_is_gibbs,
        disputed="batch noise is not the same in all directions: it is larger where the energy is steeper",
    ),
    Claim(
        "Its temperature along a direction is ηc/2, c the variance of a batch's gradient there, if weights relax "
        "much faster than an epoch lasts (mean quotient).",
        MANDT,
        _sgd_heat,
    ),
)

"""What I(T;Y) of a layer says about the error of a classifier that reads it, and how far the layer is from the best.

T is a layer cut into cells inside the network (as in plane/chain), X uniform over all 4096 inputs of the 12-bit rule.
The best classifier of T names each cell's commoner label; its error lies between Fano's and Hellman and Raviv's bounds.
A third number is what can be had without knowing the rule: each cell's commoner label among the training rows,
tested on the other rows. The layer's loss I(T';T) + β I(Y;T'|T), T' the layer before, is held against the least one
possible.

Sources: the lecture on representations; Fano 1961; Hellman & Raviv 1970; Tishby & Zaslavsky 2015.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from scipy.optimize import brentq

from layerlab import lab
from layerlab.experiments.plane._cut import cut_inside
from layerlab.experiments.plane._rule_networks import Snapshots, rule_networks
from layerlab.information import binned_cells, binned_information, entropy
from layerlab.lab import Claim, Evidence, choice, integer, real, spread, style

LECTURE = "Lecture on representations, “Relevant quantities”"
MOMENTS = 10
ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The networks, the cells, and what a bit of the label is worth."""

    activation: str = choice("tanh", "activation", ("tanh", "relu"))
    bins: int = integer(30, "bins", low=2, high=1000, log=True, help="from -1 to 1: cells are 2/bins wide")
    beta: float = real(10, "β", low=1, high=1000, log=True, help="bits of X paid for one bit of the label")
    epochs: int = integer(300, "epochs", low=10, high=20_000, log=True)
    seeds: int = integer(5, "networks", low=1, high=100)


GRID = (
    {"activation": ("tanh", "relu")},
    {"activation": ("tanh", "relu"), "epochs": (2000,), "seeds": (10,)},
    {"bins": (8,), "epochs": (2000,), "seeds": (10,)},
    {"epochs": (8000,), "seeds": (25,)},
)
TOLERANCE = {"default": (0, 0.25), "loss": (0, 1.0), "least": (0, 0.3)}


def work(config: Config) -> float:
    """Training steps, and the measuring."""
    return config.epochs * 7.0 * (60 + 10 * config.seeds) + MOMENTS * config.seeds * 1.5e4


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train, cut, and measure informations, errors and losses of all layers at some epochs."""
    found = rule_networks(
        activation=config.activation, epochs=config.epochs, seeds=config.seeds, seed=config.seed, moments=60,
        device=device, progress=lambda done, of, note: progress(0.7 * done / of, 1, note),
    )  # fmt: skip
    moments = np.unique(np.linspace(0, len(found.epochs) - 1, MOMENTS).round().astype(int))
    rows = []
    for i, moment in enumerate(moments):
        progress(0.7 + 0.3 * i / len(moments), 1, f"measuring epoch {found.epochs[moment]}")
        rows.append(measure(found, moment, 2 / config.bins, config.beta))
    progress(1, 1)
    return _dataset(rows, found, moments)


def measure(found: Snapshots, moment: int, width: float, beta: float) -> dict[str, np.ndarray]:
    """(layers, N) of one moment: I(T;Y) and the loss in bits, errors of the best and of the learned classifier."""
    y = found.rule.y
    seen = np.zeros((len(found.rows), len(y)), bool)
    np.put_along_axis(seen, found.rows, True, 1)
    layers, _ = cut_inside(found.networks(moment), found.x, width)
    h_y = float(entropy(found.rule.p_xy.sum(0)))
    before = np.full(len(seen), h_y)  # the input knows all of it
    rows: dict[str, list[np.ndarray]] = {name: [] for name in ("i_ty", "best", "learned", "loss", "least")}
    for t in layers:
        i_xt, i_ty = (v.cpu().numpy() for v in binned_information(t, y, width=width))
        cells = binned_cells(t, width=width).cpu().numpy()
        errors = [classifier_errors(c, y, s) for c, s in zip(cells, seen, strict=True)]
        rows["i_ty"].append(i_ty)
        rows["best"].append(np.array([e[0] for e in errors]))
        rows["learned"].append(np.array([e[1] for e in errors]))
        rows["loss"].append(i_xt + beta * (before - i_ty))  # T is a function of T': I(T';T) = H(T)
        rows["least"].append(before)
        before = i_ty
    return {name: np.array(values) for name, values in rows.items()}


def classifier_errors(cells: np.ndarray, y: np.ndarray, seen: np.ndarray) -> tuple[float, float]:
    """Errors of two classifiers of a cell: the best one, and the one that the seen rows teach, on the others.

    cells, y: (samples,) cell and label, 0 or 1. seen: (samples,) bool. In a cell without seen rows, or with as many of
    both labels, the learned one names the commoner label of all seen rows. The best one is judged on all rows.
    """
    counts = np.bincount(2 * cells + y, minlength=2 * (cells.max() + 1)).reshape(-1, 2)
    known = np.bincount(2 * cells[seen] + y[seen], minlength=counts.size).reshape(-1, 2)
    common = int(2 * y[seen].sum() > seen.sum())
    lead = known[:, 1] - known[:, 0]
    named = np.where(lead == 0, common, lead > 0)
    return float(counts.min(1).sum() / len(y)), float((named[cells] != y)[~seen].mean())


def fano(equivocation: Any) -> np.ndarray:
    """The least error of any classifier that leaves H(Y|T) bits of a binary label open: h(e) = H(Y|T), e <= 1/2."""

    def inverse(bits: float) -> float:
        if bits <= 0 or bits >= 1:
            return 0.0 if bits <= 0 else 0.5
        return float(brentq(lambda e: float(entropy([e, 1 - e])) - bits, 0, 0.5, xtol=1e-14))

    return np.vectorize(inverse, otypes=[float])(equivocation)


def _dataset(rows: list[dict[str, np.ndarray]], found: Snapshots, moments: np.ndarray) -> xr.Dataset:
    said = {
        "i_ty": ("I(T;Y)", "bits"), "best": ("error of the best classifier of the cells", ""),
        "learned": ("error, on other rows, of the classifier that the training rows teach", ""),
        "loss": ("loss of the layer", "bits"), "least": ("least possible loss, given the layer before", "bits"),
    }  # fmt: skip
    variables: dict[str, Any] = {
        name: (("epoch", "layer", "seed"), np.array([r[name] for r in rows]),
               {"long_name": text} | ({"units": unit} if unit else {}))
        for name, (text, unit) in said.items()
    }  # fmt: skip
    variables["test"] = (("epoch", "seed"), 1 - found.accuracy_test[moments], {"long_name": "test error"})
    variables["h_y"] = ((), float(entropy(found.rule.p_xy.sum(0))), {"long_name": "H(Y)", "units": "bits"})
    return xr.Dataset(
        variables,
        coords={
            "epoch": ("epoch", found.epochs[moments], {"long_name": "epoch"}),
            "layer": ("layer", np.arange(1, len(rows[0]["i_ty"]) + 1), {"long_name": "layer, the last the output"}),
        },
    )


def plot(result: xr.Dataset) -> Figure:
    """Left: errors against I(T;Y) between the two bounds. Right: each layer's loss and the least possible one."""
    fig, (left, right) = style.figure(1, 2, height=3.8)
    h_y = float(result["h_y"])
    known = np.linspace(0, h_y, 200)
    left.fill_between(known, fano(h_y - known), (h_y - known) / 2, color=style.MUTED, alpha=0.25, linewidth=0,
                      label="Fano to Hellman-Raviv")  # fmt: skip
    for name, colour, marker, said in (("best", "blue", "o", "best classifier of the cells"),
                                       ("learned", "vermillion", "^", "learned from the training rows")):  # fmt: skip
        values = result[name].isel(epoch=slice(None, None, 3))
        x = result["i_ty"].isel(epoch=slice(None, None, 3))
        left.plot(x.values.ravel(), values.values.ravel(), marker, color=style.COLOURS[colour], linestyle="",
                  markersize=3, label=said)  # fmt: skip
    left.set(xlabel="I(T;Y) [bits]", ylabel="error", ylim=(-0.02, 0.95), xlim=(-0.03, 1.03), title=_title(result))
    left.legend(loc="upper left")
    shown = [0, result.sizes["epoch"] // 2, result.sizes["epoch"] - 1]
    for name, at in zip(("purple", "blue", "green"), shown, strict=True):
        shade = style.COLOURS[name]
        here = result.isel(epoch=at)
        values = here["loss"]
        right.plot(result["layer"], values.mean("seed"), "o-", color=shade, label=f"epoch {int(here['epoch'])}")
        right.fill_between(
            result["layer"], values.min("seed"), values.max("seed"), color=shade, alpha=0.18, linewidth=0
        )
    least = result["least"].isel(epoch=-1).mean("seed")
    right.plot(result["layer"], least, "s:", color=style.COLOURS["vermillion"], label="least possible, at the end")
    right.set(xlabel="layer", ylabel="loss [bits]", xticks=result["layer"], title=f"β = {result.attrs['beta']:g}")
    right.set_ylim(0, 1.55 * float(result["loss"].max()))
    right.legend(loc="upper right", ncols=1)
    return fig


def _title(result: xr.Dataset) -> str:
    return f"{result.attrs['activation']}, cells 2/{result.attrs['bins']} wide"


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    last = result.isel(epoch=-1).mean("seed")
    first, hidden = last.isel(layer=0), last.isel(layer=-2)
    return (
        f"Errors of classifiers that read a layer against its I(T;Y), between two bounds ({_title(result)}). After "
        f"{int(result['epoch'][-1])} epochs the best classifier of the first layer's cells errs on "
        f"{float(first['best']):.3f} of all inputs, the one learned from the training rows on "
        f"{float(first['learned']):.3f} of the others; for the last hidden layer it is {float(hidden['best']):.3f} and "
        f"{float(hidden['learned']):.3f}, and the network's own test error is {float(last['test']):.3f}. Beside it the "
        f"layers' losses, from {float(first['loss']):.1f} bits to {float(hidden['loss']):.1f}."
    )


def _between(result: xr.Dataset) -> Evidence:
    open_ = result["h_y"] - result["i_ty"]
    low = xr.apply_ufunc(fano, open_) - result["best"]
    beyond = np.maximum(low, result["best"] - open_ / 2).max(("epoch", "layer"))
    return Evidence(beyond.max(), 0, ROUNDING, "≤", spread(beyond))


def _learned(result: xr.Dataset, layer: int) -> Evidence:
    bound = (result["h_y"] - result["i_ty"]) / 2
    miss = (result["learned"] - bound).isel(layer=layer, epoch=-1)
    return Evidence(miss.mean(), 0, 0.02, "≤", spread(miss))


def _last_hidden(result: xr.Dataset) -> Evidence:
    return _learned(result, -2)


def _first(result: xr.Dataset) -> Evidence:
    return _learned(result, 0)


def _loss(result: xr.Dataset) -> Evidence:
    above = (result["loss"] - result["least"]).min(("epoch", "layer"))
    return Evidence(above.min(), 0, ROUNDING, "≥", spread(above), "bits")


def _optimal(result: xr.Dataset) -> Evidence:
    above = (result["loss"] - result["least"]).isel(epoch=-1, layer=slice(None, -1)).mean("layer")
    return Evidence(above.mean(), 0, 0.5, "≤", spread(above), "bits")


CLAIMS = (
    Claim(
        "The best classifier's error lies between Fano's and Hellman and Raviv's bounds (largest excess; a theorem).",
        "Fano 1961; Hellman & Raviv 1970",
        _between,
    ),
    Claim(
        "I(T;Y) of the last hidden layer decides the error on new inputs: what the training rows teach about its cells "
        "errs, on the other rows, no more than H(Y|T)/2 (mean excess at the end).",
        "Lecture on information, the information plane's theorem",
        _last_hidden,
        disputed="the bound is for whoever knows p(y|t); that has to be learned from the rows, at a price in error",
    ),
    Claim(
        "The same of the first hidden layer, whose I(T;Y) is larger.",
        "the bound, read without asking how p(y|t) is known",
        _first,
        disputed="a layer with a cell for every input has all of I(X;Y) and teaches nothing about inputs not yet seen",
    ),
    Claim(
        "No layer's loss I(T';T) + β I(Y;T'|T) is below I(Y;T'), the least possible for β ≥ 1 (smallest distance; a "
        "theorem).",
        LECTURE,
        _loss,
    ),
    Claim(
        "Trained hidden layers come within half a bit of the least possible loss (mean excess at the end).",
        LECTURE + ", read as a statement about trained layers",
        _optimal,
        disputed="they keep far more of the input than the label needs, the first ones all of it",
    ),
)

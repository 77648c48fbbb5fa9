"""The information curve of a sample, held against the truth.

The bottleneck is solved on the empirical joint of n samples. Each encoder that it finds is then put under the true
joint: what it keeps of X, what it knows of Y, and what the decoder learned from the same sample gets out of it.

Source: Shamir, Sabato & Tishby 2010; Tishby & Zaslavsky 2015, section III.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from layerlab import lab
from layerlab.information import (
    decoder_error_scale,
    delivered_information,
    empirical_curve,
    empirical_joint,
    entropy,
    information_bottleneck,
    mutual_information,
    smoothed_decoder,
)
from layerlab.lab import Claim, Evidence, choice, integer, spread, style

BETAS = np.r_[np.geomspace(1.3, 100, 9), 1000]
SOLVER: dict[str, Any] = {"tolerance": 1e-5, "clusters": 12, "max_iterations": 1000}
BENT = 0.01  # bits: a fall that counts
PLENTY = 4  # samples for each input: with more, there is little left to lose
KEYS = {
    "i_xt_sample": "I(X;T) in the sample",
    "i_ty_sample": "I(T;Y) in the sample",
    "i_xt": "true I(X;T)",
    "i_ty": "true I(T;Y)",
    "delivered": "information that the sample's decoder delivers",
}
TOLERANCE = dict.fromkeys((*KEYS, "curve_x", "curve_y"), (1e-3, 2e-3))  # where the solver stops


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The size of the joint and of the sample."""

    inputs: int = integer(64, "inputs |X|", low=4, high=512, log=True, help="equally likely")
    kinds: str = choice("two", "kinds of input", ("two", "many"), help="p(y=1|x): two: 0.1 or 0.9; many: Beta(½, ½)")
    n: int = integer(256, "samples n", low=8, high=65_536, log=True)
    seeds: int = integer(5, "repetitions", low=2, high=50, help="samples of one and the same joint")


GRID = (
    {"n": (64, 256, 1024, 4096)},
    {"kinds": ("many",), "n": (64, 1024)},
    {"inputs": (16,), "n": (16,)},
    {"inputs": (256,), "n": (256,)},
)


def work(config: Config) -> float:
    """Iterations of the bottleneck on the truth and on each sample."""
    return 2e9 * (1 + config.seeds) * (config.inputs / 64) ** 0.7


def joint(config: Config) -> np.ndarray:
    """(|X|, 2): the true joint distribution, which depends on the base seed, the kinds and |X| only."""
    p_one = np.where(np.arange(config.inputs) % 2, 0.9, 0.1)
    if config.kinds == "many":
        p_one = np.random.default_rng([config.seed, config.inputs]).beta(0.5, 0.5, config.inputs)
    return np.stack([1 - p_one, p_one], 1) / config.inputs


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Solve the bottleneck on the truth and on every sample, and hold the samples' solutions against the truth."""
    p_xy = joint(config)
    progress(0, 1 + config.seeds, "the true curve")
    truth = information_bottleneck(p_xy, BETAS, **SOLVER)
    found: dict[str, list] = {key: [] for key in KEYS}
    everything: dict[str, list] = {"sample": [], "delivered": []}
    for i, stream in enumerate(config.streams()):
        progress(1 + i, 1 + config.seeds, f"sample {i + 1} of {config.seeds}")
        sample = empirical_joint(p_xy, config.n, np.random.default_rng(stream))
        curve = empirical_curve(p_xy, sample, config.n, BETAS, **SOLVER)
        for key in KEYS:
            found[key].append(getattr(curve, key))
        everything["sample"].append(mutual_information(sample))
        everything["delivered"].append(delivered_information(p_xy, smoothed_decoder(config.n * sample)))
    progress(1 + config.seeds, 1 + config.seeds)
    bits = {"units": "bits"}
    over = {key: (("seed", "beta"), found[key], bits | {"long_name": name}) for key, name in KEYS.items()}
    return xr.Dataset(
        {
            **over,
            "curve_x": ("beta", truth.i_xt, bits | {"long_name": "I(X;T) on the true curve"}),
            "curve_y": ("beta", truth.i_ty, bits | {"long_name": "I(T;Y) on the true curve"}),
            "all_sample": ("seed", everything["sample"], bits | {"long_name": "I(X;Y) of the sample"}),
            "all_delivered": ("seed", everything["delivered"], bits | {"long_name": "delivered, if T = X"}),
            "all_true": ((), mutual_information(p_xy), bits | {"long_name": "true I(X;Y)"}),
            "all_x": ((), entropy(p_xy.sum(1)), bits | {"long_name": "H(X)"}),
        },
        coords={"beta": ("beta", BETAS, {"long_name": "β"})},
    )


def plot(result: xr.Dataset) -> Figure:
    """The information plane: truth, promise, encoder and decoder of the sample; at the right end T = X."""
    fig, axes = style.figure(1, 1, width=6.4, height=4.6)
    end = float(result["all_x"])
    x = np.append(result["curve_x"], end)
    axes.plot(x, np.append(result["curve_y"], result["all_true"]), "-", color=style.MUTED, label="true curve")
    looks = (
        ("i_xt_sample", "i_ty_sample", "all_sample", "vermillion", "--", "s", "promised by the sample"),
        ("i_xt", "i_ty", None, "blue", "-", "o", "the same encoders, in truth"),
        ("i_xt", "delivered", "all_delivered", "green", "-.", "^", "delivered by the sample's decoder"),
    )
    for across, up, last, colour, dash, marker, label in looks:
        _line(axes, result, (across, up, last), end, color=style.COLOURS[colour], linestyle=dash, marker=marker,
              markersize=4, linewidth=1.5, label=label)  # fmt: skip
    top = max(1.02 * float(result["i_ty_sample"].max()), float(result["all_sample"].max()))
    low = min(float(result["delivered"].mean("seed").min()), float(result["all_delivered"].mean()), 0.0)
    axes.axhline(0, color=style.MUTED, linewidth=0.8)
    axes.set(xlabel="I(X;T) (bits); at the end T = X", ylabel="I(T;Y) (bits)", title=_title(result))
    axes.set_ylim(max(low, -1.2 * top) - 0.05, 1.12 * top)
    wide = fig.get_figwidth() > 5
    fig.legend(loc="outside lower center", ncols=2 if wide else 1)
    if not wide:
        fig.set_figheight(4.2)
    return fig


def _line(axes: Any, result: xr.Dataset, names: tuple[str, str, str | None], end: float, **look: Any) -> None:
    """Mean over seeds of a curve in the plane, closed by T = X, and the spread as a band."""
    across, up, last = names
    final = result[last] if last else result["all_true"].broadcast_like(result["all_sample"])
    y = np.concatenate([result[up].transpose("seed", "beta"), final.values[:, None]], 1)
    x = np.append(result[across].mean("seed"), end)
    axes.plot(x, y.mean(0), **look)
    axes.fill_between(x, y.mean(0) - y.std(0), y.mean(0) + y.std(0), color=look["color"], alpha=0.2, linewidth=0)


def _title(result: xr.Dataset) -> str:
    return f"|X| = {result.attrs['inputs']}, n = {result.attrs['n']} samples"


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    best, end = _best(result)
    return (
        f"Information plane for {result.attrs['n']} samples of a joint with {result.attrs['inputs']} inputs and true "
        f"I(X;Y) of {float(result['all_true']):.3f} bits. At the largest beta the sample promises "
        f"{float(result['i_ty_sample'].isel(beta=-1).mean()):.3f} bits about Y; the encoder truly has "
        f"{float(result['i_ty'].isel(beta=-1).mean()):.3f}. What the learned decoder delivers is at best "
        f"{float(best.mean()):.3f} bits, and {float(end.mean()):.3f} if all of X is kept."
    )


def _best(result: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """What is delivered at the beta that is best on average, and with T = X: (seed,) each."""
    at = int(result["delivered"].mean("seed").values.argmax())
    return result["delivered"].isel(beta=at), result["all_delivered"]


def _optimism(result: xr.Dataset) -> Evidence:
    gain = result["i_ty_sample"] - result["i_ty"]
    error = gain.std("seed", ddof=1) / np.sqrt(gain.sizes["seed"])
    worst = int((gain.mean("seed") + 4 * error).values.argmin())
    at = gain.isel(beta=worst)
    return Evidence(at.mean(), 0, 4 * error[worst] + 1e-9, "≥", spread(at), "bits")


def _curve(result: xr.Dataset) -> Evidence:
    """Height over the lines that support the true curve, one for each beta: I(T;Y) <= (I(X;T) - L(beta)) / beta."""
    beta = result["beta"].rename(beta="line")
    loss = (result["curve_x"] - result["beta"] * result["curve_y"]).rename(beta="line")
    over = result["i_ty"] - ((result["i_xt"] - loss) / beta).min("line")
    return Evidence(over.max(), 0, 1e-4, "≤", spread(over.max("beta")), "bits")


def _bends(result: xr.Dataset) -> Evidence:
    fall = result["i_ty"].max("beta") - result["i_ty"].isel(beta=-1)
    return Evidence(fall.mean(), BENT, relation="≥", spread=spread(fall), unit="bits")


def _delivered(result: xr.Dataset) -> Evidence | None:
    if result.attrs["n"] > PLENTY * result.attrs["inputs"]:
        return None
    fall = _best(result)[0] - result["delivered"].isel(beta=-1)
    return Evidence(fall.mean(), BENT, relation="≥", spread=spread(fall), unit="bits")


def _worth(result: xr.Dataset) -> Evidence:
    best, end = _best(result)
    return Evidence((best - end).mean(), 0, relation="≥", spread=spread(best - end), unit="bits")


def _bound(result: xr.Dataset) -> Evidence:
    scale = decoder_error_scale(result["i_xt"].values, 2, result.attrs["n"])
    quotient = ((result["i_ty_sample"] - result["i_ty"]) / scale).mean("seed")
    return Evidence(quotient.max(), 1, relation="≤")


CLAIMS = (
    Claim(
        "The sample promises more than there is: Î(T;Y) ≥ I(T;Y) of the same encoder, at every β (the least excess).",
        "this section; tolerance: four standard errors",
        _optimism,
    ),
    Claim(
        "No encoder found on a sample lies above the true information curve (the largest excess).",
        "Tishby, Pereira & Bialek 1999; tolerance: 1e-4 bits, for the solver",
        _curve,
    ),
    Claim(
        "When too much is kept, the true I(T;Y) bends back: from its best β to the largest it falls by 0.01 bits.",
        "lecture on information, the finite-sample slide, read as a statement on the truth",
        _bends,
        disputed="A finer representation never knows less: I(T;Y) keeps rising, up to I(X;Y) at T = X. What bends back "
        "is what a decoder learned from the sample can use.",
    ),
    Claim(
        "What the sample's own decoder delivers does bend back: from its best β to the largest it falls by 0.01 bits "
        "(up to 4 samples for each input).",
        "this section",
        _delivered,
    ),
    Claim(
        "Compressing pays: at its best β the sample's bottleneck delivers more than a smoothed decoder on all of X.",
        "lecture on information, the finite-sample slide, read as advice",
        _worth,
        disputed="It pays where inputs come in few kinds and each was seen several times. A bottleneck of a smaller "
        "sample sorts the inputs by their noise, and then it is better to keep them apart.",
    ),
    Claim(
        "Î(T;Y) ≤ I(T;Y) + √(2^I(X;T)|Y|/n), with constant 1, for the encoder chosen on the sample (the worst β).",
        "lecture on information, the finite-sample slide, read in the direction that learning needs",
        _bound,
        disputed="An encoder that has seen the labels can sort the inputs by them: a bit of I(X;T) is enough to "
        "memorise all labels, whatever |X|. "
        "At n = |X| the quotient grows like √n: a bound for chosen encoders needs |X|.",
    ),
)

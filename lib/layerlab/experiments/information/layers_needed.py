"""Why several layers: units that depend on each other given the class, and what a network without hidden layers loses.

Six bits in groups speak of a class. Independent given the class, each bit votes for itself, and the log odds are a
sum over bits: what one layer computes. Mixed in with weight `dependence` is a law under which the bits of a group
speak only together: by their parity, or by all being copies of one. All distributions are known, so the accuracy of a
network, the best one, and the bits that it loses, E KL[p(y|x) || q(y|x)], are exact sums over the 64 inputs; only the
training is random. Source: the lecture, "IB-based reason for multiple layers"; M. Minsky, S. Papert, Perceptrons,
1969.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from scipy import optimize, special

from layerlab import lab
from layerlab.information import conditional_entropy, mutual_information
from layerlab.lab import Claim, Evidence, choice, integer, real, spread, style

if TYPE_CHECKING:
    from layerlab.nets import MLP

BITS = 6
DEPTHS = (0, 1, 2, 3)
DEPENDENCES = (0.0, 0.25, 0.5, 0.75, 1.0)
WIDE = 16  # units: enough for every task here
UNTRAINED = 0.01  # bits: what a training of this length may leave besides the error of its sample
TOLERANCE = {"accuracy": (0.0, 0.03), "lost": (0.3, 0.03)}  # a training on another machine ends near, not on it


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """Task, network and training."""

    task: str = choice("parity", "the group speaks by", ("parity", "copies"))
    group: str = choice("2", "bits in a group", ("2", "3", "6"))
    width: int = integer(16, "units per hidden layer", low=1, high=128, log=True)
    flip: float = real(0.2, "flip", low=0.01, high=0.45, help="chance that a vote goes to the other class")
    samples: int = integer(8192, "training samples", low=256, high=65_536, log=True)
    steps: int = integer(800, "steps", low=10, high=20_000, log=True)
    seeds: int = integer(5, "repetitions", low=1, high=20, help="samples and networks")


GRID = (
    {"task": ("parity", "copies"), "group": ("2", "3")},
    {"width": (2, 4, 32)},
    {"group": ("6",), "width": (4, 16)},
)


def work(config: Config) -> float:
    """Steps of the networks."""
    return 1e7 + config.steps * len(DEPTHS) * (5e5 + config.seeds * 2e3 * config.width * (4 + config.width))


def inputs() -> np.ndarray:
    """All 64 inputs as rows of bits -1 and 1."""
    return 2.0 * _patterns(BITS) - 1


def _patterns(bits: int) -> np.ndarray:
    return (np.arange(2**bits)[:, None] >> np.arange(bits)[::-1]) & 1


def group_law(task: str, group: int, dependence: float, flip: float) -> np.ndarray:
    """p(pattern | class) of one group, (2^group, 2): bits that vote alone, and with weight `dependence` together."""
    bits = _patterns(group)
    votes = np.array([[1 - flip, flip], [flip, 1 - flip]])  # [what is seen, class]
    alone = votes[bits].prod(1)
    if task == "parity":
        together = votes[bits.sum(1) % 2] / 2 ** (group - 1)
    else:
        together = np.zeros_like(alone)
        together[[0, -1]] = votes
    return (1 - dependence) * alone + dependence * together


def joint(task: str, group: int, dependence: float, flip: float) -> np.ndarray:
    """p(x, y) over the 64 inputs and 2 equally likely classes: groups are independent given the class."""
    law = group_law(task, group, dependence, flip)
    whole = np.ones((1, 2))
    for _ in range(BITS // group):
        whole = (whole[:, None, :] * law).reshape(-1, 2)
    return whole / 2


def additive_optimum(p_xy: np.ndarray) -> np.ndarray:
    """q(y|x), (64, 2), nearest to p(y|x) in mean KL divergence among those whose log odds are a sum over the bits."""
    design = np.c_[np.ones(len(p_xy)), inputs()]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        odds = design @ weights
        value = p_xy[:, 0] @ np.logaddexp(0, odds) + p_xy[:, 1] @ np.logaddexp(0, -odds)
        return value, design.T @ (p_xy.sum(1) * special.expit(odds) - p_xy[:, 1])

    odds = design @ optimize.minimize(loss, np.zeros(BITS + 1), jac=True, method="BFGS", options={"gtol": 1e-9}).x
    return np.stack([special.expit(-odds), special.expit(odds)], -1)


def bits_lost(p_xy: np.ndarray, q: np.ndarray) -> np.ndarray:
    """E KL[p(y|x) || q(y|x)] in bits, the log loss in excess of the best one; q: (..., 64, 2)."""
    given = p_xy / np.maximum(p_xy.sum(1, keepdims=True), 1e-300)
    nats = (special.xlogy(p_xy, given) - special.xlogy(p_xy, np.maximum(q, 1e-300))).sum((-2, -1))
    return np.maximum(nats, 0) / math.log(2)


def accuracy(p_xy: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The chance that the likelier class by q is the true one; an input that q leaves open counts half."""
    lead = q[..., 1] - q[..., 0]
    right = np.where(np.abs(lead) < 1e-6, p_xy.mean(1), np.where(lead > 0, p_xy[:, 1], p_xy[:, 0]))
    return right.sum(-1)


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train networks of every depth on samples of every joint, and measure them on the joint itself."""
    laws = [joint(config.task, int(config.group), d, config.flip) for d in DEPENDENCES]
    best = [additive_optimum(p) for p in laws]
    shape = (len(DEPTHS), len(DEPENDENCES), config.seeds)
    right, lost = np.zeros(shape), np.zeros(shape)
    for i, depth in enumerate(DEPTHS):
        note = f"{depth} hidden layers"
        nets = _trained(config, depth, laws, device, lambda done, i=i, note=note: progress(i + done, len(DEPTHS), note))
        scores = nets.forward(inputs().astype(np.float32)).detach().double().cpu().numpy()
        q = special.softmax(scores, -1).reshape(*shape[1:], 2**BITS, 2)
        for j, p in enumerate(laws):
            right[i, j], lost[i, j] = accuracy(p, q[j]), bits_lost(p, q[j])
    progress(1, 1)
    group = [group_law(config.task, int(config.group), d, config.flip) for d in DEPENDENCES]
    of_runs = ("depth", "mixture", "seed")
    return xr.Dataset(
        {
            "accuracy": (of_runs, right, {"long_name": "exact accuracy of the network"}),
            "lost": (of_runs, lost, {"long_name": "bits lost by the network", "units": "bits"}),
            "best": ("mixture", [p.max(1).sum() for p in laws], {"long_name": "best possible accuracy"}),
            "additive_accuracy": ("mixture", [accuracy(p, q) for p, q in zip(laws, best, strict=True)],
                                  {"long_name": "accuracy of the best sum over bits"}),
            "additive_lost": ("mixture", [bits_lost(p, q) for p, q in zip(laws, best, strict=True)],
                              {"long_name": "bits lost by the best sum over bits", "units": "bits"}),
            "information": ("mixture", [mutual_information(p) for p in laws],
                            {"long_name": "I(X;Y)", "units": "bits"}),
            "dependence": ("mixture", [dependence_given_class(law) for law in group],
                           {"long_name": "dependence within a group given the class", "units": "bits"}),
        },
        coords={
            "depth": ("depth", list(DEPTHS), {"long_name": "hidden layers"}),
            "mixture": ("mixture", list(DEPENDENCES), {"long_name": "share of the dependent law"}),
        },
    )  # fmt: skip


def dependence_given_class(law: np.ndarray) -> float:
    """sum_i H(X_i|Y) - H(X_1, ..., X_g|Y) in bits for p(pattern | class): I(X_1;X_2|Y) if there are two bits."""
    bits = _patterns(int(math.log2(len(law))))
    single = [conditional_entropy(np.stack([law[bits[:, i] == b].sum(0) for b in (0, 1)], -1) / 2)
              for i in range(bits.shape[1])]  # fmt: skip
    return max(sum(single) - conditional_entropy(law.T / 2), 0.0)


def _trained(config: Config, depth: int, laws: list[np.ndarray], device: str, progress: Any) -> MLP:
    """One network for each law and seed, laws outermost, all in lockstep."""
    from layerlab.nets import MLP
    from layerlab.training import TrainingConfig, train

    streams = [stream.spawn(3) for stream in config.streams()]
    draws = [np.random.default_rng(s[0]).random(config.samples) for s in streams]  # the same for every depth
    cumulative = [np.cumsum(p.ravel()) for p in laws]
    cells = np.stack([np.searchsorted(c[:-1], u) for c in cumulative for u in draws])
    x, y = inputs().astype(np.float32)[cells // 2], cells % 2
    nets = MLP((BITS, *[config.width] * depth, 2), "relu", initialisation="he_normal",
               seeds=[s[1] for _ in laws for s in streams], device=device)  # fmt: skip
    train(
        nets,
        x,
        y,
        TrainingConfig(optimizer="adam", learning_rate=1e-2, batch_size=256, steps=config.steps),
        seeds=[s[2] for _ in laws for s in streams],
        progress=lambda done, total, note: progress(done / total),
    )
    return nets


def plot(result: xr.Dataset) -> Figure:
    """Accuracy and bits lost against the dependence given the class, for every depth."""
    fig, (left, right) = style.figure(1, 2, height=3.7)
    x = result["dependence"].values
    left.plot(x, result["best"], color=style.MUTED, linewidth=4, alpha=0.5, label="best possible")
    right.plot(x, result["additive_lost"], color=style.MUTED, linewidth=4, alpha=0.5, label="best sum over bits")
    for i, depth in enumerate(result["depth"].values):
        look = {"color": list(style.COLOURS.values())[i], "marker": style.MARKERS[i], "linewidth": 1.5,
                "linestyle": style.DASHES[i], "label": f"{depth} hidden"}  # fmt: skip
        for axes, name in ((left, "accuracy"), (right, "lost")):
            values = result[name].sel(depth=depth)
            axes.errorbar(x, values.mean("seed"), values.std("seed", ddof=0), elinewidth=0.8, **look)
    left.set(ylabel="accuracy (exact)", title=_title(result), ylim=(0.27, 1.0))
    left.legend(loc="lower left", ncols=2, columnspacing=1.0, handlelength=1.8)
    right.set(ylabel="bits lost", title="Bits lost", ylim=(-0.02, max(0.12, 1.05 * float(result["lost"].max()))))
    right.legend(loc="upper left")
    for axes in (left, right):
        axes.set(xlabel="dependence given the class (bits)")
    return fig


def _title(result: xr.Dataset) -> str:
    return f"{result.attrs['task'].capitalize()} of {result.attrs['group']}, width {result.attrs['width']}"


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    last, attrs = result.isel(mixture=-1), result.attrs
    reached = [f"{float(last['accuracy'].sel(depth=d).mean()):.3f} with {d}" for d in result["depth"].values]
    return (
        f"Accuracy and bits lost of networks of width {attrs['width']} on bits that speak by {attrs['task']} in groups "
        f"of {attrs['group']}, against the dependence of a group's bits given the class, from 0 to "
        f"{float(last['dependence']):.2f} bits. At the end the best possible accuracy is {float(last['best']):.3f}; "
        f"networks reach {', '.join(reached)} hidden layers. The best sum over bits loses "
        f"{float(last['additive_lost']):.3f} bits of {float(last['information']):.3f}."
    )


def _margin(result: xr.Dataset, parameters: int) -> float:
    """The mean loss of `parameters` fitted ones is so many over 2n ln 2; with 4 errors of chi-square over the seeds."""
    width = 4 * math.sqrt(2 * parameters / result.sizes["seed"])
    return (parameters + width) / (2 * result.attrs["samples"] * math.log(2)) + UNTRAINED


def _independent(result: xr.Dataset) -> Evidence:
    lost = result["lost"].sel(depth=0, mixture=0)
    return Evidence(lost.mean(), 0, _margin(result, BITS + 1), spread=spread(lost), unit="bits")


def _linear(result: xr.Dataset) -> Evidence:
    last = result.isel(mixture=-1)
    lost = last["lost"].sel(depth=0)
    return Evidence(lost.mean(), last["additive_lost"], _margin(result, BITS + 1), spread=spread(lost), unit="bits")


def _one(result: xr.Dataset) -> Evidence | None:
    if result.attrs["width"] < WIDE:
        return None
    lost = result["lost"].sel(depth=1).isel(mixture=-1)
    return Evidence(lost.mean(), 0, _margin(result, 2**BITS), spread=spread(lost), unit="bits")


def _necessary(result: xr.Dataset) -> Evidence:
    return Evidence(result["additive_lost"].isel(mixture=-1), UNTRAINED, relation="≥", unit="bits")


def _several(result: xr.Dataset) -> Evidence | None:
    last = result["lost"].isel(mixture=-1)
    if result.attrs["task"] != "parity" or result.attrs["width"] < WIDE:
        return None
    gain = last.sel(depth=1) - last.sel(depth=2)
    return Evidence(gain.mean(), UNTRAINED, relation="≥", spread=spread(gain), unit="bits")


CLAIMS = (
    Claim(
        "Independent given the class, a network without hidden layers is enough: it loses no bits.",
        "this section: the log odds are a sum; tolerance: 7 parameters fitted to a sample, 0.01 bits for the training",
        _independent,
    ),
    Claim(
        "Dependent given the class, a network without hidden layers loses what the best sum over bits loses.",
        "this section: the optimum computed on the joint itself; tolerance as before",
        _linear,
    ),
    Claim(
        "Dependent given the class, one hidden layer of 16 units or more is enough: it loses no bits.",
        "this section; tolerance: a table of 64 numbers fitted to the sample, 0.01 bits for the training",
        _one,
    ),
    Claim(
        "Linear separability is only possible when units are conditionally independent given the class: at the "
        "strongest dependence the best sum over bits loses something.",
        "the lecture, IB-based reason for multiple layers",
        _necessary,
        disputed="Independence is sufficient, not necessary. Two bits that are copies of each other depend on each "
        "other as strongly as can be, and a sum over single bits still is the exact log odds.",
    ),
    Claim(
        "Where units depend on each other given the class, several hidden layers are required: a second one saves "
        "bits, at 16 units or more.",
        "the lecture, IB-based reason for multiple layers",
        _several,
        disputed="A hidden layer is required, several are not: one that is wide enough loses nothing here.",
    ),
)

"""Layer widths read off the bottleneck's bifurcations, tried on the 12-bit symmetric rule.

The lecture's idea: find the betas at which the optimal representation becomes simpler, and give a network a layer for
each of these phases, with as many neurons as the phase has clusters. The optimum of the rule is followed up to a
largest beta; its numbers of clusters, finest first, are the widths. Networks of that shape are trained on the rule
beside others with as many parameters: one width throughout, the same numbers in reverse, a single hidden layer; and
beside one of the same shape with twice the widths.

Sources: the first lecture, "Phase transitions"; Tishby & Zaslavsky 2015, section V.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from scipy import special

from layerlab import lab
from layerlab.data import Rule, symmetric_rule
from layerlab.information import follow_branches
from layerlab.lab import Claim, Evidence, integer, real, spread, style

SHAPES = ("phases", "constant", "reversed", "one layer", "doubled")
MATCHED = SHAPES[1:4]
STEPS = 30  # betas for each factor of 12


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The rule, how far its bifurcations are followed, and the training."""

    gamma: float = real(10.0, "sharpness γ", low=1.0, high=40.0, log=True, help="of the rule's p(y=1|x)")
    top: float = real(12.0, "largest β", low=3.0, high=40.0, log=True, help="bifurcations are followed so far")
    epochs: int = integer(60, "epochs", low=1, high=1000, log=True)
    seeds: int = integer(8, "networks of each shape", low=2, high=50)


GRID = {"gamma": (2.0, 10.0, 30.5), "top": (5.0, 12.0, 25.0)}
TOLERANCE = {"default": (0.05, 0.02), "clusters": (0, 0), "parameters": (0, 0)}


def work(config: Config) -> float:
    """Steps of the trainings, and the branch."""
    return 5.0 * config.epochs * 26 * (2_000 + 300 * config.seeds) + 3e7


def widths_of(clusters: Sequence[int]) -> tuple[int, ...]:
    """The proposal: a hidden layer for each number of clusters above 1 that occurs, the largest first."""
    return tuple(sorted({int(k) for k in clusters if k > 1}, reverse=True))


def parameters_of(hidden: Sequence[int], inputs: int = 12, outputs: int = 2) -> int:
    """Weights and biases of a multilayer perceptron."""
    return sum((a + 1) * b for a, b in pairwise((inputs, *hidden, outputs)))


def matched(shape: Sequence[float], target: int) -> tuple[int, ...]:
    """Widths in the proportions of `shape`, rounded, whose number of parameters is nearest to `target`."""
    scales = np.linspace(0.2, 60 / max(shape), 4000)
    tried = {tuple(int(max(1, round(s * part))) for part in shape) for s in scales}
    return min(sorted(tried), key=lambda hidden: abs(parameters_of(hidden) - target))


def architectures(hidden: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """The widths of the hidden layers of every shape that is compared."""
    target = parameters_of(hidden)
    return {
        "phases": hidden,
        "constant": matched([1] * len(hidden), target),
        "reversed": matched(hidden[::-1], target),
        "one layer": matched([1], target),
        "doubled": tuple(2 * width for width in hidden),
    }


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Follow the bifurcations, derive the widths, train all shapes on the same samples."""
    rule = symmetric_rule(config.gamma)
    betas = np.geomspace(1, config.top, max(10, round(STEPS * np.log(config.top) / np.log(12))))
    progress(0, 1, "following the bifurcations")
    branches = follow_branches(rule.p_class, betas, progress=lambda d, t, note: progress(0.2 * d / t, 1, note))
    hidden = widths_of(branches.clusters.tolist())
    shapes = architectures(hidden)
    rows = []
    for i, (name, widths) in enumerate(shapes.items()):
        rows.append(
            trained(
                rule,
                widths,
                config,
                device,
                lambda d, t, note, i=i, n=name: progress(0.2 + 0.8 * (i + d / t) / len(shapes), 1, f"{n}, {note}"),
            )
        )
    progress(1, 1)
    accuracy, excess = (np.stack(values) for values in zip(*rows, strict=True))
    width = np.zeros((len(shapes), max(len(w) for w in shapes.values())), dtype=np.int64)
    for i, widths in enumerate(shapes.values()):
        width[i, : len(widths)] = widths
    half = branches.clusters[betas <= config.top / 2].tolist()
    return xr.Dataset(
        {
            "accuracy": (("shape", "seed"), accuracy, {"long_name": "accuracy on the likelier label, test"}),
            "excess": (("shape", "seed"), excess, {"long_name": "bits lost about the label, test", "units": "bits"}),
            "width": (("shape", "layer"), width, {"long_name": "units of a hidden layer, 0: none"}),
            "parameters": ("shape", [parameters_of(w) for w in shapes.values()], {"long_name": "parameters"}),
            "clusters": ("beta", branches.clusters, {"long_name": "clusters of the optimum"}),
            "layers": ((), len(hidden), {"long_name": "hidden layers proposed"}),
            "layers_half": ((), len(widths_of(half)), {"long_name": "hidden layers proposed at half the largest β"}),
        },
        coords={
            "shape": ("shape", list(shapes)),
            "layer": ("layer", np.arange(1, width.shape[1] + 1), {"long_name": "hidden layer"}),
            "beta": ("beta", betas, {"long_name": "β"}),
        },
    )


def trained(
    rule: Rule, hidden: tuple[int, ...], config: Config, device: str, progress
) -> tuple[np.ndarray, np.ndarray]:
    """(accuracy, excess) on the test rows, (seeds,) each, of tanh networks trained on 80 % of the rows.

    Network i has its own split, labels, weights and order of the data, which depend on (seed, i) only: the same for all
    shapes. Accuracy is against the likelier label; excess is the mean KL[p(y|x) || network's p(y|x)] in bits.
    """
    from layerlab.nets import MLP
    from layerlab.training import TrainingConfig, train

    streams = [stream.spawn(3) for stream in config.streams()]
    sets = [rule.dataset(seed=int(labels.generate_state(1)[0])) for labels, _, _ in streams]
    networks = MLP((12, *hidden, 2), "tanh", initialisation="lecun_normal", seeds=[s for _, s, _ in streams],
                   device=device)  # fmt: skip
    x, y = np.stack([2 * part.x_train - 1 for part in sets]), np.stack([part.y_train for part in sets])
    settings = TrainingConfig(optimizer="adam", learning_rate=0.01, batch_size=128, epochs=config.epochs)
    train(networks, x, y, settings, seeds=[s for _, _, s in streams], progress=progress)
    tests = np.stack([part.x_test for part in sets])
    scores = networks.forward(networks.as_input(2 * tests - 1)).detach().cpu().numpy().astype(np.float64)
    rows = (tests @ (2.0 ** np.arange(11, -1, -1))).astype(int)
    p_one = rule.p_one[rows]
    truth = np.stack([1 - p_one, p_one], -1)
    log_q = special.log_softmax(scores, axis=-1)
    excess = (special.xlogy(truth, truth) - truth * log_q).sum(-1).mean(-1) / np.log(2)
    return (scores.argmax(-1) == rule.y[rows]).mean(-1), excess


def plot(result: xr.Dataset) -> Figure:
    """The staircase of clusters on the left; what each shape loses, network by network, on the right."""
    fig, (left, right) = style.figure(1, 2, height=3.8, width_ratios=(1, 1.25))
    left.step(result["beta"], result["clusters"], where="post", color=style.COLOURS["blue"])
    left.set(
        xlabel="β", ylabel="clusters of the optimum", xscale="log", title=f"The rule, γ = {result.attrs['gamma']:g}"
    )
    left.set_yticks(range(1, int(result["clusters"].max()) + 1))
    ticks = [t for t in (1, 2, 3, 5, 10, 20, 40) if t <= result.attrs["top"]]
    left.set_xticks(ticks, [str(t) for t in ticks])
    left.minorticks_off()
    shapes = [str(s) for s in result["shape"].values]
    for i, name in enumerate(shapes):
        values = 1e3 * result["excess"].sel(shape=name).values
        colour = style.COLOURS["vermillion" if name == "phases" else "green" if name == "doubled" else "blue"]
        right.plot(
            values, np.full(len(values), i) + np.linspace(-0.2, 0.2, len(values)), "o", color=colour, markersize=4
        )
        right.plot([values.mean()] * 2, [i - 0.35, i + 0.35], color=style.INK, linewidth=1.6, linestyle="-")
    right.set_yticks(range(len(shapes)), [_label(result, name) for name in shapes], fontsize=9)
    right.invert_yaxis()
    right.set(xlabel="bits lost about the label, ×10⁻³", ylabel="", title="What the networks lose")
    right.set_ylabel("hidden layers (parameters)")
    right.set_xlim(left=0)
    return fig


def _widths(result: xr.Dataset, name: str) -> str:
    return "-".join(str(w) for w in result["width"].sel(shape=name).values if w)


def _label(result: xr.Dataset, name: str) -> str:
    return f"{name}\n{_widths(result, name)} ({int(result['parameters'].sel(shape=name))})"


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    mean = 1e3 * result["excess"].mean("seed")
    each = ", ".join(f"{name} {_widths(result, name)} {float(mean.sel(shape=name)):.0f}" for name in SHAPES)
    return (
        f"The optimal bottleneck of the 12-bit rule with γ = {result.attrs['gamma']:g} has "
        f"{int(result['clusters'][-1])} clusters at β = {result.attrs['top']:g}, which proposes hidden layers of "
        f"{_widths(result, 'phases')} units. Mean loss of information about the label, in thousandths of a bit: {each}."
    )


def _gain(result: xr.Dataset, other: str) -> Evidence:
    """How much less the proposal loses than another, in bits: at least 0 within two standard errors of the pairs."""
    gain = result["excess"].sel(shape=other, drop=True) - result["excess"].sel(shape="phases", drop=True)
    error = float(gain.std("seed", ddof=1)) / np.sqrt(gain.sizes["seed"])
    return Evidence(gain.mean(), 0, 2 * error, relation="≥", spread=spread(gain), unit="bits")


def _best(result: xr.Dataset) -> Evidence:
    means = result["excess"].sel(shape=list(MATCHED)).mean("seed")
    return _gain(result, str(means["shape"].values[int(means.values.argmin())]))


def _doubled(result: xr.Dataset) -> Evidence:
    gain = result["excess"].sel(shape="phases", drop=True) - result["excess"].sel(shape="doubled", drop=True)
    error = float(gain.std("seed", ddof=1)) / np.sqrt(gain.sizes["seed"])
    return Evidence(gain.mean(), 0, 2 * error, relation="≤", spread=spread(gain), unit="bits")


def _same_size(result: xr.Dataset) -> Evidence:
    target = float(result["parameters"].sel(shape="phases"))
    gap = np.abs(result["parameters"].sel(shape=list(MATCHED)) / target - 1)
    return Evidence(gap.max(), 0, 0.15, relation="≤")


def _number(result: xr.Dataset) -> Evidence:
    return Evidence(result["layers_half"], result["layers"])


LECTURE = "the first lecture, Phase transitions; Tishby & Zaslavsky 2015"

CLAIMS = (
    Claim("The shapes that are compared have as many parameters, within 15 %.", "this section", _same_size),
    Claim(
        "Widths from the phases lose no more about the label than the best other shape of as many parameters (gain).",
        f"{LECTURE}; tolerance: two standard errors of the pairs",
        _best,
        disputed="A single hidden layer of as many parameters loses clearly less where 4-3-2 is proposed, and about as "
        "much elsewhere.",
    ),
    Claim(
        "They lose no more than one width throughout, at the same depth (gain).",
        f"{LECTURE}; tolerance: two standard errors of the pairs",
        lambda result: _gain(result, "constant"),
    ),
    Claim(
        "They lose no more than the same numbers in reverse (gain).",
        f"{LECTURE}; tolerance: two standard errors of the pairs",
        lambda result: _gain(result, "reversed"),
    ),
    Claim(
        "They are wide enough: with twice the widths nothing is gained (gain of doubling).",
        f"{LECTURE}; tolerance: two standard errors of the pairs",
        _doubled,
        disputed="Where few units are proposed, twice as many lose far less. Where many are, the larger nets overfit "
        "the noise of the labels.",
    ),
    Claim(
        "The bifurcations determine the number of layers (at half the largest β against the largest).",
        LECTURE,
        _number,
        disputed="There is one more bifurcation whenever β is taken further, until every class of inputs is alone. How "
        "many layers there are to be depends on where one stops.",
    ),
)

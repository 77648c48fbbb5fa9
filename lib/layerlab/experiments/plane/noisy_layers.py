"""The noise of a layer and its compression: trained networks under Langevin dynamics at several temperatures.

Networks 12-10-7-5-4-3-2, trained on the 12-bit rule, go on with the full gradient of 1024 of their training rows and
Langevin noise: w ← w - η ∇E + √(2ηT) ξ. Each has a twin that goes on without noise. How far an input's activations
stray from those of the twin is the noise of the layer. If weights were drawn anew for every input, the layer would be
a noisy channel, the twin's activations plus noise of that variance. Its I(X;T) is finite without any bins (here for
Gaussian noise alike in all directions).

Sources: lecture on information, "Local weights Gibbs and optimal IB representations"; Saxe et al. 2018.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from scipy import stats

from layerlab import lab
from layerlab.arrays import to_numpy
from layerlab.data import symmetric_rule
from layerlab.experiments.plane import _gradients as gradients
from layerlab.information import noisy_information
from layerlab.lab import Claim, Evidence, choice, integer, real, spread, style

LECTURE = "Lecture on information, “Local weights Gibbs and optimal IB representations”"
TEMPERATURES = (0.0, 1e-6, 1e-5, 1e-4, 1e-3)
HIDDEN = len(gradients.WIDTHS) - 2
ROWS, DRAWS, MOMENTS = 1024, 256, 12
TRAINED = 3600  # steps of Adam before, those of plane/gradient_phases


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The networks and their relaxation."""

    activation: str = choice("tanh", "activation", tuple(gradients.INITIALISATIONS))
    steps: int = integer(600, "Langevin steps", low=100, high=100_000, log=True)
    rate: float = real(0.02, "step η", low=0.001, high=1, log=True)
    seeds: int = integer(4, "networks", low=1, high=100, help="those of plane/gradient_phases")


GRID = [
    {"activation": ("tanh", "relu"), "steps": (600,)},
    {"activation": ("tanh",), "steps": (100, 2000)},
]
TOLERANCE = {"default": (0.1, 0.05), "i_noisy": (0.05, 0.15), "i_binned": (0.05, 0.2), "noise": (0.2, 1e-3)}


def work(config: Config) -> float:
    """Steps, weighted by the networks."""
    return config.steps * (5 + config.seeds) + 400 * config.seeds + 3000


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train (or take from the cache), relax at all temperatures at once, and read the layers."""
    from layerlab.training import TrainingConfig, relax

    found = gradients.watched(
        activation=config.activation, steps=TRAINED, seed=config.seed, device=device,
        seeds=max(config.seeds, 10),  # those of plane/gradient_phases, so that the cache has them
        progress=lambda done, total, note: progress(0.5 * done / total, 1, note),
    )  # fmt: skip
    warm = len(TEMPERATURES)
    which = np.repeat(np.arange(config.seeds), warm)
    networks = found.networks(len(found.at) - 1).select(which)
    rule, rows = symmetric_rule(), gradients.training_rows(config.seed, max(config.seeds, 10))[which, :ROWS]
    x = rule.x.astype(np.float32)
    before = gradients.layer_information(networks).reshape(config.seeds, warm, HIDDEN)
    memory = _Layers(x)
    settings = TrainingConfig(optimizer="sgd", learning_rate=config.rate, steps=config.steps)
    course = relax(
        networks, x[rows], rule.y[rows], settings, temperature=TEMPERATURES * config.seeds,
        burn=config.steps // 2, every=max(1, config.steps // (2 * MOMENTS)), callback=memory.add,
        seeds=[noise for stream in config.streams() for noise in stream.spawn(warm)],
        progress=lambda done, total, note: progress(0.5 + 0.3 * done / total, 1, note),
    )  # fmt: skip
    progress(0.8, 1, "reading the layers")
    values = {
        "energy": course.energy.mean(0),
        "accuracy": (to_numpy(networks.forward(x)).argmax(-1) == rule.y).mean(-1),
        "noise": memory.deviation(),
        "i_noisy": memory.information(rule.y),
        "i_binned": gradients.layer_information(networks),
    }
    progress(1, 1)
    shaped = {n: v.reshape(config.seeds, warm, *v.shape[1:]) for n, v in values.items()}
    return _dataset(shaped | {"i_before": before})


class _Layers:
    """How far activations stray from those of the twin without noise, over the moments; nothing else is kept."""

    def __init__(self, x: np.ndarray) -> None:
        self.x, self.count = x, 0
        self.strayed = np.zeros(0)
        self.twins: list[np.ndarray] = []

    def add(self, moment: int, networks: Any) -> None:
        layers = [to_numpy(t).astype(np.float64) for t in networks.activations(self.x)[:-1]]
        apart = [t.reshape(-1, len(TEMPERATURES), *t.shape[1:]) for t in layers]
        self.twins = [t[:, 0] for t in apart]  # (seeds, inputs, units), those of the last moment
        square = np.stack([((t - t[:, :1]) ** 2).mean((2, 3)).reshape(-1) for t in apart], -1)
        self.strayed = square if self.count == 0 else self.strayed + square
        self.count += 1

    def deviation(self) -> np.ndarray:
        """(N, hidden) root mean square over moments, inputs and units."""
        return np.sqrt(self.strayed / self.count)

    def information(self, y: np.ndarray) -> np.ndarray:
        """(N, hidden) I(X;T) in bits of the twin's layer under Gaussian noise of that deviation; NaN without noise."""
        found = np.full(self.strayed.shape, np.nan)
        for (i, layer), one in np.ndenumerate(self.deviation()):
            if i % len(TEMPERATURES):
                t = self.twins[layer][i // len(TEMPERATURES)]
                found[i, layer] = noisy_information(t, y, variance=float(one) ** 2, draws=DRAWS).i_xt
        return found


def _dataset(values: dict[str, np.ndarray]) -> xr.Dataset:
    said = {
        "energy": ("cross-entropy on the 1024 rows", "nats"),
        "accuracy": ("accuracy on all inputs", ""),
        "noise": ("distance of the activations from the noise-free twin's", ""),
        "i_noisy": ("I(X;T) under the layer's own noise", "bits"),
        "i_binned": ("I(X;T) of the binned layer at the end", "bits"),
        "i_before": ("I(X;T) of the binned layer before", "bits"),
    }
    return xr.Dataset(
        {
            name: (("seed", "temperature", "hidden")[: v.ndim], v,
                   {"long_name": said[name][0]} | ({"units": said[name][1]} if said[name][1] else {}))
            for name, v in values.items()
        },
        coords={
            "temperature": ("temperature", list(TEMPERATURES), {"long_name": "temperature T"}),
            "hidden": ("hidden", np.arange(1, HIDDEN + 1), {"long_name": "hidden layer"}),
        },
    )  # fmt: skip


def plot(result: xr.Dataset) -> Figure:
    """Information under the layers' own noise, and of the binned layers, against the temperature."""
    fig, axes = style.figure(1, 2, height=3.8, sharey=True)
    colours = mpl.colormaps["viridis"](np.linspace(0.2, 0.9, HIDDEN + 1))
    place = np.arange(len(TEMPERATURES))
    for hidden, colour in zip(result["hidden"].values, colours, strict=False):
        here = result.sel(hidden=hidden)
        for panel, name in zip(axes, ("i_noisy", "i_binned"), strict=True):
            middle = here[name].median("seed")
            panel.plot(place, middle, color=colour, marker="o", linestyle="-", linewidth=1.7, label=str(hidden))
            panel.fill_between(place, here[name].min("seed"), here[name].max("seed"), color=colour, alpha=0.15)
    for panel, title in zip(axes, ("With the layer's own noise", "Binned, weights as they are"), strict=True):
        panel.set_xticks(place, [f"{t:g}" for t in TEMPERATURES])
        panel.set(xlabel="temperature T", ylabel="I(X;T) [bits]", ylim=(0, 12.6), title=title)
    axes[1].legend(title="hidden layer", ncols=3, fontsize=8, title_fontsize=8, loc="lower left")
    return fig


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    last = result.isel(hidden=-1).median("seed")
    return (
        f"I(X;T) of the hidden layers of {result.sizes['seed']} {result.attrs['activation']} networks after "
        f"{result.attrs['steps']} steps of Langevin dynamics, by temperature. Last hidden layer, from T = "
        f"{TEMPERATURES[1]:g} to {TEMPERATURES[-1]:g}: {float(last['i_noisy'][1]):.2f} to "
        f"{float(last['i_noisy'][-1]):.2f} bits under its own noise; binned, {float(last['i_binned'][0]):.2f} bits "
        f"without noise and {float(last['i_binned'][-1]):.2f} at the highest temperature. "
        f"Accuracy {float(last['accuracy'][0]):.3f} and {float(last['accuracy'][-1]):.3f}."
    )


def _ranked(result: xr.Dataset, name: str) -> xr.DataArray:
    """(seed) mean over the hidden layers of the rank correlation of temperature and `name`."""
    values = result[name].isel(temperature=slice(1, None)).transpose("seed", "hidden", "temperature").values
    each = [np.mean([stats.spearmanr(TEMPERATURES[1:], layer)[0] for layer in one]) for one in values]
    return xr.DataArray(each, dims="seed")


def _noisier(result: xr.Dataset) -> Evidence:
    found = _ranked(result, "noise")
    return Evidence(found.mean(), 0.8, relation="≥", spread=spread(found))


def _ordered(result: xr.Dataset) -> Evidence:
    """Layers that still hold all 12 bits at two temperatures are tied: the correlation is not -1 even at best."""
    found = _ranked(result, "i_noisy")
    return Evidence(found.mean(), -0.8, relation="≤", spread=spread(found))


def _compresses(result: xr.Dataset) -> Evidence:
    """Bits by which the binned last hidden layer has fewer than without noise: the best temperature for that."""
    last = result["i_binned"].isel(hidden=-1)
    fall = last.isel(temperature=0) - last.isel(temperature=slice(1, None))
    best = fall.isel(temperature=int(fall.median("seed").values.argmax()))
    return Evidence(best.median(), 0.3, relation="≥", spread=spread(best), unit="bits")


CLAIMS = (
    Claim(
        "Noise of the weights is noise of the layers: the warmer, the further activations stray from the twin's (rank "
        "correlation).",
        LECTURE,
        _noisier,
    ),
    Claim(
        "The warmer the weights, the less a noisy layer says of its input (rank correlation of T and I(X;T)).",
        LECTURE,
        _ordered,
    ),
    Claim(
        "Noise also compresses the binned representation: at some temperature the last hidden layer has at least 0.3 "
        "bits less than without noise.",
        LECTURE,
        _compresses,
        disputed="over these times, weights that diffuse do not collapse inputs onto each other",
    ),
)

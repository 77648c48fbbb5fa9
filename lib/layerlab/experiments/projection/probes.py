"""What each further layer adds.

Multilayer perceptrons of 1, 2, 4, ... hidden ReLU layers, untrained and trained. On each layer a linear probe is
fitted, and the scatter between classes is divided by the scatter within. For untrained layers the second has a law:
distances follow from angles and lengths, and a wide random ReLU layer maps angles by the arc-cosine kernel. In
the limit of many layers the angles vanish and only the lengths of the inputs are left.

Source: G. Alain, Y. Bengio, Understanding intermediate layers using linear classifier probes, 2016;
Y. Cho, L. K. Saul, Kernel methods for deep learning, 2009.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from scipy import stats

from layerlab import lab
from layerlab.experiments.projection._narrowing import narrowing
from layerlab.experiments.projection._networks import Networks, networks, subset
from layerlab.lab import Claim, Evidence, choice, integer, style
from layerlab.projection import class_separation, linear_probe_accuracy, wide_separation

WIDE = 20  # units per layer of depth, from which on a network is held to the theory of wide ones
ROWS = 1_500  # of the training rows, for the networks and the probes alike
TOLERANCE = {
    "probe": (0.0, 0.05, 0.3),
    "probe_random": (0.0, 0.02),
    "accuracy": (0.0, 0.05, 0.3),
    "separation": (0.3, 0.1, 0.2),
}  # a training repeated on another machine ends near the first one, not on it; a deep narrow one may fail there


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """Data, widths and depths of the networks."""

    data: str = choice("digits", "data set", ("digits", "mnist", "fashion-mnist"))
    width: int = integer(64, "units per layer", low=4, high=512, log=True, help="of the first, if the layers narrow")
    shape: str = choice("constant", "widths", ("constant", "halving"), help="halving: never below ten units")
    deepest: int = integer(8, "most hidden layers", low=1, high=16)
    epochs: int = integer(30, "epochs", low=1, high=200, log=True)
    seeds: int = integer(5, "repetitions", low=1, high=20)


GRID = (
    {"width": (16, 64, 256)},
    {"width": (64, 256), "shape": ("halving",)},
    {"data": ("mnist", "fashion-mnist")},
)


def depths(deepest: int) -> list[int]:
    """1, 2, 4, ... and the deepest."""
    return sorted({2**i for i in range(5) if 2**i <= deepest} | {deepest})


def work(config: Config) -> float:
    """Multiplications of the training, and the probes."""
    layers = sum(depths(config.deepest)) + config.deepest
    inputs = 64 if config.data == "digits" else 784
    weights = layers * (config.width**2 if config.shape == "constant" else config.width * 20)
    steps = config.epochs * 45
    training = steps * (layers * 3e4 + config.seeds * 100 * (weights + 5 * inputs * config.width))
    return training + 3e7 * layers * config.seeds * (1 + config.width / 64) + 2e8 * inputs / 64


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train networks of every depth, probe each of their layers, and compute what wide random layers would do."""
    all_depths, layers = depths(config.deepest), config.deepest + 1
    data = subset(config.data, ROWS)
    shape = (len(all_depths), layers, config.seeds)
    probe, separation, accuracy = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros((shape[0], shape[2]))
    for i, depth in enumerate(all_depths):
        last = i == len(all_depths) - 1
        step = _part(progress, i / (len(all_depths) + 1), 1 / (len(all_depths) + 1), f"{depth} hidden layers")
        nets = _networks(config, depth, device, lambda done, total, note, step=step: step(0.5 * done / total))
        probe[i, : depth + 1], separation[i, : depth + 1] = _measured(nets, "trained", step)
        accuracy[i] = nets.accuracy_test
        if last:
            step = _part(progress, (i + 1) / (i + 2), 1 / (i + 2), "untrained")
            probe_random, separation_random = _measured(nets, "initial", step)
    progress(1, 1)
    lengths = np.linalg.norm(data.x_test.astype(float), axis=1)[:, None]
    of_layers = ("depth", "layer", "seed")
    return xr.Dataset(
        {
            "probe": (of_layers, probe, {"long_name": "accuracy of a linear probe, trained"}),
            "separation": (of_layers, separation, {"long_name": "class separation tr S_B / tr S_W, trained"}),
            "probe_random": (("layer", "seed"), probe_random, {"long_name": "accuracy of a linear probe, untrained"}),
            "separation_random": (
                ("layer", "seed"),
                separation_random,
                {"long_name": "class separation tr S_B / tr S_W, untrained"},
            ),
            "separation_theory": (
                "layer",
                [wide_separation(data.x_test, data.y_test, layer) for layer in range(layers)],
                {"long_name": "class separation, infinitely wide random layers"},
            ),
            "separation_lengths": (
                (),
                class_separation(lengths, data.y_test),
                {"long_name": "class separation of the lengths of the inputs alone"},
            ),
            "accuracy": (("depth", "seed"), accuracy, {"long_name": "test accuracy of the network"}),
        },
        coords={
            "depth": ("depth", all_depths, {"long_name": "hidden layers of the network"}),
            "layer": ("layer", np.arange(layers), {"long_name": "hidden layer (0: the input)"}),
        },
        attrs={"data_checksums": {data.name: data.checksum}, "test_rows": len(data.x_test)},
    )


def _networks(config: Config, depth: int, device: str, progress: Callable) -> Networks:
    make = networks if config.shape == "constant" else narrowing
    return make(
        data=config.data,
        width=config.width,
        depth=depth,
        epochs=config.epochs,
        seed=config.seed,
        seeds=config.seeds,
        device=device,
        rows=ROWS,
        progress=progress,
    )


def _measured(nets: Networks, which: str, step: Callable) -> tuple[np.ndarray, np.ndarray]:
    """(layers, seeds) probe accuracy and class separation; layer 0 is the input, the same for every seed."""
    data, chosen = nets.data, getattr(nets, which)
    train = [part.detach().cpu().numpy() for part in chosen.activations(data.x_train)[:-1]]
    test = [part.detach().cpu().numpy() for part in chosen.activations(data.x_test)[:-1]]
    first = linear_probe_accuracy(data.x_train, data.y_train, data.x_test, data.y_test)
    probes = [[first] * len(chosen)]
    separations = [[class_separation(data.x_test, data.y_test)] * len(chosen)]
    for layer, (x_train, x_test) in enumerate(zip(train, test, strict=True)):
        step(0.5 + 0.5 * layer / len(train))
        pairs = list(zip(x_train, x_test, strict=True))
        probes.append([linear_probe_accuracy(a, data.y_train, b, data.y_test) for a, b in pairs])
        separations.append([class_separation(b, data.y_test) for _, b in pairs])
    return np.array(probes), np.array(separations)


def _part(progress: lab.Progress, start: float, share: float, note: str) -> Callable[[float], object]:
    return lambda done: progress(start + share * done, 1, note)


def plot(result: xr.Dataset) -> Figure:
    """Probe accuracy on the left, class separation on the right, layer by layer."""
    fig, (left, right) = style.figure(1, 2, height=3.8)
    colours = [*style.COLOURS.values()]
    for i, depth in enumerate(result["depth"].values):
        look = {"color": colours[i % 4], "marker": style.MARKERS[i % 4], "linestyle": "-", "linewidth": 1.6,
                "markersize": 4.5, "label": f"{depth} layer{'s' if depth > 1 else ''}"}  # fmt: skip
        for axes, name in ((left, "probe"), (right, "separation")):
            _line(axes, result[name].sel(depth=depth), look)
    look = {"color": style.MUTED, "marker": "o", "linestyle": "--", "linewidth": 1.6, "markersize": 4}
    _line(left, result["probe_random"], look | {"label": "untrained"})
    _line(right, result["separation_random"], look | {"linestyle": "none", "label": "untrained"})
    right.plot(result["layer"], result["separation_theory"], "-", color=style.MUTED, linewidth=1.4, label="its theory")
    right.axhline(result["separation_lengths"], color=style.MUTED, linestyle=":", linewidth=1.2, label="lengths alone")
    left.set(xlabel="hidden layer (0: input)", ylabel="accuracy of a linear probe", title=_title(result))
    left.legend(loc="lower left", handlelength=1.8)
    right.set(
        xlabel="hidden layer (0: input)",
        ylabel=r"$\mathrm{tr}\,S_B\;/\;\mathrm{tr}\,S_W$",
        yscale="log",
        title="Class separation",
    )
    named = dict(zip(*reversed(right.get_legend_handles_labels()), strict=True))
    shown = ("untrained", "its theory", "lengths alone")
    right.legend([named[name] for name in shown], shown, loc="lower left", handlelength=1.8)
    low = min(float(result["separation_lengths"]), float(result["separation_random"].min()))
    right.set_ylim(low / 6, 1.5 * max(float(result["separation"].max()), 1))
    for axes in (left, right):
        axes.locator_params(axis="x", integer=True)
    return fig


def _line(axes: Any, values: xr.DataArray, look: dict[str, Any]) -> None:
    """Mean over seeds, and the standard deviation as bars."""
    mean, spread = values.mean("seed"), values.std("seed", ddof=0)
    axes.errorbar(values["layer"], mean, spread, elinewidth=0.8, capsize=0, **look)


def _title(result: xr.Dataset) -> str:
    halving = ", halving" if result.attrs["shape"] == "halving" else ""
    return f"{result.attrs['data']}, {result.attrs['width']} units{halving}"


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    deepest = int(result["depth"][-1])
    one, deep = result["accuracy"].isel(depth=0).mean(), result["accuracy"].isel(depth=-1).mean()
    probe = result["probe_random"].mean("seed")
    separation = result["separation"].isel(depth=-1, layer=-1).mean()
    units = "units in the first layer, halving" if result.attrs["shape"] == "halving" else "units per layer"
    random = result["separation_random"].mean("seed")
    return (
        f"Linear probes and class separation, layer by layer, on {result.attrs['data']} with {result.attrs['width']} "
        f"{units}. Through {deepest} untrained layers the probe goes from {float(probe[0]):.3f} on the input to "
        f"{float(probe[-1]):.3f}, and the separation from {float(random[0]):.2f} to {float(random[-1]):.2f}, where "
        f"wide layers would have {float(result['separation_theory'][-1]):.2f}. The last of {deepest} trained ones has "
        f"{float(separation):.2f}. Networks with {int(result['depth'][0])} and {deepest} hidden layers classify "
        f"{float(one):.1%} and {float(deep):.1%} of the test images rightly."
    )


def _reach(result: xr.Dataset) -> int | None:
    """The last layer up to which the untrained networks count as wide: 20 units or more for each layer of depth."""
    reach = min(result.attrs["deepest"], result.attrs["width"] // WIDE)
    return reach if result.attrs["shape"] == "constant" and reach >= 1 and result.sizes["seed"] > 1 else None


def _law(result: xr.Dataset) -> Evidence | None:
    reach = _reach(result)
    if reach is None:
        return None
    measured = result["separation_random"].sel(layer=reach)
    student = stats.t.ppf(0.995, measured.sizes["seed"] - 1)
    return Evidence(
        measured.mean(),
        result["separation_theory"].sel(layer=reach),
        student * _error(measured),
        spread=_spread(measured),
    )


def _falls(result: xr.Dataset) -> Evidence | None:
    reach = _reach(result)
    if reach is None:
        return None
    values = result["separation_random"]
    return Evidence(values.sel(layer=reach).mean(), values.sel(layer=0).mean(), relation="≤",
                    spread=_spread(values.sel(layer=reach)))  # fmt: skip


def _random_probe(result: xr.Dataset) -> Evidence | None:
    if result.sizes["seed"] < 2 or result.sizes["layer"] < 3:
        return None
    change = result["probe_random"].isel(layer=-1) - result["probe_random"].sel(layer=1)
    return Evidence(change.mean(), 0, 2 * _error(change), relation="≤", spread=_spread(change))


def _trained(result: xr.Dataset) -> Evidence | None:
    if result.sizes["depth"] < 2:
        return None
    deep = result["separation"].isel(depth=-1)
    ratio = deep.sel(layer=result.attrs["deepest"]) / deep.sel(layer=1)
    return Evidence(ratio.mean(), 1, relation="≥", spread=_spread(ratio))


def _gain(result: xr.Dataset, change: xr.DataArray) -> Evidence | None:
    """A change in accuracy on the test images, which should not be negative: within two errors, of seeds and test."""
    if result.sizes["seed"] < 2 or result.sizes["depth"] < 2:
        return None
    level = float(result["accuracy"].isel(depth=0).mean())
    tested = np.sqrt(max(level * (1 - level), 0) / result.attrs["test_rows"])
    return Evidence(change.mean(), 0, 2 * np.hypot(_error(change), tested), relation="≥", spread=_spread(change))


def _monotone(result: xr.Dataset) -> Evidence | None:
    deep = result["probe"].isel(depth=-1)
    return _gain(result, deep.sel(layer=result.attrs["deepest"]) - deep.sel(layer=1))


def _deeper(result: xr.Dataset) -> Evidence | None:
    return _gain(result, result["accuracy"].isel(depth=-1) - result["accuracy"].isel(depth=0))


def _error(values: xr.DataArray) -> float:
    return float(values.std("seed", ddof=1)) / np.sqrt(values.sizes["seed"])


def _spread(values: xr.DataArray) -> float | None:
    return float(values.std("seed", ddof=1)) if values.sizes["seed"] > 1 else None


CLAIMS = (
    Claim(
        "Class separation in wide untrained layers follows from the angles and lengths of the inputs (at the last "
        "layer with 20 units or more per layer of depth).",
        "this section; arc-cosine kernel of Cho & Saul 2009; tolerance: 99 % interval of the seeds",
        _law,
    ),
    Claim("Wide untrained ReLU layers separate the classes less than the input does.", "this section", _falls),
    Claim(
        "Through untrained ReLU layers a linear probe gets worse: the last layer against the first.",
        "this section; tolerance: two standard errors",
        _random_probe,
    ),
    Claim(
        "Trained layers separate the classes more and more: the last layer over the first, in the deepest network.",
        "this section",
        _trained,
    ),
    Claim(
        "A linear probe gets better with every trained layer: the last layer against the first, deepest network.",
        "after Alain & Bengio 2016, who see it in deeper networks on harder data",
        _monotone,
        disputed="On these data the first layer already gives a linear probe nearly all that there is to be had, and "
        "where layers are narrow the later ones lose some of it.",
    ),
    Claim(
        "Deeper is better: of equally wide networks, the deepest classifies at least as well as one hidden layer.",
        "a presumption in the lecture's question, Why make them deep?",
        _deeper,
        disputed="Eight layers of 16 units lose several points against one. Where layers are wider, the difference is "
        "within the error of the test.",
    ),
)

"""A sawtooth that one layer cannot separate.

Points on a line with classes 0, 1, 0, 1, ...: a network of L hidden layers of w ReLU units has at most (w+1)^L linear
pieces and so a least number of errors. Two units per layer suffice, if there are enough layers: the tent map, composed.
That is what depth can represent. Networks of the same number of parameters and different depth then show what
training reaches: each depth trains at several learning rates, and its best one is shown.

Source: M. Telgarsky, Benefits of depth in neural networks, 2016; the bound and its proof are in `_sawtooth`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from layerlab import lab
from layerlab.experiments.projection import _sawtooth as saw
from layerlab.lab import Claim, Evidence, integer, spread, style
from layerlab.lab.tables import tidy

TELGARSKY = "Telgarsky 2016; proved in this section"
DEPTHS = (0, 1, 2, 3, 4, 6)
RATES = (0.003, 0.01, 0.03)
CURVE = 1025  # points at which a network is drawn

# small networks at large steps: another machine's rounding leads some seeds elsewhere, and with them a learning rate
TOLERANCE = {"accuracy": (0, 0.5), "pieces": (1, 5), "curve": (0, 1), "rate": (0, 0.03)}


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """Teeth, budget, length of the training."""

    m: int = integer(4, "halvings m", low=2, high=7, help="2^m + 1 points, their classes alternating")
    parameters: int = integer(200, "parameters", low=20, high=3_000, log=True, help="at most, of each network")
    steps: int = integer(3_000, "steps of training", low=10, high=30_000, log=True, help="Adam on all points")
    seeds: int = integer(10, "repetitions", low=1, high=100)


GRID = {"m": (3, 4, 5), "parameters": (40, 200, 1000)}


def work(config: Config) -> float:
    """Multiplications of the training and a constant per step, over all depths."""
    points, networks = 2**config.m + 1, config.seeds * len(RATES)
    return config.steps * (2e7 + networks * points * config.parameters * len(DEPTHS))


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train every depth, count errors and linear pieces, and put the theorem's bounds beside them."""
    x, y = saw.sawtooth_points(config.m)
    grid = np.linspace(-1.0, 1.0, CURVE)
    widths = [saw.widest(config.parameters, depth) if depth else 0 for depth in DEPTHS]
    pieces = [saw.most_pieces(width, depth) for width, depth in zip(widths, DEPTHS, strict=True)]
    rows: dict[str, list] = {"accuracy": [], "rate": [], "pieces": [], "pieces_initial": [], "curve": []}
    for i, (width, depth) in enumerate(zip(widths, DEPTHS, strict=True)):
        found = _best(config, width, depth, device, _part(progress, i, len(DEPTHS), f"{depth} hidden layers"))
        for name, value in found.items():
            rows[name].append(value)
    progress(len(DEPTHS), len(DEPTHS))
    tent = saw.tent_network(config.m)
    return xr.Dataset(
        {
            "accuracy": (("depth", "seed"), rows["accuracy"], {"long_name": "accuracy on all points, trained"}),
            "accuracy_bound": (
                "depth",
                [1 - saw.fewest_errors(len(x), most) / len(x) for most in pieces],
                {"long_name": "accuracy that the theorem allows"},
            ),
            "pieces": (("depth", "seed"), rows["pieces"], {"long_name": "linear pieces, trained"}),
            "pieces_initial": (("depth", "seed"), rows["pieces_initial"], {"long_name": "linear pieces, untrained"}),
            "pieces_bound": (
                "depth",
                np.array(pieces, dtype=float),
                {"long_name": "linear pieces that the theorem allows"},
            ),
            "rate": ("depth", rows["rate"], {"long_name": "learning rate, the best of several"}),
            "width": ("depth", widths, {"long_name": "units per hidden layer"}),
            "parameters_used": (
                "depth",
                [saw.count_parameters(width, depth) for width, depth in zip(widths, DEPTHS, strict=True)],
                {"long_name": "parameters"},
            ),
            "curve": (("depth", "x"), rows["curve"], {"long_name": "probability of class 1, best seed"}),
            "tent": ("x", _outputs(tent, grid)[0] + 0.5, {"long_name": "tent map, composed m times"}),
            "tent_accuracy": ((), _hits(_outputs(tent, x[:, 0]), y)[0], {"long_name": "accuracy of the tent network"}),
            "tent_pieces": ((), float(saw.count_pieces(tent)[0]), {"long_name": "linear pieces of the tent network"}),
        },
        coords={
            "depth": ("depth", list(DEPTHS), {"long_name": "hidden layers"}),
            "x": ("x", grid, {"long_name": "input x"}),
        },
    )


def _best(config: Config, width: int, depth: int, device: str, progress: Callable) -> dict[str, Any]:
    """The networks of one depth at the learning rate with which they got most points right on average."""
    from layerlab.nets import MLP
    from layerlab.training import TrainingConfig, train

    x, y = saw.sawtooth_points(config.m)
    streams = [lab.torch_seed(stream) for stream in config.streams()]
    networks = MLP(
        (1, *[width] * depth, 1),
        "relu",
        initialisation="he_normal",
        bias_std=0.5,
        seeds=streams * len(RATES),
        device=device,
    )
    initial = saw.count_pieces(networks[: config.seeds])
    rates = tuple(np.repeat(RATES, config.seeds).tolist())
    training = TrainingConfig(optimizer="adam", learning_rate=rates, steps=config.steps, loss="logistic")
    train(networks, x, 2.0 * y - 1, training, seeds=streams * len(RATES), record_at=(), progress=progress)
    accuracy = _hits(_outputs(networks, x[:, 0]), y).reshape(len(RATES), config.seeds)
    chosen = int(accuracy.mean(axis=1).argmax())
    best = networks[chosen * config.seeds : (chosen + 1) * config.seeds]
    outputs = _outputs(best[int(accuracy[chosen].argmax())], np.linspace(-1.0, 1.0, CURVE))[0]
    return {
        "accuracy": accuracy[chosen],
        "rate": RATES[chosen],
        "pieces": saw.count_pieces(best).astype(float),
        "pieces_initial": initial.astype(float),
        "curve": 0.5 + 0.5 * np.tanh(outputs / 2),
    }


def _outputs(networks: Any, x: np.ndarray) -> np.ndarray:
    """(N, points) outputs."""
    return networks.forward(x[:, None])[..., 0].detach().cpu().numpy().astype(float)


def _hits(outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
    return ((outputs > 0) == (y == 1)).mean(axis=1)


def _part(progress: lab.Progress, index: int, parts: int, note: str) -> Callable:
    return lambda done, total, _: progress(index + done / total, parts, note)


def plot(result: xr.Dataset) -> Figure:
    """Three functions on the left, accuracy against depth on the right."""
    fig, (left, right) = style.figure(1, 2, height=3.9, width_ratios=(1, 1))
    _functions(left, result)
    depths, accuracy = np.arange(result.sizes["depth"]), result["accuracy"]
    places = depths[:, None] + (np.linspace(-0.15, 0.15, result.sizes["seed"]) if result.sizes["seed"] > 1 else 0)
    right.plot(np.ravel(places + 0 * accuracy.values), accuracy.values.ravel(), ".", color=style.COLOURS["blue"],
               markersize=5, alpha=0.75, linestyle="none", label="each seed")  # fmt: skip
    right.plot(depths, accuracy.mean("seed"), color=style.COLOURS["blue"], linestyle="-", label="mean")
    right.plot(depths, result["accuracy_bound"], "_", color=style.COLOURS["vermillion"], markersize=20,
               markeredgewidth=2.5, linestyle="none", label="theorem's limit")  # fmt: skip
    right.axhline(_constant(result), color=style.MUTED, linewidth=1, linestyle=":", label="one class for all")
    right.set_xticks(depths, [f"{int(d)}\n({int(w)})" if d else "0" for d, w in _sizes(result)])
    right.set(xlabel="hidden layers (units in each)", ylabel="share of points right", ylim=(0.18, 1.05))
    right.set_title(f"At most {result.attrs['parameters']} parameters")
    right.legend(loc="lower center", ncols=2, columnspacing=1, handletextpad=0.5, handlelength=1.4)
    return fig


def _functions(axes: Any, result: xr.Dataset) -> None:
    """One below the other: the network built by hand, the best deep one, the best with one hidden layer."""
    x, (points, y) = result["x"], saw.sawtooth_points(result.attrs["m"])
    deep = _deepest_good(result)
    shown = (
        (result["tent"], f"built: {result.attrs['m']} layers of 2"),
        (result["curve"].sel(depth=deep), f"trained: {deep} layers of {int(result['width'].sel(depth=deep))}"),
        (result["curve"].sel(depth=1), f"trained: 1 layer of {int(result['width'].sel(depth=1))}"),
    )
    for place, (values, label) in enumerate(shown):
        base = 2.0 * (len(shown) - 1 - place)
        axes.plot(x, base + values, color=style.MUTED, linestyle="-", linewidth=1.2)
        right = (np.interp(points[:, 0], x, values) > 0.5) == (y == 1)
        for hit, marker, colour in ((True, "o", "blue"), (False, "X", "vermillion")):
            chosen = right == hit
            axes.plot(points[chosen, 0], base + y[chosen], marker, color=style.COLOURS[colour], markersize=4.5,
                      linestyle="none")  # fmt: skip
        axes.text(-1, base + 1.22, label, fontsize=10)
    axes.plot([], [], "o", color=style.COLOURS["blue"], linestyle="none", markersize=4.5, label="right")
    axes.plot([], [], "X", color=style.COLOURS["vermillion"], linestyle="none", markersize=4.5, label="wrong")
    axes.legend(loc="lower center", ncols=2, bbox_to_anchor=(0.5, -0.02), columnspacing=1)
    axes.set(
        xlabel="x", ylabel="class (0 or 1)", ylim=(-0.85, 5.75), title=f"{len(points)} points, classes 0, 1, 0, ..."
    )
    axes.set_yticks([0, 1, 2, 3, 4, 5], ["0", "1"] * 3)
    axes.grid(False)


def _deepest_good(result: xr.Dataset) -> int:
    """The depth of two layers or more that did best on average."""
    deep = result["accuracy"].mean("seed").sel(depth=[d for d in DEPTHS if d > 1])
    return int(deep["depth"][int(deep.values.argmax())])


def _sizes(result: xr.Dataset) -> list[tuple[int, int]]:
    return list(zip(result["depth"].values, result["width"].values, strict=True))


def _constant(result: xr.Dataset) -> float:
    """The share that is right when all points are put into the larger class."""
    return (2 ** (result.attrs["m"] - 1) + 1) / (2 ** result.attrs["m"] + 1)


def table(result: xr.Dataset) -> pd.DataFrame:
    """One row per depth; the drawn curves are left out."""
    return tidy(result.drop_vars(["curve", "tent", "tent_accuracy", "tent_pieces", "x"]))


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    mean, allowed = result["accuracy"].mean("seed"), result["accuracy_bound"]
    deep, last = _deepest_good(result), int(result["depth"][-1])
    return (
        f"{2 ** result.attrs['m'] + 1} points on a line with alternating classes. A network of {result.attrs['m']} "
        f"layers of 2 units, built by hand, gets all of them right. Of trained networks of at most "
        f"{result.attrs['parameters']} parameters, those with one hidden layer get {float(mean.sel(depth=1)):.0%} "
        f"right on average, where the theorem allows {float(allowed.sel(depth=1)):.0%}; {deep} layers, the best depth "
        f"beyond one, get {float(mean.sel(depth=deep)):.0%}, and {last} layers get {float(mean.sel(depth=last)):.0%}, "
        f"where it allows {float(allowed.sel(depth=last)):.0%}."
    )


def _pieces(result: xr.Dataset) -> Evidence:
    hidden = result.sel(depth=[d for d in DEPTHS if d > 0])
    most = max(float((hidden[name] / hidden["pieces_bound"]).max()) for name in ("pieces", "pieces_initial"))
    return Evidence(most, 1, relation="≤")


def _accuracy(result: xr.Dataset) -> Evidence:
    return Evidence((result["accuracy"].max("seed") - result["accuracy_bound"]).max(), 0, 1e-12, relation="≤")


def _tent(result: xr.Dataset) -> Evidence:
    everything = float(result["tent_accuracy"]) == 1.0
    return Evidence(result["tent_pieces"] if everything else np.nan, 2 ** result.attrs["m"])


def _per_unit(result: xr.Dataset) -> Evidence:
    hidden = result.sel(depth=[d for d in DEPTHS if d > 0])
    share = (hidden["pieces_initial"] - 1) / (hidden["depth"] * hidden["width"])
    worst = int(share.mean("seed").values.argmax())
    return Evidence(share.mean("seed").max(), 1, relation="≤", spread=spread(share.isel(depth=worst)))


def _deeper(result: xr.Dataset) -> Evidence | None:
    if result.sizes["seed"] < 2:
        return None
    one, deep = result["accuracy"].sel(depth=1), result["accuracy"].isel(depth=-1)
    gain = deep - one  # the same seeds do not make the same networks: the two are independent
    error = np.sqrt((one.var("seed", ddof=1) + deep.var("seed", ddof=1)) / result.sizes["seed"])
    return Evidence(gain.mean(), 0, 2 * error, relation="≥", spread=spread(gain))


CLAIMS = (
    Claim("L layers of w ReLU units make at most (w+1)^L linear pieces (largest share of it).", TELGARSKY, _pieces),
    Claim(
        "No network of that many pieces gets more points right than it allows (largest excess).", TELGARSKY, _accuracy
    ),
    Claim("m layers of two units make 2^m pieces and get every point right.", TELGARSKY, _tent),
    Claim(
        "An untrained network has at most about one piece per unit, however deep it is (largest mean share).",
        "after Hanin & Rolnick 2019, who bound the expected number by a constant times the number of units",
        _per_unit,
    ),
    Claim(
        "What depth can represent, training finds: the deepest networks get as many points right as one layer.",
        "a reading often given to the theorem; Telgarsky 2016 does not claim it",
        _deeper,
        disputed="The theorem is about what weights exist, not about those that gradient descent reaches: of the same "
        "number of parameters, one wide layer is trained to more than six narrow ones on most of these tasks.",
    ),
)

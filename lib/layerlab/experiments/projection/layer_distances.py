"""What one layer does to the distances between images, before and after it is trained.

A layer h = φ(Wx) with random weights, scaled so that the linear one keeps squared lengths on average, turns the squared
distance of a pair into E|h-h'|^2 = |x|^2 + |y|^2 - 2|x||y| κ(θ) on average: κ = cos θ for linear units, κ = J_1(θ)/π
for ReLU. The same layer is measured again after training, on test images: distance after against distance before,
within and between classes, and the groups that are left.

Source: Cho & Saul 2009, section 2; the chapter's own derivations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from layerlab import lab
from layerlab.experiments.projection._layer_figure import MERITS, PLACES, STAGES, contrast, expected_contrast, plot
from layerlab.experiments.projection._networks import networks
from layerlab.lab import Claim, Evidence, choice, integer, spread

LECTURE = "Lecture Representation Learning, Dimensionality Reduction"
OWN = "Derived in the section"
__all__ = ["CLAIMS", "GRID", "TOLERANCE", "Config", "describe", "plot", "run", "table", "work"]

MERIT_NAMES = {
    "knn": "k-NN accuracy",
    "purity": "neighbours of own class",
    "overlap": "neighbours kept",
    "share": "scatter between classes",
}
TRAIN_ROWS = 8_000  # of the large data sets
WIDE, MARGIN = 256, 0.03

# a training repeated on another machine ends near the first one, not on it
TOLERANCE = dict.fromkeys(("after", "factor", "spread", "merit", "accuracy"), (0.1, 0.04))


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """Data set, layer and training."""

    data: str = choice("digits", "data set", ("digits", "mnist", "fashion-mnist"))
    activation: str = choice("relu", "activation", ("relu", "linear"))
    width: int = integer(64, "units in the layer", low=4, high=1024, log=True)
    points: int = integer(400, "test images", low=50, high=1000, help="all pairs of them are compared")
    epochs: int = integer(20, "epochs of training", low=1, high=100, log=True)


GRID = (
    {"activation": ("relu", "linear"), "width": (16, 64, 256)},
    {"data": ("mnist", "fashion-mnist"), "width": (64, 256), "epochs": (8,)},
)


def work(config: Config) -> float:
    """Multiply-adds of the training and of the pairs."""
    rows, d = (1347, 64) if config.data == "digits" else (TRAIN_ROWS, 784)
    training = config.epochs * rows * (d + 10) * (config.width + 40)
    return config.seeds * (training + 20 * config.points**2 * (config.width + 100)) + 2e8


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Measure the pairs and the groups in the input, in the random layer and in the same layer after training."""
    from layerlab.experiments.projection._pairs import Pairs, groups

    nets = networks(
        data=config.data, width=config.width, depth=1, activation=config.activation, epochs=config.epochs,
        seed=config.seed, seeds=config.seeds, device=device, progress=progress, rows=TRAIN_ROWS,
    )  # fmt: skip
    data = nets.data
    x, y = data.x_test[: config.points].astype(np.float64), data.y_test[: config.points]
    pairs = Pairs(x, y)
    expected = pairs.expected(config.activation)
    # the networks' own initial variance (He: 2/d, linear: 1/d) becomes one that keeps squared lengths
    scale = float(np.sqrt(data.dimension / config.width))
    rows: dict[str, list] = {name: [] for name in ("after", "factor", "spread", "merit")}
    random: dict[str, list] = {name: [] for name in ("error", "contrast_error", "deviation")}
    done, total = 0, len(STAGES) * config.seeds
    merits = [[groups(data.x_train, data.y_train, x, y, x)] * config.seeds]
    for stage, net in zip(STAGES, (nets.initial, nets.trained), strict=True):
        hidden = _hidden(net, x) * scale
        hidden_train = _hidden(net, data.x_train) * scale
        measured: dict[str, list] = {name: [] for name in rows}
        for i in range(config.seeds):
            progress(done, total, f"{stage} layer, seed {i + 1} of {config.seeds}")
            done += 1
            factor = pairs.factor(hidden[i])
            units = pairs.unit_factors(hidden[i])
            measured["after"].append(pairs.bands(factor))
            measured["factor"].append([units[kind].mean() for kind in ("all", "within", "between")])
            measured["spread"].append(pairs.spread(factor))
            measured["merit"].append(groups(hidden_train[i], data.y_train, hidden[i], y, x))
            if stage == "random":
                random["error"].append(_standard_error(units["all"]))
                ratio = units["within"].mean() / units["between"].mean()
                random["contrast_error"].append(
                    _standard_error((units["within"] - ratio * units["between"]) / units["between"].mean())
                )
                random["deviation"].append(np.mean((factor - expected)[pairs.masks["all"]] ** 2))
        for name in ("after", "factor", "spread"):
            rows[name].append(measured[name])
        merits.append(measured["merit"])
    progress(total, total)
    means = [expected[pairs.masks[kind]].mean() for kind in ("all", "within", "between")]
    pair = ("all", "within", "between")
    return xr.Dataset(
        {
            "after": (
                ("stage", "seed", "kind", "before", "quantile"),
                rows["after"],
                {"long_name": "distance after, in units of its root mean square"},
            ),
            "factor": (("stage", "seed", "pair"), rows["factor"], {"long_name": "mean factor on squared distances"}),
            "spread": (("stage", "seed"), rows["spread"], {"long_name": "relative spread of the ratio of distances"}),
            "merit": (("place", "seed", "measure"), merits, {"long_name": "figures of merit of the groups"}),
            "expected_factor": ("pair", means, {"long_name": "mean factor on squared distances, theory"}),
            "expected_square": ((), np.mean(expected[pairs.masks["all"]] ** 2), {"long_name": "mean square of it"}),
            "lowest_expected": ((), expected[pairs.masks["all"]].min(), {"long_name": "smallest factor, theory"}),
            "error": ("seed", random["error"], {"long_name": "standard error of the random layer's mean factor"}),
            "contrast_error": ("seed", random["contrast_error"], {"long_name": "standard error, within over between"}),
            "deviation": ("seed", random["deviation"], {"long_name": "mean square deviation of a pair from theory"}),
            "accuracy": ("seed", nets.accuracy_test, {"long_name": "test accuracy of the trained network"}),
        },
        coords={
            "stage": list(STAGES),
            "place": list(PLACES),
            "pair": list(pair),
            "kind": ["within", "between"],
            "measure": list(MERITS),
            "quantile": [0.1, 0.5, 0.9],
            "before": (
                "before",
                (pairs.edges[1:] + pairs.edges[:-1]) / 2,
                {"long_name": "distance before, in units of its root mean square"},
            ),
        },
        attrs={"data_checksums": {data.name: data.checksum}},
    )


def _hidden(net, x: np.ndarray) -> np.ndarray:
    """The hidden layer's activations, seeds x points x units."""
    return net.activations(x)[0].detach().cpu().numpy().astype(np.float64)


def _standard_error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    means = contrast(result).mean("seed")
    merit = result["merit"].mean("seed")

    def of(measure: str) -> list[float]:
        return [float(merit.sel(measure=measure, place=place)) for place in PLACES]

    return (
        f"Distances between {result.attrs['data']} test images after one {result.attrs['activation']} layer of "
        f"{result.attrs['width']} units. The random layer's factor on squared distances is "
        f"{float(means.sel(stage='random')):.2f} times as large within classes as between them, the trained layer's "
        f"{float(means.sel(stage='trained')):.2f} times. The k-nearest-neighbour accuracy is "
        "{:.3f} on pixels, {:.3f} in the random and {:.3f} in the trained layer; the share of the scatter that lies "
        "between classes is {:.2f}, {:.2f} and {:.2f}.".format(*of("knn"), *of("share"))
    )


def table(result: xr.Dataset):
    """The figures of merit: mean over seeds, and their range."""
    import pandas as pd

    rows = []
    for place in PLACES:
        for measure in MERITS:
            values = result["merit"].sel(place=place, measure=measure)
            rows.append(
                [place, MERIT_NAMES[measure], *(float(f("seed")) for f in (values.mean, values.min, values.max))]
            )
    for stage in STAGES:
        named = {f"mean factor, {p}": result["factor"].sel(stage=stage, pair=p) for p in result["pair"].values}
        named["spread of the ratio of distances"] = result["spread"].sel(stage=stage)
        for name, values in named.items():
            rows.append([stage, name, *(float(f("seed")) for f in (values.mean, values.min, values.max))])
    return pd.DataFrame(rows, columns=["place", "measure", "mean", "lowest seed", "highest seed"])


def _pooled(errors: xr.DataArray) -> float:
    """Standard error of a mean over seeds, from each seed's own."""
    return float(np.sqrt((errors**2).mean() / errors.sizes["seed"]))


def _mean_factor(result: xr.Dataset, activation: str) -> Evidence | None:
    if result.attrs["activation"] != activation:
        return None
    factor = result["factor"].sel(stage="random", pair="all")
    expected = result["expected_factor"].sel(pair="all")
    return Evidence(factor.mean(), expected, 4 * _pooled(result["error"]), spread=spread(factor))


def _pair_deviation(result: xr.Dataset) -> Evidence | None:
    if result.sizes["seed"] < 3:
        return None
    fourth = 3.0 if result.attrs["activation"] == "linear" else 6.0
    bound = np.sqrt((fourth - float(result["expected_square"])) / result.attrs["width"])
    squares = result["deviation"]
    measured = float(np.sqrt(squares.mean()))
    error = float(squares.std("seed", ddof=1)) / np.sqrt(squares.sizes["seed"]) / (2 * measured)
    return Evidence(measured, bound, 4 * error, relation="≤", spread=spread(squares**0.5))


def _random_contrast(result: xr.Dataset) -> Evidence:
    measured = contrast(result).sel(stage="random")
    tolerance = 4 * _pooled(result["contrast_error"])
    return Evidence(measured.mean(), expected_contrast(result), tolerance, spread=spread(measured))


def _kept(result: xr.Dataset) -> Evidence | None:
    if result.sizes["seed"] < 3:
        return None
    random, trained = (result["spread"].sel(stage=stage) for stage in STAGES)
    error = float((trained - random).std("seed", ddof=1)) / np.sqrt(result.sizes["seed"])
    return Evidence(trained.mean(), random.mean(), 4 * error, relation="≤", spread=spread(trained))


def _trained_contrast(result: xr.Dataset) -> Evidence:
    measured = contrast(result).sel(stage="trained")
    return Evidence(measured.max(), 1, relation="≤", spread=spread(measured))


def _survive(result: xr.Dataset) -> Evidence | None:
    if result.attrs["width"] < WIDE:
        return None
    knn = result["merit"].sel(measure="knn")
    loss = knn.sel(place="input") - knn.sel(place="random")
    return Evidence(loss.mean(), 0, MARGIN, relation="≤", spread=spread(loss))


def _clearer(result: xr.Dataset) -> Evidence:
    share = result["merit"].sel(measure="share")
    gain = share.sel(place="trained") - share.sel(place="input")
    return Evidence(gain.min(), 0, relation="≥", spread=spread(gain))


CLAIMS = (
    Claim(
        "A random linear layer keeps the squared distances on average (mean factor over all pairs).",
        OWN, lambda result: _mean_factor(result, "linear"),
    ),
    Claim(
        "A random ReLU layer shrinks them by the factor of the arc-cosine kernel (mean over all pairs).",
        "Cho & Saul 2009, equations 1 to 6", lambda result: _mean_factor(result, "relu"),
    ),
    Claim(
        "One pair's factor deviates from its mean by at most √(v/m), v = 2 for linear units and 6 − ρ² for ReLU (root "
        "mean square over pairs).",
        OWN, _pair_deviation,
    ),
    Claim(
        "In a random layer the factors within and between classes have the ratio that theory gives: 1 for linear "
        "units, above 1 for ReLU, which draws the classes together.",
        OWN, _random_contrast,
    ),
    Claim(
        "Layers maintain distances, ‖f(x) − f(y)‖ ≈ ‖x − y‖, learned ones too: after training the ratio spreads no "
        "more, up to one common scale, than in the same layer before.",
        LECTURE, _kept,
        disputed="Random layers maintain them. Training gives this up: it stretches the distances between classes more "
        "than those within.",
    ),
    Claim(
        "A trained layer shrinks distances within classes against those between classes (ratio of the factors, the "
        "largest of any seed).",
        "Observed; direction only", _trained_contrast,
    ),
    Claim(
        f"Groups survive a random layer of {WIDE} units or more: it costs at most 3 points of k-NN accuracy.",
        LECTURE + "; margin stated here", _survive,
    ),
    Claim(
        "Groups are clearer after training: a larger share of the scatter lies between classes than in pixels "
        "(smallest gain of any seed).",
        LECTURE, _clearer,
    ),
)  # fmt: skip

"""What training makes of random layers, layer by layer.

The same networks before and after training, looked into at every layer on test images: k-nearest-neighbour accuracy,
the accuracy of a linear probe, and the share of the scatter that lies between classes. Training on shuffled labels
shows what training alone does, without anything to be learned about the classes.

Source: Alain & Bengio 2016 (probes); the chapter's own comparison.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from layerlab import lab
from layerlab.experiments.projection._networks import networks
from layerlab.lab import Claim, Evidence, choice, integer, spread, style

LECTURE = "Lecture Representation Learning, Johnson-Lindenstrauss lemma"
STAGES = ("random", "trained")
MERITS = {"knn": "k-NN accuracy", "probe": "Linear probe accuracy", "share": "Scatter between classes"}
TRAIN_ROWS, PROBE_ROWS = 8_000, 2_000

# a training repeated on another machine ends near the first one, not on it
TOLERANCE = dict.fromkeys((*MERITS, "accuracy_train", "accuracy_test"), (0.02, 0.05, 0.2))


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """Networks, data and training."""

    data: str = choice("digits", "data set", ("digits", "mnist", "fashion-mnist"))
    activation: str = choice("relu", "activation", ("relu", "tanh"))
    labels: str = choice("true", "training labels", ("true", "shuffled"), help="shuffled: nothing to be learned")
    width: int = integer(64, "units in each layer", low=8, high=512, log=True)
    depth: int = integer(4, "hidden layers", low=1, high=12)
    epochs: int = integer(20, "epochs of training", low=1, high=200, log=True)


GRID = (
    {"activation": ("relu", "tanh"), "depth": (4, 8)},
    {"width": (16, 256)},
    {"labels": ("shuffled",), "width": (64, 256), "epochs": (80,)},
    {"data": ("mnist", "fashion-mnist"), "epochs": (8,)},
)


def work(config: Config) -> float:
    """Multiply-adds of the training and of the measurements."""
    rows, d = (1347, 64) if config.data == "digits" else (TRAIN_ROWS, 784)
    inner = config.depth * config.width
    training = config.epochs * rows * config.width * (d + inner + 60)
    return config.seeds * (training + 3e5 * (inner + 500)) + 2e8


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Measure every layer before and after training."""
    from layerlab.experiments.projection._pairs import KNN_ROWS, NEIGHBOURS, between_share
    from layerlab.projection import knn_accuracy, linear_probe_accuracy

    nets = networks(
        data=config.data, width=config.width, depth=config.depth, activation=config.activation, epochs=config.epochs,
        labels=config.labels, seed=config.seed, seeds=config.seeds, device=device, progress=progress, rows=TRAIN_ROWS,
    )  # fmt: skip
    data = nets.data
    y_train, y = data.y_train, data.y_test

    def look(h_train: np.ndarray, h: np.ndarray) -> list[float]:
        return [
            knn_accuracy(h_train[:KNN_ROWS], y_train[:KNN_ROWS], h, y, NEIGHBOURS),
            linear_probe_accuracy(h_train[:PROBE_ROWS], y_train[:PROBE_ROWS], h, y),
            between_share(h, y),
        ]

    pixels = look(data.x_train, data.x_test)
    total = len(STAGES) * config.seeds * config.depth
    done, merits = 0, []
    for stage, net in zip(STAGES, (nets.initial, nets.trained), strict=True):
        hidden_train, hidden = (_hidden(net, x) for x in (data.x_train, data.x_test))
        merits.append([[pixels] for _ in range(config.seeds)])
        for i in range(config.seeds):
            for layer in range(config.depth):
                progress(done, total, f"{stage}, seed {i + 1}, layer {layer + 1}")
                merits[-1][i].append(look(hidden_train[layer][i], hidden[layer][i]))
                done += 1
    progress(total, total)
    values = np.array(merits)
    dims = ("stage", "seed", "layer")
    variables = {
        name: (dims, values[..., i], {"long_name": long_name}) for i, (name, long_name) in enumerate(MERITS.items())
    }
    return xr.Dataset(
        {
            **variables,
            "accuracy_train": ("seed", nets.accuracy_train, {"long_name": "network's accuracy on its training labels"}),
            "accuracy_test": ("seed", nets.accuracy_test, {"long_name": "network's accuracy on test images"}),
            "tested": ((), len(y), {"long_name": "test images"}),
        },
        coords={
            "stage": list(STAGES),
            "layer": ("layer", np.arange(config.depth + 1), {"long_name": "layer (0 is the input)"}),
        },
        attrs={"data_checksums": {data.name: data.checksum}},
    )


def _hidden(net, x: np.ndarray) -> list[np.ndarray]:
    """Activations of the hidden layers, each seeds x samples x units."""
    return [h.detach().cpu().numpy() for h in net.activations(x)[:-1]]


def plot(result: xr.Dataset) -> Figure:
    """Each figure of merit by layer, before and after; and the gain in k-NN accuracy, every seed."""
    fig, axes = style.figure(2, 2, height=6.0)
    layer = result["layer"]
    for ax, (name, label) in zip(axes.flat, MERITS.items(), strict=False):
        for stage, colour, dash, marker in (
            ("random", "blue", style.DASHES[1], "o"),
            ("trained", "vermillion", "-", "D"),
        ):
            values = result[name].sel(stage=stage)
            ax.fill_between(layer, values.min("seed"), values.max("seed"), color=style.COLOURS[colour], alpha=0.22)
            ax.plot(layer, values.mean("seed"), color=style.COLOURS[colour], linestyle=dash, marker=marker,
                    markersize=4, label=stage)  # fmt: skip
        low = float(result[name].min())
        ax.set(
            xlabel="layer (0: input)",
            ylabel="share" if name == "share" else "test accuracy",
            title=label,
        )
        ax.set_ylim(max(0.0, low - 0.5 * (1 - low)) if name != "share" else 0, 1.02)
        ax.legend(loc="lower left" if name != "share" else "upper left")
    ax = axes[1, 1]
    gain = result["knn"].sel(stage="trained") - result["knn"].sel(stage="random")
    ax.axhline(0, color=style.MUTED, linewidth=1, linestyle=":")
    for i in range(gain.sizes["seed"]):
        ax.plot(layer[1:], 100 * gain.isel(seed=i)[1:], "o", color=style.COLOURS["blue"], alpha=0.7,
                label="each seed" if i == 0 else None)  # fmt: skip
    ax.plot(layer[1:], 100 * gain.mean("seed")[1:], color=style.COLOURS["green"], linestyle="-", label="mean")
    ax.set(xlabel="layer", ylabel="gain, percentage points", title="k-NN accuracy gained by training")
    ax.margins(y=0.15)
    ax.legend(loc="best")
    for each in axes.flat:
        each.xaxis.get_major_locator().set_params(integer=True)
    return fig


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    knn, share = (result[name].mean("seed").isel(layer=-1) for name in ("knn", "share"))
    attrs = result.attrs
    return (
        f"{attrs['depth']} hidden {attrs['activation']} layers of {attrs['width']} units before and after training on "
        f"{attrs['data']} with {attrs['labels']} labels, layer by layer. In the last hidden layer the "
        f"k-nearest-neighbour accuracy is {float(knn.sel(stage='random')):.3f} before and "
        f"{float(knn.sel(stage='trained')):.3f} after, the share of the scatter between classes "
        f"{float(share.sel(stage='random')):.2f} and {float(share.sel(stage='trained')):.2f}."
    )


def _gain(result: xr.Dataset, name: str) -> xr.DataArray:
    """After minus before training, the hidden layers."""
    return (result[name].sel(stage="trained") - result[name].sel(stage="random")).isel(layer=slice(1, None))


def _noise(result: xr.Dataset) -> float:
    """Three standard errors of the difference of two accuracies that were measured on the test images.

    As if the two were independent; on the same images they are less apart than that.
    """
    accuracy = result["knn"].isel(layer=slice(1, None)).max()
    return 3 * float(np.sqrt(2 * accuracy * (1 - accuracy) / result["tested"]))


def _labels(result: xr.Dataset, labels: str) -> bool:
    return result.attrs["labels"] == labels


def _never_worse(result: xr.Dataset) -> Evidence:
    gain = _gain(result, "knn")
    return Evidence(gain.min(), 0, _noise(result), relation="≥", spread=spread(gain.min("layer")))


def _improves(result: xr.Dataset) -> Evidence | None:
    if not _labels(result, "true"):
        return None
    gain = _gain(result, "share").isel(layer=-1)
    return Evidence(gain.min(), 0, relation="≥", spread=spread(gain))


def _more_with_depth(result: xr.Dataset) -> Evidence | None:
    if not _labels(result, "true") or result.attrs["depth"] < 2:
        return None
    gain = _gain(result, "share")
    growth = gain.isel(layer=-1) - gain.isel(layer=0)
    return Evidence(growth.min(), 0, relation="≥", spread=spread(growth))


def _probe(result: xr.Dataset) -> Evidence | None:
    if not _labels(result, "true"):
        return None
    gain = _gain(result, "probe").isel(layer=-1)
    return Evidence(gain.mean(), 0, relation="≥", spread=spread(gain))


def _random_fades(result: xr.Dataset) -> Evidence | None:
    if result.attrs["depth"] < 2:
        return None
    knn = result["knn"].sel(stage="random")
    fall = knn.isel(layer=-1) - knn.isel(layer=1)
    return Evidence(fall.mean(), 0, relation="≤", spread=spread(fall))


def _shuffled(result: xr.Dataset) -> Evidence | None:
    if not _labels(result, "shuffled"):
        return None
    gain = _gain(result, "knn").isel(layer=-1)
    return Evidence(gain.max(), 0, relation="≤", spread=spread(gain))


CLAIMS = (
    Claim(
        "Training only improves upon the random start: in no hidden layer of any seed does k-NN accuracy fall (beyond "
        "three standard errors of the test).",
        LECTURE, _never_worse,
        disputed="True of every run on true labels here. On shuffled labels the same training spoils the groups that "
        "the random layers had kept: it is the labels that improve, not the descent.",
    ),
    Claim(
        "On true labels the last hidden layer gains: more of the scatter lies between classes (smallest gain of any "
        "seed).",
        LECTURE, _improves,
    ),
    Claim(
        "The last hidden layer gains more than the first one (share of the scatter, smallest difference of any seed).",
        "Observed; direction only", _more_with_depth,
    ),
    Claim(
        "A linear probe reads the classes better from the last hidden layer after training (mean over seeds).",
        "Alain & Bengio 2016", _probe,
    ),
    Claim(
        "In random layers, k-NN accuracy falls from the first hidden layer to the last (mean over seeds).",
        "As in projection/random_layers", _random_fades,
    ),
    Claim(
        "Trained on shuffled labels, the last hidden layer loses k-NN accuracy (largest change of any seed).",
        "Observed; direction only", _shuffled,
    ),
)  # fmt: skip

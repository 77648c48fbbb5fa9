"""A network as a Markov chain: what each layer knows of the input and of the label, layer by layer and epoch by epoch.

Networks learn the 12-bit rule; X is uniform over all 4096 inputs. Each layer is cut into cells of one width, in two
ways: as it is usually done, every layer of the untouched network for itself; and with the cut inside the network, where
each layer is set to the centres of its cells before the next layer reads it. Only the second is the chain
Y - X - T1 - T2 - ... that the processing inequality speaks of. The layers are also measured after a random rotation,
an invertible map that the next layer's weights could undo.

Sources: the lectures on representations and on information; Cover & Thomas 2006, section 2.8.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from layerlab import lab
from layerlab.experiments.plane._cut import cut_inside
from layerlab.experiments.plane._rule_networks import Snapshots, rule_networks
from layerlab.information import binned_cells, binned_information, mutual_information
from layerlab.lab import Claim, Evidence, choice, integer, spread, style

if TYPE_CHECKING:
    from torch import Tensor

INFORMATION = "Lecture on information, “What do the DNN layers represent?”"
REPRESENTATIONS = "Lecture on representations, “DNNs as Markov chains”"
MOMENTS = 12
ROUNDING = 1e-9  # bits


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The networks, and how finely their layers are cut."""

    activation: str = choice("tanh", "activation", ("tanh", "relu"))
    bins: int = integer(30, "bins", low=2, high=1000, log=True, help="from -1 to 1: cells are 2/bins wide")
    epochs: int = integer(300, "epochs", low=10, high=20_000, log=True)
    seeds: int = integer(5, "networks", low=1, high=100)


GRID = (
    {"activation": ("tanh", "relu")},
    {"activation": ("tanh", "relu"), "epochs": (2000,), "seeds": (10,)},
    {"bins": (8, 200), "epochs": (2000,), "seeds": (10,)},
    {"epochs": (8000,), "seeds": (25,)},
)
# trainings in single precision part ways between machines; early on, by little
TOLERANCE = {"default": (0, 0.25), "whole": (1e-6, 0)}


def work(config: Config) -> float:
    """Training steps, and the measuring."""
    return config.epochs * 7.0 * (60 + 10 * config.seeds) + MOMENTS * config.seeds * 2e4


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train, and measure all layers at some epochs: as they are, as a chain of cells, and rotated."""
    found = rule_networks(
        activation=config.activation, epochs=config.epochs, seeds=config.seeds, seed=config.seed, moments=60,
        device=device, progress=lambda done, of, note: progress(0.7 * done / of, 1, note),
    )  # fmt: skip
    moments = np.unique(np.linspace(0, len(found.epochs) - 1, MOMENTS).round().astype(int))
    streams = [stream.spawn(5)[4] for stream in config.streams()]
    rows: list[dict[str, Any]] = []
    for i, moment in enumerate(moments):
        progress(0.7 + 0.3 * i / len(moments), 1, f"measuring epoch {found.epochs[moment]}")
        rows.append(measure(found, moment, 2 / config.bins, streams))
    progress(1, 1)
    return _dataset(rows, found.epochs[moments], mutual_information(found.rule.p_xy), config.seeds)


def measure(
    found: Snapshots, moment: int, width: float, streams: list[np.random.SeedSequence]
) -> dict[str, np.ndarray]:
    """All that is measured at one moment: (layers, N) informations in bits, (N,) accuracies on all inputs."""
    networks, y = found.networks(moment), found.rule.y
    layers = found.layers(moment)
    snapped, choices = cut_inside(networks, found.x, width)
    chain = [binned_information(t, y, width=width) for t in snapped]
    usual = [binned_information(t, y, width=width) for t in layers]
    shared = [binned_information(t, binned_cells(previous, width=width), width=width)[1]
              for previous, t in pairwise(layers)]  # fmt: skip
    turned = [binned_information(rotated(t, streams), y, width=width)[0] for t in layers]
    numbers = {
        "i_xt": [a for a, _ in usual], "i_ty": [b for _, b in usual],
        "chain_xt": [a for a, _ in chain], "chain_ty": [b for _, b in chain],
        "between": [usual[0][0], *shared], "rotated_xt": turned,
    }  # fmt: skip
    right = choices.cpu().numpy() == y
    own = layers[-1].argmax(-1).cpu().numpy() == y
    return {name: np.stack([v.cpu().numpy() for v in values]) for name, values in numbers.items()} | {
        "accuracy": own.mean(-1),
        "chain_accuracy": right.mean(-1),
    }


def rotated(t: Tensor, streams: list[np.random.SeedSequence]) -> Tensor:
    """Each network's layer after a random rotation of its units, the same at all epochs."""
    units = t.shape[-1]
    turns = [np.linalg.qr(np.random.default_rng(s).standard_normal((units, units)))[0] for s in streams]
    return t.double() @ t.new_tensor(np.stack(turns)).double()


def _dataset(rows: list[dict[str, Any]], epochs: np.ndarray, whole: float, seeds: int) -> xr.Dataset:
    said = {
        "i_xt": "I(X;T), each layer cut for itself", "i_ty": "I(T;Y), each layer cut for itself",
        "chain_xt": "I(X;T), cut inside the network", "chain_ty": "I(T;Y), cut inside the network",
        "between": "information shared with the layer before", "rotated_xt": "I(X;T) of the layer rotated",
    }  # fmt: skip
    variables: dict[str, Any] = {
        name: (("epoch", "layer", "seed"), np.array([r[name] for r in rows]), {"long_name": text, "units": "bits"})
        for name, text in said.items()
    }
    for name, text in (("accuracy", "accuracy on all inputs"), ("chain_accuracy", "the same, cut inside the network")):
        variables[name] = (("epoch", "seed"), np.array([r[name] for r in rows]), {"long_name": text})
    variables["whole"] = ((), whole, {"long_name": "I(X;Y)", "units": "bits"})
    layers = len(rows[0]["i_xt"])
    return xr.Dataset(
        variables,
        coords={
            "epoch": ("epoch", epochs, {"long_name": "epoch"}),
            "layer": ("layer", np.arange(1, layers + 1), {"long_name": "layer, the last the output"}),
        },
    )


def plot(result: xr.Dataset) -> Figure:
    """Left I(X;T), right I(T;Y), from the input to the output: a few epochs, both cuts, the mean of all networks."""
    fig, panels = style.figure(1, 2, height=3.7)
    depth = np.r_[0, result["layer"]]
    shown = np.unique(np.linspace(0, result.sizes["epoch"] - 1, 4).round().astype(int))
    shades = [style.COLOURS[name] for name in ("purple", "blue", "green", "vermillion")][-len(shown) :]
    starts = (12.0, float(result["whole"]))
    for axes, name, start, top in zip(panels, ("xt", "ty"), starts, (17.5, 1.48), strict=True):
        for shade, at in zip(shades, shown, strict=True):
            here = result.isel(epoch=at)
            for kind, dash, marker in (("i", "-", "o"), ("chain", ":", "s")):
                values = np.r_[start, here[f"{kind}_{name}"].mean("seed")]
                said = f"epoch {int(here['epoch'])}" if kind == "i" else None
                axes.plot(depth, values, color=shade, linestyle=dash, marker=marker, markersize=4, label=said)
        said = {"xt": "I(X;T) [bits]", "ty": "I(T;Y) [bits]"}[name]
        axes.set(xlabel="layer (0: the input)", ylabel=said, xticks=depth, ylim=(-0.03 * top, top))
    panels[0].legend(loc="upper right", ncols=2)
    panels[1].plot([], [], "o-", color=style.INK, markersize=4, label="each layer cut for itself")
    panels[1].plot([], [], "s:", color=style.INK, markersize=4, label="cut inside the network")
    handles, labels = panels[1].get_legend_handles_labels()
    panels[1].legend(handles[-2:], labels[-2:], loc="upper right")
    panels[0].set_title(f"{result.attrs['activation']}, cells 2/{result.attrs['bins']} wide")
    panels[1].set_title("What is left of the label")
    return fig


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    last = result.isel(epoch=-1).mean("seed")
    return (
        f"Information from the input to the output of {result.attrs['activation']} networks. After "
        f"{int(result['epoch'][-1])} epochs I(X;T) goes from {float(last['i_xt'][0]):.1f} bits in the first layer to "
        f"{float(last['i_xt'][-1]):.1f} in the output, I(T;Y) from {float(last['i_ty'][0]):.2f} to "
        f"{float(last['i_ty'][-1]):.2f}. Cut inside the network, the output is left with "
        f"{float(last['chain_ty'][-1]):.2f} bits of the label."
    )


def rise(values: xr.DataArray) -> xr.DataArray:
    """The largest rise from one layer to the next, of any epoch, for each network."""
    return values.diff("layer").max(("layer", "epoch"))


def _chain(result: xr.Dataset) -> Evidence:
    first = (result["chain_ty"].isel(layer=0) - result["whole"]).max("epoch")
    worst = xr.concat([rise(result["chain_xt"]), rise(result["chain_ty"]), first], "kind").max("kind")
    return Evidence(worst.max(), 0, ROUNDING, "≤", spread(worst), "bits")


def _usual(result: xr.Dataset) -> Evidence:
    worst = np.maximum(rise(result["i_xt"]), rise(result["i_ty"]))
    return Evidence(worst.max(), 0, ROUNDING, "≤", spread(worst), "bits")


def _resolution(result: xr.Dataset) -> Evidence:
    lost = (result["accuracy"] - result["chain_accuracy"]).isel(epoch=-1)
    return Evidence(lost.mean(), 0, 0.01, "≤", spread(lost))


def _scrambled(result: xr.Dataset) -> Evidence:
    moved = abs(result["rotated_xt"] - result["i_xt"]).isel(epoch=-1).max("layer")
    return Evidence(moved.mean(), 0, 0.05, "≈", spread(moved), "bits")


def _decoder(result: xr.Dataset) -> Evidence:
    kept = result["i_ty"].isel(layer=-1)
    gain = kept.isel(epoch=-1) - kept.isel(epoch=0)
    return Evidence(gain.mean(), 0, 0, "≥", spread(gain), "bits")


CLAIMS = (
    Claim(
        "H(X) ≥ I(X;T1) ≥ ... and I(X;Y) ≥ I(T1;Y) ≥ ..., cut inside the network (largest rise from a layer to the "
        "next, any network and epoch; a theorem).",
        "Cover & Thomas 2006, section 2.8",
        _chain,
    ),
    Claim(
        "The same of layers that are cut each for itself, as information planes are drawn (largest rise).",
        INFORMATION,
        _usual,
        disputed="the theorem is about the layers, not about their cells: a layer can tell apart what the cells of the "
        "one before hold together",
    ),
    Claim(
        "Cutting at the resolution of the bins does not affect the network (mean loss of accuracy, at most 0.01).",
        "Lecture on information, “Information estimation”",
        _resolution,
        disputed="true of fine cells, not of coarse ones; the resolution has to be checked against the network",
    ),
    Claim(
        "Scrambling a layer by an invertible map changes nothing (mean over networks of the largest change of the "
        "measured I(X;T) by a rotation, any layer).",
        INFORMATION,
        _scrambled,
        disputed="true of the information, not of its measurement by cells, whose walls stand along the units",
    ),
    Claim("Training raises what the output knows of the label (mean gain).", REPRESENTATIONS, _decoder),
)

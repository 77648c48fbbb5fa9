"""Canonical correlation with few samples and with directions of noise.

Three cases. Independent Gaussian layers, for which chance is known: exactly in the mean of ρ², by Wachter's law in
every coefficient. Layers that share some signals and have noise of their own in all other directions, with and without
the cut that SVCCA begins with. And the last hidden layers of two dense networks, compared on few test images and on
many, and with the images of one of them shuffled.

Sources: K. Wachter 1980; I. Johnstone 2008; M. Raghu et al., SVCCA, NeurIPS 2017.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from layerlab import lab
from layerlab.experiments.similarity import _chance as chance
from layerlab.experiments.similarity import _few_samples as drawn
from layerlab.experiments.similarity._cost import training_work
from layerlab.experiments.similarity._groups import DATA, group
from layerlab.experiments.similarity._reading import CUTS, samples_by_units
from layerlab.experiments.similarity.svcca_steps import CUT_COLOURS
from layerlab.lab import Claim, Evidence, choice, integer, real, spread, style

SIZES = (20, 30, 45, 61, 90, 150, 300, 600, 1_200, 2_400)  # samples of the Gaussian layers
IMAGES = (20, 40, 80, 129, 200, 450, 900, 2_000)  # test images that a pair of networks is compared on


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The Gaussian layers and the networks."""

    data: str = choice("digits", "data", DATA)
    rows: int = integer(1_500, "training images", low=10, high=60_000, log=True, help="all, if there are fewer")
    epochs: int = integer(20, "epochs", low=1, high=200, log=True)
    p: int = integer(40, "units of one Gaussian layer", low=2, high=200)
    q: int = integer(20, "units of the other", low=2, high=200)
    shared: int = integer(5, "signals shared", low=1, high=100, help="each of variance 1; all else is noise")
    noise: float = real(0.03, "noise", low=1e-4, high=10, log=True, help="standard deviation of each noise direction")
    keep: float = real(0.99, "threshold", low=0.5, high=1)
    samples: int = integer(300, "samples for the law", low=5, high=5_000, log=True)
    draws: int = integer(20, "draws", low=2, high=1_000, log=True, help="for each seed and number of samples")
    seeds: int = integer(5, "repetitions and networks", low=2, high=20)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shared >= min(self.p, self.q):
            raise ValueError(
                f"shared must be smaller than both layers, {min(self.p, self.q)} units; it was {self.shared}"
            )


GRID = (
    {"draws": (5, 20)},
    {"noise": (0.1, 1.0)},
    {"p": (40,), "q": (40,), "samples": (90,)},
    {"data": ("mnist", "fashion-mnist"), "rows": (10_000,)},
)
_TRAINED = (0.1, 0.05)  # trainings in single precision differ a little between machines
TOLERANCE = {
    "real": _TRAINED, "real_shuffled": (0.05, 0.02), "shuffled_square": (0.05, 0.02), "shuffled_exact": (0.1, 0.01),
    "shuffled_error": (0.5, 0.01), "kept": (0, 1), "shared": (1e-3, 0.02), "accuracy": (0, 0.03),
}  # fmt: skip


def work(config: Config) -> float:
    """The training, and decompositions of Gaussian layers and of the networks' layers."""
    size = max(config.p, config.q)
    training = training_work(config.data, "dense", config.rows, config.epochs, config.seeds)
    return training + config.seeds * config.draws * (3 * size**2 + 2e4) / 5


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Draw the Gaussian layers, train the networks, and correlate."""
    found = group(
        data=config.data, architecture="dense", rows=config.rows, epochs=config.epochs,
        seed=config.seed, seeds=config.seeds, device=device,
        progress=lambda done, total, note: progress(0.3 * done / total, 1, note),
    )  # fmt: skip
    layers = samples_by_units(found.activations(found.data.x_test)[-2])
    images = [m for m in IMAGES if m < layers.shape[1]] + [layers.shape[1]]
    rows = []
    for i, stream in enumerate(config.streams()):
        progress(0.3 + 0.7 * i / config.seeds, 1, f"repetition {i + 1} of {config.seeds}")
        rng = np.random.default_rng(stream)
        pair = layers[[i, (i + 1) % config.seeds]]
        measured = drawn.independent(config.p, config.q, SIZES, config.samples, config.draws, rng)
        measured |= drawn.related(
            config.p, config.q, config.shared, config.noise, config.keep, SIZES, config.draws, rng
        )
        rows.append(measured | drawn.networks(pair, images, config.draws, rng))
    progress(1, 1)
    values = {
        name: (("seed", *dims), np.array([row[name] for row in rows]), {"long_name": said})
        for name, (dims, said) in LABELS.items()
    }
    values["accuracy"] = (("seed",), found.accuracy_test[-1], {"long_name": "accuracy on test images"})
    return xr.Dataset(
        values | _theory(config),
        coords={
            "n": ("n", np.array(SIZES), {"long_name": "samples"}),
            "images": ("images", images, {"long_name": "test images compared on"}),
            "cut": ("cut", list(CUTS), {"long_name": "cut by"}),
            "direction": ("direction", np.arange(1, min(config.p, config.q) + 1), {"long_name": "direction, in order"}),
        },
        attrs={"data_checksums": {config.data: found.data.checksum}, "layer_units": layers.shape[-1]},
    )


def _theory(config: Config) -> dict[str, tuple[Any, ...]]:
    """What to expect of the Gaussian layers, with the names that it has in the figure."""
    law = chance.wachter(config.p, config.q, config.samples)
    return chance.expected(config.p, config.q, config.shared, SIZES) | {
        **chance.after_cuts(config.p, config.q, config.shared, config.noise, config.keep, CUTS),
        "law": ("direction", law[: min(config.p, config.q)], {"long_name": "Wachter's law"}),
    }


LABELS: dict[str, tuple[tuple[str, ...], str]] = {
    "mean_square": (("n",), "mean squared coefficient, independent layers"),
    "forced": (("n",), "coefficients that are 1"),
    "largest": (("n",), "largest coefficient, independent layers"),
    "coefficient": (("direction",), "coefficient, independent layers"),
    "shared": (("cut", "n"), "mean coefficient, shared signals and noise"),
    "shared_square": (("n",), "mean squared coefficient, shared signals and noise, no cut"),
    "kept": (("cut", "n"), "coefficients counted"),
    "real": (("images",), "mean coefficient, two networks"),
    "real_shuffled": (("images",), "mean coefficient, two networks, images shuffled"),
    "shuffled_square": (("images",), "mean squared coefficient, images shuffled"),
    "shuffled_exact": (("images",), "the same by theory"),
    "shuffled_error": (("images",), "standard error of the mean squared coefficient, images shuffled"),
}


def plot(result: xr.Dataset) -> Figure:
    """Chance against the number of samples; all coefficients at one of them; noise directions; two networks."""
    fig, axes = style.figure(2, 2, height=6.4)
    (few, law), (noise, nets) = axes
    n, blue, red = result["n"], style.COLOURS["blue"], style.COLOURS["vermillion"]
    attrs = result.attrs
    few.plot(n, result["mean_square_exact"], "-", color=blue, label="mean ρ²: max(p, q)/(n−1)")
    few.plot(n, result["mean_square"].mean("seed"), "o", color=blue, linestyle="")
    few.plot(n, result["edge"], "--", color=red, label="largest ρ: Wachter's edge")
    few.plot(n, result["largest"].mean("seed"), "s", color=red, linestyle="")
    few.set(xlabel="samples n", ylabel="ρ², ρ", xscale="log", ylim=(0, 1.45))
    few.set(title=f"Independent, p = {attrs['p']}, q = {attrs['q']}")
    few.set_yticks(np.arange(0, 1.01, 0.2))
    few.legend(loc="upper right")
    law.plot(result["direction"], result["law"], "-", color=red, label="Wachter's law")
    law.plot(result["direction"], result["coefficient"].mean("seed"), "o", color=blue, linestyle="", label="measured")
    law.set(xlabel="direction, in order", ylabel="coefficient ρ", ylim=(0, 1.05), title=f"n = {attrs['samples']}")
    law.legend(loc="upper right")
    for name in CUTS:
        here = result.sel(cut=name)
        label = "no cut" if name == "none" else f"cut by {name}"
        noise.plot(n, here["shared"].mean("seed"), "o-", color=CUT_COLOURS[name], markersize=4, label=label)
        noise.axhline(float(here["limit"]), color=CUT_COLOURS[name], linewidth=1, linestyle=":")
    noise.set(xlabel="samples n", ylabel="mean coefficient", xscale="log", ylim=(0, 1.5))
    noise.set(title=f"{attrs['shared']} signals, noise {attrs['noise']:g}")
    noise.set_yticks(np.arange(0, 1.01, 0.2))
    noise.legend(loc="upper right")
    _draw_networks(nets, result)
    return fig


def _draw_networks(axes: Any, result: xr.Dataset) -> None:
    m, purple = result["images"], style.COLOURS["purple"]
    for one in result["real"]:
        axes.plot(m, one, "-", color=style.COLOURS["blue"], linewidth=1)
    axes.plot([], [], "-", color=style.COLOURS["blue"], label="two networks")
    axes.plot(m, result["real_shuffled"].mean("seed"), "s", color=purple, linestyle="", label="images shuffled")
    axes.plot(m, np.sqrt(result["shuffled_exact"].mean("seed")), "--", color=purple, label="√(max(p, q)/(n−1))")
    axes.set(xlabel="test images n", ylabel="mean coefficient", xscale="log", ylim=(0, 1.5))
    axes.set(title=f"{result.attrs['data']}, last hidden layer")
    axes.set_yticks(np.arange(0, 1.01, 0.2))
    axes.set_xticks([20, 50, 100, 200, 500, 1000, 2000][: 5 if m[-1] < 1000 else 7])
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.legend(loc="upper right")


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    attrs, near, far = result.attrs, result.isel(n=-1), result.isel(images=-1)
    means = [f"{float(v):.2f}" for v in near["shared"].mean("seed")]
    limits = [f"{float(v):.2f}" for v in result["limit"]]
    return (
        f"Independent Gaussian layers of {attrs['p']} and {attrs['q']} units: the mean squared coefficient falls from "
        f"{float(result['mean_square'].isel(n=0).mean()):.2f} with {SIZES[0]} samples to "
        f"{float(near['mean_square'].mean()):.3f} with {SIZES[-1]}, as theory says. With {attrs['shared']} shared "
        f"signals and noise of {attrs['noise']:g}, {SIZES[-1]} samples give a mean coefficient of {means[0]} without a "
        f"cut, {means[1]} cut by variance, {means[2]} cut by singular values; with endless samples "
        f"{', '.join(limits)}. Two networks on {attrs['data']}: {float(result['real'].isel(images=0).mean()):.2f} on "
        f"{int(result['images'][0])} images, {float(far['real'].mean()):.2f} on {int(far['images'])}; shuffled "
        f"{float(far['real_shuffled'].mean()):.2f}."
    )


def _standard_errors(deviation: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Deviations in standard errors; where chance has no room, 0 if they vanish and endless if not."""
    none = error < 1e-9
    return np.where(none, np.where(abs(deviation) < 1e-6, 0, 1e6), abs(deviation) / np.where(none, 1, error))


def _exact(result: xr.Dataset) -> Evidence:
    attrs = result.attrs
    error = [
        np.sqrt(chance.mean_square_variance(min(attrs["p"], n - 1), min(attrs["q"], n - 1), n) / attrs["draws"])
        for n in SIZES
    ]
    each = (result["mean_square"] - result["mean_square_exact"]).mean("seed").values
    worst = _standard_errors(each, np.array(error) / np.sqrt(result.sizes["seed"]))
    return Evidence(worst.max(), 4, relation="≤", unit="standard errors")


def _forced(result: xr.Dataset) -> Evidence:
    attrs = result.attrs
    expected = xr.DataArray([chance.forced(min(attrs["p"], n - 1), min(attrs["q"], n - 1), n) for n in SIZES], dims="n")
    difference = abs(result["forced"] - expected).max("n")
    return Evidence(difference.max(), 0, 1e-9, "≤", spread(difference))


def _law(result: xr.Dataset) -> Evidence:
    inner = result.isel(direction=slice(1, -1))
    difference = abs(inner["coefficient"].mean("seed") - inner["law"]).max()
    error = inner["coefficient"].std("seed", ddof=1).max() / np.sqrt(result.sizes["seed"])
    return Evidence(difference, 0, 0.01 + 4 * error, "≤")


def _edge(result: xr.Dataset) -> Evidence | None:
    attrs = result.attrs
    mean, deviation = chance.largest(attrs["p"], attrs["q"], attrs["samples"])
    if np.isnan(mean):
        return None
    here = result["coefficient"].isel(direction=0)
    error = deviation / np.sqrt(attrs["draws"] * attrs["seeds"])
    return Evidence(here.mean(), mean, 4 * error + 0.3 * deviation, spread=spread(here))


def _noise(result: xr.Dataset) -> Evidence:
    attrs, s = result.attrs, result.attrs["shared"]
    error = []
    for n in SIZES:
        a, b = (max(min(k, n - 1) - s, 0) for k in (attrs["p"], attrs["q"]))
        part = min(a, b) / (s + min(a, b))
        error.append(part * np.sqrt(chance.mean_square_variance(a, b, n - s) / attrs["draws"] / attrs["seeds"]))
    each = (result["shared_square"] - result["shared_exact"]).mean("seed").values
    return Evidence(_standard_errors(each, np.array(error)).max(), 4, relation="≤", unit="standard errors")


def _cut(result: xr.Dataset) -> Evidence | None:
    """With many samples, what the cut by variance leaves: the signals, and the noise directions that it kept."""
    attrs, here = result.attrs, result.sel(cut="variance").isel(n=-1)
    p, q, s = attrs["p"], attrs["q"], attrs["shared"]
    wide = chance.after_cuts(max(p, q), max(p, q), s, attrs["noise"], attrs["keep"], ["variance"])
    most, few = int(wide["kept_limit"][1][0]) - s, round(float(here["kept"].mean())) - s
    if float(here["kept_limit"]) < s:
        return None
    by_chance = chance.wachter(most, few, SIZES[-1] - s).sum() if few > 0 else 0.0
    return Evidence(here["shared"].mean(), (s + by_chance) / (s + few), 0.02, spread=spread(here["shared"]))


def _shuffled(result: xr.Dataset) -> Evidence:
    each = (result["shuffled_square"] - result["shuffled_exact"]).mean("seed").values
    error = np.sqrt((result["shuffled_error"].values ** 2).sum(0)) / result.sizes["seed"]
    return Evidence(_standard_errors(each, error).max(), 4.5, relation="≤", unit="standard errors")


def _bias(result: xr.Dataset) -> Evidence:
    excess = result["real"].isel(images=0) - result["real"].isel(images=-1)
    return Evidence(excess.mean(), 0.1, 0, "≥", spread(excess))


CLAIMS = (
    Claim(
        "Independent layers: mean ρ² is the larger rank by n − 1, for any n (largest deviation).",
        "trace of a product of random projectors",
        _exact,
    ),
    Claim(
        "As many coefficients are 1 as the ranks exceed n − 1 (largest difference).", "dimensions of two spans", _forced
    ),
    Claim("The coefficients follow Wachter's law (largest difference but at the ends).", "K. Wachter 1980", _law),
    Claim("The largest coefficient lies where Johnstone puts it, just under the edge.", "I. Johnstone 2008", _edge),
    Claim(
        "Shared signals have ρ = 1; all other directions are as by chance among n − 1 − s dimensions (mean ρ², largest "
        "deviation).",
        "as above, in the complement of the signals",
        _noise,
    ),
    Claim(
        "After the cut by variance the signals count beside the noise directions that it kept (mean, most samples).",
        "derivation in the text",
        _cut,
    ),
    Claim(
        "With shuffled images two networks' layers are as independent ones: mean ρ² is the larger rank by n − 1 "
        "(largest deviation).",
        "exact for permutations; see the text",
        _shuffled,
    ),
    Claim("Two networks look more similar on 20 images than on all, by a tenth or more.", "the bias", _bias),
)

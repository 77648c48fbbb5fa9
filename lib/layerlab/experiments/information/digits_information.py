"""What real digits say of their class, and what happens to it: coarse-graining, scrambling, binning.

A few pixels of every image, each in 16 levels, are a variable X; the class is Y. The images in hand define a joint,
on which the processing inequality and the invariance under invertible maps are theorems and can be tested exactly.
Halving the levels again and again is a chain of layers, each a function of the one before. Scrambling the pixels, by
a permutation or by a random invertible matrix modulo 16, is invertible; binning after it is not, and sees something
else. Shuffled labels show how much of the information is that of a small sample. Source: the lecture on information
theory, "What do the layers represent?"
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from layerlab import lab
from layerlab.data import load
from layerlab.information import conditional_mutual_information, entropy, mutual_information
from layerlab.information.joints import joint_of_counts
from layerlab.lab import Claim, Evidence, choice, integer, spread, style

LEVELS = (16, 8, 4, 2, 1)
MAPS = ("none", "permuted", "mixed", "stretched")
NAMES = {"none": "as they are", "permuted": "permuted", "mixed": "mixed", "stretched": "stretched"}
GAIN = 6.0  # of the tanh that stretches
DPI = "the lecture, Data processing inequality and invariance"
TOLERANCE = {"decoder": (1e-6, 1e-6), "encoder": (1e-6, 1e-6)}  # a tanh may round to the other side of an edge


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """Data and pixels."""

    data: str = choice("digits", "data set", ("digits", "mnist", "fashion-mnist"))
    pixels: int = integer(4, "pixels", low=1, high=14, help="drawn for each seed from the livelier half of all")
    images: int = integer(1797, "images", low=100, high=60_000, log=True, help="at most; the first ones of a shuffle")
    seeds: int = integer(8, "repetitions", low=1, high=50, help="other pixels, other scramblings")


GRID = ({"pixels": (1, 2, 4, 8)}, {"data": ("mnist", "fashion-mnist"), "pixels": (4,), "images": (1797, 60_000)})


def work(config: Config) -> float:
    """Sorting of the images, for each map, level and seed."""
    return 1e7 + 400.0 * config.seeds * config.images * (10 + config.pixels)


def pool(config: Config) -> tuple[np.ndarray, np.ndarray, str, str]:
    """Images in [0, 1] and their classes, training and test together, in a fixed shuffled order."""
    data = load(config.data)
    x, y = np.concatenate([data.x_train, data.x_test]), np.concatenate([data.y_train, data.y_test])
    chosen = np.random.default_rng(0).permutation(len(x))[: config.images]
    return x[chosen], y[chosen], data.name, data.checksum


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Encoder and decoder information at every coarseness and after every map, of other pixels for each seed."""
    x, y, name, checksum = pool(config)
    lively = np.argsort(x.std(0))[x.shape[1] // 2 :]
    shape = (config.seeds, len(MAPS), len(LEVELS))
    encoder, decoder, shuffled = np.zeros(shape), np.zeros(shape), np.zeros(shape[::2])
    refined, gained = np.zeros(shape[0]), np.zeros(shape[0])
    for i, stream in enumerate(config.streams()):
        progress(i, config.seeds)
        rng = np.random.default_rng(stream)
        pixels = x[:, rng.choice(lively, config.pixels, replace=False)]
        mixed_labels = rng.permutation(y)
        for j, units in enumerate(scrambled(pixels, rng)):
            for k, levels in enumerate(LEVELS):
                code = coded(units, levels)
                joint = joint_of_counts(code, y)
                encoder[i, j, k], decoder[i, j, k] = entropy(joint.sum(1)), mutual_information(joint)
                if j == 0:
                    shuffled[i, k] = mutual_information(joint_of_counts(code, mixed_labels))
        fine, coarse = (coded(quantised(pixels[:, :2]), levels) for levels in (8, 2))
        refined[i] = refinement(fine, coarse, y)
        gained[i] = mutual_information(joint_of_counts(fine, y)) - mutual_information(joint_of_counts(coarse, y))
    progress(1, 1)
    of_runs = ("seed", "map", "levels")
    return xr.Dataset(
        {
            "encoder": (of_runs, encoder, {"long_name": "encoder information I(X;T) = H(T)", "units": "bits"}),
            "decoder": (of_runs, decoder, {"long_name": "decoder information I(T;Y)", "units": "bits"}),
            "shuffled": (("seed", "levels"), shuffled,
                         {"long_name": "decoder information, labels shuffled", "units": "bits"}),
            "refined": ("seed", refined, {"long_name": "I(T8;Y|T2) of two pixels", "units": "bits"}),
            "gained": ("seed", gained, {"long_name": "I(T8;Y) - I(T2;Y) of two pixels", "units": "bits"}),
        },
        coords={"map": ("map", list(MAPS)), "levels": ("levels", list(LEVELS), {"long_name": "levels of a unit"})},
        attrs={"data_checksums": {name: checksum}, "class_entropy": entropy(np.bincount(y) / len(y)),
               "used": len(y)},
    )  # fmt: skip


def quantised(pixels: np.ndarray) -> np.ndarray:
    """Levels 0 to 15 of pixels in [0, 1]."""
    return np.minimum((pixels * 16).astype(np.int64), 15)


def scrambled(pixels: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """The pixels in 16 levels: as they are, permuted, mixed modulo 16, and as seen by 16 bins after a tanh."""
    levels = quantised(pixels)
    stretched = (np.tanh(GAIN * (pixels.astype(float) - 0.5)) / np.tanh(GAIN / 2) + 1) / 2
    mixed = levels @ invertible(levels.shape[1], rng) % 16
    return [levels, levels[:, rng.permutation(levels.shape[1])], mixed, quantised(stretched)]


def invertible(n: int, rng: np.random.Generator) -> np.ndarray:
    """A random n x n matrix with an inverse modulo 16: triangular ones with odd diagonals, its rows permuted."""
    lower = np.tril(rng.integers(16, size=(n, n)), -1) + np.eye(n, dtype=np.int64)
    upper = np.triu(rng.integers(16, size=(n, n)), 1) + np.diag(2 * rng.integers(8, size=n) + 1)
    return (lower @ upper % 16)[rng.permutation(n)]


def coded(units: np.ndarray, levels: int) -> np.ndarray:
    """One whole number for each row, told apart at that many levels of each unit (a divisor of 16)."""
    return (units // (16 // levels)) @ (levels ** np.arange(units.shape[1]))


def refinement(fine: np.ndarray, coarse: np.ndarray, y: np.ndarray) -> float:
    """I(fine;Y|coarse): what the finer code adds, from the joint of all three."""
    pairs = joint_of_counts(fine, y)
    rows = np.unique(fine, return_inverse=True)[1]
    of_row = np.zeros(len(pairs), dtype=np.int64)
    of_row[rows] = np.unique(coarse, return_inverse=True)[1]
    p = np.zeros((*pairs.shape, of_row.max() + 1))
    p[np.arange(len(pairs)), :, of_row] = pairs
    return float(conditional_mutual_information(p))


def plot(result: xr.Dataset) -> Figure:
    """Encoder against decoder information on the left; what binning sees after invertible maps on the right."""
    fig, (left, right) = style.figure(1, 2, height=3.8)
    blue, *_ = colours = list(style.COLOURS.values())
    plain = result.sel(map="none")
    left.errorbar(plain["encoder"].mean("seed"), plain["decoder"].mean("seed"), plain["decoder"].std("seed", ddof=0),
                  color=blue, marker="o", linestyle="-", elinewidth=0.8, label="true labels")  # fmt: skip
    left.plot(plain["encoder"].mean("seed"), result["shuffled"].mean("seed"), "--s", color=style.MUTED,
              linewidth=1.5, label="shuffled labels")  # fmt: skip
    for levels in LEVELS[:-1]:
        at = plain.sel(levels=levels).mean("seed")
        left.annotate(f"{levels}", (float(at["encoder"]), float(at["decoder"])), (-5, 7), textcoords="offset points",
                      ha="right", fontsize=9)  # fmt: skip
    left.axhline(result.attrs["class_entropy"], color=style.MUTED, linestyle=":", linewidth=1.2, label="H(Y)")
    left.set(xlabel="I(X;T), bits", ylabel="I(T;Y), bits", title=_title(result), ylim=(-0.1, 4.4))
    left.legend(loc="upper left")
    for j, name in enumerate(MAPS):
        values = result["decoder"].sel(map=name)
        right.plot(values["levels"], values.mean("seed"), marker=style.MARKERS[j], color=colours[j],
                   linestyle=style.DASHES[j], linewidth=1.6, label=NAMES[name])  # fmt: skip
    right.set_xscale("log", base=2)
    right.set_xticks(LEVELS[::-1], [str(n) for n in LEVELS[::-1]])
    right.set(xlabel="levels of a unit", ylabel="I(T;Y), bits", title="Scrambled, then binned", ylim=(-0.1, 4.4))
    right.legend(loc="upper left")
    return fig


def _title(result: xr.Dataset) -> str:
    return f"{result.attrs['pixels']} pixel{'s' * (result.attrs['pixels'] > 1)} of {result.attrs['data']}"


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    at = result.mean("seed")
    plain, mixed = at["decoder"].sel(map="none"), at["decoder"].sel(map="mixed")
    return (
        f"Decoder against encoder information of {_title(result)}, as their levels go from 16 to 1: "
        f"{float(plain[0]):.2f} bits about the class at {float(at['encoder'].sel(map='none')[0]):.2f} bits about the "
        f"image, {float(plain[3]):.2f} at two levels, 0 at one; shuffled labels leave "
        f"{float(at['shuffled'][0]):.2f} at 16. Beside it the same after invertible maps: with 16 levels mixing "
        f"changes nothing ({float(mixed[0]):.2f} bits), with two bins for each unit {float(mixed[3]):.2f} are seen."
    )


def _processing(result: xr.Dataset) -> Evidence:
    change = result["decoder"].diff("levels")  # from finer to coarser
    return Evidence(change.max(), 0, 1e-9, relation="≤", spread=spread(change.max(["map", "levels"])), unit="bits")


def _invariant(result: xr.Dataset) -> Evidence:
    whole = result["decoder"].sel(levels=16)
    off = abs(whole.sel(map=["permuted", "mixed"]) - whole.sel(map="none")).max("map")
    return Evidence(off.max(), 0, 1e-9, spread=spread(off), unit="bits")


def _binned(result: xr.Dataset) -> Evidence:
    two = result["decoder"].sel(levels=2)
    off = abs(two.sel(map=["mixed", "stretched"]) - two.sel(map="none")).max("map")
    return Evidence(off.mean(), 0, 0.01, spread=spread(off), unit="bits")


def _refined(result: xr.Dataset) -> Evidence:
    off = abs(result["refined"] - result["gained"])
    least = float(result["refined"].min())
    return Evidence(off.max() if least >= 0 else np.nan, 0, 1e-9, spread=spread(result["refined"]), unit="bits")


def _sample(result: xr.Dataset) -> Evidence:
    shuffled = result["shuffled"].sel(levels=16)
    return Evidence(shuffled.mean(), 0, 0.01, spread=spread(shuffled), unit="bits")


CLAIMS = (
    Claim("Processing loses information: I(T;Y) never rises when levels are merged (largest rise).", DPI, _processing),
    Claim(
        "Scrambled neurons change nothing: I(T;Y) of all 16 levels is invariant under permuting and mixing the units.",
        DPI + "; Individual neurons can be easily scrambled",
        _invariant,
    ),
    Claim(
        "Layers refine each other: the information of the finer code is that of the coarser one and what it adds, "
        "I(T8;Y) = I(T2;Y) + I(T8;Y|T2).",
        "chain rule, Cover & Thomas 2006, theorem 2.5.2; the lecture, Successive refinement",
        _refined,
    ),
    Claim(
        "Invariance holds for what is measured: two bins for each unit see the same before and after invertible maps.",
        "the lecture's invariance, read for binned estimates",
        _binned,
        disputed="The map is invertible, its composition with the bins is not. The lecture says so itself: such "
        "estimates are not robust to arbitrary invertible transformations.",
    ),
    Claim(
        "Labels that have been shuffled share no information with the pixels (16 levels, within 0.01 bits).",
        "true of independent variables; here of a joint counted from a sample",
        _sample,
        disputed="The joint of a sample is not that of its source: codes seen once tell their label for certain.",
    ),
)  # fmt: skip

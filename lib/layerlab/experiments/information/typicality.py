"""Concentration of -(1/n) log2 p(x_1, ..., x_n): for sources whose law is known, and for patches of images.

Where the law is known the surprise of a sequence is exact. Images have no known law: there a model is fitted to one
half of the images, each pixel given four of its neighbours, and -log2 q is measured on the other half, for patches of
growing size.

Source: C. E. Shannon 1948; B. McMillan 1953; T. M. Cover, J. A. Thomas 2006, chapters 3 and 16.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from layerlab import lab
from layerlab.data import Dataset, load
from layerlab.information import chain_surprisal, draw_chain, entropy, varentropy
from layerlab.lab import Claim, Evidence, choice, integer, real, spread, style

IMAGES = ("digits", "mnist", "fashion-mnist")
LENGTHS = 2 ** np.arange(11)
SIDES = {8: (1, 2, 3, 4, 5, 6, 7, 8), 28: (1, 2, 3, 4, 6, 8, 11, 16, 22, 28)}
ROWS = 4_000  # images of a large data set
SEQUENCES = 1_500
OTHER = 0.4  # the second coin of the mixture
NEAR = 0.1  # bits per symbol: how near the mean counts as typical
TOLERANCE = {"typical": (1e-3, 2e-3)}  # a sequence at the edge


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """The source."""

    source: str = choice("product", "source", ("product", "chain", "mixture", *IMAGES),
                         help="mixture: one of two coins, tossed n times")  # fmt: skip
    p: float = real(0.1, "chance of a one", low=0.01, high=0.5, help="chain: of a change; images: not used")
    seeds: int = integer(8, "repetitions", low=2, high=100)


GRID = ({"source": ("product", "chain", "mixture"), "p": (0.02, 0.1)}, {"source": IMAGES})


def work(config: Config) -> float:
    """Symbols drawn, or pixels looked at."""
    if config.source in IMAGES:
        return config.seeds * (1e8 if config.source == "digits" else 2e9)
    return config.seeds * SEQUENCES * 2e4


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Measure the surprise of many sequences, or patches, of every length."""
    data = _images(config.source) if config.source in IMAGES else None
    rows: dict[str, list] = {"rate": [], "spread": [], "typical": [], "apart": []}
    for i, stream in enumerate(config.streams()):
        progress(i, config.seeds, f"repetition {i + 1} of {config.seeds}")
        rng = np.random.default_rng(stream)
        n, bits, apart = _sequences(config, rng) if data is None else patches(data, rng)
        rate = bits / n
        rows["rate"].append(rate.mean(0))
        rows["spread"].append(rate.std(0, ddof=1))
        rows["typical"].append((abs(rate - rate.mean(0)) <= NEAR).mean(0))
        rows["apart"].append(apart)
    progress(config.seeds, config.seeds)
    dims, per = ("seed", "n"), {"units": "bits per symbol"}
    mean, width = _theory(config, n)
    result = xr.Dataset(
        {
            "rate": (dims, rows["rate"], per | {"long_name": "mean of −log2 p / n"}),
            "spread": (dims, rows["spread"], per | {"long_name": "standard deviation of −log2 p / n"}),
            "typical": (dims, rows["typical"], {"long_name": f"share within {NEAR} bits per symbol of the mean"}),
            "apart": (dims, rows["apart"], per | {"long_name": "the same, if symbols surprised independently"}),
            "rate_theory": ("n", mean, per | {"long_name": "H(X_1, ..., X_n) / n"}),
            "spread_theory": ("n", width, per | {"long_name": "standard deviation in theory"}),
        },
        coords={"n": ("n", n, {"long_name": "symbols n"})},
    )
    if data is not None:
        result.attrs["data_checksums"] = {data.name: data.checksum}
    return result


def _images(name: str) -> Dataset:
    dataset = load(name)
    return dataset.take(ROWS) if len(dataset.x_train) > ROWS else dataset


def _sequences(config: Config, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n, (sequences, n) bits of surprise, spread if symbols surprised independently)."""
    last, p = int(LENGTHS[-1]), config.p
    chain = np.array([[1 - p, p], [p, 1 - p]]) if config.source == "chain" else coin(p)
    if config.source != "mixture":
        bits = chain_surprisal(draw_chain(chain, last, SEQUENCES, rng), chain)
    else:
        second = rng.random(SEQUENCES) < 0.5
        drawn = [draw_chain(coin(q), last, SEQUENCES, rng) for q in (p, OTHER)]
        states = np.where(second[:, None], drawn[1], drawn[0])
        each = [chain_surprisal(states, coin(q)) for q in (p, OTHER)]
        bits = 1 - np.logaddexp2(-each[0], -each[1])
    steps = np.diff(bits, axis=1, prepend=0)
    apart = np.sqrt(np.cumsum(steps.var(0, ddof=1)))[LENGTHS - 1] / LENGTHS
    return LENGTHS, bits[:, LENGTHS - 1], apart


def coin(p: float) -> np.ndarray:
    """A product source of bits, as a chain whose rows are alike."""
    return np.array([[1 - p, p], [1 - p, p]])


def patches(data: Dataset, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The surprise of one random patch of each size from each image of one half, under a model of the other half."""
    images = (data.x_train.reshape(-1, *data.shape) > 0.5).astype(np.int64)
    images = images[rng.permutation(len(images))]
    sides = SIDES[data.shape[0]]
    bits, apart = [], []
    for side in sides:
        cut = _cut(images, side, rng)
        codes = contexts(cut)
        half = len(cut) // 2
        counts = np.bincount((2 * codes[:half] + cut[:half]).ravel(), minlength=162).reshape(81, 2) + 0.5
        surprise = -np.log2(counts / counts.sum(1, keepdims=True))[codes[half:], cut[half:]]
        bits.append(surprise.sum((1, 2)))
        apart.append(np.sqrt(surprise.var(0, ddof=1).sum()) / side**2)
    return np.array(sides) ** 2, np.stack(bits, 1), np.array(apart)


def _cut(images: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """(images, side, side): one patch of each, at a random place."""
    room = images.shape[1] - side + 1
    top, left = rng.integers(0, room, (2, len(images)))
    rows, columns = top[:, None] + np.arange(side), left[:, None] + np.arange(side)
    return images[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]]


def contexts(patch: np.ndarray) -> np.ndarray:
    """0 ... 80 for each pixel of (images, side, side) bits: its neighbours left, above left, above and above right.

    Each is 0, 1, or 2 for one outside of the patch, so that the chain rule gives a probability to the whole patch.
    """
    side = patch.shape[1]
    framed = np.full((len(patch), side + 1, side + 2), 2)
    framed[:, 1:, 1:-1] = patch
    code = np.zeros_like(patch)
    for row, column in ((1, 0), (0, 0), (0, 1), (0, 2)):
        code = 3 * code + framed[:, row : row + side, column : column + side]
    return code


def _theory(config: Config, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of -log2 p / n where they are known (the mixture: in the limit); else NaN."""
    p = config.p
    h, v = float(entropy([p, 1 - p])), float(varentropy([p, 1 - p]))
    if config.source == "product":
        return np.full(len(n), h), np.sqrt(v / n)
    if config.source == "chain":
        return (1 + (n - 1) * h) / n, np.sqrt((n - 1) * v) / n
    if config.source == "mixture":
        other, width = float(entropy([OTHER, 1 - OTHER])), float(varentropy([OTHER, 1 - OTHER]))
        return np.full(len(n), np.nan), np.sqrt((other - h) ** 2 / 4 + (v + width) / 2 / n)
    return np.full(len(n), np.nan), np.full(len(n), np.nan)


def plot(result: xr.Dataset) -> Figure:
    """The rate with its spread on the left, the spread alone on the right."""
    fig, (left, right) = style.figure(1, 2, height=3.8)
    n, mean, width = result["n"].values, result["rate"].mean("seed"), result["spread"].mean("seed")
    blue, red = style.COLOURS["blue"], style.COLOURS["vermillion"]
    left.fill_between(n, mean - width, mean + width, color=blue, alpha=0.25)
    left.plot(n, mean, "o-", color=blue, markersize=4)
    left.plot(n, result["rate_theory"], "--", color=red)
    left.set(xscale="log", xlabel="symbols n", ylabel="−log₂ p / n (bits)", ylim=(0, None), title=_title(result))
    right.plot(n, width.where(width > 0), "o-", color=blue, markersize=4, label="measured (left: mean ± spread)")
    theory = result["spread_theory"]
    if bool(theory.notnull().any()):
        right.plot(n, theory.where(theory > 0), "--", color=red, label="theory")
    apart = result["apart"].mean("seed")
    right.plot(n, apart.where(apart > 0), ":", color=style.MUTED, label="if symbols surprised independently")
    right.set(xscale="log", yscale="log", xlabel="symbols n", ylabel="spread of −log₂ p / n", title="Spread")
    fig.legend(loc="outside lower center", ncols=3 if fig.get_figwidth() > 5 else 1)
    if fig.get_figwidth() < 5:
        fig.set_figheight(7)
    return fig


def _title(result: xr.Dataset) -> str:
    source = result.attrs["source"]
    return source if source in IMAGES else f"{source}, p = {result.attrs['p']:g}"


def slope(result: xr.Dataset) -> xr.DataArray:
    """(seed,) of log spread against log n, over the longer half of the sizes."""
    part = result["spread"].isel(n=slice(result.sizes["n"] // 2, None)).transpose("n", "seed")
    return xr.DataArray(np.polyfit(np.log(part["n"].values), np.log(part.values), 1)[0], dims="seed")


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    end = result.isel(n=-1).mean("seed")
    n = int(result["n"][-1])
    return (
        f"Surprise per symbol, −log2 p / n, of {_title(result)}, against n. With {n} symbols it is "
        f"{float(end['rate']):.3f} bits with a standard deviation of {float(end['spread']):.3f} from one sequence to "
        f"the next, which falls like n to the power {float(slope(result).mean()):.2f}. Within {NEAR} bits of the mean "
        f"lie {float(end['typical']):.0%} of the sequences."
    )


def _mean(result: xr.Dataset) -> Evidence | None:
    at = result.isel(n=-1)
    if not np.isfinite(at["rate_theory"]):
        return None
    error = float(at["spread"].mean()) / np.sqrt(SEQUENCES * result.sizes["seed"])
    return Evidence(at["rate"].mean(), at["rate_theory"], 4 * error, spread=spread(at["rate"]), unit="bits")


def _spread(result: xr.Dataset) -> Evidence | None:
    at = result.isel(n=-1)
    if not np.isfinite(at["spread_theory"]):
        return None
    quotient = at["spread"] / at["spread_theory"]
    return Evidence(quotient.mean(), 1, 4 / np.sqrt(2 * SEQUENCES * result.sizes["seed"]) + 0.01,
                    spread=spread(quotient))  # fmt: skip


def _slope(result: xr.Dataset) -> Evidence:
    values = slope(result)
    return Evidence(values.mean(), -0.5, 0.05, "≤", spread(values))


def _typical(result: xr.Dataset) -> Evidence:
    share = result["typical"].isel(n=-1)
    return Evidence(share.mean(), 0.95, relation="≥", spread=spread(share))


def _one_probability(result: xr.Dataset) -> Evidence:
    bits = result["spread"].isel(n=-1) * int(result["n"][-1])
    return Evidence(bits.mean(), 1, relation="≤", spread=spread(bits), unit="bits")


SLIDE = "lecture on information, the typicality slide"
CLAIMS = (
    Claim("The mean of −log2 p / n is the entropy per symbol (longest n).", "definition; four standard errors", _mean),
    Claim(
        "Its spread is √(varentropy/n) for a product source, and tends to half the difference of the entropies for a "
        "mixture of two coins (the quotient, longest n).",
        "this section; tolerance: four standard errors, and 1 %",
        _spread,
    ),
    Claim(
        "The surprise per symbol concentrates: its spread falls at least as fast as 1/√n (the power).",
        SLIDE + ', "it includes images, speech & text"; tolerance: 0.05',
        _slope,
        disputed="So it does for product sources and chains and, under our model, for patches of handwritten digits. "
        "Not for clothes, where all pixels of an image share its texture, and never for a mixture of two coins: its "
        "limit is each sequence's own.",
    ),
    Claim(
        "Almost all patterns are typical: 95 % lie within 0.1 bits per symbol of the mean (longest n).",
        SLIDE,
        _typical,
        disputed="Not those of the mixture, at any n: there are two typical sets. Not images of clothes, and not yet "
        "digits of 64 pixels.",
    ),
    Claim(
        "p(x) ≃ 2^(−nH): the surprises of typical patterns agree to within a bit (their spread, longest n).",
        SLIDE + ", the formula as it stands",
        _one_probability,
        disputed="Only the exponent per symbol agrees. The surprise itself spreads over √n bits and more, so that the "
        "probabilities of typical patterns differ by many powers of two.",
    ),
)

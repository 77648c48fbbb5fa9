"""The mean of n coin tosses (a small experiment for the tests of the page).

Source: nobody needs one.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from layerlab import lab
from layerlab.lab import Claim, Evidence, choice, integer, style


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """Number of tosses and the kind of coin."""

    n: int = integer(100, "tosses n", low=1, high=10_000, log=True)
    coin: str = choice("fair", "coin", ("fair", "bent"))
    seeds: int = integer(3, "repetitions", low=1, high=100)


GRID = ({"n": (10, 100, 1000), "coin": ("fair",)}, {"n": (10, 100), "coin": ("bent",)})


def work(config):
    """Tosses."""
    return config.n * config.seeds


def run(config, device, progress):
    """Toss, seed by seed."""
    p = 0.5 if config.coin == "fair" else 0.7
    tosses = [np.random.default_rng(stream).random(config.n) < p for stream in config.streams()]
    progress(1, 1)
    mean = [np.cumsum(toss) / np.arange(1, config.n + 1) for toss in tosses]
    return xr.Dataset({"mean": (("seed", "toss"), mean, {"long_name": "mean so far"})}, {"toss": range(config.n)})


def plot(result):
    """The mean as the tosses go on."""
    fig, axes = style.figure()
    axes.plot(result["toss"], result["mean"].T)
    axes.set(xlabel="toss", ylabel="mean so far", title=f"{result.attrs['coin']} coin", ylim=(0, 1))
    return fig


def describe(result):
    """The last mean."""
    return f"The mean of {result.attrs['n']} tosses of a {result.attrs['coin']} coin: {_last(result).mean():.3f}."


def _last(result):
    return result["mean"].isel(toss=-1)


def _half(result):
    n = result.attrs["n"] * result.attrs["seeds"]
    return Evidence(_last(result).mean(), 0.5, 4 * 0.5 / n**0.5, spread=_last(result).std("seed", ddof=1))


def _bent(result):
    return None if result.attrs["coin"] == "fair" else Evidence(_last(result).mean(), 0.5, relation="≥")


CLAIMS = (
    Claim("The mean is one half.", "the nature of coins", _half, disputed="a <bent> coin has another mean"),
    Claim("A bent coin shows heads more often.", "the bend", _bent),
)

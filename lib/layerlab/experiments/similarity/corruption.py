"""How random labels slow training down, and what they cost on new images.

A share of the training labels is drawn anew, uniformly over the classes. Networks are trained until they fit them. What
they make of new images is held against three classifiers for which the answer is known in closed form: one that ignores
all noise, the nearest neighbour, who believes all of it, and chance.

Sources: C. Zhang et al. 2017, section 2 and figure 1; lecture on understanding networks, "generalization v.s.
memorization".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from scipy.stats import entropy
from sklearn.neighbors import KNeighborsClassifier

from layerlab import lab
from layerlab.experiments.similarity._cost import training_work
from layerlab.experiments.similarity._groups import Group
from layerlab.experiments.similarity._labels import Settings, labelled
from layerlab.lab import Claim, Evidence, spread, style

ZHANG = "C. Zhang et al. 2017"
CORRUPTIONS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
FIT = 0.95  # of the labels given


@dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """The networks, and how long they have for labels that make no sense."""


GRID = (
    {"architecture": ("dense",)},
    {"data": ("digits", "fashion-mnist"), "architecture": ("conv",), "epochs": (60,)},
    {"data": ("mnist",), "rows": (1_000,)},
)
# trainings in single precision differ between machines; now and then one leaps at another epoch
TOLERANCE = {
    "loss": (0.3, 0.1, 0.02), "accuracy": (0, 0.08, 0.02), "error": (0, 0.08, 0.01), "fit": (0.15, 1, 0.25),
    "neighbour": (0, 0.005),
}  # fmt: skip


def work(config: Config) -> float:
    """The six trainings."""
    return 1e6 + 6 * training_work(config.data, config.architecture, config.rows, config.epochs, config.seeds)


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """Train a group for each share of corrupted labels."""
    groups = [labelled(config, share, True, device, _part(progress, i, share)) for i, share in enumerate(CORRUPTIONS)]
    progress(1, 1)
    data, curve = groups[0].data, groups[0].curve
    where = ("corruption", "epoch", "seed")
    over = ("corruption", "seed")
    return xr.Dataset(
        {
            "loss": (where, _each(groups, "loss_train"), {"long_name": "training loss", "units": "nats"}),
            "accuracy": (where, _each(groups, "accuracy_train"), {"long_name": "accuracy on the labels given"}),
            "error": (where, 1 - _each(groups, "accuracy_test"), {"long_name": "test error"}),
            "fit": (
                over, [fit_epoch(curve, each.accuracy_train) for each in groups],
                {"long_name": f"epochs until {FIT:.0%} of the labels are fitted", "units": "epochs"},
            ),
            "neighbour": (
                over, [neighbour_error(each) for each in groups], {"long_name": "test error of the nearest neighbour"},
            ),
        },
        coords={
            "corruption": ("corruption", list(CORRUPTIONS), {"long_name": "share of labels drawn anew"}),
            "epoch": ("epoch", curve, {"long_name": "epoch"}),
        },
        attrs={
            "data_checksums": {config.data: data.checksum},
            "classes": data.classes,
            "images_trained": len(data.x_train),
            "images_tested": len(data.x_test),
            "source": data.source,
        },
    )  # fmt: skip


def _part(progress: lab.Progress, i: int, share: float) -> Callable[[float, float, str], object]:
    count = len(CORRUPTIONS)
    return lambda done, total, note: progress((i + done / total) / count, 1, f"{share:.0%} corrupted, {note}")


def _each(groups: list[Group], name: str) -> np.ndarray:
    return np.stack([getattr(group, name) for group in groups]).astype(np.float32)


def fit_epoch(curve: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    """(N,) when each network first fits FIT of its labels, (T,) moments and (T, N) accuracies given; NaN where never.

    Between two moments the accuracy is taken as linear in log(1 + epoch).
    """
    found = np.full(accuracy.shape[1], np.nan)
    for network, course in enumerate(accuracy.T):
        after = np.flatnonzero(course >= FIT)
        if len(after):
            i = max(after[0], 1)
            share = np.clip((FIT - course[i - 1]) / max(course[i] - course[i - 1], 1e-12), 0, 1)
            start, end = np.log1p(curve[i - 1]), np.log1p(curve[i])
            found[network] = np.expm1(start + share * (end - start))
    return found


def neighbour_error(group: Group) -> np.ndarray:
    """(N,) the test error of whoever gives each image the label of the training image nearest to it."""
    data = group.data
    nearest = KNeighborsClassifier(1).fit(data.x_train, data.y_train).kneighbors(data.x_test, return_distance=False)
    return (group.labels[:, nearest[:, 0]] != data.y_test).mean(1)


def ignoring(corruption: Any, classes: int) -> Any:
    """1 - c (1 - 1/C): the accuracy on the labels given of a classifier that knows the truth and ignores the noise."""
    return 1 - corruption * (1 - 1 / classes)


def believing(corruption: Any, classes: int, error: float) -> Any:
    """The expected test error of the nearest neighbour whose error with true labels is `error`.

    A neighbour of the right class carries the right label with probability 1 - c + c/C, one of another with c/C.
    """
    return 1 - (1 - error) * ignoring(corruption, classes) - error * corruption / classes


def floor(corruption: float, classes: int) -> float:
    """The lowest expected training loss, in nats, of a classifier that ignores the noise.

    It is the entropy of a label given the truth: the right one with probability `ignoring`, else any other alike.
    """
    right = float(ignoring(corruption, classes))
    return float(entropy([right, *[(1 - right) / (classes - 1)] * (classes - 1)]))


def below_floor(result: xr.Dataset) -> xr.DataArray:
    """The first recorded epoch at which each network's training loss is below the floor, (corruption, seed)."""
    floors = xr.DataArray([floor(share, result.attrs["classes"]) for share in CORRUPTIONS], dims="corruption")
    under = result["loss"] < floors
    return result["epoch"].isel(epoch=under.argmax("epoch")).where(under.any("epoch"))


def lowest(result: xr.Dataset) -> xr.DataArray:
    """The recorded epoch at which each network's test error is lowest, (corruption, seed)."""
    return result["epoch"].isel(epoch=result["error"].argmin("epoch"))


def plot(result: xr.Dataset) -> Figure:
    """Learning curves above, what they come to below: slowdown, and test error beside what is known."""
    fig, ((losses, errors), (slower, final)) = style.figure(2, 2, height=6.2)
    shades = mpl.colormaps["cividis"](np.linspace(0.28, 0.9, len(CORRUPTIONS)))
    for share, shade in zip(CORRUPTIONS, shades, strict=True):
        here = result.sel(corruption=share)
        for axes, name in ((losses, "loss"), (errors, "error")):
            axes.plot(here["epoch"], here[name].mean("seed"), color=shade, linestyle="-", label=f"{share:.0%}")
            axes.fill_between(here["epoch"], here[name].min("seed"), here[name].max("seed"), color=shade, alpha=0.15)
    ticks = [t for t in (0, 1, 3, 10, 30, 100, 300) if t <= result["epoch"][-1]]
    for axes, ylabel, title in ((losses, "loss [nats]", "training loss"), (errors, "test error", "new images")):
        axes.set_xscale("symlog", linthresh=1)
        axes.set_xticks(ticks, [str(t) for t in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set(xlabel="epoch", ylabel=ylabel, ylim=(0, None), title=title)
    at = 100 * result["corruption"].values
    slow = slowdown(result)
    _band(slower, at, slow, "blue", "o", "")
    slower.axhspan(1.5, 3.5, color=style.MUTED, alpha=0.25)
    slower.set(xlabel="labels corrupted [%]", ylabel="relative to true labels", ylim=(0, None))
    slower.set_title(f"epochs until {FIT:.0%} is fitted")
    _errors(final, result, at)
    fig.legend(*losses.get_legend_handles_labels(), title="labels corrupted", loc="outside lower center", ncols=3,
               handlelength=1.6)  # fmt: skip
    return fig


def _errors(axes: Any, result: xr.Dataset, at: np.ndarray) -> None:
    fine, classes = np.linspace(0, 1, 101), result.attrs["classes"]
    known = believing(fine, classes, float(result["neighbour"][0].mean()))
    axes.plot(100 * fine, known, color=style.MUTED, linestyle=":", label="nearest neighbour")
    axes.plot(at, result["neighbour"].mean("seed"), color=style.MUTED, marker="x", linestyle="")
    _band(axes, at, result["error"].isel(epoch=-1), "vermillion", "s", "at the end")
    _band(axes, at, result["error"].min("epoch"), "green", "^", "lowest on the way")
    axes.set(xlabel="labels corrupted [%]", ylabel="test error", ylim=(0, 1.45), title="error on new images")
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.legend(loc="upper left")


def _band(axes: Any, at: np.ndarray, values: xr.DataArray, colour: str, marker: str, label: str) -> None:
    shade = style.COLOURS[colour]
    axes.plot(at, values.mean("seed"), color=shade, marker=marker, linestyle="-", label=label)
    axes.fill_between(at, values.min("seed"), values.max("seed"), color=shade, alpha=0.18)


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    slow, end, best = slowdown(result), result["error"].isel(epoch=-1), result["error"].min("epoch")
    rows = zip(CORRUPTIONS, *(each.mean("seed", skipna=False).values for each in (slow, end, best)), strict=True)
    said = "; ".join(
        f"{share:.0%}: {f'{times:.1f} times' if np.isfinite(times) else 'not in all'}, {last:.2f} and {low:.2f}"
        for share, times, last, low in rows
    )
    return (
        f"{result.sizes['seed']} {result.attrs['architecture']} networks on {result.attrs['images_trained']} images of "
        f"{result.attrs['data']}. For each share of labels drawn anew: epochs until {FIT:.0%} are fitted relative to "
        f"true labels, test error at the end and lowest on the way. {said}."
    )


def slowdown(result: xr.Dataset) -> xr.DataArray:
    """How many times as long each network takes to fit as the one of its number on true labels, (corruption, seed)."""
    return result["fit"] / result["fit"].sel(corruption=0)


def _fits(result: xr.Dataset) -> Evidence:
    best = result["accuracy"].max("epoch").min("corruption")
    return Evidence(best.min(), FIT, 0, "≥", spread(best))


def _slower(result: xr.Dataset) -> Evidence | None:
    fit = result["fit"].mean("seed", skipna=False)
    if not fit.notnull().all():
        return None
    return Evidence(fit.diff("corruption").min(), 0, 0, "≥", unit="epochs")


def _by_little(result: xr.Dataset) -> Evidence | None:
    slow = slowdown(result).sel(corruption=1)
    if not slow.notnull().all():
        return None
    return Evidence(slow.mean(), 3.5, 0, "≤", spread(slow))


def _grows(result: xr.Dataset) -> Evidence:
    end = result["error"].isel(epoch=-1).mean("seed")
    return Evidence(end.diff("corruption").min(), 0, 0, "≥")


def _neighbours(result: xr.Dataset) -> Evidence:
    measured = result["neighbour"].mean("seed")
    expected = believing(result["corruption"], result.attrs["classes"], float(measured[0]))
    return Evidence(abs(measured - expected).max(), 0, 0.05, "≤")


def _below(result: xr.Dataset) -> Evidence:
    better = (result["neighbour"] - result["error"].isel(epoch=-1)).sel(corruption=[0.2, 0.4, 0.6]).mean("corruption")
    return Evidence(better.mean(), 0, 0, "≥", spread(better))


def _noise_last(result: xr.Dataset) -> Evidence:
    here = result["error"].sel(corruption=0.4)
    lost = here.isel(epoch=-1) - here.min("epoch")
    return Evidence(lost.mean(), 0.05, 0, "≥", spread(lost))


CLAIMS = (
    Claim(
        "Networks fit any labels: the highest accuracy on the labels given that a network reaches, of the "
        "network that reaches least.",
        ZHANG,
        _fits,
    ),
    Claim(
        "The more labels are corrupted, the longer it takes to fit them (least step from one share to the next).",
        ZHANG,
        _slower,
    ),
    Claim(
        "Random labels take at most 3.5 times as many steps as true ones.",
        "as it is quoted of " + ZHANG + ", figure 1",
        _by_little,
        disputed="how much slower depends on how easy the true labels are",
    ),
    Claim(
        "The more labels are corrupted, the larger the test error at the end (least step from one share to the next).",
        ZHANG,
        _grows,
    ),
    Claim(
        "The nearest neighbour errs as often as its closed form says (largest deviation of the mean).",
        "derived in the section",
        _neighbours,
    ),
    Claim(
        "Networks that have fitted the noise err less than the nearest neighbour, who has as well (20, 40 and 60 % "
        "corrupted, mean).",
        "observation",
        _below,
    ),
    Claim(
        "Noise is learnt last: with 40 % of the labels corrupted, the test error rises by a twentieth or more between "
        "its lowest point and the end.",
        "D. Arpit et al. 2017",
        _noise_last,
    ),
)

"""The information curve: what can be known of Y for what is kept of X, and the clusters that appear along it.

The bottleneck solved at many betas on a small joint, a fresh one for each seed: a tree (halves of quarters), a ring
(neighbours alike), or a random one. With I(X;T) across and I(T;Y) upward the curve has slope 1/beta.

Sources: Tishby, Pereira & Bialek 1999, section 3; lecture on representations, "Rate Distortion Curve".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from layerlab import lab
from layerlab.experiments.information._bottleneck_joints import KINDS, joint
from layerlab.information import Bottleneck, information_bottleneck, mutual_information
from layerlab.lab import Claim, Evidence, choice, integer, spread, style

SOURCE = "Tishby, Pereira & Bialek 1999, section 3"
BETAS = np.geomspace(1, 300, 64)
ERROR = 1e-6  # bits, times beta: what residuals of 1e-8 leave in a loss
TOGETHER = 0.5  # two x are together where their encoders share at least so much of their mass


@dataclass(frozen=True, kw_only=True)
class Config(lab.Config):
    """Which joint."""

    joint: str = choice("tree", "joint", KINDS)
    size: int = integer(16, "values of X", low=4, high=64, log=True)


GRID = {"joint": KINDS, "size": (8, 16, 24)}
TOLERANCE = {
    "i_xt": (1e-3, 1e-3),
    "i_ty": (1e-3, 1e-3),
    "loss": (1e-5, 1e-5),
    "clusters": (0.0, 1.0),
    "parted": (0.0, 0.1),
}


def work(config: Config) -> float:
    """Sequential betas, and a batch that grows with the square of X."""
    return config.seeds * (30 + config.size**2 / 30)


def run(config: Config, device: str, progress: lab.Progress) -> xr.Dataset:
    """The curve of each seed's joint, annealed."""
    rows: dict[str, list] = {}
    for i, stream in enumerate(config.streams()):
        p = joint(config.joint, config.size, stream)
        progress(i, config.seeds, f"seed {i + 1} of {config.seeds}")
        found = information_bottleneck(p, BETAS, device=device)
        values = {
            "i_xt": found.i_xt,
            "i_ty": found.i_ty,
            "loss": found.loss,
            "clusters": found.clusters.astype(float),
            "parted": parted(found),
            "whole": mutual_information(p),
            "onset": onset(p),
            "unconverged": float((~found.converged).sum()),
        }
        for name, value in values.items():
            rows.setdefault(name, []).append(value)
    progress(config.seeds, config.seeds)
    said: dict[str, tuple[tuple[str, ...], str, str]] = {
        "i_xt": (("beta",), "I(X;T)", "bits"),
        "i_ty": (("beta",), "I(T;Y)", "bits"),
        "loss": (("beta",), "loss I(X;T) − β I(T;Y)", "bits"),
        "clusters": (("beta",), "clusters in use", ""),
        "parted": (("beta",), "pairs of x together at this β and parted at the one below", ""),
        "whole": ((), "I(X;Y)", "bits"),
        "onset": ((), "1/λ₂, where keeping nothing turns unstable", ""),
        "unconverged": ((), "betas that did not converge", ""),
    }
    return xr.Dataset(
        {
            name: (("seed", *dims), np.array(rows[name]), {"long_name": label} | ({"units": unit} if unit else {}))
            for name, (dims, label, unit) in said.items()
        },
        coords={"beta": ("beta", BETAS, {"long_name": "β"})},
    )


def parted(found: Bottleneck) -> np.ndarray:
    """(B,) pairs of x whose encoders overlap by TOGETHER or more at beta, and by less at the next smaller beta.

    A hierarchy has none: as beta grows its clusters only ever split. The overlap is sum_t min(p(t|x), p(t|x')). For the
    smallest beta it is 0.
    """
    encoder = found.encoder
    overlap = np.stack([np.minimum(e[:, None], e[None]).sum(-1) for e in encoder])
    together = np.triu(overlap >= TOGETHER, 1)
    new = (together[1:] & ~together[:-1]).sum((1, 2))
    return np.r_[0.0, new]


def onset(p: np.ndarray) -> float:
    """1/lambda_2: the second largest squared singular value of p(x,y)/sqrt(p(x)p(y)), inverted."""
    scaled = p / np.sqrt(p.sum(1, keepdims=True) * p.sum(0))
    return float(1 / np.linalg.svd(scaled, compute_uv=False)[1] ** 2)


def plot(result: xr.Dataset) -> Figure:
    """The information plane on the left, the number of clusters against beta on the right."""
    fig, (left, right) = style.figure(1, 2)
    first = result.isel(seed=0)
    for s in range(1, result.sizes["seed"]):
        other = result.isel(seed=s)
        left.plot(other["i_xt"], other["i_ty"], color=style.MUTED, linestyle="-", linewidth=0.8, alpha=0.7)
        right.plot(other["beta"], other["clusters"], color=style.MUTED, linestyle="-", linewidth=0.8, alpha=0.7)
    left.plot(first["i_xt"], first["i_ty"], "o-", color=style.COLOURS["blue"], markersize=3, label="one β each")
    edge = float(first["whole"])
    left.plot([0, edge], [0, edge], color=style.COLOURS["vermillion"], linestyle="--", linewidth=1.2, label="I(X;T)")
    left.axhline(edge, color=style.COLOURS["green"], linestyle=":", linewidth=1.5, label="I(X;Y)")
    place = int(np.abs(result["beta"].values - 5).argmin())
    x, y, beta = (float(first[n][place]) for n in ("i_xt", "i_ty", "beta"))
    span = 0.5 * float(first["i_xt"].max())
    ends = np.array([max(x - span, 0), x + span])
    left.plot(
        ends,
        y + (ends - x) / beta,
        color=style.COLOURS["purple"],
        linestyle="-",
        linewidth=1.4,
        label=f"slope 1/{beta:.2g}",
    )
    left.set(xlabel="I(X;T) [bits]", ylabel="I(T;Y) [bits]", title=_title(result))
    left.set_ylim(0, 1.15 * float(result["whole"].max()))
    left.legend(loc="lower right")
    right.step(
        first["beta"],
        first["clusters"],
        where="mid",
        color=style.COLOURS["blue"],
        linestyle="-",
        label="clusters in use",
    )
    right.axvline(float(first["onset"]), color=style.COLOURS["vermillion"], linestyle="--", linewidth=1.2, label="1/λ₂")
    right.set(xscale="log", xlabel="β", ylabel="clusters in use", title="They split as β grows")
    right.legend(loc="upper left")
    return fig


def _title(result: xr.Dataset) -> str:
    return f"{result.attrs['joint']}, {result.attrs['size']} values of X"


def describe(result: xr.Dataset) -> str:
    """The figure in words."""
    last = result["i_xt"].isel(beta=-1)
    return (
        f"The information curve of a {_title(result)}: I(T;Y) against I(X;T), concave, rising with slope 1/β from 0 to "
        f"I(X;Y) = {float(result['whole'].mean()):.3f} bits, for which it keeps {float(last.mean()):.2f} bits of X at "
        f"β = {float(result['beta'][-1]):.0f}. Beside it the clusters in use: one up to a β of about "
        f"{float(result['onset'].mean()):.2f}, {float(result['clusters'].isel(beta=-1).mean()):.1f} at the end."
    )


def _chords(result: xr.Dataset) -> Evidence:
    """Each of two neighbouring betas does best at its own: the chord's slope lies between the two 1/beta."""
    beta = result["beta"].values
    x, y = (result[n].transpose("seed", "beta").values for n in ("i_xt", "i_ty"))
    dx, dy = np.diff(x), np.diff(y)
    outside = np.maximum(beta[:-1] * dy - dx, dx - beta[1:] * dy)  # bits; both at most 0 if the chord fits
    worst = xr.DataArray((outside / beta[1:]).max(1), dims="seed")
    return Evidence(worst.max(), 0, ERROR, "≤", spread(worst), "bits")


def _bounded(result: xr.Dataset) -> Evidence:
    excess = (result["i_ty"] - np.minimum(result["i_xt"], result["whole"])).max("beta")
    return Evidence(excess.max(), 0, ERROR, "≤", spread(excess), "bits")


def _starts(result: xr.Dataset) -> Evidence:
    """The smallest I(X;T) at any beta at least 1 % above 1/lambda_2."""
    above = result["i_xt"].where(result["beta"] > 1.01 * result["onset"]).min("beta")
    return Evidence(above.min(), 1e-4, 0, "≥", spread(above), "bits")


def _hierarchy(result: xr.Dataset) -> Evidence:
    count = result["parted"].sum("beta")
    return Evidence(count.mean(), 0, 0, "≈", spread(count))


CLAIMS = (
    Claim(
        "The slope of I(T;Y) over I(X;T) is 1/β: chords lie between the 1/β of their ends (how far any lies outside).",
        SOURCE,
        _chords,
    ),
    Claim("I(T;Y) exceeds neither I(X;T) nor I(X;Y) (largest excess).", "data processing inequality", _bounded),
    Claim(
        "Above β = 1/λ₂ something is kept (the least I(X;T) at any β more than 1 % above).",
        "local stability of keeping nothing; section on bifurcations",
        _starts,
    ),
    Claim(
        "Clusters form a hierarchy: as β grows they only split (pairs of x that come together, mean over seeds).",
        "the picture of successive splits (Rose 1998)",
        _hierarchy,
        disputed="optima at two betas are two separate problems, and nothing makes the clusters of one unions of "
        "the other's: borders move, and pairs do come together, on rings and random joints if not on trees",
    ),
)

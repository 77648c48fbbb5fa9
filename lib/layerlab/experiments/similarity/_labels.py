"""Groups of networks on labels of which a share was drawn anew: the same ones for all that is said of memorising."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from layerlab import lab
from layerlab.experiments.similarity._groups import ARCHITECTURES, DATA, Group, group
from layerlab.lab import choice, integer

POINTS = 30  # at most so many epochs at which the networks are tested


@dataclass(frozen=True, kw_only=True)
class Settings(lab.Config):
    """The networks, and how long they have for labels that make no sense."""

    data: str = choice("digits", "data", DATA)
    architecture: str = choice("dense", "architecture", ARCHITECTURES)
    rows: int = integer(500, "training images", low=10, high=60_000, log=True, help="all, if there are fewer")
    epochs: int = integer(150, "epochs", low=1, high=1_000, log=True)
    seeds: int = integer(5, "networks", low=2, high=20)


def labelled(
    config: Settings,
    corruption: float,
    own_labels: bool,
    device: str,
    progress: Callable[[float, float, str], object],
) -> Group:
    """Networks trained on labels of which the share `corruption` was drawn anew; kept before and after.

    For each network on its own, or, without `own_labels`, once for all.
    """
    return group(
        data=config.data, architecture=config.architecture, rows=config.rows, epochs=config.epochs, shares=(0, 1),
        points=POINTS, corruption=corruption, own_labels=own_labels, seed=config.seed, seeds=config.seeds,
        device=device, progress=progress,
    )  # fmt: skip

"""What training a group costs, relative to others: for the time that a run is expected to take."""

from __future__ import annotations

# rough: from single trainings on a busy machine
IMAGE = {"digits": 1.0, "mnist": 3.0, "fashion-mnist": 3.0, "cifar-10": 5.0}
NETWORK = {"dense": 1.0, "conv": 8.0}


def training_work(data: str, architecture: str, rows: int, epochs: int, seeds: int) -> float:
    """The relative cost of training a group, in passes of a digit through one dense network."""
    return seeds * IMAGE[data] * NETWORK[architecture] * epochs * rows

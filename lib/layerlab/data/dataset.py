"""A data set in memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples and labels, split into training and test.

    name: as given to `load`. x_train, x_test: float32, samples x units, in [0, 1] (Gaussian clouds are not bounded).
    y_train, y_test: int64 class numbers. names: of the classes, by number. shape: of one sample as an image, channels
    first, or (units,). source: where it came from, for a caption. checksum: "sha256:..." of the content that it was
    made from, for provenance. detail: what a reader should know, such as files that were missing.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    names: tuple[str, ...]
    shape: tuple[int, ...]
    source: str
    checksum: str
    detail: str = ""

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.names)

    @property
    def dimension(self) -> int:
        """Number of units of a sample."""
        return self.x_train.shape[1]

    def take(self, train: int | None = None, test: int | None = None, seed: int = 0) -> Dataset:
        """A random subset of that many training and test samples (None: all), drawn without replacement.

        The same seed draws the same samples, and fewer of them are a prefix of more. The checksum stays that of the
        whole. Raises ValueError if more are asked for than there are, or fewer than 1; TypeError for non-integers.
        """
        streams = np.random.SeedSequence(integer(seed, "seed", 0)).spawn(2)
        x_train, y_train = _drawn(self.x_train, self.y_train, train, "train", streams[0])
        x_test, y_test = _drawn(self.x_test, self.y_test, test, "test", streams[1])
        return replace(self, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


def checksum_of(*arrays: np.ndarray) -> str:
    """SHA-256 over the types, shapes and bytes of arrays, as "sha256:...", the same on every byte order."""
    digest = hashlib.sha256()
    for array in arrays:
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        digest.update(f"{little.dtype.str}{little.shape}".encode())
        digest.update(little.tobytes())
    return f"sha256:{digest.hexdigest()}"


def integer(value: Any, name: str, low: int, high: int | None = None) -> int:
    """`value` as an int within [low, high]; TypeError or ValueError that names it otherwise."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an integer, not {type(value).__name__} {value!r}")
    if value < low or (high is not None and value > high):
        allowed = f"at least {low}" if high is None else f"between {low} and {high}"
        raise ValueError(f"{name} must be {allowed}, not {value}")
    return int(value)


def _drawn(
    x: np.ndarray, y: np.ndarray, count: int | None, name: str, stream: np.random.SeedSequence
) -> tuple[np.ndarray, np.ndarray]:
    if count is None:
        return x, y
    rows = np.random.default_rng(stream).permutation(len(x))[: integer(count, name, 1, len(x))]
    return x[rows], y[rows]

"""`load`: a data set by name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from . import synthetic
from .dataset import Dataset
from .errors import DataDamaged
from .folders import Found, cache_folder, require
from .formats import read_batch, read_checked, read_idx
from .registry import SOURCES, File, Source


def names() -> tuple[str, ...]:
    """Names of all data sets, as `load` takes them."""
    return ("digits", *SOURCES, "gaussian")


def load(name: str, **options: Any) -> Dataset:
    """The data set `name`: digits, mnist, fashion-mnist, cifar-10 or gaussian.

    Real ones are read from the folder that LAYERLAB_DATA names or from the user's cache, and checked against their
    known checksums; nothing is ever downloaded here (`fetch` does that). CIFAR-10 takes the training batches that are
    there, and says in `detail` how many. options: only for gaussian (see `layerlab.data.gaussian`).

    Raises ValueError for an unknown name, TypeError for options that it doesn't take, DataMissing if the files are
    not here, DataDamaged if they are not the originals.

    >>> load("digits").x_train.shape
    (1347, 64)
    """
    if name == "gaussian":
        return synthetic.gaussian(**options)
    if name not in names():
        raise ValueError(f"name must be one of {', '.join(names())}, not {name!r}")
    if options:
        raise TypeError(f"{name} takes no options, got {', '.join(sorted(options))}")
    if name == "digits":
        return synthetic.digits()
    source, found = SOURCES[name], require(name)
    try:
        return _load_batches(name, source, found) if source.optional else _load_idx(name, source, found)
    except DataDamaged as error:
        raise DataDamaged(f"{error} {repair(name, found)}") from error


def verify(source: Source, found: Found) -> None:
    """Check every file that was found against its checksum; DataDamaged for the first that is not the original."""
    for file in source.files:
        if file.name in found.paths:
            read_checked(found.paths[file.name], file)


def repair(name: str, found: Found) -> str:
    """What to do about a damaged file: downloads are replaced by `fetch`, a reader's own folder is left alone."""
    if found.folder.parent == cache_folder():
        return f"Run `layerlab data fetch {name}` to replace it."
    return "Replace it by the original, or take it out of the folder that LAYERLAB_DATA names."


def _load_idx(name: str, source: Source, found: Found) -> Dataset:
    """MNIST and its relatives: two IDX files each for training and test."""
    parts = []
    for images, labels in (source.files[:2], source.files[2:]):
        pixels = _idx(found, images, 3)
        classes = _idx(found, labels, 1)
        fit = 0 < len(pixels) == len(classes) and pixels.shape[1:] == source.shape
        if not fit or classes.max() >= len(source.labels):
            raise DataDamaged(
                f"{found.folder}: expected images of shape {source.shape} and as many labels below "
                f"{len(source.labels)}, found {len(pixels)} of shape {pixels.shape[1:]} and {len(classes)} labels."
            )
        parts.append((_scaled(pixels.reshape(len(pixels), -1)), classes.astype(np.int64)))
    return _dataset(name, source, parts, source.files, "")


def _load_batches(name: str, source: Source, found: Found) -> Dataset:
    """CIFAR-10: the training batches that are there, and the test batch."""
    width, parts, used = int(np.prod(source.shape)), [], []
    here = [file for file in source.files if file.name in found.paths]
    for training in (True, False):
        batches = []
        for file in here:
            if (file.name in source.optional) is training:
                path = found.paths[file.name]
                batches.append(read_batch(read_checked(path, file), width, len(source.labels), path))
                used.append(file)
        pixels = np.concatenate([data for data, _ in batches])
        parts.append((_scaled(pixels), np.concatenate([labels for _, labels in batches])))
    count = len(used) - 1
    detail = f"{count} of {len(source.optional)} training batches ({len(parts[0][0]):,} images)"
    return _dataset(name, source, parts, used, detail if count < len(source.optional) else "")


def _idx(found: Found, file: File, dimensions: int) -> np.ndarray:
    path = found.paths[file.name]
    return read_idx(read_checked(path, file), dimensions, path)


def _scaled(pixels: np.ndarray) -> np.ndarray:
    """Pixel / 255 as float32, without a float64 copy of the whole."""
    return np.divide(pixels, np.float32(255), dtype=np.float32)


def _dataset(name: str, source: Source, parts: list, files: Iterable[File], detail: str) -> Dataset:
    """The checksum is the SHA-256 of the lines "checksum  name" of the (unzipped) files that were read."""
    lines = "".join(f"{file.content_sha256 or file.sha256}  {file.plain_name}\n" for file in files)
    (x_train, y_train), (x_test, y_test) = parts
    return Dataset(
        name=name,
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        names=source.labels,
        shape=source.shape,
        source=f"{source.title} ({source.reference})" + (f", {detail}" if detail else ""),
        checksum=f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}",
        detail=detail,
    )

"""Data sets that need no files: scikit-learn's digits and Gaussian clouds."""

from __future__ import annotations

import math

import numpy as np

from .dataset import Dataset, checksum_of, integer


def digits() -> Dataset:
    """1,797 handwritten digits of 8 x 8 pixels (1,347 to train, 450 to test), pixels / 16 as float32 in [0, 1].

    The split is stratified (every class in proportion) and fixed. Source: E. Alpaydin, C. Kaynak, Optical
    recognition of handwritten digits, UCI repository, 1998 (its test part), as shipped with scikit-learn.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    x = (bunch.data / 16).astype(np.float32)
    y = bunch.target.astype(np.int64)
    train, test = train_test_split(np.arange(len(y)), test_size=0.25, stratify=y, random_state=0)
    train, test = np.sort(train), np.sort(test)
    return Dataset(
        name="digits",
        x_train=x[train],
        y_train=y[train],
        x_test=x[test],
        y_test=y[test],
        names=tuple("0123456789"),
        shape=(8, 8),
        source="Optical recognition of handwritten digits (E. Alpaydin, C. Kaynak 1998), from scikit-learn",
        checksum=checksum_of(x[train], y[train], x[test], y[test]),
    )


def gaussian(
    n: int = 1000,
    d: int = 100,
    classes: int = 10,
    separation: float = 4.0,
    spread: float = 1.0,
    test_share: float = 0.25,
    seed: int = 0,
) -> Dataset:
    """Gaussian clouds: x = m_c + spread * z, z standard normal in R^d, m_c ~ N(0, separation^2/(2d) I) per class.

    Two centres lie about `separation` apart, |m_a - m_b|^2 ~ (separation^2/d) chi^2_d with mean separation^2, and a
    point about spread * sqrt(d) from its own. Classes come in equal numbers (within one) and random order, train and
    test apart; a test sample is drawn as the training ones are. separation 0, or classes 1, is pure noise.

    n: samples in all, test_share of them (rounded) to test; at least 1 on each side. d >= 1; 1 <= classes <= n;
    separation >= 0, spread >= 0. Not bounded to [0, 1]. The same arguments give the same data.
    """
    n, d, seed = integer(n, "n", 2), integer(d, "d", 1), integer(seed, "seed", 0)
    classes = integer(classes, "classes", 1, n)
    for name, value in (("separation", separation), ("spread", spread)):
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name} must be finite and at least 0, not {value}")
    if not 0 < test_share < 1:
        raise ValueError(f"test_share must lie strictly between 0 and 1, not {test_share}")
    tested = min(max(round(n * test_share), 1), n - 1)
    for_centres, for_labels, for_noise = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(3))
    centres = for_centres.standard_normal((classes, d)) * (separation / math.sqrt(2 * d))
    y = np.concatenate(
        [for_labels.permutation(np.arange(part, dtype=np.int64) % classes) for part in (n - tested, tested)]
    )
    x = (centres[y] + spread * for_noise.standard_normal((n, d))).astype(np.float32)
    x_train, x_test, y_train, y_test = x[:-tested], x[-tested:], y[:-tested], y[-tested:]
    return Dataset(
        name="gaussian",
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        names=tuple(f"cloud {label}" for label in range(classes)),
        shape=(d,),
        source=f"{classes} Gaussian clouds in {d} dimensions, centres {separation:g} apart, spread {spread:g}, "
        f"seed {seed}",
        checksum=checksum_of(x_train, y_train, x_test, y_test),
    )

"""Questions 3a and 3c of "Comparing representations": SVCCA and linear CKA."""

from __future__ import annotations

import tracemalloc
from types import SimpleNamespace

import numpy as np

from layerlab import similarity
from layerlab.grading.assignments._comparing_representations_chance import correlations
from layerlab.grading.assignments._comparing_representations_spans import centred, either, layer, related
from layerlab.grading.exercise import Answer, Exercise, Function, Hint, Visible, like

# ---- 3a: SVCCA


def svcca(x: np.ndarray, y: np.ndarray, keep: float) -> float:
    """The mean canonical correlation of the leading directions that hold the share `keep` of each layer's variance."""
    return similarity.svcca(x, y, keep).similarity


def _cut(
    power: float = 2, more: int = 0, centre: bool = True, both: bool = True, summary: Function = np.mean
) -> Function:
    """SVCCA with another share, `more` directions than needed, of uncentred layers, of one cut layer, or no mean."""

    def leading(x: np.ndarray, keep: float) -> np.ndarray:
        u, s, _ = np.linalg.svd(centred(x) if centre else x, full_matrices=False)
        share = np.cumsum(s**power) / np.sum(s**power)
        size = max(int(np.searchsorted(share, keep)) + 1 + more, 1)
        return u[:, :size] * s[:size]

    def wrong(x: np.ndarray, y: np.ndarray, keep: float) -> float:
        return float(summary(correlations(leading(x, keep), leading(y, keep) if both else y)))

    return wrong


def _by_count(x: np.ndarray, y: np.ndarray, keep: float) -> float:
    """A share of the directions, not of their variance."""
    left, right = (np.linalg.svd(centred(each), full_matrices=False) for each in (x, y))
    kept = [u[:, : max(int(keep * len(s)), 1)] * s[: max(int(keep * len(s)), 1)] for u, s, _ in (left, right)]
    return float(correlations(*kept).mean())


def _per_unit(x: np.ndarray, y: np.ndarray, keep: float) -> float:
    """The sum over the directions that were kept, divided by the units of the narrower layer."""
    return _cut(summary=np.sum)(x, y, keep) / min(x.shape[1], y.shape[1])


def _uncut(x: np.ndarray, y: np.ndarray, keep: float) -> float:
    return float(correlations(x, y).mean())


def _four_axes() -> tuple[np.ndarray, np.ndarray, float]:
    """Layers along orthogonal axes: the first two are shared, the small ones are not. 95 % is two of three directions.

    Variances of x are in the ratio 9 : 4 : 0.25, singular values in that of 3 : 2 : 0.5.
    """
    one = np.array([1.0, 1, 1, 1, -1, -1, -1, -1])
    two = np.array([1.0, 1, -1, -1, 1, 1, -1, -1])
    three = np.array([1.0, -1, 1, -1, 1, -1, 1, -1])
    x = np.stack([3 * one, 2 * two, 0.5 * three], axis=1) + 2
    return x, np.stack([2 * two, 3 * one, 0.5 * one * two * three], axis=1) - 1, 0.95


def _svcca(variant: SimpleNamespace) -> Exercise:
    n, p, q, seed = variant.n, variant.p, variant.q, variant.seed

    def drawn(keep: float, offset: int) -> Visible:
        sizes = (3 * n, p + 6, q + 5)
        return Visible(
            f"{sizes[0]} samples, {sizes[1]} and {sizes[2]} units, keep = {keep:g}",
            lambda: (*related(seed + offset, *sizes), keep),
        )

    return Exercise(
        name="3a",
        answer="svcca",
        parameters=("x", "y", "keep"),
        reference=svcca,
        visible=(
            Visible("three orthogonal directions each, two of them shared, keep = 0.95: by hand", _four_axes),
            drawn(0.9, 5),
            drawn(0.7, 7),
        ),
        hints=(
            Hint(
                "singular-values",
                "Your share is of the sum of singular values. Variance is the square of a singular value.",
                like(_cut(power=1)),
            ),
            Hint("not-centred", "Centre the layers before the singular value decomposition.", like(_cut(centre=False))),
            Hint(
                "one-short",
                "One direction short: keep the fewest whose shares add up to keep or more.",
                like(_cut(more=-1)),
            ),
            Hint("one-more", "One direction too many: keep the fewest whose shares reach keep.", like(_cut(more=1))),
            Hint(
                "one-layer",
                "You cut one of the layers only; both are cut, each to its own number of directions.",
                either(like(_cut(both=False)), like(lambda x, y, keep: _cut(both=False)(y, x, keep))),
            ),
            Hint(
                "squared",
                "That is the mean of the squared correlations; here the correlations themselves are averaged.",
                like(_cut(summary=lambda rho: np.mean(rho**2))),
            ),
            Hint(
                "per-unit",
                "You divide by the number of units. The mean goes over the correlations that there are after the cut.",
                like(_per_unit),
            ),
            Hint(
                "largest", "That is the largest correlation; the mean over all is wanted.", like(_cut(summary=np.max))
            ),
            Hint("count", "You keep a share of the directions; it should be a share of the variance.", like(_by_count)),
            Hint("uncut", "Nothing is cut: that is the mean of all canonical correlations.", like(_uncut)),
        ),
    )


# ---- 3c: linear CKA


def _alignment(x: np.ndarray, y: np.ndarray) -> float:
    """|Y^T X|^2 / (|X^T X| |Y^T Y|) of what it is given, centred or not."""
    return float(np.linalg.norm(y.T @ x) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)))


def _over(x: np.ndarray, y: np.ndarray, below: float, power: float = 2) -> float:
    x, y = centred(x), centred(y)
    return float(np.linalg.norm(y.T @ x) ** power / below)


def _by_lengths(x: np.ndarray, y: np.ndarray) -> float:
    """Divided by |X|^2 |Y|^2, the traces of X^T X and Y^T Y."""
    return _over(x, y, float(np.sum(centred(x) ** 2) * np.sum(centred(y) ** 2)))


def _measured(function: Function, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The value, and 1 if a call took the memory of half an n x n matrix, else 0.

    1,500 samples go first: who builds such a matrix is not asked for a huge one, which could end the notebook.
    """
    found = np.zeros(2)
    for n in (1500, len(x)):
        found = _with_memory(function, x[:n], y[:n])
        if found[-1]:
            break
    return found


def _with_memory(function: Function, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    running = tracemalloc.is_tracing()
    if running:
        tracemalloc.reset_peak()
    else:
        tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        value = function(x, y)
        large = tracemalloc.get_traced_memory()[1] - before > len(x) ** 2 * 8 / 2
    finally:
        if not running:
            tracemalloc.stop()
    return np.append(np.asarray(value, dtype=float), float(large))


def _gram(answer: Answer) -> bool:
    values = answer.values
    traced = values is not None and values.shape == (2,) and bool(values[1] == 1)
    stopped = isinstance(answer.error, MemoryError) or (answer.kind == "endless" and "memory" in answer.says)
    return traced or stopped


def _cka(variant: SimpleNamespace) -> Exercise:
    n, p, q, seed = variant.n, variant.p, variant.q, variant.seed

    def turned() -> tuple[np.ndarray, np.ndarray]:
        x = layer(seed + 9, n, p)
        return x, 3 * x @ np.linalg.qr(layer(seed + 10, p + 2, p))[0].T + 1

    return Exercise(
        name="3c",
        answer="linear_cka",
        parameters=("x", "y"),
        reference=similarity.linear_cka,
        visible=(
            Visible(f"{n} samples, {p} and {q} units", lambda: related(seed + 11, n, p, q)),
            Visible("a layer and itself, rotated, tripled and shifted: 1", turned),
            Visible(f"{n} samples, {q} and {p} units", lambda: related(seed + 13, n, q, p)),
            Visible(
                "12,000 samples: the value, then 1 if it took the memory of an n x n matrix and 0 if not",
                lambda: related(seed + 15, 12_000, p, q),
                use=_measured,
            ),
        ),
        hints=(
            Hint("not-centred", "The layers are not centred: take each unit's mean off first.", like(_alignment)),
            Hint(
                "rows-centred",
                "You took the mean of each sample off. Centring is per unit: one mean per column, x.mean(0).",
                like(lambda x, y: _alignment(x - x.mean(1, keepdims=True), y - y.mean(1, keepdims=True))),
            ),
            Hint(
                "not-squared",
                "The norm above the line is squared: |Y^T X|^2.",
                like(
                    lambda x, y: _over(
                        x,
                        y,
                        float(np.linalg.norm(centred(x).T @ centred(x)) * np.linalg.norm(centred(y).T @ centred(y))),
                        1,
                    )
                ),
            ),
            Hint(
                "root",
                "That is the root of CKA: the norms below the line stand without roots.",
                like(lambda x, y: similarity.linear_cka(x, y) ** 0.5),
            ),
            Hint("not-normalised", "The denominator is missing: |X^T X| |Y^T Y|.", like(lambda x, y: _over(x, y, 1.0))),
            Hint(
                "lengths",
                "You divide by |X|^2 |Y|^2. Below the line stand the norms of the products: |X^T X| |Y^T Y|.",
                like(_by_lengths),
            ),
            Hint(
                "gram",
                "You build a matrix of samples by samples (x @ x.T, or the centring matrix). Everything that is needed "
                "is in X^T X, Y^T Y and Y^T X.",
                _gram,
            ),
        ),
    )


def exercises(variant: SimpleNamespace) -> tuple[Exercise, ...]:
    """Questions 3a and 3c."""
    return _svcca(variant), _cka(variant)

"""The random maps that a student writes: what a check can say of one without knowing how it is drawn.

Every bound leaves at least 6.5 standard deviations to a map that is drawn rightly, so it is refused by chance less than
once in 10^9 for each number that is looked at.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from layerlab.grading.exercise import Answer, Exercise, Function, Hint, Visible

Judge = Callable[[np.ndarray], str]
_SEEDS = "the same seed gives the same map, another seed another"


def _apart(function: Function, *arguments: float) -> np.ndarray:
    """Largest difference between two maps of one seed, and between those of two seeds."""
    first, again, other = (np.asarray(function(*arguments, seed), dtype=np.float64) for seed in (7, 7, 8))
    return np.array([np.abs(first - again).max(), np.abs(first - other).max()])


def _seeded(values: np.ndarray) -> str:
    if values[0] > 0:
        return "called twice with the same seed, it gave two different maps."
    return "" if values[1] > 0 else "two different seeds gave the same map."


_SEED_HINTS = (
    Hint(
        "unseeded",
        "Draw from np.random.default_rng(seed), made anew in each call: then the map depends on the seed alone.",
        lambda answer: answer.visible.title == _SEEDS and answer.values is not None and bool(answer.values[0] > 0),
    ),
    Hint(
        "seed-ignored",
        "The seed isn't used: the generator has to start from it.",
        lambda answer: answer.visible.title == _SEEDS and answer.values is not None and not answer.values.any(),
    ),
)


def _spread_like(scale: Callable[[int, int], float]) -> Callable[[Answer], bool]:
    """Recognises a map d x k by the standard deviation of its entries, to 5 %."""

    def when(answer: Answer) -> bool:
        if answer.values is None or answer.visible.title == _SEEDS:
            return False
        d, k = answer.visible.arguments()[:2]
        right_shape = answer.values.shape == (d, k)
        return right_shape and abs(float(answer.values.std()) / scale(d, k) - 1) < 0.05

    return when


def _transposed(answer: Answer) -> bool:
    if answer.values is None or answer.visible.title == _SEEDS:
        return False
    d, k = answer.visible.arguments()[:2]
    return answer.values.shape == (k, d)


_TRANSPOSED = Hint(
    "transposed", "Your matrix lies on its side: d rows and k columns are wanted, so that x @ map works.", _transposed
)


def gaussian_exercise(name: str) -> Exercise:
    """`gaussian_map(d, k, seed)`: d x k independent N(0, 1/k)."""

    def judge(d: int, k: int) -> Judge:
        def judged(values: np.ndarray) -> str:
            if values.shape != (d, k):
                return f"its shape is {values.shape}; {(d, k)} is expected."
            mean, spread = float(values.mean()) * np.sqrt(k), float(values.std()) * np.sqrt(k)
            if abs(mean) > 7 / np.sqrt(d * k):
                return f"its entries have mean {values.mean():.3g}; 0 is expected."
            if abs(spread - 1) > 5 / np.sqrt(d * k):  # 7 standard deviations of a standard deviation
                return f"its entries have variance {values.var():.3g}; 1/k = {1 / k:.3g} is expected."
            return ""

        return judged

    def sized(d: int, k: int) -> Visible:
        return Visible(f"d = {d}, k = {k}: mean and variance of the entries", lambda: (d, k, 3), judged=judge(d, k))

    return Exercise(
        name=name,
        answer="gaussian_map",
        parameters=("d", "k", "seed"),
        reference=lambda d, k, seed: np.random.default_rng(seed).standard_normal((d, k)) / np.sqrt(k),
        visible=(
            sized(300, 40),
            sized(50, 200),
            Visible(_SEEDS, lambda: (20, 5), use=_apart, judged=_seeded),
        ),
        hints=(
            Hint(
                "not-scaled",
                "Entries of variance 1: by question 1a they stretch squared lengths k times on average.",
                _spread_like(lambda d, k: 1.0),
            ),
            Hint(
                "by-d",
                "You divide by the root of d. Which dimension does the sum in question 1a run over?",
                _spread_like(lambda d, k: d**-0.5),
            ),
            Hint(
                "by-k",
                "Entries of standard deviation 1/k: squared lengths are divided by k twice. The variance is to be 1/k.",
                _spread_like(lambda d, k: 1 / k),
            ),
            Hint(
                "not-centred",
                "Your entries do not average 0: rng.standard_normal does, rng.random does not.",
                lambda answer: (
                    answer.visible.title != _SEEDS and answer.values is not None and bool(answer.values.min() >= 0)
                ),
            ),
            _TRANSPOSED,
            *_SEED_HINTS,
        ),
    )


def sparse_exercise(name: str) -> Exercise:
    """`sparse_map(d, k, density, seed)`: entries 0, or +-1/sqrt(density k) with probability density/2 each."""

    def judge(d: int, k: int, density: float) -> Judge:
        def judged(values: np.ndarray) -> str:
            if values.shape != (d, k):
                return f"its shape is {values.shape}; {(d, k)} is expected."
            share, room = float((values != 0).mean()), 7 * np.sqrt(density * (1 - density) / (d * k)) + 1e-12
            if abs(share - density) > room:
                return f"{share:.1%} of its entries are not 0; {density:.1%} are expected."
            sizes, size = np.abs(values[values != 0]), 1 / np.sqrt(density * k)
            if not np.allclose(sizes, size, rtol=1e-5):
                return f"its entries reach {sizes.max():.4g} in size; 0 and {size:.4g} are expected."
            positive = float((values > 0).sum() / len(sizes))
            if abs(positive - 0.5) > 3.5 / np.sqrt(len(sizes)):  # 7 standard deviations
                return f"{positive:.0%} of its entries that are not 0 are positive; half of them are expected."
            return ""

        return judged

    def sized(d: int, k: int, density: float) -> Visible:
        title = f"d = {d}, k = {k}, density = {density:g}: size, share and signs of the entries"
        return Visible(title, lambda: (d, k, density, 3), judged=judge(d, k, density))

    return Exercise(
        name=name,
        answer="sparse_map",
        parameters=("d", "k", "density", "seed"),
        reference=_sparse,
        visible=(
            sized(300, 40, 0.1),
            sized(50, 200, 1 / 3),
            sized(60, 30, 1.0),
            Visible(_SEEDS, lambda: (20, 5, 0.5), use=_apart, judged=_seeded),
        ),
        hints=(
            *_size_hints(),
            Hint(
                "no-minus",
                "No entry is negative: without random signs the entries don't average 0, and 1a's first step fails.",
                lambda answer: (
                    answer.visible.title != _SEEDS and answer.values is not None and bool(answer.values.min() >= 0)
                ),
            ),
            Hint(
                "complement",
                "density is the share of entries that are not 0; yours is the share of zeros.",
                _share_like(lambda density: 1 - density),
            ),
            Hint(
                "half-density",
                "density is the share of both signs together: each of them has probability density/2.",
                _share_like(lambda density: density / 2),
            ),
            _TRANSPOSED,
            *_SEED_HINTS,
        ),
    )


def _sparse(d: int, k: int, density: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    signs = np.where(rng.random((d, k)) < 0.5, -1.0, 1.0)
    return signs * (rng.random((d, k)) < density) / np.sqrt(density * k)


def _size_hints() -> tuple[Hint, ...]:
    def sized(size: Callable[[int, int, float], float]) -> Callable[[Answer], bool]:
        def when(answer: Answer) -> bool:
            if answer.values is None or answer.visible.title == _SEEDS:
                return False
            d, k, density, _ = answer.visible.arguments()
            sizes = np.abs(answer.values[answer.values != 0])
            return answer.values.shape == (d, k) and np.allclose(sizes, size(d, k, density), rtol=1e-5)

        return when

    return (
        Hint(
            "plain-signs",
            "Entries of size 1: give them the size at which their variance is 1/k.",
            sized(lambda d, k, density: 1.0),
        ),
        Hint(
            "density-forgotten",
            "The size 1/sqrt(k) is right for density 1 only: where entries are 0, the others must make up for them.",
            lambda answer: answer.visible.arguments()[2] < 1 and sized(lambda d, k, density: k**-0.5)(answer),
        ),
        Hint(
            "density-upside-down",
            "Your entries shrink as they get rarer; to keep the variance they must grow.",
            lambda answer: (
                answer.visible.arguments()[2] < 1 and sized(lambda d, k, density: (density / k) ** 0.5)(answer)
            ),
        ),
        Hint(
            "no-root",
            "1/(density k) is to be the square of the entries' size: a root is missing.",
            sized(lambda d, k, density: 1 / (density * k)),
        ),
        Hint("by-d", "You divide by d where k belongs.", sized(lambda d, k, density: (density * d) ** -0.5)),
    )


def _share_like(share: Callable[[float], float]) -> Callable[[Answer], bool]:
    """Recognises a sparse map by how many of its entries are not 0, to seven standard deviations."""

    def when(answer: Answer) -> bool:
        if answer.values is None or answer.visible.title == _SEEDS:
            return False
        density = answer.visible.arguments()[2]
        expected, found = share(density), float((answer.values != 0).mean())
        room = 7 * np.sqrt(expected * (1 - expected) / answer.values.size) + 1e-12
        return expected != density and abs(found - expected) <= room

    return when

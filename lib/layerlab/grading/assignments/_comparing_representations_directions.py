"""Question 1c of "Comparing representations": canonical directions."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from layerlab.grading.assignments._comparing_representations_spans import centred, either, powers, related, whiten
from layerlab.grading.exercise import Answer, Exercise, Function, Hint, Visible, like
from layerlab.similarity import cca


def canonical(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Canonical directions (units of x, c) and (units of y, c), c the smaller rank; variates of length 1."""
    found = cca(x, y)
    count = int(found.count)
    return found.directions_x[:, :count], found.directions_y[:, :count]


def variates(function: Function, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(3, c, c): the products of the variates of x among themselves, of y, and of x with y; signs are dropped.

    A right answer gives 1, 1 and the correlations on the diagonals and 0 beside them, whatever the signs.
    """
    answer = function(x, y)
    a, b = (np.asarray(each, dtype=float) for each in answer)
    if a.ndim != 2 or b.ndim != 2 or (len(a), len(b)) != (x.shape[1], y.shape[1]) or a.shape[1] != b.shape[1]:
        return np.array([[*a.shape, *b.shape]])
    za, zb = centred(x) @ a, centred(y) @ b
    return np.abs(np.stack([za.T @ za, zb.T @ zb, za.T @ zb]))


def _by(whitening: Function, how: Callable[..., tuple[np.ndarray, np.ndarray]]) -> Function:
    """Canonical directions from other whitening weights, or put together in another way."""

    def wrong(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        wx, wy = whitening(x), whitening(y)
        u, _, vt = np.linalg.svd((centred(x) @ wx).T @ (centred(y) @ wy), full_matrices=False)
        return how(wx, wy, u, vt)

    return wrong


def _right(wx: np.ndarray, wy: np.ndarray, u: np.ndarray, vt: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return wx @ u, wy @ vt.T


def _only_rotated(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    u, _, vt = np.linalg.svd(centred(x).T @ centred(y), full_matrices=False)
    return u, vt.T


def _principal(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    wx, wy = whiten(x), whiten(y)
    c = min(wx.shape[1], wy.shape[1])
    return wx[:, :c], wy[:, :c]


def _rising(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = canonical(x, y)
    return a[:, ::-1], b[:, ::-1]


def _lengths(answer: Answer) -> bool:
    """The right directions, of another length."""
    got, right = answer.values, answer.expected
    if got is None or got.shape != right.shape or np.allclose(got, right, atol=1e-6):
        return False
    lengths = np.sqrt(np.einsum("kii->ki", got[:2]))
    if not (lengths > 0).all():
        return False
    scaled = got[2] / np.outer(lengths[0], lengths[1])
    return np.allclose(scaled, right[2], atol=1e-6)


def _misshapen(answer: Answer) -> bool:
    return answer.values is not None and answer.values.ndim == 2


def _more_pairs(answer: Answer) -> bool:
    return answer.kind == "shape" and answer.values is not None and answer.values.ndim == 3


def exercise(variant: SimpleNamespace) -> Exercise:
    """Question 1c on one student's data."""
    n, p, q, seed = variant.n, variant.p, variant.q, variant.seed

    def tried(title: str, x_first: bool, rank: int | None = None) -> Visible:
        def arguments() -> tuple[np.ndarray, np.ndarray]:
            x, y = related(seed + 3, n, p, q, rank)
            return (x, y) if x_first else (y, x)

        return Visible(title, arguments, use=variates, atol=1e-6)

    return Exercise(
        name="1c",
        answer="canonical",
        parameters=("x", "y"),
        reference=canonical,
        visible=(
            tried(f"{p} and {q} units: products of the variates of x, of y, and of x with y (signs dropped)", True),
            tried("the two layers exchanged", False),
            tried(f"x of rank {q - 1} only: {q - 1} pairs", True, q - 1),
        ),
        hints=(
            Hint(
                "transpose",
                "np.linalg.svd returns V transposed: the right singular vectors are the rows of its third result.",
                like(_by(whiten, lambda wx, wy, u, vt: (wx @ u, wy @ vt))),
            ),
            Hint(
                "not-whitened",
                "That is the SVD of the cross-covariance: directions of large covariance. Whiten both layers first.",
                either(like(_only_rotated), _scaled_like(_only_rotated)),
            ),
            Hint(
                "not-rotated",
                "You return the whitening weights. Both layers still have to be rotated towards each other, by the "
                "singular vectors of the product of the two whitened layers.",
                like(_principal),
            ),
            Hint("rising", "The right pairs, the least correlated first: descending order is wanted.", like(_rising)),
            Hint(
                "not-centred",
                "Your directions come from uncentred activations: take each unit's mean off first.",
                either(like(_uncentred), _scaled_like(_uncentred)),
            ),
            Hint(
                "length",
                "The right pairs in the right order, but the variates (x - mean) a should have length 1.",
                _lengths,
            ),
            Hint(
                "rank",
                "Too many pairs: there are as many as the smaller of the two ranks; directions of singular value 0 "
                "are none.",
                _more_pairs,
            ),
            Hint(
                "one-row-per-unit",
                "a and b are weights on units, (units of x, pairs) and (units of y, pairs). Singular vectors of "
                "whitened layers have to go back through the whitening weights: wx @ u.",
                _misshapen,
            ),
        ),
    )


def _uncentred(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    wx, wy = powers(x, -1), powers(y, -1)
    u, _, vt = np.linalg.svd((x @ wx).T @ (y @ wy), full_matrices=False)
    return wx @ u, wy @ vt.T


def _scaled_like(wrong: Function) -> Callable[[Answer], bool]:
    """Recognises `wrong` when its variates were given length 1 afterwards."""

    def normalised(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        a, b = wrong(x, y)
        return a / np.linalg.norm(centred(x) @ a, axis=0), b / np.linalg.norm(centred(y) @ b, axis=0)

    return like(normalised)

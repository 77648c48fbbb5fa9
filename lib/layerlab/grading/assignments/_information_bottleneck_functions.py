"""Visible checks and hints for the bottleneck's ingredients: informations, divergences, the critical beta."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from layerlab.grading.assignments import _information_bottleneck_theory as theory
from layerlab.grading.exercise import Answer, Exercise, Hint, Visible, like, shaped
from layerlab.information import critical_betas, entropy, mutual_information

BITS = math.log(2)


def joint(rows: int, columns: int, seed: int) -> np.ndarray:
    """A random joint whose rows differ in mass."""
    return np.random.default_rng(seed).dirichlet(np.full(rows * columns, 0.7)).reshape(rows, columns)


def rows(rows: int, columns: int, seed: int) -> np.ndarray:
    """Random distributions, one in each row."""
    return np.random.default_rng(seed).dirichlet(np.ones(columns), rows)


def flipped(flip: float) -> np.ndarray:
    """The joint (2, 2) of a fair coin and a copy in which it is turned over with probability `flip`."""
    return theory.lopsided_channel(flip, 0.5)


def _with_zeros() -> np.ndarray:
    p = joint(5, 4, 3)
    p[0, 1] = p[2] = p[4, :2] = 0
    return p / p.sum()


def _gave_nan(answer: Answer) -> bool:
    return answer.kind == "nan"


# ---- 1b: mutual information of a table


def _product(p: np.ndarray) -> np.ndarray:
    return p.sum(1, keepdims=True) * p.sum(0)


def _swapped_information(p: np.ndarray) -> float:
    q = _product(p)
    return float(np.sum(q * np.log2(q / p)))


INFORMATION = Exercise(
    name="1b",
    answer="information",
    parameters=("p_xy",),
    reference=mutual_information,
    visible=(
        Visible("a fair coin and its flipped copy, one flip in ten: 0.531 bits", lambda: (flipped(0.1),)),
        Visible("a fair coin and a perfect copy: 1 bit", lambda: (np.eye(2) / 2,), lambda p: 1.0),
        Visible("a random table", lambda: (joint(4, 6, 1),)),
        Visible("two independent variables: 0", lambda: (np.outer([0.2, 0.8], [0.5, 0.2, 0.3]),), lambda p: 0.0),
        Visible("a table with zeros, and an x that never happens", lambda: (_with_zeros(),)),
    ),
    hints=(
        Hint("nats", "Your values are in nats: take np.log2.", like(lambda p: BITS * mutual_information(p))),
        Hint(
            "zeros",
            "NaN comes from the zeros of the table: 0 log 0 counts as 0. Sum over the places where p(x,y) > 0.",
            _gave_nan,
        ),
        Hint(
            "swapped",
            "That is D[p(x)p(y) || p(x,y)]; information is D[p(x,y) || p(x)p(y)].",
            like(_swapped_information),
        ),
        Hint(
            "conditional",
            "That is H(Y|X), what stays uncertain. Subtract it from H(Y).",
            like(lambda p: entropy(p.sum(0)) - mutual_information(p)),
        ),
        Hint("joint-entropy", "That is the entropy H(X,Y) of the table.", like(lambda p: entropy(p.ravel()))),
        Hint("sign", "The sign: information is never negative.", like(lambda p: -mutual_information(p))),
        Hint(
            "mean",
            "You take a mean over the table's places; p(x,y) already weighs them: take the sum.",
            like(lambda p: mutual_information(p) / p.size),
        ),
    ),
)

# ---- 1c: entropies of the student's joint


def uncertainty(p_xy: np.ndarray) -> Exercise:
    """Question 1c about the joint `p_xy`: H(Y) and H(Y|X) in bits."""
    right = theory.uncertainty(p_xy)

    def near(values: Any) -> Any:
        return lambda answer: answer.values is not None and np.allclose(answer.values, values, rtol=1e-6, atol=1e-9)

    p_x = p_xy.sum(1, keepdims=True)
    unweighted = float(np.mean(entropy(p_xy / p_x)))
    return Exercise(
        name="1c",
        answer="uncertainty",
        parameters=None,
        reference=right,
        visible=(Visible("H(Y) and H(Y|X) of your joint, in bits", tuple),),
        hints=(
            Hint("nats", "Your values are in nats: take np.log2.", near(BITS * right)),
            Hint("order", "The right two numbers in the other order: H(Y) comes first.", near(right[::-1])),
            Hint(
                "unweighted",
                "H(Y|X) is a mean over x with the weights p(x); your rows all weigh the same.",
                near([right[0], unweighted]),
            ),
            Hint(
                "x-for-y",
                "X and Y are exchanged: x goes down the rows, y along the columns.",
                near(theory.uncertainty(p_xy.T)),
            ),
            Hint(
                "joint-entropy",
                "Your second number is H(X,Y). H(Y|X) = H(X,Y) - H(X).",
                near([right[0], float(entropy(p_xy.ravel()))]),
            ),
            Hint(
                "information",
                "Your second number is I(X;Y) = H(Y) - H(Y|X), what X takes away from the uncertainty.",
                near([right[0], right[0] - right[1]]),
            ),
        ),
    )


# ---- 2b: divergences of all pairs of rows


def _with_zero_rows(n: int, m: int, seed: int) -> np.ndarray:
    p = rows(n, m, seed)
    p[0, 0] = p[1, 2] = 0
    return p / p.sum(1, keepdims=True)


def naive(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The divergences of all pairs of rows in nats, without care for zeros."""
    return np.asarray((p[:, None] * np.log(p[:, None] / q[None])).sum(-1))


DIVERGENCES = Exercise(
    name="2b",
    answer="divergences",
    parameters=("p", "q"),
    reference=theory.divergences,
    visible=(
        Visible("one row each", lambda: (np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]]))),
        Visible("5 rows against 3", lambda: (rows(5, 4, 11), rows(3, 4, 12))),
        Visible("4 rows against themselves: zeros on the diagonal", lambda: (rows(4, 6, 13), rows(4, 6, 13))),
        Visible("rows of p with zeros", lambda: (_with_zero_rows(4, 5, 14), rows(2, 5, 15))),
    ),
    hints=(
        Hint(
            "bits",
            "Your values are in bits; in the exponent of the equations stands a KL in nats: take np.log.",
            like(lambda p, q: theory.divergences(p, q) / BITS),
        ),
        Hint(
            "swapped",
            "The arguments are exchanged: that is KL[q_j || p_i].",
            like(lambda p, q: naive(q, p).T),
        ),
        Hint(
            "transposed",
            "Your array is transposed: rows belong to p, columns to q.",
            lambda answer: (
                answer.values is not None
                and answer.values.ndim == 2
                and answer.expected.shape == answer.values.shape[::-1]
                and np.allclose(answer.values.T, answer.expected)
            ),
        ),
        Hint("zeros", "NaN comes from zeros of p: 0 log 0 counts as 0.", _gave_nan),
        Hint(
            "cross-entropy",
            "That is -sum p log q: the term sum p log p is missing.",
            like(lambda p, q: -p @ np.log(q).T),
        ),
        Hint(
            "pairs",
            "You compare row i of p with row i of q; every row of p with every row of q is wanted, an array (n, k).",
            shaped(lambda p, q: (len(p),)),
        ),
    ),
)

# ---- 4b: where the trivial solution grows unstable


def _eigenvalues(p_xy: np.ndarray) -> np.ndarray:
    """Of C_X at the trivial solution, largest first."""
    scaled = p_xy / np.sqrt(_product(p_xy))
    return np.asarray(np.linalg.svd(scaled, compute_uv=False) ** 2)


def _eraser(erased: float) -> np.ndarray:
    return np.outer([0.2, 0.3, 0.5], [0, 0, 0, erased]) + (1 - erased) * np.eye(3, 4) * np.array([[0.2], [0.3], [0.5]])


CRITICAL_BETA = Exercise(
    name="4b",
    answer="critical_beta",
    parameters=("p_xy",),
    reference=lambda p_xy: critical_betas(p_xy)[0],
    visible=(
        Visible("a coin and its flipped copy: 1/(1 - 2 * 0.1)^2 = 1.5625", lambda: (flipped(0.1),)),
        Visible("an eraser that loses y three times in ten: 1/0.7", lambda: (_eraser(0.3),)),
        Visible("a random joint, 6 values of x and 3 of y", lambda: (joint(6, 3, 41),)),
        Visible("a random joint, 3 values of x and 5 of y", lambda: (joint(3, 5, 42),)),
    ),
    hints=(
        Hint(
            "first",
            "The largest eigenvalue is 1 and belongs to the constant vector, which is no split: take the second.",
            like(lambda p: 1.0),
        ),
        Hint(
            "not-inverted",
            "That is the eigenvalue; the critical beta is one over it.",
            like(lambda p: _eigenvalues(p)[1]),
        ),
        Hint(
            "not-squared",
            "A singular value is the root of the eigenvalue: square it.",
            like(lambda p: 1 / np.sqrt(_eigenvalues(p)[1])),
        ),
        Hint(
            "smallest",
            "That is one over the smallest eigenvalue; the second largest splits first.",
            like(lambda p: 1 / _eigenvalues(p)[-1]),
        ),
        Hint(
            "not-scaled",
            "The matrix is not p(x,y) itself: p(y|x) and p(x|y) are needed.",
            like(lambda p: 1 / np.linalg.svd(p, compute_uv=False)[1] ** 2),
        ),
        Hint(
            "complex",
            "Your number is complex, if only by its type: np.linalg.eigvals does that. Take its real part.",
            lambda answer: answer.kind == "type" and "complex" in answer.says,
        ),
    ),
)

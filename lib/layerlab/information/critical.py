"""Where a cluster of the information bottleneck splits, and where a new one is born.

Two copies of a cluster t with p(x|t) (1 ± eps v(x)) run apart under the three equations if beta C v > v, where C is

    C_X(x, x') = sum_y p(y|x) p(x'|y,t)   or, for the change of p(y|t),   C_Y(y, y') = sum_x p(x|y,t) p(y'|x).

Both are Markov matrices with the same eigenvalues but for zeros. The first is 1, of the constant vector, and no split:
p(x|t) stays normalised. The second, lambda, is at most 1, and t is stable against splitting up to beta = 1/lambda.

That is a local test. A cluster of hardly any mass, at p(y|t) = r, is copied with the factor

    g(r) = sum_x p(x) exp(-beta KL[p(y|x) || r]) / Z(x),    Z(x) = sum_t p(t) exp(-beta KL[p(y|x) || p(y|t)]),

which is 1 at the clusters that are there. A fixed point with g <= 1 everywhere is a global optimum, for the loss is
linear in the masses of all possible clusters, and g certifies the solution of that linear programme. At its own
clusters g has the curvature beta (beta lambda - 1): it sees every split that the eigenvalues see, and births besides.

Sources: Tishby & Zaslavsky 2015; Tishby's lecture of 2018, slides 45-46 (the eigenproblems); Anantharam, Gohari, Kamath
& Nair 2013 (the onset as a contraction coefficient).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import optimize, special

from layerlab.arrays import is_tensor, to_numpy
from layerlab.information._bottleneck_inputs import betas_of, encoder_of, joint_of
from layerlab.information.measures import check_distribution

NOTHING = 1e-13  # eigenvalues below are zero, up to rounding
NEAR = 1e-9  # a distribution nearer to p(x) than this, in nats, has no ratio of divergences left
FAR = 60.0  # the strongest tilt that is tried: exp(-60) is nothing


def critical_betas(p_xy: Any, encoder: Any = None) -> Any:
    """The betas at which a cluster could split: 1/lambda for every eigenvalue of C but the trivial one, ascending.

    p_xy: (|X|, |Y|). encoder: (|X|, T), p(t|x); None is the trivial solution of a single cluster, p(x|t) = p(x).

    Returns (K,) for the trivial solution, (T, K) for an encoder, K = min(|X|, |Y|) - 1, infinite where an eigenvalue is
    zero. The first of each row counts: the cluster is stable against splitting while beta is less. At the trivial
    solution it is 1/lambda_2, lambda_2 being the square of the maximal correlation of X and Y, and independent X and Y
    give infinity. A cluster without mass has nothing to split: its row is NaN. numpy; a tensor if p_xy is one.

    The eigenvalues are those of the smaller of C_X and C_Y, made symmetric: the squared singular values of
    sqrt(p(x|t)) p(y|x) / sqrt(p(y|t)) without its first pair. Raises as `information_bottleneck`.
    """
    joint = joint_of(p_xy)
    weights, masses = _memberships(joint, encoder)
    lacking = max(0, min(joint.shape) - 1)
    lambdas = np.zeros((len(weights), lacking))
    for t, weight in enumerate(weights):
        gram = _deflated(joint, weight)
        lambdas[t] = np.linalg.eigvalsh(gram)[::-1][:lacking]
    betas = np.where(lambdas > NOTHING, 1 / np.maximum(lambdas, NOTHING), np.inf)
    betas[masses <= 0] = np.nan
    betas = betas[0] if encoder is None else betas
    return sys.modules["torch"].from_numpy(betas).to(p_xy.device) if is_tensor(p_xy) else betas


def split_matrix(p_xy: Any, encoder: Any = None, cluster: int = 0, *, side: Literal["x", "y"] = "y") -> np.ndarray:
    """C of a cluster: C_X (|X|, |X|) or C_Y (|Y|, |Y|), as in the head of this module; rows sum to 1.

    C_X(x, x') = sum_y p(y|x) p(x'|y,t), for the change of log p(x|t). C_Y(y, y') = sum_x p(x|y,t) p(y'|x), for the
    change of log p(y|t). An x or y that the cluster lacks has a row of zeros. encoder: None is the trivial solution.
    Raises ValueError for another side, for a cluster that is not there or has no mass; else as `critical_betas`.
    """
    if side not in ("x", "y"):
        raise ValueError(f"side must be 'x' or 'y'; it was {side!r}")
    joint = joint_of(p_xy)
    weights, masses = _memberships(joint, encoder)
    if not 0 <= cluster < len(weights) or masses[cluster] <= 0:
        raise ValueError(f"cluster must be one of those with mass, of {len(weights)}; it was {cluster}")
    forward = _conditional(joint)
    within = weights[cluster][:, None] * forward  # p(x, y | t)
    p_y = within.sum(0)
    backward = np.divide(within, p_y, out=np.zeros_like(within), where=p_y > 0).T  # p(x | y, t)
    return forward @ backward if side == "x" else backward @ forward


@dataclass(frozen=True)
class Onset:
    """Where the bottleneck's optimum stops being trivial.

    beta: the global onset, inf over q of KL(q_X || p_X) / KL(q_Y || p_Y) = 1 / (contraction coefficient of p(y|x) at
        p(x)). Infinite where X and Y are independent.
    split: 1/lambda_2, where the trivial solution stops being a local minimum; never less than beta.
    input: (|X|,) the q_X that attains beta, the first cluster's p(x|t); p(x) itself where beta = split.
    first_order: whether the two differ, so that the new cluster is born at a distance while the old one is stable.
    """

    beta: float
    split: float
    input: np.ndarray
    first_order: bool


def onset(p_xy: Any, *, starts: int = 16, seed: int = 0) -> Onset:
    """The global onset of the bottleneck beside its local one, 1/lambda_2.

    p_xy: (|X|, |Y|). The ratio KL(q_X || p_X) / KL(q_Y || p_Y) is minimised over q_X. For a given q_Y the nearest q_X
    is a tilted p(x), proportional to p(x) exp(sum_y theta_y p(y|x)), so the search is over |Y| numbers: by L-BFGS with
    exact gradients from `starts` random tilts, from both ends of the eigenvectors of C_Y, and towards each y; single x
    are tried as they are. The least is taken, and `first_order` said if it is below 1/lambda_2 by more than 1e-6 of it.

    Returns an `Onset`. Raises as `critical_betas`. Source: Anantharam et al. 2013, theorem 4 (the two infima agree).
    """
    joint = joint_of(p_xy)
    some, held = joint.sum(1) > 0, joint.sum(0) > 0
    small = joint[some][:, held]
    p_x, cond = small.sum(1), _conditional(small)
    local = critical_betas(small)
    split = float(local[0]) if len(local) else np.inf
    best, best_q = split, p_x
    if np.isfinite(split):
        for q in (*_vertices(p_x), *(_tilted(p_x, cond, theta) for theta in _descents(p_x, cond, starts, seed))):
            ratio = _ratio(p_x, cond, q)
            if ratio < best * (1 - 1e-6):
                best, best_q = ratio, q
    full = np.zeros(len(joint))
    full[some] = best_q
    return Onset(beta=max(best, 1.0), split=split, input=full, first_order=best < split)


def newcomer_growth(p_xy: Any, encoder: Any, beta: float, decoders: Any) -> np.ndarray:
    """g(r): the factor by which one iteration multiplies the mass of a new cluster at p(y|t) = r, of vanishing mass.

    p_xy: (|X|, |Y|). encoder: (|X|, T), a fixed point at beta; None is the trivial solution. decoders: (K, |Y|) the r.
    Returns (K,). 1 at each of the solution's own clusters; above 1 somewhere, the solution is not optimal; nowhere
    above 1, it is. Raises as `information_bottleneck`.
    """
    joint = joint_of(p_xy)
    r = to_numpy(check_distribution(decoders, "decoders", -1)).astype(np.float64)
    if r.ndim != 2 or r.shape[1] != joint.shape[1]:
        raise ValueError(f"decoders must be of shape (K, |Y|) with |Y| = {joint.shape[1]}; it was {r.shape}")
    weight, cond, beta = _background(joint, encoder, beta)
    return np.exp(special.logsumexp(weight[:, None] + beta * _log_likelihood(cond, r), axis=0))


def best_newcomer(p_xy: Any, encoder: Any, beta: float) -> tuple[float, np.ndarray]:
    """The largest growth g(r) - 1 that a new cluster could have, and its r (|Y|,).

    Looked for from every p(y|x), and for two values of y from 100 further r: the cluster is iterated like any other,
    r -> sum_x p(y|x) q(x), q(x) proportional to p(x) exp(-beta KL[p(y|x) || r]) / Z(x), under which g never falls, and
    the best are driven to their maximum by L-BFGS. Never below 0, which the clusters that are there reach: 0 up to
    rounding says that the solution is optimal. encoder None: the trivial one. Raises as `newcomer_growth`.
    """
    joint = joint_of(p_xy)
    weight, cond, beta = _background(joint, encoder, beta)
    some = joint.sum(1) > 0
    r = np.unique(np.round(cond[some], 12), axis=0)
    if joint.shape[1] == 2:
        line = np.linspace(0.005, 0.995, 100)
        r = np.r_[r, np.c_[1 - line, line]]
    r = 0.999 * r / r.sum(1, keepdims=True) + 0.001 * joint.sum(0)
    for _ in range(10):
        r = special.softmax(weight[:, None] + beta * _log_likelihood(cond, r), axis=0).T @ cond
    growth = special.logsumexp(weight[:, None] + beta * _log_likelihood(cond, r), axis=0)
    tried = [_climb(weight, cond, beta, r[i]) for i in _apart(r, growth)]
    best, where = max(tried, key=lambda pair: pair[0])
    return max(float(np.expm1(best)), 0.0), where


def _apart(r: np.ndarray, growth: np.ndarray, most: int = 4) -> list[int]:
    """The rows of r of largest log g, none much below the first and each at least 0.01 from those before."""
    chosen: list[int] = []
    for i in np.argsort(-growth):
        if growth[i] > growth.max() - 0.05 and all(np.abs(r[i] - r[j]).max() > 0.01 for j in chosen):
            chosen.append(int(i))
        if len(chosen) == most:
            break
    return chosen


def _climb(weight: np.ndarray, cond: np.ndarray, beta: float, r: np.ndarray) -> tuple[float, np.ndarray]:
    """log g at a local maximum near r, and where: the gradient in the logits of r is beta (sum_x q(x) p(y|x) - r)."""
    held = r > 0

    def objective(logits: np.ndarray) -> tuple[float, np.ndarray]:
        log_r = special.log_softmax(logits)
        terms = weight + beta * (cond[:, held] @ log_r)
        return -float(special.logsumexp(terms)), -beta * (special.softmax(terms) @ cond[:, held] - np.exp(log_r))

    options = {"ftol": 1e-16, "gtol": 1e-12, "maxiter": 500}
    found = optimize.minimize(objective, np.log(r[held]), jac=True, method="L-BFGS-B", options=options)
    where = np.zeros(len(r))
    where[held] = special.softmax(found.x)
    return -float(found.fun), where


def _memberships(joint: np.ndarray, encoder: Any) -> tuple[np.ndarray, np.ndarray]:
    """p(x|t) as (T, |X|), and p(t)."""
    p_x = joint.sum(1)
    if encoder is None:
        return p_x[None], np.ones(1)
    together = encoder_of(encoder, joint, 1)[0].T * p_x
    masses = together.sum(1)
    return together / np.where(masses > 0, masses, 1)[:, None], masses


def _conditional(joint: np.ndarray) -> np.ndarray:
    p_x = joint.sum(1, keepdims=True)
    return np.divide(joint, p_x, out=np.zeros_like(joint), where=p_x > 0)


def _deflated(joint: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The smaller Gram matrix of sqrt(p(x|t)) p(y|x) / sqrt(p(y|t)) less its first singular pair, which is exact."""
    cond = _conditional(joint)
    p_y = weight @ cond
    root_x, root_y = np.sqrt(weight), np.sqrt(p_y)
    scaled = root_x[:, None] * (cond - p_y) / np.where(root_y > 0, root_y, 1)
    return scaled.T @ scaled if joint.shape[1] <= joint.shape[0] else scaled @ scaled.T


def _background(joint: np.ndarray, encoder: Any, beta: float) -> tuple[np.ndarray, np.ndarray, float]:
    """log p(x) / Z'(x) with Z'(x) = sum_t p(t) exp(beta sum_y p(y|x) log p(y|t)), and p(y|x). -inf where p(x) = 0."""
    value = float(betas_of(beta)[0])
    cond, p_x = _conditional(joint), joint.sum(1)
    weights, masses = _memberships(joint, encoder)
    here = masses > 0
    logits = np.log(masses[here]) + value * _log_likelihood(cond, weights[here] @ cond)
    with np.errstate(divide="ignore"):
        return np.log(p_x) - special.logsumexp(logits, axis=1), cond, value


def _log_likelihood(cond: np.ndarray, r: np.ndarray) -> np.ndarray:
    """sum_y p(y|x) log r(y), (|X|, K); where r lacks what p(y|x) has, a number whose exponential is nothing."""
    return cond @ np.where(r > 0, np.log(np.where(r > 0, r, 1)), -1e30).T


def _ratio(p_x: np.ndarray, cond: np.ndarray, q: np.ndarray) -> float:
    """KL(q_X || p_X) / KL(q_Y || p_Y); infinite where q is too near to p for the quotient to mean anything."""
    here, there = special.rel_entr(q, p_x).sum(), special.rel_entr(q @ cond, p_x @ cond).sum()
    return float(here / there) if there > NEAR else np.inf


def _vertices(p_x: np.ndarray) -> list[np.ndarray]:
    """Each single x, likeliest first, 200 at most: limits of tilts that no finite one attains."""
    return [np.eye(1, len(p_x), i)[0] for i in np.argsort(-p_x)[:200]]


def _tilted(p_x: np.ndarray, cond: np.ndarray, theta: np.ndarray) -> np.ndarray:
    return special.softmax(np.log(p_x) + cond @ theta)


def _descents(p_x: np.ndarray, cond: np.ndarray, starts: int, seed: int) -> list[np.ndarray]:
    """Tilts at which the ratio is least nearby."""
    p_y = p_x @ cond
    size = len(p_y)

    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        q = _tilted(p_x, cond, theta)
        q_y = q @ cond
        here, there = special.rel_entr(q, p_x).sum(), special.rel_entr(q_y, p_y).sum()
        if there < NEAR or here < NEAR:
            return 1.0, np.zeros(size)  # as bad as it gets: a flat place to stop at
        share = there / here
        direction = cond @ (np.log(np.maximum(q_y, 1e-300) / p_y) - share * theta)
        slope = (q * (direction - q @ direction)) @ cond / here
        return 1.0 - share, -slope

    generator = np.random.default_rng(seed)
    _, vectors = np.linalg.eigh(_symmetric(p_x, cond, p_y))
    modes = (vectors[:, -2::-1] / np.sqrt(p_y)[:, None]).T[: max(1, size - 1)]
    first = [s * 3.0 * mode / max(abs(mode).max(), 1e-12) for mode in modes[:8] for s in (-1, 1)]
    first += [8.0 * np.eye(size)[y] for y in range(min(size, 8))] + list(4 * generator.standard_normal((starts, size)))
    bounds = [(-FAR, FAR)] * size
    return [optimize.minimize(objective, theta, jac=True, method="L-BFGS-B", bounds=bounds).x for theta in first]


def _symmetric(p_x: np.ndarray, cond: np.ndarray, p_y: np.ndarray) -> np.ndarray:
    scaled = np.sqrt(p_x)[:, None] * cond / np.sqrt(p_y)
    return scaled.T @ scaled

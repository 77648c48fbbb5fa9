"""The bottleneck's solution followed along beta, cluster by cluster, and the betas at which clusters appear."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize, special

from layerlab.information._bottleneck_inputs import betas_of, joint_of, merge_classes
from layerlab.information.bottleneck import bottleneck_clusters, bottleneck_loss, information_bottleneck
from layerlab.information.critical import best_newcomer, critical_betas
from layerlab.information.sampling import plane_point

APART = 1e-5  # clusters whose p(y|t) differ by less are one
GONE = 1e-8  # a cluster of less mass is none
GROWS = 1e-9  # a newcomer that grows by less in one iteration is rounding, or gains nothing that could be seen
FIRST = 0.02  # the mass that a newcomer is given at first
DYING = 2e-5  # on the way down in beta, where masses sink slowly, a cluster of less mass is lost
TOLERANCE = 1e-12


@dataclass(frozen=True)
class Branches:
    """A solution for each of B betas, ascending, T clusters at most; rows are padded with clusters of mass 0.

    beta, i_xt, i_ty (bits), clusters: (B,). masses: (B, T). decoder: (B, T, |Y|), NaN for padding. critical: (B, T) the
    first critical beta of each cluster, NaN for padding. growth: (B,) what is left of the best newcomer's growth:
    0 up to 1e-9 certifies the optimum, as far as the search for newcomers goes. residual: (B,).
    encoders: for each beta (C, k), p(t|x) of each class of x with the same p(y|x), k = clusters. joint: (C, |Y|).
    """

    beta: np.ndarray
    i_xt: np.ndarray
    i_ty: np.ndarray
    clusters: np.ndarray
    masses: np.ndarray
    decoder: np.ndarray
    critical: np.ndarray
    growth: np.ndarray
    residual: np.ndarray
    encoders: tuple[np.ndarray, ...]
    joint: np.ndarray


@dataclass(frozen=True)
class Bifurcation:
    """A beta at which the number of clusters of the followed solution grows.

    before, after: the number of clusters. birth: where the first newcomer's growth, g - 1 over all p(y|t) = r, becomes
    positive on the solution of `before` clusters. split: where the smallest critical beta of that solution's clusters
    is beta itself, NaN if there is none within half again of birth; never below birth. distance: total variation
    between the newborn p(y|t) and the nearest cluster at birth: 0 at a split of second order. found: where the
    solution of `after` clusters, followed downward, loses one; it knows nothing of the theory.
    """

    before: int
    after: int
    birth: float
    split: float
    distance: float
    found: float


def follow_branches(
    p_xy: Any, betas: Any, *, progress: Callable[[float, float, str], object] | None = None
) -> Branches:
    """The optimal solution at each beta, followed upward from the trivial one.

    At each beta the solution below is iterated to its fixed point; then the best newcomer is sought (`best_newcomer`),
    given some mass if it grows, and iterated again, until none does. p_xy: (|X|, |Y|). betas: (B,), sorted here.
    progress: called as (done, total, note); may raise to stop. Returns `Branches`, in numpy.
    Raises as `information_bottleneck`.
    """
    joint, _ = merge_classes(joint_of(p_xy))
    order = np.sort(betas_of(betas))
    encoder, rows = np.ones((len(joint), 1)), []
    for i, beta in enumerate(order):
        if progress is not None:
            progress(i, len(order), f"β = {beta:.3g}")
        encoder, growth, residual = settle(joint, encoder, float(beta))
        rows.append((encoder, growth, residual))
    return _packed(joint, order, rows)


def settle(joint: np.ndarray, encoder: np.ndarray, beta: float, rounds: int = 30) -> tuple[np.ndarray, float, float]:
    """From an encoder to one that no newcomer improves: encoder (|X|, k), the growth that is left, the residual."""
    encoder, residual = continued(joint, encoder, beta)
    mass, loss = FIRST, bottleneck_loss(joint, encoder, beta)
    for _ in range(rounds):
        growth, r = best_newcomer(joint, encoder, beta)
        if growth <= GROWS:
            break
        tried, left = continued(joint, joined(joint, encoder, beta, r, mass), beta)
        lower = bottleneck_loss(joint, tried, beta)
        if lower < loss:
            encoder, residual, loss, mass = tried, left, lower, FIRST
        else:
            mass /= 10  # the loss falls for little enough of it
    return encoder, growth, residual


def continued(
    joint: np.ndarray, encoder: np.ndarray, beta: float, *, gone: float = GONE, most: int = 5_000
) -> tuple[np.ndarray, float]:
    """The fixed point at beta that the iteration reaches from an encoder, its clusters distinct; and its residual.

    gone: clusters of less mass are left out. most: iterations.
    """
    found = information_bottleneck(joint, [beta], init=encoder, tolerance=TOLERANCE, max_iterations=most)
    return distinct(joint, found.encoder[0], gone), float(found.residual[0])


def distinct(joint: np.ndarray, encoder: np.ndarray, gone: float = GONE) -> np.ndarray:
    """The encoder with clusters of equal p(y|t) made one and empty ones left out, heaviest first."""
    masses, decoder = bottleneck_clusters(joint, encoder)
    kept: list[tuple[np.ndarray, np.ndarray]] = []
    for t in np.argsort(-masses, kind="stable"):
        if masses[t] <= gone:
            continue
        for place, (r, column) in enumerate(kept):
            if np.abs(r - decoder[t]).max() < APART:
                kept[place] = (r, column + encoder[:, t])
                break
        else:
            kept.append((decoder[t], encoder[:, t]))
    result = np.stack([column for _, column in kept], 1)
    return result / result.sum(1, keepdims=True)


def joined(joint: np.ndarray, encoder: np.ndarray, beta: float, r: np.ndarray, mass: float = FIRST) -> np.ndarray:
    """The encoder with a further cluster at p(y|t) = r, of little mass."""
    masses, decoder = bottleneck_clusters(joint, encoder)
    masses, decoder = np.r_[(1 - mass) * masses, mass], np.r_[decoder, r[None]]
    cond = joint / joint.sum(1, keepdims=True)
    logits = np.log(masses) + beta * special.xlogy(cond[:, None, :], np.maximum(decoder, 1e-300)).sum(-1)
    return special.softmax(logits, axis=1)


def find_bifurcations(
    branches: Branches, *, progress: Callable[[float, float, str], object] | None = None
) -> list[Bifurcation]:
    """The betas at which a followed solution gains clusters, each predicted in both ways and found.

    Between two neighbouring betas of `branches` that differ in their number of clusters, the lower solution is
    continued upward without newcomers and the upper one downward. Two that appear within one step of beta are told as
    one. Precision: 3e-5 of beta; 2e-4 for `found`, where a cluster of less mass than 2e-5 counts as lost. Raises
    whatever `progress` does.
    """
    steps = [i for i in range(len(branches.beta) - 1) if branches.clusters[i + 1] > branches.clusters[i]]
    found = []
    for done, i in enumerate(steps):
        if progress is not None:
            progress(done, len(steps), f"bifurcation {done + 1} of {len(steps)}")
        found.append(_bifurcation(branches, i))
    return found


def _bifurcation(branches: Branches, i: int) -> Bifurcation:
    joint, (low, high) = branches.joint, branches.beta[i : i + 2]
    lower, upper = branches.encoders[i], branches.encoders[i + 1]

    def grows(beta: float) -> bool:
        return best_newcomer(joint, continued(joint, lower, beta)[0], beta)[0] > GROWS

    def margin(beta: float) -> float:
        return float(np.log(critical_betas(joint, continued(joint, lower, beta)[0])[:, 0].min() / beta))

    def lives(beta: float) -> bool:
        nonlocal upper
        encoder, _ = continued(joint, upper, beta, gone=DYING, most=300)
        alive = encoder.shape[1] > lower.shape[1]
        upper = encoder if alive else upper
        return alive

    birth = _switch(grows, low, high)
    some = margin(low) > 0 > margin(1.5 * birth)
    split = float(optimize.brentq(margin, low, 1.5 * birth, rtol=1e-6)) if some else np.nan
    parents, _ = continued(joint, lower, birth)
    _, newborn = best_newcomer(joint, parents, birth)
    _, decoder = bottleneck_clusters(joint, parents)
    return Bifurcation(
        before=lower.shape[1],
        after=branches.encoders[i + 1].shape[1],
        birth=birth,
        split=split,
        distance=float(np.abs(decoder - newborn).sum(1).min() / 2),
        found=_switch(lives, low, high, 2e-4),
    )


def _switch(holds: Callable[[float], bool], low: float, high: float, precision: float = 3e-5) -> float:
    """The least beta at which `holds`, by bisection; it does at `high` and not at `low`."""
    while high - low > precision * low:
        middle = float(np.sqrt(low * high))
        low, high = (low, middle) if holds(middle) else (middle, high)
    return float(high)


def _packed(joint: np.ndarray, betas: np.ndarray, rows: list[tuple[np.ndarray, float, float]]) -> Branches:
    width = max(encoder.shape[1] for encoder, _, _ in rows)
    masses = np.zeros((len(rows), width))
    decoder = np.full((len(rows), width, joint.shape[1]), np.nan)
    critical = np.full((len(rows), width), np.nan)
    plane = np.zeros((len(rows), 2))
    for b, (encoder, _, _) in enumerate(rows):
        k = encoder.shape[1]
        masses[b, :k], decoder[b, :k] = bottleneck_clusters(joint, encoder)
        critical[b, :k] = critical_betas(joint, encoder)[:, 0]
        plane[b] = plane_point(joint, encoder)
    return Branches(
        beta=betas,
        i_xt=plane[:, 0],
        i_ty=plane[:, 1],
        clusters=(masses > 0).sum(1),
        masses=masses,
        decoder=decoder,
        critical=critical,
        growth=np.array([growth for _, growth, _ in rows]),
        residual=np.array([residual for _, _, residual in rows]),
        encoders=tuple(encoder for encoder, _, _ in rows),
        joint=joint,
    )

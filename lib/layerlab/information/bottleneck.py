"""The information bottleneck: the best that a representation T of X can do about Y.

Of all encoders p(t|x) that keep I(X;T) bits of X, which keeps most about Y? The answer minimises the loss
L = I(X;T) - beta I(T;Y) and satisfies three equations,

    p(t|x) = p(t) exp(-beta KL[p(y|x) || p(y|t)]) / Z(x),    p(t) = sum_x p(x) p(t|x),    p(y|t) = sum_x p(y|x) p(x|t),

with KL in nats, which are iterated (Tishby, Pereira & Bialek 1999). Informations are reported in bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from layerlab.arrays import is_tensor, to_numpy, whole
from layerlab.information._bottleneck_inputs import (
    betas_of,
    check_settings,
    device_of,
    encoder_of,
    joint_of,
    merge_classes,
)
from layerlab.information.sampling import plane_point

if TYPE_CHECKING:
    from layerlab.information._annealing import Task

INITS = ("anneal", "random")


@dataclass(frozen=True)
class Bottleneck:
    """What `information_bottleneck` found: for each beta the best of all restarts. Arrays, or tensors if given some.

    beta: (B,). i_xt, i_ty: (B,) I(X;T) and I(T;Y) in bits. h_t: (B,) H(T) in bits.
    loss: (B,) I(X;T) - beta I(T;Y) in bits, or H(T) - beta I(T;Y) if deterministic.
    masses: (B, T) p(t). decoder: (B, T, |Y|) p(y|t); p(y) for a cluster without mass.
    residual: (B,) the total variation 1/2 sum |difference| by which one more iteration moves p(t,y).
    converged: (B,) whether the residual is within the tolerance. What is not converged is no fixed point.
    iterations: (B,) evaluations of the equations for the restart that won, extrapolations included.
    restart_loss: (B, R) the loss that each restart reached by itself, in bits; the best may lie below all of them,
        since annealing also exchanges solutions between betas. restart_converged: (B, R).
    class_encoder: (B, C, T) p(t|x) of each class of x with the same p(y|x). classes: (|X|,) the class of each x, -1
        where p(x) = 0.
    """

    beta: Any
    i_xt: Any
    i_ty: Any
    h_t: Any
    loss: Any
    masses: Any
    decoder: Any
    residual: Any
    converged: Any
    iterations: Any
    restart_loss: Any
    restart_converged: Any
    class_encoder: Any
    classes: Any

    @property
    def encoder(self) -> Any:
        """(B, |X|, T) p(t|x), made when asked for. An x of no mass is encoded as p(t), which says nothing."""
        encoder = self.class_encoder[:, self.classes]
        empty = self.classes < 0
        if bool(empty.any()):
            encoder[:, empty] = self.masses[:, None, :]
        return encoder

    @property
    def clusters(self) -> Any:
        """(B,) how many clusters have mass."""
        return (self.masses > 0).sum(-1)


def information_bottleneck(
    p_xy: Any,
    betas: Any,
    *,
    clusters: int | None = None,
    restarts: int = 1,
    init: Any = "anneal",
    seed: int = 0,
    tolerance: float = 1e-8,
    max_iterations: int = 10_000,
    deterministic: bool = False,
    device: Any = None,
    progress: Callable[[float, float, str], object] | None = None,
) -> Bottleneck:
    """The information curve: encoders p(t|x) that minimise I(X;T) - beta I(T;Y), for all betas.

    Parameters
    ----------
    p_xy: (|X|, |Y|) the joint distribution. An x without mass is left out, and encoded as p(t).
    betas: (B,) or a number, each at least 0, in any order. They multiply a KL in nats: the slope of the curve with
        I(X;T) across and I(T;Y) upward is 1/beta, whatever the unit of information.
    clusters: the most values that T may take. None allows as many as there are different p(y|x), which is
        always enough, and cuts the result to those in use at some beta.
    restarts: independent starts R for each beta, from which the best is taken.
    init: "anneal": from large beta down, each beta starting at the solution above it; then all betas polished together;
        then every beta tries the others' solutions, until none helps. The first restart begins with a cluster per x.
        "random": cold starts at each beta, all betas and restarts in one batch, no exchange.
        An encoder (|X|, T), or one for each beta (B, |X|, T): start there, and keep T and the order of its clusters.
    seed: of the random starts and perturbations, drawn by numpy, so the same on every device.
    tolerance, max_iterations: a state has converged when one more iteration moves p(t,y) by a total variation of
        `tolerance` or less. It is a step's length, not the distance to the end: near a bifurcation steps are short.
    deterministic: the deterministic bottleneck H(T) - beta I(T;Y) (Strouse & Schwab 2017): each x goes to the cluster
        of largest log p(t) - beta KL.
    device: where to compute; default: where p_xy is, or the CPU. Needs double precision, which "mps" lacks.
    progress: called as (done, total, note); may raise to stop.

    Two things make it quick and change nothing. All x with the same p(y|x) (to 1e-12) are one class: the loss gains
    nothing from telling them apart, since replacing their p(t|x) by the average leaves p(t,y) as it is and can only
    lower I(X;T), which is convex in the encoder. And the iteration is extrapolated, a guess being kept only if the loss
    falls: it never rises.

    Returns a `Bottleneck`. The loss is not convex: what is found is a fixed point, best of those tried.
    Raises ValueError or TypeError naming the argument, what it was and what is allowed.

    Sources: Tishby, Pereira & Bialek 1999, section 3; Strouse & Schwab 2017; Walker & Ni 2011 (extrapolation).
    """
    import torch

    joint, betas = joint_of(p_xy), betas_of(betas)
    merged, classes = merge_classes(joint)
    limit = clusters if clusters is None else whole(clusters, "clusters", 1)
    check_settings(tolerance, deterministic)
    on = device_of(device, p_xy)
    held = merged.sum(0) > 0
    small = torch.from_numpy(merged[:, held]).to(on)
    mass = small.sum(1)
    from layerlab.information import _annealing, _equations

    task = _annealing.Task(
        problem=_equations.Problem(mass, small / mass[:, None], small),
        betas=torch.from_numpy(betas).to(on),
        clusters=min(limit or len(merged), len(merged)),
        restarts=whole(restarts, "restarts", 1),
        seed=whole(seed, "seed", 0),
        tolerance=float(tolerance),
        max_iterations=whole(max_iterations, "max_iterations", 1),
        hard=deterministic,
        progress=progress or (lambda done, total, note: None),
    )
    if isinstance(init, str):
        if init not in INITS:
            raise ValueError(f"init must be {' or '.join(INITS)} or an encoder; it was {init!r}")
        states = _annealing.anneal(task) if init == "anneal" else _annealing.cold(task)
    else:
        if restarts != 1:
            raise ValueError(
                f"restarts must be 1 where init is an encoder, for all would be the same; it was {restarts}"
            )
        encoder = encoder_of(init, joint, len(betas))
        limit = encoder.shape[-1]
        states = torch.from_numpy(np.swapaxes(encoder, -1, -2) @ joint[:, held]).to(on)
        states = states.expand(len(betas), *states.shape[-2:])[:, None]
    tidy = isinstance(init, str)
    result = _finish(task, states, exchange=tidy and init == "anneal", tidy=tidy)
    return _package(task, result, held, classes, limit, tensor=is_tensor(p_xy))


def _finish(task: Task, states: Any, *, exchange: bool, tidy: bool) -> dict[str, Any]:
    """From starts (B, R, T, m) to the best fixed point of each beta, with what is known of all."""
    import torch

    from layerlab.information import _annealing, _equations

    count, restarts = states.shape[:2]
    each = task.betas.repeat_interleave(restarts)
    found, spent = task.solve(states.flatten(0, 1), each, "iterating")
    measured = _equations.measure(task.problem, found, each, task.hard)
    loss = task.loss(measured, each).reshape(count, restarts)
    best = loss.argmin(1)
    rows = torch.arange(count, device=best.device)
    winners = found.reshape(count, restarts, *found.shape[1:])[rows, best]
    iterations = spent.reshape(count, restarts)[rows, best]
    if exchange:
        winners = _annealing.exchange(task, winners)
    if tidy:
        winners, more = task.solve(_equations.compact(winners, task.problem), task.betas)
        iterations = iterations + more
    final = _equations.measure(task.problem, winners, task.betas, task.hard)
    return final | {
        "states": winners,
        "iterations": iterations,
        "restart_loss": loss,
        "restart_residual": measured["residual"].reshape(count, restarts),
    }


def _package(
    task: Task, result: dict[str, Any], held: np.ndarray, classes: np.ndarray, limit: int | None, *, tensor: bool
) -> Bottleneck:
    """The result in bits, its columns of Y and clusters complete, in the caller's kind of array."""
    import torch

    states, after = result["states"], result["next"]
    width = states.shape[1] if limit is None else limit
    pad = max(0, width - states.shape[1])
    encoder = torch.nn.functional.pad(_encoders(task, states), (0, pad))
    after = torch.nn.functional.pad(after, (0, 0, 0, pad))
    masses = after.sum(-1)
    p_y = task.problem.joint.sum(0)
    narrow = torch.where(masses[..., None] > 0, after / masses[..., None], p_y)
    decoder = torch.zeros(*narrow.shape[:2], len(held), dtype=narrow.dtype, device=narrow.device)
    decoder[..., torch.from_numpy(held).to(decoder.device)] = narrow
    bits = math.log(2)
    loss = task.loss(result, task.betas) / bits
    give = (lambda v: v) if tensor else to_numpy
    return Bottleneck(
        beta=give(task.betas),
        i_xt=give(result["i_xt"] / bits),
        i_ty=give(result["i_ty"] / bits),
        h_t=give(result["h_t"] / bits),
        loss=give(loss),
        masses=give(masses),
        decoder=give(decoder),
        residual=give(result["residual"]),
        converged=give(result["residual"] <= task.tolerance),
        iterations=give(result["iterations"]),
        restart_loss=give(result["restart_loss"] / bits),
        restart_converged=give(result["restart_residual"] <= task.tolerance),
        class_encoder=give(encoder),
        classes=give(torch.from_numpy(classes).to(encoder.device)),
    )


def _encoders(task: Task, states: Any) -> Any:
    import torch

    from layerlab.information import _equations

    size = task.problem.block(states.shape[1])
    parts = zip(states.split(size), task.betas.split(size), strict=True)
    return torch.cat([_equations.encoder_of(task.problem, s, b, task.hard) for s, b in parts])


def bottleneck_step(p_xy: Any, encoder: Any, beta: float) -> Any:
    """One iteration of the three equations: the encoder p(t|x) proportional to p(t) exp(-beta KL[p(y|x) || p(y|t)]).

    p_xy: (|X|, |Y|). encoder: (|X|, T), which gives p(t) and p(y|t). beta: at least 0. Returns (|X|, T), numpy, or a
    tensor on p_xy's device if that is one. An x without mass is given p(t); a cluster without mass stays so. The loss
    never rises. Raises as `information_bottleneck`.
    """
    import torch

    from layerlab.information import _equations

    joint = joint_of(p_xy)
    given = encoder_of(encoder, joint, 1)[0]
    some, held = joint.sum(1) > 0, joint.sum(0) > 0
    small = torch.from_numpy(joint[some][:, held])
    mass = small.sum(1)
    problem = _equations.Problem(mass, small / mass[:, None], small)
    state = torch.from_numpy(given[some]).T @ small
    after = np.repeat((given.T @ joint.sum(1))[None], len(joint), 0)
    after[some] = _equations.encoder_of(problem, state[None], torch.from_numpy(betas_of(beta)))[0].numpy()
    return torch.from_numpy(after).to(p_xy.device) if is_tensor(p_xy) else after


def bottleneck_clusters(p_xy: Any, encoder: Any) -> tuple[Any, Any]:
    """p(t), (T,), and p(y|t), (T, |Y|), of an encoder (|X|, T); p(y) for a cluster without mass. numpy."""
    joint = joint_of(p_xy)
    state = encoder_of(encoder, joint, 1)[0].T @ joint
    masses = state.sum(1)
    full = masses[:, None] > 0
    return masses, np.where(full, state / np.where(full, masses[:, None], 1), joint.sum(0))


def bottleneck_loss(p_xy: Any, encoder: Any, beta: float) -> float:
    """I(X;T) - beta I(T;Y) in bits of an encoder p(t|x), (|X|, T)."""
    joint = joint_of(p_xy)
    i_xt, i_ty = plane_point(joint, encoder_of(encoder, joint, 1)[0])
    return float(i_xt - betas_of(beta)[0] * i_ty)

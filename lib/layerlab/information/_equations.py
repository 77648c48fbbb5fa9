"""The self-consistent equations of the information bottleneck on a batch of states, in torch.

A state is the joint p(t,y) of clusters and relevant variable, shape (M, T, m) for a batch of M. It says all that the
equations need: it gives p(t) and p(y|t), these give the encoder, and the encoder gives the next state. The encoder
itself, (n, T) for each member, is only ever held for one block of the batch. `bottleneck.py` is the public face.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from layerlab.information._extrapolation import NEVER, Past

BLOCK = {"cpu": 2**18, "cuda": 2**27}  # encoder entries held at once; on a CPU few enough to stay in its cache
SAME = 1e-5  # clusters whose roots of p(y|t) lie closer than this are one: a KL of some 4e-10 nats
EMPTY = 1e-14  # a cluster of less mass is left out
EASY = 4  # a block's first steps are plain: where they suffice, nothing is quicker
PATIENCE, SMALL = 40, 160  # after so many evaluations a state of at most so many entries takes Newton's steps
ROUNDING = 1e-15  # a free energy that is higher by so much, relatively, counts as no higher


@dataclass
class Problem:
    """A joint without empty rows or columns: w = p(x) (n,), cond = p(y|x) (n, m), joint (n, m), all float64."""

    w: Tensor
    cond: Tensor
    joint: Tensor

    def __post_init__(self) -> None:
        self.augmented = torch.cat([self.cond, torch.ones_like(self.w)[:, None]], 1)

    def block(self, clusters: int) -> int:
        """Members of a batch that are computed at once."""
        return max(1, BLOCK.get(self.w.device.type, 2**24) // (len(self.w) * clusters))


def encode(problem: Problem, state: Tensor, beta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """p(t) exp(-beta KL) of each x, up to a factor of x: values (M, n, T) of maximum 1, their logs' shift, their sum.

    The shift lacks beta sum_y p(y|x) log p(y|x), the same for all t.
    """
    mass = state.sum(-1, keepdim=True)
    here = state > 0
    log_q = torch.where(here, (state / mass.clamp_min(1e-320)).log(), NEVER)
    log_r = torch.where(mass > 0, mass.log(), NEVER)
    logits = torch.matmul(problem.augmented, torch.cat([beta[:, None, None] * log_q, log_r], -1).transpose(1, 2))
    shift = logits.amax(-1, keepdim=True)
    weight = logits.sub_(shift).exp_()
    return weight, shift[..., 0], weight.sum(-1)


def step(problem: Problem, state: Tensor, beta: Tensor, hard: bool = False) -> tuple[Tensor, Tensor]:
    """The next state, and the free energy -sum_x p(x) log Z(x) of this one in nats, less a constant of beta.

    The free energy is I(X;T) + beta E KL minimised over encoders for this state's p(t) and p(y|t). `hard` gives each x
    to the one cluster of largest weight, as the deterministic bottleneck does.
    """
    weight, shift, total = encode(problem, state, beta)
    if hard:
        weight = torch.zeros_like(weight).scatter_(-1, weight.argmax(-1, keepdim=True), 1.0)
        return torch.matmul(weight.transpose(1, 2), problem.joint), -(shift @ problem.w)
    energy = -((shift + total.log()) @ problem.w)
    return torch.matmul(weight.transpose(1, 2), problem.joint / total[..., None]), energy


def solve(
    problem: Problem,
    states: Tensor,
    betas: Tensor,
    *,
    tolerance: float,
    max_iterations: int,
    hard: bool = False,
    report: Callable[[int], object] = lambda done: None,
) -> tuple[Tensor, Tensor]:
    """Fixed points of `step` from `states` (M, T, m), and how often each applied it, (M,).

    Stops a member once a step moves its state by a total variation of `tolerance` or less, and returns the state before
    that step. Members are taken in blocks, those with the fewest clusters first, columns that none uses cut off.
    `report` hears how many members are done.
    """
    out, spent = states.clone(), torch.zeros(len(states), dtype=torch.int64, device=states.device)
    used = (states.sum(-1) > 0).sum(-1) if len(states) > 1 else torch.tensor([states.shape[1]])
    order, done = used.argsort(stable=True), 0
    while done < len(order):
        rest = order[done:]
        take = problem.block(int(used[rest[0]]))
        while take > 1 and take > problem.block(int(used[rest[:take][-1]])):
            take //= 2
        index = rest[:take].to(states.device)
        width = _width(states[index])
        found, spent[index] = _block(
            problem, states[index, :width], betas[index], tolerance, max_iterations, hard, partial(report, done)
        )
        out[index, :width] = found
        done += len(index)
        report(done)
    return out, spent


def _width(states: Tensor) -> int:
    """Columns up to the last that is in use anywhere."""
    alive = (states.sum(-1) > 0).any(0).nonzero()
    return int(alive[-1]) + 1


def _block(problem, states, betas, tolerance, max_iterations, hard, beat):
    """One block: after a few plain steps every step is extrapolated (unless `hard`); the converged members leave.

    A guess is kept only if its free energy is no higher than the loss of the encoder before; otherwise the plain step
    from there is taken. So the loss never rises, whatever the extrapolation does.
    """
    result, spent = states.clone(), torch.zeros(len(states), dtype=torch.int64, device=states.device)
    active, count = torch.arange(len(states), device=states.device), 0
    now, beta, plain = states, betas, states
    lowest = torch.full_like(betas, torch.inf)
    past = Past(states)
    while True:
        beat()
        after, energy = step(problem, now, beta, hard)
        count += 1
        good = energy <= lowest + ROUNDING * (1 + lowest.abs())
        good |= torch.isinf(lowest) | hard
        done = good & ((after - now).abs().sum((1, 2)) <= 2 * tolerance)
        if bool(done.any()) or count >= max_iterations:
            leaves = done if count < max_iterations else torch.ones_like(done)
            result[active[leaves]] = torch.where(good[:, None, None], now, plain)[leaves]
            spent[active[leaves]] = count
            stays = ~leaves
            if not bool(stays.any()):
                return result, spent
            active, now, after, beta, plain, lowest, energy, good = (
                v[stays] for v in (active, now, after, beta, plain, lowest, energy, good)
            )
            past.keep(stays)
        if hard or count <= EASY:
            now = plain = after
            continue
        kept = good[:, None, None]
        reached = energy - gained(now, after, beta)
        lowest = torch.where(good, reached, torch.inf)  # a plain step after a bad guess needs no check
        near = count >= PATIENCE and now[0].numel() <= SMALL
        guess = past.newton(problem, now, after, beta, good) if near else past.extrapolate(now, after, beta, good)
        now, plain = torch.where(kept, guess, plain), torch.where(kept, after, plain)


def gained(before: Tensor, after: Tensor, beta: Tensor) -> Tensor:
    """How far the loss of an encoder lies under the free energy that it was made with, in nats, (M,).

    The encoder minimised the free energy for the p(t), p(y|t) of `before`; with its own, of `after`, that is its loss.
    The difference is KL of the p(t) plus beta times KL of the p(y|t).
    """
    old, new = before.sum(-1), after.sum(-1)
    mass = torch.xlogy(new, torch.where(new > 0, new / old, 1.0)).sum(-1)
    pairs = torch.xlogy(after, torch.where(after > 0, after / before, 1.0)).sum((1, 2))
    return mass + beta * (pairs - mass)


def compact(states: Tensor, problem: Problem) -> Tensor:
    """Clusters of equal p(y|t) merged, empty ones dropped, the rest sorted by mass; columns that none uses cut off.

    Exact at a fixed point, where merging clusters of equal p(y|t) changes neither I(X;T) nor I(T;Y).
    """
    parts = []
    for part in states.split(max(1, 2**24 // states.shape[1] ** 2)):
        mass = part.sum(-1)
        alive = mass > EMPTY
        decoder = torch.where(alive[..., None], part / mass.clamp_min(1e-320)[..., None], 0.0)
        roots = decoder.sqrt()
        near = torch.cdist(roots, roots, compute_mode="donot_use_mm_for_euclid_dist") < SAME
        near &= alive[:, :, None] & alive[:, None, :]
        number = torch.arange(part.shape[1], device=part.device)
        label = torch.where(near, number, part.shape[1]).amin(-1)
        label = torch.where(alive, label, number)
        kept = torch.where(alive[..., None], part, 0.0)
        merged = torch.zeros_like(part).scatter_add_(1, label[..., None].expand_as(part), kept)
        order = merged.sum(-1).argsort(dim=-1, descending=True, stable=True)
        merged = merged.gather(1, order[..., None].expand_as(merged))
        parts.append(merged / merged.sum((1, 2), keepdim=True))
    whole = torch.cat(parts)
    return whole[:, : _width(whole)]


def measure(problem: Problem, states: Tensor, betas: Tensor, hard: bool = False) -> dict[str, Tensor]:
    """What the encoder of each state achieves: i_xt, h_t, i_ty in nats, next (its state), residual. All (M,) but next.

    residual: the total variation between the state and the next, 1/2 sum |difference|.
    """
    rows: dict[str, list[Tensor]] = {"i_xt": [], "h_t": [], "i_ty": [], "next": [], "residual": []}
    p_y = problem.joint.sum(0)
    size = problem.block(states.shape[1])
    for state, beta in zip(states.split(size), betas.split(size), strict=True):
        encoder = encoder_of(problem, state, beta, hard)
        after = torch.matmul(encoder.transpose(1, 2), problem.joint)
        mass = torch.matmul(encoder.transpose(1, 2), problem.w)
        h_t = torch.special.entr(mass).sum(-1)
        h_tx = torch.matmul(torch.special.entr(encoder).sum(-1), problem.w)
        pairs = torch.xlogy(after, after) - torch.xlogy(after, mass[..., None]) - torch.xlogy(after, p_y)
        rows["i_xt"].append((h_t - h_tx).clamp_min(0))
        rows["h_t"].append(h_t)
        rows["i_ty"].append(pairs.sum((1, 2)).clamp_min(0))
        rows["next"].append(after)
        rows["residual"].append((after - state).abs().sum((1, 2)) / 2)
    return {name: torch.cat(values) for name, values in rows.items()}


def encoder_of(problem: Problem, state: Tensor, beta: Tensor, hard: bool = False) -> Tensor:
    """p(t|x), (M, n, T), of states."""
    weight, _, total = encode(problem, state, beta)
    if hard:
        return torch.zeros_like(weight).scatter_(-1, weight.argmax(-1, keepdim=True), 1.0)
    return weight / total[..., None]

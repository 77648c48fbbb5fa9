"""Where states of the information bottleneck come from: reverse annealing, cold starts, exchange between betas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from layerlab.information import _equations as eq

LADDER = 1.15  # annealing takes no longer step between two betas than this factor
TOP = 8.0  # it starts so much above the largest beta asked for
LOOSE = 1e-5  # tolerance on the way; every state is polished afterwards
NOISE = 1e-3  # relative perturbation of each restart but the first, at each beta


@dataclass(frozen=True)
class Task:
    """What is to be solved: the merged joint, betas (B,) on its device, and how."""

    problem: eq.Problem
    betas: Tensor
    clusters: int
    restarts: int
    seed: int
    tolerance: float
    max_iterations: int
    hard: bool
    progress: Callable[[float, float, str], object]

    def solve(self, states: Tensor, betas: Tensor, note: str = "") -> tuple[Tensor, Tensor]:
        """`equations.solve` with this task's settings; `note` makes progress reports."""
        total = len(states)
        return eq.solve(
            self.problem,
            states,
            betas,
            tolerance=self.tolerance,
            max_iterations=self.max_iterations,
            hard=self.hard,
            report=(lambda done: self.progress(done, total, note)) if note else (lambda done: None),
        )

    def loss(self, measured: dict[str, Tensor], betas: Tensor) -> Tensor:
        """I(X;T) - beta I(T;Y), or H(T) - beta I(T;Y) of the deterministic bottleneck, in nats."""
        return measured["h_t" if self.hard else "i_xt"] - betas * measured["i_ty"]


def anneal(task: Task) -> Tensor:
    """States (B, R, T, m) from a descent in beta: each begins where the one above ended, all restarts at once.

    The first restart begins with a cluster for each x (if there are as many), the optimum as beta goes to infinity,
    and is never perturbed; the others begin with the clusters of x drawn at random and are shaken at each beta.
    """
    generator = np.random.default_rng(task.seed)
    states = seeds_of_clusters(task, generator)
    soft = replace(task, tolerance=max(task.tolerance, LOOSE), hard=False)
    ladder, asked = schedule(task.betas)
    found: list[Tensor | None] = [None] * len(task.betas)
    for i, beta in enumerate(ladder):
        task.progress(i, len(ladder), f"annealing, β = {beta:.3g}")
        states, _ = soft.solve(states, torch.full((len(states),), beta, dtype=torch.float64, device=states.device))
        states = eq.compact(states, task.problem)
        for b in asked[i]:
            found[b] = states
        states = shake(states, generator)
    width = max(s.shape[1] for s in found if s is not None)
    out = torch.zeros(
        len(task.betas), *states.shape[:1], width, states.shape[2], dtype=states.dtype, device=states.device
    )
    for b, state in enumerate(found):
        assert state is not None
        out[b, :, : state.shape[1]] = state
    return out


def schedule(betas: Tensor) -> tuple[list[float], list[list[int]]]:
    """Betas from above the largest downward, no gap wider than LADDER, and which of `betas` each of them is."""
    wanted = sorted({float(b) for b in betas}, reverse=True)
    ladder = [max(wanted[0], 1.0) * TOP]
    for beta in wanted:
        while beta < ladder[-1] / LADDER and ladder[-1] > 1:  # at beta <= 1 nothing is kept: no need to go slowly
            ladder.append(ladder[-1] / LADDER)
        ladder.append(beta)
    places: list[list[int]] = [[] for _ in ladder]
    for b, beta in enumerate(betas.tolist()):
        places[len(ladder) - 1 - ladder[::-1].index(beta)].append(b)
    return ladder, places


def seeds_of_clusters(task: Task, generator: np.random.Generator) -> Tensor:
    """(R, T, m): each restart's clusters start as single x; a tenth of p(y) is mixed in where not all x have one."""
    joint, w = task.problem.joint, task.problem.w
    count, size = len(w), task.clusters
    states = []
    for r in range(task.restarts):
        if size >= count and r == 0:
            states.append(joint)
            continue
        keys = generator.standard_exponential(count) / w.cpu().numpy()  # the first few: drawn without replacement
        chosen = torch.from_numpy(np.argsort(keys)[:size]).to(w.device)
        start = 0.9 * task.problem.cond[chosen] + 0.1 * joint.sum(0)
        states.append(start / start.sum())
    width = max(len(s) for s in states)
    return torch.stack([torch.nn.functional.pad(s, (0, 0, 0, width - len(s))) for s in states])


def shake(states: Tensor, generator: np.random.Generator) -> Tensor:
    """All but the first state, each entry multiplied by 1 + NOISE times a normal number."""
    if len(states) == 1:
        return states
    noise = torch.from_numpy(generator.standard_normal(states[1:].shape)).to(states.device)
    shaken = states[1:] * (1 + NOISE * noise).clamp_min(0.5)
    return torch.cat([states[:1], shaken / shaken.sum((1, 2), keepdim=True)])


def cold(task: Task) -> Tensor:
    """States (B, R, T, m) of random encoders, each p(.|x) uniform on the simplex; the same R of them at every beta."""
    generator = np.random.default_rng(task.seed)
    states = []
    for _ in range(task.restarts):
        encoder = generator.standard_exponential((len(task.problem.w), task.clusters))
        encoder /= encoder.sum(1, keepdims=True)
        states.append(torch.from_numpy(encoder).to(task.problem.w.device).T @ task.problem.joint)
    return torch.stack(states)[None].expand(len(task.betas), -1, -1, -1)


def exchange(task: Task, states: Tensor, rounds: int = 4) -> Tensor:
    """States (B, T, m) that no other beta's solution can better, as far as a few rounds of trying tell.

    A solution at one beta has a loss at every other beta, too: a straight line I(X;T) - beta I(T;Y). Wherever another's
    line runs lower, the iteration starts again from that state. Then every beta tries its two neighbours' states in
    any case, for they may lead somewhere better. The trivial solution, of loss 0, takes part.
    """
    trivial = torch.zeros_like(states[:1])
    trivial[:, 0] = task.problem.joint.sum(0)
    order = task.betas.argsort()
    every = torch.arange(len(states), device=states.device)
    for _ in range(rounds):
        task.progress(0, 1, "exchange between betas")
        loss, cost, i_ty = _losses(task, states, task.betas)
        lines = cost[None] - task.betas[:, None] * i_ty  # (beta, solution)
        lowest, other = lines.min(1)
        flat = loss >= -1e-14 * (1 + task.betas)
        states = torch.where(flat[:, None, None], trivial, states)
        worse = every[~flat & (lowest < loss - _margin(loss))]
        states, _ = _try(task, states, worse, other[worse])
        up = _try(task, states, order[:-1], order[1:])
        down = _try(task, up[0], order[1:], order[:-1])
        states = down[0]
        if not (up[1] or down[1] or len(worse)):
            break
    return states


def _try(task: Task, states: Tensor, here: Tensor, there: Tensor) -> tuple[Tensor, bool]:
    """`states`, those at `here` iterated from those at `there` where that ends lower, and whether it did anywhere."""
    if not len(here):
        return states, False
    betas = task.betas[here]
    moved, _ = task.solve(states[there], betas)
    old, new = (_losses(task, s, betas)[0] for s in (states[here], moved))
    better = new < old - _margin(old)
    states = states.clone()
    states[here[better]] = moved[better]
    return states, bool(better.any())


def _losses(task: Task, states: Tensor, betas: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Loss, its first term and I(T;Y), in nats."""
    measured = eq.measure(task.problem, states, betas, task.hard)
    return task.loss(measured, betas), measured["h_t" if task.hard else "i_xt"], measured["i_ty"]


def _margin(loss: Tensor) -> Tensor:
    """What counts as lower: more than rounding and an unfinished last digit."""
    return 1e-11 * (1 + loss.abs())

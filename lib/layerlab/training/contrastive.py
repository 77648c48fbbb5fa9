"""A lower bound on information that is trained: critics that learn to tell which T belongs to which X.

Unlike the other estimators it needs no model of the noise and no cells, only pairs; and it can fail silently in one
direction alone: a critic that learns badly, or too few others to compare with, give too little, never (but for the
scatter of the held-out mean) too much.

Source: A. van den Oord, Y. Li, O. Vinyals 2018 (InfoNCE); B. Poole et al. 2019 (the bound and its ceiling).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from layerlab.arrays import is_tensor, real_values, whole
from layerlab.nets import MLP

EVALUATED = 64  # held-out batches
LARGEST = float(np.finfo(np.float32).max)


class ContrastiveBound(NamedTuple):
    """What `contrastive_bound` found, in bits; arrays of shape (N,).

    held_out: the bound on fresh pairs: what to report. error: its standard error over the held-out batches.
    trained_on: the same on pairs from the training rows; well above `held_out` where the critic memorises.
    ceiling: log2(batch): the bound cannot exceed it, whatever the information. (One number.)
    """

    held_out: np.ndarray
    error: np.ndarray
    trained_on: np.ndarray
    ceiling: float


def contrastive_bound(
    x: Any,
    t: Any,
    *,
    variance: float = 0.0,
    batch: int = 256,
    steps: int = 1000,
    held_out: float = 0.2,
    widths: tuple[int, ...] = (64, 64),
    embedding: int = 32,
    learning_rate: float = 3e-3,
    seed: int = 0,
) -> ContrastiveBound:
    """InfoNCE's lower bound on I(X;T) in bits, for N representations whose critics train in lockstep.

        I(X;T) >= log2(batch) + E log2 [ exp f(x_i, t_i) / sum_j exp f(x_j, t_i) ],  f(x, t) = g(x) . h(t)

    over batches of independent pairs; g and h are perceptrons with ReLU, one pair of them for each representation,
    trained by Adam to make it large. T = t + N(0, variance I), drawn anew for every batch. Pairs are drawn with
    replacement, as the bound demands. With labels as one-hot x it bounds I(T;Y).

    x: (samples, inputs), shared, or (N, samples, inputs). t: (samples, units) or (N, samples, units) activations; the
    result then has shape (1,) or (N,). Both are centred and scaled to unit variance by unit first (an invertible map).
    batch: pairs compared, the ceiling's 2^bits. held_out: share of the samples that training never sees, 0: all are
    seen, and the held-out pairs differ by their noise alone, which is right if the samples are the whole population.
    Runs where t is, on the CPU for arrays. seed: of weights, split and draws; each representation has its own weights
    and all see the same pairs.

    Raises ValueError for shapes that do not fit, NaN or infinite values, a variance below 0, held_out outside [0, 1)
    or leaving fewer than 2 rows on a side; TypeError for what is not real. Source: the module's.
    """
    batch, steps, embedding = whole(batch, "batch", 2), whole(steps, "steps", 1), whole(embedding, "embedding", 1)
    variance, held_out = float(variance), float(held_out)
    if not 0 <= variance < math.inf:
        raise ValueError(f"variance must be finite and at least 0; it was {variance}")
    if not 0 <= held_out < 1:
        raise ValueError(f"held_out must be at least 0 and below 1; it was {held_out}")
    t = _representations(t, "t", t)
    x = _representations(x, "x", t)
    count, samples = t.shape[:2]
    if x.shape[0] not in (1, count) or x.shape[1] != samples:
        raise ValueError(
            f"x has shape {tuple(x.shape)}; it must have the {samples} samples of t, once or for each of {count}"
        )
    split, draws, weights = np.random.SeedSequence(whole(seed, "seed", 0)).spawn(3)
    order = torch.from_numpy(np.random.default_rng(split).permutation(samples))
    rest = round(held_out * samples)
    if held_out and not 2 <= rest <= samples - 2:
        raise ValueError(f"held_out = {held_out} leaves {rest} of {samples} rows; each side must keep at least 2")
    pairs = _Pairs(x, t, variance, batch, np.random.default_rng(draws))
    of_x, of_t = zip(*(each.spawn(2) for each in weights.spawn(count)), strict=True)
    sizes = (((x.shape[2], *widths, embedding), of_x), ((t.shape[2], *widths, embedding), of_t))
    critics = [
        MLP(shape, "relu", initialisation="he_normal", seeds=own, device=t.device).requires_grad_()
        for shape, own in sizes
    ]
    optimiser = torch.optim.Adam([critic.storage for critic in critics], lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    seen = order[rest:]
    for _ in range(steps):
        optimiser.zero_grad()
        (-pairs.bound(critics, seen).sum()).backward()  # a sum: each network's gradient is its own
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        fresh, old = (
            torch.stack([pairs.bound(critics, rows) for _ in range(EVALUATED)]).double().cpu().numpy()
            for rows in (order[:rest] if rest else order, seen)
        )
    return ContrastiveBound(
        fresh.mean(0), fresh.std(0, ddof=1) / math.sqrt(EVALUATED), old.mean(0), math.log2(batch)
    )  # fmt: skip


class _Pairs:
    """Draws batches of pairs, and gives the critics' bound on one."""

    def __init__(self, x: Tensor, t: Tensor, variance: float, batch: int, rng: np.random.Generator) -> None:
        self.x = _standard(x, 0.0)
        self.t, self.scale = _standard(t, variance), (t.var(1, keepdim=True, correction=0) + variance).rsqrt()
        self.deviation, self.batch, self.rng = math.sqrt(variance), batch, rng

    def bound(self, critics: list[MLP], rows: Tensor) -> Tensor:
        """(N,) the bound in bits on one batch of pairs from `rows`."""
        chosen = rows[self.rng.integers(0, len(rows), self.batch)].to(self.t.device)
        x, t = self.x[:, chosen], self.t[:, chosen]
        if self.deviation:
            noise = torch.from_numpy(self.rng.standard_normal(t.shape[1:]).astype(np.float32)).to(t.device)
            t = t + noise * self.deviation * self.scale
        g = critics[0](x if len(x) == len(critics[0]) else x.expand(len(critics[0]), -1, -1))
        scores = critics[1](t) @ g.transpose(1, 2)  # row i: the scores of t_i with all x_j
        own = scores.diagonal(dim1=1, dim2=2) - scores.logsumexp(-1)
        return own.mean(-1) / math.log(2) + math.log2(self.batch)


def _standard(values: Tensor, variance: float) -> Tensor:
    spread = values.var(1, keepdim=True, correction=0) + variance
    return (values - values.mean(1, keepdim=True)) * torch.where(spread > 0, spread, 1).rsqrt()


def _representations(value: Any, name: str, like: Any) -> Tensor:
    values = real_values(value, name, -LARGEST, LARGEST)
    device = like.device if is_tensor(like) else "cpu"
    tensor = torch.as_tensor(values, dtype=torch.float32, device=device).detach()
    if tensor.ndim not in (2, 3) or 0 in tensor.shape:
        raise ValueError(
            f"{name} has shape {tuple(tensor.shape)}; allowed are (samples, units) and (N, samples, units)"
        )
    return tensor if tensor.ndim == 3 else tensor[None]

"""Where an iteration is heading: extrapolations of the bottleneck's states from their steps. Any of them may be wrong;
whoever uses one checks that the loss does not rise.

They work on x = log p(t,y), where a step moves x by f = log(next / now), in the metric of the loss,

    |dx|^2 = sum_t p(t) (d log p(t))^2 + beta sum_ty p(t,y) (d log p(y|t))^2 ,

in which the slope of a step is symmetric at a fixed point (as for every alternating minimisation of this kind).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from layerlab.information._equations import Problem

NEVER = -1e30  # the log of an exact zero: finite, so that 0 log 0 is 0, and yet nothing times beta survives its exp
TINY = 1e-300
DEPTH = 6  # steps that an extrapolation looks back on
LONGEST = 1e4  # the longest move along one direction, in plain steps


class Past:
    """The last few steps of each member of a block, and where they are heading (Walker & Ni 2011, Anderson's method).

    Differences of x and of f over the last DEPTH steps say how f depends on x; the guess is where f would vanish if
    that were linear. Where some direction was seen to expand, as beside a saddle, f would vanish at the saddle: there
    the guess goes forward along f instead.
    """

    def __init__(self, states: Tensor) -> None:
        self.dx = states.new_zeros(len(states), DEPTH, *states.shape[1:])
        self.df = torch.zeros_like(self.dx)
        self.x = self.f = self.dx[:, 0]
        self.known = torch.zeros(len(states), dtype=torch.bool, device=states.device)
        self.slot = 0
        self.trust = states.new_ones(len(states))

    def keep(self, stays: Tensor) -> None:
        """Forget the members that left."""
        for name in ("dx", "df", "x", "f", "known", "trust"):
            setattr(self, name, getattr(self, name)[stays])

    def extrapolate(self, now: Tensor, after: Tensor, beta: Tensor, good: Tensor) -> Tensor:
        """The next states; where `good` is false the member's past is forgotten and its guess means nothing."""
        x, end = (v.clamp_min(TINY).log() for v in (now, after))
        f = end - x
        fresh = (good & self.known)[:, None, None]
        self.dx[:, self.slot] = torch.where(fresh, x - self.x, 0.0)
        self.df[:, self.slot] = torch.where(fresh, f - self.f, 0.0)
        self.dx, self.df = (torch.where(good[:, None, None, None], v, 0.0) for v in (self.dx, self.df))
        guess = end + self._correction(f, Metric(after, beta), fresh)
        self.x, self.f, self.known, self.slot = x, f, good, (self.slot + 1) % DEPTH
        return normalised(guess, after > 0)

    def _correction(self, f: Tensor, metric: Metric, fresh: Tensor) -> Tensor:
        eye = torch.eye(DEPTH, dtype=f.dtype, device=f.device)
        turns, moves = metric.scale(self.df), metric.scale(self.dx)
        size = turns.norm(dim=2, keepdim=True).clamp_min(1e-300)
        turns, moves = turns / size, moves / size
        gram = turns @ turns.transpose(1, 2) + 1e-10 * eye
        gamma = torch.linalg.solve(gram, turns @ metric.scale(f[:, None]).transpose(1, 2)) / size
        newton = -(gamma[..., None] * (self.dx + self.df)).sum(1)
        pull = -(turns @ moves.transpose(1, 2))
        # unused slots are zero: the small diagonal makes them harmless here
        bent = torch.linalg.cholesky_ex(pull + pull.transpose(1, 2) + 1e-9 * eye).info > 0
        length = moves[:, self.slot].norm(dim=1).clamp(1.0, LONGEST)[:, None, None]
        return torch.where(bent[:, None, None], torch.where(fresh, (length - 1) * f, 0.0), newton)

    def newton(self, problem: Problem, now: Tensor, after: Tensor, beta: Tensor, good: Tensor) -> Tensor:
        """The next states by Newton's method on f = 0, with the slope of a step computed, no move longer than trusted.

        The signs of the eigenvalues are dropped: along a direction that expands the guess goes forward, off a saddle.
        """
        self.trust = torch.where(good, (2 * self.trust).clamp(max=4.0), self.trust / 8)
        x, end = (v.clamp_min(TINY).log() for v in (now, after))
        metric = Metric(after, beta)
        slope = metric.conjugate(step_slope(problem, now, beta))
        slope = torch.eye(slope.shape[1], dtype=x.dtype, device=x.device) - (slope + slope.transpose(1, 2)) / 2
        values, vectors = torch.linalg.eigh(slope)
        part = vectors.transpose(1, 2) @ metric.scale((end - x)[:, None]).transpose(1, 2)
        move = (vectors @ (part / values.abs().clamp_min(1 / LONGEST)[..., None]))[..., 0]
        move = move * (self.trust / move.norm(dim=1).clamp_min(1e-300)).clamp(max=1.0)[:, None]
        return normalised(x + torch.where(after > 1e-24, metric.unscale(move), end - x), after > 0)


class Metric:
    """The metric of the loss at states (M, T, m): `scale` makes changes of log p(t,y) vectors of Euclidean length."""

    def __init__(self, states: Tensor, beta: Tensor) -> None:
        self.root = states.sqrt()
        self.along = self.root / self.root.norm(dim=2, keepdim=True).clamp_min(TINY)  # sqrt p(y|t)
        self.beta = beta.clamp_min(1e-3).sqrt()[:, None, None]

    def scale(self, change: Tensor) -> Tensor:
        """(M, K, T, m) or (M, 1, T, m) to (M, K, T m)."""
        raw = change * self.root[:, None]
        mean = (raw * self.along[:, None]).sum(-1, keepdim=True) * self.along[:, None]
        return (mean + self.beta[..., None] * (raw - mean)).flatten(2)

    def unscale(self, vector: Tensor) -> Tensor:
        """(M, T m) back to (M, T, m)."""
        raw = vector.reshape(self.root.shape)
        mean = (raw * self.along).sum(-1, keepdim=True) * self.along
        return (mean + (raw - mean) / self.beta) / self.root.clamp_min(1e-12)

    def conjugate(self, slope: Tensor) -> Tensor:
        """d p'(t,y) / d log p(t,y), (M, D, D), as a map of scaled vectors to scaled vectors."""
        count, size = len(slope), self.root.shape[1:]
        inverse = 1 / self.root.clamp_min(1e-12)
        rows = (slope * inverse.flatten(1)[:, :, None]).transpose(1, 2).reshape(count, -1, *size)
        mean = (rows * self.along[:, None]).sum(-1, keepdim=True) * self.along[:, None]
        rows = (mean + self.beta[..., None] * (rows - mean)).flatten(2).transpose(1, 2)
        columns = (rows * inverse.flatten(1)[:, None]).reshape(count, -1, *size)
        mean = (columns * self.along[:, None]).sum(-1, keepdim=True) * self.along[:, None]
        return (mean + (columns - mean) / self.beta[..., None]).flatten(2)


def normalised(logs: Tensor, alive: Tensor) -> Tensor:
    """exp(logs), 0 where not alive, summing to 1 over the last two axes."""
    values = torch.where(alive, logs, NEVER)
    values = (values - values.amax((1, 2), keepdim=True)).exp()
    return values / values.sum((1, 2), keepdim=True)


def step_slope(problem: Problem, now: Tensor, beta: Tensor) -> Tensor:
    """How p(t,y) after a step depends on log p(t,y) before: (M, D, D) with D = T m.

    A change dx moves the logit of (x, t) by sum_y (beta p(y|x) + (1 - beta) p(y|t)) dx(t,y), and this the encoder.
    """
    from layerlab.information._equations import encoder_of

    encoder = encoder_of(problem, now, beta)
    decoder = now / now.sum(-1, keepdim=True).clamp_min(TINY)
    b = beta[:, None, None, None]
    pull = b * problem.cond[:, None] + (1 - b) * decoder[:, None]  # (M, n, T, m)
    gain = encoder[..., None] * problem.joint[:, None]  # how p(t,y) is made up of x
    slope = -gain.flatten(2).transpose(1, 2) @ (encoder[..., None] * pull).flatten(2)
    own = torch.einsum("mnty,mntz->mtyz", gain, pull)
    members, clusters, size = now.shape
    slope = slope.reshape(members, clusters, size, clusters, size)
    slope.diagonal(dim1=1, dim2=3).add_(own.permute(0, 2, 3, 1))
    return slope.reshape(members, clusters * size, -1)

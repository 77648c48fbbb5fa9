"""What the estimators of a layer's information accept, and the counting that they share.

Tensors on a GPU are worked on by torch where they lie; all else by numpy, whose integer sort is the quicker on a CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from layerlab.arrays import is_tensor, namespace, to_numpy

BLOCK = 2**22  # activations worked on at once: what bounds the memory


@dataclass(frozen=True)
class Layers:
    """Checked activations and labels.

    t: (N, samples, units), floating-point and finite; a numpy array or a tensor on a GPU. lead: the leading shape.
    labels: (1 or N, samples) int64 from 0, or None. soft: (samples, classes) p(y|x), or None. classes: how many.
    like: what the caller gave, for the kind of result.
    """

    t: Any
    lead: tuple[int, ...]
    labels: Any
    soft: Any
    classes: int
    like: Any

    def blocks(self, cost: int | None = None) -> Iterator[tuple[Any, Any]]:
        """(activations, labels) of as many networks at a time as fit; cost: numbers worked on for one network."""
        size = max(1, BLOCK // max(1, cost or self.t.shape[1] * self.t.shape[2]))
        for start in range(0, len(self.t), size):
            part = slice(start, start + size)
            labels = self.labels
            yield self.t[part], labels if labels is None or len(labels) == 1 else labels[part]

    def give(self, values: list[Any]) -> Any:
        """All blocks' results (n, ...) in the leading shape, of the caller's kind: a lone number as a float."""
        shape = (*self.lead, *values[0].shape[1:])
        if is_tensor(self.t):
            return namespace(self.t).cat(values).reshape(shape)
        joined = np.concatenate(values).reshape(shape)
        if not is_tensor(self.like):
            return joined if shape else float(joined)
        import torch

        found = torch.as_tensor(joined)
        if self.like.device.type == "mps" and found.is_floating_point():
            found = found.float()
        return found.to(self.like.device)


def check_layers(t: Any, y: Any) -> Layers:
    """Activations (..., samples, units) and what is known of Y, as every estimator takes them.

    y: integer labels (samples,) or (..., samples), or p(y|x) as floats (samples, classes) that sum to 1.
    Raises TypeError for what is not real (labels: not integer), ValueError for shapes that do not fit, for nothing
    at all, and for NaN or infinite activations.
    """
    values = check_activations(t)
    lead, samples = tuple(values.shape[:-2]), values.shape[-2]
    flat = values.reshape(-1, *values.shape[-2:])
    known = _on(y, flat, "y")
    if namespace(known).is_floating_point(known) if is_tensor(known) else known.dtype.kind == "f":
        soft = _check_soft(known, samples)
        return Layers(flat, lead, None, soft, soft.shape[-1], t)
    shape = tuple(known.shape)
    if shape != (samples,) and shape != (*lead, samples):
        own = f" or {(*lead, samples)}" if lead else ""
        raise ValueError(f"y must hold a label for each sample, ({samples},){own}; its shape was {shape}")
    names, labels = namespace(known).unique(known, return_inverse=True)
    return Layers(flat, lead, labels.reshape(-1, samples), None, len(names), t)


def check_activations(t: Any, name: str = "t") -> Any:
    """`t` as finite floats (..., samples, units), on its GPU or in numpy; raises as `check_layers`."""
    values = _on(t, t, name)
    if not is_tensor(values) and values.dtype != np.float32:
        values = values.astype(np.float64, copy=False)
    elif is_tensor(values) and values.dtype not in (values.float().dtype, values.double().dtype):
        values = values.double()
    if values.ndim < 2 or 0 in values.shape:
        raise ValueError(
            f"{name} must be activations (..., samples, units), none of them 0; it was {tuple(values.shape)}"
        )
    if not bool(namespace(values).isfinite(values).all()):
        raise ValueError(f"{name} must be finite; it holds NaN or infinite activations")
    return values


def runs_entropy(ordered: Any) -> Any:
    """(n,) entropy in bits of each row of (n, samples) integers, equal ones side by side: of their frequencies."""
    xp, (n, samples) = namespace(ordered), ordered.shape
    starts = xp.ones_like(ordered, dtype=bool)
    starts[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    at = starts.reshape(-1).nonzero()[0] if xp is np else starts.reshape(-1).nonzero()[:, 0]
    lengths = xp.diff(at, append=at[-1:] * 0 + n * samples)
    lengths = lengths.astype(np.float64) if xp is np else lengths.double()
    totals = xp.bincount(at // samples, lengths * xp.log2(lengths), minlength=n)
    return abs(np.log2(samples) - totals / samples)  # abs: rounding alone goes below zero


def ranks(codes: Any) -> Any:
    """(n, samples) integers to their ranks in their row, 0, 1, ...: equal ones stay equal, others differ."""
    xp = namespace(codes)
    order = codes.argsort(-1)
    ordered = xp.take_along_axis(codes, order, -1) if xp is np else codes.gather(-1, order)
    dense = xp.zeros_like(ordered)
    dense[:, 1:] = (ordered[:, 1:] != ordered[:, :-1]).cumsum(-1)
    found = xp.empty_like(codes)
    if xp is np:
        np.put_along_axis(found, order, dense, -1)
        return found
    return found.scatter_(-1, order, dense)


def soft_information(codes: Any, soft: Any) -> Any:
    """(n,) I(T;Y) in bits for cells numbered from 0 by (n, samples) codes, below samples, and p(y|x) = soft."""
    xp, (n, samples) = namespace(codes), codes.shape
    cells = codes + xp.arange(n, **({} if xp is np else {"device": codes.device}))[:, None] * samples
    joint = xp.stack([
        xp.bincount(cells.reshape(-1), xp.broadcast_to(column, (n, samples)).reshape(-1), minlength=n * samples)
        for column in soft.T
    ], -1).reshape(n, samples, -1) / samples  # fmt: skip
    xlogy = special.xlogy if xp is np else xp.xlogy
    terms = xlogy(joint, joint).sum((-2, -1)) - xlogy(joint.sum(-1), joint.sum(-1)).sum(-1)
    nats = terms - xlogy(joint.sum(-2), joint.sum(-2)).sum(-1)
    return nats.clip(0) / np.log(2)


def _on(value: Any, like: Any, name: str) -> Any:
    """`value` as a real numpy array, or as a tensor on the GPU of `like`."""
    if is_tensor(like) and like.is_cuda:
        import torch

        value = torch.as_tensor(value, device=like.device).detach()
        if value.is_complex():
            raise TypeError(f"{name} must hold real numbers, not {value.dtype}")
        return value
    array = to_numpy(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers, not {array.dtype}")
    return array.astype(np.int64) if array.dtype.kind in "iub" else array


def _check_soft(p: Any, samples: int) -> Any:
    if p.ndim != 2 or p.shape[0] != samples or p.shape[1] < 1:
        raise ValueError(
            f"y in floating point is p(y|x) and must have shape ({samples}, classes); it was {tuple(p.shape)} "
            "(labels are integers)"
        )
    p = p.double() if is_tensor(p) else p.astype(np.float64)
    if not bool((p >= 0).all()) or not bool((abs(p.sum(-1) - 1) < 1e-5).all()):  # NaN compares false
        raise ValueError("y must hold probabilities p(y|x), each row summing to 1")
    return p / p.sum(-1)[:, None]

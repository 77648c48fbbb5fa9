"""Squared distances of all pairs, and what a map does to them, in float64 accuracy.

Squared distances come from the Gram matrix, |a|^2 + |b|^2 - 2ab, in blocks of rows. That loses digits where a and b
lie close together; such pairs are found and computed again from a - b. The computation runs in torch (on the
tensors' device), in float64, and float32 input is widened first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from layerlab.arrays import is_tensor, matrix

if TYPE_CHECKING:
    import torch

# A pair nearer than this share of |a|^2 + |b|^2 is computed again from its difference: the Gram form keeps about
# 16 - 3 digits of the pairs above it.
_NEAR = 1e-3
_SAFE_EXPONENT = 400  # numbers up to 2^400 and differences down to 2^-500 have squares that a float64 holds
_BLOCK_ENTRIES = {"cpu": 2**20, "cuda": 2**26}  # distances held at a time; a block needs a few times their 8 bytes
_MOST_PAIRS = 500_000_000  # 4 GB as float64: beyond it `distortion` would exhaust a usual computer


def squared_distances(x: Any) -> Any:
    """Squared Euclidean distances of all pairs of rows, condensed: (0,1), (0,2), .., (1,2), .. as scipy's pdist.

    x: samples x units, n >= 2 rows. Returns n(n-1)/2 float64 values: a numpy array for numpy input, a tensor on
    x's device for a tensor (float32 on mps, which has no float64). No gradient is recorded.
    Raises TypeError or ValueError for anything but a finite real matrix, ValueError for more than 5e8 pairs.
    """
    points = _Points(matrix(x, "x", rows=2), None)
    out = _condensed_like(points, x)
    for start, rows in _blocks(points.n, None, points.work.device.type):
        _fill(out, start, points.n, points.squared(start, rows))
    return _returned(_times_power(out, 2 * points.exponent), x)


def distortion(x: Any, fx: Any) -> Any:
    """Squared distance after over squared distance before, |f(x_i)-f(x_j)|^2 / |x_i-x_j|^2, for all pairs i < j.

    Condensed as scipy's pdist: (0,1), (0,2), .., (0,n-1), (1,2), .. A pair that coincides before has no ratio:
    nan if it coincides after too (0/0), inf if the map tore it apart.

    x: n x d, fx: n x k, n >= 2; both numpy arrays or both tensors on one device. Returns n(n-1)/2 float64 values, as
    an array or as a tensor on that device (float32 on mps, which has no float64). No gradient is recorded.
    Raises TypeError for mixed or non-real input, ValueError for NaN or infinite values, for different numbers of
    rows, and for more than 5e8 pairs (n > 31,623): `distortion_histogram` takes those.
    """
    before, after = _pair(x, fx, None)
    out = _condensed_like(before, x)
    for start, rows in _blocks(before.n, None, before.work.device.type):
        _fill(out, start, before.n, _ratio(before, after, start, rows))
    return _returned(out, x)


class _Points:
    """Rows ready for distances: float64 on the device, and at a scale (a power of two) whose squares a float holds."""

    def __init__(self, rows: Any, device: Any) -> None:
        work = _on_work_device(rows, device)
        largest = float(work.abs().max())
        exponent = math.frexp(largest)[1]
        self.exponent = max(-1000, min(1000, exponent)) if abs(exponent) > _SAFE_EXPONENT else 0
        self.work = work * math.ldexp(1.0, -self.exponent) if self.exponent else work
        self.centred = self.work - self.work.mean(dim=0)
        self.norms = self.centred.square().sum(dim=1)
        self.n = self.work.shape[0]

    def squared(self, start: int, rows: int) -> torch.Tensor:
        """Squared distances (in scaled units) from rows start..start+rows to rows start..n."""
        left, right = self.norms[start : start + rows, None], self.norms[start:]
        squares = (-2 * self.centred[start : start + rows]) @ self.centred[start:].T
        squares.add_(left).add_(right)
        near = squares <= _NEAR * (left + right.max())  # no pair missed, at little memory; sifted below
        near[:, :rows] = near[:, :rows].triu(1)
        first, second = near.nonzero(as_tuple=True)
        sift = squares[first, second] <= _NEAR * (left[first, 0] + right[second])
        first, second = first[sift], second[sift]
        step = max(1, 2**20 // self.work.shape[1])
        for begin in range(0, len(first), step):
            i, j = first[begin : begin + step], second[begin : begin + step]
            difference = self.work[start + i] - self.work[start + j]
            squares[i, j] = difference.square_().sum(dim=1)
        return squares


def _ratio(before: _Points, after: _Points, start: int, rows: int) -> torch.Tensor:
    ratio = after.squared(start, rows).div_(before.squared(start, rows))
    return _times_power(ratio, 2 * (after.exponent - before.exponent))


def _times_power(values: torch.Tensor, exponent: int) -> torch.Tensor:
    """values times 2^exponent, in place and exactly, in steps that a float can hold."""
    while exponent:
        step = max(-1000, min(1000, exponent))
        values.mul_(math.ldexp(1.0, step))
        exponent -= step
    return values


def _pair(x: Any, fx: Any, device: Any) -> tuple[_Points, _Points]:
    """x and fx checked against each other and made ready."""
    if is_tensor(x) != is_tensor(fx):
        raise TypeError("x and fx must both be numpy arrays or both be tensors, not one of each")
    x, fx = matrix(x, "x", rows=2), matrix(fx, "fx", rows=2)
    if len(x) != len(fx):
        raise ValueError(f"x and fx must have as many rows: x has {len(x)}, fx has {len(fx)}")
    if is_tensor(x) and x.device != fx.device:
        raise ValueError(f"x and fx must be on one device: x is on {x.device}, fx on {fx.device}")
    return _Points(x, device), _Points(fx, device)


def _on_work_device(rows: Any, device: Any) -> torch.Tensor:
    """float64 on `device`, by default on the tensor's own; on the CPU in place of mps, which has no float64."""
    import torch

    if is_tensor(rows):
        tensor = rows
    else:
        rows = np.ascontiguousarray(rows, dtype=np.float64)
        tensor = torch.from_numpy(rows if rows.flags.writeable else rows.copy())  # torch warns of read-only ones
    target = torch.device(device) if device is not None else tensor.device
    if target.type == "mps":
        target = torch.device("cpu")
    return tensor.to(target).to(torch.float64).contiguous()  # one layout, one order of summation


def _blocks(n: int, block: int | None, device: str) -> Iterator[tuple[int, int]]:
    """(first row, number of rows) of each block: `block` rows, or as many as the memory budget allows."""
    start, entries = 0, _BLOCK_ENTRIES.get(device, _BLOCK_ENTRIES["cpu"])
    while start < n - 1:
        rows = min(n - start, block or max(1, entries // (n - start)))
        yield start, rows
        start += rows


def _upper(square: torch.Tensor) -> torch.Tensor:
    """The pairs i < j of a block (rows start.., columns start..n), in condensed order."""
    import torch

    return torch.cat([row[offset + 1 :] for offset, row in enumerate(square)])


def _fill(out: torch.Tensor, start: int, n: int, square: torch.Tensor) -> None:
    """Write a block's pairs at their place in the condensed vector."""
    position = start * n - start * (start + 1) // 2
    values = _upper(square)
    out[position : position + len(values)] = values


def _condensed_like(points: _Points, x: Any) -> torch.Tensor:
    import torch

    pairs = points.n * (points.n - 1) // 2
    if pairs > _MOST_PAIRS:
        raise ValueError(
            f"{points.n} rows have {pairs:,} pairs, more than the {_MOST_PAIRS:,} that are held at once; "
            "use distortion_histogram, which streams them"
        )
    return torch.empty(pairs, dtype=torch.float64, device=points.work.device)


def _returned(out: torch.Tensor, x: Any) -> Any:
    """`out` as the caller gave x: numpy for numpy, a tensor on its device for a tensor."""
    if not is_tensor(x):
        return out.numpy()
    return out.float().to(x.device) if x.device.type == "mps" else out

"""Information of a layer by binning: activations are cut into cells, and the cells of all units together are T.

X is uniform over the samples given and a network is deterministic, so T is a function of X and I(X;T) = H(T): what is
measured is how many inputs share a cell. It depends on the cells as much as on the network: cutting cells in pieces
never lowers either information, and with fine enough ones inputs that differ have cells of their own, I(X;T) =
log2(samples) and I(T;Y) = I(X;Y), whatever the layer is. Over the samples as the whole population there is no error of
sampling; as an estimate for a larger population H(T) is too low and I(T;Y) too high.

Sources: R. Shwartz-Ziv, N. Tishby 2017; A. Saxe et al. 2018; I. Chelombiev et al. 2019 (cells of equal mass).
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np

from layerlab.arrays import namespace, whole
from layerlab.information._layers import check_layers, ranks, runs_entropy, soft_information

ROOM = 2**62  # codes stay below this: int64 with a bit to spare
EXACT = 2**53  # whole floats beyond this are no longer neighbours


def binned_information(
    t: Any,
    y: Any,
    *,
    width: float | None = None,
    bins: int | None = None,
    limits: tuple[float, float] | None = None,
    equal_mass: bool = False,
) -> tuple[Any, Any]:
    """(I(X;T), I(T;Y)) in bits, T the joint cell of all units, X uniform over the samples.

        I(X;T) = H(T),  I(T;Y) = H(T) + H(Y) - H(T,Y)

    t: (..., samples, units) activations; each leading index is a layer of its own. y: integer labels (samples,) or
    (..., samples), or p(y|x) in floating point (samples, classes). The cells are one of
        width: cell k is [k width, (k + 1) width), for any value;
        bins: so many of equal width over the range of the layer, from its smallest activation (any unit, any sample)
            to its largest; over `limits` = (low, high) if given, what lies outside in the first and the last one;
        bins with equal_mass: cut at the quantiles of all activations of the layer; equal values stay together, so
            that cells are fewer where values repeat.
    Edges belong to the cell above. Rows are told apart exactly. Returns two numbers or arrays of the leading shape
    (float64; tensors on the device of a tensor; on a GPU all is computed there), memory bounded.

    Raises ValueError unless exactly one of width and bins is given, for limits or equal_mass without bins or together,
    shapes that do not fit, no samples, NaN or infinite activations; TypeError for what is not real.
    Source: the module's.
    """
    return _measured(t, y, _chosen(width, bins, limits, equal_mass))


def original_binned_information(t: Any, y: Any, *, edges: int = 30) -> tuple[Any, Any]:
    """(I(X;T), I(T;Y)) in bits in the cells of the original information plane's published program.

    `edges` equally spaced edges from -1 to 1, so that its "30 bins" are 29 between edges; a value is given the edge
    below it. What is 1 or more, so every ReLU beyond 1, shares the topmost; what is below -1 finds no edge, and
    the index wraps around to that same topmost cell. t, y, returns, raises: as `binned_information`; edges: at least 2.
    Source: R. Shwartz-Ziv, N. Tishby 2017 and the program published with it.
    """
    grid = np.linspace(-1, 1, whole(edges, "edges", 2))
    last = len(grid) - 1

    def cells(block: Any) -> Any:
        xp = namespace(block)
        at = xp.floor((block.astype(np.float64) if xp is np else block.double()) * (last / 2) + last / 2).clip(0, last)
        at = at.astype(np.int64) if xp is np else at.long()
        below = grid if xp is np else xp.as_tensor(grid, device=block.device)
        above = np.append(grid[1:], np.inf) if xp is np else xp.cat([below[1:], below[:1] + np.inf])
        # the guess is off by one at most: the edges themselves decide, as a search among them would, but sooner
        return (at + (block >= above[at]) - (block < below[at])) % len(grid)

    return _measured(t, y, cells)


def binned_cells(t: Any, **cut: Any) -> Any:
    """The cell of each sample, (..., samples) int64: a number that two samples of a layer share only in one cell.

    t and the options: as `binned_information` takes them. As labels y of another layer they give I(T';T) of two layers.
    """
    choose = _chosen(**cut)
    layers = check_layers(t, np.zeros(np.shape(t)[-2] if np.ndim(t) > 1 else 0, dtype=np.int64))
    return layers.give([ranks(joint_codes(choose(block))[0]) for block, _ in layers.blocks()])


def _chosen(
    width: float | None = None,
    bins: int | None = None,
    limits: tuple[float, float] | None = None,
    equal_mass: bool = False,
) -> Callable[[Any], Any]:
    """The function from activations (n, samples, units) to whole numbers that the options ask for."""
    if (width is None) == (bins is None):
        raise ValueError("give either width or bins: the width of a cell, or how many there are")
    if width is not None:
        if limits is not None or equal_mass:
            raise ValueError("limits and equal_mass belong to bins; a width needs neither")
        return _fixed_width(width)
    count = whole(bins, "bins", 1)
    if equal_mass:
        if limits is not None:
            raise ValueError("limits and equal_mass exclude each other: quantiles cover the whole range")
        return lambda block: _quantile_cells(block, count)
    return _over_range(count, limits)


def _measured(t: Any, y: Any, cells: Callable[[Any], Any]) -> tuple[Any, Any]:
    layers = check_layers(t, y)
    i_xt, i_ty = [], []
    for block, labels in layers.blocks():
        codes, size = joint_codes(cells(block))
        if labels is None:
            codes = ranks(codes)
            i_xt.append(runs_entropy(_sorted(codes)))
            i_ty.append(soft_information(codes, layers.soft))
            continue
        if size * layers.classes >= ROOM:
            codes = ranks(codes)
        both = _sorted(codes * layers.classes + labels)
        i_xt.append(runs_entropy(both // layers.classes))
        h_y = runs_entropy(_sorted(labels))
        i_ty.append((i_xt[-1] + h_y - runs_entropy(both)).clip(0))
    return layers.give(i_xt), layers.give(i_ty)


def joint_codes(cells: Any) -> tuple[Any, int]:
    """One integer for each row of (n, samples, units) whole numbers, the same for equal rows of a layer only.

    Units are the digits of a number; before it would outgrow 64 bits it is replaced by its rank among the samples,
    which loses nothing. Ends early once all rows differ. Returns the codes (n, samples) and a bound above them.
    """
    samples = cells.shape[1]
    low, high = _extent(cells)
    codes, size = None, 1
    for unit in range(cells.shape[2]):
        base = high[unit] - low[unit] + 1
        digit = cells[:, :, unit] - low[unit]
        digit = digit.astype(np.int64) if namespace(cells) is np else digit.long()
        if codes is None:
            codes, size = digit, base
            continue
        if size * base >= ROOM:
            codes, size = ranks(codes), samples
            if bool((codes.max(-1) if namespace(cells) is np else codes.amax(-1)).min() == samples - 1):
                return codes, size
        codes = codes * base + digit
        size *= base
    return codes, size


def _fixed_width(width: float) -> Callable[[Any], Any]:
    if isinstance(width, bool) or not isinstance(width, numbers.Real):
        raise TypeError(f"width must be a number, not {type(width).__name__}")
    if not 0 < width < math.inf:
        raise ValueError(f"width must be positive and finite; it was {width}")
    return lambda block: namespace(block).floor(block / float(width))


def _over_range(bins: int, limits: tuple[float, float] | None) -> Callable[[Any], Any]:
    if limits is not None:
        try:
            low, high = (float(v) for v in limits)
        except (TypeError, ValueError):
            raise ValueError(f"limits must be a pair of numbers (low, high); it was {limits!r}") from None
        if not -math.inf < low < high < math.inf:
            raise ValueError(f"limits must be finite, the lower first; it was {limits!r}")
        return lambda block: namespace(block).floor((block - low) / (high - low) * bins).clip(0, bins - 1)

    def cells(block: Any) -> Any:
        flat = block.reshape(len(block), -1)
        low, high = (flat.min(-1), flat.max(-1)) if namespace(block) is np else (flat.amin(-1), flat.amax(-1))
        span = high - low
        span[span == 0] = 1
        return namespace(block).floor((block - low[:, None, None]) / span[:, None, None] * bins).clip(0, bins - 1)

    return cells


def _quantile_cells(block: Any, bins: int) -> Any:
    """The number of inner edges at or below each activation; the edges are order statistics, so no rounding enters."""
    n = len(block)
    flat = block.reshape(n, -1)
    at = [math.ceil(k * flat.shape[1] / bins) for k in range(1, bins)]
    edges = _sorted(flat)[:, [i for i in at if i < flat.shape[1]]]
    if namespace(block) is np:
        found = [np.searchsorted(e, values, "right") for e, values in zip(edges, flat, strict=True)]
        return np.stack(found).reshape(block.shape)
    torch = namespace(block)
    return torch.searchsorted(edges.contiguous(), flat.contiguous(), right=True).reshape(block.shape)


def _extent(cells: Any) -> tuple[list[int], list[int]]:
    """The smallest and the largest cell of each unit."""
    if namespace(cells) is np:  # unit by unit: several times quicker than a reduction that leaves a short last axis
        columns = [cells[:, :, unit] for unit in range(cells.shape[2])]
        low, high = [float(c.min()) for c in columns], [float(c.max()) for c in columns]
    else:
        low, high = cells.amin((0, 1)).tolist(), cells.amax((0, 1)).tolist()
    if max(map(abs, low + high)) >= EXACT:
        raise ValueError("width is too small for such activations: cells can no longer be numbered exactly")
    return [int(v) for v in low], [int(v) for v in high]


def _sorted(values: Any) -> Any:
    return np.sort(values, -1) if namespace(values) is np else values.sort(-1).values

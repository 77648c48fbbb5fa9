"""Checks of what is given to `train`, each turning it into what the trainer works with."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from layerlab.nets import Networks, as_seed

Seed = int | np.random.SeedSequence


def checked_seeds(seeds: Seed | Sequence[Seed] | None, count: int) -> list[int]:
    """One seed of the data order for each of `count` networks; ValueError if there are not as many."""
    if seeds is None:
        return list(range(count))
    if isinstance(seeds, int | np.integer | np.random.SeedSequence):
        return [as_seed(seeds)] * count
    if len(seeds) != count:
        raise ValueError(f"seeds has {len(seeds)} entries; allowed are one, or one for each of {count} networks")
    return [as_seed(seed) for seed in seeds]


def checked_subset(subset: Any, count: int, rows: int, device: torch.device) -> Tensor | None:
    """The (N, m) rows that each network is trained on, on its device; ValueError if they are not rows of the data."""
    if subset is None:
        return None
    index = torch.as_tensor(np.asarray(subset) if not isinstance(subset, Tensor) else subset)
    if index.is_floating_point() or index.ndim != 2 or index.shape[0] != count or index.shape[1] == 0:
        raise ValueError(
            f"subset is {index.dtype} of shape {tuple(index.shape)}; allowed are indices ({count}, m), m > 0"
        )
    if int(index.min()) < 0 or int(index.max()) >= rows:
        raise ValueError(f"subset runs from {int(index.min())} to {int(index.max())}; allowed are 0 to {rows - 1}")
    return index.to(device=device, dtype=torch.int64)


def checked_schedule(record_at: Sequence[int] | None, unit: str, total: int, per_epoch: int) -> dict[int, int]:
    """Step -> moment, in order."""
    if unit not in ("epoch", "step"):
        raise ValueError(f"unit is {unit!r}; allowed are 'epoch' and 'step'")
    factor = per_epoch if unit == "epoch" else 1
    if record_at is None:
        return {0: 0, total: total // factor}
    moments = sorted({int(moment) for moment in record_at})
    if moments and (moments[0] < 0 or moments[-1] * factor > total):
        raise ValueError(
            f"record_at runs from {moments[0]} to {moments[-1]}; allowed are 0 to {total // factor} ({unit}s)"
        )
    return {moment * factor: moment for moment in moments}


def dropped_weights(masks: Any, networks: Networks) -> Tensor | None:
    """A vector laid out like the storage, true where a weight is masked."""
    if masks is None:
        return None
    if len(masks) != networks.depth:
        raise ValueError(f"masks has {len(masks)} entries; it must have one for each of {networks.depth} layers")
    dropped = torch.zeros(networks.storage.shape, dtype=torch.bool, device=networks.device)
    for layer, (view, mask) in enumerate(zip(networks.views(dropped)[0], masks, strict=True)):
        keep = torch.as_tensor(np.asarray(mask) if not isinstance(mask, Tensor) else mask, device=networks.device)
        if tuple(keep.shape) not in (tuple(view.shape), tuple(view.shape[1:])):
            allowed = f"{tuple(view.shape[1:])} and {tuple(view.shape)}"
            raise ValueError(f"masks[{layer}] has shape {tuple(keep.shape)}; allowed are {allowed}")
        view.copy_(keep == 0)
    return dropped

"""Which rows each network sees at each step, and how they are fetched."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from layerlab.nets import as_seed

ORDER_STREAM = 1  # keeps the data order independent of the initial weights that the same seed draws


def data_order(seed: int | np.random.SeedSequence, rows: int, epoch: int) -> Tensor:
    """The order in which the network with this seed sees the rows in that epoch (from 0): a permutation of range(rows).

    It is made from seed and epoch alone, so that a training can be taken up again at any epoch.
    """
    return _permutation(_epoch_seeds(seed, epoch + 1)[epoch], rows)


def _epoch_seeds(seed: int | np.random.SeedSequence, epochs: int) -> list[int]:
    return np.random.SeedSequence(as_seed(seed), spawn_key=(ORDER_STREAM,)).generate_state(epochs, np.uint64).tolist()


def _permutation(seed: int, rows: int) -> Tensor:
    return torch.randperm(rows, generator=torch.Generator().manual_seed(seed))


class Source:
    """Rows to draw from: values (rows, ...) shared by all networks, or (N, rows, ...), one set for each."""

    def __init__(self, values: Tensor, shared: bool) -> None:
        self.shared = shared
        self.values = values
        self.rows = values.shape[0 if shared else 1]
        self.flat = values if shared else values.reshape(-1, *values.shape[2:])
        if not shared:
            starts = torch.arange(values.shape[0], device=values.device) * self.rows
            self.starts = starts[:, None]

    def take(self, index: Tensor) -> Tensor:
        """Rows by index (S, B): shared values and one index for all (S = 1) give (B, ...), else (N, B, ...)."""
        if self.shared and index.shape[0] == 1:
            return self.flat.index_select(0, index[0])
        if not self.shared:
            index = index + self.starts
        return self.flat.index_select(0, index.reshape(-1)).view(*index.shape, *self.flat.shape[1:])


class Batches:
    """The index of each batch: (S, B), with S = 1 if all networks see the same rows in the same order, else S = N.

    Parameters
    ----------
    subset: None, or (N, m): the rows that each network is trained on.
    batch_size: None means all rows at once, in the order in which they are.
    """

    def __init__(
        self,
        seeds: Sequence[int | np.random.SeedSequence],
        rows: int,
        epochs: int,
        batch_size: int | None,
        subset: Tensor | None,
        device: torch.device,
    ) -> None:
        self.rows = rows if subset is None else subset.shape[1]
        self.batch_size = batch_size
        self.subset = subset
        self.device = device
        own = [as_seed(seed) for seed in seeds]
        distinct = own if len(set(own)) > 1 else own[:1]
        self.seeds = [] if batch_size is None else [_epoch_seeds(seed, epochs) for seed in distinct]

    def epoch(self, number: int) -> list[Tensor | None]:
        """The batches of an epoch; None stands for all rows as they are."""
        if self.batch_size is None:
            return [None if self.subset is None else self.subset]
        order = torch.stack([_permutation(seeds[number], self.rows) for seeds in self.seeds]).to(self.device)
        if self.subset is not None:
            order = self.subset.gather(1, order.expand(len(self.subset), -1))
        return [each.contiguous() for each in order.split(self.batch_size, dim=1)]

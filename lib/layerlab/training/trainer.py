"""The batched trainer."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from layerlab.nets import Networks, Passes
from layerlab.training import checkpoint as saved
from layerlab.training.batches import Batches, Source
from layerlab.training.checks import Seed, checked_schedule, checked_seeds, checked_subset, dropped_weights
from layerlab.training.config import TrainingConfig, per_network
from layerlab.training.history import EvaluationSet, History
from layerlab.training.losses import Loss
from layerlab.training.observer import Observer
from layerlab.training.optimisers import Optimiser

PROGRESS_SECONDS = 0.2


def train(
    networks: Networks,
    x: Tensor | np.ndarray,
    y: Tensor | np.ndarray,
    config: TrainingConfig,
    *,
    seeds: Seed | Sequence[Seed] | None = None,
    masks: Sequence[Tensor | np.ndarray] | None = None,
    subset: Tensor | np.ndarray | None = None,
    evaluate: Mapping[str, tuple] | None = None,
    record_at: Sequence[int] | None = None,
    unit: str = "epoch",
    callback: Callable[[int, Networks], Any] | None = None,
    observer: Observer | None = None,
    progress: Callable[[int, int, str], object] | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_seconds: float = 60.0,
) -> History:
    """Trains N networks in lockstep, in place: each as if alone, all as one computation.

    Parameters
    ----------
    networks: N networks; their parameters are changed in place.
    x: (n, d) shared by all networks, or (N, n, d).
    y: targets, shared or per network: labels (n,) or (N, n) for cross-entropy; (n, outputs) or (N, n, outputs), for a
        single output also (n,) or (N, n), for the others.
    config: optimiser, loss, length, scale.
    seeds: of the data order, one per network, or one for all, who then see the same batches; default range(N).
        The order of epoch e is `data_order(seed, n, e)`. Independent of the initial weights under the same number.
    masks: one array per layer, (in, out) or (N, in, out), true where a weight is kept. The others are set to zero and
        stay exactly zero. Biases are never masked.
    subset: (N, m) rows that each network is trained on; default all.
    evaluate: name -> (x, y) on which loss and accuracy are recorded.
    record_at, unit: the moments of recording, counted in "epoch" or "step"; 0 is before training. Default: before and
        after. See `log_spaced`.
    callback: called with (moment, networks) at each of them; what it returns is kept in `History.records`. The networks
        go on changing: copy what is to be kept.
    observer: is shown every step's gradient before the optimiser takes it; see `Observer`. It may keep sums between two
        moments and hand them out at the moment, where it is asked before `callback`.
    progress: called with (steps done, steps in all, note) a few times a second; may raise to stop the training.
    checkpoint: a file to which the training is saved every `checkpoint_seconds`, at its end, and when `progress`
        raises. The same call finds it and goes on from there, to bit-identical results. It is a pickle: open only
        your own.

    Returns a History. A network that diverges holds NaN from then on and leaves the others as they are.

    Raises ValueError or TypeError naming the argument that does not fit; whatever `progress` or `callback` raise.
    """
    run = _Run(networks, x, y, config, seeds, masks, subset, evaluate or {}, record_at, unit, callback, observer)
    if checkpoint is not None:
        run.signature = run.sign()
        run.restore(saved.read(checkpoint, run.signature))
    last_report = last_save = time.monotonic()

    def save() -> None:
        if checkpoint is not None:
            saved.write(checkpoint, run.signature, run.state())

    def report(now: float) -> None:
        nonlocal last_report
        if progress is not None:
            last_report = now
            try:
                progress(run.done, run.total, f"epoch {run.done // run.per_epoch}")
            except BaseException:
                save()
                raise

    report(last_report)
    for _ in run.steps():
        now = time.monotonic()
        if now - last_save >= checkpoint_seconds:
            save()
            last_save = now
        if now - last_report >= PROGRESS_SECONDS:
            report(now)
    save()
    report(time.monotonic())
    return run.finish()


class _Run:
    """One training: everything checked and laid out beforehand, then stepped through."""

    signature = ""

    def __init__(
        self, networks, x, y, config, seeds, masks, subset, evaluate, record_at, unit, callback, observer
    ) -> None:
        count, self.networks, self.config = networks.count, networks, config
        self.callback, self.observer = callback, observer
        self.given = networks.storage.detach().clone()
        inputs = networks.as_input(x)
        rows = inputs.shape[-2]
        if rows == 0:
            raise ValueError("x holds no rows; training needs at least one")
        self.loss = Loss(config)
        targets = self.loss.targets(y, count, rows, networks.widths[-1], networks.dtype, networks.device).values
        self.x = Source(inputs, inputs.ndim == 2)
        self.y = Source(targets[0], True) if len(targets) == 1 else Source(targets, False)
        self.seeds = checked_seeds(seeds, count)
        self.subset = checked_subset(subset, count, rows, networks.device)
        shown = rows if self.subset is None else self.subset.shape[1]
        self.per_epoch, self.total = config.steps_per_epoch(shown), config.total_steps(shown)
        epochs = -(-self.total // self.per_epoch)
        self.batches = Batches(self.seeds, rows, epochs, config.batch_size, self.subset, networks.device)
        self.dropped = dropped_weights(masks, networks)
        self.gradient = torch.empty_like(self.given)
        self.optimiser = Optimiser(config, networks)
        self.alpha: Tensor | float = 1.0
        if config.alpha is not None:
            alphas = per_network("alpha", config.alpha, count)
            self.alpha = torch.tensor(alphas, dtype=networks.dtype, device=networks.device).view(-1, 1, 1)
        self.sets = {name: EvaluationSet(name, data, networks, config) for name, data in evaluate.items()}
        self.schedule = checked_schedule(record_at, unit, self.total, self.per_epoch)
        if self.dropped is not None:  # from here on nothing is refused: now the networks may change
            self.optimiser.parameters.masked_fill_(self.dropped, 0)
        self.initial = networks.copy() if config.alpha is not None else None
        self.done = 0
        self.passes: dict[int, Passes] = {}
        self.static: tuple[Tensor, Tensor] | None = None
        self.origin: Tensor | None = None
        self.moments: list[tuple[int, int]] = []
        self.measured: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {name: [] for name in self.sets}
        self.records: list[Any] = []

    def steps(self):
        """Takes the steps that remain, yielding after each."""
        self._record()
        while self.done < self.total:
            epoch, first = divmod(self.done, self.per_epoch)
            for index in self.batches.epoch(epoch)[first : first + self.total - self.done]:
                self._step(index)
                self.done += 1
                if self.done in self.schedule:
                    self._record()
                yield

    @torch.no_grad()
    def _step(self, index: Tensor | None) -> None:
        x, y = self._fetch(index)
        rows = x.shape[-2]
        passes = self.passes.get(rows)
        if passes is None:
            passes = self.passes[rows] = self.networks.passes(rows, self.gradient)
        F = passes.forward(x)
        if self.initial is not None:
            F = (F - self._initial_outputs(x)).mul_(self.alpha)
        error = self.loss.gradient(F, y, passes.errors[-1])
        error.mul_(self.alpha / rows)
        passes.backward(x)
        if self.dropped is not None:
            self.gradient.masked_fill_(self.dropped, 0)
        if self.observer is not None:
            self.observer.step(self.done, self.gradient)
        self.optimiser.step(self.gradient, self.done + 1)

    def _fetch(self, index: Tensor | None) -> tuple[Tensor, Tensor]:
        """The rows and targets of a batch; kept where every batch is all of them."""
        if self.static is not None:
            return self.static
        x = self.x.values if index is None else self.x.take(index)
        y = self.y.values if index is None else self.y.take(index)
        labels = self.config.loss == "cross_entropy"
        if y.ndim == (1 if labels else 2):
            y = y[None]
        if not labels:
            y = y.transpose(1, 2)
        if self.config.batch_size is None:
            self.static = x, y
        return x, y

    def _initial_outputs(self, x: Tensor) -> Tensor:
        assert self.initial is not None
        if self.config.batch_size is not None:
            return self.initial.forward(x).transpose(1, 2)
        if self.origin is None:
            self.origin = self.initial.forward(x).transpose(1, 2).contiguous()
        return self.origin

    def _record(self) -> None:
        if self.done not in self.schedule or (self.moments and self.moments[-1][1] == self.done):
            return
        moment = self.schedule[self.done]
        for name, data in self.sets.items():
            self.measured[name].append(data.measure(self.networks, self.initial))
        if self.observer is not None:
            self.observer.record(moment, self.networks)
        if self.callback is not None:
            self.records.append(self.callback(moment, self.networks))
        self.moments.append((moment, self.done))

    def finish(self) -> History:
        finite = torch.ones(self.networks.count, dtype=torch.bool, device=self.networks.device)
        for view in [*self.networks.weights, *self.networks.biases]:
            finite &= view.isfinite().flatten(1).all(1)
        moments = np.array(self.moments, dtype=np.int64).reshape(-1, 2)
        empty = np.zeros((0, self.networks.count))
        return History(
            networks=self.networks,
            initial=self.initial,
            at=moments[:, 0],
            steps=moments[:, 1],
            loss={
                name: np.array([loss for loss, _ in each]) if each else empty for name, each in self.measured.items()
            },
            accuracy={
                name: np.array([hit for _, hit in each]) if each else empty for name, each in self.measured.items()
            },
            records=self.records,
            diverged=~finite.cpu().numpy(),
        )

    def sign(self) -> str:
        networks, sets = self.networks, self.sets.items()
        return saved.digest(
            self.config,
            networks.signature(),
            (self.seeds, self.schedule, [name for name, _ in sets], type(self.observer).__name__),
            self.given,
            self.x.values,
            self.y.values,
            self.subset,
            self.dropped,
            *(part for _, each in sets for part in (each.x, each.targets.values)),
        )

    def state(self) -> dict[str, Any]:
        return {
            "done": self.done,
            "parameters": self.optimiser.parameters.cpu().numpy(),
            "optimiser": {name: each.cpu().numpy() for name, each in self.optimiser.state.items()},
            "moments": self.moments,
            "measured": self.measured,
            "records": self.records,
            "observer": None if self.observer is None else self.observer.state(),
        }

    def restore(self, state: dict[str, Any] | None) -> None:
        if state is None:
            return
        self.done = state["done"]
        self.optimiser.parameters.copy_(torch.from_numpy(state["parameters"]))
        for name, each in self.optimiser.state.items():
            each.copy_(torch.from_numpy(state["optimiser"][name]))
        self.moments, self.measured, self.records = state["moments"], state["measured"], state["records"]
        if self.observer is not None:
            self.observer.restore(state["observer"])

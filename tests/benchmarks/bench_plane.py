"""Many networks on the 12-bit rule with their information plane: in lockstep, and as one would otherwise.

Run by hand:  python tests/benchmarks/bench_plane.py [--device cpu|cuda] [--networks 100] [--epochs 10] [--moments 2]
                                                     [--sample 2] [--repetitions 5] [--threads 2]

Together: all networks 12-10-7-5-4-3-2 train in lockstep, and at each moment one call per layer bins all of them. Apart:
nn.Sequential and torch.optim.Adam, one network after the other, each measured at the same moments by a loop over the
unique inputs, as the first published programs did it: for every input the rows that show it, their cells, their
entropy. On a GPU the plain networks train there too; the loop runs in numpy on the CPU, as it did.

"Apart" is timed on --sample networks and multiplied up to --networks: they take the same time each. Repetitions
alternate between the two, so that both see the same load; ratios are taken within each repetition, and their median,
minimum and maximum printed. The last line extrapolates to 8000 epochs with 60 moments from the measured time per epoch
and per moment: an estimate, since nothing so long is run here. Before any timing both ways must measure the same bits.
"""

import argparse
import statistics
import time
from itertools import pairwise

import numpy as np
import torch
from bench_training import WIDTHS, seconds, summary
from torch import Tensor, nn

from layerlab.data import symmetric_rule
from layerlab.information import binned_information
from layerlab.nets import MLP
from layerlab.training import TrainingConfig, train

BINS, LIMITS = 30, (-1.0, 1.0)
BATCH = 512
FULL_EPOCHS, FULL_MOMENTS = 8000, 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    for name, default in (("networks", 100), ("epochs", 10), ("moments", 2), ("sample", 2), ("repetitions", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    rule = symmetric_rule()
    x, y = torch.tensor(rule.x).float().to(device), torch.tensor(rule.y).to(device)
    check(x, rule.y)
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"{device}, {arguments.threads} threads"
    print(f"torch {torch.__version__} on {name}: {arguments.networks} networks, {arguments.epochs} epochs at batch "
          f"{BATCH}, {arguments.moments} moments, {arguments.repetitions} repetitions, median [min, max]")  # fmt: skip
    compare(x, y, arguments)


def compare(x: Tensor, y: Tensor, arguments: argparse.Namespace) -> None:
    scale = arguments.networks / arguments.sample
    together(x, y, arguments.networks, 1), apart(x, y, 1, 1)  # first calls set up libraries
    lockstep, plain = [], []
    for _ in range(arguments.repetitions):
        trained, measured = together(x, y, arguments.networks, arguments.epochs)
        lockstep.append((trained, measured * arguments.moments))
        trained, measured = apart(x, y, arguments.sample, arguments.epochs)
        plain.append((trained * scale, measured * scale * arguments.moments))
    for label, part in (("training", lambda v: v[0]), ("measuring", lambda v: v[1]), ("both", sum)):
        ours, theirs = [part(v) for v in lockstep], [part(v) for v in plain]
        ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
        print(f"  {label:10} together {summary(ours, 's'):26} apart {summary(theirs, 's'):30} {summary(ratios, 'x')}")
    full = [
        [v[0] / arguments.epochs * FULL_EPOCHS + v[1] / arguments.moments * FULL_MOMENTS for v in times]
        for times in (lockstep, plain)
    ]
    ratios = [b / a for a, b in zip(*full, strict=True)]
    print(f"  extrapolated to {FULL_EPOCHS} epochs and {FULL_MOMENTS} moments: together "
          f"{statistics.median(full[0]) / 60:.1f} min, apart {statistics.median(full[1]) / 3600:.1f} h, "
          f"{summary(ratios, 'x')}")  # fmt: skip


def together(x: Tensor, y: Tensor, count: int, epochs: int) -> tuple[float, float]:
    """Seconds to train `count` networks, and to measure all of them once."""
    networks = MLP(WIDTHS, seeds=range(count), device=x.device)
    config = TrainingConfig(optimizer="adam", learning_rate=4e-4, batch_size=BATCH, epochs=epochs)
    trained = seconds(lambda: train(networks, x, y, config), x.device)
    return trained, seconds(lambda: measure_together(networks, x, y), x.device)


def measure_together(networks: MLP, x: Tensor, y: Tensor) -> list[tuple[Tensor, Tensor]]:
    """(I(X;T), I(T;Y)) of each layer, for all networks."""
    found = networks.activations(x)
    layers = [*found[:-1], found[-1].softmax(-1)]
    return [binned_information(t, y, bins=BINS, limits=LIMITS) for t in layers]


def apart(x: Tensor, y: Tensor, count: int, epochs: int) -> tuple[float, float]:
    """Seconds to train `count` plain networks one by one, and to measure each once."""
    trained = measured = 0.0
    for seed in range(count):
        model, step = plain_network(x, y, seed)

        def epoch_by_epoch(step=step) -> None:
            for _ in range(epochs):
                for rows in torch.randperm(len(x)).to(x.device).split(BATCH):
                    step(x[rows], y[rows])

        trained += seconds(epoch_by_epoch, x.device)
        start = time.perf_counter()
        inputs, labels = x.cpu().numpy(), y.cpu().numpy()
        for t in plain_layers(model, x):
            by_unique_inputs(inputs, t, labels)
        measured += time.perf_counter() - start
    return trained, measured


def plain_network(x: Tensor, y: Tensor, seed: int):
    """One network as one would write it, and its training step."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(WIDTHS):
        layers += [nn.Linear(fan_in, fan_out), nn.Tanh()]
    model = nn.Sequential(*layers[:-1]).to(x.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-4)
    loss_function = nn.CrossEntropyLoss()

    def step(inputs: Tensor, labels: Tensor) -> None:
        optimizer.zero_grad()
        loss_function(model(inputs), labels).backward()
        optimizer.step()

    return model, step


def plain_layers(model: nn.Sequential, x: Tensor) -> list[np.ndarray]:
    """Activations of each layer, the last as probabilities."""
    found, a = [], x
    with torch.no_grad():
        for module in model:
            a = module(a)
            if isinstance(module, nn.Tanh):
                found.append(a.cpu().numpy())
        found.append(a.softmax(-1).cpu().numpy())
    return found


def by_unique_inputs(x: np.ndarray, t: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """I(X;T) and I(T;Y) in bits by H(T) - H(T|.), looping over the values of what is given."""
    low, high = LIMITS
    cells = np.floor((t - np.float32(low)) / np.float32(high - low) * BINS).clip(0, BINS - 1)
    whole = entropy_of_rows(cells)
    found = []
    for given in (x, y[:, None]):
        _, which = np.unique(given, axis=0, return_inverse=True)
        which = which.reshape(-1)
        parts = ((which == i) for i in range(which.max() + 1))
        found.append(whole - sum(part.mean() * entropy_of_rows(cells[part]) for part in parts))
    return found[0], found[1]


def entropy_of_rows(rows: np.ndarray) -> float:
    """Entropy in bits of the frequencies of equal rows, compared as bytes."""
    packed = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1])))
    p = np.unique(packed, return_counts=True)[1] / len(rows)
    return float(-(p * np.log2(p)).sum())


def check(x: Tensor, labels: np.ndarray) -> None:
    """Both ways must measure the same bits."""
    networks = MLP(WIDTHS, seeds=[0], device=x.device)
    found = networks.activations(x)
    for t in [*found[:-1], found[-1].softmax(-1)]:
        ours = [float(v[0]) for v in binned_information(t, labels, bins=BINS, limits=LIMITS)]
        np.testing.assert_allclose(ours, by_unique_inputs(x.cpu().numpy(), t[0].cpu().numpy(), labels), atol=1e-9)


if __name__ == "__main__":
    main()

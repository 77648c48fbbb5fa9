"""How much faster the batched trainer is than a loop of plain PyTorch trainings, side by side.

Run by hand:  python tests/benchmarks/bench_training.py [--device cpu|cuda|mps] [--repetitions 7] [--threads 2]

The task: 100 networks 12-10-7-5-4-3-2, tanh, 4096 rows of 12 bits, cross-entropy, Adam. The plain loop trains one
network after the other with nn.Sequential and torch.optim.Adam, one permutation per epoch, rows fetched by indexing (a
DataLoader is timed too). It is timed on a few networks and multiplied up to 100, since they take the
same time each. Repetitions alternate between the two, so that both see the same load on the machine; the ratio is
taken within each repetition, and its median, minimum and maximum are printed.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from layerlab.nets import MLP
from layerlab.training import TrainingConfig, train

WIDTHS = (12, 10, 7, 5, 4, 3, 2)
NETWORKS, ROWS = 100, 4096


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"{device}, {arguments.threads} threads"
    print(f"torch {torch.__version__} on {name}; {NETWORKS} networks {'-'.join(map(str, WIDTHS))}, {ROWS} rows")
    x = ((torch.arange(ROWS)[:, None] >> torch.arange(12)) & 1).float().to(device)
    y = (x.sum(1) > 6).long()
    for batch_size, epochs, sample in ((512, 10, 3), (64, 2, 2)):
        compare(x, y, batch_size, epochs, sample, arguments.repetitions)


def compare(x: Tensor, y: Tensor, batch_size: int, epochs: int, sample: int, repetitions: int) -> None:
    steps = epochs * -(-ROWS // batch_size)

    def batched() -> None:
        networks = MLP(WIDTHS, seeds=range(NETWORKS), device=x.device)
        config = TrainingConfig(optimizer="adam", learning_rate=4e-4, batch_size=batch_size, epochs=epochs)
        train(networks, x, y, config)

    def sequential() -> None:
        for seed in range(sample):
            plain(x, y, batch_size, epochs, seed)

    batched(), sequential()  # first calls set up thread pools and libraries
    together, apart = [], []
    for _ in range(repetitions):
        together.append(seconds(batched, x.device))
        apart.append(seconds(sequential, x.device) * NETWORKS / sample)
    ratios = [b / a for a, b in zip(together, apart, strict=True)]
    with_loader = seconds(lambda: plain(x, y, batch_size, max(1, epochs // 4), 0, loader=True), x.device)
    print(f"\nbatch {batch_size}, {epochs} epochs ({steps} steps), {repetitions} repetitions, median [min, max]")
    print(f"  batched trainer, {NETWORKS} networks       {summary(together, 's')}")
    print(f"  per step                            {statistics.median(together) / steps * 1e3:.3f} ms")
    print(f"  plain loop, {sample} timed, times {NETWORKS}/{sample}    {summary(apart, 's')}")
    print(f"  ratio                               {summary(ratios, 'x')}")
    print(
        f"  one network with a DataLoader takes {with_loader / max(1, epochs // 4) * epochs:.2f} s, "
        f"without {statistics.median(apart) / NETWORKS:.2f} s"
    )


def plain(x: Tensor, y: Tensor, batch_size: int, epochs: int, seed: int, loader: bool = False) -> None:
    """One network, trained as one would without this library."""
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

    if loader:
        data = DataLoader(TensorDataset(x, y), batch_size=batch_size, shuffle=True)
        for _ in range(epochs):
            for inputs, labels in data:
                step(inputs, labels)
        return
    for _ in range(epochs):
        order = torch.randperm(len(x)).to(x.device)
        for rows in order.split(batch_size):
            step(x[rows], y[rows])


def seconds(work: Callable[[], None], device: torch.device) -> float:
    synchronise = {"cuda": torch.cuda.synchronize, "mps": torch.mps.synchronize}.get(device.type, lambda: None)
    synchronise()
    start = time.perf_counter()
    work()
    synchronise()
    return time.perf_counter() - start


def summary(values: list[float], unit: str) -> str:
    return f"{statistics.median(values):.2f} {unit} [{min(values):.2f}, {max(values):.2f}]"


if __name__ == "__main__":
    main()

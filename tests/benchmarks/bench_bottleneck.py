"""How much faster `information_bottleneck` is than the packages embo and dit, side by side, at equal correctness.

Run by hand:  pip install embo dit   (the extra `bench`; embo is under the GPL: for this comparison only)
              python tests/benchmarks/bench_bottleneck.py [--device cpu|cuda] [--repetitions 5] [--threads 1]

Each gets the same joint and the same betas and is judged by the loss I(X;T) - beta I(T;Y) of what it returns, in bits
above the lowest that anyone found at that beta. Our beta multiplies a KL in nats, as dit's does. embo has a KL in
bits inside exp: its beta is ours times ln 2. embo's own iteration is called without its process pool, which would cost
it a fork. embo gets its default settings, then iterations and a tolerance with which it converges, and restarts; dit
its defaults but for fewer restarts. Repetitions alternate between the packages, so that all see the same load on the
machine; ratios are taken within a repetition, and their median, minimum and maximum printed. Then the large case, ours
alone: 200 betas x 50 restarts of the 4096 x 2 joint of the symmetric rule.
"""

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch

from layerlab.data import symmetric_rule
from layerlab.information import information_bottleneck

CLOSE = 1e-6  # bits: a loss no more than this above the lowest counts as reached


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--no-others", action="store_true", help="only the large case")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"{device}, {arguments.threads} threads"
    print(f"torch {torch.__version__} on {name}")
    if not arguments.no_others:
        small(arguments.repetitions, device)
    large(arguments.repetitions, device)


def small(repetitions: int, device: torch.device) -> None:
    """Joints that the other packages can do in seconds."""
    rng = np.random.default_rng(0)
    betas = np.geomspace(1.2, 40, 30)
    for rows, columns in ((16, 4), (64, 8)):
        p = rng.dirichlet(np.full(rows * columns, 0.5)).reshape(rows, columns)
        runs = {
            "layerlab, annealed": lambda p=p: ours(p, betas, device, restarts=1),
            "layerlab, 3 cold starts": lambda p=p: ours(p, betas, device, restarts=3, init="random"),
            "embo, defaults (3 restarts)": lambda p=p: embo(p, betas, 3, 100, 1e-3),
            "embo, to convergence (3)": lambda p=p: embo(p, betas, 3, 10_000, 1e-9),
        }
        if rows <= 16:
            runs["embo, to convergence (30)"] = lambda p=p: embo(p, betas, 30, 10_000, 1e-9)
            runs["dit, defaults, 3 restarts"] = lambda p=p: dit(p, betas, 3, 100)
        compare(f"{rows} x {columns} joint, {len(betas)} betas", runs, repetitions)


def compare(title: str, runs: dict[str, Callable[[], np.ndarray]], repetitions: int) -> None:
    losses = {name: run() for name, run in runs.items()}  # also the warm-up
    lowest = np.min(list(losses.values()), axis=0)
    spent: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repetitions):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            spent[name].append(time.perf_counter() - start)
    base = spent["layerlab, annealed"]
    print(f"\n{title}; {repetitions} repetitions, median [min, max]")
    print(f"  {'':28}{'time':>28}  {'time / ours, annealed':>28}  betas reached, median and largest excess in bits")
    for name in runs:
        ratio = [t / b for t, b in zip(spent[name], base, strict=True)]
        excess = losses[name] - lowest
        print(
            f"  {name:28}{summary(spent[name], 's'):>28}  {summary(ratio, 'x'):>28}  "
            f"{(excess <= CLOSE).sum():3} of {len(excess)}   {np.median(excess):.1e}  {excess.max():.1e}"
        )


def ours(p: np.ndarray, betas: np.ndarray, device: torch.device, **settings: object) -> np.ndarray:
    found = information_bottleneck(p, betas, device=device, **settings)
    assert found.converged.all()
    return found.loss


def embo(p: np.ndarray, betas: np.ndarray, restarts: int, iterations: int, tolerance: float) -> np.ndarray:
    from embo.core import InformationBottleneck

    np.random.seed(0)  # noqa: NPY002 - embo draws from the global generator
    p_x, p_y = p.sum(1), p.sum(0)
    points = [
        InformationBottleneck.beta_iter(1, b * np.log(2), p_x, p_y, p.T / p_x, len(p), restarts, iterations, tolerance)
        for b in betas
    ]
    i_xt, i_ty = np.array(points)[:, :2].T
    return i_xt - betas * i_ty


def dit(p: np.ndarray, betas: np.ndarray, restarts: int, iterations: int) -> np.ndarray:
    from dit.rate_distortion.blahut_arimoto import blahut_arimoto_ib

    np.random.seed(0)  # noqa: NPY002 - so does dit
    whole = information(p)
    losses = []
    for beta in betas:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it divides by the mass of empty clusters
            _, joint = blahut_arimoto_ib(p, beta, max_iters=iterations, restarts=restarts)
        joint = np.nan_to_num(joint)
        losses.append(information(joint.sum(1)) - beta * min(information(joint.sum(0)), whole))
    return np.array(losses)


def information(joint: np.ndarray) -> float:
    """Mutual information in bits, of a joint that rounding may have left a little unnormalised."""
    joint = joint / joint.sum()
    product = joint.sum(1, keepdims=True) * joint.sum(0)
    some = joint > 0
    return float((joint[some] * np.log2(joint[some] / product[some])).sum())


def large(repetitions: int, device: torch.device) -> None:
    joint = symmetric_rule(gamma=2.0).p_xy
    betas = np.geomspace(1, 200, 200)
    spent, found = [], None
    for _ in range(repetitions):
        start = time.perf_counter()
        found = information_bottleneck(joint, betas, restarts=50, device=device)
        spent.append(time.perf_counter() - start)
    assert found is not None
    excess = found.restart_loss - found.loss[:, None]
    print(f"\n{joint.shape[0]} x {joint.shape[1]} joint, 200 betas x 50 restarts annealed; {repetitions} repetitions")
    print(
        f"  {summary(spent, 's')}; {len(found.class_encoder[0])} classes of x; converged {found.converged.mean():.0%}"
    )
    print(f"  restarts converged {found.restart_converged.mean():.1%}, within {CLOSE:g} bits of the best "
          f"{(excess <= CLOSE).mean():.1%}, largest excess {excess.max():.1e}")  # fmt: skip


def summary(values: list[float], unit: str) -> str:
    return f"{statistics.median(values):.3g} {unit} [{min(values):.3g}, {max(values):.3g}]"


if __name__ == "__main__":
    try:
        import dit as _dit  # noqa: F401
        import embo as _embo  # noqa: F401
    except ImportError as missing:
        if "--no-others" not in sys.argv:
            sys.exit(f"{missing.name} is missing: pip install embo dit, or give --no-others")
    main()

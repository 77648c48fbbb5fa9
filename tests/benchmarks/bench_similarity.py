"""How much faster `layerlab.similarity` is than the textbook's formulas in numpy and than scikit-learn's CCA.

Run by hand:  python tests/benchmarks/bench_similarity.py [--device cpu|cuda] [--repetitions 5] [--threads 1]

Two cases. One pair: two layers of 512 units on 10,000 samples. All pairs: every layer of one network with every layer
of another at 20 checkpoints each (5 layers of 64 units, 2,000 samples: 100 x 100 pairs).
Two textbook formulas in plain numpy, pair by pair: "whitened", the singular values of C_xx^-1/2 C_xy C_yy^-1/2, and
"eigenvalues", the roots of those of C_xx^-1 C_xy C_yy^-1 C_yx, with the covariances of both layers side by side as
published programs take them. scikit-learn is timed on one pair with 10 components (its algorithm finds one after the
other). Repetitions alternate, ratios are taken within a repetition; median, minimum and maximum are printed, and the
largest difference of the coefficients from the whitened ones.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.cross_decomposition import CCA

from layerlab.similarity import basis, cca


def whitened(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Canonical correlations as the singular values of C_xx^-1/2 C_xy C_yy^-1/2."""
    x, y = x - x.mean(0), y - y.mean(0)
    whiten = []
    for each in (x, y):
        values, vectors = np.linalg.eigh(each.T @ each)
        whiten.append(vectors / np.sqrt(values) @ vectors.T)
    return np.linalg.svd(whiten[0] @ (x.T @ y) @ whiten[1], compute_uv=False)


def eigenvalues(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Canonical correlations as the roots of the eigenvalues of C_xx^-1 C_xy C_yy^-1 C_yx."""
    p = x.shape[1]
    c = np.cov(x, y, rowvar=False)
    across = np.linalg.solve(c[:p, :p], c[:p, p:]) @ np.linalg.solve(c[p:, p:], c[p:, :p])
    return np.sqrt(np.clip(np.sort(np.linalg.eigvals(across).real)[::-1], 0, 1))


def signals(rng: np.random.Generator, samples: int, units: int, shared: np.ndarray) -> np.ndarray:
    mixed = shared @ rng.standard_normal((shared.shape[1], units))
    return mixed + rng.standard_normal((samples, units)) * np.linspace(0.1, 1, units)


def timed(action: Callable[[], Any], device: torch.device) -> tuple[float, Any]:
    begin = time.perf_counter()
    value = action()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin, value


def one_pair(rng: np.random.Generator, device: torch.device, samples: int, units: int) -> dict[str, float]:
    shared = rng.standard_normal((samples, units // 4))
    x, y = (signals(rng, samples, units, shared) for _ in range(2))
    u, v = (torch.from_numpy(each).to(device) for each in (x, y))
    ours, found = timed(lambda: cca(u, v).coefficients.cpu().numpy(), device)
    white, expected = timed(lambda: whitened(x, y), device)
    roots, _ = timed(lambda: eigenvalues(x, y), device)
    learn, _ = timed(lambda: CCA(n_components=10, max_iter=500).fit(x, y), device)
    others = {"whitened": white, "eigenvalues": roots, "scikit-learn": learn}
    return {"ours": ours, **others, "difference": float(abs(found - expected).max())}


def all_pairs(rng: np.random.Generator, device: torch.device, count: int, samples: int, units: int) -> dict[str, float]:
    shared = rng.standard_normal((samples, units // 4))
    xs, ys = (np.stack([signals(rng, samples, units, shared) for _ in range(count)]) for _ in range(2))
    u, v = (torch.from_numpy(each).to(device) for each in (xs, ys))

    def ours() -> np.ndarray:
        return cca(basis(u[:, None]), basis(v[None])).coefficients.cpu().numpy()

    quick, found = timed(ours, device)
    white, expected = timed(lambda: np.stack([[whitened(x, y) for y in ys] for x in xs]), device)
    roots, _ = timed(lambda: np.stack([[eigenvalues(x, y) for y in ys] for x in xs]), device)
    return {
        "ours": quick, "whitened": white, "eigenvalues": roots, "difference": float(abs(found - expected).max())
    }  # fmt: skip


def report(name: str, measured: list[dict[str, float]]) -> None:
    print(f"\n{name}: ours {statistics.median(m['ours'] for m in measured):.3g} s")
    for other in measured[0].keys() - {"ours", "difference"}:
        ratios = [m[other] / m["ours"] for m in measured]
        print(f"  {other:13} {statistics.median(ratios):.3g}x our time [{min(ratios):.3g}, {max(ratios):.3g}]")
    print(f"  largest difference of a coefficient from the whitened ones: {max(m['difference'] for m in measured):.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--layers", type=int, default=100, help="of each network, over all checkpoints")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    print(torch.cuda.get_device_name() if device.type == "cuda" else f"{device}, {arguments.threads} threads")
    rng = np.random.default_rng(0)
    one_pair(rng, device, 1000, 64)  # first calls set up thread pools and libraries
    repeats = range(arguments.repetitions)
    report("one pair, 10,000 x 512", [one_pair(rng, device, 10_000, 512) for _ in repeats])
    count = arguments.layers
    report(f"{count} x {count} pairs, 2,000 x 64", [all_pairs(rng, device, count, 2000, 64) for _ in repeats])


if __name__ == "__main__":
    main()

"""Initial weights, drawn for each network from its own generator.

Everything is drawn on the CPU in float64 and then cast, so that one seed names one network: the same on every device,
in either precision up to rounding, and whether it is made alone or among hundreds.
"""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

Draw = Callable[[int, int, torch.Generator], Tensor]


def _normal(variance: Callable[[int, int], float]) -> Draw:
    def draw_weights(fan_in: int, fan_out: int, generator: torch.Generator) -> Tensor:
        standard = torch.randn(fan_in, fan_out, generator=generator, dtype=torch.float64)
        return standard * math.sqrt(variance(fan_in, fan_out))

    return draw_weights


def _uniform(variance: Callable[[int, int], float]) -> Draw:
    def draw_weights(fan_in: int, fan_out: int, generator: torch.Generator) -> Tensor:
        unit = torch.rand(fan_in, fan_out, generator=generator, dtype=torch.float64) * 2 - 1
        return unit * math.sqrt(3 * variance(fan_in, fan_out))

    return draw_weights


def _orthogonal(fan_in: int, fan_out: int, generator: torch.Generator) -> Tensor:
    tall = torch.randn(max(fan_in, fan_out), min(fan_in, fan_out), generator=generator, dtype=torch.float64)
    q, r = torch.linalg.qr(tall)
    q = q * torch.sign(torch.diagonal(r))  # makes the law uniform (Mezzadri 2007)
    return q if fan_in >= fan_out else q.T


def _glorot(fan_in: int, fan_out: int) -> float:
    return 2 / (fan_in + fan_out)


def _he(fan_in: int, fan_out: int) -> float:
    return 2 / fan_in


def _lecun(fan_in: int, fan_out: int) -> float:
    return 1 / fan_in


def _third(fan_in: int, fan_out: int) -> float:
    return 1 / (3 * fan_in)


def _unit(fan_in: int, fan_out: int) -> float:
    return 1.0


INITIALISATIONS: dict[str, Draw] = {
    "glorot_normal": _normal(_glorot),
    "glorot_uniform": _uniform(_glorot),
    "he_normal": _normal(_he),
    "he_uniform": _uniform(_he),
    "lecun_normal": _normal(_lecun),
    "lecun_uniform": _uniform(_lecun),
    "torch": _uniform(_third),
    "standard_normal": _normal(_unit),
    "orthogonal": _orthogonal,
}


def as_seed(seed: int | np.random.SeedSequence) -> int:
    """A seed as an integer: one that is an integer stays as it is, a SeedSequence gives its first 64 bits.

    Raises TypeError for anything else, ValueError for an integer outside 0 ... 2^64 - 1.
    """
    if isinstance(seed, np.random.SeedSequence):
        return int(seed.generate_state(1, np.uint64)[0])
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise TypeError(f"a seed is {seed!r}; it must be an integer or a numpy SeedSequence")
    if not 0 <= seed < 2**64:
        raise ValueError(f"a seed is {seed}; it must lie between 0 and 2**64 - 1")
    return int(seed)


def draw(
    widths: tuple[int, ...],
    initialisation: str,
    seed: int | np.random.SeedSequence,
    *,
    gain: float = 1.0,
    bias_std: float = 0.0,
) -> list[tuple[Tensor, Tensor]]:
    """The initial (weights, biases) of one network, layer by layer: float64 of shapes (in, out) and (out,).

    Variance of a weight, fan-in n and fan-out m: `glorot_*` 2/(n+m) (Glorot & Bengio 2010), `he_*` 2/n (He et al.
    2015), `lecun_*` 1/n (LeCun et al. 1998), `torch` uniform on ±1/√n for weights and biases (torch.nn.Linear),
    `standard_normal` 1, `orthogonal` orthonormal rows or columns (Saxe et al. 2014). Weights are multiplied by `gain`.
    Biases are Gaussian with standard deviation `bias_std`, by default 0 (under `torch`, uniform on ±1/√n as there).

    Raises ValueError for an unknown name.
    """
    if initialisation not in INITIALISATIONS:
        raise ValueError(f"initialisation is {initialisation!r}; allowed are {', '.join(INITIALISATIONS)}")
    generator = torch.Generator().manual_seed(as_seed(seed))
    layers = []
    for fan_in, fan_out in pairwise(widths):
        weights = INITIALISATIONS[initialisation](fan_in, fan_out, generator) * gain
        if initialisation == "torch" and bias_std == 0:
            unit = torch.rand(fan_out, generator=generator, dtype=torch.float64) * 2 - 1
            biases = unit / math.sqrt(fan_in)
        elif bias_std:
            biases = torch.randn(fan_out, generator=generator, dtype=torch.float64) * bias_std
        else:
            biases = torch.zeros(fan_out, dtype=torch.float64)
        layers.append((weights, biases))
    return layers

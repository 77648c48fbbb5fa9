"""Convolutional layers as samples x units, in the two ways that the literature uses."""

from __future__ import annotations

from typing import Any


def units_per_pixel(activations: Any) -> Any:
    """(..., samples, channels, height, width) as (..., samples, channels * height * width): units per pixel.

    Compares what two layers say where. Many units: it wants many samples. Raises ValueError for fewer than four axes.
    """
    shape = _maps(activations)
    return activations.reshape(*shape[:-3], shape[-3] * shape[-2] * shape[-1])


def positions_as_samples(activations: Any) -> Any:
    """(..., samples, channels, height, width) as (..., samples * height * width, channels): each position is a sample.

    Compares what the channels look for, wherever it is; both layers need the same height and width. Neighbouring
    positions are not independent: such samples count for less than their number. Raises as `units_per_pixel`.
    """
    shape = _maps(activations)
    last = activations.swapaxes(-3, -2).swapaxes(-2, -1)  # (..., samples, height, width, channels)
    return last.reshape(*shape[:-4], shape[-4] * shape[-2] * shape[-1], shape[-3])


def _maps(activations: Any) -> tuple[int, ...]:
    shape = tuple(activations.shape)
    if len(shape) < 4:
        raise ValueError(f"activations have shape {shape}; maps are (..., samples, channels, height, width)")
    return shape

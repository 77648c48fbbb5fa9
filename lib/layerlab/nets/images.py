"""The layers of a convolutional network that work on images, as plain values."""

from __future__ import annotations

from dataclasses import dataclass

from layerlab.arrays import whole

POOLS = ("max", "average")


@dataclass(frozen=True)
class Conv:
    """A layer of `channels` filters of kernel x kernel pixels, every `stride` pixels, on an image framed by `padding`
    zeros. Raises TypeError or ValueError for anything but whole numbers, at least 1 (padding: 0)."""

    channels: int
    kernel: int = 3
    stride: int = 1
    padding: int = 0

    def __post_init__(self) -> None:
        for name in ("channels", "kernel", "stride"):
            whole(getattr(self, name), name, 1)
        whole(self.padding, "padding", 0)

    def folded(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape (channels, height, width) that it makes of images of that shape."""
        return self.channels, *(self._steps(side) for side in shape[1:])

    def _steps(self, side: int) -> int:
        return (side + 2 * self.padding - self.kernel) // self.stride + 1


@dataclass(frozen=True)
class Pool:
    """The maximum or average of each channel over neighbouring squares of size x size pixels; pixels beyond the last
    whole square are left out. It has no parameters and no activation function. Raises TypeError or ValueError."""

    size: int = 2
    kind: str = "max"

    def __post_init__(self) -> None:
        whole(self.size, "size", 1)
        if self.kind not in POOLS:
            raise ValueError(f"kind is {self.kind!r}; allowed are {', '.join(POOLS)}")

    def folded(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape (channels, height, width) that it makes of images of that shape."""
        return shape[0], shape[1] // self.size, shape[2] // self.size

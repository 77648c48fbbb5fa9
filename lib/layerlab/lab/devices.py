"""Where a run can take place."""

from __future__ import annotations

import platform

AUTO = "auto"
NAMES = ("cpu", "cuda", "mps")


def available() -> list[str]:
    """The devices of this machine that torch can use, the fastest first; `cpu` is always among them."""
    import torch

    found = []
    if torch.cuda.is_available():
        found.append("cuda")
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def resolve(device: str = AUTO) -> str:
    """The device to use: `auto` takes the fastest there is. ValueError if it is unknown or not in this machine."""
    if device not in (AUTO, *NAMES):
        raise ValueError(f"device must be one of {', '.join((AUTO, *NAMES))}; it was {device!r}")
    found = available()
    if device == AUTO:
        return found[0]
    if device not in found:
        raise ValueError(f"there is no {device} device here; this machine has {', '.join(found)}")
    return device


def describe(device: str) -> str:
    """The device's model, for provenance."""
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    return _processor()


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
        if names:
            return names[0]
    except OSError:
        pass
    return platform.processor() or platform.machine()

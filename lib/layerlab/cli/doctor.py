"""`layerlab doctor`: what is here, what is missing, and what to do about it."""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import shutil
import sys
from collections import Counter
from typing import Any

from layerlab import lab
from layerlab.lab import paths


def add_commands(commands: Any) -> None:
    """Add this command to the parser."""
    doctor = commands.add_parser(
        "doctor", help="what is installed and found here, and what to do about what is missing"
    )
    doctor.set_defaults(action=examine)


def examine(arguments: argparse.Namespace) -> int:
    """Print a report; exit status 1 if something needed is missing."""
    needs: list[str] = []
    print(f"Python    {platform.python_version()} at {sys.prefix}")
    print(f"Packages  {', '.join(f'{n} {v}' for n, v in lab.versions().items() if n != 'python')}")
    for package, advice in (
        ("jupyter-book", "to build the book: make serve"),
        ("distributed", 'for sweeps on a cluster: pip install "layerlab[dask]"'),
    ):
        try:
            print(f"          {package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            print(f"          {package} is not installed ({advice})")
    _devices()
    _data()
    _results(needs)
    folder = paths.cache()
    free = shutil.disk_usage(next(p for p in (folder, *folder.parents) if p.exists())).free / 2**30
    print(f"Cache     {folder} ({free:.1f} GiB free)")
    if free < 1:
        needs.append(f"free some disk space: {folder} has less than 1 GiB left")
    for need in needs:
        print(f"To do     {need}")
    return 1 if needs else 0


def _devices() -> None:
    for i, device in enumerate(lab.devices.available()):
        print(f"{'Devices' if i == 0 else '':10}{device}: {lab.devices.describe(device)}")


def _data() -> None:
    from layerlab import data

    for i, (name, status) in enumerate(data.available().items()):
        print(f"{'Data' if i == 0 else '':10}{name}: {'' if status.present else 'missing; '}{status.detail}")


def _results(needs: list[str]) -> None:
    store = lab.Store()
    if store.root is None:
        print("Results   no folder of stored runs here (it is part of the project's checkout)")
        return
    counts = Counter(s.state for name in lab.names() for s in store.states(lab.get(name)))
    print(f"Results   {store.root}: {', '.join(f'{n} {state}' for state, n in counts.items()) or 'no experiments'}")
    if set(counts) - {"current"}:
        needs.append("bring the stored runs up to date: layerlab results refresh")

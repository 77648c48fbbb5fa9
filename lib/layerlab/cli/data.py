"""`layerlab data list|fetch`: the data sets."""

from __future__ import annotations

import argparse
from typing import Any


def add_commands(commands: Any) -> None:
    """Add these commands to the parser."""
    data = commands.add_parser("data", help="the data sets: what is here, and how to get the rest")
    verbs = data.add_subparsers(dest="verb", required=True, metavar="list|fetch")
    listing = verbs.add_parser("list", help="every data set and where it was found")
    listing.set_defaults(action=list_data)
    fetch = verbs.add_parser("fetch", help="download a data set and check it")
    fetch.add_argument("name", metavar="NAME")
    fetch.set_defaults(action=fetch_data)


def list_data(arguments: argparse.Namespace) -> int:
    """Print each data set's state."""
    from layerlab import data

    for name, status in data.available().items():
        print(f"{name:15} {'here   ' if status.present else 'missing'}  {status.detail}")
    return 0


def fetch_data(arguments: argparse.Namespace) -> int:
    """Download one data set; exit status 1 with one sentence if it cannot be had."""
    from layerlab import data

    print(f"{arguments.name}: {data.fetch(arguments.name)}")
    return 0

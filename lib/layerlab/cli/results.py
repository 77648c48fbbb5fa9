"""`layerlab results status|verify|refresh`: the stored runs."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any

from tqdm.auto import tqdm

from layerlab import lab
from layerlab.lab import recompute


def add_commands(commands: Any) -> None:
    """Add these commands to the parser."""
    results = commands.add_parser(
        "results", help="the stored runs: their state, checks, and how to bring them up to date"
    )
    verbs = results.add_subparsers(dest="verb", required=True, metavar="status|verify|refresh")
    for verb, action, text in (
        ("status", status, "which runs are current, stale, missing or damaged"),
        ("verify", verify, "check every file and claim, and compute one run of each experiment again"),
        ("refresh", refresh, "compute what is stale, missing or damaged"),
    ):
        command = verbs.add_parser(verb, help=text)
        command.add_argument("names", metavar="NAME", nargs="*", help="experiments; all of them if left out")
        command.set_defaults(action=action)
        if verb == "refresh":
            command.add_argument("--device", default="auto", choices=("auto", *lab.devices.NAMES))
            command.add_argument("--jobs", type=int, default=-1, metavar="N")
            command.add_argument("--prune", action="store_true", help="delete files that belong to no grid point")


def _chosen(arguments: argparse.Namespace) -> list[lab.Experiment]:
    return [lab.get(name) for name in arguments.names or lab.names()]


def status(arguments: argparse.Namespace) -> int:
    """One line per experiment; exit status 1 unless every run is current."""
    store = lab.Store()
    worst = 0
    for experiment in _chosen(arguments):
        states = list(store.states(experiment))
        counts = Counter(s.state for s in states)
        orphans = store.orphans(experiment)
        line = ", ".join(f"{counts[s]} {s}" for s in ("current", "stale", "missing", "damaged") if counts[s])
        print(f"{experiment.name}: {line}{f', {len(orphans)} files of no grid point' if orphans else ''}")
        for s in states:
            if s.state == "damaged":
                print(f"  {s.detail}")
        worst |= counts["current"] != len(states) or bool(orphans)
    if worst:
        print("`layerlab results refresh` brings them up to date (`--prune` also deletes files of no grid point)")
    return int(worst)


def verify(arguments: argparse.Namespace) -> int:
    """Check files and claims, recompute the cheapest run of each experiment; exit status 1 if anything is off."""
    store = lab.Store()
    complaints = []
    for experiment in tqdm(_chosen(arguments), desc="verify", unit="experiment", dynamic_ncols=True):
        states = list(store.states(experiment))
        complaints += [
            f"{experiment.name} {s.config.key()}: {s.state} {s.detail}".rstrip() for s in states if s.state != "current"
        ]
        complaints += recompute.unexpected_claims(experiment, store.runs(experiment))
        complaints += recompute.differences(experiment, store)
    for complaint in complaints:
        print(complaint)
    print("every stored run is sound" if not complaints else f"{len(complaints)} complaints")
    return 1 if complaints else 0


def refresh(arguments: argparse.Namespace) -> int:
    """Sweep the experiments; with --prune delete what belongs to no grid point."""
    from layerlab.cli.experiments import sweep_grid

    store = lab.Store()
    failed = 0
    for experiment in _chosen(arguments):
        if arguments.prune:
            for path in store.orphans(experiment):
                path.unlink()
                print(f"deleted {path.name}")
        failed |= sweep_grid(
            argparse.Namespace(
                name=experiment.name, device=arguments.device, backend="loky", jobs=arguments.jobs, refresh=False
            )
        )
    return failed

"""`layerlab list`, `layerlab run` and `layerlab sweep`."""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
from tqdm.auto import tqdm

from layerlab import lab
from layerlab.lab.estimate import record


def add_commands(commands: Any) -> None:
    """Add these commands to the parser."""
    listing = commands.add_parser("list", help="the experiments and their parameters")
    listing.add_argument("--json", action="store_true", help="as JSON")
    listing.set_defaults(action=list_experiments)

    run = commands.add_parser("run", help="run one experiment and say what came out")
    run.add_argument("name", metavar="NAME")
    run.add_argument("--set", dest="settings", metavar="FIELD=VALUE", nargs="+", action="extend", default=[])
    run.add_argument("--device", default="auto", choices=("auto", *lab.devices.NAMES))
    run.add_argument("--seeds", type=int, metavar="N", help="independent repetitions")
    run.add_argument("--save", type=Path, metavar="DIR", help="write figure, numbers, data and provenance there")
    run.add_argument("--json", action="store_true", help="claims and provenance as JSON")
    run.set_defaults(action=run_experiment)

    sweep = commands.add_parser("sweep", help="run all of an experiment's grid that is not stored yet")
    sweep.add_argument("name", metavar="NAME", nargs="?", help="an experiment; all of them if left out")
    sweep.add_argument("--device", default="auto", choices=("auto", *lab.devices.NAMES))
    sweep.add_argument("--backend", default="loky", choices=("loky", "dask"))
    sweep.add_argument("--scheduler", metavar="ADDRESS", help="of a running Dask cluster (default: a local one)")
    sweep.add_argument("--jobs", type=int, default=-1, metavar="N", help="points at once (default: all cores)")
    sweep.add_argument("--refresh", action="store_true", help="run stored points again, too")
    sweep.set_defaults(action=sweep_grid)


def list_experiments(arguments: argparse.Namespace) -> int:
    """Print every experiment; with --json also its parameters and grid."""
    if not arguments.json:
        titles = lab.titles()
        width = max(map(len, titles), default=0)
        for name, title in titles.items():
            print(f"{name:{width}}  {title}")
        return 0
    rows = []
    for name in lab.names():
        experiment = lab.get(name)
        fields = [{k: v for k, v in vars(p).items() if v not in (None, (), "")} for p in experiment.fields]
        grid = [config.as_dict() for config in experiment.grid()]
        claims = [{"statement": c.statement, "source": c.source} for c in experiment.claims]
        rows.append({"name": name, "title": experiment.title, "fields": fields, "grid": grid, "claims": claims})
    print(json.dumps(rows, indent=1, ensure_ascii=False))
    return 0


def configured(experiment: lab.Experiment, settings: list[str], seeds: int | None) -> lab.Config:
    """The config that `field=value` words on a command line describe; ValueError names what is wrong."""
    fields = {p.name: p for p in experiment.fields}
    values: dict[str, Any] = {} if seeds is None else {"seeds": fields["seeds"].check(seeds)}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise ValueError(f"--set takes field=value; it was {setting!r}")
        if name not in fields:
            raise ValueError(f"{experiment.name} has no field {name!r}; it has {', '.join(fields)}")
        values[name] = fields[name].parse(text)
    return experiment.config(**values)


def run_experiment(arguments: argparse.Namespace) -> int:
    """Run one config and print its claims; nothing is added to the stored runs."""
    experiment = lab.get(arguments.name)
    config = configured(experiment, arguments.settings, arguments.seeds)
    device = lab.devices.resolve(arguments.device)
    if arguments.save:
        arguments.save.mkdir(parents=True, exist_ok=True)
    if not arguments.json:
        print(experiment.title)
        print(f"  {config.key().replace(',', '  ')}  on {device}")
        print(f"  expected time: {lab.in_words(lab.estimate(experiment, config, device))}")
    with _bar(disable=arguments.json) as progress, lab.accelerator_queue(device):
        run = lab.execute(experiment, config, device, progress)
    record(experiment, run.provenance)
    if arguments.save:
        save(run, arguments.save)
    if arguments.json:
        print(json.dumps({"claims": run.claims(), "provenance": run.provenance.as_dict()}, ensure_ascii=False))
    else:
        print(report(run))
    return 0


def report(run: lab.Run) -> str:
    """The claims of a run, one a line, with what was measured."""
    lines = [f"  measured in {run.provenance.wall_seconds:.1f} s. {run.experiment.describe(run.result)}", ""]
    for claim, evidence in run.evidence():
        if evidence is None:
            lines.append(f"  not tested here  {claim.statement}")
            continue
        verdict = "holds         " if evidence.holds else "DOES NOT HOLD "
        spread = "" if evidence.spread is None else f" (s.d. over seeds {evidence.spread:.2g})"
        numbers = (
            f"{evidence.measured:.5g}{spread} {evidence.relation} {evidence.expected:.5g} ± {evidence.tolerance:.2g}"
        )
        lines.append(f"  {verdict}  {claim.statement}\n                  {numbers} {evidence.unit}".rstrip())
    return "\n".join(lines)


def save(run: lab.Run, folder: Path) -> None:
    """Write a run's figure (SVG), numbers (CSV), data (netCDF) and provenance (JSON) into a folder."""
    lab.Store(folder).save(run)
    base = lab.Store(folder).path(run.experiment, run.config).with_suffix("")
    for suffix, text in (
        (".svg", lab.figure_svg(run.experiment, run.result, "figure")),
        (".csv", run.experiment.table(run.result).to_csv(index=False)),
    ):
        base.with_name(base.name + suffix).write_text(text, encoding="utf-8")


def sweep_grid(arguments: argparse.Namespace) -> int:
    """Fill the store; exit status 1 if any point failed."""
    failed = 0
    with _backend(arguments):
        for name in [arguments.name] if arguments.name else lab.names():
            experiment = lab.get(name)
            total = len(experiment.grid())
            with tqdm(desc=name, unit="run", dynamic_ncols=True) as bar:

                def heard(point: lab.Point, done: int, wanted: int, bar: Any = bar) -> None:
                    bar.total = wanted
                    bar.update()
                    if point.error:
                        bar.write(f"{point.experiment} {point.config.key()}: {point.error}")

                points = lab.sweep(
                    experiment,
                    device=arguments.device,
                    jobs=arguments.jobs,
                    refresh=arguments.refresh,
                    listener=heard,
                )
            wrong = sum(bool(point.error) for point in points)
            failed += wrong
            print(f"{name}: {len(points) - wrong} run, {total - len(points)} already there, {wrong} failed")
    return 1 if failed else 0


@contextlib.contextmanager
def _backend(arguments: argparse.Namespace) -> Iterator[None]:
    if arguments.backend == "loky":
        yield
        return
    try:
        from distributed import Client
    except ImportError:
        raise RuntimeError('the Dask backend needs the package distributed: pip install "layerlab[dask]"') from None
    with Client(arguments.scheduler) as client, joblib.parallel_config(backend="dask", client=client):
        yield


@contextlib.contextmanager
def _bar(disable: bool) -> Iterator[lab.Progress]:
    with tqdm(
        total=1.0, disable=disable, leave=False, dynamic_ncols=True, bar_format="  {l_bar}{bar}| {elapsed}"
    ) as bar:

        def heard(done: float, total: float, note: str) -> None:
            bar.n = done / total if total else 0.0
            bar.set_description_str(note)
            bar.refresh()

        yield lab.Progress(heard)

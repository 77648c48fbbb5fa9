"""Sweeps: resumable, parallel, and complete even when a worker dies."""

import os
import signal

import joblib
import pytest

from layerlab import lab


@pytest.fixture
def length():
    """A real experiment: worker processes can import it."""
    return lab.get("projection/length")


def test_a_sweep_fills_the_grid_once(tiny, store):
    heard = []
    points = lab.sweep(tiny, store=store, device="cpu", jobs=1, listener=lambda *a: heard.append(a[1:]))
    assert {p.config for p in points} == set(tiny.grid())
    assert heard == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert lab.sweep(tiny, store=store, device="cpu", jobs=1) == []
    assert len(lab.sweep(tiny, store=store, device="cpu", jobs=1, refresh=True)) == 4


def test_the_longest_runs_go_first(tiny, store):
    points = lab.sweep(tiny, store=store, device="cpu", jobs=1)
    assert [p.config.n for p in points] == [100, 100, 10, 10]


def test_an_error_in_one_point_spares_the_others(tiny, store):
    configs = [tiny.Config(n=5), tiny.Config(kind="broken"), tiny.Config(n=6)]
    points = lab.sweep(tiny, configs, store=store, device="cpu", jobs=1)
    assert sorted(p.error for p in points) == ["", "", "ArithmeticError: this kind cannot be run"]
    assert store.load(tiny, configs[2]) is not None


def test_an_interrupted_sweep_keeps_what_is_finished_and_resumes(tiny, store):
    def interrupt(point, done, wanted):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lab.sweep(tiny, store=store, device="cpu", jobs=1, listener=interrupt)
    assert len(store.runs(tiny)) == 2
    assert len(lab.sweep(tiny, store=store, device="cpu", jobs=1)) == 2
    assert len(store.runs(tiny)) == 4


def test_processes_give_what_one_process_gives(length, store, tmp_path):
    configs = [length.Config(d=20, k=k, samples=100, seeds=2) for k in (1, 2, 3)]
    alone = lab.Store(tmp_path / "alone")
    lab.sweep(length, configs, store=alone, device="cpu", jobs=1)
    lab.sweep(length, configs, store=store, device="cpu", jobs=2)
    for config in configs:
        assert store.load(length, config).result.identical(alone.load(length, config).result)


def test_a_dask_cluster_that_loses_a_worker_still_finishes(length, store):
    distributed = pytest.importorskip("distributed", reason='install the dask extra: pip install "layerlab[dask]"')
    killed = []

    def kill_one(point, done, wanted):
        if not killed:
            killed.append(next(iter(client.run(os.getpid).values())))
            os.kill(killed[0], signal.SIGKILL)

    configs = [length.Config(d=50, k=k, samples=2000, seed=s, seeds=2) for k in (1, 2, 3) for s in range(6)]
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
        joblib.parallel_config(backend="dask", client=client),
    ):
        points = lab.sweep(length, configs, store=store, device="cpu", listener=kill_one)
    assert killed
    assert not [p.error for p in points if p.error]
    assert all(store.load(length, config) is not None for config in configs)

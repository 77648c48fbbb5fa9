"""The line before the accelerator: first come, first served; the dead do not block it."""

import multiprocessing
import threading
import time

import pytest

from layerlab import lab
from layerlab.lab import paths


def test_on_the_cpu_nobody_waits():
    with lab.accelerator_queue("cpu", pytest.fail):
        assert not (paths.cache() / "queue").exists()


def test_runs_go_one_at_a_time_in_order_of_arrival():
    order, positions, inside = [], {}, []

    def live(name):
        with lab.accelerator_queue("cuda", positions.setdefault(name, []).append, poll=0.01):
            inside.append(name)
            assert len(inside) == 1
            time.sleep(0.1)
            order.append(name)
            inside.remove(name)

    threads = []
    for name in "abc":
        threads.append(threading.Thread(target=live, args=name))
        threads[-1].start()
        time.sleep(0.03)
    for thread in threads:
        thread.join()
    assert order == ["a", "b", "c"]
    assert positions["a"] == [0]
    assert positions["c"][0] == 2
    assert positions["c"][-1] == 0


def test_leaving_the_line_frees_the_place():
    def leave(position):
        raise lab.Cancelled

    with lab.accelerator_queue("cuda"):
        with pytest.raises(lab.Cancelled), lab.accelerator_queue("cuda", leave):
            pass
        assert len(list((paths.cache() / "queue" / "cuda").glob("*.ticket"))) == 1


def _hold(ready):
    with lab.accelerator_queue("cuda"):
        ready.set()
        time.sleep(60)


def test_a_killed_process_does_not_block_the_line():
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_hold, args=(ready,))
    process.start()
    assert ready.wait(60)
    seen = []
    thread = threading.Thread(target=lambda: _enter(seen))
    thread.start()
    time.sleep(0.3)
    assert seen
    assert 0 not in seen
    process.kill()
    process.join()
    thread.join(10)
    assert seen[-1] == 0


def _enter(seen):
    with lab.accelerator_queue("cuda", seen.append, poll=0.02):
        pass

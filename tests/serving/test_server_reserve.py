"""The kernel that waits in reserve, with real kernels; and that a server leaves none behind."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from datetime import timedelta

import psutil
import pytest
from traitlets.config import Config

from layerlab.serving.server import reserve
from layerlab.serving.server.reserve import OwnKernelSpecs, ReserveKernelManager

MARK = "import sys as _s; _s.waited_in_reserve = True; del _s"


@asynccontextmanager
async def manager(tmp_path, **options):
    (tmp_path / "work").mkdir(exist_ok=True)
    options = {"warm_code": MARK, "refill_delay": 0.05, "memory_needed": 0, "transport_encryption": "auto", **options}
    kernels = ReserveKernelManager(
        root_dir=str(tmp_path / "work"),
        connection_dir=str(tmp_path),
        kernel_spec_manager=OwnKernelSpecs(),
        **options,
    )
    try:
        yield kernels
    finally:
        await kernels.shutdown_all()
        kernels.context.destroy(linger=0)  # as a server does when it ends


async def until(condition, seconds=60):
    for _ in range(int(seconds * 20)):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise TimeoutError


async def in_reserve(kernels):
    """Wait until a spare kernel is there and has run what it is to run."""
    kernels.refill(0)
    await until(lambda: kernels.ready)
    return kernels.spare


async def evaluate(kernels, kernel_id, expression):
    client = kernels.get_kernel(kernel_id).client()
    client.start_channels(iopub=False, stdin=False, hb=False, control=False)
    try:
        asked = client.execute("0", user_expressions={"value": expression}, store_history=True)
        while (reply := await client.get_shell_msg(timeout=60))["parent_header"].get("msg_id") != asked:
            pass
        value = reply["content"]["user_expressions"]["value"]
        return value["data"]["text/plain"], reply["content"]["execution_count"]
    finally:
        client.stop_channels()


def pid(kernels, kernel_id):
    return kernels.get_kernel(kernel_id).provisioner.process.pid


WAITED = "getattr(__import__('sys'), 'waited_in_reserve', False)"


def test_the_spare_kernel_is_handed_out_and_replaced(tmp_path):
    async def story():
        async with manager(tmp_path) as kernels:
            spare = await in_reserve(kernels)
            assert kernels.list_kernels() == []
            first = await kernels.start_kernel(kernel_name="python3", path="page.ipynb")
            assert first == spare
            assert [model["id"] for model in kernels.list_kernels()] == [first]
            assert await evaluate(kernels, first, WAITED) == ("True", 1)
            assert (await evaluate(kernels, first, "'_s' in globals()"))[0] == "False"
            await until(lambda: kernels.spare)
            assert kernels.spare != first
            await kernels.shutdown_kernel(first)
            assert first not in kernels

    asyncio.run(story())


def test_without_a_spare_kernel_one_is_started_cold(tmp_path):
    async def story():
        async with manager(tmp_path, keep_spare=False) as kernels:
            kernel = await kernels.start_kernel(kernel_name="python3")
            assert (await evaluate(kernels, kernel, WAITED))[0] == "False"
            assert kernels.spare is None
            assert len(kernels) == 1

    asyncio.run(story())


def test_kernels_do_not_share_a_folder_and_leave_the_readers_alone(tmp_path):
    async def story():
        async with manager(tmp_path) as kernels:
            await in_reserve(kernels)
            folders = []
            for _ in range(2):
                kernel = await kernels.start_kernel(kernel_name="python3")
                folders.append((await evaluate(kernels, kernel, "__import__('os').getcwd()"))[0].strip("'"))
            assert folders[0] != folders[1]
            assert {os.path.dirname(folder) for folder in folders} == {str(tmp_path / "work")}

    asyncio.run(story())


def test_a_kernel_from_the_reserve_restarts_and_is_interrupted_like_any_other(tmp_path):
    async def story():
        async with manager(tmp_path) as kernels:
            await in_reserve(kernels)
            kernel = await kernels.start_kernel(kernel_name="python3")
            client = kernels.get_kernel(kernel).client()
            client.start_channels(iopub=False, stdin=False, hb=False, control=False)
            asked = client.execute("import time\nwhile True: time.sleep(.01)")
            await asyncio.sleep(0.5)
            await kernels.interrupt_kernel(kernel)
            while (reply := await client.get_shell_msg(timeout=60))["parent_header"].get("msg_id") != asked:
                pass
            assert reply["content"]["ename"] == "KeyboardInterrupt"
            client.stop_channels()
            before = pid(kernels, kernel)
            await kernels.restart_kernel(kernel)
            assert pid(kernels, kernel) != before
            assert (await evaluate(kernels, kernel, "6 * 7"))[0] == "42"

    asyncio.run(story())


def test_a_spare_kernel_that_died_is_not_handed_out(tmp_path):
    async def story():
        unwatched = Config({"KernelRestarter": {"time_to_dead": 600.0}})
        async with manager(tmp_path, refill_delay=60, config=unwatched) as kernels:
            spare = await in_reserve(kernels)
            os.kill(pid(kernels, spare), signal.SIGKILL)
            gone = os.WEXITED | os.WNOHANG | os.WNOWAIT  # all its threads: its first one is a zombie before the others
            await until(lambda: os.waitid(os.P_PID, pid(kernels, spare), gone))
            kernel = await kernels.start_kernel(kernel_name="python3")
            assert kernel != spare
            assert (await evaluate(kernels, kernel, "1 + 1"))[0] == "2"

    asyncio.run(story())


def test_a_spare_kernel_that_died_is_replaced(tmp_path):
    async def story():
        quick = Config({"KernelRestarter": {"restart_limit": 0, "time_to_dead": 0.1}})
        async with manager(tmp_path, config=quick) as kernels:
            spare = await in_reserve(kernels)
            os.kill(pid(kernels, spare), signal.SIGKILL)
            await until(lambda: kernels.spare not in (None, spare))
            assert spare not in kernels

    asyncio.run(story())


def test_the_spare_kernel_is_not_culled_and_an_abandoned_one_is(tmp_path):
    async def story():
        async with manager(tmp_path, refill_delay=60, cull_idle_timeout=1) as kernels:
            kernel = await kernels.start_kernel(kernel_name="python3")
            kernels._filling.cancel()
            kernels._filling = None
            spare = await in_reserve(kernels)
            for each in (kernel, spare):
                kernels.get_kernel(each).execution_state = "idle"
                kernels.get_kernel(each).last_activity -= timedelta(hours=1)
            await kernels.cull_kernels()
            assert kernel not in kernels
            assert spare in kernels

    asyncio.run(story())


def test_no_spare_kernel_while_memory_is_short_or_a_kernel_is_busy(tmp_path, monkeypatch):
    async def story():
        monkeypatch.setattr(reserve, "LOOK_AGAIN", 0.05)
        free = [0]
        monkeypatch.setattr(reserve, "free_memory", lambda: free[0])
        async with manager(tmp_path, memory_needed=10) as kernels:
            kernels.refill(0)
            await asyncio.sleep(0.5)
            assert len(kernels) == 0
            free[0] = 11
            await until(lambda: kernels.spare)
            busy = await kernels.start_kernel(kernel_name="python3")
            kernels.get_kernel(busy).execution_state = "busy"
            kernels.refill(0)
            await asyncio.sleep(0.5)
            assert kernels.spare is None
            kernels.get_kernel(busy).execution_state = "idle"
            await until(lambda: kernels.spare)

    asyncio.run(story())


def test_free_memory_is_a_plausible_number_of_bytes():
    assert 0 < reserve.free_memory() <= psutil.virtual_memory().total


def test_only_the_servers_own_python_is_a_kernel():
    specs = OwnKernelSpecs()
    assert list(specs.find_kernel_specs()) == ["python3"]
    assert specs.get_kernel_spec("python3").argv[0] == sys.executable


def test_warm_imports_what_the_book_needs_and_fails_at_nothing():
    code = (
        "import sys; from layerlab.serving.server.warm import warm; warm()\n"
        "print([name in sys.modules for name in ('torch', 'ipywidgets', 'xarray', 'matplotlib.pyplot',"
        " 'layerlab.widgets', 'layerlab.lab')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "[True, True, True, True, True, True]\n", done.stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_server_that_ends_leaves_no_kernel_and_no_folder(tmp_path, how):
    (tmp_path / "index.html").write_text("<p>front")
    code = "import sys; from layerlab.serving.server import serve; sys.exit(serve(sys.argv[1], port=0))"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    server = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    line = server.stdout.readline()
    assert len(re.findall(r"http://127\.0\.0\.1:\d+/book/\?token=\w+", line)) == 1

    async def spare():
        process = psutil.Process(server.pid)
        await until(lambda: any("ipykernel" in " ".join(child.cmdline()) for child in process.children()))
        return process.children()

    children = asyncio.run(spare())
    server.send_signal(how)
    out, err = server.communicate(timeout=30)
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive
    assert out == ""
    if how != signal.SIGKILL:
        assert err == "The book is closed.\n"
        assert server.returncode == 0
        assert not list(tmp_path.glob("layerlab-*"))

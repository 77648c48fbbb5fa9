"""A kernel manager that keeps one kernel waiting with layerlab already imported."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import uuid
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_core.utils import ensure_async
from jupyter_server._tz import utcnow
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from traitlets import Bool, Float, Integer, Unicode

LOOK_AGAIN = 30.0  # seconds until memory is looked at again after it was short


class OwnKernelSpecs(KernelSpecManager):
    """One kernel only: the Python that serves the book. Kernels that a user has installed may lack layerlab."""

    def _kernel_dirs_default(self) -> list[str]:
        return []


class ReserveKernelManager(AsyncMappingKernelManager):
    """Starts kernels as Jupyter does, except that the first free one is already running.

    The spare kernel is started in the background, runs `warm_code`, and is handed to whoever asks for a kernel
    next; the next spare follows `refill_delay` seconds later, once no kernel is busy, and only if more than
    `memory_needed` bytes are free. It is not listed, not culled, replaced when it dies, and dies with the server.
    Each kernel works in a folder of its own below `root_dir`.
    """

    keep_spare = Bool(True, config=True, help="Keep one kernel in reserve.")
    warm_code = Unicode(
        "__import__('layerlab.serving.server.warm', fromlist=['warm']).warm()",
        config=True,
        help="What the spare kernel runs while it waits; it must leave no name behind.",
    )
    refill_delay = Float(4.0, config=True, help="Seconds between handing out the spare and starting the next.")
    memory_needed = Integer(3 * 2**29, config=True, help="Free memory, in bytes, without which there is no spare.")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._spare: str | None = None
        self._filling: asyncio.Task | None = None
        self._starting: asyncio.Future | None = None
        self._coming: str | None = None
        self._failures = 0
        self._closing = False

    @property
    def spare(self) -> str | None:
        """Id of the kernel in reserve, if there is one now."""
        return self._spare

    @property
    def ready(self) -> bool:
        """Whether a kernel is in reserve and has imported what it is to import."""
        return self._spare is not None and self._filling is not None and self._filling.done()

    def cwd_for_path(self, path: str, **kwargs: Any) -> str:
        return tempfile.mkdtemp(prefix="kernel-", dir=self.root_dir)

    async def start_kernel(self, *, kernel_id: str | None = None, path: str | None = None, **kwargs: Any) -> str:
        """Hand out the spare kernel if the default kernel is asked for and one waits; else start one."""
        wanted = kwargs.get("kernel_name") or self.default_kernel_name
        if kernel_id is None and wanted == self.default_kernel_name and (spare := await self._take()):
            self.refill()
            return spare
        self.refill()
        return await super()._async_start_kernel(kernel_id=kernel_id, path=path or "", **kwargs)

    _async_start_kernel = start_kernel

    def refill(self, delay: float | None = None) -> None:
        """Start the next spare kernel in the background, `delay` seconds from now."""
        if not self.keep_spare or self._closing or (self._filling and not self._filling.done()):
            return
        self._filling = asyncio.get_running_loop().create_task(self._refill(delay))

    async def _take(self) -> str | None:
        spare, self._spare = self._spare, None
        if spare is not None:
            self._coming = None
        if spare is None or spare not in self:
            return None
        self._forget_filling()  # it may still wait for the imports of the kernel that is handed out here
        if not await ensure_async(self.is_alive(spare)):
            with contextlib.suppress(Exception):
                await ensure_async(self.shutdown_kernel(spare, now=True))
            return None
        self._kernels[spare].last_activity = utcnow()
        return spare

    def _forget_filling(self) -> None:
        if self._filling is not None:
            self._filling.cancel()
            self._filling = None

    async def _refill(self, delay: float | None) -> None:
        while self._spare is None:
            await asyncio.sleep(self.refill_delay * 2 ** min(self._failures, 6) if delay is None else delay)
            delay = None
            while any(getattr(kernel, "execution_state", "") == "busy" for kernel in self._kernels.values()):
                await asyncio.sleep(1)
            while free_memory() < self.memory_needed:
                self.log.info("Memory is short, so no kernel waits in reserve.")
                await asyncio.sleep(LOOK_AGAIN)
            try:
                self._coming = str(uuid.uuid4())
                start = super()._async_start_kernel(kernel_id=self._coming, path="")
                self._starting = asyncio.ensure_future(start)
                self._spare = await asyncio.shield(self._starting)  # half a start could not be ended cleanly
                await self._warm(self._spare)
                self._failures = 0
            except Exception as error:
                self._failures += 1
                self.log.warning("No kernel could be kept in reserve: %s", error)

    async def _warm(self, kernel_id: str) -> None:
        client = self.get_kernel(kernel_id).client()
        client.start_channels(stdin=False, hb=False, control=False, iopub=False)
        try:
            asked = client.execute(self.warm_code, silent=True, store_history=False)
            while True:
                reply = await client.get_shell_msg(timeout=180)
                if reply["parent_header"].get("msg_id") == asked:
                    break
            if reply["content"]["status"] != "ok":
                self.log.warning("The kernel in reserve is not warm: %s", reply["content"].get("evalue"))
        finally:
            client.stop_channels()

    def _handle_kernel_died(self, kernel_id: str) -> None:
        super()._handle_kernel_died(kernel_id)
        if kernel_id == self._spare:
            self._spare = None
            self._failures += 1
            self._forget_filling()
            self.refill()

    def list_kernels(self) -> list[dict[str, Any]]:
        return [model for model in super().list_kernels() if model["id"] not in (self._spare, self._coming)]

    async def cull_kernel_if_idle(self, kernel_id: str) -> None:
        if kernel_id not in (self._spare, self._coming):
            await super().cull_kernel_if_idle(kernel_id)

    async def shutdown_all(self, now: bool = False) -> None:
        """End every kernel and its child processes at once, the spare one included, and start no other.

        At once, because a kernel that is asked to end while it imports torch answers with a traceback.
        """
        self._closing = True
        pending = [task for task in (self._filling, self._starting) if task is not None]
        self._forget_filling()
        await asyncio.gather(*pending, return_exceptions=True)
        await super()._async_shutdown_all(now=True)


def free_memory() -> int:
    """Bytes that a new process may use: what the machine has free, within the container's limit if there is one."""
    free = psutil.virtual_memory().available
    with contextlib.suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        limit, used = ((group / name).read_text().strip() for name in ("memory.max", "memory.current"))
        free = min(free, int(limit) - int(used))
    return free

"""`layerlab serve`: a Jupyter Server cut down to kernels and the book, on loopback, for one reader."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
import webbrowser
from pathlib import Path
from typing import Any, cast

from jupyter_server.auth.identity import IdentityProvider
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from traitlets import default
from traitlets.config import Config

from layerlab.serving.server.book import prepare
from layerlab.serving.server.reserve import OwnKernelSpecs, ReserveKernelManager

LOOPBACK = "127.0.0.1"
CHOOSE = "make serve PORT=..., or layerlab serve --port ..."
CULL_AFTER = 600  # seconds that a kernel may idle without a page connected to it


class TokenOnly(IdentityProvider):
    """The token or the cookie that it bought; no login form, no password."""

    def get_handlers(self) -> list[tuple[str, object]]:
        return []


class NoFiles(AsyncLargeFileManager):
    """Sessions ask where a page lies; nobody gets at files."""

    def get_extra_handlers(self) -> list[Any]:
        return []


class BookServer(ServerApp):
    """ServerApp without the user's Jupyter configuration, without files, terminals, conversion and shutdown routes."""

    name = "layerlab-serve"
    default_services = ("api", "auth", "kernels", "kernelspecs", "security", "sessions")
    scratch: str = ""
    directory = Path()
    address: str = ""
    open_page = False
    no_browser_open_file = True

    @default("runtime_dir")
    def _scratch_runtime(self) -> str:
        return self._below("runtime")

    @default("config_dir")
    def _scratch_config(self) -> str:
        return self._below("config")

    @default("data_dir")
    def _scratch_data(self) -> str:
        return self._below("data")

    def _below(self, name: str) -> str:
        folder = Path(self.scratch) / name
        folder.mkdir(mode=0o700, exist_ok=True)
        return str(folder)

    def load_config_file(self, *_: Any, **__: Any) -> None:
        """Read no configuration: a password or an address meant for another server must not apply here."""

    def migrate_config(self) -> None:
        """Copy no configuration of old Jupyter versions."""

    def write_server_info_file(self) -> None:
        """Leave no file with the token behind."""

    def init_signal(self) -> None:
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda *_: self.stop(from_signal=True))

    def start_app(self) -> None:
        self.io_loop.add_callback(self._announce)

    async def _announce(self) -> None:
        print(f"The book is open at {self.address}", flush=True)
        if self.open_page:
            threading.Thread(target=webbrowser.open, args=(self.address,), daemon=True).start()
        cast(ReserveKernelManager, self.kernel_manager).refill(0)
        self.io_loop.run_in_executor(None, prepare, self.directory)


def configuration(directory: Path, port: int, scratch: str, token: str, reserve: bool) -> Config:
    """The whole configuration of the server."""
    return Config(
        {
            "ServerApp": {
                "ip": LOOPBACK,
                "port": port,
                "port_retries": 0,
                "open_browser": False,
                "log_level": "WARN",
                "allow_root": True,
                "allow_origin": "",
                "allow_remote_access": False,
                "allow_unauthenticated_access": False,
                "terminals_enabled": False,
                "jpserver_extensions": {"layerlab.serving.server": True},
                "identity_provider_class": TokenOnly,
                "contents_manager_class": NoFiles,
                "kernel_manager_class": ReserveKernelManager,
                "kernel_spec_manager_class": OwnKernelSpecs,
                "root_dir": str(Path(scratch) / "work"),
                "cookie_secret": secrets.token_bytes(32),
                "tornado_settings": {
                    "xsrf_cookie_kwargs": {"path": "/", "samesite": "Lax"},
                    "ws_ping_interval": 0,  # on loopback a closed connection is known at once
                },
            },
            "IdentityProvider": {"token": token, "cookie_options": {"samesite": "Lax"}},
            "ReserveKernelManager": {
                "keep_spare": reserve,
                "cull_idle_timeout": CULL_AFTER,
                "cull_interval": 60,
                "transport_encryption": "auto",
            },
            # A kernel that dies is reported as dead, within a second, instead of being replaced in silence by an
            # empty one that knows nothing of the page's widgets.
            "KernelRestarter": {"restart_limit": 0, "time_to_dead": 1.0},
            "KernelManager": {"shutdown_wait_time": 2.0},
            "LayerlabBook": {"directory": str(directory)},
        }
    )


def run(directory: Path, port: int, open_browser: bool, reserve: bool) -> None:
    """Serve until interrupted; see `layerlab.serving.server.serve`."""
    if not (directory / "index.html").is_file():
        raise SystemExit(f"There is no built book in {directory}; build it first: layerlab build")
    port = free_port(port)
    try:
        scratch = tempfile.mkdtemp(prefix="layerlab-")
    except OSError as error:
        raise SystemExit(f"The server needs a temporary folder and cannot make one: {error}") from None
    try:
        (Path(scratch) / "work").mkdir()
        _serve(directory.resolve(), port, scratch, open_browser, reserve)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _serve(directory: Path, port: int, scratch: str, open_browser: bool, reserve: bool) -> None:
    token = secrets.token_hex(24)
    config = configuration(directory, port, scratch, token, reserve)

    class Server(BookServer):
        pass

    Server.scratch = scratch
    Server.directory = directory
    Server.address = f"http://{LOOPBACK}:{port}/book/?token={token}"
    Server.open_page = open_browser
    app: Any = Server(config=config)
    app.initialize(argv=[], find_extensions=False)
    app.start()
    print("The book is closed.", file=sys.stderr)


def free_port(port: int) -> int:
    """`port` if it can be listened on, or any free one for 0; SystemExit with one sentence otherwise."""
    if not 0 <= port <= 65535:
        raise SystemExit(f"port is {port}; it must be between 0 (any free one) and 65535")
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1 if sys.platform != "win32" else 0)
        try:
            probe.bind((LOOPBACK, port))
        except PermissionError:
            raise SystemExit(f"Port {port} may not be used without more rights; choose one above 1023") from None
        except OSError:
            raise SystemExit(f"Port {port} is in use; choose another one, say {port + 1}: {CHOOSE}") from None
        return int(probe.getsockname()[1])

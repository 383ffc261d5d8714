"""The process: a brain, an application and a socket, until SIGTERM has drained it."""

from __future__ import annotations

import math
import os
import socket

import tamid.serving.http.lean  # noqa: F401 - before uvicorn's own modules

# isort: split
from uvicorn.config import Config
from uvicorn.server import Server as UvicornServer

from tamid.core.errors import UsageError
from tamid.serving.http.app import Application
from tamid.serving.http.protocol import guarded

_BACKLOG = 2048


class _Server(UvicornServer):
    """Says that it is not ready as soon as it is told to end."""

    def __init__(self, config: Config, application: Application) -> None:
        super().__init__(config)
        self._application = application

    def handle_exit(self, sig: int, frame: object) -> None:
        """Drain."""
        self._application.draining = True
        self.config.timeout_graceful_shutdown = math.ceil(self._application.longest())
        super().handle_exit(sig, frame)  # type: ignore[arg-type]


def run(application: Application, host: str, port: int, *, shared: bool = False) -> None:
    """Listen until SIGTERM or SIGINT: then answer what has begun, and end all workers.

    `shared`: other processes listen there, too, and the system deals out the connections.

    Raises:
        UsageError: one cannot listen there.
    """
    listening = bound(host, port, shared=shared)
    # Threads that spin while they wait slow a shared machine down more than tenfold.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    config = Config(
        application,
        loop="uvloop",
        http=guarded(application),
        ws="none",
        lifespan="on",
        access_log=False,
        # What is no HTTP is counted; uvicorn would tell of each, and advise what we do not want.
        log_level="error",
        backlog=_BACKLOG,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=math.ceil(application.longest()),
    )
    try:
        _Server(config, application).run(sockets=[listening])
    finally:
        listening.close()


def bound(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Take the port before anything is loaded: who cannot have it is told so at once.

    Raises:
        UsageError: one cannot listen there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        found.bind((host, port))
    except (OSError, OverflowError) as error:
        found.close()
        raise UsageError(
            f"one cannot listen on {host}, port {port}",
            why=getattr(error, "strerror", None) or str(error),
            fix="Choose another one: --port, --host.",
        ) from None
    return found

"""The process: a brain, an application and a socket, until SIGTERM has drained it."""

from __future__ import annotations

import os

import uvicorn

from tamid.serving.http.app import Application
from tamid.serving.http.protocol import guarded

# Seconds that open requests get after SIGTERM: longer than any deadline of a row.
_DRAIN = 10
_BACKLOG = 2048


class _Server(uvicorn.Server):
    """Says that it is not ready as soon as it is told to end."""

    def __init__(self, config: uvicorn.Config, application: Application) -> None:
        super().__init__(config)
        self._application = application

    def handle_exit(self, sig: int, frame: object) -> None:
        """Drain."""
        self._application.draining = True
        super().handle_exit(sig, frame)  # type: ignore[arg-type]


def run(application: Application, host: str, port: int) -> None:
    """Listen until SIGTERM or SIGINT: then answer what has begun, and end all workers."""
    # Threads that spin while they wait slow a shared machine down more than tenfold.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        loop="uvloop",
        http=guarded(application),
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        backlog=_BACKLOG,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_DRAIN,
    )
    _Server(config, application).run()

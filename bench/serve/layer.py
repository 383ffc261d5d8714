"""The limit of Tamid's own HTTP layer: its protocol, heads and timers, giving back what came."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import tamid.serving.http.lean  # noqa: F401 - before uvicorn's own modules

# isort: split
import uvicorn

from tamid.serving.http.protocol import guarded
from tamid.serving.http.settings import Settings


async def _ordinary(scope: Any, receive: Any, send: Any) -> None:
    """Answer what the lane leaves over: nothing of the load, or the measure would be another."""
    raise RuntimeError("a request left the lane")


def main(port: int, model: str) -> None:
    """Listen until the end; `model`: as the path of the load has it."""
    echo = SimpleNamespace(
        model=model, settings=Settings(), admitted=[], lanes=SimpleNamespace(quick=bytes)
    )
    config = uvicorn.Config(
        _ordinary,
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http=guarded(echo),  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="error",
        server_header=False,
        date_header=False,
    )
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])

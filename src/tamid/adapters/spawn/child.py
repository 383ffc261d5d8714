"""The worker's own side: reads requests, runs them one by one, answers; ends with its parent."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tamid.adapters.spawn.worker import REPLY_FD, peak_mb
from tamid.core.errors import SystemFailure, TamidError

Handler = Callable[[Mapping[str, Any], "Channel"], Mapping[str, Any]]


class Channel:
    """The pipe back to the controller; also the Progress port of what runs here."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def step(self, text: str, done: int, total: int) -> None:
        """Say that `done` of `total` are done."""
        self.send({"kind": "step", "text": text, "done": done, "total": total})

    def send(self, message: Mapping[str, Any]) -> None:
        """Write one line."""
        rest = json.dumps(message).encode() + b"\n"
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]


def serve(handlers: Mapping[str, Handler]) -> None:
    """Answer requests until the controller closes the pipe or dies."""
    descriptor = int(os.environ.pop(REPLY_FD))
    # Children of the user's code must not hold the pipe open after this process died.
    os.set_inheritable(descriptor, False)
    channel = Channel(descriptor)
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, Path.cwd()), daemon=True).start()
    while True:
        request = json.loads(requests.get())
        _forget_peak()
        channel.send(_answer(handlers, request, channel))


def _answer(
    handlers: Mapping[str, Handler], request: Mapping[str, Any], channel: Channel
) -> Mapping[str, Any]:
    try:
        value = handlers[request["op"]](request, channel)
        return {"kind": "done", "value": value, "peak_mb": peak_mb(os.getpid())}
    except TamidError as error:
        return _told(error)
    except MemoryError:
        return _told(SystemFailure("the worker ran out of memory", why="an allocation failed"))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        traceback.print_exc(file=sys.stderr)
        return _told(
            SystemFailure(
                f"the worker failed: {type(error).__name__}: {error}",
                why=f"at {Path(where.filename).name}:{where.lineno} in {where.name}",
            )
        )


def _told(error: TamidError) -> Mapping[str, Any]:
    return {
        "kind": "error",
        "error": type(error).__name__,
        "what": error.what,
        "why": error.why,
        "fix": error.remedy,
    }


def _listen(requests: queue.SimpleQueue[bytes], folder: Path) -> None:
    """Pass requests on; when the controller is gone, leave nothing behind and end."""
    for line in sys.stdin.buffer:
        requests.put(line)
    shutil.rmtree(folder, ignore_errors=True)
    if os.getpgrp() == os.getpid():
        # A session of its own: what the user's code started ends with it.
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(0)


def _forget_peak() -> None:
    """Let the peak of memory count from here on."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return

"""A real HTTP receiver of parcels, with the failures that real ones have."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Trouble = Literal["500", "503", "redirect", "drop", "drop_after_commit", "silence", "long", "ok"]


@dataclass(kw_only=True)
class Receiver:
    """What arrived: the newest revision per model and period, each key taken once.

    `troubles` are used up one a request; then all goes well. `check` verifies a signature.
    """

    check: Callable[[bytes, dict[str, str]], bool] = lambda body, headers: True
    troubles: list[Trouble] = field(default_factory=list)
    periods: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    taken: int = 0
    port: int = 0
    release: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """The address to deliver to."""
        return f"http://127.0.0.1:{self.port}/scores?team=marketing"

    def take(self, key: str, body: bytes) -> None:
        """Commit a parcel, unless its key or a newer revision is here."""
        data = json.loads(body)
        place = (data["model"], data["period"])
        before = self.periods.get(place)
        if before is None or before["revision"] < data["revision"]:
            self.periods[place] = data
            self.taken += 1

    @contextmanager
    def running(self) -> Iterator[Receiver]:
        """Listen on a free port of this machine."""
        server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("_Bound", (_Handler,), {"receiver": self})
        )
        server.daemon_threads = True
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self.release.set()
            server.shutdown()
            server.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    """Takes POST requests for one receiver."""

    receiver: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = dict(self.headers.items())
        self.receiver.headers.append(headers)
        self.receiver.bodies.append(body)
        key = headers.get("Idempotency-Key", "")
        self.receiver.requests[key] += 1
        trouble = self.receiver.troubles.pop(0) if self.receiver.troubles else "ok"
        if not self.receiver.check(body, headers):
            self._answer(401)
        elif trouble in ("ok", "long", "drop_after_commit"):
            self.receiver.take(key, body)
            self._after(trouble)
        else:
            self._refuse(trouble)

    def _after(self, trouble: str) -> None:
        if trouble == "drop_after_commit":
            self.close_connection = True
            self.connection.close()
        else:
            self._answer(200, b"x" * 10_000_000 if trouble == "long" else b"thanks")

    def _refuse(self, trouble: str) -> None:
        if trouble == "redirect":
            self.send_response(307)
            self.send_header("Location", f"http://127.0.0.1:{self.receiver.port}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif trouble == "silence":
            self.receiver.release.wait(30)
        elif trouble == "drop":
            self.close_connection = True
            self.connection.close()
        else:
            self._answer(int(trouble))

    def _answer(self, status: int, body: bytes = b"") -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def finish(self) -> None:
        try:
            super().finish()
        except (OSError, ValueError):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

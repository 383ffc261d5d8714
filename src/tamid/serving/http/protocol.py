"""The HTTP protocol of the server: uvicorn's own, with limits on the head of a request.

It rests on names inside uvicorn (`on_message_begin`, `on_headers_complete`, `transport`), which
the tests hold against the pinned version.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tamid.serving.http.settings import Settings

_TOO_LONG = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n"
    b"connection: close\r\n\r\n"
)
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class GuardedProtocol(HttpToolsProtocol):
    """Closes connections whose header is too long, or does not come in time."""

    settings = Settings()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head: asyncio.TimerHandle | None = None
        self._in_head, self._head_size = True, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a first header."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count the bytes of a header, then go the ordinary way."""
        if self._in_head:
            # Bytes of a body that came along count too: they are bounded by one read.
            self._head_size += len(data)
        super().data_received(data)
        if self._in_head and self._head_size > self.settings.most_header:
            self._end(_TOO_LONG)

    def on_message_begin(self) -> None:
        """Begin to wait for the rest of a header."""
        super().on_message_begin()
        self._in_head = True
        self._wait()

    def on_headers_complete(self) -> None:
        """The header is whole."""
        self._stop()
        self._in_head, self._head_size = False, 0
        super().on_headers_complete()

    def _wait(self) -> None:
        self._stop()
        self._head = self.loop.call_later(self.settings.header_time, self._end, _TOO_SLOW)

    def _stop(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _end(self, answer: bytes) -> None:
        self._stop()
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()


def guarded(settings: Settings) -> type[GuardedProtocol]:
    """Return the protocol under the given limits."""
    return type("Protocol", (GuardedProtocol,), {"settings": settings})

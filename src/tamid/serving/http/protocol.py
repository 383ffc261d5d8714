"""The HTTP protocol of the server: uvicorn's own, with limits on a header and a hot lane.

The lane answers a whole `POST .../predict` of one row out of the bytes that came, if everything
about it is plain; any doubt takes the ordinary road, where the same code answers. It rests on names
inside uvicorn (`on_message_begin`, `on_headers_complete`, `cycle`, `pipeline`, `transport`), which
the tests hold against the pinned version.
"""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from typing import Any, NamedTuple

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tamid.serving.http.app import Application
from tamid.serving.http.guard import check_host, check_token
from tamid.serving.http.settings import Settings
from tamid.serving.http.v2 import HEADER
from tamid.serving.http.wire import Refused, refusal

_TOO_LONG = Refused(431, "header_too_long", "the header is too long")
_TOO_SLOW = Refused(408, "slow_header", "the header did not come in time")
_NO_HTTP = Refused(400, "no_http", "this is no request of HTTP/1.1")
_ENDED = (
    b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
    b"connection: close\r\n\r\n%b"
)
_PACKED = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n"
    b"inference-header-content-length: %d\r\ncontent-length: "
)
_END = b"\r\n\r\n"
_OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "
_BEHIND = b"\r\nx-content-type-options: nosniff\r\n\r\n"
# The head of each usual answer, by its length.
_USUAL = 1024
_HEADS = tuple(b"%b%d%b" % (_OK, size, _BEHIND) for size in range(_USUAL))
# One header a line: a name as it must be, and a value without control signs.
_HEADER = re.compile(rb"([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*([\x20-\x7e\x80-\xff]*)\Z")
# Headers that change nothing about how a row is answered. Any other takes the ordinary road.
_PLAIN = frozenset(
    {
        b"host", b"user-agent", b"accept", b"accept-encoding", b"accept-language", b"connection",
        b"content-type", b"content-length", b"authorization", HEADER,
    }
)  # fmt: skip
# Bodies above this take the ordinary road, where they may come in pieces.
_MOST = 65_536
# Heads that were looked at before: clients send the same one again and again.
_MOST_KNOWN = 256


_V2_KINDS = (b"application/json", b"application/octet-stream")
_LENGTH = re.compile(rb"[0-9]{1,5}\Z").match


class Plain(NamedTuple):
    """The length of a body; `v2`: of the JSON in it, -1 where it is a row of our own form."""

    length: int
    v2: int


NOT_PLAIN = Plain(-1, -1)


class GuardedProtocol(HttpToolsProtocol):
    """Closes connections whose header is too long, or that do not send, or take, in time."""

    settings = Settings()
    application: Application | None = None
    # What a plain head announces, nothing where the head is not plain.
    known: dict[bytes, Plain]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head: asyncio.TimerHandle | None = None
        self._reader: asyncio.TimerHandle | None = None
        self._in_head, self._head_size, self._quiet_since = True, 0, 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a first header."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop()
        self._reader_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Answer at once if all is plain; else count the bytes of a header, and go on."""
        if self._in_head and not self._head_size and self._quick(data):
            return
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

    def on_message_complete(self) -> None:
        """The next bytes are a header again."""
        super().on_message_complete()
        self._in_head = True

    def _quick(self, data: bytes) -> bool:
        """Answer one whole plain request; say whether it was done."""
        application = self.application
        cycle: Any = self.cycle
        if application is None or (cycle is not None and not cycle.response_complete):
            return False
        head, end, body = data.partition(_END)
        plain = self.known.get(head)
        if plain is None:
            plain = self._look(head)
        if plain.length != len(body) or not end or self.pipeline or self.flow.write_paused:
            return False
        if plain.v2 < 0:
            answer = application.lanes.quick(body)
            if answer is None:
                return False
            size = len(answer)
            known = _HEADS[size] if size < _USUAL else b"%b%d%b" % (_OK, size, _BEHIND)
            self.transport.write(known + answer)
        else:
            found = application.lanes.quick_v2(body, plain.v2)
            if found is None:
                return False
            answer, packed = found
            kind = _PACKED % packed if packed else _OK
            self.transport.write(b"%b%d%b%b" % (kind, len(answer), _BEHIND, answer))
        self.server_state.total_requests += 1
        # Timers are dear: one that is there looks itself whether it came too early.
        self._quiet_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._stop()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        return True

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection on which nothing came for so long."""
        left = self._quiet_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(
                left, self.timeout_keep_alive_handler
            )
            return
        super().timeout_keep_alive_handler()
        if self.transport.get_write_buffer_size():
            self._wait_for_reader()

    def pause_writing(self) -> None:
        """Wait for a caller who does not take what was answered, but not for ever."""
        super().pause_writing()
        self._wait_for_reader()

    def resume_writing(self) -> None:
        """The caller goes on reading."""
        self._reader_came()
        super().resume_writing()

    def _look(self, head: bytes) -> Plain:
        """Look at a head once, and remember what was found."""
        known = self.application
        found = NOT_PLAIN if known is None else plain_head(head, known.model, known.settings)
        if len(self.known) >= _MOST_KNOWN:
            self.known.clear()
        self.known[head] = found
        return found

    def _wait_for_reader(self) -> None:
        self._reader_came()
        self._reader = self.loop.call_later(self.settings.taking_time, self.transport.abort)

    def _reader_came(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None

    def _wait(self) -> None:
        self._stop()
        self._head = self.loop.call_later(self.settings.header_time, self._end, _TOO_SLOW)

    def _stop(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP in the words of all other refusals."""
        self._end(_NO_HTTP)

    def _end(self, refused: Refused) -> None:
        """Refuse what never became a request, and close."""
        self._stop()
        application, status = self.application, refused.status
        if application is None or self.transport.is_closing():
            return
        application.counts.request("other", status, 0.0)
        body = refusal(refused, application.new_id()).body
        phrase = HTTPStatus(status).phrase.encode()
        self.transport.write(_ENDED % (status, phrase, len(body), body))
        self.transport.close()


def plain_head(head: bytes, model: str, settings: Settings) -> Plain:
    """Return what a head announces, `NOT_PLAIN` where it is not plain.

    Plain: exactly one of our two paths without a query, a known Host, only headers that change
    nothing, each once, a length and no other coding; and the token, where one is wanted.
    """
    first, *lines = head.split(b"\r\n")
    v2 = first == f"POST /v2/models/{model}/infer HTTP/1.1".encode()
    if not v2 and first != f"POST /v1/models/{model}/predict HTTP/1.1".encode():
        return NOT_PLAIN
    found: dict[bytes, bytes] = {}
    for line in lines:
        match = _HEADER.match(line)
        name = match[1].lower() if match else b""
        if match is None or name not in _PLAIN or name in found:
            return NOT_PLAIN
        found[name] = match[2].strip(b" \t")
    length = found.get(b"content-length", b"")
    kinds = _V2_KINDS if v2 else _V2_KINDS[:1]
    kind = found.get(b"content-type", kinds[0]).lower()
    alive = found.get(b"connection", b"keep-alive").lower() == b"keep-alive"
    told = found.get(HEADER, length)
    if not alive or kind not in kinds or not (_LENGTH(length) and _LENGTH(told)):
        return NOT_PLAIN
    try:
        check_host(found, settings)
        check_token(first.split(b" ")[1].decode(), found, settings)
    except Refused:
        return NOT_PLAIN
    if int(length) > _MOST or int(told) > int(length) or (HEADER in found and not v2):
        return NOT_PLAIN
    return Plain(int(length), int(told) if v2 else -1)


def guarded(application: Application) -> type[GuardedProtocol]:
    """Return the protocol before an application, under its settings."""
    known: dict[bytes, Plain] = {}
    # A head shows a token: what it announces is looked at anew when others are valid.
    application.admitted.append(known.clear)
    own = {"settings": application.settings, "application": application, "known": known}
    return type("Protocol", (GuardedProtocol,), own)

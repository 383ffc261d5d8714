"""Scores as one signed HTTP request a period.

The signature follows the Standard Webhooks scheme: HMAC-SHA256 over `id.timestamp.body`. The id is
the parcel's key, also sent as Idempotency-Key: a receiver keeps the first request with a key and
answers 2xx to any repetition, because an answer may get lost after the work was done.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from tamid.adapters._egress import Address, resolve
from tamid.adapters._parcels import content_digest, plain
from tamid.core.errors import SinkDown, UsageError
from tamid.core.values import canonical_json, jsonable
from tamid.ports import Parcel

# Bytes of an answer that are read at all; nothing of it is shown or kept.
_ANSWER = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class _Url:
    secure: bool
    host: str
    port: int
    path: str


class WebhookSink:
    """An HTTP receiver of parcels.

    Only public addresses are reached, each name resolved once and connected to by that address; an
    address of this machine or network only if `private` allows it. Redirects are not followed.
    Raises UsageError when the address or secret cannot be used at all.
    """

    def __init__(
        self,
        url: str,
        secret: str,
        now: Callable[[], datetime],
        *,
        private: bool = False,
        timeout: timedelta = timedelta(seconds=60),
    ) -> None:
        if len(secret.encode()) < 16:  # bytes; a shorter key can be tried out
            raise UsageError(
                "the webhook's signing secret is shorter than 16 bytes",
                why="a short key can be guessed, and with it any scores forged",
                fix="Set the environment variable that the contract names to a longer secret.",
            )
        self._url = _parse(url, private)
        self._secret = secret.encode()
        self._now = now
        self._private = private
        self._timeout = timeout.total_seconds()

    def deliver(self, parcel: Parcel) -> str:
        """Send the period and return the receipt once the receiver has answered 2xx."""
        body = _body(parcel)
        stamp = str(int(self._now().timestamp()))
        status = self._send(body, _headers(parcel, body, stamp, self._secret))
        if not 200 <= status < 300:
            raise SinkDown(f"the webhook at {self._url.host} answered {status}", why=_why(status))
        return f"webhook {content_digest(parcel)}"

    def _send(self, body: bytes, headers: dict[str, str]) -> int:
        end = time.monotonic() + self._timeout
        try:
            address = resolve(self._url.host, self._url.port, private=self._private)
            connection = _Pinned(self._url, address, self._timeout)
            try:
                connection.request("POST", self._url.path, body=body, headers=headers)
                answer = connection.getresponse()
                read = 0
                while read < _ANSWER and time.monotonic() < end:
                    part = answer.read1(8192)
                    if not part:
                        break
                    read += len(part)
                return answer.status
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            raise SinkDown(
                f"the webhook at {self._url.host} cannot be reached: {type(error).__name__}",
                why="whether the scores were taken is not known, so they are sent again",
            ) from error


class _Pinned(http.client.HTTPConnection):
    """A connection to the address that was checked, under the name that was asked for."""

    def __init__(self, url: _Url, address: Address, timeout: float) -> None:
        super().__init__(url.host, url.port, timeout=timeout)
        self._address = address
        self._context = ssl.create_default_context() if url.secure else None

    def connect(self) -> None:
        """Connect to the checked address; the certificate is checked against the name."""
        self.sock = socket.create_connection((self._address, self.port), self.timeout)
        if self._context is not None:
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self.host)


def verify_signature(body: bytes, headers: dict[str, str], secret: str) -> bool:
    """Say whether a request was signed with the secret: what a receiver does first."""
    found = {name.lower(): value for name, value in headers.items()}
    key, stamp = found.get("webhook-id", ""), found.get("webhook-timestamp", "")
    wanted = _signature(secret.encode(), key, stamp, body)
    return hmac.compare_digest(wanted, found.get("webhook-signature", ""))


def _headers(parcel: Parcel, body: bytes, stamp: str, secret: bytes) -> dict[str, str]:
    return {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "tamid",
        "Idempotency-Key": parcel.key,
        "webhook-id": parcel.key,
        "webhook-timestamp": stamp,
        "webhook-signature": _signature(secret, parcel.key, stamp, body),
    }


def _signature(secret: bytes, key: str, stamp: str, body: bytes) -> str:
    signed = f"{key}.{stamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


def _body(parcel: Parcel) -> bytes:
    frame = plain(parcel.frame)
    head = canonical_json(
        {
            "key": parcel.key,
            "model": parcel.model,
            "period": parcel.period,
            "revision": parcel.revision,
            "reason": parcel.reason,
            "columns": frame.columns,
        }
    )
    rows = canonical_json([jsonable(row) for row in frame.iter_rows()])
    return f'{head[:-1]},"rows":{rows}}}'.encode()


def _why(status: int) -> str:
    if 300 <= status < 400:
        return "redirects are not followed, since they could lead anywhere"
    return "the receiver did not take the scores; they are sent again later"


def _parse(url: str, private: bool) -> _Url:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    wrong = (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or port == -1
        or parts.username is not None
        or any(ord(c) < 33 or ord(c) > 126 for c in url)
    )
    if wrong or (parts.scheme == "http" and not private):
        raise UsageError(
            "the webhook's address cannot be used",
            why="it must be https://host/path (http only inside one's own network), in ASCII, "
            "without a user name",
            fix="Correct the address, or the environment variable that holds it; for http to a "
            "receiver of your own set TAMID_WEBHOOK_PRIVATE=1.",
        )
    secure = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = str(parts.hostname)
    return _Url(secure=secure, host=host, port=port or (443 if secure else 80), path=path)

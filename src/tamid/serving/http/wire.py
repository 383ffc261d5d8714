"""Between ASGI and the routes: reading a body within limits, writing an answer, telling errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from tamid.core.errors import TamidError, UsageError
from tamid.serving.http.settings import Settings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
JSON = b"application/json"
_FLAGS = {"1": True, "true": True, "0": False, "false": False}
# So many times the largest body are read before a sender is cut off.
_HEARD = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What goes back."""

    body: bytes
    status: int = 200
    kind: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request whose body has come; `began`: when its head came, `arrived`: when all was there.

    `root`: the path under which another application has mounted this one.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[bytes, bytes]
    body: bytes = b""
    began: float = 0.0
    arrived: float = 0.0
    name: str = ""
    root: str = ""

    @property
    def explain(self) -> bool:
        """Say whether reasons for the scores are asked for. Raises Refused."""
        found = _FLAGS.get(self.query.get("explain", "0").lower())
        if found is None:
            raise Refused(400, "bad_query", "explain is 1 or 0")
        return found


class Refused(Exception):
    """The request is answered with a status of its own."""

    def __init__(self, status: int, code: str, message: str, *, problems: tuple[str, ...] = ()):
        super().__init__(message)
        self.status, self.code, self.message, self.problems = status, code, message, problems


class Gone(Exception):
    """The caller went away before its body had come."""


def header_map(scope: Scope) -> dict[bytes, bytes]:
    """Return the headers; one that came twice and may not is refused."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in found and name in (b"host", b"authorization", b"content-type"):
            raise Refused(400, "header_twice", f"the header {name.decode('latin-1')} came twice")
        found[name] = value
    return found


def path_of(scope: Scope) -> str:
    """Return the path as it is here, whatever another application has mounted this one under."""
    return str(scope["path"]).removeprefix(scope.get("root_path", "")) or "/"


def refuse_other_than_json(call: Call) -> None:
    """Raise Refused for a body that is called something else."""
    kind = call.headers.get(b"content-type", JSON).partition(b";")[0].strip().lower()
    if kind != JSON:
        raise Refused(415, "not_json", "send Content-Type: application/json")


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, settings: Settings) -> bytes:
    """Return the body, within the limits of size and time.

    A body that is somewhat too large is read to its end and dropped, as who still sends does not
    hear why it was refused.
    """
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length) > _HEARD * settings.most_body:
        raise _too_large(settings)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(settings.body_time):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Gone
                part = message.get("body", b"")
                size += len(part)
                if size <= settings.most_body:
                    parts.append(part)
                elif size > _HEARD * settings.most_body or not message.get("more_body", False):
                    raise _too_large(settings)
                else:
                    parts.clear()
                if not message.get("more_body", False):
                    return parts[0] if len(parts) == 1 else b"".join(parts)
    except TimeoutError:
        raise Refused(
            408, "slow_body", f"the body did not come within {settings.body_time:g} s"
        ) from None


def _too_large(settings: Settings) -> Refused:
    return Refused(413, "body_too_large", f"a body may have {settings.most_body} bytes at most")


async def write(send: Send, reply: Reply, name: str) -> None:
    """Send an answer; what was refused early ends the connection, as its body may still come."""
    headers = [
        (b"content-type", reply.kind),
        (b"content-length", str(len(reply.body)).encode()),
        (b"x-request-id", name.encode()),
        (b"x-content-type-options", b"nosniff"),
        *reply.headers,
    ]
    if reply.status in (408, 413):
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def dumped(value: Any) -> bytes:
    """Return JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def refusal(error: Refused, name: str) -> Reply:
    """Return an error with its id and never a value of the caller's."""
    told: dict[str, Any] = {"id": name, "code": error.code, "message": error.message}
    if error.problems:
        told["problems"] = list(error.problems)
    extra: tuple[tuple[bytes, bytes], ...] = ()
    if error.status == 401:
        extra = ((b"www-authenticate", b"Bearer"),)
    if error.status == 503:
        extra = ((b"retry-after", b"1"),)
    return Reply(body=dumped({"error": told}), status=error.status, headers=extra)


def from_error(error: TamidError) -> Refused:
    """Return the answer to what the request did wrong."""
    from tamid.core.errors import ModelRetired, NotFound, Waiting
    from tamid.serving.strict import Malformed, OutsideContract, TooMany

    # Where nothing else was said, the reason is what the error means in general.
    known = (error.__doc__ or "").strip().partition("\n")[0]
    text = error.what if error.why in ("", known) else f"{error.what}: {error.why}"
    if isinstance(error, OutsideContract):
        return Refused(422, "outside_contract", text, problems=error.problems)
    if isinstance(error, Malformed):
        return Refused(400, "malformed", text)
    if isinstance(error, TooMany):
        return Refused(413, "too_many_rows", text)
    if isinstance(error, ModelRetired):
        return Refused(410, "retired", error.what)
    if isinstance(error, NotFound):
        return Refused(404, "not_found", error.what)
    if isinstance(error, Waiting):
        return Refused(503, "not_ready", text)
    if isinstance(error, UsageError):
        return Refused(400, "bad_request", text)
    return Refused(500, "failed", "the server could not answer; its log has the reason")


def where(error: BaseException) -> str:
    """Return the place in the code that an error comes from."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "?" if trace is None else f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}"

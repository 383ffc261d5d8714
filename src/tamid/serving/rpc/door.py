"""A gRPC server beside the one of HTTP, on the same loop, before the same application."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tamid.core.errors import MissingExtra, TamidError
from tamid.serving.giving_way import aside
from tamid.serving.http.app import Application
from tamid.serving.http.guard import check_token
from tamid.serving.http.v2 import metadata, rows_of
from tamid.serving.http.v2_words import columns_of
from tamid.serving.http.wire import Call, Refused, from_error
from tamid.serving.rpc import messages
from tamid.serving.strict import Decoded

SERVICE = "inference.GRPCInferenceService"
_LABEL = "v2_grpc"
# What gRPC says for the statuses of HTTP.
_CODES = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 404: "NOT_FOUND", 410: "NOT_FOUND",
    413: "RESOURCE_EXHAUSTED", 422: "INVALID_ARGUMENT", 503: "UNAVAILABLE",
}  # fmt: skip
# Asked by machines that hold no token, as on the port of HTTP.
_OPEN = {"ServerLive": "/v2/health/live", "ServerReady": "/v2/health/ready"}
_Method = Callable[[bytes, float, str], Awaitable[bytes]]


class Door:
    """A Companion that answers V2 over gRPC.

    `address`: host and port. `shared`: other processes listen there, too.
    """

    def __init__(self, app: Application, address: str, *, shared: bool = False) -> None:
        self._app, self._address, self._shared = app, address, shared
        self._grpc: Any = library()
        self._server: Any = None
        self._starting: asyncio.Task[None] | None = None
        self._methods: dict[str, _Method] = {
            "ServerLive": self._live,
            "ServerReady": self._ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._about_server,
            "ModelMetadata": self._about_model,
            "ModelInfer": self._infer,
        }

    def begin(self) -> None:
        """Listen."""
        self._starting = asyncio.get_running_loop().create_task(self._start())

    async def close(self) -> None:
        """Answer what has begun, then hang up."""
        if self._starting is not None:
            await asyncio.gather(self._starting, return_exceptions=True)
        if self._server is not None:
            await self._server.stop(self._app.longest())

    async def _start(self) -> None:
        if self._shared:
            # Whoever has nothing to answer by leaves what comes to the others.
            await self._app.opened()
        grpc = self._grpc
        options = [
            ("grpc.so_reuseport", int(self._shared)),
            ("grpc.max_receive_message_length", self._app.settings.most_body),
        ]
        server = grpc.aio.server(options=options)
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(self._handler(name, method))
            for name, method in self._methods.items()
        }
        generic = grpc.method_handlers_generic_handler(SERVICE, handlers)
        server.add_generic_rpc_handlers((generic,))
        try:
            server.add_insecure_port(self._address)
            await server.start()
        except Exception as error:  # HTTP goes on answering
            _say(f"gRPC cannot listen on {self._address}: {error}")
            return
        self._server = server
        _say(f"{self._app.model}: grpc://{self._address}")

    def _handler(self, name: str, method: _Method) -> Callable[[bytes, Any], Awaitable[bytes]]:
        async def answer(message: bytes, context: Any) -> bytes:
            started, request = time.monotonic(), self._app.new_id()
            try:
                self._admit(name, context)
                reply = await method(message, started, request)
            except Refused as error:
                refused = error
            except TamidError as error:
                refused = from_error(error)
            except Exception as error:
                _say(f"{request} failed: {type(error).__name__}")
                refused = Refused(500, "failed", "the server's log has the reason")
            else:
                self._app.counts.request(_LABEL, 200, time.monotonic() - started)
                return reply
            self._app.counts.request(_LABEL, refused.status, time.monotonic() - started)
            code = getattr(self._grpc.StatusCode, _CODES.get(refused.status, "INTERNAL"))
            await context.abort(code, f"{refused.message} ({request})")
            raise AssertionError("abort raises")

        return answer

    def _admit(self, name: str, context: Any) -> None:
        shown = {
            key.encode(): value.encode() if isinstance(value, str) else value
            for key, value in context.invocation_metadata()
            if key == "authorization"
        }
        check_token(_OPEN.get(name, "/v2"), shown, self._app.settings)

    async def _live(self, message: bytes, started: float, request: str) -> bytes:
        return messages.yes_or_no(True)

    async def _ready(self, message: bytes, started: float, request: str) -> bytes:
        return messages.yes_or_no(self._fit())

    async def _model_ready(self, message: bytes, started: float, request: str) -> bytes:
        name, version = messages.named(message)
        fit = self._fit()
        if fit:
            self._same(name, version)
        return messages.yes_or_no(fit)

    async def _about_server(self, message: bytes, started: float, request: str) -> bytes:
        import tamid

        return messages.server_reply("tamid", tamid.__version__)

    async def _about_model(self, message: bytes, started: float, request: str) -> bytes:
        self._same(*messages.named(message))
        return messages.model_reply(metadata(self._app.turn()[0].served))

    async def _infer(self, message: bytes, started: float, request: str) -> bytes:
        turn, codec = self._app.turn()
        served, size = turn.served, len(message)

        def read() -> tuple[Mapping[str, Any], Decoded]:
            given = messages.infer_request(message)
            self._same(given.model, given.version)
            rows = rows_of(given.asked, memoryview(given.packed), served)
            return given.asked, codec.plain(rows)

        def written() -> bytes:
            columns = columns_of(answers, asked.get("outputs"))
            return messages.infer_reply(served.name, served.number, asked["id"] or request, columns)

        with turn.held():
            asked, found = await aside(size, read)
            call = Call(
                method="POST", path="", query={}, headers={}, body=message, began=started,
                arrived=started, name=request,
            )  # fmt: skip
            answers = await self._app.answers(call, turn, found)
            return await aside(size, written)

    def _fit(self) -> bool:
        return self._app.brain.ready() and not self._app.draining

    def _same(self, model: str, version: str) -> None:
        served = self._app.turn()[0].served
        if model != served.name or version not in ("", str(served.number)):
            raise Refused(404, "not_found", "this server answers for another model or version")


def library() -> Any:
    """Return the library of gRPC. Raises MissingExtra."""
    try:
        import grpc.aio
    except ModuleNotFoundError:
        raise MissingExtra(
            "grpcio is not installed",
            why="--grpc-port needs the extra `grpc`",
            fix="pip install 'tamid[grpc]'",
        ) from None
    return grpc


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()

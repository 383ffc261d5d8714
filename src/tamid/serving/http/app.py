"""The ASGI application: guards, routes, and one way from a body to an answer for all protocols."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import sys
import time
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial

from tamid.core.errors import TamidError
from tamid.serving import told
from tamid.serving.giving_way import aside, by_turns
from tamid.serving.http import labels, looking, scoring_server, v2
from tamid.serving.http.guard import OPEN, check_host, check_token
from tamid.serving.http.hot import Lanes
from tamid.serving.http.metrics import Counts
from tamid.serving.http.settings import Settings
from tamid.serving.http.wire import (
    Call,
    Gone,
    Receive,
    Refused,
    Reply,
    Scope,
    Send,
    from_error,
    header_map,
    path_of,
    read_body,
    refusal,
    refuse_other_than_json,
    where,
    write,
)
from tamid.serving.log.unwritten import Unwritten
from tamid.serving.lookup import aged, looked_up
from tamid.serving.seams import Brain, Companion, LogBook, LookUp, Nothing, Turn
from tamid.serving.strict import Codec, Decoded
from tamid.serving.values import Answer, Request

Route = Callable[[Call], Awaitable[Reply]]
_EMPTY = b" \t\r\n"
# Seconds that open requests get after SIGTERM, where the contract lets none take longer.
_DRAIN = 10.0
# Seconds after which one listens even with nothing to answer by, to say why; and between two looks.
_OPENED_S, _LOOK_S = 20.0, 0.02


class Application:
    """An ASGI application over a brain; mount it anywhere, or run it by `tamid serve`."""

    def __init__(
        self,
        brain: Brain,
        model: str,
        settings: Settings | None = None,
        book: LogBook | None = None,
        lookup: LookUp | None = None,
        companions: Sequence[Companion] = (),
    ) -> None:
        self.brain, self.model, self.book = brain, model, book or Unwritten()
        self._lookup = lookup or Nothing()
        self.companions = list(companions)
        self.settings = settings or Settings()
        self.admitted: list[Callable[[], None]] = []
        self.counts = Counts()
        self.draining = self._begun = self.replaces = False
        self.in_flight = self._working = 0
        self._codec: tuple[Turn, Codec] | None = None
        self.lanes = Lanes(brain, self.turn, self.counts, self.book, self)
        # Ids that no two processes share: a random beginning and a count.
        self.ids = (secrets.token_hex(6), itertools.count(1))
        self._routes: dict[tuple[str, str], tuple[str, Route]] = {}
        self.add("POST", f"/v1/models/{model}/predict", "predict", self._predict)
        self.add("POST", f"/v1/models/{model}/labels", "labels", self._labels)
        self.add("POST", "/invocations", "invocations", self._invocations)
        self.crew: looking.Crew | None = None
        self.looking = looking.add_routes(self, self.add)
        v2.add_routes(self, self.add)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the ASGI protocol."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        if not self._begun:
            self._start()
            if path_of(scope) not in OPEN:
                await self.opened()  # mounted elsewhere: nobody waited for it before
        started, name, label = time.monotonic(), self.new_id(), "other"
        try:
            label, reply = await self._answered(scope, receive, name, started)
        except Gone:
            return
        except Refused as error:
            label, reply = self._label(scope), refusal(error, name)
        except TamidError as error:
            label, reply = self._label(scope), refusal(self._told(error, name), name)
        except Exception as error:
            self._say(f"{name} failed: {type(error).__name__} in {where(error)}")
            reply = refusal(Refused(500, "failed", "the server's log has the reason"), name)
        if scope["method"] == "HEAD":
            reply = Reply(body=b"", status=reply.status, kind=reply.kind)
        self.counts.request(label, reply.status, time.monotonic() - started)
        await write(send, reply, name)

    def new_id(self) -> str:
        """Return an id that nobody else has."""
        return f"{self.ids[0]}-{next(self.ids[1])}"

    def admit(self, tokens: tuple[str, ...]) -> None:
        """Let callers show these tokens from now on, and no others; who is in `admitted` hears."""
        self.settings = replace(self.settings, token="", tokens=tokens)
        for hear in self.admitted:
            hear()

    def busy(self) -> bool:
        """Say whether more is being worked on than may be at once."""
        return self._working >= self.settings.most_requests

    def turn(self) -> tuple[Turn, Codec]:
        """Return what is in force with its decoder. Raises Waiting before the first version."""
        turn = self.brain.turn
        if self._codec is None or self._codec[0] is not turn:
            settings = self.settings
            codec = Codec(turn.served, lower=settings.lower, most_rows=settings.most_rows)
            self._codec = (turn, codec)
        return self._codec

    def longest(self) -> float:
        """Return the seconds that what has begun gets when the server ends."""
        with contextlib.suppress(TamidError):
            return max(_DRAIN, self.brain.turn.within(self.settings.most_rows))
        return _DRAIN

    async def answers(self, call: Call, turn: Turn, found: Decoded) -> Sequence[Answer]:
        """Return the answers to decoded rows, counted."""
        alone = len(found.ids) == 1
        made = (call.name if alone else f"{call.name}-{i}" for i in range(len(found.ids)))
        ids = [given or own for given, own in zip(found.ids, made, strict=True)]
        read = time.monotonic()
        self.counts.part("read", turn.served.number, read - call.arrived)
        rows = found.rows
        if any(row.sought for row in rows):
            rows = await by_turns(looked_up(self._lookup, turn.served), rows)
        looked = time.monotonic()
        request = Request(rows=rows, ids=ids, arrived=call.arrived, explain=call.explain)
        given = aged(await self._given(turn, request), rows)
        ended = time.monotonic()
        self.counts.part("model", turn.served.number, ended - looked)
        for answer in given:
            self.counts.answered(answer)
        queue, whole = request.spent.get("queue", 0.0), ended - call.began
        spent = (read - call.began, looked - read, queue, ended - looked - queue, whole)
        self.book.note(turn.served, rows, given, spent, len(call.body))
        return given

    async def _given(self, turn: Turn, request: Request) -> Sequence[Answer]:
        """Ask the turn; beyond what can be worked on at once, only what needs no work."""
        if len(request.rows) == 1 and not request.explain:
            quick = turn.now(request.rows[0], request.ids[0])
            if quick is not None:
                return [quick]
        if self.busy():
            return turn.shed(request)
        self._working += 1
        try:
            return await turn.answers(request)
        finally:
            self._working -= 1

    def add(self, method: str, path: str, label: str, route: Route) -> None:
        """Put a route into the table."""
        self._routes[method, path] = (label, route)

    async def _answered(
        self, scope: Scope, receive: Receive, name: str, started: float
    ) -> tuple[str, Reply]:
        headers = header_map(scope)
        check_host(headers, self.settings)
        path = path_of(scope)
        check_token(path, headers, self.settings)
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        if "/versions/" in path and self.brain.ready():
            path = v2.plain_path(path, self.model, self.brain.turn.served.number)
        known = self._routes.get((method, path))
        if known is None:
            raise self._nowhere(path)
        label, route = known
        self.in_flight += 1
        try:
            body = await read_body(headers, receive, self.settings)
            call = Call(
                method=method,
                path=path,
                query=dict(urllib.parse.parse_qsl(scope["query_string"].decode("latin-1"))),
                headers=headers,
                body=body,
                arrived=started if method == "GET" else time.monotonic(),
                began=started,
                name=name,
                root=scope.get("root_path", ""),
            )
            return label, await route(call)
        finally:
            self.in_flight -= 1

    def _label(self, scope: Scope) -> str:
        """Return under which name a refused request is counted; what is nowhere has no name."""
        known = self._routes.get((scope["method"], path_of(scope)))
        return known[0] if known else "other"

    def _nowhere(self, path: str) -> Refused:
        others = sorted(method for method, known in self._routes if known == path)
        if others:
            return Refused(405, "wrong_method", f"this path takes {', '.join(others)}")
        return Refused(404, "not_found", "there is nothing here; see /openapi.json")

    async def _predict(self, call: Call) -> Reply:
        refuse_other_than_json(call)
        turn, codec = self.turn()
        if call.body.lstrip(_EMPTY)[:1] != b"[":
            answers = await self.answers(call, turn, codec.one(call.body))
            return Reply(body=told.one(answers[0], turn.served))
        hot = None if call.query else self.lanes.hot_for_many()
        quick = None if hot is None else await hot.many(call)
        if quick is not None:
            return quick
        with turn.held():
            found = await aside(len(call.body), partial(codec.many, call.body))
            answers = await self.answers(call, turn, found)
            body = await aside(len(call.body), partial(told.many, answers, turn.served))
        return Reply(body=body)

    async def _labels(self, call: Call) -> Reply:
        refuse_other_than_json(call)
        return await labels.keep(call, self.book, self.settings.most_rows)

    async def _invocations(self, call: Call) -> Reply:
        turn, codec = self.turn()
        with turn.held():
            read = partial(scoring_server.decoded, call, codec, turn.served)
            found = await aside(len(call.body), read)
            answers = await self.answers(call, turn, found)
            written = partial(scoring_server.reply, answers, turn.served)
            return await aside(len(call.body), written)

    @contextlib.asynccontextmanager
    async def lifespan(self, host: object = None) -> AsyncIterator[None]:
        """Work for as long as a host does: `FastAPI(lifespan=...)` takes this."""
        self._start()
        try:
            if host is not None or self.replaces:
                await self.opened()
            yield
        finally:
            for one in self.companions:
                await one.close()
            await self.brain.close()
            self.book.close()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        async with self.lifespan():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def opened(self) -> None:
        """Wait until a version is open, though not for ever: others take what comes, or nobody."""
        end = time.monotonic() + _OPENED_S
        while not self.brain.ready() and time.monotonic() < end:
            await asyncio.sleep(_LOOK_S)

    def _start(self) -> None:
        """Begin to follow; one that is mounted elsewhere hears of no lifespan."""
        if not self._begun:
            self._begun = True
            self.brain.begin()
            self.book.begin()
            for one in self.companions:
                one.begin()

    def _told(self, error: TamidError, name: str) -> Refused:
        refused = from_error(error)
        if refused.status == 500:
            self._say(f"{name} failed: {error.what} ({error.why})")
        return refused

    @staticmethod
    def _say(text: str) -> None:
        sys.stderr.write(text + "\n")

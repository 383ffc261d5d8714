"""What one may look at: is it alive, is it ready, what does it count, what does it take."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from tamid.serving.http import pages
from tamid.serving.http.metrics import Counts, exposition
from tamid.serving.http.settings import Settings
from tamid.serving.http.wire import Call, Reply, dumped
from tamid.serving.seams import Brain, LogBook, Turn
from tamid.serving.strict import Codec

Route = Callable[[Call], Awaitable[Reply]]
_KIND = b"text/plain; version=0.0.4; charset=utf-8"


class Crew(Protocol):
    """The other processes on the same port."""

    def together(
        self, counts: Counts, gauges: Callable[[], Mapping[str, float]]
    ) -> tuple[Counts, Callable[[], Mapping[str, float]]]:
        """Return counts and gauges of all of them."""
        ...

    def observe(self, gauges: Callable[[], Mapping[str, float]]) -> None:
        """Hear what this process's gauges are."""
        ...


class Host(Protocol):
    """The application, as far as it is looked at."""

    brain: Brain
    book: LogBook
    model: str
    counts: Counts
    draining: bool
    in_flight: int
    crew: Crew | None
    settings: Settings

    def turn(self) -> tuple[Turn, Codec]:
        """Return what is in force."""
        ...


def add_routes(app: Host, add: Callable[[str, str, str, Route], None]) -> Looking:
    """Put what is only looked at into the table of routes."""
    look = Looking(app)
    add("GET", "/healthz", "health", look.alive)
    add("GET", "/readyz", "ready", look.ready)
    add("GET", "/ping", "ping", look.ready)
    add("GET", "/metrics", "metrics", look.metrics)
    add("GET", "/openapi.json", "openapi", look.openapi)
    add("GET", "/", "page", look.page)
    add("GET", "/v1/models", "models", look.models)
    add("GET", f"/v1/models/{app.model}", "model", look.about)
    return look


class Looking:
    """The routes of what is only looked at."""

    def __init__(self, app: Host) -> None:
        self._app = app

    def gauges(self) -> Mapping[str, float]:
        """Return what is true of this process now."""
        app, ready = self._app, self._app.brain.ready()
        return {
            **app.book.gauges(),
            "ready": float(ready and not app.draining),
            "champion_version": app.brain.turn.served.number if ready else 0,
            "requests_in_flight": app.in_flight,
        }

    async def alive(self, call: Call) -> Reply:
        """Say that the process lives."""
        return Reply(body=dumped({"alive": True}))

    async def ready(self, call: Call) -> Reply:
        """Say whether there is a version that answers."""
        app = self._app
        ready = app.brain.ready() and not app.draining
        told = {"ready": ready, "model": app.model}
        if ready:
            told["version"] = app.brain.turn.served.number
        return Reply(body=dumped(told), status=200 if ready else 503)

    async def metrics(self, call: Call) -> Reply:
        """Return all counts and gauges."""
        counts, gauges = self._app.counts, self.gauges
        if self._app.crew is not None:
            counts, gauges = self._app.crew.together(counts, gauges)
        return Reply(body=exposition(counts, gauges), kind=_KIND)

    async def openapi(self, call: Call) -> Reply:
        """Return the document."""
        return Reply(body=dumped(self._document(call)))

    async def page(self, call: Call) -> Reply:
        """Return the document as a page."""
        html = pages.page(self._document(call))
        headers = ((b"content-security-policy", pages.POLICY),)
        return Reply(body=html.encode(), kind=b"text/html; charset=utf-8", headers=headers)

    def _document(self, call: Call) -> dict[str, Any]:
        app = self._app
        return pages.openapi(app.turn()[0].served, root=call.root, token=bool(app.settings.shown))

    async def models(self, call: Call) -> Reply:
        """Return the names of the models."""
        return Reply(body=dumped({"models": [self._app.model]}))

    async def about(self, call: Call) -> Reply:
        """Return what the version in force takes."""
        return Reply(body=dumped(pages.about(self._app.turn()[0].served)))

"""The routes of a drill: there where an operator has set a secret, for who shows it."""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from tamid.serving import told
from tamid.serving.brain.desk import Desk
from tamid.serving.brain.drilling import IN_REQUEST, IN_WORKER
from tamid.serving.brain.turn import Ladder
from tamid.serving.http.settings import Settings
from tamid.serving.http.wire import Call, Refused, Reply, dumped
from tamid.serving.strict import Codec
from tamid.serving.values import Request, Value

SECRET = b"x-tamid-drill"
# Golden rows that a drill asks for.
_ROWS = 4
Route = Callable[[Call], Awaitable[Reply]]


class Drilled(Protocol):
    """A brain that can be drilled."""

    @property
    def turn(self) -> Ladder:
        """Return the turn in force."""
        ...

    def golden(self) -> list[dict[str, Value]]:
        """Return rows of nobody."""
        ...

    def drill(self, rung: str, fault: str) -> str:
        """Let a rung's worker suffer a fault; return where the rung answers."""
        ...


def add_routes(
    brain: Drilled, settings: Settings, add: Callable[[str, str, str, Route], None]
) -> None:
    """Add the routes, if there is a secret."""
    if not settings.drill:
        return
    found = _Drills(brain, settings)
    add("GET", "/drill", "drill", found.facts)
    add("POST", "/drill/predict", "drill", found.predict)
    add("POST", "/drill/worker", "drill", found.worker)


class _Drills:
    def __init__(self, brain: Drilled, settings: Settings) -> None:
        self._brain, self._settings = brain, settings

    async def facts(self, call: Call) -> Reply:
        self._admit(call)
        turn = self._brain.turn
        desks = {rung: voice.desk for rung, voice in turn.voices.items()}
        workers = {
            rung: {"deaths": desk.deaths, "renewals": desk.renewals}
            for rung, desk in desks.items()
            if isinstance(desk, Desk)
        }
        body = {
            "rungs": [step.rung for step in turn.served.steps],
            "deadline": turn.deadline or turn.served.deadline,
            "version": turn.served.number,
            "entity": turn.served.entity,
            "workers": workers,
            "loaded": sorted(desks),
            "rows": self._brain.golden()[:_ROWS],
        }
        return Reply(body=dumped(body))

    async def predict(self, call: Call) -> Reply:
        """Answer one row past broken rungs; nothing of it is counted or logged."""
        self._admit(call)
        turn, settings = self._brain.turn, self._settings
        faults = _faults(call.query.get("break", ""))
        found = Codec(turn.served, lower=settings.lower, most_rows=1).one(call.body)
        request = Request(rows=found.rows, ids=[call.name], arrived=time.monotonic(), faults=faults)
        (answer,) = await turn.answers(request)
        return Reply(body=told.one(answer, turn.served))

    async def worker(self, call: Call) -> Reply:
        self._admit(call)
        fault = call.query.get("fault", "")
        if fault not in IN_WORKER:
            raise Refused(400, "no_fault", f"a worker can suffer {', '.join(IN_WORKER)}")
        where = self._brain.drill(call.query.get("rung", ""), fault)
        return Reply(body=dumped({"where": where}))

    def _admit(self, call: Call) -> None:
        shown = call.headers.get(SECRET, b"")
        if not hmac.compare_digest(shown, self._settings.drill.encode()):
            # As if there were no such thing.
            raise Refused(404, "not_found", "there is nothing here; see /openapi.json")


def _faults(text: str) -> dict[str, str]:
    pairs = [pair.partition(":") for pair in text.split(",") if pair]
    if any(fault not in IN_REQUEST for _, _, fault in pairs):
        raise Refused(400, "no_fault", f"a rung can suffer {', '.join(IN_REQUEST)}")
    return {rung: fault for rung, _, fault in pairs}

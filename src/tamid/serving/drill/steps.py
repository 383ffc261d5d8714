"""The steps of a drill: what is broken, who must answer instead, and how soon all is well."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tamid.core.ladder import WITHHELD
from tamid.serving.brain.drilling import IN_REQUEST, IN_WORKER
from tamid.serving.drill.link import Heard, Link

Verdict = Literal["works", "absent", "fails"]
# Seconds between two requests while a worker suffers, and within which it must be well again:
# its kill deadline, and the time to start and prove a model.
_EVERY, _START = 0.02, 90.0
# A leak is let grow so many times at most before the worker must have been replaced.
_LEAKS = 30
# Why a rung may have nothing to say, which is no fault.
_NOTHING = ("none", "too old", "not loaded", "no value")
# Failures in a row that open a breaker, and some more.
_OPENS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What was done, who answered, the slowest answer, and the seconds until the first rung did.

    `absent`: there was nothing to break or nobody to answer, which is no fault.
    """

    fault: str
    rung: str
    answered: str
    verdict: Verdict
    slowest_ms: float = 0.0
    recovery_s: float | None = None
    note: str = ""


class Drill:
    """One drill of one server.

    `entity`: whose row is asked for. `slack`: seconds that an answer may take beyond the contract's
    time, for the way there and a machine that does other things.
    """

    def __init__(self, link: Link, *, entity: str = "", slack: float = 0.15) -> None:
        self._link, self._facts, self._slack = link, link.facts(), slack
        self._rungs = [str(rung) for rung in self._facts["rungs"]]
        self._deadline = float(self._facts["deadline"])
        row = dict(self._facts["rows"][0]) if self._facts["rows"] else {}
        if entity and self._facts["entity"]:
            row[str(self._facts["entity"])] = entity
        self._row: Mapping[str, Any] = row

    def steps(self) -> Iterator[Step]:
        """Go through all faults."""
        yield self._whole()
        for fault in IN_REQUEST:
            yield self._broken(fault)
        for place in range(1, len(self._rungs)):
            yield self._down_to(place)
        yield self._nobody()
        yield self._breaker()
        yield self._foreign()
        for rung in self._rungs:
            if rung in self._facts["loaded"]:
                for fault in IN_WORKER:
                    yield self._worker(rung, fault)

    def _whole(self) -> Step:
        heard = self._link.predict(self._row, {})
        fits = heard.rung == self._rungs[0] and self._in_time(heard)
        return _step("none", self._rungs[0], heard, fits)

    def _broken(self, fault: str) -> Step:
        first = self._rungs[0]
        heard = self._link.predict(self._row, {first: fault})
        fits = self._explained(heard, {first: fault}) and self._in_time(heard)
        return _step(fault, first, heard, fits, self._recovered())

    def _down_to(self, place: int) -> Step:
        """Break every rung above one; it must answer, unless it has nothing for this row."""
        faults = dict.fromkeys(self._rungs[:place], "error")
        heard, rung = self._link.predict(self._row, faults), self._rungs[place]
        recovery = self._recovered()
        if heard.rung != rung and any(f"{rung}: {why}" in heard.reason for why in _NOTHING):
            return _step("all above", rung, heard, None, recovery)
        return _step("all above", rung, heard, heard.rung == rung, recovery)

    def _nobody(self) -> Step:
        faults = dict.fromkeys(self._rungs, "error")
        heard = self._link.predict(self._row, faults)
        fits = heard.rung == WITHHELD and heard.body.get("score") is None
        return _step("all", WITHHELD, heard, fits, self._recovered())

    def _breaker(self) -> Step:
        first, worst = self._rungs[0], 0.0
        heard = Heard(status=0)
        for _ in range(_OPENS):
            heard = self._link.predict(self._row, {first: "error"})
            worst = max(worst, heard.seconds)
            if f"{first}: breaker open" in heard.reason:
                break
        fits = f"{first}: breaker open" in heard.reason
        return _step("again and again", first, heard, fits, self._recovered(), worst)

    def _foreign(self) -> Step:
        """A row that is none: refused, or answered by what needs no row."""
        heard = self._link.predict({}, {})
        refused = heard.status == 422
        fits = refused or (heard.status == 200 and heard.rung not in self._facts["loaded"])
        note = "refused" if refused else ""
        return _step("row outside the contract", self._rungs[0], heard, fits, None, 0.0, note)

    def _worker(self, rung: str, fault: str) -> Step:
        """Let a worker suffer for all; ask all the time, and see when it answers again."""
        before = self._link.facts()["workers"].get(rung)
        if before is None or self._link.worker(rung, fault) != "worker":
            note = "it answers in the server itself, and runs no code"
            return Step(
                fault=f"worker: {fault}", rung=rung, answered="", verdict="absent", note=note
            )
        above = dict.fromkeys(self._rungs[: self._rungs.index(rung)], "error")
        counts = "renewals" if fault == "leak" else "deaths"
        started, worst, leaks = time.monotonic(), 0.0, 1
        seen, all_well = dict[str, int](), True
        limit = 10 * self._deadline + _START
        while time.monotonic() - started < limit:
            heard = self._link.predict(self._row, above)
            worst = max(worst, heard.seconds)
            all_well = all_well and heard.status == 200 and self._in_time(heard)
            seen[heard.rung] = seen.get(heard.rung, 0) + 1
            now = self._link.facts()["workers"].get(rung, before)
            if now[counts] > before[counts] and heard.rung == rung:
                break
            if fault == "leak" and leaks < _LEAKS and now[counts] == before[counts]:
                leaks += 1
                self._link.worker(rung, fault)
            time.sleep(_EVERY)
        took = time.monotonic() - started
        answered = ", ".join(f"{name} {n}" for name, n in sorted(seen.items()))
        return Step(
            fault=f"worker: {fault}",
            rung=rung,
            answered=answered,
            verdict="works" if all_well and took < limit else "fails",
            slowest_ms=round(worst * 1000, 1),
            recovery_s=round(took, 2) if took < limit else None,
        )

    def _recovered(self) -> float | None:
        """Ask without any fault until the first rung answers; return the seconds."""
        started = time.monotonic()
        while time.monotonic() - started < _START:
            if self._link.predict(self._row, {}).rung == self._rungs[0]:
                return round(time.monotonic() - started, 2)
            time.sleep(_EVERY)
        return None

    def _in_time(self, heard: Heard) -> bool:
        return heard.seconds <= self._deadline + self._slack

    def _explained(self, heard: Heard, faults: Mapping[str, str]) -> bool:
        """Say whether each rung above the one that answered says why it did not."""
        if heard.status != 200 or heard.rung in faults:
            return False
        known = heard.rung in self._rungs
        above = self._rungs[: self._rungs.index(heard.rung)] if known else self._rungs
        return all(f"{rung}: " in heard.reason for rung in above)


def _step(
    fault: str,
    rung: str,
    heard: Heard,
    fits: bool | None,
    recovery: float | None = 0.0,
    worst: float = 0.0,
    note: str = "",
) -> Step:
    """Return a step; `fits` None: the rung had nothing to say, and said so."""
    well = fits is not False and recovery is not None
    verdict: Verdict = "fails" if not well else "works" if fits else "absent"
    if fault in ("none", "row outside the contract"):
        recovery, verdict = None, "works" if fits else "fails"
    return Step(
        fault=fault,
        rung=rung,
        answered=heard.rung,
        verdict=verdict,
        slowest_ms=round(max(worst, heard.seconds) * 1000, 1),
        recovery_s=recovery,
        note=note or heard.reason,
    )

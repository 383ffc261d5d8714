"""Telling the controller: who answers here, since when another rung does, how a trial is doing."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

from tamid.core.ladder import CHAMPION
from tamid.core.values import instant
from tamid.ports import Reports, ServerReport, TrialReport
from tamid.serving.brain.trial import Trial
from tamid.serving.brain.voices import Voice
from tamid.serving.brain.wanted import OnTrial
from tamid.serving.log.watch import is_incident
from tamid.serving.seams import Turn

# Seconds between two looks, and between two writes of what only grew.
_LOOK, _WRITE = 0.5, 5.0
# Changes that are kept: the newest, as the controller has heard the older ones.
_MOST_CHANGES = 50


class Counted(Protocol):
    """Rows by version and rung, and reasons, counted since the process began."""

    @property
    def rows(self) -> Mapping[tuple[int, str], int]:
        """Return the rows answered."""
        ...

    @property
    def reasons(self) -> Mapping[str, int]:
        """Return why no better rung answered."""
        ...


class Watched(Protocol):
    """What a reporter looks at."""

    model: str

    @property
    def turn(self) -> Turn:
        """Return the turn in force."""
        ...

    @property
    def trial(self) -> tuple[OnTrial, Trial] | None:
        """Return the version on trial."""
        ...

    def ready(self) -> bool:
        """Say whether there is a turn."""
        ...

    def voices(self) -> Mapping[str, Voice]:
        """Return what is loaded, by name."""
        ...


class Reporter:
    """One process's reports; what it cannot write down now it writes later."""

    def __init__(
        self,
        brain: Watched,
        counts: Counted,
        reports: Reports,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.process = secrets.token_hex(6)
        self._brain, self._counts, self._reports, self._now = brain, counts, reports, now
        self._began = instant(now())
        self._rung, self._changes = CHAMPION, list[str]()
        # An incident tells of the change to this rung, and its end of the way back.
        self._incident = False
        self._rows: dict[str, int] = {}
        self._reasons: dict[str, int] = {}
        self._told: ServerReport | None = None
        self._wrote = 0.0
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Report from now on."""
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def close(self) -> None:
        """Tell the last."""
        if self._task is not None:
            self._task.cancel()
        with contextlib.suppress(OSError):
            await self._tell(self.report())

    def report(self) -> ServerReport:
        """Return what is told now."""
        voices = self._brain.voices()
        return ServerReport(
            process=self.process,
            began=self._began,
            at=instant(self._now()),
            champion=self._brain.turn.served.number if self._brain.ready() else 0,
            rungs=self._by_rung(),
            changes=tuple(self._changes),
            restarts=sum(voice.desk.restarts for voice in voices.values()),
            trial=self._trial(),
        )

    async def look(self) -> None:
        """Notice what changed, take over what other processes stopped, write down what is due."""
        self._notice()
        trial = self._brain.trial
        if trial is not None and not trial[1].stopped:
            heard = await asyncio.to_thread(self._reports.heard, self._brain.model)
            for why in (_stop(report, trial[0]) for report in heard):
                if why:
                    trial[1].stop(why)
        found = self.report()
        urgent = self._told is None or _urgent(self._told) != _urgent(found)
        if urgent or (time.monotonic() - self._wrote >= _WRITE and self._grew(found)):
            await self._tell(found)

    async def _follow(self) -> None:
        while True:
            # What does not fit on the disk today may tomorrow; nothing is lost, as counts add up.
            with contextlib.suppress(OSError):
                await self.look()
            await asyncio.sleep(_LOOK)

    async def _tell(self, report: ServerReport) -> None:
        await asyncio.to_thread(self._reports.tell, self._brain.model, report)
        self._told, self._wrote = report, time.monotonic()

    def _grew(self, found: ServerReport) -> bool:
        return self._told is None or replace(found, at="") != replace(self._told, at="")

    def _by_rung(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for (_, rung), rows in list(self._counts.rows.items()):
            found[rung] = found.get(rung, 0) + rows
        return found

    def _notice(self) -> None:
        """Write down when another rung has come to answer most rows, if no incident tells of it."""
        rows, reasons = self._by_rung(), dict(self._counts.reasons)
        lately = {rung: n - self._rows.get(rung, 0) for rung, n in rows.items()}
        why = {r: n - self._reasons.get(r, 0) for r, n in reasons.items()}
        self._rows, self._reasons = rows, reasons
        most = max(lately, key=lambda rung: lately[rung], default="")
        if not lately.get(most) or most == self._rung:
            return
        because = max(why, key=lambda r: why[r], default="")
        said = f"{instant(self._now())[:19]}Z {self._rung} -> {most}"
        if most != CHAMPION and why.get(because):
            said += f" ({because})"
        self._rung = most
        known = self._incident if most == CHAMPION else is_incident(because)
        self._incident = known and most != CHAMPION
        if known:
            return
        self._changes = [*self._changes, said][-_MOST_CHANGES:]

    def _trial(self) -> TrialReport | None:
        found = self._brain.trial
        if found is None:
            return None
        wanted, trial = found
        return TrialReport(
            number=wanted.ref.number,
            stage=wanted.stage,
            since=wanted.since,
            arms={name: tally.counts() for name, tally in trial.tallies.items()},
            stopped=trial.stopped,
        )


def _stop(report: ServerReport, mine: OnTrial) -> str:
    trial = report.trial
    if trial is None:
        return ""
    same = (trial.number, trial.stage, trial.since) == (mine.ref.number, mine.stage, mine.since)
    return trial.stopped if same else ""


def _urgent(report: ServerReport) -> tuple[object, ...]:
    stopped = report.trial.stopped if report.trial is not None else ""
    return report.champion, tuple(report.changes), report.restarts, stopped

"""The year as it is told while it goes: what the loop did, and what each role saw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from tamid.core import events as ev
from tamid.core.values import Role
from tamid.core.view.words import sentence
from tamid.examples.telecom.demo_year import Day

LOOP, DEVELOPER, ENGINEER, MARKETING, WORLD = (
    "the loop", "ML developer", "MLOps engineer", "marketing", "the world",
)  # fmt: skip
_ROLES = {Role.ML_DEVELOPER: DEVELOPER, Role.MLOPS_ENGINEER: ENGINEER}
_CHAMPION = "champion"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One line: the day, whose view it is, and what there is to see."""

    day: str
    who: str
    text: str


@dataclass(slots=True)
class Quiet:
    """Weeks in which nothing asked for anybody."""

    first: date | None = None
    weeks: int = 0
    answers: int = 0
    f1: list[float] = field(default_factory=list)

    def line(self, until: date) -> Told | None:
        """Return the weeks as one line, None if there were none."""
        if not self.weeks or self.first is None:
            return None
        span = f", F1 {min(self.f1):.3f} to {max(self.f1):.3f}" if self.f1 else ""
        weeks = "1 quiet week" if self.weeks == 1 else f"{self.weeks} quiet weeks"
        text = f"{weeks} up to {until}: {self.answers:,} answers delivered on time{span}"
        return Told(day=str(self.first), who=LOOP, text=text)


class Narrator:
    """Turns days into lines; weeks without news become one line."""

    def __init__(self) -> None:
        self._quiet = Quiet()

    def tell(self, day: Day, listed: pl.DataFrame | None) -> Iterator[Told]:
        """Yield what is worth telling of a day; `listed` is the file delivered on it."""
        news = [
            Told(day=str(day.date), who=who, text=text)
            for record in day.records
            for who, text in _seen(record.event, listed)
        ]
        news = [Told(day=str(day.date), who=WORLD, text=t) for t in day.happened] + news
        quietly = self._note(day)
        if news:
            yield from self.rest(day.date)
            yield from news
        elif quietly:
            self._quiet.first = self._quiet.first or day.date

    def rest(self, until: date) -> Iterator[Told]:
        """Yield the quiet weeks that were not told yet."""
        line = self._quiet.line(until)
        self._quiet = Quiet()
        if line is not None:
            yield line

    def _note(self, day: Day) -> bool:
        scored = [r.event for r in day.records if isinstance(r.event, ev.Scored)]
        plain = [e for e in scored if _plain(e)]
        self._quiet.weeks += len(plain)
        self._quiet.answers += sum(e.rows for e in plain)
        self._quiet.f1 += [
            r.event.value
            for r in day.records
            if isinstance(r.event, ev.Measured) and r.event.signal == "quality"
        ]
        return bool(plain)


def _plain(scored: ev.Scored) -> bool:
    return scored.revision == 1 and set(scored.rungs) == {_CHAMPION}


def _seen(event: ev.Event, listed: pl.DataFrame | None) -> Iterator[tuple[str, str]]:
    """Yield who sees an event, and in which words."""
    match event:
        case ev.RunStarted() | ev.RunFinished() | ev.Judged() | ev.StageEntered():
            yield LOOP, sentence(event)
        case ev.Promoted():
            yield LOOP, sentence(event)
            yield ENGINEER, f"sees version {event.number} live, its bundle verified and probed"
        case ev.RungSet() | ev.RolledBack() | ev.ReleaseStopped() | ev.RunFailed():
            yield LOOP, sentence(event)
        case ev.AlarmRaised():
            yield LOOP, sentence(event)
        case ev.Diagnosed():
            yield _ROLES.get(event.route, str(event.route)), f"reads: {sentence(event)}"
        case ev.DataRefused():
            yield LOOP, sentence(event)
        case ev.IncidentOpened() if event.failure == "system_failure":
            yield ENGINEER, f"reads: {sentence(event)}"
        case ev.IncidentClosed() if not event.incident.startswith("alarm/"):
            yield ENGINEER, f"reads: {sentence(event)}"
        case ev.CaseOpened():
            who = _ROLES.get(event.role, str(event.role))
            yield who, f"gets case {event.case}: {event.title}"
        case ev.CaseClosed() | ev.AlarmCleared():
            yield LOOP, sentence(event)
        case ev.Scored() if not _plain(event):
            yield LOOP, sentence(event)
        case ev.Delivered():
            yield from _marketing(event, listed)
        case _:
            return


def _marketing(event: ev.Delivered, listed: pl.DataFrame | None) -> Iterator[tuple[str, str]]:
    """Tell what marketing finds in a file that is not like every week's."""
    if listed is None or (event.revision == 1 and set(listed["rung"].unique()) == {_CHAMPION}):
        return
    calls = int(listed["treat"].sum())
    rungs = ", ".join(
        f"{name} {n:,}" for name, n in sorted(listed["rung"].value_counts().iter_rows())
    )
    again = f", correction {event.revision}" if event.revision > 1 else ""
    yield MARKETING, f"finds {listed.height:,} scores{again}: {calls} to call, answers by {rungs}"

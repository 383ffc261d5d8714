"""The year as it is told while it goes: what the loop did, and what each role saw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

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
    """Weeks in which nothing asked for anybody; `f1` of those that were measured by now."""

    first: date | None = None
    answers: dict[str, int] = field(default_factory=dict)
    f1: dict[str, float] = field(default_factory=dict)

    def line(self, until: date) -> Told | None:
        """Return the weeks as one line, None if there were none."""
        if self.first is None:
            return None
        span = f", F1 {min(self.f1.values()):.3f} to {max(self.f1.values()):.3f}" if self.f1 else ""
        count = len(self.answers)
        weeks = "1 quiet week" if count == 1 else f"{count} quiet weeks"
        answers = sum(self.answers.values())
        text = f"{weeks} up to {until}: {answers:,} answers delivered on time{span}"
        return Told(day=str(self.first), who=LOOP, text=text)


class Narrator:
    """Turns days into lines; weeks without news become one line."""

    def __init__(self) -> None:
        self._quiet = Quiet()

    def tell(self, day: Day) -> Iterator[Told]:
        """Yield what is worth telling of a day."""
        news = [Told(day=str(day.date), who=WORLD, text=t) for t in day.happened]
        news += [
            Told(day=str(day.date), who=who, text=text)
            for record in day.records
            for who, text in _seen(record.event)
        ]
        told = [text for parcel in day.received for text in _found(parcel)]
        news += [Told(day=str(day.date), who=MARKETING, text=text) for text in told]
        if news:
            yield from self.rest(day.date)
            yield from news
            return
        for sent in _of(day, ev.Delivered):
            self._quiet.first = self._quiet.first or day.date
            self._quiet.answers[sent.period] = sent.rows
        for measured in _of(day, ev.Measured):
            if measured.signal == "quality" and measured.period in self._quiet.answers:
                self._quiet.f1[measured.period] = measured.value

    def rest(self, until: date) -> Iterator[Told]:
        """Yield the quiet weeks that were not told yet."""
        line = self._quiet.line(until)
        self._quiet = Quiet()
        if line is not None:
            yield line


E = TypeVar("E", bound=ev.Event)


def _of(day: Day, kind: type[E]) -> list[E]:
    return [r.event for r in day.records if isinstance(r.event, kind)]


def _plain(scored: ev.Scored) -> bool:
    return scored.revision == 1 and set(scored.rungs) == {_CHAMPION}


def _seen(event: ev.Event) -> Iterator[tuple[str, str]]:
    """Yield who sees an event, and in which words."""
    match event:
        case ev.RunStarted() | ev.RunFinished() | ev.Judged() | ev.StageEntered():
            yield LOOP, sentence(event)
        case ev.Promoted():
            yield LOOP, sentence(event)
            yield ENGINEER, f"sees version {event.number} live"
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
        case ev.CaseCommented() if event.escalated_to is not None:
            who = _ROLES.get(event.escalated_to, str(event.escalated_to))
            yield who, f"is asked about case {event.case} as well: {event.text}"
        case ev.CaseClosed() | ev.AlarmCleared():
            yield LOOP, sentence(event)
        case ev.Scored() if not _plain(event):
            yield LOOP, sentence(event)
        case ev.DeliveryDelayed():
            yield LOOP, sentence(event)
        case ev.Delivered() if event.late:
            yield LOOP, sentence(event)
        case _:
            return


def _found(parcel: pl.DataFrame) -> Iterator[str]:
    """Tell what marketing finds in a file that is not like every week's."""
    revision = int(parcel.get_column("revision").to_numpy().max())
    if revision == 1 and set(parcel["rung"].unique()) == {_CHAMPION}:
        return
    calls = int(parcel["treat"].sum())
    rungs = ", ".join(
        f"{name} {n:,}" for name, n in sorted(parcel["rung"].value_counts().iter_rows())
    )
    again = "" if revision == 1 else f", correction {revision}"
    yield f"finds {parcel.height:,} scores{again}: {calls} to call, answers by {rungs}"

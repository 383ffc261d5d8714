"""The year in figures: from the ledger, the tables and the delivered files.

The story's dates are used for one thing: to say how long an alarm came after its drift began, and
whether an alarm had a drift behind it at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import fmean
from typing import TypeVar

from tamid.app import App
from tamid.core import events as ev
from tamid.core.chain import Recorded
from tamid.core.values import Interval
from tamid.examples.telecom.demo_money import Worth, worth_of
from tamid.examples.telecom.demo_weeks import Weeks, weeks_of
from tamid.examples.telecom.demo_year import MODEL, Year

E = TypeVar("E", bound=ev.Event)

# The recovery is the mean over the first weeks of the new champion: one week alone is noisy.
_RECOVERY_WEEKS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A change of the world and what the loop made of it; None where that did not happen."""

    name: str
    onset: date
    alarm: date | None
    champion: date | None
    number: int
    lowest: float | None
    recovered: float | None

    @property
    def days_to_alarm(self) -> int | None:
        """Days from the first changed week to the alarm."""
        return None if self.alarm is None else (self.alarm - self.onset).days

    @property
    def days_to_champion(self) -> int | None:
        """Days from the alarm to the version that cured it."""
        if self.alarm is None or self.champion is None:
            return None
        return (self.champion - self.alarm).days


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All that the summary, the report and `--json` say."""

    demanded: float
    goal: float
    f1_at_release: float
    intervals: dict[str, Interval]
    weeks: Weeks
    worth: Worth
    drifts: tuple[Drift, ...]
    f1_weeks_lost: dict[str, float]
    bug_weeks: tuple[str, ...]
    bug_weeks_trained_on: int
    held_cases: int
    cases_closed: int
    cases_open: int
    deliveries: int
    duplicate_deliveries: int
    alarms: int
    false_alarms: int
    outage_rungs: dict[str, int]
    runs: int
    versions: int


def figures_of(year: Year) -> Figures:
    """Work out all figures of a year that was played."""
    app, records = year.app, year.app.records(MODEL)
    contract, state = app.contract(MODEL), app.state(MODEL)
    weeks = weeks_of(app, MODEL)
    drifts = _drifts(year, records, weeks)
    demanded = contract.monitoring.quality.at_least or 0.0
    named = {"ours": weeks.ours, "never": weeks.never, "manual": weeks.manual}
    lost = {
        name: sum(max(demanded - f1, 0.0) for f1 in weeks.series(who).values())
        for name, who in named.items()
    }
    first = next(e for e in _events(records, ev.RunFinished) if _led_to(records, e.run) == 1)
    refused = [e for e in _events(records, ev.DataRefused) if e.source == "rows"]
    closed, opened = _events(records, ev.CaseClosed), _events(records, ev.CaseOpened)
    sent = [(e.period, e.revision, e.sink) for e in _events(records, ev.Delivered)]
    alarms = [(r.at.date(), r.event) for r in records if isinstance(r.event, ev.AlarmRaised)]
    return Figures(
        demanded=demanded,
        goal=contract.goal.by or 0.0,
        f1_at_release=first.metrics["f1"],
        intervals=_intervals(app, weeks),
        weeks=weeks,
        worth=worth_of(app, MODEL, weeks, year.options.seed),
        drifts=drifts,
        f1_weeks_lost=lost,
        bug_weeks=tuple(sorted({p for e in refused for p in e.periods})),
        bug_weeks_trained_on=_trained_on_refused(records),
        held_cases=sum(e.kind == "held" for e in opened),
        cases_closed=len(closed),
        cases_open=len(state.open_cases),
        deliveries=len(sent),
        duplicate_deliveries=len(sent) - len(set(sent)),
        alarms=len(alarms),
        false_alarms=sum(not _real(day, alarm, drifts) for day, alarm in alarms),
        outage_rungs=_outage(records),
        runs=len(state.runs),
        versions=len(state.versions),
    )


def _drifts(year: Year, records: Sequence[Recorded], weeks: Weeks) -> tuple[Drift, ...]:
    first, story = year.world.first_live, year.story
    acts = {"competitor offer": story.offer_week, "billing change": story.billing_week}
    onsets = {name: first + timedelta(weeks=week) for name, week in acts.items()}
    last = date.fromisoformat(weeks.periods[-1])
    onsets = {name: day for name, day in onsets.items() if day <= last}
    ends = [*list(onsets.values())[1:], date.max]
    spans = zip(onsets.items(), ends, strict=True)
    return tuple(_drift(name, onset, end, records, weeks) for (name, onset), end in spans)


def _drift(name: str, onset: date, end: date, records: Sequence[Recorded], weeks: Weeks) -> Drift:
    alarm = champion = None
    number = 0
    for record in records:
        day = record.at.date()
        if not onset <= day < end:
            continue
        quality = isinstance(record.event, ev.AlarmRaised) and record.event.signal == "quality"
        if quality and alarm is None:
            alarm = day
        if isinstance(record.event, ev.Promoted) and alarm and champion is None:
            champion, number = day, record.event.number
    f1 = {date.fromisoformat(p): v for p, v in weeks.series(weeks.ours).items()}
    sick = [v for day, v in f1.items() if onset <= day < min(champion or end, end)]
    well = [v for day, v in f1.items() if champion and champion <= day < end]
    return Drift(
        name=name,
        onset=onset,
        alarm=alarm,
        champion=champion,
        number=number,
        lowest=min(sick, default=None),
        recovered=fmean(well[:_RECOVERY_WEEKS]) if well else None,
    )


def _real(day: date, alarm: ev.AlarmRaised, drifts: tuple[Drift, ...]) -> bool:
    """Say whether an alarm about quality fell between a drift's onset and its cure."""
    if alarm.signal != "quality":
        return False
    return any(d.onset <= day <= (d.champion or date.max) for d in drifts)


def _trained_on_refused(records: Sequence[Recorded]) -> int:
    """Return how many refused periods were offered to a run before they were repaired."""
    broken: dict[str, tuple[str, ...]] = {}
    learnt: set[str] = set()
    for record in records:
        event = record.event
        if isinstance(event, ev.DataRefused):
            broken[f"{event.source}/{event.batch}"] = event.periods
        if isinstance(event, ev.DataAccepted):
            broken.pop(f"{event.source}/{event.batch}", None)
        if isinstance(event, ev.RunStarted):
            learnt |= {p for periods in broken.values() for p in periods} & set(event.periods)
    return len(learnt)


def _outage(records: Sequence[Recorded]) -> dict[str, int]:
    """Return who answered in the period of the first outage, before it was healed."""
    down = {
        e.incident.removeprefix("outage/")
        for e in _events(records, ev.IncidentOpened)
        if e.incident.startswith("outage/")
    }
    for scored in _events(records, ev.Scored):
        if scored.period in down:
            return dict(scored.rungs)
    return {}


def _intervals(app: App, weeks: Weeks) -> dict[str, Interval]:
    """Return the interval that monitoring gave each week."""
    state = app.state(MODEL)
    found = {p: state.measure("quality", weeks.ours[p], p) for p in weeks.periods}
    return {p: m.interval for p, m in found.items() if m is not None and m.interval is not None}


def _led_to(records: Sequence[Recorded], run: str) -> int:
    """Return the version that a run became, 0 if none."""
    registered = _events(records, ev.VersionRegistered)
    return next((e.ref.number for e in registered if e.run == run), 0)


def _events(records: Sequence[Recorded], kind: type[E]) -> list[E]:
    return [r.event for r in records if isinstance(r.event, kind)]

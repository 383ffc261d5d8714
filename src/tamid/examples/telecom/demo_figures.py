"""The year in figures: from the ledger, the tables and the delivered files.

The story's dates are used to ask what became of what happened then: how long after its drift an
alarm came, whether it had a drift behind it at all, and whether the broken week was trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import fmean

from tamid.app import App
from tamid.core import events as ev
from tamid.core.chain import Recorded
from tamid.core.errors import Held
from tamid.core.paging import QUALITY, UNLABELLED
from tamid.core.values import Interval
from tamid.examples.telecom.demo_campaign import Campaign
from tamid.examples.telecom.demo_estimates import Estimates, estimates_of
from tamid.examples.telecom.demo_happenings import (
    Answer,
    Bug,
    Outage,
    answers_of,
    bug_of,
    of_kind,
    outages_of,
)
from tamid.examples.telecom.demo_money import Worth, worth_of
from tamid.examples.telecom.demo_policies import Policies
from tamid.examples.telecom.demo_weeks import Weeks, weeks_of
from tamid.examples.telecom.demo_year import MODEL, Year
from tamid.examples.telecom.report_releases import Releases, releases_of

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
    bug: Bug | None
    outages: tuple[Outage, ...]
    answers: tuple[Answer, ...]
    outage_day: date | None
    last_day: date
    horizon: timedelta
    cases: dict[str, int]
    cases_closed: int
    cases_open: int
    deliveries: int
    duplicate_deliveries: int
    alarms: int
    false_alarms: int
    runs: int
    versions: int
    estimates: Estimates
    releases: Releases
    policies: Policies | None = None
    campaign: Campaign | None = None

    @property
    def held_cases(self) -> int:
        """How many cases a held candidate opened."""
        return self.cases.get("held", 0)


def figures_of(year: Year) -> Figures:
    """Work out all figures of a year that was played.

    Raises:
        Held: no version was ever released, so that there is nothing to tell.
    """
    app, records = year.app, year.app.records(MODEL)
    contract, state = app.contract(MODEL), app.state(MODEL)
    if not state.reigns:
        raise Held(
            "no version was released in the year",
            why="no candidate passed its gates",
            fix="Play with more --customers, or look into it with `tamid cases` in its folder.",
        )
    weeks = weeks_of(app, MODEL)
    drifts = _drifts(year, records, weeks)
    demanded = contract.monitoring.quality.at_least or 0.0
    lost = {
        policy: sum(max(demanded - f1, 0.0) for f1 in series.values())
        for policy, series in weeks.f1.items()
    }
    first = next(e for e in of_kind(records, ev.RunFinished) if _led_to(records, e.run) == 1)
    opened = of_kind(records, ev.CaseOpened)
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
        bug=_bug(year, records),
        outages=outages_of(records),
        answers=answers_of(records),
        outage_day=_played(year, year.story.outage_week),
        last_day=year.world.last_day,
        horizon=contract.data.label.horizon,
        cases={kind: sum(e.kind == kind for e in opened) for kind in {e.kind for e in opened}},
        cases_closed=len(of_kind(records, ev.CaseClosed)),
        cases_open=len(state.open_cases),
        deliveries=year.postbox.parcels,
        duplicate_deliveries=year.postbox.repeated,
        alarms=len(alarms),
        false_alarms=sum(not _real(year, day, alarm, drifts) for day, alarm in alarms),
        runs=len(state.runs),
        versions=len(state.versions),
        estimates=estimates_of(state),
        releases=releases_of(state),
    )


def _played(year: Year, week: int) -> date | None:
    """Return the Sunday of a live week, None if it was not played."""
    day = year.world.first_live + timedelta(weeks=week)
    return day if day <= year.world.last_day else None


def _bug(year: Year, records: Sequence[Recorded]) -> Bug | None:
    day = _played(year, year.story.bug_week)
    return bug_of(records, day, day + year.story.bug_repaired_after) if day else None


def _drifts(year: Year, records: Sequence[Recorded], weeks: Weeks) -> tuple[Drift, ...]:
    story = year.story
    acts = {"competitor offer": story.offer_week, "billing change": story.billing_week}
    onsets = {name: day for name, week in acts.items() if (day := _played(year, week))}
    ends = [*list(onsets.values())[1:], date.max]
    return tuple(
        _drift(name, onset, end, records, weeks)
        for (name, onset), end in zip(onsets.items(), ends, strict=False)
    )


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
    ours = weeks.f1["ours"]
    f1 = {date.fromisoformat(p): ours[p] for p in weeks.chosen if p in ours}
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


def _real(year: Year, day: date, alarm: ev.AlarmRaised, drifts: tuple[Drift, ...]) -> bool:
    """Say whether an alarm has a drift behind it.

    About quality: it fell between a drift's onset and its cure. The drifts change who leaves; only
    with slow labels also what is seen, since whoever is about to leave then shows for weeks why.
    Complaints and gigabytes then stay where the drift moved them, whoever is champion.
    """
    if alarm.signal == QUALITY:
        return any(d.onset <= day <= (d.champion or date.max) for d in drifts)
    moved = year.options.slow_labels and alarm.signal in UNLABELLED
    return moved and any(d.onset <= day for d in drifts)


def _intervals(app: App, weeks: Weeks) -> dict[str, Interval]:
    """Return the interval that monitoring gave each week that one revision answered."""
    state = app.state(MODEL)
    found = {p: state.measure("quality", state.scored[p].number, p) for p in weeks.plain}
    return {p: m.interval for p, m in found.items() if m is not None and m.interval is not None}


def _led_to(records: Sequence[Recorded], run: str) -> int:
    """Return the version that a run became, 0 if none."""
    registered = of_kind(records, ev.VersionRegistered)
    return next((e.ref.number for e in registered if e.run == run), 0)

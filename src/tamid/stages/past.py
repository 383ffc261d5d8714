"""What a replay is told by: when things became known, and weeks and happenings as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from tamid.core import events as ev
from tamid.core.chain import Recorded
from tamid.core.contract.model import Contract
from tamid.core.values import KNOWN_AT
from tamid.stages.in_fact import Acted
from tamid.stages.quarantine import moments
from tamid.stages.reading import MOMENT

SERVED, FROZEN, ALWAYS = "served", "frozen", "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that the loop noticed or did, in plain words."""

    at: datetime
    kind: str
    text: str
    period: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """One period of a replay: the quality of what was served, and what others would have given.

    `version`: the one that answered for most rows. `others`: quality by rival. `acted`: what became
    of rows that campaigns had really acted on.
    """

    period: str
    rows: int
    version: int
    served: float
    low: float
    high: float
    others: Mapping[str, float] = field(default_factory=dict)
    acted: Acted = field(default_factory=Acted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What the loop would have done over a stretch of history, and how good it would have been.

    `means`: the mean over the weeks that all have, by "served" and rival. `acted`: what became of
    judged rows that campaigns had really acted on.
    """

    model: str
    metric: str
    higher_is_better: bool
    begin: datetime
    end: datetime
    ticks: int
    runs: int
    releases: int
    weeks: tuple[Week, ...]
    means: Mapping[str, float]
    happenings: tuple[Happening, ...]
    acted: Acted = field(default_factory=Acted)


def known_rows(contract: Contract, frame: pl.DataFrame) -> pl.Series:
    """Return when each row became known: what the contract's column says, else the row's time."""
    zone = contract.calendar.timezone
    column = contract.data.source.known_at or contract.data.time
    return _moments(frame, column, zone)


def known_labels(contract: Contract, frame: pl.DataFrame) -> pl.Series:
    """Return when each label became known.

    What the column of a separate label source says; else the event's moment plus the reporting
    lag, or the row's time plus horizon and lag.
    """
    label, zone = contract.data.label, contract.calendar.timezone
    if label.source is not None and label.source.known_at:
        return _moments(frame, label.source.known_at, zone)
    if label.event_time is not None:
        return _moments(frame, label.event_time, zone) + label.reporting_lag
    return _moments(frame, contract.data.time, zone) + label.horizon + label.reporting_lag


def known_events(contract: Contract, table: str, frame: pl.DataFrame) -> pl.Series:
    """Return when each event of a further table became known: when it happened."""
    return _moments(frame, contract.data.tables[table].time, contract.calendar.timezone)


def means_of(weeks: Sequence[Week], rivals: Sequence[str]) -> dict[str, float]:
    """Return the mean quality of what was served and of each rival, over the weeks all have."""
    common = [w for w in weeks if all(r in w.others for r in rivals)]
    if not common:
        return {}
    found = {SERVED: sum(w.served for w in common) / len(common)}
    return found | {r: sum(w.others[r] for w in common) / len(common) for r in rivals}


def happening(record: Recorded) -> Happening | None:
    """Return what an event means for the story of a replay; None for the routine of every tick."""
    event = record.event
    match event:
        case ev.Promoted():
            text = f"version {event.number} goes live: {event.reason}"
            return Happening(at=record.at, kind="release", text=text)
        case ev.RolledBack():
            text = f"back to version {event.back_to}: {event.reason}"
            return Happening(at=record.at, kind="rollback", text=text)
        case ev.AlarmRaised():
            text = f"{event.message} ({event.budget})" if event.budget else event.message
            return Happening(at=record.at, kind="alarm", text=text, period=event.period)
        case ev.Diagnosed():
            text = f"{event.cause}, retraining {event.retraining}: {'; '.join(event.reasons)}"
            return Happening(at=record.at, kind="diagnosis", text=text)
        case ev.RunStarted():
            text = f"{event.run} ({event.trigger}): {event.reason}"
            return Happening(at=record.at, kind="run", text=text)
        case ev.RunFailed():
            return Happening(at=record.at, kind="failed", text=f"{event.run}: {event.message}")
        case ev.Judged():
            text = f"{event.run} {event.outcome}: {'; '.join(event.reasons)}"
            return Happening(at=record.at, kind=event.outcome, text=text)
        case ev.DataRefused():
            text = f"{event.source} {event.batch} refused: {'; '.join(event.reasons)}"
            return Happening(at=record.at, kind="refused", text=text)
        case ev.CaseOpened():
            return Happening(at=record.at, kind="case", text=f"case {event.case}: {event.title}")
        case ev.RungSet():
            text = f"{event.rung} answers first: {event.reason}"
            return Happening(at=record.at, kind="rung", text=text)
        case _:
            return None


def _moments(frame: pl.DataFrame, column: str | None, zone: str) -> pl.Series:
    if column is None:
        return pl.Series(KNOWN_AT, [None] * frame.height, dtype=MOMENT)
    return moments(frame, column, zone)

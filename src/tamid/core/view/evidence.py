"""The links of a chain of evidence: one event with the details, numbers and report behind it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tamid.core import events as ev
from tamid.core.chain import Recorded
from tamid.core.view.scene import count
from tamid.core.view.snapshot import Line
from tamid.core.view.words import action_words, difference_words, line


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One link of the chain: an event in plain words, the details behind it, its place and hash."""

    line: Line
    hash: str
    details: tuple[str, ...] = ()
    report: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The answer to `why`: what is explained and the chain of evidence."""

    kind: str
    ident: str
    headline: str
    steps: tuple[Step, ...]


def step(record: Recorded) -> Step:
    """Return the link that a record makes."""
    return Step(
        line=line(record),
        hash=record.hash,
        details=tuple(_details(record.event)),
        report=_report(record.event),
    )


def _details(event: ev.Event) -> Iterator[str]:
    match event:
        case ev.Decided():
            for action in json.loads(event.actions):
                yield action_words(action)
        case ev.Judged():
            yield from event.reasons
            if event.difference is not None and math.isfinite(event.difference.point):
                yield difference_words(event.difference)
            if event.periods:
                yield f"judged on {_span(event.periods)}"
        case ev.RunStarted():
            yield f"contract {event.contract[:19]}, seed {event.seed}, window {event.window}"
            if event.held and event.window == "auto":
                yield f"window in force: {event.held}; {_proof(event)}"
            if event.out_of_season:
                yield f"windows {_unseasonal(event)}; they lack a season of the coming month"
            if event.periods:
                yield f"periods offered: {_span(event.periods)}"
            if event.degraded_periods:
                yield f"judged on the drifted periods {_span(event.degraded_periods)}"
            for pin in event.pins:
                yield f"table {pin.table} at version {pin.version}, {pin.digest[:19]}"
        case ev.Diagnosed():
            yield from event.reasons
            yield from (f"against other causes: {text}" for text in event.excluded)
            yield f"the matter goes to the {event.route.value}"
        case ev.AlarmRaised():
            yield f"noticed by {event.noticed_by}; budget: {event.budget or 'none stated'}"
        case ev.VersionRegistered():
            yield f"bundle {event.ref.bundle[:19]}, policy overlay {event.ref.overlay[:19]}"
        case ev.DataRefused() | ev.PeriodChecked():
            yield from event.reasons
        case ev.RungSet():
            for rung, value in sorted(event.measured.items()):
                yield f"{rung}: {value:.3f} on the drifted periods"


def _report(event: ev.Event) -> str:
    if isinstance(event, (ev.Judged, ev.CaseOpened, ev.RunFinished)):
        return event.report
    return event.evidence if isinstance(event, ev.Promoted) else ""


def _proof(event: ev.RunStarted) -> str:
    if event.by_weeks and not event.degraded_periods:
        return "another than all periods must be shown over weeks to be better"
    return "another must be shown to be better"


def _unseasonal(started: ev.RunStarted) -> str:
    """Say what becomes of windows without the coming season: proof is asked for after a drift."""
    names = ", ".join(started.out_of_season)
    return (
        f"held to a stricter proof: {names}" if started.degraded_periods else f"left out: {names}"
    )


def _span(periods: tuple[str, ...]) -> str:
    if len(periods) == 1:
        return periods[0]
    return f"{min(periods)} to {max(periods)} ({len(periods)} periods)"


def verdict_lines(report: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the gates of a judgement as sentences, failed ones first."""
    order = {"fail": 0, "undecided": 1, "pass": 2}
    verdicts = sorted(
        report.get("verdicts", []), key=lambda v: (order.get(v.get("outcome"), 3), v.get("gate"))
    )
    return tuple(_verdict(v) for v in verdicts)


def _verdict(verdict: Mapping[str, Any]) -> str:
    text = f"{verdict.get('gate')}: {verdict.get('outcome')}"
    if verdict.get("message"):  # it says the numbers in their own units
        rows = f", on {count(int(verdict['n']), 'row')}" if verdict.get("n") else ""
        return f"{text}; {verdict['message']}{rows}"
    measured, threshold = verdict.get("measured"), verdict.get("threshold")
    if measured is not None:
        text += f", measured {measured:.4g}"
        interval = verdict.get("interval")
        if interval:
            text += f" ({interval['low']:.4g} to {interval['high']:.4g})"
    if threshold is not None:
        text += f", threshold {threshold:.4g}"
    return text

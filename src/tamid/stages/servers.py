"""What model servers told: who answered online, and how a version on trial is doing there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from tamid.core.contract.model import Contract
from tamid.core.events import Event, ServerReported, TrialMeasured
from tamid.core.state import State, Version
from tamid.core.trial import CANARY, SHADOW, ArmCounts, Ruling, distance, rule
from tamid.core.values import instant, parse_instant
from tamid.ports import ServerReport, TrialReport
from tamid.stages.rig import Rig

# How often what only grew is told again; what changed is told at once.
OFTEN = timedelta(hours=1)
_CHAMPION = "champion"


def listen(rig: Rig, contract: Contract, state: State, now: datetime) -> Iterator[Event]:
    """Tell what servers reported since the last time, if it is news."""
    if rig.reports is None:
        return
    heard = rig.reports.heard(rig.model)
    for report in heard:
        if _is_news(report, state.servers.get(report.process)):
            yield _reported(report)
    version = state.versions.get(state.challenger)
    if version is not None and version.stage.startswith((SHADOW, CANARY)):
        yield from _tried(version, heard)


def _reported(report: ServerReport) -> ServerReported:
    return ServerReported(
        key=f"server/{report.process}/{report.at}",
        process=report.process,
        began=report.began,
        until=report.at,
        champion=report.champion,
        rungs=dict(report.rungs),
        changes=tuple(report.changes),
        restarts=report.restarts,
    )


def _is_news(report: ServerReport, known: ServerReported | None) -> bool:
    if known is None:
        return True
    if tuple(report.changes) != known.changes or report.champion != known.champion:
        return True
    return parse_instant(report.at) - parse_instant(known.until) >= OFTEN


def _tried(version: Version, heard: Sequence[ServerReport]) -> Iterator[TrialMeasured]:
    """Add up what all processes counted of the version in this stage, and judge it."""
    since = instant(version.stage_at) if version.stage_at else ""
    number = version.registered.ref.number
    mine = [
        (report.at, report.trial)
        for report in heard
        if report.trial is not None
        and (report.trial.number, report.trial.stage, report.trial.since)
        == (number, version.stage, since)
    ]
    if not mine:
        return
    until = max(at for at, _ in mine)
    arm = version.stage.partition(" ")[0]
    counts = {name: _sum([t for _, t in mine], name) for name in (arm, _CHAMPION)}
    seen = version.evidence
    shift, calls = seen.get("shift", 0.0), seen.get("calls", 1.0)
    ruling = rule(counts[arm], counts[_CHAMPION], shift, calls)
    if stopped := sorted({t.stopped for _, t in mine if t.stopped}):
        ruling = Ruling(verdict="fail", reasons=tuple(stopped))
    known = version.trial
    fresh = known is None or known.verdict != ruling.verdict
    if fresh or parse_instant(until) - parse_instant(known.until if known else until) >= OFTEN:
        yield TrialMeasured(
            key=f"trial/{number}/{version.stage}/{until}",
            number=number,
            stage=version.stage,
            verdict=ruling.verdict,
            reasons=ruling.reasons,
            arms={name: _told(count, counts[_CHAMPION]) for name, count in counts.items()},
            until=until,
        )


def _sum(trials: Sequence[TrialReport], arm: str) -> ArmCounts:
    found = ArmCounts()
    for trial in trials:
        found = found + trial.arms.get(arm, ArmCounts())
    return found


def _told(counts: ArmCounts, champion: ArmCounts) -> Mapping[str, float]:
    found = {
        "rows": counts.rows,
        "failed": counts.failed,
        "slow": counts.slow,
        "skipped": counts.skipped,
        "called": counts.called,
        "p99_s": counts.p99(),
        "apart": distance(counts.scores, champion.scores),
    }
    return {name: float(value) for name, value in found.items() if math.isfinite(value)}

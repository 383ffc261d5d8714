"""Estimates that were made and how they met their truth: what the next one is worth.

An estimate is a :class:`Measured` of the signal `estimate`, made before its labels came. `detail`
holds its parts: `raw` (before correction), `corrected` (0 where raw was nearer so far), `periods`
(merged into one), `calibrated_on` (periods), `sampling_error`, `baseline` (mean of the 4 latest
matured periods as known then), `weeks` and `skill` (of earlier estimates), `level`, `coverage` and
`checks` (of the intervals so far), `domain_auc`, `outside`, `bug`, and for F1
`at_reference_prevalence` and `expected_prevalence`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from tamid.core.events import Measured
from tamid.core.state import State
from tamid.core.stats.conformal import WINDOW, adaptive_width
from tamid.core.stats.corrected import reported
from tamid.core.stats.estimate import RECENT
from tamid.core.stats.metrics import METRICS
from tamid.core.stats.trust import Trust, skill, trust
from tamid.core.values import Interval

SIGNAL = "estimate"
# Stands for no skill at all where the recent past was never wrong: JSON knows no infinity.
_NO_SKILL = -99.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """An estimate, what was reported and assumed then, and the truth that it met."""

    period: str
    version: int
    raw: float
    reported: float
    baseline: float
    realised: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """A raw estimate after what the past says of it; `detail` as in the module's docstring."""

    value: float
    interval: Interval | None
    detail: Mapping[str, float] = field(default_factory=dict)


def met(state: State) -> tuple[Met, ...]:
    """Return the estimates whose period has been measured since, of every version, oldest first."""
    found = []
    for name, periods in state.measured.items():
        signal, _, version = name.partition("@")
        if signal != SIGNAL:
            continue
        for period, seen in periods.items():
            truth = _realised(state, int(version), period, int(seen.detail.get("periods", 1)))
            if math.isfinite(truth):
                found.append(_met(seen, truth))
    return tuple(sorted(found, key=lambda m: (m.period, m.version)))


def outlook(metric: str, state: State, version: int, raw: float, pending: int) -> Outlook:
    """Return the estimate to report, with an interval and how earlier ones fared.

    Bias is a version's own; the width of the interval and the skill are the estimator's and go over
    all versions. `pending`: estimates made since the last one that met its truth.
    """
    history = met(state)[-WINDOW:]
    own = [m for m in history if m.version == version]
    chosen = reported(metric, raw, [m.raw for m in own], [m.realised for m in own], pending)
    facts = METRICS[metric]
    value = min(max(chosen.value, facts.low), facts.high)
    width = adaptive_width([m.realised - m.reported for m in history], delay=pending)
    judged = [m for m in history if math.isfinite(m.baseline)]
    told, truth, base = (
        [getattr(m, name) for m in judged] for name in ("reported", "realised", "baseline")
    )
    detail = {
        "raw": raw,
        "corrected": float(chosen.corrected),
        "baseline": _baseline(state, version),
        "weeks": float(len(judged)),
        "skill": max(skill(told, truth, base), _NO_SKILL) if judged else math.nan,
        "level": width.level,
        "coverage": width.coverage,
        "checks": float(width.checks),
    }
    interval = width.around(value, facts.low, facts.high) if math.isfinite(width.half) else None
    return Outlook(
        value=value,
        interval=interval,
        detail={k: v for k, v in detail.items() if math.isfinite(v)},
    )


def trust_of(seen: Measured) -> Trust:
    """Return the grade of a recorded estimate, from the facts recorded beside it."""
    known = seen.detail
    return trust(
        weeks=int(known.get("weeks", 0)),
        skill=known.get("skill", math.nan),
        domain_auc=known.get("domain_auc", math.nan),
        outside=known.get("outside", math.nan),
        bug_open=known.get("bug", 0.0) > 0,
    )


def record_of(seen: Measured) -> str:
    """Say how the intervals given until an estimate was made have fared."""
    checks = int(seen.detail.get("checks", 0))
    if not checks or "coverage" not in seen.detail:
        return "no interval has met its truth yet"
    held = round(seen.detail["coverage"] * checks)
    return f"{held} of {checks} intervals so far held the truth"


def _met(seen: Measured, truth: float) -> Met:
    return Met(
        period=seen.period,
        version=seen.model_version,
        raw=seen.detail.get("raw", seen.value),
        reported=seen.value,
        baseline=seen.detail.get("baseline", math.nan),
        realised=truth,
    )


def _realised(state: State, version: int, period: str, merged: int) -> float:
    """Return the quality of the merged periods, each weighted by its rows; NaN until all are in."""
    scored = [p for p, s in sorted(state.scored.items()) if s.number == version and p <= period]
    seen = [state.measure("quality", version, p) for p in scored[-merged:]]
    known = [m for m in seen if m is not None and math.isfinite(m.value)]
    rows = sum(m.rows for m in known)
    if not known or len(known) < len(seen) or rows <= 0 or known[-1].period != period:
        return math.nan
    return math.fsum(m.value * m.rows for m in known) / rows


def _baseline(state: State, version: int) -> float:
    """Return the mean of the version's latest matured periods; at first that of its reference."""
    seen = state.measured.get(f"quality@{version}", {})
    values = [seen[p].value for p in sorted(seen) if math.isfinite(seen[p].value)]
    registered = state.versions.get(version)
    usual = registered.registered.reference.get("quality", ()) if registered else ()
    recent = values[-RECENT:] or list(usual)
    return sum(recent) / len(recent) if recent else math.nan

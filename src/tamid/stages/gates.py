"""Gates: the evidence on a candidate, held against the contract, and the outcome.

All gates are on by default; what the contract sets are their thresholds. Each verdict carries its
number, its threshold, its interval and the rows it rests on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from tamid.core.stats.compare import MIN_MASS_ROWS, Comparison, compare
from tamid.core.stats.intervals import metric_interval
from tamid.core.stats.metrics import metric_of
from tamid.core.values import PERIOD, STATIC_PERIOD, Interval, Task, jsonable
from tamid.core.verdict import GateOutcome, GateVerdict, Outcome, conclude, reasons
from tamid.core.windows import FEWEST_POSITIVES, JUDGED_SHARE
from tamid.stages.availability import availability
from tamid.stages.evidence import ALPHA, Evidence, groups_of, mass_of, terms_of
from tamid.stages.filing import numbered
from tamid.stages.guards import (
    bug_free,
    calibration,
    calibration_against,
    clean_tree,
    fairness,
    fairness_change,
    handoff,
    latency_against,
    parity,
    service,
    spread,
)
from tamid.stages.slices import slices

# Once the champion is known to have failed, any replacement that is not clearly worse helps.
DEGRADED_MARGIN = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The outcome with its verdicts, reasons and the full report."""

    outcome: Outcome
    verdicts: tuple[GateVerdict, ...]
    reasons: tuple[str, ...]
    failed: tuple[str, ...]
    difference: Interval | None
    decidable_at: str
    periods_missing: int
    report: dict[str, Any]


def judge(evidence: Evidence) -> Judgement:
    """Hold all gates against a candidate; the same evidence gives the same judgement."""
    comparison = _comparison(evidence.shared())
    verdicts = tuple(v for gate in _GATES for v in gate(evidence))
    first = comparison is None
    told = (verdicts, comparison, first, evidence.degraded, _equal_taken(evidence, comparison))
    outcome = conclude(*told)
    missing = _missing(outcome, comparison, verdicts)
    return Judgement(
        outcome=outcome,
        verdicts=verdicts,
        reasons=reasons(*told),
        failed=tuple(v.gate for v in verdicts if v.outcome is GateOutcome.FAIL),
        difference=comparison.difference if comparison else None,
        decidable_at=_when(evidence, missing),
        periods_missing=missing,
        report={
            "outcome": outcome.value,
            "verdicts": jsonable(verdicts),
            "comparison": jsonable(comparison) if comparison else None,
            "rows": evidence.rows.height,
            "periods": sorted(evidence.rows.get_column(PERIOD).unique().to_list()),
            "degraded": evidence.degraded,
            "attempt": evidence.attempt,
            "probe": dict(evidence.probe),
        },
    )


def _missing(
    outcome: Outcome, comparison: Comparison | None, verdicts: tuple[GateVerdict, ...]
) -> int:
    """Return for how many more periods an undecided outcome waits, 0 if nobody can say."""
    if outcome is not Outcome.UNDECIDED:
        return 0
    waits = [v.missing for v in verdicts if v.outcome is GateOutcome.UNDECIDED and v.blocking]
    weeks = comparison.decidable_after_weeks if comparison else None
    return max([*waits, weeks or 0])


def _when(e: Evidence, missing: int) -> str:
    if not missing:
        return ""
    every = e.contract.delivery.every
    unit = "week" if every == timedelta(weeks=1) else "period"
    unit = unit if missing == 1 else f"{unit}s"
    date = "" if e.now is None else f", about {(e.now + missing * every).date().isoformat()}"
    return f"after {missing} more {unit} of labels{date}"


def _comparison(e: Evidence) -> Comparison | None:
    if e.champion is None:
        return None
    margin = e.contract.gates.champion.margin
    found = compare(
        terms_of(e, e.champion, e.champion_threshold),
        terms_of(e, e.rows.get_column("score"), e.threshold),
        groups_of(e.rows),
        margin=max(margin, DEGRADED_MARGIN) if e.degraded else margin,
        rng=e.rng,
        alpha=ALPHA / e.attempt,
        degraded=e.degraded,
    )
    if found.n:
        return found
    why = "the champion has learnt from all judged rows: nothing to compare it on yet"
    return replace(found, message=why)


def _equal_taken(e: Evidence, comparison: Comparison | None) -> bool:
    """Say whether the candidate of a routine run is taken unless it is shown to be worse.

    The very same answers are no refresh. A second candidate on the same periods has to be shown to
    be no worse: with a wider alpha for each, some bad one would come through.
    """
    if comparison is None or not e.refresh or e.contract.retraining.equal == "keep":
        return False
    return e.attempt == 1 and comparison.difference.high > 0


def _minimums(e: Evidence) -> Iterator[GateVerdict]:
    """The metrics that the contract demands, on out-of-time rows.

    Few positives (or rows) are no evidence, unless even the best end of the interval is too low.
    """
    for name, demanded in sorted(e.contract.gates.minimum.items()):
        found = terms_of(e, e.rows.get_column("score"), e.threshold, name)
        value = found.point()
        sign = metric_of(name, e.contract.task).sign()
        entities = numbered(e.rows)
        interval = metric_interval(found, clusters=entities)
        mass = mass_of(e, e.rows)
        below = sign * (interval.high if sign > 0 else interval.low) < sign * demanded
        shown = below and mass >= MIN_MASS_ROWS
        passed = sign * value >= sign * demanded
        outcome = GateOutcome.PASS if passed else GateOutcome.FAIL
        decided = mass >= FEWEST_POSITIVES or shown
        what = "positives" if e.contract.task is Task.BINARY else "rows"
        yield GateVerdict(
            gate=f"minimum {name}",
            outcome=outcome if decided else GateOutcome.UNDECIDED,
            measured=value,
            threshold=demanded,
            interval=interval,
            n=e.rows.height,
            message=f"{name} {value:.3f} ({interval.low:.3f} to {interval.high:.3f}), "
            f"demanded {demanded:g}"
            + ("" if decided else f": {mass} {what} of {FEWEST_POSITIVES} needed to tell")
            + (": shown to be too low" if decided and below else ""),
            missing=0 if decided else _periods_missing(e, mass),
        )


def _periods_missing(e: Evidence, mass: int) -> int:
    """Return after how many more periods there are enough positives, at the present rate.

    Of a first run's periods a third is judged; later all that the champion does not know are.
    """
    periods = e.rows.get_column(PERIOD)
    if periods.eq(STATIC_PERIOD).any() or not mass:
        return 0
    short = math.ceil((FEWEST_POSITIVES - mass) * periods.n_unique() / mass)
    return short * (JUDGED_SHARE if e.champion is None else 1)


def _baselines(e: Evidence) -> Iterator[GateVerdict]:
    """Simple models that a candidate must beat to be worth its keep.

    It fails when it is shown not to be better; as long as that is open, a candidate that looks no
    better waits, and one that looks better does not.
    """
    known = json.loads(e.report).get("baselines", {})
    for name in e.contract.gates.baselines:
        threshold = float(known.get(name, {}).get("threshold", 0.5))
        simple = terms_of(e, e.rows.get_column(f"baseline_{name}"), threshold)
        mine = terms_of(e, e.rows.get_column("score"), e.threshold)
        found = compare(simple, mine, groups_of(e.rows), margin=0.0, rng=e.rng, degraded=e.degraded)
        gain = found.difference
        outcome = GateOutcome.PASS if gain.low > 0 else GateOutcome.UNDECIDED
        worse = gain.high <= 0
        doubt = "" if outcome is GateOutcome.PASS or worse else ", not shown to be better"
        yield GateVerdict(
            gate=f"baseline {name}",
            outcome=GateOutcome.FAIL if worse else outcome,
            measured=gain.point,
            threshold=0.0,
            interval=gain,
            n=found.n,
            message=f"{gain.point:+.3f} against {name} ({gain.low:+.3f} to {gain.high:+.3f})"
            + doubt,
            blocking=not gain.point > 0,
            missing=found.decidable_after_weeks or 0,
        )


_GATES: tuple[Callable[[Evidence], Iterator[GateVerdict]], ...] = (
    _minimums,
    _baselines,
    bug_free,
    slices,
    fairness,
    fairness_change,
    calibration,
    calibration_against,
    spread,
    parity,
    service,
    latency_against,
    availability,
    clean_tree,
    handoff,
)

"""Gates: the evidence on a candidate, held against the contract, and the outcome.

All gates are on by default; what the contract sets are their thresholds. Each verdict carries its
number, its threshold, its interval and the rows it rests on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tamid.core.stats.compare import Comparison, compare
from tamid.core.stats.intervals import metric_interval
from tamid.core.stats.metrics import metric_of
from tamid.core.values import ENTITY, PERIOD, Interval, jsonable
from tamid.core.verdict import GateOutcome, GateVerdict, Outcome, conclude, reasons
from tamid.stages.evidence import Evidence, cuts_of, groups_of, mass_of, terms_of
from tamid.stages.guards import calibration, clean_tree, fairness, parity, service

# Once the champion is known to have failed, any replacement that is not clearly worse helps.
DEGRADED_MARGIN = 0.02
# A slice or a minimum on fewer positives (or rows) than this is no evidence.
FEWEST_POSITIVES = 100
ALPHA = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The outcome with its verdicts, reasons and the full report."""

    outcome: Outcome
    verdicts: tuple[GateVerdict, ...]
    reasons: tuple[str, ...]
    failed: tuple[str, ...]
    difference: Interval | None
    decidable_at: str
    report: dict[str, Any]


def judge(evidence: Evidence) -> Judgement:
    """Hold all gates against a candidate; the same evidence gives the same judgement."""
    comparison = _comparison(evidence)
    verdicts = tuple(v for gate in _GATES for v in gate(evidence))
    first = comparison is None
    outcome = conclude(verdicts, comparison, first, evidence.degraded)
    weeks = comparison.decidable_after_weeks if comparison else None
    return Judgement(
        outcome=outcome,
        verdicts=verdicts,
        reasons=reasons(verdicts, comparison, first, evidence.degraded),
        failed=tuple(v.gate for v in verdicts if v.outcome is GateOutcome.FAIL),
        difference=comparison.difference if comparison else None,
        decidable_at=f"after {weeks} more weeks of labels" if weeks else "",
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


def _comparison(e: Evidence) -> Comparison | None:
    if e.champion is None:
        return None
    margin = e.contract.gates.champion.margin
    return compare(
        terms_of(e, e.champion, e.champion_threshold),
        terms_of(e, e.rows.get_column("score"), e.threshold),
        groups_of(e.rows),
        margin=max(margin, DEGRADED_MARGIN) if e.degraded else margin,
        rng=e.rng,
        alpha=ALPHA / e.attempt,
        degraded=e.degraded,
    )


def _minimums(e: Evidence) -> Iterator[GateVerdict]:
    """The metrics that the contract demands, on out-of-time rows."""
    for name, demanded in sorted(e.contract.gates.minimum.items()):
        found = terms_of(e, e.rows.get_column("score"), e.threshold, name)
        value = found.point()
        sign = metric_of(name, e.contract.task).sign()
        entities = e.rows.get_column(ENTITY).to_numpy()
        interval = metric_interval(found, clusters=entities)
        enough = mass_of(e, e.rows) >= FEWEST_POSITIVES
        passed = sign * value >= sign * demanded
        outcome = GateOutcome.PASS if passed else GateOutcome.FAIL
        yield GateVerdict(
            gate=f"minimum {name}",
            outcome=outcome if enough else GateOutcome.UNDECIDED,
            measured=value,
            threshold=demanded,
            interval=interval,
            n=e.rows.height,
            message=f"{name} {value:.3f} ({interval.low:.3f} to {interval.high:.3f}), "
            f"demanded {demanded:g}" + ("" if enough else ", on too few rows"),
        )


def _baselines(e: Evidence) -> Iterator[GateVerdict]:
    """Simple models that a candidate must beat to be worth its keep."""
    known = json.loads(e.report).get("baselines", {})
    for name in e.contract.gates.baselines:
        threshold = float(known.get(name, {}).get("threshold", 0.5))
        simple = terms_of(e, e.rows.get_column(f"baseline_{name}"), threshold)
        mine = terms_of(e, e.rows.get_column("score"), e.threshold)
        found = compare(simple, mine, groups_of(e.rows), margin=0.0, rng=e.rng, degraded=e.degraded)
        gain = found.difference
        outcome = GateOutcome.PASS if gain.low > 0 else GateOutcome.UNDECIDED
        yield GateVerdict(
            gate=f"baseline {name}",
            outcome=GateOutcome.FAIL if gain.point <= 0 else outcome,
            measured=gain.point,
            threshold=0.0,
            interval=gain,
            n=found.n,
            message=f"{gain.point:+.3f} against {name} ({gain.low:+.3f} to {gain.high:+.3f})",
            blocking=False,
        )


def _slices(e: Evidence) -> Iterator[GateVerdict]:
    """No slice may be proven to fall behind the champion by more than allowed (Bonferroni)."""
    if e.champion is None:
        return
    allowed = e.contract.gates.slices.max_drop
    cells = [
        (column, value, mask)
        for column in e.contract.gates.slices.by
        for value, mask in cuts_of(e.rows, column)
        if mass_of(e, e.rows.filter(mask)) >= FEWEST_POSITIVES
    ]
    for column, value, mask in cells:
        part = e.rows.filter(mask)
        found = compare(
            terms_of(e, e.champion.filter(mask), e.champion_threshold, rows=part),
            terms_of(e, part.get_column("score"), e.threshold, rows=part),
            groups_of(part),
            margin=allowed,
            rng=e.rng,
            alpha=ALPHA / len(cells),
            degraded=e.degraded,
        )
        drop = found.difference
        proven = drop.high < -allowed
        likely = drop.point < -allowed
        outcome = GateOutcome.UNDECIDED if likely else GateOutcome.PASS
        yield GateVerdict(
            gate=f"slice {column}={value}",
            outcome=GateOutcome.FAIL if proven else outcome,
            measured=drop.point,
            threshold=-allowed,
            interval=drop,
            n=part.height,
            message=f"{found.metric} {drop.point:+.3f} against the champion "
            f"({drop.low:+.3f} to {drop.high:+.3f}), allowed {-allowed:+.3f}",
            blocking=False,
        )


_GATES: tuple[Callable[[Evidence], Iterator[GateVerdict]], ...] = (
    _minimums,
    _baselines,
    _slices,
    fairness,
    calibration,
    parity,
    service,
    clean_tree,
)

"""Gates: the evidence on a candidate, held against the contract, and the outcome.

All gates are on by default; what the contract sets are their thresholds. Each verdict carries its
number, its threshold, its interval and the rows it rests on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.random import Generator

from tamid.core.contract.metrics import champion_metric
from tamid.core.contract.model import Contract
from tamid.core.stats.blocks import Groups
from tamid.core.stats.calibration import calibration_error
from tamid.core.stats.compare import Comparison, compare
from tamid.core.stats.fairness import Standing, fairness_gaps, worst_gap
from tamid.core.stats.intervals import metric_interval
from tamid.core.stats.metrics import Terms, metric_of, terms
from tamid.core.values import ENTITY, LABEL, PERIOD, TIME, WEIGHT, Interval, Task, jsonable
from tamid.core.verdict import GateOutcome, GateVerdict, Outcome, conclude, reasons

# Once the champion is known to have failed, any replacement that is not clearly worse helps.
DEGRADED_MARGIN = 0.02
# A slice or a minimum on fewer positives (or rows) than this is no evidence.
FEWEST_POSITIVES = 100
# A stored model may differ from the trained one by rounding, never in a decision.
PARITY = 1e-6
ALPHA = 0.05


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """What a candidate is judged on.

    `rows`: judged rows with `_label`, `_weight`, `score`, `baseline_*` and the raw columns that cut
    slices and groups. `champion`: its scores of the same rows, None on a first run. `attempt`:
    how many candidates were judged on this matter, this one included; alpha is shared among them.
    `probe`: measured in a clean process. `report`: the run's own, as JSON.
    """

    contract: Contract
    rows: pl.DataFrame
    threshold: float
    champion: pl.Series | None
    champion_threshold: float
    probe: Mapping[str, float]
    degraded: bool
    attempt: int
    report: str
    rng: Generator


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
        _terms(e, e.champion, e.champion_threshold),
        _terms(e, e.rows.get_column("score"), e.threshold),
        _groups(e.rows),
        margin=max(margin, DEGRADED_MARGIN) if e.degraded else margin,
        rng=e.rng,
        alpha=ALPHA / e.attempt,
        degraded=e.degraded,
    )


def _minimums(e: Evidence) -> Iterator[GateVerdict]:
    """The metrics that the contract demands, on out-of-time rows."""
    for name, demanded in sorted(e.contract.gates.minimum.items()):
        found = _terms(e, e.rows.get_column("score"), e.threshold, name)
        value = found.point()
        sign = metric_of(name, e.contract.task).sign()
        entities = e.rows.get_column(ENTITY).to_numpy()
        interval = metric_interval(found, clusters=entities)
        enough = _mass(e, e.rows) >= FEWEST_POSITIVES
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
        simple = _terms(e, e.rows.get_column(f"baseline_{name}"), threshold)
        mine = _terms(e, e.rows.get_column("score"), e.threshold)
        found = compare(simple, mine, _groups(e.rows), margin=0.0, rng=e.rng, degraded=e.degraded)
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
        for value, mask in _cuts(e.rows, column)
        if _mass(e, e.rows.filter(mask)) >= FEWEST_POSITIVES
    ]
    for column, value, mask in cells:
        part = e.rows.filter(mask)
        found = compare(
            _terms(e, e.champion.filter(mask), e.champion_threshold, rows=part),
            _terms(e, part.get_column("score"), e.threshold, rows=part),
            _groups(part),
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


def _fairness(e: Evidence) -> Iterator[GateVerdict]:
    """Protected groups: fails only on a gap that the interval proves."""
    gate = e.contract.gates.fairness
    protected = {c: e.rows.get_column(c).cast(pl.String).to_numpy() for c in gate.protected}
    if e.contract.task is not Task.BINARY or not protected:
        return
    called = (e.rows.get_column("score").to_numpy() >= e.threshold).astype(np.float64)
    gaps = fairness_gaps(
        e.rows.get_column(LABEL).cast(pl.Float64).to_numpy(),
        called,
        protected,
        measure=gate.measure,
        max_gap=gate.max_gap,
        weights=e.rows.get_column(WEIGHT).to_numpy(),
        clusters=e.rows.get_column(ENTITY).to_numpy(),
    )
    for column in gate.protected:
        worst = worst_gap(tuple(g for g in gaps if g.attribute == column))
        if worst is None:
            continue
        outcome = {
            Standing.BLOCK: GateOutcome.FAIL,
            Standing.TOO_SMALL: GateOutcome.UNDECIDED,
        }.get(worst.standing, GateOutcome.PASS)
        yield GateVerdict(
            gate=f"fairness {column}",
            outcome=outcome,
            measured=worst.gap.point,
            threshold=gate.max_gap,
            interval=worst.gap,
            n=worst.n,
            message=f"{gate.measure} of {worst.group}: gap {worst.gap.point:+.3f} "
            f"({worst.gap.low:+.3f} to {worst.gap.high:+.3f}), {worst.standing.value}"
            + (", low power" if worst.low_power else ""),
            blocking=False,
        )


def _calibration(e: Evidence) -> Iterator[GateVerdict]:
    """Scores must mean what they say."""
    if e.contract.task is not Task.BINARY:
        return
    y = e.rows.get_column(LABEL).cast(pl.Float64).to_numpy()
    score = e.rows.get_column("score").to_numpy()
    error = calibration_error(y, score, e.rows.get_column(WEIGHT).to_numpy())
    allowed = e.contract.gates.calibration.max_ece
    yield GateVerdict(
        gate="calibration",
        outcome=GateOutcome.PASS if error <= allowed else GateOutcome.FAIL,
        measured=error,
        threshold=allowed,
        n=len(y),
        message=f"expected calibration error {error:.3f}, allowed {allowed:g}",
    )


def _parity(e: Evidence) -> Iterator[GateVerdict]:
    """The stored model is the trained model, and the golden rows score as they did."""
    parity = json.loads(e.report).get("parity", {})
    checks = {
        "parity": float(parity.get("largest_difference", np.inf)),
        "golden rows": float(e.probe.get("golden_difference", np.inf)),
    }
    flipped = int(parity.get("flipped", 0))
    for name, difference in checks.items():
        same = difference <= PARITY and not (name == "parity" and flipped)
        yield GateVerdict(
            gate=name,
            outcome=GateOutcome.PASS if same else GateOutcome.FAIL,
            measured=difference,
            threshold=PARITY,
            n=int(parity.get("rows", 0)),
            message=f"largest difference {difference:.2g}"
            + (f", {flipped} decisions flipped" if name == "parity" else ""),
        )


def _service(e: Evidence) -> Iterator[GateVerdict]:
    """Latency, memory, size and start time, measured in a clean process."""
    service = e.contract.service
    limits = {
        "p99_ms": ("latency", service.p99_ms, "ms for one row (99th percentile)"),
        "memory_mb": ("memory", service.memory_mb, "MB"),
        "size_mb": ("size", service.size_mb, "MB"),
        "start_s": ("start", service.start_s, "s to the first answer"),
    }
    for key, (name, allowed, unit) in limits.items():
        value = float(e.probe.get(key, np.inf))
        yield GateVerdict(
            gate=f"service {name}",
            outcome=GateOutcome.PASS if value <= allowed else GateOutcome.FAIL,
            measured=value,
            threshold=allowed,
            message=f"{value:.3g} {unit}, allowed {allowed:g}",
        )


_GATES: tuple[Callable[[Evidence], Iterator[GateVerdict]], ...] = (
    _minimums,
    _baselines,
    _slices,
    _fairness,
    _calibration,
    _parity,
    _service,
)


def _terms(
    e: Evidence,
    scores: pl.Series,
    threshold: float,
    name: str = "",
    *,
    rows: pl.DataFrame | None = None,
) -> Terms:
    frame = e.rows if rows is None else rows
    return terms(
        name or champion_metric(e.contract),
        e.contract.task,
        frame.get_column(LABEL).cast(pl.Float64).to_numpy(),
        scores.cast(pl.Float64).to_numpy(),
        threshold=threshold,
        weights=frame.get_column(WEIGHT).to_numpy(),
    )


def _groups(rows: pl.DataFrame) -> Groups:
    entity = rows.get_column(ENTITY).cast(pl.String).rank("dense").cast(pl.Int64).to_numpy()
    if rows.get_column(TIME).null_count():
        return Groups(entity=entity)
    day = rows.get_column(TIME).cast(pl.Date).to_physical().cast(pl.Int64).to_numpy()
    week = rows.get_column(PERIOD).rank("dense").cast(pl.Int64).to_numpy()
    return Groups(entity=entity, day=day, week=week)


def _cuts(rows: pl.DataFrame, column: str) -> list[tuple[str, pl.Series]]:
    values = rows.get_column(column)
    known = sorted(values.drop_nulls().unique().to_list(), key=str)
    return [(str(v), (values == v).fill_null(value=False)) for v in known]


def _mass(e: Evidence, rows: pl.DataFrame) -> int:
    if e.contract.task is not Task.BINARY:
        return rows.height
    return int((rows.get_column(LABEL) == 1).sum())

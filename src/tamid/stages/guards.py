"""Guard rails: fairness, calibration, parity and service, each with its number and its limit."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import polars as pl

from tamid.core.stats.calibration import calibration_error
from tamid.core.stats.fairness import Standing, fairness_gaps, worst_gap
from tamid.core.values import ENTITY, LABEL, WEIGHT, Task
from tamid.core.verdict import GateOutcome, GateVerdict
from tamid.stages.evidence import Evidence

# A stored model may differ from the trained one by rounding, never in a decision.
PARITY = 1e-6


def fairness(e: Evidence) -> Iterator[GateVerdict]:
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


def clean_tree(e: Evidence) -> Iterator[GateVerdict]:
    """What nobody can check out again may be tried, not released."""
    if e.dirty:
        yield GateVerdict(
            gate="clean tree",
            outcome=GateOutcome.FAIL,
            message="the contract or the code has changes that are not committed",
        )


def calibration(e: Evidence) -> Iterator[GateVerdict]:
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


def parity(e: Evidence) -> Iterator[GateVerdict]:
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


def service(e: Evidence) -> Iterator[GateVerdict]:
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

"""Guard rails: fairness, calibration, parity and service, each with its number and its limit."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import polars as pl

from tamid.core.stats.arrays import Floats
from tamid.core.stats.drift import number_counts, profile_numbers, psi
from tamid.core.stats.fairness import Standing, fairness_gaps, gap_changes, worst_gap
from tamid.core.stats.miscalibration import calibration_change, calibration_interval
from tamid.core.values import LABEL, WEIGHT, Task
from tamid.core.verdict import GateOutcome, GateVerdict
from tamid.stages.evidence import Evidence
from tamid.stages.filing import numbered

# A stored model may differ from the trained one by rounding, never in a decision.
PARITY = 1e-6
# A calibration error may grow by a point before a consumer of the scores would notice.
LESS_CALIBRATED = 0.01
# The usual limit of "far" for a PSI, and rows enough to tell it from chance. No proof of harm (new
# scores should differ after a drift), but who acts on scores will meet other ones.
UNLIKE, FEWEST_FOR_SPREAD = 0.25, 1000
# So many times as long as the champion's is slow, as a canary would have it.
SLOWER = 1.5
_STANDS = {
    Standing.FINE: "fine",
    Standing.FLAG: "flag",
    Standing.BLOCK: "block",
    Standing.TOO_SMALL: "too small to judge",
}


def bug_free(e: Evidence) -> Iterator[GateVerdict]:
    """Rows and labels that are known to be wrong decide nothing."""
    if e.buggy:
        yield GateVerdict(
            gate="bug-free periods",
            outcome=GateOutcome.UNDECIDED,
            n=len(e.buggy),
            message=f"rows or labels of {', '.join(e.buggy)} are known to be wrong",
        )


def fairness(e: Evidence) -> Iterator[GateVerdict]:
    """Protected groups: fails only on a gap that the interval proves."""
    gate = e.contract.gates.fairness
    if e.contract.task is not Task.BINARY or not gate.protected:
        return
    gaps = fairness_gaps(
        e.rows.get_column(LABEL).cast(pl.Float64).to_numpy(),
        _called(e.rows.get_column("score"), e.threshold),
        _groups(e),
        measure=gate.measure,
        max_gap=gate.max_gap,
        weights=e.rows.get_column(WEIGHT).to_numpy(),
        clusters=numbered(e.rows),
    )
    for column in gate.protected:
        mine = tuple(g for g in gaps if g.attribute == column)
        worst = worst_gap(mine)
        if worst is None:
            continue
        outcome = {
            Standing.BLOCK: GateOutcome.FAIL,
            Standing.TOO_SMALL: GateOutcome.UNDECIDED,
        }.get(worst.standing, GateOutcome.PASS)
        others = [g for g in mine if g is not worst]
        small = [g for g in others if g.standing is Standing.TOO_SMALL]
        wide = [g for g in others if g.standing in (Standing.BLOCK, Standing.FLAG)]
        yield GateVerdict(
            gate=f"fairness {column}",
            outcome=outcome,
            measured=worst.gap.point,
            threshold=gate.max_gap,
            interval=worst.gap,
            n=worst.n,
            message=f"{gate.measure} of {worst.group}: gap {worst.gap.point:+.3f} "
            f"({worst.gap.low:+.3f} to {worst.gap.high:+.3f}), {_STANDS[worst.standing]}"
            + (", low power" if worst.low_power else "")
            + "".join(f"; {g.group} {g.gap.point:+.3f}, {_STANDS[g.standing]}" for g in wide)
            + "".join(f"; {g.group} too small to judge ({g.n})" for g in small),
            blocking=False,
        )


def fairness_change(e: Evidence) -> Iterator[GateVerdict]:
    """Protected groups: fails on a gap above the limit that is shown to be wider than it was."""
    gate, paired = e.contract.gates.fairness, e.shared()
    if paired.champion is None or e.contract.task is not Task.BINARY or paired.rows.is_empty():
        return
    y = paired.rows.get_column(LABEL).cast(pl.Float64).to_numpy()
    called = _called(paired.rows.get_column("score"), e.threshold)
    weights = paired.rows.get_column(WEIGHT).to_numpy()
    clusters = numbered(paired.rows)
    before = _called(paired.champion, e.champion_threshold)
    changes = gap_changes(
        y, before, called, _groups(paired),
        rng=e.rng, measure=gate.measure, weights=weights, clusters=clusters,
    )  # fmt: skip
    gaps = fairness_gaps(
        y, called, _groups(paired), measure=gate.measure, weights=weights, clusters=clusters
    )
    now = {(g.attribute, g.group, g.rate): abs(g.gap.point) for g in gaps}
    for column in gate.protected:
        mine = [c for c in changes if c.attribute == column]
        if not mine:
            continue
        worst = max(mine, key=lambda c: (c.change.low, c.change.point))
        gap = now[worst.attribute, worst.group, worst.rate]
        wider = worst.change.low > 0
        outcome = GateOutcome.UNDECIDED if wider else GateOutcome.PASS
        yield GateVerdict(
            gate=f"fairness {column} against the champion",
            outcome=GateOutcome.FAIL if wider and gap > gate.max_gap else outcome,
            measured=worst.change.point,
            threshold=0.0,
            interval=worst.change,
            n=paired.rows.height,
            message=f"{gate.measure} of {worst.group}: gap {gap:.3f}, wider by "
            f"{worst.change.point:+.3f} ({worst.change.low:+.3f} to {worst.change.high:+.3f})",
            blocking=False,
        )


def _called(scores: pl.Series, threshold: float) -> Floats:
    return (scores.cast(pl.Float64).to_numpy() >= threshold).astype(np.float64)


def _groups(e: Evidence) -> dict[str, np.ndarray]:
    protected = e.contract.gates.fairness.protected
    return {c: e.rows.get_column(c).cast(pl.String).to_numpy() for c in protected}


def clean_tree(e: Evidence) -> Iterator[GateVerdict]:
    """What nobody can check out again may be tried, not released."""
    if e.dirty:
        yield GateVerdict(
            gate="clean tree",
            outcome=GateOutcome.FAIL,
            message=f"not committed: {', '.join(e.changed) or 'the contract or the code'}",
        )


def handoff(e: Evidence) -> Iterator[GateVerdict]:
    """What each side owes is there, where the contract has a block `handoff`."""
    if e.contract.handoff is None:
        return
    yield GateVerdict(
        gate="handoff",
        outcome=GateOutcome.FAIL if e.owed else GateOutcome.PASS,
        measured=float(len(e.owed)),
        threshold=0.0,
        message="; ".join(e.owed) or "all that each side owes is there",
    )


def calibration(e: Evidence) -> Iterator[GateVerdict]:
    """Scores must mean what they say: fails on an error that chance cannot explain."""
    if e.contract.task is not Task.BINARY:
        return
    error = calibration_interval(
        e.rows.get_column(LABEL).cast(pl.Float64).to_numpy(),
        e.rows.get_column("score").to_numpy(),
        e.rows.get_column(WEIGHT).to_numpy(),
        numbered(e.rows),
        rng=e.rng,
    )
    allowed = e.contract.gates.calibration.max_ece
    outcome = GateOutcome.PASS if error.point <= allowed else GateOutcome.UNDECIDED
    yield GateVerdict(
        gate="calibration",
        outcome=GateOutcome.FAIL if error.low > allowed else outcome,
        measured=error.point,
        threshold=allowed,
        interval=error,
        n=e.rows.height,
        message=f"expected calibration error {error.point:.3f} ({error.low:.3f} to "
        f"{error.high:.3f}, chance taken off), allowed {allowed:g}",
        blocking=False,
    )


def calibration_against(e: Evidence) -> Iterator[GateVerdict]:
    """Scores must not mean less than the champion's did."""
    paired = e.shared()
    if paired.champion is None or e.contract.task is not Task.BINARY or paired.rows.is_empty():
        return
    change = calibration_change(
        paired.rows.get_column(LABEL).cast(pl.Float64).to_numpy(),
        paired.champion.cast(pl.Float64).to_numpy(),
        paired.rows.get_column("score").to_numpy(),
        paired.rows.get_column(WEIGHT).to_numpy(),
        numbered(paired.rows),
        rng=e.rng,
    )
    yield GateVerdict(
        gate="calibration against the champion",
        outcome=GateOutcome.FAIL if change.low > LESS_CALIBRATED else GateOutcome.PASS,
        measured=change.point,
        threshold=LESS_CALIBRATED,
        interval=change,
        n=paired.rows.height,
        message=f"expected calibration error {change.point:+.3f} against the champion's "
        f"({change.low:+.3f} to {change.high:+.3f}), allowed {LESS_CALIBRATED:+g}",
        blocking=False,
    )


def spread(e: Evidence) -> Iterator[GateVerdict]:
    """Scores spread far otherwise than the champion's on the same rows are for a person to look at.

    Told, never failed. Classes have no spread; below 1,000 rows nothing is said.
    """
    paired = e.shared()
    few = paired.rows.height < FEWEST_FOR_SPREAD
    if paired.champion is None or few or e.contract.task is Task.MULTICLASS:
        return
    weights = paired.rows.get_column(WEIGHT).to_numpy()
    profile = profile_numbers("score", paired.champion.cast(pl.Float64).to_numpy(), weights=weights)
    scores = paired.rows.get_column("score").cast(pl.Float64).to_numpy()
    apart = psi(profile.counts, number_counts(profile, scores, weights=weights))
    far = apart > UNLIKE
    yield GateVerdict(
        gate="scores against the champion",
        outcome=GateOutcome.UNDECIDED if far else GateOutcome.PASS,
        measured=apart,
        threshold=UNLIKE,
        n=paired.rows.height,
        message=f"spread by a PSI of {apart:.2f} otherwise than the champion's"
        + (": look at what acts on them, its limits may have to move" if far else ""),
        blocking=False,
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


def latency_against(e: Evidence) -> Iterator[GateVerdict]:
    """A row that takes much longer than the champion's is for a person to look at.

    Told, never failed: the limit is the contract's. Both are asked in turns in one process, so that
    a busy machine makes no difference.
    """
    times = e.probe.get("times_as_long")
    if e.champion is None or times is None:
        return
    slow = times > SLOWER
    yield GateVerdict(
        gate="service latency against the champion",
        outcome=GateOutcome.UNDECIDED if slow else GateOutcome.PASS,
        measured=times,
        threshold=SLOWER,
        message=f"a row takes {times:.2f} times as long as the champion's, asked in turns"
        + (": within its limit, and fewer fit on the same machine" if slow else ""),
        blocking=False,
    )

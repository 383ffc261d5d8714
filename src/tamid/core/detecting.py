"""The detector run over a series of periods: which one alarms, why, and since when."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

from tamid.core.paging import (
    DRIFT,
    ESTIMATE,
    QUALITY,
    Budget,
    QualityLevel,
    reference_losses,
    reference_of,
    weeks_of,
)
from tamid.core.special_weeks import Names, far_from_its_like
from tamid.core.state import State
from tamid.core.stats.edetector import MIN_REFERENCE, detector, observe


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The period that alarms, and why."""

    period: str
    why: str


def tie_break(model: str, period: str, signal: str) -> float:
    """Return a number in (0, 1) that depends on names alone, so that replay alarms identically.

    >>> 0 < tie_break("churn", "2026-01-04", "quality") < 1
    True
    """
    digest = hashlib.sha256(f"{model}|{period}|{signal}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") + 0.5) / 2**64


def reference_for(state: State, signal: str, level: QualityLevel) -> tuple[float, ...]:
    """Return what the champion's signal is ranked among, larger is worse; () without one."""
    if signal in (QUALITY, ESTIMATE):
        return reference_losses(state, state.champion, level.sign)
    return reference_of(state, state.champion).get(signal, ())


def detected(
    model: str,
    state: State,
    signal: str,
    losses: Mapping[str, float],
    level: QualityLevel,
    budget: Budget,
    special: Names,
) -> Found | None:
    """Run the detector over the ordinary periods; a special one is held against its like."""
    reference = reference_for(state, signal, level)
    if len(reference) < MIN_REFERENCE:
        return None
    sign = -1.0 if signal in DRIFT else level.sign
    weeks = weeks_of(reference_of(state, state.champion), signal)
    # An estimate has an error of its own: one that is far off is no proof, several are.
    running = detector(
        reference, budget.run_length, weeks, fast=signal != ESTIMATE, graded=signal == QUALITY
    )
    for period, loss in losses.items():
        if special.get(period):
            if far_from_its_like(state, signal, period, special, sign):
                names = ", ".join(sorted(special[period]))
                return Found(period=period, why=f"far from all that {names} ever was")
            continue
        running, check = observe(running, loss, tie_break(model, period, signal))
        if check.alarm:
            return Found(period=period, why=_usually(signal, reference, sign))
    return None


def onset(
    losses: Mapping[str, float], reference: tuple[float, ...], period: str
) -> tuple[str, ...]:
    """Return the unbroken run of periods up to the alarm that belong to its fall.

    They are worse than any reference, and nearer to what the alarm saw than to what is usual: a
    sound period that was merely unlucky would teach and judge the old world as the new one.
    """
    bound = math.inf
    if reference:
        bound = max(*reference, (sum(reference) / len(reference) + losses[period]) / 2)
    run: list[str] = []
    for name in reversed([p for p in losses if p <= period]):
        if name != period and losses[name] <= bound:
            break
        run.append(name)
    return tuple(sorted(run))


def _usually(signal: str, reference: tuple[float, ...], sign: float) -> str:
    if signal in DRIFT:
        return f"reference weeks reach {max(reference):.3f} at most"
    return f"the reference is {-sign * sum(reference) / len(reference):.3f} on average"

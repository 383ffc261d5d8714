"""From an alarm to its likely cause: bug, label bug, prevalence, concept drift, covariate shift.

Rules run in the order in which a wrong answer would do most harm: retraining on broken data or
broken labels is excluded before any drift is believed.
The limits are rules of thumb.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import fmean

from tamid.core.alarms import reference_losses
from tamid.core.events import Diagnosed, Measured, Remedy
from tamid.core.excluded import ruled_out
from tamid.core.label_checks import Feed, label_bug, moved_rate, one_feed, unjoined
from tamid.core.paging import ASKED, ONLINE, QUALITY, realised_of, realised_seq
from tamid.core.state import Alarm, State
from tamid.core.stats.steps import at_once, step_share
from tamid.core.suspicion import diagnosed, suspicion
from tamid.core.values import Role

# The realised metric must fall short of the expected one by both to be called concept drift.
EXCESS = 0.03
EXCESS_ERRORS = 3.0
# Share of a fall that must vanish at the usual share of positives to be put down to it.
PREVALENCE_EXPLAINS = 0.5
# Above this PSI of scores the inputs have moved far (a rule of thumb; used to name, not to alarm).
SHIFTED = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of an alarm's labels beside what was measured with them.

    `sign`: 1 where a higher metric is better, else -1. `label_owner`: whose the labels are.
    `all_due`: a matured period has all its labels, so that missing ones are missing. `feed`: where
    the wrong answers sit, if the labels came in several batches.
    """

    sign: float
    label_owner: Role
    all_due: bool = True
    feed: Feed | None = None


def cause_of(alarm: Alarm, state: State, known: Known, *, fell: bool = True) -> Diagnosed:
    """Return the diagnosis of an alarm on what was measured in its periods.

    `fell`: a fall of quality is shown; without one there is nothing to explain by the share of
    positives, nor to train for. What speaks against the causes that were asked for before it is
    told with it.
    """
    raised = alarm.raised
    version = int(raised.alarm.split("/")[1])
    signal, seen = realised_in(alarm, state)
    # Labels of answers online come as their callers send them.
    known = replace(known, all_due=known.all_due and signal != ONLINE)
    facts = [seen[p] for p in raised.periods if p in seen]
    found = _cause(alarm, state, version, known, seen, facts, fell=fell)
    share = None if known.feed is None else known.feed.share
    against = ruled_out(
        found.cause, state, version, raised.periods, facts, all_due=known.all_due, feed=share
    )
    return replace(found, excluded=against)


def realised_in(alarm: Alarm, state: State) -> tuple[str, Mapping[str, Measured]]:
    """Return which realised quality tells of an alarm's periods, and its measurements.

    Of what was answered online its own; else of the batch, if it has any of the periods.
    """
    raised = alarm.raised
    version = int(raised.alarm.split("/")[1])
    names = (ONLINE, QUALITY) if raised.signal in ASKED else (QUALITY, ONLINE)
    online = state.measured.get(f"{ONLINE}@{version}", {})
    both = {QUALITY: realised_of(state, version), ONLINE: online}
    told = (name for name in names if any(p in both[name] for p in raised.periods))
    name = next(told, names[1])
    return name, both[name]


def _cause(
    alarm: Alarm,
    state: State,
    version: int,
    known: Known,
    seen: Mapping[str, Measured],
    facts: list[Measured],
    *,
    fell: bool,
) -> Diagnosed:
    raised, sign = alarm.raised, known.sign
    need: Remedy = "needed" if fell else "useless"
    bug = _bug(state, raised.periods)
    if bug is not None:
        return diagnosed(alarm, "contract_breach", True, bug[1], [bug[0]], "blocked")
    if (found := suspicion(state, raised.periods)) is not None:
        cause, confirmed, owner, reasons = found
        return diagnosed(alarm, cause, confirmed, owner, reasons, "blocked")
    worst = max(reference_losses(state, version, sign), default=math.nan)
    rates = _rates(state, version)
    doubted = [f for f in facts if f.period not in state.labels_right]
    if reasons := (
        label_bug(doubted, rates)
        or (unjoined(doubted, seen) if known.all_due else [])
        or one_feed(known.feed, worst, sign)
    ):
        return diagnosed(alarm, "label_bug", False, known.label_owner, reasons, "blocked")
    pace = _pace(seen, state, version, sign, raised.periods) if fell else []
    if (
        reasons := _prevalence(facts, state, version, sign)
        if fell
        else moved_rate(facts, seen, rates)
    ):
        return diagnosed(alarm, "prevalence", False, Role.ML_DEVELOPER, reasons + pace, "useless")
    if reasons := _concept(facts) or _excess(facts, seen):
        told = reasons + _inputs(state, raised.periods) + pace
        return diagnosed(alarm, "concept_drift", True, Role.ML_DEVELOPER, told, need)
    if reasons := _shift(state, version, raised.periods):
        told = reasons + _as_announced(facts) + pace
        return diagnosed(alarm, "covariate_shift", False, Role.ML_DEVELOPER, told, need)
    still = "; the fall itself is confirmed" if fell else ""
    reasons = [f"no bug, label bug or shift was found{still}", *pace]
    return diagnosed(alarm, "unknown", False, Role.ML_DEVELOPER, reasons, need)


def cause_anew(alarm: Alarm, state: State, known: Known) -> Diagnosed | None:
    """Return another cause of a fall than its labels, None if they still cannot be right."""
    found = cause_of(alarm, state, known)
    if found.cause == "label_bug":
        return None
    return replace(found, key=f"{found.key}/{alarm.diagnosed_seq}", earlier="label_bug")


def doubt_lifted(alarm: Alarm, state: State) -> bool:
    """Say whether labels that an alarm was put down to came anew, or a person found them right."""
    known = alarm.diagnosis
    if known is None or known.cause != "label_bug":
        return False
    came = measured_at(alarm, state) > alarm.diagnosed_seq
    return came or set(alarm.raised.periods) <= state.labels_right


def measured_at(alarm: Alarm, state: State) -> int:
    """Return the number of the event that last measured one of an alarm's periods by its labels."""
    signal, _ = realised_in(alarm, state)
    version, periods = int(alarm.raised.alarm.split("/")[1]), alarm.raised.periods
    if signal == QUALITY:
        return max((realised_seq(state, version, p) for p in periods), default=0)
    return max((state.measured_seq.get(f"{signal}@{version}/{p}", 0) for p in periods), default=0)


def _rates(state: State, version: int) -> tuple[float, ...]:
    """Return the share of positives in each reference period, oldest first."""
    known = state.versions.get(version)
    return known.registered.reference.get("positive_rate", ()) if known else ()


def _bug(state: State, periods: tuple[str, ...]) -> tuple[str, Role] | None:
    for name, refusal in state.refused.items():
        if not refusal.event.periods or set(refusal.event.periods) & set(periods):
            return f"{name} broke the contract: {'; '.join(refusal.event.reasons[:2])}", (
                refusal.event.owner
            )
    return None


def _prevalence(facts: list[Measured], state: State, version: int, sign: float) -> list[str]:
    worst = max(reference_losses(state, version, sign), default=math.nan)
    adjusted = [
        f.detail["at_reference_prevalence"] for f in facts if "at_reference_prevalence" in f.detail
    ]
    if not adjusted or not math.isfinite(worst):
        return []
    mean = sum(adjusted) / len(adjusted)
    usual = -sign * fmean(reference_losses(state, version, sign))
    seen = fmean(f.value for f in facts)
    # What the share of positives did not bring about, it cannot explain.
    explained = sign * (mean - seen) >= PREVALENCE_EXPLAINS * sign * (usual - seen)
    if explained and all(-sign * value <= worst for value in adjusted):
        return [f"at the reference's share of positives the metric would be {mean:.3f}"]
    return []


def _concept(facts: list[Measured]) -> list[str]:
    for fact in facts:
        expected = fact.detail.get("expected")
        if expected is None or fact.interval is None:
            continue
        error = (fact.interval.high - fact.interval.low) / 4
        excess = expected - fact.value
        if excess > max(EXCESS, EXCESS_ERRORS * error):
            return [
                f"the scores of {fact.period} promised {expected:.3f}, the labels gave "
                f"{fact.value:.3f}: the same inputs now lead elsewhere"
            ]
    return []


def _excess(facts: list[Measured], seen: Mapping[str, Measured]) -> list[str]:
    """Errors beyond what the scores announce, more than in the periods before."""
    names = {f.period for f in facts}
    before = [
        m.detail["excess"] for p, m in seen.items() if p not in names and "excess" in m.detail
    ]
    usual = fmean(before) if before else 0.0
    for fact in facts:
        excess, limit = fact.detail.get("excess"), fact.detail.get("excess_limit")
        if excess is not None and limit is not None and excess - usual > limit:
            return [
                f"{excess - usual:.3f} more wrong answers a row than the scores of {fact.period} "
                f"announce ({limit:.3f} by chance at most): the same inputs now lead elsewhere"
            ]
    return []


def _as_announced(facts: list[Measured]) -> list[str]:
    """Say that the errors are as announced: the inputs moved, and not what they lead to."""
    told = [f for f in facts if "excess" in f.detail]
    if told and all(f.detail["excess"] <= f.detail["excess_limit"] for f in told):
        most = max(f.detail["excess"] for f in told)
        return [f"wrong answers are as the scores announce ({most:+.3f} a row beyond them)"]
    return []


def _inputs(state: State, periods: tuple[str, ...]) -> list[str]:
    """Say whether the inputs moved as well, or stayed where they were."""
    checks = [state.checked[p] for p in periods if p in state.checked]
    moved = sorted({column for check in checks for column in check.shifted})
    if moved:
        return [f"the inputs moved as well: {', '.join(moved[:3])}"]
    return ["no column moved further than before"] if checks else []


def _pace(
    seen: Mapping[str, Measured], state: State, version: int, sign: float, periods: tuple[str, ...]
) -> list[str]:
    """Say whether the fall came at once, as a deploy or a feed does, or by and by."""
    losses = reference_losses(state, version, sign)
    known = [p for p in sorted(seen) if p <= min(periods, default="")]
    series = [-sign * seen[p].value for p in known]
    if not losses or len(series) < 2 or not all(map(math.isfinite, series)):
        return []
    share = step_share(series, fmean(losses))
    way = "it came at once" if at_once(series, fmean(losses)) else "it came by and by"
    return [f"{way}: {share:.0%} of the way in one period"]


def _shift(state: State, version: int, periods: tuple[str, ...]) -> list[str]:
    shifted = [p for p in periods if p in state.checked and state.checked[p].shifted]
    if shifted:
        named = ", ".join(state.checked[shifted[0]].shifted[:3])
        return [f"{named} moved further than ever in {shifted[0]}, and what goes with them"]
    for period in periods:
        seen = state.measure("score_psi", version, period)
        if seen is not None and seen.value > SHIFTED:
            return [
                f"the scores of {period} are spread otherwise than usual (PSI {seen.value:.2f})"
            ]
    return []

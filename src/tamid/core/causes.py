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
from tamid.core.events import Diagnosed, Measured
from tamid.core.excluded import ruled_out
from tamid.core.paging import ONLINE
from tamid.core.state import Alarm, State
from tamid.core.stats.labelrate import join_fell, label_rate, rates_together, within_spread
from tamid.core.stats.steps import at_once, step_share
from tamid.core.suspicion import diagnosed, suspicion
from tamid.core.values import Role

# Fewer positives than this share of the usual is a broken label feed, not a change of the world.
LABEL_RATE_COLLAPSE = 0.25
# The realised metric must fall short of the expected one by both to be called concept drift.
EXCESS = 0.03
EXCESS_ERRORS = 3.0
# Share of a fall that must vanish at the usual share of positives to be put down to it.
PREVALENCE_EXPLAINS = 0.5
# One batch has a label bug when it holds so many times its share of the wrong answers.
FEED_SHARE = 2.0
# Above this PSI of scores the inputs have moved far (a rule of thumb; used to name, not to alarm).
SHIFTED = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """The batch of labels that most of the wrong answers sit in.

    `share`: its share of the wrong answers over its share of the rows; `without`: the metric on the
    rows whose labels came otherwise.
    """

    name: str
    share: float
    without: float


def cause_of(
    alarm: Alarm,
    state: State,
    sign: float,
    label_owner: Role,
    *,
    all_due: bool = True,
    feed: Feed | None = None,
) -> Diagnosed:
    """Return the diagnosis of a quality alarm on what was measured in its periods.

    `all_due`: a matured period has all its labels, so that missing ones are missing. `feed`: where
    the wrong answers sit, if the labels came in several batches. What speaks against the causes
    that were asked for before it is told with it.
    """
    raised = alarm.raised
    version = int(raised.alarm.split("/")[1])
    seen = state.measured.get(f"quality@{version}", {})
    if not any(p in seen for p in raised.periods):
        # An alarm about answers online: labels of them come as their callers send them.
        seen, all_due = state.measured.get(f"{ONLINE}@{version}", {}), False
    facts = [seen[p] for p in raised.periods if p in seen]
    found = _cause(
        alarm, state, version, sign, label_owner, seen, facts, all_due=all_due, feed=feed
    )
    share = None if feed is None else feed.share
    against = ruled_out(
        found.cause, state, version, raised.periods, facts, all_due=all_due, feed=share
    )
    return replace(found, excluded=against)


def _cause(
    alarm: Alarm,
    state: State,
    version: int,
    sign: float,
    label_owner: Role,
    seen: Mapping[str, Measured],
    facts: list[Measured],
    *,
    all_due: bool,
    feed: Feed | None,
) -> Diagnosed:
    raised = alarm.raised
    bug = _bug(state, raised.periods)
    if bug is not None:
        return diagnosed(alarm, "contract_breach", True, bug[1], [bug[0]], "blocked")
    if (found := suspicion(state, raised.periods)) is not None:
        cause, confirmed, owner, reasons = found
        return diagnosed(alarm, cause, confirmed, owner, reasons, "blocked")
    worst = max(reference_losses(state, version, sign), default=math.nan)
    if reasons := (
        _label_bug(facts, _rates(state, version))
        or (_unjoined(facts, seen) if all_due else [])
        or _one_feed(feed, worst, sign)
    ):
        return diagnosed(alarm, "label_bug", False, label_owner, reasons, "blocked")
    pace = _pace(seen, state, version, sign, raised.periods)
    if reasons := _prevalence(facts, state, version, sign):
        return diagnosed(alarm, "prevalence", False, Role.ML_DEVELOPER, reasons + pace, "useless")
    if reasons := _concept(facts) or _excess(facts, seen):
        told = reasons + _inputs(state, raised.periods) + pace
        return diagnosed(alarm, "concept_drift", True, Role.ML_DEVELOPER, told, "needed")
    if reasons := _shift(state, version, raised.periods):
        told = reasons + _as_announced(facts) + pace
        return diagnosed(alarm, "covariate_shift", False, Role.ML_DEVELOPER, told, "needed")
    reasons = ["no bug, label bug or shift was found; the fall itself is confirmed", *pace]
    return diagnosed(alarm, "unknown", False, Role.ML_DEVELOPER, reasons, "needed")


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


def _label_bug(facts: list[Measured], rates: tuple[float, ...]) -> list[str]:
    """Periods, one by one and all together, whose positives are so few or many as never before."""
    known = [f for f in facts if "positive_rate" in f.detail]
    expected = fmean(rates) if rates else 0.0
    if not known or expected <= 0:
        return []
    for together in [[f] for f in known] + [known] * (len(known) > 1):
        rows = sum(f.rows for f in together)
        rate = sum(f.detail["positive_rate"] * f.rows for f in together) / max(rows, 1)
        seen = rates_together(rates, len(together))
        jumped = label_rate(rate * rows, rows, expected, seen).kind == "jump"
        fell = rate < LABEL_RATE_COLLAPSE * expected and not rate >= min(seen, default=1.0)
        if jumped or (fell and not within_spread(rate, expected, seen)):
            named = ", ".join(f.period for f in together)
            return [f"positives in {named} are {rate:.2%}, usually {expected:.2%}"]
    return []


def _unjoined(facts: list[Measured], seen: Mapping[str, Measured]) -> list[str]:
    """Return the first period of which far fewer rows found their label than ever before."""
    for fact in facts:
        before = [m.matured for p, m in seen.items() if p < fact.period and m not in facts]
        if join_fell(before, fact.matured):
            return [
                f"only {fact.matured:.0%} of the rows of {fact.period} have a label, "
                f"never below {min(before):.0%} before"
            ]
    return []


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


def _one_feed(feed: Feed | None, worst: float, sign: float) -> list[str]:
    """Wrong answers that sit in one batch of labels, without which the quality is as usual."""
    if feed is None or feed.share < FEED_SHARE or not -sign * feed.without <= worst:
        return []
    return [
        f"the wrong answers sit in the labels of {feed.name}, {feed.share:.1f} times its share of "
        f"the rows; without them the metric is {feed.without:.3f}, as usual"
    ]


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

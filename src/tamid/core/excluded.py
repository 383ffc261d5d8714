"""What speaks against the causes that an alarm was not put down to, with the figures.

Causes are asked for in one order, and the first that holds is the diagnosis. Whoever gets the case
sees here why those before it did not hold, and which of them nobody could look at.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from tamid.core.events import Cause, Measured
from tamid.core.state import State
from tamid.core.usual import SCORE_PSI

# How many of the questions below were answered no before a cause was found.
_BEFORE: dict[Cause, int] = {
    "contract_breach": 0, "broken_values": 1, "dependency_break": 1, "concentration": 1,
    "label_bug": 2, "prevalence": 3, "concept_drift": 4, "covariate_shift": 5, "unknown": 6,
}  # fmt: skip
BLIND = "label bug and concept drift: nobody can see them before the labels are in"


def ruled_out(
    cause: Cause,
    state: State,
    version: int,
    periods: Sequence[str],
    facts: Sequence[Measured],
    *,
    all_due: bool,
    feed: float | None,
) -> tuple[str, ...]:
    """Return a sentence for each cause asked for before `cause`; what has no figure is left out.

    `facts`: what was measured in the periods; `all_due`: they have all their labels; `feed`: the
    share of wrong answers of the worst batch of labels over its share of rows, None if unknown.
    """
    told = (
        *before_labels(state, periods),
        _labels(facts, state, version, all_due=all_due, feed=feed),
        _prevalence(facts),
        _concept(facts),
        _shift(state, version, periods),
    )
    return tuple(text for text in told[: _BEFORE.get(cause, 0)] if text)


def before_labels(state: State, periods: Sequence[str]) -> tuple[str, str]:
    """Return what speaks against a broken contract and against broken rows.

    >>> before_labels(State(), ["2026-01-04"])[1]
    'broken rows: not excluded, none of these periods was held against earlier ones'
    """
    return "contract breach: no batch of these periods was refused", _rows(state, periods)


def _rows(state: State, periods: Sequence[str]) -> str:
    checks = [state.checked[p] for p in periods if p in state.checked]
    if not checks:
        return "broken rows: not excluded, none of these periods was held against earlier ones"
    oddest = max(checks, key=lambda check: check.oddity - check.level)
    return (
        f"broken rows: of {len(periods)} periods {len(checks)} were held against earlier ones, "
        f"none is odd (at most {max(oddest.oddity, 0.0):.1f} spreads, {oddest.level:.1f} are odd)"
    )


def _labels(
    facts: Sequence[Measured], state: State, version: int, *, all_due: bool, feed: float | None
) -> str:
    told = []
    if right := sorted(state.labels_right.intersection(f.period for f in facts)):
        told.append(f"a person found those of {', '.join(right)} right")
    rates = [f.detail["positive_rate"] for f in facts if "positive_rate" in f.detail]
    known = state.versions.get(version)
    usual = known.registered.reference.get("positive_rate", ()) if known else ()
    if rates and usual:
        told.append(f"positives are {fmean(rates):.1%}, usually {fmean(usual):.1%}")
    if facts and all_due:
        told.append(f"{min(f.matured for f in facts):.0%} of the rows have their label")
    if feed is not None:
        told.append(f"the worst batch of labels has {feed:.1f} times its share of wrong answers")
    return f"label bug: {'; '.join(told)}" if told else ""


def _prevalence(facts: Sequence[Measured]) -> str:
    same = [f.detail.get("at_reference_prevalence") for f in facts]
    known = [value for value in same if value is not None]
    if not known:
        return ""
    seen = fmean(f.value for f in facts)
    return (
        f"prevalence: at the usual share of positives it would be {fmean(known):.3f}, "
        f"it is {seen:.3f}"
    )


def _concept(facts: Sequence[Measured]) -> str:
    told = [f for f in facts if "excess" in f.detail and "excess_limit" in f.detail]
    if told:
        worst = max(told, key=lambda f: f.detail["excess"] - f.detail["excess_limit"])
        return (
            f"concept drift: {worst.detail['excess']:+.3f} wrong answers a row beyond what the "
            f"scores announce, {worst.detail['excess_limit']:.3f} would be beyond chance"
        )
    gaps = [(f.detail["expected"], f.value) for f in facts if "expected" in f.detail]
    if not gaps:
        return ""
    promised, given = max(gaps, key=lambda gap: abs(gap[0] - gap[1]))
    return f"concept drift: the scores promised {promised:.3f}, the labels gave {given:.3f}"


def _shift(state: State, version: int, periods: Sequence[str]) -> str:
    seen = [state.measure(SCORE_PSI, version, p) for p in periods]
    moved = [m.value for m in seen if m is not None]
    told = [f"scores moved by a PSI of {max(moved):.2f} at most"] if moved else []
    if any(p in state.checked for p in periods):
        told.insert(0, "no column moved further than before")
    return f"covariate shift: {'; '.join(told)}" if told else ""

"""What the check of a period's rows found, in words, and what an alarm makes of it."""

from __future__ import annotations

from tamid.core.events import Cause, Diagnosed, Remedy
from tamid.core.state import Alarm, State
from tamid.core.stats.family import Oddest
from tamid.core.values import Role

# What is wrong with the values themselves, whatever the world does.
HARD = frozenset({"missing", "commonest", "outside"})
# Values that were never seen before: off a list, or off a grid.
NEW = frozenset({"unseen", "off_grid"})
# What breaks where a column no longer belongs to its rows.
LINKS = frozenset({"unexplained", "other_entity"})

# How often a sound period is suspected; it is no part of the budget of alarms.
BY_CHANCE = (
    "By chance: one sound period in ten at most is suspected, by what periods do to each other; "
    "of sound weeks of four public data sets it was one in forty. Alarms have a budget of "
    "their own, which this is no part of."
)


def suspicion(state: State, periods: tuple[str, ...]) -> tuple[Cause, bool, Role, list[str]] | None:
    """Return what the check of the rows found in these periods, the first of them first."""
    hit = [state.checked[p] for p in state.suspected if p in periods]
    if not hit:
        return None
    reasons = [f"{c.period}: {'; '.join(c.reasons[:3])}" for c in hit[:3]]
    return hit[0].cause, any(c.confirmed for c in hit), hit[0].owner, reasons


def diagnosed(
    alarm: Alarm, cause: Cause, confirmed: bool, route: Role, reasons: list[str], retraining: Remedy
) -> Diagnosed:
    """Return an alarm's diagnosis: its cause, whether that is sure, and whose work it is."""
    name = alarm.raised.alarm
    return Diagnosed(
        key=f"diagnosis/{name}",
        alarm=name,
        cause=cause,
        confirmed=confirmed,
        route=route,
        reasons=tuple(reasons),
        periods=alarm.raised.periods,
        retraining=retraining,
    )


def cause_of_oddity(found: Oddest) -> Cause:
    """Return what an odd column is put down to.

    >>> from tamid.core.stats.family import Oddest
    >>> cause_of_oddity(Oddest(statistic="missing", column=0, value=1, usual=0, oddity=9, level=3))
    'broken_values'
    """
    if found.statistic in HARD or found.statistic in NEW:
        return "broken_values"
    return "dependency_break" if found.statistic in LINKS else "concentration"


def words_for(name: str, found: Oddest) -> str:
    """Return what is odd about a column, with its number and the usual one.

    >>> from tamid.core.stats.family import Oddest
    >>> odd = Oddest(statistic="missing", column=0, value=0.3, usual=0, oddity=9, level=3)
    >>> words_for("fee", odd)
    'fee: 30% of the values are missing, usually 0%'
    """
    now, usual = f"{found.value:.0%}", f"{found.usual:.0%}"
    match found.statistic:
        case "missing":
            return f"{name}: {now} of the values are missing, usually {usual}"
        case "commonest":
            return f"{name}: {now} of the values are one and the same, usually {usual}"
        case "outside":
            return f"{name}: {now} of the values lie far outside all earlier ones"
        case "unseen" | "off_grid":
            return f"{name}: {now} of the values were never seen before, usually {usual}"
        case "unexplained":
            return f"{name}: it no longer goes with the other columns as it did"
        case "other_entity":
            return f"{name}: entities have the values of others (keys joined wrongly?)"
        case _:
            return f"{name}: its distribution moved further than in any earlier period"

"""Did the story hold? Each act of the year, held against what it promises.

An act that lies beyond the weeks that were played is None, neither held nor failed.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from tamid.core.ladder import CHAMPION

if TYPE_CHECKING:
    from tamid.examples.telecom.demo_figures import Drift, Figures

# What the year promises: F1 above the first figure, falling to about the second.
_GOOD = 0.80
_FALLEN = (0.67, 0.77)
_MOST_DAYS = 3
# After the truth of the first bad week: report, alarm, held candidate, answer, release.
_CURED_AFTER = timedelta(weeks=3)

Verdict = bool | None


def acts(figures: Figures) -> dict[str, Verdict]:
    """Return which acts held, by name, in the order of the year."""
    drifts = {drift.name: drift for drift in figures.drifts}
    return {
        "release": figures.f1_at_release > _GOOD,
        **_first_drift(figures, drifts.get("competitor offer")),
        "bug": _bug(figures),
        "outage": _outage(figures),
        "held_case": _held(figures, drifts.get("billing change")),
        "no_false_alarm": not figures.false_alarms,
        "delivered_once": not figures.duplicate_deliveries,
    }


def _first_drift(figures: Figures, drift: Drift | None) -> dict[str, Verdict]:
    if drift is None or drift.lowest is None:
        return dict.fromkeys(("fall", "repaired_in_time", "recovered"))
    low, high = _FALLEN
    days, alarm = drift.days_to_champion, drift.alarm
    early = alarm is not None and figures.last_day < alarm + timedelta(days=_MOST_DAYS)
    in_time = None if days is None and early else days is not None and days <= _MOST_DAYS
    return {
        "fall": low <= drift.lowest <= high,
        "repaired_in_time": in_time,
        "recovered": _recovered(drift),
    }


def _recovered(drift: Drift) -> Verdict:
    """Whether the new champion is good; open as long as none of its weeks can be judged."""
    if drift.champion is not None and drift.recovered is None:
        return None
    return drift.recovered is not None and drift.recovered > _GOOD


def _bug(figures: Figures) -> Verdict:
    bug = figures.bug
    if bug is None:
        return None
    if bug.repaired is None and not bug.trained_on and figures.last_day <= bug.repaired_on:
        return None
    return bug.refused and not bug.trained_on and bug.repaired is not None and bug.case_closed


def _outage(figures: Figures) -> Verdict:
    """One outage where one was made: lower rungs answered, it healed, nobody trained."""
    if figures.outage_day is None or figures.outage_day == figures.last_day:
        return None
    if [o.day for o in figures.outages] != [figures.outage_day]:
        return False
    (outage,) = figures.outages
    lower = bool(outage.rungs) and CHAMPION not in outage.rungs
    return lower and outage.healed is not None and not outage.runs


def _held(figures: Figures, drift: Drift | None) -> Verdict:
    """A candidate is held after the second drift, the answer to its case is released and cures."""
    if drift is None or drift.lowest is None:
        return None
    after = [a for a in figures.answers if a.kind == "held" and a.opened >= drift.onset]
    cured: list[date] = [a.cured for a in after if a.answered and a.cured]
    if not cured and figures.last_day < drift.onset + figures.horizon + _CURED_AFTER:
        return None
    well = _recovered(drift)
    return None if well is None else bool(cured) and drift.champion in cured and well

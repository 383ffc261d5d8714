"""`tamid demo`: play the year, tell it while it goes, end with figures, a report and a picture."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tamid.examples.telecom.demo_acts import acts
from tamid.examples.telecom.demo_campaign import Campaign, campaign_words, hand_over_calls
from tamid.examples.telecom.demo_figures import Figures, figures_of
from tamid.examples.telecom.demo_memory import Watcher
from tamid.examples.telecom.demo_policies import policies_of
from tamid.examples.telecom.demo_story import acts_of
from tamid.examples.telecom.demo_words import MARKETING, WORLD, Narrator, Told
from tamid.examples.telecom.demo_year import MODEL, Options, Year, begin
from tamid.examples.telecom.report import picture_of, report
from tamid.examples.telecom.report_picture import draw

__all__ = ["Options", "Played", "Told", "play"]

REPORT, PICTURE = "report.html", "year.svg"


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A year that is over: its figures, the report, and what it took."""

    figures: Figures
    report: Path
    wall_s: float
    cpu_s: float
    peak_mb: float

    def body(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        f, worth = self.figures, self.figures.worth
        first = f.drifts[0] if f.drifts else None
        return {
            "f1_at_release": f.f1_at_release,
            "f1_lowest": first.lowest if first else None,
            "f1_recovered": first.recovered if first else None,
            "days_onset_to_alarm": first.days_to_alarm if first else None,
            "days_alarm_to_new_champion": first.days_to_champion if first else None,
            "f1_weeks_lost": f.f1_weeks_lost["ours"],
            "f1_weeks_lost_never_retraining": f.f1_weeks_lost["never"],
            "f1_weeks_lost_manual": f.f1_weeks_lost["manual"],
            "bug_weeks_trained_on": f.bug.trained_on if f.bug else 0,
            "held_cases": f.held_cases,
            "cases_closed": f.cases_closed,
            "cases_open": f.cases_open,
            "deliveries": f.deliveries,
            "duplicate_deliveries": f.duplicate_deliveries,
            "alarms": f.alarms,
            "false_alarms": f.false_alarms,
            "churn_reduction": worth.reduction.point,
            "churn_reduction_interval": [worth.reduction.low, worth.reduction.high],
            "churn_goal": f.goal,
            "money_saved": worth.saved["never"].point,
            "money_saved_interval": [worth.saved["never"].low, worth.saved["never"].high],
            "money_saved_against_manual": worth.saved["manual"].point,
            "currency": worth.currency,
            "drifts": f.drifts,
            "estimates_off": f.estimates.off,
            "estimates_off_recent_mean": f.estimates.off_recent,
            "estimate_intervals_held": [f.estimates.held, f.estimates.intervals],
            "estimate_grades": f.estimates.grades,
            "outage_rungs": f.outages[0].rungs if f.outages else {},
            "acts": acts(f),
            "policies": f.policies,
            "lift": f.campaign and f.campaign.lift,
            "wall_s": round(self.wall_s, 1),
            "cpu_s": round(self.cpu_s, 1),
            "peak_mb": round(self.peak_mb, 1),
            "report": str(self.report),
        }


def play(options: Options, tell: Callable[[Told], None]) -> Played:
    """Play a year in a fresh folder and return what came of it."""
    started = time.monotonic()
    with Watcher() as memory:
        tell(Told(day="", who=WORLD, text=f"making {options.customers:,} customers and their past"))
        year = begin(options)
        try:
            for line in _live(year):
                tell(line)
            figures = replace(_figures(year), campaign=_campaign(year, tell))
            page = _write(year, figures)
        finally:
            year.close()
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return Played(
        figures=figures,
        report=page,
        wall_s=time.monotonic() - started,
        cpu_s=sum(u.ru_utime + u.ru_stime for u in used),
        peak_mb=memory.peak_mb,
    )


def _live(year: Year) -> Iterator[Told]:
    narrator = Narrator()
    for day in year.days():
        yield from narrator.tell(day)
    yield from narrator.rest(year.world.last_day)


def _figures(year: Year) -> Figures:
    """Work out the figures while the policies are walked beside them."""
    with ThreadPoolExecutor(1) as beside:
        policies = beside.submit(policies_of(year))
        return replace(figures_of(year), policies=policies.result())


def _campaign(year: Year, tell: Callable[[Told], None]) -> Campaign:
    """Let marketing tell what it did; after the figures, which a further turn must not move."""
    campaign = hand_over_calls(year)
    tell(Told(day=str(year.world.last_day), who=MARKETING, text=campaign_words(campaign)))
    return campaign


def _write(year: Year, figures: Figures) -> Path:
    done = acts_of(year.app.records(MODEL))
    page = year.options.folder / REPORT
    page.write_text(report(year, figures, done), encoding="utf-8")
    picture = draw(picture_of(year, figures, done))
    (year.options.folder / PICTURE).write_text(picture + "\n", encoding="utf-8")
    return page

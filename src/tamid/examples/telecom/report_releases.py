"""Each new version against the one before it, live: gains with bands that hold at any look."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from tamid.core.state import State
from tamid.core.stats.betting import ROLL_BACK_AT
from tamid.core.values import Interval
from tamid.core.watching import AFTER, watched
from tamid.examples.telecom.report_bars import Bar, bars


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveWeek:
    """One watched week of a release: the gain, and the band that holds at any look."""

    version: int
    period: str
    band: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Releases:
    """The watched weeks of all releases, and the greatest evidence of harm of any of them."""

    weeks: tuple[LiveWeek, ...]
    harm: float


def releases_of(state: State) -> Releases:
    """Return all watched weeks of a year, oldest first."""
    weeks = [
        LiveWeek(version=seen.model_version, period=period, band=seen.band)
        for name, made in state.measured.items()
        if name.partition("@")[0] == AFTER
        for period, seen in made.items()
        if seen.band is not None
    ]
    weeks.sort(key=lambda w: (w.period, w.version))
    found = [watched(state, AFTER, n) for n in sorted({w.version for w in weeks})]
    harm = max((w.worse for w in found if w is not None), default=0.0)
    return Releases(weeks=tuple(weeks), harm=harm)


def releases_part(found: Releases) -> str:
    """Return the section of the report, empty where nothing was watched."""
    if not found.weeks:
        return ""
    drawn = bars([_bar(w) for w in found.weeks], unit="points of F1")
    words = (
        "Each new version is held against the one before it on the same live rows, once their "
        "labels are in. The lines hold at any look, so that looking every day costs nothing. "
        f"The greatest evidence of harm was {found.harm:.2g}; at {ROLL_BACK_AT:.0f} the version "
        "before it would have come back."
    )
    return (
        "<h2>After each release: better than the version before?</h2>"
        f'{drawn}<p class="lead">{escape(words)}</p>'
    )


def _bar(week: LiveWeek) -> Bar:
    band = week.band
    scaled = Interval(
        point=100 * band.point,
        low=100 * max(band.low, -1.0),
        high=100 * min(band.high, 1.0),
        level=band.level,
    )
    return Bar(name=f"v{week.version} {week.period}", interval=scaled, style="ours")

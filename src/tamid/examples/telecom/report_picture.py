"""The year as one picture: quality by week under three policies, with what happened, as SVG."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from html import escape

from tamid.core.values import Interval

WIDTH, HEIGHT = 1000, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 170, 88, 40
# Labels above the plot stand in lanes so that neighbours do not cover each other.
_LANES, _LANE, _LETTER = 4, 19, 6.1
# Least distance of two labels at the right end, in pixels.
_APART = 17

STYLE = """
.year { font: 12px/1.3 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  --ink: #0f172a; --soft: #64748b; --grid: #e2e8f0; --ours: #0f766e; --manual: #b45309;
  --never: #9f1239; --sick: #fee2e2; --paper: #ffffff; }
@media (prefers-color-scheme: dark) { .year { --ink: #e2e8f0; --soft: #94a3b8; --grid: #263244;
  --ours: #2dd4bf; --manual: #fbbf24; --never: #fb7185; --sick: #45151c; --paper: #0f172a; } }
.year text { fill: var(--ink); } .year .soft { fill: var(--soft); }
.year .paper { fill: var(--paper); } .year .grid { stroke: var(--grid); }
.year .sick { fill: var(--sick); } .year .band { fill: var(--ours); opacity: .14; }
.year .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.year .ours { stroke: var(--ours); stroke-width: 3; } .year .manual { stroke: var(--manual); }
.year .never { stroke: var(--never); stroke-dasharray: 5 4; }
.year text.ours, .year text.manual, .year text.never { stroke: none; font-weight: 600; }
.year text.ours { fill: var(--ours); } .year text.manual { fill: var(--manual); }
.year text.never { fill: var(--never); } .year .owed { stroke: var(--ink); stroke-width: 1; }
.year .label { paint-order: stroke; stroke: var(--paper); stroke-width: 4px; }
.year .pin { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 2 3; }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Something marked above the plot."""

    day: date
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What is drawn: F1 by day under each policy, with intervals of ours, and what happened."""

    ours: Mapping[date, float]
    intervals: Mapping[date, Interval]
    never: Mapping[date, float]
    manual: Mapping[date, float]
    owed: float
    sick: Sequence[tuple[date, date]]
    moments: Sequence[Moment]
    title: str


def draw(picture: Picture) -> str:
    """Return the picture as an SVG element that needs nothing from outside."""
    place = _Place(picture)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="year" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'role="img" aria-label="{escape(picture.title)}">',
        f"<title>{escape(picture.title)}</title><style>{STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>',
        *_sick(picture, place),
        *_axes(picture, place),
        *_moments(picture, place),
        _band(picture, place),
        *(_line(name, values, place) for name, values in _named(picture)),
        *_ends(picture, place),
        "</svg>",
    ]
    return "\n".join(parts)


class _Place:
    """Where a day and a value stand."""

    def __init__(self, picture: Picture) -> None:
        days = sorted(picture.ours)
        self.first, self.last = days[0], days[-1]
        values = [v for _, series in _named(picture) for v in series.values()]
        self.low = min(0.1 * int(min([*values, picture.owed]) * 10), 0.7)
        self.high = 1.0

    def x(self, day: date) -> float:
        width = WIDTH - _LEFT - _RIGHT
        share = (day - self.first).days / max((self.last - self.first).days, 1)
        return round(_LEFT + width * min(max(share, 0.0), 1.0), 1)

    def y(self, value: float) -> float:
        height = HEIGHT - _TOP - _BOTTOM
        return round(_TOP + height * (self.high - value) / (self.high - self.low), 1)


def _named(picture: Picture) -> tuple[tuple[str, Mapping[date, float]], ...]:
    return (("never", picture.never), ("manual", picture.manual), ("ours", picture.ours))


def _sick(picture: Picture, place: _Place) -> Iterator[str]:
    """Shade the weeks in which the live version was no longer right."""
    for start, end in picture.sick:
        left, right = place.x(start), place.x(end)
        height = HEIGHT - _BOTTOM - _TOP
        yield (
            f'<rect class="sick" x="{left}" y="{_TOP}" width="{max(right - left, 2):.1f}" '
            f'height="{height}"/>'
        )


def _axes(picture: Picture, place: _Place) -> Iterator[str]:
    right = WIDTH - _RIGHT
    step = 0.1
    value = place.low
    while value <= place.high + 1e-9:
        y = place.y(value)
        yield f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y}" y2="{y}"/>'
        yield f'<text class="soft" x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{value:.1f}</text>'
        value += step
    y = place.y(picture.owed)
    yield f'<line class="owed" x1="{_LEFT}" x2="{right}" y1="{y}" y2="{y}"/>'
    words = f"owed by contract {picture.owed:.2f}"
    yield f'<text class="label" x="{right + 10}" y="{y + 4}">{words}</text>'
    for day in _months(place.first, place.last):
        x = place.x(day)
        low = HEIGHT - _BOTTOM
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{low}" y2="{low + 5}"/>'
        yield (
            f'<text class="soft" x="{x}" y="{low + 19}" text-anchor="middle">'
            f"{day.strftime('%b' if day.month > 1 else '%b %Y')}</text>"
        )


def _months(first: date, last: date) -> Iterator[date]:
    day = first
    while day <= last:
        if day.day == 1:
            yield day
        day += timedelta(days=1)


def _moments(picture: Picture, place: _Place) -> Iterator[str]:
    """Put each label into the lowest lane where it does not meet its neighbours."""
    taken = [-1e9] * _LANES
    lines: list[str] = []
    texts: list[str] = []
    for moment in sorted(picture.moments, key=lambda m: m.day):
        x = place.x(moment.day)
        width = _LETTER * len(moment.text) + 8
        start = min(x + 2, WIDTH - width)
        lane = next((i for i in range(_LANES) if taken[i] < start), None)
        if lane is None:
            lane = min(range(_LANES), key=lambda i: taken[i])
        taken[lane] = start + width + 6
        y = _TOP - 10 - lane * _LANE
        lines.append(f'<line class="pin" x1="{x}" x2="{x}" y1="{y - 9}" y2="{HEIGHT - _BOTTOM}"/>')
        texts.append(f'<text class="label" x="{start:.1f}" y="{y}">{escape(moment.text)}</text>')
    yield from (*lines, *texts)


def _band(picture: Picture, place: _Place) -> str:
    days = sorted(picture.intervals)
    above = [f"{place.x(d)},{place.y(min(picture.intervals[d].high, place.high))}" for d in days]
    below = [f"{place.x(d)},{place.y(max(picture.intervals[d].low, place.low))}" for d in days]
    return f'<polygon class="band" points="{" ".join([*above, *reversed(below)])}"/>'


def _line(name: str, values: Mapping[date, float], place: _Place) -> str:
    points = " ".join(f"{place.x(day)},{place.y(v)}" for day, v in sorted(values.items()))
    return f'<polyline class="line {name}" points="{points}"/>'


def _ends(picture: Picture, place: _Place) -> Iterator[str]:
    """Name each line at its right end, apart from each other."""
    words = {"ours": "with Tamid", "manual": "repaired by hand", "never": "never retrained"}
    ends = sorted(
        ((place.y(series[max(series)]), name, series[max(series)])
         for name, series in reversed(_named(picture))),
        key=lambda end: end[0],
    )  # fmt: skip
    last = -1e9
    for at, name, value in ends:
        y = max(at, last + _APART)
        last = y
        x = WIDTH - _RIGHT + 10
        yield f'<text class="{name}" x="{x}" y="{y + 4:.1f}">{words[name]} {value:.2f}</text>'

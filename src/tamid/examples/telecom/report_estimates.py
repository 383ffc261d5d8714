"""The estimates of the year as a picture: before the labels, and what the labels brought."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from html import escape

from tamid.examples.telecom.demo_estimates import EstimatedWeek, Estimates
from tamid.examples.telecom.report_words import number

_WIDTH, _HEIGHT = 1000, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 170, 16, 30
_LOW, _HIGH = 0.4, 1.0


def estimates_part(estimates: Estimates) -> str:
    """Return the section of the report, empty where nothing was estimated."""
    if not estimates.weeks:
        return ""
    return (
        "<h2>Estimated before the labels came, and what they brought</h2>"
        f'<div class="wide">{_picture(estimates.weeks)}</div>'
        f'<p class="lead">{escape(_words(estimates))}</p>'
    )


def _words(found: Estimates) -> str:
    grades = ", ".join(f"{n} of grade {grade}" for grade, n in found.grades.items())
    text = f"{len(found.weeks)} weeks were estimated on the day they were scored ({grades}). "
    met = [(abs(w.realised - w.estimate), w) for w in found.weeks if w.realised is not None]
    if met:
        off, week = max(met, key=lambda pair: pair[0])
        text += (
            f"The estimates were off by {found.off:.3f} on average, the mean of the last four "
            f"measured weeks by {found.off_recent:.3f}; {found.held} of {found.intervals} "
            f"intervals held the truth. Farthest off, by {off:.2f}, was the week of {week.day}: "
            "customers who look the same and leave for other reasons are seen by labels alone. "
        )
    if found.grades.get("C"):
        text += "An open circle is grade C: that number starts and stops nothing."
    return text


def _picture(weeks: tuple[EstimatedWeek, ...]) -> str:
    title = "F1 by week: estimated before the labels, and realised"
    first, last = weeks[0].day, weeks[-1].day
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="year" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'role="img" aria-label="{title}"><title>{title}</title>',
        f'<rect class="paper" width="{_WIDTH}" height="{_HEIGHT}"/>',
        *_grid(),
        *_bands(weeks, first, last),
        _line("manual", [(w.day, w.estimate) for w in weeks], first, last),
        _line("ours", [(w.day, w.realised) for w in weeks if w.realised is not None], first, last),
        *_marks(weeks, first, last),
        *_names(weeks),
        "</svg>",
    ]
    return "\n".join(part for part in parts if part)


def _grid() -> Iterator[str]:
    for tenth in range(round(_LOW * 10), round(_HIGH * 10) + 1, 2):
        y = _y(tenth / 10)
        yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
        place = f'x="{_LEFT - 8}" y="{y + 4}" text-anchor="end"'
        yield f'<text class="soft" {place}>{tenth / 10}</text>'


def _bands(weeks: tuple[EstimatedWeek, ...], first: date, last: date) -> Iterator[str]:
    width = max((_WIDTH - _LEFT - _RIGHT) / max(len(weeks), 1) - 3, 2)
    for week in weeks:
        if week.interval is not None:
            x, top = _x(week.day, first, last) - width / 2, _y(week.interval.high)
            height = _y(week.interval.low) - top
            yield (
                f'<rect class="band" x="{x:.1f}" y="{top}" width="{width:.1f}" '
                f'height="{height:.1f}"/>'
            )


def _line(style: str, points: list[tuple[date, float]], first: date, last: date) -> str:
    if len(points) < 2:
        return ""
    where = " ".join(f"{_x(day, first, last)},{_y(value)}" for day, value in points)
    return f'<polyline class="line {style}" points="{where}"/>'


def _marks(weeks: tuple[EstimatedWeek, ...], first: date, last: date) -> Iterator[str]:
    for week in weeks:
        fill = "var(--paper)" if week.grade == "C" else "var(--manual)"
        where = f'cx="{_x(week.day, first, last)}" cy="{_y(week.estimate)}"'
        said = f"{week.day}: estimated {number(week.estimate)}, grade {week.grade}"
        yield (
            f'<circle {where} r="4" fill="{fill}" stroke="var(--manual)" stroke-width="2">'
            f"<title>{escape(said)}</title></circle>"
        )


def _names(weeks: tuple[EstimatedWeek, ...]) -> Iterator[str]:
    x = _WIDTH - _RIGHT + 10
    truth = [w.realised for w in weeks if w.realised is not None]
    estimate = _y(weeks[-1].estimate)
    yield f'<text class="manual" x="{x}" y="{estimate + 4}">estimated</text>'
    if truth:
        y = _y(truth[-1])
        y = estimate + 17 if abs(y - estimate) < 17 else y
        yield f'<text class="ours" x="{x}" y="{y + 4:.1f}">realised</text>'


def _x(day: date, first: date, last: date) -> float:
    share = (day - first).days / max((last - first).days, 1)
    return round(_LEFT + 8 + (_WIDTH - _LEFT - _RIGHT - 16) * share, 1)


def _y(value: float) -> float:
    share = (_HIGH - min(max(value, _LOW), _HIGH)) / (_HIGH - _LOW)
    return round(_TOP + (_HEIGHT - _TOP - _BOTTOM) * share, 1)

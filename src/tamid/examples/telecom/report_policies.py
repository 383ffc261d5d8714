"""The policies of the year as a picture and a table: what replay says they would have brought."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from html import escape
from itertools import pairwise
from statistics import fmean

from tamid.examples.telecom.demo_policies import OURS, Policies, PolicyRow
from tamid.examples.telecom.report_words import count

_WIDTH, _HEIGHT = 1000, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 170, 16, 30
_APART = 17
# Weeks over which a line is smoothed: so few customers leave one week's F1 too much to chance.
_SMOOTH = 4
# By policy: colour and dashes. The colours of the other pictures stand for the same policies.
_STYLES = {
    "never": "stroke:var(--never);stroke-dasharray:5 4",
    "quarterly": "stroke:var(--soft)",
    "4-weekly": "stroke:var(--manual)",
    OURS: "stroke:var(--ours);stroke-width:3",
}
_NAMES = {
    "never": "never again",
    "quarterly": "every 12 weeks",
    "4-weekly": "every 4 weeks",
    OURS: "as the contract says",
}
_HEAD = ("policy", "mean F1", "runs", "taken", "harmful", "false alarms", "regret", "errors cost")


def policies_part(found: Policies | None) -> str:
    """Return the section of the report, empty where too few weeks were judged."""
    if found is None:
        return ""
    notes = "".join(f"<li>{escape(line)}</li>" for line in _notes(found))
    return (
        "<h2>What replay says: four policies of retraining over the same year</h2>"
        f'<div class="wide">{_picture(found.rows)}</div>'
        f'<div class="wide">{_table(found)}</div><ul class="lead">{notes}</ul>'
    )


def _table(found: Policies) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in _HEAD)
    return f"<table><tr>{head}</tr>{''.join(_cells(found, row) for row in found.rows)}</table>"


def _cells(found: Policies, row: PolicyRow) -> str:
    regret = "-" if row.regret is None else f"{row.regret:.2f}"
    cells = [_NAMES[row.policy], f"{row.f1:.3f}", row.runs, row.releases, row.harmful,
             row.false_alarms, regret, f"{row.cost:,} {found.currency}"]  # fmt: skip
    return "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells) + "</tr>"


def _notes(found: Policies) -> Iterator[str]:
    yield (
        f"Walked: {count(found.walked, 'row')}, about {found.customers:,} customers a week, drawn "
        "by lot from those to whom nobody makes an offer (history by the same lot). The lines are "
        f"means of {_SMOOTH} weeks."
    )
    yield (
        f"Models: {found.models} fits in {found.origins} weeks, every {found.every} weeks one on "
        f"all history and one on the last 8 weeks; {found.learner} with the contract's settings "
        f"and the {found.columns} columns of its latest version, from the first week on. The "
        "calendar trains on all history; the contract chooses the window."
    )
    yield (
        f"An alarm is answered by the next of these models only, up to {found.every - 1} weeks "
        "later than the loop answers it: the walk compares policies, it does not repeat the year. "
        "What the loop also asks of a run (diagnosis, slices, people) is left out."
    )
    yield (
        f"Regret: 0 is the best fixed policy in hindsight ({found.best_fixed}), 1 is never "
        "training. Errors cost what missed leavers would have been worth and what offers to "
        f"others cost, one customer standing for {found.stands_for:.0f}."
    )
    if not found.telling:
        yield (
            "No fixed policy is better than never training by two standard errors: differences "
            "may be chance."
        )


def _picture(rows: Sequence[PolicyRow]) -> str:
    title = "F1 by week under four policies of retraining"
    lines = {row.policy: _smoothed(row.by_week) for row in rows}
    days = sorted({day for line in lines.values() for day in line})
    values = [value for line in lines.values() for value in line.values()]
    place = _Place(days, int(min(values, default=0.0) * 10) / 10)
    return "\n".join(
        [
            '<svg xmlns="http://www.w3.org/2000/svg" class="year" '
            f'viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{title}">'
            f"<title>{title}</title>",
            f'<rect class="paper" width="{_WIDTH}" height="{_HEIGHT}"/>',
            *_axes(place, days),
            *(_line(name, lines[name], place) for name in _STYLES if name in lines),
            *_ends(lines, place),
            "</svg>",
        ]
    )


class _Place:
    """Where a day and a value stand."""

    def __init__(self, days: Sequence[date], low: float) -> None:
        self.first, self.last, self.low = days[0], days[-1], low

    def x(self, day: date) -> float:
        share = (day - self.first).days / max((self.last - self.first).days, 1)
        return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * share, 1)

    def y(self, value: float) -> float:
        share = (1.0 - value) / (1.0 - self.low)
        return round(_TOP + (_HEIGHT - _TOP - _BOTTOM) * share, 1)


def _smoothed(by_week: Mapping[str, float]) -> dict[date, float]:
    """Return the mean of each week and the three before it."""
    weeks = sorted(by_week)
    return {
        date.fromisoformat(week): fmean(by_week[w] for w in weeks[max(0, i + 1 - _SMOOTH) : i + 1])
        for i, week in enumerate(weeks)
    }


def _axes(place: _Place, days: Sequence[date]) -> Iterator[str]:
    right = _WIDTH - _RIGHT
    for tenth in range(round(place.low * 10), 11):
        y = place.y(tenth / 10)
        yield f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y}" y2="{y}"/>'
        place_of = f'x="{_LEFT - 8}" y="{y + 4}" text-anchor="end"'
        yield f'<text class="soft" {place_of}>{tenth / 10}</text>'
    for before, day in pairwise(days):
        if day.month != before.month:
            name = day.strftime("%b" if day.month > 1 else "%b %Y")
            where = f'x="{place.x(day)}" y="{_HEIGHT - _BOTTOM + 19}" text-anchor="middle"'
            yield f'<text class="soft" {where}>{name}</text>'


def _line(policy: str, line: Mapping[date, float], place: _Place) -> str:
    points = " ".join(f"{place.x(day)},{place.y(value)}" for day, value in line.items())
    return f'<polyline class="line" style="{_STYLES[policy]}" points="{points}"/>'


def _ends(lines: Mapping[str, Mapping[date, float]], place: _Place) -> Iterator[str]:
    """Name each line at its right end, apart from each other."""
    ends = sorted((place.y(line[max(line)]), name) for name, line in lines.items())
    last = -1e9
    # Pushed up as a whole where the lowest would leave the picture.
    over = max(0.0, ends[0][0] + _APART * (len(ends) - 1) - (_HEIGHT - 8))
    for at, name in ends:
        last = max(at - over, last + _APART)
        fill = _STYLES[name].partition(";")[0].replace("stroke:", "fill:")
        where = f'x="{_WIDTH - _RIGHT + 10}" y="{last + 4:.1f}"'
        yield f'<text {where} style="{fill};font-weight:600">{escape(_NAMES[name])}</text>'

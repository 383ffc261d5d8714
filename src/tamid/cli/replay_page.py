"""A replay as one page that needs nothing from outside: the picture, the weeks, what happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tamid.stages.past import Happening, Replay

WIDTH, HEIGHT = 960, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 20, 40, 40
_MARKED = {
    "release": "good", "rollback": "bad", "alarm": "bad", "held": "bad", "refused": "bad",
    "failed": "bad",
}  # fmt: skip
_NAMES = {
    "served": "the loop",
    "frozen": "first version for ever",
    "always": "trained anew every period",
}

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
  color: #0f172a; background: #fff; }
svg { width: 100%; height: auto; font: 12px system-ui, sans-serif; }
.grid { stroke: #e2e8f0; } .soft { fill: #64748b; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.served { stroke: #0f766e; stroke-width: 3; } .frozen { stroke: #9f1239; stroke-dasharray: 5 4; }
.always { stroke: #b45309; stroke-dasharray: 2 3; } .band { fill: #0f766e; opacity: .12; }
.good { stroke: #0f766e; } .bad { stroke: #9f1239; } .mark { stroke-width: 2; }
table { border-collapse: collapse; } td, th { padding: .15rem .7rem; text-align: right; }
td:last-child, th:last-child { text-align: left; } tr:nth-child(even) { background: #f8fafc; }
"""


def page(found: Replay) -> str:
    """Return the whole page as HTML."""
    better = "higher is better" if found.higher_is_better else "lower is better"
    means = "".join(
        f"<tr><th>{escape(_NAMES[name])}</th><td>{value:.4f}</td></tr>"
        for name, value in found.means.items()
    )
    title = f"{found.model}: replay from {found.begin:%Y-%m-%d} to {found.end:%Y-%m-%d}"
    return "\n".join(
        [
            "<!doctype html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>',
            f"<style>{STYLE}</style></head><body>",
            f"<h1>{escape(title)}</h1>",
            f"<p>{found.ticks} ticks, {found.runs} runs, {found.releases} releases. "
            f"{escape(found.metric)} of what was served ({better}), judged afterwards on all "
            "labels there are; the loop saw only what was known at the time.</p>",
            *(f"<p>{escape(line)}.</p>" for line in found.acted.words),
            picture(found),
            f"<h2>Mean over all periods</h2><table>{means}</table>",
            f"<h2>Periods</h2>{_weeks(found)}",
            f"<h2>What happened</h2><table>{_story(found.happenings)}</table>",
            "</body></html>",
        ]
    )


def picture(found: Replay) -> str:
    """Return quality by period with the events as an SVG element; empty without any period."""
    if not found.weeks:
        return ""
    rivals = sorted({name for week in found.weeks for name in week.others})
    values = [w.served for w in found.weeks] + [v for w in found.weeks for v in w.others.values()]
    first, last = (date.fromisoformat(found.weeks[i].period) for i in (0, -1))
    scale = _Scale(first=first, days=max((last - first).days, 1), low=min(values), high=max(values))
    days = [date.fromisoformat(w.period) for w in found.weeks]
    lines = [("served", [w.served for w in found.weeks])]
    lines += [(r, [w.others.get(r) for w in found.weeks]) for r in rivals]  # type: ignore[misc]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(found.metric)} by period">',
        *_grid(scale, found.metric),
        _band(found, days, scale),
        *(_mark(h, scale) for h in found.happenings if h.kind in _MARKED),
        *(_line(name, days, line, scale) for name, line in lines),
        *_legend([name for name, _ in lines]),
        "</svg>",
    ]
    return "\n".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    first: date
    days: int
    low: float
    high: float

    def x(self, day: date) -> float:
        share = min(max((day - self.first).days / self.days, 0.0), 1.0)
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        room = (self.high - self.low) or 1.0
        share = min(max((value - self.low) / room, 0.0), 1.0)
        return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)


def _grid(scale: _Scale, metric: str) -> list[str]:
    found = [f'<text class="soft" x="4" y="{_TOP - 22}">{escape(metric)}</text>']
    for step in range(5):
        value = scale.low + (scale.high - scale.low) * step / 4
        y = scale.y(value)
        found.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" '
                     f'y2="{y:.1f}"/>')  # fmt: skip
        found.append(f'<text class="soft" x="4" y="{y + 4:.1f}">{value:.3g}</text>')
    for step in range(7):
        day = date.fromordinal(scale.first.toordinal() + scale.days * step // 6)
        found.append(
            f'<text class="soft" text-anchor="middle" x="{scale.x(day):.1f}" y="{HEIGHT - 14}">'
            f"{day:%Y-%m-%d}</text>"
        )
    return found


def _band(found: Replay, days: Sequence[date], scale: _Scale) -> str:
    upper = [(scale.x(d), scale.y(w.high)) for d, w in zip(days, found.weeks, strict=True)]
    lower = [(scale.x(d), scale.y(w.low)) for d, w in zip(days, found.weeks, strict=True)]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in [*upper, *reversed(lower)])
    return f'<polygon class="band" points="{points}"/>'


def _mark(one: Happening, scale: _Scale) -> str:
    x = scale.x(one.at.date())
    told = escape(f"{one.at:%Y-%m-%d} {one.kind}: {one.text}")
    return (
        f'<line class="mark {_MARKED[one.kind]}" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 12}" '
        f'y2="{_TOP + 2}"><title>{told}</title></line>'
    )


def _line(name: str, days: Sequence[date], values: Sequence[float | None], scale: _Scale) -> str:
    points = " ".join(
        f"{scale.x(d):.1f},{scale.y(v):.1f}"
        for d, v in zip(days, values, strict=True)
        if v is not None
    )
    return f'<polyline class="line {name}" points="{points}"/>'


def _legend(names: Sequence[str]) -> list[str]:
    found = []
    for place, name in enumerate(names):
        x = _LEFT + 250 * place + 60
        found.append(f'<line class="line {name}" x1="{x}" x2="{x + 30}" y1="12" y2="12"/>')
        found.append(f'<text x="{x + 36}" y="16">{escape(_NAMES[name])}</text>')
    return found


def _weeks(found: Replay) -> str:
    rivals = sorted({name for week in found.weeks for name in week.others})
    head = ["period", "rows", "version", "served", *rivals]
    rows = [
        [w.period, str(w.rows), str(w.version), f"{w.served:.4f}",
         *(f"{w.others[r]:.4f}" if r in w.others else "-" for r in rivals)]
        for w in found.weeks
    ]  # fmt: skip
    cells = ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows]
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    return f"<table><tr>{names}</tr>" + "".join(f"<tr>{row}</tr>" for row in cells) + "</table>"


def _story(happenings: Sequence[Happening]) -> str:
    return "".join(
        f"<tr><td>{h.at:%Y-%m-%d}</td><td>{escape(h.kind)}</td><td>{escape(h.text)}</td></tr>"
        for h in happenings
    )

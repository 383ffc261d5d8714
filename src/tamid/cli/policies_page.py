"""A comparison of policies as one page that needs nothing from outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from math import isfinite, nan

from tamid.cli.policies_told import Tried, notes
from tamid.core.policies.account import Account
from tamid.core.policies.money import bill
from tamid.core.policies.staleness import staleness
from tamid.core.verdict import Outcome

WIDTH, HEIGHT = 960, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 16, 30
_LANE = 22
# Told apart by hue and by lightness (Okabe and Ito 2008); a ninth policy begins again.
_COLOURS = ("#9f1239", "#b45309", "#0369a1", "#0f766e", "#6d28d9", "#4d7c0f", "#be185d", "#334155")
# Weeks over which a line is smoothed: single weeks hide the difference between policies.
_SMOOTH = 4

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
  color: #0f172a; background: #fff; }
svg { width: 100%; height: auto; font: 12px system-ui, sans-serif; }
.grid { stroke: #e2e8f0; } .soft { fill: #64748b; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; } .band { opacity: .12; }
table { border-collapse: collapse; } td, th { padding: .15rem .7rem; text-align: right; }
td:first-child, th:first-child { text-align: left; white-space: nowrap; }
tr:nth-child(even) { background: #f8fafc; }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .4em; }
li { margin: .2rem 0; } .note { color: #475569; }
"""


def page(tried: Tried, title: str) -> str:
    """Return the whole page as HTML."""
    tensor = tried.made.tensor
    better = "higher is better" if tensor.higher_is_better else "lower is better"
    head = f"{tried.model}: policies of retraining compared"
    return "\n".join(
        [
            "<!doctype html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>{escape(head)}</title>',
            f"<style>{STYLE}</style></head><body>",
            f"<h1>{escape(head)}</h1>",
            f"<p>{escape(title[:1].upper() + title[1:])}</p>" if title else "",
            f"<p>{escape(tensor.metric)} ({better}) of what each policy would have served, mean of "
            f"{_SMOOTH} weeks. Each decision saw only labels that were known at the time.</p>",
            _weeks_picture(tried),
            "<p class='note'>Below the weeks, one row a policy: a filled dot is a run whose model "
            "went live, a ring one that the gate kept back.</p>",
            _table(tried),
            "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in notes(tried)) + "</ul>",
            "<h2>How a model ages</h2>",
            f"<p>{escape(tensor.metric)} by weeks since the fit, in an average week; the paler the "
            "line, the fewer weeks it rests on.</p>",
            _ageing_picture(tried),
            "</body></html>",
        ]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """Where a point lies; `height` is that of the chart without what stands below it."""

    first: float
    last: float
    low: float
    high: float
    height: float = HEIGHT

    def x(self, value: float) -> float:
        share = (value - self.first) / ((self.last - self.first) or 1.0)
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return self.height - _BOTTOM - share * (self.height - _TOP - _BOTTOM)


def _weeks_picture(tried: Tried) -> str:
    accounts, tensor = tried.accounts.accounts, tried.made.tensor
    lines = [smoothed(a.quality.tolist()) for a in accounts]
    values = [v for line in lines for v in line if isfinite(v)] or [0.0]
    first = accounts[0].walk.first
    scale = _Scale(first=first, last=len(tensor.weeks) - 1, low=min(values), high=max(values))
    height = HEIGHT + _LANE * len(accounts)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(tensor.metric)} by week under each policy">',
        *_grid(scale, [(w, tensor.weeks[w]) for w in _ticks(first, len(tensor.weeks) - 1)]),
    ]
    for place, (one, line) in enumerate(zip(accounts, lines, strict=True)):
        points = [(scale.x(first + i), scale.y(v)) for i, v in enumerate(line) if isfinite(v)]
        parts.append(_polyline(points, _colour(place)))
        parts.extend(_lane(one, place, scale, tensor.weeks))
    return "\n".join([*parts, "</svg>"])


def smoothed(values: Sequence[float]) -> list[float]:
    """Return the mean of each week and the three before it, gaps left out.

    >>> smoothed([1.0, float("nan"), 3.0])
    [1.0, 1.0, 2.0]
    """
    found = []
    for i in range(len(values)):
        near = [v for v in values[max(0, i - _SMOOTH + 1) : i + 1] if isfinite(v)]
        found.append(sum(near) / len(near) if near else nan)
    return found


def _lane(one: Account, place: int, scale: _Scale, weeks: tuple[str, ...]) -> list[str]:
    y = HEIGHT + _LANE * (place + 0.5)
    colour = _colour(place)
    found = [
        f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>',
        f'<text x="4" y="{y + 4}" fill="{colour}">{escape(one.name[:9])}</text>',
    ]
    for run in one.walk.runs:
        taken = run.outcome is Outcome.PROMOTE
        fill = colour if taken else "#fff"
        told = f"{weeks[run.week]}: {run.trigger}, {run.outcome.value}"
        found.append(
            f'<circle cx="{scale.x(run.week):.1f}" cy="{y}" r="4.5" fill="{fill}" '
            f'stroke="{colour}" stroke-width="1.5"><title>{escape(told)}</title></circle>'
        )
    return found


def _ageing_picture(tried: Tried) -> str:
    curve = staleness(tried.accounts.tables)
    if len(curve) < 2:
        return "<p>Too few models to say.</p>"
    ages = sorted(curve)
    values = [curve[a].quality for a in ages]
    scale = _Scale(first=ages[0], last=ages[-1], low=min(values), high=max(values), height=240)
    most = max(one.weeks for one in curve.values())
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} 240" role="img" '
        'aria-label="quality by age of the model">',
        *_grid(scale, [(a, f"{a} w") for a in _ticks(ages[0], ages[-1])]),
    ]
    for one, two in pairwise(ages):
        points = [(scale.x(a), scale.y(curve[a].quality)) for a in (one, two)]
        strength = 0.25 + 0.75 * curve[two].weeks / most
        parts.append(_polyline(points, "#0f766e", strength))
    return "\n".join([*parts, "</svg>"])


def _grid(scale: _Scale, ticks: Sequence[tuple[int, str]]) -> list[str]:
    found = []
    for step in range(5):
        value = scale.low + (scale.high - scale.low) * step / 4
        y = scale.y(value)
        found.append(
            f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        found.append(f'<text class="soft" x="4" y="{y + 4:.1f}">{value:.3g}</text>')
    for place, text in ticks:
        found.append(
            f'<text class="soft" text-anchor="middle" x="{scale.x(place):.1f}" '
            f'y="{scale.height - 8:.1f}">{escape(text)}</text>'
        )
    return found


def _ticks(first: int, last: int, count: int = 6) -> list[int]:
    room = max(last - first, 1)
    # Not at the very ends, where a date would be cut off.
    return sorted({first + round(room * (i + 0.5) / count) for i in range(count)})


def _polyline(points: Sequence[tuple[float, float]], colour: str, strength: float = 1.0) -> str:
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (
        f'<polyline class="line" points="{text}" stroke="{colour}" '
        f'stroke-opacity="{strength:.2f}"/>'
    )


def _colour(place: int) -> str:
    return _COLOURS[place % len(_COLOURS)]


def _table(tried: Tried) -> str:
    found, unit = tried.accounts, tried.tariff.currency or "error-weeks"
    head = ["policy", tried.made.tensor.metric, "regret", "runs", "releases", "harmful",
            "needless", "false alarms", f"errors, {unit}", "runs cost", "total"]  # fmt: skip
    rows = []
    for place, a in enumerate(found.accounts):
        cost = bill(found, a, tried.tariff)
        regret = f"{a.regret:.2f}" if isfinite(a.regret) else "-"
        cells = [f"{a.overall:.4f}", regret, *map(str, (a.runs, a.releases, a.harmful, a.needless,
                 a.false_alarms)), f"{cost.errors:,.2f}", f"{cost.runs:,.2f}",
                 f"{cost.total:,.2f}"]  # fmt: skip
        key = f'<span class="key" style="background:{_colour(place)}"></span>'
        rows.append(
            f"<tr><td>{key}{escape(a.name)}</td>"
            + "".join(f"<td>{escape(c)}</td>" for c in cells)
            + "</tr>"
        )
    names = "".join(f"<th>{escape(h)}</th>" for h in head)
    return f"<table><tr>{names}</tr>{''.join(rows)}</table>"

"""The pictures of the pages of runs and next steps: inline SVG, no script, nothing from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

WIDTH, HEIGHT = 900, 260
SMALL, LOW = 280, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 14, 22, 34
_BAR = 22
# Room for names beside bars at the least, and for each of their letters.
_NAMES, _LETTER = 220, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """One point of a picture; `kind` is its class, `told` what it says when pointed at."""

    x: float
    y: float
    kind: str
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A bar from zero to a point, with a whisker over what bounds of it are known."""

    name: str
    point: float
    low: float | None
    high: float | None
    kind: str
    told: str = ""


def scatter(
    dots: Sequence[Dot],
    *,
    x: str,
    y: str,
    width: int = WIDTH,
    height: int = HEIGHT,
    names: Sequence[str] = (),
    line: Sequence[tuple[float, float]] = (),
) -> str:
    """Return dots over two named axes; `names` stand below the whole numbers of x, `line` joins."""
    if not dots:
        return ""
    across = _Axis.over([d.x for d in dots], _LEFT, width - _RIGHT)
    up = _Axis.over([d.y for d in dots], height - _BOTTOM, _TOP)
    parts = [_head(width, height, f"{y} by {x}")]
    for value in up.steps():
        place = up.place(value)
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{width - _RIGHT}" y1="{place:.1f}" '
            f'y2="{place:.1f}"/><text class="soft" x="4" y="{place + 4:.1f}">{_short(value)}</text>'
        )
    bottom = height - _BOTTOM + 16
    if names:
        every = max(1, len(names) // 12)
        marks = [(float(i), name) for i, name in enumerate(names) if i % every == 0]
    else:
        marks = [(value, _short(value)) for value in across.steps(3)]
    parts += [
        f'<text class="soft" text-anchor="middle" x="{across.place(at):.1f}" y="{bottom}">'
        f"{escape(name)}</text>"
        for at, name in marks
    ]
    parts.append(f'<text class="soft" x="4" y="12">{escape(y)}</text>')
    parts.append(
        f'<text class="soft" text-anchor="end" x="{width - _RIGHT}" y="{height - 3}">'
        f"{escape(x)}</text>"
    )
    if line:
        points = " ".join(f"{across.place(a):.1f},{up.place(b):.1f}" for a, b in line)
        parts.append(f'<polyline class="best" points="{points}"/>')
    parts += [
        f'<circle class="{d.kind}" cx="{across.place(d.x):.1f}" cy="{up.place(d.y):.1f}" r="4.5">'
        f"<title>{escape(d.told)}</title></circle>"
        for d in dots
    ]
    return "".join([*parts, "</svg>"])


def trial_pictures(trials: Sequence[Mapping[str, Any]]) -> str:
    """Return the loss by trial with the best so far, and by each parameter that varied."""
    best, so_far = float("inf"), []
    for trial in trials:
        best = min(best, trial["loss"])
        so_far.append((float(trial["number"]), best))
    said = [
        f"trial {t['number']}: loss {t['loss']:.5f}; "
        + ", ".join(f"{k} {_short(v)}" for k, v in sorted(t["params"].items()))
        for t in trials
    ]
    kinds = ["won" if t["loss"] == best else "tried" for t in trials]
    history = [
        Dot(x=float(t["number"]), y=t["loss"], kind=kind, told=told)
        for t, kind, told in zip(trials, kinds, said, strict=True)
    ]
    numbers = [str(t["number"]) for t in trials]
    pictures = [scatter(history, x="trial", y="loss (less is better)", line=so_far, names=numbers)]
    names = sorted({n for t in trials for n, v in t["params"].items() if _number(v)})
    for name in names:
        dots = [
            Dot(x=float(t["params"][name]), y=t["loss"], kind=kind, told=told)
            for t, kind, told in zip(trials, kinds, said, strict=True)
            if _number(t["params"].get(name))
        ]
        if len({d.x for d in dots}) > 1:
            pictures.append(scatter(dots, x=name, y="loss", width=SMALL, height=LOW))
    whole, small = pictures[0], "".join(f"<div>{p}</div>" for p in pictures[1:])
    return f'<div class="wide">{whole}</div><div class="many">{small}</div>'


def benefit_picture(features: Sequence[Mapping[str, Any]]) -> str:
    """Return a bar with its interval for each measured feature, over one scale with a zero."""
    known = [(f, f["benefit"]) for f in features if f.get("benefit")]
    return bars(
        "benefit of each feature",
        [
            Bar(
                name=feature["feature"],
                point=found["point"],
                low=found["low"],
                high=found["high"],
                kind="sure" if _or(found["low"], -1.0) > 0 else "unsure",
            )
            for feature, found in known
        ],
    )


def bars(label: str, shown: Sequence[Bar]) -> str:
    """Return bars below each other over one scale with a zero; nothing if there are none."""
    if not shown:
        return ""
    edges = [e for bar in shown for e in (bar.low, bar.point, bar.high) if e is not None]
    room = max(_NAMES, min(_LETTER * max(len(bar.name) for bar in shown), WIDTH // 2))
    across = _Axis.over([0.0, *edges], room, WIDTH - 90)
    height = _TOP + _BAR * len(shown) + 8
    zero = across.place(0.0)
    parts = [
        _head(WIDTH, height, label),
        f'<line class="grid" x1="{zero:.1f}" x2="{zero:.1f}" y1="4" y2="{height - 4}"/>',
    ]
    for i, bar in enumerate(shown):
        y, point = _TOP + _BAR * i, across.place(bar.point)
        low, high = (across.place(_or(edge, bar.point)) for edge in (bar.low, bar.high))
        told = f"<title>{escape(bar.told)}</title>" if bar.told else ""
        parts.append(
            f'<text x="4" y="{y + 4}">{escape(_cut(bar.name, room // _LETTER))}</text>'
            f'<rect class="{bar.kind}" x="{min(zero, point):.1f}" y="{y - 6}" '
            f'width="{abs(point - zero):.1f}" height="12">{told}</rect>'
            f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>'
            f'<text class="soft" text-anchor="end" x="{WIDTH - 4}" y="{y + 4}">'
            f"{bar.point:+.4f}</text>"
        )
    return "".join([*parts, "</svg>"])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    low: float
    high: float
    start: float
    end: float

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float) -> _Axis:
        low, high = min(values), max(values)
        room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
        return cls(low=low - room, high=high + room, start=start, end=end)

    def place(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def steps(self, count: int = 4) -> list[float]:
        return [self.low + (self.high - self.low) * (i + 0.5) / count for i in range(count)]


def _head(width: int, height: int, label: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(label)}">'
    )


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _short(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    whole = 1e4 <= abs(value) < 1e9  # which four digits would write with an exponent
    return f"{value:,.0f}".replace(",", " ") if whole else f"{value:.4g}"


def _or(value: float | None, other: float) -> float:
    return other if value is None else value


def _cut(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"

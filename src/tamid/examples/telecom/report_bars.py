"""Bars with intervals, and a mark to reach, as SVG."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from tamid.core.values import Interval

_WIDTH, _NAME, _END = 460, 118, 104
# Height of a bar's row; many stand closer together.
_ROW, _CLOSE_ROW, _MANY = 34, 25, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One named value with its interval; `style` is a policy's class."""

    name: str
    interval: Interval
    style: str


def bars(
    values: Sequence[Bar], *, unit: str, mark: float | None = None, mark_name: str = ""
) -> str:
    """Return bars one below the other, from zero; the mark is a line across all of them."""
    least = min(0.0, *(b.interval.low for b in values))
    most = max(0.0, mark or 0.0, *(b.interval.high for b in values))
    scale = (_WIDTH - _NAME - _END) / (most - least or 1.0)

    def x(value: float) -> float:
        return round(_NAME + (value - least) * scale, 1)

    step = _ROW if len(values) <= _MANY else _CLOSE_ROW
    height = step * len(values) + (0 if mark is None else 26)
    rows = [
        line
        for place, bar in enumerate(values)
        for line in _row(bar, (place + 0.5) * step, unit, x)
    ]
    if mark is not None:
        rows.append(
            f'<line class="owed" x1="{x(mark)}" x2="{x(mark)}" y1="2" y2="{height - 18}"/>'
            f'<text x="{x(mark)}" y="{height - 5}" text-anchor="middle">'
            f"{escape(mark_name)} {mark:.0f} {escape(unit)}</text>"
        )
    return (
        f'<svg class="year bars" viewBox="0 0 {_WIDTH} {height}" role="img">{"".join(rows)}</svg>'
    )


def _row(bar: Bar, middle: float, unit: str, x: Callable[[float], float]) -> Iterator[str]:
    left, right = sorted((x(0.0), x(bar.interval.point)))
    yield f'<text x="{_NAME - 8}" y="{middle + 4}" text-anchor="end">{escape(bar.name)}</text>'
    yield (
        f'<rect class="fill {bar.style}" x="{left}" y="{middle - 9}" rx="2" '
        f'width="{max(right - left, 1):.1f}" height="18"/>'
    )
    low, high = x(bar.interval.low), x(bar.interval.high)
    yield f'<line class="owed" x1="{low}" x2="{high}" y1="{middle}" y2="{middle}"/>'
    text = f"{bar.interval.point:,.0f} {unit}"
    yield f'<text x="{max(high, right) + 6}" y="{middle + 4}">{escape(text)}</text>'

"""How the report writes numbers."""

from __future__ import annotations

from tamid.core.values import Interval

NAMES = {"ours": "with Tamid", "manual": "repaired by hand", "never": "never retrained"}


def days(value: int | None) -> str:
    """Return a stretch of days; None never came."""
    return "never" if value is None else count(value, "day")


def times(value: int) -> str:
    """Return how often: never, once, twice, 3 times."""
    return {0: "never", 1: "once", 2: "twice"}.get(value, f"{value} times")


def count(value: int, one: str) -> str:
    """Return a count of things, such as 1 file, 2 files."""
    return f"{value:,} {one}" + ("" if value == 1 else "s")


def number(value: float | None) -> str:
    """Return a figure with two decimals, a dash for none."""
    return "-" if value is None else f"{value:.2f}"


def span(interval: Interval, scale: float, unit: str) -> str:
    """Return both ends of an interval."""
    return f"{scale * interval.low:.0f} to {scale * interval.high:.0f} {unit}"


def money(value: float, currency: str) -> str:
    """Return an amount in thousands or millions."""
    amount = f"{value / 1e6:.2f} M" if abs(value) >= 1e6 else f"{value / 1e3:.0f} k"
    return f"{amount} {currency}".strip()

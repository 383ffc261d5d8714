"""What each feature of a run is worth, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# Features that a terminal shows; --json and the page have all.
_MOST = 15


def feature_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield a table of the features, the most beneficial first; nothing for an older run."""
    from tamid.cli.output import table_lines

    features = report.get("features", ())
    if not features:
        return
    yield (
        f"  features     what {report.get('metric')} loses if a feature is dealt out at random, on "
        "rows that were not fitted on"
    )
    columns = ("feature", "benefit", "95 % interval", "nulls", "ms per 1,000", "told as early as")
    yield from (
        f"    {line}" for line in table_lines(columns, [feature_row(f) for f in features[:_MOST]])
    )
    if len(features) > _MOST:
        yield f"    and {len(features) - _MOST} more: --json"


def feature_row(feature: Mapping[str, Any]) -> tuple[object, ...]:
    """Return a feature's name, benefit, interval, share of nulls, cost and lead, to be shown."""
    found = feature.get("benefit")
    ms = feature.get("ms")
    return (
        feature["feature"],
        None if found is None else f"{found['point']:+.4f}",
        _interval(found),
        f"{feature['nulls']:.1%}",
        "joined before" if ms is None else f"{ms:.2f}",
        lead_words(feature),
    )


def _interval(found: Mapping[str, float | None] | None) -> str:
    if found is None:
        return "not measured"
    low, high = found["low"], found["high"]
    if low is None or high is None:  # too few rows to bound it
        return "unknown"
    return f"{low:+.4f} to {high:+.4f}"


def lead_words(feature: Mapping[str, Any]) -> str:
    """Return how much earlier a feature already told at least half as much.

    >>> lead_words({"lead": 2, "ageing": [{"periods": 2, "kept": 0.6}]})
    '2 periods earlier (keeps 60 %)'
    """
    lead = feature.get("lead")
    if lead is None:
        return "-"
    if not lead:
        return "its own period only"
    kept = next((a["kept"] for a in feature["ageing"] if a["periods"] == lead), None)
    left = f" (keeps {kept:.0%})".replace("%", " %") if kept is not None else ""
    return f"{lead} period{'s' if lead > 1 else ''} earlier{left}"

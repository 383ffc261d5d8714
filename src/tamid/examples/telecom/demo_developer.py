"""The ML developer of the demo: reads a case, looks at the data, answers only on what he finds.

He has what a person in his place has: the case's report, the files of the operator's systems and
the delivered scores. A second version of the features, which reads the payments, lies in his
drawer; it becomes his answer if the leavers that the scores missed have failed debits in common.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl

# Worth new features: so large a part of the missed leavers, and so many times the others' share.
_SHARE, _TIMES = 0.2, 4.0
# Fewer missed leavers show nothing.
_FEWEST = 20
_LOOK_BACK = timedelta(days=28)
_REPEATEDLY = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What he saw: shares of customers whose debit failed repeatedly in the four weeks before.

    `missed`: leavers whom the scores did not name; `stayed`: everybody else they did not name.
    """

    periods: tuple[str, ...]
    missed: int
    missed_share: float
    stayed_share: float

    @property
    def worth_it(self) -> bool:
        """Whether features that read the payments answer the case."""
        enough = self.missed >= _FEWEST and self.missed_share >= _SHARE
        return enough and self.missed_share >= _TIMES * self.stayed_share

    @property
    def words(self) -> str:
        """The finding as he writes it under the case."""
        seen = (
            f"of {self.missed} leavers that the scores of {_spoken(self.periods)} missed "
            f"{self.missed_share:.0%} had a direct debit that failed repeatedly, of those who "
            f"stayed {self.stayed_share:.1%}"
        )
        if self.worth_it:
            return f"{seen}: contract and features now read the payments"
        return f"{seen}: the payments do not explain it, and there is no other table to read"


def look(folder: Path, report: Mapping[str, Any], horizon: timedelta) -> Finding | None:
    """Look at what a case is about; None if it does not say that the world has changed."""
    about = [a for a in report["alarms"] if a["cause"] == "concept_drift"]
    periods = tuple(sorted({p for a in about for p in a["periods"]}))
    if not periods:
        return None
    parts = [_unnamed(folder, period, horizon) for period in periods]
    rows = pl.concat(parts)
    missed, stayed = rows.filter("left"), rows.filter(~pl.col("left"))
    return Finding(
        periods=periods,
        missed=missed.height,
        missed_share=_mean(missed.get_column("failed")),
        stayed_share=_mean(stayed.get_column("failed")),
    )


def _unnamed(folder: Path, period: str, horizon: timedelta) -> pl.DataFrame:
    """Return whom the scores of a period did not name: `left`, and `failed` (repeatedly)."""
    since = datetime.combine(date.fromisoformat(period), time(), UTC)
    scores = pl.read_csv(folder / "out" / f"scores-{period}.csv")
    unnamed = scores.filter(pl.col("decision") == 0).select(customer_id="entity")
    left = _read(folder, "left", since, since + horizon + timedelta(days=3), "left_at")
    left = left.filter(pl.col("left_at") < since + horizon)
    paid = _read(folder, "payments", since - _LOOK_BACK, since, "at")
    tries = paid.group_by("customer_id").agg(pl.col("failed").sum())
    return unnamed.join(tries, on="customer_id", how="left").select(
        left=pl.col("customer_id").is_in(left.get_column("customer_id").to_list()),
        failed=(pl.col("failed") >= _REPEATEDLY).fill_null(value=False),
    )


def _read(folder: Path, name: str, first: datetime, last: datetime, at: str) -> pl.DataFrame:
    """Return what the files of one folder tell of a stretch of time."""
    files: Sequence[Path] = sorted((folder / "data" / name).glob("*.parquet"))
    frames = [pl.read_parquet(file) for file in files if _may_hold(file, first, last)]
    frame = pl.concat(frames) if frames else pl.DataFrame(schema=_SCHEMAS[name])
    return frame.filter((pl.col(at) >= first) & (pl.col(at) < last))


def _may_hold(file: Path, first: datetime, last: datetime) -> bool:
    """Say whether a file may hold events of a stretch: it comes up to a week after them."""
    try:
        day = datetime.combine(date.fromisoformat(file.stem), time(), UTC)
    except ValueError:
        return True  # the history, in one file
    return first <= day <= last + timedelta(days=8)


_MOMENT = pl.Datetime("us", "UTC")
_SCHEMAS: dict[str, dict[str, Any]] = {
    "left": {"customer_id": pl.String, "left_at": _MOMENT},
    "payments": {"customer_id": pl.String, "at": _MOMENT, "failed": pl.Int64},
}


def _mean(flags: pl.Series) -> float:
    return float(flags.sum()) / max(len(flags), 1)


def _spoken(periods: Sequence[str]) -> str:
    return periods[0] if len(periods) == 1 else f"{periods[0]} to {periods[-1]}"

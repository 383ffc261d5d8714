"""Are the columns that a candidate leans on still there? The champion's columns are the measure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import polars as pl

from tamid.core.stats.intervals import newcombe
from tamid.core.values import PERIOD
from tamid.core.verdict import GateOutcome, GateVerdict
from tamid.stages.evidence import Evidence, Gap

# What production has to offer now shows in the latest judged periods.
_LATEST = 4
# So many rows in a hundred may lack a value that had one before, beyond chance.
LESS_PRESENT = 0.05


def gaps(rows: pl.DataFrame, known: Collection[str], asked: Sequence[str]) -> tuple[Gap, ...]:
    """Return for each column read by how much fewer rows of late have a value than before.

    `rows`: all rows of the judged periods, those that were set aside as well. `asked`: columns that
    the candidate reads, `known`: that the champion does. A column's gap is that of the worst of the
    latest four periods against all before these; columns and periods share the level (Bonferroni).
    """
    periods = sorted(rows.get_column(PERIOD).unique()) if PERIOD in rows.columns else []
    latest, before = periods[-_LATEST:], periods[:-_LATEST]
    columns = [c for c in sorted({*asked, *known}) if c in rows.columns]
    if not before or not columns:
        return ()
    there = [_there(rows, c).alias(c) for c in columns]
    count = rows.group_by(PERIOD).agg(pl.len().alias("_n"), *there)
    usual = count.filter(pl.col(PERIOD).is_in(before)).select(pl.exclude(PERIOD).sum()).row(
        0, named=True
    )  # fmt: skip
    level = 1 - 0.05 / (len(columns) * len(latest))
    found = []
    for column in columns:
        worst = max(
            (
                Gap(
                    column=column,
                    period=str(one[PERIOD]),
                    fewer=newcombe(usual[column], usual["_n"], one[column], one["_n"], level),
                    now=one[column] / one["_n"],
                    new=column in asked and column not in known,
                )
                for one in count.filter(pl.col(PERIOD).is_in(latest)).to_dicts()
            ),
            key=lambda gap: (gap.fewer.low, gap.period),
        )
        found.append(worst)
    return tuple(found)


def availability(e: Evidence) -> Iterator[GateVerdict]:
    """A column that the champion does not read must not have gone missing of late.

    It fails when fewer rows of one of the latest four judged periods are shown to have a value than
    before, by more than five in a hundred and more than of any column that the champion reads.
    """
    new = [gap for gap in e.gaps if gap.new]
    if e.champion is None or not new:
        return
    theirs = max((gap.fewer.point for gap in e.gaps if not gap.new), default=0.0)
    worst = max(new, key=lambda gap: (gap.fewer.low, gap.column))
    gone = worst.fewer.low > LESS_PRESENT and worst.fewer.point > theirs
    yield GateVerdict(
        gate="feature availability",
        outcome=GateOutcome.FAIL if gone else GateOutcome.PASS,
        measured=worst.fewer.point,
        threshold=max(LESS_PRESENT, theirs),
        interval=worst.fewer,
        n=len(new),
        message=f"{worst.column}, which the champion does not read, has a value in {worst.now:.1%} "
        f"of the rows of {worst.period}, in {worst.now + worst.fewer.point:.1%} of those before",
    )


def _there(rows: pl.DataFrame, column: str) -> pl.Expr:
    value = pl.col(column)
    known = value.is_not_null()
    if rows.schema[column].is_float():
        known = known & value.is_not_nan()
    return known.sum()

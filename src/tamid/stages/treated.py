"""Who was acted on before an outcome was decided: with a long horizon not only in its own period.

A control row of one period may be called in the next, once the control group was rotated or another
version took over; whoever then stays would be counted as a wrong answer of the first period.
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.values import ENTITY, TIME

_AT = "_at"
_ACTS = ("treated", "propensity")


def open_long(contract: Contract) -> bool:
    """Say whether outcomes are still open when the next period's scores are acted on."""
    delivery = contract.delivery
    known = contract.data.time is not None and delivery.control_group
    return bool(known) and contract.data.label.horizon > delivery.every


def watched(contract: Contract, rows: pl.DataFrame, scored: list[str]) -> list[str]:
    """Return the scored periods that may hold acts on these rows while they are open."""
    first, last = rows.select(first=pl.col(TIME).min(), last=pl.col(TIME).max()).row(0)
    if first is None:
        return []
    begin, end = first.date(), (last + contract.data.label.horizon).date()
    day = timedelta(days=1)  # a period is named by a local date
    return [p for p in sorted(scored) if begin <= date.fromisoformat(p) + day <= end + 2 * day]


def while_open(contract: Contract, rows: pl.DataFrame, acts: pl.DataFrame) -> pl.DataFrame:
    """Return the rows; `treated` and `propensity` tell of all acts until the outcome is decided.

    `acts`: predictions of later periods, with the same columns. Periods of one rotation share one
    draw of the control group, rotations are independent: the chance of never being acted on is the
    product over rotations of the smallest `propensity` in each. The order of rows stays.
    """
    horizon, rotate = contract.data.label.horizon, contract.delivery.rotate
    high = acts.filter(pl.col("propensity") < 1).select(ENTITY, pl.col(TIME).alias(_AT), *_ACTS)
    ends = pl.col(TIME) + horizon
    later = (
        rows.select(ENTITY, TIME)
        .join(high, on=ENTITY, how="inner")
        .filter(pl.col(_AT) > pl.col(TIME), pl.col(_AT) < ends)
    )
    if later.is_empty():
        return rows
    own = rows.select(ENTITY, TIME, pl.col(TIME).alias(_AT), *_ACTS)
    own = own.join(later, on=[ENTITY, TIME], how="semi")
    turn = pl.col(_AT).dt.epoch("us") // round(rotate.total_seconds() * 1_000_000)
    found = (
        pl.concat([own, later.select(own.columns)])
        .group_by(ENTITY, TIME, turn.alias("_turn"))
        .agg(pl.col("treated").any(), pl.col("propensity").min())
        .group_by(ENTITY, TIME)
        .agg(_treated=pl.col("treated").any(), _propensity=pl.col("propensity").product())
    )
    both = rows.join(found, on=[ENTITY, TIME], how="left", maintain_order="left")
    return both.with_columns(
        treated=pl.coalesce("_treated", "treated"),
        propensity=pl.coalesce("_propensity", "propensity"),
    ).drop("_treated", "_propensity")

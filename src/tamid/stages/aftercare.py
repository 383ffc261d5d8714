"""After a release: the new champion against the one before it, on the same live rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import polars as pl

from tamid.core.contract.metrics import quality_metric
from tamid.core.contract.model import Contract
from tamid.core.events import Measured
from tamid.core.policy import policy_of
from tamid.core.state import State
from tamid.core.stats.compare import compare
from tamid.core.stats.metrics import Terms, terms
from tamid.core.values import ENTITY, LABEL, TIME, WEIGHT
from tamid.stages.evidence import groups_of
from tamid.stages.quality import judged_rows, rescored
from tamid.stages.registry import threshold_of
from tamid.stages.rig import Rig

# A wrong verdict would undo a good release: one in 200 for a period, one in 50 over the watch.
ALPHA = 0.005


def compare_with_previous(
    rig: Rig, contract: Contract, state: State, now: datetime
) -> Iterator[Measured]:
    """Yield how much better each measured live period is than it would have been before.

    Paired over the same rows, drawn by entity; the interval is one-sided at `ALPHA` on either end.
    """
    if not state.previous or now - state.reigns[-1].since > policy_of(contract).watch:
        return
    champion = state.champion
    for period in state.measured.get(f"quality@{champion}", {}):
        if state.measure("against_previous", champion, period) is not None:
            continue
        rows = judged_rows(rig, contract, state, period, now)
        other = rescored(rig, contract, state, rows, state.previous, now)
        if other is None:
            continue
        both = rows.join(
            other.select(ENTITY, TIME, pl.col("score").alias("before")),
            on=[ENTITY, TIME],
            nulls_equal=True,
        )
        found = compare(
            _terms(rig, contract, state, both, "before", state.previous),
            _terms(rig, contract, state, both, "score", champion),
            groups_of(both),
            margin=0.0,
            rng=rig.generator(contract.training.seed),
            alpha=ALPHA,
            degraded=True,
        )
        yield Measured(
            key=f"against/{champion}/{period}",
            signal="against_previous",
            period=period,
            value=found.difference.point,
            interval=found.difference,
            model_version=champion,
            rows=both.height,
        )


def _terms(
    rig: Rig, contract: Contract, state: State, rows: pl.DataFrame, column: str, number: int
) -> Terms:
    return terms(
        quality_metric(contract),
        contract.task,
        rows.get_column(LABEL).cast(pl.Float64).to_numpy(),
        rows.get_column(column).cast(pl.Float64).to_numpy(),
        threshold=threshold_of(rig, state, number),
        weights=rows.get_column(WEIGHT).to_numpy(),
    )

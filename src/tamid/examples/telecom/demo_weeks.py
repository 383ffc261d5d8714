"""Week by week: what customers of the scores really got, and what they would have got.

Every matured week counts, whoever answered it, with every revision for as long as it was in force.
Rows that nobody acted on are weighted as monitoring weights them. What would have been is computed
by scoring the same rows with the version that would have answered; where no model could be asked
(a refused file, an outage) everybody gets the answer of the lower rung.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from tamid.app import App
from tamid.core.chain import Recorded
from tamid.core.events import AlarmRaised, Delivered, Promoted
from tamid.core.ladder import CHAMPION, PREVIOUS, RULE_RUNG
from tamid.core.periods import end_of
from tamid.core.values import ENTITY, LABEL, PERIOD
from tamid.stages import dataset, joining
from tamid.stages.quality import matured, rule_of
from tamid.stages.registry import threshold_of, voice

# A manual repair, from the alarm to the new version in production: what three weeks stand for is
# find the cause, get the data, train, test, get it approved, deploy.
MANUAL = timedelta(days=21)
POLICIES = ("ours", "never", "manual")
# Weeks that are scored in one go; more would only take more memory.
_AT_ONCE = 13
_PATIENCE = timedelta(minutes=10)
# Rungs that answer by choice; the others only where nobody could be asked.
_CHOSEN = {CHAMPION, PREVIOUS, RULE_RUNG}


@dataclass(frozen=True, slots=True, kw_only=True)
class Weeks:
    """The weeks that were judged.

    `rows`: one row an outcome and revision: `_entity`, `_period`, `y` (left), `weight` (share of
    the week in force / chance of not being acted on) and for each policy whether it puts the row
    into the high band. `f1[policy][period]`. `answered`: which rungs, by period and revision.
    """

    periods: tuple[str, ...]
    rows: pl.DataFrame
    f1: Mapping[str, Mapping[str, float]]
    answered: Mapping[str, tuple[Mapping[str, int], ...]]

    @property
    def plain(self) -> tuple[str, ...]:
        """The weeks with one revision, all of it by the champion."""
        alone = {p: sheets[0] for p, sheets in self.answered.items() if len(sheets) == 1}
        return tuple(p for p, rungs in alone.items() if set(rungs) == {CHAMPION})

    @property
    def chosen(self) -> tuple[str, ...]:
        """The weeks that only rungs of the loop's choice answered: they tell of their quality."""
        return tuple(p for p, sheets in self.answered.items() if set().union(*sheets) <= _CHOSEN)


def weeks_of(app: App, model: str) -> Weeks:
    """Judge each matured week under each policy."""
    state, records, contract = app.state(model), app.records(model), app.contract(model)
    mature = matured(app.rig(model), contract, state, app.clock.now())
    periods = tuple(p for p in mature if p in state.scored)
    rows = _judged(app, model, periods)
    first = state.reigns[0].number
    who = {"never": dict.fromkeys(periods, first), "manual": by_hand(records, periods)}
    for policy, versions in who.items():
        rows = rows.join(
            _rescored(app, model, rows, versions), on=[ENTITY, PERIOD], how="left",
            maintain_order="left",
        )  # fmt: skip
        asked = pl.col("rung").is_in(_CHOSEN)
        theirs = pl.when(asked).then(pl.coalesce("_called", "ours")).otherwise("ours")
        rows = rows.with_columns(theirs.alias(policy)).drop("_called")
    sheets = rows.group_by(PERIOD, "revision", "rung").len().sort(PERIOD, "revision", "rung")
    return Weeks(
        periods=periods,
        rows=rows,
        f1={policy: f1_of(rows, policy) for policy in POLICIES},
        answered=_answered(sheets),
    )


def f1_of(rows: pl.DataFrame, policy: str) -> dict[str, float]:
    """Return F1 = 2 hits / (called + left) of each period, over weighted rows."""
    high, left, weight = pl.col(policy), pl.col("y") > 0, pl.col("weight")
    counted = rows.group_by(PERIOD).agg(
        hit=weight.filter(high & left).sum(),
        there=weight.filter(high).sum() + weight.filter(left).sum(),
    )
    f1 = counted.filter(pl.col("there") > 0).select(PERIOD, 2 * pl.col("hit") / pl.col("there"))
    return {str(period): float(value) for period, value in f1.sort(PERIOD).iter_rows()}


def outcomes(app: App, model: str, periods: Sequence[str]) -> pl.DataFrame:
    """Return all outcomes of some periods that were delivered, with `share`, `acted`, `chance`.

    `share`: of the week for which the revision was in force. `acted`: whether marketing was told
    to call in any revision; `chance`: of not being called in any of them.
    """
    rig, state = app.rig(model), app.state(model)
    found = rig.tables.read(state.pins[rig.table("predictions")], periods=sorted(periods))
    rule = rule_of(app.contract(model))
    shares = in_force(app.records(model), {p: end_of(rule, p) for p in periods})
    table = pl.DataFrame(
        [(p, r, s) for (p, r), s in shares.items()],
        schema={PERIOD: pl.String, "revision": pl.Int64, "share": pl.Float64},
        orient="row",
    )
    found = found.join(table, on=[PERIOD, "revision"], how="inner", maintain_order="left")
    return found.with_columns(
        acted=pl.col("treated").any().over(ENTITY, PERIOD),
        chance=pl.col("propensity").min().over(ENTITY, PERIOD),
    )


def in_force(
    records: Sequence[Recorded], ends: Mapping[str, datetime]
) -> dict[tuple[str, int], float]:
    """Return the share of each period for which each delivered revision was the latest one."""
    begun: dict[str, list[tuple[datetime, int]]] = {}
    for record in records:
        event = record.event
        if isinstance(event, Delivered) and event.period in ends:
            begun.setdefault(event.period, []).append((record.at, event.revision))
    shares: dict[tuple[str, int], float] = {}
    for period, told in begun.items():
        first, end = told[0][0], max(ends[period], told[0][0])
        moments = [min(at, end) for at, _ in told] + [end]
        for (_, revision), at, until in zip(told, moments, moments[1:], strict=False):
            whole = (end - first) / timedelta(days=1)
            part = (until - at) / timedelta(days=1) / whole if whole else float(at == first)
            shares[period, revision] = shares.get((period, revision), 0.0) + part
    return shares


def by_hand(records: Sequence[Recorded], periods: Sequence[str]) -> dict[str, int]:
    """Return who would have answered had each new version come three weeks after its alarm."""
    changes: list[tuple[date, int]] = []
    alarm: date | None = None
    for record in records:
        if isinstance(record.event, AlarmRaised) and record.event.failure == "model_failure":
            alarm = alarm or record.at.date()
        if isinstance(record.event, Promoted):
            live = record.at.date()
            changes.append((max(live, alarm + MANUAL) if alarm else live, record.event.number))
            alarm = None
    chosen = {}
    for period in periods:
        before = [number for day, number in changes if day <= date.fromisoformat(period)]
        chosen[period] = before[-1] if before else changes[0][1]
    return chosen


def _judged(app: App, model: str, periods: Sequence[str]) -> pl.DataFrame:
    """Return the outcomes that quality is measured on: nobody acted on them, their label is known.

    `ours`: whether the answer that was delivered lay in the high band.
    """
    rig, state = app.rig(model), app.state(model)
    contract, pin = app.contract(model), state.pins[rig.table("predictions")]
    rows = outcomes(app, model, periods).with_columns(treated="acted", propensity="chance")
    rows = dataset.until_decided(rig.tables, contract, state, pin, rows).filter(~pl.col("treated"))
    rows = dataset.labelled(rig.tables, contract, state.pins, rows, app.clock.now())
    weight = (1.0 / pl.col("propensity")).clip(upper_bound=dataset.LARGEST_WEIGHT)
    return rows.select(
        ENTITY, PERIOD, "revision", "rung", "version",
        y=pl.col(LABEL).cast(pl.Float64),
        weight=weight * pl.col("share"),
        ours=(pl.col("decision") == 1).fill_null(value=False),
    )  # fmt: skip


def _rescored(app: App, model: str, rows: pl.DataFrame, who: Mapping[str, int]) -> pl.DataFrame:
    """Return what the chosen versions call of the rows that another version answered."""
    chosen = pl.col(PERIOD).replace_strict(dict(who), return_dtype=pl.Int64)
    asked = pl.col("rung").is_in(_CHOSEN)
    others = rows.filter(asked & (pl.col("version") != chosen))
    parts = [_NOTHING]
    for version in sorted(set(who.values())):
        mine = [p for p in others.get_column(PERIOD).unique().sort() if who[p] == version]
        for start in range(0, len(mine), _AT_ONCE):
            parts.append(_called(app, model, version, others, mine[start : start + _AT_ONCE]))
    return pl.concat(parts)


_NOTHING = pl.DataFrame(schema={ENTITY: pl.String, PERIOD: pl.String, "_called": pl.Boolean})


def _called(
    app: App, model: str, version: int, rows: pl.DataFrame, periods: list[str]
) -> pl.DataFrame:
    """Return which rows of some periods a version puts into the high band."""
    rig, state, now = app.rig(model), app.state(model), app.clock.now()
    contract = rig.contract(state.versions[version].registered.contract)
    inputs = dataset.good(joining.joined(rig.tables, contract, state.pins, periods, now))
    inputs = inputs.join(rows, on=[ENTITY, PERIOD], how="semi")
    if inputs.is_empty():
        return _NOTHING
    who = voice(rig, state, version)
    scores = rig.scorer.score(who.bundle, who.overlay, inputs, reasons=0, timeout=_PATIENCE).frame
    high = scores.get_column("score") >= threshold_of(rig, state, version)
    return inputs.select(ENTITY, PERIOD).with_columns(high.alias("_called"))


def _answered(sheets: pl.DataFrame) -> dict[str, tuple[Mapping[str, int], ...]]:
    """Return the rungs of each period's revisions, oldest first."""
    found: dict[str, dict[int, dict[str, int]]] = {}
    for period, revision, rung, count in sheets.iter_rows():
        found.setdefault(period, {}).setdefault(revision, {})[rung] = count
    return {period: tuple(by.values()) for period, by in found.items()}

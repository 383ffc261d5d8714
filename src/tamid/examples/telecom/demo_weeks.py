"""Every version on every week: what would have been, had another version answered.

Each matured week's rows that nobody acted on are scored by each version that existed in the year,
through the same scorer, and weighted as monitoring weights them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from tamid.app import App
from tamid.core.events import AlarmRaised, Promoted
from tamid.core.values import ENTITY, LABEL, PERIOD
from tamid.stages import dataset
from tamid.stages.registry import threshold_of, voice

# A manual repair, from the alarm to the new version in production: what three weeks stand for is
# find the cause, get the data, train, test, get it approved, deploy.
MANUAL = timedelta(days=21)
# Weeks that are scored in one go; more would only take more memory.
_AT_ONCE = 13
_PATIENCE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weeks:
    """The weeks that were judged.

    `rows`: `_entity`, `_period`, `y` (left), `weight` (1 / chance of not being acted on) and for
    each version `v<n>`, whether it puts the row into the high band (null: not scored).
    `f1[version][period]`.
    `ours`, `manual`: who answered, and who would have answered in a manual repair, by period.
    """

    periods: tuple[str, ...]
    versions: tuple[int, ...]
    rows: pl.DataFrame
    f1: dict[int, dict[str, float]]
    ours: dict[str, int]
    manual: dict[str, int]

    def series(self, who: dict[str, int]) -> dict[str, float]:
        """Return the F1 of each period under a choice of versions."""
        return {p: self.f1[who[p]][p] for p in self.periods}

    @property
    def never(self) -> dict[str, int]:
        """The first version for ever."""
        return dict.fromkeys(self.periods, self.versions[0])


def weeks_of(app: App, model: str) -> Weeks:
    """Score each judged week with every version that has been champion."""
    state = app.state(model)
    ours = {
        period: int(name.partition("@")[2])
        for name, seen in state.measured.items()
        if name.startswith("quality@")
        for period in seen
    }
    periods = tuple(sorted(ours))
    versions = tuple(sorted({reign.number for reign in state.reigns}))
    rows = _judged(app, model, periods)
    digests = {v: state.versions[v].registered.contract for v in versions}
    for digest in dict.fromkeys(digests.values()):
        mine = [v for v in versions if digests[v] == digest]
        since = str(min(state.versions[v].at.date() for v in mine))
        parts = _inputs(app, model, digest, rows, [p for p in periods if p >= since])
        # Version by version: each has a process of its own, which need not be started twice.
        for version in mine:
            called = pl.concat([_called(app, model, version, part) for part in parts])
            rows = rows.join(called, on=[ENTITY, PERIOD], how="left", maintain_order="left")
    return Weeks(
        periods=periods,
        versions=versions,
        rows=rows,
        f1={v: _f1(rows, v) for v in versions},
        ours=ours,
        manual=_manual(app, model, periods),
    )


def _judged(app: App, model: str, periods: tuple[str, ...]) -> pl.DataFrame:
    """Return the rows that quality is measured on: nobody acted on them, their label is known."""
    rig, state, now = app.rig(model), app.state(model), app.clock.now()
    pin = state.pins[rig.table("predictions")]
    rows = dataset.in_force(rig.tables, state, pin, periods)
    rows = rows.filter((pl.col("rung") == "champion") & ~pl.col("treated"))
    rows = dataset.labelled(rig.tables, app.contract(model), state.pins, rows, now)
    weight = (1.0 / pl.col("propensity")).clip(upper_bound=dataset.LARGEST_WEIGHT)
    return rows.select(ENTITY, PERIOD, y=pl.col(LABEL).cast(pl.Float64), weight=weight)


def _inputs(
    app: App, model: str, digest: str, rows: pl.DataFrame, periods: list[str]
) -> list[pl.DataFrame]:
    """Return what versions of one contract see of these rows."""
    rig, state, now = app.rig(model), app.state(model), app.clock.now()
    contract, found = rig.contract(digest), []
    for start in range(0, len(periods), _AT_ONCE):
        chunk = periods[start : start + _AT_ONCE]
        part = dataset.good(dataset.joined(rig.tables, contract, state.pins, chunk, now))
        found.append(part.join(rows, on=[ENTITY, PERIOD], how="semi"))
    return found


def _called(app: App, model: str, version: int, inputs: pl.DataFrame) -> pl.DataFrame:
    """Return which rows a version puts into the high band."""
    rig, state = app.rig(model), app.state(model)
    who = voice(rig, state, version)
    scores = rig.scorer.score(who.bundle, who.overlay, inputs, reasons=0, timeout=_PATIENCE).frame
    high = scores.get_column("score") >= threshold_of(rig, state, version)
    return inputs.select(ENTITY, PERIOD).with_columns(high.alias(f"v{version}"))


def _f1(rows: pl.DataFrame, version: int) -> dict[str, float]:
    high, left, weight = pl.col(f"v{version}"), pl.col("y") > 0, pl.col("weight")
    counted = (
        rows.filter(high.is_not_null())
        .group_by(PERIOD)
        .agg(
            hit=weight.filter(high & left).sum(),
            called=weight.filter(high).sum(),
            left=weight.filter(left).sum(),
        )
    )
    f1 = counted.select(PERIOD, 2 * pl.col("hit") / (pl.col("called") + pl.col("left")))
    return {str(period): float(value) for period, value in f1.sort(PERIOD).iter_rows()}


def _manual(app: App, model: str, periods: tuple[str, ...]) -> dict[str, int]:
    """Return who would have answered had each new version come three weeks after its alarm."""
    changes: list[tuple[date, int]] = []
    alarm: date | None = None
    for record in app.records(model):
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

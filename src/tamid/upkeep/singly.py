"""Rows that leave one by one: of contracts without a time by when they came, of runs by their age.

A row without a moment has no period that could leave whole. It grows old from when its entity was
first seen, and leaves with all that it ever said; what was predicted of it and its label follow
once the row is gone. What runs were judged on leaves run by run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from tamid.core.contract.running import ACTIONS
from tamid.core.events import Scored
from tamid.core.fold import OF_RUNS, ROWS
from tamid.core.retention import runs_needed
from tamid.core.values import ARRIVED, ENTITY, KNOWN_AT, PERIOD, TIME, TablePin, digest_of
from tamid.stages.feeds import LABELS
from tamid.stages.named import PREDICTIONS

if TYPE_CHECKING:
    from tamid.app import App
    from tamid.core.state import State

_AT = "_at"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cut:
    """What becomes of one table: `rows` leave; slices that keep some are written as `kept`."""

    pin: TablePin
    rows: int
    kept: pl.DataFrame
    emptied: tuple[str, ...]

    @property
    def key(self) -> str:
        """Return under what the new version is written, the same whenever it is asked again."""
        told = [self.pin.table, self.pin.version, self.rows, list(self.emptied)]
        return f"gc/{digest_of(told)[7:31]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Singly:
    """The cuts by table, and what stays though its time is over."""

    cuts: Mapping[str, Cut] = field(default_factory=dict)
    stays: tuple[str, ...] = ()


def first_seen_cuts(
    app: App,
    model: str,
    keep: Mapping[str, timedelta | None],
    order: Sequence[str],
    least: timedelta,
    now: datetime,
) -> Singly:
    """Return what leaves the tables of a contract without a time, in the order of `order`.

    Law: nothing leaves a table while its entity stands in one before it; nothing at all leaves
    while an alarm is open or a run is under way.
    """
    state = app.state(model)
    if state.open_alarms or state.run_in_flight is not None:
        why = "a run is under way" if state.run_in_flight else "an alarm is open"
        return Singly(stays=(f"rows of {model}: {why}, and any of them may be looked at",))
    cuts, stays = dict[str, Cut](), list[str]()
    left = pl.DataFrame(schema={ENTITY: pl.String})
    for name in order:
        pin = state.pins.get(f"{model}.{name}")
        if pin is None:
            continue
        frame = app.tables.read(pin)
        aged = _aged(app, model, name, frame)
        here = aged.select(pl.col(ENTITY).cast(pl.String))
        span = keep.get(name)
        if span is not None:
            old = aged.filter(pl.col(_AT) < now - span)
            young = old.filter(pl.col(_AT) >= now - least)
            ready = old.filter(pl.col(_AT) < now - least).select(pl.col(ENTITY).cast(pl.String))
            waits = ready.join(left, on=ENTITY, how="semi", nulls_equal=True)
            goes = ready.join(left, on=ENTITY, how="anti", nulls_equal=True)
            if goes.height:
                gone = goes.get_column(ENTITY).implode()
                cuts[pin.table] = _cut(pin, frame, pl.col(ENTITY).cast(pl.String).is_in(gone))
                here = here.join(goes, on=ENTITY, how="anti", nulls_equal=True)
            for some, why in (
                (young, "labels may still come, or a last score be given again"),
                (waits, "another table still holds what they belong to"),
            ):
                if some.height:
                    stays.append(f"rows of {pin.table}: {some.height} old entities: {why}")
        left = pl.concat([left, here]).unique()
    return Singly(cuts=cuts, stays=tuple(stays))


def run_cuts(app: App, model: str, keep: Mapping[str, timedelta | None], now: datetime) -> Singly:
    """Return which runs' judged rows leave: of runs that nothing live came from, and old enough."""
    state = app.state(model)
    needed, cuts = dict(runs_needed(state)), dict[str, Cut]()
    stays = []
    for name in OF_RUNS:
        pin, span = app.tables.latest(f"{model}.{name}"), keep.get(name)
        if pin is None or span is None:
            continue
        old = {r for r, run in state.every_run.items() if run.at < now - span}
        stays += [f"rows of {pin.table}: {run}: {needed[run]}" for run in sorted(old & set(needed))]
        frame = app.tables.read(pin)
        leaving = pl.col("run").is_in(sorted(old - set(needed)))
        if frame.select(leaving.any()).item():
            cuts[pin.table] = _cut(pin, frame, leaving)
    return Singly(cuts=cuts, stays=tuple(stays))


def young_judged(
    state: State, keep: Mapping[str, timedelta | None], now: datetime
) -> dict[TablePin, str]:
    """Return the versions that hold what runs were judged on whose time is not over."""
    found = {}
    for run in state.every_run.values():
        pin = run.finished.judged if run.finished else None
        span = keep.get(pin.table.rpartition(".")[2]) if pin else None
        if pin is not None and span is not None and run.at >= now - span:
            found[pin] = f"what {run.started.run} was judged on is younger than [keep] says"
    return found


def without(app: App, cut: Cut) -> TablePin:
    """Write the version of a table that the cut leaves, and return it; again: the same one."""
    from tamid.adapters.trimming import drop_slices

    pin = cut.pin
    if cut.kept.height:
        pin = app.tables.write(pin.table, cut.kept, key=cut.key, token=0, mode="slice")
    if cut.emptied:
        pin = drop_slices(app.config.store / "tables", pin, cut.emptied, f"{cut.key}/whole")
    return pin


def _cut(pin: TablePin, frame: pl.DataFrame, leaving: pl.Expr) -> Cut:
    leaves = frame.select(leaving.fill_null(value=False).alias("leaves")).get_column("leaves")
    touched = frame.filter(leaves).get_column(PERIOD).unique()
    inside = frame.get_column(PERIOD).is_in(touched.implode())
    kept = frame.filter(inside & ~leaves)
    emptied = sorted(set(touched) - set(kept.get_column(PERIOD)))
    return Cut(pin=pin, rows=int(leaves.sum()), kept=kept, emptied=tuple(emptied))


def _aged(app: App, model: str, name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return each entity of a table with the moment by which it grows old."""
    if name == ROWS:
        moment = pl.col(ARRIVED).min()
    elif name == LABELS:
        moment = pl.max_horizontal(pl.col(KNOWN_AT).max(), pl.col(ARRIVED).max())
    elif name == ACTIONS:
        moment = pl.col(TIME).max()
    else:
        assert name == PREDICTIONS
        made = {e.revision: r.at for r in app.records(model) if isinstance(e := r.event, Scored)}
        at = pl.DataFrame(
            {"revision": list(made), _AT: list(made.values())},
            schema={"revision": frame.schema["revision"], _AT: pl.Datetime("us", "UTC")},
        )
        frame, moment = frame.join(at, on="revision", how="left"), pl.col(_AT).max()
    return frame.group_by(ENTITY).agg(moment.alias(_AT))

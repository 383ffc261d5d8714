"""Feature views: computed once for each state of their events, and joined to any contract's rows.

What is computed lies in a table of its own for each definition, under a key that names the events'
version: who asks for the features of those events finds it, whatever model had it computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import polars as pl

from tamid.core.contract.model import Aggregate, Contract, View
from tamid.core.events import ViewMaterialised
from tamid.core.state import State
from tamid.core.values import ARRIVED, ENTITY, KNOWN_AT, PERIOD, TIME, TablePin, instant
from tamid.ports import Tables
from tamid.stages import data, features, stepping
from tamid.stages.feeds import SHARED_RULE, VIEWS, stored_name
from tamid.stages.filing import with_periods
from tamid.stages.rig import Rig

# A slice of steps begins at most so long before the steps in it.
_SLICE = timedelta(days=7)


def materialise_views(
    rig: Rig, contract: Contract, state: State, now: datetime
) -> Iterator[ViewMaterialised]:
    """Compute what the model's views say of the events that are stored now; once for all users.

    The versions that answer, or are about to, keep the definitions that they were trained with.
    """
    if not state.definitions:
        return
    done: set[str] = set()
    for mine in (contract, *_contracts(rig, state)):
        for name, view in mine.views.items():
            events = state.pins.get(stored_name(mine, name))
            last = state.views.get(f"{name}@{view.version}")
            if events is None or view.definition in done:
                continue
            done.add(view.definition)
            told = last.event if last else None
            if not told or (told.events, told.definition) != (events, view.definition):
                yield materialise_one(rig.tables, name, view, events, now)


def materialise_one(
    tables: Tables, name: str, view: View, events: TablePin, now: datetime
) -> ViewMaterialised:
    """Store the steps of a view over one version of its events; what is stored already stays."""
    table, key = steps_table(name, view), _key(name, view, events)
    pin = tables.find(table, key)
    if pin is None:
        found = with_periods(_steps(tables, view, events), SHARED_RULE, now)
        pin = _written(tables, table, key, found)
    stored = tables.read(pin, columns=[ENTITY, KNOWN_AT])
    marks = stored.height - stored.get_column(KNOWN_AT).null_count()
    arrived = tables.read(events, columns=[ARRIVED]).get_column(ARRIVED).max()
    return ViewMaterialised(
        key=key,
        view=name,
        number=view.version,
        definition=view.definition,
        events=events,
        pin=pin,
        rows=stored.height - marks,
        entities=stored.get_column(ENTITY).n_unique(),
        late=marks,
        through=instant(arrived) if isinstance(arrived, datetime) else "",
    )


def joined(
    tables: Tables,
    contract: Contract,
    pins: Mapping[str, TablePin],
    rows: pl.DataFrame,
    cuts: Mapping[str, pl.Series],
    now: datetime,
) -> pl.DataFrame:
    """Add the features of the contract's views to rows, as they were known at each row's cut.

    `cuts`: by view the moment (n,) by which an event of its table had to be known to count.
    """
    for name, view in contract.views.items():
        wanted = {n: a for n, a in contract.features.aggregates.items() if a.table == name}
        cut = cuts[name].clip(upper_bound=now)
        rows = _joined(tables, view, pins.get(stored_name(contract, name)), name, rows, wanted, cut)
    return rows


def steps_table(name: str, view: View) -> str:
    """Return where the steps of a view's definition are stored."""
    return f"{VIEWS}{name}.{view.definition[-12:]}"


def _joined(
    tables: Tables,
    view: View,
    events: TablePin | None,
    name: str,
    rows: pl.DataFrame,
    wanted: Mapping[str, Aggregate],
    cut: pl.Series,
) -> pl.DataFrame:
    if events is None or rows.is_empty():
        return features.assemble(rows, {}, wanted)
    days = _days(view, rows)
    pin = tables.find(steps_table(name, view), _key(name, view, events))
    found = _steps(tables, view, events) if pin is None else tables.read(pin, periods=days)
    steps, marks = stepping.parted(found)
    rows = stepping.seen(rows, steps, wanted)
    if not features.touched(rows, marks, cut).height:
        return rows
    delay = view.table.delay
    known = stepping.delayed(data.load_events(tables, events, periods=days), delay)
    return features.as_known(rows, known, stepping.shortened(wanted, delay), cut)


def _days(view: View, rows: pl.DataFrame) -> tuple[str, ...] | None:
    """Return the days that begin a slice in which what counts for these rows may lie; None: all."""
    windows = [m.window for m in view.features.values()]
    first, last = rows.select(first=pl.col(TIME).min(), last=pl.col(TIME).max()).row(0)
    if None in windows or first is None:
        return None
    back = max(w for w in windows if w) + _SLICE
    begin, end = (first - back).date(), (last + timedelta(days=1)).date()
    return tuple(str(begin + timedelta(days=n)) for n in range((end - begin).days + 1))


def _contracts(rig: Rig, state: State) -> Iterator[Contract]:
    """Yield the contracts of the versions that answer or may answer soon."""
    for number in {state.champion, state.previous, state.challenger} - {0}:
        yield rig.contract(state.versions[number].registered.contract)


def _key(name: str, view: View, events: TablePin) -> str:
    return f"{steps_table(name, view)}/{events.version}/{events.digest[-12:]}"


def _steps(tables: Tables, view: View, events: TablePin) -> pl.DataFrame:
    wanted = {name: view.aggregate(name, "view") for name in view.features}
    return stepping.steps(data.load_events(tables, events), wanted, view.table.delay)


def _written(tables: Tables, table: str, key: str, found: pl.DataFrame) -> TablePin:
    """Store steps; a slice that is as it was is not written again, one that is gone is emptied."""
    latest = tables.latest(table)
    if latest is not None:
        before = _parts(tables.read(latest))
        now = _parts(found)
        changed = [p for p, part in now.items() if p not in before or not part.equals(before[p])]
        gone = [before[p].head(1) for p in before if p not in now]
        empty = [part.with_columns(_nothing(part)) for part in gone]
        kept = found.filter(pl.col(PERIOD).is_in(changed))
        found = pl.concat([kept, *empty], how="diagonal_relaxed")
        if found.is_empty():  # the key must lead to a version all the same
            found = next(iter(now.values()), found)
    return tables.write(table, found, key=key, token=0, mode="slice")


def _parts(frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    parts = frame.partition_by(PERIOD, as_dict=True, maintain_order=True)
    return {str(period): part for (period,), part in parts.items()}


def _nothing(part: pl.DataFrame) -> list[pl.Expr]:
    """Return a step of nobody, which keeps a slice that no step is in any more."""
    kept = (PERIOD, TIME)
    return [pl.lit(None, part.schema[c]).alias(c) for c in part.columns if c not in kept]

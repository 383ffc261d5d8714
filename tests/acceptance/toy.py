"""A tiny world: one full life of a model in a few seconds, without a worker.

History, first release, a refused and repaired batch, a drift that retraining cures, a second one
that it cannot cure (a case), and the ML developer's answer, which is released and closes the case.
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from small_world import LEAVERS

from tamid.core import events as ev
from tamid.core.chain import Recorded
from tamid.core.state import State
from tamid.core.values import canonical_json
from tamid.ports import Tables
from tamid.testing.segments import labels_block, rows_block, segment, told_block

MODEL = "toy"
WEEK, DAY = timedelta(weeks=1), timedelta(days=1)
FIRST = datetime(2026, 1, 4, tzinfo=UTC)  # a Sunday
PAST = 10  # weeks of history before the first turn
ROWS = 440
FALLS, FALLS_AGAIN, BROKEN = 2, 5, 1  # live weeks
SALT = "toy" * 10  # fixed, so that every life deals the same customers out

CONTRACT = (
    LEAVERS.format(name="toy", labels_owner="")
    + """\
  schema:
    usage: {type: number, min: -10, max: 10}
    calls: {type: number, min: -10, max: 10}
    debts: {type: number, min: -10, max: 10, feature: false}
training: {model: logistic}
gates:
  minimum: {f1: 0.75}
  baselines: [majority]
  calibration: {max_ece: 0.2}
service: {p99_ms: 60000, start_s: 600, fallback: [previous, last_score: 14d, default: 0.5]}
release: {path: [shadow, live], approval: auto}
monitoring: {every: 7d, quality: {metric: f1, at_least: 0.75}}
retraining: {cooldown: 1d, max_age: 52w}
delivery:
  every: 7d
  by: "Sunday 06:00"
  to: [{csv: "out/scores-{period}.csv"}, {sql: "env:TOY_SQL", table: scores}]
  reasons: 0
"""
)


ANSWER = CONTRACT.replace("max: 10, feature: false", "max: 10")

# What may differ between a life and the same life with deaths in it: places in the ledger, numbers
# of attempts, durations, and digests of reports that hold durations.
_PASSING = (
    "seq", "cleared_seq", "diagnosed_seq", "head", "attempts", "key", "seconds", "peak_mb",
    "report", "evidence",
)  # fmt: skip
_PLACES = ("periods", "relabelled", "answered", "scored_seq", "measured_seq", "checked_seq")
# Events that may come again: a run is started, a decision is taken, a turn is made anew.
_AGAIN = (ev.RunStarted, ev.Decided, ev.Ticked)


@functools.cache
def rows_of(week: int) -> pl.DataFrame:
    """Return the rows of a week, counted from the first week of history."""
    rng = np.random.default_rng([11, week])
    values = {name: rng.normal(size=ROWS).round(4) for name in ("usage", "calls", "debts")}
    when = pl.Series([FIRST + week * WEEK] * ROWS, dtype=pl.Datetime("us", "UTC"))
    return pl.DataFrame({"customer": [f"c{n:03d}" for n in range(ROWS)], "week": when, **values})


@functools.cache
def labels_of(week: int) -> pl.DataFrame:
    """Return who left after a week: usage says so, then calls do, then debts."""
    rows, live = rows_of(week), week - PAST
    cause = "usage" if live < FALLS else "calls" if live < FALLS_AGAIN else "debts"
    noise = np.random.default_rng([12, week]).normal(size=ROWS) * 0.3
    left = (rows.get_column(cause).to_numpy() + noise > 0).astype(np.int64)
    return rows.select("customer", "week").with_columns(pl.Series("left", left))


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One moment of the life: what people and producers put down, and when the loop turns."""

    at: datetime
    contract: str = CONTRACT
    rows: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    labels: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    spooled: Mapping[str, bytes] = field(default_factory=dict)


def online(week: int, at: datetime) -> Mapping[str, bytes]:
    """Return what a server wrote since the last week: answers, labels of those before, troubles."""
    rows = rows_of(week).head(12).to_dicts()
    asked = [
        (
            {"_entity": r["customer"], "usage": r["usage"], "calls": r["calls"]},
            {"id": f"w{week}-{n}"},
        )
        for n, r in enumerate(rows)
    ]
    before = {f"w{week - 1}-{n}": n % 2 for n in range(12)}
    trouble = {"name": "worker/version 1", "at": at.timestamp(), "text": "it died"}
    troubled = week == PAST + 3
    whole = segment(
        [rows_block(at, asked), labels_block(at, before)], process=f"p{week}", began=at.timestamp()
    )
    told = [told_block({**trouble, "open": True})] if troubled else []
    told += [told_block({**trouble, "open": False})] if week == PAST + 4 else []
    killed = segment([*told, rows_block(at + DAY, asked[:0])], sealed=False, process=f"k{week}")
    return {f"{week:03d}-a": whole, **({f"{week:03d}-b": killed} if told else {})}


def life() -> list[Turn]:
    """Return the turns of the whole life: each Sunday the rows, each Tuesday the labels."""
    turns = []
    for week in range(9):
        at = FIRST + (PAST + week) * WEEK + timedelta(hours=4)
        contract = CONTRACT if week < FALLS_AGAIN + 2 else ANSWER
        name = f"week-{week}.parquet"
        rows = {name: rows_of(PAST + week)}
        if week == BROKEN:
            rows[name] = rows[name].with_columns(pl.col("usage") * 1000)
        spooled = online(PAST + week, at - DAY)
        turns.append(Turn(at=at, contract=contract, rows=rows, spooled=spooled))
        labels = {f"week-{week - 1}.parquet": labels_of(PAST + week - 1)}
        repaired = {name: rows_of(PAST + week)} if week == BROKEN else {}
        turns.append(Turn(at=at + 2 * DAY, contract=contract, rows=repaired, labels=labels))
    rows = {"history.parquet": pl.concat([rows_of(w) for w in range(PAST)])} | dict(turns[0].rows)
    labels = {"history.parquet": pl.concat([labels_of(w) for w in range(PAST - 1)])}
    turns[0] = replace(turns[0], rows=rows, labels=labels)
    return turns


def portrait(state: State, records: Iterable[Recorded], tables: Tables) -> dict[str, Any]:
    """Return what a life has come to: the state, what happened how often, and the tables."""
    body = json.loads(canonical_json(state))
    for name in _PLACES:
        body[name] = sorted(body[name])
    events = [r.event for r in records if not isinstance(r.event, _AGAIN)]
    keyed = Counter((type(e).__name__, e.key) for e in events if not isinstance(e, ev.Measured))
    names = ("rows", "labels", "predictions", "judged", "served")
    pins = {n: tables.latest(f"{MODEL}.{n}") for n in names}
    return {
        **{f"state: {name}": value for name, value in _lasting(body).items()},
        "events": dict(Counter(type(e).__name__ for e in events)),
        "events told twice": [key for key, n in keyed.items() if n > 1],
        "tables": {name: pin.digest for name, pin in pins.items() if pin},
    }


def same(found: Mapping[str, Any], wanted: Mapping[str, Any], where: str) -> None:
    """Compare two portraits part by part, so that a difference is named."""
    assert found["events told twice"] == [], where
    for part, value in wanted.items():
        assert found[part] == value, f"{where}: {part}"


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _lasting(v) for k, v in value.items() if k not in _PASSING}
    return [_lasting(v) for v in value] if isinstance(value, list) else value

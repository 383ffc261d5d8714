"""A source that fails for a week: the second model answers, nothing learns from it, it heals."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
from period_world import FIRST, Small, customers
from small_world import COMPLAINTS, LEAVERS

from tamid.adapters.keys import Keys
from tamid.adapters.memory_source import MemorySource
from tamid.core import events as ev
from tamid.core.ladder import CHAMPION, REDUCED
from tamid.stages import dataset

COUNT, WEEK = 400, timedelta(weeks=1)
CONTRACT = LEAVERS.format(name="small", labels_owner="") + COMPLAINTS + """\
monitoring: {every: 3d}
delivery: {every: 7d, to: [{csv: "out/{period}.csv"}], reasons: 2}
"""  # fmt: skip


def rows(k: int, failing: bool = False) -> pl.DataFrame:
    """Return a week's customers; a source that fails brings no complaints at all."""
    rng = np.random.default_rng([17, k])
    frame = customers(k, FIRST + k * WEEK, COUNT)
    if failing:
        return frame
    return frame.with_columns(complaints=pl.Series(rng.exponential(size=COUNT).round(3)))


def labels(k: int) -> pl.DataFrame:
    """Return who left: by their usage and by their complaints."""
    rng = np.random.default_rng([18, k])
    frame = rows(k)
    pull = 1.5 * frame["usage"].to_numpy() + 1.2 * frame["complaints"].to_numpy() - 1.5
    left = rng.random(COUNT) < 1 / (1 + np.exp(-pull))
    return frame.select("customer", "week").with_columns(left=pl.Series(left.astype(int)))


def test_a_week_without_a_source_is_answered_by_the_model_without_it(keys: Keys) -> None:
    """Every customer has a score and a reason, the owner a case; the next week is as before."""
    small = Small(keys, CONTRACT, rows, labels, every=WEEK, past=12)
    small.live(2)
    (finished,) = small.happened(ev.RunFinished)
    assert 0.4 < finished.reduced["f1"] < finished.metrics["f1"]
    failed = small.start(14).date().isoformat()
    small.rows_of = lambda k: rows(k, failing=k == 14)
    state = small.live(1)
    scored = state.scored[failed]
    assert scored.rungs == {REDUCED: COUNT}
    pin = state.pins["small.predictions"]
    given = dataset.in_force(small.tables, state, pin, [failed])
    assert given["score"].n_unique() > COUNT / 2
    high = given.filter(pl.col("band") == "high")
    assert high.height > 20
    assert set(high["reason_1"].drop_nulls()) <= {"usage", "calls"}
    accepted = [e for e in small.happened(ev.DataAccepted) if e.batch == "r14"]
    assert [dict(e.quarantined) for e in accepted] == [{"complaints: missing column": COUNT}]
    assert [c.opened.kind for c in state.open_cases.values()] == ["bug"]
    assert not small.happened(ev.DataRefused)
    runs = len(state.runs)
    small.rows.put("r14", rows(14), small.start(15))
    state = small.live(2)
    assert state.scored[failed].rungs == {CHAMPION: COUNT}
    assert state.scored[failed].revision == 2
    assert not state.open_cases
    assert len(state.runs) == runs


# The same complaints as events, one file a week; how many there were in the last week counts.
EVENTS = LEAVERS.format(name="small", labels_owner="") + """\
  tables:
    complaints: {path: complaints/*.parquet, entity: customer, time: at, owner: ml_developer}
  schema: {usage: {type: number}, calls: {type: number}}
features: {aggregates: {complaints_7d: {table: complaints, count: true, window: 7d}}}
training: {model: logistic, reduced: [complaints_7d]}
gates: {minimum: {f1: 0.5}, calibration: {max_ece: 0.3}}
service: {p99_ms: 60000, start_s: 600, fallback: [reduced, default: 0.3]}
monitoring: {every: 3d}
delivery: {every: 7d, by: "Sunday 08:00", to: [{csv: "out/{period}.csv"}]}
"""  # fmt: skip


def plain_rows(k: int) -> pl.DataFrame:
    """Return a week's customers, whose complaints lie elsewhere."""
    return customers(k, FIRST + k * WEEK, COUNT)


def how_often(k: int) -> list[int]:
    """Return how often each customer complained in the week before the k-th."""
    return [int(n) for n in np.random.default_rng([19, k]).poisson(1.0, size=COUNT)]


def complaints(k: int) -> pl.DataFrame:
    """Return the file of complaints that comes as the k-th week begins."""
    at = FIRST + (k - 1) * WEEK + timedelta(days=3)
    who = [f"c{i:04d}" for i, n in enumerate(how_often(k)) for _ in range(n)]
    when = [at + timedelta(seconds=i) for i in range(len(who))]
    return pl.DataFrame({"customer": who, "at": pl.Series(when, dtype=pl.Datetime("us", "UTC"))})


def leavers(k: int) -> pl.DataFrame:
    """Return who left: by their usage and by how often they complained."""
    frame, often = plain_rows(k), np.array(how_often(k))
    pull = 1.5 * frame["usage"].to_numpy() + 1.2 * often - 1.7
    left = np.random.default_rng([20, k]).random(COUNT) < 1 / (1 + np.exp(-pull))
    return frame.select("customer", "week").with_columns(left=pl.Series(left.astype(int)))


def test_a_week_without_an_event_table_is_no_week_in_which_nothing_happened(keys: Keys) -> None:
    """The second model answers, the owner has a case and status an alarm until events come again.

    What comes later counts for no row that was scored by then: nothing is learnt from that week.
    """
    small = Small(keys, EVENTS, plain_rows, leavers, every=WEEK, past=12)
    came = small.events["complaints"] = MemorySource()
    came.put("past", pl.concat([complaints(k) for k in range(12)]), small.start(12))
    for k in (12, 13):
        came.put(f"e{k}", complaints(k), small.start(k))
        state = small.live(1)
    (finished,) = small.happened(ev.RunFinished)
    assert finished.reduced["f1"] < finished.metrics["f1"]
    assert not state.suspected
    failed = small.start(14).date().isoformat()
    state = small.live(1)
    assert state.scored[failed].rungs == {REDUCED: COUNT}
    assert state.suspected == (failed,)
    (case,) = state.open_cases.values()
    assert (case.opened.kind, case.opened.role.value) == ("bug", "ml_developer")
    assert set(state.open_alarms) == {f"source/complaints/{failed}"}
    assert set(state.open_incidents) == {f"alarm/source/complaints/{failed}"}
    for k in (14, 15):
        came.put(f"e{k}", complaints(k), small.start(15))
    state = small.live(1)
    assert state.scored[small.start(15).date().isoformat()].rungs == {CHAMPION: COUNT}
    assert state.scored[failed].rungs == {REDUCED: COUNT}
    assert not state.open_alarms
    assert state.suspected == (failed,)
    assert len(state.runs) == 1

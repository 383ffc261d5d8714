"""A champion is never judged on what it has learnt: whole runs, with everything in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.random import default_rng

from tamid.adapters.keys import Keys
from tamid.adapters.memory import MemoryLeases, MemoryLedger
from tamid.adapters.memory_blobs import MemoryBlobs
from tamid.adapters.memory_clock import SimulatedClock
from tamid.adapters.memory_source import MemorySource
from tamid.adapters.memory_tables import MemoryTables
from tamid.app import Quiet
from tamid.core import events as ev
from tamid.core.actions import Train
from tamid.core.fold import fold
from tamid.core.state import Run, State
from tamid.core.values import Role
from tamid.core.view.evidence import step
from tamid.ports import TrainingJob, TrainingResult
from tamid.stages import byhand
from tamid.stages.incumbent import incumbent
from tamid.stages.jobs import job_of, training_job
from tamid.stages.loop import adopt, tick
from tamid.stages.rig import Rig
from tamid.workshop import inline_scorer, inline_trainer, parse

SUNDAY = datetime(2026, 1, 4, tzinfo=UTC)
WEEK = timedelta(weeks=1)
CONTRACT = """\
tamid: 1
name: toy
task: binary
calendar: {{week_starts: sunday}}
data:
  source: {{path: rows/*.parquet, owner: mlops_engineer}}
  entity: customer
  {time}
  schema:
    usage: {{type: number}}
    calls: {{type: number}}
    spare: {{type: number, feature: false}}
    left: {{type: integer, nullable: true}}
training: {{model: logistic, timeout: {timeout}}}
gates: {{minimum: {{f1: 0.3}}, baselines: [majority], calibration: {{max_ece: 0.3}}}}
service: {{p99_ms: 20000, start_s: 600, fallback: [default: 0.5]}}
release: {{path: [live], approval: auto}}
monitoring: {{every: 1d}}
delivery: {{every: 7d}}
"""
STATIC = CONTRACT.format(time="label: {column: left, positive: 1}", timeout="1h")
TIMED = CONTRACT.format(
    time="time: week\n  label: {column: left, positive: 1, horizon: 7d, reporting_lag: 1d}",
    timeout="1h",
)


def rows(n: int, seed: int = 0, weeks: int = 0) -> pl.DataFrame:
    """Return customers of whom usage and calls say poorly who leaves."""
    rng = np.random.default_rng(seed)
    usage, calls, spare = rng.normal(size=(3, n))
    left = (usage + 0.5 * calls + 1.5 * rng.normal(size=n) > 0.8).astype(np.int64)
    frame = pl.DataFrame(
        {"customer": [f"c{seed}-{k}" for k in range(n)], "usage": usage, "calls": calls,
         "spare": spare, "left": left}
    )  # fmt: skip
    if not weeks:
        return frame
    when = [SUNDAY + WEEK * (k * weeks // n) for k in range(n)]
    return frame.with_columns(pl.Series("week", when, dtype=pl.Datetime("us", "UTC")))


@pytest.fixture
def rig(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """Return the ports of a model, all in memory."""
    keys = Keys(tmp_path_factory.mktemp("keys"))
    keys.create()
    leases, blobs = MemoryLeases(), MemoryBlobs()
    scorer = inline_scorer(blobs, keys)
    return Rig(
        model="toy", clock=SimulatedClock(SUNDAY), ledger=MemoryLedger(leases), leases=leases,
        blobs=blobs, tables=MemoryTables(), sources={"rows": MemorySource()},
        trainer=inline_trainer(tiny=True), scorer=scorer, rules=scorer, signer=keys, sinks={},
        progress=Quiet(), parse=parse, generator=default_rng, salt="secret of a workspace",
    )  # fmt: skip


def turn(rig: Rig, contract: str, now: datetime) -> State:
    """Turn the loop once under a contract."""
    rig.clock.set(now)  # type: ignore[attr-defined]
    adopt(rig, contract, {}, now)
    return tick(rig, "test").state


def last(state: State) -> Run:
    """Return the latest run."""
    return next(reversed(list(state.runs.values())))


def outcome(state: State) -> str:
    """Return what became of the latest run."""
    run = last(state)
    assert run.judged is not None
    return run.judged.outcome


def again(rig: Rig, contract: str, now: datetime) -> State:
    """Train by hand, and let the loop judge."""
    byhand.train(rig, "test", byhand.Wish(actor="a", role=Role.ML_DEVELOPER, reason="again"))
    return turn(rig, contract, now)


def put(rig: Rig, name: str, frame: pl.DataFrame, now: datetime) -> None:
    """Put a batch of rows down."""
    rig.sources["rows"].put(name, frame, now)  # type: ignore[attr-defined]


def test_without_time_the_same_recipe_is_kept_not_held(rig: Rig) -> None:
    """The second run is judged on the same customers, whom the champion's own run had not seen."""
    put(rig, "all", rows(1200), SUNDAY)
    state = turn(rig, STATIC, SUNDAY)
    assert (state.champion, outcome(state)) == (1, "promote")
    state = again(rig, STATIC, SUNDAY + timedelta(hours=1))
    assert outcome(state) == "keep"
    assert not state.open_cases


def test_without_time_new_customers_are_scored_live(rig: Rig) -> None:
    """Those that came since are new to the champion itself; those it learnt from are not."""
    put(rig, "all", rows(1200), SUNDAY)
    turn(rig, STATIC, SUNDAY)
    put(rig, "all", pl.concat([rows(1200), rows(600, seed=1)]), SUNDAY + timedelta(hours=1))
    state = again(rig, STATIC, SUNDAY + timedelta(hours=2))
    assert outcome(state) in ("keep", "promote")
    judged = rig.tables.read(last(state).finished.judged)  # type: ignore[union-attr, arg-type]
    scores = incumbent(rig, state, judged, SUNDAY + timedelta(hours=2)).scores
    assert scores is not None
    assert scores.null_count() == 0
    own, fresh = (judged.filter(pl.col("run") == f"run-000{k}") for k in (1, 2))
    assert set(own["_entity"]) < set(fresh["_entity"])


def test_the_judged_customers_do_not_depend_on_the_workspace(rig: Rig) -> None:
    """Two workspaces report the same figures; the secret that deals control groups stays out."""
    put(rig, "all", rows(800), SUNDAY)
    one = turn(rig, STATIC, SUNDAY)
    leases = MemoryLeases()
    other = replace(
        rig, salt="another", leases=leases, ledger=MemoryLedger(leases), tables=MemoryTables()
    )
    two = turn(other, STATIC, SUNDAY)
    figures = [last(s).finished.metrics for s in (one, two)]  # type: ignore[union-attr]
    assert figures[0] == figures[1]


def test_new_code_right_after_a_release_is_compared_fairly(rig: Rig) -> None:
    """With no week that the champion has not learnt from its recipe is judged, not its memory."""
    put(rig, "all", rows(2400, weeks=16), SUNDAY + 20 * WEEK)
    now = SUNDAY + 20 * WEEK
    state = turn(rig, TIMED, now)
    assert state.champion == 1
    same = TIMED.replace("feature: false", "feature: true")
    state = turn(rig, same, now + timedelta(hours=1))
    assert last(state).started.trigger == "code"
    assert outcome(state) in ("keep", "promote")
    one, two = (set(r.judged.periods) for r in state.runs.values())  # type: ignore[union-attr]
    assert one == two


@pytest.mark.parametrize(
    ("retraining", "change", "taken"),
    [
        ("{on: [new_data: {grown: 5%}], equal: release}", "", True),
        ("{on: [new_data: {grown: 5%}]}", "", False),
        ("{on: [new_data: {grown: 5%}], equal: release}", "feature: true", False),
    ],
)
def test_what_new_rows_ask_for_is_taken_where_the_contract_says_so(
    rig: Rig, retraining: str, change: str, taken: bool
) -> None:
    """But what else was made of it is no refresh: other inputs have to show what they are worth."""
    contract = f"{TIMED}retraining: {retraining}\n"
    put(rig, "all", rows(2400, weeks=16), SUNDAY + 16 * WEEK)
    now = SUNDAY + 20 * WEEK
    assert turn(rig, contract, now).champion == 1
    more = rows(900, seed=1, weeks=6).with_columns(pl.col("week") + 16 * WEEK)
    put(rig, "more", more, now + 3 * WEEK)
    after = contract.replace("feature: false", change) if change else contract
    state = turn(rig, after, now + 4 * WEEK)
    assert last(state).started.trigger == "new_data"
    assert (outcome(state), state.champion) == (("promote", 2) if taken else ("keep", 1))


def test_a_champion_of_the_drifted_weeks_is_no_yardstick_for_them(rig: Rig) -> None:
    """It learnt from half of their customers: new code waits for weeks that it does not know."""
    put(rig, "all", rows(2400, weeks=16), SUNDAY + 20 * WEEK)
    now = SUNDAY + 20 * WEEK
    state = turn(rig, TIMED, now)
    periods = last(state).started.periods
    # As if the champion's run had been one after a drift, judged on half of the last two weeks.
    records = rig.ledger.read("toy")
    told = [
        replace(r, event=replace(r.event, degraded_periods=periods[-2:]))
        if isinstance(r.event, ev.RunStarted)
        else r
        for r in records
    ]
    drifted = fold(told)
    own = rig.tables.read(last(state).finished.judged)  # type: ignore[union-attr, arg-type]
    few = own.filter(pl.col("_period").is_in(periods[-2:]))
    pin = rig.tables.write("toy.few", few, key="few", token=0, mode="append")
    run = drifted.runs["run-0001"]
    assert run.finished is not None
    run = replace(run, finished=replace(run.finished, judged=pin))
    drifted = replace(drifted, runs={"run-0001": run})
    scores = incumbent(rig, drifted, own.drop("run"), now).scores
    assert scores is not None
    known = own.filter(scores.is_not_null())
    assert set(known["_period"]) == set(periods[-2:])


def test_a_try_out_keeps_the_contract_s_time(rig: Rig) -> None:
    """A dry run may not take longer than a run, and brings nothing into force."""
    put(rig, "all", rows(600), SUNDAY)
    short = STATIC.replace("timeout: 1h", "timeout: 9s")
    seen: list[timedelta] = []

    class Trying:
        """A place to train that says how long it may take."""

        train = rig.trainer.train

        def try_out(self, job: TrainingJob, timeout: timedelta) -> dict[str, object]:
            """Remember the time."""
            seen.append(timeout)
            return {}

    adopt(rig, STATIC, {}, SUNDAY)
    before = [type(r.event).__name__ for r in rig.ledger.read(rig.model)]
    wish = byhand.Wish(actor="a", role=Role.ML_DEVELOPER, reason="try")
    idea = byhand.Idea(contract=short, code={})
    byhand.rehearse(replace(rig, trainer=Trying()), "test", wish, idea)
    assert seen == [timedelta(seconds=9)]
    after = [type(r.event).__name__ for r in rig.ledger.read(rig.model)]
    assert after.count("ContractAdopted") == before.count("ContractAdopted"), "a try is in force"


def test_a_run_knows_the_window_in_force_and_the_season_ahead(rig: Rig) -> None:
    """Both are pinned when it begins, and reach the worker: held, and what is not offered."""
    put(rig, "all", rows(2400, weeks=56), SUNDAY + 60 * WEEK)
    seen: list[TrainingJob] = []

    class Seeing:
        """A place to train that shows what it is given."""

        def train(self, job: TrainingJob, *rest: Any) -> TrainingResult:
            """Train as ever."""
            seen.append(job)
            return rig.trainer.train(job, *rest)

    watched = replace(rig, trainer=Seeing())
    # 28 February 2027: the last weeks are of winter, and all data knows last year's spring.
    now = SUNDAY + 60 * WEEK
    state = turn(watched, TIMED, now)
    started = last(state).started
    assert (started.held, started.out_of_season) == ("", ())
    later = now + timedelta(days=20)
    byhand.train(watched, "test", byhand.Wish(actor="a", role=Role.ML_DEVELOPER, reason="more"))
    rig.clock.set(later)  # type: ignore[attr-defined]
    state = turn(watched, TIMED, later)
    again(watched, TIMED, later)
    state = fold(rig.ledger.read("toy"))
    started = last(state).started
    first = state.runs["run-0001"].finished
    assert first is not None
    assert started.held == first.window
    assert started.out_of_season == ("short",)
    decay = f"decay:{started.reach['decay']}"
    assert (seen[-1].held, set(seen[-1].windows)) == (first.window, {"all", decay})
    # 2,400 rows in all: there is no long window beside them.
    assert {name.partition(":")[0] for name in seen[0].windows} == {"all", "short", "decay"}
    drift = Train(
        key="train/run-9/1", reason="fell", run="run-9", trigger="quality",
        periods=started.periods, degraded=started.periods[-2:],
    )  # fmt: skip
    # A model of March out of a drift in February alone is offered, and asked for more proof.
    job = training_job(rig, state, drift, later)
    assert job.out_of_season == ("short", "recent")
    assert set(job.windows) == {"all", "short", decay}
    # A routine run asks every window to be better over weeks; one break is not to be told so.
    assert started.by_weeks
    assert (seen[-1].by_weeks, job.by_weeks) == (True, False)
    record = next(r for r in rig.ledger.read("toy") if r.event == started)
    assert f"window in force: {first.window}; another than all" in "; ".join(step(record).details)
    # A run of a ledger from before is made again with the windows of then, and the window in force
    # stays so when its half-life has moved.
    before = replace(started, reach={}, out_of_season=(), by_weeks=False)
    older = job_of(rig, state, before, later)
    assert set(older.windows) == {"all", "long", "short"}
    assert not older.by_weeks
    assert job_of(rig, state, replace(started, held="decay:13"), later).held == decay

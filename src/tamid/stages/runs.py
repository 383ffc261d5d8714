"""A run: what it learns from is pinned, a worker makes the candidate, the gates judge it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import polars as pl

from tamid.core import actions as do
from tamid.core import events as ev
from tamid.core.contract.model import Contract
from tamid.core.contract.running import ROUTINE
from tamid.core.errors import DataError, OutOfTime, SystemFailure, UserCodeError
from tamid.core.handoff import unheld, unsupplied
from tamid.core.learning.bundle import ABOUT_REDUCED, REDUCED
from tamid.core.rules.retraining import recipe_of
from tamid.core.state import Run, State
from tamid.core.values import ENTITY, TIME, canonical_json
from tamid.ports import TrainingResult
from tamid.stages import dataset, joining
from tamid.stages.availability import gaps
from tamid.stages.cleaning import cleaned_for
from tamid.stages.evidence import Evidence, Gap
from tamid.stages.gates import judge
from tamid.stages.incumbent import Incumbent, incumbent
from tamid.stages.jobs import drifted_of, job_of, started_of
from tamid.stages.packaging import columns_of, files_of, pack
from tamid.stages.registry import judged_frame, overlay_of
from tamid.stages.rig import Rig

# Rows that the service gate asks one by one in a clean process, and how often.
PROBE_ROWS = 200
PROBES = 200
# What a candidate's own code is to blame for: to try it again would give the same.
_ITS_OWN = (UserCodeError, OutOfTime)


def train(
    rig: Rig, contract: Contract, state: State, a: do.Train, now: datetime, token: int
) -> Iterator[ev.Event]:
    before = state.runs.get(a.run)
    started = before.started if before else started_of(rig, contract, state, a, now)
    yield replace(started, key=a.key)
    yield from made(rig, state, started, now, token)


def made(
    rig: Rig, state: State, started: ev.RunStarted, now: datetime, token: int
) -> Iterator[ev.Event]:
    """Make the candidate of a run that began in this state, and say how it ended."""
    run, mine = started.run, rig.contract(started.contract)
    try:
        job = job_of(rig, state, started, now)
        cleaned = cleaned_for(rig, mine, state, started, now)
        result = rig.trainer.train(job, mine.training.timeout, rig.progress)
    except _ITS_OWN as error:
        yield _failed(run, "user_code", error.told)
        return
    except DataError as error:
        yield _failed(run, "data", error.told)
        return
    except SystemFailure as error:
        yield _failed(run, "system", error.told)
        return
    told = {**result.report, "cleaned": cleaned} if cleaned else result.report
    packed = pack(result, rig.blobs, rig.signer)
    judged = result.judged.with_columns(pl.lit(run).alias("run"))
    # An experiment holds no lease: it keeps to a table of its own.
    table = rig.table("tried" if started.experiment else "judged")
    pin = rig.tables.write(table, judged, key=f"judged/{run}", token=token, mode="append")
    yield ev.RunFinished(
        key=f"finished/{run}",
        run=run,
        bundle=packed.bundle,
        overlay=packed.overlay,
        report=rig.blobs.put(canonical_json(told).encode()),
        metrics=dict(result.metrics),
        window=result.window,
        rows=result.rows,
        seconds=result.seconds,
        peak_mb=result.peak_mb,
        judged=pin,
        reduced=_reduced(result),
    )


def _reduced(result: TrainingResult) -> Mapping[str, float]:
    """Return what a candidate's model without some columns reaches."""
    told = result.files.get(REDUCED + ABOUT_REDUCED)
    return {} if told is None else dict(json.loads(told)["metrics"])


def _failed(run: str, failure: Any, message: str) -> ev.RunFailed:
    return ev.RunFailed(key=f"failed/{run}", run=run, failure=failure, message=message)


def judge_run(
    rig: Rig, contract: Contract, state: State, a: do.Judge, now: datetime, token: int
) -> Iterator[ev.Event]:
    run = state.every_run[a.run]
    assert run.finished is not None
    mine = rig.contract(run.started.contract)
    judged = judged_frame(rig, state, a.run)
    pins = {pin.table: pin for pin in run.started.pins}
    periods = dataset.periods_of_rows(mine, judged, now)
    every = joining.joined(rig.tables, mine, pins, periods, now)
    inputs = dataset.good(every)
    rows = _with_inputs(judged, inputs)
    champion = incumbent(rig, state, rows, now)
    ref = run.finished
    try:
        probe = _probed(rig, ref, inputs.head(PROBE_ROWS), champion)
    except _ITS_OWN as error:
        # Judged again it would fail again, and keep every other run waiting.
        yield _failed(a.run, "user_code", f"the candidate does not answer: {error.told}")
        return
    judgement = judge(
        Evidence(
            contract=mine,
            rows=rows,
            threshold=overlay_of(rig, ref.overlay).threshold,
            champion=champion.scores,
            champion_threshold=champion.threshold,
            probe=probe,
            degraded=bool(drifted_of(mine, run.started, run.started.degraded_periods)),
            attempt=1 + _judged_before(state, run, periods),
            report=rig.blobs.get(ref.report).decode(),
            rng=rig.generator(run.started.seed),
            dirty=run.started.dirty and not run.started.experiment,
            changed=run.started.changed,
            now=now,
            buggy=tuple(sorted(buggy(state) & set(periods))),
            owed=_owed(rig, mine, state, run),
            gaps=_gaps(rig, every, ref.bundle, champion),
            refresh=_refreshes(state, run),
        )
    )
    yield ev.Judged(
        key=a.key,
        run=a.run,
        outcome=judgement.outcome.value,
        reasons=judgement.reasons,
        report=rig.blobs.put(canonical_json(judgement.report).encode()),
        failed=judgement.failed,
        difference=judgement.difference,
        decidable_at=judgement.decidable_at,
        periods=tuple(sorted(periods)),
        periods_missing=judgement.periods_missing,
    )


def _probed(
    rig: Rig, ref: ev.RunFinished, some: pl.DataFrame, champion: Incumbent
) -> Mapping[str, float]:
    beside = champion.beside(PROBE_ROWS)
    return rig.scorer.probe(ref.bundle, ref.overlay, some, PROBES, beside)


def _with_inputs(judged: pl.DataFrame, inputs: pl.DataFrame) -> pl.DataFrame:
    keys = [ENTITY, TIME]
    raw = inputs.drop([c for c in inputs.columns if c in judged.columns and c not in keys])
    return judged.join(raw, on=keys, how="left", nulls_equal=True, maintain_order="left")


def _gaps(rig: Rig, rows: pl.DataFrame, bundle: str, champion: Incumbent) -> tuple[Gap, ...]:
    """Return how much is missing of late in what candidate and champion read."""
    if champion.voice is None:
        return ()
    mine, theirs = (columns_of(b, rig.blobs) for b in (bundle, champion.voice.bundle))
    return gaps(rows, theirs, mine)


def _owed(rig: Rig, contract: Contract, state: State, run: Run) -> tuple[str, ...]:
    """Return what is missing of a candidate's hand-over, on both sides."""
    assert run.finished is not None
    files = files_of(run.finished.bundle, rig.blobs)
    mine = unheld(contract, files, given=bool(run.started.given))
    return (*mine, *unsupplied(contract, state, labelled=True))


def buggy(state: State) -> set[str]:
    """Return the periods whose rows or labels are known to be wrong just now."""
    bad = {p for refusal in state.refused.values() for p in refusal.event.periods}
    bad.update(state.suspected)
    for alarm in state.open_alarms.values():
        if alarm.diagnosis is not None and alarm.diagnosis.retraining == "blocked":
            bad.update(alarm.diagnosis.periods)
    return bad


def _refreshes(state: State, run: Run) -> bool:
    """Say whether nothing but the clock or new rows asked for a run of a champion that is well.

    New code that nobody asks about by itself is none, nor is what follows a model made elsewhere.
    """
    champion = state.versions.get(state.champion)
    made = state.every_run.get(champion.registered.run) if champion else None
    if made is None or run.started.trigger not in ROUTINE:
        return False
    fallen = any(a.raised.signal == "quality" for a in state.open_alarms.values())
    return not fallen and recipe_of(state, made) == recipe_of(state, run)


def _judged_before(state: State, run: Run, periods: Sequence[str]) -> int:
    """Return how many candidates were judged before on (most of) the same periods.

    Against the same champion: with every further one the chance grows that some candidate only
    looks better, so alpha is shared. Experiments count: a person sees what came of them.
    """
    mine, since = set(periods), state.released_at
    champion = state.versions.get(state.champion)
    own = {run.started.run, champion.registered.run if champion else ""}
    return sum(
        r.judged is not None
        and r.started.run not in own
        and (since is None or r.at >= since)
        and 2 * len(mine & set(r.judged.periods)) >= len(mine)
        for r in state.every_run.values()
    )

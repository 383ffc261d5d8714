"""What a run is given: its beginning pinned, its windows, and the rows it is judged on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import polars as pl

from tamid.core import actions as do
from tamid.core import events as ev
from tamid.core.contract.model import Contract
from tamid.core.learning.splits import ALL, RECENT
from tamid.core.state import State
from tamid.core.values import PERIOD, STATIC_PERIOD
from tamid.core.windows import FEWEST_FRESH, holdout, offered_as, out_of_season, reach, windows
from tamid.ports import TrainingJob
from tamid.stages import dataset
from tamid.stages.evidence import mass_by_period
from tamid.stages.given import kept
from tamid.stages.incumbent import known_through
from tamid.stages.registry import judged_frame
from tamid.stages.rig import Rig


def started_of(
    rig: Rig, contract: Contract, state: State, a: do.Train, now: datetime
) -> ev.RunStarted:
    """Return the beginning of a run: all that it rests on, pinned."""
    origin = rig.origin()
    window = a.window or contract.retraining.window
    back = reach([state.volume.get(p, 0) for p in sorted(a.periods)])
    candidates = windows(a.periods, window, back)
    return ev.RunStarted(
        run=a.run,
        trigger=a.trigger,
        reason=a.reason,
        window=window,
        contract=state.contract,
        code=state.code,
        pins=tuple(pin for _, pin in sorted(state.pins.items())),
        seed=contract.training.seed,
        case=a.case,
        periods=a.periods,
        degraded_periods=a.degraded,
        environment=origin.environment,
        git=origin.git,
        dirty=origin.dirty,
        branch=origin.branch,
        changed=origin.changed,
        diff=rig.blobs.put(origin.diff.encode()) if origin.diff else "",
        held=_held(state),
        out_of_season=_out_of_season(contract, a.periods, a.degraded, candidates, now),
        given=a.given if isinstance(a, do.TakeOver) else "",
        reach=back,
        by_weeks=True,
    )


def job_of(rig: Rig, state: State, started: ev.RunStarted, now: datetime) -> TrainingJob:
    """Return the job that a run is, in the state of its beginning; the same ones give the same.

    Raises:
        DataError: too little, or nothing, to learn from.
    """
    pins = {pin.table: pin for pin in started.pins}
    mine = rig.contract(started.contract)
    frame = dataset.training_rows(rig.tables, mine, state, pins, started.periods, now)
    return _job(rig, state, started, frame)


def training_job(rig: Rig, state: State, action: do.Train, now: datetime) -> TrainingJob:
    """Return the job that a run would be, without starting it. Raises DataError."""
    contract = rig.contract(state.contract)
    return job_of(rig, state, started_of(rig, contract, state, action, now), now)


def drifted_of(
    contract: Contract, started: ev.RunStarted, periods: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the drifted periods to judge on.

    Where labels trickle in there are none: what became known last is judged, whatever week it is
    about.
    """
    if dataset.trickling(contract):
        return ()
    return tuple(p for p in started.degraded_periods if p in periods)


def _job(rig: Rig, state: State, started: ev.RunStarted, frame: pl.DataFrame) -> TrainingJob:
    there = frozenset(frame.get_column(PERIOD).unique())
    periods = tuple(p for p in started.periods if p in there)
    contract = rig.contract(started.contract)
    degraded = drifted_of(contract, started, periods)
    candidates = windows(periods, started.window, started.reach)
    unseasonal = started.out_of_season
    given = kept(started.given, rig.blobs) if started.given else None
    if given is not None:
        candidates, unseasonal = {ALL: periods}, ()
    if not degraded:
        candidates = {name: span for name, span in candidates.items() if name not in unseasonal}
    return TrainingJob(
        run=started.run,
        contract=rig.blobs.get(started.contract).decode(),
        code={path: rig.blobs.get(digest).decode() for path, digest in started.code.items()},
        frame=frame,
        windows=candidates,
        holdout=degraded or _holdout(rig, state, periods, mass_by_period(contract, frame)),
        seed=started.seed,
        degraded=bool(degraded),
        # After a drift each run judges another half of the entities. Without time the judged ones
        # must stay the same: only there did the champion's own run leave scores that it had not
        # learnt from.
        judge_salt=f"{rig.salt}/{started.run}" if degraded else rig.model,
        # The search's journals of all models lie in one folder.
        resume=f"{rig.model}-{started.run}",
        held=offered_as(started.held, candidates) or started.held,
        # After a drift there is one break, and weeks cannot tell what follows it.
        by_weeks=started.by_weeks and not degraded,
        given=given,
        out_of_season=unseasonal if degraded else (),
    )


def _held(state: State) -> str:
    """Return the window that the champion learnt from, "" before there is one."""
    champion = state.versions.get(state.champion)
    run = state.runs[champion.registered.run] if champion else None
    return run.finished.window if run is not None and run.finished is not None else ""


def _out_of_season(
    contract: Contract,
    periods: Sequence[str],
    degraded: Sequence[str],
    candidates: Mapping[str, Sequence[str]],
    now: datetime,
) -> tuple[str, ...]:
    """Return the windows that lack a coming season; after a drift its weeks alone are one, too."""
    if STATIC_PERIOD in periods:
        return ()
    today = now.astimezone(ZoneInfo(contract.calendar.timezone)).date().isoformat()
    found = out_of_season(candidates, today)
    drifted = tuple(p for p in degraded if p in periods)
    if not drifted:
        return found
    return (*found, *out_of_season({ALL: tuple(periods), RECENT: drifted}, today))


def _holdout(
    rig: Rig, state: State, periods: tuple[str, ...], mass: Mapping[str, int]
) -> tuple[str, ...]:
    """Return the periods that a routine run is judged on.

    Where the champion has learnt from (nearly) all of them, its recipe is judged instead, on the
    scores that its own run gave while it had not: the candidate is fitted on what came before the
    same first judged period.
    """
    champion = state.versions.get(state.champion)
    if champion is None:
        return holdout(periods, mass=mass)
    learnt = known_through(rig, state, champion)
    run = state.runs[champion.registered.run]
    if sum(p > learnt for p in periods) < FEWEST_FRESH and not run.started.degraded_periods:
        first = judged_frame(rig, state, run.started.run).get_column(PERIOD).min()
        same = tuple(p for p in periods if p >= str(first))
        if len(periods) - len(same) >= FEWEST_FRESH:
            return same
    return holdout(periods, learnt, mass)

"""What would make a model better: its run's recipe, looked into on the rows that it was made from.

Nothing is written, registered or released. Rows that are known by now to be wrong are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import cast

import polars as pl

from tamid.core.chain import Recorded
from tamid.core.errors import DataError, Waiting
from tamid.core.learning.advice import Ask, Study
from tamid.core.state import State
from tamid.core.values import PERIOD
from tamid.core.windows import offered_as, reach, windows
from tamid.ports import Studier, TrainingJob
from tamid.stages.reproducing import finished_of, job_again
from tamid.stages.rig import Rig
from tamid.stages.runs import buggy


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Improvement:
    """What a study of a run found; `suspects` as the port says, `left_out`: periods with bugs.

    `version`: the version that the run became, 0 if none.
    """

    run: str
    version: int
    contract: str
    study: Study
    suspects: pl.DataFrame
    left_out: tuple[str, ...]


def subject(state: State) -> str:
    """Return the run that made the champion. Raises Waiting if no version is live."""
    if not state.champion:
        raise Waiting(
            "no version is live yet",
            why="next steps are measured against the model that answers",
            fix="Name a run or an experiment: `tamid improve last`."
            if state.every_run
            else "See `tamid status` for what the first training waits for.",
        )
    return state.versions[state.champion].registered.run


def improve(
    rig: Rig, state: State, records: Sequence[Recorded], name: str, seconds: float, seeds: int
) -> Improvement:
    """Measure what each next step would bring to the recipe of a run.

    Raises:
        UsageError: the run gave no candidate, or its model cannot be fitted anew.
        DataError: too little is left of its rows.
    """
    run = state.every_run[name]
    finished = finished_of(run)
    job, left_out = _trusted(job_again(rig, records, run), state)
    contract = rig.contract(run.started.contract)
    ask = Ask(seconds=seconds, seeds=seeds, window=finished.window)
    allowed = timedelta(seconds=seconds) + contract.training.timeout
    study, suspects = cast("Studier", rig.trainer).study(job, ask, allowed, rig.progress)
    versions = [n for n, v in state.versions.items() if v.registered.run == name]
    return Improvement(
        run=name,
        version=max(versions, default=0),
        contract=run.started.contract,
        study=study,
        suspects=suspects,
        left_out=left_out,
    )


def _trusted(job: TrainingJob, state: State) -> tuple[TrainingJob, tuple[str, ...]]:
    """Leave out periods that are known to be wrong by now, and offer every window."""
    present = job.frame.get_column(PERIOD).unique()
    bad = sorted(buggy(state) & set(present))
    frame = job.frame.filter(~pl.col(PERIOD).is_in(bad)) if bad else job.frame
    if frame.is_empty():
        raise DataError(
            "every row that the run learnt from is known to be wrong by now",
            why="what is measured on broken rows would lead astray",
            fix="Repair the data first: `tamid cases`.",
        )
    periods = sorted(set(present) - set(bad))
    counts = frame.group_by(PERIOD).len().sort(PERIOD).get_column("len").to_list()
    every = windows(periods, "auto", reach(counts))
    others = {n: span for n, span in every.items() if not offered_as(n, job.windows)}
    offered = job.windows if job.degraded else {**others, **job.windows}
    spans = {n: tuple(p for p in span if p not in bad) for n, span in offered.items()}
    holdout = tuple(p for p in job.holdout if p not in bad)
    return replace(job, frame=frame, windows=spans, holdout=holdout), tuple(bad)

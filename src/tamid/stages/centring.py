"""Where a new version's scores lie: told by weeks that it has not learnt from, before it is live.

A model scores what it learnt from otherwise than what is new, by far more than one week differs
from the next. The weeks of training tell how weeks differ; the weeks since, scored by the version
itself, tell where they lie. No label is needed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.errors import TamidError
from tamid.core.events import RunFinished
from tamid.core.learning.bundle import read_manifest
from tamid.core.state import State
from tamid.core.stats.arrays import Floats
from tamid.core.usual import ordinary, recentred, with_a_usual_week
from tamid.core.values import PERIOD, STATIC_PERIOD
from tamid.stages import dataset, joining
from tamid.stages.feeds import rule_of
from tamid.stages.golden import PROFILE
from tamid.stages.rig import Rig
from tamid.stages.usual import (
    Usual,
    references_of,
    score_counts,
    special_of,
    stored,
    usual_in,
)

# The latest weeks that a centre rests on: more would reach back into another season.
MOST_CENTRE = 8
# Rows of each of them: ten bins are known to within a percent.
_ROWS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent:
    """What the alarms that need no label go by: the blob of reference weeks, and their scores."""

    usual: str
    reference: dict[str, tuple[float, ...]]


def silent_reference(
    rig: Rig,
    contract: Contract,
    state: State,
    finished: RunFinished,
    through: str,
    name: str,
    now: datetime,
) -> Silent:
    """Return what a version's alarms about scores and inputs go by; special weeks are no part.

    `through`: the last period that it learnt from; `name` seeds what is drawn at random.
    """
    manifest = read_manifest(rig.blobs.get(finished.bundle))
    usual = usual_in(rig.blobs.get(manifest.files[PROFILE]))
    length = rule.days if (rule := rule_of(contract)) else 0
    later = [p for p in sorted(state.periods) if p > through and p != STATIC_PERIOD]
    special = special_of(rig, contract, later, length) if length else {}
    # A week whose rows may be broken must not become what is usual.
    left_out = {*special, *state.suspected}
    later = [p for p in later if p not in left_out][-MOST_CENTRE:]
    counts, centre = _counts(rig, contract, state, finished, usual, later, now)
    weeks = {*usual.score_weeks.names, *usual.input_weeks.names}
    holidays = special_of(rig, contract, weeks, length) if length else {}
    if centre:
        # Ordinary weeks alone: with others in the old centre, they would be moved beside the new.
        usual_weeks = ordinary(usual.score_weeks, holidays)
        counts = with_a_usual_week(usual_weeks, counts, centre)
        moved = recentred(usual_weeks, counts)
        usual = replace(
            usual,
            scores=tuple(replace(p, counts=tuple(counts[p.column].tolist())) for p in usual.scores),
            score_weeks=moved,
        )
    report = json.loads(rig.blobs.get(finished.report))
    importance = {str(n): float(v) for n, v in report.get("importance", {}).items()}
    reference = references_of(usual, importance, holidays, rig, name, centre=centre)
    return Silent(usual=rig.blobs.put(stored(usual)), reference=reference)


def _counts(
    rig: Rig,
    contract: Contract,
    state: State,
    finished: RunFinished,
    usual: Usual,
    periods: list[str],
    now: datetime,
) -> tuple[dict[str, Floats], int]:
    """Return how the version's scores of the periods are spread, and on how many this rests."""
    nothing: tuple[dict[str, Floats], int] = {}, 0
    if not periods or not usual.score_weeks.names:
        return nothing
    rows = dataset.good(joining.joined(rig.tables, contract, state.pins, periods, now))
    parts = [p.gather_every(max(1, -(-p.height // _ROWS))) for p in rows.partition_by(PERIOD)]
    if not parts:
        return nothing
    try:
        answered = rig.scorer.score(
            finished.bundle, finished.overlay, pl.concat(parts), reasons=0,
            timeout=timedelta(minutes=10),
        )  # fmt: skip
    except TamidError:  # who cannot answer here is seen when it is to answer for real
        return nothing
    counts = score_counts(usual, answered.frame)
    return (counts, len(parts)) if len(counts) == len(usual.scores) else nothing

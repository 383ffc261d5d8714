"""Before and after a release: the new version against the other one, on the same live rows.

A version in shadow is held against the champion, a new champion against the one before it. Both are
bets on paired losses, which may be looked at every tick; what is wrong with a champion's first
answers themselves is seen as soon as they are given, without any label.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.events import Measured
from tamid.core.ladder import CHAMPION, PREVIOUS
from tamid.core.policy import policy_of
from tamid.core.state import State
from tamid.core.stats.compare import compare
from tamid.core.usual import SCORE_PSI
from tamid.core.values import ENTITY, TIME, Task
from tamid.core.watching import (
    AFTER,
    CONSTANT,
    FEWEST_FOR_CONSTANT,
    FEWEST_FOR_SHIFT,
    FIRST_ANSWERS,
    SHADOW,
    SHIFTED,
)
from tamid.stages import dataset, joining
from tamid.stages.evidence import groups_of
from tamid.stages.moved import scores_moved, usual_of
from tamid.stages.quality import judged_periods, rescored
from tamid.stages.registry import voice
from tamid.stages.rig import Rig
from tamid.stages.sidebyside import side_by_side, terms_of_version

# Where labels trickle in, open rows stand for what they may become, and no bet can be made on them.
# A wrong verdict would undo a good release: one in 200 for a period, one in 50 over the watch.
ALPHA = 0.005


def compare_in_shadow(
    rig: Rig, contract: Contract, state: State, now: datetime
) -> Iterator[Measured]:
    """Yield how much better the version in shadow would have been in each period measured since.

    Only periods that it has not learnt from, answered by the champion, and whose labels are in.
    """
    number = state.challenger
    version = state.versions.get(number)
    if version is None or version.stage_at is None or dataset.trickling(contract):
        return
    for period in sorted(state.measured.get(f"quality@{state.champion}", {})):
        if period <= version.registered.trained_through or state.measure(SHADOW, number, period):
            continue
        rows = judged_periods(rig, contract, state, [period], now)
        both = _both(rig, contract, state, rows, number, now)
        if both is not None:
            both = both.rename({"score": "old", "other": "new"})
            yield side_by_side(
                rig, contract, state, both, SHADOW, period=period, old=state.champion, new=number
            )


def compare_with_previous(
    rig: Rig, contract: Contract, state: State, now: datetime
) -> Iterator[Measured]:
    """Yield how much better each live period is than it would have been with the version before.

    What was answered in the first weeks after the release counts, whenever its labels come.
    """
    if not state.previous:
        return
    champion = state.champion
    for period in sorted(state.measured.get(f"quality@{champion}", {})):
        if state.measure(AFTER, champion, period) is not None:
            continue
        if not _is_watched(contract, state, period):
            continue
        rows = judged_periods(rig, contract, state, [period], now)
        both = _both(rig, contract, state, rows, state.previous, now)
        if both is None:
            continue
        both = both.rename({"score": "new", "other": "old"})
        if dataset.trickling(contract):
            yield _by_interval(rig, contract, state, both, period)
        else:
            yield side_by_side(
                rig, contract, state, both, AFTER, period=period, old=state.previous, new=champion
            )


def look_at_first_answers(
    rig: Rig, contract: Contract, state: State, now: datetime
) -> Iterator[Measured]:
    """Yield what a new champion's answers were like, once a scored period: no label is needed.

    The version before it is asked for the same rows only if something looks wrong.
    """
    period = max(state.scored, default="")
    scored = state.scored.get(period)
    if scored is None or not state.previous or state.rung != CHAMPION:
        return
    number = state.champion
    name = f"{FIRST_ANSWERS}@{number}/{period}"
    seen_already = state.measured_seq.get(name, 0) > state.scored_seq[period]
    if scored.number != number or seen_already or not _is_watched(contract, state, period):
        return
    detail = {"previous": scored.rungs.get(PREVIOUS, 0) / max(scored.rows, 1)}
    pin = state.pins[rig.table("predictions")]
    answered = dataset.in_force(rig.tables, state, pin, [period])
    mine = _scores(answered.filter(pl.col("rung") == CHAMPION))
    moved = state.measure(SCORE_PSI, number, period)
    if moved is not None and len(mine) >= FEWEST_FOR_SHIFT:
        detail["moved"] = moved.value
    if contract.task is not Task.MULTICLASS and len(mine) >= FEWEST_FOR_CONSTANT:
        detail["commonest"] = _commonest(mine)
    if detail.get("moved", 0.0) > SHIFTED or detail.get("commonest", 0.0) > CONSTANT:
        detail |= _rival(rig, contract, state, period, now)
    yield Measured(
        key=f"{FIRST_ANSWERS}/{number}/{period}/{scored.revision}",
        signal=FIRST_ANSWERS,
        period=period,
        value=scored.rungs.get(CHAMPION, 0) / max(scored.rows, 1),
        model_version=number,
        rows=scored.rows,
        matured=0.0,
        detail=detail,
    )


def _is_watched(contract: Contract, state: State, period: str) -> bool:
    at = state.scored_at.get(period)
    return at is not None and at - state.reigns[-1].since <= policy_of(contract).watch


def _both(
    rig: Rig, contract: Contract, state: State, rows: pl.DataFrame, other: int, now: datetime
) -> pl.DataFrame | None:
    """Return judged rows with the champion's `score` and another version's, `other`."""
    if rows.is_empty():
        return None
    answered = rescored(rig, contract, state, rows, other, now)
    if answered is None:
        return None
    scores = answered.select(ENTITY, TIME, pl.col("score").alias("other"))
    both = rows.join(scores, on=[ENTITY, TIME], nulls_equal=True).drop_nulls(["score", "other"])
    return None if both.is_empty() else both


def _rival(
    rig: Rig, contract: Contract, state: State, period: str, now: datetime
) -> dict[str, float]:
    """Return how the version before the champion would have scored the same period.

    Its scores are held against what is usual for it, as the champion's are: where the rows
    themselves are others than those that models are judged on, both move.
    """
    version = state.versions[state.previous]
    own = rig.contract(version.registered.contract)
    rows = dataset.good(joining.joined(rig.tables, own, state.pins, [period], now))
    if rows.is_empty():
        return {}
    who = voice(rig, state, state.previous)
    heard = rig.scorer.score(
        who.bundle, who.overlay, rows, reasons=0, timeout=timedelta(minutes=10)
    )
    scores = _scores(heard.frame)
    moved = scores_moved(rig, contract, usual_of(rig, state, state.previous), heard.frame, period)
    if moved is None or not len(scores):
        return {}
    return {"previous_moved": moved.value, "previous_commonest": _commonest(scores)}


def _scores(frame: pl.DataFrame) -> np.ndarray:
    return frame.get_column("score").cast(pl.Float64).drop_nulls().to_numpy()


def _commonest(scores: np.ndarray) -> float:
    return float(np.unique(scores, return_counts=True)[1].max() / len(scores))


def _by_interval(
    rig: Rig, contract: Contract, state: State, both: pl.DataFrame, period: str
) -> Measured:
    """Return the gain with an interval drawn by entity, one-sided at `ALPHA` on either end."""
    found = compare(
        terms_of_version(rig, contract, state, both, "old", state.previous),
        terms_of_version(rig, contract, state, both, "new", state.champion),
        groups_of(both),
        margin=0.0,
        rng=rig.generator(contract.training.seed),
        alpha=ALPHA,
        degraded=True,
    )
    return Measured(
        key=f"{AFTER}/{state.champion}/{period}",
        signal=AFTER,
        period=period,
        value=found.difference.point,
        interval=found.difference,
        model_version=state.champion,
        rows=both.height,
    )

"""A new normal: a person accepts a drift, and the champion's reference moves to where it is now."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import polars as pl

from tamid.core.errors import Conflict, NotFound
from tamid.core.events import NormalAccepted
from tamid.core.paging import ASKED, DRIFT
from tamid.core.state import Alarm, State
from tamid.core.stats.arrays import Floats
from tamid.core.usual import ONLINE_PREFIX, ordinary, recentred
from tamid.core.values import WEIGHT
from tamid.stages import dataset, joining
from tamid.stages.drift import importance_of
from tamid.stages.feeds import rule_of
from tamid.stages.moved import usual_of
from tamid.stages.online_usual import served_rows
from tamid.stages.packaging import open_overlay, restate
from tamid.stages.rig import Rig
from tamid.stages.usual import (
    Usual,
    column_counts,
    references_of,
    score_counts,
    special_of,
    stored,
    usual_in,
)


def accept_normal(rig: Rig, state: State, name: str, now: datetime) -> NormalAccepted:
    """Return the event that ends an alarm about scores or inputs and moves its reference.

    The reference weeks are moved to where the alarm's periods and all later ones lie; how much one
    week differs from another stays as it was. The new reference rides in a signed overlay.

    Raises:
        NotFound: there is no such alarm; Conflict: it is over, or it is about quality.
    """
    alarm = _acceptable(state, name)
    if alarm.raised.signal in ASKED:
        return _accept_online(rig, state, alarm)
    number = state.champion
    registered = state.versions[number].registered
    contract = rig.contract(registered.contract)
    begin = min(alarm.raised.periods or (alarm.raised.period,))
    periods = tuple(p for p in sorted(state.scored) if p >= begin)
    usual = usual_of(rig, state, number)
    rows = dataset.good(joining.joined(rig.tables, contract, state.pins, periods, now))
    pin = state.pins[rig.table("predictions")]
    answered = dataset.in_force(rig.tables, state, pin, periods).filter(
        pl.col("rung") == "champion"
    )
    rule = rule_of(contract)
    weeks = {*usual.score_weeks.names, *usual.input_weeks.names}
    special = special_of(rig, contract, weeks, rule.days) if rule else {}
    usual = replace(
        usual,
        input_weeks=ordinary(usual.input_weeks, special),
        score_weeks=ordinary(usual.score_weeks, special),
    )
    moved = _moved(usual, rows, answered)
    seed = f"{rig.model}/{number}/{name}"
    importance = importance_of(rig, state, number)
    reference = references_of(
        moved, importance, special, rig, seed, centre=len(periods), moved=True
    )
    old = open_overlay(registered.ref.overlay, rig.blobs, rig.signer).reference
    overlay = restate(registered.ref.overlay, rig.blobs, rig.signer, reference={**old, **reference})
    return NormalAccepted(
        key=f"normal/{name}",
        alarm=name,
        number=number,
        overlay=overlay,
        usual=rig.blobs.put(stored(moved)),
        reference=reference,
        periods=periods,
    )


def _accept_online(rig: Rig, state: State, alarm: Alarm) -> NormalAccepted:
    number, name = state.champion, alarm.raised.alarm
    version = state.versions[number]
    begin = min(alarm.raised.periods or (alarm.raised.period,))
    known = state.measured.get(f"{alarm.raised.signal}@{number}", {})
    periods = tuple(p for p in sorted(known) if p >= begin)
    asked, scored = served_rows(rig, state, periods)
    moved = _moved(usual_in(rig.blobs.get(version.asked)), asked, scored, weighed=True)
    found = references_of(
        moved, importance_of(rig, state, number), (), rig, f"{rig.model}/{number}/{name}",
        centre=len(periods), moved=True,
    )  # fmt: skip
    reference = {f"{ONLINE_PREFIX}{key}": values for key, values in found.items()}
    overlay = version.registered.ref.overlay
    old = open_overlay(overlay, rig.blobs, rig.signer).reference
    return NormalAccepted(
        key=f"normal/{name}",
        alarm=name,
        number=number,
        overlay=restate(overlay, rig.blobs, rig.signer, reference={**old, **reference}),
        usual=version.usual,
        reference=reference,
        periods=periods,
        asked=rig.blobs.put(stored(moved)),
    )


def _acceptable(state: State, name: str) -> Alarm:
    alarm = state.alarms.get(name)
    if alarm is None:
        known = ", ".join(state.open_alarms) or "none is open"
        raise NotFound(f"there is no alarm {name!r}", why=f"alarms: {known}")
    if alarm.cleared:
        raise Conflict(f"alarm {name} is over", why=alarm.cleared, fix="See `tamid status`.")
    if alarm.raised.signal not in DRIFT:
        raise Conflict(
            f"alarm {name} is about quality, which is no normal to be accepted",
            why="the contract says what quality is owed, and both roles signed it",
            fix="Change `monitoring: quality` in the contract, or retrain: `tamid train`.",
        )
    if not alarm.raised.alarm.startswith(f"{alarm.raised.signal}/{state.champion}/"):
        raise Conflict(
            f"alarm {name} is about another version than the champion",
            why=f"version {state.champion} has a reference of its own",
            fix="See `tamid status`.",
        )
    return alarm


def _moved(
    usual: Usual, rows: pl.DataFrame, answered: pl.DataFrame, *, weighed: bool = False
) -> Usual:
    mine = rows.get_column(WEIGHT).to_numpy() if weighed else None
    inputs = {
        p.column: column_counts(p, rows.get_column(p.column), mine)
        for p in usual.inputs
        if p.column in rows.columns
    }
    scores = score_counts(
        usual, answered, answered.get_column(WEIGHT).to_numpy() if weighed else None
    )
    return Usual(
        inputs=tuple(
            replace(p, counts=_kept(inputs.get(p.column), p.counts)) for p in usual.inputs
        ),
        scores=tuple(
            replace(p, counts=_kept(scores.get(p.column), p.counts)) for p in usual.scores
        ),
        input_weeks=recentred(usual.input_weeks, inputs),
        score_weeks=recentred(usual.score_weeks, scores),
    )


def _kept(new: Floats | None, old: tuple[float, ...]) -> tuple[float, ...]:
    return old if new is None or new.sum() <= 0 else tuple(new.tolist())

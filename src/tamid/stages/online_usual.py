"""What is usual online for a champion: frozen from served weeks that it has not learnt from.

Who asks online is another population than the weeks of a batch, so served traffic is held against
served traffic. Weeks before the champion's own count as well: what was asked does not depend on who
answered, and the champion scores it anew. Until there are enough, the weeks of the bundle count if
the first served week was like them. Nothing that an alarm is about ever becomes usual.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.errors import TamidError
from tamid.core.events import OnlineUsual
from tamid.core.learning.bundle import read_manifest
from tamid.core.paging import DRIFT, QUALITY
from tamid.core.periods import end_of
from tamid.core.state import State
from tamid.core.stats.arrays import Floats
from tamid.core.stats.drift import Profile
from tamid.core.stats.edetector import MIN_REFERENCE
from tamid.core.usual import (
    INPUT_PSI,
    ONLINE_PREFIX,
    ONLINE_SCORE_PSI,
    SCORE_PSI,
    Weeks,
)
from tamid.core.values import PERIOD, STATIC_PERIOD, TIME, WEIGHT
from tamid.stages.answered import SERVED
from tamid.stages.asked import (
    all_stored,
    answers_of,
    evened,
    inputs_named,
    typed,
    with_chances,
)
from tamid.stages.drift import importance_of
from tamid.stages.feeds import rule_of
from tamid.stages.golden import PROFILE
from tamid.stages.moved import usual_of
from tamid.stages.registry import voice
from tamid.stages.rig import Rig
from tamid.stages.usual import Usual, references_of, special_of, stored, weekly

# Served weeks that a reference rests on: of fewer it is not known how much they differ.
FEWEST_WEEKS = 6
# A year of weeks, and rows of each: ten bins are known to within a percent.
_MOST_WEEKS, _ROWS = 52, 4_000
# Answers of a week from which scores and inputs can be told to have moved.
FEWEST_ROWS = 200
_TIMEOUT = timedelta(minutes=10)


def freeze_usual(
    rig: Rig, contract: Contract, state: State, now: datetime
) -> Iterator[OnlineUsual]:
    """Yield what is usual online for the champion, once enough served weeks tell it."""
    served, version = rig.table(SERVED) in state.pins, state.versions.get(state.champion)
    if not served or version is None or version.asked_on == "served" or _in_doubt(state):
        return
    mine = rig.contract(version.registered.contract)
    weeks = _sound_weeks(rig, mine, state, now)
    fresh = [p for p in weeks if p > version.registered.trained_through]
    found = None
    if len(fresh) >= FEWEST_WEEKS:
        found = _from_served(rig, state, weeks[-_MOST_WEEKS:])
    if found is None and not version.asked_on:
        found = _from_bundle(rig, state, weeks)
    if found is not None:
        yield found


def _in_doubt(state: State) -> bool:
    return any(a.raised.signal in (QUALITY, *DRIFT) for a in state.open_alarms.values())


def _sound_weeks(rig: Rig, contract: Contract, state: State, now: datetime) -> list[str]:
    """Return the served weeks that are over, ordinary, and no part of any alarm or suspicion."""
    rule = rule_of(contract)
    if rule is None:
        return []
    over = [p for p in sorted(state.answered) if p != STATIC_PERIOD and end_of(rule, p) <= now]
    odd = {p for a in state.alarms.values() for p in (a.raised.period, *a.raised.periods)}
    odd |= {*state.suspected, *special_of(rig, contract, over, rule.days)}
    return [p for p in over if p not in odd]


def served_rows(rig: Rig, state: State, weeks: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return what was asked in served weeks, and the champion's answers to it, weighed.

    Weeks with too few rows are left out; of rows that another version answered the champion's
    answer is computed, if all inputs are logged. Both are empty where nothing is known.
    """
    found = list(_rows_by_week(rig, state, weeks))
    asked = [given for given, _ in found]
    scored = [answers for _, answers in found if answers is not None]
    return _joined(asked), _joined(scored)


def _rows_by_week(
    rig: Rig, state: State, weeks: Sequence[str]
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame | None]]:
    number, pin = state.champion, state.pins[rig.table(SERVED)]
    registered = state.versions[number].registered
    contract, names = rig.contract(registered.contract), inputs_named(rig, state, number)
    for period in weeks:
        rows = answers_of(rig, pin, period)
        rows = rows.gather_every(max(1, -(-rows.height // _ROWS)))
        rows = rows.with_columns(pl.Series(WEIGHT, evened(rows.get_column(WEIGHT).to_numpy())))
        if rows.get_column(WEIGHT).sum() < FEWEST_ROWS:
            continue
        given = typed(contract, rows, names)
        if (rows.get_column("version") == number).all():
            yield given, with_chances(rows)
        elif period > registered.trained_through:
            yield given, _scored_anew(rig, contract, state, given, names)
        else:
            yield given, None


def _joined(frames: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame()


def _from_served(rig: Rig, state: State, weeks: list[str]) -> OnlineUsual | None:
    """Return the reference that served weeks give, None if too few of them have enough rows."""
    number = state.champion
    asked, scored = served_rows(rig, state, weeks)
    periods = () if scored.is_empty() else tuple(sorted(set(scored.get_column(PERIOD))))
    if len(periods) < FEWEST_WEEKS:
        return None
    made = _usual(usual_of(rig, state, number), asked, scored)
    importance = importance_of(rig, state, number)
    name = f"{rig.model}/{number}/online"
    found = references_of(made, importance, (), rig, name, centre=len(periods))
    return OnlineUsual(
        key=f"online_usual/{number}/served",
        number=number,
        on="served",
        usual=rig.blobs.put(stored(made)),
        reference={f"{ONLINE_PREFIX}{key}": values for key, values in found.items()},
        periods=periods,
    )


def _scored_anew(
    rig: Rig, contract: Contract, state: State, given: pl.DataFrame, names: Sequence[str]
) -> pl.DataFrame | None:
    """Return what the champion says of rows that another version answered, None if it cannot."""
    if not all_stored(contract, names):
        return None
    who = voice(rig, state, state.champion)
    try:
        told = rig.scorer.score(who.bundle, who.overlay, given, reasons=0, timeout=_TIMEOUT).frame
    except TamidError:  # who cannot answer here is seen when it is to answer for real
        return None
    mine = [n for n in told.columns if n == "score" or n.startswith("class_")]
    return told.select(mine).hstack(given.select(PERIOD, TIME, WEIGHT))


def _usual(base: Usual, asked: pl.DataFrame, scored: pl.DataFrame) -> Usual:
    """Count the served rows in the bundle's bins; inputs that are never logged are left out."""
    known = {n for n in asked.columns if not asked.get_column(n).is_null().all()}
    watched = set(base.input_weeks.counts) or {p.column for p in base.inputs}
    inputs = tuple(p for p in base.inputs if p.column in known and p.column in watched)
    scores = tuple(p for p in base.scores if p.column in scored.columns)
    input_weeks = _weeks(weekly(asked, inputs, _weights(asked)))
    score_weeks = _weeks(weekly(scored, scores, _weights(scored)))
    return Usual(
        inputs=tuple(_profiled(p, input_weeks) for p in inputs),
        scores=tuple(_profiled(p, score_weeks) for p in scores),
        input_weeks=input_weeks,
        score_weeks=score_weeks,
    )


def _weights(rows: pl.DataFrame) -> Floats:
    return rows.get_column(WEIGHT).to_numpy()


def _weeks(made: Mapping[str, object]) -> Weeks:
    names, counts = made["names"], made["counts"]
    assert isinstance(names, list)
    assert isinstance(counts, dict)
    return Weeks(names=tuple(names), counts={n: np.asarray(t) for n, t in counts.items()})


def _profiled(profile: Profile, weeks: Weeks) -> Profile:
    return replace(profile, counts=tuple(weeks.counts[profile.column].sum(axis=0).tolist()))


def _from_bundle(rig: Rig, state: State, weeks: list[str]) -> OnlineUsual | None:
    """Return the batch's reference as one for online, if the first served week was like it."""
    number, version = state.champion, state.versions[state.champion]
    series = state.measured.get(f"{ONLINE_SCORE_PSI}@{number}", {})
    first = next((p for p in weeks if p in series), None)
    if first is None:
        return None
    known = version.registered.reference
    taken: dict[str, tuple[float, ...]] = {}
    for signal in (SCORE_PSI, INPUT_PSI):
        seen = state.measure(f"{ONLINE_PREFIX}{signal}", number, first)
        usual, rows = known.get(signal, ()), known.get(f"{signal}/rows", (0.0,))[0]
        if len(usual) < MIN_REFERENCE or seen is None:
            continue
        if seen.value <= max(usual) and 2 * seen.rows >= rows:
            mine = {n: v for n, v in known.items() if n == signal or n.startswith(f"{signal}/")}
            taken |= {f"{ONLINE_PREFIX}{n}": v for n, v in mine.items()}
    if not taken:
        return None
    bundle = read_manifest(rig.blobs.get(version.registered.ref.bundle))
    return OnlineUsual(
        key=f"online_usual/{number}/bundle",
        number=number,
        on="bundle",
        usual=version.usual or bundle.files[PROFILE],
        reference=taken,
        periods=(first,),
    )

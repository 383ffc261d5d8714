"""Who is to be answered in a period besides its rows, and whether its rows are all there.

Both only for a panel: rows that come back period by period, one an entity. Where every row is a
thing of its own, such as a booking, the period's rows are all there is to know.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.periods import PeriodRule, shift, start_of
from tamid.core.state import State
from tamid.core.values import ENTITY, KNOWN_AT, TIME
from tamid.ports import Tables
from tamid.stages import data
from tamid.stages.feeds import LABELS, ROWS, rule_of
from tamid.stages.hearing import EVENT, VALUE
from tamid.stages.inbox import latest_revisions

# Earlier periods that say what is usual, and the fewest of them that can say it.
_LOOK_BACK = 4
_FEWEST = 3
# Share of entities that come back from which rows are taken for a panel.
_COMES_BACK = 0.5
# Beyond so many times the most that stayed away of late, and this many standard errors more, the
# batch is no truth about who is gone: leaving has weeks of its own, a lost part of a file is more.
_MANY_TIMES = 1.5
_UNUSUAL = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Turnout:
    """Who stayed away: `absent` are to be answered without a row; how many were `lost` of how many,
    in the period and in the earlier ones that were looked at."""

    absent: pl.Series
    lost: tuple[int, ...] = ()
    of: tuple[int, ...] = ()


def turnout(
    tables: Tables, contract: Contract, state: State, period: str, now: datetime
) -> Turnout:
    """Return the entities that are to be answered though they have no row in a period.

    Those of the last whole period that are not known to be gone. Some always stay away, because
    they are gone and nobody has said so yet: if no more than usual do, the rows are the truth.
    """
    nobody = Turnout(absent=pl.Series(ENTITY, [], dtype=pl.String))
    rule = rule_of(contract)
    if rule is None or contract.data.entity is None:
        return nobody
    there = _entities(tables, contract, state, period, now)
    earlier = _whole(state, rule, period)
    if not earlier or not _is_panel(tables, contract, state, earlier, now):
        return nobody
    away = _staying_away(tables, contract, state, earlier[0], there, now, now)
    absent, size = away.get_column(ENTITY).sort(), away.height + there.height
    seen = [(away.height, size)]
    if not there.is_empty() and not away.is_empty():
        for before in _away_of_late(tables, contract, state, earlier, period, now):
            seen.append(before)
            expected = size * before[0] / max(before[1], 1)
            if away.height <= _MANY_TIMES * expected + _UNUSUAL * expected**0.5:
                absent = nobody.absent
                break
    return Turnout(absent=absent, lost=tuple(k for k, _ in seen), of=tuple(n for _, n in seen))


def shortfall(tables: Tables, contract: Contract, state: State, period: str, now: datetime) -> str:
    """Say that a period has far fewer rows than usual, or ""."""
    rule = rule_of(contract)
    if rule is None or contract.data.entity is None or period not in state.volume:
        return ""
    earlier = [p for p in _before(rule, period) if p in state.periods]
    if len(earlier) < _FEWEST:
        return ""
    # Ledgers from before rows were counted by period do not know how many there were.
    sizes = sorted(
        state.volume.get(p) or _entities(tables, contract, state, p, now).height for p in earlier
    )
    usual, rows = sizes[len(sizes) // 2], state.volume[period]
    if rows >= contract.data.quarantine.least_rows * usual:
        return ""
    if not _is_panel(tables, contract, state, earlier, now):
        return ""
    return f"{period} has {rows} row{'s' * (rows != 1)}, usually about {usual} come"


def _before(rule: PeriodRule, period: str) -> list[str]:
    return [shift(rule, period, -n) for n in range(1, _LOOK_BACK + 1)]


def _whole(state: State, rule: PeriodRule, period: str) -> list[str]:
    """Return the earlier periods with rows, the latest first, without those that came in part."""
    earlier = [p for p in _before(rule, period) if p in state.periods]
    most = max((state.volume.get(p, 0) for p in earlier), default=0)
    return [p for p in earlier if 2 * state.volume.get(p, most) >= most]


def _is_panel(
    tables: Tables, contract: Contract, state: State, earlier: Sequence[str], now: datetime
) -> bool:
    """Say whether the last two periods had one row an entity, mostly of the same entities."""
    if len(earlier) == 1:
        return True
    last, before = (_entities(tables, contract, state, p, now) for p in earlier[:2])
    if last.is_empty() or not last.get_column(ENTITY).is_unique().all():
        return False
    back = last.join(before, on=ENTITY, how="semi").height
    return back >= _COMES_BACK * min(last.height, max(before.height, 1))


def _away_of_late(
    tables: Tables,
    contract: Contract,
    state: State,
    earlier: Sequence[str],
    period: str,
    now: datetime,
) -> Iterator[tuple[int, int]]:
    """Yield how many of how many stayed away of late, as was known then, the last first."""
    age = now - start_of(_rule(contract), period)
    for after, before in itertools.pairwise(earlier):
        there = _entities(tables, contract, state, after, now)
        then = start_of(_rule(contract), after) + age
        away = _staying_away(tables, contract, state, before, there, now, then)
        yield away.height, away.height + there.height


def _staying_away(
    tables: Tables,
    contract: Contract,
    state: State,
    last: str,
    there: pl.DataFrame,
    now: datetime,
    heard_by: datetime,
) -> pl.DataFrame:
    """Return the entities of a period that are not among others and were not known to be gone."""
    known = _entities(tables, contract, state, last, now)
    away = known.join(there, on=ENTITY, how="anti").unique(ENTITY)
    pin = state.pins.get(f"{contract.name}.{LABELS}")
    if pin is None or contract.data.label.event_time is None:
        return away
    # Only who left after the row can be gone: what was heard of earlier leavers is not looked at.
    about = pl.col(EVENT).is_between(away.get_column(TIME).min(), heard_by)
    heard = latest_revisions(tables.read(pin).filter((pl.col(KNOWN_AT) <= heard_by) & about))
    gone = heard.filter(pl.col(VALUE) > 0).select(ENTITY, EVENT)
    left = away.join(gone, on=ENTITY).filter(pl.col(EVENT) >= pl.col(TIME))
    return away.join(left, on=ENTITY, how="anti")


def _entities(
    tables: Tables, contract: Contract, state: State, period: str, now: datetime
) -> pl.DataFrame:
    """Return entity and moment of each row of a period, good or bad."""
    pin = state.pins[f"{contract.name}.{ROWS}"]
    if period not in state.periods:
        return pl.DataFrame(schema={ENTITY: pl.String, TIME: pl.Datetime("us", "UTC")})
    found = data.load(tables, pin, periods=[period], columns=(), known_by=now)
    rows = [frame.select(ENTITY, TIME) for frame in (found.good, found.bad)]
    return pl.concat(rows).filter(pl.col(ENTITY).is_not_null())


def _rule(contract: Contract) -> PeriodRule:
    rule = rule_of(contract)
    assert rule is not None
    return rule

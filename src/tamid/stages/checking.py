"""Checking: is a new period's rows like those before, before anything is learnt from them?

Runs after intake and before all that is measured. A suspected period is kept from training and
gates until its source delivers it anew, or a person says that it is as it should be.
"""

from __future__ import annotations

import functools
import json
import zlib
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.events import PeriodChecked
from tamid.core.filling import has_come
from tamid.core.periods import period_of
from tamid.core.state import State
from tamid.core.stats.arrays import Floats, Ints
from tamid.core.stats.bugcheck import BugCheck, check_week
from tamid.core.stats.concentration import concentrated
from tamid.core.stats.dependence import bins_of, codes_in
from tamid.core.stats.family import MIN_WEEKS, Oddest
from tamid.core.stats.joins import changed
from tamid.core.stats.units import unit_change
from tamid.core.suspicion import HARD, cause_of_oddity, words_for
from tamid.core.values import ENTITY, Role
from tamid.stages import dataset, joining
from tamid.stages.feeds import ROWS, rule_of
from tamid.stages.lacking import lacks_source, mended, was_lacking
from tamid.stages.rig import Rig
from tamid.stages.usual import special_of

# Half a year of weeks: what a season does to a column is within it, what a year ago was is not.
_REFERENCE = 26
# Rows of a period that are looked at: shares are known to within two points, in milliseconds.
_ROWS = 500
# The most important columns; what the model does not read cannot mislead it.
_COLUMNS = 50
FEWEST_ROWS = 50  # fewer show no share
# What no holiday and no campaign does by itself; all else may be its nature.
_NEVER_SPECIAL = frozenset({"missing", "other_entity"})
# Findings named in an event.
_NAMED = 5
_PERIODS_REMEMBERED = 256


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sheet:
    """A sample of a period's rows: `frame` (the columns checked), `entities` (a number each).

    `key` names the content, so that what was reckoned of it can be remembered.
    """

    period: str
    key: Hashable
    frame: pl.DataFrame
    entities: Ints
    rows: int


def check_periods(
    rig: Rig, contract: Contract, state: State, now: datetime
) -> Iterator[PeriodChecked]:
    """Yield the check of each period that came or changed since the first version was trained.

    What the first version learnt from was looked at by its maker and is the first reference. A
    suspected period is no reference for later ones, unless a person took it as sound. A special
    period is no measure of an ordinary one; it is itself suspected of what no holiday does: gone
    values, and entities with the values of others, more than before in ordinary weeks and its like.
    """
    first = state.versions.get(min(state.versions, default=0))
    rule = rule_of(contract)
    # From the turn after its registration on, whether or not that turn had to be made again.
    if first is None or first.at >= now or rule is None:
        return
    since = first.registered.trained_through
    special = special_of(rig, contract, state.periods, rule.days)
    fresh = [
        p
        for p, content in sorted(state.periods.items())
        if p > since and state.checked_seq.get(p, 0) < content
    ]
    if not fresh:
        return
    current, columns = period_of(rule, now), _columns(rig, contract, state)
    suspected = set(state.suspected)
    for period in fresh:
        event = lacks_source(rig, contract, state, period, now)
        named = special.get(period, frozenset())
        past = [p for p in sorted(state.periods) if p < period and p not in suspected]
        past = [p for p in past if p not in special or special[p] & named][-_REFERENCE:]
        come = len(past) >= MIN_WEEKS and (period < current or has_come(state, rule, past, period))
        if event is None and come:
            event = _checked(rig, contract, state, columns, past, period, now, bool(named))
        if event is None and was_lacking(state, period):
            event = mended(rig, contract, state, period)
        if event is not None:
            suspected = suspected | {period} if event.suspected else suspected - {period}
            yield event


def _columns(rig: Rig, contract: Contract, state: State) -> tuple[str, ...]:
    """Return the columns that the model is offered, the most important ones first."""
    keys = {contract.data.label.column, contract.data.entity, contract.data.time}
    offered = [n for n, c in contract.data.schema.items() if c.feature and n not in keys]
    champion = state.versions.get(state.champion) or state.versions[max(state.versions)]
    run = state.runs.get(champion.registered.run)
    importance: Mapping[str, float] = {}
    if run is not None and run.finished is not None:
        importance = json.loads(rig.blobs.get(run.finished.report)).get("importance", {})
    ranked = sorted(offered, key=lambda n: (-float(importance.get(n, 0.0)), n))
    return tuple(ranked[:_COLUMNS])


def _checked(
    rig: Rig, contract: Contract, state: State, columns: tuple[str, ...], past: Sequence[str],
    period: str, now: datetime, special: bool,
) -> PeriodChecked | None:  # fmt: skip
    """Return the check of one period; None if it has too few rows or columns to say anything."""
    # In one order: a new champion ranks the columns anew, and what was read stays remembered.
    read = functools.partial(_sheet, rig, contract, state, tuple(sorted(columns)), now)
    sheets = [s for s in map(read, past) if s.frame.height >= FEWEST_ROWS]
    mine = read(period)
    names = [n for n in columns if n in mine.frame.columns]
    if len(sheets) < MIN_WEEKS or mine.frame.height < FEWEST_ROWS or not names:
        return None
    weeks, categorical = _numbers([*(s.frame for s in sheets), mine.frame], names)
    before, this = weeks[:-1], weeks[-1]
    followed = _followed([*sheets, mine], weeks, categorical, tuple(names))
    then, here = (None, None) if followed is None else (followed[:-1], followed[-1])
    check = check_week(
        before, this, categorical, entity_reference=then, entity_now=here,
        vouched=[place for place, s in enumerate(sheets) if s.period in state.taken_as_sound],
    )  # fmt: skip
    if special:
        found = tuple(o for o in check.found if o.statistic in _NEVER_SPECIAL)
        check = replace(check, found=found, nearest=found[0] if found else None)
    made = PeriodChecked(
        # By content, not by place: a turn that is made again tells of the same check.
        key=f"checked/{period}/{state.pins[rig.table(ROWS)].digest[-12:]}",
        period=period,
        suspected=check.suspected,
        owner=Role(contract.data.source.owner),
        oddity=check.nearest.oddity if check.nearest else 0.0,
        level=check.level,
        rows=mine.rows,
        against=len(before),
        shifted=tuple(names[o.column] for o in check.shifted[:_NAMED]),
    )
    return _with_findings(made, check, names, before, this, categorical)


def _with_findings(
    made: PeriodChecked,
    check: BugCheck,
    names: Sequence[str],
    before: Sequence[Floats],
    this: Floats,
    categorical: Sequence[bool],
) -> PeriodChecked:
    if not check.found:
        return made
    pool = np.concatenate(list(before))
    named = check.found[:_NAMED]
    reasons = [_reason(names, o, pool, this, categorical) for o in named]
    bins = bins_of(pool, categorical)
    alone, whole, rest = concentrated(
        codes_in(bins, pool), codes_in(bins, this), bins.offsets[-1], [o.column for o in named]
    )
    where = "they are the whole difference" if alone else "other columns moved as well"
    reasons.append(
        f"{where}: told apart from earlier periods at {whole:.2f}, without the oddest at {rest:.2f}"
    )
    return replace(
        made,
        cause=cause_of_oddity(check.found[0]),
        confirmed=check.found[0].statistic in HARD,
        columns=tuple(names[o.column] for o in named),
        reasons=tuple(reasons),
    )


def _reason(
    names: Sequence[str], found: Oddest, pool: Floats, this: Floats, categorical: Sequence[bool]
) -> str:
    text = words_for(names[found.column], found)
    if categorical[found.column]:
        return text
    change = unit_change(pool[:, found.column], this[:, found.column])
    return text if change is None else f"{text}; it looks {change.words}"


def _followed(
    sheets: Sequence[_Sheet],
    weeks: Sequence[Floats],
    categorical: Sequence[bool],
    names: tuple[str, ...],
) -> Floats | None:
    """Return how far each column left its entity from period to period; None if few come again."""
    rows = []
    for s, a, t, b in zip(sheets[:-1], weeks[:-1], sheets[1:], weeks[1:], strict=True):
        key = (s.key, t.key, names, tuple(categorical))
        if key not in _FOLLOWED:
            if len(_FOLLOWED) >= _PERIODS_REMEMBERED:
                _FOLLOWED.pop(next(iter(_FOLLOWED)))
            _FOLLOWED[key] = changed(a, s.entities, b, t.entities, categorical)
        rows.append(_FOLLOWED[key])
    # Only an unbroken chain can be ranked: the longest one that ends with this period.
    kept: list[Floats] = []
    for row in reversed(rows):
        if np.isnan(row).any():
            break
        kept.append(row)
    return np.stack(kept[::-1]) if len(kept) > MIN_WEEKS else None


def _numbers(
    frames: Sequence[pl.DataFrame], names: Sequence[str]
) -> tuple[list[Floats], list[bool]]:
    """Return each frame as numbers, categories by codes that are the same in all of them."""
    whole = pl.concat([f.select(names) for f in frames], how="vertical_relaxed")
    columns, categorical = [], []
    for name in names:
        column = whole.get_column(name)
        texts = column.dtype in (pl.String, pl.Categorical, pl.Enum)
        if texts:
            column = column.cast(pl.String)
            words = column.drop_nulls().unique().sort()
            column = column.cast(pl.Enum(words)).to_physical()
        elif column.dtype.is_temporal():
            column = column.to_physical()
        columns.append(column.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy())
        categorical.append(texts)
    rows = np.column_stack(columns)
    ends = np.cumsum([f.height for f in frames])[:-1]
    return list(np.split(rows, ends)), categorical


def _sheet(
    rig: Rig, contract: Contract, state: State, columns: tuple[str, ...], now: datetime, period: str
) -> _Sheet:
    """Return a sample of a period as it is known now; the same content is read once a process."""
    key = (rig.model, rig.tables, columns, period, state.periods[period])
    if key not in _REMEMBERED:
        if len(_REMEMBERED) >= _PERIODS_REMEMBERED:
            _REMEMBERED.pop(next(iter(_REMEMBERED)))
        _REMEMBERED[key] = _sampled(rig, contract, state, columns, now, period, key)
    return _REMEMBERED[key]


_REMEMBERED: dict[Hashable, _Sheet] = {}
_FOLLOWED: dict[Hashable, Floats] = {}


def _sampled(
    rig: Rig,
    contract: Contract,
    state: State,
    columns: tuple[str, ...],
    now: datetime,
    period: str,
    key: Hashable,
) -> _Sheet:
    rows = dataset.good(joining.rows_of(rig.tables, contract, state.pins, [period], now))
    entities = rows.get_column(ENTITY).cast(pl.String).fill_null("").to_list()
    # By a hash of the entity, so that the same ones are looked at in every period.
    marks = np.array([zlib.crc32(name.encode()) for name in entities], dtype=np.int64)
    kept = np.sort(np.argsort(marks, kind="stable")[:_ROWS])
    shown = rows[kept.tolist()].select(c for c in columns if c in rows.columns)
    return _Sheet(period=period, key=key, frame=shown, entities=marks[kept], rows=rows.height)

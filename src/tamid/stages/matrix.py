"""The whole history as one matrix: labelled rows, their weeks, and when what of them was known.

Features are made once. A fit of the past takes the rows that were known then; what could not be
told by then about a row's own columns (a later correction of it) stays as it finally stood.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.errors import DataError
from tamid.core.learning.model import Feature, FeatureTable, Floats, Ints
from tamid.core.periods import PeriodRule, end_of, micros_of, period_of, span, start_of
from tamid.core.state import State
from tamid.core.values import (
    ENTITY,
    KNOWN_AT,
    LABEL,
    PERIOD,
    TIME,
    WEIGHT,
    Task,
    digest_bytes,
    digest_of,
)
from tamid.core.windows import quarter
from tamid.stages import dataset, joining, labels
from tamid.stages.answering import FeatureCode, encode, learn_features, model_frame
from tamid.stages.feeds import rule_of
from tamid.stages.in_fact import Acted, fairly
from tamid.stages.rig import Rig

# A week is cut into so many parts, which are drawn as blocks: its days.
BLOCKS = 7
# Below this share of distinct parts the rows of a week share a moment: entities are dealt instead.
_SPREAD = 4
# A trickling week counts as told, and its delay is over, when so much of it is known.
_TOLD = 0.9
_MICRO = timedelta(microseconds=1)
_PLACE = "_place"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matrix:
    """Rows (n) sorted by week; `offsets` (T + 1) says where each week begins.

    `week`, `block`: where a row is judged. `told`: the week in which its label became known, in the
    sense in which windows count weeks (trickling labels), else its own week. `row_known`,
    `label_known`, `starts` (T + 1): microseconds. `table`: features with the vocabulary of all
    rows. `weight` (n): one over the chance of being left alone; `acted`: what became of rows that
    campaigns had acted on. `delay`: weeks until a week's labels are known; `slow`: labels trickle
    in. `digest` names the content.
    """

    contract: Contract
    weeks: tuple[str, ...]
    starts: Ints
    offsets: Ints
    week: Ints
    block: Ints
    told: Ints
    row_known: Ints
    label_known: Ints
    time: Ints
    y: Floats
    table: FeatureTable
    classes: int
    delay: int
    slow: bool
    season: Ints
    digest: str
    weight: Floats = field(default_factory=lambda: np.zeros(0))
    acted: Acted = field(default_factory=Acted)

    @property
    def weights(self) -> Floats:
        """Return what each row weighs; 1 where nothing else is known."""
        return self.weight if len(self.weight) else np.ones(len(self.y))

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.y)


def matrix(
    rig: Rig,
    contract: Contract,
    state: State,
    code: FeatureCode | None,
    until: datetime,
    facts: pl.DataFrame | None = None,
    unread: str = "",
) -> Matrix:
    """Return the history up to `until`, without the last weeks whose labels are not in.

    `facts`: whom campaigns really acted on; `unread`: what is not known of that.

    Raises:
        DataError: no time, no labelled row, or no whole week; what features raise.
    """
    if contract.data.time is None:
        raise DataError(
            f"model {contract.name!r} has no time column, so there is no history to replay",
            why="rows without a moment all become known at once",
            fix="Name a time column in the contract's data block.",
        )
    rows = _with_labels(rig, contract, state, until)
    rule, slow = rule_of(contract), dataset.trickling(contract)
    assert rule is not None
    weeks = _weeks(rows, contract, rule, slow, until)
    rows = rows.filter(pl.col(labels.KNOWN) & pl.col(PERIOD).is_in(weeks))
    rows, acted = fairly(contract, rows, facts, WEIGHT)
    rows = rows.sort(PERIOD, TIME, ENTITY)
    edges = [*(start_of(rule, w) for w in weeks), end_of(rule, weeks[-1])]
    starts = np.array([micros_of(moment) for moment in edges])
    time = _micros(rows.get_column(TIME))
    week = np.searchsorted(starts, time, side="right") - 1
    known = _micros(rows.get_column(labels.LABEL_KNOWN_AT))
    told = np.searchsorted(starts, known, side="left") - 1 if slow else week
    made = model_frame(rows, contract, code)
    y = rows.get_column(LABEL).cast(pl.Float64).to_numpy()
    table = encode(made, learn_features(made))
    row_known = _row_known(rows, contract, time)
    block = _blocks(rows, time, starts, week)
    weight = rows.get_column(WEIGHT).to_numpy()
    held = [table.values, y, time, row_known, known, block, starts, weight]
    return Matrix(
        contract=contract,
        weeks=weeks,
        starts=starts,
        offsets=np.searchsorted(week, np.arange(len(weeks) + 1)),
        week=week,
        block=block,
        told=told,
        row_known=row_known,
        label_known=known,
        time=time,
        y=y,
        table=table,
        classes=_classes(contract, y),
        delay=_delay(starts, week, time, known, slow),
        slow=slow,
        season=np.array([quarter(w) for w in weeks]),
        weight=weight,
        acted=replace(acted, unread=unread),
        digest=digest_of(
            [[digest_bytes(np.ascontiguousarray(part).tobytes()) for part in held], table.features]
        ),
    )


def vocabulary(values: Floats, features: tuple[Feature, ...]) -> tuple[Floats, tuple[Feature, ...]]:
    """Narrow each category to the words that these rows have; return the places (f, words) too.

    `places[f, code]` is the code under the narrower vocabulary, NaN for a word not seen; so that a
    model of the past knows no word of its future.
    """
    most = max([len(f.categories) for f in features], default=0)
    places = np.full((len(features), max(most, 1)), np.nan)
    narrowed = []
    for i, feature in enumerate(features):
        if feature.kind != "category":
            narrowed.append(feature)
            continue
        codes = values[:, i]
        seen = np.unique(codes[np.isfinite(codes)]).astype(np.int64)
        places[i, seen] = np.arange(len(seen))
        words = tuple(feature.categories[c] for c in seen)
        narrowed.append(Feature(name=feature.name, kind="category", categories=words))
    return places, tuple(narrowed)


def narrow(values: Floats, features: tuple[Feature, ...], places: Floats) -> Floats:
    """Return rows under the narrower vocabulary; a copy only where a category changes."""
    found = values
    for i, feature in enumerate(features):
        size = len(feature.categories)
        if feature.kind != "category" or np.array_equal(places[i, :size], np.arange(size)):
            continue
        found = values.copy() if found is values else found
        there = np.isfinite(values[:, i])
        found[there, i] = places[i, values[there, i].astype(np.int64)]
    return found


def known_weights(rows: Matrix, now: int) -> Floats:
    """Return what each row weighs in a fit at a moment: 1 / chance of being known at its age.

    For labels that trickle in, as a run weighs them; rows not known by then weigh nothing.
    """
    there = np.flatnonzero(rows.row_known <= now)
    heard = pl.Series(rows.label_known[there]).cast(pl.Datetime("us", "UTC"))
    told = rows.label_known[there] <= now
    frame = pl.DataFrame(
        {
            _PLACE: there,
            TIME: pl.Series(rows.time[there]).cast(pl.Datetime("us", "UTC")),
            # What is not known yet must not be seen at all: open rows are told by their null.
            LABEL: pl.Series(np.where(told, rows.y[there], np.nan)).fill_nan(None),
            labels.LABEL_KNOWN_AT: heard,
            labels.KNOWN: told,
        }
    )
    moment = datetime.fromtimestamp(now / 1_000_000, UTC)
    known = labels.weights_known(frame, frame, moment)
    found = np.zeros(len(rows))
    found[known.get_column(_PLACE).to_numpy()] = known.get_column(WEIGHT).to_numpy()
    return found


def _with_labels(rig: Rig, contract: Contract, state: State, until: datetime) -> pl.DataFrame:
    """Return all good rows that have a moment, with what is known of their labels."""
    rows = dataset.good(joining.joined(rig.tables, contract, state.pins, None, until))
    rows = rows.filter(pl.col(TIME).is_not_null())
    return _own_weeks(dataset.resolved(rig.tables, contract, state.pins, rows, until), contract)


def _own_weeks(rows: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """Put the label's moment as a replay tells it: by the contract, if no column says so."""
    label = contract.data.label
    if label.source is not None and label.source.known_at:
        return rows
    due = pl.col(TIME) + label.horizon + label.reporting_lag
    return rows.with_columns(due.alias(labels.LABEL_KNOWN_AT))


def _weeks(
    rows: pl.DataFrame, contract: Contract, rule: PeriodRule, slow: bool, until: datetime
) -> tuple[str, ...]:
    """Return all weeks from the first row on whose truth is in, empty ones between included."""
    wait = contract.data.label.horizon + contract.data.label.reporting_lag
    shares = dict(rows.group_by(PERIOD).agg(pl.col(labels.KNOWN).mean()).iter_rows())
    whole = [
        p
        for p, share in sorted(shares.items())
        if share >= _TOLD and end_of(rule, p) + (timedelta(0) if slow else wait) <= until
    ]
    if not whole:
        raise DataError(
            "there is no week whose labels are in",
            why="policies are compared on what turned out to be true",
            fix="Wait for labels, or load older history.",
        )
    first = period_of(rule, rows.get_column(TIME).min())  # type: ignore[arg-type]
    return span(rule, first, whole[-1])


def _blocks(rows: pl.DataFrame, time: Ints, starts: Ints, week: Ints) -> Ints:
    """Number the part of its week that each row lies in, or a share of the entities."""
    length = np.maximum(np.diff(starts)[week], 1)
    part = np.clip((time - starts[week]) * BLOCKS // length, 0, BLOCKS - 1)
    filled = np.unique(week * BLOCKS + part).size / max(np.unique(week).size, 1)
    if filled >= _SPREAD:
        return np.asarray(part, dtype=np.int64)
    codes = rows.get_column(ENTITY).cast(pl.String).hash(seed=0).to_numpy()
    return np.asarray(codes % BLOCKS, dtype=np.int64)


def _row_known(rows: pl.DataFrame, contract: Contract, time: Ints) -> Ints:
    if contract.data.source.known_at and KNOWN_AT in rows.columns:
        return _micros(rows.get_column(KNOWN_AT))
    return time


def _delay(starts: Ints, week: Ints, time: Ints, known: Ints, slow: bool) -> int:
    """Return after how many whole weeks all labels of a week are known (trickling: 90 %)."""
    period = int(np.diff(starts).max())
    if slow:
        return int(-(-int(np.quantile(known - time, _TOLD)) // period))
    return max(0, int(-(-(known - starts[week + 1]).max() // period)))


def _classes(contract: Contract, y: Floats) -> int:
    if contract.task is not Task.MULTICLASS:
        return 2
    column = contract.data.schema.get(contract.data.label.column)
    return len(column.allowed) if column and column.allowed else int(y.max()) + 1


def _micros(column: pl.Series) -> Ints:
    return np.asarray(
        column.cast(pl.Datetime("us", "UTC")).to_physical().to_numpy(), dtype=np.int64
    )

"""How like a period's rows are to those of the reference: what a chance learnt there is worth here.

Small samples, small trees: it says whether an estimate may be trusted, not what has drifted.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.errors import UserCodeError
from tamid.core.learning.model import Bools, FeatureTable, Floats, Ints, Learner, Param
from tamid.core.state import State
from tamid.core.stats.auc import auc
from tamid.core.stats.trust import outside_share
from tamid.core.values import ENTITY, PERIOD, TIME, Task, parse_instant
from tamid.stages import dataset, joining
from tamid.stages.answering import encode, learn_features, model_frame
from tamid.stages.filing import numbered
from tamid.stages.rig import Rig

# Rows that stand for a period of the reference, and for the period in question.
ROWS_A_PERIOD = 500
ROWS = 1500
# Beyond this a table is looked at through its first columns by name; a fit stays below 0.1 s.
MOST_COLUMNS = 64
# Texts with more words than this are names, which no two periods share.
_MOST_WORDS = 100
# Share of a column's variance that lies between the reference's own periods: a month, a year, a
# running number. Such columns tell any two periods apart and say nothing of the rows.
_OF_TIME = 0.9
_PARAMS: Mapping[str, Param] = {"num_iterations": 40, "num_leaves": 8, "min_data_in_leaf": 20}


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """How like two sets of rows are; NaN: not measured.

    `domain_auc`: how well they are told apart (.5: not at all); `outside`: share of rows with
    values that the reference never had.
    """

    domain_auc: float = math.nan
    outside: float = math.nan


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """Rows of a reference and of a period in one table of numbers.

    `table`: the reference's rows first; `entity`: (n,) codes; `now`: (n,) True for the periods in
    question; `keys`: `_entity` and `_time` of each row.
    """

    table: FeatureTable
    entity: Ints
    now: Bools
    keys: pl.DataFrame


def sample(
    rig: Rig,
    contract: Contract,
    state: State,
    reference: Sequence[str],
    periods: Sequence[str],
) -> Sample | None:
    """Return rows of some periods and of their reference as they were when they were scored.

    `contract` is the version's own. None where there is nothing to compare.
    """
    seed = contract.training.seed
    past = [_rows(rig, contract, state, p, ROWS_A_PERIOD, seed) for p in reference]
    here = [_rows(rig, contract, state, p, ROWS // len(periods), seed) for p in periods]
    before, after = sum(f.height for f in past), sum(f.height for f in here)
    if not before or not after:
        return None
    both = pl.concat([f for f in (*past, *here) if not f.is_empty()], how="diagonal_relaxed")
    now = np.arange(both.height) >= before
    try:
        made = model_frame(both, contract, None)
    except UserCodeError:  # all that a model could see is made by the user's code
        return None
    table = _table(made, _codes(both.get_column(PERIOD)), now)
    if table is None:
        return None
    return Sample(
        table=table,
        entity=numbered(both),
        now=now,
        keys=both.select(ENTITY, TIME),
    )


def likeness(learner: Callable[[Task], Learner] | None, found: Sample, seed: int) -> Likeness:
    """Measure how like the period's rows are to the reference's.

    The classifier is fitted on one half of the entities and asked about the other, both ways, so
    that an entity that is in both is no hint.
    """
    category = np.array([f.kind == "category" for f in found.table.features])
    values = found.table.values
    outside = outside_share(values[~found.now], values[found.now], category)
    if learner is None:
        return Likeness(outside=outside)
    return Likeness(domain_auc=_domain_auc(learner(Task.BINARY), found, seed), outside=outside)


def _domain_auc(learner: Learner, found: Sample, seed: int) -> float:
    half = found.entity % 2 == 0
    if found.entity.max(initial=0) == 0:  # no entities: rows are their own
        half = np.arange(len(found.table)) % 2 == 0
    y = found.now.astype(np.float64)
    score = np.zeros(len(y))
    for fold in (half, ~half):
        if not 0 < y[fold].sum() < fold.sum():
            return math.nan
        # Both sides weigh the same, however many rows each has.
        weight = np.where(found.now[fold], 0.5 / y[fold].mean(), 0.5 / (1 - y[fold].mean()))
        model = learner.fit(found.table.take(fold), y[fold], weight, _PARAMS, seed)
        score[~fold] = model.predict(found.table.take(~fold))
    # Each half was scored by its own model: only rows of one half can be compared.
    return float(np.mean([auc(y[fold], score[fold]) for fold in (half, ~half)]))


def _table(made: pl.DataFrame, periods: Ints, now: Bools) -> FeatureTable | None:
    texts = (pl.String, pl.Categorical, pl.Enum)
    kept = [
        c.name
        for c in made.iter_columns()
        if c.null_count() < len(c)
        and not (c.dtype in texts and c.n_unique() > _MOST_WORDS)
        and c.n_unique() > 1
    ][:MOST_COLUMNS]
    if not kept:
        return None
    made = made.select(kept)
    table = encode(made, learn_features(made))
    still = np.array([not _of_time(column, periods, ~now) for column in table.values.T])
    if not still.any():
        return None
    features = tuple(f for f, keep in zip(table.features, still, strict=True) if keep)
    return FeatureTable(features=features, values=table.values[:, still])


def _of_time(column: Floats, periods: Ints, past: Bools) -> bool:
    """Say whether a column tells the reference's own periods apart, as a month does."""
    there = past & np.isfinite(column)
    values, groups = column[there], periods[there]
    if len(np.unique(groups)) < 3:
        return False
    whole = float(((values - values.mean()) ** 2).sum())
    if whole <= 0:
        return False
    counts = np.bincount(groups)
    sums = np.bincount(groups, weights=values)
    means = sums[counts > 0] / counts[counts > 0]
    between = float((counts[counts > 0] * (means - values.mean()) ** 2).sum())
    return between / whole > _OF_TIME


def _codes(texts: pl.Series) -> Ints:
    return (texts.rank("dense") - 1).to_numpy().astype(np.int64)


def _rows(
    rig: Rig, contract: Contract, state: State, period: str, most: int, seed: int
) -> pl.DataFrame:
    at = state.scored_at.get(period)
    if at is None:  # of the time before the first release: as its first run knew it
        at = min((r.at for r in state.runs.values()), default=None)
    if at is None:
        return pl.DataFrame()
    last = parse_instant(state.latest[period]) if state.latest.get(period) else at
    source = _Source(rig, contract, state)
    # In all sizes at once: a week that is estimated is a reference when its labels are in.
    sizes = tuple(sorted({ROWS, ROWS_A_PERIOD, most}))
    found = _drawn(source, period, state.periods.get(period, 0), max(at, last), sizes, seed)
    return found[most]


class _Source:
    """The rows of a model; two of one model and contract are the same: rows are read once."""

    def __init__(self, rig: Rig, contract: Contract, state: State) -> None:
        self.rig, self.contract, self.pins = rig, contract, state.pins

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Source):
            return False
        return self.rig.tables is other.rig.tables and self.contract == other.contract

    def __hash__(self) -> int:
        return hash((id(self.rig.tables), self.contract.name))


@functools.lru_cache(maxsize=32)
def _drawn(
    source: _Source,
    period: str,
    arrived: int,
    known_by: datetime,
    sizes: tuple[int, ...],
    seed: int,
) -> Mapping[int, pl.DataFrame]:
    """Return samples of these sizes, drawn of a period's good rows as they were known at a moment.

    What was known then stays so unless more of the period arrives (`arrived`): rows once read need
    no second reading, and a controller that begins anew finds the same.
    """
    tables = source.rig.tables
    rows = joining.joined(tables, source.contract, source.pins, [period], known_by)
    rows = dataset.good(rows)
    rows = rows.sort(ENTITY, TIME, nulls_last=True)
    drawn = {}
    for most in sizes:
        drawn[most] = rows
        if rows.height > most:
            chosen = source.rig.generator(seed).choice(rows.height, most, replace=False)
            drawn[most] = rows[np.sort(chosen).tolist()]
    return drawn

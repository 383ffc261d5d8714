"""What each feature of a candidate is worth, measured on the rows that it is judged by.

Bounded whatever the data: so many rows, features and seconds, the features that the model leans on
most first. Nothing of it is in the bundle, which must not depend on how fast the machine was.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tamid.core.contract.metrics import quality_metric
from tamid.core.learning.benefit import Aged, Benefit, Source, earlier, gains, kept_share, lead_of
from tamid.core.learning.choice import Tuned
from tamid.core.learning.model import FeatureTable, Floats, Ints, Model
from tamid.core.learning.splits import Fold
from tamid.core.stats.metrics import Terms, terms
from tamid.core.values import Interval
from tamid.stages.answering import calibrated, visible
from tamid.stages.fitting import Bench

# Rows of whole entities: an interval of a tenth of a point needs no more, a prediction is quick.
MOST_ROWS = 2_000
MOST_FEATURES = 40
# Of the features that are shown to help, so many are asked how early they told the same.
_MOST_AGED = 3
_LAGS = (1, 2, 4)
# Below this share of rows with an earlier row of the same entity, ageing says little.
_FEWEST_EARLIER = 0.5
# Seconds after which the rest stays unmeasured, whatever a prediction takes. Twenty features of a
# usual model take one on a busy machine; half a second left every second of them without a number.
BUDGET_S = 3.0
# Rows on which the user's feature code is timed.
_TIMED_ROWS = 1_000


class _Looked:
    """The sampled rows with all that it takes to measure a changed column on them."""

    def __init__(self, bench: Bench, model: Model, chosen: Tuned, fold: Fold) -> None:
        self._bench, self._model, self._chosen = bench, model, chosen
        rng = bench.tools.generator(bench.job.seed)
        self.rows = _sampled(bench, np.flatnonzero(fold.seen), rng)
        self.values = bench.table.values[self.rows]
        self.entity = np.unique(bench.rows.entity[self.rows], return_inverse=True)[1]
        self.mix = rng.permutation(len(self.rows))
        self.rng = rng
        self.base = self.terms(self.values)
        self._end = bench.tools.seconds() + BUDGET_S

    @property
    def over(self) -> bool:
        return self._bench.tools.seconds() >= self._end

    def terms(self, values: Floats) -> Terms:
        bench = self._bench
        table = FeatureTable(features=bench.table.features, values=values)
        return terms(
            quality_metric(bench.contract),
            bench.contract.task,
            bench.y[self.rows],
            calibrated(self._model.predict(table), self._chosen.calibration),
            threshold=self._chosen.threshold,
            weights=bench.weight[self.rows],
        )

    def changed(self, place: int, column: Floats) -> Terms:
        values = self.values.copy()
        values[:, place] = column
        return self.terms(values)


def measured(bench: Bench, model: Model, chosen: Tuned, fold: Fold) -> tuple[Benefit, ...]:
    """Return every feature's worth, the most beneficial first; unmeasured ones stand last."""
    shares = model.importance()
    told = _told(bench, fold, shares)
    looked = _Looked(bench, model, chosen, fold)
    order = np.argsort(-shares, kind="stable")[:MOST_FEATURES]
    dealt: dict[str, Terms] = {}
    for place in order.tolist():
        if looked.over:
            break
        name = bench.table.features[place].name
        dealt[name] = looked.changed(place, looked.values[looked.mix, place])
    found = gains(looked.base, dealt, looked.entity.astype(np.int64), looked.rng) if dealt else {}
    told = [replace(b, benefit=found.get(b.feature)) for b in told]
    told.sort(key=lambda b: -np.inf if b.benefit is None else b.benefit.point, reverse=True)
    return tuple(_aged(bench, looked, told, dealt))


def _told(bench: Bench, fold: Fold, shares: Floats) -> list[Benefit]:
    shown = visible(bench.job.frame.head(0), bench.contract).columns
    sources = [_source(f.name, shown, bench) for f in bench.table.features]
    each = _code_ms(bench) / max(sources.count("code"), 1)
    ms = {"column": 0.0, "code": each, "aggregate": None}
    nulls = np.isnan(bench.table.values[fold.seen]).mean(axis=0)
    return [
        Benefit(
            feature=feature.name,
            source=source,
            share=round(float(share), 6),
            nulls=round(float(null), 6),
            ms=ms[source],
        )
        for feature, source, share, null in zip(
            bench.table.features, sources, shares, nulls, strict=True
        )
    ]


def _source(name: str, shown: list[str], bench: Bench) -> Source:
    if name in bench.contract.features.aggregates:
        return "aggregate"
    return "column" if name in shown else "code"


def _code_ms(bench: Bench) -> float:
    """Return how long the user's code takes for 1,000 rows, in milliseconds."""
    if bench.tools.code is None:
        return 0.0
    rows = visible(bench.job.frame.head(_TIMED_ROWS), bench.contract)
    started = bench.tools.seconds()
    bench.tools.code(rows)
    return round((bench.tools.seconds() - started) * 1000 * 1000 / max(rows.height, 1), 3)


def _sampled(bench: Bench, rows: Ints, rng: np.random.Generator) -> Ints:
    """Return rows of whole entities drawn at random, about as many as may be looked at."""
    if len(rows) <= MOST_ROWS:
        return rows
    entities, codes = np.unique(bench.rows.entity[rows], return_inverse=True)
    rank = rng.permutation(len(entities))[codes]
    last = np.sort(rank)[MOST_ROWS - 1]
    return np.asarray(rows[rank <= last], dtype=np.int64)


def _aged(
    bench: Bench, looked: _Looked, told: list[Benefit], dealt: dict[str, Terms]
) -> list[Benefit]:
    """Ask of the best features what they would be worth if only older values were known."""
    places = {f.name: i for i, f in enumerate(bench.table.features)}
    best = [b.feature for b in told if _helps(b.benefit)][:_MOST_AGED]
    ageing: dict[str, list[Aged]] = {name: [] for name in best}
    for lag in _LAGS:
        before, there = earlier(bench.rows.entity, bench.rows.period, looked.rows, lag)
        if there.mean() < _FEWEST_EARLIER:
            break
        for name in best:
            if looked.over:
                continue
            place = places[name]
            old = np.where(there, bench.table.values[before, place], looked.values[:, place])
            aged = looked.changed(place, old)
            points = [_point(t, there) for t in (looked.base, dealt[name], aged)]
            ageing[name].append(Aged(periods=lag, kept=kept_share(*points)))
    return [
        replace(b, ageing=tuple(ageing.get(b.feature, ())), lead=lead_of(ageing.get(b.feature, ())))
        for b in told
    ]


def _helps(benefit: Interval | None) -> bool:
    return benefit is not None and benefit.low > 0


def _point(found: Terms, rows: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    return float(found.value(found.rows[rows].sum(axis=0)))

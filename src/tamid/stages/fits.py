"""The models of the past, one by one: each fitted once and tallied over all later weeks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tamid.core.contract.metrics import quality_metric
from tamid.core.learning.choice import Tuned, tune
from tamid.core.learning.model import FeatureTable, Floats, Ints, Learner, Model, Param
from tamid.core.learning.splits import DECAY, TUNE_PERIODS, window_weights
from tamid.core.policies.measure import COMMON, measure
from tamid.core.stats.arrays import Bools
from tamid.core.stats.calibration import Calibration
from tamid.core.values import Task
from tamid.core.windows import reach
from tamid.stages.answering import calibrated
from tamid.stages.matrix import BLOCKS, Matrix, known_weights, narrow, vocabulary
from tamid.stages.tallies import Judged, estimated, shifts, sums, term_names

_FEWEST_ROWS, _FEWEST_A_CLASS = 50, 5
# Without rows to tune on a chance counts as a yes from here on.
_UNTUNED = 0.5
_EMPTY = np.zeros(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """With what is fitted: the learner, its parameters, and a clock of computing time.

    `code`: digest of the user's code that the learner and the features rest on.
    """

    learner: Learner
    params: dict[str, Param]
    seed: int
    seconds: Callable[[], float]
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Part:
    """What a window learns from at an origin, and by which name its rows are weighed."""

    rows: Bools
    weighed: str

    @property
    def content(self) -> bytes:
        """Return what tells two of them apart."""
        return self.rows.tobytes() + self.weighed.encode()


def gap_of(rows: Matrix) -> int:
    """Return the weeks after the last one learnt from that a model cannot be scored on fairly."""
    return rows.delay if rows.slow else 0


class Fits:
    """The models one after the other; only raw answers of the last weeks stay in memory."""

    def __init__(self, rows: Matrix, windows: tuple[str, ...], bench: Bench) -> None:
        self._rows, self._windows, self._bench = rows, windows, bench
        self._task = rows.contract.task
        self._metric = quality_metric(rows.contract)
        self.terms = term_names(self._metric, self._task, rows.classes)
        self._gap = gap_of(rows)
        self._recent: dict[tuple[int, str], tuple[int, Floats]] = {}
        self._costs = np.zeros(5)
        self.bare = 0.0
        self.fits = 0

    def origin(self, origin: int) -> dict[str, Floats]:
        """Fit the windows of one origin and tally their answers for all later weeks."""
        rows = self._rows
        now = int(rows.starts[origin])
        weight = known_weights(rows, now) if rows.slow and self._task is Task.BINARY else None
        known = self._known(origin, now)
        places, features = vocabulary(rows.table.values[known], rows.table.features)
        begin = int(rows.offsets[max(origin - rows.delay + self._gap, 0)])
        later = FeatureTable(
            features=features, values=narrow(rows.table.values[begin:], rows.table.features, places)
        )
        found: dict[str, list[Floats]] = {n: [] for n in ("sums", "estimate", "psi", "seconds")}
        begins: list[int] = []
        done: dict[bytes, int] = {}
        for window in self._windows:
            mine = self._part(known, window)
            same = mine.content
            if same in done:  # with little history many windows are one
                for values in found.values():
                    values.append(values[done[same]])
                begins.append(begins[done[same]])
                self._recent[origin, window] = self._recent[origin, self._windows[done[same]]]
                continue
            done[same] = len(begins)
            begins.append(self._one(origin, window, mine, weight, later, places, begin, found))
        self._forget(origin)
        parts = {name: np.stack(values) for name, values in found.items()}
        costs, self._costs = self._costs, np.zeros(5)
        return parts | {"begins": np.array(begins, dtype=np.float64), "costs": costs}

    def _one(
        self,
        origin: int,
        window: str,
        mine: _Part,
        weight: Floats | None,
        later: FeatureTable,
        places: Floats,
        begin: int,
        found: dict[str, list[Floats]],
    ) -> int:
        """Fit one model and put down what it leaves; return the first week learnt from, or -1."""
        rows = self._rows
        if not _enough(rows.y[mine.rows], self._task):
            shape = (len(rows.weeks), BLOCKS, len(self.terms))
            found["sums"].append(np.zeros(shape))
            found["estimate"].append(np.full(shape[0], np.nan))
            found["psi"].append(np.full(shape[0], np.nan))
            found["seconds"].append(np.zeros(()))
            self._recent[origin, window] = (begin, _EMPTY)
            return -1
        started = self._bench.seconds()
        model = self._fit(mine, weight, later, places)
        fitted = self._bench.seconds()
        raw = model.predict(later)
        ended = self._bench.seconds()
        self.bare += ended - started
        self.fits += 1
        first = not self._costs[4]  # one model of an origin says how large they are
        stored = sum(len(f) for f in model.dump().files.values()) if first else 0
        self._costs += [fitted - started, ended - fitted, len(later), stored, 1]
        tuned = self._tuned(origin, window)
        soon = int(rows.offsets[min(origin + 2 * TUNE_PERIODS + 1, len(rows.weeks))])
        self._recent[origin, window] = (begin, raw[: soon - begin])
        judged = Judged(
            y=rows.y[begin:],
            weight=rows.weights[begin:],
            score=calibrated(raw, tuned.calibration),
            week=rows.week[begin:],
            block=rows.block[begin:],
            first=max(origin - rows.delay + self._gap, 0),
            weeks=len(rows.weeks),
            blocks=BLOCKS,
        )
        found["sums"].append(sums(judged, self.terms, self._task, tuned.threshold))
        found["psi"].append(shifts(judged))
        found["estimate"].append(self._estimate(judged, tuned.threshold))
        found["seconds"].append(np.array(fitted - started))
        return int(rows.told[mine.rows].min())

    def _fit(
        self, part: _Part, weight: Floats | None, later: FeatureTable, places: Floats
    ) -> Model:
        rows, bench, mine = self._rows, self._bench, part.rows
        values = narrow(rows.table.values[mine], rows.table.features, places)
        base = rows.weights[mine] if weight is None else weight[mine] * rows.weights[mine]
        none = np.zeros(len(base), dtype=bool)
        weighed = window_weights(part.weighed, rows.told[mine], none, base)
        table = FeatureTable(features=later.features, values=values)
        return bench.learner.fit(table, rows.y[mine], weighed, bench.params, bench.seed)

    def _known(self, origin: int, now: int) -> Bools:
        """Say which rows a fit at an origin may learn from."""
        rows = self._rows
        seen = rows.row_known <= now
        if rows.slow:
            seen = seen & (rows.label_known <= now)
            return np.asarray(seen)
        return np.asarray(seen & (rows.week < origin - rows.delay))

    def _part(self, known: Bools, window: str) -> _Part:
        """Return what a window is of the known rows; one that reaches back too far is all."""
        present, counts = np.unique(self._rows.told[known], return_counts=True)
        length = reach(counts.tolist()).get(window, 0)
        if length == 0 or len(present) <= length:
            return _Part(rows=known, weighed="")
        if window == DECAY:
            return _Part(rows=known, weighed=f"{DECAY}:{length}")
        return _Part(rows=np.asarray(known & (self._rows.told >= present[-length])), weighed="")

    def _tuned(self, origin: int, window: str) -> Tuned:
        """Tune on the last matured weeks, by the answers of the same window four weeks earlier."""
        rows, contract = self._rows, self._rows.contract
        fixed = contract.training.threshold.fixed is not None
        if self._task is not Task.BINARY or (fixed and contract.training.calibrate == "none"):
            return tune(contract, window, _EMPTY, _EMPTY, _EMPTY)
        end = origin - rows.delay
        start = max(end - TUNE_PERIODS, 0)
        span = np.arange(int(rows.offsets[start]), int(rows.offsets[max(end, 0)]))
        seen = span[rows.label_known[span] <= rows.starts[origin]]
        if _enough(rows.y[seen], self._task):
            raw = self._unseen(origin, window, start, seen)
            if len(raw):
                return tune(contract, window, rows.y[seen], raw, rows.weights[seen])
        threshold = contract.training.threshold.fixed if fixed else _UNTUNED
        return Tuned(
            window=window, score=_EMPTY, calibration=Calibration(), threshold=threshold or _UNTUNED
        )

    def _unseen(self, origin: int, window: str, start: int, seen: Ints) -> Floats:
        """Return raw answers for tuning rows by a model that has not learnt from them."""
        latest = origin - TUNE_PERIODS - self._gap
        earlier = [o for o, w in self._recent if w == window and o <= latest]
        if earlier:
            begin, raw = self._recent[max(earlier), window]
            if seen[0] >= begin and seen[-1] - begin < len(raw):
                return raw[seen - begin]
        rows = self._rows
        known = (rows.told < start) & (rows.row_known <= rows.starts[start])
        mine = self._part(np.asarray(known), window)
        if not _enough(rows.y[mine.rows], self._task):
            return _EMPTY
        places, features = vocabulary(rows.table.values[mine.rows], rows.table.features)
        values = narrow(rows.table.values[seen], rows.table.features, places)
        later = FeatureTable(features=features, values=values)
        started = self._bench.seconds()
        raw = self._fit(mine, None, later, places).predict(later)
        self.bare += self._bench.seconds() - started
        self.fits += 1
        return raw

    def _estimate(self, judged: Judged, threshold: float) -> Floats:
        """Return what the chances themselves say of the metric, by week; NaN where they cannot."""
        known = set(COMMON) | {"tp", "fp", "fn"}
        if self._task is not Task.BINARY or not set(self.terms) <= known:
            return np.full(judged.weeks, np.nan)
        return measure(self._metric, self.terms).of(estimated(judged, self.terms, threshold))

    def _forget(self, origin: int) -> None:
        """Let go of raw answers that no later origin can be tuned on."""
        kept = {o for o, _ in self._recent if o > origin - TUNE_PERIODS - self._gap}
        older = [o for o, _ in self._recent if o not in kept]
        kept |= {max(older)} if older else set()
        self._recent = {key: raw for key, raw in self._recent.items() if key[0] in kept}


def _enough(y: Floats, task: Task) -> bool:
    if len(y) < _FEWEST_ROWS:
        return False
    if task is Task.REGRESSION:
        return True
    counts = np.unique(y, return_counts=True)[1]
    return len(counts) > 1 and (task is not Task.BINARY or int(counts.min()) >= _FEWEST_A_CLASS)

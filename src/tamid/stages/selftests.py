"""Generated tests of the user's feature and model code, on rows of the contract's own data.

Each test makes rows that production will one day bring, and says what the code must do with them.
They run in a worker: user code is never run in the controller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.errors import DataError, TamidError, UserCodeError, Waiting, WorkerDied
from tamid.core.learning.model import FeatureTable, Floats, Model, Schema
from tamid.core.state import State
from tamid.core.values import LABEL, Task, canonical_json, digest_of
from tamid.ports import Rehearser, TrainingJob
from tamid.stages import dataset, strange
from tamid.stages.answering import (
    FeatureCode,
    Predictor,
    encode,
    learn_features,
    model_frame,
    visible,
)
from tamid.stages.feeds import ROWS
from tamid.stages.fitting import Tools
from tamid.stages.rig import Rig
from tamid.stages.training import check_pipeline

Outcome = Literal["pass", "fail", "skipped"]
# Enough rows to fit on and to find a dependence among, few enough to take seconds.
MOST_ROWS = 2_000
_ALONE = 25
# A stored model may differ from the fitted one by rounding only.
_PARITY = 1e-6
_FEWEST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One test: `what` it is of (features, model, own), its name, how it ended and why."""

    what: str
    name: str
    outcome: Outcome
    message: str = ""
    seconds: float = 0.0


def job_for_tests(
    rig: Rig, state: State, contract: str, code: Mapping[str, str], now: datetime
) -> TrainingJob:
    """Return labelled rows of the stored data with the contract and the code that are tested.

    Raises:
        Waiting: no labelled row was taken in yet.
    """
    mine = rig.parse(contract)
    periods = tuple(sorted(state.periods))
    if rig.table(ROWS) not in state.pins:
        said = "; ".join(r for refusal in state.refused.values() for r in refusal.event.reasons)
        raise Waiting(
            "no rows were taken in yet to test on",
            why=said or "nothing that the contract's source names is there",
            fix="Correct the source, or the contract (`tamid contract adopt`), and test again.",
        )
    frame = dataset.training_rows(rig.tables, mine, state, state.pins, periods, now)
    if frame.height < _FEWEST:
        raise Waiting(
            f"{frame.height} labelled rows are there, {_FEWEST} are needed to test on",
            why="the tests run on rows of the contract's own data",
            fix="Put data and labels where the contract says, then `tamid plan`.",
        )
    return TrainingJob(
        run=f"test-{digest_of(contract)[7:15]}",
        contract=contract,
        code=code,
        frame=frame.sample(min(frame.height, MOST_ROWS), seed=mine.training.seed, shuffle=True),
        windows={},
        holdout=(),
        seed=mine.training.seed,
    )


def outcomes(job: TrainingJob, rehearser: Rehearser, timeout: timedelta) -> tuple[Tried, ...]:
    """Return what came of every test; code that does not load, hangs or dies is a failure, too."""
    loads = Tried(what="code", name="loads and ends", outcome="pass")
    try:
        told = rehearser.test(job, timeout)
    except (UserCodeError, DataError, WorkerDied) as error:
        message = f"{error.what} ({error.why})"
        return (replace(loads, outcome="fail", message=message),)
    return (loads, *(Tried(**dict(one)) for one in told))


def run_tests(job: TrainingJob, contract: Contract, tools: Tools) -> list[Tried]:
    """Run every generated test; one that fails keeps no other from running."""
    bench = _Tested(job, contract, tools)
    results = [_run("features", name, test, tools) for name, test in bench.feature_tests()]
    return results + [_run("model", name, test, tools) for name, test in bench.model_tests()]


class _Skip(Exception):
    """This test has nothing to say about this contract."""


def _run(what: str, name: str, test: Callable[[], None], tools: Tools) -> Tried:
    started = tools.seconds()
    outcome: Outcome = "pass"
    message = ""
    try:
        test()
    except _Skip as skip:
        outcome, message = "skipped", str(skip)
    except TamidError as error:
        outcome, message = "fail", f"{error.what} ({error.why})"
    return Tried(
        what=what,
        name=name,
        outcome=outcome,
        message=message,
        seconds=round(tools.seconds() - started, 3),
    )


class _Tested:
    """The rows and the code under test."""

    def __init__(self, job: TrainingJob, contract: Contract, tools: Tools) -> None:
        self._job, self._contract, self._tools = job, contract, tools
        self._rows = visible(job.frame, contract)
        self._order = tools.generator(job.seed).permutation(job.frame.height)
        self._fitted: Model | None = None

    def feature_tests(self) -> Iterator[tuple[str, Callable[[], None]]]:
        if self._tools.code is None:
            yield "no feature code", lambda: _skip("the contract names none: columns as they are")
            return
        code = self._tools.code
        yield "twice the same", lambda: _same(code(self._rows), code(self._rows), "run again")
        yield "shuffled rows", lambda: self._shuffled(code)
        yield "one row = batch", lambda: self._alone(code)
        yield "nulls", lambda: self._strange(strange.nulls, code)
        yield "unseen level", lambda: self._strange(strange.unseen, code)
        yield "extremes from the schema", lambda: self._strange(strange.extremes, code)

    def model_tests(self) -> Iterator[tuple[str, Callable[[], None]]]:
        yield "can be stored", lambda: check_pipeline(self._tools.learner)
        yield "fits a batch", self._fit
        yield "save and load equal", self._reloaded
        yield "shuffled rows", self._shuffled_scores
        yield "one row = batch", self._alone_scores
        yield "nulls", lambda: self._strange(strange.nulls, self._scored)
        yield "unseen level", lambda: self._strange(strange.unseen, self._scored)
        yield "extremes from the schema", lambda: self._strange(strange.extremes, self._scored)

    def _shuffled(self, code: FeatureCode) -> None:
        turned = code(self._rows[self._order])
        back = np.argsort(self._order)
        _same(code(self._rows), turned[back], "rows come in another order")

    def _alone(self, code: FeatureCode) -> None:
        whole = code(self._rows)
        for place in range(min(_ALONE, self._rows.height)):
            one = code(self._rows.slice(place, 1))
            _same(whole.slice(place, 1), one, f"row {place} comes alone")

    def _strange(
        self,
        change: strange.Change,
        act: Callable[[pl.DataFrame], object],
    ) -> None:
        """Try rows that the contract lets through and the sample does not hold."""
        made = 0
        for told, rows in change(self._rows, self._contract.data.schema):
            made += 1
            try:
                act(rows)
            except TamidError as error:
                raise UserCodeError(f"with {told}: {error.what}", why=error.why) from error
        if not made:
            raise _Skip("the contract lets no such value through")

    def _fit(self) -> None:
        self._model()

    def _model(self) -> tuple[Model, FeatureTable, Schema]:
        table = self._table()
        y = self._job.frame.get_column(LABEL).cast(pl.Float64).to_numpy()
        if self._fitted is None:
            self._fitted = self._tools.learner.fit(
                table, y, np.ones(len(y)), dict(self._contract.training.params), self._job.seed
            )
        classes = tuple(str(i) for i in range(int(y.max()) + 1))
        schema = Schema(
            task=self._contract.task,
            classes=classes if self._contract.task is Task.MULTICLASS else (),
            inputs=tuple(sorted(self._rows.columns)),
            features=table.features,
        )
        return self._fitted, table, schema

    def _table(self) -> FeatureTable:
        made = model_frame(self._job.frame, self._contract, self._tools.code)
        return encode(made, learn_features(made))

    def _predictor(self) -> Predictor:
        model, _, schema = self._model()
        return Predictor(contract=self._contract, schema=schema, model=model, code=self._tools.code)

    def _reloaded(self) -> None:
        model, table, schema = self._model()
        stored = model.dump()
        loaded = self._tools.load(stored, replace(schema, format=stored.format))
        _close(model.predict(table), loaded.predict(table), "it is saved and loaded again")
        again = loaded.dump()
        if canonical_json(sorted(stored.files)) != canonical_json(sorted(again.files)):
            raise UserCodeError("saving it twice gives other files")

    def _shuffled_scores(self) -> None:
        model, table, _ = self._model()
        turned = model.predict(table.take(self._order.astype(np.int64)))
        _close(model.predict(table)[self._order], turned, "rows come in another order")

    def _alone_scores(self) -> None:
        model, table, _ = self._model()
        whole = model.predict(table)
        for place in range(min(_ALONE, len(table))):
            one = model.predict(table.take(np.array([place], dtype=np.int64)))
            _close(whole[place : place + 1], one, f"row {place} comes alone")

    def _scored(self, rows: pl.DataFrame) -> None:
        predictor = self._predictor()
        scores = predictor.scores(predictor.table(rows))
        wrong = ~np.isfinite(scores)
        if self._contract.task is not Task.REGRESSION:
            wrong |= (scores < 0) | (scores > 1)
        if wrong.any():
            raise UserCodeError(
                f"{int(wrong.sum())} scores are no {_kind(self._contract.task)}",
                why="every row that keeps the contract must get a score",
            )


def _same(one: pl.DataFrame, two: pl.DataFrame, when: str) -> None:
    if one.columns != two.columns:
        gone = sorted(set(one.columns) ^ set(two.columns))
        raise UserCodeError(f"the columns change when {when}: {', '.join(gone)}")
    wrong = [n for n in one.columns if not _equal(one.get_column(n), two.get_column(n))]
    if wrong:
        raise UserCodeError(
            f"the values of {', '.join(wrong[:5])} change when {when}",
            why="a row's features must follow from that row alone",
        )


def _equal(one: pl.Series, two: pl.Series) -> bool:
    if one.dtype.is_numeric() and two.dtype.is_numeric():
        a, b = (s.cast(pl.Float64).fill_null(float("nan")).to_numpy() for s in (one, two))
        return bool(np.allclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True))
    return one.cast(pl.String).equals(two.cast(pl.String), null_equal=True)


def _close(one: Floats, two: Floats, when: str) -> None:
    most = float(np.abs(one - two).max(initial=0.0))
    if not most <= _PARITY:
        raise UserCodeError(
            f"scores change by up to {most:.2g} when {when}",
            why="the same row must get the same score, wherever and with whomever it comes",
        )


def _skip(why: str) -> None:
    raise _Skip(why)


def _kind(task: Task) -> str:
    return "numbers" if task is Task.REGRESSION else "chances between 0 and 1"

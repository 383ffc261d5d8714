"""The recipe: what it fits, what it judges, what it refuses."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
import pytest

from tamid.adapters.inline import TinyLearner, TinyModel, load
from tamid.core.errors import DataError, UserCodeError
from tamid.core.learning.model import Bools, FeatureTable, Floats, Param, Range, Trial
from tamid.core.values import ENTITY, LABEL, PERIOD, WEIGHT, Task
from tamid.ports import TrainingJob
from tamid.stages.fitting import Tools
from tamid.stages.training import Learnt, learn
from tamid.testing.candidates import Steps, contract_text, history, job, static
from tamid.workshop import parse

PLAIN = contract_text(features="{}")


class Remembering(TinyLearner):
    """A learner that remembers which rows and weights it was given."""

    def __init__(self, task: Task = Task.BINARY) -> None:
        super().__init__(task)
        self.fits: list[tuple[FeatureTable, Floats]] = []

    def fit(
        self, x: FeatureTable, y: Floats, weight: Floats, params: Mapping[str, Param], seed: int
    ) -> TinyModel:
        """Fit and remember."""
        self.fits.append((x, weight))
        return super().fit(x, y, weight, params, seed)

    def space(self) -> Mapping[str, Range]:
        """Offer one parameter, which changes nothing."""
        return {"max_depth": Range(low=1, high=9, whole=True)}


class TwoTrials:
    """A searcher that tries the ends of each range."""

    def search(
        self,
        study: str,
        space: Mapping[str, Range],
        loss: object,
        trials: int,
        seed: int,
        timeout: float | None,
    ) -> Sequence[Trial]:
        """Try the lowest and the highest values."""
        assert callable(loss)
        ends = [{k: r.low for k, r in space.items()}, {k: r.high for k, r in space.items()}]
        return [Trial(number=i, params=p, loss=loss(p) - i) for i, p in enumerate(ends)]


def tools(learner: TinyLearner) -> Tools:
    """Return tools around a learner."""
    return Tools(
        learner=learner,
        baselines={"logistic": TinyLearner(Task.BINARY)},
        load=lambda stored, _: load(stored),
        generator=np.random.default_rng,
        seconds=lambda: 0.0,
    )


def run(given: TrainingJob, learner: TinyLearner | None = None) -> Learnt:
    """Run the recipe."""
    return learn(given, parse(given.contract), tools(learner or Remembering()), Steps())


def which(frame: pl.DataFrame, x: FeatureTable) -> Bools:
    """Say which rows of a frame a table holds; `minutes` is different in each row."""
    column = [f.name for f in x.features].index("minutes")
    return np.isin(frame.get_column("minutes").to_numpy(), x.values[:, column])


@pytest.mark.parametrize("horizon", ["7d", "28d"])
def test_no_fit_before_the_last_sees_a_judged_row(horizon: str) -> None:
    """All fits but the shipped one end before the holdout, earlier still for long horizons."""
    given = job(contract=contract_text(features="{}", horizon=horizon))
    learner = Remembering()
    run(given, learner)
    held = given.frame.get_column(PERIOD).is_in(list(given.holdout)).to_numpy()
    *early, shipped = learner.fits
    for x, _ in early:
        assert not (which(given.frame, x) & held).any()
    judged_fit = given.frame.filter(pl.Series(which(given.frame, early[-1][0])))
    weeks = {"7d": 12, "28d": 9}[horizon]
    assert judged_fit.get_column(PERIOD).n_unique() == weeks
    assert which(given.frame, shipped[0]).all()


def test_threshold_and_calibration_do_not_depend_on_judged_labels() -> None:
    """Turning every judged label around changes no choice, only the verdict."""
    rows = history()
    given = job(rows, contract=PLAIN)
    turned = rows.with_columns(
        pl.when(pl.col(PERIOD).is_in(list(given.holdout)))
        .then(1 - pl.col(LABEL))
        .otherwise(pl.col(LABEL))
        .alias(LABEL)
    )
    one, two = run(given), run(dataclasses.replace(given, frame=turned))
    assert one.threshold == two.threshold
    assert one.predictor.calibration == two.predictor.calibration
    assert one.window == two.window
    assert one.judged.get_column("score").equals(two.judged.get_column("score"))
    assert one.metrics["f1"] > two.metrics["f1"] + 0.2


def test_a_drift_moves_the_window_and_cures() -> None:
    """When a cause turned its sign, a window of drifted weeks wins, and is judged on others."""
    rows = history(600, 16, drift=1)
    given = job(rows, contract=PLAIN, holdout=1, degraded=True)
    learner = Remembering()
    found = run(given, learner)
    assert found.window == "recent"
    assert found.metrics["auc"] > 0.75
    stale = run(job(rows, contract=PLAIN, holdout=1, windows={"all": ()}))
    assert stale.metrics["auc"] < 0.65
    judges = set(found.judged.get_column(ENTITY))
    assert 0.4 < len(judges) / 600 < 0.6
    drifted = rows.get_column(PERIOD).is_in(list(given.holdout)).to_numpy()
    mine = rows.get_column(ENTITY).is_in(list(judges)).to_numpy()
    for x, _ in learner.fits[:-1]:
        assert not (which(rows, x) & drifted & mine).any()
    assert (which(rows, learner.fits[-1][0]) >= drifted).all()


def test_a_window_by_weights_halves_what_is_old() -> None:
    """All rows are fitted on; from one half-life to the next a row weighs half."""
    learner = Remembering()
    rows = history()
    periods = tuple(sorted(rows.get_column(PERIOD).unique()))
    given = job(rows, contract=PLAIN, windows={"decay:4": periods})
    found = run(given, learner)
    assert found.window == "decay:4"
    x, weight = learner.fits[-1]
    assert which(given.frame, x).all()
    place = given.frame.get_column(PERIOD).rank("dense").cast(pl.Int64).to_numpy()
    np.testing.assert_allclose(weight, 0.5 ** ((place.max() - place) / 4))


@pytest.mark.parametrize("degraded", [False, True])
def test_what_cannot_be_weighed_is_not_offered_and_that_is_said(degraded: bool) -> None:
    """A learner without weights chooses among the others; asked for alone it would fail to fit."""

    class Unweighed(TinyLearner):
        """A learner for which all rows are equal."""

        def fit(
            self, x: FeatureTable, y: Floats, weight: Floats, params: Mapping[str, Param], seed: int
        ) -> TinyModel:
            """Refuse weights."""
            assert np.ptp(weight) == 0
            return super().fit(x, y, weight, params, seed)

        def unweighed(self) -> str:
            """Say so."""
            return "it takes no weights"

    rows = history(600, 16, drift=1) if degraded else history()
    periods = tuple(sorted(rows.get_column(PERIOD).unique()))
    spans = {"all": periods, "decay:4": periods}
    given = job(
        rows, contract=PLAIN, holdout=1 if degraded else 4, degraded=degraded, windows=spans
    )
    found = run(given, Unweighed(Task.BINARY))
    left = {"decay:4": "it takes no weights"} | (
        {"mixed": "it takes no weights"} if degraded else {}
    )
    assert found.report["windows_left_out"] == left
    tried = found.report["windows"]
    assert isinstance(tried, tuple)
    assert not {c.window for c in tried} & set(left)


def test_without_time_entities_are_split() -> None:
    """Rows without time are judged on entities that no fit but the last has seen."""
    rows = static(history(300, 4))
    given = job(rows, contract=contract_text(features="{}", time=False), windows={"all": ()})
    learner = Remembering()
    found = run(given, learner)
    judges = rows.get_column(ENTITY).is_in(found.judged.get_column(ENTITY).implode()).to_numpy()
    assert 0.15 < judges.mean() < 0.35
    for x, _ in learner.fits[:-1]:
        assert not (which(rows, x) & judges).any()


def test_weights_reach_every_fit_and_the_judgement() -> None:
    """A row's weight is its weight in fits, thresholds and metrics."""
    rows = history().with_columns(
        pl.when(pl.col("plan") == "fibre").then(4.0).otherwise(1.0).alias(WEIGHT)
    )
    given = job(rows, contract=PLAIN)
    learner = Remembering()
    found = run(given, learner)
    for _, weight in learner.fits:
        assert set(np.unique(weight)) == {1.0, 4.0}
    assert found.judged.get_column(WEIGHT).to_list() == (
        rows.filter(pl.col(PERIOD).is_in(list(given.holdout))).get_column(WEIGHT).to_list()
    )
    plain = run(job(history(), contract=PLAIN))
    assert plain.metrics["f1"] != found.metrics["f1"]


def test_baselines_answer_for_the_judged_rows() -> None:
    """Each baseline scores every judged row and has a threshold of its own."""
    text = contract_text(features="{}", gates="{baselines: [majority, logistic]}")
    found = run(job(contract=text))
    majority = found.judged.get_column("baseline_majority")
    assert majority.n_unique() == 1
    assert 0 < majority[0] < 1
    assert found.judged.get_column("baseline_logistic").n_unique() > 100
    told = found.report["baselines"]
    assert isinstance(told, Mapping)
    assert set(told) == {"majority", "logistic"}


def test_regression_has_numbers_and_no_threshold() -> None:
    """Numbers are judged by their error; the mean is a baseline."""
    text = contract_text(
        task="regression", model="ridge", features="{}", gates="{baselines: [mean]}"
    )
    found = run(job(history(task="regression"), contract=text), Remembering(Task.REGRESSION))
    assert found.metrics["mae"] < 0.7
    assert found.judged.get_column("baseline_mean").n_unique() == 1
    assert found.predictor.calibration.kind == "none"


def test_the_best_trial_is_taken() -> None:
    """Trials are scored before the holdout, recorded, and the least loss wins."""
    text = contract_text(features="{}", training=", search: {trials: 2}")
    given = job(contract=text)
    kit = dataclasses.replace(tools(Remembering()), searcher=TwoTrials())
    found = learn(given, parse(text), kit, Steps())
    assert found.report["params"] == {"max_depth": 9.0}
    trials = found.report["trials"]
    assert isinstance(trials, Sequence)
    assert len(trials) == 2


def test_a_parameter_by_contract_is_not_searched() -> None:
    """What the contract fixes stays fixed."""
    text = contract_text(features="{}", training=", search: {trials: 2}, params: {max_depth: 3}")
    kit = dataclasses.replace(tools(Remembering()), searcher=TwoTrials())
    found = learn(job(contract=text), parse(text), kit, Steps())
    assert found.report["params"] == {"max_depth": 3}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (history(3, 16), "rows, at least 50"),
        (history().with_columns(pl.lit(1.0).alias(LABEL)), r"all \d+ labels are 1"),
        (
            history().with_columns((pl.int_range(pl.len()) % 700 == 0).cast(float).alias(LABEL)),
            "rows of class 1, at least 5",
        ),
        (history().with_columns(pl.lit(None, dtype=pl.Float64).alias(LABEL)), "have no label"),
        (
            history().with_columns(
                calls=pl.lit(1.0), minutes=pl.lit(1.0), age=pl.lit(2.0), plan=pl.lit("plus")
            ),
            "no feature varies",
        ),
    ],
)
def test_too_little_to_learn_is_told(rows: pl.DataFrame, message: str) -> None:
    """Few rows, one class, missing labels and constants are clear errors about the data."""
    with pytest.raises(DataError, match=message):
        run(job(rows, contract=PLAIN))


def test_a_constant_column_among_others_does_no_harm() -> None:
    """One column that never varies is kept and changes nothing."""
    rows = history().with_columns(minutes_dup=pl.lit(1.0))
    assert run(job(rows, contract=PLAIN)).metrics["auc"] > 0.7


def test_a_feature_that_is_always_null_is_refused() -> None:
    """A column that is null in every row says that its source or code is broken."""
    rows = history().with_columns(pl.lit(None, dtype=pl.Float64).alias("age"))
    with pytest.raises(UserCodeError, match="'age'"):
        run(job(rows, contract=PLAIN))


def test_an_unstorable_pipeline_is_refused_before_any_fit() -> None:
    """What check() names stops the run at once."""

    class Unstorable(Remembering):
        def check(self) -> Sequence[str]:
            return ["step 'mine': my.Own"]

    learner = Unstorable()
    with pytest.raises(UserCodeError, match=r"step 'mine': my\.Own"):
        run(job(contract=PLAIN), learner)
    assert learner.fits == []


def test_key_columns_and_hidden_features_are_not_learnt_from() -> None:
    """Entity, label, time and columns marked `feature: false` never become features."""
    text = PLAIN.replace(
        "age: {type: number, nullable: true}", "age: {type: number, feature: false}"
    )
    rows = history().with_columns(customer=pl.col(ENTITY), week=pl.col("_time"))
    found = run(job(rows, contract=text))
    names = [f.name for f in found.predictor.schema.features]
    assert names == ["calls", "minutes", "plan"]

"""Next steps measured: what is planted is found, what is not there is not claimed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from numpy.random import default_rng

from tamid.adapters.inline import TinyLearner, TinyModel, load
from tamid.core.errors import DataError
from tamid.core.learning.advice import Ask, Finding, Study, ranked
from tamid.core.learning.model import FeatureTable, Floats, Learner, Param
from tamid.core.values import ENTITY, LABEL, PERIOD, TIME, WEIGHT, Task
from tamid.ports import GivenModel, TrainingJob
from tamid.stages.fitting import Tools
from tamid.stages.studying import study
from tamid.testing.candidates import Steps, contract_text, job, static
from tamid.testing.candidates import history as candidates
from tamid.workshop import inline_trainer, parse

WEEKS, PEOPLE = 20, 150
CONTRACT = """\
tamid: 1
name: toy
task: {task}
data:
  source: {{path: rows/*.csv, owner: mlops_engineer}}
  entity: customer
  time: week
  label: {{column: left, {label}, horizon: 7d, reporting_lag: 2d}}
  schema: {{region: {{type: category, allowed: [north, south]}}}}
training: {{model: {model}, calibrate: none{training}}}
"""
BINARY = CONTRACT.format(task="binary", label="positive: 1", model="logistic", training="")
ASK = Ask(seconds=60.0, seeds=1)


def history(
    turn: int = 0, flipped: float = 0.0, noisy: float = 0.0, width: int = 0
) -> pl.DataFrame:
    """Weekly rows: `cause` tells, `noise` does not.

    Before week `turn` the cause worked the other way; `flipped` labels are wrong where learnt
    from; `noisy` is the share of labels drawn by lot in the north; `width`: further noises.
    """
    rng, n = default_rng(5), WEEKS * PEOPLE
    week, who = np.repeat(np.arange(WEEKS), PEOPLE), np.tile(np.arange(PEOPLE), WEEKS)
    cause, noise = rng.normal(size=(2, n))
    north = rng.random(n) < 0.3
    sign = np.where(week < turn, -1.0, 1.0)
    left = (sign * cause + 0.3 * rng.normal(size=n) > 0.3).astype(np.float64)
    lots = north & (rng.random(n) < noisy)
    left = np.where(lots, rng.random(n) < left.mean(), left)
    wrong = (rng.random(n) < flipped) & (week < WEEKS - 8)
    weeks = [datetime(2026, 3, 1, tzinfo=UTC) + timedelta(weeks=int(w)) for w in week]
    return pl.DataFrame(
        {
            ENTITY: [f"c{i}" for i in who],
            TIME: pl.Series(weeks, dtype=pl.Datetime("us", "UTC")),
            PERIOD: [w.date().isoformat() for w in weeks],
            LABEL: np.where(wrong, 1 - left, left),
            WEIGHT: np.ones(n),
            "cause": cause,
            "noise": noise,
            "region": np.where(north, "north", "south"),
            **{f"more{i}": rng.normal(size=n) for i in range(width)},
        }
    )


def studied(
    rows: pl.DataFrame,
    ask: Ask = ASK,
    *,
    task: Task = Task.BINARY,
    text: str = BINARY,
    seconds: Callable[[], float] | None = None,
    given: GivenModel | None = None,
    learner: Learner | None = None,
) -> tuple[Study, pl.DataFrame]:
    """Study a recipe on a history whose last eight weeks are judged."""
    periods = tuple(sorted(rows.get_column(PERIOD).unique().to_list()))
    job = TrainingJob(
        run="run-0001", contract=text, code={}, frame=rows,
        windows={"all": periods, "short": periods[-8:]}, holdout=periods[-8:], seed=7, given=given,
    )  # fmt: skip
    tools = Tools(
        learner=learner or TinyLearner(task), baselines={},
        load=lambda stored, schema: load(stored),
        generator=default_rng, seconds=seconds or itertools.count(0.0, 0.001).__next__,
    )  # fmt: skip
    return study(job, parse(text), tools, ask, Steps())


def of(found: Study, kind: str) -> list[Finding]:
    """Return the findings of a kind."""
    return [f for f in found.findings if f.kind == kind]


@pytest.fixture(scope="module")
def plain() -> tuple[Study, pl.DataFrame]:
    """The study of a history in which nothing is wrong."""
    return studied(history())


def test_a_sound_recipe_is_promised_nothing(plain: tuple[Study, pl.DataFrame]) -> None:
    """No threshold, window or slice is shown to help, and few labels are in doubt."""
    found, suspects = plain
    assert [f.name for f in found.findings if f.shown] == []
    assert suspects.height < 0.08 * WEEKS * PEOPLE
    assert "none of" in found.not_measured["slice"]


def test_every_step_is_measured_or_says_why_not(plain: tuple[Study, pl.DataFrame]) -> None:
    """Each kind is among the findings or the reasons."""
    found, _ = plain
    told = {f.kind for f in found.findings} | {n.split(" ")[0] for n in found.not_measured}
    assert told >= {"more_data", "window", "features", "labels", "threshold", "slice"}
    assert found.fits > 10
    assert found.base.low < found.base.point < found.base.high


def test_the_feature_that_tells_is_missed_and_noise_is_not(
    plain: tuple[Study, pl.DataFrame],
) -> None:
    """Without the cause the model falls, as shown; without the noise it stays."""
    by_name = {f.name: f for f in of(plain[0], "features")}
    lost, idle = by_name["without cause"].gain, by_name["drop idle"]
    assert lost is not None
    assert lost.high < -0.1
    assert "noise" in idle.names
    assert idle.gain is not None
    assert abs(idle.gain.point) < 0.02


def test_a_window_that_leaves_out_another_world_is_shown_to_help() -> None:
    """Where the cause once worked the other way, the short window comes first."""
    found, _ = studied(history(turn=6))
    first = ranked(found.findings)[0]
    assert (first.kind, first.names, first.shown) == ("window", ("short",), True)


def test_a_threshold_set_badly_is_found() -> None:
    """A fixed threshold far off is moved, and the gain is shown on rows that had no say."""
    text = BINARY.replace("calibrate: none", "calibrate: none, threshold: {fixed: 0.97}")
    found, _ = studied(history(), text=text)
    (step,) = of(found, "threshold")
    assert step.shown
    assert step.gain is not None
    assert step.gain.low > 0
    assert step.numbers["threshold"] < 0.9


def test_a_slice_drawn_by_lot_is_the_worst() -> None:
    """Only the north is told; bounds are no more than its share of its gap."""
    found, _ = studied(history(noisy=0.6))
    first = of(found, "slice")[0]
    assert first.name == "region=north"
    assert first.gain is not None
    assert 0 < first.gain.low <= first.gain.point < first.numbers["gap"]


def test_planted_wrong_labels_are_listed_first() -> None:
    """Of the labels most in doubt most were turned round; the sound model's share is far lower."""
    clean, rows = history(), history(flipped=0.08)
    found, suspects = studied(rows)
    truth = clean.select(ENTITY, TIME, truth=LABEL)
    told = suspects.join(truth, on=[ENTITY, TIME], how="left", maintain_order="left")
    wrong = (told.get_column(LABEL) != told.get_column("truth")).head(100)
    assert wrong.sum() > 80
    assert (told.get_column("chance_better") > told.get_column("chance_given")).all()
    assert of(found, "labels")[0].numbers["noise"] > 0.04


def test_a_curve_that_still_falls_promises_more_than_one_that_is_flat() -> None:
    """With a few rows and many columns the double is worth something, with many rows nothing."""
    small = history(width=30).filter(pl.col(ENTITY).str.slice(1).cast(pl.Int64) < 40)
    steep, _ = studied(small, Ask(seconds=60.0, seeds=3))
    flat, _ = studied(history(), Ask(seconds=60.0, seeds=1))
    gains = [of(f, "more_data")[0].gain for f in (steep, flat)]
    assert gains[0] is not None
    assert gains[1] is not None
    assert gains[0].point > 0.005
    assert gains[0].point > 3 * gains[1].point


def test_numbers_have_no_threshold_and_no_suspect_labels() -> None:
    """A regression is told why, and the rest is measured."""
    text = CONTRACT.format(
        task="regression", label="absence: unknown", model="ridge", training=""
    )  # fmt: skip
    rows = history().with_columns(pl.col("cause").alias(LABEL) + 0.1 * pl.col("noise"))
    found, suspects = studied(rows, task=Task.REGRESSION, text=text)
    assert {"threshold", "labels"} <= set(found.not_measured)
    assert suspects.is_empty()
    assert of(found, "more_data")
    assert of(found, "features")[0].gain is not None


def test_a_budget_that_is_over_is_told() -> None:
    """With no time for refits what costs none is measured, and the rest says why not."""
    slow = itertools.count(0.0, 30.0)
    found, _ = studied(history(), Ask(seconds=1.0), seconds=slow.__next__)
    assert of(found, "threshold")
    assert "--minutes" in found.not_measured["more_data"]
    assert "--minutes" in found.not_measured["labels"]


class Finished(TinyLearner):
    """A learner that has learnt already: from the first weeks, whatever it is given later."""

    def fit(
        self, x: FeatureTable, y: Floats, weight: Floats, params: Mapping[str, Param], seed: int
    ) -> TinyModel:
        """Return the model of the first weeks."""
        first = np.arange(len(x)) < (WEEKS - 10) * PEOPLE
        return super().fit(x.take(first), y[first], weight[first], params, seed)


def test_of_a_model_handed_over_finished_that_is_told_which_takes_no_fit() -> None:
    """Threshold, slices and labels in doubt on rows unknown to it; what takes a fit says so."""
    rows = history(noisy=0.5)
    through = rows.get_column(PERIOD).unique().sort()[WEEKS - 10]
    given = GivenModel(name="m.onnx", kind="onnx", content=b"", through=through)
    found, suspects = studied(rows, given=given, learner=Finished(Task.BINARY))
    assert (found.fits, found.fitted, found.given) == (0, 0, "m.onnx")
    assert {"threshold", "slice", "labels"} == {f.kind for f in found.findings}
    assert of(found, "threshold")[0].gain is not None
    assert of(found, "slice")[0].name == "region=north"
    assert of(found, "labels")[0].gain is None, "what mending them brings takes a fit"
    assert suspects.height > 0
    assert suspects.get_column(PERIOD).min() > through, "what it learnt from proves nothing"
    assert set(found.not_measured) == {"more_data", "window", "features"}
    assert all("handed over finished" in why for why in found.not_measured.values())
    assert "cause the most" in found.not_measured["features"]


def test_a_finished_model_that_knows_all_rows_is_not_looked_into() -> None:
    """Without rows unknown to it nothing can be said."""
    last = history().get_column(PERIOD).max()
    given = GivenModel(name="m.onnx", kind="onnx", content=b"", through=str(last))
    with pytest.raises(DataError, match="too little to judge"):
        studied(history(), given=given, learner=Finished(Task.BINARY))


def test_rows_without_time_have_no_window_to_choose() -> None:
    """Entities are dealt instead of weeks, and everything else is measured."""
    given = job(static(candidates(400, 1)), contract=contract_text(time=False), holdout=0)
    ample = Ask(seconds=600.0, seeds=1)
    found, suspects = inline_trainer().study(given, ample, timedelta(seconds=700), Steps())
    assert "without time" in found.not_measured["window"]
    assert {"threshold", "features", "labels", "more_data"} <= {f.kind for f in found.findings}
    assert suspects.height > 0


@pytest.mark.integration
def test_several_classes_have_labels_in_doubt_and_no_threshold() -> None:
    """Each label in doubt is rather another class of three."""
    rows = candidates(80, 12, task="multiclass")
    given, ample = job(rows, contract=contract_text(task="multiclass")), Ask(seconds=600.0, seeds=1)
    found, suspects = inline_trainer().study(given, ample, timedelta(seconds=700), Steps())
    assert "multiclass" in found.not_measured["threshold"]
    assert {"features", "labels", "more_data"} <= {f.kind for f in found.findings}
    assert set(suspects.get_column("_better")) <= {0, 1, 2}
    assert (suspects.get_column("_better") != suspects.get_column(LABEL)).all()

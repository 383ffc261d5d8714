"""Every active entity gets its declared outcome, whichever rungs fail on the way."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from tamid.adapters.memory_tables import MemoryTables
from tamid.core.contract.model import (
    Contract,
    Data,
    Delivery,
    Label,
    Rung,
    Service,
    Source,
    Training,
)
from tamid.core.contract.running import Actions
from tamid.core.errors import IntegrityError, LeaseLost, TamidError, UserCodeError, WorkerDied
from tamid.core.values import ENTITY, PERIOD, RULE, TIME, Task
from tamid.ports import Beside, Scores
from tamid.stages.scoring import ScoredPeriod, ScoringJob, Voice, score_period

WEEK = timedelta(weeks=1)
START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
PERIODS = [(START + n * WEEK).date().isoformat() for n in range(6)]
FULL = (
    Rung(kind="previous"),
    Rung(kind="last_score", max_age=timedelta(days=14)),
    Rung(kind="rule", code="rules.py:score"),
    Rung(kind="default", value=0.27),
)
CHAMPION = Voice(number=2, bundle="b2", overlay="o2", threshold=0.5)
PREVIOUS = Voice(number=1, bundle="b1", overlay="o1", threshold=0.4)

Model = Callable[[pl.DataFrame], pl.DataFrame]


def linear(frame: pl.DataFrame) -> pl.DataFrame:
    """Answer with the row's own `x`, and name it as the reason."""
    reasons = [pl.lit(f"x{n}").alias(f"reason_{n}") for n in (1, 2, 3)]
    return frame.select(pl.col("x").alias("score"), *reasons)


def half(frame: pl.DataFrame) -> pl.DataFrame:
    """Answer with half of `x`."""
    return frame.select((pl.col("x") / 2).alias("score"))


@dataclass
class Models:
    """A scorer and rule runner over plain functions, some of which fail a number of times."""

    models: Mapping[str, Model] = field(default_factory=lambda: {"b2": linear, "b1": half})
    failing: dict[str, tuple[int, TamidError]] = field(default_factory=dict)
    asked: list[tuple[str, int, int]] = field(default_factory=list)

    def score(
        self,
        bundle: str,
        overlay: str,
        frame: pl.DataFrame,
        *,
        reasons: int,
        timeout: timedelta,
        reduced: bool = False,
    ) -> Scores:
        """Answer, or fail as told; a reduced model is one of its own."""
        bundle = f"reduced {bundle}" if reduced else bundle
        self.asked.append((bundle, frame.height, reasons))
        left, error = self.failing.get(bundle, (0, TamidError("")))
        if left:
            self.failing[bundle] = (left - 1, error)
            raise error
        assert RULE not in frame.columns
        return Scores(frame=self.models[bundle](frame), seconds=0.0)

    def probe(
        self,
        bundle: str,
        overlay: str,
        frame: pl.DataFrame,
        repeats: int,
        beside: Beside | None = None,
    ) -> Mapping[str, float]:
        """Measure nothing."""
        return {}

    def rule(self, bundle: str, code: str, frame: pl.DataFrame, *, timeout: timedelta) -> Scores:
        """Answer 0.9 to everybody."""
        self.asked.append((code, frame.height, 0))
        return Scores(frame=frame.select(score=pl.col("x") * 0 + 0.9), seconds=0.0)


def contract(
    fallback: tuple[Rung, ...] = FULL, task: Task = Task.BINARY, **more: object
) -> Contract:
    """Return a contract of weekly scores."""
    delivery = Delivery(**{"control_group": 0.25, "reasons": 2, **more})  # type: ignore[arg-type]
    return Contract(
        tamid=1,
        name="churn",
        task=task,
        data=Data(
            source=Source(path="rows.csv"), label=Label(column="left", positive=1), entity="id"
        ),
        service=Service(fallback=fallback),
        delivery=delivery,
    )


def rows(
    scores: Mapping[str, float | None], bad: tuple[str, ...] = (), week: int = 0
) -> pl.DataFrame:
    """Return one row per entity; those of `bad` broke a rule."""
    names = list(scores)
    return pl.DataFrame(
        {
            ENTITY: names,
            TIME: [START + week * WEEK] * len(names),
            PERIOD: [PERIODS[week]] * len(names),
            RULE: ["x: above max" if n in bad else None for n in names],
            "x": list(scores.values()),
        },
        schema_overrides={
            ENTITY: pl.String,
            RULE: pl.String,
            TIME: pl.Datetime("us", "UTC"),
            "x": pl.Float64,
        },
    )


def job(frame: pl.DataFrame, week: int = 0, **more: object) -> ScoringJob:
    """Return the job of a week."""
    given = {
        "contract": contract(),
        "champion": CHAMPION,
        "previous": PREVIOUS,
        "revision": 1,
        "salt": "secret",
        **more,
    }
    return ScoringJob(period=PERIODS[week], now=START + week * WEEK, rows=frame, **given)  # type: ignore[arg-type]


def run(task: ScoringJob, models: Models, tables: MemoryTables | None = None) -> ScoredPeriod:
    """Score a period."""
    return score_period(
        task,
        models,
        tables or MemoryTables(),
        key=f"score/{task.period}/{task.revision}",
        token=0,
        rules=models,
    )


def by_entity(found: ScoredPeriod, column: str) -> dict[str, object]:
    """Return one column, by entity."""
    return dict(found.frame.select(ENTITY, column).iter_rows())


def test_a_healthy_champion_answers_for_everybody() -> None:
    """Scores, decisions, bands, version and rung come from the champion, in one call a purpose."""
    models = Models()
    found = run(job(rows({"a": 0.9, "b": 0.5, "c": 0.3, "d": 0.1})), models)
    assert by_entity(found, "score") == {"a": 0.9, "b": 0.5, "c": 0.3, "d": 0.1}
    assert by_entity(found, "decision") == {"a": 1, "b": 1, "c": 0, "d": 0}
    assert by_entity(found, "band") == {"a": "high", "b": "high", "c": "medium", "d": "low"}
    assert set(found.frame["version"]) == {2}
    assert set(found.frame["rung"]) == {"champion"}
    assert set(found.frame["age"]) == {0.0}
    assert found.failures == ()
    assert found.event.rungs == {"champion": 4}
    assert (found.event.rows, found.event.number, found.event.revision) == (4, 2, 1)
    assert models.asked == [("b2", 4, 0), ("b2", 2, 2)]


def test_only_the_high_band_is_explained() -> None:
    """Reasons are asked of the answering version for the high band and stand at the right rows."""
    found = run(job(rows({"a": 0.1, "b": 0.8})), Models())
    assert by_entity(found, "reason_1") == {"a": None, "b": "x1"}
    assert by_entity(found, "reason_2") == {"a": None, "b": "x2"}
    assert "reason_3" not in found.frame.columns


def test_a_row_without_a_source_is_answered_by_the_model_without_it() -> None:
    """It is asked for rows set aside for its columns, and for those whose champion died."""
    made = contract((Rung(kind="reduced"), Rung(kind="default", value=0.2)))
    made = replace(made, training=Training(reduced=("x",)))
    second = replace(CHAMPION, reduced=True, threshold=0.3)
    frame = rows({"a": 0.9, "b": 0.8, "c": 0.7}, bad=("b", "c"))
    frame = frame.with_columns(
        pl.when(pl.col(ENTITY) == "c").then(pl.lit("y: above max")).otherwise(RULE).alias(RULE)
    )
    task = job(frame, contract=made, previous=None, reduced=second)
    models = Models(models={"b2": linear, "reduced b2": half})
    found = run(task, models)
    assert by_entity(found, "rung") == {"a": "champion", "b": "reduced", "c": "default"}
    assert by_entity(found, "score") == {"a": 0.9, "b": 0.4, "c": 0.2}
    assert by_entity(found, "decision") == {"a": 1, "b": 1, "c": 0}
    assert by_entity(found, "version") == {"a": 2, "b": 2, "c": 0}
    dead = Models(models=models.models, failing={"b2": (2, WorkerDied("killed"))})
    assert run(task, dead).event.rungs == {"reduced": 2, "default": 1}
    assert run(replace(task, reduced=None), models).event.rungs == {"champion": 1, "default": 2}


def test_a_worker_that_dies_once_is_asked_again() -> None:
    """One death is not yet a failure."""
    models = Models(failing={"b2": (1, WorkerDied("killed"))})
    found = run(job(rows({"a": 0.9})), models)
    assert found.event.rungs == {"champion": 1}
    assert found.failures == ()


def test_a_worker_that_dies_twice_hands_the_period_to_the_next_rung() -> None:
    """The previous champion answers for all, under its own threshold, and the report says so."""
    models = Models(failing={"b2": (2, WorkerDied("killed by signal 9"))})
    found = run(job(rows({"a": 0.9, "b": 0.5})), models)
    assert found.event.rungs == {"previous": 2}
    assert by_entity(found, "score") == {"a": 0.45, "b": 0.25}
    assert by_entity(found, "decision") == {"a": 1, "b": 0}
    assert set(found.frame["version"]) == {1}
    (failure,) = found.failures
    assert (failure.rung, failure.number, failure.kind, failure.rows) == (
        "champion",
        2,
        "system",
        2,
    )
    assert "signal 9" in failure.message


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (UserCodeError("features.py:3 failed"), "user_code"),
        (IntegrityError("model.txt was altered"), "integrity"),
    ],
)
def test_broken_code_and_altered_bundles_are_not_asked_twice(error: TamidError, kind: str) -> None:
    """What cannot get better by itself goes straight to the next rung."""
    models = Models(failing={"b2": (1, error)})
    found = run(job(rows({"a": 0.2})), models)
    assert models.asked == [("b2", 1, 0), ("b1", 1, 0)]
    assert found.failures[0].kind == kind
    assert found.event.rungs == {"previous": 1}


def test_a_lost_lease_is_not_swallowed() -> None:
    """A controller that was overtaken stops; it does not score on by a lower rung."""
    models = Models(failing={"b2": (1, LeaseLost("too late"))})
    with pytest.raises(LeaseLost):
        run(job(rows({"a": 0.9})), models)


def test_when_all_models_are_down_the_last_score_the_rule_and_the_default_answer() -> None:
    """Each entity takes the best rung that has something for it, with the score's age."""
    tables = MemoryTables()
    first = run(job(rows({"a": 0.9, "b": 0.3})), Models(), tables)
    down = Models(failing={"b2": (9, WorkerDied("no memory")), "b1": (9, WorkerDied("no memory"))})
    week = job(
        rows({"a": 0.1, "c": 0.1}, week=1),
        week=1,
        active=pl.Series(ENTITY, ["a", "b", "gone"]),
        earlier=first.event.pin,
        scored=(PERIODS[0],),
    )
    found = run(week, down, tables)
    assert by_entity(found, "rung") == {
        "a": "last_score", "c": "rule", "b": "last_score", "gone": "default",
    }  # fmt: skip
    assert by_entity(found, "score") == {"a": 0.9, "c": 0.9, "b": 0.3, "gone": 0.27}
    assert by_entity(found, "age") == {"a": 7.0, "c": 0.0, "b": 7.0, "gone": 0.0}
    assert found.event.rungs == {"default": 1, "last_score": 2, "rule": 1}
    assert [f.rung for f in found.failures] == ["champion", "previous"]


def test_bad_rows_are_answered_by_a_lower_rung_and_no_model_sees_them() -> None:
    """A row that broke the contract gets its last score or the default, beside good rows."""
    tables, models = MemoryTables(), Models()
    first = run(job(rows({"a": 0.9, "b": 0.3})), models, tables)
    models.asked.clear()
    week = job(
        rows({"a": 99.0, "b": 0.4, "new": 99.0}, bad=("a", "new"), week=1),
        week=1,
        earlier=first.event.pin,
        scored=(PERIODS[0],),
    )
    found = run(week, models, tables)
    assert by_entity(found, "rung") == {"a": "last_score", "b": "champion", "new": "default"}
    assert by_entity(found, "score") == {"a": 0.9, "b": 0.4, "new": 0.27}
    assert [rows for _, rows, _ in models.asked] == [1]
    assert found.failures == ()


def test_a_last_score_expires_and_its_age_counts_from_the_model() -> None:
    """A score handed on from week to week ages until it is too old, then the default answers."""
    tables = MemoryTables()
    found = run(job(rows({"a": 0.9})), Models(), tables)
    seen = []
    for week in range(1, 5):
        found = run(
            job(
                rows({}, week=week),
                week=week,
                active=pl.Series(ENTITY, ["a"]),
                earlier=found.event.pin,
                scored=tuple(PERIODS[:week]),
            ),
            Models(),
            tables,
        )
        seen.append((found.frame["rung"][0], found.frame["age"][0]))
    assert seen == [("last_score", 7.0), ("last_score", 14.0), ("default", 0.0), ("default", 0.0)]


def test_without_any_rung_the_outcome_is_withheld() -> None:
    """An entity for which nothing answers is declared withheld: no score, no band, no treatment."""
    models = Models(failing={"b2": (2, WorkerDied("x"))})
    found = run(job(rows({"a": 0.9}), contract=contract(()), previous=None), models)
    (line,) = found.frame.iter_rows(named=True)
    assert (line["rung"], line["score"], line["decision"], line["band"]) == (
        "withheld", None, None, None,
    )  # fmt: skip
    assert (line["treated"], line["propensity"], line["version"]) == (False, 1.0, 0)


@pytest.mark.parametrize("impossible", [float("nan"), float("inf"), -0.2, 1.3])
def test_an_impossible_score_never_leaves(impossible: float) -> None:
    """NaN, infinity and chances outside 0..1 fall to the next rung, row by row, and are counted."""
    found = run(
        job(
            rows({"a": impossible, "b": 0.6}), contract=contract((Rung(kind="default", value=0.2),))
        ),
        Models(),
    )
    assert by_entity(found, "rung") == {"a": "default", "b": "champion"}
    assert by_entity(found, "score") == {"a": 0.2, "b": 0.6}
    assert [(f.kind, f.rows) for f in found.failures] == [("impossible", 1)]


def test_a_score_a_rounding_outside_is_clipped() -> None:
    """1.0000000000000002 is 1, not a failure."""
    found = run(job(rows({"a": 1.0000000000000002, "b": -1e-12})), Models())
    assert by_entity(found, "score") == {"a": 1.0, "b": 0.0}
    assert found.failures == ()


def test_a_wrong_number_of_answers_is_a_failure() -> None:
    """A model that loses rows gets none of them."""
    models = Models(models={"b2": lambda f: linear(f).head(1), "b1": half})
    found = run(job(rows({"a": 0.9, "b": 0.8})), models)
    assert found.event.rungs == {"previous": 2}
    assert found.failures[0].message == "1 answers for 2 rows"


@pytest.mark.parametrize("first", ["previous", "rule", "default"])
def test_the_rung_in_force_answers_first(first: str) -> None:
    """While another rung is set as the first one, the champion is not asked."""
    models = Models()
    found = run(job(rows({"a": 0.6, "b": 0.2}), first=first), models)
    assert found.event.rungs == {first: 2}
    assert "b2" not in {who for who, _, _ in models.asked}


def test_the_champion_stands_in_for_the_rung_in_force() -> None:
    """If the rung that was set first is down, the champion answers before the lower ones."""
    models = Models(failing={"b1": (2, WorkerDied("x"))})
    found = run(job(rows({"a": 0.6}), first="previous"), models)
    assert found.event.rungs == {"champion": 1}


def test_control_treatment_and_propensity_fit_together() -> None:
    """High and not control is treated; the chance of no treatment is the group's share."""
    found = run(job(rows({f"e{n}": n / 400 for n in range(400)})), Models()).frame
    high = pl.col("band") == "high"
    assert found.filter(high & (pl.col("treated") == pl.col("control"))).is_empty()
    assert found.filter(~high & pl.col("treated")).is_empty()
    assert set(found.filter(high)["propensity"]) == {0.25}
    assert set(found.filter(~high)["propensity"]) == {1.0}
    assert 60 < found["control"].sum() < 140


def test_the_control_group_stays_for_a_rotation() -> None:
    """The same entities are in the group the week after, and others after the rotation."""
    names = {f"e{n}": 0.9 for n in range(200)}
    weeks = [
        by_entity(
            run(job(rows(names, week=w), week=w, contract=contract(rotate=2 * WEEK)), Models()),
            "control",
        )
        for w in range(5)
    ]
    assert len({tuple(w.values()) for w in weeks}) == 3


def test_an_outcome_that_was_stored_before_a_crash_is_adopted() -> None:
    """The second attempt asks no model, writes nothing and reports the same event."""
    tables = MemoryTables()
    first = run(job(rows({"a": 0.9, "b": 0.1})), Models(), tables)
    models = Models()
    again = run(job(rows({"a": 0.9, "b": 0.1})), models, tables)
    assert again.event == first.event
    assert again.frame.select(first.frame.columns).equals(first.frame)
    assert models.asked == []


def test_an_adopted_outcome_still_reports_that_the_champion_was_down() -> None:
    """A crash between storing and recording does not hide the failure."""
    tables = MemoryTables()
    down = Models(failing={"b2": (2, WorkerDied("x"))})
    run(job(rows({"a": 0.9})), down, tables)
    again = run(job(rows({"a": 0.9})), Models(), tables)
    assert [(f.rung, f.kind) for f in again.failures] == [("champion", "system")]


def test_a_second_revision_stands_beside_the_first() -> None:
    """A correction is appended: both revisions can be read, under different prediction ids."""
    tables = MemoryTables()
    first = run(job(rows({"a": 0.9})), Models(), tables)
    second = run(job(rows({"a": 0.8}), revision=2), Models(), tables)
    assert first.frame["id"][0] != second.frame["id"][0]
    stored = tables.read(second.event.pin)
    assert dict(stored.select("revision", "score").iter_rows()) == {1: 0.9, 2: 0.8}


def test_prediction_ids_are_stable_and_unique() -> None:
    """The same outcome has the same id in any run; two outcomes never share one."""
    frame = rows({f"e{n}": 0.1 for n in range(500)})
    one, two = run(job(frame), Models()).frame, run(job(frame.reverse()), Models()).frame
    assert one["id"].n_unique() == 500
    assert one.sort(ENTITY)["id"].to_list() == two.sort(ENTITY)["id"].to_list()


def test_a_period_without_any_row_is_answered_from_below() -> None:
    """When no data came at all, last week's entities still get their outcome."""
    tables = MemoryTables()
    first = run(job(rows({"a": 0.9, "b": 0.2})), Models(), tables)
    found = run(
        job(
            rows({}, week=1),
            week=1,
            active=pl.Series(ENTITY, ["a", "b"]),
            earlier=first.event.pin,
            scored=(PERIODS[0],),
        ),
        Models(),
        tables,
    )
    assert found.event.rungs == {"last_score": 2}
    assert set(found.frame[TIME]) == {START + WEEK}


def test_multiclass_keeps_the_class_and_the_chances() -> None:
    """The best class is named; each class's chance stands beside it; other rungs have none."""
    best = {"b2": lambda f: f.select(
        pl.col("x").alias("score"), class_basic=1 - pl.col("x"), class_plus=pl.col("x")
    )}  # fmt: skip
    found = run(
        job(
            rows({"a": 1.0, "b": 0.0, "c": 9.0}, bad=("c",)),
            contract=contract((Rung(kind="default", value=0.0),), Task.MULTICLASS),
            champion=replace(CHAMPION, threshold=None),
        ),
        Models(models=best),
    )
    assert by_entity(found, "class") == {"a": "plus", "b": "basic", "c": None}
    assert by_entity(found, "class_plus") == {"a": 1.0, "b": 0.0, "c": None}
    assert by_entity(found, "decision") == {"a": 1, "b": 0, "c": 0}


def test_a_regression_has_scores_without_decisions() -> None:
    """Numbers are passed on as they are, without band or decision; what is not finite is not."""
    found = run(
        job(
            rows({"a": 412.5, "b": float("inf"), "c": -3.0}),
            contract=contract((Rung(kind="default", value=10.0),), Task.REGRESSION),
            champion=replace(CHAMPION, threshold=None),
        ),
        Models(),
    )
    assert by_entity(found, "score") == {"a": 412.5, "b": 10.0, "c": -3.0}
    assert set(found.frame["decision"]) == {None}
    assert set(found.frame["band"]) == {None}


def test_the_columns_keep_their_types_whatever_happened() -> None:
    """A period answered by defaults alone has the same column types as a healthy one."""
    tables = MemoryTables()
    empty = run(job(rows({}), active=pl.Series(ENTITY, ["z"])), Models(), tables)
    full = run(job(rows({"a": 0.9}, week=1), week=1), Models(), tables)
    assert dict(empty.frame.schema) == dict(full.frame.schema)


@pytest.mark.bench
def test_twenty_thousand_entities_take_less_than_two_seconds() -> None:
    """A period of 20,000 rows is scored within a fraction of what a tick may cost."""
    frame = rows({f"customer-{n}": (n % 1000) / 1000 for n in range(20_000)})
    started = time.process_time()
    assert run(job(frame), Models()).event.rows == 20_000
    spent = time.process_time() - started
    sys.stdout.write(f"\nscoring: 20,000 rows in {spent:.2f} s of processor time")
    assert spent < 2.0


def test_a_row_without_an_entity_is_nobodys() -> None:
    """It stays in quarantine; nobody called None gets a score."""
    frame = rows({"a": 0.9, "b": 0.1}, bad=("b",))
    frame = frame.with_columns(
        pl.when(pl.col(ENTITY) == "b").then(None).otherwise(ENTITY).alias(ENTITY)
    )
    found = run(job(frame), Models())
    assert by_entity(found, "rung") == {"a": "champion"}


def test_a_wrong_stamp_does_not_make_its_entity_vanish() -> None:
    """Who has only a row of a wrong or unknown moment is answered by a lower rung, once."""
    good = rows({"a": 0.9})
    far = rows({"a": 0.9, "b": 0.9}, bad=("a", "b"), week=5)
    lost = rows({"b": 0.9, "c": 0.9}, bad=("b", "c")).with_columns(
        pl.lit(None, pl.Datetime("us", "UTC")).alias(TIME)
    )
    found = run(job(pl.concat([good, far, lost])), Models())
    assert by_entity(found, "rung") == {"a": "champion", "b": "default", "c": "default"}
    assert found.frame.height == 3
    assert found.frame.get_column(TIME).to_list() == [START] * 3


def test_a_batch_leaves_to_a_person_what_no_rung_answers() -> None:
    """The row has its outcome, without score, decision and age; the others are not touched."""
    ladder = (Rung(kind="previous"), Rung(kind="abstain", unsure=(0.8, 1.0)))
    task = job(rows({"a": 0.9, "b": 0.5}, bad=("b",)), contract=contract(ladder))
    found = run(task, Models())
    assert by_entity(found, "rung") == {"a": "champion", "b": "abstain"}
    assert by_entity(found, "score") == {"a": 0.9, "b": None}
    assert by_entity(found, "decision") == {"a": 1, "b": None}
    assert by_entity(found, "age") == {"a": 0.0, "b": None}
    assert by_entity(found, "version") == {"a": 2, "b": 0}
    assert found.event.rungs == {"abstain": 1, "champion": 1}


def test_offers_are_drawn_in_the_high_band_held_back_or_not() -> None:
    """Both sides draw, about as often as the contract says, and the low band draws nothing."""
    actions = Actions(path="acts.csv", offers={"call": 0.25, "discount": 0.75})
    names = {f"e{n}": 0.9 if n < 300 else 0.1 for n in range(400)}
    frame = run(job(rows(names), contract=contract(actions=actions)), Models()).frame
    high, control = pl.col("propensity") < 1, pl.col("control")
    assert frame.filter(~high).get_column("offer").null_count() == 100
    for side in (high & control, high & ~control):
        drawn = frame.filter(side).get_column("offer")
        assert drawn.null_count() == 0
        assert 0.1 < (drawn == "call").mean() < 0.4  # type: ignore[operator]
    assert "offer" not in run(job(rows(names)), Models()).frame.columns

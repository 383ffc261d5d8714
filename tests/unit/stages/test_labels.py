"""Labels come late, twice, corrected and taken back; nothing is known before it was heard."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from tamid.adapters.memory_source import MemorySource
from tamid.adapters.memory_tables import MemoryTables
from tamid.core.contract.model import Calendar, Column, Contract, Data, Label, Source
from tamid.core.errors import BatchRefused
from tamid.core.events import DataRefused, LabelsAccepted
from tamid.core.values import ENTITY, LABEL, PERIOD, TIME, WEIGHT, Task
from tamid.core.view.words import sentence
from tamid.stages import labels
from tamid.stages.feeds import NotReady
from tamid.stages.truth import truth

DAY = timedelta(days=1)
WEEK = datetime(2026, 1, 4, tzinfo=UTC)
NOW = WEEK + 20 * DAY
MOMENT = pl.Datetime("us", "UTC")
HORIZON = 7 * DAY
LAG = 2 * DAY


def contract(
    task: Task = Task.BINARY, schema: dict[str, Column] | None = None, **label: Any
) -> Contract:
    """Return a contract of weekly customers with labels from a source of their own."""
    fields = {
        "column": "churned",
        "positive": 1 if task is Task.BINARY else None,
        "horizon": HORIZON,
        "reporting_lag": LAG,
        "source": Source(path="y", known_at="heard", owner="ml_developer"),
        **label,
    }
    data = Data(
        source=Source(path="x"),
        entity="customer",
        time="week",
        label=Label(**fields),
        schema=schema or {},
    )
    calendar = Calendar(week_starts="sunday")
    return Contract(tamid=1, name="churn", task=task, calendar=calendar, data=data)


BY_ROW = contract()
BY_EVENT = contract(event_time="left_at", absence="negative")


class Inbox:
    """A label source and its table, as the loop keeps them between ticks."""

    def __init__(self, rules: Contract, weeks: int = 3) -> None:
        self.rules = rules
        self.source = MemorySource()
        self.tables = MemoryTables()
        self.known: dict[str, str] = {}
        self.keys = pl.DataFrame(
            [
                (e, WEEK + 7 * n * DAY, f"2026-01-{4 + 7 * n:02}")
                for n in range(weeks)
                for e in "abc"
            ],
            schema={ENTITY: pl.String, TIME: MOMENT, PERIOD: pl.String},
            orient="row",
        )
        self.rows = self.tables.write("churn.rows", self.keys, key="r", token=1, mode="append")

    def hear(self, name: str, frame: pl.DataFrame, now: datetime = NOW) -> Any:
        """Put a batch of labels down and take it in."""
        self.source.put(name, frame, now)
        events = list(
            labels.ingest(
                self.rules,
                self.source,
                self.tables,
                rows=self.rows,
                known=dict(self.known),
                now=now,
                token=1,
            )
        )
        for event in events:
            assert isinstance(event, LabelsAccepted | DataRefused)
            self.known[event.batch] = event.fingerprint
        (event,) = events
        return event

    def resolved(self, now: datetime) -> pl.DataFrame:
        """Return what is known of every row."""
        pin = self.tables.latest("churn.labels")
        inbox = None if pin is None else self.tables.read(pin)
        return labels.resolve(self.keys, inbox, self.rules, now)

    def known_at(self, now: datetime) -> dict[tuple[str, int], float]:
        """Return the known labels by entity and number of the week."""
        found = self.resolved(now).filter(labels.KNOWN)
        week = ((pl.col(TIME) - WEEK).dt.total_days() // 7).alias("week")
        return {(e, w): y for e, w, y in found.select(ENTITY, week, LABEL).iter_rows()}


def told(*found: tuple[str, int, Any, int]) -> pl.DataFrame:
    """Return labels of rows: customer, number of the week, value, day on which it was heard."""
    return pl.DataFrame(
        {
            "customer": [c for c, _, _, _ in found],
            "week": [WEEK + 7 * w * DAY for _, w, _, _ in found],
            "churned": pl.Series([v for _, _, v, _ in found], strict=False),
            "heard": [WEEK + d * DAY for _, _, _, d in found],
        }
    )


def left(*found: tuple[str, float, float]) -> pl.DataFrame:
    """Return events: customer, day on which he left, day on which we heard of it."""
    return pl.DataFrame(
        {
            "customer": [c for c, _, _ in found],
            "left_at": [WEEK + d * DAY for _, d, _ in found],
            "heard": [WEEK + d * DAY for _, _, d in found],
        }
    )


def test_labels_are_counted_as_new_repeated_and_corrected() -> None:
    """The same label again changes nothing; another value is a revision."""
    inbox = Inbox(BY_ROW)
    first = inbox.hear("one", told(("a", 0, 1, 9), ("b", 0, 0, 9)))
    assert (first.new, first.repeated, first.corrected) == (2, 0, 0)
    second = inbox.hear("two", told(("a", 0, 1, 12), ("b", 0, 1, 12), ("c", 1, 0, 16)))
    assert (second.new, second.repeated, second.corrected) == (1, 1, 1)
    assert second.periods == ("2026-01-04", "2026-01-11")
    assert inbox.known_at(NOW) == {("a", 0): 1.0, ("b", 0): 1.0, ("c", 1): 0.0}


def test_the_past_is_what_was_known_then() -> None:
    """A correction changes what is known from its own day on."""
    inbox = Inbox(BY_ROW)
    inbox.hear("one", told(("a", 0, 1, 9)))
    inbox.hear("two", told(("a", 0, 0, 12)))
    assert inbox.known_at(WEEK + 8 * DAY) == {}
    assert inbox.known_at(WEEK + 9 * DAY) == {("a", 0): 1.0}
    assert inbox.known_at(WEEK + 12 * DAY) == {("a", 0): 0.0}


def test_a_correction_with_an_old_stamp_counts_from_its_arrival() -> None:
    """History is not rewritten by a file that changes a value and keeps its date."""
    inbox = Inbox(BY_ROW)
    inbox.hear("one", told(("a", 0, 1, 9)), now=WEEK + 10 * DAY)
    inbox.hear("two", told(("a", 0, 0, 9)), now=WEEK + 15 * DAY)
    assert inbox.known_at(WEEK + 14 * DAY) == {("a", 0): 1.0}
    assert inbox.known_at(WEEK + 15 * DAY) == {("a", 0): 0.0}


def test_a_label_that_was_taken_back_is_unknown() -> None:
    """A new version of a file without the label retracts it."""
    inbox = Inbox(BY_ROW)
    inbox.hear("one", told(("a", 0, 1, 9), ("b", 0, 1, 9)), now=WEEK + 9 * DAY)
    event = inbox.hear("one", told(("b", 0, 1, 9)), now=WEEK + 11 * DAY)
    assert (event.new, event.repeated, event.corrected) == (0, 1, 1)
    assert inbox.known_at(WEEK + 10 * DAY) == {("a", 0): 1.0, ("b", 0): 1.0}
    assert inbox.known_at(WEEK + 11 * DAY) == {("b", 0): 1.0}


def test_labels_of_nobody_are_counted_and_kept() -> None:
    """A label whose row has not come yet waits for it."""
    inbox = Inbox(BY_ROW, weeks=1)
    event = inbox.hear("one", told(("a", 0, 1, 9), ("a", 1, 1, 16), ("z", 0, 1, 9)))
    assert (event.new, event.unmatched) == (3, 2)
    inbox.keys = Inbox(BY_ROW).keys
    assert inbox.known_at(NOW) == {("a", 0): 1.0, ("a", 1): 1.0}


def test_labels_from_the_future_wait_for_their_day() -> None:
    """They are counted, stored, and not used before the moment they carry."""
    inbox = Inbox(BY_ROW)
    event = inbox.hear("one", told(("a", 0, 1, 30), ("b", 2, 1, 1)))
    assert event.future == 1
    assert inbox.known_at(NOW) == {("b", 2): 1.0}
    assert inbox.known_at(WEEK + 13 * DAY) == {}  # never before the row itself
    assert ("a", 0) in inbox.known_at(WEEK + 30 * DAY)


def test_a_missing_value_is_not_known_yet() -> None:
    """In the rows' own column a label may be empty until it is known."""
    inbox = Inbox(BY_ROW)
    event = inbox.hear("one", told(("a", 0, None, 9), ("b", 0, 1, 9)))
    assert (event.new, event.invalid) == (1, 0)


def test_contradictions_within_a_batch_are_not_believed() -> None:
    """Two values for one row at one moment: neither is used."""
    inbox = Inbox(BY_ROW)
    more = [("b", n, 1, 9) for n in range(3)] * 40
    event = inbox.hear("one", told(("a", 0, 1, 9), ("a", 0, 0, 9), *more))
    assert (event.new, event.invalid) == (3, 2)
    assert ("a", 0) not in inbox.known_at(NOW)


def test_an_event_belongs_to_the_rows_before_it() -> None:
    """as-of <= event < as-of + horizon, exactly; at the end of a horizon it is the next row's."""
    inbox = Inbox(BY_EVENT)
    event = inbox.hear("one", left(("a", 0, 2), ("b", 7, 9), ("c", 6.99, 9), ("a", 90, 92)))
    assert (event.new, event.unmatched, event.future) == (4, 1, 1)
    assert event.periods == ("2026-01-04", "2026-01-11")
    positive = {key for key, y in inbox.known_at(NOW).items() if y == 1.0}
    assert positive == {("a", 0), ("b", 1), ("c", 0)}


def test_a_week_alone_has_the_labels_that_it_has_among_all() -> None:
    """Events of other weeks say nothing about it; without rows or moments nothing is positive."""
    inbox = Inbox(BY_EVENT)
    inbox.hear(
        "one", left(("a", 0, 2), ("b", 6.99, 9), ("b", 7, 9), ("c", 14, 15), ("a", 20.9, 21))
    )
    pin = inbox.tables.latest("churn.labels")
    assert pin is not None
    heard = inbox.tables.read(pin)
    whole = inbox.resolved(NOW + HORIZON)
    assert whole.get_column(LABEL).sum() == 5
    for _, week in inbox.keys.group_by(PERIOD):
        alone = labels.resolve(week, heard, BY_EVENT, NOW + HORIZON)
        assert alone.equals(whole.join(week, on=[ENTITY, TIME], how="semi"))
    timeless = inbox.keys.with_columns(pl.lit(None, MOMENT).alias(TIME))
    for nothing in (inbox.keys.clear(), timeless):
        found = labels.resolve(nothing, heard, BY_EVENT, NOW + HORIZON)
        assert found.schema == whole.schema
        assert not (found.get_column(LABEL) > 0).any()


def test_a_long_horizon_gives_one_event_to_many_rows() -> None:
    """With a horizon of two weeks a leaver is a positive of both weeks before."""
    inbox = Inbox(contract(event_time="left_at", absence="negative", horizon=14 * DAY))
    event = inbox.hear("one", left(("a", 8, 9)))
    assert event.periods == ("2026-01-04", "2026-01-11")
    assert {k for k, y in inbox.known_at(WEEK + 60 * DAY).items() if y} == {("a", 0), ("a", 1)}


def test_silence_is_negative_once_it_is_due() -> None:
    """Horizon plus lag after the row a missing event is a negative; a positive is known at once."""
    inbox = Inbox(BY_EVENT)
    inbox.hear("one", left(("a", 1, 3)), now=WEEK + 3 * DAY)
    assert inbox.known_at(WEEK + 3 * DAY) == {("a", 0): 1.0}
    assert inbox.known_at(WEEK + 9 * DAY - timedelta(seconds=1)) == {("a", 0): 1.0}
    assert inbox.known_at(WEEK + 9 * DAY) == {("a", 0): 1.0, ("b", 0): 0.0, ("c", 0): 0.0}
    found = inbox.resolved(WEEK + 9 * DAY).filter(pl.col(TIME) == WEEK)
    due = [WEEK + 3 * DAY, WEEK + 9 * DAY, WEEK + 9 * DAY]
    assert found.get_column(labels.LABEL_KNOWN_AT).to_list() == due


def test_silence_is_unknown_for_ever_if_the_contract_says_so() -> None:
    """Absence unknown: a row without a label stays without."""
    assert Inbox(BY_ROW).known_at(WEEK + 900 * DAY) == {}


def test_a_late_event_corrects_silence() -> None:
    """A leaver reported after the lag turns the negative into a positive from that day on."""
    inbox = Inbox(BY_EVENT)
    event = inbox.hear("one", left(("a", 1, 12)), now=WEEK + 12 * DAY)
    assert event.periods == ("2026-01-04",)
    assert inbox.known_at(WEEK + 11 * DAY)["a", 0] == 0.0
    assert inbox.known_at(WEEK + 12 * DAY)["a", 0] == 1.0


def test_maturity_counts_rows_known_and_due() -> None:
    """Per period: how many rows, how many known, how many due."""
    inbox = Inbox(BY_EVENT)
    inbox.hear("one", left(("a", 8, 9)))
    at = WEEK + 9 * DAY
    found = labels.maturity(inbox.resolved(at), inbox.rules, at)
    counts = [(m.period, m.rows, m.known, m.due) for m in found]
    assert counts == [("2026-01-04", 3, 3, 3), ("2026-01-11", 3, 1, 0), ("2026-01-18", 3, 0, 0)]
    assert [m.share for m in found] == pytest.approx([1.0, 1 / 3, 0.0])


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (told(("a", 0, 1, 9)).drop("churned"), "label column 'churned' is missing"),
        (told(("a", 0, 1, 9)).drop("customer"), "column 'customer' is missing"),
        (told(("a", 0, 1, 9)).drop("heard"), "column 'heard' is missing"),
        (told(("a", 0, 1, 9), ("b", 0, 2, 9), ("c", 0, 0, 9)), "has 3 values"),
        (told(("a", 0, "many", 9), ("b", 0, "1", 9)), "1 of 2 labels (50.0%) cannot be understood"),
    ],
)
def test_labels_that_cannot_be_understood_are_refused(frame: pl.DataFrame, reason: str) -> None:
    """The refusal names the reason and the owner of the labels; nothing is stored."""
    inbox = Inbox(BY_ROW)
    event = inbox.hear("one", frame)
    assert isinstance(event, DataRefused)
    assert reason in event.reasons[0]
    assert (event.source, event.owner) == ("labels", "ml_developer")
    assert inbox.tables.latest("churn.labels") is None


def test_classes_that_are_texts_and_that_nobody_named_are_refused_with_the_way_out() -> None:
    """Without `allowed` classes are numbers; the refusal says where texts are named."""
    label = replace(BY_ROW.data.label, positive=None)
    unnamed = replace(BY_ROW, task=Task.MULTICLASS, data=replace(BY_ROW.data, label=label))
    event = Inbox(unnamed).hear("one", told(("a", 0, "low", 9), ("b", 0, "high", 9)))
    assert isinstance(event, DataRefused)
    assert "texts that data.schema.churned.allowed must name" in event.reasons[1]
    numbered = Inbox(unnamed).hear("one", told(("a", 0, 0, 9), ("b", 0, 2, 9)))
    assert not isinstance(numbered, DataRefused)


def test_an_orphan_is_adopted_with_its_counts() -> None:
    """A write whose event was lost is found by its key and told as it was."""
    inbox = Inbox(BY_ROW)
    inbox.hear("one", told(("a", 0, 1, 9)))
    batch = told(("a", 0, 0, 12), ("b", 0, 1, 12))
    lost = inbox.hear("two", batch)
    inbox.known.pop("two")
    again = inbox.hear("two", batch, now=NOW + DAY)
    assert again == lost


def test_labels_in_refused_rows_are_passed_over() -> None:
    """Where labels stand in the rows' own files, only accepted batches count."""
    own = contract(source=None)
    inbox = Inbox(own)
    batch = inbox.source.put("one", told(("a", 0, 1, 9)), NOW)
    waiting: list[NotReady] = []

    def heard(accepted: dict[str, str]) -> int:
        return len(
            list(
                labels.ingest(
                    own,
                    inbox.source,
                    inbox.tables,
                    rows=inbox.rows,
                    known={},
                    now=NOW,
                    token=1,
                    accepted=accepted,
                    waiting=waiting,
                )
            )
        )

    assert heard({}) == 0
    assert heard({"one": batch.fingerprint}) == 1
    assert waiting == []


@pytest.mark.parametrize(
    ("positive", "given", "expected"),
    [
        ("Yes", ["Yes", "No", None], [1.0, 0.0, None]),
        ("כן", ["כן", "לא"], [1.0, 0.0]),
        (1, ["1", "0", "1.0"], [1.0, 0.0, 1.0]),
        (1, [1, 0], [1.0, 0.0]),
        (True, ["yes", "NO", "true"], [1.0, 0.0, 1.0]),
        (False, [True, False], [0.0, 1.0]),
        ("1", [1, 0], [1.0, 0.0]),
        (None, [0, 1], [0.0, 1.0]),
    ],
)
def test_the_positive_value_is_compared_as_the_columns_type(
    positive: Any, given: list[Any], expected: list[Any]
) -> None:
    """A word is a word and a number a number, however the file writes it."""
    raw = pl.DataFrame({"churned": given})
    assert truth(raw, contract(positive=positive)).values.to_list() == expected


def test_a_slip_of_the_pen_is_no_negative() -> None:
    """A third value refuses the batch; with the values declared only the slip is invalid."""
    raw = pl.DataFrame({"churned": ["Yes", "No", "Yess"]})
    with pytest.raises(BatchRefused, match="3 values"):
        truth(raw, contract(positive="Yes"))
    declared = {"churned": Column(type="category", allowed=("Yes", "No"))}
    found = truth(raw, contract(positive="Yes", schema=declared))
    assert found.values.to_list() == [1.0, 0.0, None]
    assert found.invalid.to_list() == [False, False, True]


def test_classes_are_the_index_of_their_name() -> None:
    """Multiclass labels are the place in the declared values, or whole numbers themselves."""
    declared = {"churned": Column(type="category", allowed=("stay", "leave", "חוזר"))}
    raw = pl.DataFrame({"churned": ["leave", "חוזר", "go", None]})
    found = truth(raw, contract(Task.MULTICLASS, schema=declared))
    assert found.values.to_list() == [1.0, 2.0, None, None]
    assert found.invalid.to_list() == [False, False, True, False]
    numbers = truth(pl.DataFrame({"churned": [0, 2, -1]}), contract(Task.MULTICLASS))
    assert numbers.values.to_list() == [0.0, 2.0, None]


def test_numbers_keep_to_their_bounds() -> None:
    """A regression label outside the column's bounds, or not finite, is invalid."""
    declared = {"churned": Column(type="number", min=0, max=10)}
    raw = pl.DataFrame({"churned": [5.0, -1.0, 11.0, float("nan"), None]})
    found = truth(raw, contract(Task.REGRESSION, schema=declared))
    assert found.values.to_list() == [5.0, None, None, None, None]
    assert found.invalid.to_list() == [False, True, True, True, False]


def delayed(seed: int = 7, rows: int = 6000) -> pl.DataFrame:
    """Return rows of 60 days: positives (30 %) are heard within 10 days, negatives within 40."""
    chance = np.random.default_rng(seed)
    positive = chance.random(rows) < 0.3
    made = chance.integers(0, 60, rows)
    after = np.where(positive, chance.integers(1, 11, rows), chance.integers(1, 41, rows))
    moments = [WEEK + int(d) * DAY for d in made]
    return pl.DataFrame(
        {
            ENTITY: [str(n) for n in range(rows)],
            TIME: moments,
            "_label_known_at": [m + int(a) * DAY for m, a in zip(moments, after, strict=True)],
            LABEL: positive.astype(float),
            "score_band": chance.integers(0, 2, rows),
        },
        schema_overrides={TIME: MOMENT, "_label_known_at": MOMENT},
    )


def as_known(frame: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Hide what was not known yet."""
    known = pl.col("_label_known_at") <= now
    return frame.filter(pl.col(TIME) <= now).with_columns(
        known.alias(labels.KNOWN),
        pl.when(known).then(LABEL).alias(LABEL),
        pl.when(known).then("_label_known_at").alias("_label_known_at"),
    )


def rate(frame: pl.DataFrame) -> float:
    """Return the weighted share of positives."""
    positive = frame.select((pl.col(LABEL) * pl.col(WEIGHT)).sum()).item()
    return float(positive / frame.get_column(WEIGHT).sum())


@pytest.mark.parametrize("strata", [None, "score_band"])
def test_partly_known_rows_are_judged_without_bias(strata: str | None) -> None:
    """Of young rows far too many known ones are positive; both remedies put it right."""
    now = WEEK + 60 * DAY
    history = as_known(delayed(), now)
    young = history.filter(pl.col(TIME) > now - 20 * DAY, pl.col(TIME) <= now - 10 * DAY)
    known = young.filter(labels.KNOWN)
    assert rate(known.with_columns(pl.lit(1.0).alias(WEIGHT))) > 0.45
    completed = labels.completed(young, history, now, strata=strata)
    assert rate(completed) == pytest.approx(0.3, abs=0.03)
    assert completed.get_column(WEIGHT).sum() == pytest.approx(young.height)
    weighted = labels.weights_known(young, history, now, strata=strata)
    assert weighted.height == known.height
    assert rate(weighted) == pytest.approx(0.3, abs=0.03)
    assert 0 < labels.effective_rows(weighted) < known.height


def test_what_is_known_stays_as_it_is() -> None:
    """Rows that are all known keep their labels and weigh what they weighed."""
    now = WEEK + 200 * DAY
    history = as_known(delayed(rows=400), now).with_columns(pl.lit(2.0).alias(WEIGHT))
    assert labels.completed(history, history, now).equals(history)
    weighted = labels.weights_known(history, history, now)
    assert weighted.get_column(WEIGHT).to_list() == pytest.approx([2.0] * 400)


def test_nothing_known_is_nothing_learnt() -> None:
    """Without any known row there is nothing to weigh."""
    history = as_known(delayed(rows=50), WEEK + 60 * DAY).filter(~pl.col(labels.KNOWN))
    assert labels.weights_known(history, history, WEEK + 60 * DAY).is_empty()
    assert labels.effective_rows(labels.weights_known(history, history, NOW)) == 0.0


@pytest.mark.parametrize("order", [("new", "old"), ("old", "new")])
def test_the_stamp_decides_and_not_the_order_of_files(order: tuple[str, str]) -> None:
    """A label that was known earlier is history, whichever file comes first."""
    inbox = Inbox(BY_ROW)
    batches = {"new": told(("a", 0, 1, 15)), "old": told(("a", 0, 0, 11))}
    events = [inbox.hear(name, batches[name], NOW + n * DAY) for n, name in enumerate(order)]
    later = NOW + 5 * DAY
    assert inbox.known_at(later) == {("a", 0): 1.0}
    assert inbox.known_at(WEEK + 12 * DAY) == {("a", 0): 0.0}
    assert [e.stale for e in events] == ([0, 1] if order == ("new", "old") else [0, 0])


def test_an_overtaken_label_is_told_and_stored_once() -> None:
    """It is counted as older than what is known; told again in another file it is nothing new."""
    inbox = Inbox(BY_ROW)
    inbox.hear("one", told(("a", 0, 1, 15)))
    stale = inbox.hear("two", told(("a", 0, 0, 11)), NOW + DAY)
    again = inbox.hear("three", told(("a", 0, 0, 11)), NOW + 2 * DAY)
    assert "1 older than what is known" in sentence(stale)
    assert (stale.new, stale.corrected, stale.stale, again.stale) == (0, 0, 1, 0)
    assert inbox.tables.read(again.pin).height == 2


def test_an_unreadable_stamp_makes_a_label_invalid() -> None:
    """When it was known cannot be guessed: the label is left out and the tick says so."""
    inbox = Inbox(contract(source=Source(path="y", known_at="heard", owner="ml_developer")))
    rows = pl.concat([told(*[("a", n, 1, 15) for n in range(3)]) for _ in range(20)])
    spoilt = rows.with_columns(
        pl.when(pl.int_range(pl.len()) == 0)
        .then(pl.lit("soon"))
        .otherwise(pl.lit("2026-01-19"))
        .alias("heard")
    )
    event = inbox.hear("one", spoilt)
    assert event.invalid == 1
    assert "1 not understood, left out" in sentence(event)
    bad = inbox.hear("two", spoilt.head(3))
    assert isinstance(bad, DataRefused)
    assert bad.reasons[1] == "heard: wrong type: 1, such as 'soon'"
    assert dict(bad.broken) == {"heard: wrong type": 1}

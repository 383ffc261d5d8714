"""Batches become stored rows: accepted, refused, repaired, adopted, and read as of a moment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from tamid.adapters.memory_source import MemorySource
from tamid.adapters.memory_tables import MemoryTables
from tamid.core.chain import Recorded
from tamid.core.contract.model import (
    Calendar,
    Column,
    Contract,
    Data,
    EventTable,
    Label,
    Quarantine,
    Source,
)
from tamid.core.errors import BatchNotReady, SystemFailure
from tamid.core.events import NO_KEYS, DataAccepted, DataRefused, Event
from tamid.core.repairs import lacking, repaired
from tamid.core.state import Refusal
from tamid.core.values import BATCH, ENTITY, KNOWN_AT, PERIOD, RULE, TIME, Role, TablePin, Task
from tamid.core.view.words import line, sentence
from tamid.ports import Batch
from tamid.stages import data
from tamid.stages.feeds import ROWS, Feed, NotReady, feeds, rule_of
from tamid.stages.recognising import Recogniser

NOW = datetime(2026, 1, 4, 6, tzinfo=UTC)
DAY = timedelta(days=1)
WEEK = datetime(2026, 1, 4, tzinfo=UTC)


def contract(**changes: Any) -> Contract:
    """Return a contract of weekly rows and an event table."""
    fields: dict[str, Any] = {
        "source": Source(path="rows/*.csv", owner="mlops_engineer"),
        "entity": "customer",
        "time": "week",
        "label": Label(column="churned", positive=1),
        "schema": {"x": Column(type="number", min=0)},
        "tables": {
            "calls": EventTable(
                path="calls/*.csv",
                entity="customer",
                time="at",
                owner="ml_developer",
                schema={"kind": Column(type="category")},
            )
        },
        "quarantine": Quarantine(max_share=0.3),
        **changes,
    }
    calendar = Calendar(week_starts="sunday")
    return Contract(tamid=1, name="churn", task=Task.BINARY, calendar=calendar, data=Data(**fields))


class Store:
    """One feed with its source and table, as the loop keeps them between ticks."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.source = MemorySource()
        self.tables = MemoryTables()
        self.known: dict[str, str] = {}
        self.now = NOW

    def put(self, name: str, frame: pl.DataFrame) -> None:
        """Put a batch down."""
        self.source.put(name, frame, self.now)

    def ingest(self, waiting: list[NotReady] | None = None) -> list[Event]:
        """Take in what is new, as the loop does: an event is known once it was given out."""
        events = []
        for event in data.ingest(
            self.feed,
            self.source,
            self.tables,
            known=dict(self.known),
            now=self.now,
            token=1,
            waiting=waiting,
        ):
            assert isinstance(event, DataAccepted | DataRefused)
            self.known[event.batch] = event.fingerprint
            events.append(event)
        return list(events)

    def pin(self) -> TablePin:
        """Return the newest version."""
        pin = self.tables.latest(self.feed.table)
        assert pin is not None
        return pin

    def stored(self) -> int:
        """Return how many rows are stored in all, whatever became of them."""
        return self.tables.read(self.pin()).height

    def good(self, known_by: datetime | None = None) -> dict[str, float]:
        """Return `x` of each entity as known."""
        rows = data.load(self.tables, self.pin(), known_by=known_by).good
        return dict(rows.sort(ENTITY).select(ENTITY, "x").iter_rows())


def rows(values: Mapping[str, float | None], week: datetime = WEEK) -> pl.DataFrame:
    """Return a batch with one row per customer."""
    return pl.DataFrame(
        {"customer": list(values), "week": [week] * len(values), "x": list(values.values())},
        schema={"customer": pl.String, "week": pl.Datetime("us", "UTC"), "x": pl.Float64},
    )


def calls(*found: tuple[str, int, str]) -> pl.DataFrame:
    """Return a batch of calls: customer, day of January, kind."""
    return pl.DataFrame(
        {
            "customer": [c for c, _, _ in found],
            "at": [datetime(2026, 1, d, tzinfo=UTC) for _, d, _ in found],
            "kind": [k for _, _, k in found],
        }
    )


@pytest.fixture
def store() -> Store:
    return Store(feeds(contract())[0])


@pytest.fixture
def events_store() -> Store:
    return Store(feeds(contract())[1])


def test_rows_come_first_then_events_by_name() -> None:
    """Each source has its table, its owner and its shape."""
    first, second = feeds(contract())
    assert (first.source, first.table, first.owner) == ("rows", "churn.rows", Role.MLOPS_ENGINEER)
    assert (second.source, second.table, second.owner) == (
        "calls",
        "churn.calls",
        Role.ML_DEVELOPER,
    )
    assert (first.shape.unique, second.shape.unique) == (True, False)


def test_a_batch_is_stored_and_told(store: Store) -> None:
    """The event names rows, periods and last moments; stored rows carry where they came from."""
    store.put("one", rows({"a": 1.0, "b": 2.0}))
    (event,) = store.ingest()
    assert isinstance(event, DataAccepted)
    assert (event.batch, event.rows, event.periods) == ("one", 2, ("2026-01-04",))
    assert dict(event.latest) == {"2026-01-04": "2026-01-04T00:00:00.000000Z"}
    stored = store.tables.read(event.pin)
    assert set(stored.columns) >= {ENTITY, TIME, PERIOD, BATCH, KNOWN_AT, RULE, "x"}
    assert stored.get_column(BATCH).unique().to_list() == ["one"]
    assert store.good() == {"a": 1.0, "b": 2.0}


def test_what_is_known_is_not_read_again(store: Store) -> None:
    """A second look at the same batches yields nothing."""
    store.put("one", rows({"a": 1.0}))
    assert len(store.ingest()) == 1
    assert store.ingest() == []


def test_each_event_is_given_out_before_the_next_batch_is_stored(store: Store) -> None:
    """A caller that stops after one event has stored one batch."""
    store.put("one", rows({"a": 1.0}))
    store.put("two", rows({"a": 2.0}, WEEK - 7 * DAY))
    stream = data.ingest(store.feed, store.source, store.tables, known={}, now=NOW, token=1)
    next(iter(stream))
    assert store.good() == {"a": 1.0}


def test_bad_rows_are_set_aside_with_their_rule(store: Store) -> None:
    """Below the limit the batch is accepted; bad rows stand apart and carry what they broke."""
    store.put("one", rows({"a": 1.0, "b": -2.0, "c": 3.0, "d": 4.0}))
    (event,) = store.ingest()
    assert isinstance(event, DataAccepted)
    assert dict(event.quarantined) == {"x: below min": 1}
    assert (event.rows, event.aside) == (4, 1)
    loaded = data.load(store.tables, event.pin)
    assert loaded.bad.select(ENTITY, RULE, "x").rows() == [("b", "x: below min", -2.0)]
    assert store.good() == {"a": 1.0, "c": 3.0, "d": 4.0}


def test_a_batch_with_too_many_bad_rows_is_refused(store: Store) -> None:
    """Above the limit nothing is stored; the event says how many broke what, and whose it is."""
    store.put("one", rows({"a": 1.0, "b": -2.0, "c": None, "d": 4.0}))
    (event,) = store.ingest()
    assert isinstance(event, DataRefused)
    assert event.owner is Role.MLOPS_ENGINEER
    assert dict(event.broken) == {"x: below min": 1, "x: missing value": 1}
    assert event.reasons[0].startswith("2 of 4 rows (50.0%) break the contract")
    assert event.periods == ("2026-01-04",)
    assert store.tables.latest("churn.rows") is None


def test_a_missing_column_refuses_the_batch(store: Store) -> None:
    """The reason names the column, the event the periods; later batches are still taken in."""
    store.put("one", rows({"a": 1.0}).rename({"x": "y"}))
    store.put("two", rows({"a": 1.0}))
    refused, accepted = store.ingest()
    assert isinstance(refused, DataRefused)
    assert "column 'x' is missing" in refused.reasons[0]
    assert refused.periods == ("2026-01-04",)
    assert isinstance(accepted, DataAccepted)


def test_without_its_moments_nobody_knows_what_a_batch_was_meant_for(store: Store) -> None:
    """Neither a missing column of moments nor a moment to come names a period."""
    broken = rows({"a": 1.0}).rename({"x": "y"})
    store.put("one", broken.drop("week"))
    store.put("two", broken.with_columns(pl.lit(NOW + 30 * DAY).alias("week")))
    for event in store.ingest():
        assert isinstance(event, DataRefused)
        assert event.periods == ()


def test_a_repaired_batch_replaces_a_refused_one(store: Store) -> None:
    """The same name with other content is looked at again."""
    store.put("one", rows({"a": -1.0}))
    store.ingest()
    store.put("one", rows({"a": 1.0}))
    (event,) = store.ingest()
    assert isinstance(event, DataAccepted)
    assert store.good() == {"a": 1.0}


def test_the_rows_of_a_refused_batch_are_recognised_elsewhere() -> None:
    """Files of the same week bring other rows; the mended one has another name and more of them."""
    feed = feeds(contract())[0]
    source, tables = MemorySource(), MemoryTables()
    refused: dict[str, Refusal] = {}
    recogniser = Recogniser(salt="secret", lacking=lambda: lacking(refused, ROWS))
    bad = {f"north {n}": -1.0 for n in range(100)}
    for name, frame in (
        ("1-north", rows(bad)),
        ("2-south", rows({f"south {n}": 1.0 for n in range(100)})),
        ("3-next", rows(dict.fromkeys(bad, 1.0), WEEK + 7 * DAY)),
        ("4-mended", rows({**dict.fromkeys(bad, 1.0), "one more": 2.0})),
    ):
        source.put(name, frame, NOW)
    left = {}
    later = NOW + 9 * DAY
    for event in data.ingest(
        feed, source, tables, known={}, now=later, token=1, recogniser=recogniser
    ):
        if isinstance(event, DataRefused):
            assert len(event.noted) == 64
            refused[f"rows/{event.batch}"] = Refusal(event=event, at=NOW)
        assert isinstance(event, DataAccepted | DataRefused)
        if isinstance(event, DataAccepted):
            refused = repaired(refused, event)
        left[event.batch] = list(refused)
    held = ["rows/1-north"]
    assert left == {"1-north": held, "2-south": held, "3-next": held, "4-mended": []}


def test_rows_without_a_key_are_noted_as_such(store: Store) -> None:
    """Of a batch without a single entity nobody knows which batch could repair it."""
    recogniser = Recogniser(salt="secret", lacking=frozenset)
    nobody = rows({"a": -1.0, "b": 1.0}).with_columns(pl.lit(None, pl.String).alias("customer"))
    store.put("one", nobody)
    (event,) = data.ingest(
        store.feed, store.source, store.tables, known={}, now=NOW, token=1, recogniser=recogniser
    )
    assert isinstance(event, DataRefused)
    assert event.noted == (NO_KEYS,)


def test_an_unchanged_row_is_not_stored_again(store: Store) -> None:
    """A growing file brings its new rows only; the slices of the others keep their content."""
    store.put("all", rows({"a": 1.0, "b": 2.0}))
    store.ingest()
    store.now += 7 * DAY
    new_week = rows({"a": 5.0}, WEEK + 7 * DAY)
    store.put("all", pl.concat([rows({"a": 1.0, "b": 2.0}), new_week]))
    (event,) = store.ingest()
    assert isinstance(event, DataAccepted)
    assert (event.rows, store.stored()) == (3, 3)
    whole = pl.concat([new_week, rows({"a": 1.0, "b": 2.0})])
    store.put("all", whole.with_columns(pl.lit("other").alias("comment")))
    (again,) = store.ingest()
    assert isinstance(again, DataAccepted)
    assert again.pin == event.pin


def test_a_correction_counts_from_when_it_arrived(store: Store) -> None:
    """The newest arrival is the truth now; what was known before is still what was known then."""
    store.put("one", rows({"a": 1.0, "b": 2.0}))
    store.ingest()
    store.now += DAY
    store.put("one", rows({"a": 9.0, "b": 2.0}))
    store.ingest()
    assert store.good() == {"a": 9.0, "b": 2.0}
    assert store.good(known_by=NOW) == {"a": 1.0, "b": 2.0}


def test_a_row_that_a_batch_took_back_is_gone(store: Store) -> None:
    """A new version without a row removes it, and brings it back if it comes again."""
    store.put("one", rows({"a": 1.0, "b": 2.0}))
    store.ingest()
    store.now += DAY
    store.put("one", rows({"a": 1.0}))
    store.ingest()
    assert store.good() == {"a": 1.0}
    assert store.good(known_by=NOW) == {"a": 1.0, "b": 2.0}
    store.now += DAY
    store.put("two", rows({"b": 2.0}))
    store.ingest()
    assert store.good() == {"a": 1.0, "b": 2.0}


def test_a_bad_correction_corrects_nothing(store: Store) -> None:
    """The last good row stays where its new version breaks the contract."""
    good = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}
    store.put("one", rows(good))
    store.ingest()
    store.now += DAY
    store.put("one", rows({**good, "a": -1.0}))
    (event,) = store.ingest()
    assert isinstance(event, DataAccepted)
    assert store.good() == good
    assert data.load(store.tables, event.pin).bad.is_empty()


def test_an_orphan_is_adopted(store: Store) -> None:
    """Rows that were written but not recorded are found by their key, not written twice."""
    store.put("one", rows({"a": 1.0}))
    (lost,) = store.ingest()
    store.known.clear()
    store.now += DAY
    (event,) = store.ingest()
    assert isinstance(lost, DataAccepted)
    assert isinstance(event, DataAccepted)
    assert (event.key, event.pin, store.stored()) == (lost.key, lost.pin, 1)


class _Source(MemorySource):
    """A source whose batch `one` fails."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def read(self, batch: Batch) -> pl.DataFrame:
        """Fail on the first batch."""
        if batch.name == "one":
            raise self._error
        return super().read(batch)


def test_a_batch_that_is_not_ready_waits(store: Store) -> None:
    """It yields no event, is told aside, and is looked at again; others are taken in."""
    store.source = _Source(BatchNotReady("one is half-written"))
    store.put("one", rows({"a": 1.0}))
    store.put("two", rows({"b": 1.0}))
    waiting: list[NotReady] = []
    (event,) = store.ingest(waiting)
    assert isinstance(event, DataAccepted)
    assert event.batch == "two"
    (not_ready,) = waiting
    assert (not_ready.source, not_ready.batch) == ("rows", "one")
    assert not_ready.reason == "one is half-written"


def test_an_empty_batch_waits(store: Store) -> None:
    """A batch without rows is never read as "everybody left"."""
    store.put("one", rows({}))
    waiting: list[NotReady] = []
    assert store.ingest(waiting) == []
    assert [w.batch for w in waiting] == ["one"]


def test_a_source_that_fails_is_not_the_datas_fault(store: Store) -> None:
    """A failure of the system is no refusal."""
    store.source = _Source(SystemFailure("the share is gone"))
    store.put("one", rows({"a": 1.0}))
    with pytest.raises(SystemFailure):
        store.ingest()


def test_equal_events_stand_side_by_side(events_store: Store) -> None:
    """Two calls of one kind at one moment are two calls, once however many files tell them."""
    events_store.put("one", calls(("a", 1, "x"), ("a", 1, "x"), ("b", 2, "y")))
    events_store.ingest()
    events_store.now += DAY
    events_store.put("two", calls(("b", 2, "y"), ("b", 3, "y")))
    events_store.ingest()
    found = data.load_events(events_store.tables, events_store.pin())
    assert sorted(found.select(ENTITY, "kind").rows()) == [
        ("a", "x"),
        ("a", "x"),
        ("b", "y"),
        ("b", "y"),
    ]


def test_an_event_that_was_taken_back_is_gone(events_store: Store) -> None:
    """One of two equal events may be taken back; then one is left."""
    events_store.put("one", calls(("a", 1, "x"), ("a", 1, "x"), ("b", 2, "y")))
    events_store.ingest()
    events_store.now += DAY
    events_store.put("one", calls(("a", 1, "x")))
    events_store.ingest()
    pin = events_store.pin()
    assert data.load_events(events_store.tables, pin).get_column(ENTITY).to_list() == ["a"]
    assert data.load_events(events_store.tables, pin, known_by=NOW).height == 3


def test_a_column_may_say_when_a_row_was_known() -> None:
    """Known-at comes from the column if the contract names one, and the column must be there."""
    found = contract(source=Source(path="x", known_at="loaded"))
    store = Store(feeds(found)[0])
    store.put("one", rows({"a": 1.0}).with_columns(pl.lit(WEEK).alias("loaded")))
    store.put("two", rows({"a": 1.0}))
    accepted, refused = store.ingest()
    assert isinstance(accepted, DataAccepted)
    assert isinstance(refused, DataRefused)
    assert store.tables.read(accepted.pin).get_column(KNOWN_AT).to_list() == [WEEK]
    assert "'loaded' is missing" in refused.reasons[0]


def test_hidden_columns_are_not_stored() -> None:
    """Personal data is checked and dropped, forbidden columns are not even looked at."""
    schema = {"x": Column(type="number"), "phone": Column(type="text")}
    found = contract(schema=schema, pii=("phone",), forbidden=("national_id",))
    store = Store(feeds(found)[0])
    person = [pl.lit("050").alias("phone"), pl.lit("1").alias("national_id")]
    store.put("one", rows({"a": 1.0}).with_columns(person))
    (event,) = store.ingest()
    assert isinstance(event, DataAccepted)
    assert not {"phone", "national_id"} & set(store.tables.read(event.pin).columns)


def test_without_an_entity_each_row_is_its_own() -> None:
    """Rows are named by their content: the same names whatever their order, equal rows apart."""
    store = Store(feeds(contract(entity=None))[0])
    whole = pl.concat([rows({"": 1.0}), rows({"": 1.0}), rows({"": 2.0})]).drop("customer")
    store.put("one", whole)
    (event,) = store.ingest()
    assert isinstance(event, DataAccepted)
    first = store.good()
    assert len(first) == 3
    store.put("one", whole.reverse())
    store.ingest()
    assert (store.good(), store.stored()) == (first, 3)


def test_without_a_time_there_is_one_slice() -> None:
    """No time column: all rows are in one slice."""
    found = contract(time=None, tables={})
    assert rule_of(found) is None
    store = Store(feeds(found)[0])
    store.put("one", rows({"a": 1.0, "b": 2.0}).drop("week"))
    (event,) = store.ingest()
    assert isinstance(event, DataAccepted)
    assert (event.periods, dict(event.latest)) == (("static",), {})
    assert store.good() == {"a": 1.0, "b": 2.0}


def test_a_row_without_a_moment_falls_into_the_batchs_last_period(store: Store) -> None:
    """It is bad, belongs to nobody's week, and is counted with the batch it came in."""
    bad = rows({"d": 1.0}).with_columns(pl.lit(None, pl.Datetime("us", "UTC")).alias("week"))
    store.put("one", pl.concat([rows({"a": 1.0, "b": 2.0, "c": 3.0}), bad]))
    (event,) = store.ingest()
    assert isinstance(event, DataAccepted)
    assert event.periods == ("2026-01-04",)
    assert data.load(store.tables, event.pin).bad.get_column(ENTITY).to_list() == ["d"]


def test_a_column_that_changes_its_type_is_refused() -> None:
    """Without a schema the first batch fixes the types; another type is a refusal by name."""
    store = Store(feeds(contract(schema={}))[0])
    store.put("one", rows({"a": 1.0}))
    store.ingest()
    store.put("two", rows({"b": 1.0}).with_columns(pl.lit("many").alias("x")))
    (event,) = store.ingest()
    assert isinstance(event, DataRefused)
    assert "'x'" in event.reasons[0]


def test_two_batches_of_one_tick_give_one_row_a_key(store: Store) -> None:
    """Of rows that contradict one another in one tick the later file's count, and it is told."""
    store.put("one", rows({"a": 1.0, "b": 2.0}))
    store.put("two", rows({"a": 9.0, "b": 2.0, "c": 3.0}))
    first, second = store.ingest()
    assert isinstance(first, DataAccepted)
    assert isinstance(second, DataAccepted)
    assert store.good() == {"a": 9.0, "b": 2.0, "c": 3.0}
    assert (second.new, second.changed, second.removed) == (1, 1, 0)
    assert (first.volume, second.volume) == ({"2026-01-04": 2}, {"2026-01-04": 1})
    assert any("say otherwise than one" in note for note in second.notes)


def test_contradicting_rows_of_one_batch_are_one_bad_row_a_key(store: Store) -> None:
    """None of them is used, and the entity stands once among the bad rows."""
    batch = rows(dict.fromkeys("abcdefgh", 1.0))
    store.put("one", pl.concat([batch, rows({"a": 2.0})]))
    (event,) = store.ingest()
    assert isinstance(event, DataAccepted)
    loaded = data.load(store.tables, event.pin)
    assert loaded.bad.get_column(ENTITY).to_list() == ["a"]
    assert loaded.good.height == 7


def test_rewritten_rows_are_counted(store: Store) -> None:
    """A batch says how many of its rows are new, changed, taken back; the rest was known."""
    store.put("one", rows({"a": 1.0, "b": 2.0, "c": 3.0}))
    store.ingest()
    store.now += DAY
    store.put("one", rows({"a": 1.0, "b": 5.0, "d": 4.0}))
    (event,) = store.ingest()
    assert isinstance(event, DataAccepted)
    assert (event.rows, event.new, event.changed, event.removed) == (3, 1, 1, 1)
    text = sentence(event)
    assert "(1 new, 1 changed, 1 repeated, 1 taken back)" in text


def test_an_adopted_orphan_is_counted_alike(store: Store) -> None:
    """A write whose event was lost is told with the same numbers."""
    store.put("one", rows({"a": 1.0, "b": 2.0}))
    store.ingest()
    known = dict(store.known)
    store.now += DAY
    store.put("two", rows({"a": 1.0, "b": 5.0, "d": 4.0}))
    (lost,) = store.ingest()
    store.known = known
    store.now += DAY
    (again,) = store.ingest()
    assert isinstance(lost, DataAccepted)
    assert isinstance(again, DataAccepted)
    assert (again.new, again.changed, again.volume) == (lost.new, lost.changed, lost.volume)


def test_a_refusal_names_rules_and_values_but_no_personal_ones() -> None:
    """Each broken rule stands in the reasons with its count and a few values."""
    schema = {"x": Column(type="number", min=0), "phone": Column(type="integer")}
    store = Store(feeds(contract(schema=schema, pii=("phone",)))[0])
    raw = rows({n: -float(i) for i, n in enumerate("abcdef")})
    store.put("two", raw.with_columns(pl.lit("05-1234").alias("phone")))
    (refused,) = store.ingest()
    assert isinstance(refused, DataRefused)
    assert refused.reasons[1] == "phone: wrong type: 6"
    assert not any("05-1234" in reason for reason in refused.reasons)
    plain = Store(feeds(contract())[0])
    plain.put("one", raw)
    (broken,) = plain.ingest()
    assert isinstance(broken, DataRefused)
    assert broken.reasons[1] == "x: below min: 5, such as '-1.0', '-2.0', '-3.0'"
    assert "x: below min: 5" in sentence(broken)


def test_a_column_of_the_wrong_type_is_not_called_empty(store: Store) -> None:
    """Only a column in which nothing stands has no value at all."""
    store.put("one", rows({"a": 1.0}).with_columns(pl.lit("many").alias("x")))
    (event,) = store.ingest()
    assert isinstance(event, DataRefused)
    assert not any("no value" in reason for reason in event.reasons)


def test_what_is_odd_is_told_once(store: Store) -> None:
    """A note stands in the tick's line when it is new; a column that stops varying is new."""
    first = rows({str(n): float(n) for n in range(30)})
    store.put("1", first.with_columns(pl.lit(1).alias("extra")))
    (one,) = store.ingest()
    later = rows({str(n): float(n) for n in range(30)}, WEEK - 7 * DAY)
    store.put("2", later.with_columns(pl.lit(1).alias("extra"), pl.lit(5.0).alias("x")))
    noted = (*one.notes, *one.standing) if isinstance(one, DataAccepted) else ()
    (two,) = data.ingest(
        store.feed, store.source, store.tables, known=store.known, now=NOW, token=1, noted=noted
    )
    assert isinstance(one, DataAccepted)
    assert isinstance(two, DataAccepted)
    assert "note: column 'extra' is not in the contract" in sentence(one)
    assert two.notes == ("column 'x' has one value only, which was not so before",)
    assert two.standing == one.notes


def test_a_source_without_files_is_told(store: Store) -> None:
    """A path that matches nothing is named: it may be mistyped."""
    waiting: list[NotReady] = []
    assert store.ingest(waiting) == []
    assert [w.reason for w in waiting] == ["no file matches rows/*.csv"]


@pytest.mark.parametrize(
    ("stamp", "rule"),
    [
        (WEEK + 2000 * DAY, "in the future"),
        (datetime(1, 1, 1, tzinfo=UTC), "before 1900"),
        (datetime(1753, 1, 1, tzinfo=UTC), "before 1900"),
    ],
)
def test_a_wrong_stamp_counts_in_the_batchs_last_period(
    store: Store, stamp: datetime, rule: str
) -> None:
    """A row stamped years ahead, or never, is set aside in the period it came with."""
    far = rows({"d": 1.0}, stamp)
    store.put("one", pl.concat([rows({"a": 1.0, "b": 2.0, "c": 3.0}), far]))
    (event,) = store.ingest()
    assert isinstance(event, DataAccepted)
    assert (event.periods, dict(event.quarantined)) == (("2026-01-04",), {f"week: {rule}": 1})
    assert dict(event.latest) == {"2026-01-04": "2026-01-04T00:00:00.000000Z"}
    assert data.load(store.tables, event.pin).bad.get_column(PERIOD).to_list() == ["2026-01-04"]


def test_an_unreadable_known_at_breaks_a_rule() -> None:
    """A row that does not say when it was known is set aside, not taken for known now."""
    found = contract(source=Source(path="x", known_at="loaded"))
    store = Store(feeds(found)[0])
    raw = rows({"a": 1.0, "b": 1.0, "c": 1.0, "d": 1.0})
    store.put(
        "one", raw.with_columns(pl.Series("loaded", ["2026-01-04", "soon", "2026-01-04", ""]))
    )
    (event,) = store.ingest()
    assert isinstance(event, DataAccepted)
    assert dict(event.quarantined) == {"loaded: wrong type": 1}


def test_events_of_the_first_import_were_known_when_they_happened(events_store: Store) -> None:
    """History is history; what comes later is known from when it came."""
    events_store.put("one", calls(("a", 1, "x")))
    events_store.ingest()
    events_store.now += DAY
    events_store.put("two", calls(("a", 2, "x")))
    events_store.ingest()
    stored = events_store.tables.read(events_store.pin()).sort(TIME)
    happened = datetime(2026, 1, 1, tzinfo=UTC)
    assert stored.get_column(KNOWN_AT).to_list() == [happened, NOW + DAY]


def test_the_log_carries_the_broken_rules_as_numbers(store: Store) -> None:
    """What a line says in words it also holds as values, for rows refused and set aside alike."""
    store.put("one", rows({"a": 1.0, "b": -2.0, "c": None, "d": 4.0}))
    store.put("two", rows({"a": 1.0, "b": -2.0, "c": 1.0, "d": 4.0}, WEEK - 7 * DAY))
    refused, accepted = store.ingest()
    texts = []
    for event in (refused, accepted):
        sealed = Recorded(
            seq=1,
            stream="churn",
            event=event,
            at=NOW,
            actor="t",
            role=Role.CONTROLLER,
            reason="",
            before="",
            hash="",
        )
        texts.append(line(sealed).broken)
    assert texts == [{"x: below min": 1, "x: missing value": 1}, {"x: below min": 1}]

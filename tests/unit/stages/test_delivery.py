"""Scores reach every target once; late ones are called late; a broken target delays no other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from tamid.adapters.memory import MemoryLedger, MemorySink
from tamid.core.actions import Deliver
from tamid.core.contract.model import Calendar, Contract, Data, Delivery, Label, SinkSpec, Source
from tamid.core.errors import LeaseLost, MissingExtra
from tamid.core.events import Delivered, DeliveryDelayed, Scored
from tamid.core.policy import policy_of
from tamid.core.rules.scoring import deliver as due_deliveries
from tamid.core.signals import Signals
from tamid.core.values import ENTITY, PERIOD, TIME, TablePin, Task
from tamid.ports import Parcel, Sink
from tamid.stages.delivery import deliver, overdue, parcel_of
from tamid.stages.journal import Journal

PERIOD_1 = "2026-01-04"
MORNING = datetime(2026, 1, 4, 6, tzinfo=ZoneInfo("Asia/Jerusalem"))
CONTRACT = Contract(
    tamid=1,
    name="churn",
    task=Task.BINARY,
    data=Data(source=Source(path="rows.csv"), label=Label(column="left", positive=1), entity="id"),
    calendar=Calendar(timezone="Asia/Jerusalem", week_starts="sunday"),
    delivery=Delivery(
        by="Sunday 06:00",
        to=(SinkSpec(kind="csv", target="a.csv"), SinkSpec(kind="webhook", target="env:URL")),
    ),
)


@dataclass(frozen=True)
class Targets:
    """The targets of a model."""

    sinks: Mapping[str, Sink]


class Failing:
    """A target that fails in its own way."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def deliver(self, parcel: Parcel) -> str:
        """Fail."""
        raise self.error


def scored(revision: int = 1) -> Scored:
    """Return the event of a scored period."""
    return Scored(
        period=PERIOD_1,
        revision=revision,
        number=2,
        pin=TablePin(table="churn.predictions", version=1, digest="d"),
        rows=2,
        rungs={"champion": 2},
        reason="period is due" if revision == 1 else "rows came late",
    )


def predictions() -> pl.DataFrame:
    """Return stored predictions of two revisions and another period."""
    entities = ["b", "a", "a", "z"]
    return pl.DataFrame(
        {
            "id": ["1", "2", "3", "4"],
            ENTITY: entities,
            TIME: [datetime(2026, 1, 4, tzinfo=UTC)] * 4,
            PERIOD: [PERIOD_1, PERIOD_1, PERIOD_1, "2025-12-28"],
            "revision": [1, 1, 2, 1],
            "score": [0.9, 0.8, 0.1, 0.5],
            "decision": [1, 1, 0, 1],
            "band": ["high", "high", "low", "high"],
            "version": [2] * 4,
            "rung": ["champion"] * 4,
            "age": [0.0] * 4,
            "control": [True, False, False, False],
            "treated": [False, True, False, True],
            "propensity": [0.1, 0.1, 1.0, 0.1],
            "reason_1": ["x", "y", None, "z"],
        }
    )


def test_a_parcel_holds_one_revision_of_one_period() -> None:
    """Other periods and revisions are left out; rows come by entity; the key names the sink."""
    parcel = parcel_of(CONTRACT, scored(), predictions(), "1-csv")
    assert parcel.key == "churn/2026-01-04/1/1-csv"
    assert parcel.frame["entity"].to_list() == ["a", "b"]
    assert parcel.frame["score"].to_list() == [0.8, 0.9]
    second = parcel_of(CONTRACT, scored(2), predictions(), "1-csv")
    assert (second.revision, second.reason) == (2, "rows came late")
    assert second.frame["score"].to_list() == [0.1]


def test_consumers_see_whom_to_treat_and_not_the_experiment() -> None:
    """`treat` is there; the control flag and the propensity are not."""
    frame = parcel_of(CONTRACT, scored(), predictions(), "1-csv").frame
    assert frame.columns == [
        "entity", "as_of", "period", "revision", "score", "band", "decision", "treat", "version",
        "rung", "age_days", "prediction_id", "reason_1",
    ]  # fmt: skip
    assert dict(frame.select("entity", "treat").iter_rows()) == {"a": True, "b": False}


def journal() -> Journal:
    """Return a journal of a model whose period has been scored."""
    book = Journal(MemoryLedger(), "churn")
    book.append(scored(), MORNING)
    return book


def tick(book: Journal, targets: Targets, now: datetime) -> list[str]:
    """Deliver what is due now and return the names of the targets that were tried."""
    tried = []
    for action in due_deliveries(policy_of(CONTRACT), book.state, Signals(), now):
        assert isinstance(action, Deliver)
        tried.append(action.sink)
        for event in deliver(targets, CONTRACT, book.state, action, predictions(), now):
            book.append(event, now)
    return tried


def test_a_target_that_is_down_delays_only_itself_and_loses_nothing() -> None:
    """The other target is served at once; the broken one is tried again with growing waits."""
    up, down = MemorySink(), MemorySink()
    down.down = "the receiver answered 503"
    book, targets = journal(), Targets({"1-csv": up, "2-webhook": down})
    assert tick(book, targets, MORNING) == ["1-csv", "2-webhook"]
    assert ("churn", PERIOD_1) in up.periods
    assert book.state.delivered == {(PERIOD_1, 1, "1-csv")}
    tried = [h for h in range(1, 25) if tick(book, targets, MORNING + timedelta(hours=h))]
    assert tried == [1, 3, 7, 15]
    down.down = ""
    assert tick(book, targets, MORNING + timedelta(hours=40)) == ["2-webhook"]
    assert down.periods["churn", PERIOD_1].frame.height == 2
    assert tick(book, targets, MORNING + timedelta(days=3)) == []
    events = [r.event for r in book.written]
    assert [e.attempt for e in events if isinstance(e, DeliveryDelayed)] == [1, 2, 3, 4, 5]
    assert {(e.sink, e.late) for e in events if isinstance(e, Delivered)} == {
        ("1-csv", False),
        ("2-webhook", True),
    }


def test_a_target_that_was_never_set_up_is_delayed_with_the_reason() -> None:
    """A missing target or library is recorded as a delay with its reason, not a crash."""
    book = journal()
    missing = MissingExtra("deltalake is not installed", why="1-csv is Delta")
    targets = Targets({"1-csv": Failing(missing)})
    tick(book, targets, MORNING)
    errors = [r.event.error for r in book.written if isinstance(r.event, DeliveryDelayed)]
    assert errors == [
        "deltalake is not installed: 1-csv is Delta",
        "no target is named '2-webhook'",
    ]


def test_a_lost_lease_stops_the_delivery() -> None:
    """An overtaken controller does not note a delay; it stops."""
    book = journal()
    with pytest.raises(LeaseLost):
        tick(book, Targets({"1-csv": Failing(LeaseLost("overtaken"))}), MORNING)


def test_a_crash_between_delivery_and_note_delivers_nothing_twice() -> None:
    """The parcel is handed over again under the same key; the target keeps one copy."""
    sink, book = MemorySink(), journal()
    (action, _) = due_deliveries(policy_of(CONTRACT), book.state, Signals(), MORNING)
    assert isinstance(action, Deliver)
    targets = Targets({"1-csv": sink})
    first = list(deliver(targets, CONTRACT, book.state, action, predictions(), MORNING))
    again = list(deliver(targets, CONTRACT, book.state, action, predictions(), MORNING))
    assert first == again
    assert len(sink.periods) == 1


@pytest.mark.parametrize(
    ("moment", "late"),
    [
        (datetime(2026, 1, 4, 4, 0, tzinfo=UTC), False),
        (datetime(2026, 1, 4, 4, 1, tzinfo=UTC), True),
        (datetime(2026, 1, 3, 12, 0, tzinfo=UTC), False),
    ],
)
def test_late_goes_by_the_contract_s_clock(moment: datetime, late: bool) -> None:
    """Sunday 06:00 in Jerusalem is 04:00 UTC in winter; nothing is owed before a first release."""
    assert overdue(CONTRACT, PERIOD_1, moment) is late
    assert not overdue(CONTRACT, "static", moment)
    assert not overdue(CONTRACT, PERIOD_1, moment, datetime(2026, 1, 7, tzinfo=UTC))
    assert overdue(CONTRACT, PERIOD_1, moment, datetime(2026, 1, 3, tzinfo=UTC)) is late


def test_an_offer_is_shown_to_whom_it_is_made() -> None:
    """One that is held back has drawn an offer, and nobody is told: it would name the group."""
    rows = predictions().with_columns(
        treated=pl.col(ENTITY) == "a", offer=pl.lit("call"), control=pl.col(ENTITY) != "a"
    )
    shown = parcel_of(CONTRACT, scored(), rows, "1-csv").frame
    assert shown.select("entity", "treat", "offer").rows() == [
        ("a", True, "call"),
        ("b", False, None),
    ]
    assert "offer" not in parcel_of(CONTRACT, scored(), predictions(), "1-csv").frame.columns

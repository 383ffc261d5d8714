"""Laws of the Ledger port; a subclass gives fixtures `ledger` and `leases` of one empty store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from tamid.core.chain import GENESIS, Draft, verify_chain
from tamid.core.errors import Conflict, LeaseLost
from tamid.core.events import Measured, Paused, Promoted, RunStarted, Ticked
from tamid.core.values import Interval, Role, TablePin
from tamid.ports import Leases, Ledger

NOW = datetime(2026, 1, 4, 6, tzinfo=UTC)


def drafts(count: int, start: int = 1) -> list[Draft]:
    """Return drafts of ticks, numbered from `start`."""
    return [
        Draft(event=Ticked(tick=f"t{n}", seconds=float(n)), at=NOW, reason=f"turn {n}")
        for n in range(start, start + count)
    ]


class LedgerSuite:
    """What every ledger keeps."""

    def test_an_unknown_stream_is_empty(self, ledger: Ledger) -> None:
        """A stream that nobody wrote to has no events and is not listed."""
        assert list(ledger.read("nobody")) == []
        assert list(ledger.streams()) == []

    def test_events_are_read_back_as_appended(self, ledger: Ledger) -> None:
        """What append returned is what read returns, numbered from 1 without gaps."""
        first = ledger.append("churn", drafts(3), 0, 0)
        second = ledger.append("churn", drafts(2, 4), 3, 0)
        assert list(ledger.read("churn")) == [*first, *second]
        assert [r.seq for r in ledger.read("churn")] == [1, 2, 3, 4, 5]
        assert [r.event for r in ledger.read("churn")] == [d.event for d in drafts(5)]

    def test_nested_and_unicode_content_survives(self, ledger: Ledger) -> None:
        """Pins, intervals, maps, Hebrew text, role, actor and reason come back unchanged."""
        pin = TablePin(table="נטישה.rows", version=3, digest="sha256:ab")
        events = [
            RunStarted(
                run="r1", trigger="age", reason='ישן "מאוד"\n\t\x00', window="all", contract="c",
                code={"מודל.py": "x"}, pins=(pin,), seed=7,
            ),
            Measured(
                signal="f1", period="2026-01-04", value=0.8,
                interval=Interval(point=0.8, low=0.7, high=0.9), detail={"n": 1e-300},
            ),
        ]  # fmt: skip
        given = [
            Draft(event=e, at=NOW, actor="דנה", role=Role.ML_DEVELOPER, reason="כי") for e in events
        ]
        ledger.append("נטישה", given, 0, 0)
        again = ledger.read("נטישה")
        assert [r.event for r in again] == events
        assert {(r.actor, r.role, r.reason, r.at) for r in again} == {
            ("דנה", Role.ML_DEVELOPER, "כי", NOW)
        }

    def test_moments_of_other_zones_are_the_same_moment(self, ledger: Ledger) -> None:
        """A moment given in another zone comes back as the same one in UTC, to the microsecond."""
        local = datetime(2026, 1, 4, 8, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
        ledger.append("churn", [Draft(event=Paused(), at=local)], 0, 0)
        (record,) = ledger.read("churn")
        assert record.at == local
        assert record.at.utcoffset() == timedelta(0)

    def test_reading_behind_an_event_leaves_out_the_earlier_ones(self, ledger: Ledger) -> None:
        """`after` gives exactly the later events, and nothing behind the end."""
        ledger.append("churn", drafts(5), 0, 0)
        for after in range(7):
            assert [r.seq for r in ledger.read("churn", after)] == list(range(after + 1, 6))

    def test_the_chain_holds_over_several_appends(self, ledger: Ledger) -> None:
        """Each record seals the one before; the first one the genesis hash."""
        ledger.append("churn", drafts(2), 0, 0)
        ledger.append("churn", drafts(2, 3), 2, 0)
        records = ledger.read("churn")
        assert records[0].before == GENESIS
        assert verify_chain(records) == records[-1].hash
        assert verify_chain(ledger.read("churn", 2), records[1].hash) == records[-1].hash

    def test_a_stale_append_is_refused_and_writes_nothing(self, ledger: Ledger) -> None:
        """Whoever did not see the newest event gets a conflict; all of the append is dropped."""
        ledger.append("churn", drafts(2), 0, 0)
        for expected in (0, 1, 3):
            with pytest.raises(Conflict):
                ledger.append("churn", drafts(2, 9), expected, 0)
        assert [r.event for r in ledger.read("churn")] == [d.event for d in drafts(2)]

    def test_an_append_is_all_or_nothing(self, ledger: Ledger) -> None:
        """If one draft cannot be written, none is."""
        naive = Draft(event=Paused(), at=NOW.replace(tzinfo=None))
        with pytest.raises(ValueError, match="time zone"):
            ledger.append("churn", [*drafts(2), naive], 0, 0)
        assert list(ledger.read("churn")) == []
        assert [r.seq for r in ledger.append("churn", drafts(1), 0, 0)] == [1]

    def test_appending_nothing_changes_nothing(self, ledger: Ledger) -> None:
        """An empty append is accepted, returns nothing and makes no stream."""
        assert list(ledger.append("churn", [], 0, 0)) == []
        assert list(ledger.streams()) == []

    def test_streams_are_apart_and_sorted(self, ledger: Ledger) -> None:
        """Each model has its own numbering; the names come sorted."""
        for name in ("b", "a", "c.d-1"):
            ledger.append(name, drafts(1), 0, 0)
        assert list(ledger.streams()) == ["a", "b", "c.d-1"]
        assert [r.seq for r in ledger.read("a")] == [1]
        assert ledger.read("a")[0].hash != ledger.read("b")[0].hash

    def test_an_overtaken_controller_is_fenced_off(self, ledger: Ledger, leases: Leases) -> None:
        """After another took the lease, the old token writes no more, even at the right place."""
        old = leases.acquire("churn", "one", NOW, timedelta(minutes=1))
        ledger.append("churn", drafts(1), 0, old.token)
        new = leases.acquire("churn", "two", NOW + timedelta(minutes=2), timedelta(minutes=1))
        with pytest.raises(LeaseLost):
            ledger.append("churn", drafts(1, 2), 1, old.token)
        assert len(ledger.append("churn", drafts(1, 2), 1, new.token)) == 1
        assert len(ledger.read("churn")) == 2

    def test_a_released_lease_still_fences(self, ledger: Ledger, leases: Leases) -> None:
        """Giving a lease back does not let an older token in again."""
        old = leases.acquire("churn", "one", NOW, timedelta(minutes=1))
        new = leases.acquire("churn", "two", NOW + timedelta(minutes=2), timedelta(minutes=1))
        leases.release(new)
        with pytest.raises(LeaseLost):
            ledger.append("churn", drafts(1), 0, old.token)

    def test_a_person_may_act_whatever_lease_is_held(self, ledger: Ledger, leases: Leases) -> None:
        """Token 0 is accepted beside a running lease, and the controller must then read again."""
        lease = leases.acquire("churn", "one", NOW, timedelta(minutes=1))
        promoted = Promoted(number=2, previous=1, reason="by hand", evidence="")
        ledger.append("churn", [Draft(event=promoted, at=NOW)], 0, 0)
        with pytest.raises(Conflict):
            ledger.append("churn", drafts(1), 0, lease.token)
        assert len(ledger.append("churn", drafts(1), 1, lease.token)) == 1

    def test_fencing_knows_streams_apart(self, ledger: Ledger, leases: Leases) -> None:
        """A lease on one model takes nothing away from another model's controller."""
        one = leases.acquire("a", "one", NOW, timedelta(minutes=1))
        leases.acquire("b", "one", NOW, timedelta(minutes=1))
        leases.acquire("b", "two", NOW + timedelta(minutes=2), timedelta(minutes=1))
        assert len(ledger.append("a", drafts(1), 0, one.token)) == 1

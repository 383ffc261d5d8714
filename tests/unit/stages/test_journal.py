"""The journal: one controller's pen, while people may write, too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tamid.adapters.memory import MemoryLeases, MemoryLedger
from tamid.core import events as ev
from tamid.core.errors import Conflict, LeaseLost, SystemFailure
from tamid.core.fold import fold
from tamid.core.values import Role
from tamid.ports import Lease
from tamid.stages.journal import Journal, holding

NOW = datetime(2026, 1, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def leases() -> MemoryLeases:
    """Leases of one workspace."""
    return MemoryLeases()


@pytest.fixture
def ledger(leases: MemoryLeases) -> MemoryLedger:
    """A ledger fenced by them."""
    return MemoryLedger(leases)


def test_what_was_done_is_recorded_behind_a_person_s_act(
    ledger: MemoryLedger, leases: MemoryLeases
) -> None:
    """A pause during a long act loses neither the act nor the pause."""
    token = leases.acquire("m", "a", NOW, HOUR).token
    journal = Journal(ledger, "m", token=token)
    journal.append(ev.ContractAdopted(contract="c"), NOW)
    Journal(ledger, "m").append(ev.Paused(), NOW, actor="dana", role=Role.MLOPS_ENGINEER)
    state = journal.append(ev.Ticked(tick="t"), NOW)
    assert [type(r.event).__name__ for r in ledger.read("m")] == [
        "ContractAdopted",
        "Paused",
        "Ticked",
    ]
    assert state.paused is not None
    assert state == fold(ledger.read("m"))
    assert [type(r.event) for r in journal.written] == [ev.ContractAdopted, ev.Ticked]


CHOICES = (
    ev.Decided(tick="t", round=0, signals="{}", actions="[]", policy="p"),
    ev.Promoted(number=2, previous=1, reason="passed shadow", evidence=""),
    ev.StageEntered(number=2, stage="shadow"),
    ev.RungSet(rung="previous", reason="better"),
)


@pytest.mark.parametrize("choice", CHOICES, ids=lambda c: type(c).__name__)
def test_a_choice_does_not_stand_behind_what_it_did_not_know(
    ledger: MemoryLedger, leases: MemoryLeases, choice: ev.Event
) -> None:
    """A version that was just rejected is not promoted; the turn is made again instead."""
    token = leases.acquire("m", "a", NOW, HOUR).token
    journal = Journal(ledger, "m", token=token)
    Journal(ledger, "m").append(ev.Paused(), NOW)
    with pytest.raises(Conflict):
        journal.append(choice, NOW)
    assert len(ledger.read("m")) == 1


def test_a_controller_that_was_replaced_writes_nothing(
    ledger: MemoryLedger, leases: MemoryLeases
) -> None:
    """A newer lease ends the older controller, whatever it had still to record."""
    old = Journal(ledger, "m", token=leases.acquire("m", "a", NOW, HOUR).token)
    new = Journal(ledger, "m", token=leases.acquire("m", "b", NOW + 2 * HOUR, HOUR).token)
    new.append(ev.Ticked(tick="t"), NOW)
    with pytest.raises(LeaseLost):
        old.append(ev.Ticked(tick="late"), NOW)
    assert len(ledger.read("m")) == 1


def test_a_person_s_act_on_an_older_state_is_refused(ledger: MemoryLedger) -> None:
    """Who decided on what they saw must look again when it has changed."""
    person = Journal(ledger, "m")
    Journal(ledger, "m").append(ev.Paused(), NOW)
    with pytest.raises(Conflict):
        person.append(ev.Resumed(), NOW)


def test_events_appended_together_stand_together_or_not_at_all(
    ledger: MemoryLedger, leases: MemoryLeases
) -> None:
    """One of them is a choice that came too late: none of them is recorded."""
    token = leases.acquire("m", "a", NOW, HOUR).token
    journal = Journal(ledger, "m", token=token)
    journal.append_all([ev.ContractAdopted(contract="c"), ev.Ticked(tick="t")], NOW)
    assert [r.seq for r in journal.written] == [1, 2]
    Journal(ledger, "m").append(ev.Paused(), NOW, actor="dana", role=Role.MLOPS_ENGINEER)
    together = [ev.StageEntered(number=2, stage="shadow"), ev.ReleaseStopped(number=2, reason="r")]
    with pytest.raises(Conflict):
        journal.append_all(together, NOW)
    assert len(ledger.read("m")) == 3
    assert journal.append_all([], NOW) == journal.state


class FullDisk(MemoryLeases):
    """Leases that can be taken and, the disk being full by then, not given back."""

    def release(self, lease: Lease) -> None:
        """Fail."""
        raise SystemFailure("the disk is full")


def test_what_went_wrong_under_a_lease_is_told_before_the_lease_itself() -> None:
    """A lease that cannot be given back hides no failure; without another it is one itself."""
    with (
        pytest.raises(ValueError, match="the real trouble"),
        holding(FullDisk(), "m", "a", NOW, HOUR),
    ):
        raise ValueError("the real trouble")
    with pytest.raises(SystemFailure), holding(FullDisk(), "m", "a", NOW, HOUR):
        pass


def test_a_held_lease_is_given_back(leases: MemoryLeases) -> None:
    """Whether all went well or not."""
    with holding(leases, "m", "a", NOW, HOUR) as lease:
        assert lease.token == 1
    with pytest.raises(ValueError, match="x"), holding(leases, "m", "b", NOW, HOUR):
        raise ValueError("x")
    held = leases.held("m")
    assert held is not None
    assert held.holder == ""

"""The codec reads what later and earlier versions wrote, or says so."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tamid.core.chain import GENESIS, Draft, chain, decode, encode, reopen, verify_chain
from tamid.core.errors import IntegrityError
from tamid.core.events import CaseOpened, Paused, Ticked
from tamid.core.values import Role, digest_bytes

NOW = datetime(2026, 1, 4, tzinfo=UTC)


def test_a_field_named_like_the_envelope_does_not_hide_the_kind() -> None:
    """An event that has a field `kind` of its own is still read as itself."""
    case = CaseOpened(case=1, role=Role.ML_DEVELOPER, kind="held", title="t", report="r")
    assert decode(encode(case)) == case


def test_a_field_added_later_takes_its_default_and_the_old_seal_still_holds() -> None:
    """A body written before a field existed reads with the default and verifies unchanged."""
    body = (
        '{"actor":"tamid","at":"2026-01-04T00:00:00.000000Z","event":'
        '{"data":{"tick":"t1"},"kind":"Ticked","v":1},"reason":"","role":"controller"}'
    )
    sealed = digest_bytes(f'["churn",1,{body},"{GENESIS}"]'.encode())
    (record,) = reopen("churn", [(1, body, sealed)])
    assert record.event == Ticked(tick="t1", seconds=0.0)
    assert verify_chain([record]) == sealed


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"kind": "Teleported", "v": 1, "data": {}}, "unknown event 'Teleported'"),
        (
            {"kind": "Paused", "v": 1, "data": {"until": "", "mood": 1}},
            "Paused that cannot be read",
        ),
        ({"kind": "Ticked", "v": 1, "data": {}}, "Ticked that cannot be read"),
        ({"kind": "Event", "v": 1, "data": {}}, "unknown event 'Event'"),
        ({"v": 1}, "unknown event None"),
    ],
)
def test_what_cannot_be_read_is_an_integrity_error(data: dict[str, object], said: str) -> None:
    """Unknown kinds, unknown fields and missing fields are named, never guessed."""
    with pytest.raises(IntegrityError, match=said):
        decode(data)


def test_the_record_holds_the_event_as_it_will_be_read() -> None:
    """A whole number in a number's place comes out of append as it comes out of read."""
    record = chain("churn", 1, Draft(event=Ticked(tick="t", seconds=1), at=NOW), GENESIS)
    assert json.loads(record.body)["event"]["data"]["seconds"] == 1
    assert isinstance(record.event, Ticked)
    assert isinstance(record.event.seconds, float)


def test_a_history_whose_start_is_missing_does_not_verify() -> None:
    """Records that do not begin with event 1 need the hash before them."""
    first = chain("churn", 1, Draft(event=Paused(), at=NOW), GENESIS)
    second = chain("churn", 2, Draft(event=Paused(), at=NOW), first.hash)
    assert verify_chain([second], first.hash) == second.hash
    with pytest.raises(IntegrityError, match="altered at event 1"):
        verify_chain([second])


def test_no_records_have_the_head_they_stand_on() -> None:
    """The head of nothing is what came before."""
    assert verify_chain([]) == GENESIS
    assert reopen("churn", []) == ()

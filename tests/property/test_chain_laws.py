"""Laws of the ledger's codec and hash chain, over every kind of event."""

from __future__ import annotations

import dataclasses
import json
import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamid.core.chain import GENESIS, Draft, Recorded, chain, decode, encode, reopen, verify_chain
from tamid.core.errors import IntegrityError
from tamid.core.events import Event, Measured
from tamid.core.values import canonical_json
from tamid.testing.strategies import any_draft, kinds, of_kind

HISTORY = st.lists(any_draft(), min_size=1, max_size=6)


def sealed(drafts: list[Draft]) -> list[Recorded]:
    """Chain drafts as a store does."""
    records: list[Recorded] = []
    for seq, draft in enumerate(drafts, start=1):
        records.append(chain("m", seq, draft, records[-1].hash if records else GENESIS))
    return records


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_every_event_survives_the_way_through_json(kind: type[Event], data: st.DataObject) -> None:
    """Decoding the JSON text of an event gives an equal event of the same class."""
    event = data.draw(of_kind(kind))
    again = decode(json.loads(canonical_json(encode(event))))
    assert type(again) is kind
    assert again == event


@given(value=st.floats())
def test_numbers_that_are_not_finite_come_back_as_nan(value: float) -> None:
    """A finite number is exact to the last bit; any other is NaN, never None or a guess."""
    event = decode(
        json.loads(canonical_json(encode(Measured(signal="s", period="p", value=value))))
    )
    assert isinstance(event, Measured)
    if math.isfinite(value):
        assert event.value == value
        assert math.copysign(1, event.value) == math.copysign(1, value)
    else:
        assert math.isnan(event.value)


@given(drafts=HISTORY)
@settings(max_examples=40, deadline=None)
def test_an_untouched_history_verifies_and_reopens(drafts: list[Draft]) -> None:
    """What was sealed verifies, and stored rows reopen to the same records."""
    records = sealed(drafts)
    assert verify_chain(records) == records[-1].hash
    assert list(reopen("m", [(r.seq, r.body, r.hash) for r in records])) == records


@given(drafts=HISTORY, data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_altered_field_is_found(drafts: list[Draft], data: st.DataObject) -> None:
    """Changing anything in any record, also together with a newly computed hash, is found."""
    records = sealed([*drafts, drafts[0]])
    place = data.draw(st.integers(0, len(records) - 2))
    victim = records[place]
    altered = data.draw(
        st.sampled_from(
            [
                dataclasses.replace(victim, actor=victim.actor + "x"),
                dataclasses.replace(victim, reason=victim.reason + "x"),
                dataclasses.replace(victim, at=victim.at + timedelta(microseconds=1)),
                dataclasses.replace(victim, event=dataclasses.replace(victim.event, key="forged")),
                dataclasses.replace(victim, stream="other"),
                dataclasses.replace(victim, seq=victim.seq + 1),
                chain("m", victim.seq, Draft(event=victim.event, at=MOMENT), victim.before),
            ]
        )
    )
    if altered == victim:
        return
    with pytest.raises(IntegrityError, match="altered at event"):
        verify_chain([*records[:place], altered, *records[place + 1 :]])


@given(drafts=HISTORY, data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_removed_moved_or_repeated_record_is_found(
    drafts: list[Draft], data: st.DataObject
) -> None:
    """Taking one out (but the last), swapping two or repeating one never goes unnoticed."""
    records = sealed([*drafts, drafts[0]])
    one = data.draw(st.integers(0, len(records) - 2))
    swapped = list(records)
    swapped[one], swapped[one + 1] = swapped[one + 1], swapped[one]
    broken = [
        records[:one] + records[one + 1 :],
        swapped,
        records[: one + 1] + records[one:],
    ]
    for forged in broken:
        with pytest.raises(IntegrityError):
            verify_chain(forged)
        with pytest.raises(IntegrityError):
            reopen("m", [(r.seq, r.body, r.hash) for r in forged])


@given(drafts=HISTORY, data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_altered_byte_of_the_stored_text_is_found(
    drafts: list[Draft], data: st.DataObject
) -> None:
    """One other character anywhere in a stored body is an integrity error before it is used."""
    rows = [(r.seq, r.body, r.hash) for r in sealed(drafts)]
    place = data.draw(st.integers(0, len(rows) - 1))
    seq, body, sealed_hash = rows[place]
    at = data.draw(st.integers(0, len(body) - 1))
    other = data.draw(st.characters(exclude_categories=["Cs"]).filter(lambda c: c != body[at]))
    rows[place] = (seq, body[:at] + other + body[at + 1 :], sealed_hash)
    with pytest.raises(IntegrityError, match=f"altered at event {seq}"):
        reopen("m", rows)


MOMENT = datetime(1999, 12, 31, tzinfo=UTC)

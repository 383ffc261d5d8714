"""The signed workspace head shows what a hash chain alone cannot: a tail that was cut off."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import UTC, datetime

import pytest

from tamid.core.chain import GENESIS, Draft, Recorded, chain
from tamid.core.errors import IntegrityError
from tamid.core.events import Ticked
from tamid.core.head import WorkspaceHead, read_head, seal_head, verify_head, write_head

NOW = datetime(2026, 1, 4, tzinfo=UTC)


def stream(name: str, count: int, salt: str = "") -> list[Recorded]:
    """Return a chained stream of ticks."""
    records: list[Recorded] = []
    for seq in range(1, count + 1):
        draft = Draft(event=Ticked(tick=f"{salt}{seq}"), at=NOW)
        records.append(chain(name, seq, draft, records[-1].hash if records else GENESIS))
    return records


def sign(message: bytes) -> str:
    """Sign with a keyed hash: enough to see that the signature is asked about the right bytes."""
    return hashlib.sha256(b"key" + message).hexdigest()


def verify(message: bytes, signature: str) -> None:
    """Refuse what `sign` did not make."""
    if sign(message) != signature:
        raise IntegrityError("bad signature")


def head() -> WorkspaceHead:
    """Return the head over two streams."""
    ends = {"b": stream("b", 2)[-1], "a": stream("a", 3)[-1], "empty": None}
    return seal_head(ends, NOW, sign)


def test_unchanged_and_grown_streams_hold() -> None:
    """The head holds for what was there and for later growth, also after a way through text."""
    again = read_head(write_head(head()))
    assert again == head()
    assert [s.stream for s in again.streams] == ["a", "b"]
    verify_head(again, {"a": stream("a", 3), "b": stream("b", 2)}, verify)
    verify_head(again, {"a": stream("a", 5), "b": stream("b", 2), "c": stream("c", 1)}, verify)


def test_every_cut_missing_or_replaced_stream_is_named() -> None:
    """A deleted tail, a deleted stream and a rewritten one are all found at once."""
    with pytest.raises(IntegrityError, match=r"'a' ends at event 2.*'b' ends at event 0"):
        verify_head(head(), {"a": stream("a", 2)}, verify)
    with pytest.raises(IntegrityError, match="'a' is another one up to event 3"):
        verify_head(head(), {"a": stream("a", 3, "forged"), "b": stream("b", 2)}, verify)


def test_a_head_altered_after_signing_is_refused() -> None:
    """Lowering a number in the head breaks its signature."""
    forged = dataclasses.replace(head(), streams=head().streams[:1])
    with pytest.raises(IntegrityError, match="bad signature"):
        verify_head(forged, {"a": stream("a", 3)}, verify)
    moved = dataclasses.replace(head(), at=NOW.replace(year=2025))
    with pytest.raises(IntegrityError, match="bad signature"):
        verify_head(moved, {"a": stream("a", 3), "b": stream("b", 2)}, verify)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"streams": 3}', '{"streams": [{"seq": 1}]}'])
def test_text_that_is_no_head_is_refused(text: str) -> None:
    """Damaged text is an integrity error, not a crash."""
    with pytest.raises(IntegrityError, match="not a workspace head"):
        read_head(text)

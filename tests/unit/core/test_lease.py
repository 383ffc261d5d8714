"""The rules by which a lease is taken, given back and fences off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamid.core.errors import Conflict, LeaseLost
from tamid.core.lease import Hold, check_append, give_back, take

NOW = datetime(2026, 1, 4, tzinfo=UTC)
TTL = timedelta(minutes=1)


@given(
    steps=st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(-10_000, 10_000), st.booleans()), max_size=30
    )
)
def test_tokens_never_fall_and_no_two_holders_share_one(
    steps: list[tuple[str, int, bool]],
) -> None:
    """Whatever the clock does, a token belongs to one holder and the newest is the highest."""
    hold: Hold | None = None
    owners: dict[int, str] = {}
    for holder, seconds, release in steps:
        before = hold.token if hold else 0
        try:
            hold = take("m", hold, holder, NOW + timedelta(seconds=seconds), TTL)
        except Conflict:
            continue
        assert hold.token >= before
        assert owners.setdefault(hold.token, holder) == holder
        if release:
            hold = give_back(hold, holder, hold.token)


def test_an_append_is_judged_by_token_first_then_by_place() -> None:
    """An old token is lost even at the right place; the wrong place is a conflict either way."""
    check_append("m", 3, 3, 7, 7)
    check_append("m", 3, 3, 7, 0)
    with pytest.raises(LeaseLost, match="token 6, newest 7"):
        check_append("m", 3, 3, 7, 6)
    with pytest.raises(Conflict, match="ends at event 3, not at 2") as behind:
        check_append("m", 3, 2, 7, 7)
    assert not isinstance(behind.value, LeaseLost)
    with pytest.raises(Conflict, match="ends at event 3, not at 4") as ahead:
        check_append("m", 3, 4, 7, 7)
    assert "older copy" in ahead.value.why

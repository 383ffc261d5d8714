"""Laws of the Leases port; a subclass gives the fixture `leases` of an empty store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tamid.core.errors import Conflict
from tamid.ports import Lease, Leases

NOW = datetime(2026, 1, 4, 6, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class LeasesSuite:
    """What every keeper of leases keeps."""

    def test_the_first_holder_gets_it(self, leases: Leases) -> None:
        """A free stream is leased until now + ttl, with a token above 0."""
        lease = leases.acquire("churn", "one", NOW, MINUTE)
        assert lease == Lease(stream="churn", holder="one", token=lease.token, until=NOW + MINUTE)
        assert lease.token > 0

    def test_another_holder_is_refused_by_name_and_end(self, leases: Leases) -> None:
        """While a lease runs, another holder learns who holds it and until when."""
        leases.acquire("churn", "one", NOW, MINUTE)
        with pytest.raises(Conflict, match=r"held by one until 2026-01-04T06:01"):
            leases.acquire("churn", "two", NOW + timedelta(seconds=59), MINUTE)

    def test_one_renews_ones_own_under_the_same_token(self, leases: Leases) -> None:
        """A renewal moves the end and keeps the token."""
        first = leases.acquire("churn", "one", NOW, MINUTE)
        again = leases.acquire("churn", "one", NOW + timedelta(seconds=30), MINUTE)
        assert again.token == first.token
        assert again.until == NOW + timedelta(seconds=90)
        with pytest.raises(Conflict):
            leases.acquire("churn", "two", NOW + timedelta(seconds=80), MINUTE)

    def test_a_lease_that_ran_out_is_taken_over_with_a_higher_token(self, leases: Leases) -> None:
        """From its end on, a lease is free; tokens rise with each new holder and never fall."""
        tokens = [
            leases.acquire("churn", holder, NOW + n * MINUTE, MINUTE).token
            for n, holder in enumerate(("one", "two", "one", "three"))
        ]
        assert tokens == sorted(set(tokens))

    def test_a_released_lease_is_free_at_once(self, leases: Leases) -> None:
        """After release anybody may take it, under a higher token, even the same holder."""
        first = leases.acquire("churn", "one", NOW, MINUTE)
        leases.release(first)
        second = leases.acquire("churn", "two", NOW, MINUTE)
        leases.release(second)
        third = leases.acquire("churn", "two", NOW, MINUTE)
        assert first.token < second.token < third.token

    def test_releasing_a_lost_lease_changes_nothing(self, leases: Leases) -> None:
        """Whoever lost the lease cannot give away another's."""
        lost = leases.acquire("churn", "one", NOW, MINUTE)
        leases.acquire("churn", "two", NOW + MINUTE, MINUTE)
        leases.release(lost)
        with pytest.raises(Conflict, match="two"):
            leases.acquire("churn", "one", NOW + MINUTE, MINUTE)

    def test_releasing_an_unknown_lease_changes_nothing(self, leases: Leases) -> None:
        """A lease on a stream that was never leased is ignored."""
        leases.release(Lease(stream="churn", holder="one", token=4, until=NOW))
        assert leases.acquire("churn", "two", NOW, MINUTE).holder == "two"

    def test_streams_are_leased_apart(self, leases: Leases) -> None:
        """Holding one model's lease leaves the others free."""
        leases.acquire("a", "one", NOW, MINUTE)
        assert leases.acquire("b", "two", NOW, MINUTE).holder == "two"

    def test_a_clock_set_back_does_not_lock_a_model_for_years(self, leases: Leases) -> None:
        """A lease taken under a clock ten years ahead is taken over, under a higher token."""
        wrong = leases.acquire("churn", "one", NOW + timedelta(days=3650), MINUTE)
        right = leases.acquire("churn", "two", NOW, MINUTE)
        assert right.token > wrong.token

    def test_a_small_step_back_does_not_free_a_lease(self, leases: Leases) -> None:
        """A clock corrected by seconds still sees the lease as running."""
        leases.acquire("churn", "one", NOW, MINUTE)
        with pytest.raises(Conflict):
            leases.acquire("churn", "two", NOW - timedelta(seconds=30), MINUTE)

"""Laws of the Spool port; a subclass gives the fixtures `spool` and `put(name, content)`."""

from __future__ import annotations

from collections.abc import Callable

from tamid.core.spool import ROWS
from tamid.ports import Spool
from tamid.testing.segments import segment

Put = Callable[[str, bytes], None]


def numbered(n: int) -> bytes:
    """Return a segment that is told from others."""
    return segment([(ROWS, {"rows": [n]})], began=float(n))


class SpoolSuite:
    """What every spool keeps."""

    def test_an_empty_spool_has_nothing_to_take(self, spool: Spool) -> None:
        """No claim, and discarding one that is not there changes nothing."""
        assert spool.claim() is None
        spool.discard("nobody's")
        assert spool.claim() is None

    def test_what_is_ready_is_taken_together(self, spool: Spool, put: Put) -> None:
        """Oldest first, with what the segments hold."""
        for n in (2, 1, 3):
            put(f"{n:03d}", numbered(n))
        claim = spool.claim()
        assert claim is not None
        assert [next(iter(s.of(ROWS)))["rows"] for s in claim.segments.values()] == [[1], [2], [3]]
        assert all(s.sealed for s in claim.segments.values())

    def test_a_claim_stays_the_same_until_it_is_discarded(self, spool: Spool, put: Put) -> None:
        """What comes meanwhile waits for the next claim, which has another name."""
        put("001", numbered(1))
        first = spool.claim()
        put("002", numbered(2))
        assert first is not None
        assert spool.claim() == first
        spool.discard(first.name)
        second = spool.claim()
        assert second is not None
        assert second.name != first.name
        assert [next(iter(s.of(ROWS)))["rows"] for s in second.segments.values()] == [[2]]
        spool.discard(first.name)
        assert spool.claim() == second
        spool.discard(second.name)
        assert spool.claim() is None

    def test_a_torn_segment_is_taken_as_far_as_it_goes(self, spool: Spool, put: Put) -> None:
        """Whole blocks count, and it is not sealed."""
        put("001", numbered(1)[:-3])
        claim = spool.claim()
        assert claim is not None
        (found,) = claim.segments.values()
        assert (found.sealed, len(found.blocks)) == (False, 2)

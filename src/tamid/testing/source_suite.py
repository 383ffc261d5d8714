"""Laws of the Source port; a subclass gives the fixtures `source`, `put` and `remove`.

`put(name, rows)` makes a producer put down a batch of rows with the columns `customer` and `x`, or
a new version of it, and moves time on a little; `remove(name)` takes it away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest

from tamid.core.errors import BatchNotReady
from tamid.ports import Batch, Source

Put = Callable[[str, Sequence[Mapping[str, str]]], None]
Remove = Callable[[str], None]

ROWS = [{"customer": "7", "x": "1.5"}, {"customer": "8", "x": "בסיס"}]


class SourceSuite:
    """What every source keeps."""

    def test_nothing_is_there_at_first(self, source: Source) -> None:
        """A source into which nobody put anything has no batches."""
        assert list(source.batches()) == []

    def test_rows_are_read_as_they_are(self, source: Source, put: Put) -> None:
        """A batch gives the rows that were put down, in their order."""
        put("a", ROWS)
        (batch,) = source.batches()
        assert source.read(batch).to_dicts() == ROWS
        assert source.read(batch).to_dicts() == ROWS

    def test_batches_come_oldest_first(self, source: Source, put: Put) -> None:
        """What was put down first is listed first, whatever its name."""
        for name in ("b", "a", "c"):
            put(name, [{"customer": name, "x": "1"}])
        batches = source.batches()
        assert [source.read(b).item(0, "customer") for b in batches] == ["b", "a", "c"]
        assert len({b.name for b in batches}) == 3
        assert [b.modified for b in batches] == sorted(b.modified for b in batches)

    def test_a_fingerprint_tells_content(self, source: Source, put: Put) -> None:
        """The same content keeps its fingerprint, other content under the name has another."""
        put("a", ROWS)
        first = self._only(source)
        assert self._only(source).fingerprint == first.fingerprint
        put("a", ROWS[:1])
        second = self._only(source)
        assert (second.name, second.fingerprint == first.fingerprint) == (first.name, False)
        assert source.read(second).height == 1

    def test_a_batch_that_changed_is_not_read(self, source: Source, put: Put) -> None:
        """A batch listed before it changed is not ready: what is read is what was listed."""
        put("a", ROWS)
        listed = self._only(source)
        put("a", ROWS[:1])
        with pytest.raises(BatchNotReady):
            source.read(listed)

    def test_a_batch_that_vanished_is_not_ready(
        self, source: Source, put: Put, remove: Remove
    ) -> None:
        """A batch that is gone is neither listed nor read."""
        put("a", ROWS)
        listed = self._only(source)
        remove("a")
        assert list(source.batches()) == []
        with pytest.raises(BatchNotReady):
            source.read(listed)

    def test_a_batch_without_rows_is_not_ready(self, source: Source, put: Put) -> None:
        """Nothing but columns is never read as truth."""
        put("a", [])
        for batch in source.batches():
            with pytest.raises(BatchNotReady):
                source.read(batch)

    def _only(self, source: Source) -> Batch:
        (batch,) = source.batches()
        return batch

"""Every look-up keeps the laws of its port; the file is fast, and swapped under its readers."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tamid.adapters.lookup import LookupFile
from tamid.adapters.memory_lookup import MemoryLookup
from tamid.core.errors import SystemFailure
from tamid.core.values import canonical_json
from tamid.ports import Known
from tamid.testing.lookup_suite import LookupSuite, known


class TestMemoryLookup(LookupSuite):
    """Look-ups in memory."""

    @pytest.fixture
    def lookup(self) -> MemoryLookup:
        return MemoryLookup()


class TestLookupFile(LookupSuite):
    """Look-ups in a file."""

    @pytest.fixture
    def lookup(self, tmp_path: Path) -> LookupFile:
        return LookupFile(tmp_path / "deep" / "known.sqlite")

    def test_a_reader_sees_the_swap(self, lookup: LookupFile, tmp_path: Path) -> None:
        """One that has the file open finds the next content by itself; nothing half is left."""
        writer = LookupFile(tmp_path / "deep" / "known.sqlite")
        writer.write("one", [known("a")])
        assert lookup.get("a") == known("a")
        writer.write("two", [known("a", 0.9)])
        assert lookup.get("a") == known("a", 0.9)
        assert [p.name for p in (tmp_path / "deep").iterdir()] == ["known.sqlite"]

    def test_a_file_that_is_none_knows_nobody(self, lookup: LookupFile, tmp_path: Path) -> None:
        """A broken file is as none, and is written anew."""
        (tmp_path / "deep").mkdir()
        (tmp_path / "deep" / "known.sqlite").write_bytes(b"not a database at all" * 100)
        assert (lookup.key(), lookup.get("a")) == ("", None)
        lookup.write("one", [known("a")])
        assert lookup.get("a") == known("a")

    def test_a_place_that_cannot_be_written_is_told(self, tmp_path: Path) -> None:
        """As a failure of the system."""
        (tmp_path / "deep").write_bytes(b"in the way")
        with pytest.raises(SystemFailure, match="could not be written"):
            LookupFile(tmp_path / "deep" / "known.sqlite").write("one", [known("a")])

    @pytest.mark.bench
    def test_a_look_up_costs_little_more_than_a_bare_one(self, tmp_path: Path) -> None:
        """Of 200,000 entities with 20 inputs each, in an order that no cache foresees.

        Held against the same statement on an open connection, as the machine may be busy.
        """
        inputs = canonical_json({f"column_{n}": n * 1.37 for n in range(20)})
        place = tmp_path / "known.sqlite"
        started = time.process_time()
        entries = (
            Known(entity=f"c{n:07d}", as_of=1.0, inputs=inputs, score=0.5, version=1, made=1.0)
            for n in range(200_000)
        )
        LookupFile(place).write("k", entries)
        written = time.process_time() - started
        found, size = LookupFile(place), place.stat().st_size / 2**20
        wanted = [f"c{n * 7919 % 200_000:07d}" for n in range(20_000)]
        assert all(found.get(entity) is not None for entity in wanted)
        with contextlib.closing(sqlite3.connect(f"{place.as_uri()}?mode=ro", uri=True)) as db:
            known = "SELECT * FROM known WHERE entity = ?"
            own, bare = _quickest(
                found.get,
                lambda entity: db.execute(known, (entity,)).fetchone(),
                wanted,
            )
        sys.stdout.write(
            f"look-up: {own * 1e6:.1f} us of processor time, a bare one {bare * 1e6:.1f} us: "
            f"{own / bare:.2f} times; 200,000 entities written in {written:.1f} s of it, "
            f"{size:.0f} MB\n"
        )
        assert own < 1.5 * bare


def _quickest(
    own: Callable[[str], object], bare: Callable[[str], object], wanted: Sequence[str]
) -> tuple[float, float]:
    """Return the least processor time of a call of each, in rounds one after the other."""
    least = [float("inf"), float("inf")]
    for _ in range(7):
        for place, call in enumerate((own, bare)):
            began = time.process_time()
            for entity in wanted:
                call(entity)
            least[place] = min(least[place], (time.process_time() - began) / len(wanted))
    return least[0], least[1]

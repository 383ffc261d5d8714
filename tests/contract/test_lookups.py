"""Every look-up keeps the laws of its port; the file is fast, and swapped under its readers."""

from __future__ import annotations

import sys
import time
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
    def test_one_look_up_takes_less_than_20_microseconds(self, tmp_path: Path) -> None:
        """Of 200,000 entities with 20 inputs each, in an order that no cache foresees."""
        inputs = canonical_json({f"column_{n}": n * 1.37 for n in range(20)})
        place = tmp_path / "known.sqlite"
        started = time.perf_counter()
        entries = (
            Known(entity=f"c{n:07d}", as_of=1.0, inputs=inputs, score=0.5, version=1, made=1.0)
            for n in range(200_000)
        )
        LookupFile(place).write("k", entries)
        written = time.perf_counter() - started
        found, taken = LookupFile(place), []
        for n in range(20_000):
            entity = f"c{n * 7919 % 200_000:07d}"
            started = time.perf_counter()
            assert found.get(entity) is not None
            taken.append(time.perf_counter() - started)
        began = time.process_time()
        for n in range(20_000):
            found.get(f"c{n * 7919 % 200_000:07d}")
        own = (time.process_time() - began) / 20_000
        taken.sort()
        median, late = taken[len(taken) // 2], taken[len(taken) * 99 // 100]
        size = place.stat().st_size / 2**20
        sys.stdout.write(
            f"look-up: {own * 1e6:.1f} us of processor time, median {median * 1e6:.1f} us, "
            f"99 % within {late * 1e6:.1f} us; "
            f"200,000 entities written in {written:.1f} s, {size:.0f} MB\n"
        )
        assert own < 20e-6
        assert median < 100e-6

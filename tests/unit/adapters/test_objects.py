"""Objects in a store, kept in memory here: what is listed, read, refused and told."""

from __future__ import annotations

import doctest
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import obstore
import polars as pl
import pytest
from obstore.store import LocalStore, MemoryStore

from tamid.adapters import objects
from tamid.adapters.objects import ObjectSource
from tamid.core.errors import BatchNotReady, SystemFailure, UsageError
from tamid.stages.feeds import NotReady, listed
from tamid.testing.source_suite import Put, Remove, SourceSuite

URL = "s3://shop/rows/*.csv"


@pytest.fixture
def store() -> MemoryStore:
    """An empty bucket."""
    return MemoryStore()


def names(url: str, store: MemoryStore) -> list[str]:
    """Return the names of the batches that a URL finds."""
    return [batch.name for batch in ObjectSource(url, store=store).batches()]


class TestObjectSource(SourceSuite):
    """The laws of every source, kept in a bucket."""

    @pytest.fixture
    def source(self, store: MemoryStore) -> ObjectSource:
        return ObjectSource("s3://shop/rows/*.parquet", store=store)

    @pytest.fixture
    def put(self, store: MemoryStore) -> Put:
        def down(name: str, rows: Sequence[Mapping[str, str]]) -> None:
            schema = {"customer": pl.String, "x": pl.String}
            content = io.BytesIO()
            pl.DataFrame(list(rows), schema=schema).write_parquet(content)
            obstore.put(store, f"rows/{name}.parquet", content.getvalue())

        return down

    @pytest.fixture
    def remove(self, store: MemoryStore) -> Remove:
        def away(name: str) -> None:
            obstore.delete(store, f"rows/{name}.parquet")

        return away


def test_a_star_stays_in_its_folder_and_two_reach_below(store: MemoryStore) -> None:
    """Globs mean what they mean on a disk; hidden and unfinished names are passed over."""
    keys = ("rows/a.csv", "rows/b.csv.tmp", "rows/_log/c.csv", "rows/2026/d.csv", "rowsx/e.csv")
    for key in keys:
        obstore.put(store, key, b"x\n1\n")
    assert names(URL, store) == ["a.csv"]
    assert sorted(names("s3://shop/rows/**/*.csv", store)) == ["2026/d.csv", "a.csv"]
    assert names("s3://shop/rows/[b-z]*.csv", store) == []
    assert names("s3://shop/rows/2026/d.csv", store) == ["d.csv"]


def test_text_stays_text_and_hidden_columns_are_not_read(store: MemoryStore) -> None:
    """A CSV object is read as a CSV file is."""
    obstore.put(store, "rows/a.csv", "customer,x,secret\n007,בסיס,1\n".encode())
    source = ObjectSource(URL, hidden=("secret",), store=store)
    (batch,) = source.batches()
    assert source.read(batch).to_dicts() == [{"customer": "007", "x": "בסיס"}]


def test_a_half_written_object_is_not_ready(store: MemoryStore) -> None:
    """Nothing at all, or Parquet that was cut off, is never read as truth."""
    source = ObjectSource("s3://shop/rows/*", store=store)
    for content in (b"", b"PAR1half"):
        obstore.put(store, "rows/a.parquet", content)
        (batch,) = source.batches()
        with pytest.raises(BatchNotReady):
            source.read(batch)


def test_a_name_without_a_format_is_a_clear_error(store: MemoryStore) -> None:
    """Unless the contract says how to read it."""
    obstore.put(store, "rows/a.dat", b"x\n1\n")
    (batch,) = ObjectSource("s3://shop/rows/*", store=store).batches()
    with pytest.raises(UsageError, match="no format goes with this name"):
        ObjectSource("s3://shop/rows/*", store=store).read(batch)
    assert ObjectSource("s3://shop/rows/*", "csv", store=store).read(batch).height == 1


@pytest.mark.parametrize("url", ["s3://shop", "s3://sh*p/rows.csv", "s3:///rows.csv", "s3://"])
def test_a_url_without_objects_is_refused(url: str) -> None:
    """A bucket alone, or a glob over buckets, names no objects; neither does a Delta table."""
    with pytest.raises(UsageError, match="names no objects"):
        ObjectSource(url)
    with pytest.raises(UsageError):
        ObjectSource("s3://shop/table", "delta")


def test_a_store_that_gives_no_answer_is_no_empty_source(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is told as such, and the turn goes on without new data."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "topsecret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "topsecret")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    source = ObjectSource(URL)
    with pytest.raises(SystemFailure, match="cannot be listed") as error:
        source.batches()
    assert "topsecret" not in f"{error.value.what} {error.value.why}"
    waiting: list[NotReady] = []
    assert list(listed(source, "rows", URL, waiting)) == []
    assert "cannot be listed" in waiting[0].reason


def test_objects_on_a_disk_are_read_too(tmp_path: Path) -> None:
    """Another kind of store behind the same source."""
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "a.csv").write_text("customer\n1\n")
    source = ObjectSource(URL, store=LocalStore(tmp_path))
    (batch,) = source.batches()
    assert source.read(batch).to_dicts() == [{"customer": "1"}]


def test_the_examples_hold() -> None:
    """The doctests of the module."""
    assert doctest.testmod(objects).failed == 0

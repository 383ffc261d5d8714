"""Every target of deliveries keeps the laws of its port."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from tamid.adapters.delta_sink import DeltaSink
from tamid.adapters.file_sinks import CsvSink, ParquetSink
from tamid.adapters.memory import MemorySink
from tamid.adapters.sql_sink import SqlSink
from tamid.adapters.webhook import WebhookSink, verify_signature
from tamid.testing.receiver import Receiver
from tamid.testing.sink_suite import Seen, SinkSuite

SECRET = "a secret of the workspace"


def found(frame: pl.DataFrame) -> dict[str, float | None]:
    """Return score by entity, and see that no entity stands twice."""
    assert frame["entity"].n_unique() == frame.height
    return dict(frame.select("entity", pl.col("score").cast(pl.Float64)).iter_rows())


class TestMemorySink(SinkSuite):
    """A target in memory."""

    @pytest.fixture
    def sink(self) -> MemorySink:
        return MemorySink()

    @pytest.fixture
    def seen(self, sink: MemorySink) -> Seen:
        def look(period: str) -> Mapping[str, float | None] | None:
            here = sink.periods.get(("churn", period))
            return None if here is None else found(here.frame)

        return look


class TestCsvSink(SinkSuite):
    """One CSV file a period."""

    @pytest.fixture
    def sink(self, tmp_path: Path) -> CsvSink:
        return CsvSink(str(tmp_path / "out" / "scores.csv"))

    @pytest.fixture
    def seen(self, tmp_path: Path) -> Seen:
        def look(period: str) -> Mapping[str, float | None] | None:
            path = tmp_path / "out" / f"scores_{period}.csv"
            return found(pl.read_csv(path)) if path.exists() else None

        return look


class TestParquetSink(SinkSuite):
    """One Parquet file a period."""

    @pytest.fixture
    def sink(self, tmp_path: Path) -> ParquetSink:
        return ParquetSink(str(tmp_path / "{period}" / "scores.parquet"))

    @pytest.fixture
    def seen(self, tmp_path: Path) -> Seen:
        def look(period: str) -> Mapping[str, float | None] | None:
            path = tmp_path / period / "scores.parquet"
            return found(pl.read_parquet(path)) if path.exists() else None

        return look


class TestDeltaSink(SinkSuite):
    """A Delta table."""

    @pytest.fixture
    def sink(self, tmp_path: Path) -> DeltaSink:
        return DeltaSink(str(tmp_path / "scores"))

    @pytest.fixture
    def seen(self, tmp_path: Path) -> Seen:
        def look(period: str) -> Mapping[str, float | None] | None:
            if not (tmp_path / "scores").exists():
                return None
            rows = pl.read_delta(str(tmp_path / "scores")).filter(pl.col("period") == period)
            return found(rows)

        return look


class TestSqlSink(SinkSuite):
    """A table in a SQL database."""

    @pytest.fixture
    def sink(self, tmp_path: Path) -> Iterator[SqlSink]:
        target = SqlSink(f"sqlite:///{tmp_path / 'marketing.db'}", "churn_scores")
        yield target
        target.close()

    @pytest.fixture
    def seen(self, tmp_path: Path) -> Seen:
        def look(period: str) -> Mapping[str, float | None] | None:
            if not (tmp_path / "marketing.db").exists():
                return None
            engine = sa.create_engine(f"sqlite:///{tmp_path / 'marketing.db'}")
            query = sa.text("SELECT entity, score FROM churn_scores WHERE period = :p")
            with engine.connect() as db:
                rows = db.execute(query, {"p": period}).all()
            engine.dispose()
            return found(pl.DataFrame(rows, schema={"entity": pl.String, "score": pl.Float64}))

        return look


class TestWebhookSink(SinkSuite):
    """A real HTTP receiver on this machine, which checks the signature."""

    @pytest.fixture
    def receiver(self) -> Iterator[Receiver]:
        check = Receiver(check=lambda body, headers: verify_signature(body, headers, SECRET))
        with check.running() as receiver:
            yield receiver

    @pytest.fixture
    def sink(self, receiver: Receiver) -> WebhookSink:
        now = datetime(2026, 1, 4, 6, tzinfo=UTC)
        return WebhookSink(receiver.url, SECRET, lambda: now, private=True)

    @pytest.fixture
    def seen(self, receiver: Receiver) -> Seen:
        def look(period: str) -> Mapping[str, float | None] | None:
            data = receiver.periods.get(("churn", period))
            if data is None:
                return None
            columns = ("entity", "score")
            places = [data["columns"].index(c) for c in columns]
            rows = [[row[place] for place in places] for row in data["rows"]]
            kinds = dict(zip(columns, (pl.String, pl.Float64), strict=True))
            return found(pl.DataFrame(rows, schema=kinds, orient="row"))

        return look

"""Published tables become the data of the examples, as CSV just as well."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tamid.cli.main import main
from tamid.core.errors import DataError, NotFound
from tamid.examples.published import PUBLISHED, bikes, hotel, telco, write
from tamid.wiring import load_contract, sources_of


def test_bookings_of_the_csv_are_those_of_the_table(tmp_path: Path, test_data: Path) -> None:
    """The published CSV has the day of arrival in parts, and NA where children are not known."""
    stays = pl.read_parquet(test_data / "hotel_bookings.parquet").head(3000)
    stays.drop("arrival_date").write_csv(tmp_path / "hotel_bookings.csv", null_value="NA")
    made = pl.read_parquet(write("hotel", tmp_path / "hotel_bookings.csv", tmp_path))
    expected = hotel(stays)
    assert made.select("booking", "booked_at", "outcome_known_at", "is_canceled").equals(
        expected.select("booking", "booked_at", "outcome_known_at", "is_canceled")
    )
    assert made.columns == expected.columns


def test_hours_of_the_csv_get_their_moment(test_data: Path) -> None:
    """A day and an hour are one moment; the running number stays behind."""
    hours = pl.read_parquet(test_data / "bike_sharing_hourly.parquet")
    at = pl.col("timestamp")
    published = hours.with_columns(
        at.dt.strftime("%Y-%m-%d").alias("dteday"), pl.lit(1).alias("instant")
    ).drop("timestamp")
    assert bikes(published).equals(hours.select("timestamp", pl.exclude("timestamp")))
    assert bikes(hours).equals(hours)


def test_a_blank_total_is_missing(test_data: Path) -> None:
    """Eleven customers have not been charged yet."""
    customers = pl.read_parquet(test_data / "telco_churn.parquet")
    blank = pl.col("TotalCharges").cast(pl.String).fill_null(" ")
    made = telco(customers.with_columns(blank))
    assert made.equals(telco(customers))
    assert made.get_column("TotalCharges").null_count() == 11


@pytest.mark.parametrize("example", ["telco", "bikes"])
def test_init_with_the_table_can_be_read_at_once(
    tmp_path: Path, test_data: Path, example: str
) -> None:
    """The contract's source finds the data where `init` put it."""
    table = {"telco": "telco_churn.parquet", "bikes": "bike_sharing_hourly.parquet"}[example]
    words = ["init", str(tmp_path / "x"), "--example", example, "--data", str(test_data / table)]
    assert main(words) == 0
    contract = load_contract(tmp_path / "x" / "contract.yaml")
    source = sources_of(contract, tmp_path / "x")["rows"]
    (batch,) = source.batches()
    assert set(contract.data.schema) <= set(source.read(batch).columns)


@pytest.mark.parametrize("example", sorted(PUBLISHED))
def test_init_without_it_says_where_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], example: str
) -> None:
    """File, publisher and the command that makes the data."""
    assert main(["init", str(tmp_path / "x"), "--example", example]) == 0
    said = capsys.readouterr().out
    known = PUBLISHED[example]
    assert f"get {known.file}: {known.where}" in said
    assert f"python -m tamid.examples.published {example}" in said
    assert load_contract(tmp_path / "x" / "contract.yaml").data.source.path == known.target


def test_another_table_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error says what to get instead."""
    (tmp_path / "a.csv").write_text("a,b\n1,2\n", "utf-8")
    root = tmp_path / "x"
    words = ["init", str(root), "--example", "bikes", "--data", str(tmp_path / "a.csv")]
    assert main(words) == 1
    assert "is not the table of the example bikes" in capsys.readouterr().err
    assert not root.exists()
    with pytest.raises(NotFound, match="is not there"):
        write("bikes", tmp_path / "none.csv", root)
    with pytest.raises(DataError):
        write("hotel", tmp_path / "a.csv", root)
    assert main(["init", str(root), "--data", "a.csv"]) == 2

"""The published tables behind the examples: where they are, and the data that is made of one.

`python -m tamid.examples.published EXAMPLE FILE [DIR]` writes the data into a workspace.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import polars as pl

from tamid.core.errors import DataError, NotFound
from tamid.examples.hotel.prepare import prepare as bookings

_DAY = "arrival_date"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One table: its file, who published it where, and what becomes of it in a workspace."""

    file: str
    where: str
    target: str
    make: Callable[[pl.DataFrame], pl.DataFrame]


def hotel(stays: pl.DataFrame) -> pl.DataFrame:
    """Return one row a booking, with what was known when it was made."""
    if _DAY not in stays.columns:
        parts = (f"{_DAY}_year", f"{_DAY}_month", f"{_DAY}_day_of_month")
        day = pl.concat_str(parts, separator=" ").str.to_date("%Y %B %d")
        stays = stays.with_columns(day.alias(_DAY))
    return bookings(stays)


def bikes(hours: pl.DataFrame) -> pl.DataFrame:
    """Return one row an hour, with its moment."""
    if "timestamp" in hours.columns:
        return hours
    moment = pl.col("dteday").str.to_datetime("%Y-%m-%d") + pl.duration(hours=pl.col("hr"))
    return hours.select(moment.alias("timestamp"), pl.exclude("dteday", "instant"))


def telco(customers: pl.DataFrame) -> pl.DataFrame:
    """Return one row a customer; a blank total is a missing number."""
    total = pl.col("TotalCharges")
    if customers.schema["TotalCharges"] != pl.String:
        return customers
    return customers.with_columns(total.str.strip_chars().cast(pl.Float64, strict=False))


PUBLISHED: Mapping[str, Published] = MappingProxyType(
    {
        "hotel": Published(
            file="hotel_bookings.csv",
            where="Antonio, Almeida and Nunes 2019, https://doi.org/10.1016/j.dib.2018.11.126",
            target="data/bookings.parquet",
            make=hotel,
        ),
        "bikes": Published(
            file="hour.csv",
            where="UCI, https://archive.ics.uci.edu/dataset/275/bike+sharing+dataset",
            target="data/hours.parquet",
            make=bikes,
        ),
        "telco": Published(
            file="Telco-Customer-Churn.csv",
            where="IBM, https://github.com/IBM/telco-customer-churn-on-icp4d (folder data)",
            target="data/telco_churn.parquet",
            make=telco,
        ),
    }
)


def write(example: str, source: Path, folder: Path) -> Path:
    """Make an example's data out of the published file, and return where it is.

    Raises:
        NotFound: no such file; DataError: it is another table.
    """
    known = PUBLISHED[example]
    if not source.is_file():
        raise NotFound(f"{source} is not there", fix=f"Get {known.file}: {known.where}.")
    try:
        table = (
            pl.read_parquet(source)
            if source.suffix in (".parquet", ".pq")
            else pl.read_csv(source, infer_schema_length=None, null_values=["NA"])
        )
        made = known.make(table)
    except (pl.exceptions.PolarsError, OSError, KeyError) as error:
        raise DataError(
            f"{source.name} is not the table of the example {example}",
            why=str(error).splitlines()[0],
            fix=f"Get {known.file}: {known.where}.",
        ) from error
    target = folder / known.target
    target.parent.mkdir(parents=True, exist_ok=True)
    made.write_parquet(target)
    return target


if __name__ == "__main__":
    _, example_, source_, *folder_ = sys.argv
    sys.stdout.write(f"{write(example_, Path(source_), Path(*folder_))}\n")

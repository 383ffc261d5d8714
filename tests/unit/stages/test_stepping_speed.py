"""What a million rows cost against the steps of a view, beside a bare as-of join."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl
import pytest

from tamid.core.contract.model import Aggregate
from tamid.core.values import ENTITY, KNOWN_AT, TIME
from tamid.stages import stepping

pytestmark = pytest.mark.bench

ROWS, STEPS, PEOPLE = 1_000_000, 5_200_000, 100_000
MOMENT = pl.Datetime("us", "UTC")
YEARS = 730 * 86_400 * 10**6
# The join may take so many times what the bare one takes.
ALLOWED = 1.2
_T = TypeVar("_T")


def frames() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return rows in no order, and steps in the order of time with three features."""
    chance = np.random.default_rng(7)
    names = np.array([f"c{n:06d}" for n in range(PEOPLE)])
    at = pl.Series(chance.integers(0, YEARS, ROWS)).cast(MOMENT)
    rows = pl.DataFrame({ENTITY: names[chance.integers(0, PEOPLE, ROWS)], TIME: at})
    when = pl.Series(np.sort(chance.integers(0, YEARS, STEPS))).cast(MOMENT)
    steps = pl.DataFrame(
        {
            ENTITY: names[chance.integers(0, PEOPLE, STEPS)],
            TIME: when,
            **{name: chance.normal(size=STEPS) for name in "abc"},
        }
    )
    return rows, steps.with_columns(pl.lit(None, MOMENT).alias(KNOWN_AT))


def seconds(work: Callable[[], _T]) -> tuple[float, _T]:
    """Return the processor time of the better of two rounds, which other processes do not share."""
    taken = []
    for _ in range(2):
        began = time.process_time()
        found = work()
        taken.append(time.process_time() - began)
    return min(taken), found


def test_a_view_joins_a_million_rows_as_quickly_as_a_bare_join(tmp_path: Path) -> None:
    """And gives the same numbers, in the order of the rows."""
    rows, steps = frames()
    wanted = {n: Aggregate(table="v", function="sum", column="x") for n in "abc"}
    bare = steps.drop(KNOWN_AT)

    def joined() -> pl.DataFrame:
        return rows.sort(TIME).join_asof(
            bare, on=TIME, by=ENTITY, strategy="backward", check_sortedness=False
        )

    base, other = seconds(joined)
    own, found = seconds(lambda: stepping.seen(rows, stepping.parted(steps)[0], wanted))
    sys.stdout.write(
        f"1 M rows x 5.2 M steps: {own:.2f} s of processor time, bare join_asof {base:.2f} s, "
        f"ratio {own / base:.2f}\n"
    )
    _beside_duckdb(tmp_path, rows, bare, own, other)
    key = [TIME, ENTITY, "a"]
    assert found.sort(key).equals(other.select(found.columns).sort(key))
    assert own <= ALLOWED * base


def _beside_duckdb(
    folder: Path, rows: pl.DataFrame, bare: pl.DataFrame, own: float, other: pl.DataFrame
) -> None:
    """Say what DuckDB's ASOF join takes on as many threads, where it is installed."""
    if find_spec("duckdb") is None:
        sys.stdout.write("DuckDB is not installed: no figure of its join\n")
        return
    duckdb = import_module("duckdb")
    asked = (
        f'SELECT r."{ENTITY}", r."{TIME}", b.a, b.b, b.c FROM asked r ASOF LEFT JOIN bare b '
        f'ON r."{ENTITY}" = b."{ENTITY}" AND r."{TIME}" >= b."{TIME}"'
    )
    with duckdb.connect() as engine:
        engine.execute(f"SET threads = {pl.thread_pool_size()}")
        for name, frame in (("asked", rows), ("bare", bare)):
            frame.write_parquet(folder / f"{name}.parquet")
            path = folder / f"{name}.parquet"
            engine.execute(f"CREATE TABLE {name} AS FROM read_parquet('{path}')")
        engine.execute("SET preserve_insertion_order = false")
        base, _ = seconds(lambda: engine.execute(f"CREATE OR REPLACE TABLE found AS {asked}"))
        (total,) = engine.execute("SELECT sum(a) FROM found").fetchone()
    sys.stdout.write(f"bare ASOF JOIN of DuckDB {base:.2f} s, ratio {own / base:.2f}\n")
    assert total == pytest.approx(other.get_column("a").sum())

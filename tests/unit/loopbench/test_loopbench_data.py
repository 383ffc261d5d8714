"""A folder of data sets becomes worlds; what is wrong with it is said all at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from bench_worlds import a_world, write_set

from tamid.core.errors import DataError
from tamid.core.values import Task
from tamid.loopbench.datasets import load
from tamid.loopbench.descriptions import read_folder
from tamid.loopbench.world import blank, rows_permuted, thinned, weeks_permuted


def test_a_folder_is_read_sorted_by_name(tmp_path: Path) -> None:
    """Every JSON with its Parquet file is a set."""
    write_set(tmp_path, "zeta", Task.BINARY)
    write_set(tmp_path, "alpha", Task.REGRESSION)
    assert [d.name for d in read_folder(tmp_path)] == ["alpha", "zeta"]


def test_all_problems_of_a_folder_are_said_at_once(tmp_path: Path) -> None:
    """Broken JSON, an unknown task, a missing file and a lonely Parquet file are all named."""
    write_set(tmp_path, "good", Task.BINARY)
    write_set(tmp_path, "odd", Task.BINARY, said={"task": "ranking", "time_column": 3})
    (tmp_path / "broken.json").write_text("{not json", encoding="utf-8")
    (tmp_path / "bare.json").write_text("[]", encoding="utf-8")
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "lonely.parquet")
    with pytest.raises(DataError) as raised:
        read_folder(tmp_path)
    said = str(raised.value)
    for part in ("broken.json", "bare.json", "ranking", "time_column", "lonely.parquet"):
        assert part in said
    assert "target" in raised.value.remedy


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_a_folder_without_sets_is_refused(tmp_path: Path, name: str) -> None:
    """No folder and an empty folder say so."""
    with pytest.raises(DataError):
        read_folder(tmp_path / name)


@pytest.mark.parametrize("task", list(Task))
def test_a_set_without_time_is_cut_into_chunks(tmp_path: Path, task: Task) -> None:
    """File order is time; labels wait two chunks; ids and the target are not seen."""
    write_set(tmp_path, "set", task)
    world = load(read_folder(tmp_path)[0])
    assert world.weeks == 32
    assert world.delay == 2
    assert [f.name for f in world.features] == ["x", "count", "plan"]
    assert world.values.shape == (1920, 3)
    assert world.classes == {Task.BINARY: 2, Task.MULTICLASS: 3, Task.REGRESSION: 0}[task]


def test_a_real_time_column_gives_weeks_in_order(tmp_path: Path) -> None:
    """Rows are sorted by time, cut at weeks, and labels wait four of them."""
    write_set(tmp_path, "timed", Task.BINARY, rows=6000, said={"time_column": "at"})
    frame = pl.read_parquet(tmp_path / "timed.parquet")
    days = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=i * 1.4) for i in range(6000)]
    shuffled = frame.with_columns(pl.Series("at", days)).sample(fraction=1.0, shuffle=True, seed=1)
    shuffled.write_parquet(tmp_path / "timed.parquet")
    world = load(read_folder(tmp_path)[0])
    assert world.delay == 4
    assert world.weeks == 50
    assert "at" not in [f.name for f in world.features]
    np.testing.assert_allclose(world.values[:, 0], frame.get_column("x").to_numpy())


def test_a_time_column_that_is_no_column_means_file_order(tmp_path: Path) -> None:
    """Words about the order of rows are no column."""
    write_set(tmp_path, "told", Task.BINARY, said={"time_column": "row order (half-hours)"})
    assert load(read_folder(tmp_path)[0]).delay == 2


@pytest.mark.parametrize(
    ("said", "part"),
    [
        ({"target": "nothing"}, "nothing"),
        ({"positive": "maybe"}, "maybe"),
        ({"drop_for_model": ["x", "count", "plan"]}, "no column"),
    ],
)
def test_a_set_that_cannot_be_used_says_why(
    tmp_path: Path, said: dict[str, object], part: str
) -> None:
    """A missing target, an unknown positive value and an empty table are named."""
    write_set(tmp_path, "set", Task.BINARY, said=said)
    with pytest.raises(DataError, match=part):
        load(read_folder(tmp_path)[0])


def test_columns_of_any_kind_are_read(tmp_path: Path) -> None:
    """Days, durations and times of day are numbers, lists are left out, nothing stops the set."""
    write_set(tmp_path, "set", Task.BINARY)
    place = tmp_path / "set.parquet"
    frame = pl.read_parquet(place)
    rows = pl.int_range(frame.height)
    more = frame.with_columns(
        (pl.lit(datetime(2020, 1, 1, tzinfo=UTC)) + pl.duration(hours=rows)).alias("moment"),
        pl.duration(minutes=rows).alias("span"),
        pl.time(rows % 24).alias("clock"),
        pl.concat_list(rows, rows).alias("pair"),
    )
    more.write_parquet(place)
    world = load(read_folder(tmp_path)[0])
    assert [f.name for f in world.features] == ["x", "count", "plan", "moment", "span", "clock"]
    assert np.isfinite(world.values).all()


@pytest.mark.parametrize("gap", [None, float("nan")])
@pytest.mark.parametrize("task", [Task.BINARY, Task.REGRESSION])
def test_rows_without_a_target_are_left_out(tmp_path: Path, task: Task, gap: float | None) -> None:
    """However the gap was written: null, or NaN as programs of numbers do."""
    write_set(tmp_path, "set", task, rows=3000, said={"positive": 1})
    place = tmp_path / "set.parquet"
    frame = pl.read_parquet(place)
    known = pl.int_range(frame.height, eager=True) % 3 > 0
    outcome = frame["x"] if task is Task.REGRESSION else (frame["x"] > 0).cast(pl.Float64)
    told = pl.Series("outcome", [v if k else gap for v, k in zip(outcome, known, strict=True)])
    frame.with_columns(told).write_parquet(place)
    world = load(read_folder(tmp_path)[0])
    assert len(world.y) == 2000
    assert world.classes == (2 if task is Task.BINARY else 0)
    assert np.isfinite(world.y).all()


def test_too_few_rows_are_refused(tmp_path: Path) -> None:
    """A history needs weeks."""
    write_set(tmp_path, "tiny", Task.BINARY, rows=300)
    with pytest.raises(DataError, match="too few"):
        load(read_folder(tmp_path)[0])


def test_labels_mature_after_the_delay() -> None:
    """At the check of week t, labels of week t - D - 1 and before are there."""
    world = blank(weeks=10, delay=3)
    assert world.matured(3).tolist() == []
    assert world.matured(6).tolist() == [0, 1, 2]


def test_null_histories_keep_every_row() -> None:
    """Permuting weeks or rows loses nothing; weeks stay whole in the first."""
    world = a_world()
    by_week = weeks_permuted(world, np.random.default_rng(0))
    by_row = rows_permuted(world, np.random.default_rng(0))
    for null in (by_week, by_row):
        assert sorted(null.values[:, 0].tolist()) == sorted(world.values[:, 0].tolist())
        assert null.y.sum() == world.y.sum()
    means = sorted(world.values[world.rows(w), 0].mean() for w in range(world.weeks))
    found = sorted(by_week.values[by_week.rows(w), 0].mean() for w in range(world.weeks))
    np.testing.assert_allclose(found, means)


def test_thinning_keeps_the_weeks() -> None:
    """At most so many rows a week are left, in order."""
    thin = thinned(a_world(), 25, np.random.default_rng(0))
    assert thin.weeks == 40
    assert set(np.diff(thin.start).tolist()) == {25}

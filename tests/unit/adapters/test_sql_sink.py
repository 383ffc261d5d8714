"""The SQL target on SQLite: types, names, passwords, and databases that are away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from tamid.adapters.sql_sink import SqlSink
from tamid.core.errors import SinkDown
from tamid.testing.sink_suite import ONE, parcel


def rows(path: Path, table: str) -> list[dict[str, object]]:
    """Read a table."""
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.connect() as db:
        found = [dict(r) for r in db.execute(sa.text(f'SELECT * FROM "{table}"')).mappings()]
    engine.dispose()
    return found


def test_columns_have_the_database_s_types(tmp_path: Path) -> None:
    """Numbers, booleans, texts and moments stand in columns of their kind, beside the model."""
    sink = SqlSink(f"sqlite:///{tmp_path / 'm.db'}", "scores")
    sink.deliver(parcel({"a": 0.75}))
    sink.close()
    (line,) = rows(tmp_path / "m.db", "scores")
    assert line["score"] == 0.75
    assert (line["model"], line["period"], line["revision"]) == ("churn", ONE, 1)
    assert line["treat"] == 1
    assert str(line["as_of"]).startswith("2026-01-04 06:00:00")


@pytest.mark.parametrize("table", ["ציונים", 'sco"res; DROP TABLE x', "select", "a b"])
def test_any_table_name_is_only_a_name(tmp_path: Path, table: str) -> None:
    """Hebrew, blanks, key words and quotes are quoted, never run."""
    sink = SqlSink(f"sqlite:///{tmp_path / 'm.db'}", table)
    sink.deliver(parcel({"a": 0.5}))
    sink.deliver(parcel({"a": 0.75}, revision=2))
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'm.db'}")
    assert table in sa.inspect(engine).get_table_names()
    engine.dispose()
    sink.close()


def test_two_models_share_a_table(tmp_path: Path) -> None:
    """A delivery of one model leaves the other's rows alone."""
    sink = SqlSink(f"sqlite:///{tmp_path / 'm.db'}", "scores")
    sink.deliver(parcel({"a": 0.5}))
    sink.deliver(replace(parcel({"a": 0.25}), model="upsell", key="upsell/1"))
    sink.deliver(parcel({"b": 0.75}, revision=2))
    sink.close()
    found = {(r["model"], r["entity"]) for r in rows(tmp_path / "m.db", "scores")}
    assert found == {("upsell", "a"), ("churn", "b")}


def test_a_failure_midway_leaves_the_old_rows(tmp_path: Path) -> None:
    """If the new rows cannot all be stored, readers still see the old revision."""
    sink = SqlSink(f"sqlite:///{tmp_path / 'm.db'}", "scores")
    sink.deliver(parcel({"a": 0.5}))
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'm.db'}")
    with engine.begin() as db:
        db.execute(sa.text("CREATE UNIQUE INDEX one ON scores (entity, period)"))
    engine.dispose()
    twice = parcel({"b": 0.5}, revision=2)
    with pytest.raises(SinkDown, match="UNIQUE constraint failed"):
        sink.deliver(replace(twice, frame=pl.concat([twice.frame, twice.frame])))
    sink.close()
    assert [r["entity"] for r in rows(tmp_path / "m.db", "scores")] == ["a"]


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////no/such/folder/m.db",
        "nosuchdialect://tamid:hunter2@localhost/db",
        "not a url with hunter2",
    ],
)
def test_a_database_that_is_away_is_a_target_that_is_down(url: str) -> None:
    """The message names the table and the cause, never the address with its password."""
    with pytest.raises(SinkDown, match="the table 'scores' could not be written") as failure:
        SqlSink(url, "scores").deliver(parcel({"a": 0.5}))
    assert "hunter2" not in f"{failure.value.what} {failure.value.why}"


def test_no_person_s_values_get_into_a_message(tmp_path: Path) -> None:
    """An error of the database does not carry the rows that it was about."""
    sink = SqlSink(f"sqlite:///{tmp_path / 'm.db'}", "scores")
    sink.deliver(parcel({"a": 0.5}))
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'm.db'}")
    with engine.begin() as db:
        db.execute(sa.text("CREATE UNIQUE INDEX one ON scores (band)"))
    engine.dispose()
    with pytest.raises(SinkDown) as failure:
        sink.deliver(parcel({"person-4711": 0.5, "person-4712": 0.5}, revision=2))
    sink.close()
    assert "person" not in failure.value.what


def test_a_relative_file_lies_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the command is called from; an absolute path stays what it is."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    for address in ("sqlite:///m.db", f"sqlite:///{home / 'n.db'}"):
        sink = SqlSink(address, "scores", home)
        sink.reach()
        sink.deliver(parcel({"a": 0.75}))
        sink.close()
    assert len(rows(home / "m.db", "scores")) == len(rows(home / "n.db", "scores")) == 1
    assert not list(elsewhere.iterdir())
    with pytest.raises(SinkDown, match="does not exist"):
        SqlSink("sqlite:///none/m.db", "scores", home).reach()

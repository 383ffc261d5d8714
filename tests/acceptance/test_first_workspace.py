"""A workspace that the first version made opens in this one, works on, and can be upgraded."""

from __future__ import annotations

import json
import stat
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from first_workspace import EVENTS, LEFT, MODEL, at, unpacked
from in_process import here

from tamid.core import events as ev
from tamid.stages.audit import audit, prove
from tamid.store import FILE, FORMAT, format_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The workspace as it was left."""
    return unpacked(tmp_path)


def test_it_reads_as_it_was_left(root: Path) -> None:
    """Every event, its champion, its open case and the names of all tables are there."""
    with at(root) as app:
        state = app.state(MODEL)
        assert (state.seq, state.champion, sorted(state.open_cases)) == (EVENTS, 1, [2])
        assert set(state.pins) == {f"toy.{n}" for n in ("rows", "labels", "served", "predictions")}
        assert app.tables.read(state.pins["toy.rows"]).height == 3200
    for words in (("status",), ("models",), ("runs",), ("cases", "2"), ("log",), ("why",)):
        done = here(root, *words)
        assert done.returncode == 0, done.stderr


def test_it_proves_whole_and_repeats_its_decisions(root: Path) -> None:
    """Chains, contents, tables, signatures, and each of its 31 decisions to the byte."""
    with at(root) as app:
        records = app.records(MODEL)
        proof = prove(app.rig(MODEL), records)
        assert proof.faults == ()
        assert proof.tables == 35
        found = audit(app.rig(MODEL), records)
        assert (found.first, found.decisions) == (None, 31)


def test_opening_and_reading_change_no_format(root: Path) -> None:
    """Whoever goes back to the first version finds what it left."""
    here(root, "status")
    assert format_of(root / ".tamid") == 1
    assert not (root / ".tamid" / FILE).exists()


def _goes_on(root: Path) -> None:
    week = LEFT + timedelta(days=5)
    last = pl.read_parquet(max((root / "rows").glob("week-*.parquet")))
    moment = pl.lit(week.replace(hour=0)).cast(last.schema["week"]).alias("week")
    last.with_columns(moment).write_parquet(root / "rows" / "week-8.parquet")
    with at(root, week) as app:
        report = app.tick(MODEL)
        happened = {type(r.event) for r in report.records}
        assert {ev.DataAccepted, ev.Scored, ev.Ticked} <= happened
        records = app.records(MODEL)
        assert prove(app.rig(MODEL), records).faults == ()
        assert audit(app.rig(MODEL), records).same


def test_it_goes_on_without_an_upgrade(root: Path) -> None:
    """New rows are taken in and scored by the bundle of the first version."""
    _goes_on(root)


def test_it_is_upgraded_and_goes_on(root: Path) -> None:
    """A dry run does nothing, an upgrade marks the format and closes the store, twice is once."""
    salt = root / ".tamid" / "salt"
    salt.chmod(0o644)
    (root / ".tamid").chmod(0o755)
    dry = json.loads(here(root, "upgrade", "--dry-run", "--json").stdout)
    assert (dry["from"], dry["to"], dry["done"]) == (1, FORMAT, False)
    assert format_of(root / ".tamid") == 1
    assert stat.S_IMODE(salt.stat().st_mode) == 0o644
    done = here(root, "upgrade")
    assert done.returncode == 0, done.stderr
    assert format_of(root / ".tamid") == FORMAT
    assert json.loads((root / ".tamid" / FILE).read_text())["entities"] == "plain"
    assert stat.S_IMODE(salt.stat().st_mode) == 0o600
    assert stat.S_IMODE((root / ".tamid").stat().st_mode) == 0o700
    assert "the newest this version knows" in here(root, "upgrade").stdout
    _goes_on(root)


def test_a_newer_store_is_left_alone(root: Path) -> None:
    """What a later version wrote is not guessed at: status 6, and what to install."""
    (root / ".tamid" / FILE).write_text(json.dumps({"format": FORMAT + 1}))
    for words in (("status",), ("upgrade",), ("tick",), ("serve",)):
        done = here(root, *words)
        assert done.returncode == 6, words
        assert "has format 3" in done.stderr
        assert "newer" in done.stderr


def test_a_new_store_has_the_present_format(tmp_path: Path) -> None:
    """From its first opening on."""
    assert here(tmp_path, "init", "fresh").returncode == 0
    here(tmp_path / "fresh", "status")
    assert format_of(tmp_path / "fresh" / ".tamid") == FORMAT

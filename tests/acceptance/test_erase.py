"""Who is erased from a store of names is found in no version of anything, and the proof holds."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from first_workspace import LEFT, MODEL, at, unpacked
from in_process import here

from tamid.adapters._redactions import FILE as REDACTIONS
from tamid.adapters.marks import FILE as MARKS
from tamid.core import events as ev
from tamid.core.values import ENTITY
from tamid.stages.audit import audit, prove
from tamid.testing.segments import rows_block, segment

NAME = "c003"
AS = ("--as", "mlops_engineer", "--reason", "asked for, ticket 812")


# Not as part of a digest.
_WORD = re.compile(rb"(?<![0-9a-z])" + NAME.encode() + rb"(?![0-9a-z])")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace after an erasure; nobody changes it."""
    root = unpacked(tmp_path_factory.mktemp("erased"))
    assert _holders(root)
    said = here(root, "erase", NAME, *AS)
    assert said.returncode == 0, said.stderr
    assert "STILL NAMED" not in said.stdout
    return root


def _holders(root: Path) -> list[Path]:
    """Return every file of a store that holds the name, whichever version reads it."""
    found = []
    for path in sorted((root / ".tamid").rglob("*")):
        if path.suffix == ".parquet" and "_delta_log" not in path.parts:
            frame = pl.read_parquet(path, hive_partitioning=False)
            texts = [frame[c] for c in frame.columns if frame.schema[c] == pl.String]
            if any(t.str.contains(NAME, literal=True).any() for t in texts):
                found.append(path)
        elif path.is_file() and _WORD.search(path.read_bytes()):
            found.append(path)
    return found


def test_the_name_is_nowhere(done: Path) -> None:
    """No table in any version, no look-up, no log, report, mark or event holds it."""
    assert _holders(done) == []


def test_everybody_else_is_as_before(done: Path, tmp_path: Path) -> None:
    """Each file keeps its rows and all but the name; each version keeps its number."""
    old = unpacked(tmp_path)
    renamed = 0
    for path in sorted((old / ".tamid" / "tables").glob("*/*/*.parquet")):
        before = pl.read_parquet(path, hive_partitioning=False)
        after = pl.read_parquet(done / path.relative_to(old), hive_partitioning=False)
        others = pl.col(ENTITY) != NAME
        still = ~pl.col(ENTITY).str.starts_with("erased-")
        assert after.filter(still).equals(before.filter(others))
        assert after.height == before.height
        assert after.drop([ENTITY, "id", "inputs"], strict=False).equals(
            before.drop([ENTITY, "id", "inputs"], strict=False)
        )
        renamed += int(after[ENTITY].str.starts_with("erased-").sum())
    assert renamed > 20


def test_what_is_recorded_still_proves_and_repeats(done: Path) -> None:
    """Every pin verifies through the proof, every decision comes out the same."""
    assert here(done, "verify").returncode == 0
    with at(done) as app:
        records = app.records(MODEL)
        assert prove(app.rig(MODEL), records).faults == ()
        assert audit(app.rig(MODEL), records).same
        event = records[-1].event
        assert isinstance(event, ev.EntityErased)
        proof = json.loads(app.blobs.get(event.report))
        assert set(proof["slices"]) >= {"toy.rows", "toy.labels", "toy.predictions", "toy.served"}
        assert app.state(MODEL).erased == {event.pseudonym}


def test_other_readers_of_the_tables_see_the_same(done: Path) -> None:
    """Files kept their length, so any reader of Delta Lake opens each version as before."""
    folder = done / ".tamid" / "tables" / "toy.rows"
    for version in (2, 5):
        table = DeltaTable(str(folder), version=version)
        for one in pl.DataFrame(table.get_add_actions()).iter_rows(named=True):
            assert (folder / one["path"]).stat().st_size == one["size_bytes"]
        found = pl.read_delta(str(folder), version=version)
        assert found.height > 100
        assert not (found[ENTITY] == NAME).any()


def test_the_entity_does_not_come_back(tmp_path: Path) -> None:
    """Rows, labels and answers of servers that name it later are taken in without it."""
    root = unpacked(tmp_path)
    week = LEFT + timedelta(days=5)
    source = pl.read_parquet(max((root / "rows").glob("week-*.parquet")))
    fresh = source.with_columns(
        pl.lit(week.replace(hour=0)).cast(source.schema["week"]).alias("week")
    )
    assert (fresh["customer"] == NAME).any()
    fresh.write_parquet(root / "rows" / "week-9.parquet")
    asked = [({"_entity": n, "usage": 1.0, "calls": 1.0}, {"id": f"x-{n}"}) for n in (NAME, "c004")]
    content = segment([rows_block(week, asked)], process="p9", began=week.timestamp())
    (root / ".tamid" / "spool" / MODEL / "9-a.seg").write_bytes(content)
    said = here(root, "erase", NAME, *AS)
    assert said.returncode == 0
    assert "the servers' log: 1 answers name it until the next turn" in said.stdout
    with at(root, week + timedelta(hours=4)) as app:
        app.tick(MODEL)
        state = app.state(MODEL)
        rows = app.tables.read(state.pins["toy.rows"])
        assert rows.filter(pl.col("_batch") == "week-9.parquet").height == fresh.height - 1
        served = app.tables.read(state.pins["toy.served"])
        assert served.filter(pl.col("id") == f"x-{NAME}")[ENTITY].to_list() == [f"x-{NAME}"]
        assert served.filter(pl.col("id") == "x-c004")[ENTITY].to_list() == ["c004"]
        (erased,) = state.erased
        gone = app.tables.read(state.pins["toy.predictions"], periods=[max(state.scored)])
        assert gone.height > 100
        assert erased not in gone[ENTITY].to_list()
    delivered = sorted((root / "out").glob("*.csv"))
    assert delivered
    assert not any(erased in p.read_text() or f"{NAME}," in p.read_text() for p in delivered)
    with sqlite3.connect(root / ".tamid" / "online" / f"{MODEL}.sqlite") as db:
        known = {row[0] for row in db.execute("SELECT entity FROM known")}
    db.close()
    assert len(known) > 100
    assert not known & {NAME, erased}


def test_a_loop_that_had_read_it_does_not_bring_it_back(tmp_path: Path) -> None:
    """What another process keeps in memory is out of date at once; it appends to what stands."""
    root = unpacked(tmp_path)
    with at(root) as watch:
        pin = watch.state(MODEL).pins["toy.rows"]
        before = watch.tables.read(pin)
        assert here(root, "erase", NAME, *AS).returncode == 0
        after = watch.tables.read(pin)
        assert after.height == before.height
        assert not (after[ENTITY] == NAME).any()
        period = max(before["_period"])
        more = before.filter(pl.col("_period") == period).head(1)
        made = watch.tables.write("toy.rows", more, key="more", token=0, mode="append")
        grown = watch.tables.read(made, periods=[period])
        assert not (grown[ENTITY] == NAME).any()
        watch.tables.verify(made)


def test_an_erasure_that_is_killed_goes_on(tmp_path: Path) -> None:
    """Wherever it dies it says so until the same command is given again; then all holds."""
    root = unpacked(tmp_path)
    command = [sys.executable, "-m", "tamid", "-C", str(root), "-q", "erase", NAME, *AS]
    tables = root / ".tamid" / "tables"
    for waits in ("toy.labels", "toy.rows"):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 300
        while not (tables / waits / REDACTIONS).exists() and process.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        if process.wait() < 0:
            cut = here(root, "verify")
            assert cut.returncode == 6
            assert "cut off half-way" in cut.stdout
    last = here(root, "erase", NAME, *AS)
    assert last.returncode == 0, last.stderr
    assert _holders(root) == []
    assert here(root, "verify").returncode == 0
    with at(root) as app:
        assert audit(app.rig(MODEL), app.records(MODEL)).same
        assert "key" not in (root / ".tamid" / MARKS).read_text()


@pytest.fixture
def copy(done: Path, tmp_path: Path) -> Path:
    """A copy of the erased workspace that a test may change."""
    target = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(done), str(target)], check=True)
    return target


def test_a_change_under_cover_of_an_erasure_is_found(copy: Path) -> None:
    """Whoever alters a slice and lists the change is not vouched for; nor by the next erasure."""
    from tamid.adapters.rewriting import rewrite

    def better(frame: pl.DataFrame) -> pl.DataFrame | None:
        return frame.with_columns(score=pl.lit(0.99))

    rewrite(copy / ".tamid" / "tables", "toy.predictions", better)
    found = here(copy, "verify")
    assert found.returncode == 6
    assert "table toy.predictions" in found.stdout
    assert "no erasure tells of it" in found.stdout
    assert here(copy, "erase", "c005", *AS).returncode == 6


def test_a_second_erasure_of_the_same_slices(copy: Path) -> None:
    """Proofs stand one upon the other; a name that is not there is marked all the same."""
    assert here(copy, "erase", "c005", *AS).returncode == 0
    again = json.loads(here(copy, "erase", "nobody", *AS, "--json").stdout)
    assert again["tables"] == {}
    assert here(copy, "verify").returncode == 0
    with at(copy) as app:
        assert audit(app.rig(MODEL), app.records(MODEL)).same
        assert len(app.state(MODEL).erased) == 3


def test_a_backup_takes_the_erasure_along(copy: Path, tmp_path: Path) -> None:
    """What is put back verifies, and still knows whom not to take in."""
    place, keys = str(tmp_path / "b"), str(tmp_path / "k")
    assert here(copy, "backup", place, "--keys", keys).returncode == 0
    restored = tmp_path / "restored"
    assert here(tmp_path, "restore", place, str(restored), "--keys", keys).returncode == 0
    assert here(restored, "verify").returncode == 0
    with at(restored) as app:
        assert app.edges.marks is not None
        assert app.edges.marks.erased([NAME, "c004"]) == {NAME}


def test_a_model_in_the_middle_of_a_turn_is_not_rewritten(copy: Path) -> None:
    """Nothing is touched while a loop acts; the message says who."""
    with at(copy) as app:
        lease = app.leases.acquire(MODEL, "elsewhere:1", app.clock.now(), timedelta(weeks=2000))
        refused = here(copy, "erase", "c006", *AS)
        app.leases.release(lease)
    assert refused.returncode == 5
    assert "is held by elsewhere:1" in refused.stderr
    assert here(copy, "verify").returncode == 0

"""What nobody needs is cleared away; what anybody needs stays, and it is said why."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from first_workspace import MODEL, at, unpacked

from tamid.core.errors import UsageError
from tamid.core.retention import AUDIT, Replaced, plan
from tamid.core.values import Role
from tamid.stages.audit import audit, prove
from tamid.upkeep.gc import Cleared, collect

# Long after the workspace was written, by the clock of the machine that wrote it.
LATER = datetime(2028, 1, 1, tzinfo=UTC)
LONG_AGO = LATER.timestamp() - 400 * 86400


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The workspace, all of its files old."""
    folder = unpacked(tmp_path)
    for path in (folder / ".tamid").rglob("*"):
        os.utime(path, (LONG_AGO, LONG_AGO))
    return folder


def keeping(root: Path, text: str) -> None:
    """Give the workspace a file with retentions."""
    (root / "tamid.toml").write_text(
        f'[workspace]\nmodels = ["contract.yaml"]\n[retention]\n{text}'
    )


def cleared(root: Path, *, dry_run: bool = False) -> Cleared:
    """Collect as the operator does, long after."""
    with at(root, LATER) as app:
        return collect(app, actor="ada", role=Role.MLOPS_ENGINEER, reason="full", dry_run=dry_run)


def sizes(root: Path) -> dict[str, int]:
    """Return every file of the store but the ledger."""
    files = (p for p in (root / ".tamid").rglob("*") if p.is_file() and "ledger" not in p.name)
    return {str(p): p.stat().st_size for p in files}


def holds(root: Path, decisions: int) -> int:
    """Assert that all that is left proves and repeats; return how many are beyond."""
    with at(root, LATER) as app:
        records = app.records(MODEL)
        assert prove(app.rig(MODEL), records).faults == ()
        found = audit(app.rig(MODEL), records)
        assert found.same
        assert found.decisions == decisions
        for pin in app.state(MODEL).pins.values():
            app.tables.verify(pin)
        return found.beyond


def test_a_dry_run_says_what_would_go_and_does_nothing(root: Path) -> None:
    """The same as is then done, file for file."""
    before = sizes(root)
    said = cleared(root, dry_run=True)
    assert sizes(root) == before
    done = cleared(root)
    assert (done.bytes, done.files) == (said.bytes, said.files)
    gone = set(before) - set(sizes(root))
    assert len(gone) == sum(n for n, _ in done.files.values())


def test_without_a_retention_only_the_log_grows_no_older(root: Path) -> None:
    """Answers of servers go after what the contract says; every version of a table stays."""
    done = cleared(root)
    assert set(done.models[0].rows) == {"toy.served"}
    assert all(not p.gone for t, p in done.models[0].plans.items() if t != "toy.served")
    with at(root, LATER) as app:
        assert app.tables.read(app.state(MODEL).pins["toy.served"]).height == 0
        assert app.state(MODEL).answered == {}
    assert not list((root / ".tamid" / "tables" / "toy.served").glob("*/*.parquet"))
    assert holds(root, 31) == 0


def test_old_versions_go_unless_a_decision_is_repeated_on_them(root: Path) -> None:
    """A short history frees files, and each of the 31 decisions can still be repeated."""
    keeping(root, 'labels = "30d"\nrows = "30d"\n')
    done = cleared(root)
    plans = done.models[0].plans
    assert plans["toy.rows"].gone
    assert set(plans["toy.rows"].kept.values()) >= {AUDIT}
    assert any(AUDIT in text for text in done.models[0].stays)
    assert holds(root, 31) == 0


def test_decisions_may_be_given_up_by_an_explicit_word(root: Path) -> None:
    """With `audit` they go too; what live versions and open cases come from stays all the same."""
    keeping(root, 'labels = "30d"\nrows = "30d"\npredictions = "30d"\naudit = "30d"\n')
    done = cleared(root)
    whys = {why for p in done.models[0].plans.values() for why in p.kept.values()}
    assert AUDIT not in whys
    assert any("champion" in why or "case 2" in why for why in whys)
    with at(root, LATER) as app:
        found = audit(app.rig(MODEL), app.records(MODEL))
        assert found.same
        assert found.beyond > 0
        state = app.state(MODEL)
        run = state.runs[state.versions[state.champion].registered.run]
        read = [pin for pin in run.started.pins if pin.table != "toy.served"]
        assert len(read) > 1
        for pin in read:
            app.tables.verify(pin)
        assert prove(app.rig(MODEL), app.records(MODEL)).faults == ()


def test_rows_whose_time_is_over_go_and_all_that_is_left_holds(root: Path) -> None:
    """Snapshots, then labels lose a period; the loop, the proof and the audit go on without it."""
    text = 'models = ["contract.yaml"]\n[keep]\nrows = "30d"\nlabels = "10d"\npredictions = "1d"\n'
    (root / "tamid.toml").write_text("[workspace]\n" + text)
    said = cleared(root).models[0]
    assert set(said.rows) == {"toy.served"}, "of 16 weeks a window of 26 needs all"
    assert any("training looks back over 26 periods" in text for text in said.stays)
    contract = root / "contract.yaml"
    written = contract.read_text("utf-8")
    assert "retraining: {" in written
    contract.write_text(written.replace("retraining: {", "retraining: {window: short, "), "utf-8")
    with at(root) as app:
        app.adopt(MODEL)
        before = app.state(MODEL)
    done = cleared(root).models[0]
    gone = done.rows["toy.rows"]
    assert gone == tuple(sorted(before.periods))[:5], "from the sixth on the champion was judged"
    assert done.rows["toy.labels"] == gone
    assert any("the champion was judged from there on" in text for text in done.stays)
    with at(root, LATER) as app:
        state = app.state(MODEL)
        assert not set(gone) & set(state.periods)
        for name in ("rows", "labels"):
            now, then = (app.tables.read(s.pins[f"toy.{name}"]) for s in (state, before))
            assert not set(gone) & set(now["_period"])
            assert now.height == then.filter(~pl.col("_period").is_in(gone)).height
    assert holds(root, 31) == 0, "every old decision is repeated on the versions before"
    again = cleared(root).models[0]
    assert set(again.rows) == set(), "nothing is left to do"


def test_what_was_told_and_not_deleted_goes_with_the_next_call(root: Path) -> None:
    """Killed after the ledger knew and before the files went: nothing is lost or kept for ever."""
    keeping(root, 'rows = "30d"\n')
    before = {p: Path(p).read_bytes() for p in sizes(root)}
    first = cleared(root)
    gone = {p for p in before if not Path(p).exists()}
    assert gone
    for path in gone:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(before[path])
        os.utime(path, (LONG_AGO, LONG_AGO))
    with at(root, LATER) as app:
        seq = app.state(MODEL).seq
    second = cleared(root)
    assert second.files == first.files
    assert not [p for p in gone if Path(p).exists()]
    with at(root, LATER) as app:
        assert app.state(MODEL).seq == seq, "the ledger is told once"
    assert holds(root, 31) == 0


def test_loose_files_go_once_they_are_old(root: Path) -> None:
    """Content that nothing names, half-written files, files of no version: a day is enough."""
    store = root / ".tamid"
    loose = {
        store / "blobs" / "ab" / ("c" * 62): "content that nothing names",
        store / "blobs" / "ab" / ".new-x1": "half-written files",
        store / "tables" / "toy.rows" / "_period=2026-01-04" / "0.parquet": "toy.rows",
    }
    for path in loose:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    young = LATER.timestamp() - 3600
    for path in loose:
        os.utime(path, (young, young))
    cleared(root)
    assert all(path.exists() for path in loose), "somebody may be about to name it"
    for path in loose:
        os.utime(path, (LONG_AGO, LONG_AGO))
    done = cleared(root)
    assert not any(path.exists() for path in loose)
    assert set(loose.values()) <= set(done.files)
    assert holds(root, 31) == 0


def test_content_that_is_put_again_is_young(root: Path) -> None:
    """What somebody is about to name is not cleared away under his hands."""
    with at(root, LATER) as app:
        digest = app.blobs.put(b"an old idea")
        path = root / ".tamid" / "blobs" / digest[7:9] / digest[9:]
        os.utime(path, (LONG_AGO, LONG_AGO))
        app.blobs.put(b"an old idea")
        assert path.stat().st_mtime > time.time() - 3600


def test_a_backup_after_it_is_whole(root: Path, tmp_path: Path) -> None:
    """What was cleared away is not missed by a backup, nor by who restores it."""
    from tamid.adapters.memory_clock import SimulatedClock
    from tamid.app import Quiet
    from tamid.upkeep.backup import backup
    from tamid.upkeep.restore import restore

    keeping(root, 'rows = "30d"\n')
    cleared(root)
    with at(root, LATER) as app:
        assert SimulatedClock(LATER).now() == app.clock.now()
        backup(app, tmp_path / "b", tmp_path / "k")
    restore(tmp_path / "b", tmp_path / "back", Quiet(), keys=tmp_path / "k")
    assert holds(tmp_path / "back", 31) == 0


def test_a_table_that_nobody_has_is_named(root: Path) -> None:
    """A slip of the pen must not keep things for ever in silence."""
    keeping(root, 'lables = "30d"\n')
    with pytest.raises(UsageError, match="did you mean 'labels'"):
        cleared(root, dry_run=True)


def test_what_is_needed_stays_whatever_its_age() -> None:
    """Of old versions those without a need go; young ones and the newest are not even asked."""
    day = datetime(2026, 1, 1, tzinfo=UTC)
    versions = [Replaced(version=v, until=day + timedelta(days=v)) for v in range(5)]
    versions.append(Replaced(version=5, until=None))
    made = plan(versions, {1: "why"}, day + timedelta(days=3))
    assert made.gone == (0, 2)
    assert made.kept == {1: "why"}
    assert plan(versions, {}, None).gone == ()
    assert json.dumps(made.gone) == "[0, 2]"
